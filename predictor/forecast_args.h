
/*
 * The options of "shard-predictor forecast".  What is wrong with them is said
 * on standard error.
 */


#ifndef _PREDICTOR_FORECAST_ARGS_H_INCLUDED_
#define _PREDICTOR_FORECAST_ARGS_H_INCLUDED_


#include "combine.h"


#define PREDICTOR_QUANTILE_TEXT  16


typedef struct {
    uint32_t                  interval_s;
    uint32_t                  season[2];
    uint32_t                  horizon;
    uint32_t                  nq;
    uint32_t                  json;
    const predictor_model_t  *wish;         /* NULL: combined */
    const char              *events;        /* file, or NULL */
    const char               *plot;         /* NULL: none */
    double                    q[PREDICTOR_QUANTILES_MAX];
    char                      name[PREDICTOR_QUANTILES_MAX]
                                  [PREDICTOR_QUANTILE_TEXT];
} predictor_forecast_args_t;


/* everything filled in; SHARD_AGAIN: help is wanted, SHARD_ERROR: bad use */

int predictor_forecast_args(int argc, char **argv,
    predictor_forecast_args_t *a);


#endif /* _PREDICTOR_FORECAST_ARGS_H_INCLUDED_ */
