
#include <math.h>
#include <string.h>

#include "outage.h"
#include "quantile.h"


/* share of the usual that is about nothing, and that is less than usual */

#define PREDICTOR_OUTAGE_LOW    0.05
#define PREDICTOR_OUTAGE_EDGE   0.7
#define PREDICTOR_OUTAGE_SUDDEN 0.5

/* share of the mean below which the usual is about nothing, too */

#define PREDICTOR_OUTAGE_QUIET  0.1

/* days that tell the usual, and fewest of them */

#define PREDICTOR_OUTAGE_DAYS   7
#define PREDICTOR_OUTAGE_LEAST  2

/* shortest one */

#define PREDICTOR_OUTAGE_S      900

/* days in which one stretch is no habit */

#define PREDICTOR_OUTAGE_RARE   2


static double predictor_outage_usual(const predictor_series_t *series,
    uint32_t at);
static int predictor_outage_at(const predictor_series_t *series,
    const predictor_outages_t *outages, uint32_t at);
static int predictor_outage_sudden(const predictor_series_t *series,
    uint32_t at);
static void predictor_outage_found(const predictor_series_t *series,
    uint32_t first, uint32_t end, predictor_outages_t *outages);
static uint32_t predictor_outage_shortest(const predictor_series_t *series);


void
predictor_outages_find(const predictor_series_t *series,
    predictor_outages_t *outages)
{
    double    sum;
    uint32_t  i, first, runs;

    memset(outages, 0, sizeof(predictor_outages_t));
    sum = 0;

    for (i = 0; i < series->n; i++) {
        if (series->y[i] < 0) {
            return;
        }

        sum += series->y[i];
    }

    outages->quiet = PREDICTOR_OUTAGE_QUIET * sum / (series->n ? series->n
                                                               : 1);
    runs = 0;
    i = PREDICTOR_OUTAGE_LEAST * series->day;

    while (i < series->n) {
        first = i;

        while (i < series->n && predictor_outage_at(series, outages, i)) {
            i++;
        }

        if (i > first) {
            runs++;
            predictor_outage_found(series, first, i, outages);
        }

        i++;
    }

    if (runs > series->n / series->day / PREDICTOR_OUTAGE_RARE) {
        outages->n = 0;
        outages->quiet = 0;
    }
}


/* of this slot: the median of the days before, or a week ago if that is less */

static double
predictor_outage_usual(const predictor_series_t *series, uint32_t at)
{
    double    usual, day[PREDICTOR_OUTAGE_DAYS];
    uint32_t  i, n;

    i = at;

    for (n = 0; n < PREDICTOR_OUTAGE_DAYS && i >= series->day; n++) {
        i -= series->day;
        day[n] = series->y[i];
    }

    if (n < PREDICTOR_OUTAGE_LEAST) {
        return 0;
    }

    usual = predictor_median(day, n);

    if (series->week && at >= series->week) {
        usual = fmin(usual, series->y[at - series->week]);
    }

    return usual;
}


static int
predictor_outage_at(const predictor_series_t *series,
    const predictor_outages_t *outages, uint32_t at)
{
    double         usual;
    const double  *y;

    y = series->y + at;

    /* nearly all values are seen to be none by this alone */

    if (outages->quiet <= 0
        || (*y >= PREDICTOR_OUTAGE_LOW * *(y - series->day)
            && *y >= PREDICTOR_OUTAGE_LOW * *(y - 2 * series->day)))
    {
        return 0;
    }

    usual = predictor_outage_usual(series, at);

    return usual > outages->quiet && *y < PREDICTOR_OUTAGE_LOW * usual;
}


static uint32_t
predictor_outage_shortest(const predictor_series_t *series)
{
    return (PREDICTOR_OUTAGE_S + series->interval_s - 1) / series->interval_s;
}


/* two steps from it the load is there: what fades away is no outage */

static int
predictor_outage_sudden(const predictor_series_t *series, uint32_t at)
{
    return series->y[at] >= PREDICTOR_OUTAGE_SUDDEN
                            * predictor_outage_usual(series, at);
}


/* values first .. end - 1, and those beside them that they have begun in */

static void
predictor_outage_found(const predictor_series_t *series, uint32_t first,
    uint32_t end, predictor_outages_t *outages)
{
    predictor_outage_t  *o;

    if (end - first < predictor_outage_shortest(series)
        || end - first >= series->day
        || !predictor_outage_sudden(series, first - 2)
        || (end + 1 < series->n && !predictor_outage_sudden(series, end + 1)))
    {
        return;
    }

    first -= first > series->day
             && series->y[first - 1]
                < PREDICTOR_OUTAGE_EDGE
                  * predictor_outage_usual(series, first - 1);
    end += end < series->n
           && series->y[end] < PREDICTOR_OUTAGE_EDGE
                               * predictor_outage_usual(series, end);

    if (outages->n == PREDICTOR_OUTAGES) {
        outages->n--;
        memmove(outages->outage, outages->outage + 1,
                outages->n * sizeof(predictor_outage_t));
    }

    o = &outages->outage[outages->n++];
    o->from = series->start + first;
    o->n = end - first;
}


void
predictor_outages_follow(const predictor_series_t *series,
    predictor_outages_t *outages)
{
    uint32_t                   first, least;
    const predictor_outage_t  *o;

    least = PREDICTOR_OUTAGE_LEAST * series->day;
    first = series->n;

    while (first > least
           && series->n - first < series->day
           && predictor_outage_at(series, outages, first - 1))
    {
        first--;
    }

    if (first == series->n) {
        return;
    }

    /* the one that goes on is found anew */

    if (outages->n) {
        o = &outages->outage[outages->n - 1];
        outages->n -= o->from + o->n >= series->start + first;
    }

    predictor_outage_found(series, first, series->n, outages);
}


void
predictor_outages_fill(const predictor_outages_t *outages,
    const predictor_series_t *series, double *y)
{
    uint32_t                   i, k;
    uint64_t                   at;
    const predictor_outage_t  *o;

    for (k = 0; k < outages->n; k++) {
        o = &outages->outage[k];

        for (i = 0; i < o->n; i++) {
            at = o->from + i;

            if (at >= series->start + series->day
                && at < series->start + series->n)
            {
                at -= series->start;
                y[at] = y[at - series->day];
            }
        }
    }
}


uint32_t
predictor_outages_now(const predictor_outages_t *outages,
    const predictor_series_t *series)
{
    const predictor_outage_t  *o;

    if (outages->n == 0) {
        return 0;
    }

    o = &outages->outage[outages->n - 1];

    return o->from + o->n == series->start + series->n
           && series->y[series->n - 1] <= outages->quiet ? o->n : 0;
}


void
predictor_outages_expect(uint32_t n, double value, const predictor_ask_t *ask,
    double *out)
{
    double    p;
    uint32_t  h, i;

    for (h = 1; h <= ask->horizon; h++, out += 1 + ask->nq) {
        p = (double) n / ((double) n + h);
        out[0] = p > 0.5 ? value : out[0];

        for (i = 0; i < ask->nq; i++) {
            out[1 + i] = ask->q[i] < p ? value : out[1 + i];
        }
    }
}
