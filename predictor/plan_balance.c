
/*
 * A whole fleet balanced at once, with no thought of how long moves take:
 * the worst node's peak is lowered until nothing lower is possible.
 *
 *     nodes by peak   [ least used .. .. .. .. .. .. worst ]
 *                          ▲  ▲  ▲        shard       │
 *                          └──┴──┴────────────────────┘
 *                         or a swap with one of theirs
 *
 * No assignment is better than the mean of all nodes at the fleet's worst
 * step, or than the largest shard on the largest node.
 */


#include "plan_parts.h"


#define PREDICTOR_BALANCE_TARGETS  16
#define PREDICTOR_BALANCE_SHARDS   16
#define PREDICTOR_BALANCE_LEAST    1e-6     /* of a peak: no gain below it */


typedef struct {
    uint32_t  shard;
    uint32_t  back;             /* that comes in exchange, or none */
    uint32_t  to;
    double    worse;            /* peak of the worse end afterwards */
} predictor_balance_t;

/* some shards of a node, the one that suits best first */

typedef struct {
    uint32_t  n;
    uint32_t  shard[PREDICTOR_BALANCE_SHARDS];
    double    misfit[PREDICTOR_BALANCE_SHARDS];
} predictor_balance_some_t;


typedef struct {
    uint32_t  n;
    uint32_t  node[PREDICTOR_BALANCE_TARGETS];
    double    use[PREDICTOR_BALANCE_TARGETS];
} predictor_balance_targets_t;


/* highest utilisation without "off" and with "on", each may be none; stops
 * early above the limit */

static double
predictor_balance_peak(const predictor_plan_t *plan, uint32_t node,
    uint32_t off, uint32_t on, double limit, uint32_t *at)
{
    double                  load, peak, capacity;
    uint32_t                h;
    predictor_plan_sum_t   *sums;
    predictor_plan_load_t   v, sum;

    sums = predictor_plan_sums(plan, node);
    capacity = plan->nodes[node].capacity;
    limit *= capacity;
    peak = 0;

    for (h = 1; h <= plan->nsteps && peak <= limit; h++) {
        sum = sums[h].load;

        if (off != SHARD_ID_NONE) {
            predictor_plan_shard_load(plan, off, h, &v);
            predictor_plan_load_add(&sum, &v, -1);
        }

        if (on != SHARD_ID_NONE) {
            predictor_plan_shard_load(plan, on, h, &v);
            predictor_plan_load_add(&sum, &v, 1);
        }

        load = predictor_plan_load(plan, &sum);

        if (load > peak) {
            peak = load;

            if (at) {
                *at = h;
            }
        }
    }

    return peak / capacity;
}


double
predictor_plan_bound(const predictor_plan_t *plan)
{
    double                 capacity, largest, all, peak, bound;
    uint32_t               i, h;
    predictor_plan_load_t  sum, v;

    capacity = largest = 0;

    for (i = 0; i < plan->nnodes; i++) {

        if (plan->nodes[i].state == SHARD_NODE_UP) {
            capacity += plan->nodes[i].capacity;
            largest = fmax(largest, plan->nodes[i].capacity);
        }
    }

    bound = 0;

    for (h = 1; h <= plan->nsteps && capacity > 0; h++) {
        all = peak = 0;

        for (i = 0; i < plan->nnodes; i++) {
            sum = predictor_plan_sums(plan, i)[h].load;
            all += sum.mean;
        }

        for (i = 0; i < plan->nshards; i++) {
            predictor_plan_shard_load(plan, i, h, &v);
            peak = fmax(peak, v.mean);
        }

        bound = fmax(bound, fmax(all / capacity, peak / largest));
    }

    return bound;
}


static void
predictor_balance_target(predictor_balance_targets_t *t, uint32_t node,
    double use)
{
    uint32_t  j;

    j = t->n < PREDICTOR_BALANCE_TARGETS ? t->n++ : t->n - 1;

    for ( ; j > 0 && t->use[j - 1] > use; j--) {
        t->node[j] = t->node[j - 1];
        t->use[j] = t->use[j - 1];
    }

    t->node[j] = node;
    t->use[j] = use;
}


/* of a node: the shards with about that load at a step */

static void
predictor_balance_some(const predictor_plan_t *plan, uint32_t node,
    uint32_t step, double load, predictor_balance_some_t *some)
{
    double                 misfit;
    uint32_t               i, j;
    predictor_plan_load_t  v;

    some->n = 0;

    for (j = plan->nodes[node].first; j != SHARD_ID_NONE;
         j = plan->shards[j].next)
    {
        predictor_plan_shard_load(plan, j, step, &v);
        misfit = fabs(v.mean - load);
        i = some->n;

        if (plan->shards[j].fixed
            || (i == PREDICTOR_BALANCE_SHARDS
                && misfit >= some->misfit[i - 1]))
        {
            continue;
        }

        i = i < PREDICTOR_BALANCE_SHARDS ? some->n++ : i - 1;

        for ( ; i > 0 && some->misfit[i - 1] > misfit; i--) {
            some->shard[i] = some->shard[i - 1];
            some->misfit[i] = some->misfit[i - 1];
        }

        some->shard[i] = j;
        some->misfit[i] = misfit;
    }
}


static void
predictor_balance_try(const predictor_plan_t *plan, uint32_t src,
    uint32_t shard, uint32_t to, uint32_t back, predictor_balance_t *best)
{
    double  from_after, to_after;

    to_after = predictor_balance_peak(plan, to, back, shard, best->worse,
                                      NULL);

    if (to_after >= best->worse) {
        return;
    }

    from_after = predictor_balance_peak(plan, src, shard, back, best->worse,
                                        NULL);

    if (fmax(from_after, to_after) < best->worse) {
        best->worse = fmax(from_after, to_after);
        best->shard = shard;
        best->to = to;
        best->back = back;
    }
}


static int
predictor_balance_takes(const predictor_plan_t *plan, uint32_t src,
    uint32_t shard, uint32_t to)
{
    const predictor_plan_node_t  *n;

    n = &plan->nodes[to];

    return to != src && n->state == SHARD_NODE_UP && !n->closing
           && predictor_plan_allows(plan, shard, to);
}


/* the least used nodes; or, "at" a step that is not 0, the least used then */

static void
predictor_balance_targets(const predictor_plan_t *plan, uint32_t at,
    predictor_balance_targets_t *t)
{
    double    use;
    uint32_t  i, k;

    t->n = 0;

    for (k = 0; k < plan->nnodes; k++) {
        i = plan->nodes[k].order;
        use = at ? predictor_plan_load(plan,
                                       &predictor_plan_sums(plan, i)[at].load)
                   / plan->nodes[i].capacity
                 : plan->nodes[i].use;

        if (plan->nodes[i].state != SHARD_NODE_UP
            || (t->n == PREDICTOR_BALANCE_TARGETS
                && use >= t->use[t->n - 1]))
        {
            continue;
        }

        predictor_balance_target(t, i, use);

        if (at == 0 && t->n == PREDICTOR_BALANCE_TARGETS) {
            break;
        }
    }
}


/* "excess" is the load that the source should lose at its peak */

static void
predictor_balance_moves(const predictor_plan_t *plan, uint32_t src,
    uint32_t step, double excess, const predictor_balance_targets_t *targets,
    predictor_balance_t *best)
{
    uint32_t                  i, k, to;
    predictor_balance_some_t  some;

    predictor_balance_some(plan, src, step, excess, &some);

    for (k = 0; k < targets->n; k++) {
        to = targets->node[k];

        for (i = 0; i < some.n; i++) {

            if (predictor_balance_takes(plan, src, some.shard[i], to)) {
                predictor_balance_try(plan, src, some.shard[i], to,
                                      SHARD_ID_NONE, best);
            }
        }
    }
}


/* shards of "times" the excess against those of the source's that are larger
 * by it */

static void
predictor_balance_swaps(const predictor_plan_t *plan, uint32_t src,
    uint32_t step, double excess, double times,
    const predictor_balance_targets_t *targets, predictor_balance_t *best)
{
    uint32_t                  i, j, k, to;
    predictor_plan_load_t     v;
    predictor_balance_some_t  some, back;

    predictor_balance_some(plan, src, step, times * excess, &some);

    for (k = 0; k < targets->n; k++) {
        to = targets->node[k];

        for (i = 0; i < some.n; i++) {

            if (!predictor_balance_takes(plan, src, some.shard[i], to)) {
                continue;
            }

            predictor_plan_shard_load(plan, some.shard[i], step, &v);
            predictor_balance_some(plan, to, step, v.mean - excess, &back);

            for (j = 0; j < back.n; j++) {

                if (predictor_balance_takes(plan, to, back.shard[j], src)) {
                    predictor_balance_try(plan, src, some.shard[i], to,
                                          back.shard[j], best);
                }
            }
        }
    }
}


/* nodes stay sorted by peak: the node goes where it belongs now */

static void
predictor_balance_sort(predictor_plan_t *plan, uint32_t node)
{
    uint32_t                i;
    predictor_plan_node_t  *n;

    n = plan->nodes;
    n[node].use = n[node].state == SHARD_NODE_UP
                  ? predictor_balance_peak(plan, node, SHARD_ID_NONE,
                                           SHARD_ID_NONE, HUGE_VAL, NULL)
                  : -1;

    for (i = 0; n[i].order != node; i++) {
        /* void */
    }

    for ( ; i > 0 && n[n[i - 1].order].use > n[node].use; i--) {
        n[i].order = n[i - 1].order;
    }

    for ( ; i + 1 < plan->nnodes && n[n[i + 1].order].use < n[node].use; i++) {
        n[i].order = n[i + 1].order;
    }

    n[i].order = node;
}


static void
predictor_balance_make(predictor_plan_t *plan, uint32_t shard, uint32_t to)
{
    uint32_t  from;

    from = plan->shards[shard].to;
    predictor_plan_put_on(plan, shard, to);
    predictor_balance_sort(plan, from);
    predictor_balance_sort(plan, to);
}


/* first among the least used nodes, then among those that are it at the
 * source's worst step, and of more sizes */

static void
predictor_balance_choose(const predictor_plan_t *plan, uint32_t src,
    double goal, predictor_balance_t *best)
{
    double                       peak, excess, times;
    uint32_t                     wide, step;
    predictor_balance_targets_t  targets;

    step = 1;
    peak = predictor_balance_peak(plan, src, SHARD_ID_NONE, SHARD_ID_NONE,
                                  HUGE_VAL, &step);
    excess = (peak - goal) * plan->nodes[src].capacity;
    best->shard = SHARD_ID_NONE;
    best->worse = peak * (1 - PREDICTOR_BALANCE_LEAST);

    for (wide = 0; wide < 2; wide++) {
        predictor_balance_targets(plan, wide ? step : 0, &targets);
        predictor_balance_moves(plan, src, step, excess, &targets, best);

        for (times = 2; times <= (wide ? 32 : 4)
                        && best->shard == SHARD_ID_NONE; times *= 2)
        {
            predictor_balance_swaps(plan, src, step, excess, times, &targets,
                                    best);
        }

        if (best->shard != SHARD_ID_NONE) {
            break;
        }
    }
}


uint32_t
predictor_plan_balance(predictor_plan_t *plan, double slack, uint32_t max)
{
    double               goal;
    uint32_t             i, n, src;
    predictor_balance_t  best;

    predictor_plan_view(plan);
    predictor_plan_rank(plan);

    for (i = 0; i < plan->nnodes; i++) {
        predictor_balance_sort(plan, i);
    }

    goal = predictor_plan_bound(plan) * (1 + slack);

    for (n = 0; n < max; n++) {
        src = plan->nodes[plan->nnodes - 1].order;

        if (plan->nodes[src].use <= goal) {
            break;
        }

        predictor_balance_choose(plan, src, goal, &best);

        if (best.shard == SHARD_ID_NONE) {
            break;
        }

        predictor_balance_make(plan, best.shard, best.to);

        if (best.back != SHARD_ID_NONE) {
            predictor_balance_make(plan, best.back, src);
        }
    }

    for (i = n = 0; i < plan->nshards; i++) {
        n += plan->shards[i].to != plan->shards[i].from;
    }

    return n;
}
