
/*
 * What is counted of a shard besides its load, by name: the same words in
 * predictor.yaml, in the policy's "load" and in rows:METRIC:RES:SLOT:BLOCK.
 * All are rates per second of real time.  "latency" is the time that
 * answered requests took, in seconds per second: how many were under way on
 * average.
 */


#ifndef _PREDICTOR_METRIC_H_INCLUDED_
#define _PREDICTOR_METRIC_H_INCLUDED_


#include "../src/core/shard_metrics.h"


typedef enum {
    PREDICTOR_REQUESTS = 0,     /* offered: with rejected and held ones */
    PREDICTOR_COMPLETED,
    PREDICTOR_ERRORS,
    PREDICTOR_WRITES,
    PREDICTOR_BYTES,            /* in and out */
    PREDICTOR_LATENCY,
    PREDICTOR_METRICS
} predictor_metric_e;

#define PREDICTOR_METRIC_BIT(m)   (1u << (m))


extern const char *const predictor_metric_words[];  /* ends with NULL */


double predictor_metric_of(const shard_metrics_shard_t *shard,
    predictor_metric_e metric);


#endif /* _PREDICTOR_METRIC_H_INCLUDED_ */
