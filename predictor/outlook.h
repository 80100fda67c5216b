
/*
 * The forecasts of all shards: what each one's models learnt, and what they
 * say now.
 *
 *   history ──column──▶ fit, every "refit" steps,  ──▶ state ──┐
 *                       shards taking turns                    ▼
 *           ──column──▶ predict, every step ────────────▶ mean, quantiles
 *
 * Shards take turns in learning anew, so that one slot carries its share of
 * the work only; one whose history has doubled does not wait for its turn.
 * Memory is from the heap; no clock, no I/O.
 */


#ifndef _PREDICTOR_OUTLOOK_H_INCLUDED_
#define _PREDICTOR_OUTLOOK_H_INCLUDED_


#include "combine.h"
#include "history.h"


#define PREDICTOR_OUTLOOK_QUANTILES  3


typedef struct {
    void        *state;         /* NULL: nothing learnt yet */
    long         fitted;        /* slot */
    uint32_t     n;             /* values it was learnt from */
    const char  *model;         /* NULL: no forecast */
} predictor_outlook_shard_t;

typedef struct {
    predictor_series_t          series;
    predictor_ask_t             ask;
    double                      q[PREDICTOR_OUTLOOK_QUANTILES];
    uint32_t                    planned;    /* number of the planner's q */
    long                        refit;      /* slots */
    size_t                      window;
    size_t                      state_size;
    long                        slot;       /* forecast after this one */

    uint32_t                    nshards;    /* by shard id */
    predictor_outlook_shard_t  *shards;
    float                      *mean;       /* nshards x horizon */
    float                      *quantile[PREDICTOR_OUTLOOK_QUANTILES];

    /* scratch */
    double                     *y;
    double                     *out;
    void                       *work;
} predictor_outlook_t;


/* window and refit in slots of res_s; SHARD_ERROR without memory */

int predictor_outlook_init(predictor_outlook_t *o, long res_s, size_t window,
    uint32_t horizon, double quantile, long refit, uint32_t nshards);
void predictor_outlook_done(predictor_outlook_t *o);

/* one shard after the last row of the history; SHARD_ERROR without memory.
 * The results of a shard with no history at all are NaN. */

int predictor_outlook_shard(predictor_outlook_t *o,
    const predictor_history_t *h, shard_id_t id);


#endif /* _PREDICTOR_OUTLOOK_H_INCLUDED_ */
