
/*
 * The planner in known situations; plan_random.c has random ones.
 */

#include "../lib/plan_case.h"


/* now, then "then" from the step on; the quantile is "above" higher */

static void
shard(uint32_t i, float now, uint32_t step, float then, float above)
{
    uint32_t  h;

    w.now[i] = now;

    for (h = 0; h < STEPS; h++) {
        w.mean[i * STEPS + h] = h < step ? now : then;
        w.quantile[i * STEPS + h] = w.mean[i * STEPS + h] + above;
    }
}


/* 4 shards on each of 3 nodes; n0's grow from 20 to 24 at a step */

static void
peak_ahead(uint32_t step)
{
    uint32_t  i;

    world(3, 12);

    for (i = 0; i < 12; i++) {
        shard(i, i % 3 ? 10 : 20, step, i % 3 ? 10 : 24, 0);
    }
}


static void
test_formula(void)
{
    world(2, 2);
    w.shards[1].from = w.shards[1].to = 0;
    shard(0, 10, 0, 20, 3);
    shard(1, 10, 0, 30, 4);
    predictor_plan_view(&w.plan);
    tap_is_dbl(w.nodes[0].peak, 50 + sqrt(0.5 * 49 + 0.5 * 25), 1e-9,
               "deviations, half correlated");

    w.plan.limits.rho = 1;
    predictor_plan_view(&w.plan);
    tap_is_dbl(w.nodes[0].peak, 57, 1e-9, "fully correlated: quantiles add");

    w.plan.limits.rho = 0;
    predictor_plan_view(&w.plan);
    tap_is_dbl(w.nodes[0].peak, 55, 1e-9, "independent: root of squares");

    w.mean[0] = NAN;
    w.quantile[1] = -INFINITY;
    predictor_plan_view(&w.plan);
    tap_ok(isfinite(w.nodes[0].peak), "unknown values do no harm");
}


/* what a node bears without shards counts, and goes along with none */

static void
test_base(void)
{
    world(2, 4);
    shard(0, 20, 12, 30, 0);
    shard(1, 5, 12, 5, 0);
    shard(2, 20, 12, 30, 0);
    shard(3, 5, 12, 5, 0);
    predictor_plan_view(&w.plan);
    tap_is_int((long) w.nodes[0].breach_step, (long) PREDICTOR_PLAN_STEP_NONE,
               "60 of 100: no breach");

    w.nodes[0].base = 35;
    predictor_plan_view(&w.plan);
    tap_is_dbl(w.nodes[0].peak, 95, 1e-9, "a base of 35 is in the peak");
    tap_is_int(w.nodes[0].breach_step, 12, "which is a breach then");

    /* no room at the target: 65 + 10 + 30 */

    w.nodes[1].base = 65;
    shard(0, 20, 0, 30, 0);
    shard(2, 20, 0, 30, 0);
    tap_is_int(plan(), 0, "a target's base leaves no room there");
    tap_ok(w.nodes[0].stuck, "no move helps");

    w.nodes[1].base = 20;
    tap_is_int(plan(), 1, "a smaller one does");
    tap_is_dbl(w.moves[0].from_before, 0.95, 1e-9, "used before, with it");
    tap_is_dbl(w.moves[0].from_after, 0.65, 1e-9, "and after");
    tap_is_dbl(w.moves[0].to_before, 0.3, 1e-9, "the target's as well");
    tap_is_dbl(w.moves[0].to_after, 0.6, 1e-9, "and after");
    tap_is_dbl(w.moves[0].load_moved, 30, 1e-9, "a shard moves without it");

    /* 35 above the threshold, of shards of 20: two moves, one round; were
     * the base taken for theirs, one move of 45 would do */

    world(2, 6);
    shard(0, 20, 0, 20, 0);
    shard(2, 20, 0, 20, 0);
    shard(4, 20, 0, 20, 0);
    w.nodes[0].base = 65;
    w.plan.limits.moves_per_node = 1;
    tap_ok(plan() > 0, "a move is made");
    tap_is_dbl(w.moves[0].lead_s, 2 * 1800 * 1.25 + 300 + 300, 1e-9,
               "two rounds of them");
}


static void
test_timing(void)
{
    /* one move suffices: 1800 * 1.25 + 300 + 300 = 2850 s = 9.5 steps */

    peak_ahead(12);
    tap_is_int(plan(), 0, "a breach in 12 steps waits");
    tap_is_int(w.nodes[0].breach_step, 12, "its step is seen");
    tap_ok(w.nodes[0].waits, "and the node says that it waits");

    peak_ahead(9);
    tap_is_int(plan(), 1, "a breach in 9 steps: one move");
    tap_is_int(w.moves[0].from, 0, "from the node that will be too hot");
    tap_is_dbl(w.moves[0].breach_in_s, 2700, 1e-9, "2700 s ahead");
    tap_is_dbl(w.moves[0].from_before, 0.96, 1e-6, "utilisation before");
    tap_is_dbl(w.moves[0].from_after, 0.72, 1e-6, "after");
    tap_is_dbl(w.moves[0].to_after, 0.64, 1e-6, "of the target");
    tap_is_dbl(w.moves[0].load_moved, 24, 1e-6, "load moved");

    peak_ahead(10);
    w.plan.limits.age_s = 200;
    tap_is_int(plan(), 1, "an old forecast: its steps are nearer");
    tap_is_dbl(w.moves[0].breach_in_s, 2800, 1e-9, "by its age");

    peak_ahead(12);
    w.plan.limits.move_s = 3000;
    tap_is_int(plan(), 1, "longer moves begin earlier");

    /* 8 shards of 15 = 120: 30 too much is 2 moves: 2 rounds of 1 each */

    world(3, 24);
    for (uint32_t i = 0; i < 24; i++) {
        shard(i, i % 3 ? 3 : 8, 16, i % 3 ? 3 : 15, 0);
    }
    tap_is_int(plan(), 0, "16 steps ahead, two moves at once: waits");
    w.plan.limits.moves_per_node = 1;
    tap_is_int(plan(), 1, "one after the other: begins earlier");

    peak_ahead(0);
    tap_is_int(plan(), 1, "a breach that is there");
    tap_is_dbl(w.moves[0].breach_in_s, 0, 1e-9, "is 0 s ahead");
}


static void
test_targets(void)
{
    uint32_t  i;

    peak_ahead(5);
    w.nodes[1].state = SHARD_NODE_DRAINING;
    w.nodes[2].state = SHARD_NODE_DOWN;
    for (i = 0; i < 12; i++) {
        w.shards[i].from = w.shards[i].to = 0;
    }
    tap_is_int(plan(), 0, "never to a draining or a dead node");
    tap_ok(w.nodes[0].stuck, "and the node says that nothing helps");

    peak_ahead(5);
    for (i = 0; i < 12; i++) {
        w.shards[i].fixed = i % 3 == 0;
    }
    tap_is_int(plan(), 0, "fixed shards stay");

    world(2, 2);
    w.shards[1].from = w.shards[1].to = 0;
    shard(0, 91, 0, 91, 0);
    shard(1, 1, 0, 1, 0);
    tap_is_int(plan(), 0, "a shard above any threshold is not sent around");
}


static void
test_chains(void)
{
    double              memory[128];
    uint32_t            i;
    predictor_budget_t  budget;

    peak_ahead(5);
    for (i = 1; i < 12; i += 3) {
        shard(i, 17, 0, 17, 0);
        shard(i + 1, 17, 0, 17, 0);
    }
    tap_is_int(plan(), 2, "no move over the target's own threshold: a chain");
    tap_ok(w.moves[0].with == w.moves[1].shard
           && w.moves[1].with == w.moves[0].shard
           && w.moves[0].from == 0 && w.moves[0].to == w.moves[1].from,
           "which each of both says");
    tap_is_dbl(w.moves[1].from_after, 0.75, 1e-6, "of a larger shard");
    tap_is_dbl(w.moves[1].to_after, 0.85, 1e-6, "and a smaller one on");

    memset(&budget, 0, sizeof(predictor_budget_t));
    predictor_budget_place(&budget, memory, 3, 1, 8);
    budget.window_s = 3600;
    budget.limit[PREDICTOR_BUDGET_FLEET].moves = 1;
    w.plan.budget = &budget;
    for (i = 0; i < 12; i++) {
        w.shards[i].to = w.shards[i].from;
    }
    tap_is_int(plan(), 0, "neither of both, where the budget has room for one");
    budget.limit[PREDICTOR_BUDGET_FLEET].moves = 2;
    tap_is_int(plan(), 2, "both, where it has room for two");

    peak_ahead(5);
    w.plan.limits.moves_per_node = 1;
    for (i = 0; i < 12; i++) {
        shard(i, i % 3 ? 17 : 20, 5, i % 3 ? 17 : 24, 0);
    }
    tap_is_int(plan(), 0, "nothing, when a node has one slot");

    for (i = 0; i < 12; i += 3) {
        shard(i, 20, 5, 27, 0);
    }
    tap_is_int(plan(), 1, "up to its capacity when the source exceeds its "
               "own");
    tap_is_dbl(w.moves[0].to_after, 0.95, 1e-6, "the target is full then");
}


static void
test_in_flight(void)
{
    peak_ahead(5);
    w.shards[3].to = 1;
    tap_is_int(plan(), 0, "a move in flight has solved it");
    tap_is_int(w.nodes[0].moves + w.nodes[1].moves, 2, "both ends are busy");

    peak_ahead(5);
    w.plan.limits.moves = 1;
    w.shards[1].to = 2;
    tap_is_int(plan(), 0, "the budget in all is used up");
    w.shards[1].idle = 1;
    tap_is_int(plan(), 1, "advice uses none");

    peak_ahead(5);
    w.shards[1].to = w.shards[4].to = 2;
    tap_is_int(plan(), 0, "both targets are busy");
}


static void
test_drain(void)
{
    uint32_t  i;

    world(3, 6);
    for (i = 0; i < 6; i++) {
        w.shards[i].from = w.shards[i].to = 1;
        shard(i, 10, 0, 10, 1);
    }
    w.nodes[1].state = SHARD_NODE_DRAINING;
    tap_is_int(plan(), 2, "a draining node is emptied, two at a time");
    tap_ok(w.moves[0].drain && w.moves[0].from == 1, "and says why");
    tap_ok(w.moves[0].breach_in_s < 0, "without a breach");
    tap_ok(w.moves[0].to != w.moves[1].to, "evenly");
}


/* what policy, durations and budget say is heeded */

static void
test_policy(void)
{
    uint32_t  i;
    float     place[12 * 3];

    peak_ahead(9);
    for (i = 0; i < 12; i++) {
        w.shards[i].nstandbys = 1;
        w.shards[i].standbys[0] = i % 3 == 0 ? 2 : 0;
    }
    tap_is_int(plan(), 1, "standbys on the third node");
    tap_ok(w.moves[0].to == 2 && w.moves[0].promote, "one is promoted");
    tap_is_dbl(w.moves[0].price_s, 15, 1e-9, "at a quarter of the price");

    peak_ahead(9);
    for (i = 0; i < 12; i += 3) {
        w.shards[i].needs = 2;
    }
    tap_is_int(plan(), 0, "no other node has the label");
    w.nodes[2].labels = 3;
    tap_is_int(plan(), 1, "one has");
    tap_is_int(w.moves[0].to, 2, "and takes it");

    peak_ahead(9);
    w.nodes[1].zone = 1;
    for (i = 0; i < 12; i += 3) {
        w.shards[i].barred = 2;
    }
    tap_ok(plan() == 1 && w.moves[0].to == 2, "a barred zone is no target");

    peak_ahead(9);
    for (i = 0; i < 12; i++) {
        w.shards[i].move_hi_s = 3600;
    }
    tap_is_int(plan(), 1, "12 steps of moving: too late, but less is lost");
    peak_ahead(14);
    tap_is_int(plan(), 0, "14 steps ahead waits for short moves");
    tap_ok(w.nodes[0].waits && w.nodes[0].wait_gain > 0, "and says for what");
    for (i = 0; i < 12; i++) {
        w.shards[i].move_hi_s = 3600;
    }
    tap_is_int(plan(), 1, "not for long ones");

    peak_ahead(9);
    w.plan.limits.price_s = 1e6;
    tap_is_int(plan(), 0, "a price that no move is worth");
    w.plan.limits.price_s = 60;
    for (i = 0; i < 12; i++) {
        w.shards[i].move_cost = 1e6;
    }
    tap_is_int(plan(), 0, "or a cost of each");

    /* nothing is too hot, but the zones are wrong */

    peak_ahead(24);
    w.plan.nzones = 3;
    w.plan.place = place;
    for (i = 0; i < 3; i++) {
        w.nodes[i].zone = i;
    }
    for (i = 0; i < 36; i++) {
        place[i] = 0;
    }
    place[3 * 3] = 1;
    tap_is_int(plan(), 1, "a shard is served from far away");
    tap_is_int(w.moves[0].shard, 3, "it moves");
    place[3 * 3] = 0.001f;
    w.shards[3].to = 0;
    tap_is_int(plan(), 0, "not for next to nothing");

    peak_ahead(9);
    w.plan.limits.work = 1;
    tap_is_int(plan(), 0, "no work allowed: no move, and no crash");
}


/* a standby has the bytes already */

static void
test_bytes(void)
{
    double              memory[128];
    uint32_t            i;
    predictor_budget_t  budget;

    peak_ahead(9);
    memset(&budget, 0, sizeof(predictor_budget_t));
    predictor_budget_place(&budget, memory, 3, 1, 8);
    budget.window_s = 3600;
    budget.limit[PREDICTOR_BUDGET_FLEET].bytes = 5e9;
    predictor_budget_add(&budget, -60, 0, 1, 2, 4e9);
    w.plan.budget = &budget;

    for (i = 0; i < 12; i++) {
        w.shards[i].bytes = 2e9f;
    }

    tap_is_int(plan(), 0, "2 GB are more than the budget has left");

    for (i = 0; i < 12; i++) {
        w.shards[i].nstandbys = 1;
        w.shards[i].standbys[0] = i % 3 == 0 ? 2 : 0;
    }

    tap_is_int(plan(), 1, "a promotion copies none of them");
    tap_ok(w.moves[0].promote, "and is one");
    tap_is_int(budget.fleet.moves, 2, "which counts as a move");
    tap_is_dbl(budget.fleet.bytes, 4e9, 1, "not as bytes");
}


int
main(void)
{
    test_formula();
    test_base();
    test_timing();
    test_targets();
    test_chains();
    test_in_flight();
    test_drain();
    test_policy();
    test_bytes();

    return tap_done();
}
