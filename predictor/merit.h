
/*
 * What a series' own past forecasts were worth: the recent errors of each
 * member and of their combination, and how the intervals must be stretched
 * to hold what they promise.
 *
 *   forecast at t ─▶ said[class] ──── kept by the caller ────┐
 *                                                            ▼
 *   value of t + lead ───────────────────────────────▶ observe ─▶ merit
 *                                                                  │
 *   next forecast ◀── weights of members, stretch of quantiles ◀───┘
 *
 * Plain data of a fixed size, without pointers: it is kept over restarts as
 * it stands, guarded by its version and by predictor_merit_check().
 *
 * Errors are means of |y - forecast|, each observation fading by half in
 * PREDICTOR_MERIT_HALF_S of the series' time.  Stretches are those of online
 * conformal inference (Gibbs and Candes 2021), one for each side and class:
 *
 *     log stretch += rate (missed - q')
 *
 * where q' is the promised share of misses on that side.  The long-run share
 * of misses tends to q' whatever the series does.
 *
 * Its surprise is the largest of the latest errors that were beyond
 * PREDICTOR_MERIT_SIGMAS upwards, fading by half in PREDICTOR_MERIT_HEED_S:
 * load that nothing announced, and that the models do not believe in yet.
 */


#ifndef _PREDICTOR_MERIT_H_INCLUDED_
#define _PREDICTOR_MERIT_H_INCLUDED_


#include "model.h"


#define PREDICTOR_MERIT_VERSION  2
#define PREDICTOR_MERIT_MEMBERS  12
#define PREDICTOR_MERIT_HALF_S   (3 * 86400)
#define PREDICTOR_MERIT_HEED_S   3600
#define PREDICTOR_MERIT_SIGMAS   2.5


/*
 * What was said for one step ahead.  NaN: the member was silent, no quantile
 * was asked for on this side.  Members have the places that combine.c gives
 * them; when these change, PREDICTOR_MERIT_VERSION does.
 */

typedef struct {
    float     member[PREDICTOR_MERIT_MEMBERS];
    float     point;
    float     low;                  /* value of the lowest quantile < 0.5 */
    float     high;                 /* of the highest one > 0.5 */
    float     low_q;                /* 0 < low_q < 0.5 */
    float     high_q;
} predictor_said_t;

typedef struct {
    float     error;                /* decayed sum of absolute errors */
    float     weight;               /* decayed count of them */
} predictor_worth_t;

typedef struct {
    predictor_worth_t  member[PREDICTOR_MERIT_MEMBERS];
    predictor_worth_t  combined;
    float              stretch[2];  /* logarithms; 0: below, 1: above */
    float              surprise;    /* of the load's unit, 0: none */
} predictor_merit_class_t;

typedef struct {
    uint32_t                 version;
    uint32_t                 observed;      /* saturates */
    predictor_merit_class_t  horizon[PREDICTOR_CLASSES];
} predictor_merit_t;


void predictor_said_nothing(predictor_said_t *said);

void predictor_merit_init(predictor_merit_t *merit);

/* SHARD_ERROR: another version, or figures that no observation leaves */

int predictor_merit_check(const predictor_merit_t *merit);

/*
 * The step ahead at which a class is watched, 0: none within this horizon.
 * The first step, an hour, six, a day, the horizon.
 */

void predictor_merit_leads(uint32_t interval_s, uint32_t horizon,
    uint32_t lead[PREDICTOR_CLASSES]);

/*
 * "value" came where "said" was said; "span_s" is the time to the previous
 * observation of this class.  A value that is not finite is passed over.
 */

void predictor_merit_observe(predictor_merit_t *merit, uint32_t horizon_class,
    const predictor_said_t *said, double value, double span_s);

/* mean absolute error, NaN: never observed */

double predictor_merit_error(const predictor_worth_t *worth);

/* factor of what lies between point and quantile; 1 without observations */

double predictor_merit_stretch(const predictor_merit_t *merit,
    uint32_t horizon_class, int above);

/*
 * Rows of ask->horizon steps, 1 + ask->nq each, as predictor_predict() gives
 * them, are raised by the surprise at their lead, between the leads that are
 * watched by a straight line.  What was not foreseen so long ago is taken for
 * lasting in part, and for as uncertain as it was large:
 *
 *     point'       = point + 0.3 surprise
 *     quantile(q)' = point' + max(quantile(q) - point, 0.5 surprise z(q) /
 *                    z(0.9)), q > 0.5
 *
 * The shares, the sigmas and the hour were chosen by a grid of simulations of
 * fleet-256 and of two shuffled fleets; a third one was held back
 * (docs/planning.md "Simulation").
 */

void predictor_merit_heed(const predictor_merit_t *merit,
    const uint32_t lead[PREDICTOR_CLASSES], const predictor_ask_t *ask,
    double *rows);


#endif /* _PREDICTOR_MERIT_H_INCLUDED_ */
