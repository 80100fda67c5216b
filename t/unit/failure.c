
/*
 * Dead nodes: who says so, who takes over, where replicas are rebuilt; and
 * random fleets with a printed seed.
 */


#include <math.h>
#include <time.h>

#include "../lib/tap.h"
#include "../../predictor/failure.h"


#define NODES   8
#define SHARDS  64


typedef struct {
    predictor_failure_t         f;
    predictor_failure_node_t    nodes[NODES];
    predictor_failure_shard_t   shards[SHARDS];
    predictor_failure_choice_t  choices[SHARDS];
} world_t;

static world_t  w;


static void
world(uint32_t nnodes, uint32_t nshards)
{
    uint32_t  i;

    memset(&w, 0, sizeof(world_t));

    w.f.limits.after_ms = 3000;
    w.f.limits.live_ms = 3000;
    w.f.limits.behind_s = -1;
    w.f.limits.copy_load = 0.25;
    w.f.nodes = w.nodes;
    w.f.shards = w.shards;
    w.f.nnodes = nnodes;
    w.f.nshards = nshards;

    for (i = 0; i < nnodes; i++) {
        w.nodes[i].capacity = 100;
        w.nodes[i].zone = i % 3;
    }

    for (i = 0; i < nshards; i++) {
        w.shards[i].primary = i % nnodes;
        w.shards[i].nstandbys = 2;
        w.shards[i].standbys[0] = (i + 1) % nnodes;
        w.shards[i].standbys[1] = (i + 2) % nnodes;
        w.shards[i].behind_s[0] = w.shards[i].behind_s[1] = -1;
        w.shards[i].load = 10;
        w.nodes[i % nnodes].load += 10;
    }
}


/* a router that lives, by its age, and what it says of node 1, in ms */

static void
router(uint64_t age_ms, uint64_t dead_ms)
{
    if (predictor_failure_lives(&w.f.limits, age_ms)) {
        w.f.live++;
        predictor_failure_vote(&w.f, 1, dead_ms);
    }
}


static void
test_votes(void)
{
    world(3, 3);
    tap_is_int(predictor_failure_count(&w.f), 0, "no router: nobody is dead");

    world(3, 3);
    router(100, 3000);
    tap_is_int(predictor_failure_count(&w.f), 1, "one of one: dead");
    tap_ok(w.nodes[1].dead && !w.nodes[0].dead, "... and that node only");

    world(3, 3);
    router(100, 2999);
    tap_is_int(predictor_failure_count(&w.f), 0, "not for long enough");

    world(3, 3);
    router(100, 9000);
    router(100, 0);
    tap_is_int(predictor_failure_count(&w.f), 0, "one of two: no majority");

    world(3, 3);
    router(100, 9000);
    router(100, 9000);
    router(100, 0);
    tap_is_int(predictor_failure_count(&w.f), 1, "two of three");

    /* it comes and goes: each router saw it die a moment ago */

    world(3, 3);
    router(100, 400);
    router(100, 1200);
    router(100, 2900);
    tap_is_int(predictor_failure_count(&w.f), 0, "flapping is no death");

    world(3, 3);
    router(3000, 9000);
    router(5000, 9000);
    router(100, 0);
    tap_is_int(predictor_failure_count(&w.f), 0, "old entries have no vote");

    world(3, 3);
    router(3000, 0);
    router(5000, 0);
    router(100, 9000);
    tap_is_int(predictor_failure_count(&w.f), 1, "nor have they against it");

    world(3, 3);
    w.nodes[2].state = SHARD_NODE_DOWN;
    tap_is_int(predictor_failure_count(&w.f), 1, "\"down\" counts at once");

    predictor_failure_vote(&w.f, 99, 9000);
    tap_ok(1, "a node that is not there has no votes");
}


/* node 0 is dead */

static uint32_t
promote(uint32_t max)
{
    w.nodes[0].dead = 1;
    return predictor_failure_promote(&w.f, w.choices, max);
}


static void
test_choice(void)
{
    world(3, 3);
    tap_is_int(promote(9), 1, "its one shard is promoted");
    tap_is_int(w.choices[0].shard, 0, "that one");
    tap_ok(w.choices[0].from == 0 && w.choices[0].to == 1, "to its standby");
    tap_is_dbl(w.choices[0].to_after, 0.2, 1e-9, "which then bears both");

    world(3, 3);
    w.nodes[1].load = 50;
    promote(9);
    tap_is_int(w.choices[0].to, 2, "to the one that is used less");

    world(3, 3);
    w.nodes[1].load = 50;
    w.shards[0].behind_s[0] = 0.5;
    w.shards[0].behind_s[1] = 60;
    promote(9);
    tap_is_int(w.choices[0].to, 1, "but to one that has more of it");
    tap_is_dbl(w.choices[0].behind_s, 0.5, 1e-9, "and how much is said");

    world(3, 3);
    w.nodes[1].load = 50;
    w.shards[0].behind_s[0] = 0.5;
    w.shards[0].behind_s[1] = 1.4;
    promote(9);
    tap_is_int(w.choices[0].to, 2, "a second more or less is the same");

    world(3, 3);
    w.shards[0].behind_s[1] = 500;
    promote(9);
    tap_is_int(w.choices[0].to, 2, "known is better than unknown");

    world(3, 3);
    w.nodes[1].state = SHARD_NODE_DRAINING;
    promote(9);
    tap_is_int(w.choices[0].to, 2, "one that drains is none");

    world(3, 3);
    w.nodes[1].dead = w.nodes[2].closing = 1;
    promote(9);
    tap_is_int(w.shards[0].why, PREDICTOR_FAILURE_ALONE, "no standby left");

    world(3, 3);
    w.shards[0].failed = 1;
    promote(9);
    tap_is_int(w.choices[0].to, 2, "one that failed is not tried again");
    w.shards[0].failed = 3;
    tap_is_int(promote(9), 0, "nor two");
    tap_is_int(w.shards[0].why, PREDICTOR_FAILURE_BUSY, "it waits");

    world(3, 3);
    w.shards[0].fixed = 1;
    tap_is_int(promote(9), 0, "an override keeps it");
    tap_is_int(w.shards[0].why, PREDICTOR_FAILURE_FIXED, "and is the reason");

    world(3, 3);
    w.shards[0].busy = 1;
    tap_is_int(promote(9), 0, "in other hands");

    world(3, 3);
    w.shards[0].nstandbys = 0;
    tap_is_int(promote(9), 0, "no standby: nothing is guessed");
    w.shards[0].stateless = 1;
    tap_is_int(promote(9), 1, "stateless: any node will do");
}


static void
test_caught_up(void)
{
    world(3, 3);
    w.f.limits.behind_s = 5;
    w.shards[0].strong = 1;
    w.shards[0].behind_s[0] = 6;
    tap_is_int(promote(9), 0, "strong: nobody has enough of it");
    tap_is_int(w.shards[0].why, PREDICTOR_FAILURE_BEHIND, "and so it is said");

    w.shards[0].behind_s[0] = 5;
    tap_is_int(promote(9), 1, "one has");

    w.shards[0].behind_s[0] = 6;
    w.shards[0].strong = 0;
    tap_is_int(promote(9), 1, "eventual: any");
}


/* twelve shards of node 0, all with the same two standbys */

static void
test_spread(void)
{
    uint32_t  i, n;

    world(4, 12);

    for (i = 0; i < 12; i++) {
        w.shards[i].primary = 0;
        w.shards[i].standbys[0] = 1;
        w.shards[i].standbys[1] = 2;
        w.shards[i].load = 1 + i;
    }

    n = promote(5);
    tap_is_int(n, 5, "no more than may be at once");
    tap_is_int(w.choices[0].shard, 11, "the heaviest first");
    tap_is_int(w.shards[0].why, PREDICTOR_FAILURE_LATER, "others later");

    for (i = 0; i < 4; i++) {
        w.nodes[i].load = 0;
    }

    n = promote(12);
    tap_is_int(n, 12, "all of them");
    tap_ok(fabs(w.nodes[1].load - w.nodes[2].load) <= 1.01,
           "spread evenly: %g and %g", w.nodes[1].load, w.nodes[2].load);
}


static void
test_rebuild(void)
{
    uint32_t  n;

    /* shard 1 is on node 1 (zone 1), 2 (zone 2) and 3 (zone 0), which is gone;
     * shard 2 on 2, 3 and 4 */

    world(6, 6);
    w.nodes[3].dead = 1;
    n = predictor_failure_rebuild(&w.f, w.choices, 9);
    tap_is_int(n, 0, "a node that may come back is waited for");

    w.nodes[3].gone = 1;
    n = predictor_failure_rebuild(&w.f, w.choices, 1);
    tap_is_int(n, 1, "one at once");
    tap_is_int(w.choices[0].shard, 1, "of a shard that it had");
    tap_ok(w.choices[0].from == 3 && w.choices[0].to == 0,
           "in the zone that has none of it (%u)", w.choices[0].to);

    world(6, 6);
    w.nodes[3].dead = w.nodes[3].gone = 1;
    w.nodes[0].load = 98;
    n = predictor_failure_rebuild(&w.f, w.choices, 9);
    tap_ok(w.choices[0].to == 4 || w.choices[0].to == 5,
           "a full one is none: another zone has it twice");
    tap_ok(n == 2, "a node takes part in one at a time (%u)", n);

    world(3, 3);
    w.nodes[2].dead = w.nodes[2].gone = 1;
    tap_is_int(predictor_failure_rebuild(&w.f, w.choices, 9), 0,
               "no node without it: none");

    world(4, 4);
    w.shards[0].nstandbys = 1;
    w.shards[0].missing = 1;
    w.shards[0].lost = 3;
    w.nodes[3].dead = 1;
    n = predictor_failure_rebuild(&w.f, w.choices, 9);
    tap_ok(n == 1 && w.choices[0].shard == 0 && w.choices[0].to == 2,
           "what a promotion took is replaced");
}


static void
random_world(uint64_t *seed)
{
    uint32_t                    i, k;
    predictor_failure_shard_t  *s;

    world(2 + (uint32_t) (tap_random(seed) % (NODES - 1)),
          (uint32_t) (tap_random(seed) % SHARDS));

    for (i = 0; i < w.f.nnodes; i++) {
        w.nodes[i].dead = tap_random(seed) % 4 == 0;
        w.nodes[i].gone = w.nodes[i].dead && tap_random(seed) % 2;
        w.nodes[i].closing = tap_random(seed) % 8 == 0;
        w.nodes[i].state = (shard_node_state_e) (tap_random(seed) % 3);
    }

    for (i = 0; i < w.f.nshards; i++) {
        s = &w.shards[i];
        s->nstandbys = (uint32_t) (tap_random(seed) % 4);
        s->primary = (uint32_t) (tap_random(seed) % w.f.nnodes);
        s->load = (double) (tap_random(seed) % 40);
        s->fixed = tap_random(seed) % 8 == 0;
        s->busy = tap_random(seed) % 8 == 0;
        s->strong = tap_random(seed) % 2;

        for (k = 0; k < s->nstandbys; k++) {
            s->standbys[k] = tap_random(seed) % 9 == 0 ? SHARD_ID_NONE
                             : (uint32_t) (tap_random(seed) % w.f.nnodes);
            s->behind_s[k] = (double) (tap_random(seed) % 20) - 5;
        }
    }

    w.f.limits.behind_s = tap_random(seed) % 2 ? 5 : -1;
}


static int
is_standby(const predictor_failure_shard_t *s, uint32_t node)
{
    uint32_t  i;

    for (i = 0; i < s->nstandbys; i++) {
        if (s->standbys[i] == node) {
            return 1;
        }
    }

    return 0;
}


static void
test_random(uint64_t seed)
{
    int                         i, bad;
    uint32_t                    k, n, all;
    predictor_failure_node_t   *to;
    predictor_failure_shard_t  *s;

    bad = 0;
    all = 0;

    for (i = 0; i < 3000; i++) {
        random_world(&seed);
        n = predictor_failure_promote(&w.f, w.choices, SHARDS);
        all += n;

        for (k = 0; k < n; k++) {
            s = &w.shards[w.choices[k].shard];
            to = &w.nodes[w.choices[k].to];

            bad += !w.nodes[s->primary].dead || to->dead || to->closing
                   || to->state != SHARD_NODE_UP || s->fixed || s->busy
                   || w.choices[k].to == s->primary
                   || !is_standby(s, w.choices[k].to)
                   || s->why != PREDICTOR_FAILURE_PROMOTED;
        }

        for (k = 0; k < w.f.nshards; k++) {
            s = &w.shards[k];
            bad += w.nodes[s->primary].dead
                   == (s->why == PREDICTOR_FAILURE_NONE);
            bad += s->why == PREDICTOR_FAILURE_LATER;
        }

        n = predictor_failure_rebuild(&w.f, w.choices, SHARDS);

        for (k = 0; k < n; k++) {
            s = &w.shards[w.choices[k].shard];
            to = &w.nodes[w.choices[k].to];

            bad += w.nodes[s->primary].dead || to->dead
                   || to->state != SHARD_NODE_UP
                   || w.choices[k].to == s->primary
                   || is_standby(s, w.choices[k].to);
        }
    }

    tap_is_int(bad, 0, "3000 random fleets, %u promotions: all are allowed",
               all);
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed((uint64_t) time(NULL));

    test_votes();
    test_choice();
    test_caught_up();
    test_spread();
    test_rebuild();
    test_random(seed);

    return tap_done();
}
