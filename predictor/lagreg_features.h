
/*
 * What the lag regression sees: the seasonal base of a step, and features of
 * an origin (the last known step) for a step h ahead of it.
 *
 *     days d back from the slot ──┐ 0.6^d        ┌── half ──┐
 *                                 ├─▶ daily base ┤          ├─▶ base
 *     same slot, weeks back ──────┘   weekly mean ── half ──┘
 *
 *     anomaly(t) = z(t) - base(t), from what was known at t - 1
 *
 * A row is a few features of the origin, which are the same for all steps,
 * and some of the step.
 */


#ifndef _PREDICTOR_LAGREG_FEATURES_H_INCLUDED_
#define _PREDICTOR_LAGREG_FEATURES_H_INCLUDED_


#include "lagreg_view.h"


#define PREDICTOR_LAGREG_DAYS      7
#define PREDICTOR_LAGREG_WEEKS     4
#define PREDICTOR_LAGREG_WINDOWS   11
#define PREDICTOR_LAGREG_LAGS      3

/* most features, with the constant in front */

#define PREDICTOR_LAGREG_COLUMNS   (18 + PREDICTOR_LAGREG_WINDOWS)


/* how far the features look back: settled by fit(), kept in its state */

typedef struct {
    uint32_t  day;
    uint32_t  week;
    uint32_t  hour;                     /* steps, at least 1 */
    uint32_t  days;                     /* days averaged in the base */
    uint32_t  weeks;                    /* weeks, 0 = none */
    uint32_t  start;                    /* first step with a base */
    uint32_t  smooth;                   /* steps either side of a slot */
    double    even;                     /* 1 / all of them */
    uint32_t  wide;                     /* the same, of wider means */
    uint32_t  nwindows;
    uint32_t  window[PREDICTOR_LAGREG_WINDOWS];    /* ascending */
    uint32_t  nbacks;                   /* slots that an anomaly is without */
    uint32_t  back[PREDICTOR_LAGREG_DAYS + PREDICTOR_LAGREG_WEEKS];
    double    share[PREDICTOR_LAGREG_DAYS + PREDICTOR_LAGREG_WEEKS];
} predictor_lagreg_plan_t;

/* features of an origin, whatever the step ahead */

typedef struct {
    uint32_t  t;                        /* the last known step */
    uint32_t  n;
    float     recent[PREDICTOR_LAGREG_WINDOWS + PREDICTOR_LAGREG_LAGS];
    double    mean;                     /* of the last day */
} predictor_lagreg_origin_t;


/* SHARD_AGAIN: too little history for this horizon */

int predictor_lagreg_plan(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_lagreg_plan_t *plan);

/* lists anomalies and bases of a view that is whole */

void predictor_lagreg_list(const predictor_lagreg_plan_t *plan,
    predictor_lagreg_view_t *view);

void predictor_lagreg_origin(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t t,
    predictor_lagreg_origin_t *origin);

/* fills row[0 .. result), the constant 1 first; "base" of the step h ahead */

uint32_t predictor_lagreg_row(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view,
    const predictor_lagreg_origin_t *origin, uint32_t h, float *row,
    double *base);


#endif /* _PREDICTOR_LAGREG_FEATURES_H_INCLUDED_ */
