
/*
 * Series from lines "epoch_seconds,value".
 *
 *     epoch,value            a first line of words is passed over
 *     1704067200,21.04
 *     1704067500,            an empty value is a gap; so are NaN, NA, null
 *     1704068100,20.5        and a step left out
 *
 * Lines may end with CR LF, fields may have blanks around them, the text may
 * start with a byte order mark and end with empty lines.  A line may have
 * more values, one for each series, whose names the first line tells.
 * Everything else is refused, with line, column (in bytes), why, and the way
 * out where there is one.
 */


#ifndef _PREDICTOR_SERIES_CSV_H_INCLUDED_
#define _PREDICTOR_SERIES_CSV_H_INCLUDED_


#include <stdio.h>

#include "model.h"


/* values are within this distance from 0 */

#define PREDICTOR_VALUE_MAX        1e15

#define PREDICTOR_CSV_COLUMNS_MAX  10000
#define PREDICTOR_CSV_VALUES_MAX   (1 << 25)    /* of all series together */
#define PREDICTOR_CSV_BYTES_MAX    (1 << 28)


typedef struct {
    double    *y;               /* NaN: a gap; series after series */
    char     (*name)[SHARD_NAME_SIZE];          /* of series; may be empty */
    uint32_t   n;               /* values of each series */
    uint32_t   known;           /* of the first one, not gaps */
    uint32_t   columns;         /* series */
    uint32_t   interval_s;      /* as given or found; 0: one line only */
    uint64_t   start;           /* epoch of y[0], seconds */
} predictor_csv_t;


/*
 * "interval_s" 0: the step that most lines have; "columns_max": as many
 * series as the caller can use.  SHARD_ERROR and err (SHARD_ERR_SIZE bytes)
 * when the text is not as above; SHARD_AGAIN and err when the machine failed
 * (reading, memory).  There is nothing to free then.
 */

int predictor_csv_read(FILE *in, uint32_t interval_s, uint32_t columns_max,
    predictor_csv_t *out, char *err);

int predictor_csv_text(const char *text, size_t len, uint32_t interval_s,
    uint32_t columns_max, predictor_csv_t *out, char *err);

void predictor_csv_free(predictor_csv_t *csv);


#endif /* _PREDICTOR_SERIES_CSV_H_INCLUDED_ */
