
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
 * In mode "act" migrators carry its decisions out, a few at a time
 * (resize_act.c); what they do not serve stays advice.
 */


#ifndef _PREDICTOR_RESIZES_H_INCLUDED_
#define _PREDICTOR_RESIZES_H_INCLUDED_


#include <jansson.h>

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
    predictor_fleet_t          *fleet;  /* told of what is decided */
    const predictor_outlook_t  *outlook;
    const predictor_history_t  *history;
    const predictor_cold_t     *cold;
    const predictor_spreads_t  *spreads;
    double                      now_s;
} predictor_resizes_view_t;

typedef enum {
    PREDICTOR_RESIZE_ADVICE = 0,    /* nobody would carry it out */
    PREDICTOR_RESIZE_LATER,         /* not now */
    PREDICTOR_RESIZE_NOW
} predictor_resize_act_e;


void predictor_resizes_done(predictor_resizes_t *r);

/* SHARDD_OK, SHARDD_BAD without memory, or what the store says */

int predictor_resizes(predictor_resizes_t *r,
    const predictor_resizes_view_t *view, const predictor_io_t *io,
    uint64_t *decisions);

/* resize_act.c: what becomes of an answer; it is in flight from now on */

predictor_resize_act_e predictor_resize_act(
    const predictor_resizes_view_t *view, const predictor_resizing_t *r,
    const predictor_resize_t *a);
void predictor_resize_begin(const predictor_resizes_view_t *view,
    const predictor_resize_t *a);

/* report_resize.c: the hash, and decisions that were not made before */

int predictor_report_resizes(const predictor_io_t *io,
    const predictor_resizes_view_t *view, const predictor_resizing_t *r,
    const predictor_resize_t *list, uint32_t n, uint64_t *decisions);

/* report_cut.c: "cut" and "end" of a split or isolation into a JSON object,
 * of a list "units" */

void predictor_report_cut(const shard_record_t *rec,
    const predictor_resize_t *a, json_t *reason);


#endif /* _PREDICTOR_RESIZES_H_INCLUDED_ */
