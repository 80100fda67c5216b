
/*
 * The history in memory: requests per second by slot, a ring of floats for
 * each shard; NaN is unknown.  The store's rows are time-major, forecasts
 * want columns: rows are turned once when they come (a row a slot), so that
 * a column is read in one or two pieces as often as it is wanted.
 *
 *     values   shard 0 [ ........|..... ]      slot s lies at s % window
 *              shard 1 [ ........|..... ]
 *                       newest ──┘└── oldest, once the window is full
 *
 * Memory is from the heap; no clock, no I/O.  Any number of threads may read
 * while nobody writes.
 */


#ifndef _PREDICTOR_HISTORY_H_INCLUDED_
#define _PREDICTOR_HISTORY_H_INCLUDED_


#include "../src/core/shard_types.h"


typedef struct {
    uint32_t  ncols;
    size_t    window;
    size_t    n;                /* slots, at most window */
    long      last;             /* the newest */
    long     *first;            /* by shard: nothing is known before it */
    float    *values;
} predictor_history_t;


/* SHARD_ERROR without memory */

int predictor_history_init(predictor_history_t *h, size_t window,
    uint32_t ncols);
void predictor_history_done(predictor_history_t *h);

/* empties it; what is pushed or put next comes after slot "last" */

void predictor_history_begin(predictor_history_t *h, long last);

/* row NULL: unknown; slots left out are unknown; older ones are replaced */

void predictor_history_push(predictor_history_t *h, long slot,
    const float *row);

/* the next n slots at once, rows one after the other; at most a window */

void predictor_history_rows(predictor_history_t *h, const float *rows,
    size_t n);

/* what is known of a column is another one's */

void predictor_history_forget(predictor_history_t *h, uint32_t col);

/* the column from its first known value on; returns how many; y has room for
 * a window */

size_t predictor_history_column(const predictor_history_t *h, uint32_t col,
    double *y);

/* about as many as that gives (no less), without looking at them */

size_t predictor_history_length(const predictor_history_t *h, uint32_t col);

/* NaN where the slot is unknown or out of the window */

float predictor_history_value(const predictor_history_t *h, uint32_t col,
    long slot);

/* mean of the known ones of the last "n" slots, NaN when there is none */

float predictor_history_now(const predictor_history_t *h, uint32_t col,
    size_t n);


#endif /* _PREDICTOR_HISTORY_H_INCLUDED_ */
