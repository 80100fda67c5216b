
/* What clients.c and clients_sum.c share. */


#ifndef _PREDICTOR_CLIENTS_PARTS_H_INCLUDED_
#define _PREDICTOR_CLIENTS_PARTS_H_INCLUDED_


#include "clients.h"


/* what was said of the slot against what came */

void predictor_clients_score(predictor_clients_t *c, long slot,
    const float *load, uint32_t ncols);


#endif /* _PREDICTOR_CLIENTS_PARTS_H_INCLUDED_ */
