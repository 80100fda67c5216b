
/* Forecasts of a simulation: events as their makers have them, and a file. */


#ifndef _PREDICTOR_SIMULATE_FORECAST_H_INCLUDED_
#define _PREDICTOR_SIMULATE_FORECAST_H_INCLUDED_


#include "simulate_command.h"


/* the event's JSON as "events" has it, to be freed; NULL without memory */

char *predictor_foreseen_event(const predictor_sim_t *s, uint32_t event);

/* exit status, said; SHARD_AGAIN: there is no such file yet */

int predictor_foreseen_read(predictor_simulate_t *m);
int predictor_foreseen_write(const predictor_simulate_t *m);


#endif /* _PREDICTOR_SIMULATE_FORECAST_H_INCLUDED_ */
