
/* The planner on random fleets, with a printed seed. */

#include "../lib/plan_case.h"


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


/* moves of one plan, two of a pair as well, stay within the churn budget */

static void
test_budget(uint64_t seed)
{
    double               memory[512];
    uint32_t             i, r, n, total, pairs, fleet, over, node[NODES];
    predictor_budget_t   budget;

    total = pairs = over = 0;

    for (r = 0; r < 400; r++) {
        random_fleet(&seed);
        w.plan.limits.moves_per_node = 4;

        for (i = 0; i < SHARDS; i++) {
            w.shards[i].to = w.shards[i].from;
        }

        memset(&budget, 0, sizeof(predictor_budget_t));
        predictor_budget_place(&budget, memory, NODES, 1, 64);
        budget.window_s = 3600;
        fleet = 1 + (uint32_t) (tap_random(&seed) % 4);
        budget.limit[PREDICTOR_BUDGET_FLEET].moves = fleet;
        budget.limit[PREDICTOR_BUDGET_NODE].moves = 1 + r % 2;
        w.plan.budget = &budget;
        n = plan();
        total += n;
        over += n > fleet;
        memset(node, 0, sizeof(node));

        for (i = 0; i < n; i++) {
            node[w.moves[i].from]++;
            node[w.moves[i].to]++;
            pairs += w.moves[i].with != SHARD_ID_NONE;
        }

        for (i = 0; i < NODES; i++) {
            over += node[i] > 1 + r % 2;
        }
    }

    tap_ok(total > 200, "%u moves within budgets, %u of pairs", total, pairs);
    tap_is_int(over, 0, "never beyond that of the fleet or of a node");
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261121);

    test_random(seed, 300);
    test_sums(seed + 1);
    test_flapping(seed + 2);
    test_balance(seed + 3);
    test_budget(seed + 4);

    return tap_done();
}
