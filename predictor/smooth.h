
/*
 * Exponential smoothing, value by value: a level with a damped trend, a
 * season of the day and one of the week, and what is left, which fades
 * (Taylor, J. Oper. Res. Soc. 54, 2003: double seasonal Holt-Winters with a
 * first-order autoregressive term).
 *
 *     base(t) = level + phi trend + day(slot) + week(hour)
 *     e       = z(t) - base(t), cut off at some times its usual size
 *
 *     level += phi trend + alpha e        day(slot)  += gamma e
 *     trend  = phi trend + beta e         week(hour) += delta e
 *
 *     forecast(t + h) = level + (phi + .. + phi^h) trend + day + week
 *                       + rho^h rest
 *
 * The cut (Gelper, Fried, Croux, J. Forecasting 29, 2010) keeps an outlier
 * out of the seasons; "rest" sees it whole, a level without seasons too.
 * The week has a knot for every hour and lines between them: some four
 * occurrences cannot tell more apart.
 */


#ifndef _PREDICTOR_SMOOTH_H_INCLUDED_
#define _PREDICTOR_SMOOTH_H_INCLUDED_


#include "spread.h"


typedef enum {
    PREDICTOR_SMOOTH_ALPHA = 0,
    PREDICTOR_SMOOTH_RHO,
    PREDICTOR_SMOOTH_GAMMA,
    PREDICTOR_SMOOTH_DELTA,
    PREDICTOR_SMOOTH_BETA,
    PREDICTOR_SMOOTH_GAINS
} predictor_smooth_gain_e;


/* the seasons, day then week, are floats kept beside it by its user */

typedef struct {
    double    gain[PREDICTOR_SMOOTH_GAINS];
    double    phi;
    double    level;
    double    trend;
    double    rest;
    double    size;                 /* usual |e| */
    uint64_t  next;                 /* step from 1970 that comes next */
    uint32_t  day;                  /* steps, 0: no seasons */
    uint32_t  week;                 /* steps, 0: none */
    uint32_t  bin;                  /* steps in a bin of the week */
    uint32_t  pad;
} predictor_smooth_t;


/* n each: after a value is taken in; "season" is that before it is */

typedef struct {
    double   *level;
    double   *trend;
    double   *rest;
    double   *season;
} predictor_smooth_trace_t;


/* day, week, bin and phi by the series; 0: without seasons */

void predictor_smooth_init(predictor_smooth_t *s,
    const predictor_series_t *series, int seasons);

/* floats that the seasons take */

uint32_t predictor_smooth_seasons(const predictor_smooth_t *s);

/*
 * Level and seasons to start from by the first days of n values z, the first
 * of which is step "start".
 */

void predictor_smooth_start(predictor_smooth_t *s, float *season,
    const double *z, uint32_t n, uint64_t start);

/* takes in n values; "trace", if not NULL, tells of each */

void predictor_smooth_run(predictor_smooth_t *s, float *season,
    const double *z, uint32_t n, const predictor_smooth_trace_t *trace);

/*
 * Errors of forecasts "lead" steps ahead, from value "from" on, every "step"
 * values; returns how many.  Seasons are taken as they were a day before at
 * the latest.
 */

uint32_t predictor_smooth_errors(const predictor_smooth_t *s,
    const predictor_smooth_trace_t *trace, const double *z, uint32_t n,
    uint32_t lead, uint32_t from, uint32_t step, double *errors);

/* of step "ahead" after the last value taken in, from 1 */

double predictor_smooth_forecast(const predictor_smooth_t *s,
    const float *season, uint32_t ahead);


#endif /* _PREDICTOR_SMOOTH_H_INCLUDED_ */
