
/*
 * One robust linear regression: least absolute residuals by iteratively
 * reweighted least squares (Schlossmacher 1973), shrunk by a ridge penalty
 * on standardised features, with quantiles of the residuals that blocked
 * cross-validation leaves (Bergmeir & Benitez 2012).
 */


#ifndef _PREDICTOR_LAGREG_SOLVE_H_INCLUDED_
#define _PREDICTOR_LAGREG_SOLVE_H_INCLUDED_


#include "lagreg_features.h"
#include "quantile.h"


/* with the target and what makes it whole vectors */

#define PREDICTOR_LAGREG_STRIDE  ((PREDICTOR_LAGREG_COLUMNS + 1 + 7) / 8 * 8)


/*
 * m rows in order of time; the target stands behind a row's features.  Single
 * precision holds more than loads do, and costs half; what is solved is
 * solved in double.
 */

typedef struct {
    uint32_t               m;
    uint32_t               columns;     /* features in use */
    float                 *rows;        /* m x PREDICTOR_LAGREG_STRIDE */
    float                 *recency;     /* m, 0 < weight <= 1 */
    float                 *weight;
    float                 *residual;
    double                *scratch;
    predictor_weighted_t  *sorted;
} predictor_lagreg_rows_t;


size_t predictor_lagreg_rows_size(uint32_t m);      /* in doubles */
double *predictor_lagreg_rows_place(predictor_lagreg_rows_t *rows,
    double *memory, uint32_t m);

/*
 * beta[0 .. columns) for features as they stand in the rows; offset[0 .. nq)
 * are quantiles of the residuals, which are left in the rows.  SHARD_ERROR:
 * the system has no solution.
 */

int predictor_lagreg_solve(predictor_lagreg_rows_t *rows, double ridge,
    const predictor_ask_t *ask, double *beta, double *offset);


#endif /* _PREDICTOR_LAGREG_SOLVE_H_INCLUDED_ */
