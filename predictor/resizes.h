
/*
 * Split and merge in the daemon: what resize.h needs of all shards, and what
 * is done with its answers.
 *
 *   history ──hourly──▶ peaks of a season ──┐
 *   outlook ──────────▶ peaks to come ──────┤
 *   lineage ──────────▶ since when, of whom ├──▶ resize.h ──▶ hash "resize"
 *   spreads ──────────▶ cuts, heaviest keys ┤                 decisions
 *   table, policy ────▶ neighbours, bounds ─┘
 *
 * Its decisions are recommendations in any mode: migrators do not carry them
 * out yet.
 */


#ifndef _PREDICTOR_RESIZES_H_INCLUDED_
#define _PREDICTOR_RESIZES_H_INCLUDED_


#include "cold.h"
#include "fleet.h"
#include "resize.h"
#include "resize_policy.h"
#include "spreads.h"


#define PREDICTOR_RESIZES_MAX  256      /* answers in one tick */


/* of the history alone; one whose bounds changed is looked at again */

typedef struct {
    float                      peak;
    float                      most;
    long                       hour;
    long                       since;
} predictor_resizes_one_t;

typedef struct {
    uint32_t                   n;       /* ids below it */
    predictor_resizes_one_t   *by_id;
    predictor_resize_policy_t  policy;  /* in force */
    char                       err[SHARD_ERR_SIZE];  /* of the last one, said */
} predictor_resizes_t;

/* what one tick looks at */

typedef struct {
    const predictor_conf_t     *conf;
    const predictor_fleet_t    *fleet;
    const predictor_outlook_t  *outlook;
    const predictor_history_t  *history;
    const predictor_cold_t     *cold;
    const predictor_spreads_t  *spreads;
    double                      now_s;
} predictor_resizes_view_t;


void predictor_resizes_done(predictor_resizes_t *r);

/* SHARDD_OK, SHARDD_BAD without memory, or what the store says */

int predictor_resizes(predictor_resizes_t *r,
    const predictor_resizes_view_t *view, const predictor_io_t *io,
    uint64_t *decisions);

/* report_resize.c: the hash, and decisions that were not made before */

int predictor_report_resizes(const predictor_io_t *io,
    const predictor_resizes_view_t *view, const predictor_resizing_t *r,
    const predictor_resize_t *list, uint32_t n, uint64_t *decisions);


#endif /* _PREDICTOR_RESIZES_H_INCLUDED_ */
