
/*
 * The ring of a fleet (src/core/shard_ring.h): nodes' weights and shares by
 * the load that is predicted, and which shards are the share of a node that
 * has joined.  It is advice: the planner moves what the forecast asks for.
 */


#ifndef _PREDICTOR_REPORT_RING_H_INCLUDED_
#define _PREDICTOR_REPORT_RING_H_INCLUDED_


#include "fleet.h"


/* hash "ring", by node; "keyspace" is the seed's.  shardd_rc_e */

int predictor_report_ring(const predictor_io_t *io,
    const predictor_fleet_t *fleet, const char *keyspace, double now_s);


#endif /* _PREDICTOR_REPORT_RING_H_INCLUDED_ */
