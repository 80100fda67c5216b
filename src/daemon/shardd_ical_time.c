
/* Times and time zones of a calendar. */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shardd_ical_parts.h"


#define SHARDD_ICAL_YEAR_S  (366 * 86400LL)
#define SHARDD_ICAL_STEP_S  (14 * 86400LL)
#define SHARDD_ICAL_BEFORE  2           /* years of offsets */
#define SHARDD_ICAL_AHEAD   10


icaltimezone *
shardd_ical_zone(const shardd_ical_file_t *f, const char *tzid)
{
    size_t         i;
    const char    *name;
    icaltimezone  *zone;

    for (i = 0; f && i < f->nzones; i++) {
        name = icaltimezone_get_tzid(f->zones[i]);

        if (name && strcmp(name, tzid) == 0) {
            return f->zones[i];
        }
    }

    /* names are paths for libical */

    if (strlen(tzid) > 60 || strstr(tzid, "..")
        || strspn(tzid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789_+-/") != strlen(tzid)
        || tzid[0] == '/')
    {
        return NULL;
    }

    zone = icaltimezone_get_builtin_timezone(tzid);

    return zone ? zone : icaltimezone_get_builtin_timezone_from_tzid(tzid);
}


/* the value of a line that has one time, as UTC */

int
shardd_ical_time_of(shardd_ical_file_t *f, const shardd_ical_line_t *line,
    const char *text, int64_t *s, icaltimezone **zone, int *date)
{
    const char     *tzid;
    icalvalue      *value;
    icaltimetype    t;
    icalproperty   *prop;
    icalparameter  *param;

    prop = icalproperty_new_from_string(text);
    value = prop ? icalproperty_get_value(prop) : NULL;
    t = icaltime_null_time();

    if (value && (icalvalue_isa(value) == ICAL_DATE_VALUE
                  || icalvalue_isa(value) == ICAL_DATETIME_VALUE))
    {
        t = icalvalue_get_datetime(value);
    }

    if (icaltime_is_null_time(t) || !icaltime_is_valid_time(t)
        || icaltime_compare(t, icaltime_normalize(t)) != 0
        || t.year < 1970 || t.year > SHARDD_ICAL_YEAR_MAX)
    {
        if (prop) {
            icalproperty_free(prop);
        }

        return shardd_ical_refuse(f->err, line->line, "\"%.60s\": not a time "
                                  "as 20261201T200000Z or 20261201, from 1970 "
                                  "to %d", text, SHARDD_ICAL_YEAR_MAX);
    }

    param = icalproperty_get_first_parameter(prop, ICAL_TZID_PARAMETER);
    tzid = param ? icalparameter_get_tzid(param) : NULL;

    *date = t.is_date;
    *zone = icaltime_is_utc(t) ? NULL : f->floating;

    if (tzid && !icaltime_is_utc(t) && strcmp(tzid, "UTC") != 0) {
        *zone = shardd_ical_zone(f, tzid);

        if (*zone == NULL) {
            (void) shardd_ical_refuse(f->err, line->line, "time zone "
                                      "\"%.60s\" is neither in the file nor "
                                      "known here", tzid);
            icalproperty_free(prop);
            return -1;
        }
    }

    icalproperty_free(prop);

    t.is_date = 0;
    *s = (int64_t) icaltime_as_timet_with_zone(t, *zone ? *zone
                                           : icaltimezone_get_utc_timezone());

    return *s >= 0 ? 0 : shardd_ical_refuse(f->err, line->line, "\"%.60s\" is "
                                            "before 1970", text);
}


json_t *
shardd_ical_json_time(int64_t s)
{
    char  text[SHARD_TIME_SIZE];

    shard_time_encode(s, text);

    return json_string(text);
}


static int
shardd_ical_east(icaltimezone *zone, int64_t s)
{
    int           dst;
    icaltimetype  t;

    t = icaltime_from_timet_with_zone((time_t) s, 0,
                                      icaltimezone_get_utc_timezone());

    return icaltimezone_get_utc_offset_of_utc_time(zone, &t, &dst);
}


static void
shardd_ical_add_offset(json_t *list, int64_t s, int east)
{
    char  text[SHARD_TIME_SIZE + 16], time[SHARD_TIME_SIZE];

    shard_time_encode(s, time);
    snprintf(text, sizeof(text), "%s%c%02d:%02d", time, east < 0 ? '-' : '+',
             abs(east) / 3600 % 100, abs(east) / 60 % 60);
    json_array_append_new(list, json_string(text));
}


/* that of the start, then all from some years ago to some years ahead */

json_t *
shardd_ical_zone_offsets(icaltimezone *zone, int64_t start_s, int64_t now_s)
{
    int       east, next;
    json_t   *list;
    int64_t   s, end, low, high, middle;

    list = json_array();
    east = shardd_ical_east(zone, start_s);
    shardd_ical_add_offset(list, start_s, east);

    s = now_s - SHARDD_ICAL_BEFORE * SHARDD_ICAL_YEAR_S;
    s = s < start_s ? start_s : s;
    end = (start_s > now_s ? start_s : now_s)
          + SHARDD_ICAL_AHEAD * SHARDD_ICAL_YEAR_S;
    next = shardd_ical_east(zone, s);

    if (next != east) {
        shardd_ical_add_offset(list, s, next);
        east = next;
    }

    for ( /* void */ ; s < end; s += SHARDD_ICAL_STEP_S) {
        next = shardd_ical_east(zone, s + SHARDD_ICAL_STEP_S);

        if (next == east || json_array_size(list) == SHARD_EVENT_OFFSETS_MAX)
        {
            continue;
        }

        low = s;
        high = s + SHARDD_ICAL_STEP_S;

        while (high - low > 1) {
            middle = low + (high - low) / 2;

            if (shardd_ical_east(zone, middle) == east) {
                low = middle;

            } else {
                high = middle;
            }
        }

        shardd_ical_add_offset(list, high, next);
        east = next;
    }

    return list;
}


json_t *
shardd_ical_offsets(const char *zone, int64_t start_s, int64_t now_s)
{
    icaltimezone  *z;

    z = start_s < SHARDD_ICAL_END_S ? shardd_ical_zone(NULL, zone) : NULL;

    return z ? shardd_ical_zone_offsets(z, start_s, now_s) : NULL;
}


int
shardd_ical_time(const char *zone, const char *text, int64_t *s)
{
    char           whole[SHARD_TIME_SIZE];
    uint64_t       ms;
    shard_str_t    str;
    icaltimetype   t;
    icaltimezone  *z;

    if (strlen(text) + 2 > sizeof(whole)) {
        return -1;
    }

    snprintf(whole, sizeof(whole), "%sZ", text);
    str.data = whole;
    str.len = strlen(whole);
    z = shardd_ical_zone(NULL, zone);

    if (z == NULL || shard_time_decode(str, &ms) != SHARD_OK
        || (int64_t) (ms / 1000) >= SHARDD_ICAL_END_S)
    {
        return -1;
    }

    t = icaltime_from_timet_with_zone((time_t) (ms / 1000), 0,
                                      icaltimezone_get_utc_timezone());
    t.zone = NULL;
    *s = (int64_t) icaltime_as_timet_with_zone(t, z);

    return *s >= 0 ? 0 : -1;
}
