
/*
 * "shard-predictor simulate": a fleet's recorded load on a virtual clock, and
 * what each policy makes of it by the daemon's own planner.
 *
 *   SCENARIO.yaml ─▶ scenario ─▶ fleet: load of every shard and step
 *                                  │
 *        ┌─────────────────────────┼───────────────┐
 *        ▼ what is known at t      ▼ forecasts     ▼ the future
 *     reactive                 predictive        oracle          static
 *        └───────────┬─────────────┴───────────────┘                │
 *                    ▼                                               │
 *      plan ─▶ moves ─▶ world: step by step, loads, violations ◀─────┘
 *                         │
 *                         └─▶ figures, moves, picture
 *
 * Time is in steps of the fleet's lines.  At step t the world changes in this
 * order: nodes fail and return, moves that are over commit, the policy
 * decides by the load up to step t - known_after, loads of step t are added
 * up.  A policy is never handed anything later.
 */


#ifndef _PREDICTOR_SIMULATE_H_INCLUDED_
#define _PREDICTOR_SIMULATE_H_INCLUDED_


#include <math.h>

#include "../src/core/shard_types.h"
#include "../src/daemon/shardd_conf.h"


#define PREDICTOR_SIM_NODES_MAX   100000
#define PREDICTOR_SIM_SHARDS_MAX  10000000
#define PREDICTOR_SIM_VALUES_MAX  (1 << 28)     /* of load in memory */
#define PREDICTOR_SIM_STEP_S      300           /* of a fleet made up here */


typedef enum {
    PREDICTOR_SIM_STATIC = 0,
    PREDICTOR_SIM_REACTIVE,
    PREDICTOR_SIM_PREDICTIVE,
    PREDICTOR_SIM_ORACLE,
    PREDICTOR_SIM_POLICIES
} predictor_sim_kind_e;

typedef enum {
    PREDICTOR_SIM_RHYTHM = 0,
    PREDICTOR_SIM_WALK,
    PREDICTOR_SIM_STATIONARY
} predictor_sim_shape_e;

extern const char *const predictor_sim_words[];


/* a scenario's keys, see simulate_scenario.c */

typedef struct {
    const char  *path;

    char        *fleet;                 /* NULL: made up */
    int          shape;
    long         shards;
    long         days;
    double       rate;
    double       zipf;
    double       noise;
    long         tile;                  /* 0: shards are the fleet's */

    long         history_ms;
    long         tune_ms;
    long         seed;
    long         known_after;           /* slots */
    int          plan_once;

    char       **nodes;
    long         count;
    long         zones;
    double       capacity;              /* 0: by "peak" */
    double       peak;
    double       cost;

    double       gb;
    double       gb_per_load;
    char        *bytes;

    long         move_ms;
    long         move_gb_ms;
    double       move_spread;
    double       move_extra;
    long         per_node;
    long         in_all;
    long         rest_ms;

    char       **failures;
    char       **events;

    int          splits;
    double       split_share;
    long         split_ms;
    double       split_above;           /* of a node's capacity */

    double       quantile;
    double       threshold;
    double       correlation;
    double       caution;
    long         move_price_ms;
    long         horizon_ms;
    long         margin_ms;
    long         refit_ms;
} predictor_scenario_t;

typedef struct {
    char         name[SHARD_NAME_SIZE];
    char         zone[SHARD_NAME_SIZE];
    double       capacity;
    double       cost;                  /* of an hour */
} predictor_sim_node_t;

typedef struct {
    uint32_t     node;
    long         from;                  /* steps */
    long         before;
} predictor_sim_failure_t;

typedef struct {
    char         effect;                /* x + - */
    unsigned     known:1;               /* to the forecasts */
    double       size;
    long         from;
    long         before;
    uint8_t     *touches;               /* by shard; NULL: all */
} predictor_sim_event_t;

typedef struct {
    predictor_scenario_t      conf;

    uint32_t                  ncols;    /* shards there are at first */
    uint32_t                  nsteps;
    uint32_t                  first;    /* of the part that is judged */
    uint32_t                  step_s;
    uint64_t                  start_s;
    char                    (*name)[SHARD_NAME_SIZE];
    double                   *load;     /* nsteps x ncols; NaN: unknown */
    double                   *mean;     /* by shard, of a history that is
                                           left out; NULL: none is */
    double                   *bytes;    /* by shard */

    uint32_t                  nnodes;
    predictor_sim_node_t     *nodes;
    uint32_t                  nfailures;
    predictor_sim_failure_t  *failures;
    uint32_t                  nevents;
    predictor_sim_event_t    *events;
} predictor_sim_t;


/* steps [from, before) of which "from" is what history ends with */

typedef struct {
    uint32_t     from;
    uint32_t     before;
    double       scale;                 /* of the nodes' capacity */
} predictor_sim_part_t;


/* what a policy is beside its kind; tuned on the history */

typedef struct {
    predictor_sim_kind_e  kind;
    double       threshold;
    long         rest;                  /* steps */
    double       price_s;               /* of a move */
    double       doubt;                 /* that the present load lasts: its
                                           quantile is so much higher */
} predictor_sim_policy_t;

typedef struct {
    double       violation_s;
    double       excess_s;              /* node-seconds */
    double       max_use;               /* worst node's load of capacity */
    double       mean_use;
    double       worst_mean;            /* worst node over mean, mean of it */
    uint32_t     moves;
    uint32_t     splits;
    uint32_t     promotions;
    uint32_t     aborted;
    double       bytes;
    double       node_h;
    double       cost;
    double       plan_ms;               /* of a step */
    double       plan_max_ms;
    uint32_t     settled;               /* step after the last move */
} predictor_sim_figures_t;


static inline double
predictor_sim_value(const predictor_sim_t *s, uint32_t step, uint32_t col)
{
    double  v;

    v = s->load[(size_t) step * s->ncols + col];

    return isfinite(v) ? v : 0;
}


/* of all shards */

static inline double
predictor_sim_total(const predictor_sim_t *s, uint32_t step)
{
    double    sum;
    uint32_t  i;

    sum = 0;

    for (i = 0; i < s->ncols; i++) {
        sum += predictor_sim_value(s, step, i);
    }

    return sum;
}


/* steps of a time, rounded up */

static inline long
predictor_sim_steps(const predictor_sim_t *s, double ms)
{
    return (long) ceil(ms / 1000 / s->step_s);
}


/* splitmix64 */

uint64_t predictor_sim_random(uint64_t *state);

/* 0 .. 1 */

double predictor_sim_uniform(uint64_t *state);

/* about normal */

double predictor_sim_normal(uint64_t *state);


/* simulate_scenario.c; all int: exit status, said on standard error */

int predictor_scenario_load(const char *path, predictor_scenario_t *c);

/* where an item of a list stands in the file, "FILE:LINE:COLUMN" */

const char *predictor_scenario_where(const predictor_scenario_t *c,
    const char *key, const char *item, char *buf, size_t size);

/* a file that the scenario names, seen from where it lies */

char *predictor_scenario_file(const predictor_scenario_t *c,
    const char *path);


/* simulate_fleet.c: the load, then everything that has a place in it */

int predictor_sim_load(predictor_sim_t *s, const char *fleet);
void predictor_sim_free(predictor_sim_t *s);

/* the judge's rule: what "peak" of "nodes" nodes bears all but the worst
 * thousandth of the part's steps */

double predictor_sim_capacity(const predictor_sim_t *s, uint32_t from,
    uint32_t before, uint32_t nodes, double peak);

/* the part that is judged, and the end of the history to tune on; 0 when
 * there is too little */

void predictor_sim_judged(const predictor_sim_t *s,
    predictor_sim_part_t *part);
int predictor_sim_tuned(const predictor_sim_t *s,
    predictor_sim_part_t *part);


/* simulate_make.c: a fleet made up by "shape" and seed */

int predictor_sim_make(predictor_sim_t *s);

/* of the fleet's shards as many as are wanted, with phase and scale */

int predictor_sim_tile(predictor_sim_t *s);


/* simulate_items.c: nodes, bytes, failures and events into their arrays */

int predictor_sim_items(predictor_sim_t *s);

/* puts the events on the load */

void predictor_sim_happen(predictor_sim_t *s);


#endif /* _PREDICTOR_SIMULATE_H_INCLUDED_ */
