
/*
 * A series as the network sees it, the same for shards of any size, rhythm
 * and interval: everything is an offset from the day before, in units of the
 * series' own usual offset.
 *
 *       ├── 24 ticks of a day ───────────┤ t        t + h
 *   ────┴────────────────────────────────┴──────────┴────▶
 *      per tick: offset, level, where in    target: offset of t + h
 *      the day and in the week              each(h): what the same time of
 *      now: the last offsets, their means   other days says of it
 *
 * Pure.
 */


#ifndef _PREDICTOR_LSTM_VIEW_H_INCLUDED_
#define _PREDICTOR_LSTM_VIEW_H_INCLUDED_


#include "lstm_net.h"
#include "transform.h"


#define PREDICTOR_LSTM_TICKS    24
#define PREDICTOR_LSTM_INPUTS   6
#define PREDICTOR_LSTM_CELLS    16
#define PREDICTOR_LSTM_NOW      8
#define PREDICTOR_LSTM_EACH     6
#define PREDICTOR_LSTM_OUTPUTS  12

/* days before t that a sample needs, and those that it looks back at most */

#define PREDICTOR_LSTM_BACK     3
#define PREDICTOR_LSTM_DAYS     7


typedef struct {
    uint32_t                n;
    uint32_t                day;
    uint32_t                week;       /* 0: none */
    uint32_t                tick;       /* steps */
    uint32_t                outputs;
    uint32_t                h[PREDICTOR_LSTM_OUTPUTS];
    uint64_t                start;
    double                  unit;       /* of z: the usual offset */
    double                  mean;       /* of z */
    double                  spread;     /* of z */
    double                 *z;
    double                 *sum;        /* of z before i: n + 1 */
} predictor_lstm_view_t;


/* doubles: 2 n + 1 */

size_t predictor_lstm_view_size(uint32_t n);

/* z of a series by its transform; unit, mean and spread of all of it.
 * SHARD_AGAIN when the series is too short to tell an offset */

int predictor_lstm_view(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_transform_t *t,
    double *memory, predictor_lstm_view_t *view);

predictor_lstm_shape_t predictor_lstm_view_shape(
    const predictor_lstm_view_t *view);

/* first t that a sample can be of */

uint32_t predictor_lstm_view_first(const predictor_lstm_view_t *view);

/* adds the sample of t; with its truth when "truth" is 1 */

void predictor_lstm_view_sample(const predictor_lstm_view_t *view, uint32_t t,
    int truth, predictor_lstm_batch_t *batch, uint32_t at);

/* of any step h from 1: each[], and the value that an offset is from */

double predictor_lstm_view_each(const predictor_lstm_view_t *view, uint32_t t,
    uint32_t h, float *each);


#endif /* _PREDICTOR_LSTM_VIEW_H_INCLUDED_ */
