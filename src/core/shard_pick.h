
/*
 * Which node answers a request, docs/directives.md "Which node answers":
 *
 *     route ──────┐        preference          usable, not tried
 *     read? ──────┤      ┌─ 1 owner       ──▶  list[0]  asked first
 *     node flags ─┼─▶ ───┤  2 standby          list[1]  when that fails
 *     distances ──┤      └─ 3 ...              ...
 *     tried ──────┘                       or:  wait, or nobody is there
 *
 * Who may stand in for the owner depends on what is asked: a write has its
 * owner alone, a strong read any standby when the owner is gone, a read of
 * an "eventual" shard all replicas, a request of a "stateless" one everybody.
 *
 * A function of its arguments: asked again for each attempt, so that nothing
 * is kept for requests that do not fail.
 */


#ifndef _SHARD_PICK_H_INCLUDED_
#define _SHARD_PICK_H_INCLUDED_


#include "shard_table.h"


#define SHARD_REPLICAS_MAX    (1 + SHARD_STANDBYS_MAX)
#define SHARD_CANDIDATES_MAX  8

/* what is wished for */

#define SHARD_WISH_READ       0x01      /* GET, HEAD */
#define SHARD_WISH_FRESH      0x02      /* strong reads wait as writes do */
#define SHARD_WISH_NEAR       0x04      /* distance[] counts */
#define SHARD_WISH_MISSED     0x08      /* copy-on-write: target has it not */

/* what the list is good for */

#define SHARD_PICK_MISS       0x01      /* a miss of list[0] is asked again */
#define SHARD_PICK_UNSENT     0x02      /* go on when nothing was sent only */


typedef enum {
    SHARD_ROLE_PRIMARY = 0,
    SHARD_ROLE_STANDBY,
    SHARD_ROLE_TARGET
} shard_role_e;

typedef enum {
    SHARD_PICK_GO = 0,
    SHARD_PICK_WAIT,                    /* another may become the owner */
    SHARD_PICK_NONE
} shard_verdict_e;


/* replicas are numbered: 0 the primary, 1 .. the standbys */

typedef struct {
    uint64_t            sticky;         /* the key's position */
    const uint8_t      *node_flags;     /* SHARD_FLAG_..., by node */
    const uint16_t     *tried;
    uint32_t            nnodes;
    uint16_t            distance[SHARD_REPLICAS_MAX];
    uint8_t             ntried;
    uint8_t             flags;          /* SHARD_WISH_... */
    uint8_t             shy;            /* bit by replica: asked last now */
} shard_wish_t;

typedef struct {
    uint16_t            node;
    uint8_t             role;           /* shard_role_e */
    uint8_t             failover;       /* stands in for somebody */
} shard_candidate_t;

typedef struct {
    uint8_t             verdict;        /* shard_verdict_e */
    uint8_t             flags;          /* SHARD_PICK_... */
    uint8_t             n;              /* 1 .. when it is "go" */
    shard_candidate_t   list[SHARD_CANDIDATES_MAX];
} shard_pick_t;


/* the owner serves, if it can: most requests */

static inline int
shard_pick_owner(const shard_route_t *route)
{
    return route->phase == SHARD_STEADY
           && (route->flags & (SHARD_ROUTE_DRAIN|SHARD_ROUTE_SPLIT
                               |SHARD_ROUTE_MOVED)) == 0;
}


/* and can, so that nothing else is to be thought of */

static inline int
shard_pick_plain(const shard_route_t *route, const uint8_t *node_flags)
{
    return shard_pick_owner(route) && node_flags[route->primary] == 0;
}


void shard_pick(const shard_route_t *route, const shard_wish_t *wish,
    shard_pick_t *pick);


#endif /* _SHARD_PICK_H_INCLUDED_ */
