
/*
 * A slow ratio of a shard by the time of day: its share of writes, bytes of
 * a request, seconds an answer takes.  Learnt slot by slot in constant time
 * and memory, for all shards at once, where models of their own would cost
 * more than they tell.
 *
 *     log(ratio) = profile[day kind][hour] + level + residual
 *
 * The profile is an exponential mean over days, the level over the last
 * hour; the level's part in a forecast fades with the lead.  Quantiles are
 * those of the residuals seen, followed one by one (Robbins and Monro), so
 * that they need no shape.  Plain data, no pointers.
 */


#ifndef _PREDICTOR_RATIO_H_INCLUDED_
#define _PREDICTOR_RATIO_H_INCLUDED_


#include "../src/core/shard_types.h"


#define PREDICTOR_RATIO_HOURS      24
#define PREDICTOR_RATIO_QUANTILES  3       /* 0.1, 0.5, 0.9 */


typedef struct {
    uint32_t  seen;                         /* slots */
    float     level;
    float     last;                         /* profile at the last slot */
    float     spread;                       /* mean absolute residual */
    float     fit[PREDICTOR_RATIO_QUANTILES];   /* residual with level */
    float     far[PREDICTOR_RATIO_QUANTILES];   /* and without */
    float     profile[2][PREDICTOR_RATIO_HOURS];    /* days, weekends */
    uint16_t  days[2][PREDICTOR_RATIO_HOURS];       /* slots in each */
} predictor_ratio_t;

typedef struct {
    double    mean;
    double    q[PREDICTOR_RATIO_QUANTILES];
} predictor_ratio_ahead_t;


extern const double predictor_ratio_quantiles[PREDICTOR_RATIO_QUANTILES];


/* epoch_s: the slot's beginning; a ratio that is not finite and positive is
 * left out */

void predictor_ratio_see(predictor_ratio_t *r, double epoch_s, double res_s,
    double ratio);

/* "steps" slots after the last one seen, whose time is epoch_s; SHARD_AGAIN:
 * nothing was seen */

int predictor_ratio_ahead(const predictor_ratio_t *r, double epoch_s,
    double res_s, uint32_t steps, predictor_ratio_ahead_t *out);


#endif /* _PREDICTOR_RATIO_H_INCLUDED_ */
