
/*
 * Standbys are kept level, all the time: what a primary writes is shipped to
 * each standby that the table names, whoever made it.
 *
 *   manager:  claims of blocks ──▶ table ──▶ list of (shard, standby)
 *             standbys ◀── what changed ◀──────┤  ▲
 *                                              ▼  │ due, in order
 *   few workers:       take ──▶ a round: tell, ship or copy ──▶ back
 *
 * Shard space is shared among migrators by blocks (shard id mod 32), each
 * with a claim "standby:BLOCK"; the lease only saves work.  That two ship to
 * the same standby, or one from a primary that is none any more, is made
 * harmless by positions and by the epoch that goes with every shipment.
 *
 * A standby costs no thread: some 100 bytes, and a look now and then.
 */


#ifndef _MIGRATOR_KEEP_H_INCLUDED_
#define _MIGRATOR_KEEP_H_INCLUDED_


#include <pthread.h>

#include "../src/daemon/shardd_standbys.h"
#include "../src/daemon/shardd_store.h"
#include "io.h"


#define MIGRATOR_KEEP_BLOCKS   SHARDD_STANDBY_BLOCKS
#define MIGRATOR_KEEP_ERR      160


typedef struct {
    long               workers;             /* threads; 0: nothing is kept */
    long               interval_ms;         /* to a standby that gets writes */
    long               idle_ms;             /* to one that gets none */
    long               copies;              /* at once in this process */
    long               batch;               /* log entries a round */
    long               request_timeout_ms;
    long               copy_timeout_ms;
    long               claim_ttl_ms;
} migrator_keep_conf_t;


typedef enum {
    MIGRATOR_KEEP_NEW = 0,    /* not looked at since it is ours */
    MIGRATOR_KEEP_LEVEL,      /* had everything at level_ms */
    MIGRATOR_KEEP_BEHIND,     /* more is there than one round ships */
    MIGRATOR_KEEP_COPY,       /* needs a snapshot, or gets it */
    MIGRATOR_KEEP_DOWN,       /* one of the two does not answer */
    MIGRATOR_KEEP_REFUSED     /* one of the two will not */
} migrator_keep_e;

const char *migrator_keep_name(migrator_keep_e state);


/* a node, by number; numbers stay while the process runs */

typedef struct {
    shard_node_t       node;
    uint64_t           retry_ms;            /* silent: not asked before */
    long               backoff_ms;          /* 0: it answers */
} migrator_keep_node_t;


/* one standby of one shard; times in ms, due_ms on the monotonic clock */

typedef struct {
    shard_id_t         shard;
    uint32_t           epoch;
    uint32_t           primary;             /* numbers of nodes */
    uint32_t           standby;
    uint32_t           seen;                /* list's generation */
    uint32_t           slot;                /* in the heap, from 1; 0: none */
    uint32_t           wait_ms;             /* to the next look, or backoff */
    uint8_t            state;               /* migrator_keep_e */
    unsigned           told:1;              /* it knows the epoch */
    unsigned           reset:1;             /* of another history */
    unsigned           granted:1;           /* may be copied */
    unsigned           busy:1;              /* a worker has it */
    unsigned           gone:1;              /* not in the table any more */
    unsigned           dirty:1;             /* not published as it is */
    uint64_t           position;
    uint64_t           lag;                 /* entries, as last known */
    uint64_t           level_ms;            /* since 1970; 0: never */
    uint64_t           due_ms;
    char              *err;                 /* NULL, or malloc()ed */
} migrator_kept_t;


/* one round: filled by the list, worked on by keep_round.c without a lock */

typedef struct {
    shard_id_t         shard;
    uint32_t           epoch;
    shard_node_t       primary;
    shard_node_t       standby;
    uint64_t           position;
    unsigned           told:1;
    unsigned           reset:1;
    unsigned           copy:1;

    /* what came of it */
    migrator_keep_e    state;
    unsigned           moved:1;             /* entries were shipped */
    unsigned           lost:1;              /* its data are of no use */
    unsigned           primary_down:1;
    unsigned           standby_down:1;
    uint64_t           lag;
    uint64_t           level_ms;            /* 0: not level by this round */
    uint64_t           bytes;
    char               err[MIGRATOR_ERR_SIZE];
} migrator_keep_job_t;


/* no lock in here: its user has one; all memory is the list's */

typedef struct {
    const migrator_keep_conf_t  *conf;
    uint32_t                     n;         /* ordered by shard */
    migrator_kept_t            **kept;
    uint32_t                     nheap;
    uint32_t                     heap_size;
    migrator_kept_t            **heap;      /* from 1, soonest first */
    uint32_t                     nnodes;
    migrator_keep_node_t        *nodes;
    uint32_t                     generation;
    uint32_t                     ndropped;  /* shards that lost one */
    uint32_t                     dropped_size;
    shard_id_t                  *dropped;
    long                         copying;
} migrator_keep_list_t;


/* keep_table.c; 0, or -1 without memory: the list is then as it was */

int migrator_keep_update(migrator_keep_list_t *list,
    const shardd_table_t *table, uint32_t blocks, uint64_t now_ms);
void migrator_keep_free(migrator_keep_list_t *list);

/* keep_list.c; the heap has room for all of the list */

void migrator_keep_push(migrator_keep_list_t *list, migrator_kept_t *kept,
    uint64_t due_ms);
void migrator_keep_pull(migrator_keep_list_t *list, migrator_kept_t *kept);

/* the next one that is due, busy from then on; or NULL, and *wait_ms */

migrator_kept_t *migrator_keep_take(migrator_keep_list_t *list,
    uint64_t now_ms, migrator_keep_job_t *job, long *wait_ms);
void migrator_keep_done(migrator_keep_list_t *list, migrator_kept_t *kept,
    const migrator_keep_job_t *job, uint64_t now_ms);

/* those that need a snapshot may have one, while copies are to be had */

void migrator_keep_grant(migrator_keep_list_t *list, migrator_kept_t *kept,
    uint64_t now_ms);


/* keep_round.c: wall_ms is the time since 1970 when the round began */

void migrator_keep_round(const migrator_driver_t *driver, void *data,
    const migrator_keep_conf_t *conf, migrator_keep_job_t *job,
    uint64_t wall_ms, int (*tick)(void *data), void *tick_data);


/* keep_claim.c: which blocks are ours, bit by block; one thread */

typedef struct {
    uint32_t           blocks;
    uint64_t           token[MIGRATOR_KEEP_BLOCKS];
    uint64_t           presence;            /* token of migrator:HOLDER */
} migrator_keep_claims_t;

/* renews, takes what is free, gives back what is more than a fair share */

int migrator_keep_claim(migrator_keep_claims_t *claims, shardd_store_t *store,
    const char *holder, long ttl_ms);
void migrator_keep_leave(migrator_keep_claims_t *claims,
    shardd_store_t *store, const char *holder);

/* 1: nobody has the shard's claim, by the store's clock; 0: or unknown */

int migrator_keep_unclaimed(shardd_store_t *store, shard_id_t shard);


/* keep_publish.c: the hash "standbys", by the thread that updates the list */

int migrator_keep_publish(migrator_keep_list_t *list, shardd_store_t *store,
    uint32_t blocks, uint64_t wall_ms, pthread_mutex_t *mutex);
void migrator_keep_recall(migrator_keep_list_t *list, shardd_store_t *store,
    pthread_mutex_t *mutex);


struct migrator_conf_s;

/* keep.c: the threads; NULL: they cannot be had, or none is wanted */

typedef struct migrator_keeper_s  migrator_keeper_t;

migrator_keeper_t *migrator_keeper_start(const migrator_keep_conf_t *keep,
    const struct migrator_conf_s *conf, const char *holder);
void migrator_keeper_stop(migrator_keeper_t *keeper);


#endif /* _MIGRATOR_KEEP_H_INCLUDED_ */
