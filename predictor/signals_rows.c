
/* Rows of history that are in another unit of load than the one in force. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "signals.h"


/* "n" rows of each metric that is counted, from slot "first" on */

typedef struct {
    size_t   n;
    float   *metric[SHARD_METRICS];     /* NULL: not needed */
} predictor_rows_t;


static void
predictor_rows_done(predictor_rows_t *r)
{
    int  i;

    for (i = 0; i < SHARD_METRICS; i++) {
        free(r->metric[i]);
    }
}


static int
predictor_rows_read(const predictor_signals_t *s, predictor_rows_t *r,
    long first, size_t n)
{
    int                 i, rc;
    const char *const  *words;

    memset(r, 0, sizeof(predictor_rows_t));
    words = shard_metric_words();
    r->n = n;
    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < SHARD_METRICS; i++) {

        if (!(s->counted & SHARD_METRIC_BIT(i))) {
            continue;
        }

        r->metric[i] = malloc(n * s->ncols * sizeof(float));

        if (r->metric[i] == NULL) {
            return SHARDD_BAD;
        }

        rc = s->io->named_range(s->io->data, words[i], s->res_s, first, n,
                                r->metric[i], s->ncols);
    }

    return rc;
}


/* where the load was the requests its rows are those of the requests */

static void
predictor_rows_requests(const predictor_signals_t *s, predictor_rows_t *r,
    long first, const float *load)
{
    size_t    i, at;
    float    *requests;
    uint32_t  col;

    requests = r->metric[SHARD_METRIC_REQUESTS];

    for (i = 0; i < r->n; i++) {

        if (!predictor_weights_plain(predictor_weights_at(&s->weights,
                                                          first + (long) i)))
        {
            continue;
        }

        for (col = 0; col < s->ncols; col++) {
            at = i * s->ncols + col;
            requests[at] = isfinite(load[at]) ? load[at] : requests[at];
        }
    }
}


static double
predictor_rows_sum(const predictor_rows_t *r, const double *weight, size_t at)
{
    int     i;
    double  sum;

    sum = 0;

    for (i = 0; i < SHARD_METRICS; i++) {

        if (weight[i] > 0) {
            sum += weight[i] * (r->metric[i] ? r->metric[i][at] : NAN);
        }
    }

    return sum;
}


/* how large the load is now against what it was, by the shard's means */

static double
predictor_rows_scale(const predictor_signals_t *s, const double *was,
    uint32_t col)
{
    int     i;
    double  before, now;

    before = now = 0;

    for (i = 0; i < SHARD_METRICS; i++) {
        before += was[i] * s->mean[i][col];
        now += s->weights.weight[i] * s->mean[i][col];
    }

    return before > 0 && now > 0 ? now / before : NAN;
}


static void
predictor_rows_convert(predictor_signals_t *s, const predictor_rows_t *r,
    long first, float *load)
{
    size_t         i, at;
    double         v;
    uint32_t       col;
    const double  *was;

    for (i = 0; i < r->n; i++) {
        was = predictor_weights_at(&s->weights, first + (long) i);

        if (memcmp(was, s->weights.weight, sizeof(s->weights.weight)) == 0) {
            continue;
        }

        for (col = 0; col < s->ncols; col++) {
            at = i * s->ncols + col;
            v = predictor_rows_sum(r, s->weights.weight, at);

            if (!isfinite(v)) {
                v = load[at] * predictor_rows_scale(s, was, col);
            }

            load[at] = isfinite(load[at]) ? (float) v : NAN;
        }
    }
}


static void
predictor_rows_named(predictor_signals_t *s, long first, size_t n,
    const float *named, float *out)
{
    size_t                    i, width;
    uint32_t                  k;
    const predictor_named_t  *series;

    width = s->base + s->names->max;

    for (i = 0; i < n; i++) {

        for (k = 0; k < s->names->max; k++) {
            series = &s->names->series[k];

            out[i * width + s->base + k]
                = series->of != PREDICTOR_NAMED_FREE
                  && first + (long) i >= series->since
                  ? named[i * s->names->max + k] : NAN;
        }
    }
}


/* the shards' part, and nothing known of all that is behind it */

static void
predictor_rows_spread(const predictor_signals_t *s, size_t n,
    const float *load, float *out)
{
    size_t  i, col, width;

    width = s->base + s->names->max;

    for (i = 0; i < n; i++) {
        memcpy(out + i * width, load + i * s->ncols,
               s->ncols * sizeof(float));

        for (col = s->ncols; col < width; col++) {
            out[i * width + col] = NAN;
        }
    }
}


int
predictor_signals_rows(predictor_signals_t *s, long first, size_t n,
    float *load, float *out)
{
    int                rc;
    float             *named;
    predictor_rows_t   rows;

    rc = SHARDD_OK;

    if (s->weights.nloads) {
        rc = predictor_rows_read(s, &rows, first, n);

        if (rc == SHARDD_OK) {
            predictor_rows_requests(s, &rows, first, load);
            predictor_rows_convert(s, &rows, first, load);
        }

        predictor_rows_done(&rows);
    }

    predictor_rows_spread(s, n, load, out);

    if (rc != SHARDD_OK || s->names->used == 0) {
        return rc;
    }

    named = malloc(n * s->names->max * sizeof(float));

    if (named == NULL) {
        return SHARDD_BAD;
    }

    rc = s->io->named_range(s->io->data, PREDICTOR_NAMED_ROWS, s->res_s,
                            first, n, named, s->names->max);

    if (rc == SHARDD_OK) {
        predictor_rows_named(s, first, n, named, out);
    }

    free(named);

    return rc;
}


static void
predictor_signals_means(predictor_signals_t *s, const predictor_rows_t *r,
    uint32_t *seen)
{
    int       m;
    float     v;
    size_t    i;
    uint32_t  col;

    for (col = 0; col < s->ncols; col++) {

        for (i = 0; i < r->n; i++) {

            if (!isfinite(predictor_rows_sum(r, s->weights.weight,
                                             i * s->ncols + col)))
            {
                continue;
            }

            seen[col]++;

            for (m = 0; m < SHARD_METRICS; m++) {
                v = r->metric[m] ? r->metric[m][i * s->ncols + col] : NAN;

                if (isfinite(v)) {
                    s->mean[m][col] += (v - s->mean[m][col]) / seen[col];
                }
            }
        }
    }
}


/* ratios are to the load as it is now, whatever it was then */

static void
predictor_signals_recall_slot(predictor_signals_t *s,
    const predictor_rows_t *r, long slot, size_t i, float *load)
{
    int       m;
    uint32_t  col;

    for (m = 0; m < SHARD_METRICS; m++) {

        if (r->metric[m]) {
            memcpy(s->rows[m], r->metric[m] + i * s->ncols,
                   s->ncols * sizeof(float));
        }
    }

    for (col = 0; col < s->ncols; col++) {
        load[col] = (float) predictor_rows_sum(r, s->weights.weight,
                                               i * s->ncols + col);
    }

    predictor_signals_ratios(s, slot, load);
}


int
predictor_signals_recall(predictor_signals_t *s, long first, size_t n,
    float *load, uint32_t *seen)
{
    int                rc;
    size_t             i;
    predictor_rows_t   rows;

    rc = predictor_rows_read(s, &rows, first, n);

    if (rc == SHARDD_OK) {
        predictor_rows_requests(s, &rows, first, load);
        predictor_signals_means(s, &rows, seen);
    }

    for (i = 0; rc == SHARDD_OK && i < n; i++) {
        predictor_signals_recall_slot(s, &rows, first + (long) i, i,
                                      load + i * s->ncols);
    }

    predictor_rows_done(&rows);

    return rc;
}
