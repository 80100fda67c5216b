
#include <string.h>

#include "shard_time.h"


int
shard_time_decode(shard_str_t text, uint64_t *ms)
{
    size_t       i;
    unsigned     n, value[6];
    const char  *shape, *digits;

    shape = text.len == 17 ? "dddd-dd-ddTdd:ddZ" : "dddd-dd-ddTdd:dd:ddZ";

    if (text.len != strlen(shape)) {
        return SHARD_ERROR;
    }

    memset(value, 0, sizeof(value));
    n = 0;

    for (i = 0; i < text.len; i++) {
        if (shape[i] != 'd') {
            if (text.data[i] != shape[i]) {
                return SHARD_ERROR;
            }

            n++;
            continue;
        }

        digits = memchr("0123456789", text.data[i], 10);

        if (digits == NULL) {
            return SHARD_ERROR;
        }

        value[n] = value[n] * 10 + (unsigned) (text.data[i] - '0');
    }

    if (value[0] < 1970 || value[1] < 1 || value[1] > 12 || value[2] < 1
        || value[2] > shard_time_month(value[0], value[1]) || value[3] > 23
        || value[4] > 59 || value[5] > 59)
    {
        return SHARD_ERROR;
    }

    *ms = 1000 * (uint64_t) (86400 * shard_time_day(value[0], value[1],
                                                    value[2])
                             + 3600 * value[3] + 60 * value[4] + value[5]);

    return SHARD_OK;
}


static void
shard_time_digits(char *p, unsigned value, unsigned n)
{
    while (n) {
        p[--n] = (char) ('0' + value % 10);
        value /= 10;
    }
}


void
shard_time_encode(int64_t s, char *buf)
{
    int64_t       rest;
    shard_date_t  date;

    shard_time_date(s, &date);
    rest = s - 86400 * date.day;

    memcpy(buf, "0000-00-00T00:00:00Z", 21);

    shard_time_digits(buf, (unsigned) date.year, 4);
    shard_time_digits(buf + 5, date.month, 2);
    shard_time_digits(buf + 8, date.month_day, 2);
    shard_time_digits(buf + 11, (unsigned) (rest / 3600), 2);
    shard_time_digits(buf + 14, (unsigned) (rest / 60 % 60), 2);

    if (rest % 60) {
        shard_time_digits(buf + 17, (unsigned) (rest % 60), 2);

    } else {
        memcpy(buf + 16, "Z", 2);
    }
}


/* the year begins in March, so that leap days end it */

int64_t
shard_time_day(unsigned year, unsigned month, unsigned month_day)
{
    unsigned  y, m;

    y = month > 2 ? year : year - 1;
    m = month > 2 ? month - 3 : month + 9;

    return (int64_t) y * 365 + y / 4 - y / 100 + y / 400
           + (m * 153 + 2) / 5 + month_day - 1 - 719468;
}


unsigned
shard_time_month(unsigned year, unsigned month)
{
    static const unsigned char  days[] = {
        31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };

    return days[month - 1]
           + (month == 2 && year % 4 == 0
              && (year % 100 != 0 || year % 400 == 0));
}


/*
 * Back from days: Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", civil_from_days.
 */

void
shard_time_date(int64_t s, shard_date_t *date)
{
    int64_t   z;
    uint32_t  era_day, era_year, year_day, m;

    date->day = s / 86400 - (s % 86400 < 0);
    date->weekday = (unsigned) ((date->day % 7 + 10) % 7);

    z = date->day + 719468;
    era_day = (uint32_t) (z % 146097);
    era_year = (era_day - era_day / 1460 + era_day / 36524
                - era_day / 146096) / 365;
    year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
    m = (5 * year_day + 2) / 153;

    date->month_day = year_day - (153 * m + 2) / 5 + 1;
    date->month = m < 10 ? m + 3 : m - 9;
    date->year = (unsigned) (z / 146097 * 400) + era_year
                 + (date->month <= 2);
}
