
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "predictor.h"
#include "simulate_command.h"


static int predictor_simulate_all(predictor_simulate_t *m);
static void predictor_simulate_begin(predictor_simulate_t *m);
static int predictor_simulate_judged(predictor_simulate_t *m);
static void predictor_simulate_free(predictor_simulate_t *m);


/* a scenario's strings live as long as the process, and so does what points
 * to them */

static predictor_simulate_t  predictor_simulation;


int
predictor_cmd_simulate(int argc, char **argv)
{
    int                    rc;
    predictor_simulate_t  *m;

    m = &predictor_simulation;

    switch (predictor_simulate_args(argc, argv, m)) {

    case SHARD_OK:
        rc = predictor_simulate_all(m);
        break;

    case SHARD_AGAIN:
        predictor_simulate_usage();
        rc = 0;
        break;

    default:
        fputs("try \"shard-predictor simulate --help\"\n", stderr);
        rc = 2;
        break;
    }

    predictor_simulate_free(m);

    return rc;
}


static int
predictor_simulate_all(predictor_simulate_t *m)
{
    int  rc;

    rc = predictor_scenario_load(m->scenario, &m->sim.conf);

    if (rc == 0) {
        rc = predictor_sim_load(&m->sim, m->fleet);
    }

    if (rc == 0) {
        predictor_simulate_begin(m);

        if (m->sim.conf.plan_once) {
            return predictor_simulate_once(m);
        }
    }

    if (rc == 0 && predictor_simulate_foresees(m)) {
        rc = predictor_simulate_forecasts(m);
    }

    if (rc == 0) {
        rc = predictor_simulate_tune(m);
    }

    if (rc == 0) {
        rc = predictor_simulate_judged(m);
    }

    if (rc == 0 && m->fewest) {
        rc = predictor_simulate_fewest(m);
    }

    if (rc == 0 && m->moves) {
        rc = predictor_simulate_moves(m);
    }

    if (rc == 0) {
        rc = m->json ? predictor_simulate_json(m)
                     : predictor_simulate_table(m);
    }

    if (rc == 0 && m->plot) {
        rc = predictor_simulate_plot(m);
    }

    return rc;
}


int
predictor_simulate_foresees(const predictor_simulate_t *m)
{
    uint32_t  i;

    for (i = 0; i < m->n; i++) {

        if (m->result[i].policy.kind == PREDICTOR_SIM_PREDICTIVE) {
            return 1;
        }
    }

    return 0;
}


/* policies as the scenario has them, until they are tuned */

static void
predictor_simulate_begin(predictor_simulate_t *m)
{
    uint32_t                  i;
    predictor_sim_policy_t  *p;

    for (i = 0; i < m->n; i++) {
        p = &m->result[i].policy;
        p->threshold = m->sim.conf.threshold;
        p->rest = predictor_sim_steps(&m->sim, (double) m->sim.conf.rest_ms);
        p->price_s = (double) m->sim.conf.move_price_ms / 1000;
    }
}


static int
predictor_simulate_judged(predictor_simulate_t *m)
{
    uint32_t                i;
    predictor_sim_part_t    part;
    predictor_sim_result_t  *r;

    predictor_sim_judged(&m->sim, &part);

    for (i = 0; i < m->n; i++) {
        r = &m->result[i];

        if (predictor_sim_run(&m->sim, &part, &r->policy, &m->seen,
                              m->sim.nnodes, &r->world)
            != SHARD_OK)
        {
            fputs("shard-predictor: out of memory\n", stderr);
            return 1;
        }
    }

    return 0;
}


static void
predictor_simulate_free(predictor_simulate_t *m)
{
    uint32_t  i;

    for (i = 0; i < m->n; i++) {
        predictor_sim_world_free(&m->result[i].world);
    }

    free(m->seen.mean);
    free(m->seen.quantile);
    predictor_sim_free(&m->sim);
}
