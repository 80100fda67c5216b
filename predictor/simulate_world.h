
/*
 * The virtual world: where shards are, what moves, what nodes bear; and how a
 * policy sees it and acts in it.
 *
 *     begin(t) ─▶ plan(view) ─▶ move(), split() ─▶ end(t): loads, figures
 *
 * The world keeps the rules: a move that breaks one (budget, rest, a node
 * that is down) is refused and counted, whoever asks for it.
 */


#ifndef _PREDICTOR_SIMULATE_WORLD_H_INCLUDED_
#define _PREDICTOR_SIMULATE_WORLD_H_INCLUDED_


#include "plan.h"
#include "simulate.h"


typedef enum {
    PREDICTOR_SIM_MOVE = 0,
    PREDICTOR_SIM_SPLIT,
    PREDICTOR_SIM_PROMOTION
} predictor_sim_act_e;

extern const char *const predictor_sim_acts[];


typedef struct {
    uint32_t              col;          /* whose load it has a share of */
    uint32_t              parent;       /* SHARD_ID_NONE: it was cut off none */
    double                share;
    double                bytes;
    uint32_t              node;
    uint32_t              to;           /* = node: it does not move */
    long                  last;         /* step its last move began at */
    uint32_t              place;        /* among the planner's shards */
    unsigned              gone:1;       /* it was cut in two */
    unsigned              cutting:1;
    unsigned              second:1;     /* of its parent's children */
} predictor_sim_shard_t;

typedef struct {
    predictor_sim_act_e   act;
    long                  start;
    long                  commit;
    uint32_t              shard;
    uint32_t              from;
    uint32_t              to;
    unsigned              aborted:1;    /* a node failed; "commit": then */
} predictor_sim_move_t;

typedef struct {
    const predictor_sim_t       *s;
    predictor_sim_part_t         part;
    long                         t;
    uint64_t                     seed;

    uint32_t                     nnodes;
    predictor_sim_node_t        *nodes;
    uint8_t                     *down;
    uint32_t                    *ends;      /* moves in flight, by node */
    double                      *sum;       /* load of a step, by node */

    uint32_t                     nshards;
    predictor_sim_shard_t       *shards;
    uint32_t                     nmoves;
    predictor_sim_move_t        *moves;
    uint32_t                     nflying;
    uint32_t                    *flying;    /* their numbers */

    float                       *worst;     /* utilisation, by step */
    uint32_t                     refused;
    predictor_sim_figures_t      figures;
} predictor_sim_world_t;

/* shards from the largest on */

typedef struct {
    double                       mean;
    uint32_t                     shard;
} predictor_sim_rank_t;

/* forecasts after each slot of [from, before), see simulate_forecast.c */

typedef struct {
    uint32_t                     from;
    uint32_t                     before;
    uint32_t                     ncols;
    uint32_t                     horizon;
    float                       *mean;      /* slot x shard x horizon */
    float                       *quantile;
} predictor_sim_forecasts_t;

/* the planner's arguments, kept from step to step; simulate_plan.c */

typedef struct {
    predictor_plan_t             plan;
    predictor_plan_move_t       *moves;
    uint32_t                    *shard;     /* the world's number of each */
    float                       *now;
    float                       *mean;
    float                       *quantile;
    uint32_t                     room;
    double                       took_ms;   /* CPU, planner alone */
} predictor_sim_planner_t;


/* all int: SHARD_OK, or SHARD_ERROR without memory */

int predictor_sim_world_init(predictor_sim_world_t *w,
    const predictor_sim_t *s, const predictor_sim_part_t *part,
    uint32_t nnodes);
void predictor_sim_world_free(predictor_sim_world_t *w);

int predictor_sim_world_begin(predictor_sim_world_t *w, long t);
int predictor_sim_world_move(predictor_sim_world_t *w, uint32_t shard,
    uint32_t to);
int predictor_sim_world_split(predictor_sim_world_t *w, uint32_t shard);
void predictor_sim_world_end(predictor_sim_world_t *w);

int predictor_sim_rank_cmp(const void *a, const void *b);

/* a shard's load at a step */

static inline double
predictor_sim_shard_load(const predictor_sim_world_t *w, uint32_t shard,
    uint32_t step)
{
    return w->shards[shard].share
           * predictor_sim_value(w->s, step, w->shards[shard].col);
}

/* a move of it takes so long, in expectation */

double predictor_sim_move_ms(const predictor_sim_world_t *w, uint32_t shard);

void predictor_sim_world_name(const predictor_sim_world_t *w, uint32_t shard,
    char *name);


/* shards that are too large, by what the planner was told, begin to be cut;
 * simulate_cut.c */

int predictor_sim_cuts(predictor_sim_planner_t *p, predictor_sim_world_t *w);

/* what this policy would do now; SHARD_ERROR without memory */

int predictor_sim_planner_init(predictor_sim_planner_t *p,
    const predictor_sim_world_t *w);
void predictor_sim_planner_free(predictor_sim_planner_t *p);

int predictor_sim_plan(predictor_sim_planner_t *p,
    const predictor_sim_world_t *w, const predictor_sim_policy_t *policy,
    const predictor_sim_forecasts_t *f, uint32_t *nmoves);

/* where shards should be if moves took no time */

int predictor_sim_balance(predictor_sim_planner_t *p,
    const predictor_sim_world_t *w, const predictor_sim_policy_t *policy,
    double slack, uint32_t *nmoves);


/* a policy on a part of the fleet from end to end; "w" is to be freed */

int predictor_sim_run(const predictor_sim_t *s,
    const predictor_sim_part_t *part, const predictor_sim_policy_t *policy,
    const predictor_sim_forecasts_t *f, uint32_t nnodes,
    predictor_sim_world_t *w);


#endif /* _PREDICTOR_SIMULATE_WORLD_H_INCLUDED_ */
