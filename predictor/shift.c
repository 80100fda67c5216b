
#include <math.h>
#include <string.h>

#include "quantile.h"
#include "shift_hours.h"


/* fewest days before a shift, or weekends would be taken for one, and most
 * since it: then models have learnt it */

#define PREDICTOR_SHIFT_BEFORE  7
#define PREDICTOR_SHIFT_OLDEST  7

/* least |d|, in times what d usually is (twice as many for a sixteenth of a
 * day), and how much it is in any case; the week before unknown: so much more
 */

#define PREDICTOR_SHIFT_TIMES   2.5
#define PREDICTOR_SHIFT_POWER   0.25
#define PREDICTOR_SHIFT_FLOOR   0.4
#define PREDICTOR_SHIFT_BLIND   1.5


static int predictor_shift_next(const predictor_hours_t *hours,
    uint32_t after, predictor_fall_t *best);
static int predictor_shift_holds(const predictor_hours_t *hours,
    const predictor_fall_t *fall);
static void predictor_shift_where(const predictor_hours_t *hours,
    uint32_t after, predictor_fall_t *fall);
static double predictor_shift_factor(const predictor_hours_t *hours,
    const predictor_fall_t *fall);


size_t
predictor_shifts_work(const predictor_series_t *series)
{
    return (series->n + 1) * sizeof(double);
}


void
predictor_shifts_find(const predictor_series_t *series, void *work,
    predictor_shifts_t *shifts)
{
    uint32_t            i, after;
    predictor_fall_t    fall;
    predictor_hours_t   hours;
    predictor_shift_t  *one;

    memset(shifts, 0, sizeof(predictor_shifts_t));

    if (predictor_hours(series, work, &hours) != SHARD_OK
        || hours.n < PREDICTOR_SHIFT_BEFORE * hours.day)
    {
        return;
    }

    shifts->pad = hours.pad;
    shifts->usual = (float) predictor_hours_usual(&hours, 0, hours.first);
    after = 0;

    while (shifts->n < PREDICTOR_SHIFTS
           && predictor_shift_next(&hours, after, &fall))
    {
        predictor_shift_where(&hours, after, &fall);

        one = &shifts->shift[shifts->n++];
        one->at = series->start + series->n
                  - (uint64_t) fall.since * hours.step;
        one->factor = predictor_shift_factor(&hours, &fall);

        for (i = fall.since; i < hours.n; i++) {
            hours.z[i] += fall.level;
        }

        after = fall.since;
    }
}


/* the one of the greatest gain that began "after" so many hours; 0: none */

static int
predictor_shift_next(const predictor_hours_t *hours, uint32_t after,
    predictor_fall_t *best)
{
    uint32_t          since, last;
    predictor_fall_t  fall;

    best->gain = 0;
    last = hours->n - PREDICTOR_SHIFT_BEFORE * hours->day;
    last = last < PREDICTOR_SHIFT_OLDEST * hours->day
           ? last : PREDICTOR_SHIFT_OLDEST * hours->day;

    for (since = hours->first;
         since <= last;
         since += 1 + since / 5)
    {
        if (since <= after
            || fabs(predictor_hours_level(hours, 0, since, &fall))
               < PREDICTOR_SHIFT_FLOOR
            || fall.gain <= best->gain)
        {
            continue;
        }

        if (predictor_shift_holds(hours, &fall)) {
            *best = fall;
        }
    }

    return best->gain > 0;
}


/* far outside the usual, in three of four hours, and in the last ones */

static int
predictor_shift_holds(const predictor_hours_t *hours,
    const predictor_fall_t *fall)
{
    double    q, low, times, last[PREDICTOR_HOURS_LAST];
    double    sorted[PREDICTOR_HOURS_SAMPLE];
    uint32_t  i, length;

    low = PREDICTOR_SHIFT_FLOOR;
    times = PREDICTOR_SHIFT_TIMES;

    if (hours->week == 0 || fall->since + hours->week > hours->n) {
        low *= PREDICTOR_SHIFT_BLIND;
        times *= PREDICTOR_SHIFT_BLIND;
    }

    if (fabs(fall->level) < low) {
        return 0;
    }

    length = fall->since < hours->day ? fall->since : hours->day;
    times *= pow((double) hours->day / length, PREDICTOR_SHIFT_POWER);

    if (fabs(fall->level)
        < times * predictor_hours_usual(hours, fall->since, length))
    {
        return 0;
    }

    for (i = 0; i < fall->seen; i++) {
        sorted[i] = fall->d[i] / fall->level;
    }

    q = 0.25;
    predictor_quantiles(sorted, fall->seen, &q, 1, &low);

    if (low < 0.5) {
        return 0;
    }

    for (i = 0; i < PREDICTOR_HOURS_LAST; i++) {
        last[i] = predictor_hours_apart(hours, i, fall->since) / fall->level;
    }

    return predictor_median(last, PREDICTOR_HOURS_LAST) >= 0.5;
}


/* the hour, among those up to the next lengths tried, where two levels are
 * better than one */

static void
predictor_shift_where(const predictor_hours_t *hours, uint32_t after,
    predictor_fall_t *fall)
{
    double    d, cost, least;
    uint32_t  i, from, to, best;

    from = fall->since - fall->since / 4;
    from = from > after ? from : after + 1;
    to = fall->since + fall->since / 4 + 2;
    to = to < hours->n - hours->day ? to : hours->n - hours->day;

    /* hours from "from" on are of the new level up to the best, then of the
     * old one */

    cost = 0;
    least = 0;
    best = from;

    for (i = from; i < to; i++) {
        d = predictor_hours_apart(hours, i, to);
        cost += fabs(d - fall->level) - fabs(d);

        if (cost < least) {
            least = cost;
            best = i + 1;
        }
    }

    fall->since = best;
    (void) predictor_hours_level(hours, 0, best, fall);
}


/* what the hours are, of what they usually are */

static double
predictor_shift_factor(const predictor_hours_t *hours,
    const predictor_fall_t *fall)
{
    double                 q, factor, usual, value, stride;
    uint32_t               i, n, at;
    predictor_weighted_t   ratio[PREDICTOR_HOURS_SAMPLE];

    n = 0;
    stride = (double) fall->since / fall->seen;

    for (i = 0; i < fall->seen; i++) {
        at = (uint32_t) (i * stride);
        value = exp(hours->z[at]) - hours->pad;
        usual = exp(hours->z[at] - fall->d[i]) - hours->pad;

        if (usual > 0 && fall->d[i] != 0) {
            ratio[n].value = value > 0 ? value / usual : 0;
            ratio[n++].weight = usual;
        }
    }

    factor = exp(fall->level);

    if (n) {
        q = 0.5;
        predictor_weighted_quantiles(ratio, n, &q, 1, &factor);
    }

    return factor;
}


void
predictor_shifts_scale(const predictor_shifts_t *shifts, uint64_t start,
    double *y, uint32_t n)
{
    uint32_t                  i, k, before;
    const predictor_shift_t  *one;

    for (k = 0; k < shifts->n; k++) {
        one = &shifts->shift[k];
        before = one->at <= start ? 0 : one->at - start < n
                 ? (uint32_t) (one->at - start) : n;

        for (i = 0; i < before; i++) {
            y[i] *= one->factor;
        }
    }
}


int
predictor_shifts_stale(const predictor_shifts_t *shifts,
    const predictor_series_t *series)
{
    double         now, day, week;
    uint32_t       i, n;
    const double  *y;

    n = shifts->n ? PREDICTOR_HOURS_LAST : PREDICTOR_HOURS_FIRST;
    n = n * series->day / PREDICTOR_HOURS_PARTS;

    if (shifts->pad <= 0 || n == 0 || series->n < series->day + n) {
        return 0;
    }

    y = series->y + series->n - n;
    now = n * shifts->pad;
    day = now;
    week = now;

    for (i = 0; i < n; i++) {
        now += y[i];
        day += (y - series->day)[i];
        week += series->week && series->n >= series->week + n
                ? (y - series->week)[i] : (y - series->day)[i];
    }

    day = log(now / day);
    week = log(now / week);

    return day * week > 0
           && fmin(fabs(day), fabs(week))
              > fmax(PREDICTOR_SHIFT_FLOOR,
                     PREDICTOR_SHIFT_TIMES * shifts->usual);
}
