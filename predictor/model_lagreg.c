
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


#define PREDICTOR_LAGREG_GRID       40
#define PREDICTOR_LAGREG_RIDGE      20
#define PREDICTOR_LAGREG_ROWS_MIN   60

/* steps below this are short: there are enough of them in few days */

#define PREDICTOR_LAGREG_SHORT_S    1800


typedef enum {
    PREDICTOR_VARIANT_LOG = 0,
    PREDICTOR_VARIANT_FRESH,
    PREDICTOR_VARIANT_RAW
} predictor_lagreg_variant_e;

/* how long the past counts, for short steps and for others */

typedef struct {
    uint32_t                 log;
    uint32_t                 rows;          /* most, PREDICTOR_LAGREG_ROWS */
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
    uint32_t                 variant;
    uint32_t                 log;
    uint32_t                 nfits;
    double                   scale;         /* of y: its mean size */
    double                   add;           /* z = log(y / scale + add) */
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
    predictor_lagreg_t *lagreg, double *work);
static uint32_t predictor_lagreg_grid(uint32_t horizon, uint32_t day,
    uint32_t *grid);
static void predictor_lagreg_scale(const predictor_series_t *series,
    predictor_lagreg_t *lagreg, double *scratch);
static void predictor_lagreg_transform(const predictor_series_t *series,
    const predictor_lagreg_t *lagreg, double *z);
static int predictor_lagreg_collect(const predictor_series_t *series,
    const predictor_lagreg_t *lagreg, const predictor_lagreg_view_t *view,
    uint32_t h, predictor_lagreg_rows_t *rows);
static int predictor_lagreg_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);
static const predictor_lagreg_fit_t *predictor_lagreg_nearest(
    const predictor_lagreg_t *lagreg, uint32_t h);


/* the fresh one follows a new level, the others hold more of the rhythm */

static const predictor_lagreg_memory_t  predictor_lagreg_memory[] = {
    { 1, 4500, { { 10, 21 }, { 21, 180 } } },
    { 1, 2000, { {  3, 10 }, {  6,  28 } } },
    { 0, 4500, { { 10, 21 }, { 21, 180 } } }
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
    uint32_t  m, grid[PREDICTOR_LAGREG_GRID];

    m = series->n < PREDICTOR_LAGREG_ROWS ? series->n : PREDICTOR_LAGREG_ROWS;
    rows = predictor_lagreg_rows_size(m);

    size->state = sizeof(predictor_lagreg_t)
                  + predictor_lagreg_grid(ask->horizon, series->day, grid)
                    * sizeof(predictor_lagreg_fit_t);

    /* the median is taken where the view will be */

    size->work = (predictor_lagreg_view_size(series->n) + rows + 1)
                 * sizeof(double);
}


static int
predictor_lagreg_fit_log(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_lagreg_fit(series, ask, PREDICTOR_VARIANT_LOG, state,
                                work);
}


static int
predictor_lagreg_fit_fresh(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_lagreg_fit(series, ask, PREDICTOR_VARIANT_FRESH, state,
                                work);
}


static int
predictor_lagreg_fit_raw(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_lagreg_fit(series, ask, PREDICTOR_VARIANT_RAW, state,
                                work);
}


static int
predictor_lagreg_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_lagreg_variant_e variant,
    predictor_lagreg_t *lagreg, double *work)
{
    int                       rc;
    double                   *memory;
    uint32_t                  i, m, grid[PREDICTOR_LAGREG_GRID];
    predictor_lagreg_fit_t   *fit;
    predictor_lagreg_rows_t   rows;
    predictor_lagreg_view_t   view;

    rc = predictor_lagreg_plan(series, ask, &lagreg->plan);

    if (rc != SHARD_OK) {
        return rc;
    }

    lagreg->variant = variant;
    predictor_lagreg_scale(series, lagreg, work);

    if (lagreg->scale == 0) {
        return SHARD_AGAIN;
    }

    memory = predictor_lagreg_view_place(&view, work, series->n);
    memory += (memory - work) % 2;

    m = series->n < PREDICTOR_LAGREG_ROWS ? series->n : PREDICTOR_LAGREG_ROWS;
    predictor_lagreg_rows_place(&rows, memory, m);

    predictor_lagreg_transform(series, lagreg, view.z);
    predictor_lagreg_view_fill(&lagreg->plan, &view, 0);

    lagreg->nfits = predictor_lagreg_grid(ask->horizon, series->day, grid);

    for (i = 0; i < lagreg->nfits; i++) {
        fit = &lagreg->fit[i];
        fit->h = grid[i];

        rc = predictor_lagreg_collect(series, lagreg, &view, fit->h, &rows);

        if (rc != SHARD_OK) {
            return rc;
        }

        fit->columns = rows.columns;

        rc = predictor_lagreg_solve(&rows,
                                    PREDICTOR_LAGREG_RIDGE * sqrt(fit->h),
                                    ask, fit->beta, fit->offset);
        if (rc != SHARD_OK) {
            return rc;
        }
    }

    return SHARD_OK;
}


/*
 * The first steps, then some in geometric progression, then the ends and
 * middles of further days; ascending, each once.
 */

static uint32_t
predictor_lagreg_grid(uint32_t horizon, uint32_t day, uint32_t *grid)
{
    uint32_t  i, j, n, d, h, wish[PREDICTOR_LAGREG_GRID];

    n = 0;

    for (h = 1; h <= 6 && h <= horizon; h++) {
        wish[n++] = h;
    }

    for (i = 0; i < 12 && horizon > 6; i++) {
        wish[n++] = (uint32_t) (8 * pow(horizon / 8.0, i / 11.0) + 0.5);
    }

    for (d = 1; d <= (horizon - 1) / day && d < PREDICTOR_LAGREG_DAYS; d++) {
        h = d * day + (day / 2 > 2 ? day / 2 : 2);
        wish[n++] = d * day;
        wish[n++] = d * day + 1;
        wish[n++] = h < horizon ? h : horizon;
    }

    j = 0;

    for (h = 0; h < horizon; h = d) {
        d = horizon + 1;

        for (i = 0; i < n; i++) {
            if (wish[i] > h && wish[i] < d) {
                d = wish[i];
            }
        }

        if (d <= horizon) {
            grid[j++] = d;
        }
    }

    return j;
}


/* the logarithm needs non-negative values; "add" keeps it off zero */

static void
predictor_lagreg_scale(const predictor_series_t *series,
    predictor_lagreg_t *lagreg, double *scratch)
{
    double    sum;
    uint32_t  i;

    sum = 0;
    lagreg->log = predictor_lagreg_memory[lagreg->variant].log;

    for (i = 0; i < series->n; i++) {
        sum += fabs(series->y[i]);
        scratch[i] = series->y[i];

        if (series->y[i] < 0) {
            lagreg->log = 0;
        }
    }

    lagreg->scale = sum / series->n;
    lagreg->add = 0;

    if (lagreg->scale > 0) {
        lagreg->add = fmax(0.05 * predictor_median(scratch, series->n)
                           / lagreg->scale, 0.02);
    }
}


static void
predictor_lagreg_transform(const predictor_series_t *series,
    const predictor_lagreg_t *lagreg, double *z)
{
    uint32_t  i;

    for (i = 0; i < series->n; i++) {
        z[i] = series->y[i] / lagreg->scale;

        if (lagreg->log) {
            z[i] = log(fmax(z[i], 0) + lagreg->add);
        }
    }
}


/* rows of all origins for h; of more than fit, every second, third, ... */

static int
predictor_lagreg_collect(const predictor_series_t *series,
    const predictor_lagreg_t *lagreg, const predictor_lagreg_view_t *view,
    uint32_t h, predictor_lagreg_rows_t *rows)
{
    double                            base, half;
    double                           *row;
    uint32_t                          i, t, first, last, step, days, length;
    const predictor_lagreg_plan_t    *plan;
    const predictor_lagreg_memory_t  *memory;

    plan = &lagreg->plan;
    memory = &predictor_lagreg_memory[lagreg->variant];
    length = series->interval_s < PREDICTOR_LAGREG_SHORT_S ? 0 : 1;

    half = memory->days[length].half * (double) plan->day;
    days = memory->days[length].all;
    first = plan->start + plan->day + plan->smooth + 8;

    if (series->n / days > plan->day && first < series->n - days * plan->day) {
        first = series->n - days * plan->day;
    }

    if (series->n < first + h + PREDICTOR_LAGREG_ROWS_MIN) {
        return SHARD_AGAIN;
    }

    last = series->n - 1 - h;
    step = (last - first) / memory->rows + 1;
    rows->m = (last - first) / step + 1;

    row = rows->rows;

    for (i = 0; i < rows->m; i++, row += PREDICTOR_LAGREG_STRIDE) {
        t = last - (rows->m - 1 - i) * step;

        rows->columns = predictor_lagreg_row(plan, view, t, h, row, &base);
        row[rows->columns] = view->z[t + h] - base;

        memset(&row[rows->columns + 1], 0,
               (PREDICTOR_LAGREG_STRIDE - rows->columns - 1)
               * sizeof(double));

        rows->recency[i] = exp2(-(double) (series->n - 1 - t) / half);
    }

    return SHARD_OK;
}


static int
predictor_lagreg_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    double                          low, high, top, base, z, offset;
    double                          row[PREDICTOR_LAGREG_COLUMNS];
    uint32_t                        h, i, recent;
    predictor_lagreg_view_t         view;
    const predictor_lagreg_t       *lagreg;
    const predictor_lagreg_fit_t   *fit;
    const predictor_lagreg_plan_t  *plan;

    lagreg = state;
    plan = &lagreg->plan;
    recent = 3 * plan->day + 1;

    if (series->n < plan->start + plan->day + plan->smooth + 8) {
        return SHARD_AGAIN;
    }

    (void) predictor_lagreg_view_place(&view, work, series->n);
    predictor_lagreg_transform(series, lagreg, view.z);
    predictor_lagreg_view_fill(plan, &view,
                               series->n > recent ? series->n - recent : 0);

    low = view.z[0];
    high = view.z[0];

    for (i = 1; i < view.n; i++) {
        low = fmin(low, view.z[i]);
        high = fmax(high, view.z[i]);
    }

    /* no forecast goes far beyond what was seen, in logs least of all */

    top = high + 0.25 * (high - low);
    low -= 0.1 * (high - low);

    if (lagreg->log) {
        top = fmin(top, log(5 * (exp(high) - lagreg->add) + lagreg->add));
    }

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

        for (i = 0; i <= ask->nq; i++) {
            offset = i ? fit->offset[i - 1] : 0;
            z = fmax(low, fmin(base + offset, top));

            *out++ = lagreg->scale * (lagreg->log ? exp(z) - lagreg->add : z);
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
