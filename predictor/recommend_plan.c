
/* What of a plan is recommended. */

#include <math.h>

#include "recommend.h"


static predictor_recommendation_t *
predictor_recommend_next(predictor_recommendations_t *r)
{
    return r->n < PREDICTOR_RECOMMEND_MAX ? &r->all[r->n++] : NULL;
}


static void
predictor_recommend_now(predictor_recommendations_t *r,
    const predictor_fleet_t *fleet, const predictor_plan_move_t *m)
{
    predictor_recommendation_t  *one;

    one = predictor_recommend_next(r);

    if (one == NULL) {
        return;
    }

    one->shard = m->shard;
    one->from = m->from;
    one->to = m->to;
    one->waits = 0;
    one->drain = m->drain;
    one->start_in_s = 0;
    one->breach_in_s = m->breach_in_s;
    one->gain_s = m->gain_s;
    one->cost_s = m->price_s;
    one->move_s = predictor_fleet_move_s(fleet, m);
}


/* the last moment at which it would still be in time, though not before the
 * next step: the planner looks again with each of them */

static double
predictor_recommend_start(const predictor_fleet_t *fleet, double breach_in_s,
    double move_s)
{
    const predictor_plan_limits_t  *l;

    l = &fleet->plan.limits;

    return fmax(breach_in_s - move_s * (1 + l->move_spread) - l->margin_s,
                l->step_s);
}


static void
predictor_recommend_later(predictor_recommendations_t *r,
    const predictor_fleet_t *fleet, uint32_t node)
{
    predictor_plan_move_t         m;
    const predictor_plan_node_t  *n;
    predictor_recommendation_t   *one;

    n = &fleet->plan.nodes[node];
    one = predictor_recommend_next(r);

    if (one == NULL) {
        return;
    }

    m.shard = n->wait_shard;
    m.from = node;
    m.to = n->wait_to;

    one->shard = m.shard;
    one->from = m.from;
    one->to = m.to;
    one->waits = 1;
    one->drain = 0;
    one->breach_in_s = n->breach_step == PREDICTOR_PLAN_STEP_NONE ? -1
                       : fmax(n->breach_step * fleet->plan.limits.step_s
                              - fleet->plan.limits.age_s, 0);
    one->cost_s = n->wait_price;
    one->gain_s = n->wait_gain;
    one->move_s = predictor_fleet_move_s(fleet, &m);
    one->start_in_s = predictor_recommend_start(fleet, one->breach_in_s,
                                                one->move_s);
}


void
predictor_recommend_plan(predictor_recommendations_t *r,
    const predictor_fleet_t *fleet, const predictor_plan_move_t *moves,
    uint32_t n)
{
    uint32_t  i;

    r->n = 0;

    for (i = 0; i < n; i++) {
        predictor_recommend_now(r, fleet, &moves[i]);
    }

    for (i = 0; i < fleet->plan.nnodes; i++) {

        if (fleet->plan.nodes[i].waits) {
            predictor_recommend_later(r, fleet, i);
        }
    }
}
