
/*
 * What models are spared, and what users of forecasts are: gaps and
 * infinities before, impossible loads and crossing quantiles after.
 */


#ifndef _PREDICTOR_GUARD_H_INCLUDED_
#define _PREDICTOR_GUARD_H_INCLUDED_


#include "model.h"


/*
 * y[0 .. n) without gaps: a gap takes the value of a day before, else a line
 * between its neighbours.  SHARD_AGAIN when there is nothing but gaps.
 */

int predictor_fill(const predictor_series_t *series, double *y);

/*
 * The most that a value is believed to be: twenty times what 99 of 100 stay
 * below in size, or whatever there is when these are 0.  "scratch" has room
 * for n values.
 */

double predictor_most(const predictor_series_t *series, double *scratch);

/* y[0 .. n) held within -most .. most */

void predictor_clip(double *y, uint32_t n, double most);

/* n > 0 numbers within -most .. most, which is one: nothing to fill or clip */

int predictor_within(const double *y, uint32_t n, double most);

int predictor_finite(const double *v, size_t n);

/*
 * "out" is laid out as in model.h: no negative load unless the series has
 * some, quantiles in order around the point forecast, the median equal to it.
 */

void predictor_guard(const predictor_series_t *series,
    const predictor_ask_t *ask, double *out);


#endif /* _PREDICTOR_GUARD_H_INCLUDED_ */
