
#include <math.h>
#include <string.h>

#include "plan.h"


/* of a copied shard's extra load in the price of a move: a tie-breaker */

#define PREDICTOR_PLAN_COST  0.02


/* a node's sums in plan->memory: head, then one of these per step */

typedef struct {
    double  mean;
    double  deviation;
    double  square;
} predictor_plan_sum_t;

typedef struct {
    double  now;
    double  extra;          /* of moves in flight */
} predictor_plan_head_t;

typedef struct {
    uint32_t  shard;
    uint32_t  to;
    double    from_after;
    double    to_after;
    double    cost;
} predictor_plan_choice_t;


#define PREDICTOR_PLAN_HEAD  2
#define PREDICTOR_PLAN_SUM   3


static predictor_plan_head_t *
predictor_plan_head(const predictor_plan_t *plan, uint32_t node)
{
    return (predictor_plan_head_t *) (plan->memory
               + node * (PREDICTOR_PLAN_HEAD
                         + (size_t) PREDICTOR_PLAN_SUM * plan->nsteps));
}


static predictor_plan_sum_t *
predictor_plan_sums(const predictor_plan_t *plan, uint32_t node)
{
    return (predictor_plan_sum_t *) (predictor_plan_head(plan, node) + 1);
}


static double
predictor_plan_number(float v)
{
    return isfinite(v) && v > 0 ? v : 0;
}


static void
predictor_plan_step(const predictor_plan_t *plan, uint32_t shard,
    uint32_t step, predictor_plan_sum_t *v)
{
    double  q;
    size_t  i;

    i = (size_t) shard * plan->nsteps + step;

    v->mean = predictor_plan_number(plan->mean[i]);
    q = predictor_plan_number(plan->quantile[i]);

    v->deviation = q > v->mean ? q - v->mean : 0;
    v->square = v->deviation * v->deviation;
}


/* what the node bears without any shard, at present and at each step */

static void
predictor_plan_base(predictor_plan_t *plan, uint32_t node)
{
    double                 base;
    uint32_t               h;
    predictor_plan_sum_t  *sums;

    base = plan->nodes[node].base;
    sums = predictor_plan_sums(plan, node);
    predictor_plan_head(plan, node)->now = base;

    for (h = 0; h < plan->nsteps; h++) {
        sums[h].mean = base;
    }
}


/* sign +1 puts the shard on the node, -1 takes it off, 0 looks only */

static double
predictor_plan_sum(const predictor_plan_t *plan,
    const predictor_plan_sum_t *sum, const predictor_plan_sum_t *v, int sign)
{
    double  d, s;

    /* differences of equal sums may end a rounding error below 0 */

    d = fmax(sum->deviation + sign * v->deviation, 0);
    s = fmax(sum->square + sign * v->square, 0);

    return sum->mean + sign * v->mean
           + sqrt(plan->limits.rho * d * d + (1 - plan->limits.rho) * s);
}


/* steps during which a move in flight still costs its extra load */

static uint32_t
predictor_plan_move_steps(const predictor_plan_t *plan)
{
    double  steps;

    steps = ceil((plan->limits.move_s + plan->limits.age_s)
                 / plan->limits.step_s);

    return steps < plan->nsteps ? (uint32_t) steps : plan->nsteps;
}


/*
 * The highest load of a node with (sign +1) or without (-1) one shard, or as
 * it is (0); stops early above "limit", where the exact value is no matter.
 */

static double
predictor_plan_peak(const predictor_plan_t *plan, uint32_t node,
    uint32_t shard, int sign, double limit, uint32_t *at)
{
    double                        load, now, peak;
    uint32_t                      h, copying;
    predictor_plan_sum_t          v;
    const predictor_plan_sum_t   *sums;
    const predictor_plan_head_t  *head;

    head = predictor_plan_head(plan, node);
    sums = predictor_plan_sums(plan, node);
    copying = predictor_plan_move_steps(plan);

    memset(&v, 0, sizeof(predictor_plan_sum_t));
    now = head->now;

    if (sign) {
        now += sign * predictor_plan_number(plan->now[shard]);
    }

    peak = -1;

    for (h = 0; h < plan->nsteps && peak <= limit; h++) {

        if (sign) {
            predictor_plan_step(plan, shard, h, &v);
        }

        load = fmax(now, predictor_plan_sum(plan, &sums[h], &v, sign));
        load += h < copying ? head->extra : 0;

        if (load > peak) {
            peak = load;

            if (at) {
                *at = h;
            }
        }
    }

    return fmax(peak, 0);
}


static void
predictor_plan_add(predictor_plan_t *plan, uint32_t node, uint32_t shard,
    int sign)
{
    uint32_t               h;
    predictor_plan_sum_t   v, *sums;

    sums = predictor_plan_sums(plan, node);

    for (h = 0; h < plan->nsteps; h++) {
        predictor_plan_step(plan, shard, h, &v);

        sums[h].mean += sign * v.mean;
        sums[h].deviation += sign * v.deviation;
        sums[h].square += sign * v.square;
    }

    predictor_plan_head(plan, node)->now +=
                         sign * predictor_plan_number(plan->now[shard]);
}


/* both ends of a move carry its extra load and use their budget */

static void
predictor_plan_copying(predictor_plan_t *plan, uint32_t shard)
{
    double                   extra;
    predictor_plan_shard_t  *s;

    s = &plan->shards[shard];
    extra = plan->limits.extra * predictor_plan_number(plan->now[shard]);

    predictor_plan_head(plan, s->from)->extra += extra;
    predictor_plan_head(plan, s->to)->extra += extra;

    plan->nodes[s->from].moves++;
    plan->nodes[s->to].moves++;
}


/* the forecast alone for reports; the first breach with the present in it */

static void
predictor_plan_report(predictor_plan_t *plan, uint32_t node)
{
    double                  load, limit;
    uint32_t                h;
    predictor_plan_sum_t    none, *sums;
    predictor_plan_head_t  *head;
    predictor_plan_node_t  *n;

    memset(&none, 0, sizeof(predictor_plan_sum_t));

    n = &plan->nodes[node];
    head = predictor_plan_head(plan, node);
    sums = predictor_plan_sums(plan, node);
    limit = plan->limits.threshold * n->capacity;

    n->peak = 0;
    n->peak_step = 0;
    n->breach_step = PREDICTOR_PLAN_STEP_NONE;

    for (h = 0; h < plan->nsteps; h++) {
        load = predictor_plan_sum(plan, &sums[h], &none, 0);

        if (load > n->peak) {
            n->peak = load;
            n->peak_step = h;
        }

        if (n->breach_step == PREDICTOR_PLAN_STEP_NONE
            && fmax(head->now, load) > limit)
        {
            n->breach_step = h;
        }
    }
}


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

        if (plan->shards[j].fixed || plan->shards[j].from != src
            || plan->shards[j].to != src)
        {
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
            to = &plan->nodes[k];

            if (k == src || to->state != SHARD_NODE_UP || to->closing
                || to->moves >= plan->limits.moves_per_node)
            {
                continue;
            }

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

        if (plan->shards[j].fixed || plan->shards[j].from != src
            || plan->shards[j].to != src)
        {
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

            if (k == src || plan->nodes[k].state != SHARD_NODE_UP
                || plan->nodes[k].closing
                || plan->nodes[k].moves >= plan->limits.moves_per_node)
            {
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
    predictor_plan_sum_t    v;
    predictor_plan_node_t  *from, *to;

    from = &plan->nodes[src];
    to = &plan->nodes[c->to];
    worst = 0;

    m->shard = c->shard;
    m->from = src;
    m->to = c->to;
    m->drain = drain;
    m->load = predictor_plan_peak(plan, src, 0, 0, HUGE_VAL, &worst);

    predictor_plan_step(plan, c->shard, worst, &v);

    m->load_moved = fmax(predictor_plan_number(plan->now[c->shard]),
                         v.mean + v.deviation);
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


size_t
predictor_plan_doubles(uint32_t nnodes, uint32_t nsteps)
{
    return nnodes * (PREDICTOR_PLAN_HEAD
                     + (size_t) PREDICTOR_PLAN_SUM * nsteps);
}


void
predictor_plan_view(predictor_plan_t *plan)
{
    uint32_t                 i;
    predictor_plan_node_t   *n;
    predictor_plan_shard_t  *s;

    memset(plan->memory, 0, sizeof(double)
           * predictor_plan_doubles(plan->nnodes, plan->nsteps));

    for (i = 0; i < plan->nnodes; i++) {
        n = &plan->nodes[i];
        n->moves = 0;
        n->shards = 0;
        n->stuck = 0;
        n->waits = 0;

        predictor_plan_base(plan, i);
    }

    for (i = 0; i < plan->nshards; i++) {
        s = &plan->shards[i];

        predictor_plan_add(plan, s->to, i, 1);
        plan->nodes[s->to].shards++;

        if (s->to != s->from && !s->idle) {
            predictor_plan_copying(plan, i);
        }
    }

    for (i = 0; i < plan->nnodes; i++) {
        predictor_plan_report(plan, i);
    }
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
