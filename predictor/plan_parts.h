
/*
 * What the files of the planner share.
 *
 *   plan_value.c     what a second at a load costs
 *   plan_node.c      sums of nodes, steps ahead, lists of shards by node
 *   plan_trial.c     what moves would save, now or a little later
 *   plan_search.c    the best move of a node
 *   plan_pair.c      the best two, where one does not help
 *   plan.c           what is done when
 *   plan_balance.c   a whole fleet at once
 *
 * Steps count from 0, the present; step h > 0 is that of the forecast's
 * column h - 1.
 */


#ifndef _PREDICTOR_PLAN_PARTS_H_INCLUDED_
#define _PREDICTOR_PLAN_PARTS_H_INCLUDED_


#include <math.h>

#include "plan.h"


/* a load at a step: of a shard, or of a node's shards together */

typedef struct {
    double    mean;
    double    deviation;
    double    square;           /* of deviations */
} predictor_plan_load_t;

typedef struct {
    predictor_plan_load_t  load;
    double                 cost;        /* of the step, violation-seconds */
} predictor_plan_sum_t;

/* a move that may be made */

typedef struct {
    uint32_t  shard;
    uint32_t  from;
    uint32_t  to;
    uint32_t  commit;           /* steps from its start */
    double    extra;            /* share of the load, until then */
} predictor_plan_trial_t;

typedef struct {
    predictor_plan_trial_t  trial[2];
    uint32_t                n;
    double                  gain;       /* violation-seconds */
    double                  price;
} predictor_plan_choice_t;


/* without a call, which fmax() is where NaN has to be thought of */

static inline double
predictor_plan_least0(double v)
{
    return v > 0 ? v : 0;
}


static inline double
predictor_plan_number(float v)
{
    return isfinite(v) && v > 0 ? (double) v : 0;
}


static inline uint32_t
predictor_plan_steps(const predictor_plan_t *plan)
{
    return plan->nsteps + 1;
}


static inline double *
predictor_plan_weights(const predictor_plan_t *plan)
{
    return plan->memory;
}


static inline predictor_plan_sum_t *
predictor_plan_sums(const predictor_plan_t *plan, uint32_t node)
{
    return (predictor_plan_sum_t *) (plan->memory + predictor_plan_steps(plan))
           + (size_t) node * predictor_plan_steps(plan);
}


static inline void
predictor_plan_shard_load(const predictor_plan_t *plan, uint32_t shard,
    uint32_t step, predictor_plan_load_t *v)
{
    size_t  i;

    if (step == 0) {
        v->mean = predictor_plan_number(plan->now[shard]);
        v->deviation = v->square = 0;
        return;
    }

    i = (size_t) shard * plan->nsteps + step - 1;

    v->mean = predictor_plan_number(plan->mean[i]);
    v->deviation = predictor_plan_least0(predictor_plan_number(
                                         plan->quantile[i]) - v->mean);
    v->square = v->deviation * v->deviation;
}


static inline void
predictor_plan_load_add(predictor_plan_load_t *sum,
    const predictor_plan_load_t *v, double factor)
{
    sum->mean += factor * v->mean;
    sum->deviation += factor * v->deviation;
    sum->square += factor * v->square;
}


/* differences of equal sums may end a rounding error below 0 */

static inline double
predictor_plan_deviation(const predictor_plan_t *plan,
    const predictor_plan_load_t *v)
{
    double  d, s;

    d = predictor_plan_least0(v->deviation);
    s = predictor_plan_least0(v->square);

    return sqrt(plan->limits.rho * d * d + (1 - plan->limits.rho) * s);
}


/* at the chosen quantile */

static inline double
predictor_plan_load(const predictor_plan_t *plan,
    const predictor_plan_load_t *v)
{
    return v->mean + predictor_plan_deviation(plan, v);
}


/* of a second at that load, expected violations */

double predictor_plan_value(const predictor_plan_t *plan,
    const predictor_plan_node_t *node, const predictor_plan_load_t *load);

/* seconds that each step counts for */

void predictor_plan_weigh(predictor_plan_t *plan);

/* steps from now until so many seconds are over */

uint32_t predictor_plan_ahead(const predictor_plan_t *plan, double seconds);

/* seconds a move is given, and what must be exceeded to make it */

double predictor_plan_duration(const predictor_plan_t *plan, uint32_t shard,
    int promote);
double predictor_plan_price(const predictor_plan_t *plan, uint32_t shard,
    int promote);

void predictor_plan_trial(const predictor_plan_t *plan, uint32_t shard,
    uint32_t to, predictor_plan_trial_t *t);

/*
 * What the node's cost falls by if "n" moves begin "delay" steps from now;
 * exact above "floor", and where it only can fall no more is looked at below.
 */

double predictor_plan_relief(const predictor_plan_t *plan, uint32_t node,
    const predictor_plan_trial_t *trial, uint32_t n, uint32_t delay,
    double floor);

/* what policy gives for the shard being there instead, over the horizon */

double predictor_plan_taste(const predictor_plan_t *plan,
    const predictor_plan_trial_t *t);

/* 1: nothing is lost that matters by deciding a little later;
 * of one move it is also answered for its source alone, which can only gain
 * less later on: when that waits, the whole does */

int predictor_plan_waits(const predictor_plan_t *plan,
    const predictor_plan_choice_t *c);
int predictor_plan_source_waits(const predictor_plan_t *plan,
    const predictor_plan_choice_t *c, double relief);

/* rounds of moves that its source needs, if they are like this one */

double predictor_plan_rounds(const predictor_plan_t *plan,
    const predictor_plan_trial_t *t);

/* 1: the churn budget has room for all of a choice's moves; 1: the shard
 * rests and may leave; 1: the node may take it */

int predictor_plan_affords(const predictor_plan_t *plan,
    const predictor_plan_choice_t *c);
int predictor_plan_movable(const predictor_plan_t *plan, uint32_t shard);
int predictor_plan_takes(const predictor_plan_t *plan, uint32_t shard,
    uint32_t from, uint32_t node, uint32_t slots);

/* 1: no more work is allowed */

static inline int
predictor_plan_tired(const predictor_plan_t *plan)
{
    return plan->limits.work && plan->work >= plan->limits.work;
}


/* the best move off a node, or pair; 0: there is none */

int predictor_plan_choose(predictor_plan_t *plan, uint32_t src,
    predictor_plan_choice_t *best);
int predictor_plan_choose_pair(predictor_plan_t *plan, uint32_t src,
    predictor_plan_choice_t *best);
int predictor_plan_choose_drain(const predictor_plan_t *plan, uint32_t src,
    predictor_plan_choice_t *best);

/* highest load at the quantile from a step on, and when */

double predictor_plan_peak(const predictor_plan_t *plan, uint32_t node,
    uint32_t step, uint32_t *at);

/* the move is under way from now on */

void predictor_plan_begin(predictor_plan_t *plan,
    const predictor_plan_trial_t *t);

/* it is there, as if no move took time */

void predictor_plan_put_on(predictor_plan_t *plan, uint32_t shard,
    uint32_t to);

/* cost, peak, breach; nodes by use */

void predictor_plan_report(predictor_plan_t *plan, uint32_t node);
void predictor_plan_rank(predictor_plan_t *plan);


#endif /* _PREDICTOR_PLAN_PARTS_H_INCLUDED_ */
