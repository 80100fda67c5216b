
/*
 * Non-negative ridge regression from running sums, so that any number of
 * observations takes the same memory, old ones fade, and what is kept has no
 * pointers:
 *
 *     minimise  sum (y - w x)^2 + ridge * sum s_i^2 w_i^2,   all w_i >= 0
 *
 * s_i^2 = sum x_i^2, so that the ridge knows no units.  Solved by the active
 * set of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter
 * 23) on the normal equations, which are small here.
 *
 * R^2 is 1 - SSE/SST of the weighted observations, SST about their mean: the
 * share of y's variation that is explained.
 */


#ifndef _PREDICTOR_REGRESS_H_INCLUDED_
#define _PREDICTOR_REGRESS_H_INCLUDED_


#include "../src/core/shard_types.h"


#define PREDICTOR_REGRESS_MAX  8


typedef struct {
    uint32_t  nx;
    uint32_t  seen;                 /* observations, those that faded too */
    double    n;                    /* and their weight now */
    double    y;
    double    yy;
    double    xy[PREDICTOR_REGRESS_MAX];
    double    xx[PREDICTOR_REGRESS_MAX * PREDICTOR_REGRESS_MAX];
} predictor_regress_t;


void predictor_regress_init(predictor_regress_t *r, uint32_t nx);

/* all that was seen counts "keep" times as much, 0 .. 1 */

void predictor_regress_fade(predictor_regress_t *r, double keep);

/* SHARD_ERROR, and nothing is changed, for what is not finite */

int predictor_regress_add(predictor_regress_t *r, const double *x, double y);

/* SHARD_AGAIN: fewer observations than twice the variables, or y never
 * varies; w has nx places */

int predictor_regress_solve(const predictor_regress_t *r, double ridge,
    double *w, double *r2);


#endif /* _PREDICTOR_REGRESS_H_INCLUDED_ */
