
/*
 * An additive model of the class of Prophet (Taylor & Letham, The American
 * Statistician 72, 2018): a trend of straight lines, whose bends are shrunk
 * by an L1 prior, and seasons as Fourier series; beyond it, what the model
 * leaves is not taken for noise but smoothed on (rest.h).
 *
 *     y ─▶ log ─▶ blocks ─▶ rows (additive.h) ─▶ least |errors| ─▶ beta
 *                              │ four times without a quarter       │
 *                              └──▶ rest of the quarter ─▶ rest.h ──┴▶ state
 *
 * Both the absolute errors and the absolute bends are least squares with
 * weights of the round before.
 */


#include <math.h>
#include <string.h>

#include "additive_solve.h"
#include "rest.h"
#include "transform.h"


typedef struct {
    predictor_transform_t      scale;
    predictor_additive_plan_t  plan;
    predictor_rest_t           rest;
    double                     mean[PREDICTOR_REST_SPEEDS];
    double                     beta[PREDICTOR_ADDITIVE_COLUMNS];
    uint64_t                   next;        /* step that comes next */
} predictor_additive_t;

static void predictor_additive_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_additive_fit_plain(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static void predictor_additive_unseen(const predictor_series_t *series,
    const predictor_additive_given_t *given, const predictor_additive_t *a,
    const predictor_additive_solve_t *w, double *z, double *rest);
static double predictor_additive_sum(const predictor_additive_t *a,
    const predictor_additive_given_t *given, uint64_t step);
static double predictor_additive_rest(const predictor_additive_t *a,
    const predictor_series_t *series,
    const predictor_additive_given_t *given, uint32_t i);
static int predictor_additive_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_additive_forecast_plain(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);


const predictor_model_t  predictor_model_additive = {
    "additive",
    predictor_additive_size,
    predictor_additive_fit_plain,
    predictor_additive_forecast_plain,
    predictor_additive_update
};


static void
predictor_additive_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    size_t  rows, rest;

    (void) ask;

    rows = PREDICTOR_ADDITIVE_ROWS * (PREDICTOR_ADDITIVE_STRIDE + 1);
    rest = predictor_rest_work(series->n);

    size->state = sizeof(predictor_additive_t);
    size->work = ((1 + PREDICTOR_ADDITIVE_FOLDS) * (size_t) series->n
                  + (PREDICTOR_ADDITIVE_FOLDS + 2) * PREDICTOR_ADDITIVE_GRAM
                  + PREDICTOR_ADDITIVE_FOLDS * PREDICTOR_ADDITIVE_COLUMNS
                  + (rows > rest ? rows : rest))
                 * sizeof(double);
}


static int
predictor_additive_fit_plain(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_additive_fit(series, ask, NULL, state, work);
}


int
predictor_additive_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_additive_given_t *given,
    void *state, void *work)
{
    double                      *z, *rest;
    uint32_t                     i, n;
    predictor_additive_t        *a;
    predictor_additive_solve_t   w;

    a = state;
    n = series->n;

    if (n / 2 < series->day || n < 8) {
        return SHARD_AGAIN;
    }

    z = work;
    rest = z + n;
    w.gram = rest + PREDICTOR_ADDITIVE_FOLDS * (size_t) n;
    w.scratch = w.gram + (PREDICTOR_ADDITIVE_FOLDS + 1)
                         * PREDICTOR_ADDITIVE_GRAM;
    w.held = w.scratch + PREDICTOR_ADDITIVE_GRAM;
    w.rows = w.held + PREDICTOR_ADDITIVE_FOLDS * PREDICTOR_ADDITIVE_COLUMNS;

    predictor_transform_fit(series, 1, &a->scale, rest);
    predictor_transform(&a->scale, series->y, n, z);
    predictor_additive_plan(series, given, &a->plan);
    predictor_additive_rows(series, given, &a->plan, z, &w);

    if (predictor_additive_solve(&a->plan, &w, a->beta) != SHARD_OK) {
        return SHARD_ERROR;
    }

    predictor_additive_unseen(series, given, a, &w, z, rest);

    /* the rows are done with */

    if (predictor_rest_fit(series, ask, rest, &a->rest, w.rows) != SHARD_OK) {
        return SHARD_AGAIN;
    }

    for (i = 0; i < PREDICTOR_REST_SPEEDS; i++) {
        a->mean[i] = z[0];
    }

    predictor_rest_means(&a->rest, z + 1, n - 1, a->mean);
    a->next = series->start + n;

    return SHARD_OK;
}


/* z becomes what the whole model leaves; rest, what those of quarters do */

static void
predictor_additive_unseen(const predictor_series_t *series,
    const predictor_additive_given_t *given, const predictor_additive_t *a,
    const predictor_additive_solve_t *w, double *z, double *rest)
{
    double         row[PREDICTOR_ADDITIVE_COLUMNS];
    double         e, whole;
    uint32_t       f, i, j;
    const double  *beta;

    for (i = 0; i < series->n; i++) {
        predictor_additive_row(&a->plan, given, series->start + i, 1, row);
        whole = z[i];

        for (f = 0; f < PREDICTOR_ADDITIVE_FOLDS; f++) {
            beta = w->held + f * PREDICTOR_ADDITIVE_COLUMNS;
            e = z[i];

            for (j = 0; j < w->columns; j++) {
                e -= row[j] * beta[j];
            }

            rest[(size_t) f * series->n + i] = e;
        }

        for (j = 0; j < w->columns; j++) {
            whole -= row[j] * a->beta[j];
        }

        z[i] = whole;
    }
}


static double
predictor_additive_sum(const predictor_additive_t *a,
    const predictor_additive_given_t *given, uint64_t step)
{
    double    sum, row[PREDICTOR_ADDITIVE_COLUMNS];
    uint32_t  j;

    predictor_additive_row(&a->plan, given, step, 1, row);
    sum = 0;

    for (j = 0; j < predictor_additive_columns(&a->plan); j++) {
        sum += row[j] * a->beta[j];
    }

    return sum;
}


static double
predictor_additive_rest(const predictor_additive_t *a,
    const predictor_series_t *series,
    const predictor_additive_given_t *given, uint32_t i)
{
    double  z;

    predictor_transform(&a->scale, series->y + i, 1, &z);

    return z - predictor_additive_sum(a, given, series->start + i);
}


static int
predictor_additive_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    double                *rest;
    uint64_t               end;
    uint32_t               i, n;
    predictor_additive_t  *a;

    (void) ask;

    a = state;
    rest = work;
    end = series->start + series->n;

    if (end < a->next || end - a->next > series->n) {
        return SHARD_AGAIN;
    }

    n = (uint32_t) (end - a->next);
    predictor_transform_seen(&a->scale, series, n);

    for (i = 0; i < n; i++) {
        rest[i] = predictor_additive_rest(a, series, NULL,
                                          series->n - n + i);
    }

    predictor_rest_means(&a->rest, rest, n, a->mean);
    a->next = end;

    return SHARD_OK;
}


static int
predictor_additive_forecast_plain(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    (void) work;

    return predictor_additive_forecast(series, ask, NULL, state, out);
}


int
predictor_additive_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_additive_given_t *given,
    const void *state, double *out)
{
    double                       point, past[2];
    double                       offset[PREDICTOR_QUANTILES_MAX];
    uint32_t                     h, i, n, late, back;
    uint64_t                     end;
    const predictor_additive_t  *a;

    a = state;
    n = series->n;
    end = series->start + n;

    /* values that no update() brought count as steps ahead */

    if (end < a->next || end - a->next > PREDICTOR_HORIZON_MAX) {
        return SHARD_AGAIN;
    }

    late = (uint32_t) (end - a->next);

    for (h = late + 1; h <= late + ask->horizon; h++) {
        back = predictor_rest_back(&a->rest, h);

        /* indices from the last value taken in, n - 1 - late */

        past[0] = n + h > late + back
                  ? predictor_additive_rest(a, series, given,
                                            n - 1 - late + h - back)
                  : a->mean[PREDICTOR_REST_SPEEDS - 1];
        past[1] = n > late + back
                  ? predictor_additive_rest(a, series, given,
                                            n - 1 - late - back)
                  : past[0];

        point = predictor_rest_forecast(&a->rest, a->mean, past, h, offset)
                + predictor_additive_sum(a, given, a->next + h - 1);

        *out++ = predictor_transform_back(&a->scale, point);

        for (i = 0; i < ask->nq; i++) {
            *out++ = predictor_transform_back(&a->scale, point + offset[i]);
        }
    }

    return SHARD_OK;
}
