
/*
 * The calendar of the fleet's daemon: loaded with the fleet, told of in
 * "effects", and for the planner the nodes that are to be emptied.
 */


#ifndef _PREDICTOR_EVENTS_H_INCLUDED_
#define _PREDICTOR_EVENTS_H_INCLUDED_


#include "daemon.h"


/* all return shardd_rc_e */

/* "events" into the calendar, which is then ready for the history as it is;
 * first: what was learnt comes from "effects" */

int predictor_events_load(predictor_daemon_t *d, int first);

/* sums up what the shards measured and writes it down */

int predictor_events_learn(predictor_daemon_t *d);

/* nodes that an event empties drain, and are no targets a while before */

void predictor_events_drain(predictor_daemon_t *d, double now_s);


#endif /* _PREDICTOR_EVENTS_H_INCLUDED_ */
