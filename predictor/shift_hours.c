
#include <math.h>

#include "quantile.h"
#include "shift_hours.h"


/* fewer parts of a day tell no rhythm */

#define PREDICTOR_HOURS_LEAST   8

/* days that an hour is compared with, and fewest of them */

#define PREDICTOR_HOURS_USUAL   7
#define PREDICTOR_HOURS_BEFORE  3

/* windows that tell what d usually is; with fewer it is taken as this */

#define PREDICTOR_HOURS_WINDOWS 40
#define PREDICTOR_HOURS_FEW     8
#define PREDICTOR_HOURS_UNKNOWN 0.4

/* c, of the mean: keeps quiet hours from mattering much */

#define PREDICTOR_HOURS_PAD     0.1


int
predictor_hours(const predictor_series_t *series, void *work,
    predictor_hours_t *hours)
{
    double         sum;
    uint32_t       i, j;
    const double  *y;

    hours->day = PREDICTOR_HOURS_PARTS;

    while (hours->day >= PREDICTOR_HOURS_LEAST && series->day % hours->day) {
        hours->day--;
    }

    if (hours->day < PREDICTOR_HOURS_LEAST
        || series->n / series->day < PREDICTOR_HOURS_BEFORE)
    {
        return SHARD_AGAIN;
    }

    hours->first = PREDICTOR_HOURS_FIRST * hours->day / PREDICTOR_HOURS_PARTS;
    hours->first = hours->first > PREDICTOR_HOURS_LAST ? hours->first
                                                       : PREDICTOR_HOURS_LAST;
    hours->step = series->day / hours->day;
    hours->week = series->week / hours->step;
    hours->n = series->n / hours->step;
    hours->z = work;

    hours->pad = 0;
    y = series->y + series->n;

    for (i = 0; i < hours->n; i++) {
        sum = 0;

        for (j = 0; j < hours->step; j++) {
            y--;

            if (*y < 0) {
                return SHARD_AGAIN;
            }

            sum += *y;
        }

        hours->z[i] = sum / hours->step;
        hours->pad += sum / hours->step;
    }

    hours->pad *= PREDICTOR_HOURS_PAD / hours->n;

    if (hours->pad <= 0) {
        return SHARD_AGAIN;
    }

    for (i = 0; i < hours->n; i++) {
        hours->z[i] = log(hours->z[i] + hours->pad);
    }

    return SHARD_OK;
}


double
predictor_hours_apart(const predictor_hours_t *hours, uint32_t at,
    uint32_t since)
{
    double    day, week, usual[PREDICTOR_HOURS_USUAL];
    uint32_t  i, n;

    i = at + (since - at + hours->day - 1) / hours->day * hours->day;

    for (n = 0; n < PREDICTOR_HOURS_USUAL && i < hours->n; n++) {
        usual[n] = hours->z[i];
        i += hours->day;
    }

    if (n == 0) {
        return 0;
    }

    day = hours->z[at] - predictor_median(usual, n);

    if (hours->week == 0) {
        return day;
    }

    i = at + (since - at + hours->week - 1) / hours->week * hours->week;

    if (i >= hours->n) {
        return day;
    }

    week = hours->z[at] - hours->z[i];

    if (day * week <= 0) {
        return 0;
    }

    return fabs(week) < fabs(day) ? week : day;
}


double
predictor_hours_level(const predictor_hours_t *hours, uint32_t first,
    uint32_t since, predictor_fall_t *fall)
{
    double    stride, sorted[PREDICTOR_HOURS_SAMPLE];
    uint32_t  i;

    fall->since = since;
    fall->seen = since - first < PREDICTOR_HOURS_SAMPLE
                 ? since - first : PREDICTOR_HOURS_SAMPLE;
    stride = (double) (since - first) / fall->seen;
    fall->gain = 0;

    for (i = 0; i < fall->seen; i++) {
        fall->d[i] = predictor_hours_apart(hours,
                                           first + (uint32_t) (i * stride),
                                           since);
        sorted[i] = fall->d[i];
    }

    fall->level = predictor_median(sorted, fall->seen);

    for (i = 0; i < fall->seen; i++) {
        fall->gain += stride * (fabs(fall->d[i])
                                - fabs(fall->d[i] - fall->level));
    }

    return fall->level;
}


double
predictor_hours_usual(const predictor_hours_t *hours, uint32_t since,
    uint32_t length)
{
    double            q, usual, m[PREDICTOR_HOURS_WINDOWS];
    uint32_t          i, n, last, stride;
    predictor_fall_t  fall;

    last = since + length + PREDICTOR_HOURS_BEFORE * hours->day;
    last = last < hours->n ? hours->n - last : 0;
    last = last < 2 * 7 * hours->day ? last : 2 * 7 * hours->day;
    stride = last / PREDICTOR_HOURS_WINDOWS + 1;
    stride = stride > (length + 1) / 2 ? stride : (length + 1) / 2;
    n = 0;

    for (i = 0; i < last && n < PREDICTOR_HOURS_WINDOWS; i += stride) {
        m[n++] = fabs(predictor_hours_level(hours, since + i,
                                            since + i + length, &fall));
    }

    if (n < PREDICTOR_HOURS_FEW) {
        return PREDICTOR_HOURS_UNKNOWN;
    }

    q = 0.9;
    predictor_quantiles(m, n, &q, 1, &usual);

    return usual;
}
