
#include <string.h>

#include "models.h"


const predictor_model_t *const  predictor_models[] = {
    &predictor_model_level,
    &predictor_model_naive_day,
    &predictor_model_naive_week,
    &predictor_model_local_level,
    &predictor_model_ets,
    &predictor_model_theta,
    &predictor_model_additive,
    &predictor_model_mstl,
    &predictor_model_spar,
    &predictor_model_lagreg,
    &predictor_model_lagreg_fresh,
    &predictor_model_lagreg_raw,
    &predictor_model_lstm,
    NULL
};


const predictor_model_t *
predictor_model_find(const char *name)
{
    uint32_t  i;

    if (strcmp(name, "naive") == 0) {
        return &predictor_model_naive_day;
    }

    for (i = 0; predictor_models[i]; i++) {
        if (strcmp(name, predictor_models[i]->name) == 0) {
            return predictor_models[i];
        }
    }

    return NULL;
}
