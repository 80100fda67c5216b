
/*
 * The LSTM as it is meant: one network for all series of an interval and
 * horizon, learnt before each origin from what every one of them had until
 * its own, then fitted to each.  One series alone has nothing to share.
 *
 *   series of a group ──▶ views until origin k ──▶ weights(group, k)
 *                                                        │
 *   one of them at its origin k ────────────── adopt ◀───┘──▶ forecast
 */


#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backtest.h"
#include "guard.h"
#include "model_lstm.h"
#include "pool.h"
#include "progress.h"


/* of one network, and series that it sees at most */

#define PREDICTOR_SHARED_OPERATIONS  2e9
#define PREDICTOR_SHARED_SERIES      64

#define PREDICTOR_SHARED_SHOW_MS     200


typedef struct {
    predictor_backtest_t   *b;
    uint32_t               *items;
    uint32_t                total;
} predictor_shared_run_t;


static int predictor_shared_wanted(const predictor_backtest_t *b);
static int predictor_shared_groups(predictor_backtest_t *b);
static void predictor_shared_item(void *data, uint32_t item, uint32_t thread);
static uint32_t predictor_shared_views(predictor_backtest_t *b,
    uint32_t group, uint32_t origin, predictor_lstm_view_t *views,
    double **memory);


static int
predictor_shared_wanted(const predictor_backtest_t *b)
{
    uint32_t  i;

    for (i = 0; i < b->nrivals; i++) {

        if (b->rival[i].model == &predictor_model_lstm) {
            return b->ntested > 1;
        }
    }

    return 0;
}


static int
predictor_shared_groups(predictor_backtest_t *b)
{
    uint32_t               i, k;
    predictor_tested_t    *t;
    predictor_shared_t    *g;

    b->shared = calloc(b->ntested, sizeof(predictor_shared_t));

    if (b->shared == NULL) {
        return SHARD_ERROR;
    }

    for (i = 0; i < b->ntested; i++) {
        t = &b->series[i];

        for (k = 0; k < b->nshared; k++) {
            g = &b->shared[k];

            if (g->interval_s == t->plan.interval_s && g->day == t->plan.day
                && g->ahead == t->plan.ahead)
            {
                break;
            }
        }

        g = &b->shared[k];
        b->nshared += k == b->nshared;

        g->interval_s = t->plan.interval_s;
        g->day = t->plan.day;
        g->ahead = t->plan.ahead;
        g->series++;
        g->norigins = t->plan.norigins > g->norigins ? t->plan.norigins
                                                     : g->norigins;
        t->group = k;
    }

    return SHARD_OK;
}


int
predictor_backtest_share(predictor_backtest_t *b)
{
    int                      rc;
    uint32_t                 i;
    predictor_pool_t        *pool;
    predictor_progress_t     progress;
    predictor_shared_run_t   run;

    if (!predictor_shared_wanted(b)) {
        return 0;
    }

    memset(&run, 0, sizeof(predictor_shared_run_t));
    run.b = b;
    pool = predictor_pool_create(b->threads);
    rc = pool ? predictor_shared_groups(b) : SHARD_ERROR;

    for (i = 0; rc == SHARD_OK && i < b->nshared; i++) {
        run.total += b->shared[i].norigins;
    }

    run.items = malloc((run.total + 1) * sizeof(uint32_t));

    if (rc == SHARD_OK && run.items) {

        for (i = 0; i < run.total; i++) {
            run.items[i] = i;
        }

        predictor_progress_start(&progress, "networks", run.total);
        predictor_pool_start(pool, predictor_shared_item, &run, run.items,
                             run.total);

        while (!predictor_pool_wait(pool, PREDICTOR_SHARED_SHOW_MS)) {
            predictor_progress_show(&progress, 0);
        }

        predictor_progress_end(&progress);
    }

    if (rc != SHARD_OK || run.items == NULL) {
        fputs("shard-predictor: no memory or no thread for the backtest\n",
              stderr);
        rc = SHARD_ERROR;
    }

    if (pool) {
        predictor_pool_destroy(pool);
    }

    free(run.items);

    return rc == SHARD_OK ? 0 : 1;
}


/* what each series of the group had at its own origin; memory[i] is freed */

static uint32_t
predictor_shared_views(predictor_backtest_t *b, uint32_t group,
    uint32_t origin, predictor_lstm_view_t *views, double **memory)
{
    double              *y;
    uint32_t             i, n, step, seen;
    predictor_ask_t      ask;
    predictor_series_t   history;
    predictor_tested_t  *t;

    n = 0;
    seen = 0;
    step = (b->shared[group].series - 1) / PREDICTOR_SHARED_SERIES + 1;

    for (i = 0; i < b->ntested && n < PREDICTOR_SHARED_SERIES; i++) {
        t = &b->series[i];

        if (t->group != group || seen++ % step || origin >= t->plan.norigins) {
            continue;
        }

        ask.horizon = t->plan.ahead;
        ask.nq = 0;
        ask.q = NULL;

        predictor_protocol_history(&t->plan, t->y, t->start, origin, &history);
        memory[n] = malloc((predictor_lstm_view_size(history.n) + history.n)
                           * sizeof(double));

        if (memory[n] == NULL) {
            break;
        }

        y = memory[n] + predictor_lstm_view_size(history.n);

        if (predictor_fill(&history, y) != SHARD_OK) {
            free(memory[n]);
            continue;
        }

        history.y = y;

        if (predictor_lstm_shared_view(&history, &ask, memory[n], &views[n])
            != SHARD_OK)
        {
            free(memory[n]);
            continue;
        }

        n++;
    }

    return n;
}


/* item: all origins of the first group, then of the next one */

static void
predictor_shared_item(void *data, uint32_t item, uint32_t thread)
{
    float                    *w, *memory;
    double                   *y[PREDICTOR_SHARED_SERIES], loss;
    uint32_t                  i, n, group;
    predictor_lstm_view_t     views[PREDICTOR_SHARED_SERIES];
    predictor_lstm_learn_t    learn;
    predictor_lstm_shape_t    shape;
    predictor_shared_run_t   *run = data;

    (void) thread;

    for (group = 0; item >= run->b->shared[group].norigins; group++) {
        item -= run->b->shared[group].norigins;
    }

    n = predictor_shared_views(run->b, group, item, views, y);

    if (n == 0) {
        return;
    }

    shape = predictor_lstm_view_shape(&views[0]);
    w = malloc(predictor_lstm_weights(&shape) * sizeof(float));
    memory = malloc(predictor_lstm_learn_size(&shape) * sizeof(float));
    loss = -1;

    if (w && memory) {
        predictor_lstm_learn_begin(&learn, &shape,
            predictor_lstm_learn_steps(&shape, PREDICTOR_SHARED_OPERATIONS),
            w, memory);

        do {
            loss = predictor_lstm_learn(&learn, views, n);
        } while (loss >= 0 && learn.step < learn.steps);
    }

    /* an origin without a network is forecast by those that learn alone */

    if (isfinite(loss) && loss >= 0) {
        run->b->shared[group].w[item] = w;

    } else {
        free(w);
    }

    for (i = 0; i < n; i++) {
        free(y[i]);
    }

    free(memory);
}


int
predictor_backtest_shared(const float *w, const predictor_series_t *history,
    const predictor_ask_t *ask, void *state, void *work, double *y,
    double *out)
{
    int                 rc;
    predictor_series_t  whole;

    whole = *history;
    whole.y = y;

    rc = predictor_fill(history, y);

    if (rc == SHARD_OK) {
        rc = predictor_lstm_adopt(&whole, ask, w, state, work);
    }

    if (rc == SHARD_OK) {
        rc = predictor_model_lstm.forecast(&whole, ask, state, work, out);
    }

    if (rc == SHARD_OK
        && !predictor_finite(out, (size_t) ask->horizon * (1 + ask->nq)))
    {
        rc = SHARD_ERROR;
    }

    if (rc == SHARD_OK) {
        predictor_guard(&whole, ask, out);
    }

    return rc;
}


void
predictor_backtest_unshare(predictor_backtest_t *b)
{
    uint32_t  i, k;

    for (i = 0; i < b->nshared; i++) {

        for (k = 0; k < PREDICTOR_ORIGINS_MAX; k++) {
            free(b->shared[i].w[k]);
        }
    }

    free(b->shared);
    b->shared = NULL;
    b->nshared = 0;
}
