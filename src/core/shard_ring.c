
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "shard_ring.h"


/* of numbers in "order": 1 when a comes before b */

typedef int (*shard_ring_before_pt)(const void *data, uint32_t a, uint32_t b);


static void shard_ring_sort(uint32_t *order, uint32_t n,
    shard_ring_before_pt before, const void *data);
static void shard_ring_sort_points(shard_ring_point_t *p, uint32_t n);


static inline int
shard_ring_ahead(const shard_ring_point_t *a, const shard_ring_point_t *b)
{
    return a->at != b->at ? a->at < b->at : a->node < b->node;
}


uint64_t
shard_ring_hash(uint64_t seed, const void *name, size_t len)
{
    return XXH3_64bits_withSeed(name, len, seed);
}


/* NaN is none, too */

static double
shard_ring_number(double v)
{
    return v > 0 && v < 1e300 ? v : 0;
}


static void
shard_ring_points(shard_ring_t *ring, double heaviest)
{
    uint32_t  i, k, n;
    uint64_t  word[2];

    ring->npoints = 0;

    for (i = 0; i < ring->nnodes; i++) {

        if (ring->nodes[i].weight == 0) {
            continue;
        }

        n = (uint32_t) (SHARD_RING_POINTS * (ring->nodes[i].weight / heaviest)
                        + 0.5);
        n = n ? n : 1;
        word[0] = ring->nodes[i].hash;

        for (k = 0; k < n; k++) {
            word[1] = k;
            ring->points[ring->npoints].at = shard_ring_hash(ring->seed, word,
                                                             sizeof(word));
            ring->points[ring->npoints++].node = i;
        }
    }

    shard_ring_sort_points(ring->points, ring->npoints);
}


void
shard_ring_build(shard_ring_t *ring)
{
    double              total, weights, heaviest, largest, least;
    uint32_t            i;
    shard_ring_node_t  *node;

    total = 0;
    weights = 0;
    heaviest = 0;
    largest = 0;
    least = 0;

    for (i = 0; i < ring->nnodes; i++) {
        node = &ring->nodes[i];
        node->weight = shard_ring_number(node->weight);
        node->load = 0;
        weights += node->weight;
        heaviest = node->weight > heaviest ? node->weight : heaviest;
    }

    for (i = 0; i < ring->nshards; i++) {
        ring->shards[i].load = shard_ring_number(ring->shards[i].load);
        total += ring->shards[i].load;

        if (ring->shards[i].load > largest) {
            largest = ring->shards[i].load;
        }

        if (ring->shards[i].node != SHARD_RING_NONE) {
            ring->nodes[ring->shards[i].node].load += ring->shards[i].load;
        }
    }

    for (i = 0; i < ring->nnodes; i++) {
        node = &ring->nodes[i];
        node->share = weights > 0 ? total * (node->weight / weights) : 0;

        if (node->share > 0 && (least == 0 || node->share < least)) {
            least = node->share;
        }
    }

    ring->most = 1 + ring->eps;

    if (least > 0 && 1 + largest / least > ring->most) {
        ring->most = 1 + largest / least;
    }

    shard_ring_points(ring, heaviest);
}


/* the first point at or behind a position; the ring is closed */

static uint32_t
shard_ring_next(const shard_ring_t *ring, uint64_t at)
{
    uint32_t  low, high, middle;

    low = 0;
    high = ring->npoints;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (ring->points[middle].at < at) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low == ring->npoints ? 0 : low;
}


/* sums are not exact: what a node bore and lost must fit again */

static int
shard_ring_fits(const shard_ring_node_t *node, double load, double most)
{
    return node->load + load <= node->share * most * (1 + 1e-12);
}


static uint32_t
shard_ring_walk(const shard_ring_t *ring, const shard_ring_shard_t *s,
    double most)
{
    uint32_t  i, at, node;

    at = shard_ring_next(ring, s->hash);

    for (i = 0; i < ring->npoints; i++) {
        node = ring->points[(at + i) % ring->npoints].node;

        if (shard_ring_fits(&ring->nodes[node], s->load, most)) {
            return node;
        }
    }

    return SHARD_RING_NONE;
}


/*
 * Where a shard goes.  Half of eps is left to what comes later: when one
 * joins and all shares become smaller, few are then above their bound.  What
 * fits nowhere goes where it does least harm.
 */

static uint32_t
shard_ring_find(const shard_ring_t *ring, const shard_ring_shard_t *s)
{
    double                    harm, best;
    uint32_t                  i, node;
    const shard_ring_node_t  *n;

    node = shard_ring_walk(ring, s, 1 + ring->eps / 2);

    if (node == SHARD_RING_NONE) {
        node = shard_ring_walk(ring, s, 1 + ring->eps);
    }

    if (node != SHARD_RING_NONE) {
        return node;
    }

    best = 0;

    for (i = 0; i < ring->nnodes; i++) {
        n = &ring->nodes[i];

        if (n->weight == 0) {
            continue;
        }

        harm = (n->load + s->load) / n->share;

        if (node == SHARD_RING_NONE || harm < best) {
            node = i;
            best = harm;
        }
    }

    return node;
}


static void
shard_ring_move(shard_ring_t *ring, uint32_t shard, uint32_t to,
    shard_ring_moved_t *moved)
{
    shard_ring_shard_t  *s;

    s = &ring->shards[shard];

    if (s->node != SHARD_RING_NONE) {
        ring->nodes[s->node].load -= s->load;
    }

    s->node = to;
    ring->nodes[to].load += s->load;

    moved->shards++;
    moved->load += s->load;
}


/* the heaviest first: small ones find room between them */

static int
shard_ring_heavier(const void *data, uint32_t a, uint32_t b)
{
    const shard_ring_shard_t *s = data;

    if (s[a].load != s[b].load) {
        return s[a].load > s[b].load;
    }

    return s[a].hash != s[b].hash ? s[a].hash < s[b].hash : a < b;
}


int
shard_ring_place(shard_ring_t *ring, shard_ring_moved_t *moved)
{
    uint32_t  i, n, node;

    memset(moved, 0, sizeof(shard_ring_moved_t));

    if (ring->npoints == 0) {
        return SHARD_ERROR;
    }

    for (i = 0, n = 0; i < ring->nshards; i++) {
        node = ring->shards[i].node;

        if (node == SHARD_RING_NONE || ring->nodes[node].weight == 0) {
            ring->order[n++] = i;
            moved->least += ring->shards[i].load;
        }
    }

    shard_ring_sort(ring->order, n, shard_ring_heavier, ring->shards);

    for (i = 0; i < n; i++) {
        shard_ring_move(ring, ring->order[i],
                        shard_ring_find(ring, &ring->shards[ring->order[i]]),
                        moved);
    }

    return SHARD_OK;
}


static int
shard_ring_nearer(const void *data, uint32_t a, uint32_t b)
{
    const shard_ring_shard_t *s = data;

    return s[a].rank != s[b].rank ? s[a].rank < s[b].rank : a < b;
}


/* by how far the node's next point is from the shard; others' are dropped */

static void
shard_ring_rank(shard_ring_t *ring, uint32_t node)
{
    uint32_t             i, n;
    shard_ring_shard_t  *s;

    for (i = 0, n = 0; i < ring->npoints; i++) {

        if (ring->points[i].node == node) {
            ring->points[n++] = ring->points[i];
        }
    }

    ring->npoints = n;

    for (i = 0; i < ring->nshards; i++) {
        ring->order[i] = i;
        s = &ring->shards[i];
        s->rank = ring->points[shard_ring_next(ring, s->hash)].at - s->hash;
    }

    shard_ring_sort(ring->order, ring->nshards, shard_ring_nearer,
                    ring->shards);
}


/*
 * One round over all shards, the nearest first: those of nodes above "most"
 * of their share move while the new one stays within "room" of its own.
 * "exact": none that is larger than what is too much.
 */

static void
shard_ring_give(shard_ring_t *ring, uint32_t node, double most, double room,
    int exact, shard_ring_moved_t *moved)
{
    double               over;
    uint32_t             i;
    shard_ring_shard_t  *s;

    for (i = 0; i < ring->nshards; i++) {
        s = &ring->shards[ring->order[i]];

        if (s->node == node || s->node == SHARD_RING_NONE || s->load == 0) {
            continue;
        }

        over = ring->nodes[s->node].load - most * ring->nodes[s->node].share;

        if (over <= s->load * 1e-9 || (exact && s->load > over)
            || !shard_ring_fits(&ring->nodes[node], s->load, room))
        {
            continue;
        }

        shard_ring_move(ring, ring->order[i], node, moved);
    }
}


void
shard_ring_join(shard_ring_t *ring, uint32_t node, shard_ring_moved_t *moved)
{
    double                    over;
    uint32_t                  i;
    const shard_ring_node_t  *n;

    memset(moved, 0, sizeof(shard_ring_moved_t));

    if (ring->nodes[node].weight == 0) {
        return;
    }

    over = 0;

    for (i = 0; i < ring->nnodes; i++) {
        n = &ring->nodes[i];

        if (i != node && n->load > ring->most * n->share) {
            over += n->load - ring->most * n->share;
        }
    }

    moved->least = ring->nodes[node].share - ring->nodes[node].load;
    moved->least = moved->least > over ? moved->least : over;

    if (moved->least <= 0) {
        moved->least = 0;
        return;
    }

    shard_ring_rank(ring, node);

    /* who is above the bound comes first, then who is above its share */

    shard_ring_give(ring, node, 1 + ring->eps, 1 + ring->eps, 1, moved);
    shard_ring_give(ring, node, ring->most, 1 + ring->eps, 0, moved);
    shard_ring_give(ring, node, 1, 1, 1, moved);
    shard_ring_give(ring, node, 1, 1, 0, moved);
}


/* Shell's sort: in place, fast enough for a million, whatever their order */

static uint32_t
shard_ring_gap(uint32_t gap)
{
    return gap == 2 ? 1 : (uint32_t) ((uint64_t) gap * 5 / 11);
}


static void
shard_ring_sort(uint32_t *order, uint32_t n, shard_ring_before_pt before,
    const void *data)
{
    uint32_t  i, k, gap, number;

    for (gap = shard_ring_gap(n); gap > 0; gap = shard_ring_gap(gap)) {

        for (i = gap; i < n; i++) {
            number = order[i];

            for (k = i; k >= gap && before(data, number, order[k - gap]);
                 k -= gap)
            {
                order[k] = order[k - gap];
            }

            order[k] = number;
        }
    }
}


static void
shard_ring_sort_points(shard_ring_point_t *p, uint32_t n)
{
    uint32_t            i, k, gap;
    shard_ring_point_t  point;

    for (gap = shard_ring_gap(n); gap > 0; gap = shard_ring_gap(gap)) {

        for (i = gap; i < n; i++) {
            point = p[i];

            for (k = i; k >= gap && shard_ring_ahead(&point, &p[k - gap]);
                 k -= gap)
            {
                p[k] = p[k - gap];
            }

            p[k] = point;
        }
    }
}
