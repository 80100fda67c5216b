
/*
 * One arrival order of a held shard's requests over all workers: a ring of
 * tickets, each with the worker that parks the request.
 *
 *      head (next to go)                   tail (next to come)
 *        ▼                                   ▼
 *      [ w1 ][ w2 ][ gone ][ w1 ][ w2 ] ...
 *
 * A worker may dispatch its request when its ticket is the head.  A request
 * whose client left, or whose worker died, leaves a gap that the head steps
 * over.  Memory is shared; the caller holds a lock around every call.
 */


#ifndef _SHARD_TICKETS_H_INCLUDED_
#define _SHARD_TICKETS_H_INCLUDED_


#include "shard_types.h"


#define SHARD_TICKETS_MAX     4096      /* power of two */
#define SHARD_TICKET_NOBODY   0xffff


typedef struct {
    uint32_t  head;
    uint32_t  tail;                     /* tail - head <= SHARD_TICKETS_MAX */
    uint16_t  worker[SHARD_TICKETS_MAX];
} shard_tickets_t;


void shard_tickets_init(shard_tickets_t *q);

/* SHARD_AGAIN when "limit" tickets wait already */

int shard_tickets_take(shard_tickets_t *q, uint16_t worker, uint32_t limit,
    uint32_t *ticket);

/* dispatched, or given up, in any order */

void shard_tickets_drop(shard_tickets_t *q, uint32_t ticket);

/* all of a dead worker; returns how many */

uint32_t shard_tickets_purge(shard_tickets_t *q, uint16_t worker);

/* worker whose ticket is the head, SHARD_TICKET_NOBODY when none waits */

uint16_t shard_tickets_next(const shard_tickets_t *q);

static inline uint32_t
shard_tickets_waiting(const shard_tickets_t *q)
{
    return q->tail - q->head;
}


#endif /* _SHARD_TICKETS_H_INCLUDED_ */
