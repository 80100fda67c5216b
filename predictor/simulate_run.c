
#include <string.h>

#include "simulate_world.h"


static int predictor_sim_decide(predictor_sim_planner_t *p,
    predictor_sim_world_t *w, const predictor_sim_policy_t *policy,
    const predictor_sim_forecasts_t *f);
static double predictor_sim_peak(const predictor_sim_planner_t *p,
    uint32_t i);


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


/* the highest load of a shard that the policy sees coming */

static double
predictor_sim_peak(const predictor_sim_planner_t *p, uint32_t i)
{
    double    peak;
    uint32_t  h;

    peak = p->now[i];

    for (h = 0; h < p->plan.nsteps; h++) {
        peak = fmax(peak, p->quantile[(size_t) i * p->plan.nsteps + h]);
    }

    return peak;
}


/* where no move helps, the node's largest shard becomes two that may */

int
predictor_sim_cuts(predictor_sim_planner_t *p, predictor_sim_world_t *w)
{
    int       rc;
    double    peak, most;
    uint32_t  i, node, largest;

    rc = SHARD_OK;

    for (node = 0; node < w->nnodes && rc == SHARD_OK; node++) {

        if (!p->plan.nodes[node].stuck) {
            continue;
        }

        most = w->s->conf.split_least * w->nodes[node].capacity;
        largest = SHARD_ID_NONE;

        for (i = 0; i < p->plan.nshards; i++) {
            peak = predictor_sim_peak(p, i);

            if (w->shards[p->shard[i]].node == node
                && w->shards[p->shard[i]].to == node
                && !w->shards[p->shard[i]].cutting && peak > most)
            {
                most = peak;
                largest = p->shard[i];
            }
        }

        if (largest != SHARD_ID_NONE) {
            rc = predictor_sim_world_split(w, largest);
        }
    }

    return rc;
}
