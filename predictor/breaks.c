
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "breaks.h"
#include "number.h"
#include "report.h"


/* the same shift, seen anew, may seem to have begun earlier or later */

#define PREDICTOR_BREAKS_SAME_S  43200

/* lines at once */

#define PREDICTOR_BREAKS_LINES   10


static char *predictor_breaks_put(char *forecast, const char *name,
    json_t *list);
static int predictor_breaks_new(const predictor_outlook_t *o, uint64_t told,
    uint64_t at);
static void predictor_breaks_line(const predictor_outlook_t *o,
    shard_id_t id, const predictor_shifts_t *shifts);


json_t *
predictor_breaks_shifts(const predictor_breaks_t *breaks, uint32_t interval_s)
{
    json_t                    *list;
    uint32_t                   i;
    const predictor_shift_t   *one;

    if (breaks->shifts.n == 0) {
        return NULL;
    }

    list = json_array();

    for (i = 0; i < breaks->shifts.n; i++) {
        one = &breaks->shifts.shift[i];
        (void) json_array_append_new(list,
                   json_pack("{s:I, s:f}", "since",
                             (json_int_t) (one->at * interval_s),
                             "factor", one->factor));
    }

    return list;
}


json_t *
predictor_breaks_outages(const predictor_breaks_t *breaks,
    uint32_t interval_s)
{
    json_t                    *list;
    uint32_t                   i;
    const predictor_outage_t  *one;

    if (breaks->outages.n == 0) {
        return NULL;
    }

    list = json_array();

    for (i = 0; i < breaks->outages.n; i++) {
        one = &breaks->outages.outage[i];
        (void) json_array_append_new(list,
                   json_pack("{s:I, s:I}", "from",
                             (json_int_t) (one->from * interval_s),
                             "to", (json_int_t) ((one->from + one->n)
                                                 * interval_s)));
    }

    return list;
}


char *
predictor_breaks_report(const predictor_outlook_t *o, shard_id_t id,
    char *forecast)
{
    const predictor_breaks_t  *breaks;

    forecast = predictor_breaks_put(forecast, "events",
                   o->calendar ? predictor_calendar_events(o->calendar, id)
                               : NULL);

    if (o->shards[id].state == NULL) {
        return forecast;
    }

    breaks = predictor_breaks(o->shards[id].state);
    forecast = predictor_breaks_put(forecast, "shifts",
                   predictor_breaks_shifts(breaks, o->series.interval_s));

    return predictor_breaks_put(forecast, "outages",
               predictor_breaks_outages(breaks, o->series.interval_s));
}


/* takes the forecast and the list, which may be NULL; gives the forecast back
 * with it */

static char *
predictor_breaks_put(char *forecast, const char *name, json_t *list)
{
    char    *text, *whole;
    size_t   len;

    if (list == NULL) {
        return forecast;
    }

    text = predictor_number_text(list);
    len = strlen(forecast);
    whole = text ? realloc(forecast, len + strlen(name) + strlen(text) + 8)
                 : NULL;

    if (whole == NULL) {
        free(text);
        return forecast;
    }

    sprintf(whole + len - 1, ",\"%s\":%s}", name, text);
    free(text);

    return whole;
}


void
predictor_breaks_say(const predictor_fleet_t *fleet, predictor_outlook_t *o)
{
    size_t                      i;
    uint32_t                    lines;
    shard_id_t                  id;
    const predictor_shifts_t   *shifts;
    predictor_outlook_shard_t  *s;

    lines = 0;

    for (i = 0; i < fleet->table.nshards; i++) {
        id = fleet->table.shards[i].id;

        if (id >= o->nshards || o->shards[id].state == NULL) {
            continue;
        }

        s = &o->shards[id];
        shifts = &predictor_breaks(s->state)->shifts;

        if (predictor_breaks_new(o, s->told, shifts->n ? shifts->shift[0].at
                                                       : 0)
            && lines++ < PREDICTOR_BREAKS_LINES)
        {
            predictor_breaks_line(o, id, shifts);
        }

        s->told = shifts->n ? shifts->shift[0].at : 0;
    }

    if (lines > PREDICTOR_BREAKS_LINES) {
        shardd_log(SHARDD_LOG_INFO, "and the level of %u more shards",
                   lines - PREDICTOR_BREAKS_LINES);
    }
}


/* steps, 0: no shift */

static int
predictor_breaks_new(const predictor_outlook_t *o, uint64_t told, uint64_t at)
{
    uint64_t  apart;

    if (told == 0 || at == 0) {
        return told != at;
    }

    apart = told > at ? told - at : at - told;

    return apart * o->series.interval_s > PREDICTOR_BREAKS_SAME_S;
}


static void
predictor_breaks_line(const predictor_outlook_t *o, shard_id_t id,
    const predictor_shifts_t *shifts)
{
    char                      since[32];
    const predictor_shift_t  *one;

    if (shifts->n == 0) {
        shardd_log(SHARDD_LOG_INFO, "level of shard %u: it is no new one any "
                   "more: the load came back, or has been so for a week", id);
        return;
    }

    one = &shifts->shift[0];

    shardd_log(SHARDD_LOG_INFO, "level of shard %u: %.2f times the load since "
               "%s; forecasts take the history before it as that much",
               id, one->factor,
               predictor_report_time((double) one->at * o->series.interval_s,
                                     since));
}
