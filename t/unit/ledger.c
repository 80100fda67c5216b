
/*
 * The ledger of requests in flight: against a simple model, and raced: workers
 * go on as the gate does it, some are killed, while shards are held, drained
 * and looked into.
 */

#include "shard_ledger.h"
#include "shard_table.h"

#include "../lib/tap.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>


#define WORKERS   5
#define ROWS      4            /* the last worker has none */
#define ENTRIES   16
#define SLOTS     6
#define INSIDE    24           /* at once by a worker: more than its entries */
#define STEPS     200000


typedef struct {
    shard_ledger_t      ledger;
    shard_latch_t       latches[SLOTS];
    uint32_t            inside[WORKERS][SLOTS];  /* who has gone on */
    uint32_t            entered[WORKERS];
    uint32_t            stop;
    _Alignas(64) char   memory[65536];
} world_t;

/* one worker with its requests */

typedef struct {
    shard_ledger_row_t  row;
    uint32_t            n;
    uint32_t            entry[INSIDE];
    uint32_t            slot[INSIDE];
} worker_t;


static void
test_model(uint64_t *seed)
{
    int             i, wrong;
    world_t        *w;
    uint32_t        k, slot, overflow, count[SLOTS], without[WORKERS];
    worker_t        workers[WORKERS], *worker;
    shard_tally_t   tally;
    static char     memory[4096];

    w = calloc(1, sizeof(world_t));
    memset(count, 0, sizeof(count));
    memset(without, 0, sizeof(without));

    shard_ledger_place(&w->ledger, w->memory, WORKERS, ROWS, ENTRIES);

    for (i = 0; i < WORKERS; i++) {
        workers[i].n = 0;
        shard_ledger_open(&workers[i].row, &w->ledger, (uint32_t) i);
    }

    wrong = 0;
    overflow = 0;

    for (i = 0; i < STEPS && wrong == 0; i++) {
        worker = &workers[tap_random(seed) % WORKERS];
        slot = (uint32_t) (tap_random(seed) % SLOTS);

        if (tap_random(seed) % 5000 == 0) {

            /* it dies, and another takes its number */

            for (k = 0; k < worker->n; k++) {
                count[worker->slot[k]] -= worker->entry[k]
                                          != SHARD_LEDGER_NONE;
            }

            worker->n = 0;
            without[worker - workers] = 0;
            shard_ledger_reset(&w->ledger, (uint32_t) (worker - workers));
            shard_ledger_open(&worker->row, &w->ledger,
                              (uint32_t) (worker - workers));

        } else if (worker->n < INSIDE && tap_random(seed) % 2) {
            k = shard_ledger_enter(&worker->row, slot, (uint32_t) i);
            worker->entry[worker->n] = k;
            worker->slot[worker->n++] = slot;
            count[slot] += k != SHARD_LEDGER_NONE;
            without[worker - workers] += k == SHARD_LEDGER_NONE;

        } else if (worker->n) {
            k = (uint32_t) (tap_random(seed) % worker->n);
            shard_ledger_leave(&worker->row, worker->entry[k]);
            count[worker->slot[k]] -= worker->entry[k] != SHARD_LEDGER_NONE;
            without[worker - workers] -= worker->entry[k]
                                         == SHARD_LEDGER_NONE;
            worker->n--;
            worker->entry[k] = worker->entry[worker->n];
            worker->slot[k] = worker->slot[worker->n];
        }

        shard_tally_place(&tally, memory, SLOTS);
        wrong += shard_tally_scan(&tally, &w->ledger) != SHARD_OK;

        for (slot = 0; slot < SLOTS; slot++) {
            wrong += shard_ledger_count(&w->ledger, slot) != count[slot];
            wrong += shard_tally_get(&tally, slot) != count[slot];
        }

        for (k = 0, slot = 0; k < WORKERS; k++) {
            slot += without[k];
        }

        overflow += slot > 0;
        wrong += shard_ledger_overflow(&w->ledger) != slot;
    }

    tap_is_int(wrong, 0, "%d steps as counted by hand", i);
    tap_ok(overflow > 0, "requests without an entry in %u of them", overflow);
    tap_is_int(workers[ROWS].row.entries == NULL, 1, "a worker without a row");

    free(w);
}


static void
test_tally(void)
{
    world_t             *w;
    uint32_t             i;
    shard_tally_t        tally;
    shard_ledger_row_t   row;
    static char          memory[4096];
    const uint32_t       slots[] = { 39 * 7919, 40 * 7919 };

    w = calloc(1, sizeof(world_t));
    shard_ledger_place(&w->ledger, w->memory, 1, 1, 1000);
    shard_ledger_open(&row, &w->ledger, 0);

    for (i = 0; i < 100; i++) {
        (void) shard_ledger_enter(&row, i * 7919, i);
    }

    tap_is_int(shard_ledger_total(&w->ledger), 100, "100 in flight");
    tap_is_int(shard_ledger_older(&w->ledger, 40, NULL, 0), 40, "40 of them of "
               "structures before the 40th");
    tap_is_int(shard_ledger_older(&w->ledger, 40, slots, 2), 1, "one of them "
               "in two slots");
    tap_is_int(shard_ledger_older(&w->ledger, 0x80000005, NULL, 0), 95, "in a "
               "circle");

    shard_tally_place(&tally, memory, 100);
    tap_is_int(shard_tally_scan(&tally, &w->ledger), SHARD_OK, "room for 100");
    tap_is_int(shard_tally_get(&tally, 99 * 7919), 1, "the last is counted");
    tap_is_int(shard_tally_get(&tally, 1), 0, "another one is not");

    shard_tally_place(&tally, memory, 10);
    tap_is_int(shard_tally_scan(&tally, &w->ledger), SHARD_AGAIN,
               "too small a table says so");

    free(w);
}


/* goes on with requests as the gate does it, until told to stop */

static void
run_worker(world_t *w, uint32_t number, uint32_t most, uint64_t seed)
{
    uint32_t        k, slot;
    worker_t        worker;
    shard_route_t   route;

    worker.n = 0;
    shard_ledger_open(&worker.row, &w->ledger, number);

    if (worker.row.entries == NULL) {
        most = 1;
    }

    while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {

        if (worker.n < most && tap_random(&seed) % 2) {
            slot = (uint32_t) (tap_random(&seed) % SLOTS);
            k = shard_ledger_enter(&worker.row, slot, 0);
            shard_latch_read(&w->latches[slot], &route);

            if (route.phase == SHARD_HELD) {
                shard_ledger_leave(&worker.row, k);
                sched_yield();
                continue;
            }

            /* it goes on: what the leader must never see once drained */

            __atomic_fetch_add(&w->inside[number][slot], 1, __ATOMIC_SEQ_CST);
            worker.entry[worker.n] = k;
            worker.slot[worker.n++] = slot;
            w->entered[number]++;

        } else if (worker.n) {
            k = (uint32_t) (tap_random(&seed) % worker.n);
            __atomic_fetch_sub(&w->inside[number][worker.slot[k]], 1,
                               __ATOMIC_SEQ_CST);
            shard_ledger_leave(&worker.row, worker.entry[k]);
            worker.n--;
            worker.entry[k] = worker.entry[worker.n];
            worker.slot[k] = worker.slot[worker.n];
        }
    }

    _exit(0);
}


static pid_t
start_worker(world_t *w, uint32_t number, uint32_t most, uint64_t seed)
{
    pid_t  pid;

    pid = fork();

    if (pid == 0) {
        run_worker(w, number, most, seed);
    }

    return pid;
}


static uint32_t
inside(world_t *w, uint32_t slot)
{
    uint32_t  i, n;

    for (i = 0, n = 0; i < WORKERS; i++) {
        n += __atomic_load_n(&w->inside[i][slot], __ATOMIC_SEQ_CST);
    }

    return n;
}


static double
seconds(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


/* holds a shard, waits for its drain, looks, releases; returns what was seen
 * inside, -1 when it never drained */

static int
drain(world_t *w, uint32_t slot, uint32_t looks)
{
    int             seen;
    double          until;
    shard_route_t   route;
    shard_tally_t   tally;
    static char     memory[4096];

    shard_latch_read(&w->latches[slot], &route);
    route.phase = SHARD_HELD;
    shard_latch_write(&w->latches[slot], &route);

    until = seconds() + 20;

    for ( ;; ) {
        shard_tally_place(&tally, memory, SLOTS);

        if (shard_tally_scan(&tally, &w->ledger) == SHARD_OK
            && shard_tally_get(&tally, slot) == 0
            && shard_ledger_overflow(&w->ledger) == 0)
        {
            break;
        }

        if (seconds() > until) {
            return -1;
        }

        sched_yield();
    }

    seen = 0;

    while (looks--) {
        seen += (int) inside(w, slot);
        sched_yield();
    }

    route.phase = SHARD_STEADY;
    shard_latch_write(&w->latches[slot], &route);

    return seen;
}


static void
test_race(uint32_t nworkers, uint32_t nrows, uint32_t most, uint64_t *seed)
{
    int        got, seen, stuck, drains, killed;
    pid_t      pid[WORKERS];
    double     until;
    world_t   *w;
    uint32_t   i;

    w = mmap(NULL, sizeof(world_t), PROT_READ|PROT_WRITE,
             MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    shard_ledger_place(&w->ledger, w->memory, WORKERS, nrows, ENTRIES);

    for (i = 0; i < nworkers; i++) {
        pid[i] = start_worker(w, i, most, tap_random(seed));
    }

    seen = 0;
    stuck = 0;
    drains = 0;
    killed = 0;
    until = seconds() + 3;

    while (seconds() < until && seen == 0 && stuck == 0) {
        got = drain(w, (uint32_t) (tap_random(seed) % SLOTS), 4);
        seen += got > 0;
        stuck += got < 0;
        drains++;

        if (drains % 40 == 0) {

            /* what a dead one had on its way ended with it */

            i = (uint32_t) (tap_random(seed) % nworkers);
            kill(pid[i], SIGKILL);
            waitpid(pid[i], NULL, 0);
            memset(w->inside[i], 0, sizeof(w->inside[i]));
            shard_ledger_reset(&w->ledger, i);
            pid[i] = start_worker(w, i, most, tap_random(seed));
            killed++;
        }
    }

    __atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);

    for (i = 0, got = 0; i < nworkers; i++) {
        waitpid(pid[i], NULL, 0);
        got += w->entered[i] > 0;
    }

    tap_diag("%u workers, %u rows, at most %u requests each: %d drains, %d "
             "killed, %u requests of worker 0", nworkers, nrows, most, drains,
             killed, w->entered[0]);
    tap_is_int(got, nworkers, "all workers went on with some");
    tap_ok(drains > 3, "shards were drained");
    tap_is_int(stuck, 0, "each of them was in the end");
    tap_is_int(seen, 0, "nothing was inside of a drained shard");

    munmap(w, sizeof(world_t));
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261125);

    test_model(&seed);
    test_tally();
    test_race(1, 1, 1, &seed);
    test_race(WORKERS, WORKERS, ENTRIES, &seed);
    test_race(WORKERS, ROWS, ENTRIES + 1, &seed);

    return tap_done();
}
