
#include "shard_key.h"
#include "shard_split.h"


/* salt of a split: its shares move as few keys as they can when they change */

#define SHARD_SPLIT_SALT  0x53504c54


static unsigned shard_split_nodes(const shard_route_t *route, uint16_t *node,
    uint16_t *bound);


unsigned
shard_split_owner(const shard_route_t *route, uint64_t sticky, uint16_t *node,
    unsigned *owner)
{
    uint16_t  bound[SHARD_SPLIT_MAX];
    unsigned  i, n;
    uint32_t  point;

    n = shard_split_nodes(route, node, bound);
    point = shard_shift_point(sticky, SHARD_SPLIT_SALT);
    *owner = 0;

    /* bound[0] is all: the first node has what the others leave */

    for (i = n - 1; i > 0; i--) {
        if (point < bound[i]) {
            *owner = i;
        }
    }

    return n;
}


/* nodes of a split and where their points end; the first has the rest */

static unsigned
shard_split_nodes(const shard_route_t *route, uint16_t *node, uint16_t *bound)
{
    unsigned  n;

    node[0] = route->primary;
    bound[0] = SHARD_BP_ALL;
    node[1] = route->target;
    bound[1] = route->shift_bp;
    node[2] = (uint16_t) route->migration_lo;
    bound[2] = (uint16_t) (route->migration_lo >> 16);
    node[3] = (uint16_t) route->migration_hi;
    bound[3] = (uint16_t) (route->migration_hi >> 16);

    for (n = 2; n < SHARD_SPLIT_MAX && node[n] != SHARD_NODE_NONE; n++) {
        /* void */
    }

    return n;
}


void
shard_route_split(shard_route_t *route, const uint16_t *node,
    const uint16_t *bp, unsigned n)
{
    unsigned  i, real;
    uint32_t  more[2], bound;

    real = SHARD_SPLIT_MAX;

    for (i = 0; i < n; i++) {
        if (node[i] == route->primary) {
            real = i;
        }
    }

    route->flags &= (1 << SHARD_ROUTE_REAL_SHIFT) - 1;
    route->flags |= SHARD_ROUTE_SPLIT;

    if (real == SHARD_SPLIT_MAX) {
        route->flags |= SHARD_ROUTE_MOVED;

    } else {
        route->flags |= (uint8_t) (real << SHARD_ROUTE_REAL_SHIFT);
    }

    bound = bp[1];
    more[0] = SHARD_NODE_NONE;
    more[1] = SHARD_NODE_NONE;

    for (i = 2; i < n; i++) {
        bound += bp[i];
        more[i - 2] = bound << 16 | node[i];
    }

    route->phase = SHARD_SHIFTING;
    route->primary = node[0];
    route->target = node[1];
    route->shift_bp = bp[1];
    route->migration_lo = more[0];
    route->migration_hi = more[1];
}
