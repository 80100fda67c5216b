
#include <string.h>

#include "simulate_world.h"


static int predictor_sim_decide(predictor_sim_planner_t *p,
    predictor_sim_world_t *w, const predictor_sim_policy_t *policy,
    const predictor_sim_forecasts_t *f);


int
predictor_sim_run(const predictor_sim_t *s, const predictor_sim_part_t *part,
    const predictor_sim_policy_t *policy, const predictor_sim_forecasts_t *f,
    uint32_t nnodes, predictor_sim_world_t *w)
{
    int                      rc;
    long                     t;
    predictor_sim_planner_t  planner;

    memset(&planner, 0, sizeof(predictor_sim_planner_t));
    rc = predictor_sim_world_init(w, s, part, nnodes);

    if (rc == SHARD_OK && policy->kind != PREDICTOR_SIM_STATIC) {
        rc = predictor_sim_planner_init(&planner, w);
    }

    for (t = part->from; rc == SHARD_OK && t < (long) part->before; t++) {
        rc = predictor_sim_world_begin(w, t);

        /* before the first slot is over there is nothing to go by */

        if (rc == SHARD_OK && policy->kind != PREDICTOR_SIM_STATIC
            && t >= s->conf.known_after)
        {
            rc = predictor_sim_decide(&planner, w, policy, f);
        }

        predictor_sim_world_end(w);
    }

    w->figures.plan_ms /= part->before - part->from;
    predictor_sim_planner_free(&planner);

    return rc;
}


static int
predictor_sim_decide(predictor_sim_planner_t *p, predictor_sim_world_t *w,
    const predictor_sim_policy_t *policy, const predictor_sim_forecasts_t *f)
{
    int                           rc;
    double                        ms;
    uint32_t                      i, n;
    const predictor_plan_move_t  *m;

    rc = predictor_sim_plan(p, w, policy, f, &n);
    ms = p->took_ms;

    w->figures.plan_ms += ms;
    w->figures.plan_max_ms = fmax(w->figures.plan_max_ms, ms);

    for (i = 0; i < n && rc == SHARD_OK; i++) {
        m = &p->moves[i];
        rc = predictor_sim_world_move(w, p->shard[m->shard], m->to);
    }

    return rc == SHARD_OK && w->s->conf.splits ? predictor_sim_cuts(p, w) : rc;
}
