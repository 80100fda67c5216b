
/*
 * The theta method (Assimakopoulos & Nikolopoulos, Int. J. Forecasting 16,
 * 2000) on a series without its seasons: the mean of the line through it and
 * of its double curvature smoothed exponentially, which is
 *
 *     level + slope / 2 (h - 1 + 1 / alpha)
 *
 * (Hyndman & Billah, Int. J. Forecasting 19, 2003), alpha by the one-step
 * errors.  The seasons are those of decompose.h, of logarithms; errors, and
 * alpha, are of quarters of the history that the seasons did not see.
 */


#include <math.h>
#include <string.h>

#include "decompose.h"
#include "spread.h"
#include "transform.h"


#define PREDICTOR_THETA_QUARTERS  4
#define PREDICTOR_THETA_ERRORS    2000  /* of a lead, for its quantiles */

/* golden section of alpha */

#define PREDICTOR_THETA_STEPS     12
#define PREDICTOR_THETA_LOW       0.001
#define PREDICTOR_THETA_HIGH      0.999


typedef struct {
    predictor_transform_t   scale;
    predictor_decompose_t   parts;
    predictor_spread_t      spread;
    double                  alpha;
    double                  slope;          /* of the line, per step */
    double                  level;
    uint64_t                next;           /* step that comes next */
    float                   season[];
} predictor_theta_t;


static void predictor_theta_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_theta_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static void predictor_theta_unseen(const predictor_series_t *series,
    predictor_theta_t *theta, const double *z, double *x, double *work);
static double predictor_theta_slope(const double *x, uint32_t n);
static double predictor_theta_alpha(const double *x, uint32_t n);
static double predictor_theta_cost(const double *x, uint32_t n,
    double alpha);
static void predictor_theta_spread(const predictor_ask_t *ask,
    predictor_theta_t *theta, const double *x, uint32_t n, double *level,
    double *errors);
static int predictor_theta_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_theta_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);
static double predictor_theta_drift(const predictor_theta_t *theta,
    uint32_t h);


const predictor_model_t  predictor_model_theta = {
    "theta",
    predictor_theta_size,
    predictor_theta_fit,
    predictor_theta_forecast,
    predictor_theta_update
};


static void
predictor_theta_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    predictor_decompose_t  parts;

    (void) ask;

    predictor_decompose_init(&parts, series);

    size->state = sizeof(predictor_theta_t)
                  + ((size_t) series->day + series->week) * sizeof(float);
    size->work = (3 * (size_t) series->n + 3 * (size_t) series->day
                  + 3 * (size_t) series->week
                  + predictor_decompose_work(&parts, series->n))
                 * sizeof(double);
}


static int
predictor_theta_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    double             *z, *x;
    uint32_t            i, n;
    predictor_theta_t  *theta;

    theta = state;
    n = series->n;
    z = work;
    x = z + n;

    if (n / 2 < series->day || n < 8) {
        return SHARD_AGAIN;
    }

    predictor_transform_fit(series, 1, &theta->scale, x);
    predictor_transform(&theta->scale, series->y, n, z);
    predictor_decompose_init(&theta->parts, series);

    predictor_theta_unseen(series, theta, z, x, x + n);

    theta->alpha = predictor_theta_alpha(x, n);
    theta->slope = predictor_theta_slope(x, n);
    predictor_theta_spread(ask, theta, x, n, x + n, x + 2 * n);

    predictor_decompose(&theta->parts, z, n, series->start, 0, 0,
                        theta->season, x);

    theta->level = z[0] - predictor_decompose_at(&theta->parts, theta->season,
                                                 series->start);

    for (i = 1; i < n; i++) {
        z[i] -= predictor_decompose_at(&theta->parts, theta->season,
                                       series->start + i);
        theta->level += theta->alpha * (z[i] - theta->level);
    }

    theta->next = series->start + n;

    return SHARD_OK;
}


/* what seasons leave of a quarter that they were found without */

static void
predictor_theta_unseen(const predictor_series_t *series,
    predictor_theta_t *theta, const double *z, double *x, double *work)
{
    uint32_t  f, i, from, to;

    for (f = 0; f < PREDICTOR_THETA_QUARTERS; f++) {
        from = (uint32_t) ((uint64_t) f * series->n
                           / PREDICTOR_THETA_QUARTERS);
        to = (uint32_t) ((uint64_t) (f + 1) * series->n
                         / PREDICTOR_THETA_QUARTERS);

        predictor_decompose(&theta->parts, z, series->n, series->start, from,
                            to, theta->season, work);

        for (i = from; i < to; i++) {
            x[i] = z[i] - predictor_decompose_at(&theta->parts, theta->season,
                                                 series->start + i);
        }
    }
}


/* of the line by least squares */

static double
predictor_theta_slope(const double *x, uint32_t n)
{
    double    mean, sum, square, middle;
    uint32_t  i;

    mean = 0;
    sum = 0;
    square = 0;
    middle = (n - 1) / 2.0;

    for (i = 0; i < n; i++) {
        mean += x[i] / n;
    }

    for (i = 0; i < n; i++) {
        sum += (i - middle) * (x[i] - mean);
        square += (i - middle) * (i - middle);
    }

    return sum / square;
}


static double
predictor_theta_alpha(const double *x, uint32_t n)
{
    double    low, high, left, right, golden, at_left, at_right;
    uint32_t  i;

    golden = (sqrt(5) - 1) / 2;
    low = PREDICTOR_THETA_LOW;
    high = PREDICTOR_THETA_HIGH;

    left = high - golden * (high - low);
    right = low + golden * (high - low);
    at_left = predictor_theta_cost(x, n, left);
    at_right = predictor_theta_cost(x, n, right);

    for (i = 0; i < PREDICTOR_THETA_STEPS; i++) {
        if (at_left < at_right) {
            high = right;
            right = left;
            at_right = at_left;
            left = high - golden * (high - low);
            at_left = predictor_theta_cost(x, n, left);

        } else {
            low = left;
            left = right;
            at_left = at_right;
            right = low + golden * (high - low);
            at_right = predictor_theta_cost(x, n, right);
        }
    }

    return (low + high) / 2;
}


/* one step ahead; absolute errors, so that no outlier decides */

static double
predictor_theta_cost(const double *x, uint32_t n, double alpha)
{
    double    level, sum;
    uint32_t  i;

    level = x[0];
    sum = 0;

    for (i = 1; i < n; i++) {
        sum += fabs(x[i] - level);
        level += alpha * (x[i] - level);
    }

    return sum;
}


static void
predictor_theta_spread(const predictor_ask_t *ask, predictor_theta_t *theta,
    const double *x, uint32_t n, double *level, double *errors)
{
    double    drift;
    uint32_t  i, k, m, lead, step, first;

    level[0] = x[0];

    for (i = 1; i < n; i++) {
        level[i] = level[i - 1] + theta->alpha * (x[i] - level[i - 1]);
    }

    /* the level is to forget where it began */

    first = n / 8;
    step = n / PREDICTOR_THETA_ERRORS + 1;
    theta->spread.leads = 0;

    for (k = 0; k < predictor_spread_leads(ask->horizon); k++) {
        lead = (uint32_t) 1 << k;
        drift = predictor_theta_drift(theta, lead);
        m = 0;

        for (i = first; i + lead < n; i += step) {
            errors[m++] = x[i + lead] - level[i] - drift;
        }

        predictor_spread_add(&theta->spread, ask, errors, m);
    }
}


static int
predictor_theta_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    double             *z, x;
    uint64_t            end;
    uint32_t            i, n;
    predictor_theta_t  *theta;

    (void) ask;

    theta = state;
    z = work;
    end = series->start + series->n;

    if (end < theta->next || end - theta->next > series->n) {
        return SHARD_AGAIN;
    }

    n = (uint32_t) (end - theta->next);
    predictor_transform_seen(&theta->scale, series, n);
    predictor_transform(&theta->scale, series->y + series->n - n, n, z);

    for (i = 0; i < n; i++) {
        x = z[i] - predictor_decompose_at(&theta->parts, theta->season,
                                          theta->next + i);
        theta->level += theta->alpha * (x - theta->level);
    }

    theta->next = end;

    return SHARD_OK;
}


static int
predictor_theta_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    double                    point;
    double                    offset[PREDICTOR_QUANTILES_MAX];
    uint32_t                  h, i, late;
    uint64_t                  end;
    const predictor_theta_t  *theta;

    (void) work;

    theta = state;
    end = series->start + series->n;

    /* values that no update() brought count as steps ahead */

    if (end < theta->next || end - theta->next > PREDICTOR_HORIZON_MAX) {
        return SHARD_AGAIN;
    }

    late = (uint32_t) (end - theta->next);

    for (h = late + 1; h <= late + ask->horizon; h++) {
        point = theta->level + predictor_theta_drift(theta, h)
                + predictor_decompose_at(&theta->parts, theta->season,
                                         theta->next + h - 1);
        predictor_spread_at(&theta->spread, h, offset);

        *out++ = predictor_transform_back(&theta->scale, point);

        for (i = 0; i < ask->nq; i++) {
            *out++ = predictor_transform_back(&theta->scale,
                                              point + offset[i]);
        }
    }

    return SHARD_OK;
}


static double
predictor_theta_drift(const predictor_theta_t *theta, uint32_t h)
{
    return theta->slope / 2 * (h - 1 + 1 / theta->alpha);
}
