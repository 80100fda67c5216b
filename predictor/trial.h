
/*
 * What a model would have said in the past: its forecasts for some steps
 * ahead of some origins, made without the values they are compared with (or,
 * where a model has few parameters, with these alone learnt from all values).
 *
 *                origin  n-1-s  n-1-2s  n-1-3s ...      s: the spacing
 *       step 1   ┌──────────────────────────────┐
 *       step 2   │ said[step][origin], NaN where │ ─▶ weights (weigh.h),
 *        ...     │ the model has nothing to say  │    spread (calibrate.h)
 *       horizon  └──────────────────────────────┘
 *
 * Steps are those of a sparse grid over the horizon, common to all models.
 */


#ifndef _PREDICTOR_TRIAL_H_INCLUDED_
#define _PREDICTOR_TRIAL_H_INCLUDED_


#include "model.h"


#define PREDICTOR_TRIAL_STEPS    40
#define PREDICTOR_TRIAL_ORIGINS  224

/* most rows that a regression learns from: more teach little */

#define PREDICTOR_TRIAL_ROWS     3000

/* days of a grid's further steps; beyond them the last one stands */

#define PREDICTOR_TRIAL_DAYS     7

/* steps below this are short: there are enough of them in few days */

#define PREDICTOR_TRIAL_SHORT_S  1800


typedef struct {
    uint32_t   nsteps;
    uint32_t   step[PREDICTOR_TRIAL_STEPS];     /* ascending, from 1 */
    uint32_t   norigins;
    uint32_t   origin[PREDICTOR_TRIAL_ORIGINS]; /* last known value, latest
                                                   first */
    float     *said;            /* nsteps rows of PREDICTOR_TRIAL_ORIGINS */
} predictor_trial_t;


/*
 * The first steps, then some in geometric progression, then the ends and
 * middles of further days; ascending, each once; returns how many.
 */

uint32_t predictor_trial_grid(uint32_t horizon, uint32_t day, uint32_t *grid);

/* every so many values a regression has a row; origins stand on such rows */

uint32_t predictor_trial_stride(const predictor_series_t *series);

/* steps and origins; all of "said" is NaN then */

void predictor_trial_init(predictor_trial_t *trial,
    const predictor_series_t *series, uint32_t horizon, float *said);

float *predictor_trial_said(const predictor_trial_t *trial, uint32_t step);

/* floats of what is said */

#define predictor_trial_size(n)  ((size_t) (n) * PREDICTOR_TRIAL_ORIGINS)

/* of the seasonal naive method: the latest known value of the same slot */

void predictor_trial_naive(const predictor_trial_t *trial,
    const predictor_series_t *series, uint32_t season);


/*
 * fit() of a model that fills the trial in as well; trial is NULL: only fit().
 * What is needed of the residuals is a by-product of the fit.
 */

typedef int (*predictor_learn_pt)(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work);

int predictor_lagreg_learn(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work);
int predictor_lagreg_learn_fresh(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work);
int predictor_lagreg_learn_raw(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work);
int predictor_ets_learn(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work);
int predictor_mstl_learn(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work);


#endif /* _PREDICTOR_TRIAL_H_INCLUDED_ */
