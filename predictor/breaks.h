
/* Shifts and outages as users see them: JSON, and lines in the log. */


#ifndef _PREDICTOR_BREAKS_H_INCLUDED_
#define _PREDICTOR_BREAKS_H_INCLUDED_


#include <jansson.h>

#include "fleet.h"


/* arrays as in docs/redis-keys.md, NULL: there are none */

json_t *predictor_breaks_shifts(const predictor_breaks_t *breaks,
    uint32_t interval_s);
json_t *predictor_breaks_outages(const predictor_breaks_t *breaks,
    uint32_t interval_s);

/* takes a shard's forecast as JSON; gives it back with the events that are in
 * it, and with the shifts and outages that were taken off its history */

char *predictor_breaks_report(const predictor_outlook_t *o, shard_id_t id,
    char *forecast);

/* logs the shifts of shards that are new since the last call, or gone */

void predictor_breaks_say(const predictor_fleet_t *fleet,
    predictor_outlook_t *o);


#endif /* _PREDICTOR_BREAKS_H_INCLUDED_ */
