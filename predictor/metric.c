
#include "metric.h"


const char *const  predictor_metric_words[] = {
    "requests", "completed", "errors", "writes", "bytes", "latency", NULL
};


double
predictor_metric_of(const shard_metrics_shard_t *shard,
    predictor_metric_e metric)
{
    switch (metric) {

    case PREDICTOR_REQUESTS:
        return shard->offered;

    case PREDICTOR_COMPLETED:
        return shard->completed;

    case PREDICTOR_ERRORS:
        return shard->errors;

    case PREDICTOR_WRITES:
        return shard->writes;

    case PREDICTOR_BYTES:
        return (double) shard->bytes;

    case PREDICTOR_LATENCY:
        return (double) shard->latency_us / 1e6;

    default: /* PREDICTOR_METRICS */
        return 0;
    }
}
