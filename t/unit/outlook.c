
/*
 * Forecasts of many shards: the same bits whatever the number of threads;
 * nobody without a forecast; what was learnt too long ago.
 */

#include <math.h>
#include <stdlib.h>

#include "../lib/tap.h"
#include "../../predictor/outlook.h"


#define RES      3600
#define DAY      24
#define WINDOW   (10 * DAY)
#define HORIZON  12
#define SHARDS   40
#define SLOT0    500000


static float       row[SHARDS];
static shard_id_t  ids[SHARDS + 1];


/* shard 0 is never known, shard 1 is new, the others have a rhythm */

static void
rows(predictor_history_t *h, long from, long to, uint64_t seed)
{
    long      slot;
    uint32_t  i;

    for (slot = from; slot < to; slot++) {

        for (i = 0; i < SHARDS; i++) {
            row[i] = (float) (100 + 10 * i + 50 * sin(6.283185307
                                                      * (double) slot / DAY)
                              + (double) (tap_random(&seed) % 10));
            row[i] = tap_random(&seed) % 50 ? row[i] : NAN;
        }

        row[0] = NAN;
        row[1] = slot < to - 5 ? NAN : row[1];
        predictor_history_push(h, SLOT0 + slot, row);
    }
}


static void
forecast(predictor_outlook_t *o, const predictor_history_t *h)
{
    predictor_outlook_forecast(o, h, ids, SHARDS + 1);
    predictor_outlook_wait(o, -1);
}


static uint32_t
learn(predictor_outlook_t *o, const predictor_history_t *h, uint32_t max)
{
    uint32_t              n;
    shard_id_t            list[SHARDS];
    predictor_schedule_t  r;

    n = 0;

    do {
        predictor_outlook_schedule(o, h, ids, SHARDS + 1, list, max, &r);
        predictor_outlook_fit(o, h, list, r.n);
        predictor_outlook_wait(o, -1);
        n += r.n;
    } while (r.n);

    return n;
}


typedef struct {
    predictor_pool_t     *pool;
    predictor_outlook_t   o;
    predictor_history_t   h;
} world_t;


static void
begin(world_t *w, uint32_t threads, uint64_t seed)
{
    w->pool = predictor_pool_create(threads);
    predictor_history_init(&w->h, WINDOW, SHARDS);
    rows(&w->h, 0, WINDOW, seed);

    if (predictor_outlook_init(&w->o, w->pool, RES, WINDOW, HORIZON, 0.95,
                               DAY, SHARDS)
        != SHARD_OK)
    {
        tap_diag("no memory");
        exit(1);
    }
}


static void
done(world_t *w)
{
    predictor_outlook_done(&w->o);
    predictor_pool_destroy(w->pool);
    predictor_history_done(&w->h);
}


static int
differ(const world_t *a, const world_t *b)
{
    int       n;
    size_t    size;
    uint32_t  i;

    size = SHARDS * HORIZON * sizeof(float);
    n = memcmp(a->o.mean, b->o.mean, size) != 0;

    for (i = 0; i < a->o.ask.nq; i++) {
        n += memcmp(a->o.quantile[i], b->o.quantile[i], size) != 0;
    }

    for (i = 0; i < SHARDS; i++) {
        n += a->o.shards[i].model != b->o.shards[i].model;
    }

    return n;
}


static void
test_threads(uint64_t seed)
{
    int      round, differences;
    world_t  one, four;

    begin(&one, 1, seed);
    begin(&four, 4, seed);
    forecast(&one.o, &one.h);
    forecast(&four.o, &four.h);
    tap_is_int(differ(&one, &four), 0, "stopgaps: 1 and 4 threads agree");

    tap_is_int(learn(&one.o, &one.h, 3), SHARDS - 1, "all known ones learn");
    learn(&four.o, &four.h, 16);
    differences = 0;

    for (round = 0; round < 2 * DAY; round++) {
        rows(&one.h, WINDOW + round, WINDOW + round + 1, seed + 1);
        rows(&four.h, WINDOW + round, WINDOW + round + 1, seed + 1);
        forecast(&one.o, &one.h);
        forecast(&four.o, &four.h);
        differences += differ(&one, &four);
        learn(&one.o, &one.h, 3);
        learn(&four.o, &four.h, 16);
    }

    tap_is_int(differences, 0, "to the bit, over two days with refits");
    tap_is_int((long) predictor_outlook_broken(&four.o), 0, "no memory short");
    done(&one);
    done(&four);
}


static void
test_nobody_without(uint64_t seed)
{
    uint32_t  i, wrong;
    world_t   w;

    begin(&w, 2, seed);
    forecast(&w.o, &w.h);
    wrong = 0;

    for (i = 1; i < SHARDS; i++) {
        wrong += w.o.shards[i].model == NULL
                 || !isfinite(w.o.mean[i * HORIZON + HORIZON - 1]);
    }

    tap_is_int(wrong, 0, "a forecast for each, before any has learnt");
    tap_ok(w.o.shards[0].model == NULL && isnan(w.o.mean[0]),
           "but for the one that was never known");
    tap_ok(strncmp(w.o.shards[2].model, "naive-", 6) == 0,
           "by a stopgap: %s", w.o.shards[2].model);

    learn(&w.o, &w.h, 8);
    forecast(&w.o, &w.h);
    tap_ok(strncmp(w.o.shards[2].model, "naive-", 6) != 0,
           "then by %s", w.o.shards[2].model);
    tap_is_int(learn(&w.o, &w.h, 8), 0, "and nobody's turn comes again");

    done(&w);
}


/* a new shard whose history doubles between turns, and one that was learnt
 * so long ago that the models refuse the series */

static void
test_too_old(uint64_t seed)
{
    world_t  w;

    begin(&w, 2, seed);
    learn(&w.o, &w.h, 8);
    rows(&w.h, WINDOW, WINDOW + 3 * DAY, seed);
    forecast(&w.o, &w.h);
    tap_ok(w.o.shards[1].model && isfinite(w.o.mean[HORIZON]),
           "grown by days since: still forecast, by %s", w.o.shards[1].model);
    tap_ok(!w.o.turns[1].full, "and first to learn");
    tap_ok(learn(&w.o, &w.h, 8) > 0 && w.o.turns[1].full, "which it does");
    done(&w);
}


/* a full window: each value that comes in pushes one out */

static void
test_window(uint64_t seed)
{
    char                *state, *work;
    double               y[WINDOW];
    uint32_t             k;
    world_t              w;
    predictor_size_t     size;
    predictor_series_t   series;

    begin(&w, 1, seed);
    (void) learn(&w.o, &w.h, SHARDS);

    series = w.o.series;
    series.y = y;
    (void) predictor_size(&series, &w.o.ask, NULL, &size);
    state = malloc(w.o.state_size);
    work = malloc(size.work);

    if (state == NULL || work == NULL) {
        tap_diag("no memory");
        exit(1);
    }

    memcpy(state, w.o.shards[SHARDS - 1].state, w.o.state_size);

    for (k = 0; k < DAY; k++) {
        rows(&w.h, WINDOW + k, WINDOW + k + 1, seed + k);
        series.n = (uint32_t) predictor_history_column(&w.h, SHARDS - 1, y);
        series.start = (uint64_t) w.h.last + 1 - series.n;

        predictor_update(&series, &w.o.ask, state, work);
        forecast(&w.o, &w.h);
    }

    tap_is_int(series.n, WINDOW, "a full window for a day");
    tap_is_int(memcmp(state, w.o.shards[SHARDS - 1].state, w.o.state_size),
               0, "models have seen all that was new");

    free(state);
    free(work);
    done(&w);
}


int
main(void)
{
    uint32_t  i;
    uint64_t  seed;

    seed = tap_seed(5);

    for (i = 0; i <= SHARDS; i++) {
        ids[i] = i;             /* the last one is out of range */
    }

    test_threads(seed);
    test_nobody_without(seed);
    test_window(seed);
    test_too_old(seed);

    return tap_done();
}
