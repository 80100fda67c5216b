
/*
 * Who is listened to: by what each member's trials were worth lately.
 *
 *     weight(member, step) ~ (1 / recent mean |error|)^3
 *     said = half the median of the members, half their weighted mean
 *
 * Weights by inverse errors are Bates and Granger's (Oper. Res. Quarterly 20,
 * 1969); the power and the median half, which one wild member cannot move
 * (Stock and Watson, J. Forecasting 23, 2004), were chosen with both halves
 * of the benchmark's series side by side.
 */


#ifndef _PREDICTOR_WEIGH_H_INCLUDED_
#define _PREDICTOR_WEIGH_H_INCLUDED_


#include "merit.h"
#include "trial.h"


#define PREDICTOR_VOTERS  5


/* of all voters, by step of the trial's grid; those of a step add up to 1 */

typedef struct {
    uint32_t  nsteps;
    double    young;                /* 0: there is enough history */
    double    history;              /* steps, where there is not */
    uint32_t  step[PREDICTOR_TRIAL_STEPS];
    float     near[PREDICTOR_TRIAL_STEPS];  /* error of the best, of naive */
    uint8_t   alone[PREDICTOR_TRIAL_STEPS]; /* nothing is near the naive one */
    float     weight[PREDICTOR_TRIAL_STEPS][PREDICTOR_VOTERS];
    float     error[PREDICTOR_TRIAL_STEPS][PREDICTOR_VOTERS];  /* NaN: none */
} predictor_voices_t;


/*
 * Trials of the voters, NULL: this one does not vote.  The last voter is the
 * naive one.  Of less than two weeks, n of d days, the daily one has a share
 * of its own at step h: drawn towards it as in a shrinkage estimator, by how
 * few periods of the step were seen, and by how little better the best is,
 * to which the deviation of so few is added,
 *
 *     (1 - (d / 14)^2) 24 x / (1 + 24 x) min(1, near (1 + sqrt(x)))
 *
 * where x = h / n and near = error of the best / its own.  Where all others
 * are clearly worse, whatever the history, it has all.
 */

void predictor_weigh(const predictor_series_t *series,
    predictor_trial_t *const *trial, predictor_voices_t *w);

/*
 * Weights of step h, from 1, between those of the grid, of the voters in
 * "voting" only; what was seen of their own forecasts (merit may be NULL)
 * counts beside the trials.
 */

void predictor_voices_at(const predictor_voices_t *w,
    const predictor_merit_t *merit, uint32_t interval_s, uint32_t h,
    uint32_t voting, double *weight);

/* share of the naive one's own at step h */

double predictor_voices_hold(const predictor_voices_t *w, uint32_t h);

/*
 * What n voters say together; weights that are all 0 are taken as equal.  The
 * naive one, the last, has "hold" of it to itself.
 */

double predictor_said(const double *vote, const double *weight, uint32_t n,
    double hold);


#endif /* _PREDICTOR_WEIGH_H_INCLUDED_ */
