
/*
 * What is counted of a shard, by name, and the load made of it: field "load"
 * of meta.policy, docs/redis-keys.md "Policy":
 *
 *     {"load":{"requests":1,"writes":2,"bytes":0.001}}     a weighted sum
 *     {"load":"learned"}                                   from nodes' CPU
 *
 * All are rates per second.  "latency" is the time that answered requests
 * took, in seconds per second: how many were under way on average.  Without
 * the field the load is the requests.
 */


#ifndef _SHARD_LOAD_H_INCLUDED_
#define _SHARD_LOAD_H_INCLUDED_


#include "shard_metrics.h"
#include "shard_policy.h"


typedef enum {
    SHARD_METRIC_REQUESTS = 0,  /* offered: with rejected and held ones */
    SHARD_METRIC_COMPLETED,
    SHARD_METRIC_ERRORS,
    SHARD_METRIC_WRITES,
    SHARD_METRIC_BYTES,         /* in and out */
    SHARD_METRIC_LATENCY,
    SHARD_METRICS
} shard_metric_e;

#define SHARD_METRIC_BIT(m)   (1u << (m))
#define SHARD_LOAD_MAX        1e9               /* of a weight */


typedef struct {
    double   weight[SHARD_METRICS];
    uint8_t  given;             /* the policy has the field */
    uint8_t  learned;
} shard_load_t;


/* their names, in this order, NULL at the end */

const char *const *shard_metric_words(void);

double shard_metric_of(const shard_metrics_shard_t *shard,
    shard_metric_e metric);

/* requests alone */

void shard_load_init(shard_load_t *load);

/* of a whole policy; empty text is shard_load_init()'s; "work" as for
 * shard_policy_decode() */

int shard_load_decode(shard_str_t policy, shard_policy_work_t *work,
    shard_load_t *out, char *err);


#endif /* _SHARD_LOAD_H_INCLUDED_ */
