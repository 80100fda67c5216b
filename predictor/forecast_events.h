
/*
 * Scheduled events for one series from a file: JSON as Redis and the HTTP API
 * have it ({ID: event}, {"events": ...}, or an array), or an iCalendar file.
 * All of them concern the series, whatever shards they name; "drain" is none
 * of its business.
 */


#ifndef _PREDICTOR_FORECAST_EVENTS_H_INCLUDED_
#define _PREDICTOR_FORECAST_EVENTS_H_INCLUDED_


#include "calendar.h"


/* puts the file's events; 0, or -1 and "err" (SHARD_ERR_SIZE bytes) */

int predictor_forecast_events(const char *path, int64_t now_s,
    predictor_calendar_t *c, char *err);

/* learns from the series and takes the events off y, a copy of it */

int predictor_forecast_clean(predictor_calendar_t *c,
    const predictor_series_t *series, int64_t start_s, uint32_t horizon,
    double *y);


#endif /* _PREDICTOR_FORECAST_EVENTS_H_INCLUDED_ */
