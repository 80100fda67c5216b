
/*
 * When an event comes again: a word, or a recurrence rule of RFC 5545, 3.3.10
 * without BYSETPOS, BYWEEKNO, BYYEARDAY and what repeats within a day.
 *
 *     "daily" "weekly" "monthly" "yearly"
 *     FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;UNTIL=20261231T235959Z;WKST=MO
 *     FREQ=MONTHLY;BYDAY=-1FR;COUNT=12         FREQ=YEARLY;BYMONTH=11;BYDAY=4TH
 *     FREQ=MONTHLY;BYMONTHDAY=-1
 *
 *     start ──▶ local day ──▶ day after day: does the rule take it? ──▶ UTC
 *                  ▲                                                     ▲
 *                  └────────────── offsets of the time zone ─────────────┘
 *
 * A rule takes at most one moment of a day, that of the start, so that going
 * through the days is all there is to it: some ten thousand in a lifetime.
 * The start itself is the first occurrence, whatever the rule says; a date
 * that a month does not have is left out, not moved.
 */


#ifndef _SHARD_REPEAT_H_INCLUDED_
#define _SHARD_REPEAT_H_INCLUDED_


#include "shard_time.h"


#define SHARD_REPEAT_TEXT_MAX   256
#define SHARD_REPEAT_DAYS_MAX   16          /* of BYDAY */
#define SHARD_REPEAT_COUNT_MAX  100000
#define SHARD_REPEAT_EVERY_MAX  1000        /* INTERVAL */


typedef enum {
    SHARD_REPEAT_ONCE = 0,
    SHARD_REPEAT_DAILY,
    SHARD_REPEAT_WEEKLY,
    SHARD_REPEAT_MONTHLY,
    SHARD_REPEAT_YEARLY
} shard_repeat_e;

/* the nth weekday of the month or year, from the end when negative; 0: each */

typedef struct {
    int8_t                 nth;
    uint8_t                weekday;         /* 0: Monday */
} shard_repeat_day_t;

typedef struct {
    shard_repeat_e         freq;
    uint32_t               every;           /* INTERVAL */
    uint32_t               count;           /* 0: without end */
    int64_t                until_s;         /* INT64_MAX: without end */
    uint32_t               months;          /* bit n: month n; 0: any */
    uint32_t               month_days;      /* bit n: day n; 0: any */
    uint32_t               month_days_back; /* bit n: nth from the end */
    uint8_t                week_start;      /* 0: Monday */
    uint8_t                until_local;     /* until_s is local time */
    uint8_t                ndays;
    shard_repeat_day_t     days[SHARD_REPEAT_DAYS_MAX];
} shard_repeat_t;

/* from then on, and the first of them before it too */

typedef struct {
    int64_t                from_s;
    int32_t                east_s;          /* local time minus UTC */
} shard_offset_t;

typedef struct {
    const shard_offset_t  *offsets;         /* in order; none: UTC */
    unsigned               n;
} shard_zone_t;

/* on its way through the occurrences */

typedef struct {
    const shard_repeat_t  *repeat;
    shard_zone_t           zone;
    int64_t                start_s;
    int64_t                from_s;          /* the window */
    int64_t                before_s;
    int64_t                day;             /* local, to be looked at next */
    int64_t                clock_s;         /* of that day */
    uint32_t               n;               /* occurrences so far */
    shard_date_t           first;
} shard_repeat_iter_t;


int shard_repeat_decode(shard_str_t text, shard_repeat_t *out, char *err);

/* "once", "daily", ... */

const char *shard_repeat_name(shard_repeat_e freq);

/* local time minus UTC at a moment */

int32_t shard_zone_east(const shard_zone_t *zone, int64_t s);

/* occurrences that begin in [from_s, before_s) */

void shard_repeat_begin(shard_repeat_iter_t *iter,
    const shard_repeat_t *repeat, const shard_zone_t *zone, int64_t start_s,
    int64_t from_s, int64_t before_s);

/* the next one, or SHARD_AGAIN */

int shard_repeat_next(shard_repeat_iter_t *iter, int64_t *at_s);


#endif /* _SHARD_REPEAT_H_INCLUDED_ */
