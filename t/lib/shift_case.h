
/* Load of quarters of an hour with days and weeks, to break in known places. */


#ifndef _SHIFT_CASE_H_INCLUDED_
#define _SHIFT_CASE_H_INCLUDED_


#include "forecast_case.h"


#define DAY    96                       /* steps of 15 minutes */
#define WEEKS  4
#define FROM   (WEEKS * 7 * DAY)        /* steps of history before it */


/* quiet nights, weekends of two thirds, days that differ, noise that lasts */

TAP_UNUSED static void
shift_make(uint32_t n, uint64_t seed)
{
    double    lasting, day;
    uint32_t  i;

    lasting = 0;
    day = 0;

    for (i = 0; i < n; i++) {
        lasting = 0.9 * lasting + 0.03 * case_normal(&seed);
        day = i % DAY ? day : 0.08 * case_normal(&seed);
        case_y[i] = 200 * case_day(i, DAY, 0.7)
                    * (i / DAY % 7 > 4 ? 0.67 : 1)
                    * exp(lasting + day + 0.05 * case_normal(&seed));
    }
}


TAP_UNUSED static void
shift_times(uint32_t from, uint32_t to, double factor)
{
    uint32_t  i;

    for (i = from; i < to; i++) {
        case_y[i] *= factor;
    }
}


/* the last four weeks of the first n steps */

TAP_UNUSED static predictor_series_t
shift_now(uint32_t n)
{
    predictor_series_t  series;

    series = case_series(n < FROM ? n : FROM, 900, 1);
    series.y += n - series.n;
    series.start = n - series.n;

    return series;
}


#endif /* _SHIFT_CASE_H_INCLUDED_ */
