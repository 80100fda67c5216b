
/*
 * All migrations of this process: one thread each, with its own connection
 * to the store and to the nodes; nothing is shared but the wish to stop.
 *
 *   main thread:  decisions ──▶ planned ──▶ claim ──▶ thread: migrator_run()
 *                 migrations left behind ──▶ claim ──▲       │
 *                 reap ◀─────────────────────────────────────┘
 */


#ifndef _MIGRATOR_CREW_H_INCLUDED_
#define _MIGRATOR_CREW_H_INCLUDED_


#include <pthread.h>

#include "../src/daemon/shardd_expose.h"
#include "conf.h"
#include "driver.h"
#include "io_store.h"
#include "preconditions.h"


/* left behind ones are taken over beyond max_migrations, up to this many */

#define MIGRATOR_CREW_MAX   128
#define MIGRATOR_CREW_NONE  UINT32_MAX      /* no shard has this id */


typedef struct {
    pthread_t                thread;
    shard_id_t               shard;         /* m is the thread's own */
    shard_id_t               into;          /* the other one, or the same */
    int                      done;          /* atomic: may be joined */
    const migrator_conf_t   *conf;
    migrator_t               m;
    migrator_io_t            io;
    migrator_store_t         store;
    char                     request[20];   /* of a check */
} migrator_worker_t;

typedef struct {
    const migrator_conf_t   *conf;
    char                     holder[SHARD_NAME_SIZE];
    shardd_store_t           store;         /* the main thread's */
    uint32_t                 n;
    migrator_worker_t       *workers[MIGRATOR_CREW_MAX];
    uint64_t                 scanned_all_ms;
    uint64_t                 reclaimed_ms;
    uint64_t                 fenced_ms;
    uint32_t                 unfenced;      /* promotions, new ones */
    size_t                   fence_next;    /* where the next round begins */
    uint64_t                 retired_ms;
    size_t                   retire_next;
    const migrator_driver_t *driver;        /* fence.c's */
    void                    *driver_data;
    uint64_t                 told_ms;       /* that it lives */
    migrator_figures_t       figures;
    shardd_expose_t         *expose;        /* NULL: figures are not wanted */
    uint64_t                 exposed_ms;
    migrator_others_t        others;        /* adopt.c's, of one scan */
    shardd_entry_t           table_nodes;   /* the same, by name */
    unsigned                 down;          /* the store, said already */
    char                     damaged[48];   /* complained about already */
} migrator_crew_t;


void migrator_crew_init(migrator_crew_t *crew, const migrator_conf_t *conf);

/* the claim, by token, is the new thread's; 0, or -1: it is still ours */

int migrator_crew_start(migrator_crew_t *crew, const migrator_state_t *state,
    uint64_t token);
int migrator_crew_has(const migrator_crew_t *crew, shard_id_t shard);

/* of a migration's shards any */

int migrator_crew_busy(const migrator_crew_t *crew,
    const migrator_state_t *state);

/* a check of its own thread, to be answered in check:REQUEST; the same */

int migrator_crew_check(migrator_crew_t *crew, const migrator_state_t *state,
    const char *request);

/* checks.c: what --dry-run asks for, and that somebody is there to answer */

void migrator_crew_checks(migrator_crew_t *crew);
void migrator_crew_untell(migrator_crew_t *crew);
void migrator_check_answer(migrator_worker_t *w);

/* joins what has ended; number of those that run */

uint32_t migrator_crew_reap(migrator_crew_t *crew);

/* adopt.c: starts planned ones within the budget, resumes others' */

void migrator_crew_adopt(migrator_crew_t *crew);

/* fence.c: tells former primaries that come back that they are none */

void migrator_crew_fence(migrator_crew_t *crew);

/* retire.c: former primaries that were kept for long enough give up */

void migrator_crew_retire(migrator_crew_t *crew);

/* once a second at most: figures for who asks */

void migrator_crew_expose(migrator_crew_t *crew);

/* standbys are kept from now on; NULL: not by this process */

migrator_keeper_t *migrator_crew_keep(const migrator_crew_t *crew);

/* decision_cut.c: the fields of splits and merges; before and, with its
 * shard's record, behind the decision is known to be new.  The latter
 * answers shardd_rc_e, with "err" where it is SHARDD_BAD */

int migrator_decision_other(const shardd_entry_t *entry,
    migrator_state_t *state);
int migrator_decision_cut(migrator_crew_t *crew, const shardd_entry_t *entry,
    migrator_state_t *state, const shard_record_t *rec, char *err);

/* decisions.c: new entries become planned migrations */

void migrator_crew_decisions(migrator_crew_t *crew);

/* one as a state; SHARD_ERROR: "why" is bad */

int migrator_decision_read(const shardd_entry_t *entry,
    migrator_state_t *state, const char **why);


#endif /* _MIGRATOR_CREW_H_INCLUDED_ */
