
/*
 * The network of lstm_net.h as a model.  By its name in models.h it learns
 * from the one series that it is given; with weights that were learnt from
 * many series it begins with these, and is fitted to the one by a little more
 * learning.
 */


#ifndef _PREDICTOR_MODEL_LSTM_H_INCLUDED_
#define _PREDICTOR_MODEL_LSTM_H_INCLUDED_


#include "lstm_learn.h"


/* as the model's fit(), but beginning with weights that were learnt from
 * series of the same interval, day and horizon; w is as large as
 * predictor_lstm_view_shape() of their views says */

int predictor_lstm_adopt(const predictor_series_t *series,
    const predictor_ask_t *ask, const float *w, void *state, void *work);

/* doubles for predictor_lstm_shared_view() */

size_t predictor_lstm_shared_size(uint32_t n);

/* a view to learn from, of a series without gaps; SHARD_AGAIN as above */

int predictor_lstm_shared_view(const predictor_series_t *series,
    const predictor_ask_t *ask, double *memory, predictor_lstm_view_t *view);


#endif /* _PREDICTOR_MODEL_LSTM_H_INCLUDED_ */
