
/*
 * Exponential smoothing: with seasons and a damped trend ("ets"), and of the
 * level alone ("local-level").
 *
 *     y ─▶ log ─▶ smooth.h over the history, with gains on trial
 *                    │
 *                    ├─▶ errors 1 step, 1 hour, 6 hours, a day ahead
 *                    │        └─▶ better gains, by a bounded search
 *                    ▼
 *                 state ◀── update, value by value
 *
 * The gains minimise the sum of the logarithms of the mean |error| of those
 * leads: one step alone would have the level chase the noise.
 */


#include <math.h>
#include <string.h>

#include "smooth.h"
#include "transform.h"
#include "trial.h"


#define PREDICTOR_ETS_TARGETS   4
#define PREDICTOR_ETS_PASSES    4
#define PREDICTOR_ETS_ERRORS    2000    /* of a lead, for its quantiles */


typedef struct {
    predictor_transform_t      scale;
    predictor_smooth_t         smooth;
    predictor_spread_t         spread;
    float                      season[];
} predictor_ets_t;

typedef struct {
    double                    *z;
    double                    *errors;
    float                     *season;
    predictor_smooth_trace_t   trace;
} predictor_ets_work_t;

/* a gain is searched as the logarithm of g / (1 - g), within bounds */

typedef struct {
    double                     first;
    double                     low;
    double                     high;
} predictor_ets_bound_t;


static void predictor_ets_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_ets_fit_seasons(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_ets_fit_level(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_ets_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, int seasons, predictor_ets_t *ets,
    double *memory);
static void predictor_ets_tell(const predictor_series_t *series,
    const predictor_ets_t *ets, const predictor_trial_t *trial,
    predictor_ets_work_t *w);
static void predictor_ets_place(const predictor_series_t *series,
    double *memory, predictor_ets_work_t *w);
static void predictor_ets_search(const predictor_series_t *series,
    predictor_ets_t *ets, predictor_ets_work_t *w);
static double predictor_ets_cost(const predictor_series_t *series,
    const predictor_ets_t *ets, const double *logit,
    predictor_ets_work_t *w);
static void predictor_ets_spread(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_ets_t *ets,
    predictor_ets_work_t *w);
static int predictor_ets_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_ets_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);
static double predictor_ets_logit(double gain);


static const predictor_ets_bound_t  predictor_ets_bounds[] = {
    { 0.001, 0.0001, 0.9 },             /* alpha */
    { 0.9, 0.1, 0.9995 },               /* rho */
    { 0.05, 0.005, 0.6 },               /* gamma */
    { 0.01, 0.0005, 0.3 },              /* delta */
    { 0.00001, 0.0000001, 0.1 }         /* beta */
};

/* steps of the search on the scale of the logit */

static const double  predictor_ets_strides[PREDICTOR_ETS_PASSES] = {
    2, 1, 0.5, 0.25
};


const predictor_model_t  predictor_model_ets = {
    "ets",
    predictor_ets_size,
    predictor_ets_fit_seasons,
    predictor_ets_forecast,
    predictor_ets_update
};


const predictor_model_t  predictor_model_local_level = {
    "local-level",
    predictor_ets_size,
    predictor_ets_fit_level,
    predictor_ets_forecast,
    predictor_ets_update
};


static void
predictor_ets_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    size_t  season;

    (void) ask;

    season = ((size_t) series->day + series->week) * sizeof(float) + 16;

    size->state = sizeof(predictor_ets_t) + season;
    size->work = 6 * ((size_t) series->n + 1) * sizeof(double) + season;
}


static int
predictor_ets_fit_seasons(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    if (series->n / 2 < series->day) {
        return SHARD_AGAIN;
    }

    return predictor_ets_fit(series, ask, 1, state, work);
}


int
predictor_ets_learn(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work)
{
    int                   rc;
    predictor_ets_work_t  w;

    rc = predictor_ets_fit_seasons(series, ask, state, work);

    if (rc == SHARD_OK && trial) {
        predictor_ets_place(series, work, &w);
        predictor_ets_tell(series, state, trial, &w);
    }

    return rc;
}


static int
predictor_ets_fit_level(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_ets_fit(series, ask, 0, state, work);
}


static int
predictor_ets_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, int seasons, predictor_ets_t *ets,
    double *memory)
{
    predictor_ets_work_t  w;

    if (series->n < 3) {
        return SHARD_AGAIN;
    }

    predictor_ets_place(series, memory, &w);
    predictor_transform_fit(series, 1, &ets->scale, w.z);
    predictor_transform(&ets->scale, series->y, series->n, w.z);
    predictor_smooth_init(&ets->smooth, series, seasons);
    predictor_smooth_start(&ets->smooth, ets->season, w.z, series->n,
                           series->start);

    predictor_ets_search(series, ets, &w);

    predictor_smooth_run(&ets->smooth, ets->season, w.z, series->n,
                         &w.trace);
    predictor_ets_spread(series, ask, ets, &w);

    return SHARD_OK;
}


/* once more through the values, with the gains that all of them taught */

static void
predictor_ets_tell(const predictor_series_t *series,
    const predictor_ets_t *ets, const predictor_trial_t *trial,
    predictor_ets_work_t *w)
{
    double              z;
    uint32_t            i, j, next;
    predictor_smooth_t  s;

    s = ets->smooth;
    predictor_smooth_start(&s, w->season, w->z, series->n, series->start);
    next = 0;

    for (j = trial->norigins; j-- > 0; /* void */ ) {
        predictor_smooth_run(&s, w->season, w->z + next,
                             trial->origin[j] + 1 - next, NULL);
        next = trial->origin[j] + 1;

        for (i = 0; i < trial->nsteps; i++) {
            z = predictor_smooth_forecast(&s, w->season, trial->step[i]);
            predictor_trial_said(trial, i)[j] =
                           (float) predictor_transform_back(&ets->scale, z);
        }
    }
}


static void
predictor_ets_place(const predictor_series_t *series, double *memory,
    predictor_ets_work_t *w)
{
    w->z = memory;
    w->errors = w->z + series->n;
    w->trace.level = w->errors + series->n;
    w->trace.trend = w->trace.level + series->n;
    w->trace.rest = w->trace.trend + series->n;
    w->trace.season = w->trace.rest + series->n;
    w->season = (float *) (w->trace.season + series->n);
}


/* one gain after the other, up or down while it helps, by smaller strides */

static void
predictor_ets_search(const predictor_series_t *series, predictor_ets_t *ets,
    predictor_ets_work_t *w)
{
    double                        best, cost, stride, kept, low, high;
    double                        logit[PREDICTOR_SMOOTH_GAINS];
    uint32_t                      i, pass, way, gains;
    const predictor_ets_bound_t  *bound;

    gains = ets->smooth.day ? PREDICTOR_SMOOTH_GAINS : 1;
    memset(logit, 0, sizeof(logit));

    for (i = 0; i < gains; i++) {
        logit[i] = predictor_ets_logit(predictor_ets_bounds[i].first);
    }

    if (ets->smooth.day == 0) {
        logit[0] = 0;
    }

    best = predictor_ets_cost(series, ets, logit, w);

    for (pass = 0; pass < PREDICTOR_ETS_PASSES; pass++) {
        stride = predictor_ets_strides[pass];

        for (i = 0; i < gains; i++) {
            if (i == PREDICTOR_SMOOTH_DELTA && ets->smooth.week == 0) {
                continue;
            }

            bound = &predictor_ets_bounds[i];
            low = predictor_ets_logit(bound->low);
            high = predictor_ets_logit(bound->high);

            for (way = 0; way < 2; way++) {
                kept = logit[i];
                logit[i] += way ? -stride : stride;
                logit[i] = fmax(low, fmin(logit[i], high));
                cost = predictor_ets_cost(series, ets, logit, w);

                if (cost < best) {
                    best = cost;
                    break;
                }

                logit[i] = kept;
            }
        }
    }

    for (i = 0; i < gains; i++) {
        ets->smooth.gain[i] = 1 / (1 + exp(-logit[i]));
    }
}


static double
predictor_ets_cost(const predictor_series_t *series,
    const predictor_ets_t *ets, const double *logit, predictor_ets_work_t *w)
{
    double              cost, sum;
    uint32_t            i, j, n, from, hour, lead[PREDICTOR_ETS_TARGETS];
    predictor_smooth_t  s;

    s = ets->smooth;

    for (i = 0; i < PREDICTOR_SMOOTH_GAINS; i++) {
        s.gain[i] = s.day || i == 0 ? 1 / (1 + exp(-logit[i])) : 0;
    }

    /* all start alike, whatever their gains */

    memcpy(w->season, ets->season,
           predictor_smooth_seasons(&s) * sizeof(float));
    predictor_smooth_run(&s, w->season, w->z, series->n, &w->trace);

    hour = series->interval_s < 3600 ? 3600 / series->interval_s : 1;
    lead[0] = 1;
    lead[1] = hour;
    lead[2] = 6 * hour;
    lead[3] = series->day;

    /* the start has seen the first days already */

    from = series->n / 4;
    cost = 0;

    for (i = 0; i < (s.day ? PREDICTOR_ETS_TARGETS : 2); i++) {
        n = predictor_smooth_errors(&s, &w->trace, w->z, series->n, lead[i],
                                    from, i ? 5 : 2, w->errors);
        sum = 0;

        for (j = 0; j < n; j++) {
            sum += fabs(w->errors[j]);
        }

        cost += n ? log(sum / n + 1e-9) : 0;
    }

    return isfinite(cost) ? cost : INFINITY;
}


static void
predictor_ets_spread(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_ets_t *ets,
    predictor_ets_work_t *w)
{
    uint32_t  i, k, n, from, step;

    ets->spread.leads = 0;
    from = series->n / 4;
    step = (series->n - from) / PREDICTOR_ETS_ERRORS + 1;

    for (i = 0; i < predictor_spread_leads(ask->horizon); i++) {
        n = predictor_smooth_errors(&ets->smooth, &w->trace, w->z, series->n,
                                    (uint32_t) 1 << i, from, step,
                                    w->errors);

        for (k = 0; k < n && isfinite(w->errors[k]); k++) { /* void */ }

        predictor_spread_add(&ets->spread, ask, w->errors, k);
    }
}


static int
predictor_ets_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    uint64_t          end, n;
    double           *z;
    predictor_ets_t  *ets;

    (void) ask;

    ets = state;
    z = work;
    end = series->start + series->n;

    if (end < ets->smooth.next) {
        return SHARD_AGAIN;
    }

    n = end - ets->smooth.next;

    if (n > series->n) {
        return SHARD_AGAIN;
    }

    predictor_transform_seen(&ets->scale, series, (uint32_t) n);
    predictor_transform(&ets->scale, series->y + series->n - n, (uint32_t) n,
                        z);
    predictor_smooth_run(&ets->smooth, ets->season, z, (uint32_t) n, NULL);

    return SHARD_OK;
}


static int
predictor_ets_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    double                  point;
    double                  offset[PREDICTOR_QUANTILES_MAX];
    uint32_t                h, i, late;
    uint64_t                end;
    const predictor_ets_t  *ets;

    (void) work;

    ets = state;
    end = series->start + series->n;

    /* values that no update() brought count as steps ahead */

    if (end < ets->smooth.next
        || end - ets->smooth.next > PREDICTOR_HORIZON_MAX)
    {
        return SHARD_AGAIN;
    }

    late = (uint32_t) (end - ets->smooth.next);

    for (h = 1; h <= ask->horizon; h++) {
        point = predictor_smooth_forecast(&ets->smooth, ets->season,
                                          late + h);
        predictor_spread_at(&ets->spread, late + h, offset);

        *out++ = predictor_transform_back(&ets->scale, point);

        for (i = 0; i < ask->nq; i++) {
            *out++ = predictor_transform_back(&ets->scale,
                                              point + offset[i]);
        }
    }

    return SHARD_OK;
}


static double
predictor_ets_logit(double gain)
{
    return log(gain / (1 - gain));
}
