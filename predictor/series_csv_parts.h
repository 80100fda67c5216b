
/* What the files of series_csv share: the line being read, and its fields. */


#ifndef _PREDICTOR_SERIES_CSV_PARTS_H_INCLUDED_
#define _PREDICTOR_SERIES_CSV_PARTS_H_INCLUDED_


#include "series_csv.h"


typedef struct {
    const char       *next;             /* the line after this one */
    const char       *end;              /* of the text */
    const char       *text;             /* this line ... */
    const char       *last;             /* ... up to its end */
    char             *err;
    uint32_t          line;             /* number, from 1 */
    uint32_t          usual;            /* step that most lines have, s */
    uint32_t          rows;             /* that fit into out->y */
    uint64_t          before;           /* epoch of the line before */
    predictor_csv_t  *out;
} predictor_csv_reader_t;


/* "pos" goes up to the comma behind the epoch */

int predictor_csv_epoch(predictor_csv_reader_t *r, const char **pos,
    uint64_t *epoch);

/* ... and up to the comma or the end behind the value; NaN: a gap */

int predictor_csv_value(predictor_csv_reader_t *r, const char **pos,
    double *value);

const char *predictor_csv_blanks(const predictor_csv_reader_t *r,
    const char *p);

/* the next comma, or the end of the line */

const char *predictor_csv_comma(const predictor_csv_reader_t *r,
    const char *p);

/* always SHARD_ERROR */

int predictor_csv_error(predictor_csv_reader_t *r, const char *at,
    const char *why);


#endif /* _PREDICTOR_SERIES_CSV_PARTS_H_INCLUDED_ */
