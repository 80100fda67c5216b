
/* A small fleet for the planner's tests: the world, and what fills it. */


#ifndef _TEST_PLAN_CASE_H_INCLUDED_
#define _TEST_PLAN_CASE_H_INCLUDED_


#include "tap.h"
#include "../../predictor/plan_parts.h"


#define STEPS   24
#define NODES   8
#define SHARDS  96


typedef struct {
    predictor_plan_t        plan;
    predictor_plan_node_t   nodes[NODES];
    predictor_plan_shard_t  shards[SHARDS];
    float                   now[SHARDS];
    float                   mean[SHARDS * STEPS];
    float                   quantile[SHARDS * STEPS];
    double                  memory[(1 + 4 * NODES) * (STEPS + 1)];
    predictor_plan_move_t   moves[16];
} world_t;

static world_t  w;


static void
world(uint32_t nnodes, uint32_t nshards)
{
    uint32_t  i;

    memset(&w, 0, sizeof(world_t));

    w.plan.nnodes = nnodes;
    w.plan.nshards = nshards;
    w.plan.nsteps = STEPS;
    w.plan.nodes = w.nodes;
    w.plan.shards = w.shards;
    w.plan.now = w.now;
    w.plan.mean = w.mean;
    w.plan.quantile = w.quantile;
    w.plan.memory = w.memory;

    w.plan.limits.threshold = 0.9;
    w.plan.limits.rho = 0.5;
    w.plan.limits.caution = 1;
    w.plan.limits.price_s = 60;
    w.plan.limits.extra = 0.25;
    w.plan.limits.step_s = 300;
    w.plan.limits.move_s = 1800;
    w.plan.limits.move_spread = 0.25;
    w.plan.limits.margin_s = 300;
    w.plan.limits.moves_per_node = 2;
    w.plan.limits.moves = 8;

    for (i = 0; i < nnodes; i++) {
        w.nodes[i].capacity = 100;
    }

    for (i = 0; i < nshards; i++) {
        w.shards[i].from = i % nnodes;
        w.shards[i].to = i % nnodes;
    }
}


static uint32_t
plan(void)
{
    return predictor_plan(&w.plan, w.moves, 16);
}


#endif /* _TEST_PLAN_CASE_H_INCLUDED_ */
