
#include "shard_tickets.h"

#include <string.h>


#define SHARD_TICKETS_REPAIR  0xffffffff         /* bucket, being derived */
#define SHARD_TICKETS_BINS    33


static void shard_tickets_begin(shard_tickets_t *t);
static void shard_tickets_end(shard_tickets_t *t);
static void shard_tickets_repair(shard_tickets_t *t);
static uint32_t shard_tickets_sort(shard_tickets_t *t, uint32_t list);
static uint32_t shard_tickets_merge(shard_tickets_t *t, uint32_t a,
    uint32_t b);
static shard_ticket_queue_t *shard_tickets_find(shard_tickets_t *t,
    uint32_t slot);
static void shard_tickets_append(shard_tickets_t *t, uint32_t ticket);
static void shard_tickets_free(shard_tickets_t *t, uint32_t ticket);
static void shard_tickets_free_queue(shard_tickets_t *t, uint32_t queue);


#define shard_tickets_bucket(t, slot)                                         \
    (&(t)->buckets[(slot) & (SHARD_TICKET_BUCKETS - 1)])

#define shard_tickets_store(p, v, order)  __atomic_store_n((p), (v), (order))


size_t
shard_tickets_size(uint32_t n)
{
    return (size_t) n
           * (sizeof(shard_ticket_t) + sizeof(shard_ticket_queue_t))
           + shard_tally_size(SHARD_TICKETS_HELD);
}


void
shard_tickets_place(shard_tickets_t *t, void *memory, uint32_t n)
{
    uint32_t  i;

    t->n = n;
    t->serial = 0;
    t->queues = memory;
    t->tickets = (shard_ticket_t *) (t->queues + n);
    shard_tally_place(&t->held, t->tickets + n, SHARD_TICKETS_HELD);

    for (i = 0; i < n; i++) {
        t->tickets[i].worker = SHARD_TICKET_NOBODY;
    }

    shard_tickets_repair(t);
    t->dirty = 0;
}


/* around every change: nothing of it may move out of here */

static void
shard_tickets_begin(shard_tickets_t *t)
{
    if (t->dirty) {
        shard_tickets_repair(t);
    }

    shard_tickets_store(&t->dirty, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}


static void
shard_tickets_end(shard_tickets_t *t)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    shard_tickets_store(&t->dirty, 0, __ATOMIC_RELEASE);
}


/*
 * All that is derived from the tickets' records.  Those who look without the
 * lock meanwhile see their buckets used and come for the lock.
 */

static void
shard_tickets_repair(shard_tickets_t *t)
{
    uint32_t  i, live, next, waiting;

    shard_tickets_store(&t->waiting, UINT32_MAX, __ATOMIC_RELAXED);

    for (i = 0; i < SHARD_TICKET_BUCKETS; i++) {
        shard_tickets_store(&t->buckets[i], SHARD_TICKETS_REPAIR,
                            __ATOMIC_RELAXED);
    }

    t->free_ticket = SHARD_TICKET_NONE;
    t->free_queue = SHARD_TICKET_NONE;
    live = SHARD_TICKET_NONE;

    for (i = t->n; i-- > 0; /* void */ ) {

        t->queues[i].n = 0;
        t->queues[i].next = t->free_queue;
        t->free_queue = i;

        if (t->tickets[i].worker == SHARD_TICKET_NOBODY) {
            t->tickets[i].next = t->free_ticket;
            t->free_ticket = i;

        } else {
            t->tickets[i].next = live;
            live = i;
        }
    }

    waiting = 0;

    for (i = shard_tickets_sort(t, live); i != SHARD_TICKET_NONE; i = next) {
        next = t->tickets[i].next;
        shard_tickets_append(t, i);
        waiting++;
    }

    for (i = 0; i < SHARD_TICKET_BUCKETS; i++) {
        if (t->buckets[i] == SHARD_TICKETS_REPAIR) {
            shard_tickets_store(&t->buckets[i], 0, __ATOMIC_RELAXED);
        }
    }

    shard_tickets_store(&t->waiting, waiting, __ATOMIC_RELAXED);
}


/* by serial; bin i holds a sorted list of 2^i tickets, or none */

static uint32_t
shard_tickets_sort(shard_tickets_t *t, uint32_t list)
{
    uint32_t  i, one, bins[SHARD_TICKETS_BINS];

    for (i = 0; i < SHARD_TICKETS_BINS; i++) {
        bins[i] = SHARD_TICKET_NONE;
    }

    while (list != SHARD_TICKET_NONE) {
        one = list;
        list = t->tickets[one].next;
        t->tickets[one].next = SHARD_TICKET_NONE;

        for (i = 0; bins[i] != SHARD_TICKET_NONE; i++) {
            one = shard_tickets_merge(t, bins[i], one);
            bins[i] = SHARD_TICKET_NONE;
        }

        bins[i] = one;
    }

    for (i = 0, one = SHARD_TICKET_NONE; i < SHARD_TICKETS_BINS; i++) {
        one = shard_tickets_merge(t, bins[i], one);
    }

    return one;
}


static uint32_t
shard_tickets_merge(shard_tickets_t *t, uint32_t a, uint32_t b)
{
    uint32_t  first, *last;

    last = &first;

    while (a != SHARD_TICKET_NONE && b != SHARD_TICKET_NONE) {

        if (t->tickets[a].serial < t->tickets[b].serial) {
            *last = a;
            last = &t->tickets[a].next;
            a = *last;

        } else {
            *last = b;
            last = &t->tickets[b].next;
            b = *last;
        }
    }

    *last = a != SHARD_TICKET_NONE ? a : b;

    return first;
}


static shard_ticket_queue_t *
shard_tickets_find(shard_tickets_t *t, uint32_t slot)
{
    uint32_t  q;

    q = *shard_tickets_bucket(t, slot);

    while (q && q != SHARD_TICKETS_REPAIR) {

        if (t->queues[q - 1].slot == slot) {
            return &t->queues[q - 1];
        }

        q = t->queues[q - 1].next;
    }

    return NULL;
}


/* behind all of its shard; there are as many queues as tickets */

static void
shard_tickets_append(shard_tickets_t *t, uint32_t ticket)
{
    uint32_t              *bucket;
    shard_ticket_t        *one;
    shard_ticket_queue_t  *q;

    one = &t->tickets[ticket];
    q = shard_tickets_find(t, one->slot);

    if (q == NULL) {
        q = &t->queues[t->free_queue];
        t->free_queue = q->next;

        bucket = shard_tickets_bucket(t, one->slot);

        q->slot = one->slot;
        q->n = 0;
        q->bytes = 0;
        q->tail = SHARD_TICKET_NONE;
        q->next = *bucket == SHARD_TICKETS_REPAIR ? 0 : *bucket;

        shard_tickets_store(bucket, (uint32_t) (q - t->queues) + 1,
                            __ATOMIC_RELAXED);
    }

    one->queue = (uint32_t) (q - t->queues);
    one->next = SHARD_TICKET_NONE;
    shard_tickets_store(&one->prev, q->tail, __ATOMIC_RELAXED);

    if (q->tail == SHARD_TICKET_NONE) {
        q->head = ticket;

    } else {
        t->tickets[q->tail].next = ticket;
    }

    q->tail = ticket;
    q->bytes += one->bytes;
    q->n++;
}


shard_ticket_e
shard_tickets_take(shard_tickets_t *t, uint32_t slot, uint16_t worker,
    uint32_t bytes, uint32_t limit, uint64_t room, uint32_t *ticket)
{
    uint32_t         n;
    uint64_t         used;
    shard_ticket_t  *one;

    n = shard_tickets_waiting(t, slot, &used);

    if (n >= limit) {
        return SHARD_TICKET_COUNT;
    }

    if (used + bytes > room) {
        return SHARD_TICKET_BYTES;
    }

    if (t->free_ticket == SHARD_TICKET_NONE) {
        return SHARD_TICKET_POOL;
    }

    shard_tickets_begin(t);

    *ticket = t->free_ticket;
    one = &t->tickets[*ticket];
    t->free_ticket = one->next;

    one->serial = ++t->serial;
    one->slot = slot;
    one->bytes = bytes;
    shard_tickets_store(&one->worker, worker, __ATOMIC_RELEASE);

    shard_tickets_store(&t->waiting, t->waiting + 1, __ATOMIC_RELEASE);
    shard_tickets_append(t, *ticket);
    (void) shard_tally_add(&t->held, slot);

    shard_tickets_end(t);

    return SHARD_TICKET_TAKEN;
}


static void
shard_tickets_free_queue(shard_tickets_t *t, uint32_t queue)
{
    uint32_t  *p, *bucket;

    bucket = shard_tickets_bucket(t, t->queues[queue].slot);

    for (p = bucket; *p != queue + 1; p = &t->queues[*p - 1].next) {
        /* void */
    }

    shard_tickets_store(p, t->queues[queue].next, __ATOMIC_RELAXED);

    t->queues[queue].next = t->free_queue;
    t->free_queue = queue;
}


static void
shard_tickets_free(shard_tickets_t *t, uint32_t ticket)
{
    shard_ticket_t        *one;
    shard_ticket_queue_t  *q;

    one = &t->tickets[ticket];
    q = &t->queues[one->queue];

    shard_tickets_store(&one->worker, SHARD_TICKET_NOBODY, __ATOMIC_SEQ_CST);

    if (one->next == SHARD_TICKET_NONE) {
        q->tail = one->prev;

    } else {
        shard_tickets_store(&t->tickets[one->next].prev, one->prev,
                            __ATOMIC_RELAXED);
    }

    if (one->prev == SHARD_TICKET_NONE) {
        q->head = one->next;

    } else {
        t->tickets[one->prev].next = one->next;
    }

    q->bytes -= one->bytes;
    q->n--;

    if (q->n == 0) {
        shard_tickets_free_queue(t, one->queue);
    }

    one->next = t->free_ticket;
    t->free_ticket = ticket;

    shard_tickets_store(&t->waiting, t->waiting - 1, __ATOMIC_RELEASE);
}


void
shard_tickets_drop(shard_tickets_t *t, uint16_t worker, uint32_t ticket)
{
    if (ticket >= t->n || t->tickets[ticket].worker != worker) {
        return;
    }

    shard_tickets_begin(t);
    shard_tickets_free(t, ticket);
    shard_tickets_end(t);
}


uint32_t
shard_tickets_purge(shard_tickets_t *t, uint16_t worker)
{
    uint32_t  i, n;

    n = 0;

    shard_tickets_begin(t);

    for (i = 0; i < t->n; i++) {
        if (t->tickets[i].worker == worker) {
            shard_tickets_free(t, i);
            n++;
        }
    }

    shard_tickets_end(t);

    return n;
}


void
shard_tickets_held(shard_tickets_t *t, shard_tally_t *held, void *memory)
{
    *held = t->held;
    held->counts = memory;

    memcpy(memory, t->held.counts, shard_tally_size(SHARD_TICKETS_HELD));
    shard_tally_place(&t->held, t->held.counts, SHARD_TICKETS_HELD);
}


uint32_t
shard_tickets_waiting(shard_tickets_t *t, uint32_t slot, uint64_t *bytes)
{
    shard_ticket_queue_t  *q;

    if (t->dirty) {
        shard_tickets_begin(t);
        shard_tickets_end(t);
    }

    q = shard_tickets_find(t, slot);

    if (bytes) {
        *bytes = q ? q->bytes : 0;
    }

    return q ? q->n : 0;
}


int
shard_tickets_is_first(shard_tickets_t *t, uint32_t ticket)
{
    if (t->dirty) {
        shard_tickets_begin(t);
        shard_tickets_end(t);
    }

    return t->tickets[ticket].prev == SHARD_TICKET_NONE;
}


uint16_t
shard_tickets_next(shard_tickets_t *t, uint32_t slot)
{
    shard_ticket_queue_t  *q;

    (void) shard_tickets_waiting(t, slot, NULL);
    q = shard_tickets_find(t, slot);

    return q ? t->tickets[q->head].worker : SHARD_TICKET_NOBODY;
}
