
/*
 * Tickets of waiting shards against a naive list: random workers take, leave,
 * die and dispatch; links are scrambled as by somebody killed half-way; and
 * processes that share a pool are killed at any point.
 */

#include "shard_tickets.h"

#include "../lib/tap.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>


#define STEPS    300000
#define POOL     600
#define WORKERS  4
#define SLOTS    40                /* some share a bucket */
#define LIMIT    100
#define ROOM     20000
#define KILLS    700


/* the naive list: all that wait, oldest first */

typedef struct {
    uint32_t  n;
    uint32_t  ticket[POOL];
    uint32_t  slot[POOL];
    uint32_t  bytes[POOL];
    uint16_t  worker[POOL];
    uint32_t  taken[POOL];         /* by slot, since the last look */
} model_t;

typedef struct {
    shard_tickets_t  tickets;
    pid_t            owner;        /* of the lock */
    uint32_t         taken[WORKERS];
    _Alignas(8) char memory[POOL * 64 + 1024 * sizeof(shard_tally_count_t)];
} world_t;


static uint32_t  full;             /* how often something was refused */


static uint32_t
slot_of(uint64_t random)
{
    uint32_t  i;

    i = (uint32_t) (random % SLOTS);

    return i / 2 + i % 2 * SHARD_TICKET_BUCKETS;
}


static void
model_remove(model_t *m, uint32_t i)
{
    size_t  n;

    m->n--;
    n = m->n - i;
    memmove(&m->ticket[i], &m->ticket[i + 1], n * sizeof(uint32_t));
    memmove(&m->slot[i], &m->slot[i + 1], n * sizeof(uint32_t));
    memmove(&m->bytes[i], &m->bytes[i + 1], n * sizeof(uint32_t));
    memmove(&m->worker[i], &m->worker[i + 1], n * sizeof(uint16_t));
}


static uint32_t
model_waiting(const model_t *m, uint32_t slot, uint64_t *bytes, uint32_t *first)
{
    uint32_t  i, n;

    n = 0;
    *bytes = 0;
    *first = SHARD_TICKET_NONE;

    for (i = 0; i < m->n; i++) {
        if (m->slot[i] == slot) {
            *first = n ? *first : i;
            *bytes += m->bytes[i];
            n++;
        }
    }

    return n;
}


/* everything but the tickets' own records */

static void
scramble(shard_tickets_t *t, uint64_t *seed)
{
    uint32_t  i;

    t->dirty = 1;
    t->free_ticket = (uint32_t) tap_random(seed);
    t->free_queue = (uint32_t) tap_random(seed);
    t->waiting = (uint32_t) tap_random(seed);

    for (i = 0; i < t->n; i++) {
        t->tickets[i].next = (uint32_t) tap_random(seed);
        t->tickets[i].prev = (uint32_t) tap_random(seed);
        t->tickets[i].queue = (uint32_t) tap_random(seed);
        memset(&t->queues[i], 0xaa, sizeof(shard_ticket_queue_t));
    }

    for (i = 0; i < SHARD_TICKET_BUCKETS; i++) {
        t->buckets[i] = (uint32_t) tap_random(seed);
    }
}


static int
leave(shard_tickets_t *t, model_t *m, uint64_t *seed)
{
    uint32_t  i;

    i = (uint32_t) (tap_random(seed) % m->n);

    /* not with another worker's hand */

    shard_tickets_drop(t, (uint16_t) (m->worker[i] + 1), m->ticket[i]);
    shard_tickets_drop(t, m->worker[i], m->ticket[i]);
    shard_tickets_drop(t, m->worker[i], m->ticket[i]);
    model_remove(m, i);

    return 1;
}


static int
die(shard_tickets_t *t, model_t *m, uint16_t worker)
{
    uint32_t  i, n;

    for (i = 0, n = 0; i < m->n; /* void */ ) {
        if (m->worker[i] == worker) {
            model_remove(m, i);
            n++;

        } else {
            i++;
        }
    }

    return shard_tickets_purge(t, worker) == n;
}


static int
come(shard_tickets_t *t, model_t *m, uint16_t worker, uint32_t slot,
    uint64_t *seed)
{
    uint32_t        n, bytes, ticket, first;
    uint64_t        used;
    shard_ticket_e  rc;

    bytes = (uint32_t) (tap_random(seed) % (tap_random(seed) % 9 ? 100 : 5000));
    n = model_waiting(m, slot, &used, &first);
    rc = shard_tickets_take(t, slot, worker, bytes, LIMIT, ROOM, &ticket);

    if (n >= LIMIT || used + bytes > ROOM || m->n == POOL) {
        full++;
        return rc == (n >= LIMIT ? SHARD_TICKET_COUNT
                      : used + bytes > ROOM ? SHARD_TICKET_BYTES
                      : SHARD_TICKET_POOL);
    }

    m->taken[slot % POOL]++;

    if (rc != SHARD_TICKET_TAKEN || ticket >= POOL) {
        return 0;
    }

    m->ticket[m->n] = ticket;
    m->slot[m->n] = slot;
    m->bytes[m->n] = bytes;
    m->worker[m->n++] = worker;

    return 1;
}


/* how many were held since the last look */

static int
look(shard_tickets_t *t, model_t *m)
{
    int                         wrong;
    uint32_t                    i;
    shard_tally_t               held;
    static shard_tally_count_t  memory[1024];

    wrong = 0;
    shard_tickets_held(t, &held, memory);

    for (i = 0; i < SLOTS; i++) {
        wrong += shard_tally_get(&held, slot_of(i))
                 != m->taken[slot_of(i) % POOL];
        m->taken[slot_of(i) % POOL] = 0;
    }

    return wrong == 0;
}


static int
check(shard_tickets_t *t, model_t *m, uint32_t slot)
{
    uint32_t  n, first;
    uint64_t  bytes, used;

    n = model_waiting(m, slot, &bytes, &first);

    if (shard_tickets_waiting(t, slot, &used) != n || used != bytes
        || (n && !shard_tickets_maybe(t, slot)))
    {
        return 0;
    }

    if (n == 0) {
        return shard_tickets_next(t, slot) == SHARD_TICKET_NOBODY;
    }

    return shard_tickets_next(t, slot) == m->worker[first]
           && shard_tickets_is_first(t, m->ticket[first])
           && shard_tickets_seems_first(t, m->ticket[first]);
}


static void
test_model(uint64_t *seed)
{
    int               i, wrong;
    uint32_t          k, dice, most, slot, used;
    world_t          *w;
    model_t          *m;
    shard_tickets_t  *t;

    w = calloc(1, sizeof(world_t));
    m = calloc(1, sizeof(model_t));
    t = &w->tickets;

    tap_ok(shard_tickets_size(POOL) <= sizeof(w->memory), "64 bytes each, and some");
    shard_tickets_place(t, w->memory, POOL);

    wrong = 0;
    most = 0;

    for (i = 0; i < STEPS && wrong == 0; i++) {
        dice = (uint32_t) (tap_random(seed) % 4000);
        slot = slot_of(tap_random(seed));

        if (dice == 0) {
            scramble(t, seed);
        }

        if (dice % 100 == 0) {
            wrong += !look(t, m);
        }

        if (dice < 3) {
            wrong += !die(t, m, (uint16_t) (tap_random(seed) % WORKERS));

        } else if (dice < (i / 5000 % 2 ? 2600 : 1300) && m->n) {
            wrong += !leave(t, m, seed);

        } else {
            wrong += !come(t, m, (uint16_t) (tap_random(seed) % WORKERS),
                           i % 3 ? slot : slot_of(0), seed);
        }

        wrong += !check(t, m, slot);
        wrong += !check(t, m, slot_of(0));
        most = m->n > most ? m->n : most;
    }

    tap_diag("%d steps, at most %u waiting, %u refused", i, most, full);
    tap_is_int(wrong, 0, "as the naive list");
    tap_ok(full > 0, "limits were reached");

    while (m->n) {
        (void) leave(t, m, seed);
    }

    for (k = 0, used = 0; k < SHARD_TICKET_BUCKETS; k++) {
        used += t->buckets[k] != 0;
    }

    tap_is_int(used, 0, "nobody waits, no bucket says so");

    free(w);
    free(m);
}


static void
test_bounds(void)
{
    world_t          *w;
    uint32_t          i, ticket, refused;
    shard_tickets_t  *t;

    w = calloc(1, sizeof(world_t));
    t = &w->tickets;
    shard_tickets_place(t, w->memory, POOL);

    tap_is_int(shard_tickets_next(t, 3), SHARD_TICKET_NOBODY, "nobody waits");
    tap_is_int(shard_tickets_maybe(t, 3), 0, "and it shows");
    tap_is_int(shard_tickets_take(t, 3, 0, 0, 0, ROOM, &ticket),
               SHARD_TICKET_COUNT,
               "a limit of none");
    tap_is_int(shard_tickets_take(t, 3, 0, 11, 1, 10, &ticket),
               SHARD_TICKET_BYTES,
               "more bytes than may wait");

    for (i = 0, refused = 0; i < POOL; i++) {
        refused += shard_tickets_take(t, i, 1, UINT32_MAX, 1, UINT64_MAX,
                                      &ticket) != SHARD_TICKET_TAKEN;
    }

    tap_is_int(refused, 0, "%d shards with a ticket each", POOL);
    tap_is_int(shard_tickets_take(t, 3, 1, 0, UINT32_MAX, UINT64_MAX, &ticket),
               SHARD_TICKET_POOL, "the pool is empty whatever the limit");
    tap_is_int(shard_tickets_take(t, POOL, 1, 0, 9, ROOM, &ticket),
               SHARD_TICKET_POOL, "for new shards as well");

    tap_is_int(shard_tickets_purge(t, 1), POOL, "a worker dies");
    tap_is_int(shard_tickets_waiting(t, 3, NULL), 0, "nobody waits");

    free(w);
}


/* as nginx's mutex: the parent takes it from the dead */

static void
lock(world_t *w)
{
    pid_t  none;

    for ( ;; ) {
        none = 0;

        if (__atomic_compare_exchange_n(&w->owner, &none, getpid(), 0,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        {
            return;
        }

        sched_yield();
    }
}


static void
unlock(world_t *w)
{
    __atomic_store_n(&w->owner, 0, __ATOMIC_SEQ_CST);
}


static pid_t
start_worker(world_t *w, uint16_t worker, uint64_t seed)
{
    pid_t     pid;
    uint32_t  n, k, mine[POOL];

    pid = fork();

    if (pid != 0) {
        return pid;
    }

    for (n = 0; /* void */ ; /* void */ ) {
        lock(w);

        if (n < 100 && tap_random(&seed) % 2) {
            n += shard_tickets_take(&w->tickets, slot_of(tap_random(&seed)),
                                    worker, 7, LIMIT, ROOM, &mine[n])
                 == SHARD_TICKET_TAKEN;
            w->taken[worker]++;

        } else if (n) {
            k = (uint32_t) (tap_random(&seed) % n);
            shard_tickets_drop(&w->tickets, worker, mine[k]);
            mine[k] = mine[--n];
        }

        unlock(w);
    }
}


/* under the lock: queues and free lists hold all of the pool, in order */

static int
sound(shard_tickets_t *t)
{
    uint32_t  i, k, n, q, prev, free_tickets, free_queues;

    (void) shard_tickets_waiting(t, 0, NULL);

    n = 0;
    free_tickets = 0;
    free_queues = 0;

    for (i = t->free_ticket; i != SHARD_TICKET_NONE; i = t->tickets[i].next) {
        if (free_tickets++ > t->n
            || t->tickets[i].worker != SHARD_TICKET_NOBODY)
        {
            return 0;
        }
    }

    for (i = t->free_queue; i != SHARD_TICKET_NONE; i = t->queues[i].next) {
        if (free_queues++ > t->n) {
            return 0;
        }
    }

    for (i = 0; i < SHARD_TICKET_BUCKETS; i++) {
        for (q = t->buckets[i]; q; q = t->queues[q - 1].next) {
            prev = SHARD_TICKET_NONE;
            free_queues++;

            for (k = t->queues[q - 1].head;
                 k != SHARD_TICKET_NONE;
                 prev = k, k = t->tickets[k].next)
            {
                if (n++ > t->n || t->tickets[k].prev != prev
                    || t->tickets[k].slot != t->queues[q - 1].slot
                    || t->tickets[k].worker == SHARD_TICKET_NOBODY
                    || (prev != SHARD_TICKET_NONE
                        && t->tickets[prev].serial >= t->tickets[k].serial))
                {
                    return 0;
                }
            }

            if (prev != t->queues[q - 1].tail) {
                return 0;
            }
        }
    }

    return n + free_tickets == t->n && free_queues == t->n && n == t->waiting;
}


static void
test_killed(uint64_t *seed)
{
    int       kills, wrong, inside;
    pid_t     pid[WORKERS];
    world_t  *w;
    uint32_t  i;

    w = mmap(NULL, sizeof(world_t), PROT_READ|PROT_WRITE,
             MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    shard_tickets_place(&w->tickets, w->memory, POOL);

    for (i = 0; i < WORKERS; i++) {
        pid[i] = start_worker(w, (uint16_t) i, tap_random(seed));
    }

    wrong = 0;
    inside = 0;

    /* one in 250 or so is killed with links half set */

    for (kills = 0;
         (kills < KILLS || (inside == 0 && kills < 50 * KILLS)) && wrong == 0;
         kills++)
    {
        usleep((useconds_t) (tap_random(seed) % 1000));

        i = (uint32_t) (tap_random(seed) % WORKERS);
        kill(pid[i], SIGKILL);
        waitpid(pid[i], NULL, 0);

        if (w->owner == pid[i]) {
            inside += w->tickets.dirty != 0;
            unlock(w);
        }

        lock(w);
        wrong += !sound(&w->tickets);
        (void) shard_tickets_purge(&w->tickets, (uint16_t) i);
        wrong += !sound(&w->tickets);
        unlock(w);

        pid[i] = start_worker(w, (uint16_t) i, tap_random(seed));
    }

    tap_diag("%d killed, %d of them half-way; %u tickets of worker 0", kills,
             inside, w->taken[0]);
    tap_is_int(wrong, 0, "whatever the killed left was put right");
    tap_ok(inside > 0, "some were killed half-way");

    for (i = 0; i < WORKERS; i++) {
        kill(pid[i], SIGKILL);
        waitpid(pid[i], NULL, 0);
    }

    munmap(w, sizeof(world_t));
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261126);

    test_bounds();
    test_model(&seed);
    test_killed(&seed);

    return tap_done();
}
