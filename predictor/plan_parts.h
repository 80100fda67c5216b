
/* What plan.c, which chooses moves, and plan_node.c, which adds loads up,
 * share. */


#ifndef _PREDICTOR_PLAN_PARTS_H_INCLUDED_
#define _PREDICTOR_PLAN_PARTS_H_INCLUDED_


#include <math.h>

#include "plan.h"


static inline double
predictor_plan_number(float v)
{
    return isfinite(v) && v > 0 ? v : 0;
}


/* a shard's load at a step at the chosen quantile, or at present if that is
 * more */

double predictor_plan_load(const predictor_plan_t *plan, uint32_t shard,
    uint32_t step);

/*
 * The highest load of a node with (sign +1) or without (-1) one shard, or as
 * it is (0); stops early above "limit", where the exact value is no matter.
 */

double predictor_plan_peak(const predictor_plan_t *plan, uint32_t node,
    uint32_t shard, int sign, double limit, uint32_t *at);

/* sign +1 puts the shard on the node, -1 takes it off */

void predictor_plan_add(predictor_plan_t *plan, uint32_t node,
    uint32_t shard, int sign);

/* both ends of a move carry its extra load and use their budget */

void predictor_plan_copying(predictor_plan_t *plan, uint32_t shard);

/* the forecast alone for reports; the first breach with the present in it */

void predictor_plan_report(predictor_plan_t *plan, uint32_t node);


#endif /* _PREDICTOR_PLAN_PARTS_H_INCLUDED_ */
