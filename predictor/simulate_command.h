
/* What the parts of "shard-predictor simulate" share. */


#ifndef _PREDICTOR_SIMULATE_COMMAND_H_INCLUDED_
#define _PREDICTOR_SIMULATE_COMMAND_H_INCLUDED_


#include "simulate_world.h"


/* a policy that was tried on the end of the history */

typedef struct {
    predictor_sim_policy_t      policy;
    predictor_sim_figures_t     figures;
    int                         rc;
} predictor_sim_trial_t;

typedef struct {
    predictor_sim_policy_t      policy;
    predictor_sim_world_t       world;
    unsigned                    tuned:1;
    predictor_sim_figures_t     history;        /* as tuned, there */
    uint32_t                    fewest;         /* nodes; 0: none is enough */
} predictor_sim_result_t;

typedef struct {
    const char                 *scenario;
    const char                 *policies;
    const char                 *moves;
    const char                 *plot;
    const char                 *fleet;
    const char                 *forecasts;
    double                      bound;          /* violation-seconds */
    uint32_t                    threads;
    unsigned                    fewest:1;
    unsigned                    json:1;

    predictor_sim_t             sim;
    predictor_sim_forecasts_t   seen;
    uint32_t                    n;
    predictor_sim_result_t      result[PREDICTOR_SIM_POLICIES];
} predictor_simulate_t;


/* SHARD_AGAIN: help is wanted */

int predictor_simulate_args(int argc, char **argv, predictor_simulate_t *m);
void predictor_simulate_usage(void);

/* all of these return the exit status, what is wrong is said */

int predictor_simulate_forecasts(predictor_simulate_t *m);
int predictor_simulate_tune(predictor_simulate_t *m);
int predictor_simulate_fewest(predictor_simulate_t *m);
int predictor_simulate_once(predictor_simulate_t *m);
int predictor_simulate_moves(const predictor_simulate_t *m);
int predictor_simulate_plot(const predictor_simulate_t *m);
int predictor_simulate_table(const predictor_simulate_t *m);
int predictor_simulate_json(const predictor_simulate_t *m);

/* 1: one of the policies goes by forecasts */

int predictor_simulate_foresees(const predictor_simulate_t *m);


#endif /* _PREDICTOR_SIMULATE_COMMAND_H_INCLUDED_ */
