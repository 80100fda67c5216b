
/*
 * The history in memory: rows of requests per second, one per slot, oldest
 * first in one piece; NaN is unknown.  The window slides within "room" rows
 * and is moved to their beginning when it comes to their end, so that a row
 * is written once and moved seldom.
 *
 *     [ room ............ | window: n rows, ncols floats each | ... ]
 *                         start                          last
 *
 * Memory is from the heap; no clock, no I/O.
 */


#ifndef _PREDICTOR_HISTORY_H_INCLUDED_
#define _PREDICTOR_HISTORY_H_INCLUDED_


#include "../src/core/shard_types.h"


typedef struct {
    uint32_t  ncols;
    size_t    window;
    size_t    room;
    size_t    start;
    size_t    n;                /* rows, at most window */
    long      last;             /* slot of the last row */
    float    *values;
} predictor_history_t;


/* SHARD_ERROR without memory */

int predictor_history_init(predictor_history_t *h, size_t window,
    uint32_t ncols);
void predictor_history_done(predictor_history_t *h);

/* all of the window, to be filled by the caller; it ends with slot "last" */

float *predictor_history_fill(predictor_history_t *h, long last);

/* row NULL: unknown; slots left out are unknown; older ones are replaced */

void predictor_history_push(predictor_history_t *h, long slot,
    const float *row);

/* the column from its first known value on; returns how many; y has room for
 * a window */

size_t predictor_history_column(const predictor_history_t *h, uint32_t col,
    double *y);

/* mean of the known ones of the last "n" rows, NaN when there is none */

float predictor_history_now(const predictor_history_t *h, uint32_t col,
    size_t n);


#endif /* _PREDICTOR_HISTORY_H_INCLUDED_ */
