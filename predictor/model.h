
/*
 * What every forecasting model looks like to its users.
 *
 *      series ──▶ fit ──▶ state ◀── update, with each new value
 *                           │
 *      series, later on ────┴──▶ forecast ──▶ horizon x (1 + nq)
 *
 * Models are pure: no malloc, I/O, clock, globals.  The caller asks for the
 * sizes and hands in two pieces of memory, aligned to 16 bytes: "state" keeps
 * what fit() learnt, "work" is scratch for the length of one call.  A state
 * has no pointers: it may be copied, kept and written to disk.
 *
 * forecast() takes the series anew.  It may have moved on since fit() (same
 * interval and seasons), so learning may be done seldom and forecasting with
 * every new value.  "start" tells which values are new.  A model whose state
 * follows the data value by value has an update(), which takes in those that
 * it has not seen; without it forecast() answers from what was seen last,
 * for the steps after the end of the series.
 *
 * Units: values are what the series counts (requests per second), seasons
 * and horizons are steps of the series' interval.
 */


#ifndef _PREDICTOR_MODEL_H_INCLUDED_
#define _PREDICTOR_MODEL_H_INCLUDED_


#include "shard_types.h"


#define PREDICTOR_SERIES_MAX     (1 << 20)     /* values */
#define PREDICTOR_HORIZON_MAX    10080         /* steps */
#define PREDICTOR_SEASON_MAX     100000        /* steps */
#define PREDICTOR_QUANTILES_MAX  16

/*
 * Errors grow with the horizon; what is kept of them is kept by class: the
 * next step, up to 1 hour, up to 6, up to a day, beyond.
 */

#define PREDICTOR_CLASSES        5


typedef struct {
    const double   *y;              /* oldest first, equal steps */
    uint64_t        start;          /* steps from 1970 to y[0] */
    uint32_t        n;
    uint32_t        interval_s;     /* seconds from value to value */
    uint32_t        day;            /* steps of the short season */
    uint32_t        week;           /* steps of the long one, 0 = none */
} predictor_series_t;

typedef struct {
    uint32_t        horizon;        /* steps ahead, from 1 */
    uint32_t        nq;             /* up to PREDICTOR_QUANTILES_MAX */
    const double   *q;              /* 0 < q < 1, in any order */
} predictor_ask_t;

typedef struct {
    size_t          state;          /* bytes */
    size_t          work;
} predictor_size_t;


/*
 * Row h - 1 of "out" is step h: the point forecast, then one value for each
 * quantile as asked; rows are 1 + nq wide.
 *
 * Models expect a series without gaps.  fit() returns SHARD_AGAIN when the
 * history is too short for the model, SHARD_ERROR when the figures defeat it
 * (no positive definite system).  Neither is final: combine.h falls back.
 *
 * update() returns SHARD_AGAIN when values between those seen and the series
 * are missing: the state stays as it was, a fit is due.
 */

typedef struct {
    const char     *name;

    void          (*size)(const predictor_series_t *series,
                          const predictor_ask_t *ask, predictor_size_t *size);
    int           (*fit)(const predictor_series_t *series,
                         const predictor_ask_t *ask, void *state, void *work);
    int           (*forecast)(const predictor_series_t *series,
                              const predictor_ask_t *ask, const void *state,
                              void *work, double *out);

    /* NULL: forecast() takes all it needs from the series */

    int           (*update)(const predictor_series_t *series,
                            const predictor_ask_t *ask, void *state,
                            void *work);
} predictor_model_t;


/* of step h, from 1; below PREDICTOR_CLASSES */

uint32_t predictor_horizon_class(uint32_t interval_s, uint32_t h);


extern const predictor_model_t  predictor_model_level;
extern const predictor_model_t  predictor_model_naive_day;
extern const predictor_model_t  predictor_model_naive_week;
extern const predictor_model_t  predictor_model_local_level;
extern const predictor_model_t  predictor_model_ets;
extern const predictor_model_t  predictor_model_theta;
extern const predictor_model_t  predictor_model_mstl;
extern const predictor_model_t  predictor_model_additive;
extern const predictor_model_t  predictor_model_spar;
extern const predictor_model_t  predictor_model_lagreg;
extern const predictor_model_t  predictor_model_lagreg_fresh;
extern const predictor_model_t  predictor_model_lagreg_raw;
extern const predictor_model_t  predictor_model_lstm;


#endif /* _PREDICTOR_MODEL_H_INCLUDED_ */
