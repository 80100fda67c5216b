
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"


/* shards turned together: a cache line of a row */

#define PREDICTOR_HISTORY_TILE  16


int
predictor_history_init(predictor_history_t *h, size_t window, uint32_t ncols)
{
    memset(h, 0, sizeof(predictor_history_t));

    h->window = window ? window : 1;
    h->ncols = ncols ? ncols : 1;

    if (h->window > SIZE_MAX / sizeof(float) / h->ncols) {
        return SHARD_ERROR;
    }

    h->values = malloc(h->window * h->ncols * sizeof(float));
    h->first = malloc(h->ncols * sizeof(long));

    if (h->values == NULL || h->first == NULL) {
        predictor_history_done(h);
        return SHARD_ERROR;
    }

    predictor_history_begin(h, -1);

    return SHARD_OK;
}


void
predictor_history_done(predictor_history_t *h)
{
    free(h->values);
    free(h->first);
    memset(h, 0, sizeof(predictor_history_t));
}


void
predictor_history_begin(predictor_history_t *h, long last)
{
    uint32_t  i;

    h->n = 0;
    h->last = last;

    for (i = 0; i < h->ncols; i++) {
        h->first[i] = LONG_MAX;
    }
}


static size_t
predictor_history_place(const predictor_history_t *h, long slot)
{
    long  place;

    place = slot % (long) h->window;

    return (size_t) (place < 0 ? place + (long) h->window : place);
}


static void
predictor_history_known(predictor_history_t *h, uint32_t col, float v,
    long slot)
{
    if (slot < h->first[col] && isfinite(v)) {
        h->first[col] = slot;
    }
}


static void
predictor_history_set(predictor_history_t *h, long slot, const float *row)
{
    size_t    place;
    uint32_t  i;

    place = predictor_history_place(h, slot);

    for (i = 0; i < h->ncols; i++) {
        h->values[i * h->window + place] = row ? row[i] : NAN;

        if (row) {
            predictor_history_known(h, i, row[i], slot);
        }
    }
}


void
predictor_history_push(predictor_history_t *h, long slot, const float *row)
{
    if (h->n == 0 || slot > h->last + (long) h->window) {
        predictor_history_begin(h, slot - 1);
    }

    if (slot <= h->last) {

        if (row && h->last - slot < (long) h->n) {
            predictor_history_set(h, slot, row);
        }

        return;
    }

    while (h->last < slot) {
        h->last++;
        h->n += h->n < h->window;
        predictor_history_set(h, h->last, h->last < slot ? NULL : row);
    }
}


/* a shard's values lie side by side: as many shards as a line of a row has
 * go together, so that a line is fetched once */

void
predictor_history_rows(predictor_history_t *h, const float *rows, size_t n)
{
    size_t    i, place;
    uint32_t  col, tile, end;

    for (tile = 0; tile < h->ncols; tile = end) {
        end = h->ncols - tile > PREDICTOR_HISTORY_TILE
              ? tile + PREDICTOR_HISTORY_TILE : h->ncols;
        place = predictor_history_place(h, h->last + 1);

        for (i = 0; i < n; i++) {

            for (col = tile; col < end; col++) {
                h->values[col * h->window + place] = rows[i * h->ncols + col];
                predictor_history_known(h, col, rows[i * h->ncols + col],
                                        h->last + 1 + (long) i);
            }

            place = place + 1 == h->window ? 0 : place + 1;
        }
    }

    h->last += (long) n;
    h->n = n < h->window - h->n ? h->n + n : h->window;
}


void
predictor_history_forget(predictor_history_t *h, uint32_t col)
{
    size_t  i;

    for (i = 0; i < h->window; i++) {
        h->values[(size_t) col * h->window + i] = NAN;
    }

    h->first[col] = LONG_MAX;
}


size_t
predictor_history_length(const predictor_history_t *h, uint32_t col)
{
    if (h->first[col] > h->last) {
        return 0;
    }

    if (h->first[col] <= h->last - (long) h->n) {
        return h->n;
    }

    return (size_t) (h->last - h->first[col] + 1);
}


size_t
predictor_history_column(const predictor_history_t *h, uint32_t col,
    double *y)
{
    size_t        i, n, length, place, piece;
    const float  *v;

    length = predictor_history_length(h, col);

    if (length == 0) {
        return 0;
    }

    v = h->values + col * h->window;
    place = predictor_history_place(h, h->last - (long) length + 1);
    n = 0;

    while (length) {
        piece = h->window - place < length ? h->window - place : length;
        length -= piece;
        i = place;
        place = 0;

        for (piece += i; n == 0 && i < piece && !isfinite(v[i]); i++) {
            /* before the first known value */
        }

        for ( /* void */ ; i < piece; i++) {
            y[n++] = v[i];
        }
    }

    return n;
}


float
predictor_history_value(const predictor_history_t *h, uint32_t col, long slot)
{
    if (slot > h->last || slot <= h->last - (long) h->n || col >= h->ncols) {
        return NAN;
    }

    return h->values[col * h->window + predictor_history_place(h, slot)];
}


float
predictor_history_now(const predictor_history_t *h, uint32_t col, size_t n)
{
    long      slot;
    float     v;
    double    sum;
    size_t    i, known;

    sum = 0;
    known = 0;
    n = n < h->n ? n : h->n;

    for (i = 0; i < n; i++) {
        slot = h->last - (long) i;
        v = predictor_history_value(h, col, slot);

        if (isfinite(v)) {
            sum += v;
            known++;
        }
    }

    return known ? (float) (sum / (double) known) : NAN;
}
