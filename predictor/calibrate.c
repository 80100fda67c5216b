
#include <math.h>
#include <string.h>

#include "calibrate.h"


/* days in which an error loses half of its weight */

#define PREDICTOR_CALIBRATE_HALF   6

/* errors of neighbouring steps are taken together, at less weight: those of
 * the second step would make the first look worse than it is */

#define PREDICTOR_CALIBRATE_REACH  1
#define PREDICTOR_CALIBRATE_NEXT   0.4

/* fewest errors that tell a spread */

#define PREDICTOR_CALIBRATE_LEAST  10

/* widening of the quantiles 0.05 and 0.95; none from 0.1 to 0.9 */

#define PREDICTOR_CALIBRATE_TAIL   0.9

/* and of all of them, by the share that the naive method has of its own */

#define PREDICTOR_CALIBRATE_YOUNG  0.3

#define PREDICTOR_CALIBRATE_FLOOR  0.05


static void predictor_calibrate_mean(const predictor_series_t *series,
    predictor_margins_t *margins);
static void predictor_calibrate_errors(const predictor_series_t *series,
    predictor_trial_t *const *trial, const predictor_voices_t *w,
    const predictor_margins_t *margins, uint32_t step, float *errors);
static uint32_t predictor_calibrate_pool(const predictor_series_t *series,
    const predictor_trial_t *trial, const float *errors, uint32_t step,
    predictor_weighted_t *pool);
static double predictor_calibrate_widen(double q, double share);
static double predictor_margins_size(const predictor_margins_t *margins,
    double value);


#define PREDICTOR_CALIBRATE_POOL                                              \
    ((2 * PREDICTOR_CALIBRATE_REACH + 1) * PREDICTOR_TRIAL_ORIGINS)


size_t
predictor_calibrate_work(uint32_t nsteps)
{
    return PREDICTOR_CALIBRATE_POOL * sizeof(predictor_weighted_t)
           + predictor_trial_size(nsteps) * sizeof(float);
}


void
predictor_calibrate(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_trial_t *const *trial,
    const predictor_voices_t *w, predictor_margins_t *margins, void *work)
{
    float                    *errors;
    double                    span, share, young;
    double                    offset[PREDICTOR_QUANTILES_MAX];
    uint32_t                  i, k, v, n;
    predictor_weighted_t     *pool;
    const predictor_trial_t  *any;

    memset(margins, 0, sizeof(predictor_margins_t));
    any = NULL;

    for (v = 0; v < PREDICTOR_VOTERS; v++) {
        any = trial[v] ? trial[v] : any;
    }

    if (any == NULL || any->norigins == 0) {
        return;
    }

    pool = work;
    errors = (float *) (pool + PREDICTOR_CALIBRATE_POOL);
    span = series->n - 1 - any->origin[any->norigins - 1];

    margins->nq = ask->nq;
    predictor_calibrate_mean(series, margins);

    for (i = 0; i < any->nsteps; i++) {
        predictor_calibrate_errors(series, trial, w, margins, i,
                                   errors + predictor_trial_size(i));
    }

    for (i = 0; i < any->nsteps; i++) {
        n = predictor_calibrate_pool(series, any, errors, i, pool);

        if (n < PREDICTOR_CALIBRATE_LEAST) {
            break;
        }

        predictor_weighted_quantiles(pool, n, ask->q, ask->nq, offset);
        share = any->step[i] / span;
        young = PREDICTOR_CALIBRATE_YOUNG
                * predictor_voices_hold(w, any->step[i]);

        for (k = 0; k < ask->nq; k++) {
            margins->offset[i][k] = (float)
                                (offset[k]
                                 * (predictor_calibrate_widen(ask->q[k], share)
                                    + young));
        }

        margins->step[i] = any->step[i];
        margins->nsteps++;
    }
}


static void
predictor_calibrate_mean(const predictor_series_t *series,
    predictor_margins_t *margins)
{
    double    sum;
    uint32_t  i;

    sum = 0;

    for (i = 0; i < series->n; i++) {
        if (series->y[i] < 0) {
            return;
        }

        sum += series->y[i];
    }

    margins->mean = sum / series->n;
}


/* of what the voters that spoke would have said together; NaN: nobody did */

static void
predictor_calibrate_errors(const predictor_series_t *series,
    predictor_trial_t *const *trial, const predictor_voices_t *w,
    const predictor_margins_t *margins, uint32_t step, float *errors)
{
    double        said, hold;
    double        vote[PREDICTOR_VOTERS], weight[PREDICTOR_VOTERS];
    uint32_t      j, v, n, slot, norigins;
    const float  *row[PREDICTOR_VOTERS];

    norigins = 0;
    slot = 0;
    hold = predictor_voices_hold(w, w->step[step]);

    for (v = 0; v < PREDICTOR_VOTERS; v++) {
        row[v] = NULL;

        if (trial[v]) {
            row[v] = predictor_trial_said(trial[v], step);
            norigins = trial[v]->norigins;
        }
    }

    for (j = 0; j < norigins; j++) {
        n = 0;

        for (v = 0; v < PREDICTOR_VOTERS; v++) {
            if (row[v] && isfinite(row[v][j])) {
                slot = trial[v]->origin[j] + trial[v]->step[step];
                vote[n] = row[v][j];
                weight[n++] = w->weight[step][v];
            }
        }

        errors[j] = NAN;

        if (n && slot < series->n) {
            said = predictor_said(vote, weight, n, hold);
            errors[j] = (float) ((series->y[slot] - said)
                                 / predictor_margins_size(margins, said));
        }
    }
}


static uint32_t
predictor_calibrate_pool(const predictor_series_t *series,
    const predictor_trial_t *trial, const float *errors, uint32_t step,
    predictor_weighted_t *pool)
{
    double        half;
    uint32_t      i, j, n, first, last;
    const float  *row;

    half = PREDICTOR_CALIBRATE_HALF * (double) series->day;
    first = step > PREDICTOR_CALIBRATE_REACH
            ? step - PREDICTOR_CALIBRATE_REACH : 0;
    last = step + PREDICTOR_CALIBRATE_REACH;
    n = 0;

    for (i = first; i <= last && i < trial->nsteps; i++) {
        row = errors + predictor_trial_size(i);

        for (j = 0; j < trial->norigins; j++) {
            if (isfinite(row[j])) {
                pool[n].value = row[j];
                pool[n++].weight = (i == step ? 1 : PREDICTOR_CALIBRATE_NEXT)
                                   * exp2(-(double) (series->n - 1
                                                     - trial->origin[j])
                                          / half);
            }
        }
    }

    return n;
}


/* a step that is "share" of the time that was seen */

static double
predictor_calibrate_widen(double q, double share)
{
    double  tail;

    tail = (fabs(q - 0.5) - 0.4) / 0.05;
    tail = fmax(0, fmin(tail, 1));

    return 1 + PREDICTOR_CALIBRATE_TAIL * tail * sqrt(share);
}


static double
predictor_margins_size(const predictor_margins_t *margins, double value)
{
    if (margins->mean == 0) {
        return 1;
    }

    return sqrt(fmax(value, 0) / margins->mean + PREDICTOR_CALIBRATE_FLOOR);
}


void
predictor_margins_at(const predictor_margins_t *margins, uint32_t h,
    double *row)
{
    double    share, size;
    uint32_t  i, k, q, last;

    last = margins->nsteps - 1;

    for (i = 0; i < last && margins->step[i + 1] <= h; i++) { /* void */ }

    k = i < last ? i + 1 : i;
    share = k > i ? log((double) h / margins->step[i])
                    / log((double) margins->step[k] / margins->step[i]) : 0;
    size = predictor_margins_size(margins, row[0]);

    for (q = 0; q < margins->nq; q++) {
        row[1 + q] = row[0] + size * ((1 - share) * margins->offset[i][q]
                                      + share * margins->offset[k][q]);
    }
}
