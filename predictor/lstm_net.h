
/*
 * A long short-term memory (Hochreiter & Schmidhuber, Neural Computation
 * 9(8), 1997; with forget gates, Gers et al. 2000) of one layer, and a linear
 * head that gives all outputs at once.
 *
 *   x(1) ─▶ cells ─▶ ... ─▶ x(steps) ─▶ cells ─▶ h ──┐
 *                                        now ────────┼─▶ y(1 .. outputs)
 *                                        each(k) ────┘   of output k only
 *
 * Weights are one array of floats, so are gradients and what Adam keeps.
 * Products are BLAS's, sums are in a fixed order: the same seed and samples
 * give the same weights.  Pure, on memory of the caller.
 */


#ifndef _PREDICTOR_LSTM_NET_H_INCLUDED_
#define _PREDICTOR_LSTM_NET_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define PREDICTOR_LSTM_BATCH  32


typedef struct {
    uint32_t      inputs;           /* of a step */
    uint32_t      cells;
    uint32_t      steps;
    uint32_t      now;              /* inputs of the head, for all outputs */
    uint32_t      each;             /* and for each one */
    uint32_t      outputs;
} predictor_lstm_shape_t;

/* n samples, at most PREDICTOR_LSTM_BATCH, each one's figures side by side */

typedef struct {
    uint32_t      n;
    float        *x;                /* steps x n x inputs */
    float        *now;              /* n x now */
    float        *each;             /* n x outputs x each */
    float        *y;                /* n x outputs: truth */
} predictor_lstm_batch_t;


/* floats of the weights, of a batch, of what a pass needs */

size_t predictor_lstm_weights(const predictor_lstm_shape_t *shape);
size_t predictor_lstm_batch_size(const predictor_lstm_shape_t *shape);
void predictor_lstm_batch_place(const predictor_lstm_shape_t *shape,
    float *memory, predictor_lstm_batch_t *batch);
size_t predictor_lstm_work(const predictor_lstm_shape_t *shape);

/* floating point operations of learning from n samples */

double predictor_lstm_cost(const predictor_lstm_shape_t *shape, uint32_t n);

void predictor_lstm_init(const predictor_lstm_shape_t *shape, float *w,
    uint64_t seed);

/* out: n x outputs, without the part of each[] when "common" is 1 */

void predictor_lstm_forward(const predictor_lstm_shape_t *shape,
    const float *w, const predictor_lstm_batch_t *batch, float *work,
    int common, float *out);

/* weights of each[] for one output */

const float *predictor_lstm_each(const predictor_lstm_shape_t *shape,
    const float *w, uint32_t output);

/* the weight of one of now[] for one output */

float *predictor_lstm_now(const predictor_lstm_shape_t *shape, float *w,
    uint32_t output, uint32_t input);

/* mean of sqrt(r^2 + error^2) - r over all outputs, and its gradient */

double predictor_lstm_gradient(const predictor_lstm_shape_t *shape,
    const float *w, const predictor_lstm_batch_t *batch, float *work,
    float *gradient);

/* the loss alone */

double predictor_lstm_lost(const predictor_lstm_shape_t *shape,
    const float *w, const predictor_lstm_batch_t *batch, float *work);

/* Kingma & Ba, 2015; step from 1; m and v begin with 0; the gradient is
 * shortened to length 1, weights decay by a part of the rate */

void predictor_lstm_adam(float *w, float *gradient, float *m, float *v,
    size_t n, uint32_t step, double rate);


#endif /* _PREDICTOR_LSTM_NET_H_INCLUDED_ */
