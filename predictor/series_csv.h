
/*
 * A series from lines "epoch_seconds,value".
 *
 *     epoch,value            a first line of words is passed over
 *     1704067200,21.04
 *     1704067500,            an empty value is a gap
 *     1704068100,20.5        so is a step left out
 *
 * Everything else is refused, with line, column and why.
 */


#ifndef _PREDICTOR_SERIES_CSV_H_INCLUDED_
#define _PREDICTOR_SERIES_CSV_H_INCLUDED_


#include <stdio.h>

#include "model.h"


/* values are within this distance from 0 */

#define PREDICTOR_VALUE_MAX  1e15


typedef struct {
    double    *y;               /* NaN: a gap; freed by the reader's user */
    uint32_t   n;
    uint32_t   known;           /* of them not gaps */
    uint64_t   start;           /* epoch of y[0], seconds */
} predictor_csv_t;


/* SHARD_ERROR and err (SHARD_ERR_SIZE bytes); out->y is then NULL */

int predictor_csv_read(FILE *in, uint32_t interval_s, predictor_csv_t *out,
    char *err);


#endif /* _PREDICTOR_SERIES_CSV_H_INCLUDED_ */
