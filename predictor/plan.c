
#include <math.h>

#include "plan_parts.h"


/* of a copied shard's extra load in the price of a move: a tie-breaker */

#define PREDICTOR_PLAN_COST  0.02


typedef struct {
    uint32_t  shard;
    uint32_t  to;
    double    from_after;
    double    to_after;
    double    cost;
} predictor_plan_choice_t;


static double
predictor_plan_breach_in(const predictor_plan_t *plan, uint32_t node)
{
    uint32_t  step;

    step = plan->nodes[node].breach_step;

    if (step == PREDICTOR_PLAN_STEP_NONE) {
        return -1;
    }

    return fmax(step * plan->limits.step_s - plan->limits.age_s, 0);
}


/* time the moves of a node must be given, its peak load being known; its base
 * stays with it */

static double
predictor_plan_lead(const predictor_plan_t *plan, uint32_t node, double peak)
{
    double                          excess, each, rounds;
    const predictor_plan_node_t    *n;
    const predictor_plan_limits_t  *l;

    n = &plan->nodes[node];
    l = &plan->limits;

    excess = peak - l->threshold * n->capacity;
    each = n->shards ? (peak - n->base) / n->shards : 0;
    rounds = 1;

    if (excess > 0 && each > 0) {
        rounds = ceil(ceil(excess / each) / l->moves_per_node);
    }

    return fmax(rounds, 1) * l->move_s * (1 + l->move_spread) + l->margin_s
           + l->step_s;
}


/* 1: the shard rests on the source and may leave it */

static int
predictor_plan_movable(const predictor_plan_t *plan, uint32_t src,
    uint32_t shard)
{
    const predictor_plan_shard_t  *s;

    s = &plan->shards[shard];

    return !s->fixed && s->from == src && s->to == src;
}


/* 1: the node may be a target, if there is room on it */

static int
predictor_plan_takes(const predictor_plan_t *plan, uint32_t src, uint32_t node)
{
    const predictor_plan_node_t  *n;

    n = &plan->nodes[node];

    return node != src && n->state == SHARD_NODE_UP && !n->closing
           && n->moves < plan->limits.moves_per_node;
}


/*
 * Of one source, over all its shards and all targets: the least of the worse
 * of both ends afterwards.  A target must be up, have budget, and stay below
 * the threshold over the whole horizon; when the source is to exceed its
 * capacity, below its own capacity.  Returns 0 when there is none.
 */

static int
predictor_plan_choose(const predictor_plan_t *plan, uint32_t src, double worst,
    predictor_plan_choice_t *best)
{
    double                        after, from_after, cost, limit, moved, full;
    uint32_t                      j, k;
    const predictor_plan_node_t  *to;

    best->cost = worst - plan->limits.min_gain;
    best->shard = SHARD_ID_NONE;
    full = worst > 1 ? fmax(plan->limits.threshold, 1)
                     : plan->limits.threshold;

    for (j = 0; j < plan->nshards; j++) {

        if (!predictor_plan_movable(plan, src, j)) {
            continue;
        }

        from_after = predictor_plan_peak(plan, src, j, -1, HUGE_VAL, NULL)
                     / plan->nodes[src].capacity;

        if (from_after >= best->cost) {
            continue;
        }

        moved = PREDICTOR_PLAN_COST * plan->limits.extra
                * predictor_plan_number(plan->now[j])
                / plan->nodes[src].capacity;

        for (k = 0; k < plan->nnodes; k++) {
            if (!predictor_plan_takes(plan, src, k)) {
                continue;
            }

            to = &plan->nodes[k];
            limit = fmin(full, best->cost - moved) * to->capacity;
            after = predictor_plan_peak(plan, k, j, 1, limit, NULL);

            if (after > limit) {
                continue;
            }

            after /= to->capacity;
            cost = fmax(after, from_after) + moved;

            if (cost < best->cost) {
                best->shard = j;
                best->to = k;
                best->from_after = from_after;
                best->to_after = after;
                best->cost = cost;
            }
        }
    }

    return best->shard != SHARD_ID_NONE;
}


/* a draining node's largest shard that fits somewhere, where it fits best */

static int
predictor_plan_choose_drain(const predictor_plan_t *plan, uint32_t src,
    predictor_plan_choice_t *best)
{
    double    size, largest, after, least;
    uint32_t  j, k, to;

    best->shard = SHARD_ID_NONE;
    largest = -1;

    for (j = 0; j < plan->nshards; j++) {

        if (!predictor_plan_movable(plan, src, j)) {
            continue;
        }

        size = predictor_plan_number(plan->now[j])
               + predictor_plan_number(plan->mean[(size_t) j * plan->nsteps]);

        if (size <= largest) {
            continue;
        }

        least = plan->limits.threshold;
        to = SHARD_ID_NONE;

        for (k = 0; k < plan->nnodes; k++) {

            if (!predictor_plan_takes(plan, src, k)) {
                continue;
            }

            after = predictor_plan_peak(plan, k, j, 1, HUGE_VAL, NULL)
                    / plan->nodes[k].capacity;

            if (after < least) {
                least = after;
                to = k;
            }
        }

        if (to != SHARD_ID_NONE) {
            largest = size;
            best->shard = j;
            best->to = to;
            best->to_after = least;
        }
    }

    if (best->shard == SHARD_ID_NONE) {
        return 0;
    }

    best->from_after = predictor_plan_peak(plan, src, best->shard, -1,
                                           HUGE_VAL, NULL)
                       / plan->nodes[src].capacity;
    return 1;
}


static void
predictor_plan_apply(predictor_plan_t *plan, uint32_t src, int drain,
    const predictor_plan_choice_t *c, predictor_plan_move_t *m)
{
    uint32_t                worst;
    predictor_plan_node_t  *from, *to;

    from = &plan->nodes[src];
    to = &plan->nodes[c->to];
    worst = 0;

    m->shard = c->shard;
    m->from = src;
    m->to = c->to;
    m->drain = drain;
    m->load = predictor_plan_peak(plan, src, 0, 0, HUGE_VAL, &worst);
    m->load_moved = predictor_plan_load(plan, c->shard, worst);
    m->from_before = m->load / from->capacity;
    m->from_after = c->from_after;
    m->to_before = predictor_plan_peak(plan, c->to, 0, 0, HUGE_VAL, NULL)
                   / to->capacity;
    m->to_after = c->to_after;
    m->breach_in_s = predictor_plan_breach_in(plan, src);
    m->lead_s = predictor_plan_lead(plan, src, m->load);

    plan->shards[c->shard].to = c->to;
    predictor_plan_add(plan, src, c->shard, -1);
    predictor_plan_add(plan, c->to, c->shard, 1);
    predictor_plan_copying(plan, c->shard);

    from->shards--;
    to->shards++;

    predictor_plan_report(plan, src);
    predictor_plan_report(plan, c->to);
}


/* the worst node that breaches, is due, has budget, and is not stuck */

static uint32_t
predictor_plan_worst(predictor_plan_t *plan, double *utilisation)
{
    double                  peak, in, use;
    uint32_t                i, worst;
    predictor_plan_node_t  *n;

    worst = SHARD_ID_NONE;
    *utilisation = plan->limits.threshold;

    for (i = 0; i < plan->nnodes; i++) {
        n = &plan->nodes[i];

        if (n->stuck || n->state != SHARD_NODE_UP
            || n->breach_step == PREDICTOR_PLAN_STEP_NONE
            || n->moves >= plan->limits.moves_per_node)
        {
            continue;
        }

        peak = predictor_plan_peak(plan, i, 0, 0, HUGE_VAL, NULL);
        in = predictor_plan_breach_in(plan, i);
        n->waits = in > predictor_plan_lead(plan, i, peak);
        use = peak / n->capacity;

        if (!n->waits && use > *utilisation) {
            *utilisation = use;
            worst = i;
        }
    }

    return worst;
}


uint32_t
predictor_plan(predictor_plan_t *plan, predictor_plan_move_t *moves,
    uint32_t max)
{
    double                   worst;
    uint32_t                 i, n, left, src;
    predictor_plan_choice_t  choice;

    predictor_plan_view(plan);

    left = plan->limits.moves;

    for (i = 0; i < plan->nshards && left; i++) {
        left -= plan->shards[i].to != plan->shards[i].from
                && !plan->shards[i].idle;
    }

    left = left < max ? left : max;
    n = 0;

    while (n < left) {
        src = predictor_plan_worst(plan, &worst);

        if (src == SHARD_ID_NONE) {
            break;
        }

        if (!predictor_plan_choose(plan, src, worst, &choice)) {
            plan->nodes[src].stuck = 1;
            continue;
        }

        predictor_plan_apply(plan, src, 0, &choice, &moves[n++]);
    }

    for (src = 0; src < plan->nnodes; src++) {

        while (n < left && plan->nodes[src].state == SHARD_NODE_DRAINING
               && plan->nodes[src].moves < plan->limits.moves_per_node
               && plan->nodes[src].shards)
        {
            if (!predictor_plan_choose_drain(plan, src, &choice)) {
                plan->nodes[src].stuck = 1;
                break;
            }

            predictor_plan_apply(plan, src, 1, &choice, &moves[n++]);
        }
    }

    return n;
}
