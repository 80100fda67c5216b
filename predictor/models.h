
/*
 * Every model by its name: what "--model" takes, what a backtest compares and
 * what combine.h chooses from.
 */


#ifndef _PREDICTOR_MODELS_H_INCLUDED_
#define _PREDICTOR_MODELS_H_INCLUDED_


#include "model.h"


/* simplest first, NULL behind the last */

extern const predictor_model_t *const  predictor_models[];


/* NULL: there is none of this name; "naive" is short for "naive-day" */

const predictor_model_t *predictor_model_find(const char *name);


#endif /* _PREDICTOR_MODELS_H_INCLUDED_ */
