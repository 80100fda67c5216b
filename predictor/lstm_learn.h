
/*
 * Learning of one network from many series, a batch at a time: whoever calls
 * decides how much is done when.
 *
 *   views of some series ──▶ samples at random times ──▶ gradient ──▶ Adam
 *
 * Every fourth day is kept out: by what comes on those, quantiles are told.
 * The amount of work is counted, not timed, so that the same input gives the
 * same weights.  Pure, on memory of the caller.
 */


#ifndef _PREDICTOR_LSTM_LEARN_H_INCLUDED_
#define _PREDICTOR_LSTM_LEARN_H_INCLUDED_


#include "lstm_view.h"


#define PREDICTOR_LSTM_SEED  20261126


typedef struct {
    predictor_lstm_shape_t   shape;
    predictor_lstm_batch_t   batch;
    uint64_t                 seed;
    uint32_t                 step;      /* batches so far */
    uint32_t                 turn;      /* series that is next */
    uint32_t                 steps;     /* of them in all: the rate falls */
    size_t                   n;         /* weights */
    float                   *w;
    float                   *m;
    float                   *v;
    float                   *gradient;
    float                   *work;
    float                   *best;      /* weights that did best so far */
    double                   least;     /* their loss on kept days */
} predictor_lstm_learn_t;


/* floats */

size_t predictor_lstm_learn_size(const predictor_lstm_shape_t *shape);

/* begins anew; w is the caller's, of predictor_lstm_weights() floats */

void predictor_lstm_learn_begin(predictor_lstm_learn_t *l,
    const predictor_lstm_shape_t *shape, uint32_t steps, float *w,
    float *memory);

/* goes on from weights that have learnt before */

void predictor_lstm_learn_on(predictor_lstm_learn_t *l,
    const predictor_lstm_shape_t *shape, uint32_t steps, float *w,
    float *memory);

/* batches for so many floating point operations, at least 1 */

uint32_t predictor_lstm_learn_steps(const predictor_lstm_shape_t *shape,
    double operations);

/*
 * One batch, in equal parts of these series: the loss before it, or a
 * negative number when none of them is long enough.  Now and then the kept
 * days judge; after the last batch the weights are those that did best.
 */

double predictor_lstm_learn(predictor_lstm_learn_t *l,
    const predictor_lstm_view_t *views, uint32_t nviews);

/* what is left of the truth behind the forecasts of kept days, by output:
 * n of each, at most "room"; residuals[output * room + i].  work: the floats
 * of predictor_lstm_learn_size() */

uint32_t predictor_lstm_residuals(const predictor_lstm_view_t *view,
    const float *w, float *work, uint32_t room, double *residuals);


#endif /* _PREDICTOR_LSTM_LEARN_H_INCLUDED_ */
