
/*
 * How far from the point forecast its quantiles lie: by the errors of the
 * combination itself at past origins, not by what members think of theirs.
 *
 *     error(origin, step) / size(said) ─▶ weighted quantiles by step
 *
 *     quantile(h) = said(h) + offset(h) size(said(h))
 *     size(v)     = sqrt(v / mean + 0.05),  1 when there are negative values
 *
 * Spreads grow with the load, more slowly than it.  Trials of the same days
 * err together: what was seen of a step is worth span / step independent
 * errors, and the outer quantiles are widened by their standard deviation,
 *
 *     1 + tail sqrt(step / span)
 *
 * The method is split conformal prediction (Vovk et al., Algorithmic Learning
 * in a Random World, 2005), errors weighted by recency (Barber et al., Ann.
 * Statist. 51, 2023); merit.h goes on with it online.
 */


#ifndef _PREDICTOR_CALIBRATE_H_INCLUDED_
#define _PREDICTOR_CALIBRATE_H_INCLUDED_


#include "quantile.h"
#include "weigh.h"


typedef struct {
    uint32_t  nsteps;               /* 0: too few errors to tell */
    uint32_t  nq;
    uint32_t  step[PREDICTOR_TRIAL_STEPS];
    double    mean;                 /* of |y|; 0: all sizes are 1 */
    float     offset[PREDICTOR_TRIAL_STEPS][PREDICTOR_QUANTILES_MAX];
} predictor_margins_t;


/* bytes of scratch */

size_t predictor_calibrate_work(uint32_t nsteps);

void predictor_calibrate(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_trial_t *const *trial,
    const predictor_voices_t *w, predictor_margins_t *margins, void *work);

/* fills row[1 .. nq] of step h, from 1, by the point in row[0] */

void predictor_margins_at(const predictor_margins_t *margins, uint32_t h,
    double *row);


#endif /* _PREDICTOR_CALIBRATE_H_INCLUDED_ */
