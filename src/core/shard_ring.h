
/*
 * Which node a shard belongs to: weighted consistent hashing with bounded
 * loads (Mirrokni, Thorup, Zadimoghaddam: "Consistent hashing with bounded
 * loads", 2018).
 *
 *   points of nodes      a b  c a   b c        as many as their weights say
 *   on the ring        ──┴─┴──┴─┴───┴─┴──▶
 *   a shard's hash           ▲──▶ a ──▶ b      the first that has room
 *
 * A node's share is that of the whole load which its weight is of all
 * weights; it has room for a shard while its load with it is at most 1 + eps
 * of its share.  One shard may be too large for that anywhere: then it goes
 * where it does least harm, and no node's load is above "most" times its
 * share, see shard_ring_build().
 *
 * Shards that lie somewhere stay there.  A node without weight is left by
 * all of its own and by nobody else's; one that joins is given what exceeds
 * the others' shares, until it has its own.  So both move a share and no
 * more than 1 + eps of it.
 *
 * The same names, weights, loads and seed give the same places.
 */


#ifndef _SHARD_RING_H_INCLUDED_
#define _SHARD_RING_H_INCLUDED_


#include "shard_types.h"


#define SHARD_RING_POINTS  64           /* of the node with most weight */
#define SHARD_RING_NONE    0xffffffff


typedef struct {
    uint64_t               at;
    uint32_t               node;
} shard_ring_point_t;

typedef struct {
    uint64_t               hash;        /* shard_ring_hash() of its name */
    double                 weight;      /* 0: has no shards */
    double                 share;       /* of the whole load: what it is for */
    double                 load;        /* of its shards */
} shard_ring_node_t;

typedef struct {
    uint64_t               hash;        /* shard_ring_hash() of its id */
    double                 load;
    uint32_t               node;        /* SHARD_RING_NONE: nowhere yet */
    uint64_t               rank;        /* scratch */
} shard_ring_shard_t;

typedef struct {
    /* in */
    uint64_t               seed;
    double                 eps;         /* above 0 */
    uint32_t               nnodes;
    uint32_t               nshards;
    shard_ring_node_t     *nodes;
    shard_ring_shard_t    *shards;

    /* the caller's memory: nnodes x SHARD_RING_POINTS, nshards */
    shard_ring_point_t    *points;
    uint32_t              *order;

    /* out */
    uint32_t               npoints;
    double                 most;        /* of its share, on any node */
} shard_ring_t;

typedef struct {
    uint32_t               shards;
    double                 load;
    double                 least;       /* load that had to move */
} shard_ring_moved_t;


uint64_t shard_ring_hash(uint64_t seed, const void *name, size_t len);

/*
 * Points, shares, and loads of nodes as the shards lie.  What is not a
 * positive number is no load and no weight.  "most" is 1 + eps, or 1 and
 * the largest shard over the smallest share where that is more.
 */

void shard_ring_build(shard_ring_t *ring);

/* after a build: places all shards that lie nowhere or on a node without
 * weight, the heaviest first; SHARD_ERROR when no node has a weight */

int shard_ring_place(shard_ring_t *ring, shard_ring_moved_t *moved);

/* after a build: what a node that has joined is given; the points of others
 * are gone then */

void shard_ring_join(shard_ring_t *ring, uint32_t node,
    shard_ring_moved_t *moved);


#endif /* _SHARD_RING_H_INCLUDED_ */
