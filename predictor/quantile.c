
#include <math.h>

#include "quantile.h"


/* below this many elements insertion sort is the faster one */

#define PREDICTOR_SORT_SMALL   16

/* from so many on, a sample pays */

#define PREDICTOR_SELECT_MANY  600


static double predictor_select(double *v, uint32_t n, uint32_t k);
static void predictor_select_within(double *v, int64_t left, int64_t right,
    int64_t k);
static void predictor_select_sample(double *v, int64_t left, int64_t right,
    int64_t k);
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
 * behind it smaller.  Hoare's algorithm; of many elements the pivot is what
 * a sample of them has near k (Floyd and Rivest, Comm. ACM 18, 1975), else the
 * median of three.
 */

static double
predictor_select(double *v, uint32_t n, uint32_t k)
{
    predictor_select_within(v, 0, (int64_t) n - 1, k);

    return v[k];
}


static void
predictor_select_within(double *v, int64_t left, int64_t right, int64_t k)
{
    double   pivot, swap;
    int64_t  i, j;

    while (left < right) {

        if (right - left < PREDICTOR_SELECT_MANY) {
            pivot = predictor_middle(v[left], v[left + (right - left) / 2],
                                     v[right]);
        } else {
            predictor_select_sample(v, left, right, k);
            pivot = v[k];
        }

        i = left;
        j = right;

        while (i <= j) {
            while (v[i] < pivot) {
                i++;
            }

            while (v[j] > pivot) {
                j--;
            }

            if (i <= j) {
                swap = v[i];
                v[i++] = v[j];
                v[j--] = swap;
            }
        }

        if (k <= j) {
            right = j;

        } else if (k >= i) {
            left = i;

        } else {
            break;
        }
    }
}


/* v[k] becomes what is likely a little beyond the k-th, on its longer side */

static void
predictor_select_sample(double *v, int64_t left, int64_t right, int64_t k)
{
    double   n, size, share, aside;
    int64_t  from, to;

    n = (double) (right - left + 1);
    share = (double) (k - left + 1) / n;
    size = 0.5 * cbrt(n * n);
    aside = 0.5 * sqrt(log(n) * size * (1 - size / n));
    aside = share < 0.5 ? aside : -aside;

    from = k - (int64_t) (share * size - aside);
    to = k + (int64_t) ((1 - share) * size + aside);

    predictor_select_within(v, from > left ? from : left,
                            to < right ? to : right, k);
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
