
/*
 * The quantile of the standard normal distribution, 0 < q < 1, to 5e-4:
 * Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.23.  Pure.
 */


#ifndef _PREDICTOR_NORMAL_H_INCLUDED_
#define _PREDICTOR_NORMAL_H_INCLUDED_


double predictor_normal_quantile(double q);


#endif /* _PREDICTOR_NORMAL_H_INCLUDED_ */
