
/*
 * Times as texts, and the calendar behind them: proleptic Gregorian, UTC, no
 * leap seconds.
 */


#ifndef _SHARD_TIME_H_INCLUDED_
#define _SHARD_TIME_H_INCLUDED_


#include "shard_types.h"


#define SHARD_TIME_SIZE  21             /* with the terminating zero */


typedef struct {
    int64_t   day;                      /* since 1970-01-01 */
    unsigned  year;
    unsigned  month;                    /* from 1 */
    unsigned  month_day;                /* from 1 */
    unsigned  weekday;                  /* 0: Monday */
} shard_date_t;


/* YYYY-MM-DDTHH:MM[:SS]Z, years 1970 to 9999 */

int shard_time_decode(shard_str_t text, uint64_t *ms);

/* the same text, of seconds since 1970; buf takes SHARD_TIME_SIZE bytes */

void shard_time_encode(int64_t s, char *buf);

/* the day since 1970-01-01 of a date */

int64_t shard_time_day(unsigned year, unsigned month, unsigned month_day);

/* how many days a month has */

unsigned shard_time_month(unsigned year, unsigned month);

/* years 1970 to 9999, and some days before */

void shard_time_date(int64_t s, shard_date_t *date);


#endif /* _SHARD_TIME_H_INCLUDED_ */
