
/*
 * Whose turn it is to learn anew.
 *
 *   never learnt by all models ─▶ history has doubled ─▶ "refit" slots ago
 *          longest history first        and more,   longest ago first
 *
 * A first fit is dated back by the shard's number, so that shards which were
 * loaded together come due in turns and each slot has its share of the work.
 * Pure.
 */


#ifndef _PREDICTOR_SCHEDULE_H_INCLUDED_
#define _PREDICTOR_SCHEDULE_H_INCLUDED_


#include "../src/core/shard_types.h"


typedef struct {
    long      fitted;           /* slot, dated back for a first fit */
    uint32_t  n;                /* values it was learnt from */
    uint32_t  now;              /* values there are, 0: nothing to learn */
    unsigned  full:1;           /* by all models, not by cheap ones only */
} predictor_turn_t;

typedef struct {
    uint32_t  first;            /* shards that wait for their first fit */
    uint32_t  due;              /* these and all others whose turn it is */
    uint32_t  n;                /* of the list */
} predictor_schedule_t;


/*
 * Out of ids[nids] (turns are by id) the "max" most urgent ones into list[],
 * most urgent first; equally urgent ones in the order of ids[].
 */

void predictor_schedule(const predictor_turn_t *turns, const shard_id_t *ids,
    uint32_t nids, long slot, long refit, shard_id_t *list, uint32_t max,
    predictor_schedule_t *result);

/* notes a fit by all models */

void predictor_schedule_done(predictor_turn_t *turn, shard_id_t id, long slot,
    long refit);


#endif /* _PREDICTOR_SCHEDULE_H_INCLUDED_ */
