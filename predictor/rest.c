
#include <math.h>
#include <string.h>

#include "rest.h"


/* rows of a lead at most; more are thinned out */

#define PREDICTOR_REST_ROWS   1500
#define PREDICTOR_REST_LEAST  40

#define PREDICTOR_REST_RIDGE  2

/* days after which a row counts half */

#define PREDICTOR_REST_HALF   14


/* the origins of rows, and the features that all leads share */

typedef struct {
    uint32_t                  n;
    uint32_t                  m;        /* origins */
    uint32_t                  first;
    uint32_t                  step;
    const double             *rest;     /* n for each quarter */
    double                   *means;    /* m x PREDICTOR_REST_SPEEDS */
    predictor_lagreg_rows_t   rows;
} predictor_rest_work_t;


static void predictor_rest_speeds(const predictor_series_t *series,
    predictor_rest_t *r);
static void predictor_rest_origins(const predictor_rest_t *r,
    predictor_rest_work_t *w);
static void predictor_rest_collect(const predictor_rest_t *r, uint32_t h,
    predictor_rest_work_t *w);
static uint32_t predictor_rest_quarter(const predictor_rest_work_t *w,
    uint32_t i);
static void predictor_rest_row(const double *mean, const double past[2],
    float *row);


size_t
predictor_rest_work(uint32_t n)
{
    uint32_t  m;

    m = n < PREDICTOR_REST_ROWS ? n : PREDICTOR_REST_ROWS;

    return (size_t) m * PREDICTOR_REST_SPEEDS
           + predictor_lagreg_rows_size(m) + 2;
}


int
predictor_rest_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, const double *rest, predictor_rest_t *r,
    double *work)
{
    double                 beta[PREDICTOR_LAGREG_COLUMNS];
    uint32_t               k, h, leads;
    predictor_rest_work_t  w;

    memset(r, 0, sizeof(predictor_rest_t));
    r->day = series->day;
    predictor_rest_speeds(series, r);

    /* the slowest means need a day or two to mean something */

    w.n = series->n;
    w.rest = rest;
    w.first = series->n / 4 < 2 * series->day ? series->n / 4
                                              : 2 * series->day;
    w.step = (w.n - w.first) / PREDICTOR_REST_ROWS + 1;
    w.m = (w.n - w.first) / w.step;

    w.means = work;
    work += (size_t) w.m * PREDICTOR_REST_SPEEDS;
    work += ((uintptr_t) work / sizeof(double)) % 2;
    predictor_lagreg_rows_place(&w.rows, work, w.m);
    predictor_rest_origins(r, &w);

    leads = predictor_spread_leads(ask->horizon);

    for (k = 0; k < leads; k++) {
        h = (uint32_t) 1 << k;
        predictor_rest_collect(r, h, &w);

        if (w.rows.m < PREDICTOR_REST_LEAST
            || predictor_lagreg_solve(&w.rows, PREDICTOR_REST_RIDGE * sqrt(h),
                                      ask, beta, r->spread.offset[k])
               != SHARD_OK)
        {
            break;
        }

        memcpy(r->beta[k], beta, sizeof(r->beta[k]));
        r->leads++;
    }

    r->spread.leads = r->leads;
    r->spread.nq = ask->nq;

    return r->leads ? SHARD_OK : SHARD_AGAIN;
}


/* the rows of a lead, the target behind the features */

static void
predictor_rest_collect(const predictor_rest_t *r, uint32_t h,
    predictor_rest_work_t *w)
{
    float         *row;
    double         half, *mean, past[2];
    uint32_t       i, t, back;
    const double  *rest;

    half = PREDICTOR_REST_HALF * (double) r->day;
    row = w->rows.rows;

    for (i = 0; i < w->m; i++, row += PREDICTOR_LAGREG_STRIDE) {
        t = w->first + i * w->step;

        if (t + h >= w->n) {
            break;
        }

        rest = w->rest + (size_t) predictor_rest_quarter(w, i) * w->n;
        mean = w->means + (size_t) i * PREDICTOR_REST_SPEEDS;

        memset(row, 0, PREDICTOR_LAGREG_STRIDE * sizeof(float));

        /* without a day before, as if it had been like the slowest mean */

        back = predictor_rest_back(r, h);
        past[0] = t + h >= back ? rest[t + h - back]
                                : mean[PREDICTOR_REST_SPEEDS - 1];
        past[1] = t >= back ? rest[t - back] : past[0];

        predictor_rest_row(mean, past, row);
        row[PREDICTOR_REST_COLUMNS] =
                       (float) (rest[t + h] - mean[PREDICTOR_REST_SPEEDS - 1]);

        w->rows.recency[i] = (float) exp2(-(double) (w->n - t) / half);
    }

    w->rows.m = i;
    w->rows.columns = PREDICTOR_REST_COLUMNS;
}


/* from the value itself to a mean over days, in geometric progression */

static void
predictor_rest_speeds(const predictor_series_t *series, predictor_rest_t *r)
{
    double    span;
    uint32_t  i;

    for (i = 1; i < PREDICTOR_REST_SPEEDS; i++) {
        span = pow(3.0 * series->day, (double) i
                                      / (PREDICTOR_REST_SPEEDS - 1));
        r->keep[i] = 1 - 1 / fmax(span, 1);
    }
}


/* the means before each origin, by the rest that its quarter goes by */

static void
predictor_rest_origins(const predictor_rest_t *r, predictor_rest_work_t *w)
{
    double         mean[PREDICTOR_REST_SPEEDS];
    uint32_t       f, i, j, t;
    const double  *rest;

    for (f = 0; f < PREDICTOR_REST_FOLDS; f++) {
        rest = w->rest + (size_t) f * w->n;
        t = 0;

        for (i = 0; i < w->m; i++) {
            if (predictor_rest_quarter(w, i) > f) {
                break;
            }

            for ( /* void */ ; t <= w->first + i * w->step; t++) {
                for (j = 0; j < PREDICTOR_REST_SPEEDS; j++) {
                    mean[j] = t ? r->keep[j] * mean[j]
                                  + (1 - r->keep[j]) * rest[t]
                                : rest[t];
                }
            }

            if (predictor_rest_quarter(w, i) == f) {
                memcpy(w->means + (size_t) i * PREDICTOR_REST_SPEEDS, mean,
                       sizeof(mean));
            }
        }
    }
}


static uint32_t
predictor_rest_quarter(const predictor_rest_work_t *w, uint32_t i)
{
    return (uint32_t) ((uint64_t) (w->first + i * w->step)
                       * PREDICTOR_REST_FOLDS / w->n);
}


static void
predictor_rest_row(const double *mean, const double past[2], float *row)
{
    uint32_t  i;

    *row++ = 1;

    for (i = 0; i + 1 < PREDICTOR_REST_SPEEDS; i++) {
        *row++ = (float) (mean[i] - mean[i + 1]);
    }

    *row++ = (float) (past[0] - mean[i]);
    *row = (float) (past[0] - past[1]);
}


void
predictor_rest_means(const predictor_rest_t *r, const double *rest,
    uint32_t n, double *mean)
{
    uint32_t  i, j;

    for (i = 0; i < n; i++) {
        for (j = 0; j < PREDICTOR_REST_SPEEDS; j++) {
            mean[j] = r->keep[j] * mean[j] + (1 - r->keep[j]) * rest[i];
        }
    }
}


uint32_t
predictor_rest_back(const predictor_rest_t *r, uint32_t h)
{
    return ((h - 1) / r->day + 1) * r->day;
}


/* between two leads: their answers mixed on the scale of the logarithm */

double
predictor_rest_forecast(const predictor_rest_t *r, const double *mean,
    const double past[2], uint32_t h, double *offset)
{
    float     row[PREDICTOR_REST_COLUMNS];
    double    share, left, right;
    uint32_t  i, k, last;

    predictor_rest_row(mean, past, row);
    predictor_spread_at(&r->spread, h, offset);

    last = r->leads - 1;

    for (k = 0; k < last && (uint32_t) 2 << k <= h; k++) { /* void */ }

    share = k < last ? log2((double) h) - k : 0;
    left = 0;
    right = 0;

    for (i = 0; i < PREDICTOR_REST_COLUMNS; i++) {
        left += row[i] * r->beta[k][i];
        right += row[i] * r->beta[k < last ? k + 1 : k][i];
    }

    return mean[PREDICTOR_REST_SPEEDS - 1] + left + share * (right - left);
}
