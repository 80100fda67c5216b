
/*
 * The policy heeded by plans: its text of the table, what it says of zones,
 * nodes and shards, in the planner's arrays, before each plan.
 *
 *   meta.policy ──shard_terms.h──▶ terms.h ──┐
 *   sizes.h ─────▶ bytes, durations ─────────┼──▶ fleet's predictor_plan_t
 *   traffic.h ───▶ who asks from where ──────┘
 *
 * One that cannot be read leaves the last one in force: hard rules do not go
 * away by a typing error.
 */


#ifndef _PREDICTOR_POLICY_H_INCLUDED_
#define _PREDICTOR_POLICY_H_INCLUDED_


#include "sizes.h"
#include "traffic.h"


typedef struct {
    char                *text;          /* the last good one, NULL: none */
    char                 err[SHARD_ERR_SIZE];   /* of the one that is there */
    predictor_sizes_t    sizes;
    predictor_traffic_t  traffic;
} predictor_policy_t;


void predictor_policy_init(predictor_policy_t *p,
    const predictor_conf_t *conf, const predictor_io_t *io);
void predictor_policy_done(predictor_policy_t *p);

/* sizes that are stored, for a table just loaded; those in memory are newer */

int predictor_policy_load(predictor_policy_t *p, const predictor_fleet_t *f);

/* fills in what the fleet's plan heeds, its loads being there; SHARDD_DOWN,
 * or SHARDD_BAD without memory */

int predictor_policy_heed(predictor_policy_t *p, predictor_fleet_t *f,
    const predictor_io_t *io, double now_s);

/* field "moves" of the "predictor" hash: how long they take, how many more
 * may begin, and what is wrong with the policy; _heed() does it */

int predictor_policy_say(const predictor_policy_t *p,
    const predictor_fleet_t *f, const predictor_io_t *io);


#endif /* _PREDICTOR_POLICY_H_INCLUDED_ */
