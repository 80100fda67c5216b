
/*
 * The planner: known situations, then random fleets with a printed seed.
 */

#include "../lib/tap.h"
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


static uint32_t
plan(void)
{
    return predictor_plan(&w.plan, w.moves, 16);
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
test_rules(void)
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

    world(2, 2);
    w.shards[1].from = w.shards[1].to = 0;
    shard(0, 91, 0, 91, 0);
    shard(1, 1, 0, 1, 0);
    tap_is_int(plan(), 0, "a shard above any threshold is not sent around");
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


static double
draw(uint64_t *seed, double low, double high)
{
    return low + (high - low) * (double) (tap_random(seed) >> 11)
                 / 9007199254740992.0;
}


static void
random_fleet(uint64_t *seed)
{
    uint32_t  i, h;
    double    base, rise, noise;

    world(NODES, SHARDS);
    w.plan.limits.threshold = draw(seed, 0.6, 1);

    for (i = 0; i < NODES; i++) {
        w.nodes[i].state = tap_random(seed) % 6 ? SHARD_NODE_UP
                           : SHARD_NODE_DRAINING + tap_random(seed) % 2;
        w.nodes[i].capacity = draw(seed, 80, 160);
    }

    for (i = 0; i < SHARDS; i++) {
        w.shards[i].from = (uint32_t) (tap_random(seed) % NODES);
        w.shards[i].to = tap_random(seed) % 30 ? w.shards[i].from
                         : (uint32_t) (tap_random(seed) % NODES);
        w.shards[i].fixed = tap_random(seed) % 20 == 0;

        base = draw(seed, 1, 10);
        rise = draw(seed, -0.02, 0.03);
        noise = draw(seed, 0, 0.4);
        w.now[i] = (float) base;

        for (h = 0; h < STEPS; h++) {
            w.mean[i * STEPS + h] = (float) (base * (1 + rise * h));
            w.quantile[i * STEPS + h] =
                             (float) (base * (1 + rise * h) * (1 + noise));
        }
    }
}


static double
fleet_cost(void)
{
    double    cost;
    uint32_t  i;

    cost = 0;

    for (i = 0; i < w.plan.nnodes; i++) {
        cost += w.nodes[i].cost;
    }

    return cost;
}


static void
test_random(uint64_t seed, int rounds)
{
    int                     r, bad_node, fixed, budget, cheap, twice, wrong;
    double                  before_s, gain;
    uint32_t                i, n, again, busy[NODES], total, pairs;
    world_t                 before;
    predictor_plan_move_t  *m, first[16];

    bad_node = fixed = budget = cheap = twice = wrong = 0;
    total = pairs = 0;

    for (r = 0; r < rounds; r++) {
        random_fleet(&seed);
        before = w;
        predictor_plan_view(&w.plan);
        before_s = fleet_cost();
        n = plan();
        total += n;
        memcpy(first, w.moves, sizeof(first));

        memcpy(w.shards, before.shards, sizeof(w.shards));
        again = plan();
        twice += again != n || memcmp(first, w.moves, n * sizeof(*first)) != 0;

        memset(busy, 0, sizeof(busy));
        gain = 0;

        for (i = 0; i < SHARDS; i++) {

            if (w.shards[i].to != w.shards[i].from) {
                busy[w.shards[i].to]++;
                busy[w.shards[i].from]++;
            }
        }

        for (i = 0; i < n; i++) {
            m = &w.moves[i];
            bad_node += w.nodes[m->to].state != SHARD_NODE_UP;
            bad_node += w.nodes[m->from].state == SHARD_NODE_DOWN;
            fixed += before.shards[m->shard].fixed
                     || before.shards[m->shard].to
                        != before.shards[m->shard].from;
            budget += busy[m->to] > 2 || busy[m->from] > 2;
            cheap += !m->drain && m->gain_s <= m->price_s;
            gain += m->with == SHARD_ID_NONE ? m->gain_s : m->gain_s / 2;
            pairs += m->with != SHARD_ID_NONE;
        }

        /* drains cost what they cost */

        wrong += (n == 0 || !w.moves[n - 1].drain)
                 && fabs(before_s - fleet_cost() - gain) > 1e-6 * before_s;
    }

    tap_ok(total > (uint32_t) rounds / 4, "random fleets: %u moves in %d, %u "
           "of pairs", total, rounds, pairs);
    tap_is_int(bad_node, 0, "never to a draining node, never from a dead one");
    tap_is_int(fixed, 0, "never a fixed shard or one that moves");
    tap_is_int(budget, 0, "never beyond a node's budget");
    tap_is_int(cheap, 0, "never for less than the price");
    tap_is_int(wrong, 0, "the fleet's cost falls by what moves were said to "
               "gain");
    tap_is_int(twice, 0, "the same input gives the same moves");
}


/* sums that were kept against those of the fleet as it is then, anew */

static void
test_sums(uint64_t seed)
{
    double    peak[NODES], cost[NODES];
    uint32_t  i, r, wrong;

    wrong = 0;

    for (r = 0; r < 50; r++) {
        random_fleet(&seed);
        plan();

        for (i = 0; i < NODES; i++) {
            peak[i] = w.nodes[i].peak;
            cost[i] = w.nodes[i].cost;
        }

        predictor_plan_view(&w.plan);

        for (i = 0; i < NODES; i++) {
            wrong += fabs(w.nodes[i].peak - peak[i]) > 1e-6 * (1 + peak[i])
                     || fabs(w.nodes[i].cost - cost[i]) > 1e-6 * (1 + cost[i]);
        }
    }

    tap_is_int(wrong, 0, "sums that moves changed are those of a new look");
}


/*
 * A stationary fleet under noise, half an hour between arrivals: once the
 * hot nodes are cool, shards must not wander.
 */

static void
test_flapping(uint64_t seed)
{
    uint32_t  i, h, t, n, early, late, rested[SHARDS];
    double    base[SHARDS];

    world(4, 48);
    early = late = 0;
    memset(rested, 0, sizeof(rested));

    for (i = 0; i < 48; i++) {
        base[i] = draw(&seed, 2, 8);
        w.shards[i].from = w.shards[i].to = i < 22 ? 0 : 1 + i % 3;
    }

    for (t = 0; t < 600; t++) {

        for (i = 0; i < 48; i++) {
            w.now[i] = (float) (base[i] * draw(&seed, 0.95, 1.05));
            w.shards[i].fixed = rested[i] > t;

            for (h = 0; h < STEPS; h++) {
                w.mean[i * STEPS + h] = (float) (base[i]
                                                 * draw(&seed, 0.97, 1.03));
                w.quantile[i * STEPS + h] = w.mean[i * STEPS + h] * 1.06f;
            }
        }

        n = plan();
        early += t < 48 ? n : 0;
        late += t < 48 ? 0 : n;

        for (i = 0; i < n; i++) {
            rested[w.moves[i].shard] = t + 24;
        }

        for (i = 0; t % 6 == 5 && i < 48; i++) {
            w.shards[i].from = w.shards[i].to;
        }
    }

    tap_ok(early > 0 && early <= 12, "a hot node is cooled in %u moves",
           early);
    tap_is_int(late, 0, "and then no shard moves in 46 hours");
}


/* all shards on two of eight nodes: where should they be? */

static void
test_balance(uint64_t seed)
{
    double    worst, bound, peak[NODES];
    uint32_t  i, r, wrong, above, at;

    wrong = above = 0;

    for (r = 0; r < 20; r++) {
        random_fleet(&seed);

        for (i = 0; i < SHARDS; i++) {
            w.shards[i].from = w.shards[i].to = i % 2;
            w.shards[i].fixed = 0;
        }

        for (i = 0; i < NODES; i++) {
            w.nodes[i].state = i < 7 ? SHARD_NODE_UP : SHARD_NODE_DRAINING;
        }

        (void) predictor_plan_balance(&w.plan, 0, SHARDS * 10);

        for (worst = 0, i = 0; i < NODES; i++) {
            at = 0;
            peak[i] = predictor_plan_peak(&w.plan, i, 1, &at);
            worst = fmax(worst, peak[i] / w.nodes[i].capacity);
            wrong += i == 7 && w.nodes[i].shards > 0;
        }

        bound = predictor_plan_bound(&w.plan);
        above += worst > 1.25 * bound;

        for (i = 0; i < SHARDS; i++) {
            w.shards[i].from = w.shards[i].to;
        }

        predictor_plan_view(&w.plan);

        for (i = 0; i < NODES; i++) {
            at = 0;
            wrong += fabs(predictor_plan_peak(&w.plan, i, 1, &at) - peak[i])
                     > 1e-6 * (1 + peak[i]);
        }
    }

    tap_is_int(above, 0, "balanced: near the bound, which is of means while "
               "nodes are taken at the quantile");
    tap_is_int(wrong, 0, "nothing on a draining node, and sums are right");
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261121);

    test_formula();
    test_base();
    test_timing();
    test_rules();
    test_policy();
    test_random(seed, 300);
    test_sums(seed + 1);
    test_flapping(seed + 2);
    test_balance(seed + 3);

    return tap_done();
}
