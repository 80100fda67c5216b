
/*
 * Events of an iCalendar file (RFC 5545), as records of "events".
 *
 *   text ──▶ content lines ──▶ components ──┬─ VTIMEZONE ──▶ zones
 *            (unfolded, each                └─ VEVENT ─────▶ libical, line by
 *             with its number)                              line ──▶ records
 *
 * libical reads the values and knows the time zones; the lines are ours, so
 * that what is wrong has its number.  Nothing is taken of a file in which
 * anything is wrong.  An occurrence that was moved (RECURRENCE-ID) is an event
 * of its own, and an exception of the one that it belongs to; what is
 * cancelled is left out.  X-SHARD-EFFECT, X-SHARD-SHARDS and X-SHARD-NODES of
 * an event come before what is asked for all.
 */


#ifndef _SHARDD_ICAL_H_INCLUDED_
#define _SHARDD_ICAL_H_INCLUDED_


#include <jansson.h>

#include "../core/shard_event.h"


#define SHARDD_ICAL_BYTES   (4 * 1024 * 1024)
#define SHARDD_ICAL_EVENTS  1000

/* libical looks at every year before a time: seconds for the far ones */

#define SHARDD_ICAL_YEAR_MAX  2199
#define SHARDD_ICAL_END_S     INT64_C(7258118400)  /* 2200-01-01T00:00Z */


typedef struct {
    char         id[SHARD_NAME_SIZE];
    char        *json;
    unsigned     line;
} shardd_ical_event_t;

typedef struct {
    size_t                n;
    shardd_ical_event_t  *events;
} shardd_ical_t;

/* of events that do not say it; NULL: learned, all shards, UTC */

typedef struct {
    const char  *effect;
    json_t      *shards;                /* arrays, or NULL */
    json_t      *nodes;
    const char  *zone;                  /* of floating times and whole days */
    int64_t      now_s;
} shardd_ical_ask_t;


/* 0, or -1 and "err" (SHARD_ERR_SIZE bytes): "line 7: ..." */

int shardd_ical_read(const char *text, size_t len,
    const shardd_ical_ask_t *ask, shardd_ical_t *out, char *err);
void shardd_ical_free(shardd_ical_t *ical);

/*
 * "2026-12-01T20:00" in a time zone such as Europe/Berlin, as UTC; -1 when
 * the zone or the time is none, or the time too far ahead.
 */

int shardd_ical_time(const char *zone, const char *text, int64_t *s);

/* the zone's offsets around an event that begins then: JSON, for "offsets";
 * NULL when there is no such zone, or the start is not before
 * SHARDD_ICAL_END_S */

json_t *shardd_ical_offsets(const char *zone, int64_t start_s,
    int64_t now_s);


#endif /* _SHARDD_ICAL_H_INCLUDED_ */
