
/* The figures, for people and as JSON. */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "simulate_command.h"


static void predictor_report_head(const predictor_simulate_t *m);
static void predictor_report_line(const predictor_simulate_t *m,
    const predictor_sim_result_t *r);
static void predictor_report_tuned(const predictor_simulate_t *m,
    const predictor_sim_result_t *r);
static json_t *predictor_report_policy(const predictor_simulate_t *m,
    const predictor_sim_result_t *r);
static json_t *predictor_report_figures(const predictor_sim_figures_t *f);


int
predictor_simulate_table(const predictor_simulate_t *m)
{
    uint32_t  i;

    predictor_report_head(m);

    for (i = 0; i < m->n; i++) {
        predictor_report_line(m, &m->result[i]);
    }

    for (i = 0; i < m->n; i++) {
        predictor_report_tuned(m, &m->result[i]);
    }

    if (fflush(stdout) != 0) {
        fputs("shard-predictor: writing failed\n", stderr);
        return 1;
    }

    return 0;
}


static void
predictor_report_head(const predictor_simulate_t *m)
{
    const predictor_sim_t  *s;

    s = &m->sim;

    printf("%u shards on %u nodes, %.1f days of %u s after %.1f days of "
           "history; moves take %.0f min\n\n", s->ncols, s->nnodes,
           (double) (s->nsteps - s->first) * s->step_s / 86400, s->step_s,
           (double) s->first * s->step_s / 86400,
           (double) s->conf.move_ms / 60000);

    printf("%-10s violation-s  excess  moves  splits    GB moved  max use  "
           "mean use  worst/mean  node-h    plan ms%s\n", "policy",
           m->fewest ? "  fewest" : "");
}


static void
predictor_report_line(const predictor_simulate_t *m,
    const predictor_sim_result_t *r)
{
    const predictor_sim_figures_t  *f;

    f = &r->world.figures;

    printf("%-10s %11.0f %7.0f %6u %7u %11.1f %8.3f %9.3f %11.3f %7.0f "
           "%5.2f/%.1f", predictor_sim_words[r->policy.kind], f->violation_s,
           f->excess_s, f->moves, f->splits, f->bytes / 1e9, f->max_use,
           f->mean_use, f->worst_mean, f->node_h, f->plan_ms,
           f->plan_max_ms);

    if (m->fewest && r->fewest) {
        printf(" %6u", r->fewest);

    } else if (m->fewest) {
        printf("   none");
    }

    putchar('\n');
}


static void
predictor_report_tuned(const predictor_simulate_t *m,
    const predictor_sim_result_t *r)
{
    if (r->tuned) {
        printf("%s%s: threshold %.2f, a shard rests %.1f h, a move costs "
               "%.0f s, doubt %.2f; on the history %.0f violation-seconds, "
               "%u moves\n",
               r == &m->result[0] || !r[-1].tuned ? "\n" : "",
               predictor_sim_words[r->policy.kind], r->policy.threshold,
               (double) r->policy.rest * m->sim.step_s / 3600,
               r->policy.price_s, r->policy.doubt,
               r->history.violation_s, r->history.moves);
    }

    if (r->world.refused) {
        printf("%s: %u moves were against the rules and not made\n",
               predictor_sim_words[r->policy.kind], r->world.refused);
    }
}


int
predictor_simulate_json(const predictor_simulate_t *m)
{
    int        rc;
    json_t    *root, *policies;
    uint32_t   i;

    policies = json_object();

    for (i = 0; i < m->n; i++) {
        json_object_set_new(policies,
                            predictor_sim_words[m->result[i].policy.kind],
                            predictor_report_policy(m, &m->result[i]));
    }

    root = json_pack("{s:s, s:i, s:i, s:i, s:i, s:f, s:o}",
                     "scenario", m->scenario,
                     "shards", (int) m->sim.ncols,
                     "nodes", (int) m->sim.nnodes,
                     "steps", (int) (m->sim.nsteps - m->sim.first),
                     "step_s", (int) m->sim.step_s,
                     "capacity", m->sim.nodes[0].capacity,
                     "policies", policies);

    rc = root == NULL
         || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10))
            != 0;
    json_decref(root);

    if (rc || putchar('\n') == EOF || fflush(stdout) != 0) {
        fputs("shard-predictor: writing failed\n", stderr);
        return 1;
    }

    return 0;
}


static json_t *
predictor_report_policy(const predictor_simulate_t *m,
    const predictor_sim_result_t *r)
{
    json_t  *policy, *tuned;

    policy = predictor_report_figures(&r->world.figures);

    json_object_set_new(policy, "refused",
                        json_integer(r->world.refused));

    if (r->tuned) {
        tuned = predictor_report_figures(&r->history);
        json_object_set_new(tuned, "threshold",
                            json_real(r->policy.threshold));
        json_object_set_new(tuned, "rest_s",
                            json_integer(r->policy.rest * m->sim.step_s));
        json_object_set_new(tuned, "price_s", json_real(r->policy.price_s));
        json_object_set_new(tuned, "doubt", json_real(r->policy.doubt));
        json_object_set_new(policy, "tuned", tuned);
    }

    if (m->fewest) {
        json_object_set_new(policy, "fewest_nodes",
                            r->fewest ? json_integer(r->fewest)
                                      : json_null());
    }

    return policy;
}


static json_t *
predictor_report_figures(const predictor_sim_figures_t *f)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:i, s:i, s:i, s:f, "
                     "s:f, s:f, s:f, s:f}",
                     "violation_seconds", f->violation_s,
                     "excess", f->excess_s,
                     "max_utilisation", f->max_use,
                     "mean_utilisation", f->mean_use,
                     "worst_over_mean", f->worst_mean,
                     "moves", (int) f->moves,
                     "splits", (int) f->splits,
                     "promotions", (int) f->promotions,
                     "aborted", (int) f->aborted,
                     "settled", (int) f->settled,
                     "bytes_moved", f->bytes,
                     "node_hours", f->node_h,
                     "cost", f->cost,
                     "plan_ms", f->plan_ms,
                     "plan_max_ms", f->plan_max_ms);
}
