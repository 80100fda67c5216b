
#include "../lib/tap.h"

#include "../../predictor/quantile.h"


#define MAX  300


static int compare(const void *one, const void *two);
static double plain_quantile(const double *sorted, uint32_t n, double q);
static double plain_weighted(const predictor_weighted_t *v, uint32_t n,
    double q);


static const double  qs[] = { 0.001, 0.1, 0.5, 0.77, 0.999 };


int
main(void)
{
    int                    plain, middle, weighted;
    double                 v[MAX], copy[MAX], got[5], sum, seen;
    uint32_t               i, n, round, kinds;
    uint64_t               seed;
    predictor_weighted_t   w[MAX], wcopy[MAX];
    double                 four[] = { 4, 1, 3, 2 };
    predictor_weighted_t   two[] = { { 10, 3 }, { 0, 1 } };

    tap_is_dbl(predictor_median(four, 4), 2.5, 0, "median of an even number");

    predictor_weighted_quantiles(two, 2, (const double[]) { 0.1, 0.25, 0.625 },
                                 3, got);
    tap_is_dbl(got[0], 0, 0, "below the first share: the first value");
    tap_is_dbl(got[1], 0, 1e-12, "at the first share");
    tap_is_dbl(got[2], 5, 1e-12, "half-way between two shares");

    seed = tap_seed(20261121);
    plain = middle = weighted = 1;

    for (round = 0; round < 2000; round++) {
        n = 1 + (uint32_t) (tap_random(&seed) % MAX);
        kinds = 1 + (uint32_t) (tap_random(&seed) % 400);

        for (i = 0; i < n; i++) {
            v[i] = (double) (tap_random(&seed) % kinds) - 5;
            v[i] = round % 5 ? v[i] : (double) (i / kinds);
            copy[i] = v[i];
            w[i].value = v[i];
            w[i].weight = 1e-3 + (double) (tap_random(&seed) % 1000);
            wcopy[i] = w[i];
        }

        qsort(copy, n, sizeof(double), compare);
        qsort(wcopy, n, sizeof(predictor_weighted_t), compare);

        predictor_quantiles(v, n, qs, 5, got);

        for (i = 0; i < 5; i++) {
            plain &= fabs(got[i] - plain_quantile(copy, n, qs[i])) < 1e-9;
        }

        middle &= fabs(predictor_median(v, n)
                       - plain_quantile(copy, n, 0.5)) < 1e-9;

        /* distinct values: among equal ones any order of weights is right */

        if (round % 2) {
            for (i = 0; i < n; i++) {
                w[i].value += i * 1e-4;
            }

            memcpy(wcopy, w, n * sizeof(predictor_weighted_t));
            qsort(wcopy, n, sizeof(predictor_weighted_t), compare);
            predictor_weighted_quantiles(w, n, qs, 5, got);

            for (i = 0; i < 5; i++) {
                weighted &= fabs(got[i] - plain_weighted(wcopy, n, qs[i]))
                            < 1e-9;
            }
        }
    }

    tap_ok(plain, "2000 random arrays: quantiles as by sorting");
    tap_ok(middle, "2000 random arrays: medians as by sorting");
    tap_ok(weighted, "1000 random arrays: weighted quantiles as by sorting");

    /* an order that makes median-of-three quicksort quadratic is not slow */

    sum = 0;

    for (i = 0; i < MAX; i++) {
        w[i].value = i % 2 ? MAX - i : i;
        w[i].weight = 1;
        sum += w[i].value;
    }

    predictor_weighted_quantiles(w, MAX, qs, 1, got);
    seen = w[0].value;

    for (i = 1; i < MAX && w[i - 1].value <= w[i].value; i++) {
        seen += w[i].value;
    }

    tap_is_int(i, MAX, "an organ-pipe order is sorted");
    tap_is_dbl(seen, sum, 1e-9, "nothing is lost on the way");

    return tap_done();
}


static int
compare(const void *one, const void *two)
{
    double  a, b;

    a = *(const double *) one;
    b = *(const double *) two;

    return (a > b) - (a < b);
}


static double
plain_quantile(const double *sorted, uint32_t n, double q)
{
    double    at;
    uint32_t  k;

    at = q * (n - 1);
    k = (uint32_t) at;

    return k + 1 < n ? sorted[k] + (sorted[k + 1] - sorted[k]) * (at - k)
                     : sorted[k];
}


static double
plain_weighted(const predictor_weighted_t *v, uint32_t n, double q)
{
    double    sum, at, before;
    uint32_t  i;

    sum = 0;

    for (i = 0; i < n; i++) {
        sum += v[i].weight;
    }

    at = 0;

    for (i = 0; i < n; i++) {
        before = at;
        at += v[i].weight / sum;

        if (at >= q) {
            return i ? v[i - 1].value + (v[i].value - v[i - 1].value)
                                        * (q - before) / (at - before)
                     : v[0].value;
        }
    }

    return v[n - 1].value;
}
