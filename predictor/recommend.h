
/*
 * The list of recommendations: what is to be moved now, and what waits for
 * its time, in any mode.
 *
 *   predictor_plan() ──▶ moves ────────▶ now (observe), decided (else)  ┐
 *                    └─▶ nodes that wait ─▶ waits, with its start time  ├▶ hash
 *   list of before ──▶ moves still under way, advice still fresh ───────┘
 *
 * The hash "recommendations" is replaced in one step.
 */


#ifndef _PREDICTOR_RECOMMEND_H_INCLUDED_
#define _PREDICTOR_RECOMMEND_H_INCLUDED_


#include "fleet.h"


#define PREDICTOR_RECOMMEND_MAX  128


typedef struct {
    uint32_t     shard;             /* numbers in the table */
    uint32_t     from;
    uint32_t     to;
    unsigned     waits:1;
    unsigned     drain:1;
    double       start_in_s;
    double       breach_in_s;       /* < 0: none */
    double       gain_s;            /* violation-seconds it is to save */
    double       cost_s;            /* and that it must save */
    double       move_s;
} predictor_recommendation_t;

typedef struct {
    uint32_t                    n;
    predictor_recommendation_t  all[PREDICTOR_RECOMMEND_MAX];
} predictor_recommendations_t;


/* moves of the plan, after it was made, and what waits in it */

void predictor_recommend_plan(predictor_recommendations_t *r,
    const predictor_fleet_t *fleet, const predictor_plan_move_t *moves,
    uint32_t n);

/* into the store; r NULL: nothing is recommended, *n is how many there are */

int predictor_recommend(const predictor_io_t *io,
    const predictor_fleet_t *fleet, const predictor_conf_t *conf,
    const predictor_recommendations_t *r, double now_s, uint32_t *n);


#endif /* _PREDICTOR_RECOMMEND_H_INCLUDED_ */
