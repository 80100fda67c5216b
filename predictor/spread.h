
/*
 * Quantiles of a model's errors by how far ahead it looked: kept for leads of
 * 1, 2, 4, ... steps, drawn between them on the scale of their logarithm.
 */


#ifndef _PREDICTOR_SPREAD_H_INCLUDED_
#define _PREDICTOR_SPREAD_H_INCLUDED_


#include "model.h"


#define PREDICTOR_SPREAD_LEADS  15      /* 2^14 is beyond any horizon */


typedef struct {
    uint32_t  leads;
    uint32_t  nq;
    double    offset[PREDICTOR_SPREAD_LEADS][PREDICTOR_QUANTILES_MAX];
} predictor_spread_t;


/* how many leads of 2^i there are up to one that covers "horizon" */

uint32_t predictor_spread_leads(uint32_t horizon);

/*
 * Sets the next lead's offsets from its errors, value - forecast, which it
 * reorders; without any they are those of the lead before.
 */

void predictor_spread_add(predictor_spread_t *spread,
    const predictor_ask_t *ask, double *errors, uint32_t n);

/* nq offsets of step h, from 1 */

void predictor_spread_at(const predictor_spread_t *spread, uint32_t h,
    double *offset);


#endif /* _PREDICTOR_SPREAD_H_INCLUDED_ */
