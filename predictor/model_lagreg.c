
/*
 * Direct multi-horizon lag regression.  For each step h of a sparse grid
 *
 *     z(t + h) - base(t + h) = features(t, h) . beta(h)
 *
 * is fitted over recent origins t; steps between take the nearest fit of the
 * same day ahead, with features of their own.
 *
 *     y ─▶ z ─▶ view ─▶ rows of h ─▶ solve ─▶ beta(h), offsets(h)  ┐ state
 *          log(y + c), or y          for h = 1, 2, ... 8 ... a day ┘
 *
 * The form is in the family of P-Store's SPAR (Taft et al., SIGMOD 2018, 4):
 * periodic terms and recent offsets from them, here robust and shrunk.
 */


#include <math.h>
#include <string.h>

#include "lagreg_solve.h"
#include "transform.h"
#include "trial.h"


/* of step h: 3 h^0.9; far steps are few experiences, seen many times */

#define PREDICTOR_LAGREG_RIDGE      3
#define PREDICTOR_LAGREG_GROWTH     0.9

#define PREDICTOR_LAGREG_ROWS_MIN   60

typedef enum {
    PREDICTOR_VARIANT_LOG = 0,
    PREDICTOR_VARIANT_FRESH,
    PREDICTOR_VARIANT_RAW
} predictor_lagreg_variant_e;

/* how long the past counts, for short steps and for others */

typedef struct {
    uint32_t                 log;
    struct {
        uint32_t             half;          /* days to half the weight */
        uint32_t             all;           /* days of origins */
    } days[2];
} predictor_lagreg_memory_t;

typedef struct {
    uint32_t                 h;
    uint32_t                 columns;
    double                   beta[PREDICTOR_LAGREG_COLUMNS];
    double                   offset[PREDICTOR_QUANTILES_MAX];
} predictor_lagreg_fit_t;

typedef struct {
    predictor_lagreg_plan_t  plan;
    predictor_transform_t    scale;
    uint32_t                 variant;
    uint32_t                 nfits;
    predictor_lagreg_fit_t   fit[];
} predictor_lagreg_t;


static void predictor_lagreg_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_lagreg_fit_log(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_lagreg_fit_fresh(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_lagreg_fit_raw(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_lagreg_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_lagreg_variant_e variant,
    const predictor_trial_t *trial, predictor_lagreg_t *lagreg,
    double *work);
static int predictor_lagreg_collect(const predictor_series_t *series,
    const predictor_lagreg_t *lagreg, const predictor_lagreg_view_t *view,
    uint32_t h, predictor_lagreg_rows_t *rows);
static void predictor_lagreg_tell(const predictor_series_t *series,
    const predictor_lagreg_t *lagreg, const predictor_lagreg_view_t *view,
    const predictor_lagreg_rows_t *rows, const predictor_trial_t *trial,
    uint32_t step);
static uint32_t predictor_lagreg_most(const predictor_series_t *series);
static int predictor_lagreg_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);
static const predictor_lagreg_fit_t *predictor_lagreg_nearest(
    const predictor_lagreg_t *lagreg, uint32_t h);


/* the fresh one follows a new level, the others hold more of the rhythm */

static const predictor_lagreg_memory_t  predictor_lagreg_memory[] = {
    { 1, { { 10, 21 }, { 21, 180 } } },
    { 1, { {  3, 10 }, {  6,  28 } } },
    { 0, { { 10, 21 }, { 21, 180 } } }
};


const predictor_model_t  predictor_model_lagreg = {
    "lagreg",
    predictor_lagreg_size,
    predictor_lagreg_fit_log,
    predictor_lagreg_forecast,
    NULL
};


const predictor_model_t  predictor_model_lagreg_fresh = {
    "lagreg-fresh",
    predictor_lagreg_size,
    predictor_lagreg_fit_fresh,
    predictor_lagreg_forecast,
    NULL
};


const predictor_model_t  predictor_model_lagreg_raw = {
    "lagreg-raw",
    predictor_lagreg_size,
    predictor_lagreg_fit_raw,
    predictor_lagreg_forecast,
    NULL
};


static void
predictor_lagreg_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    size_t    rows;
    uint32_t  grid[PREDICTOR_TRIAL_STEPS];

    rows = predictor_lagreg_rows_size(predictor_lagreg_most(series));

    size->state = sizeof(predictor_lagreg_t)
                  + predictor_trial_grid(ask->horizon, series->day, grid)
                    * sizeof(predictor_lagreg_fit_t);

    /* the median is taken where the view will be */

    size->work = (predictor_lagreg_view_size(series->n) + rows + 1)
                 * sizeof(double);
}


static int
predictor_lagreg_fit_log(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_lagreg_fit(series, ask, PREDICTOR_VARIANT_LOG, NULL,
                                state, work);
}


static int
predictor_lagreg_fit_fresh(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_lagreg_fit(series, ask, PREDICTOR_VARIANT_FRESH, NULL,
                                state, work);
}


static int
predictor_lagreg_fit_raw(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_lagreg_fit(series, ask, PREDICTOR_VARIANT_RAW, NULL,
                                state, work);
}


int
predictor_lagreg_learn(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work)
{
    return predictor_lagreg_fit(series, ask, PREDICTOR_VARIANT_LOG, trial,
                                state, work);
}


int
predictor_lagreg_learn_fresh(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work)
{
    return predictor_lagreg_fit(series, ask, PREDICTOR_VARIANT_FRESH, trial,
                                state, work);
}


int
predictor_lagreg_learn_raw(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work)
{
    return predictor_lagreg_fit(series, ask, PREDICTOR_VARIANT_RAW, trial,
                                state, work);
}


static int
predictor_lagreg_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_lagreg_variant_e variant,
    const predictor_trial_t *trial, predictor_lagreg_t *lagreg, double *work)
{
    int                       rc;
    double                   *memory;
    uint32_t                  i, grid[PREDICTOR_TRIAL_STEPS];
    predictor_lagreg_fit_t   *fit;
    predictor_lagreg_rows_t   rows;
    predictor_lagreg_view_t   view;

    rc = predictor_lagreg_plan(series, ask, &lagreg->plan);

    if (rc != SHARD_OK) {
        return rc;
    }

    lagreg->variant = variant;
    predictor_transform_fit(series, predictor_lagreg_memory[variant].log,
                            &lagreg->scale, work);

    if (lagreg->scale.zero) {
        return SHARD_AGAIN;
    }

    memory = predictor_lagreg_view_place(&view, work, series->n);
    memory += (memory - work) % 2;

    predictor_lagreg_rows_place(&rows, memory,
                                predictor_lagreg_most(series));

    predictor_transform(&lagreg->scale, series->y, series->n, view.z);
    predictor_lagreg_view_fill(&lagreg->plan, &view);

    lagreg->nfits = predictor_trial_grid(ask->horizon, series->day, grid);

    for (i = 0; i < lagreg->nfits; i++) {
        fit = &lagreg->fit[i];
        fit->h = grid[i];

        rc = predictor_lagreg_collect(series, lagreg, &view, fit->h, &rows);

        if (rc != SHARD_OK) {
            return rc;
        }

        fit->columns = rows.columns;

        rc = predictor_lagreg_solve(&rows, PREDICTOR_LAGREG_RIDGE
                                    * pow(fit->h, PREDICTOR_LAGREG_GROWTH),
                                    ask, fit->beta, fit->offset);
        if (rc != SHARD_OK) {
            return rc;
        }

        if (trial) {
            predictor_lagreg_tell(series, lagreg, &view, &rows, trial, i);
        }
    }

    return SHARD_OK;
}


/* rows there is room for; no shorter series has more, whatever its stride */

static uint32_t
predictor_lagreg_most(const predictor_series_t *series)
{
    return series->n < PREDICTOR_TRIAL_ROWS ? series->n : PREDICTOR_TRIAL_ROWS;
}


/*
 * Rows of all origins for h, on the stride that all models share, so that
 * the last value and every trial's origin are on it.
 */

static int
predictor_lagreg_collect(const predictor_series_t *series,
    const predictor_lagreg_t *lagreg, const predictor_lagreg_view_t *view,
    uint32_t h, predictor_lagreg_rows_t *rows)
{
    double                            base, half;
    float                            *row;
    uint32_t                          i, t, first, last, step, days, length;
    const predictor_lagreg_plan_t    *plan;
    const predictor_lagreg_memory_t  *memory;

    plan = &lagreg->plan;
    memory = &predictor_lagreg_memory[lagreg->variant];
    length = series->interval_s < PREDICTOR_TRIAL_SHORT_S ? 0 : 1;

    half = memory->days[length].half * (double) plan->day;
    days = memory->days[length].all;
    first = plan->start + plan->day + plan->smooth + 8;

    if (series->n / days > plan->day && first < series->n - days * plan->day) {
        first = series->n - days * plan->day;
    }

    step = predictor_trial_stride(series);
    last = (h + step - 1) / step * step;

    if (series->n < first + last + PREDICTOR_LAGREG_ROWS_MIN * step) {
        return SHARD_AGAIN;
    }

    last = series->n - 1 - last;
    rows->m = (last - first) / step + 1;

    row = rows->rows;

    for (i = 0; i < rows->m; i++, row += PREDICTOR_LAGREG_STRIDE) {
        t = last - (rows->m - 1 - i) * step;

        rows->columns = predictor_lagreg_row(plan, view, t, h, row, &base);
        row[rows->columns] = (float) (view->z[t + h] - base);

        memset(&row[rows->columns + 1], 0,
               (PREDICTOR_LAGREG_STRIDE - rows->columns - 1)
               * sizeof(float));

        rows->recency[i] = (float) exp2(-(double) (series->n - 1 - t) / half);
    }

    return SHARD_OK;
}


/* what the other folds teach about the rows of the trial's origins */

static void
predictor_lagreg_tell(const predictor_series_t *series,
    const predictor_lagreg_t *lagreg, const predictor_lagreg_view_t *view,
    const predictor_lagreg_rows_t *rows, const predictor_trial_t *trial,
    uint32_t step)
{
    float     *said;
    uint32_t   i, h, last, back, stride;

    said = predictor_trial_said(trial, step);
    stride = predictor_trial_stride(series);
    h = trial->step[step];
    last = series->n - 1 - (h + stride - 1) / stride * stride;

    for (i = 0; i < trial->norigins; i++) {

        if (trial->origin[i] > last) {
            continue;
        }

        back = (last - trial->origin[i]) / stride;

        if (back >= rows->m) {
            break;
        }

        said[i] = (float) predictor_transform_undo(&lagreg->scale,
                                       view->z[trial->origin[i] + h]
                                       - rows->residual[rows->m - 1 - back]);
    }
}


static int
predictor_lagreg_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    double                          base;
    float                           row[PREDICTOR_LAGREG_COLUMNS];
    uint32_t                        h, i;
    predictor_transform_t           scale;
    predictor_lagreg_view_t         view;
    const predictor_lagreg_t       *lagreg;
    const predictor_lagreg_fit_t   *fit;
    const predictor_lagreg_plan_t  *plan;

    lagreg = state;
    plan = &lagreg->plan;
    scale = lagreg->scale;

    if (series->n < plan->start + plan->day + plan->smooth + 8) {
        return SHARD_AGAIN;
    }

    (void) predictor_lagreg_view_place(&view, work, series->n);
    predictor_transform(&scale, series->y, series->n, view.z);
    predictor_lagreg_view_sum(&view);

    /* what came since the fit is at most a day */

    predictor_transform_seen(&scale, series, plan->day);

    for (h = 1; h <= ask->horizon; h++) {
        fit = predictor_lagreg_nearest(lagreg, h);

        if (predictor_lagreg_row(plan, &view, view.n - 1, h, row, &base)
            != fit->columns)
        {
            return SHARD_ERROR;
        }

        for (i = 0; i < fit->columns; i++) {
            base += row[i] * fit->beta[i];
        }

        *out++ = predictor_transform_back(&scale, base);

        for (i = 0; i < ask->nq; i++) {
            *out++ = predictor_transform_back(&scale, base + fit->offset[i]);
        }
    }

    return SHARD_OK;
}


/* of the same day ahead: fits of different days have different features */

static const predictor_lagreg_fit_t *
predictor_lagreg_nearest(const predictor_lagreg_t *lagreg, uint32_t h)
{
    uint32_t                       i, day, far, best;
    const predictor_lagreg_fit_t  *fit, *found;

    found = &lagreg->fit[0];
    best = PREDICTOR_SERIES_MAX;
    day = lagreg->plan.day;

    for (i = 0; i < lagreg->nfits; i++) {
        fit = &lagreg->fit[i];
        far = fit->h > h ? fit->h - h : h - fit->h;

        if ((fit->h - 1) / day == (h - 1) / day && far < best) {
            found = fit;
            best = far;
        }
    }

    return found;
}
