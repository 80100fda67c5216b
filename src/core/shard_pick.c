
#include <string.h>

#include "shard_key.h"
#include "shard_pick.h"
#include "shard_split.h"


/* in order of preference, usable or not */

typedef struct {
    unsigned            n;
    shard_candidate_t   list[SHARD_CANDIDATES_MAX];
} shard_preference_t;


static void shard_pick_prefer(const shard_route_t *route,
    const shard_wish_t *wish, shard_preference_t *prefer);
static void shard_pick_drain(const shard_route_t *route, int open,
    shard_preference_t *prefer);
static void shard_pick_split(const shard_route_t *route,
    const shard_wish_t *wish, int open, shard_preference_t *prefer);
static void shard_pick_shift(const shard_route_t *route,
    const shard_wish_t *wish, int open, shard_preference_t *prefer);
static void shard_pick_replicas(const shard_route_t *route,
    const shard_wish_t *wish, int open, shard_preference_t *prefer);
static void shard_pick_filter(const shard_wish_t *wish,
    const shard_preference_t *prefer, shard_pick_t *pick);
static void shard_pick_source(const shard_route_t *route,
    const shard_wish_t *wish, shard_pick_t *pick);
static void shard_pick_nobody(const shard_route_t *route,
    const shard_wish_t *wish, shard_pick_t *pick);
static uint64_t shard_pick_rank(const shard_route_t *route,
    const shard_wish_t *wish, unsigned replica);
static shard_role_e shard_pick_role(const shard_route_t *route,
    uint16_t node);
static void shard_pick_push(shard_preference_t *prefer, uint16_t node,
    shard_role_e role);
static int shard_pick_usable(const shard_wish_t *wish, uint16_t node);
static int shard_pick_tried(const shard_wish_t *wish, uint16_t node);
static int shard_pick_fresh(const shard_route_t *route,
    const shard_wish_t *wish);
static int shard_pick_copies(const shard_route_t *route,
    const shard_wish_t *wish);


void
shard_pick(const shard_route_t *route, const shard_wish_t *wish,
    shard_pick_t *pick)
{
    int                 stateless;
    shard_preference_t  prefer;

    memset(pick, 0, sizeof(shard_pick_t));
    prefer.n = 0;

    shard_pick_prefer(route, wish, &prefer);
    shard_pick_filter(wish, &prefer, pick);

    if (shard_pick_copies(route, wish)) {
        shard_pick_source(route, wish, pick);
    }

    if (pick->n == 0) {
        shard_pick_nobody(route, wish, pick);
        return;
    }

    stateless = (route->strategy == SHARD_STATELESS);

    if (!(wish->flags & SHARD_WISH_READ) && !stateless) {
        pick->n = 1;
    }

    if (!(route->flags & SHARD_ROUTE_EVENTUAL) && !stateless) {
        pick->flags |= SHARD_PICK_UNSENT;
    }
}


static void
shard_pick_prefer(const shard_route_t *route, const shard_wish_t *wish,
    shard_preference_t *prefer)
{
    int  open;

    /* others than the owner may answer */

    open = route->strategy == SHARD_STATELESS
           || ((wish->flags & SHARD_WISH_READ)
               && !shard_pick_fresh(route, wish));

    if (route->flags & SHARD_ROUTE_DRAIN) {
        shard_pick_drain(route, open, prefer);

    } else if (route->flags & SHARD_ROUTE_SPLIT) {
        shard_pick_split(route, wish, open, prefer);

    } else if (route->phase == SHARD_SHIFTING
               && route->target != SHARD_NODE_NONE)
    {
        shard_pick_shift(route, wish, open, prefer);

    } else {
        shard_pick_replicas(route, wish, open, prefer);
    }
}


static void
shard_pick_drain(const shard_route_t *route, int open,
    shard_preference_t *prefer)
{
    unsigned  i;

    shard_pick_push(prefer, route->standbys[0], SHARD_ROLE_STANDBY);
    shard_pick_push(prefer, route->primary,
                    shard_pick_role(route, route->primary));

    for (i = 1; open && i < SHARD_STANDBYS_MAX; i++) {
        shard_pick_push(prefer, route->standbys[i], SHARD_ROLE_STANDBY);
    }
}


static void
shard_pick_split(const shard_route_t *route, const shard_wish_t *wish,
    int open, shard_preference_t *prefer)
{
    uint16_t      node[SHARD_SPLIT_MAX];
    unsigned      i, n, owner, real;
    shard_role_e  role;

    n = shard_split_owner(route, wish->sticky, node, &owner);
    real = route->flags >> SHARD_ROUTE_REAL_SHIFT;

    for (i = 0; i < n; i++) {
        role = (!(route->flags & SHARD_ROUTE_MOVED)
                && (owner + i) % n == real)
               ? SHARD_ROLE_PRIMARY
               : shard_pick_role(route, node[(owner + i) % n]);

        shard_pick_push(prefer, node[(owner + i) % n], role);

        if (!open) {
            return;
        }
    }

    for (i = 0; i < SHARD_STANDBYS_MAX; i++) {
        shard_pick_push(prefer, route->standbys[i], SHARD_ROLE_STANDBY);
    }
}


static void
shard_pick_shift(const shard_route_t *route, const shard_wish_t *wish,
    int open, shard_preference_t *prefer)
{
    int  crossed;

    crossed = shard_shift_point(wish->sticky, shard_route_migration(route))
              < route->shift_bp;

    switch (route->strategy) {

    case SHARD_STATELESS:
        if (crossed) {
            shard_pick_push(prefer, route->target, SHARD_ROLE_TARGET);
        }

        shard_pick_push(prefer, route->primary,
                        shard_pick_role(route, route->primary));
        shard_pick_push(prefer, route->target, SHARD_ROLE_TARGET);
        break;

    case SHARD_COPY_ON_WRITE:

        /* what was written since is at the target only */

        if (!(wish->flags & SHARD_WISH_MISSED)) {
            shard_pick_push(prefer, route->target, SHARD_ROLE_TARGET);
        }

        if (!(wish->flags & SHARD_WISH_READ)) {
            return;
        }

        break;

    case SHARD_LOG_SHIPPING:
        if (crossed && (route->flags & SHARD_ROUTE_EVENTUAL)
            && (wish->flags & SHARD_WISH_READ))
        {
            shard_pick_push(prefer, route->target, SHARD_ROLE_TARGET);
        }

        break;

    default: /* SHARD_QUEUE: all of it stays until the hold */
        break;
    }

    shard_pick_replicas(route, wish, open, prefer);
}


/* the nearest first when that was asked for, else the primary */

static void
shard_pick_replicas(const shard_route_t *route, const shard_wish_t *wish,
    int open, shard_preference_t *prefer)
{
    unsigned  i, k, n, order[SHARD_REPLICAS_MAX];
    uint16_t  node[SHARD_REPLICAS_MAX];
    uint64_t  rank[SHARD_REPLICAS_MAX], r;

    node[0] = route->primary;
    memcpy(&node[1], route->standbys, sizeof(route->standbys));

    n = open ? SHARD_REPLICAS_MAX : 1;

    for (i = 0; i < n; i++) {
        r = shard_pick_rank(route, wish, i);

        for (k = i; k > 0 && rank[k - 1] > r; k--) {
            rank[k] = rank[k - 1];
            order[k] = order[k - 1];
        }

        rank[k] = r;
        order[k] = i;
    }

    for (i = 0; i < n; i++) {
        shard_pick_push(prefer, node[order[i]],
                        order[i] ? SHARD_ROLE_STANDBY
                                 : shard_pick_role(route, route->primary));
    }
}


/*
 * Smaller is asked sooner.  Who is on its way out, or has just come back, is
 * asked last of all for what others can answer as well; at equal distance
 * the key chooses, on all routers alike.
 */

static uint64_t
shard_pick_rank(const shard_route_t *route, const shard_wish_t *wish,
    unsigned replica)
{
    int       last;
    uint16_t  node;
    uint64_t  rank;

    if (!(route->flags & SHARD_ROUTE_EVENTUAL)
        || !(wish->flags & SHARD_WISH_READ))
    {
        return replica;
    }

    node = replica ? route->standbys[replica - 1] : route->primary;

    last = (wish->shy >> replica & 1)
           || (node < wish->nnodes
               && (wish->node_flags[node] & SHARD_FLAG_DRAINING));

    rank = (uint64_t) last << 40;

    if (!(wish->flags & SHARD_WISH_NEAR)) {
        return rank + replica;
    }

    /* the points of different migrations are independent of each other */

    return rank + ((uint64_t) wish->distance[replica] << 20)
           + shard_shift_point(wish->sticky, replica + 1);
}


/*
 * Nobody may take a miss for the answer while the source has not been asked:
 * it stays on the list, dead or not.
 */

static void
shard_pick_source(const shard_route_t *route, const shard_wish_t *wish,
    shard_pick_t *pick)
{
    int  first;

    first = pick->n && pick->list[0].role == SHARD_ROLE_TARGET;

    if (!first && !(wish->flags & SHARD_WISH_MISSED)
        && shard_pick_fresh(route, wish))
    {
        /* the target may know better, and must be waited for */

        pick->n = 0;
        return;
    }

    if (first) {
        pick->flags |= SHARD_PICK_MISS;
    }

    if ((first && pick->n == 1)
        || (pick->n == 0 && (wish->flags & SHARD_WISH_MISSED)))
    {
        if (!shard_pick_tried(wish, route->primary)) {
            pick->list[pick->n].node = route->primary;
            pick->list[pick->n].role = shard_pick_role(route, route->primary);
            pick->list[pick->n++].failover = 0;
        }
    }
}


static void
shard_pick_filter(const shard_wish_t *wish, const shard_preference_t *prefer,
    shard_pick_t *pick)
{
    int       failover;
    unsigned  i;

    failover = 0;

    for (i = 0; i < prefer->n; i++) {

        if (!shard_pick_usable(wish, prefer->list[i].node)
            || shard_pick_tried(wish, prefer->list[i].node))
        {
            failover = 1;
            continue;
        }

        pick->list[pick->n] = prefer->list[i];
        pick->list[pick->n++].failover = (uint8_t) failover;
    }
}


/* reads are answered by somebody or by nobody, writes may get a new owner */

static void
shard_pick_nobody(const shard_route_t *route, const shard_wish_t *wish,
    shard_pick_t *pick)
{
    int       some;
    unsigned  i;

    pick->verdict = SHARD_PICK_NONE;

    if ((wish->flags & SHARD_WISH_READ) && !shard_pick_fresh(route, wish)) {
        return;
    }

    some = shard_pick_usable(wish, route->primary)
           || shard_pick_usable(wish, route->target);

    for (i = 0; i < SHARD_STANDBYS_MAX; i++) {
        some |= shard_pick_usable(wish, route->standbys[i]);
    }

    if (some) {
        pick->verdict = SHARD_PICK_WAIT;
    }
}


/* as the table has it; who is neither is only where keys were sent */

static shard_role_e
shard_pick_role(const shard_route_t *route, uint16_t node)
{
    unsigned  i;

    if (node == route->primary
        && !(route->flags & (SHARD_ROUTE_MOVED|SHARD_ROUTE_SPLIT)))
    {
        return SHARD_ROLE_PRIMARY;
    }

    for (i = 0; i < SHARD_STANDBYS_MAX; i++) {
        if (route->standbys[i] == node) {
            return SHARD_ROLE_STANDBY;
        }
    }

    return SHARD_ROLE_TARGET;
}


static void
shard_pick_push(shard_preference_t *prefer, uint16_t node, shard_role_e role)
{
    unsigned  i;

    if (node == SHARD_NODE_NONE) {
        return;
    }

    for (i = 0; i < prefer->n; i++) {
        if (prefer->list[i].node == node) {
            return;
        }
    }

    prefer->list[prefer->n].node = node;
    prefer->list[prefer->n].role = (uint8_t) role;
    prefer->list[prefer->n++].failover = 0;
}


static int
shard_pick_usable(const shard_wish_t *wish, uint16_t node)
{
    return node < wish->nnodes
           && (wish->node_flags[node] & SHARD_FLAG_UNUSABLE) == 0;
}


static int
shard_pick_tried(const shard_wish_t *wish, uint16_t node)
{
    unsigned  i;

    for (i = 0; i < wish->ntried; i++) {
        if (wish->tried[i] == node) {
            return 1;
        }
    }

    return 0;
}


static int
shard_pick_fresh(const shard_route_t *route, const shard_wish_t *wish)
{
    return (wish->flags & SHARD_WISH_FRESH)
           && !(route->flags & SHARD_ROUTE_EVENTUAL);
}


/* a read while the shard's data are on their way to the target */

static int
shard_pick_copies(const shard_route_t *route, const shard_wish_t *wish)
{
    return route->phase == SHARD_SHIFTING
           && route->strategy == SHARD_COPY_ON_WRITE
           && route->target != SHARD_NODE_NONE
           && (wish->flags & SHARD_WISH_READ)
           && (route->flags & (SHARD_ROUTE_DRAIN|SHARD_ROUTE_SPLIT)) == 0;
}
