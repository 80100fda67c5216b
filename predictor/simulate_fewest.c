
/* How few nodes of the same size are enough, by each policy. */

#include <stdio.h>
#include <string.h>

#include "progress.h"
#include "simulate_command.h"


/* of the nodes that the scenario has */

#define PREDICTOR_FEWEST_TIMES  4


static uint32_t predictor_fewest_least(const predictor_sim_t *s);
static double predictor_fewest_floor(const predictor_sim_t *s);
static int predictor_fewest_policy(predictor_simulate_t *m,
    predictor_sim_result_t *r, uint32_t least, predictor_progress_t *p);


int
predictor_simulate_fewest(predictor_simulate_t *m)
{
    int                   rc;
    uint32_t              i, least;
    predictor_progress_t  progress;

    rc = 0;
    least = predictor_fewest_least(&m->sim);

    /* no number of nodes is enough */

    if (!m->sim.conf.splits && predictor_fewest_floor(&m->sim) > m->bound) {
        return 0;
    }

    for (i = 0; i < m->n && rc == 0; i++) {
        predictor_progress_start(&progress, "counts of nodes",
                                 PREDICTOR_FEWEST_TIMES * m->sim.nnodes);
        rc = predictor_fewest_policy(m, &m->result[i], least, &progress);
        predictor_progress_end(&progress);
    }

    if (rc != 0) {
        fputs("shard-predictor: out of memory\n", stderr);
    }

    return rc;
}


/* fewer could not bear the mean load, whoever moved what */

static uint32_t
predictor_fewest_least(const predictor_sim_t *s)
{
    double    sum, most;
    uint32_t  i, t;

    sum = 0;
    most = 0;

    for (t = s->first; t < s->nsteps; t++) {
        sum += predictor_sim_total(s, t);
    }

    for (i = 0; i < s->nnodes; i++) {
        most = fmax(most, s->nodes[i].capacity);
    }

    return (uint32_t) fmax(ceil(sum / (s->nsteps - s->first) / most), 1);
}


/* violation-seconds of shards that are larger than a node, alone on one */

static double
predictor_fewest_floor(const predictor_sim_t *s)
{
    double    most, floor;
    uint32_t  i, t;

    most = 0;
    floor = 0;

    for (i = 0; i < s->nnodes; i++) {
        most = fmax(most, s->nodes[i].capacity);
    }

    for (t = s->first; t < s->nsteps; t++) {

        for (i = 0; i < s->ncols; i++) {
            floor += predictor_sim_value(s, t, i) > most ? s->step_s : 0;
        }
    }

    return floor;
}


static int
predictor_fewest_policy(predictor_simulate_t *m, predictor_sim_result_t *r,
    uint32_t least, predictor_progress_t *p)
{
    int                     rc;
    double                  violation_s;
    uint32_t                n;
    predictor_sim_part_t    part;
    predictor_sim_world_t   world;

    predictor_sim_judged(&m->sim, &part);

    for (n = least; n <= PREDICTOR_FEWEST_TIMES * m->sim.nnodes; n++) {
        predictor_progress_show(p, n);
        rc = predictor_sim_run(&m->sim, &part, &r->policy, &m->seen, n,
                               &world);
        violation_s = world.figures.violation_s;
        predictor_sim_world_free(&world);

        if (rc != SHARD_OK) {
            return 1;
        }

        if (violation_s <= m->bound) {
            r->fewest = n;
            break;
        }
    }

    return 0;
}
