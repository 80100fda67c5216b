
#include <math.h>
#include <string.h>

#include "weigh.h"


#define PREDICTOR_WEIGH_POWER   3

/* days in which a trial's error loses half of its weight */

#define PREDICTOR_WEIGH_HALF    2

/* errors below this share of the best are no better than it */

#define PREDICTOR_WEIGH_LEAST   1e-6

/* the naive one's own share is a half when so many steps were seen */

#define PREDICTOR_WEIGH_HOLD    24

/* days from which on members are trusted by their errors alone */

#define PREDICTOR_WEIGH_KNOWN   14

/* errors of all others, times the naive one's, that leave it alone: trials
 * are few, and a combination is better than its best member */

#define PREDICTOR_WEIGH_ALONE   1.1

/* own forecasts seen, after which they count as much as the trials */

#define PREDICTOR_WEIGH_TRUST   50


static uint8_t predictor_weigh_alone(const double *error);
static double predictor_weigh_error(const predictor_series_t *series,
    const predictor_trial_t *trial, uint32_t step);
static void predictor_weigh_errors(const double *error, double *weight);
static double predictor_weigh_seen(const predictor_merit_t *merit,
    uint32_t horizon_class, uint32_t voter, double error);


void
predictor_weigh(const predictor_series_t *series,
    predictor_trial_t *const *trial, predictor_voices_t *w)
{
    double    days, best, error[PREDICTOR_VOTERS], weight[PREDICTOR_VOTERS];
    uint32_t  i, v;

    memset(w, 0, sizeof(predictor_voices_t));

    days = (double) series->n / series->day;

    if (days < PREDICTOR_WEIGH_KNOWN) {
        w->young = 1 - pow(days / PREDICTOR_WEIGH_KNOWN, 2);
        w->history = series->n;
    }

    for (v = 0; v < PREDICTOR_VOTERS; v++) {
        if (trial[v]) {
            w->nsteps = trial[v]->nsteps;
            memcpy(w->step, trial[v]->step, sizeof(w->step));
        }
    }

    for (i = 0; i < w->nsteps; i++) {
        for (v = 0; v < PREDICTOR_VOTERS; v++) {
            error[v] = trial[v] ? predictor_weigh_error(series, trial[v], i)
                                : NAN;
            w->error[i][v] = (float) error[v];
        }

        predictor_weigh_errors(error, weight);
        best = error[PREDICTOR_VOTERS - 1];

        for (v = 0; v < PREDICTOR_VOTERS; v++) {
            w->weight[i][v] = (float) weight[v];
            best = error[v] < best ? error[v] : best;
        }

        w->near[i] = 1;

        if (best < error[PREDICTOR_VOTERS - 1]) {
            w->near[i] = (float) (best / error[PREDICTOR_VOTERS - 1]);

        } else {
            w->alone[i] = predictor_weigh_alone(error);
        }
    }
}


/* whether all others are clearly worse than the naive one */

static uint8_t
predictor_weigh_alone(const double *error)
{
    double    naive;
    uint8_t   alone;
    uint32_t  v;

    naive = error[PREDICTOR_VOTERS - 1];
    alone = 0;

    for (v = 0; v + 1 < PREDICTOR_VOTERS; v++) {
        if (error[v] < PREDICTOR_WEIGH_ALONE * naive) {
            return 0;
        }

        alone |= isfinite(error[v]);
    }

    return alone && isfinite(naive);
}


/* mean over the origins, NaN: nothing was said that can be compared */

static double
predictor_weigh_error(const predictor_series_t *series,
    const predictor_trial_t *trial, uint32_t step)
{
    double        sum, weight, weights, half;
    uint32_t      j, slot;
    const float  *said;

    said = predictor_trial_said(trial, step);
    half = PREDICTOR_WEIGH_HALF * (double) series->day;
    sum = 0;
    weights = 0;

    for (j = 0; j < trial->norigins; j++) {
        slot = trial->origin[j] + trial->step[step];

        if (slot < series->n && isfinite(said[j])) {
            weight = exp2(-(double) (series->n - 1 - trial->origin[j]) / half);
            sum += weight * fabs(series->y[slot] - said[j]);
            weights += weight;
        }
    }

    return weights > 0 ? sum / weights : NAN;
}


/* those without an error get no weight; without any, all get 0 */

static void
predictor_weigh_errors(const double *error, double *weight)
{
    double    best, sum;
    uint32_t  v;

    best = INFINITY;
    sum = 0;

    for (v = 0; v < PREDICTOR_VOTERS; v++) {
        if (isfinite(error[v])) {
            best = fmin(best, error[v]);
        }
    }

    for (v = 0; v < PREDICTOR_VOTERS; v++) {
        weight[v] = 0;

        if (isfinite(error[v])) {
            weight[v] = error[v] > best + PREDICTOR_WEIGH_LEAST * best
                        ? pow(best / error[v], PREDICTOR_WEIGH_POWER) : 1;
        }

        sum += weight[v];
    }

    for (v = 0; v < PREDICTOR_VOTERS && sum > 0; v++) {
        weight[v] /= sum;
    }
}


void
predictor_voices_at(const predictor_voices_t *w,
    const predictor_merit_t *merit, uint32_t interval_s, uint32_t h,
    uint32_t voting, double *weight)
{
    double    share, sum, error[PREDICTOR_VOTERS];
    uint32_t  i, k, v, c;

    memset(weight, 0, PREDICTOR_VOTERS * sizeof(double));

    if (w->nsteps == 0) {
        return;
    }

    for (i = 0; i + 1 < w->nsteps && w->step[i + 1] <= h; i++) { /* void */ }

    k = i + 1 < w->nsteps ? i + 1 : i;
    share = k > i ? log((double) h / w->step[i])
                    / log((double) w->step[k] / w->step[i]) : 0;
    share = fmin(share, 1);

    if (merit) {
        c = predictor_horizon_class(interval_s, h);

        for (v = 0; v < PREDICTOR_VOTERS; v++) {
            error[v] = predictor_weigh_seen(merit, c, v,
                                            (1 - share) * w->error[i][v]
                                            + share * w->error[k][v]);
        }

        predictor_weigh_errors(error, weight);

    } else {
        for (v = 0; v < PREDICTOR_VOTERS; v++) {
            weight[v] = (1 - share) * w->weight[i][v]
                        + share * w->weight[k][v];
        }
    }

    sum = 0;

    for (v = 0; v < PREDICTOR_VOTERS; v++) {
        weight[v] = voting & 1u << v ? weight[v] : 0;
        sum += weight[v];
    }

    for (v = 0; v < PREDICTOR_VOTERS && sum > 0; v++) {
        weight[v] /= sum;
    }
}


/* the trial's error, moved to that of the voter's own forecasts */

static double
predictor_weigh_seen(const predictor_merit_t *merit, uint32_t horizon_class,
    uint32_t voter, double error)
{
    double                    trust, seen;
    const predictor_worth_t  *worth;

    worth = &merit->horizon[horizon_class].member[voter];
    seen = predictor_merit_error(worth);

    if (!isfinite(seen) || !isfinite(error)) {
        return isfinite(seen) ? seen : error;
    }

    trust = worth->weight / (worth->weight + PREDICTOR_WEIGH_TRUST);

    return trust * seen + (1 - trust) * error;
}


double
predictor_voices_hold(const predictor_voices_t *w, uint32_t h)
{
    double    x;
    uint32_t  i;

    if (w->nsteps == 0) {
        return 0;
    }

    for (i = 0; i + 1 < w->nsteps && w->step[i + 1] <= h; i++) { /* void */ }

    if (w->alone[i] || w->young <= 0) {
        return w->alone[i];
    }

    x = h / w->history;

    return w->young * PREDICTOR_WEIGH_HOLD * x / (1 + PREDICTOR_WEIGH_HOLD * x)
           * fmin(1, w->near[i] * (1 + sqrt(x)));
}


double
predictor_said(const double *vote, const double *weight, uint32_t n,
    double hold)
{
    double    one, mean, sum, sorted[PREDICTOR_VOTERS];
    uint32_t  i, j;

    mean = 0;
    sum = 0;
    sorted[0] = 0;

    for (i = 0; i < n; i++) {
        one = vote[i];
        mean += weight[i] * one;
        sum += weight[i];

        for (j = i; j && sorted[j - 1] > one; j--) {
            sorted[j] = sorted[j - 1];
        }

        sorted[j] = one;
    }

    one = sorted[(n - 1) / 2] / 2 + sorted[n / 2] / 2;

    one = sum > 0 ? 0.5 * (one + mean / sum) : one;

    return (1 - hold) * one + hold * vote[n - 1];
}
