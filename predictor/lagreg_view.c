
#include <math.h>
#include <string.h>

#include "lagreg_view.h"


static uint32_t predictor_lagreg_block(const predictor_series_t *series,
    uint32_t from);
static double predictor_lagreg_block_sum(const predictor_transform_t *scale,
    const double *y, uint32_t n);
static uint64_t predictor_lagreg_print(const double *y, uint32_t n);


size_t
predictor_lagreg_view_size(uint32_t n)
{
    return 6 * ((size_t) n + 1);
}


double *
predictor_lagreg_view_place(predictor_lagreg_view_t *view, double *memory,
    uint32_t n)
{
    memset(view, 0, sizeof(predictor_lagreg_view_t));
    view->n = n;
    view->z = memory;
    view->zsum = view->z + n + 1;

    return memory + predictor_lagreg_view_size(n);
}


void
predictor_lagreg_view_whole(predictor_lagreg_view_t *view,
    const predictor_series_t *series, const predictor_transform_t *scale)
{
    double    sum;
    uint32_t  i;

    predictor_transform(scale, series->y, series->n, view->z);

    sum = 0;
    view->zsum[0] = 0;

    for (i = 0; i < view->n; i++) {
        sum += view->z[i];
        view->zsum[i + 1] = sum;
    }
}


void
predictor_lagreg_view_blocks(predictor_lagreg_view_t *view,
    const predictor_series_t *series, const predictor_transform_t *scale,
    const predictor_lagreg_memo_t *memo, uint32_t nmemo)
{
    double    sum;
    uint32_t  i, n, place, block;

    view->y = series->y;
    view->scale = scale;
    view->before = (uint32_t) (series->start % PREDICTOR_LAGREG_BLOCK_STEPS);

    /* the last block may be empty: a sum of all has its place there */

    block = (series->n + view->before) / PREDICTOR_LAGREG_BLOCK_STEPS + 1;
    view->sum = view->zsum + view->n + 1;
    view->known = (uint8_t *) (view->sum + block);
    memset(view->known, 0, block);

    place = nmemo ? (uint32_t) (series->start / PREDICTOR_LAGREG_BLOCK_STEPS
                                % nmemo) : 0;
    sum = 0;
    block = 0;

    for (i = 0; i < series->n; i += n) {
        n = predictor_lagreg_block(series, i);
        view->sum[block++] = sum;

        if (nmemo && memo[place].print == predictor_lagreg_print(view->y + i,
                                                                 n))
        {
            sum += memo[place].sum;

        } else {
            sum += predictor_lagreg_block_sum(scale, view->y + i, n);
        }

        place = place + 1 < nmemo ? place + 1 : 0;
    }

    if ((series->n + view->before) % PREDICTOR_LAGREG_BLOCK_STEPS == 0) {
        view->sum[block] = sum;
    }
}


/* sums within a block are its own and what was before, whatever is asked for
 * first */

void
predictor_lagreg_view_bring(const predictor_lagreg_view_t *view,
    uint32_t block)
{
    double    before, sum;
    uint32_t  i, end;

    i = block * PREDICTOR_LAGREG_BLOCK_STEPS;
    end = i + PREDICTOR_LAGREG_BLOCK_STEPS - view->before;
    i = i > view->before ? i - view->before : 0;
    before = view->sum[block];
    sum = 0;

    end = end < view->n ? end : view->n;

    predictor_transform(view->scale, view->y + i, end - i, view->z + i);

    for ( /* void */ ; i < end; i++) {
        view->zsum[i] = before + sum;
        sum += view->z[i];
    }

    if (end == view->n
        && (end + view->before) >> PREDICTOR_LAGREG_BLOCK_SHIFT == block)
    {
        view->zsum[end] = before + sum;
    }

    view->known[block] = 1;
}


/* values from "from" on that belong to its block */

static uint32_t
predictor_lagreg_block(const predictor_series_t *series, uint32_t from)
{
    uint32_t  n;

    n = PREDICTOR_LAGREG_BLOCK_STEPS
        - (uint32_t) ((series->start + from) % PREDICTOR_LAGREG_BLOCK_STEPS);

    return n < series->n - from ? n : series->n - from;
}


static double
predictor_lagreg_block_sum(const predictor_transform_t *scale,
    const double *y, uint32_t n)
{
    double         sum, z[PREDICTOR_LAGREG_BLOCK_STEPS];
    uint32_t       i;
    const double  *v;

    v = y;
    sum = 0;

    if (scale->log) {
        predictor_transform(scale, y, n, z);
        v = z;
    }

    for (i = 0; i < n; i++) {
        sum += v[i];
    }

    return scale->log ? sum : sum / scale->scale;
}


/*
 * Multilinear: no value waits for the one before it.  Low bits of numbers are
 * often 0, so the high ones are laid over them.  Factors are odd: a change of
 * one value always shows.  Never 0, but by one chance in 2^64.
 */

#define predictor_lagreg_mixed(i)                                             \
    ((bits[i] ^ bits[i] >> 31) * factors[i])

static uint64_t
predictor_lagreg_print(const double *y, uint32_t n)
{
    uint64_t  bits[PREDICTOR_LAGREG_BLOCK_STEPS];

    static const uint64_t  factors[PREDICTOR_LAGREG_BLOCK_STEPS] = {
        UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0x94d049bb133111eb),
        UINT64_C(0xbf58476d1ce4e5b9), UINT64_C(0xd6e8feb86659fd93),
        UINT64_C(0xc2b2ae3d27d4eb4f), UINT64_C(0x165667b19e3779f9),
        UINT64_C(0x27d4eb2f165667c5), UINT64_C(0xff51afd7ed558ccd)
    };

    if (n == PREDICTOR_LAGREG_BLOCK_STEPS) {
        memcpy(bits, y, sizeof(bits));

    } else {
        memset(bits, 0, sizeof(bits));
        memcpy(bits, y, n * sizeof(double));
    }

    return UINT64_C(0xc4ceb9fe1a85ec53) + n
           + predictor_lagreg_mixed(0) + predictor_lagreg_mixed(1)
           + predictor_lagreg_mixed(2) + predictor_lagreg_mixed(3)
           + predictor_lagreg_mixed(4) + predictor_lagreg_mixed(5)
           + predictor_lagreg_mixed(6) + predictor_lagreg_mixed(7);
}


uint32_t
predictor_lagreg_memos(uint32_t n)
{
    return n / PREDICTOR_LAGREG_BLOCK_STEPS + 2;
}


void
predictor_lagreg_remember(predictor_lagreg_memo_t *memo, uint32_t nmemo,
    const predictor_series_t *series, const predictor_transform_t *scale,
    uint32_t from)
{
    uint32_t  i, n;
    uint64_t  place;

    if (nmemo == 0) {
        return;
    }

    /* the whole of the block that "from" is in */

    n = (uint32_t) ((series->start + from) % PREDICTOR_LAGREG_BLOCK_STEPS);
    from = from > n ? from - n : 0;

    for (i = from; i < series->n; i += n) {
        n = predictor_lagreg_block(series, i);
        place = (series->start + i) / PREDICTOR_LAGREG_BLOCK_STEPS % nmemo;

        memo[place].print = predictor_lagreg_print(series->y + i, n);
        memo[place].sum = predictor_lagreg_block_sum(scale, series->y + i, n);
    }
}
