
#include <math.h>
#include <string.h>

#include "decompose.h"
#include "quantile.h"


#define PREDICTOR_DECOMPOSE_PASSES   2

/* days after which a value counts half */

#define PREDICTOR_DECOMPOSE_HALF     21

/* steps of a day to one that a slot is averaged with, on either side */

#define PREDICTOR_DECOMPOSE_NEAR     96

/* usual |rest| times this: beyond it a value counts less */

#define PREDICTOR_DECOMPOSE_KINK     1.5


typedef struct {
    double    *trend;
    double    *weight;
    double    *week;                    /* the week's season, by value */
    double    *sum;                     /* of slots or knots */
    double    *count;
    double    *square;
    double    *scratch;
} predictor_decompose_work_t;


static void predictor_decompose_trend(const double *z, uint32_t n,
    uint32_t window, double *trend);
static void predictor_decompose_day(const predictor_decompose_t *d,
    const double *z, uint32_t n, uint64_t start, float *season,
    predictor_decompose_work_t *w);
static void predictor_decompose_week(const predictor_decompose_t *d,
    const double *z, uint32_t n, uint64_t start, float *season,
    predictor_decompose_work_t *w);
static double predictor_decompose_knot(double sum, double square,
    double count, uint32_t bin);
static void predictor_decompose_weigh(const predictor_decompose_t *d,
    const double *z, uint32_t n, uint64_t start, const float *season,
    predictor_decompose_work_t *w);


void
predictor_decompose_init(predictor_decompose_t *d,
    const predictor_series_t *series)
{
    d->day = series->day;
    d->week = series->n / 2 >= series->week ? series->week : 0;
    d->bin = series->day % 24 == 0 ? series->day / 24 : 1;
    d->pad = 0;
}


uint32_t
predictor_decompose_seasons(const predictor_decompose_t *d)
{
    return d->day + d->week / d->bin;
}


size_t
predictor_decompose_work(const predictor_decompose_t *d, uint32_t n)
{
    return 4 * (size_t) n + 3 * (size_t) predictor_decompose_seasons(d);
}


void
predictor_decompose(const predictor_decompose_t *d, const double *z,
    uint32_t n, uint64_t start, uint32_t from, uint32_t to, float *season,
    double *work)
{
    double                      decay, age;
    uint32_t                    i, pass, window;
    predictor_decompose_work_t  w;

    w.trend = work;
    w.weight = w.trend + n;
    w.week = w.weight + n;
    w.sum = w.week + n;
    w.count = w.sum + predictor_decompose_seasons(d);
    w.square = w.count + predictor_decompose_seasons(d);
    w.scratch = w.square + predictor_decompose_seasons(d);

    memset(season, 0, predictor_decompose_seasons(d) * sizeof(float));
    memset(w.week, 0, n * sizeof(double));

    decay = exp2(-1.0 / PREDICTOR_DECOMPOSE_HALF / d->day);
    window = d->week ? d->week : d->day;
    predictor_decompose_trend(z, n, window < n ? window : n, w.trend);

    for (pass = 0; pass < PREDICTOR_DECOMPOSE_PASSES; pass++) {

        if (pass == 0) {
            for (i = 0; i < n; i++) {
                w.weight[i] = 1;
            }

        } else {
            predictor_decompose_weigh(d, z, n, start, season, &w);
        }

        for (i = n, age = 1; i-- > 0; age *= decay) {
            w.weight[i] *= age;
        }

        for (i = from; i < to; i++) {
            w.weight[i] = 0;
        }

        predictor_decompose_day(d, z, n, start, season, &w);

        if (d->week) {
            predictor_decompose_week(d, z, n, start, season, &w);
        }
    }
}


/* the mean around; at the ends that of the first and the last window */

static void
predictor_decompose_trend(const double *z, uint32_t n, uint32_t window,
    double *trend)
{
    double    sum;
    uint32_t  i, first;

    sum = 0;
    first = 0;

    for (i = 0; i < window; i++) {
        sum += z[i];
    }

    for (i = 0; i < n; i++) {
        if (i > first + window / 2 && first + window < n) {
            sum += z[first + window] - z[first];
            first++;
        }

        trend[i] = sum / window;
    }
}


static void
predictor_decompose_day(const predictor_decompose_t *d, const double *z,
    uint32_t n, uint64_t start, float *season, predictor_decompose_work_t *w)
{
    double    sum, mean;
    uint32_t  i, slot, wide;

    memset(w->sum, 0, d->day * sizeof(double));
    memset(w->count, 0, d->day * sizeof(double));

    slot = (uint32_t) (start % d->day);

    for (i = 0; i < n; i++) {
        w->sum[slot] += w->weight[i] * (z[i] - w->trend[i] - w->week[i]);
        w->count[slot] += w->weight[i];
        slot = slot + 1 == d->day ? 0 : slot + 1;
    }

    mean = 0;

    for (i = 0; i < d->day; i++) {
        w->sum[i] = w->count[i] > 0 ? w->sum[i] / w->count[i] : 0;
        mean += w->sum[i] / d->day;
    }

    /* a slot and its neighbours are told apart by few days: a mean of them */

    wide = d->day / PREDICTOR_DECOMPOSE_NEAR;
    sum = 0;

    for (i = 0; i < 2 * wide + 1; i++) {
        sum += w->sum[(i + d->day - wide) % d->day];
    }

    for (i = 0; i < d->day; i++) {
        season[i] = (float) (sum / (2 * wide + 1) - mean);
        sum += w->sum[(i + wide + 1) % d->day]
               - w->sum[(i + d->day - wide) % d->day];
    }
}


static void
predictor_decompose_week(const predictor_decompose_t *d, const double *z,
    uint32_t n, uint64_t start, float *season, predictor_decompose_work_t *w)
{
    double    e, share, mean;
    float    *week;
    uint32_t  i, k, next, at, slot, knots;

    knots = d->week / d->bin;
    memset(w->sum, 0, knots * sizeof(double));
    memset(w->count, 0, knots * sizeof(double));
    memset(w->square, 0, knots * sizeof(double));

    slot = (uint32_t) (start % d->day);
    at = (uint32_t) (start % d->week);

    for (i = 0; i < n; i++) {
        k = at / d->bin;
        next = k + 1 < knots ? k + 1 : 0;
        share = (double) (at - k * d->bin) / d->bin;
        e = w->weight[i] * (z[i] - w->trend[i] - season[slot]);

        w->sum[k] += (1 - share) * e;
        w->sum[next] += share * e;
        w->count[k] += (1 - share) * w->weight[i];
        w->count[next] += share * w->weight[i];

        e *= z[i] - w->trend[i] - season[slot];
        w->square[k] += (1 - share) * e;
        w->square[next] += share * e;

        at = at + 1 == d->week ? 0 : at + 1;
        slot = slot + 1 == d->day ? 0 : slot + 1;
    }

    week = season + d->day;
    mean = 0;

    for (k = 0; k < knots; k++) {
        w->sum[k] = predictor_decompose_knot(w->sum[k], w->square[k],
                                             w->count[k], d->bin);
        mean += w->sum[k] / knots;
    }

    for (k = 0; k < knots; k++) {
        week[k] = (float) (w->sum[k] - mean);
    }

    at = (uint32_t) (start % d->week);

    for (i = 0; i < n; i++) {
        k = at / d->bin;
        next = k + 1 < knots ? k + 1 : 0;
        share = (double) (at - k * d->bin) / d->bin;
        w->week[i] = week[k] + share * (week[next] - week[k]);
        at = at + 1 == d->week ? 0 : at + 1;
    }
}


/*
 * The mean, shrunk by how much of its square is noise (James-Stein): values
 * within a bin say the same, so there are as many as weeks.
 */

static double
predictor_decompose_knot(double sum, double square, double count,
    uint32_t bin)
{
    double  mean, noise;

    if (count <= 0) {
        return 0;
    }

    mean = sum / count;
    noise = fmax(square / count - mean * mean, 0) * bin / count;

    return mean * mean * mean / (mean * mean + noise + 1e-12);
}


/* what lies far from the trend and the seasons found so far counts less */

static void
predictor_decompose_weigh(const predictor_decompose_t *d, const double *z,
    uint32_t n, uint64_t start, const float *season,
    predictor_decompose_work_t *w)
{
    double    kink, *rest;
    uint32_t  i, slot;

    rest = w->scratch;
    slot = (uint32_t) (start % d->day);

    for (i = 0; i < n; i++) {
        rest[i] = fabs(z[i] - w->trend[i] - season[slot] - w->week[i]);
        w->weight[i] = rest[i];
        slot = slot + 1 == d->day ? 0 : slot + 1;
    }

    kink = PREDICTOR_DECOMPOSE_KINK * predictor_median(w->weight, n) + 1e-9;

    for (i = 0; i < n; i++) {
        w->weight[i] = rest[i] > kink ? kink / rest[i] : 1;
    }
}


double
predictor_decompose_at(const predictor_decompose_t *d, const float *season,
    uint64_t step)
{
    double        share;
    uint32_t      at, k, next;
    const float  *week;

    if (d->week == 0) {
        return season[step % d->day];
    }

    week = season + d->day;
    at = (uint32_t) (step % d->week);
    k = at / d->bin;
    next = (k + 1) * d->bin < d->week ? k + 1 : 0;
    share = (double) (at - k * d->bin) / d->bin;

    return season[at % d->day] + week[k] + share * (week[next] - week[k]);
}
