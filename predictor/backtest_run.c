
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/daemon/shardd_loop.h"
#include "backtest.h"
#include "combine.h"
#include "pool.h"
#include "progress.h"


#define PREDICTOR_SHOW_MS  200


/* memory of one thread, grown as models want it */

typedef struct {
    void    *memory;
    size_t   size;
} predictor_heap_t;

typedef struct {
    uint32_t  series;
    uint32_t  origin;
} predictor_task_t;

typedef struct {
    predictor_backtest_t  *b;
    predictor_task_t      *task;
    uint32_t              *items;           /* 0, 1, ...: all tasks */
    uint32_t               total;
    atomic_uint            done;
    atomic_uint            failed;          /* out of memory */
    atomic_uint           *left;            /* origins not done, by series */
    predictor_heap_t       heap[PREDICTOR_THREADS_MAX][2];
} predictor_run_t;


static int predictor_run_all(predictor_backtest_t *b, predictor_run_t *run);
static int predictor_run_tasks(predictor_run_t *run);
static void predictor_run_wait(predictor_run_t *run, predictor_pool_t *pool);
static void predictor_run_item(void *data, uint32_t item, uint32_t thread);
static int predictor_run_task(predictor_backtest_t *b,
    predictor_heap_t heap[2], uint32_t series, uint32_t origin);
static const float *predictor_run_weights(const predictor_backtest_t *b,
    uint32_t rival, uint32_t series, uint32_t origin);
static int predictor_run_model(const predictor_rival_t *rival,
    const float *weights, const predictor_series_t *history,
    const predictor_ask_t *ask, predictor_heap_t heap[2],
    predictor_made_t *made);
static int predictor_heap_room(predictor_heap_t *heap, size_t size);
static double predictor_run_cpu(void);
static void predictor_run_score(const predictor_backtest_t *b,
    predictor_tested_t *t);


int
predictor_backtest_run(predictor_backtest_t *b)
{
    int               rc;
    uint32_t          i;
    predictor_run_t  *run;

    run = calloc(1, sizeof(predictor_run_t));

    if (run == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    run->b = b;
    rc = predictor_run_all(b, run);

    for (i = 0; i < PREDICTOR_THREADS_MAX; i++) {
        free(run->heap[i][0].memory);
        free(run->heap[i][1].memory);
    }

    free(run->task);
    free(run->items);
    free(run->left);
    free(run);

    return rc;
}


static int
predictor_run_all(predictor_backtest_t *b, predictor_run_t *run)
{
    uint64_t           started;
    predictor_pool_t  *pool;

    pool = predictor_pool_create(b->threads);

    if (pool == NULL || predictor_run_tasks(run) != SHARD_OK) {
        fputs("shard-predictor: no memory or no thread for the backtest\n",
              stderr);

        if (pool) {
            predictor_pool_destroy(pool);
        }

        return 1;
    }

    b->threads = predictor_pool_threads(pool);
    started = shardd_monotonic_ms();

    predictor_pool_start(pool, predictor_run_item, run, run->items,
                         run->total);
    predictor_run_wait(run, pool);
    predictor_pool_destroy(pool);

    b->seconds = (double) (shardd_monotonic_ms() - started) / 1000;

    if (atomic_load(&run->failed)) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    return 0;
}


static int
predictor_run_tasks(predictor_run_t *run)
{
    uint32_t               i, k, n;
    predictor_backtest_t  *b;

    b = run->b;
    n = 0;

    for (i = 0; i < b->ntested; i++) {
        run->total += b->series[i].plan.norigins;
    }

    run->task = malloc(run->total * sizeof(predictor_task_t));
    run->items = malloc(run->total * sizeof(uint32_t));
    run->left = calloc(b->ntested, sizeof(atomic_uint));

    if (run->task == NULL || run->items == NULL || run->left == NULL) {
        return SHARD_ERROR;
    }

    for (i = 0; i < b->ntested; i++) {
        atomic_store(&run->left[i], b->series[i].plan.norigins);

        for (k = 0; k < b->series[i].plan.norigins; k++) {
            run->items[n] = n;
            run->task[n].series = i;
            run->task[n++].origin = k;
        }
    }

    return SHARD_OK;
}


static void
predictor_run_wait(predictor_run_t *run, predictor_pool_t *pool)
{
    predictor_progress_t  progress;

    predictor_progress_start(&progress, "origins", run->total);

    while (!predictor_pool_wait(pool, PREDICTOR_SHOW_MS)) {
        predictor_progress_show(&progress, atomic_load(&run->done));
    }

    predictor_progress_end(&progress);
}


/* who does a series' last origin judges the series */

static void
predictor_run_item(void *data, uint32_t item, uint32_t thread)
{
    predictor_run_t   *run;
    predictor_task_t  *task;

    run = data;
    task = &run->task[item];

    if (atomic_load(&run->failed)) {
        return;
    }

    if (predictor_run_task(run->b, run->heap[thread], task->series,
                           task->origin)
        != SHARD_OK)
    {
        atomic_store(&run->failed, 1);
        return;
    }

    atomic_fetch_add(&run->done, 1);

    if (atomic_fetch_sub(&run->left[task->series], 1) == 1) {
        predictor_run_score(run->b, &run->b->series[task->series]);
    }
}


static int
predictor_run_task(predictor_backtest_t *b, predictor_heap_t heap[2],
    uint32_t series, uint32_t origin)
{
    uint32_t             i;
    predictor_ask_t      ask;
    predictor_tested_t  *t;
    predictor_series_t   history;

    t = &b->series[series];

    ask.horizon = t->plan.ahead;
    ask.nq = PREDICTOR_PROTOCOL_QS;
    ask.q = predictor_protocol_q;

    predictor_protocol_history(&t->plan, t->y, t->start, origin, &history);

    for (i = 0; i < b->nrivals; i++) {
        if (b->rival[i].rows) {
            continue;
        }

        if (predictor_run_model(&b->rival[i],
                                predictor_run_weights(b, i, series, origin),
                                &history, &ask, heap,
                                &t->trial[i].at[origin])
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


/* of the network that is shared by many series; NULL: it learns alone */

static const float *
predictor_run_weights(const predictor_backtest_t *b, uint32_t rival,
    uint32_t series, uint32_t origin)
{
    if (b->nshared == 0 || b->rival[rival].model != &predictor_model_lstm) {
        return NULL;
    }

    return b->shared[b->series[series].group].w[origin];
}


/* a model that gives way to another one made no forecast of its own */

static int
predictor_run_model(const predictor_rival_t *rival, const float *weights,
    const predictor_series_t *history, const predictor_ask_t *ask,
    predictor_heap_t heap[2], predictor_made_t *made)
{
    int                rc;
    size_t             y;
    double             before, between;
    const char        *used;
    predictor_size_t   size;

    if (predictor_size(history, ask, rival->model, &size) != SHARD_OK) {
        return SHARD_OK;
    }

    y = (size.work + 15) & ~(size_t) 15;

    made->out = malloc((size_t) ask->horizon * PREDICTOR_PROTOCOL_ROW
                       * sizeof(double));

    if (made->out == NULL
        || predictor_heap_room(&heap[0], size.state) != SHARD_OK
        || predictor_heap_room(&heap[1], y + history->n * sizeof(double))
           != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    before = predictor_run_cpu();
    between = before;

    if (weights) {
        rc = predictor_backtest_shared(weights, history, ask, heap[0].memory,
                 heap[1].memory, (double *) ((char *) heap[1].memory + y),
                 made->out);
        used = rival->model->name;

    } else {
        rc = predictor_fit(history, ask, rival->model, heap[0].memory,
                           heap[1].memory);
        between = predictor_run_cpu();
    }

    if (rc == SHARD_OK && weights == NULL) {
        rc = predictor_predict(history, ask, heap[0].memory, heap[1].memory,
                               made->out, &used);
    }

    made->fit_s = between - before;
    made->forecast_s = predictor_run_cpu() - between;

    if (rc != SHARD_OK
        || (rival->model && strcmp(rival->model->name, used) != 0))
    {
        free(made->out);
        made->out = NULL;
        return SHARD_OK;
    }

    predictor_protocol_round(made->out, (size_t) ask->horizon
                                        * PREDICTOR_PROTOCOL_ROW);

    return SHARD_OK;
}


static int
predictor_heap_room(predictor_heap_t *heap, size_t size)
{
    if (size <= heap->size) {
        return SHARD_OK;
    }

    free(heap->memory);
    heap->memory = malloc(size);
    heap->size = heap->memory ? size : 0;

    return heap->memory ? SHARD_OK : SHARD_ERROR;
}


static double
predictor_run_cpu(void)
{
    struct timespec  now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);

    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}


/* forecasts take much memory: they are kept where somebody wants to see them */

static void
predictor_run_score(const predictor_backtest_t *b, predictor_tested_t *t)
{
    double             *out[PREDICTOR_ORIGINS_MAX];
    uint32_t            i, k;
    predictor_trial_t  *one;

    for (i = 0; i < b->nrivals; i++) {
        one = &t->trial[i];
        one->made = 0;

        for (k = 0; k < t->plan.norigins; k++) {
            out[k] = one->at[k].out;
            one->made += out[k] != NULL;
        }

        for (k = 0; k < PREDICTOR_BANDS && one->made == t->plan.norigins;
             k++)
        {
            if (t->plan.steps[k]) {
                predictor_protocol_score(&t->plan, t->y, t->scale, out,
                                         (predictor_band_e) k,
                                         &one->score[k]);
            }
        }

        for (k = 0; k < t->plan.norigins && !b->csv && !b->plot; k++) {
            free(out[k]);
            one->at[k].out = NULL;
        }
    }
}
