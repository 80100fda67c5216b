
/* What nodes bear, step by step, as shards move; which shards they have. */

#include <string.h>

#include "plan_parts.h"


size_t
predictor_plan_doubles(uint32_t nnodes, uint32_t nsteps)
{
    return (size_t) (nsteps + 1)
           * (1 + nnodes * sizeof(predictor_plan_sum_t) / sizeof(double));
}


uint32_t
predictor_plan_ahead(const predictor_plan_t *plan, double seconds)
{
    double  steps;

    steps = ceil((seconds + plan->limits.age_s) / plan->limits.step_s - 1e-6)
            + 1;
    steps = fmax(steps, 1);

    return steps <= plan->nsteps ? (uint32_t) steps : plan->nsteps + 1;
}


/* sign +1 counts the shard on the node from one step up to another, -1 takes
 * it off */

static void
predictor_plan_count(predictor_plan_t *plan, uint32_t node, uint32_t shard,
    uint32_t from, uint32_t to, double sign)
{
    uint32_t                h;
    predictor_plan_sum_t   *sums;
    predictor_plan_load_t   v;

    sums = predictor_plan_sums(plan, node);

    for (h = from; h < to; h++) {
        predictor_plan_shard_load(plan, shard, h, &v);
        predictor_plan_load_add(&sums[h].load, &v, sign);
    }
}


/* copying is load that no forecast has doubts of */

static void
predictor_plan_copying(predictor_plan_t *plan, uint32_t node, uint32_t shard,
    uint32_t commit, double extra)
{
    uint32_t                h;
    predictor_plan_sum_t   *sums;
    predictor_plan_load_t   v;

    sums = predictor_plan_sums(plan, node);

    for (h = 0; h < commit; h++) {
        predictor_plan_shard_load(plan, shard, h, &v);
        sums[h].load.mean += extra * v.mean;
    }

    plan->nodes[node].moves++;
}


static void
predictor_plan_price_node(predictor_plan_t *plan, uint32_t node)
{
    double                  weighed, *weight;
    uint32_t                h;
    predictor_plan_sum_t   *sums;
    predictor_plan_node_t  *n;

    n = &plan->nodes[node];
    sums = predictor_plan_sums(plan, node);
    weight = predictor_plan_weights(plan);
    n->cost = n->use = weighed = 0;

    for (h = 0; h <= plan->nsteps; h++) {
        sums[h].cost = weight[h] * predictor_plan_value(plan, n,
                                                        &sums[h].load);
        n->cost += sums[h].cost;
        n->use += weight[h] * sums[h].load.mean;
        weighed += weight[h];
    }

    n->use /= weighed * n->capacity;
}


double
predictor_plan_peak(const predictor_plan_t *plan, uint32_t node,
    uint32_t step, uint32_t *at)
{
    double                 load, peak;
    uint32_t               h, first;
    predictor_plan_sum_t  *sums;

    sums = predictor_plan_sums(plan, node);
    first = step <= plan->nsteps ? step : plan->nsteps;
    peak = -1;

    for (h = first; h <= plan->nsteps; h++) {
        load = predictor_plan_load(plan, &sums[h].load);

        if (load > peak) {
            peak = load;
            *at = h;
        }
    }

    return fmax(peak, 0);
}


void
predictor_plan_report(predictor_plan_t *plan, uint32_t node)
{
    double                  limit;
    uint32_t                h, at;
    predictor_plan_sum_t   *sums;
    predictor_plan_node_t  *n;

    n = &plan->nodes[node];
    sums = predictor_plan_sums(plan, node);
    limit = plan->limits.threshold * n->capacity;

    predictor_plan_price_node(plan, node);

    at = 1;
    n->peak = predictor_plan_peak(plan, node, 1, &at);
    n->peak_step = at - 1;
    n->breach_step = PREDICTOR_PLAN_STEP_NONE;

    for (h = 0; h <= plan->nsteps; h++) {

        if (predictor_plan_load(plan, &sums[h].load) > limit) {
            n->breach_step = h ? h - 1 : 0;
            break;
        }
    }
}


/* shards of a node are listed by where they will be */

static void
predictor_plan_list(predictor_plan_t *plan, uint32_t shard)
{
    predictor_plan_node_t   *n;
    predictor_plan_shard_t  *s;

    s = &plan->shards[shard];
    n = &plan->nodes[s->to];

    s->next = n->first;
    n->first = shard;
    n->shards++;
}


static void
predictor_plan_unlist(predictor_plan_t *plan, uint32_t shard)
{
    uint32_t                *i;
    predictor_plan_node_t   *n;

    n = &plan->nodes[plan->shards[shard].to];

    for (i = &n->first; *i != shard; i = &plan->shards[*i].next) {
        /* void */
    }

    *i = plan->shards[shard].next;
    n->shards--;
}


static void
predictor_plan_put(predictor_plan_t *plan, uint32_t shard)
{
    double                   left;
    uint32_t                 commit;
    predictor_plan_shard_t  *s;

    s = &plan->shards[shard];
    commit = 0;

    if (s->to != s->from && !s->idle) {
        left = s->left_s > 0 ? (double) s->left_s
               : predictor_plan_duration(plan, shard,
                                  predictor_plan_promotes(plan, shard, s->to));
        commit = predictor_plan_ahead(plan, left);

        predictor_plan_count(plan, s->from, shard, 0, commit, 1);
        predictor_plan_copying(plan, s->from, shard, commit,
                               plan->limits.extra);
        predictor_plan_copying(plan, s->to, shard, commit,
                               plan->limits.extra);
    }

    predictor_plan_count(plan, s->to, shard, commit,
                         predictor_plan_steps(plan), 1);
    predictor_plan_list(plan, shard);
}


void
predictor_plan_put_on(predictor_plan_t *plan, uint32_t shard, uint32_t to)
{
    uint32_t  from, steps;

    from = plan->shards[shard].to;
    steps = predictor_plan_steps(plan);

    predictor_plan_unlist(plan, shard);
    plan->shards[shard].to = to;
    predictor_plan_list(plan, shard);

    predictor_plan_count(plan, from, shard, 0, steps, -1);
    predictor_plan_count(plan, to, shard, 0, steps, 1);
}


void
predictor_plan_begin(predictor_plan_t *plan, const predictor_plan_trial_t *t)
{
    uint32_t  steps;

    steps = predictor_plan_steps(plan);

    predictor_plan_unlist(plan, t->shard);
    plan->shards[t->shard].to = t->to;
    plan->shards[t->shard].left_s = (float) fmax((t->commit - 1)
                                                 * plan->limits.step_s
                                                 - plan->limits.age_s, 1e-5);
    predictor_plan_list(plan, t->shard);

    predictor_plan_count(plan, t->from, t->shard, t->commit, steps, -1);
    predictor_plan_count(plan, t->to, t->shard, t->commit, steps, 1);
    predictor_plan_copying(plan, t->from, t->shard, t->commit, t->extra);
    predictor_plan_copying(plan, t->to, t->shard, t->commit, t->extra);

    predictor_plan_report(plan, t->from);
    predictor_plan_report(plan, t->to);
}


/* what a node bears without any shard, at each step */

static void
predictor_plan_clear(predictor_plan_t *plan, uint32_t node)
{
    uint32_t                h;
    predictor_plan_sum_t   *sums;
    predictor_plan_node_t  *n;

    n = &plan->nodes[node];
    sums = predictor_plan_sums(plan, node);

    n->moves = 0;
    n->shards = 0;
    n->first = SHARD_ID_NONE;
    n->stuck = 0;
    n->waits = 0;

    memset(sums, 0, predictor_plan_steps(plan) * sizeof(predictor_plan_sum_t));

    for (h = 0; h <= plan->nsteps; h++) {
        sums[h].load.mean = n->base;
    }
}


void
predictor_plan_view(predictor_plan_t *plan)
{
    uint32_t  i;

    predictor_plan_weigh(plan);

    for (i = 0; i < plan->nnodes; i++) {
        predictor_plan_clear(plan, i);
    }

    for (i = plan->nshards; i-- > 0; ) {
        predictor_plan_put(plan, i);
    }

    for (i = 0; i < plan->nnodes; i++) {
        predictor_plan_report(plan, i);
    }
}
