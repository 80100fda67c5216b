
/*
 * The planner: which shards must leave which node, and when to say so.
 * Pure: arrays in, moves out; the same input gives the same moves.
 *
 *   now, mean, quantile        sums per node and step       moves
 *   of every shard ──────────▶ with in-flight moves ──────▶ one by one: worst
 *   nodes, limits              where they will be           node that is due,
 *                                   ▲                       the shard and target
 *                                   └────── applied ◀────── that help most
 *
 * The load of a node at a step, at the chosen quantile q, from its shards'
 * means m and deviations d = max(q - m, 0), is
 *
 *     base + max(now, sum(m) + sqrt(rho * sum(d)^2 + (1 - rho) * sum(d^2)))
 *          + extra
 *
 * which is the deviation of a sum whose members are correlated by rho each
 * with each: rho 1 adds quantiles up (all shards peak together), rho 0 lets
 * independent ones even each other out.  Tenants share the day but not the
 * minute; 0.5 is the default.
 *
 * "base" is what a node bears without any shard: it does not move.
 *
 * "extra" is what copying costs: a share of a moving shard's load at both
 * ends until the move ends.  The present counts as well as the forecast:
 * planning on the point forecast alone is worse than reacting.
 *
 * A target stays below the threshold.  When the source would exceed its very
 * capacity, the target may be filled up to its own: a fleet at its peak has
 * no room below the threshold, and overload there is worse than a full node
 * (on a real week: a third of the violations that the strict rule leaves).
 *
 * A node is due when its first step above threshold x capacity is nearer
 * than the moves it needs: rounds x move_s x (1 + spread) + margin + a step,
 * rounds being the moves that take the excess away over the moves a node may
 * have at once.
 */


#ifndef _PREDICTOR_PLAN_H_INCLUDED_
#define _PREDICTOR_PLAN_H_INCLUDED_


#include "../src/core/shard_types.h"
#include "budget.h"


#define PREDICTOR_PLAN_STEP_NONE   0xffffffff
#define PREDICTOR_PLAN_ZONES_MAX   64


typedef struct {
    /* in */
    double              capacity;
    double              base;           /* load without any shard */
    shard_node_state_e  state;
    const char         *event;          /* that lets it drain, or NULL */
    unsigned            closing:1;      /* no target: it will drain soon */
    uint32_t            zone;           /* column of "place" */
    uint64_t            labels;         /* bits */
    double              price;          /* of a unit of load on it, see place */

    /* out: after the moves of this plan */
    double              peak;           /* highest forecast load */
    uint32_t            peak_step;
    uint32_t            breach_step;    /* PREDICTOR_PLAN_STEP_NONE: none */
    uint32_t            moves;          /* in flight at this node */
    uint32_t            shards;
    unsigned            stuck:1;        /* due, and no move helps */
    unsigned            waits:1;        /* breach seen, not due yet */
} predictor_plan_node_t;

typedef struct {
    uint32_t            from;           /* node that serves it */
    uint32_t            to;             /* where it will be; from = it rests */
    unsigned            fixed:1;        /* overridden, or moved lately */
    unsigned            idle:1;         /* its move uses no budget: advice */
    uint8_t             nstandbys;
    uint32_t            standbys[SHARD_STANDBYS_MAX];   /* nodes */
    uint64_t            needs;          /* labels that its node must have */
    uint64_t            barred;         /* zones that it must not be in */

    /* moving it: 0 is limits.move_s, with limits.move_spread */
    float               move_s;
    float               move_hi_s;      /* hardly ever longer */
    float               promote_s;      /* to one of its standbys */
    float               promote_hi_s;
    float               bytes;          /* 0: unknown */
    float               move_cost;      /* violation-seconds */
    float               promote_cost;
} predictor_plan_shard_t;

typedef struct {
    uint32_t            shard;          /* indexes */
    uint32_t            from;
    uint32_t            to;
    unsigned            drain:1;        /* to empty a draining node */
    double              load;           /* source's, at its worst step */
    double              load_moved;     /* the shard's there */
    double              from_before;    /* utilisations, worst step each */
    double              from_after;
    double              to_before;
    double              to_after;
    double              breach_in_s;    /* 0: it is there; < 0: there is none */
    double              lead_s;         /* time the moves are given */
} predictor_plan_move_t;

typedef struct {
    double              threshold;      /* of capacity */
    double              rho;            /* 0 .. 1 */
    double              min_gain;       /* of capacity */
    double              extra;          /* share of a moving shard's load */
    double              step_s;
    double              age_s;          /* of the forecast's first step */
    double              move_s;
    double              move_spread;    /* relative */
    double              margin_s;
    uint32_t            moves_per_node;
    uint32_t            moves;          /* at once, in all */
    double              spread_price;   /* violations a second, of a standard
                                           deviation of 1 over nodes' use */
} predictor_plan_limits_t;

typedef struct {
    predictor_plan_limits_t  limits;
    uint32_t                 nnodes;
    uint32_t                 nshards;
    uint32_t                 nsteps;
    predictor_plan_node_t   *nodes;
    predictor_plan_shard_t  *shards;

    /* requests per second; NaN and negative count as 0; shard-major */
    const float             *now;       /* nshards */
    const float             *mean;      /* nshards x nsteps */
    const float             *quantile;

    /* of a shard on a node of the zone, beside what "price" says of its load:
     * violation-seconds a second, nshards x nzones, or NULL: none */
    uint32_t                 nzones;
    const float             *place;

    predictor_budget_t      *budget;    /* NULL: no limit */

    /* predictor_plan_doubles() of them, the caller's */
    double                  *memory;
} predictor_plan_t;


/* 1: hard rules let the shard be served there: labels, zones */

static inline int
predictor_plan_allows(const predictor_plan_t *plan, uint32_t shard,
    uint32_t node)
{
    const predictor_plan_node_t   *n = &plan->nodes[node];
    const predictor_plan_shard_t  *s = &plan->shards[shard];

    return (s->needs & ~n->labels) == 0
           && (n->zone >= PREDICTOR_PLAN_ZONES_MAX
               || (s->barred >> n->zone & 1) == 0);
}


/* 1: the node has a copy of it, so that moving it there copies little */

static inline int
predictor_plan_promotes(const predictor_plan_t *plan, uint32_t shard,
    uint32_t node)
{
    uint32_t                       i;
    const predictor_plan_shard_t  *s = &plan->shards[shard];

    for (i = 0; i < s->nstandbys; i++) {

        if (s->standbys[i] == node) {
            return 1;
        }
    }

    return 0;
}


/* what policy says against the shard being there with that load: violation-
 * seconds a second; less is better */

static inline double
predictor_plan_place(const predictor_plan_t *plan, uint32_t shard,
    uint32_t node, double load)
{
    double                        cost;
    const predictor_plan_node_t  *n = &plan->nodes[node];

    cost = n->price * load;

    if (plan->place) {
        cost += (double) plan->place[(size_t) shard * plan->nzones + n->zone];
    }

    return cost;
}


size_t predictor_plan_doubles(uint32_t nnodes, uint32_t nsteps);

/* fills sums and the nodes' results without any move */

void predictor_plan_view(predictor_plan_t *plan);

/* predictor_plan_view(), then up to "max" moves; returns how many */

uint32_t predictor_plan(predictor_plan_t *plan, predictor_plan_move_t *moves,
    uint32_t max);


#endif /* _PREDICTOR_PLAN_H_INCLUDED_ */
