
/* What of a plan is recommended, and what a move in it is worth. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recommend.h"


/* loads of a node at each step, without one shard */

typedef struct {
    double  mean;
    double  deviation;
    double  square;
} predictor_recommend_step_t;


static void
predictor_worth_add(const predictor_plan_t *plan, uint32_t shard, uint32_t h,
    predictor_recommend_step_t *w)
{
    double  mean, d;
    size_t  i;

    i = (size_t) shard * plan->nsteps + h;
    mean = fmax((double) plan->mean[i], 0);
    d = fmax((double) plan->quantile[i] - mean, 0);

    w->mean += mean;
    w->deviation += d;
    w->square += d * d;
}


static void
predictor_worth_node(const predictor_plan_t *plan, uint32_t node,
    uint32_t except, predictor_recommend_step_t *w)
{
    uint32_t  i, h;

    memset(w, 0, plan->nsteps * sizeof(predictor_recommend_step_t));

    for (h = 0; h < plan->nsteps; h++) {
        w[h].mean = plan->nodes[node].base;
    }

    for (i = 0; i < plan->nshards; i++) {

        for (h = 0; h < plan->nsteps && plan->shards[i].to == node
                    && i != except; h++)
        {
            predictor_worth_add(plan, i, h, &w[h]);
        }
    }
}


/* seconds above capacity at the quantile, the shard being on the node in
 * steps [from, to), with a share of its load more in steps [0, copying) */

static double
predictor_worth_s(const predictor_plan_t *plan, uint32_t node,
    uint32_t shard, const predictor_recommend_step_t *w, uint32_t from, uint32_t to,
    uint32_t copying)
{
    double                      load, s;
    uint32_t                    h;
    predictor_recommend_step_t  v;

    s = 0;

    for (h = 0; h < plan->nsteps; h++) {
        v = w[h];

        if (h >= from && h < to) {
            predictor_worth_add(plan, shard, h, &v);
        }

        load = v.mean + sqrt(plan->limits.rho * v.deviation * v.deviation
                             + (1 - plan->limits.rho) * v.square);

        if (h < copying) {
            load += plan->limits.extra * fmax((double) plan->now[shard], 0);
        }

        s += load > plan->nodes[node].capacity ? plan->limits.step_s : 0;
    }

    return s;
}


void
predictor_recommend_worth(const predictor_fleet_t *fleet,
    const predictor_plan_move_t *m, double *gain_s, double *cost_s)
{
    double                       before, after, copied;
    uint32_t                     n, commit;
    const predictor_plan_t      *p;
    predictor_recommend_step_t  *w;

    *gain_s = 0;
    *cost_s = 0;
    p = &fleet->plan;
    n = p->nsteps;
    w = malloc(((size_t) n + 1) * 2 * sizeof(predictor_recommend_step_t));

    if (w == NULL) {
        return;
    }

    commit = (uint32_t) fmin(n, ceil(predictor_fleet_move_s(fleet, m)
                                     / p->limits.step_s));
    predictor_worth_node(p, m->from, m->shard, w);
    predictor_worth_node(p, m->to, m->shard, w + n);

    before = predictor_worth_s(p, m->from, m->shard, w, 0, n, 0)
             + predictor_worth_s(p, m->to, m->shard, w + n, 0, 0, 0);
    after = predictor_worth_s(p, m->from, m->shard, w, 0, commit, 0)
            + predictor_worth_s(p, m->to, m->shard, w + n, commit, n, 0);
    copied = predictor_worth_s(p, m->from, m->shard, w, 0, commit, commit)
             + predictor_worth_s(p, m->to, m->shard, w + n, commit, n,
                                 commit);
    free(w);

    *gain_s = before - copied;
    *cost_s = copied - after;
}


static void
predictor_recommend_take(predictor_recommendations_t *r,
    const predictor_fleet_t *fleet, const predictor_plan_move_t *m,
    double start_in_s, int waits)
{
    predictor_recommendation_t  *one;

    if (r->n == PREDICTOR_RECOMMEND_MAX) {
        return;
    }

    one = &r->all[r->n++];
    one->shard = m->shard;
    one->from = m->from;
    one->to = m->to;
    one->waits = waits;
    one->drain = m->drain;
    one->start_in_s = start_in_s;
    one->breach_in_s = m->breach_in_s;
    one->move_s = predictor_fleet_move_s(fleet, m);
    predictor_recommend_worth(fleet, m, &one->gain_s, &one->cost_s);
}


/* the plan as it would be made when everything was due: what is in it beyond
 * the moves of now waits for its time; the planner's memory is used again */

static void
predictor_recommend_waits(predictor_recommendations_t *r,
    predictor_fleet_t *fleet)
{
    double                  later_s;
    uint32_t                i, n;
    predictor_fleet_t       copy;
    predictor_plan_t       *p;
    predictor_plan_move_t   moves[PREDICTOR_RECOMMEND_MAX / 2];

    copy = *fleet;
    p = &copy.plan;
    p->nodes = malloc((p->nnodes + 1) * sizeof(predictor_plan_node_t));
    p->shards = malloc((p->nshards + 1) * sizeof(predictor_plan_shard_t));

    if (p->nodes && p->shards) {
        memcpy(p->nodes, fleet->plan.nodes,
               p->nnodes * sizeof(predictor_plan_node_t));
        memcpy(p->shards, fleet->plan.shards,
               p->nshards * sizeof(predictor_plan_shard_t));

        later_s = p->nsteps * p->limits.step_s;
        p->limits.margin_s += later_s;
        p->budget = NULL;
        n = predictor_plan(p, moves, PREDICTOR_RECOMMEND_MAX / 2);

        for (i = 0; i < n; i++) {
            predictor_recommend_take(r, &copy, &moves[i],
                                     fmax(moves[i].breach_in_s
                                          - moves[i].lead_s + later_s, 0), 1);
        }
    }

    free(p->nodes);
    free(p->shards);
}


void
predictor_recommend_plan(predictor_recommendations_t *r,
    predictor_fleet_t *fleet, const predictor_plan_move_t *moves, uint32_t n)
{
    uint32_t  i;
    unsigned  waits;

    r->n = 0;
    waits = 0;

    for (i = 0; i < n; i++) {
        predictor_recommend_take(r, fleet, &moves[i], 0, 0);
    }

    for (i = 0; i < fleet->plan.nnodes; i++) {
        waits |= fleet->plan.nodes[i].waits;
    }

    if (waits) {
        predictor_recommend_waits(r, fleet);
    }
}
