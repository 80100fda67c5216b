
#include <math.h>
#include <string.h>

#include "smooth.h"


/* |e| beyond so many times its usual size is cut off */

#define PREDICTOR_SMOOTH_CUT    2.5

/* days that the start looks at: whole weeks, when there are any */

#define PREDICTOR_SMOOTH_DAYS   7
#define PREDICTOR_SMOOTH_WEEKS  3


/* where a step lies in the week: between a knot and the one after it */

typedef struct {
    float    *left;
    float    *right;
    float     share;                    /* of the right one */
} predictor_smooth_knots_t;


static void predictor_smooth_knots(const predictor_smooth_t *s,
    float *season, uint32_t week, predictor_smooth_knots_t *k);
static double predictor_smooth_damped(double phi, uint32_t steps);


void
predictor_smooth_init(predictor_smooth_t *s, const predictor_series_t *series,
    int seasons)
{
    memset(s, 0, sizeof(predictor_smooth_t));

    /* half of a trend is gone in a day */

    s->phi = exp2(-1.0 / series->day);
    s->bin = 1;

    if (!seasons || series->day < 2) {
        return;
    }

    s->day = series->day;

    if (series->n >= PREDICTOR_SMOOTH_WEEKS * series->week) {
        s->week = series->week;
        s->bin = series->day % 24 == 0 ? series->day / 24 : 1;
    }
}


uint32_t
predictor_smooth_seasons(const predictor_smooth_t *s)
{
    return s->day + s->week / s->bin;
}


/* means of the first days by slot, then of what they leave by hour */

void
predictor_smooth_start(predictor_smooth_t *s, float *season,
    const double *z, uint32_t n, uint64_t start)
{
    float     *week;
    double     mean;
    uint32_t   i, k, days, slot;

    s->next = start;
    days = s->day ? n / s->day : 0;
    days = days < PREDICTOR_SMOOTH_DAYS ? days : PREDICTOR_SMOOTH_DAYS;

    memset(season, 0, (s->day + s->week / s->bin) * sizeof(float));
    s->level = n ? z[0] : 0;

    for (k = 0; k < days; k++) {
        mean = 0;

        for (i = 0; i < s->day; i++) {
            mean += z[k * s->day + i] / s->day;
        }

        s->level = k ? s->level : mean;

        for (i = 0; i < s->day; i++) {
            slot = (uint32_t) ((start + i) % s->day);
            season[slot] += (float) ((z[k * s->day + i] - mean) / days);
        }
    }

    if (s->week == 0) {
        return;
    }

    week = season + s->day;
    mean = 0;

    for (i = 0; i < s->week; i++) {
        mean += z[i] / s->week;
    }

    for (i = 0; i < PREDICTOR_SMOOTH_WEEKS * s->week; i++) {
        slot = (uint32_t) ((start + i) % s->day);
        k = (uint32_t) ((start + i) % s->week / s->bin);
        week[k] += (float) ((z[i] - mean - season[slot])
                            / (PREDICTOR_SMOOTH_WEEKS * s->bin));
    }

    s->level = mean;
}


/* what a step hands to the next is kept out of memory: it is one long chain */

void
predictor_smooth_run(predictor_smooth_t *s, float *season, const double *z,
    uint32_t n, const predictor_smooth_trace_t *trace)
{
    float                     *slot, none, step, known;
    double                     base, e, cut, fade, level, trend, rest, size;
    uint32_t                   i, day, week;
    predictor_smooth_t         g;
    predictor_smooth_knots_t   k;

    none = 0;
    g = *s;
    level = g.level;
    trend = g.trend;
    rest = g.rest;
    size = g.size;
    fade = g.day ? 1.0 / g.day : 0.01;
    day = g.day ? (uint32_t) (g.next % g.day) : 0;
    week = g.week ? (uint32_t) (g.next % g.week) : 0;

    for (i = 0; i < n; i++) {
        slot = g.day ? &season[day] : &none;
        known = *slot;

        if (g.week) {
            predictor_smooth_knots(&g, season, week, &k);
            known += *k.left + k.share * (*k.right - *k.left);
        }

        base = level + g.phi * trend;
        e = z[i] - base - known;
        cut = PREDICTOR_SMOOTH_CUT * size;
        size += fade * (fabs(e) - size);
        rest = e;

        if (g.day && cut > 0) {
            e = e < cut ? e : cut;
            e = e > -cut ? e : -cut;
        }

        level = base + g.gain[PREDICTOR_SMOOTH_ALPHA] * e;
        trend = g.phi * trend + g.gain[PREDICTOR_SMOOTH_BETA] * e;
        rest -= g.gain[PREDICTOR_SMOOTH_ALPHA] * e;

        if (g.day) {
            *slot += (float) (g.gain[PREDICTOR_SMOOTH_GAMMA] * e);
            day = day + 1 == g.day ? 0 : day + 1;
        }

        if (g.week) {
            step = (float) (g.gain[PREDICTOR_SMOOTH_DELTA] * e);
            *k.left += (1 - k.share) * step;
            *k.right += k.share * step;
            week = week + 1 == g.week ? 0 : week + 1;
        }

        if (trace) {
            trace->season[i] = known;
            trace->level[i] = level;
            trace->trend[i] = trend;
            trace->rest[i] = rest;
        }
    }

    s->level = level;
    s->trend = trend;
    s->rest = rest;
    s->size = size;
    s->next += n;
}


uint32_t
predictor_smooth_errors(const predictor_smooth_t *s,
    const predictor_smooth_trace_t *trace, const double *z, uint32_t n,
    uint32_t lead, uint32_t from, uint32_t step, double *errors)
{
    double    damped, fade;
    uint32_t  i, k, at;

    damped = predictor_smooth_damped(s->phi, lead);
    fade = pow(s->gain[PREDICTOR_SMOOTH_RHO], lead);
    k = 0;

    for (i = from > lead ? from : lead; i < n; i += step) {
        at = i - lead;
        errors[k++] = z[i] - trace->level[at] - damped * trace->trend[at]
                      - trace->season[i] - fade * trace->rest[at];
    }

    return k;
}


double
predictor_smooth_forecast(const predictor_smooth_t *s, const float *season,
    uint32_t ahead)
{
    double                    z;
    uint64_t                  step;
    predictor_smooth_knots_t  k;

    z = s->level + predictor_smooth_damped(s->phi, ahead) * s->trend
        + pow(s->gain[PREDICTOR_SMOOTH_RHO], ahead) * s->rest;

    step = s->next + ahead - 1;

    if (s->day) {
        z += season[step % s->day];
    }

    if (s->week) {
        predictor_smooth_knots(s, (float *) season,
                               (uint32_t) (step % s->week), &k);
        z += *k.left + k.share * (*k.right - *k.left);
    }

    return z;
}


static void
predictor_smooth_knots(const predictor_smooth_t *s, float *season,
    uint32_t week, predictor_smooth_knots_t *k)
{
    uint32_t  i;

    i = week / s->bin;

    k->left = &season[s->day + i];
    k->right = (i + 1) * s->bin < s->week ? k->left + 1 : &season[s->day];
    k->share = (float) (week - i * s->bin) / s->bin;
}


/* phi + phi^2 + .. + phi^steps, phi below 1 */

static double
predictor_smooth_damped(double phi, uint32_t steps)
{
    return phi * (1 - pow(phi, steps)) / (1 - phi);
}
