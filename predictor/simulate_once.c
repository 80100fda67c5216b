
/*
 * "plan_once": one plan of a large fleet as it is at one moment, against what
 * no plan could do better than (predictor_plan_bound()).
 * What is planned on is what comes; how good forecasts of it are is another
 * question.
 */

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "simulate_command.h"


#define PREDICTOR_ONCE_SLACK  0.01      /* over the lower bound */


typedef struct {
    double    before;           /* worst node over the lower bound */
    double    after;
    double    plan_s;           /* moves of now, as the daemon plans */
    double    balance_s;        /* all shards at once */
    double    peak_mb;
    uint32_t  moves;
    uint32_t  balanced;
} predictor_once_t;


static int predictor_once_plan(predictor_simulate_t *m,
    predictor_sim_world_t *w, predictor_once_t *once);
static double predictor_once_worst(const predictor_sim_planner_t *p,
    const predictor_sim_world_t *w, int planned);
static int predictor_once_say(const predictor_simulate_t *m,
    const predictor_once_t *once);


int
predictor_simulate_once(predictor_simulate_t *m)
{
    int                    rc;
    predictor_once_t       once;
    predictor_sim_part_t   part;
    predictor_sim_world_t  world;

    memset(&once, 0, sizeof(predictor_once_t));
    predictor_sim_judged(&m->sim, &part);

    rc = predictor_sim_world_init(&world, &m->sim, &part, m->sim.nnodes);

    if (rc == SHARD_OK) {
        rc = predictor_once_plan(m, &world, &once);
    }

    predictor_sim_world_free(&world);

    if (rc != SHARD_OK) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    return predictor_once_say(m, &once);
}


static int
predictor_once_plan(predictor_simulate_t *m, predictor_sim_world_t *w,
    predictor_once_t *once)
{
    int                      rc;
    double                   bound;
    struct rusage            usage;
    predictor_sim_policy_t   policy;
    predictor_sim_planner_t  planner;

    policy.kind = PREDICTOR_SIM_ORACLE;
    policy.threshold = m->sim.conf.threshold;
    policy.rest = 0;
    policy.doubt = 0;
    policy.price_s = (double) m->sim.conf.move_price_ms / 1000;

    w->t = w->part.from + m->sim.conf.known_after;
    rc = predictor_sim_planner_init(&planner, w);

    if (rc == SHARD_OK) {
        rc = predictor_sim_plan(&planner, w, &policy, NULL, &once->moves);
    }

    if (rc == SHARD_OK) {
        once->plan_s = planner.took_ms / 1000;
        rc = predictor_sim_balance(&planner, w, &policy, PREDICTOR_ONCE_SLACK,
                                   &once->balanced);
    }

    if (rc == SHARD_OK) {
        bound = predictor_plan_bound(&planner.plan);
        once->before = predictor_once_worst(&planner, w, 0) / bound;
        once->after = predictor_once_worst(&planner, w, 1) / bound;
        once->balance_s = planner.took_ms / 1000;
    }

    predictor_sim_planner_free(&planner);
    getrusage(RUSAGE_SELF, &usage);
    once->peak_mb = (double) usage.ru_maxrss / 1024;

    return rc;
}


/* the highest utilisation of any node at any step, told again from the loads */

static double
predictor_once_worst(const predictor_sim_planner_t *p,
    const predictor_sim_world_t *w, int planned)
{
    double    worst;
    uint32_t  i, h, node;

    worst = 0;

    for (h = 0; h < p->plan.nsteps; h++) {
        memset(w->sum, 0, w->nnodes * sizeof(double));

        for (i = 0; i < p->plan.nshards; i++) {
            node = planned ? p->plan.shards[i].to : p->plan.shards[i].from;
            w->sum[node] += p->mean[(size_t) i * p->plan.nsteps + h];
        }

        for (i = 0; i < w->nnodes; i++) {
            worst = fmax(worst, w->sum[i] / w->nodes[i].capacity);
        }
    }

    return worst;
}


static int
predictor_once_say(const predictor_simulate_t *m,
    const predictor_once_t *once)
{
    int      rc;
    json_t  *root;

    if (!m->json) {
        printf("%u shards on %u nodes: %u moves of now planned in %.2f s of "
               "CPU; balanced by %u moves, planned in %.2f s: worst node "
               "%.4f of the lower bound, before %.4f; %.0f MB\n",
               m->sim.ncols, m->sim.nnodes, once->moves, once->plan_s,
               once->balanced, once->balance_s, once->after, once->before,
               once->peak_mb);
        return fflush(stdout) == 0 ? 0 : 1;
    }

    root = json_pack("{s:s, s:i, s:i, s:i, s:f, s:i, s:f, s:f, s:f, s:f}",
                     "scenario", m->scenario,
                     "shards", (int) m->sim.ncols,
                     "nodes", (int) m->sim.nnodes,
                     "moves", (int) once->moves,
                     "plan_s", once->plan_s,
                     "balanced", (int) once->balanced,
                     "balance_s", once->balance_s,
                     "peak_mb", once->peak_mb,
                     "worst_over_bound", once->after,
                     "worst_over_bound_before", once->before);

    rc = root == NULL
         || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10))
            != 0 || putchar('\n') == EOF || fflush(stdout) != 0;
    json_decref(root);

    return rc ? 1 : 0;
}
