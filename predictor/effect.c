
#include <math.h>
#include <string.h>

#include "effect.h"
#include "normal.h"


/* the steps beside an event that tell a day's level: of a day, both sides */

#define PREDICTOR_BESIDE_MIN    12
#define PREDICTOR_BESIDE_MAX    6

#define PREDICTOR_SCALE_MAX     3.0
#define PREDICTOR_FEW_NOISE     0.3     /* of less than three days */
#define PREDICTOR_ONE_SPREAD    0.3     /* of the size, from one occurrence */
#define PREDICTOR_NOISE_MIN     0.01
#define PREDICTOR_SIGNIFICANT   3.0     /* of the median's variance */
#define PREDICTOR_WEEKDAY       3.0     /* weight of the same weekday */
#define PREDICTOR_FADE_DAYS     14.0
#define PREDICTOR_FLOOR         1e-3    /* of the mean: keeps logs finite */


/* sums over the steps where both the day and the other one are known */

typedef struct {
    double    here;
    double    there;
    uint32_t  n;
} predictor_pair_t;


static void predictor_effect_pair(const predictor_series_t *series,
    const uint8_t *busy, int64_t first, int64_t last, int64_t shift,
    uint8_t own, predictor_pair_t *pair);
static double predictor_effect_scale(const predictor_series_t *series,
    const uint8_t *busy, int64_t first, int64_t last, int64_t shift);
static double predictor_effect_one(const predictor_measure_t *m, int added);
static double predictor_effect_miss(const predictor_measure_t *m, uint32_t n,
    int added, double *work);
static double predictor_effect_cover(const shard_span_t *span, int64_t at_s,
    uint32_t interval_s);
static void predictor_effect_range(const shard_span_t *span, int64_t from_s,
    uint32_t interval_s, uint32_t n, uint32_t *first, uint32_t *last);
static void predictor_effect_row(double *row, const predictor_ask_t *ask,
    const predictor_act_t *act, double cover);


/* own 1: the steps "here" are the event's, else they are of no event */

static void
predictor_effect_pair(const predictor_series_t *series, const uint8_t *busy,
    int64_t first, int64_t last, int64_t shift, uint8_t own,
    predictor_pair_t *pair)
{
    int64_t  i, end;

    i = first < 0 ? 0 : first;
    i = i + shift < 0 ? -shift : i;
    end = last > series->n ? series->n : last;
    end = end + shift > series->n ? series->n - shift : end;

    for ( /* void */ ; i < end; i++) {

        if (busy[i] != own || busy[i + shift]
            || !isfinite(series->y[i]) || !isfinite(series->y[i + shift]))
        {
            continue;
        }

        pair->here += series->y[i];
        pair->there += series->y[i + shift];
        pair->n++;
    }
}


/* how much higher the day is than the other one, by the steps beside */

static double
predictor_effect_scale(const predictor_series_t *series, const uint8_t *busy,
    int64_t first, int64_t last, int64_t shift)
{
    double            scale;
    int64_t           beside, least, most;
    predictor_pair_t  pair;

    least = series->day / PREDICTOR_BESIDE_MIN;
    most = series->day / PREDICTOR_BESIDE_MAX;
    beside = last - first;
    beside = beside < least ? least : beside > most ? most : beside;
    beside = beside ? beside : 1;

    memset(&pair, 0, sizeof(pair));
    predictor_effect_pair(series, busy, first - beside, first, shift, 0,
                          &pair);
    predictor_effect_pair(series, busy, last, last + beside, shift, 0, &pair);

    if (2 * (int64_t) pair.n < beside || !(pair.here > 0 && pair.there > 0)) {
        return 1;
    }

    scale = pair.here / pair.there;

    return scale > PREDICTOR_SCALE_MAX ? PREDICTOR_SCALE_MAX
           : scale < 1 / PREDICTOR_SCALE_MAX ? 1 / PREDICTOR_SCALE_MAX : scale;
}


int
predictor_effect_measure(const predictor_series_t *series,
    const uint8_t *busy, uint32_t first, uint32_t last,
    predictor_weighted_t *work, predictor_measure_t *out)
{
    double            sum, floor, ratio[3];
    int64_t           k, shift;
    uint32_t          i, n, known, week;
    predictor_pair_t  pair;

    static const double  q[3] = { 0.16, 0.5, 0.84 };

    out->actual = NAN;
    out->expected = NAN;
    out->noise = NAN;

    sum = 0;
    known = 0;

    for (i = first; i < last && i < series->n; i++) {

        if (busy[i] == 1 && isfinite(series->y[i])) {
            sum += series->y[i];
            known++;
        }
    }

    if (known == 0 || 2 * known < last - first) {
        return SHARD_AGAIN;
    }

    n = 0;
    week = series->week / series->day;

    for (k = -PREDICTOR_EFFECT_DAYS; k <= PREDICTOR_EFFECT_DAYS; k++) {
        shift = k * series->day;

        if (k == 0 || shift + last <= 0 || shift + first >= series->n) {
            continue;
        }

        memset(&pair, 0, sizeof(pair));
        predictor_effect_pair(series, busy, first, last, shift, 1, &pair);

        if (2 * pair.n < known || !(pair.there > 0) || pair.here < 0) {
            continue;
        }

        pair.there *= predictor_effect_scale(series, busy, first, last, shift);
        floor = PREDICTOR_FLOOR * (pair.here + pair.there);

        work[n].value = log((pair.here + floor) / (pair.there + floor));
        work[n].weight = (week && k % week == 0 ? PREDICTOR_WEEKDAY : 1)
                         * pair.n / known
                         / (1 + fabs((double) k) / PREDICTOR_FADE_DAYS);
        n++;
    }

    if (n == 0) {
        return SHARD_AGAIN;
    }

    predictor_weighted_quantiles(work, n, q, 3, ratio);

    out->actual = (float) (sum / known);
    out->expected = (float) (sum / known / exp(ratio[1]));
    out->noise = (float) (n < 3 ? PREDICTOR_FEW_NOISE
                          : fmax((ratio[2] - ratio[0]) / 2,
                                 PREDICTOR_NOISE_MIN));

    return SHARD_OK;
}


static double
predictor_effect_one(const predictor_measure_t *m, int added)
{
    double  floor;

    if (added) {
        return m->actual - m->expected;
    }

    floor = PREDICTOR_FLOOR * (m->actual + m->expected) + 1e-12;

    return log((m->actual + floor) / (m->expected + floor));
}


/* each one told from the others, in requests per second */

static double
predictor_effect_miss(const predictor_measure_t *m, uint32_t n, int added,
    double *work)
{
    double    sum, size;
    uint32_t  i, k, others;

    sum = 0;

    for (i = 0; i < n; i++) {
        others = 0;

        for (k = 0; k < n; k++) {

            if (k != i) {
                work[others++] = predictor_effect_one(&m[k], added);
            }
        }

        size = predictor_median(work, others);

        sum += fabs(m[i].actual - (added ? m[i].expected + size
                                         : m[i].expected * exp(size)));
    }

    return sum;
}


int
predictor_effect_added(const predictor_measure_t *m, uint32_t n, double *work)
{
    if (n < 3) {
        return 0;
    }

    return predictor_effect_miss(m, n, 1, work)
           < 0.9 * predictor_effect_miss(m, n, 0, work);
}


/*
 * The median of what came, drawn to the prior by the variances: of the
 * median, and among shards.  Without a prior it is drawn to no effect, as
 * James and Stein would have it.
 */

void
predictor_effect_learn(const predictor_measure_t *m, uint32_t n, int added,
    const predictor_learned_t *prior, double *work, predictor_learned_t *out)
{
    double    size, var, noise, d, share;
    uint32_t  i;

    *out = *prior;
    out->added = (uint32_t) added;

    if (n == 0) {
        out->spread = sqrt(prior->spread * prior->spread
                           + prior->among * prior->among);
        return;
    }

    for (i = 0; i < n; i++) {
        work[i] = predictor_effect_one(&m[i], added);
    }

    size = predictor_median(work, n);
    var = 0;
    noise = 0;

    for (i = 0; i < n; i++) {
        d = predictor_effect_one(&m[i], added) - size;
        var += d * d;
        d = m[i].noise * (added ? m[i].expected : 1);
        noise += d * d / n;
    }

    d = PREDICTOR_ONE_SPREAD * size;
    var = n > 1 ? var / (n - 1) : d * d;
    var = fmax(var, noise);

    if (prior->n) {
        d = prior->among * prior->among;
        share = d / (d + var / n + 1e-12);
        out->size = share * size + (1 - share) * prior->size;

    } else {
        d = n > 1 ? var : fmax(noise, d * d / PREDICTOR_SIGNIFICANT);
        share = size * size;
        share = share > 0 ? 1 - PREDICTOR_SIGNIFICANT * d / n / share : 0;
        out->size = share > 0 ? share * size : 0;
    }

    /* as Student would have it: of few the variance itself is uncertain */

    out->n = n;
    out->spread = sqrt(var * (1 + 1.0 / n) * (n > 1 ? (n + 1.0) / (n - 1)
                                                    : 1));
}


/* of the step that begins at at_s: the share during which the event lasts */

static double
predictor_effect_cover(const shard_span_t *span, int64_t at_s,
    uint32_t interval_s)
{
    int64_t  from, to;

    from = span->start_s > at_s ? span->start_s : at_s;
    to = at_s + interval_s;
    to = span->end_s < to ? span->end_s : to;

    return to > from ? (double) (to - from) / interval_s : 0;
}


/* the steps it touches */

static void
predictor_effect_range(const shard_span_t *span, int64_t from_s,
    uint32_t interval_s, uint32_t n, uint32_t *first, uint32_t *last)
{
    int64_t  i, end;

    i = (span->start_s - from_s) / interval_s;
    end = (span->end_s - from_s + interval_s - 1) / interval_s;

    i = span->start_s < from_s ? 0 : i;
    end = span->end_s <= from_s ? 0 : end;

    *first = (uint32_t) (i > n ? n : i);
    *last = (uint32_t) (end > n ? n : end);
}


void
predictor_effect_remove(double *y, uint32_t n, int64_t from_s,
    uint32_t interval_s, const predictor_act_t *acts, uint32_t nacts)
{
    double    cover, factor, rest;
    uint32_t  a, i, first, last;

    for (a = 0; a < nacts; a++) {

        if (acts[a].add == 0) {
            continue;
        }

        predictor_effect_range(&acts[a].span, from_s, interval_s, n, &first,
                               &last);

        for (i = first; i < last; i++) {
            cover = predictor_effect_cover(&acts[a].span, from_s
                                           + (int64_t) i * interval_s,
                                           interval_s);
            rest = y[i] - cover * acts[a].add;
            y[i] = y[i] >= 0 && rest < 0 ? 0 : rest;
        }
    }

    for (a = 0; a < nacts; a++) {

        if (acts[a].factor == 1) {
            continue;
        }

        predictor_effect_range(&acts[a].span, from_s, interval_s, n, &first,
                               &last);

        for (i = first; i < last; i++) {
            cover = predictor_effect_cover(&acts[a].span, from_s
                                           + (int64_t) i * interval_s,
                                           interval_s);
            factor = 1 + cover * (acts[a].factor - 1);
            y[i] = factor < PREDICTOR_EFFECT_LEAST ? NAN : y[i] / factor;
        }
    }
}


void
predictor_effect_put(double *out, const predictor_ask_t *ask, int64_t from_s,
    uint32_t interval_s, const predictor_act_t *acts, uint32_t nacts)
{
    double    cover, *row;
    uint32_t  a, i, k, first, last, pass;

    /* factors first: what is added is added to the whole */

    for (pass = 0; pass < 2; pass++) {

        for (a = 0; a < nacts; a++) {

            if (pass != (acts[a].factor == 1)) {
                continue;
            }

            predictor_effect_range(&acts[a].span, from_s, interval_s,
                                   ask->horizon, &first, &last);

            for (i = first; i < last; i++) {
                cover = predictor_effect_cover(&acts[a].span, from_s
                                               + (int64_t) i * interval_s,
                                               interval_s);
                row = out + (size_t) i * (1 + ask->nq);
                k = row[0] >= 0;
                predictor_effect_row(row, ask, &acts[a], cover);
                row[0] = k && row[0] < 0 ? 0 : row[0];
            }
        }
    }
}


/* what the forecast misses and what the size misses are taken as independent */

static void
predictor_effect_row(double *row, const predictor_ask_t *ask,
    const predictor_act_t *act, double cover)
{
    double    factor, add, mean, z, off, wide;
    uint32_t  k, positive;

    factor = 1 + cover * (act->factor - 1);
    add = cover * act->add;
    mean = row[0] * factor + add;

    for (k = 1; k <= ask->nq; k++) {
        positive = row[k] >= 0;
        off = (row[k] - row[0]) * factor;
        z = predictor_normal_quantile(ask->q[k - 1]);
        wide = z * cover * (fabs(row[0] * act->factor) * act->spread
                            + act->spread_add);

        off = off * wide > 0 ? copysign(sqrt(off * off + wide * wide), off)
                             : off + wide;
        row[k] = mean + off;
        row[k] = positive && row[k] < 0 ? 0 : row[k];
    }

    row[0] = mean;
}
