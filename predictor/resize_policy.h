
/*
 * How many shards there may be, and when one is too large or too small: the
 * policy's field "shards", over what the configuration says.
 *
 *     {"shards":{"min":8,"max":512,"split_above":0.25,"merge_below":0.03,
 *                "hold_s":1800,"season_s":604800}}
 *
 * Strict, and whole: with one bad value nothing of it is taken.
 */


#ifndef _PREDICTOR_RESIZE_POLICY_H_INCLUDED_
#define _PREDICTOR_RESIZE_POLICY_H_INCLUDED_


#include "../src/core/shard_policy.h"


#define PREDICTOR_RESIZE_APART  4       /* split_above is so many times
                                           merge_below at least */
#define PREDICTOR_RESIZE_MOST   1000000


typedef struct {
    uint32_t  min;
    uint32_t  max;
    double    split_above;      /* of the smallest node's capacity */
    double    merge_below;
    uint32_t  hold_s;
    uint32_t  season_s;
} predictor_resize_policy_t;


void predictor_resize_policy_init(predictor_resize_policy_t *p);

/* SHARD_ERROR and "err": what the values are to each other */

int predictor_resize_policy_check(const predictor_resize_policy_t *p,
    char *err);

/* what the policy does not say stays what it is in "p"; SHARD_ERROR: all of
 * it does */

int predictor_resize_policy_decode(shard_str_t policy,
    shard_policy_work_t *work, predictor_resize_policy_t *p, char *err);


#endif /* _PREDICTOR_RESIZE_POLICY_H_INCLUDED_ */
