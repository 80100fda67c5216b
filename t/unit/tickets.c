
/*
 * Tickets of a held shard against a naive list: random workers take, leave,
 * die and dispatch; what the ring calls the head must be the oldest that
 * still waits.
 */

#include "shard_tickets.h"

#include "../lib/tap.h"


#define STEPS    400000
#define WORKERS  4
#define LIMIT    300


/* the naive list: all tickets ever taken that still wait, oldest first */

typedef struct {
    uint32_t  n;
    uint32_t  ticket[SHARD_TICKETS_MAX];
    uint16_t  worker[SHARD_TICKETS_MAX];
} model_t;


static int  full;               /* how often the limit was reached */


static void
model_remove(model_t *m, uint32_t i)
{
    m->n--;
    memmove(&m->ticket[i], &m->ticket[i + 1], (m->n - i) * sizeof(uint32_t));
    memmove(&m->worker[i], &m->worker[i + 1], (m->n - i) * sizeof(uint16_t));
}


static uint32_t
model_purge(model_t *m, uint16_t worker)
{
    uint32_t  i, n;

    n = 0;

    for (i = 0; i < m->n; /* void */ ) {
        if (m->worker[i] == worker) {
            model_remove(m, i);
            n++;

        } else {
            i++;
        }
    }

    return n;
}


/* room is counted from the oldest that waits: gaps behind it take room */

static uint32_t
model_waiting(const model_t *m, const shard_tickets_t *q)
{
    return m->n ? q->tail - m->ticket[0] : 0;
}


static int
step(shard_tickets_t *q, model_t *m, uint64_t *seed)
{
    int       rc;
    uint16_t  worker;
    uint32_t  i, ticket, dice, waiting;

    worker = (uint16_t) (tap_random(seed) % WORKERS);

    dice = (uint32_t) (tap_random(seed) % 2000);

    if (dice == 0) {
        return shard_tickets_purge(q, worker) == model_purge(m, worker);
    }

    if (dice < 50) {
        /* tickets that are not, or no longer, there */

        shard_tickets_drop(q, q->tail + (uint32_t) (tap_random(seed) % 99));
        shard_tickets_drop(q, q->head - 1
                              - (uint32_t) (tap_random(seed) % 99));
        return 1;
    }

    if (dice < 1000 && m->n) {
        /* the head is dispatched, or a client leaves */

        i = dice < 800 ? 0 : (uint32_t) (tap_random(seed) % m->n);
        ticket = m->ticket[i];

        if (i == 0 && q->head != ticket) {
            return 0;
        }

        model_remove(m, i);
        shard_tickets_drop(q, ticket);
        return 1;
    }

    waiting = model_waiting(m, q);
    rc = shard_tickets_take(q, worker, LIMIT, &ticket);

    if (waiting >= LIMIT) {
        full++;
        return rc == SHARD_AGAIN;
    }

    if (rc != SHARD_OK || ticket != q->tail - 1) {
        return 0;
    }

    m->ticket[m->n] = ticket;
    m->worker[m->n++] = worker;
    return 1;
}


static void
test_model(uint32_t start, uint64_t *seed)
{
    int               i, wrong;
    uint32_t          most;
    model_t          *m;
    shard_tickets_t  *q;

    q = malloc(sizeof(shard_tickets_t));
    m = calloc(1, sizeof(model_t));

    shard_tickets_init(q);
    q->head = start;
    q->tail = start;
    wrong = 0;
    most = 0;

    for (i = 0; i < STEPS && wrong == 0; i++) {
        wrong += !step(q, m, seed);
        wrong += shard_tickets_waiting(q) != model_waiting(m, q);
        wrong += shard_tickets_next(q)
                 != (m->n ? m->worker[0] : SHARD_TICKET_NOBODY);
        most = m->n > most ? m->n : most;
    }

    tap_diag("%d steps, at most %u waiting, tickets %u to %u", i, most, start,
             q->tail);
    tap_is_int(wrong, 0, "as the naive list, from ticket %u", start);
    tap_ok(full > 0, "the limit was reached %d times", full);
    full = 0;

    free(q);
    free(m);
}


static void
test_bounds(void)
{
    uint32_t          i, ticket, refused;
    shard_tickets_t  *q;

    q = malloc(sizeof(shard_tickets_t));
    shard_tickets_init(q);

    tap_is_int(shard_tickets_next(q), SHARD_TICKET_NOBODY, "nobody waits");
    tap_is_int(shard_tickets_take(q, 0, 0, &ticket), SHARD_AGAIN,
               "a limit of none");

    refused = 0;

    for (i = 0; i < SHARD_TICKETS_MAX; i++) {
        refused += shard_tickets_take(q, 1, UINT32_MAX, &ticket) != SHARD_OK;
    }

    tap_is_int(refused, 0, "%d tickets", SHARD_TICKETS_MAX);
    tap_is_int(shard_tickets_take(q, 1, UINT32_MAX, &ticket), SHARD_AGAIN,
               "the ring is full whatever the limit");
    tap_is_int(shard_tickets_waiting(q), SHARD_TICKETS_MAX, "all wait");

    shard_tickets_drop(q, 5);
    tap_is_int(shard_tickets_take(q, 1, UINT32_MAX, &ticket), SHARD_AGAIN,
               "a gap behind the head makes no room");
    shard_tickets_drop(q, 0);
    tap_is_int(shard_tickets_take(q, 2, UINT32_MAX, &ticket), SHARD_OK,
               "the head's place does");
    tap_is_int(ticket, SHARD_TICKETS_MAX, "numbers go on");
    shard_tickets_drop(q, 0);
    tap_is_int(shard_tickets_waiting(q), SHARD_TICKETS_MAX,
               "dropped twice is dropped once");

    tap_is_int(shard_tickets_purge(q, 1), SHARD_TICKETS_MAX - 2,
               "a worker dies");
    tap_is_int(shard_tickets_next(q), 2, "the other one is next");
    tap_is_int(shard_tickets_purge(q, 2), 1, "it dies, too");
    tap_is_int(shard_tickets_waiting(q), 0, "nobody waits");

    free(q);
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261126);

    test_bounds();
    test_model(0, &seed);
    test_model(UINT32_MAX - 1000, &seed);

    return tap_done();
}
