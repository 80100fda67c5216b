
#include <math.h>

#include "quantile.h"


/* below this many elements insertion sort is the faster one */

#define PREDICTOR_SORT_SMALL  16


static double predictor_select(double *v, uint32_t n, uint32_t k);
static uint32_t predictor_split(double *v, uint32_t left, uint32_t right,
    double pivot, int equal);
static double predictor_middle(double a, double b, double c);
static void predictor_sort(predictor_weighted_t *v, uint32_t n);
static void predictor_sort_heap(predictor_weighted_t *v, uint32_t n);
static void predictor_sort_insert(predictor_weighted_t *v, uint32_t n);
static uint32_t predictor_sort_split(predictor_weighted_t *v, uint32_t n);


double
predictor_median(double *v, uint32_t n)
{
    double    high, low;
    uint32_t  i;

    high = predictor_select(v, n, n / 2);

    if (n % 2) {
        return high;
    }

    low = v[0];

    for (i = 1; i < n / 2; i++) {
        low = v[i] > low ? v[i] : low;
    }

    return low + (high - low) / 2;
}


void
predictor_quantiles(double *v, uint32_t n, const double *q, uint32_t nq,
    double *out)
{
    double    at, low, high;
    uint32_t  i, j, k;

    for (i = 0; i < nq; i++) {
        at = q[i] * (n - 1);
        k = (uint32_t) at;

        low = predictor_select(v, n, k);
        high = low;

        /* everything behind v[k] is at least v[k]: its least is the next */

        for (j = k + 1; j < n; j++) {
            high = (j == k + 1 || v[j] < high) ? v[j] : high;
        }

        out[i] = low + (high - low) * (at - k);
    }
}


void
predictor_weighted_quantiles(predictor_weighted_t *v, uint32_t n,
    const double *q, uint32_t nq, double *out)
{
    double    sum, at, want;
    uint32_t  i, j;

    predictor_sort(v, n);

    sum = 0;

    for (j = 0; j < n; j++) {
        sum += v[j].weight;
    }

    for (i = 0; i < nq; i++) {
        want = q[i] * sum;
        at = v[0].weight;

        for (j = 1; j < n && at < want; j++) {
            at += v[j].weight;
        }

        out[i] = v[j - 1].value;

        if (j > 1 && at > want) {
            out[i] -= (v[j - 1].value - v[j - 2].value)
                      * fmin((at - want) / v[j - 1].weight, 1);
        }
    }
}


/*
 * The k-th smallest (from 0), placed at v[k]; none before it is greater, none
 * behind it smaller.  Hoare's algorithm, with the median of three as pivot;
 * what equals it is set aside.
 */

static double
predictor_select(double *v, uint32_t n, uint32_t k)
{
    double    pivot;
    uint32_t  left, right, from, to;

    left = 0;
    right = n;

    while (right - left > 1) {
        pivot = predictor_middle(v[left], v[left + (right - left) / 2],
                                 v[right - 1]);

        from = predictor_split(v, left, right, pivot, 0);

        if (k < from) {
            right = from;
            continue;
        }

        to = predictor_split(v, from, right, pivot, 1);

        if (k < to) {
            break;
        }

        left = to;
    }

    return v[k];
}


/*
 * Those of v[left .. right) that are below the pivot (or not above it) to the
 * front; returns the first of the others.  Each value changes places, wanted
 * or not: there is no branch to be guessed, which is what costs.
 */

static uint32_t
predictor_split(double *v, uint32_t left, uint32_t right, double pivot,
    int equal)
{
    double    one;
    uint32_t  i, place;

    place = left;

    for (i = left; i < right; i++) {
        one = v[i];
        v[i] = v[place];
        v[place] = one;
        place += equal ? !(one > pivot) : one < pivot;
    }

    return place;
}


static double
predictor_middle(double a, double b, double c)
{
    double  low, high;

    low = a < b ? a : b;
    high = a < b ? b : a;

    return c < low ? low : c > high ? high : c;
}


/* quicksort; parts that split badly are left to heapsort */

static void
predictor_sort(predictor_weighted_t *v, uint32_t n)
{
    uint32_t  k, bad;

    bad = 0;

    while (n > PREDICTOR_SORT_SMALL) {
        k = predictor_sort_split(v, n);

        if (k < n / 16 || k > n - n / 16) {
            if (++bad > 8) {
                predictor_sort_heap(v, n);
                return;
            }
        }

        if (k < n - k) {
            predictor_sort(v, k);
            v += k;
            n -= k;

        } else {
            predictor_sort(v + k, n - k);
            n = k;
        }
    }

    predictor_sort_insert(v, n);
}


/* 0 < result < n: no value before it is greater than any behind it */

static uint32_t
predictor_sort_split(predictor_weighted_t *v, uint32_t n)
{
    double                pivot, a, b, c;
    int64_t               i, j;
    predictor_weighted_t  swap;

    a = v[0].value;
    b = v[(n - 1) / 2].value;
    c = v[n - 1].value;
    pivot = predictor_middle(a, b, c);

    i = -1;
    j = n;

    for ( ;; ) {
        do {
            i++;
        } while (v[i].value < pivot);

        do {
            j--;
        } while (v[j].value > pivot);

        if (i >= j) {
            break;
        }

        swap = v[i];
        v[i] = v[j];
        v[j] = swap;
    }

    return (j + 1 < (int64_t) n) ? (uint32_t) j + 1 : n - 1;
}


static void
predictor_sort_insert(predictor_weighted_t *v, uint32_t n)
{
    uint32_t              i, j;
    predictor_weighted_t  one;

    for (i = 1; i < n; i++) {
        one = v[i];

        for (j = i; j > 0 && v[j - 1].value > one.value; j--) {
            v[j] = v[j - 1];
        }

        v[j] = one;
    }
}


static void
predictor_sort_heap(predictor_weighted_t *v, uint32_t n)
{
    uint32_t              start, end, root, child;
    predictor_weighted_t  one;

    start = n / 2;
    end = n;

    while (end > 1) {
        if (start) {
            one = v[--start];

        } else {
            one = v[--end];
            v[end] = v[0];
        }

        root = start;

        for (child = 2 * root + 1; child < end; child = 2 * root + 1) {
            if (child + 1 < end && v[child + 1].value > v[child].value) {
                child++;
            }

            if (v[child].value <= one.value) {
                break;
            }

            v[root] = v[child];
            root = child;
        }

        v[root] = one;
    }
}
