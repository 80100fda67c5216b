
#include "../lib/tap.h"

#include "../../predictor/quantile.h"


#define MAX   3000
#define MOST  300
#define NQ    5


static int compare(const void *one, const void *two);
static double plain_quantile(const double *sorted, uint32_t n, double q);
static double plain_weighted(const predictor_weighted_t *v, uint32_t n,
    double q);


static const double          qs[NQ] = { 0.001, 0.1, 0.5, 0.77, 0.999 };
static double                values[MAX];
static predictor_weighted_t  shares[MAX];


static void
small(void)
{
    double                 got[3];
    double                 four[] = { 4, 1, 3, 2 };
    predictor_weighted_t   two[] = { { 10, 3 }, { 0, 1 } };

    tap_is_dbl(predictor_median(four, 4), 2.5, 0, "median of an even number");

    predictor_weighted_quantiles(two, 2, (const double[]) { 0.1, 0.25, 0.625 },
                                 3, got);
    tap_is_dbl(got[0], 0, 0, "below the first share: the first value");
    tap_is_dbl(got[1], 0, 1e-12, "at the first share");
    tap_is_dbl(got[2], 5, 1e-12, "half-way between two shares");
}


/* as many kinds of values as make none, some or most of them equal */

static void
fill(uint64_t *seed, uint32_t round, uint32_t n)
{
    uint32_t  i, kinds;

    kinds = 1 + (uint32_t) (tap_random(seed) % 400);

    for (i = 0; i < n; i++) {
        values[i] = (double) (tap_random(seed) % kinds) - 5;
        values[i] = round % 5 ? values[i] : (double) (i / kinds);
        shares[i].value = values[i];
        shares[i].weight = 1e-3 + (double) (tap_random(seed) % 1000);
    }
}


static int
weighted_round(uint32_t n)
{
    int                           same;
    double                        got[NQ];
    uint32_t                      i;
    static predictor_weighted_t   sorted[MAX];

    /* distinct values: among equal ones any order of weights is right */

    for (i = 0; i < n; i++) {
        shares[i].value += i * 1e-4;
    }

    memcpy(sorted, shares, n * sizeof(predictor_weighted_t));
    qsort(sorted, n, sizeof(predictor_weighted_t), compare);
    predictor_weighted_quantiles(shares, n, qs, NQ, got);

    for (i = 0, same = 1; i < NQ; i++) {
        same &= fabs(got[i] - plain_weighted(sorted, n, qs[i])) < 1e-9;
    }

    return same;
}


static void
random_arrays(void)
{
    int            plain, middle, weighted;
    double         got[NQ];
    uint32_t       i, n, round;
    uint64_t       seed;
    static double  sorted[MAX];

    seed = tap_seed(20261121);
    plain = middle = weighted = 1;

    for (round = 0; round < 2000; round++) {
        n = 1 + (uint32_t) (tap_random(&seed) % (round % 4 ? MOST : MAX));

        fill(&seed, round, n);
        memcpy(sorted, values, n * sizeof(double));
        qsort(sorted, n, sizeof(double), compare);

        predictor_quantiles(values, n, qs, NQ, got);

        for (i = 0; i < NQ; i++) {
            plain &= fabs(got[i] - plain_quantile(sorted, n, qs[i])) < 1e-9;
        }

        middle &= fabs(predictor_median(values, n)
                       - plain_quantile(sorted, n, 0.5)) < 1e-9;

        if (round % 2) {
            weighted &= weighted_round(n);
        }
    }

    tap_ok(plain, "2000 random arrays: quantiles as by sorting");
    tap_ok(middle, "2000 random arrays: medians as by sorting");
    tap_ok(weighted, "1000 random arrays: weighted quantiles as by sorting");
}


/* an order that makes median-of-three quicksort quadratic is not slow */

static void
organ_pipe(void)
{
    double    got[1], sum, seen;
    uint32_t  i;

    sum = 0;

    for (i = 0; i < MAX; i++) {
        shares[i].value = i % 2 ? MAX - i : i;
        shares[i].weight = 1;
        sum += shares[i].value;
    }

    predictor_weighted_quantiles(shares, MAX, qs, 1, got);
    seen = shares[0].value;

    for (i = 1; i < MAX && shares[i - 1].value <= shares[i].value; i++) {
        seen += shares[i].value;
    }

    tap_is_int(i, MAX, "an organ-pipe order is sorted");
    tap_is_dbl(seen, sum, 1e-9, "nothing is lost on the way");
}


int
main(void)
{
    small();
    random_arrays();
    organ_pipe();

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
