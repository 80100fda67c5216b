
/*
 * The additive model's fit: least absolute errors with shrunk columns, over
 * blocks of steps, once by all of them and once without each quarter.
 *
 * Errors and bends count as their size (the latter is an L1, that is Laplace,
 * prior): least squares with weights of the round before.
 */


#ifndef _PREDICTOR_ADDITIVE_SOLVE_H_INCLUDED_
#define _PREDICTOR_ADDITIVE_SOLVE_H_INCLUDED_


#include "additive.h"


#define PREDICTOR_ADDITIVE_FOLDS   4

/* rows at most: further steps are averaged by blocks */

#define PREDICTOR_ADDITIVE_ROWS    1200

#define PREDICTOR_ADDITIVE_STRIDE  (PREDICTOR_ADDITIVE_COLUMNS + 1)
#define PREDICTOR_ADDITIVE_GRAM                                               \
    (PREDICTOR_ADDITIVE_STRIDE * PREDICTOR_ADDITIVE_STRIDE)


/* memory is the caller's */

typedef struct {
    uint32_t   m;                   /* rows */
    uint32_t   columns;
    uint32_t   block;               /* steps in a row */
    double     kink;                /* usual |error| */
    double    *rows;                /* PREDICTOR_ADDITIVE_ROWS x (STRIDE + 1) */
    double    *weight;              /* behind the rows in use */
    double    *gram;                /* of each quarter, then of all */
    double    *held;                /* beta of all but a quarter, each */
    double    *scratch;             /* PREDICTOR_ADDITIVE_GRAM */
} predictor_additive_solve_t;


/* rows of n values z, the target behind each row's columns */

void predictor_additive_rows(const predictor_series_t *series,
    const predictor_additive_given_t *given,
    const predictor_additive_plan_t *plan, const double *z,
    predictor_additive_solve_t *w);

int predictor_additive_solve(const predictor_additive_plan_t *plan,
    predictor_additive_solve_t *w, double *beta);


#endif /* _PREDICTOR_ADDITIVE_SOLVE_H_INCLUDED_ */
