
#include <math.h>

#include "quantile.h"
#include "transform.h"


/* shares of the range seen that a forecast may leave it by */

#define PREDICTOR_TRANSFORM_ABOVE  0.25
#define PREDICTOR_TRANSFORM_BELOW  0.1

/* logarithms run away sooner: at most so many times the highest value */

#define PREDICTOR_TRANSFORM_TIMES  5


void
predictor_transform_fit(const predictor_series_t *series, int log,
    predictor_transform_t *t, double *scratch)
{
    double    sum;
    uint32_t  i;

    sum = 0;
    t->log = log != 0;

    for (i = 0; i < series->n; i++) {
        sum += fabs(series->y[i]);
        scratch[i] = series->y[i];

        if (series->y[i] < 0) {
            t->log = 0;
        }
    }

    t->scale = series->n ? sum / series->n : 0;
    t->zero = !(t->scale > 0);
    t->scale = t->zero ? 1 : t->scale;
    t->add = 0;

    if (t->log) {
        t->add = fmax(0.05 * predictor_median(scratch, series->n) / t->scale,
                      0.02);
    }

    t->low = INFINITY;
    t->high = -INFINITY;

    predictor_transform_seen(t, series, series->n);
}


void
predictor_transform(const predictor_transform_t *t, const double *y,
    uint32_t n, double *z)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        z[i] = y[i] / t->scale;

        if (t->log) {
            z[i] = log((z[i] > 0 ? z[i] : 0) + t->add);
        }
    }
}


void
predictor_transform_seen(predictor_transform_t *t,
    const predictor_series_t *series, uint32_t n)
{
    double         low, high;
    uint32_t       i;
    const double  *y;

    if (n == 0 || series->n == 0) {
        return;
    }

    n = n < series->n ? n : series->n;
    y = series->y + series->n - n;

    low = y[0];
    high = y[0];

    for (i = 1; i < n; i++) {
        low = y[i] < low ? y[i] : low;
        high = y[i] > high ? y[i] : high;
    }

    predictor_transform(t, &low, 1, &low);
    predictor_transform(t, &high, 1, &high);

    t->low = fmin(t->low, low);
    t->high = fmax(t->high, high);
}


double
predictor_transform_back(const predictor_transform_t *t, double z)
{
    double  low, top, span;

    span = t->high - t->low;
    top = t->high + PREDICTOR_TRANSFORM_ABOVE * span;
    low = t->low - PREDICTOR_TRANSFORM_BELOW * span;

    if (t->log) {
        top = fmin(top, log(PREDICTOR_TRANSFORM_TIMES
                            * (exp(t->high) - t->add) + t->add));
    }

    return predictor_transform_undo(t, fmax(low, fmin(z, top)));
}


double
predictor_transform_undo(const predictor_transform_t *t, double z)
{
    return t->scale * (t->log ? exp(z) - t->add : z);
}
