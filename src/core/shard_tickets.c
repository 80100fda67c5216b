
#include "shard_tickets.h"


#define shard_tickets_place(ticket)  ((ticket) & (SHARD_TICKETS_MAX - 1))


static void shard_tickets_advance(shard_tickets_t *q);


void
shard_tickets_init(shard_tickets_t *q)
{
    q->head = 0;
    q->tail = 0;
}


int
shard_tickets_take(shard_tickets_t *q, uint16_t worker, uint32_t limit,
    uint32_t *ticket)
{
    if (limit > SHARD_TICKETS_MAX) {
        limit = SHARD_TICKETS_MAX;
    }

    if (q->tail - q->head >= limit) {
        return SHARD_AGAIN;
    }

    /* in this order: whoever is killed in between leaves no ticket of nobody
     * alive, which all others would wait behind */

    *ticket = q->tail;
    q->worker[shard_tickets_place(*ticket)] = worker;
    __atomic_store_n(&q->tail, *ticket + 1, __ATOMIC_RELEASE);

    return SHARD_OK;
}


void
shard_tickets_drop(shard_tickets_t *q, uint32_t ticket)
{
    if (ticket - q->head >= q->tail - q->head) {
        return;
    }

    q->worker[shard_tickets_place(ticket)] = SHARD_TICKET_NOBODY;
    shard_tickets_advance(q);
}


uint32_t
shard_tickets_purge(shard_tickets_t *q, uint16_t worker)
{
    uint32_t  n, ticket;

    n = 0;

    for (ticket = q->head; ticket != q->tail; ticket++) {
        if (q->worker[shard_tickets_place(ticket)] == worker) {
            q->worker[shard_tickets_place(ticket)] = SHARD_TICKET_NOBODY;
            n++;
        }
    }

    shard_tickets_advance(q);

    return n;
}


uint16_t
shard_tickets_next(const shard_tickets_t *q)
{
    if (q->head == q->tail) {
        return SHARD_TICKET_NOBODY;
    }

    return q->worker[shard_tickets_place(q->head)];
}


static void
shard_tickets_advance(shard_tickets_t *q)
{
    while (q->head != q->tail
           && q->worker[shard_tickets_place(q->head)] == SHARD_TICKET_NOBODY)
    {
        q->head++;
    }
}
