
/* What nodes bear: sums of their shards' forecasts, kept as shards move. */

#include <math.h>
#include <string.h>

#include "plan_parts.h"


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


double
predictor_plan_load(const predictor_plan_t *plan, uint32_t shard,
    uint32_t step)
{
    predictor_plan_sum_t  v;

    predictor_plan_step(plan, shard, step, &v);

    return fmax(predictor_plan_number(plan->now[shard]),
                v.mean + v.deviation);
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


double
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


void
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


void
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


void
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
