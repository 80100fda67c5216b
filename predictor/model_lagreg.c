
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

#include "lagreg_past.h"


/* of step h: 3 h^0.9; far steps are few experiences, seen many times */

#define PREDICTOR_LAGREG_RIDGE      3
#define PREDICTOR_LAGREG_GROWTH     0.9

typedef enum {
    PREDICTOR_VARIANT_LOG = 0,
    PREDICTOR_VARIANT_FRESH,
    PREDICTOR_VARIANT_RAW
} predictor_lagreg_variant_e;

/* how long the past counts, for short steps and for others */

typedef struct {
    uint32_t                 log;
    predictor_lagreg_days_t  days[2];
} predictor_lagreg_memory_t;

typedef struct {
    uint32_t                 h;
    uint32_t                 columns;
    double                   beta[PREDICTOR_LAGREG_COLUMNS];
    double                   offset[PREDICTOR_QUANTILES_MAX];
} predictor_lagreg_fit_t;

/* memos are behind the fits; none where they would not save a logarithm */

typedef struct {
    predictor_lagreg_plan_t  plan;
    predictor_transform_t    scale;
    uint32_t                 variant;
    uint32_t                 nfits;
    uint32_t                 nmemos;
    uint64_t                 next;      /* step that is not remembered yet */
    predictor_lagreg_fit_t   fit[];
} predictor_lagreg_t;


static void predictor_lagreg_size_log(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
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
static void predictor_lagreg_start(const predictor_series_t *series,
    predictor_lagreg_t *lagreg);
static void predictor_lagreg_tell(const predictor_series_t *series,
    const predictor_lagreg_t *lagreg, const predictor_lagreg_view_t *view,
    const predictor_lagreg_rows_t *rows, const predictor_trial_t *trial,
    uint32_t step);
static int predictor_lagreg_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);
static int predictor_lagreg_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static predictor_lagreg_memo_t *predictor_lagreg_memo(
    const predictor_lagreg_t *lagreg);
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
    predictor_lagreg_size_log,
    predictor_lagreg_fit_log,
    predictor_lagreg_forecast,
    predictor_lagreg_update
};


const predictor_model_t  predictor_model_lagreg_fresh = {
    "lagreg-fresh",
    predictor_lagreg_size_log,
    predictor_lagreg_fit_fresh,
    predictor_lagreg_forecast,
    predictor_lagreg_update
};


const predictor_model_t  predictor_model_lagreg_raw = {
    "lagreg-raw",
    predictor_lagreg_size,
    predictor_lagreg_fit_raw,
    predictor_lagreg_forecast,
    NULL
};


static void
predictor_lagreg_size_log(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    predictor_lagreg_size(series, ask, size);

    size->state += predictor_lagreg_memos(series->n + series->day)
                   * sizeof(predictor_lagreg_memo_t);
}


static void
predictor_lagreg_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    uint32_t  grid[PREDICTOR_TRIAL_STEPS];

    size->state = sizeof(predictor_lagreg_t)
                  + predictor_trial_grid(ask->horizon, series->day, grid)
                    * sizeof(predictor_lagreg_fit_t);

    /* the median is taken where the view will be */

    size->work = (predictor_lagreg_view_size(series->n) + 1
                  + predictor_lagreg_rows_size(predictor_lagreg_most(series)))
                 * sizeof(double)
                 + predictor_lagreg_past_size(series);
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
    predictor_lagreg_past_t   past;
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
    memory = predictor_lagreg_rows_place(&rows, memory,
                                         predictor_lagreg_most(series));
    past.origin = (predictor_lagreg_origin_t *) memory;

    predictor_lagreg_view_whole(&view, series, &lagreg->scale);
    predictor_lagreg_list(&lagreg->plan, &view);
    predictor_lagreg_past(series, &lagreg->plan, &view,
                          &predictor_lagreg_memory[variant].days[
                            series->interval_s >= PREDICTOR_TRIAL_SHORT_S],
                          &past);

    lagreg->nfits = predictor_trial_grid(ask->horizon, series->day, grid);
    predictor_lagreg_start(series, lagreg);

    for (i = 0; i < lagreg->nfits; i++) {
        fit = &lagreg->fit[i];
        fit->h = grid[i];

        rc = predictor_lagreg_collect(&lagreg->plan, &view, &past, fit->h,
                                      &rows);

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


static void
predictor_lagreg_start(const predictor_series_t *series,
    predictor_lagreg_t *lagreg)
{
    predictor_lagreg_memo_t  *memo;

    lagreg->nmemos = predictor_lagreg_memory[lagreg->variant].log
                     ? predictor_lagreg_memos(series->n + series->day) : 0;
    lagreg->next = series->start + series->n;
    memo = predictor_lagreg_memo(lagreg);

    memset(memo, 0, lagreg->nmemos * sizeof(predictor_lagreg_memo_t));
    predictor_lagreg_remember(memo, lagreg->nmemos, series, &lagreg->scale,
                              0);
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
    predictor_lagreg_origin_t       origin;
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
    predictor_lagreg_view_blocks(&view, series, &scale,
                                 predictor_lagreg_memo(lagreg),
                                 lagreg->nmemos);
    predictor_lagreg_origin(plan, &view, view.n - 1, &origin);

    /* what came since the fit is at most a day */

    predictor_transform_seen(&scale, series, plan->day);

    for (h = 1; h <= ask->horizon; h++) {
        fit = predictor_lagreg_nearest(lagreg, h);

        if (predictor_lagreg_row(plan, &view, &origin, h, row, &base)
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


/* the values that are new; those that changed are found by their prints */

static int
predictor_lagreg_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    uint32_t             from;
    uint64_t             end;
    predictor_lagreg_t  *lagreg;

    (void) ask;
    (void) work;

    lagreg = state;
    end = series->start + series->n;
    from = 0;

    if (lagreg->next >= series->start && lagreg->next <= end) {
        from = (uint32_t) (lagreg->next - series->start);
    }

    predictor_lagreg_remember(predictor_lagreg_memo(lagreg), lagreg->nmemos,
                              series, &lagreg->scale, from);
    lagreg->next = end;

    return SHARD_OK;
}


static predictor_lagreg_memo_t *
predictor_lagreg_memo(const predictor_lagreg_t *lagreg)
{
    return (predictor_lagreg_memo_t *) &lagreg->fit[lagreg->nfits];
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
