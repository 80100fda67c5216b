
/*
 * One arrival order of a waiting shard's requests over all workers.
 *
 *   buckets, by slot      queues                 tickets (one pool)
 *   [ - ]            ┌─▶ slot 17 ─ head ─▶ w1 ◀─▶ w2 ◀─▶ w1 ◀─ tail
 *   [ q ]────────────┤
 *   [ - ]            └─▶ slot 42 ─ head ─▶ w2 ◀─ tail
 *
 * Whoever waits first makes the shard's queue, the last one to go frees it.
 * A worker may dispatch its request when its ticket is the head.  A request
 * whose client left, or whose worker died, takes its ticket out.
 *
 * Memory is shared, and the caller holds a lock around every call but
 * shard_tickets_maybe() and shard_tickets_seems_first().  A caller may be
 * killed half-way and the lock be taken from it: a ticket's own record says
 * all (its worker is written last, and cleared first), everything else is
 * derived from it.  "dirty" is set meanwhile, and whoever finds it set
 * derives all that anew.
 */


#ifndef _SHARD_TICKETS_H_INCLUDED_
#define _SHARD_TICKETS_H_INCLUDED_


#include "shard_ledger.h"


#define SHARD_TICKETS_MAX     65536
#define SHARD_TICKET_BUCKETS  4096      /* power of two */
#define SHARD_TICKET_NONE     0xffffffff
#define SHARD_TICKET_NOBODY   0xffff
#define SHARD_TICKETS_HELD    512       /* shards counted between two looks */


typedef enum {
    SHARD_TICKET_TAKEN = 0,
    SHARD_TICKET_COUNT,                 /* the shard has too many tickets */
    SHARD_TICKET_BYTES,                 /* too many bytes would wait for it */
    SHARD_TICKET_POOL                   /* none is left for anybody */
} shard_ticket_e;

typedef struct {
    uint64_t               serial;      /* order of arrival */
    uint32_t               slot;
    uint32_t               bytes;       /* that wait with it */
    uint32_t               next;        /* of its queue, or of the free */
    uint32_t               prev;
    uint32_t               queue;
    uint16_t               worker;      /* SHARD_TICKET_NOBODY: free */
    uint16_t               spare;
} shard_ticket_t;

typedef struct {
    uint64_t               bytes;
    uint32_t               slot;
    uint32_t               n;           /* tickets, 0: free */
    uint32_t               head;
    uint32_t               tail;
    uint32_t               next;        /* number + 1 in its bucket, 0 none */
    uint32_t               spare;
} shard_ticket_queue_t;

typedef struct {
    uint32_t               waiting;     /* tickets taken, at least */
    uint32_t               dirty;
    uint64_t               serial;      /* last given */
    uint32_t               n;           /* of the pool */
    uint32_t               free_ticket;
    uint32_t               free_queue;
    uint32_t               spare;
    shard_ticket_t        *tickets;     /* [n] */
    shard_ticket_queue_t  *queues;      /* [n] */
    uint32_t               buckets[SHARD_TICKET_BUCKETS];
    shard_tally_t          held;        /* taken since the last look */
} shard_tickets_t;


/* bytes for n tickets; memory must be aligned to 8 */

size_t shard_tickets_size(uint32_t n);
void shard_tickets_place(shard_tickets_t *t, void *memory, uint32_t n);

/* at most "limit" tickets of the shard, and "room" bytes that wait for it */

shard_ticket_e shard_tickets_take(shard_tickets_t *t, uint32_t slot, uint16_t worker,
    uint32_t bytes, uint32_t limit, uint64_t room, uint32_t *ticket);

/* dispatched, or given up, in any order; nothing if it is not the worker's */

void shard_tickets_drop(shard_tickets_t *t, uint16_t worker, uint32_t ticket);

/* all of a dead worker; returns how many */

uint32_t shard_tickets_purge(shard_tickets_t *t, uint16_t worker);

/* how many were taken, by shard, since the last look: "held" is made of memory
 * for SHARD_TICKETS_HELD; shards that are too many are not counted */

void shard_tickets_held(shard_tickets_t *t, shard_tally_t *held, void *memory);

/* tickets of a shard, and bytes if asked for */

uint32_t shard_tickets_waiting(shard_tickets_t *t, uint32_t slot,
    uint64_t *bytes);

int shard_tickets_is_first(shard_tickets_t *t, uint32_t ticket);

/* worker whose ticket is the head, SHARD_TICKET_NOBODY when none waits */

uint16_t shard_tickets_next(shard_tickets_t *t, uint32_t slot);


/*
 * Without the lock: 0 when nobody waits for the shard, or 1 to look with it.
 * Mostly nobody waits for any: one word tells, and no bucket is fetched.
 */

static inline int
shard_tickets_maybe(const shard_tickets_t *t, uint32_t slot)
{
    if (__atomic_load_n(&t->waiting, __ATOMIC_RELAXED) == 0) {
        return 0;
    }

    return __atomic_load_n(&t->buckets[slot & (SHARD_TICKET_BUCKETS - 1)],
                           __ATOMIC_RELAXED) != 0;
}


/* without the lock, by the ticket's own worker */

static inline int
shard_tickets_seems_first(const shard_tickets_t *t, uint32_t ticket)
{
    return __atomic_load_n(&t->tickets[ticket].prev, __ATOMIC_RELAXED)
           == SHARD_TICKET_NONE;
}


#endif /* _SHARD_TICKETS_H_INCLUDED_ */
