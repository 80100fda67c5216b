
/*
 * What a plan recommends, against a fleet computed by hand: n1 has three
 * shards of 20, of which two grow to 45 each from a step on, n2 has one of
 * 20; both nodes take 100.
 */

#include "../lib/tap.h"
#include "../../predictor/recommend.h"


#define STEPS   24
#define SHARDS  4


static predictor_plan_node_t   nodes[2];
static predictor_plan_shard_t  shards[SHARDS];
static shard_node_t            records[2];
static shard_record_t          table[SHARDS];
static float                   now[SHARDS];
static float                   mean[SHARDS * STEPS];
static double                  memory[4096];
static predictor_fleet_t       fleet;

static predictor_recommendations_t  list;


static void
world(uint32_t step)
{
    uint32_t           i, h;
    predictor_plan_t  *p;

    memset(&fleet, 0, sizeof(fleet));
    memset(nodes, 0, sizeof(nodes));
    memset(shards, 0, sizeof(shards));
    p = &fleet.plan;

    fleet.table.nodes = records;
    fleet.table.shards = table;
    fleet.table.nnodes = p->nnodes = 2;
    fleet.table.nshards = p->nshards = SHARDS;
    p->nsteps = STEPS;
    p->nodes = nodes;
    p->shards = shards;
    p->now = now;
    p->mean = mean;
    p->quantile = mean;
    p->memory = memory;

    p->limits.threshold = 0.9;
    p->limits.rho = 0.5;
    p->limits.caution = 1;
    p->limits.price_s = 60;
    p->limits.extra = 0.25;
    p->limits.step_s = 300;
    p->limits.move_s = 1200;
    p->limits.margin_s = 300;
    p->limits.moves_per_node = 2;
    p->limits.moves = 8;
    nodes[0].capacity = nodes[1].capacity = 100;

    for (i = 0; i < SHARDS; i++) {
        shards[i].from = shards[i].to = i == 3;
        now[i] = 20;

        for (h = 0; h < STEPS; h++) {
            mean[i * STEPS + h] = h < step || i > 1 ? 20 : 45;
        }
    }
}


static void
test_list(void)
{
    uint32_t               n;
    predictor_plan_move_t  moves[8];

    world(20);
    n = predictor_plan(&fleet.plan, moves, 8);
    predictor_recommend_plan(&list, &fleet, moves, n);

    tap_is_int(n, 0, "nothing is due yet");
    tap_is_int(list.n, 1, "one move waits");
    tap_is_int(list.all[0].waits, 1, "as it says");
    tap_is_int(list.all[0].from, 0, "from");
    tap_is_int(list.all[0].to, 1, "to");
    tap_ok(list.all[0].start_in_s > 0
           && list.all[0].start_in_s + 1200 <= 20 * 300,
           "it starts in %.0f s and ends in time", list.all[0].start_in_s);
    tap_is_int(shards[list.all[0].shard].to, 0, "the plan is as it was");

    world(3);
    n = predictor_plan(&fleet.plan, moves, 8);
    predictor_recommend_plan(&list, &fleet, moves, n);
    tap_is_int(n, 1, "one is due");
    tap_is_int(list.n, 1, "and nothing else is");
    tap_is_int(list.all[0].waits, 0, "it does not wait");
    tap_is_dbl(list.all[0].start_in_s, 0, 0, "but starts at once");

    world(STEPS);
    n = predictor_plan(&fleet.plan, moves, 8);
    predictor_recommend_plan(&list, &fleet, moves, n);
    tap_is_int(list.n, 0, "a quiet fleet: nothing");
}


int
main(void)
{
    test_list();

    return tap_done();
}
