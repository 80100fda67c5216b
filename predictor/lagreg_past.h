
/*
 * The origins that a lag regression learns from, and their rows.  They stand
 * on the stride that all models share, so that the last value and every
 * trial's origin are on it.
 *
 *     first ....... o  o  o  o  o  o  o  o  n-1
 *                   └───── rows of h ──┘└ h ┘
 */


#ifndef _PREDICTOR_LAGREG_PAST_H_INCLUDED_
#define _PREDICTOR_LAGREG_PAST_H_INCLUDED_


#include "lagreg_solve.h"
#include "trial.h"


/* how long the past counts */

typedef struct {
    uint32_t                    half;       /* days to half the weight */
    uint32_t                    all;        /* days of origins */
} predictor_lagreg_days_t;

/* what the steps ahead have in common */

typedef struct {
    uint32_t                    n;
    uint32_t                    first;      /* no origin before it */
    uint32_t                    step;       /* from one to the next */
    predictor_lagreg_origin_t  *origin;     /* latest first */
    float                      *recency;    /* 0 < weight <= 1 */
} predictor_lagreg_past_t;


/* most origins, and rows: no shorter series has more, whatever its stride */

uint32_t predictor_lagreg_most(const predictor_series_t *series);

/* bytes of most origins, to be placed at "origin" */

size_t predictor_lagreg_past_size(const predictor_series_t *series);

void predictor_lagreg_past(const predictor_series_t *series,
    const predictor_lagreg_plan_t *plan, const predictor_lagreg_view_t *view,
    const predictor_lagreg_days_t *days, predictor_lagreg_past_t *past);

/* rows of those from which h ahead is known; SHARD_AGAIN: too few */

int predictor_lagreg_collect(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, const predictor_lagreg_past_t *past,
    uint32_t h, predictor_lagreg_rows_t *rows);


#endif /* _PREDICTOR_LAGREG_PAST_H_INCLUDED_ */
