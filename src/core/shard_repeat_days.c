
#include "shard_repeat.h"


#define SHARD_REPEAT_DAY_S  86400


static int64_t shard_repeat_day_of(int64_t s);
static int64_t shard_repeat_utc(const shard_zone_t *zone, int64_t local_s);
static int shard_repeat_takes(const shard_repeat_t *r,
    const shard_date_t *first, const shard_date_t *d);
static int shard_repeat_turn(const shard_repeat_t *r,
    const shard_date_t *first, const shard_date_t *d);
static int shard_repeat_takes_date(const shard_repeat_t *r,
    const shard_date_t *first, const shard_date_t *d);
static int shard_repeat_takes_day(const shard_repeat_t *r,
    const shard_date_t *d);
static int shard_repeat_nth(const shard_repeat_t *r, const shard_date_t *d,
    int nth);


static int64_t
shard_repeat_day_of(int64_t s)
{
    return s / SHARD_REPEAT_DAY_S - (s % SHARD_REPEAT_DAY_S < 0);
}


int32_t
shard_zone_east(const shard_zone_t *zone, int64_t s)
{
    unsigned  i;

    for (i = zone->n; i > 1 && zone->offsets[i - 1].from_s > s; i--) {
        /* void */
    }

    return i ? zone->offsets[i - 1].east_s : 0;
}


/*
 * A time that comes twice is the first one of both, one that the clock leaves
 * out is told by the offset before it: RFC 5545, 3.3.5.
 */

static int64_t
shard_repeat_utc(const shard_zone_t *zone, int64_t local_s)
{
    int32_t  before, after;
    int64_t  utc;

    /* no zone is off by a day, none changes twice within one */

    before = shard_zone_east(zone, local_s - SHARD_REPEAT_DAY_S);
    utc = local_s - before;
    after = shard_zone_east(zone, utc);

    if (after != before && shard_zone_east(zone, local_s - after) == after) {
        return local_s - after;
    }

    return utc;
}


void
shard_repeat_begin(shard_repeat_iter_t *iter, const shard_repeat_t *repeat,
    const shard_zone_t *zone, int64_t start_s, int64_t from_s,
    int64_t before_s)
{
    int64_t  local;

    iter->repeat = repeat;
    iter->zone = *zone;
    iter->start_s = start_s;
    iter->before_s = before_s;
    iter->n = 0;

    local = start_s + shard_zone_east(zone, start_s);
    shard_time_date(local, &iter->first);
    iter->day = iter->first.day;
    iter->clock_s = local - iter->day * SHARD_REPEAT_DAY_S;

    /* those before the window matter only where they are counted */

    if (repeat->count == 0 && from_s > start_s) {
        iter->day = shard_repeat_day_of(from_s - 2 * SHARD_REPEAT_DAY_S);
        iter->day = iter->day < iter->first.day ? iter->first.day : iter->day;
    }

    iter->from_s = from_s;
}


int
shard_repeat_next(shard_repeat_iter_t *iter, int64_t *at_s)
{
    int64_t                day, utc;
    shard_date_t           date;
    const shard_repeat_t  *r;

    r = iter->repeat;

    for ( ;; ) {
        day = iter->day++;
        utc = day == iter->first.day
              ? iter->start_s
              : shard_repeat_utc(&iter->zone, day * SHARD_REPEAT_DAY_S
                                              + iter->clock_s);

        if (utc >= iter->before_s
            || (r->count && iter->n == r->count)
            || (day > iter->first.day
                && (r->freq == SHARD_REPEAT_ONCE
                    || (r->until_local ? day * SHARD_REPEAT_DAY_S
                                         + iter->clock_s : utc)
                       > r->until_s)))
        {
            iter->day = day;
            return SHARD_AGAIN;
        }

        if (day > iter->first.day) {
            shard_time_date(day * SHARD_REPEAT_DAY_S, &date);

            if (!shard_repeat_takes(r, &iter->first, &date)) {
                continue;
            }
        }

        iter->n++;

        if (utc >= iter->from_s) {
            *at_s = utc;
            return SHARD_OK;
        }
    }
}


static int
shard_repeat_takes(const shard_repeat_t *r, const shard_date_t *first,
    const shard_date_t *d)
{
    return shard_repeat_turn(r, first, d)
           && (r->months == 0 || r->months & 1u << d->month)
           && shard_repeat_takes_date(r, first, d)
           && (r->ndays == 0 || shard_repeat_takes_day(r, d));
}


/* is it the turn of this day, week, month, year: INTERVAL */

static int
shard_repeat_turn(const shard_repeat_t *r, const shard_date_t *first,
    const shard_date_t *d)
{
    int64_t  n;

    switch (r->freq) {

    case SHARD_REPEAT_DAILY:
        n = d->day - first->day;
        break;

    case SHARD_REPEAT_WEEKLY:
        n = (d->day - (d->weekday + 7 - r->week_start) % 7
             - (first->day - (first->weekday + 7 - r->week_start) % 7)) / 7;
        break;

    case SHARD_REPEAT_MONTHLY:
        n = 12 * ((int64_t) d->year - first->year)
            + ((int64_t) d->month - first->month);
        break;

    default: /* SHARD_REPEAT_YEARLY */
        n = (int64_t) d->year - first->year;
    }

    return n % r->every == 0;
}


/* by the date's own numbers; the start gives those that the rule leaves out */

static int
shard_repeat_takes_date(const shard_repeat_t *r, const shard_date_t *first,
    const shard_date_t *d)
{
    unsigned  back;

    if (r->month_days || r->month_days_back) {
        back = shard_time_month(d->year, d->month) - d->month_day + 1;

        return r->month_days & 1u << d->month_day
               || r->month_days_back & 1u << back;
    }

    if (r->ndays) {
        return 1;
    }

    switch (r->freq) {

    case SHARD_REPEAT_DAILY:
        return 1;

    case SHARD_REPEAT_WEEKLY:
        return d->weekday == first->weekday;

    case SHARD_REPEAT_MONTHLY:
        return d->month_day == first->month_day;

    default: /* SHARD_REPEAT_YEARLY */
        return d->month_day == first->month_day
               && (r->months || d->month == first->month);
    }
}


static int
shard_repeat_takes_day(const shard_repeat_t *r, const shard_date_t *d)
{
    unsigned  i;

    for (i = 0; i < r->ndays; i++) {

        if (r->days[i].weekday == d->weekday
            && (r->days[i].nth == 0
                || shard_repeat_nth(r, d, r->days[i].nth)))
        {
            return 1;
        }
    }

    return 0;
}


/* is the day the nth of its weekday, in its month or its year */

static int
shard_repeat_nth(const shard_repeat_t *r, const shard_date_t *d, int nth)
{
    int64_t  index, days, first;

    if (r->freq == SHARD_REPEAT_MONTHLY || r->months) {
        index = d->month_day - 1;
        days = shard_time_month(d->year, d->month);

    } else {
        first = shard_time_day(d->year, 1, 1);
        index = d->day - first;
        days = shard_time_day(d->year + 1, 1, 1) - first;
    }

    return nth > 0 ? index / 7 + 1 == nth : (days - 1 - index) / 7 + 1 == -nth;
}
