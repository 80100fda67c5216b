
/*
 * Order statistics on arrays of the caller, which they reorder.  Values must
 * not be NaN.
 */


#ifndef _PREDICTOR_QUANTILE_H_INCLUDED_
#define _PREDICTOR_QUANTILE_H_INCLUDED_


#include <stdint.h>


typedef struct {
    double  value;
    double  weight;                 /* > 0 */
} predictor_weighted_t;


/* the mean of the middle two when n is even; n >= 1 */

double predictor_median(double *v, uint32_t n);

/* linear between order statistics: quantile q lies at (n - 1) q; n >= 1 */

void predictor_quantiles(double *v, uint32_t n, const double *q, uint32_t nq,
    double *out);

/*
 * Linear between points (share of the weight up to and with the value,
 * value), the outermost values beyond them; n >= 1.
 */

void predictor_weighted_quantiles(predictor_weighted_t *v, uint32_t n,
    const double *q, uint32_t nq, double *out);


#endif /* _PREDICTOR_QUANTILE_H_INCLUDED_ */
