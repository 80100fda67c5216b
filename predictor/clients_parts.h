
/* What clients.c and clients_sum.c share. */


#ifndef _PREDICTOR_CLIENTS_PARTS_H_INCLUDED_
#define _PREDICTOR_CLIENTS_PARTS_H_INCLUDED_


#include "clients.h"


/* what was said of the slot against what came */

void predictor_clients_score(predictor_clients_t *c, long slot,
    const float *load, uint32_t ncols);

/* forgets what is known of a shard's clients */

void predictor_clients_drop(predictor_clients_shard_t *s);


#endif /* _PREDICTOR_CLIENTS_PARTS_H_INCLUDED_ */
