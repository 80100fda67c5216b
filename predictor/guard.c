
#include <math.h>
#include <string.h>

#include "guard.h"
#include "quantile.h"


#define PREDICTOR_GUARD_USUAL  0.99
#define PREDICTOR_GUARD_TIMES  20

/* sums of a series of such values are finite, and so are their squares */

#define PREDICTOR_GUARD_MOST   1e100


static void predictor_fill_lines(double *y, uint32_t n);
static void predictor_order(const predictor_ask_t *ask,
    const uint32_t *ascending, double *row);


int
predictor_fill(const predictor_series_t *series, double *y)
{
    uint32_t  i, known;

    known = 0;

    for (i = 0; i < series->n; i++) {
        y[i] = series->y[i];

        if (isfinite(y[i])) {
            known++;

        } else {
            y[i] = i >= series->day ? y[i - series->day] : NAN;
        }
    }

    if (known == 0) {
        return SHARD_AGAIN;
    }

    predictor_fill_lines(y, series->n);

    return SHARD_OK;
}


static void
predictor_fill_lines(double *y, uint32_t n)
{
    uint32_t  i, left, right;

    for (i = 0; i < n; i = right) {
        right = i + 1;

        if (!isnan(y[i])) {
            continue;
        }

        left = i;

        while (right < n && isnan(y[right])) {
            right++;
        }

        for ( ; i < right; i++) {
            if (left == 0) {
                y[i] = y[right];

            } else if (right == n) {
                y[i] = y[left - 1];

            } else {
                y[i] = y[left - 1] + (y[right] - y[left - 1])
                                     * (i - left + 1) / (right - left + 1);
            }
        }
    }
}


double
predictor_most(const predictor_series_t *series, double *scratch)
{
    double    q, usual;
    uint32_t  i;

    for (i = 0; i < series->n; i++) {
        scratch[i] = fabs(series->y[i]);
    }

    q = PREDICTOR_GUARD_USUAL;
    predictor_quantiles(scratch, series->n, &q, 1, &usual);

    return usual > 0 ? fmin(PREDICTOR_GUARD_TIMES * usual,
                            PREDICTOR_GUARD_MOST)
                     : PREDICTOR_GUARD_MOST;
}


void
predictor_clip(double *y, uint32_t n, double most)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        y[i] = y[i] > most ? most : y[i] < -most ? -most : y[i];
    }
}


/*
 * As integers, without their sign: these are in the order of the numbers,
 * infinity above them and what is none above that.  Both differ by less than
 * 2^63, so a difference below zero is one of 2^63 and more.  Nothing is
 * decided, so nothing is guessed wrong.
 */

int
predictor_within(const double *y, uint32_t n, double most)
{
    uint32_t  i;
    uint64_t  bits, limit, over;

    over = n == 0 || !(most >= 0 && most < INFINITY);
    over <<= 63;
    memcpy(&limit, &most, sizeof(limit));
    limit &= INT64_MAX;

    for (i = 0; i < n; i++) {
        memcpy(&bits, &y[i], sizeof(bits));
        over |= limit - (bits & INT64_MAX);
    }

    return over >> 63 == 0;
}


int
predictor_finite(const double *v, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (!isfinite(v[i])) {
            return 0;
        }
    }

    return 1;
}


void
predictor_guard(const predictor_series_t *series, const predictor_ask_t *ask,
    double *out)
{
    size_t    k, n;
    uint32_t  h, i, j, below, negative, ascending[PREDICTOR_QUANTILES_MAX];

    n = (size_t) ask->horizon * (1 + ask->nq);
    below = 0;
    negative = 0;

    for (k = 0; k < n; k++) {
        below |= !(out[k] > 0);
    }

    /* only what is not above zero asks whether the series ever was below */

    for (i = 0; i < series->n && below; i++) {
        negative |= series->y[i] < 0;
    }

    for (i = 0; i < ask->nq; i++) {
        for (j = i; j && ask->q[ascending[j - 1]] > ask->q[i]; j--) {
            ascending[j] = ascending[j - 1];
        }

        ascending[j] = i;
    }

    for (h = 0; h < ask->horizon; h++, out += 1 + ask->nq) {
        for (i = 0; i <= ask->nq && below && !negative; i++) {
            out[i] = out[i] > 0 ? out[i] : 0;
        }

        predictor_order(ask, ascending, out);
    }
}


/* the median quantile is the point forecast; others keep to their side */

static void
predictor_order(const predictor_ask_t *ask, const uint32_t *ascending,
    double *row)
{
    double    value, point, sorted[PREDICTOR_QUANTILES_MAX];
    uint32_t  i, j;

    point = row[0];

    for (i = 0; i < ask->nq; i++) {
        value = row[1 + i];

        if (ask->q[i] < 0.5) {
            value = value < point ? value : point;

        } else if (ask->q[i] > 0.5) {
            value = value > point ? value : point;

        } else {
            value = point;
        }

        for (j = i; j && sorted[j - 1] > value; j--) {
            sorted[j] = sorted[j - 1];
        }

        sorted[j] = value;
    }

    for (i = 0; i < ask->nq; i++) {
        row[1 + ascending[i]] = sorted[i];
    }
}
