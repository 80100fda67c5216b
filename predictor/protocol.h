
/*
 * How forecasts are judged: rolling origins over the end of a series.
 *
 *   history ........................................ test span, the last 25 %
 *   ──────────────────────────────────┬──────────────────────────────────────
 *                    |◀── window ──▶|o1|◀── ahead ──▶|
 *                        |◀── window ──▶|o2|◀── ahead ──▶|
 *                            ...                    |◀── window ──▶|o12| ... |
 *
 * Twelve origins are spread over the test span, nudged off steps of 12 hours
 * so that they fall on different times of the day.  At each of them a
 * forecast sees the window before it and is compared with what came.  Errors
 * are taken per band: the first step, the first hour, the first day.
 *
 * All of it is pure.
 */


#ifndef _PREDICTOR_PROTOCOL_H_INCLUDED_
#define _PREDICTOR_PROTOCOL_H_INCLUDED_


#include "model.h"


#define PREDICTOR_ORIGINS      12
#define PREDICTOR_ORIGINS_MAX  366

/* the quantiles of a backtest, in this order; the median is the point */

#define PREDICTOR_PROTOCOL_QS  5
#define PREDICTOR_PROTOCOL_ROW (1 + PREDICTOR_PROTOCOL_QS)

extern const double  predictor_protocol_q[PREDICTOR_PROTOCOL_QS];


typedef enum {
    PREDICTOR_BAND_STEP = 0,
    PREDICTOR_BAND_HOUR,
    PREDICTOR_BAND_DAY,
    PREDICTOR_BAND_ALL,             /* where the horizon is none of them */
    PREDICTOR_BANDS
} predictor_band_e;

/* short ones for machines, long ones for people */

extern const char *const  predictor_band_names[PREDICTOR_BANDS];
extern const char *const  predictor_band_titles[PREDICTOR_BANDS];


/* what the user wants otherwise; 0: as it is usual for the interval */

typedef struct {
    uint32_t  season[2];            /* steps */
    uint32_t  horizon;
    uint32_t  origins;
    double    days;                 /* of history */
} predictor_protocol_wish_t;

typedef struct {
    uint32_t  interval_s;
    uint32_t  n;                    /* steps of the whole series */
    uint32_t  day;
    uint32_t  week;                 /* 0: the user wants none */
    uint32_t  window;
    uint32_t  ahead;
    uint32_t  test;                 /* steps of the test span */
    uint32_t  norigins;
    uint32_t  origin[PREDICTOR_ORIGINS_MAX];  /* first step not seen */
    uint32_t  steps[PREDICTOR_BANDS];         /* 0: no such band */
} predictor_protocol_t;

/* relative to the scale: mase and pinball; in percent: smape and wape */

typedef struct {
    double    mase;
    double    smape;
    double    wape;
    double    pinball[3];           /* of the quantiles .5, .9, .95 */
    double    coverage;             /* of what came, between .05 and .95 */
    uint32_t  known;                /* steps compared; 0: nothing above */
} predictor_score_t;


/* SHARD_ERROR and err: the series is too short for it, or no day fits */

int predictor_protocol_plan(predictor_protocol_t *p, uint32_t interval_s,
    uint32_t n, const predictor_protocol_wish_t *wish, char *err);

/*
 * What a forecast made at the k-th origin may see; y is the whole series,
 * "epoch" the time of y[0] in seconds.
 */

void predictor_protocol_history(const predictor_protocol_t *p,
    const double *y, uint64_t epoch, uint32_t k, predictor_series_t *series);

/* mean |y(t) - y(t - day)| before the test span, gaps left out */

double predictor_protocol_scale(const predictor_protocol_t *p,
    const double *y);

/* out[k]: rows of the k-th origin, "ahead" of PREDICTOR_PROTOCOL_ROW */

void predictor_protocol_score(const predictor_protocol_t *p, const double *y,
    double scale, double *const *out, predictor_band_e band,
    predictor_score_t *score);

/*
 * Rounds to nine significant digits, as forecasts are printed: so that what
 * is judged is what users see.
 */

void predictor_protocol_round(double *v, size_t n);

/* log of one MASE over another, either no less than .001 */

double predictor_protocol_relative(const predictor_score_t *score,
    const predictor_score_t *base);


#endif /* _PREDICTOR_PROTOCOL_H_INCLUDED_ */
