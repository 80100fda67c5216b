
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"


/* a window is moved once in so many parts of it */

#define PREDICTOR_HISTORY_SLACK  8


static float *
predictor_history_row(const predictor_history_t *h, size_t i)
{
    return h->values + (h->start + i) * h->ncols;
}


int
predictor_history_init(predictor_history_t *h, size_t window, uint32_t ncols)
{
    memset(h, 0, sizeof(predictor_history_t));

    h->window = window;
    h->room = window + window / PREDICTOR_HISTORY_SLACK + 1;
    h->ncols = ncols ? ncols : 1;
    h->last = -1;

    if (h->room > SIZE_MAX / sizeof(float) / h->ncols) {
        return SHARD_ERROR;
    }

    h->values = malloc(h->room * h->ncols * sizeof(float));

    return h->values ? SHARD_OK : SHARD_ERROR;
}


void
predictor_history_done(predictor_history_t *h)
{
    free(h->values);
    memset(h, 0, sizeof(predictor_history_t));
}


float *
predictor_history_fill(predictor_history_t *h, long last)
{
    h->start = 0;
    h->n = h->window;
    h->last = last;

    return h->values;
}


static void
predictor_history_append(predictor_history_t *h, const float *row)
{
    float     *to;
    uint32_t   i;

    if (h->n == h->window) {
        h->start++;
        h->n--;
    }

    if (h->start + h->n == h->room) {
        memmove(h->values, predictor_history_row(h, 0),
                h->n * h->ncols * sizeof(float));
        h->start = 0;
    }

    to = predictor_history_row(h, h->n);

    for (i = 0; i < h->ncols; i++) {
        to[i] = row ? row[i] : NAN;
    }

    h->n++;
    h->last++;
}


void
predictor_history_push(predictor_history_t *h, long slot, const float *row)
{
    if (h->n == 0 || slot > h->last + (long) h->window) {
        h->start = 0;
        h->n = 0;
        h->last = slot - 1;
    }

    if (slot <= h->last) {

        if (row && h->last - slot < (long) h->n) {
            memcpy(predictor_history_row(h, h->n - 1
                                            - (size_t) (h->last - slot)),
                   row, h->ncols * sizeof(float));
        }

        return;
    }

    while (h->last + 1 < slot) {
        predictor_history_append(h, NULL);
    }

    predictor_history_append(h, row);
}


size_t
predictor_history_column(const predictor_history_t *h, uint32_t col,
    double *y)
{
    size_t        i, n;
    const float  *v;

    n = 0;

    for (i = 0; i < h->n; i++) {
        v = predictor_history_row(h, i) + col;

        if (n || isfinite(*v)) {
            y[n++] = *v;
        }
    }

    return n;
}


float
predictor_history_now(const predictor_history_t *h, uint32_t col, size_t n)
{
    float     v;
    double    sum;
    size_t    i, known;

    sum = 0;
    known = 0;

    for (i = h->n > n ? h->n - n : 0; i < h->n; i++) {
        v = predictor_history_row(h, i)[col];

        if (isfinite(v)) {
            sum += v;
            known++;
        }
    }

    return known ? (float) (sum / (double) known) : NAN;
}
