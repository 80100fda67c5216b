
/*
 * A route and a wish to begin with: primary 1, standbys 2 3 4, no target,
 * all nodes up.
 */


#ifndef _PICK_CASE_H_INCLUDED_
#define _PICK_CASE_H_INCLUDED_


#include "shard_key.h"
#include "shard_pick.h"
#include "shard_split.h"

#include "tap.h"


#define NODES      8
#define PRIMARY    1
#define TARGET     5
#define MIGRATION  0xabcdef0123456789ULL


static uint8_t  node_flags[NODES];


static void
route_init(shard_route_t *route)
{
    memset(route, 0, sizeof(shard_route_t));

    route->migration_lo = (uint32_t) MIGRATION;
    route->migration_hi = (uint32_t) (MIGRATION >> 32);
    route->primary = PRIMARY;
    route->standbys[0] = 2;
    route->standbys[1] = 3;
    route->standbys[2] = 4;
    route->target = SHARD_NODE_NONE;
}


static void
wish_init(shard_wish_t *wish, uint16_t *tried)
{
    memset(wish, 0, sizeof(shard_wish_t));
    memset(node_flags, 0, sizeof(node_flags));

    wish->node_flags = node_flags;
    wish->nnodes = NODES;
    wish->tried = tried;
}


#endif /* _PICK_CASE_H_INCLUDED_ */
