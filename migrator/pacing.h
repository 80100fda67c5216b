
/*
 * How large the next step of a shift is.  Pure.
 *
 *   strain    0 ──────── 0.5 ──────── 0.8 ──────── 1 ─▶ breach: rolls back
 *   the step     grows by half  stays      halves
 *
 * between a least and a most that the YAML file says.  A strain that rose by
 * more than 0.2 since the step before never grows it: the target is getting
 * worse, however good it still is.
 */


#ifndef _MIGRATOR_PACING_H_INCLUDED_
#define _MIGRATOR_PACING_H_INCLUDED_


#include "shard_types.h"


typedef struct {
    uint32_t        step_bp;            /* 0: none was made yet */
    double          strain;             /* at that step; 0 idle .. 1 */
} migrator_pace_t;

typedef struct {
    uint32_t        first_bp;
    uint32_t        min_bp;
    uint32_t        max_bp;             /* >= first_bp >= min_bp >= 1 */
} migrator_paces_t;


/* the step to make at this strain; "pace" moves on */

uint32_t migrator_pace(migrator_pace_t *pace, const migrator_paces_t *bounds,
    double strain);


#endif /* _MIGRATOR_PACING_H_INCLUDED_ */
