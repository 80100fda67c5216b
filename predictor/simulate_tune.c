
/*
 * Policies are tuned on the end of the history, where what happened is known
 * to all of them:
 *
 *     reactive      threshold, cool-down, and how far it doubts that the
 *                   present lasts: the fewest violation-seconds
 *     predictive    price of a move: the lowest that makes no more moves than
 *                   the tuned reactive made there
 *
 * Of equals the one with fewer moves, then the one that was asked first.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "progress.h"
#include "simulate_command.h"


#define PREDICTOR_TUNE_MAX      64
#define PREDICTOR_TUNE_SHOW_MS  200


typedef struct {
    predictor_simulate_t   *m;
    predictor_sim_part_t    part;
    uint32_t                n;
    predictor_sim_trial_t   trial[PREDICTOR_TUNE_MAX];
    uint32_t                items[PREDICTOR_TUNE_MAX];
} predictor_tune_t;


static const double  predictor_tune_thresholds[] = {
    0.8, 0.85, 0.9, 0.95, 1
};

/* of the rest that the scenario has */

static const double  predictor_tune_rests[] = { 1, 2 };

/* without any it sees no danger in a node that is nearly full */

static const double  predictor_tune_doubts[] = { 0, 0.1 };

/* of the price that it has */

static const double  predictor_tune_prices[] = { 1, 1.5, 2, 3, 4, 6 };

#define PREDICTOR_TUNE_PRICES                                                \
    (sizeof(predictor_tune_prices) / sizeof(double))
#define PREDICTOR_TUNE_THRESHOLDS                                            \
    (sizeof(predictor_tune_thresholds) / sizeof(double))
#define PREDICTOR_TUNE_RESTS  (sizeof(predictor_tune_rests) / sizeof(double))
#define PREDICTOR_TUNE_DOUBTS                                                \
    (sizeof(predictor_tune_doubts) / sizeof(double))


static void predictor_tune_grid(predictor_tune_t *tune,
    predictor_sim_kind_e kind);
static int predictor_tune_try(predictor_tune_t *tune, predictor_pool_t *pool);
static void predictor_tune_item(void *data, uint32_t item, uint32_t thread);
static const predictor_sim_trial_t *predictor_tune_best(
    const predictor_tune_t *tune, uint32_t moves);
static int predictor_tune_policy(predictor_tune_t *tune,
    predictor_pool_t *pool, predictor_sim_result_t *r, uint32_t moves);


int
predictor_simulate_tune(predictor_simulate_t *m)
{
    int                rc;
    uint32_t           i, moves;
    predictor_pool_t  *pool;
    predictor_tune_t   tune;

    memset(&tune, 0, sizeof(predictor_tune_t));
    tune.m = m;

    if (!predictor_sim_tuned(&m->sim, &tune.part)) {
        return 0;
    }

    pool = predictor_pool_create(m->threads);
    rc = pool ? 0 : 1;
    moves = SHARD_ID_NONE;

    /* the reactive one first: it bounds the moves of the other */

    for (i = 0; i < m->n && rc == 0; i++) {

        if (m->result[i].policy.kind == PREDICTOR_SIM_REACTIVE) {
            rc = predictor_tune_policy(&tune, pool, &m->result[i],
                                       SHARD_ID_NONE);
            moves = m->result[i].history.moves;
        }
    }

    for (i = 0; i < m->n && rc == 0; i++) {

        if (m->result[i].policy.kind == PREDICTOR_SIM_PREDICTIVE) {
            rc = predictor_tune_policy(&tune, pool, &m->result[i], moves);
        }
    }

    if (rc != 0) {
        fputs("shard-predictor: no memory or no thread to tune policies\n",
              stderr);
    }

    if (pool) {
        predictor_pool_destroy(pool);
    }

    return rc;
}


static int
predictor_tune_policy(predictor_tune_t *tune, predictor_pool_t *pool,
    predictor_sim_result_t *r, uint32_t moves)
{
    const predictor_sim_trial_t  *best;

    predictor_tune_grid(tune, r->policy.kind);

    if (predictor_tune_try(tune, pool) != SHARD_OK) {
        return 1;
    }

    best = predictor_tune_best(tune, moves);

    r->policy = best->policy;
    r->history = best->figures;
    r->tuned = 1;

    return 0;
}


/* what is tried */

static void
predictor_tune_grid(predictor_tune_t *tune, predictor_sim_kind_e kind)
{
    double                       price_s;
    size_t                       i, k, doubt;
    predictor_sim_policy_t      *p;
    const predictor_scenario_t  *c;

    c = &tune->m->sim.conf;
    price_s = (double) c->move_price_ms / 1000;
    tune->n = 0;

    for (i = 0; i < PREDICTOR_TUNE_PRICES
                && kind == PREDICTOR_SIM_PREDICTIVE; i++)
    {
        p = &tune->trial[tune->n++].policy;
        p->kind = kind;
        p->threshold = c->threshold;
        p->rest = predictor_sim_steps(&tune->m->sim, (double) c->rest_ms);
        p->doubt = 0;
        p->price_s = price_s * predictor_tune_prices[i];
    }

    for (i = 0; i < PREDICTOR_TUNE_THRESHOLDS
                && kind == PREDICTOR_SIM_REACTIVE; i++)
    {
        for (k = 0; k < PREDICTOR_TUNE_RESTS * PREDICTOR_TUNE_DOUBTS; k++) {
            doubt = k / PREDICTOR_TUNE_RESTS;
            p = &tune->trial[tune->n++].policy;
            p->kind = kind;
            p->threshold = predictor_tune_thresholds[i];
            p->rest = predictor_sim_steps(&tune->m->sim,
                          (double) c->rest_ms * predictor_tune_rests[k
                                                  % PREDICTOR_TUNE_RESTS]);
            p->doubt = predictor_tune_doubts[doubt];
            p->price_s = price_s;
        }
    }
}


static int
predictor_tune_try(predictor_tune_t *tune, predictor_pool_t *pool)
{
    int                    rc;
    uint32_t               i;
    predictor_progress_t   progress;

    for (i = 0; i < tune->n; i++) {
        tune->items[i] = i;
        tune->trial[i].rc = SHARD_AGAIN;
    }

    predictor_progress_start(&progress, "weeks to tune on", tune->n);
    predictor_pool_start(pool, predictor_tune_item, tune, tune->items,
                         tune->n);

    while (!predictor_pool_wait(pool, PREDICTOR_TUNE_SHOW_MS)) {
        predictor_progress_show(&progress, 0);
    }

    predictor_progress_end(&progress);
    rc = SHARD_OK;

    for (i = 0; i < tune->n; i++) {
        rc = tune->trial[i].rc == SHARD_OK ? rc : SHARD_ERROR;
    }

    return rc;
}


static void
predictor_tune_item(void *data, uint32_t item, uint32_t thread)
{
    predictor_tune_t       *tune = data;
    predictor_sim_trial_t  *trial;
    predictor_sim_world_t   world;

    (void) thread;

    trial = &tune->trial[item];
    trial->rc = predictor_sim_run(&tune->m->sim, &tune->part, &trial->policy,
                                  &tune->m->seen, tune->m->sim.nnodes,
                                  &world);
    trial->figures = world.figures;
    predictor_sim_world_free(&world);
}


/* when all make more moves than may be made: the one that makes fewest */

static const predictor_sim_trial_t *
predictor_tune_best(const predictor_tune_t *tune, uint32_t moves)
{
    int                           fits, fewer, better;
    uint32_t                      i;
    const predictor_sim_trial_t  *best, *t;

    best = &tune->trial[0];

    for (i = 1; i < tune->n; i++) {
        t = &tune->trial[i];
        fits = t->figures.moves <= moves;
        fewer = t->figures.moves < best->figures.moves;
        better = t->figures.violation_s < best->figures.violation_s
                 || (t->figures.violation_s == best->figures.violation_s
                     && fewer);

        /* violations of one week are few and by chance; moves are many */

        if (t->policy.kind == PREDICTOR_SIM_PREDICTIVE) {
            better = t->policy.price_s < best->policy.price_s;
        }

        if (best->figures.moves > moves ? fewer : fits && better) {
            best = t;
        }
    }

    return best;
}
