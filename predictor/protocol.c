
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol.h"


#define PREDICTOR_DAY_S      86400
#define PREDICTOR_MASE_MIN   1e-3
#define PREDICTOR_DIGITS     9
#define PREDICTOR_POWER_MAX  22             /* of ten, exact in a double */


/* sums over all steps that are known, of one band */

typedef struct {
    double  error;
    double  came;
    double  symmetric;
    double  pinball[3];
    double  covered;
} predictor_sums_t;


static int predictor_protocol_season(predictor_protocol_t *p,
    const predictor_protocol_wish_t *wish, char *err);
static uint32_t predictor_protocol_days(uint32_t interval_s);
static int predictor_protocol_origins(predictor_protocol_t *p,
    uint32_t wanted, char *err);
static uint32_t predictor_protocol_nudge(const predictor_protocol_t *p,
    uint32_t step);
static void predictor_protocol_bands(predictor_protocol_t *p);
static void predictor_protocol_step(double came, const double *row,
    predictor_sums_t *s);


const double  predictor_protocol_q[PREDICTOR_PROTOCOL_QS] = {
    0.05, 0.1, 0.5, 0.9, 0.95
};

const char *const  predictor_band_names[PREDICTOR_BANDS] = {
    "1step", "1h", "24h", "all"
};

const char *const  predictor_band_titles[PREDICTOR_BANDS] = {
    "1 step", "1 h", "24 h", "whole horizon"
};


int
predictor_protocol_plan(predictor_protocol_t *p, uint32_t interval_s,
    uint32_t n, const predictor_protocol_wish_t *wish, char *err)
{
    double  days, window;

    memset(p, 0, sizeof(predictor_protocol_t));

    p->interval_s = interval_s;
    p->n = n;
    p->test = n / 4;

    if (predictor_protocol_season(p, wish, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    days = wish->days > 0 ? wish->days : predictor_protocol_days(interval_s);
    window = ceil(p->day * days);
    p->window = window < n ? (uint32_t) window : n;

    /* below five minutes an hour is far enough: its steps are as many */

    p->ahead = wish->horizon ? wish->horizon
               : interval_s < 300 && p->day > 3600 / interval_s
               ? 3600 / interval_s : p->day;

    if (p->ahead > PREDICTOR_HORIZON_MAX) {
        snprintf(err, SHARD_ERR_SIZE, "a day has %u steps, a forecast at most "
                 "%u: say --horizon", p->ahead, PREDICTOR_HORIZON_MAX);
        return SHARD_ERROR;
    }

    if (predictor_protocol_origins(p, wish->origins ? wish->origins
                                      : PREDICTOR_ORIGINS, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    predictor_protocol_bands(p);

    return SHARD_OK;
}


static int
predictor_protocol_season(predictor_protocol_t *p,
    const predictor_protocol_wish_t *wish, char *err)
{
    if (wish->season[0]) {
        p->day = wish->season[0];
        p->week = wish->season[1];
        return SHARD_OK;
    }

    if (PREDICTOR_DAY_S % p->interval_s != 0) {
        snprintf(err, SHARD_ERR_SIZE, "a day is no multiple of the interval "
                 "of %u s: say the season by --season", p->interval_s);
        return SHARD_ERROR;
    }

    p->day = PREDICTOR_DAY_S / p->interval_s;
    p->week = 7 * p->day;

    return SHARD_OK;
}


/* days of history: 7 below five minutes, ten weeks by the hour */

static uint32_t
predictor_protocol_days(uint32_t interval_s)
{
    return interval_s < 300 ? 7 : interval_s < 1800 ? 28
           : interval_s < 3600 ? 56 : 70;
}


static int
predictor_protocol_origins(predictor_protocol_t *p, uint32_t wanted,
    char *err)
{
    uint32_t  k, step, need;

    /* the first history must tell what the naive method does with it */

    need = p->day + (p->day + 3) / 4;

    if (p->n - p->test < need) {
        snprintf(err, SHARD_ERR_SIZE, "too little history: a season of %u "
                 "steps is too long for %u steps, of which the last %u are "
                 "the test; %u or more are needed", p->day, p->n, p->test,
                 need + need / 3 + 1);
        return SHARD_ERROR;
    }

    if (p->test < p->ahead) {
        snprintf(err, SHARD_ERR_SIZE, "too little history: forecasts of %u "
                 "steps need a test span (the last quarter) as long, %u steps "
                 "in all, and there are %u; or say a shorter --horizon",
                 p->ahead, 4 * p->ahead, p->n);
        return SHARD_ERROR;
    }

    p->norigins = p->test - p->ahead + 1 < wanted ? p->test - p->ahead + 1
                                                  : wanted;
    step = 1;

    if (p->norigins > 1) {
        step = predictor_protocol_nudge(p, (p->test - p->ahead)
                                           / (p->norigins - 1));
    }

    for (k = 0; k < p->norigins; k++) {
        p->origin[k] = p->n - p->test + k * step;
    }

    return SHARD_OK;
}


/* steps of 12 or 24 hours would see the same times of the day only */

static uint32_t
predictor_protocol_nudge(const predictor_protocol_t *p, uint32_t step)
{
    uint32_t  hour;

    hour = p->interval_s < 3600 ? 3600 / p->interval_s : 1;

    if (step > hour
        && (uint64_t) step * p->interval_s % PREDICTOR_DAY_S == 0)
    {
        step -= hour;
    }

    if (step > hour && step > 3
        && (uint64_t) step * p->interval_s % PREDICTOR_DAY_S
           == PREDICTOR_DAY_S / 2)
    {
        step -= hour;
    }

    return step;
}


static void
predictor_protocol_bands(predictor_protocol_t *p)
{
    uint32_t  hour, day;

    hour = p->interval_s < 3600 ? 3600 / p->interval_s : 1;
    day = p->interval_s < PREDICTOR_DAY_S ? PREDICTOR_DAY_S / p->interval_s
                                          : 1;

    p->steps[PREDICTOR_BAND_STEP] = 1;
    p->steps[PREDICTOR_BAND_HOUR] = hour <= p->ahead ? hour : 0;
    p->steps[PREDICTOR_BAND_DAY] = day <= p->ahead ? day : 0;

    if (p->ahead != 1 && p->ahead != hour && p->ahead != day) {
        p->steps[PREDICTOR_BAND_ALL] = p->ahead;
    }
}


void
predictor_protocol_history(const predictor_protocol_t *p, const double *y,
    uint64_t epoch, uint32_t k, predictor_series_t *series)
{
    uint32_t  first, origin;

    origin = p->origin[k];
    first = origin > p->window ? origin - p->window : 0;

    memset(series, 0, sizeof(predictor_series_t));

    series->y = y + first;
    series->start = epoch / p->interval_s + first;
    series->n = origin - first;
    series->interval_s = p->interval_s;
    series->day = p->day;
    series->week = series->n / 2 >= p->week ? p->week : 0;
}


double
predictor_protocol_scale(const predictor_protocol_t *p, const double *y)
{
    double    d, sum, size;
    uint32_t  i, n, known, pairs;

    n = p->n - p->test;
    sum = 0;
    size = 0;
    known = 0;
    pairs = 0;

    for (i = 0; i < n; i++) {
        if (isnan(y[i])) {
            continue;
        }

        size += fabs(y[i]);
        known++;

        d = i >= p->day ? fabs(y[i] - y[i - p->day]) : NAN;

        if (!isnan(d)) {
            sum += d;
            pairs++;
        }
    }

    if (sum > 0) {
        return sum / pairs;
    }

    return size > 0 ? size / known : 1;
}


void
predictor_protocol_score(const predictor_protocol_t *p, const double *y,
    double scale, double *const *out, predictor_band_e band,
    predictor_score_t *score)
{
    double            n, came;
    uint32_t          i, k, h;
    predictor_sums_t  s;

    memset(&s, 0, sizeof(predictor_sums_t));
    memset(score, 0, sizeof(predictor_score_t));

    for (k = 0; k < p->norigins; k++) {
        for (h = 0; h < p->steps[band]; h++) {
            came = y[p->origin[k] + h];

            if (!isnan(came)) {
                predictor_protocol_step(came,
                                        out[k] + h * PREDICTOR_PROTOCOL_ROW,
                                        &s);
                score->known++;
            }
        }
    }

    if (score->known == 0) {
        return;
    }

    n = score->known;
    score->mase = s.error / n / scale;
    score->smape = 200 * s.symmetric / n;
    score->wape = 100 * s.error / fmax(s.came, 1e-12);
    score->coverage = s.covered / n;

    for (i = 0; i < 3; i++) {
        score->pinball[i] = s.pinball[i] / n / scale;
    }
}


static void
predictor_protocol_step(double came, const double *row, predictor_sums_t *s)
{
    double    d, error, size;
    uint32_t  i;

    error = fabs(came - row[3]);
    size = fabs(came) + fabs(row[3]);

    s->error += error;
    s->came += fabs(came);
    s->symmetric += size > 0 ? error / fmax(size, 1e-12) : 0;
    s->covered += came >= row[1] && came <= row[5];

    for (i = 0; i < 3; i++) {
        d = came - row[3 + i];
        s->pinball[i] += fmax(predictor_protocol_q[2 + i] * d,
                              (predictor_protocol_q[2 + i] - 1) * d);
    }
}


double
predictor_protocol_relative(const predictor_score_t *score,
    const predictor_score_t *base)
{
    return log(fmax(score->mase, PREDICTOR_MASE_MIN)
               / fmax(base->mase, PREDICTOR_MASE_MIN));
}


/* a power of ten and a whole number are exact, so the division rounds once */

void
predictor_protocol_round(double *v, size_t n)
{
    int     digits;
    double  unit;
    size_t  i;

    for (i = 0; i < n; i++) {
        if (v[i] == 0) {
            continue;
        }

        digits = PREDICTOR_DIGITS - 1 - (int) floor(log10(fabs(v[i])));

        if (digits > PREDICTOR_POWER_MAX) {
            continue;
        }

        unit = pow(10, abs(digits));
        v[i] = digits > 0 ? rint(v[i] * unit) / unit
                          : rint(v[i] / unit) * unit;
    }
}
