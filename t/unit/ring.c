
/*
 * The ring: known places, then random fleets with a printed seed: the bound,
 * and that a node that joins or leaves moves no more than its share.
 */

#include "../lib/tap.h"
#include "shard_ring.h"


#define NODES   64
#define SHARDS  4096
#define ROUNDS  120
#define EPS     0.1


static shard_ring_t        r;
static shard_ring_node_t   nodes[NODES];
static shard_ring_shard_t  shards[SHARDS];
static shard_ring_point_t  points[NODES * SHARD_RING_POINTS];
static uint32_t            order[SHARDS];
static uint32_t            before[SHARDS];
static shard_ring_moved_t  moved;


static double
uniform(uint64_t *seed)
{
    return (double) (tap_random(seed) >> 11) / 9007199254740992.0;
}


static void
fleet(uint64_t seed, uint32_t nnodes, uint32_t nshards)
{
    char      name[32];
    uint32_t  i;

    memset(&r, 0, sizeof(r));
    r.seed = seed;
    r.eps = EPS;
    r.nnodes = nnodes;
    r.nshards = nshards;
    r.nodes = nodes;
    r.shards = shards;
    r.points = points;
    r.order = order;

    for (i = 0; i < nnodes; i++) {
        sprintf(name, "n%u", i);
        nodes[i].hash = shard_ring_hash(seed, name, strlen(name));
        nodes[i].weight = 1;
    }

    for (i = 0; i < nshards; i++) {
        shards[i].hash = shard_ring_hash(seed, &i, sizeof(i));
        shards[i].load = 1;
        shards[i].node = SHARD_RING_NONE;
    }
}


/* weights of 1 to 10, loads as tenants have them */

static void
uneven(uint64_t *seed)
{
    uint32_t  i;

    for (i = 0; i < r.nnodes; i++) {
        nodes[i].weight = 1 + 9 * uniform(seed);
    }

    for (i = 0; i < r.nshards; i++) {
        shards[i].load = exp(2 * uniform(seed) + uniform(seed));
    }
}


static void
place(void)
{
    shard_ring_build(&r);
    (void) shard_ring_place(&r, &moved);
}


/* the highest load over share, by the shards themselves */

static double
highest(void)
{
    double    most, load[NODES];
    uint32_t  i;

    memset(load, 0, sizeof(load));

    for (i = 0; i < r.nshards; i++) {
        load[shards[i].node] += shards[i].load;
    }

    for (i = 0, most = 0; i < r.nnodes; i++) {

        if (nodes[i].weight == 0) {
            most = load[i] > 0 ? INFINITY : most;

        } else if (load[i] / nodes[i].share > most) {
            most = load[i] / nodes[i].share;
        }
    }

    return most;
}


static double
largest(void)
{
    double    most;
    uint32_t  i;

    for (i = 0, most = 0; i < r.nshards; i++) {
        most = fmax(most, shards[i].load);
    }

    return most;
}


static void
test_known(void)
{
    uint32_t  i, at[16];

    fleet(7, 3, 16);
    place();
    tap_is_int(moved.shards, 16, "all are placed");
    tap_ok(highest() <= r.most, "16 on 3: %.3f of a share, at most %.3f",
           highest(), r.most);
    tap_ok(highest() * 16 / 3 < 6.001, "6 at most");

    for (i = 0; i < 16; i++) {
        at[i] = shards[i].node;
    }

    fleet(7, 3, 16);
    place();

    for (i = 0; i < 16 && at[i] == shards[i].node; i++) { /* void */ }

    tap_is_int(i, 16, "again: the same places");

    /* as many points as weights say */

    fleet(7, 2, 3000);
    nodes[1].weight = 3;
    place();
    tap_ok(nodes[1].load >= 0.9 * 2250 && nodes[1].load <= 1.1 * 2250,
           "three times the weight: %.0f of 3000", nodes[1].load);

    fleet(7, 2, 3);
    nodes[0].weight = 0;
    nodes[1].weight = NAN;
    shard_ring_build(&r);
    tap_is_int(shard_ring_place(&r, &moved), SHARD_ERROR, "no weight at all");

    fleet(7, 4, 0);
    place();
    tap_is_int(moved.shards, 0, "no shards");

    fleet(7, 4, 8);
    shards[0].load = -1;
    shards[1].load = NAN;
    shards[2].load = 100;
    place();
    tap_ok(highest() <= r.most, "odd loads, and one too large for any: %.2f "
           "of a share, at most %.2f", highest(), r.most);
    tap_is_dbl(nodes[shards[2].node].load, 100, 1e-9, "which is alone");
}


/* how much moved over what had to; the loads of all before stay bounded */

static void
test_random(const char *what, uint64_t seed, uint32_t few, int loads,
    int joins)
{
    double    ratio, worst, high, room, short_of;
    uint32_t  i, k, n, node, odd;

    worst = 0;
    high = 0;
    room = 0;
    short_of = 0;
    odd = 0;

    for (k = 0; k < ROUNDS; k++) {
        n = 3 + (uint32_t) (tap_random(&seed) % (NODES - 4));
        fleet(tap_random(&seed), n, n * (few + tap_random(&seed) % 32));

        if (loads) {
            uneven(&seed);
        }

        node = (uint32_t) (tap_random(&seed) % n);
        ratio = nodes[node].weight;
        nodes[node].weight = joins ? 0 : ratio;
        place();
        high = fmax(high, highest() / r.most);

        for (i = 0; i < r.nshards; i++) {
            before[i] = shards[i].node;
        }

        nodes[node].weight = joins ? ratio : 0;
        shard_ring_build(&r);

        if (joins) {
            shard_ring_join(&r, node, &moved);

        } else {
            (void) shard_ring_place(&r, &moved);
        }

        high = fmax(high, highest() / r.most);
        room = fmax(room, r.most);
        worst = fmax(worst, moved.load / moved.least);

        for (i = 0; i < r.nshards; i++) {
            odd += before[i] != shards[i].node
                   && (joins ? shards[i].node : before[i]) != node;
        }

        if (joins) {
            short_of = fmax(short_of, (nodes[node].share - nodes[node].load)
                                      / largest());
        }
    }

    tap_ok(worst <= 1.1, "%s: moves %.4f of the least, at most", what, worst);
    tap_ok(high <= 1 + 1e-9, "no load above the bound (%.4f of it, which is "
           "up to %.2f shares)", high, room);
    tap_is_int(odd, 0, "all moves are to the one that joins or from the one "
               "that leaves");
    tap_ok(short_of <= 1, "who joins has its share, but for %.2f of the "
           "largest shard", short_of);
}


/* nodes leave and join, again and again: what was moved does not pile up */

static void
test_churn(uint64_t seed)
{
    double    worst, high;
    uint32_t  k, node;

    fleet(seed, 24, 24 * 40);
    uneven(&seed);
    place();
    worst = 0;
    high = 0;

    for (k = 0; k < ROUNDS; k++) {
        node = (uint32_t) (tap_random(&seed) % r.nnodes);
        nodes[node].weight = nodes[node].weight > 0 ? 0
                             : 1 + 9 * uniform(&seed);
        shard_ring_build(&r);

        if (r.npoints == 0) {
            nodes[node].weight = 1;
            shard_ring_build(&r);
        }

        if (nodes[node].weight > 0) {
            shard_ring_join(&r, node, &moved);

        } else {
            (void) shard_ring_place(&r, &moved);
        }

        if (moved.least > 0) {
            worst = fmax(worst, moved.load / moved.least);
        }

        high = fmax(high, highest() / r.most);
    }

    tap_ok(worst <= 1.1, "%d changes: %.4f of the least, at most", ROUNDS,
           worst);
    tap_ok(high <= 1 + 1e-9, "no load above the bound: %.4f of it", high);
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261126);

    test_known();
    test_random("equal ones, one joins", seed, 16, 0, 1);
    test_random("equal ones, one leaves", seed + 1, 16, 0, 0);
    test_random("uneven ones, one joins", seed + 2, 16, 1, 1);
    test_random("uneven ones, one leaves", seed + 3, 16, 1, 0);
    test_random("few ones, one joins", seed + 4, 3, 1, 1);
    test_random("few ones, one leaves", seed + 5, 3, 1, 0);
    test_churn(seed + 6);

    return tap_done();
}
