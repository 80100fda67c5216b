
/*
 * What the seasons leave, forecast by smoothing of many speeds at once: for
 * each lead h of 1, 2, 4, ... steps
 *
 *     rest(t + h) = slowest(t) + features(t, h) . beta(h)
 *
 *     features: 1, differences of exponential means of neighbouring speeds
 *               (the value itself the fastest), the rest of the slot a day
 *               ago, and how it had moved there
 *
 * so that each lead finds how fast it has to follow.  Robust and shrunk by
 * lagreg_solve.h, whose quantiles are those of what is left out in turn: the
 * rest of each quarter of the history is that by seasons of the others.
 */


#ifndef _PREDICTOR_REST_H_INCLUDED_
#define _PREDICTOR_REST_H_INCLUDED_


#include "lagreg_solve.h"
#include "spread.h"


#define PREDICTOR_REST_SPEEDS   7
#define PREDICTOR_REST_COLUMNS  (PREDICTOR_REST_SPEEDS + 2)
#define PREDICTOR_REST_FOLDS    4


typedef struct {
    uint32_t            day;
    uint32_t            leads;
    double              keep[PREDICTOR_REST_SPEEDS];    /* 0: the value */
    double              beta[PREDICTOR_SPREAD_LEADS][PREDICTOR_REST_COLUMNS];
    predictor_spread_t  spread;
} predictor_rest_t;


/* doubles of scratch for predictor_rest_fit() */

size_t predictor_rest_work(uint32_t n);

/*
 * "rest" has n values for each quarter: those of all n steps by the seasons
 * that do not know the quarter.  SHARD_AGAIN: too few.
 */

int predictor_rest_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, const double *rest, predictor_rest_t *r,
    double *work);

/* takes n values into the means, which start at the first value of all */

void predictor_rest_means(const predictor_rest_t *r, const double *rest,
    uint32_t n, double *mean);

/*
 * Of step h after a last value, with the means after it; offsets too.  "past"
 * is the rest of the steps h - back and -back after it, back being the days
 * that predictor_rest_back() tells.
 */

uint32_t predictor_rest_back(const predictor_rest_t *r, uint32_t h);

double predictor_rest_forecast(const predictor_rest_t *r,
    const double *mean, const double past[2], uint32_t h, double *offset);


#endif /* _PREDICTOR_REST_H_INCLUDED_ */
