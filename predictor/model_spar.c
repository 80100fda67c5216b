
/*
 * SPAR, sparse periodic auto-regression: P-Store's model (Taft et al.,
 * SIGMOD 2018, 4).  With T the steps of a day, for each of a grid of h
 *
 *     y(t + h) = sum a(k) y(t + h - k T) + sum b(j) dy(t - j)
 *
 *     dy(t) = y(t) - mean over k of y(t - k T)
 *
 *     k = 1 .. 7 days (more days ahead: from the first that is known on),
 *     j = 0 .. up to 29 steps
 *
 * by least squares over all t, as published: no constant, no weights, no
 * shrinkage beyond what makes it solvable.  Ours are the quantiles: residuals
 * of each quarter of the history by what the other three teach.
 */


#include <math.h>
#include <string.h>

#include "lapack.h"
#include "quantile.h"
#include "transform.h"


#define PREDICTOR_SPAR_DAYS     7
#define PREDICTOR_SPAR_LAGS     30
#define PREDICTOR_SPAR_COLUMNS  (PREDICTOR_SPAR_DAYS + PREDICTOR_SPAR_LAGS)
#define PREDICTOR_SPAR_STRIDE   (PREDICTOR_SPAR_COLUMNS + 1)
#define PREDICTOR_SPAR_GRAM     (PREDICTOR_SPAR_STRIDE * PREDICTOR_SPAR_STRIDE)

/* every step up to here has a fit of its own, then some further ones */

#define PREDICTOR_SPAR_NEAR     12
#define PREDICTOR_SPAR_FAR      10
#define PREDICTOR_SPAR_FITS     (PREDICTOR_SPAR_NEAR + PREDICTOR_SPAR_FAR)

/* more rows are thinned out: neighbours say the same */

#define PREDICTOR_SPAR_ROWS     3000
#define PREDICTOR_SPAR_FOLDS    4

/* rows for each feature at least */

#define PREDICTOR_SPAR_EACH     2

/* rows in a call: below what OpenBLAS gives to threads */

#define PREDICTOR_SPAR_BLOCK    128

#define PREDICTOR_SPAR_RIDGE    1e-8


typedef struct {
    uint32_t               h;
    uint32_t               pad;
    double                 beta[PREDICTOR_SPAR_COLUMNS];
    double                 offset[PREDICTOR_QUANTILES_MAX];
} predictor_spar_fit_t;

typedef struct {
    uint32_t               day;
    uint32_t               days;
    uint32_t               lags;
    uint32_t               nfits;
    predictor_transform_t  scale;
    predictor_spar_fit_t   fit[PREDICTOR_SPAR_FITS];
} predictor_spar_t;

/* rows of one h, the target behind each row's features */

typedef struct {
    uint32_t               m;
    double                *z;
    double                *dz;
    double                *rows;
    double                *residual;
} predictor_spar_work_t;


static void predictor_spar_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_spar_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static void predictor_spar_place(const predictor_series_t *series,
    double *memory, predictor_spar_work_t *w);
static uint32_t predictor_spar_grid(uint32_t horizon,
    predictor_spar_fit_t *fit);
static void predictor_spar_offsets(const predictor_spar_t *spar,
    const double *z, uint32_t from, uint32_t to, double *dz);
static double *predictor_spar_row(const predictor_spar_t *spar, const double *z,
    const double *dz, uint32_t t, uint32_t h, double *row);
static int predictor_spar_solve(const predictor_spar_t *spar,
    predictor_spar_work_t *w, double *beta);
static void predictor_spar_gram(const double *rows, uint32_t m, int stride,
    double *gram);
static int predictor_spar_beta(const double *gram, int stride, double *beta);
static int predictor_spar_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);
static const predictor_spar_fit_t *predictor_spar_nearest(
    const predictor_spar_t *spar, uint32_t h);


const predictor_model_t  predictor_model_spar = {
    "spar",
    predictor_spar_size,
    predictor_spar_fit,
    predictor_spar_forecast,
    NULL
};


static void
predictor_spar_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    (void) ask;

    size->state = sizeof(predictor_spar_t);
    size->work = (2 * (size_t) series->n
                  + PREDICTOR_SPAR_ROWS * (PREDICTOR_SPAR_STRIDE + 1))
                 * sizeof(double);
}


static int
predictor_spar_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    double                 *row;
    uint32_t                i, j, t, days, first, last, step;
    predictor_spar_t       *spar;
    predictor_spar_fit_t   *fit;
    predictor_spar_work_t   w;

    spar = state;
    days = series->n > ask->horizon ? (series->n - ask->horizon) / series->day
                                    : 0;
    if (days < 2) {
        return SHARD_AGAIN;
    }

    /* a day of rows is left */

    spar->day = series->day;
    spar->days = days - 1 < PREDICTOR_SPAR_DAYS ? days - 1
                                                : PREDICTOR_SPAR_DAYS;
    spar->lags = series->day / 48 < PREDICTOR_SPAR_LAGS ? series->day / 48
                                                        : PREDICTOR_SPAR_LAGS;
    spar->lags = spar->lags > 6 ? spar->lags : 6;
    spar->nfits = predictor_spar_grid(ask->horizon, spar->fit);

    predictor_spar_place(series, work, &w);
    predictor_transform_fit(series, 0, &spar->scale, w.z);
    predictor_transform(&spar->scale, series->y, series->n, w.z);

    first = spar->days * spar->day;
    predictor_spar_offsets(spar, w.z, first, series->n, w.dz);
    first += spar->lags;

    for (i = 0; i < spar->nfits; i++) {
        fit = &spar->fit[i];

        if (series->n < first + fit->h + PREDICTOR_SPAR_EACH
                                         * (spar->days + spar->lags))
        {
            return SHARD_AGAIN;
        }

        last = series->n - 1 - fit->h;
        step = (last - first) / PREDICTOR_SPAR_ROWS + 1;
        w.m = (last - first) / step + 1;

        row = w.rows;

        for (j = 0; j < w.m; j++) {
            t = last - (w.m - 1 - j) * step;

            row = predictor_spar_row(spar, w.z, w.dz, t, fit->h, row);
            *row++ = w.z[t + fit->h];
        }

        if (predictor_spar_solve(spar, &w, fit->beta) != SHARD_OK) {
            return SHARD_ERROR;
        }

        predictor_quantiles(w.residual, w.m, ask->q, ask->nq, fit->offset);
    }

    return SHARD_OK;
}


static void
predictor_spar_place(const predictor_series_t *series, double *memory,
    predictor_spar_work_t *w)
{
    w->z = memory;
    w->dz = w->z + series->n;
    w->rows = w->dz + series->n;
    w->residual = w->rows + PREDICTOR_SPAR_ROWS * PREDICTOR_SPAR_STRIDE;
}


/* ascending, each once; the far ones in geometric progression */

static uint32_t
predictor_spar_grid(uint32_t horizon, predictor_spar_fit_t *fit)
{
    uint32_t  i, n, h;

    n = 0;

    for (h = 1; h <= PREDICTOR_SPAR_NEAR && h <= horizon; h++) {
        fit[n++].h = h;
    }

    for (i = 1; i <= PREDICTOR_SPAR_FAR; i++) {
        h = (uint32_t) (PREDICTOR_SPAR_NEAR
                        * pow((double) horizon / PREDICTOR_SPAR_NEAR,
                              (double) i / PREDICTOR_SPAR_FAR) + 0.5);

        if (h > fit[n - 1].h && h <= horizon) {
            fit[n++].h = h;
        }
    }

    return n;
}


static void
predictor_spar_offsets(const predictor_spar_t *spar, const double *z,
    uint32_t from, uint32_t to, double *dz)
{
    double    sum;
    uint32_t  i, k;

    for (i = from; i < to; i++) {
        sum = 0;

        for (k = 1; k <= spar->days; k++) {
            sum += z[i - k * spar->day];
        }

        dz[i] = z[i] - sum / spar->days;
    }
}


/* returns where the target's place is */

static double *
predictor_spar_row(const predictor_spar_t *spar, const double *z,
    const double *dz, uint32_t t, uint32_t h, double *row)
{
    uint32_t  j, k, slot, ahead;

    ahead = (h - 1) / spar->day;
    slot = t + h - ahead * spar->day;

    for (k = 1; k <= spar->days; k++) {
        *row++ = z[slot - k * spar->day];
    }

    for (j = 0; j < spar->lags; j++) {
        *row++ = dz[t - j];
    }

    return row;
}


/* beta by all rows, residuals by those of other quarters */

static int
predictor_spar_solve(const predictor_spar_t *spar, predictor_spar_work_t *w,
    double *beta)
{
    int            stride;
    double         fold[PREDICTOR_SPAR_FOLDS][PREDICTOR_SPAR_GRAM];
    double         gram[PREDICTOR_SPAR_GRAM];
    double         held[PREDICTOR_SPAR_COLUMNS];
    uint32_t       f, i, j, columns, edge[PREDICTOR_SPAR_FOLDS + 1];
    const double  *row;

    columns = spar->days + spar->lags;
    stride = (int) columns + 1;

    for (f = 0; f <= PREDICTOR_SPAR_FOLDS; f++) {
        edge[f] = f * w->m / PREDICTOR_SPAR_FOLDS;
    }

    memset(gram, 0, sizeof(gram));
    memset(fold, 0, sizeof(fold));

    for (f = 0; f < PREDICTOR_SPAR_FOLDS; f++) {
        predictor_spar_gram(w->rows + edge[f] * (columns + 1),
                            edge[f + 1] - edge[f], stride, fold[f]);

        for (i = 0; i < PREDICTOR_SPAR_GRAM; i++) {
            gram[i] += fold[f][i];
        }
    }

    if (predictor_spar_beta(gram, stride, beta) != SHARD_OK) {
        return SHARD_ERROR;
    }

    for (f = 0; f < PREDICTOR_SPAR_FOLDS; f++) {
        for (i = 0; i < PREDICTOR_SPAR_GRAM; i++) {
            fold[f][i] = gram[i] - fold[f][i];
        }

        if (predictor_spar_beta(fold[f], stride, held) != SHARD_OK) {
            return SHARD_ERROR;
        }

        for (j = edge[f]; j < edge[f + 1]; j++) {
            row = w->rows + j * (columns + 1);
            w->residual[j] = row[columns];

            for (i = 0; i < columns; i++) {
                w->residual[j] -= row[i] * held[i];
            }
        }
    }

    return SHARD_OK;
}


static void
predictor_spar_gram(const double *rows, uint32_t m, int stride, double *gram)
{
    int     k;
    double  one;

    one = 1;

    while (m) {
        k = m < PREDICTOR_SPAR_BLOCK ? (int) m : PREDICTOR_SPAR_BLOCK;

        dgemm_("N", "T", &stride, &stride, &k, &one, rows, &stride, rows,
               &stride, &one, gram, &stride, 1, 1);

        rows += k * stride;
        m -= (uint32_t) k;
    }
}


static int
predictor_spar_beta(const double *gram, int stride, double *beta)
{
    int       i, n, one, info;
    double    trace, a[PREDICTOR_SPAR_GRAM];

    n = stride - 1;
    one = 1;
    trace = 0;

    memcpy(a, gram, (size_t) stride * (size_t) stride * sizeof(double));
    memcpy(beta, gram + n * stride, (size_t) n * sizeof(double));

    for (i = 0; i < n; i++) {
        trace += a[i * stride + i];
    }

    for (i = 0; i < n; i++) {
        a[i * stride + i] += PREDICTOR_SPAR_RIDGE * trace / n + 1e-12;
    }

    dposv_("U", &n, &one, a, &stride, beta, &n, &info, 1);

    return info == 0 ? SHARD_OK : SHARD_ERROR;
}


static int
predictor_spar_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    double                       point;
    double                       row[PREDICTOR_SPAR_STRIDE];
    uint32_t                     h, i, last, from;
    predictor_transform_t        scale;
    predictor_spar_work_t        w;
    const predictor_spar_t      *spar;
    const predictor_spar_fit_t  *fit;

    spar = state;

    if (series->n < spar->days * spar->day + spar->lags) {
        return SHARD_AGAIN;
    }

    predictor_spar_place(series, work, &w);
    scale = spar->scale;
    predictor_transform_seen(&scale, series, spar->day);

    last = series->n - 1;
    from = series->n - spar->days * spar->day - spar->lags;
    predictor_transform(&scale, series->y + from, series->n - from,
                        w.z + from);
    predictor_spar_offsets(spar, w.z, series->n - spar->lags, series->n,
                           w.dz);

    for (h = 1; h <= ask->horizon; h++) {
        fit = predictor_spar_nearest(spar, h);
        (void) predictor_spar_row(spar, w.z, w.dz, last, h, row);
        point = 0;

        for (i = 0; i < spar->days + spar->lags; i++) {
            point += row[i] * fit->beta[i];
        }

        *out++ = predictor_transform_back(&scale, point);

        for (i = 0; i < ask->nq; i++) {
            *out++ = predictor_transform_back(&scale, point + fit->offset[i]);
        }
    }

    return SHARD_OK;
}


static const predictor_spar_fit_t *
predictor_spar_nearest(const predictor_spar_t *spar, uint32_t h)
{
    uint32_t  i;

    for (i = 0; i + 1 < spar->nfits; i++) {
        if (2 * h <= spar->fit[i].h + spar->fit[i + 1].h) {
            break;
        }
    }

    return &spar->fit[i];
}
