
/*
 * Places of a new table's shards by the ring: as much on each node as its
 * capacity is of all, the same for the same names.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_ring.h"
#include "init.h"


#define INIT_RING_EPS  0.1


static void
init_ring_fill(const shardctl_t *ctl, const init_nodes_t *nodes,
    shard_ring_t *ring)
{
    uint32_t             i;
    shard_ring_node_t   *node;
    shard_ring_shard_t  *shard;

    ring->eps = INIT_RING_EPS;
    ring->seed = shard_ring_hash(0, ctl->keyspace, strlen(ctl->keyspace));

    for (i = 0; i < ring->nnodes; i++) {
        node = &ring->nodes[i];
        node->weight = nodes->nodes[i].state == SHARD_NODE_UP
                       ? nodes->nodes[i].capacity : 0;
        node->hash = shard_ring_hash(ring->seed, nodes->nodes[i].name,
                                     strlen(nodes->nodes[i].name));
    }

    for (i = 0; i < ring->nshards; i++) {
        shard = &ring->shards[i];
        shard->hash = shard_ring_hash(ring->seed, &i, sizeof(i));
        shard->load = 1;
        shard->node = SHARD_RING_NONE;
    }
}


int
init_placement_ring(shardctl_t *ctl, const init_nodes_t *nodes,
    size_t nshards, uint32_t *owner)
{
    int                 rc;
    size_t              i;
    shard_ring_t        ring;
    shard_ring_moved_t  moved;

    memset(&ring, 0, sizeof(shard_ring_t));

    ring.nnodes = (uint32_t) nodes->n;
    ring.nshards = (uint32_t) nshards;
    ring.nodes = calloc(nodes->n, sizeof(shard_ring_node_t));
    ring.shards = calloc(nshards, sizeof(shard_ring_shard_t));
    ring.points = calloc(nodes->n * SHARD_RING_POINTS,
                         sizeof(shard_ring_point_t));
    ring.order = calloc(nshards, sizeof(uint32_t));

    if (ring.nodes && ring.shards && ring.points && ring.order) {
        init_ring_fill(ctl, nodes, &ring);
        shard_ring_build(&ring);
        rc = shard_ring_place(&ring, &moved) == SHARD_OK ? SHARDCTL_OK
             : shardctl_fail(ctl, "no node is \"up\": shards can be placed "
                             "on none of them");

    } else {
        rc = shardctl_fail(ctl, "out of memory");
    }

    for (i = 0; rc == SHARDCTL_OK && i < nshards; i++) {
        owner[i] = ring.shards[i].node;
    }

    free(ring.nodes);
    free(ring.shards);
    free(ring.points);
    free(ring.order);

    return rc;
}
