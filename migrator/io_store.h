
/*
 * The seam's functions over the real store and the real clock.
 */


#ifndef _MIGRATOR_IO_STORE_H_INCLUDED_
#define _MIGRATOR_IO_STORE_H_INCLUDED_


#include "../src/daemon/shardd_store.h"
#include "figures.h"
#include "io.h"


#define MIGRATOR_CRASH_ENV  "SHARD_MIGRATOR_CRASH"
#define MIGRATOR_STOP_ENV   "SHARD_MIGRATOR_STOP"


typedef struct {
    shardd_store_t   store;             /* this thread's own connection */
    const char      *holder;
    int64_t          wall_ms;           /* minus the monotonic, at begin */
    int64_t          clock_ms;          /* the store's minus ours */
    uint64_t         clock_at_ms;       /* when that was asked, 0 = never */
    uint64_t         there_at_ms;       /* monotonic: the store, since then */
    unsigned         there_asked;       /* by which connection */
    migrator_figures_t  *figures;       /* NULL: nobody wants them */
    unsigned         phase;             /* atomic: as it was told last */
    char             err[SHARDD_ERR_SIZE];
} migrator_store_t;


extern const migrator_io_t  migrator_store_io;    /* but for "data" */


/* before each migration: its clock */

void migrator_store_begin(migrator_store_t *s);

/* rc, and unless it is SHARDD_OK its words, for err() */

int migrator_store_say(migrator_store_t *s, int rc, const char *text);

void migrator_claim_of(const char *holder, shard_id_t shard, uint64_t token,
    shardd_claim_t *claim);

/* io_mirror.c */

int migrator_store_mirror(void *data, uint32_t *bp);
int migrator_store_mirrors(void *data, uint64_t migration,
    migrator_mirrors_t *out);

/* io_audit.c */

int migrator_store_hook(void *data, const migrator_hook_t *hook,
    const migrator_state_t *state, long timeout_ms, int (*tick)(void *data),
    void *tick_data, char *err, size_t size);
void migrator_store_audit(void *data, const migrator_state_t *state,
    const char *was, uint64_t took_ms, int wish);

/* io_check.c */

int migrator_store_others(void *data, uint64_t self,
    migrator_others_t *out);

/* one more of the others: it runs, or has ended and can be learnt of */

void migrator_others_add(migrator_others_t *out,
    const migrator_state_t *state, const shardd_entry_t *nodes);
void migrator_running_of(const migrator_state_t *state,
    const shardd_entry_t *nodes, migrator_running_t *r);

/* io_routers.c: all entries, none with SHARDD_OK if there are none */

int migrator_store_entries(migrator_store_t *s, shardd_entry_t *entries);
int migrator_store_views(void *data, const char *node,
    migrator_views_t *out);
int migrator_store_routers(void *data, shard_id_t id,
    migrator_routers_t *out);

/* routers.c: one entry of "routers"; SHARD_ERROR: it is no such thing */

int migrator_router_decode(const char *name, const char *json,
    shard_id_t shard, uint64_t now_ms, migrator_router_t *out);


/* what it says of itself and of "node"; the same */

int migrator_router_view(const char *name, const char *json,
    const char *node, uint64_t now_ms, migrator_view_t *out);

/* by the store's clock, which is the same for all of us */

uint64_t migrator_store_clock(migrator_store_t *s);


/* adds what the entry says of one migration's mirrored reads, if anything */

void migrator_router_mirrors(const char *json, uint64_t migration,
    migrator_mirrors_t *sum);


#endif /* _MIGRATOR_IO_STORE_H_INCLUDED_ */
