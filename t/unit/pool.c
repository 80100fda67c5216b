
/*
 * The pool of threads: each item once, whatever the number of threads; a
 * wait that is over before the work is; a list that is cut short.
 */

#include <stdatomic.h>
#include <time.h>

#include "../lib/tap.h"
#include "../../predictor/pool.h"


#define ITEMS  5000


static atomic_int  times[ITEMS];
static atomic_int  threads[PREDICTOR_THREADS_MAX];
static atomic_int  open_gate;


static void
count(void *data, uint32_t item, uint32_t thread)
{
    (void) data;

    atomic_fetch_add(&times[item], 1);
    atomic_fetch_add(&threads[thread], 1);
}


/* does not end until the gate is open */

static void
blocked(void *data, uint32_t item, uint32_t thread)
{
    struct timespec  ms = { 0, 1000000 };

    count(data, item, thread);

    while (!atomic_load(&open_gate)) {
        nanosleep(&ms, NULL);
    }
}


static int
wrong(int from, int to, int want)
{
    int  i, n;

    n = 0;

    for (i = from; i < to; i++) {
        n += atomic_load(&times[i]) != want;
    }

    return n;
}


static void
test_each_once(uint32_t n)
{
    int                i, others;
    uint32_t           items[ITEMS];
    predictor_pool_t  *pool;

    pool = predictor_pool_create(n);
    tap_is_int(predictor_pool_threads(pool), n, "%u threads", n);

    for (i = 0; i < ITEMS; i++) {
        items[i] = (uint32_t) (ITEMS - 1 - i);
        atomic_store(&times[i], 0);
    }

    for (i = 0; i < PREDICTOR_THREADS_MAX; i++) {
        atomic_store(&threads[i], 0);
    }

    tap_ok(predictor_pool_wait(pool, 0), "nothing to do is done");

    for (i = 0; i < 20; i++) {
        predictor_pool_start(pool, count, NULL, items + i * (ITEMS / 20),
                             ITEMS / 20);
        predictor_pool_wait(pool, -1);
    }

    predictor_pool_start(pool, count, NULL, items, ITEMS);
    tap_ok(predictor_pool_wait(pool, -1), "done");
    tap_is_int(wrong(0, ITEMS, 2), 0, "each item once in each list");

    others = 0;

    for (i = (int) n; i < PREDICTOR_THREADS_MAX; i++) {
        others += atomic_load(&threads[i]);
    }

    tap_is_int(others, 0, "by these threads and no others");

    predictor_pool_start(pool, count, NULL, items, 0);
    tap_ok(predictor_pool_wait(pool, -1), "an empty list");
    predictor_pool_destroy(pool);
}


static void
test_cut_short(void)
{
    int                i;
    uint32_t           items[ITEMS];
    predictor_pool_t  *pool;

    pool = predictor_pool_create(2);
    atomic_store(&open_gate, 0);

    for (i = 0; i < ITEMS; i++) {
        items[i] = (uint32_t) i;
        atomic_store(&times[i], 0);
    }

    predictor_pool_start(pool, blocked, NULL, items, ITEMS);
    tap_ok(!predictor_pool_wait(pool, 20), "a wait that is over before");

    while (wrong(0, 2, 1)) {
        (void) predictor_pool_wait(pool, 1);
    }

    tap_is_int(wrong(2, ITEMS, 0), 0, "two at a time");
    atomic_store(&open_gate, 1);
    predictor_pool_cancel(pool);
    tap_ok(predictor_pool_wait(pool, 0), "cut short: nothing runs any more");

    predictor_pool_start(pool, count, NULL, items + ITEMS - 3, 3);
    predictor_pool_wait(pool, -1);
    tap_ok(wrong(ITEMS - 3, ITEMS, 0) == 3, "and the next list is done");

    atomic_store(&open_gate, 0);
    predictor_pool_start(pool, blocked, NULL, items, 2);
    (void) predictor_pool_wait(pool, 1);
    atomic_store(&open_gate, 1);
    predictor_pool_destroy(pool);
    tap_ok(1, "the end waits for what runs");
}


int
main(void)
{
    test_each_once(1);
    test_each_once(4);
    test_cut_short();

    tap_ok(predictor_pool_cores() >= 1, "cores");

    return tap_done();
}
