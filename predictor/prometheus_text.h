
/*
 * Prometheus' text format (exposition format 0.0.4), strictly and without
 * memory of its own:
 *
 *     text ──▶ next() ──▶ name, labels, value ──▶ next() ──▶ ...
 *
 * What it returns points into the text.  A text with one bad line is bad:
 * the error names line and column.  A last line without its newline is bad,
 * too: it may be the half of a number.
 */


#ifndef _PREDICTOR_PROMETHEUS_TEXT_H_INCLUDED_
#define _PREDICTOR_PROMETHEUS_TEXT_H_INCLUDED_


#include "../src/core/shard_types.h"


#define PREDICTOR_LABELS_MAX     32
#define PREDICTOR_TEXT_NAME_MAX  256         /* of metrics and labels */
#define PREDICTOR_TEXT_LINE_MAX  65536


typedef struct {
    shard_str_t        name;
    shard_str_t        value;       /* between the quotes, as it stands */
} predictor_label_t;

typedef struct {
    shard_str_t        name;
    double             value;       /* may be NaN or infinite */
    uint32_t           nlabels;
    predictor_label_t  labels[PREDICTOR_LABELS_MAX];
} predictor_sample_t;

typedef struct {
    const char        *pos;
    const char        *end;
    const char        *line;        /* its beginning */
    uint32_t           lines;       /* number of that line, from 1 */
} predictor_text_t;


void predictor_text_open(predictor_text_t *t, shard_str_t text);

/* SHARD_OK; SHARD_AGAIN at the end; SHARD_ERROR and "err" (SHARD_ERR_SIZE) */

int predictor_text_next(predictor_text_t *t, predictor_sample_t *sample,
    char *err);

/* the label's value, empty when there is none of that name */

shard_str_t predictor_text_label(const predictor_sample_t *sample,
    const char *name);

/* [a-zA-Z_:][a-zA-Z0-9_:]*, as a metric's name must be */

int predictor_text_name_valid(const char *name);


#endif /* _PREDICTOR_PROMETHEUS_TEXT_H_INCLUDED_ */
