
/*
 * The planner: which shards must leave which node, and when to say so.
 * Pure: arrays in, moves out; the same input gives the same moves.
 *
 *   now, mean, quantile       sums per node and step        cost of each node
 *   of every shard ─────────▶ with moves in flight ───────▶ and step
 *   nodes, limits, policy     where they will be            │
 *                                  ▲                        ▼
 *                                  │        move, promotion, swap, chain
 *                                  │        that saves most, its price paid
 *                                  └─ applied ◀── now, if waiting costs
 *
 * Everything is weighed in expected violation-seconds: a node that is above
 * its limit for a second.  The load of a node at a step is taken as normal
 * with the sum of its shards' means and, of their deviations at the chosen
 * quantile q, d = max(q - m, 0),
 *
 *     deviation = sqrt(rho * sum(d)^2 + (1 - rho) * sum(d^2))
 *     sigma = caution * deviation
 *
 * which is the deviation of a sum whose members are correlated by rho each
 * with each: rho 1 adds quantiles up (all shards peak together), rho 0 lets
 * independent ones even each other out.  A second above a limit L costs
 *
 *     P(load > L) + 2 * E(max(load - L, 0)) / L
 *
 * Without the second term it would pay to give one node up for all others.
 * Half of a second's cost is that of the capacity, half that of the
 * threshold.  Seconds count fully for as long ahead as two moves take, then
 * less and less to the end of the horizon: what comes late may still be
 * decided on later, by a better forecast.
 *
 * A move in flight loads both ends with a share "extra" of the shard's load
 * until it ends, and the source with the shard; then the target has it.  The
 * present is a step like others, the first and without deviation.
 *
 * A move is made when what it saves exceeds its price, and when waiting two
 * steps would lose a part of that (of the price): one that helps as much
 * later is left for a better forecast.  A node that needs several rounds of
 * moves, because only so many may be under way at once, begins that much
 * earlier.
 *
 * What a node bears without any shard is "base": it does not move.
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
    double              cost;           /* expected, violation-seconds */
    uint32_t            wait_shard;     /* the move that waits, if it does */
    uint32_t            wait_to;
    double              wait_gain;      /* violation-seconds */
    double              wait_price;     /* that has to be exceeded */
    unsigned            stuck:1;        /* it costs, and no move helps */
    unsigned            waits:1;        /* a move helps, not due yet */

    /* within the planner */
    uint32_t            first;          /* of the shards on it, then "next" */
    uint32_t            order;          /* the i-th least used node */
    double              use;            /* mean utilisation */
} predictor_plan_node_t;

typedef struct {
    uint32_t            from;           /* node that serves it */
    uint32_t            to;             /* where it will be; from = it rests */
    float               left_s;         /* of a move in flight, 0: unknown */
    uint32_t            next;           /* within the planner: on its node */
    double              relief;         /* there: what it gains without it */
    unsigned            fixed:1;        /* overridden, or moved lately */
    unsigned            idle:1;         /* its move uses no budget: advice */
    unsigned            uncut:1;        /* a split or merge of it failed */
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
    unsigned            promote:1;      /* the target is a standby */
    uint32_t            with;           /* the other one of a swap or chain,
                                           SHARD_ID_NONE: none */
    double              gain_s;         /* violation-seconds saved, of both */
    double              price_s;        /* that had to be exceeded */
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
    double              caution;        /* sigmas of a deviation, see above */
    double              price_s;        /* of a move, violation-seconds */
    double              extra;          /* share of a moving shard's load */
    double              step_s;
    double              age_s;          /* of the forecast's first step; < 0:
                                           it begins in so long */
    double              move_s;
    double              move_spread;    /* relative */
    double              margin_s;
    uint32_t            moves_per_node;
    uint32_t            moves;          /* at once, in all */
    uint64_t            work;           /* trials at most, 0: any number */
    uint32_t            seed;           /* which nodes' turn it is, where not
                                           all are looked at */
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

    uint64_t                 work;      /* out: trials made */
} predictor_plan_t;


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


/* bytes that moving the shard there copies, as the churn budget counts them */

static inline double
predictor_plan_copied(const predictor_plan_t *plan, uint32_t shard,
    uint32_t node)
{
    return predictor_plan_promotes(plan, shard, node)
           ? 0 : (double) plan->shards[shard].bytes;
}


/* 1: hard rules let the shard be served there: labels, and zones, which are
 * those of its copies before and after when one of these is promoted */

static inline int
predictor_plan_allows(const predictor_plan_t *plan, uint32_t shard,
    uint32_t node)
{
    const predictor_plan_node_t   *n = &plan->nodes[node];
    const predictor_plan_shard_t  *s = &plan->shards[shard];

    return (s->needs & ~n->labels) == 0
           && (n->zone >= PREDICTOR_PLAN_ZONES_MAX
               || (s->barred >> n->zone & 1) == 0
               || predictor_plan_promotes(plan, shard, node));
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


/* of "memory" */

size_t predictor_plan_doubles(uint32_t nnodes, uint32_t nsteps);

/* "caution" of one that trusts forecasts as they are is 1 */

double predictor_plan_caution(double caution, double quantile);

/* fills sums and the nodes' results without any move */

void predictor_plan_view(predictor_plan_t *plan);

/* predictor_plan_view(), then up to "max" moves; returns how many */

uint32_t predictor_plan(predictor_plan_t *plan, predictor_plan_move_t *moves,
    uint32_t max);

/*
 * Another question: where shards should be if moves took no time.  Sets "to"
 * of all shards until the worst node's peak utilisation at the quantile is
 * within "slack" of predictor_plan_bound(), or nothing helps, by at most
 * "max" steps; returns how many shards are elsewhere then.
 */

uint32_t predictor_plan_balance(predictor_plan_t *plan, double slack,
    uint32_t max);

/* that no assignment can be below, of a plan that was viewed */

double predictor_plan_bound(const predictor_plan_t *plan);


#endif /* _PREDICTOR_PLAN_H_INCLUDED_ */
