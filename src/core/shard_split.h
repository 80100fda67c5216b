
/*
 * An operator's split in a route: keys over two to four nodes by their
 * points, which the operator's shares bound.
 *
 *     points  0 ──── bound[1] ──── bound[2] ──── bound[3] ──── all
 *     node      [1]           [2]           [3]           [0]
 *
 * The first two are the route's primary and target; a split moves no data,
 * so that the migration's place holds the others.  A node that is added or
 * taken away at the end moves no key between those that stay.
 */


#ifndef _SHARD_SPLIT_H_INCLUDED_
#define _SHARD_SPLIT_H_INCLUDED_


#include "shard_table.h"


#define SHARD_SPLIT_MAX  4


/* n nodes, 2 or more, with basis points that add up to all; the route's
 * primary is the table's until then */

void shard_route_split(shard_route_t *route, const uint16_t *node,
    const uint16_t *bp, unsigned n);

/* number of nodes, and which of node[] a key belongs to */

unsigned shard_split_owner(const shard_route_t *route, uint64_t sticky,
    uint16_t *node, unsigned *owner);


#endif /* _SHARD_SPLIT_H_INCLUDED_ */
