
/*
 * The forecasts of all shards: what each one's models learnt, and what they
 * say now.
 *
 *   history ──column──▶ fit, in turns between  ──▶ state ──┐
 *      │                slots (schedule.h)                 ▼
 *      └──────column──▶ forecast, all of them  ──▶ update, predict
 *                       when a slot closes           │
 *                                                    ▼
 *      ┌── merit ◀── errors of past ◀──┬── mean, quantiles
 *      └──▶ predict    forecasts         └──▶ fleet, report
 *
 * Both are lists of shards that the threads of a pool work off; a shard's
 * results depend on its column and its state only.  A shard that no fit was
 * made for yet is forecast by a model that learns in no time, so that none
 * is ever without a forecast, and its fit comes before all others.
 *
 * Between start and a wait that says 1 nobody may touch history or outlook.
 * Memory is from the heap; no clock, no I/O.
 */


#ifndef _PREDICTOR_OUTLOOK_H_INCLUDED_
#define _PREDICTOR_OUTLOOK_H_INCLUDED_


#include "calendar.h"
#include "combine.h"
#include "errors.h"
#include "history.h"
#include "pool.h"
#include "schedule.h"


#define PREDICTOR_OUTLOOK_QUANTILES  3


/* a shard's column as predictor_history_column() gives it, maybe with what it
 * borrowed in front; "own": values that are its own.  Any thread calls it */

typedef size_t (*predictor_outlook_column_pt)(void *data,
    const predictor_history_t *h, shard_id_t id, double *y, uint32_t *own);

/* about as many as are its own, 0: there is nothing to learn from */

typedef size_t (*predictor_outlook_length_pt)(void *data,
    const predictor_history_t *h, shard_id_t id);

typedef struct {
    void                         *state;    /* NULL: nothing learnt yet */
    const char                   *model;    /* NULL: no forecast */
    uint64_t                      told;     /* step of the shift that was
                                               logged, 0: none */
} predictor_outlook_shard_t;

/* scratch of one thread */

typedef struct {
    predictor_series_t            series;
    double                       *y;
    uint8_t                      *busy;     /* a byte for each value */
    double                       *out;
    void                         *work;
    uint64_t                      broken;   /* shards without memory */
} predictor_outlook_thread_t;

typedef struct {
    predictor_series_t            series;   /* n is the window */
    predictor_ask_t               ask;
    double                        q[PREDICTOR_OUTLOOK_QUANTILES];
    uint32_t                      planned;  /* number of the planner's q */
    long                          refit;    /* slots */
    size_t                        state_size;

    predictor_outlook_column_pt   column;
    predictor_outlook_length_pt   length;
    void                         *column_data;
    const predictor_calendar_t   *calendar; /* NULL: no events */

    uint32_t                      nshards;  /* by shard id */
    predictor_outlook_shard_t    *shards;
    predictor_turn_t             *turns;
    predictor_errors_plan_t       plan;
    predictor_errors_t           *errors;   /* kept over restarts */
    float                        *mean;     /* nshards x horizon */
    float                        *quantile[PREDICTOR_OUTLOOK_QUANTILES];

    /* of the list under way */
    predictor_pool_t             *pool;
    predictor_outlook_thread_t   *threads;
    shard_id_t                   *list;     /* room for all */
    const predictor_history_t    *history;
} predictor_outlook_t;


/* window and refit in slots of res_s; the pool is the caller's and outlives
 * this; SHARD_ERROR without memory */

int predictor_outlook_init(predictor_outlook_t *o, predictor_pool_t *pool,
    long res_s, size_t window, uint32_t horizon, double quantile, long refit,
    uint32_t nshards);

/* waits for what is under way */

void predictor_outlook_done(predictor_outlook_t *o);

/* whose turn it is to learn, most urgent first, at most "max" */

void predictor_outlook_schedule(predictor_outlook_t *o,
    const predictor_history_t *h, const shard_id_t *ids, uint32_t n,
    shard_id_t *list, uint32_t max, predictor_schedule_t *result);

/* all models of these shards learn from the history as it is */

void predictor_outlook_fit(predictor_outlook_t *o,
    const predictor_history_t *h, const shard_id_t *ids, uint32_t n);

/* these shards are forecast after the last slot of the history; the results
 * of one that was never known are NaN */

void predictor_outlook_forecast(predictor_outlook_t *o,
    const predictor_history_t *h, const shard_id_t *ids, uint32_t n);

/* what was learnt of a column is another one's; not while a list is worked */

void predictor_outlook_forget(predictor_outlook_t *o, shard_id_t id);

/* the last n values of a column as past forecasts are compared with them, NaN
 * in front where there are fewer; not while a list is worked */

void predictor_outlook_tail(predictor_outlook_t *o,
    const predictor_history_t *h, shard_id_t id, double *y, uint32_t n);

/* 1: the list is done; ms < 0 waits for it */

int predictor_outlook_wait(predictor_outlook_t *o, long ms);

/* shards of all lists so far that there was no memory for */

uint64_t predictor_outlook_broken(const predictor_outlook_t *o);


#endif /* _PREDICTOR_OUTLOOK_H_INCLUDED_ */
