
/*
 * How a policy sees the world, in the planner's words.  The planner is called
 * from here alone, by all policies: they differ in what they see.
 *
 *     reactive     the load of now, over the whole horizon
 *     predictive   the forecasts that the daemon would have had
 *     oracle       the load that comes
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "simulate_world.h"


static int predictor_sim_planner_room(predictor_sim_planner_t *p,
    const predictor_sim_world_t *w);
static void predictor_sim_limits(predictor_plan_limits_t *l,
    const predictor_sim_world_t *w, const predictor_sim_policy_t *policy);


int
predictor_sim_planner_init(predictor_sim_planner_t *p,
    const predictor_sim_world_t *w)
{
    predictor_plan_t  *plan;

    memset(p, 0, sizeof(predictor_sim_planner_t));

    plan = &p->plan;
    plan->nnodes = w->nnodes;
    plan->nsteps = (uint32_t) predictor_sim_steps(w->s,
                                  (double) w->s->conf.horizon_ms);

    plan->nodes = calloc(w->nnodes, sizeof(predictor_plan_node_t));
    plan->memory = calloc(predictor_plan_doubles(plan->nnodes, plan->nsteps)
                          + 1, sizeof(double));
    p->moves = calloc((size_t) w->s->conf.in_all,
                      sizeof(predictor_plan_move_t));

    return plan->nodes && plan->memory && p->moves
           ? predictor_sim_planner_room(p, w) : SHARD_ERROR;
}


void
predictor_sim_planner_free(predictor_sim_planner_t *p)
{
    free(p->plan.nodes);
    free(p->plan.shards);
    free(p->plan.memory);
    free(p->moves);
    free(p->shard);
    free(p->now);
    free(p->mean);
    free(p->quantile);

    memset(p, 0, sizeof(predictor_sim_planner_t));
}


/* cut shards become more */

static int
predictor_sim_planner_room(predictor_sim_planner_t *p,
    const predictor_sim_world_t *w)
{
    size_t  n;

    if (w->nshards <= p->room) {
        return SHARD_OK;
    }

    free(p->plan.shards);
    free(p->shard);
    free(p->now);
    free(p->mean);
    free(p->quantile);

    p->room = w->nshards;
    n = (size_t) p->room * p->plan.nsteps;

    p->plan.shards = calloc(p->room, sizeof(predictor_plan_shard_t));
    p->shard = calloc(p->room, sizeof(uint32_t));
    p->now = calloc(p->room, sizeof(float));
    p->mean = calloc(n, sizeof(float));
    p->quantile = calloc(n, sizeof(float));

    p->plan.now = p->now;
    p->plan.mean = p->mean;
    p->plan.quantile = p->quantile;

    return p->plan.shards && p->shard && p->now && p->mean && p->quantile
           ? SHARD_OK : SHARD_ERROR;
}


static void
predictor_sim_limits(predictor_plan_limits_t *l,
    const predictor_sim_world_t *w, const predictor_sim_policy_t *policy)
{
    double                       ms;
    uint32_t                     i;
    const predictor_scenario_t  *c;

    c = &w->s->conf;
    ms = 0;

    for (i = 0; i < w->nshards; i++) {
        ms += predictor_sim_move_ms(w, i) / w->nshards;
    }

    memset(l, 0, sizeof(predictor_plan_limits_t));

    l->threshold = policy->threshold;
    l->rho = c->correlation;
    l->caution = predictor_plan_caution(c->caution, c->quantile);
    l->price_s = policy->price_s;
    l->extra = c->move_extra;
    l->step_s = w->s->step_s;
    l->move_s = ms / 1000;
    l->move_spread = c->move_spread;
    l->margin_s = (double) c->margin_ms / 1000;
    l->moves_per_node = (uint32_t) c->per_node;
    l->moves = (uint32_t) c->in_all;

    /* the first step of a forecast comes behind the last load that is known:
     * it has not begun yet where that is the present one's */

    l->age_s = (double) (c->known_after - 1) * w->s->step_s;
    l->seed = (uint32_t) w->t;
}


/* the horizon of a shard: what the policy may know of it */

static void
predictor_sim_see(predictor_sim_planner_t *p, const predictor_sim_world_t *w,
    const predictor_sim_policy_t *policy, const predictor_sim_forecasts_t *f,
    uint32_t i)
{
    size_t                        k;
    float                        *mean, *quantile;
    uint32_t                      h, step, known;
    const predictor_sim_shard_t  *shard;

    shard = &w->shards[p->shard[i]];
    known = (uint32_t) (w->t - w->s->conf.known_after);
    mean = p->mean + (size_t) i * p->plan.nsteps;
    quantile = p->quantile + (size_t) i * p->plan.nsteps;

    for (h = 0; h < p->plan.nsteps; h++) {

        if (policy->kind == PREDICTOR_SIM_PREDICTIVE) {
            k = ((size_t) (known - f->from) * f->ncols + shard->col)
                * f->horizon + h;
            mean[h] = (float) shard->share * f->mean[k];
            quantile[h] = (float) shard->share * f->quantile[k];
            continue;
        }

        step = policy->kind == PREDICTOR_SIM_REACTIVE ? known : known + 1 + h;
        step = step < w->s->nsteps ? step : w->s->nsteps - 1;

        mean[h] = (float) predictor_sim_shard_load(w, p->shard[i], step);
        quantile[h] = mean[h] * (float) (1 + policy->doubt);
    }

    p->now[i] = (float) predictor_sim_shard_load(w, p->shard[i], known);
}


/* how long moves in flight are expected to take yet */

static void
predictor_sim_flying(predictor_sim_planner_t *p,
    const predictor_sim_world_t *w)
{
    uint32_t                     i;
    const predictor_sim_move_t  *m;

    for (i = 0; i < w->nflying; i++) {
        m = &w->moves[w->flying[i]];

        if (m->act == PREDICTOR_SIM_MOVE) {
            p->plan.shards[w->shards[m->shard].place].left_s =
                (float) fmax((double) ((m->start - w->t) * w->s->step_s)
                             + predictor_sim_move_ms(w, m->shard) / 1000,
                             w->s->step_s);
        }
    }
}


/* of this thread: policies are tried in several */

static double
predictor_sim_cpu_ms(void)
{
    struct timespec  now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);

    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}


static int
predictor_sim_look(predictor_sim_planner_t *p, const predictor_sim_world_t *w,
    const predictor_sim_policy_t *policy, const predictor_sim_forecasts_t *f)
{
    uint32_t                 i, n;
    predictor_plan_shard_t  *shard;

    if (predictor_sim_planner_room(p, w) != SHARD_OK) {
        return SHARD_ERROR;
    }

    for (i = 0; i < w->nnodes; i++) {
        memset(&p->plan.nodes[i], 0, sizeof(predictor_plan_node_t));
        p->plan.nodes[i].capacity = w->nodes[i].capacity;
        p->plan.nodes[i].state = w->down[i] ? SHARD_NODE_DOWN : SHARD_NODE_UP;
    }

    n = 0;

    for (i = 0; i < w->nshards; i++) {

        if (w->shards[i].gone) {
            continue;
        }

        shard = &p->plan.shards[n];
        memset(shard, 0, sizeof(predictor_plan_shard_t));
        shard->from = w->shards[i].node;
        shard->to = w->shards[i].to;
        shard->fixed = w->shards[i].cutting
                       || w->t - w->shards[i].last < policy->rest;

        w->shards[i].place = n;
        p->shard[n] = i;
        predictor_sim_see(p, w, policy, f, n++);
    }

    p->plan.nshards = n;
    predictor_sim_flying(p, w);
    predictor_sim_limits(&p->plan.limits, w, policy);

    return SHARD_OK;
}


int
predictor_sim_plan(predictor_sim_planner_t *p, const predictor_sim_world_t *w,
    const predictor_sim_policy_t *policy, const predictor_sim_forecasts_t *f,
    uint32_t *nmoves)
{
    double  begun;

    *nmoves = 0;

    if (predictor_sim_look(p, w, policy, f) != SHARD_OK) {
        return SHARD_ERROR;
    }

    begun = predictor_sim_cpu_ms();
    *nmoves = predictor_plan(&p->plan, p->moves,
                             (uint32_t) w->s->conf.in_all);
    p->took_ms = predictor_sim_cpu_ms() - begun;

    return SHARD_OK;
}


int
predictor_sim_balance(predictor_sim_planner_t *p,
    const predictor_sim_world_t *w, const predictor_sim_policy_t *policy,
    double slack, uint32_t *nmoves)
{
    double  begun;

    *nmoves = 0;

    if (predictor_sim_look(p, w, policy, NULL) != SHARD_OK) {
        return SHARD_ERROR;
    }

    begun = predictor_sim_cpu_ms();
    *nmoves = predictor_plan_balance(&p->plan, slack, p->plan.nshards);
    p->took_ms = predictor_sim_cpu_ms() - begun;

    return SHARD_OK;
}
