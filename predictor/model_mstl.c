
/*
 * Decomposition, and smoothing of what it leaves.
 *
 *     y ─▶ log ─▶ seasons (decompose.h) ─▶ rest ─▶ smoothing (rest.h)
 *                    │ four times without a quarter,        │
 *                    │ for honest errors; once of all       │
 *                    └──────────────────────────────────────┴─▶ state
 */


#include <math.h>
#include <string.h>

#include "decompose.h"
#include "rest.h"
#include "transform.h"
#include "trial.h"


typedef struct {
    predictor_transform_t   scale;
    predictor_decompose_t   parts;
    predictor_rest_t        rest;
    double                  mean[PREDICTOR_REST_SPEEDS];
    uint64_t                next;           /* step that comes next */
    float                   season[];
} predictor_mstl_t;


static void predictor_mstl_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_mstl_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_mstl_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static double predictor_mstl_rest(const predictor_mstl_t *mstl,
    const predictor_series_t *series, uint32_t i);
static void predictor_mstl_tell(const predictor_series_t *series,
    const predictor_mstl_t *mstl, const predictor_trial_t *trial,
    const double *z);
static int predictor_mstl_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);


const predictor_model_t  predictor_model_mstl = {
    "mstl",
    predictor_mstl_size,
    predictor_mstl_fit,
    predictor_mstl_forecast,
    predictor_mstl_update
};


static void
predictor_mstl_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    size_t                 decompose, rest;
    predictor_decompose_t  parts;

    (void) ask;

    predictor_decompose_init(&parts, series);
    decompose = predictor_decompose_work(&parts, series->n);
    rest = predictor_rest_work(series->n);

    /* a week may come while the series grows */

    size->state = sizeof(predictor_mstl_t)
                  + (series->day + series->week) * sizeof(float);
    size->work = ((1 + PREDICTOR_REST_FOLDS) * (size_t) series->n
                  + 2 * (size_t) series->day + 2 * (size_t) series->week
                  + (decompose > rest ? decompose : rest))
                 * sizeof(double);
}


static int
predictor_mstl_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_mstl_learn(series, ask, NULL, state, work);
}


int
predictor_mstl_learn(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_trial_t *trial, void *state,
    void *work)
{
    double            *z, *rest;
    uint32_t           f, i, n;
    predictor_mstl_t  *mstl;

    mstl = state;
    n = series->n;
    z = work;
    rest = z + n;

    if (n / 2 < series->day || n < 8) {
        return SHARD_AGAIN;
    }

    predictor_transform_fit(series, 1, &mstl->scale, rest);
    predictor_transform(&mstl->scale, series->y, n, z);
    predictor_decompose_init(&mstl->parts, series);

    for (f = 0; f < PREDICTOR_REST_FOLDS; f++, rest += n) {
        predictor_decompose(&mstl->parts, z, n, series->start,
                            f * n / PREDICTOR_REST_FOLDS,
                            (f + 1) * n / PREDICTOR_REST_FOLDS,
                            mstl->season, z + (1 + PREDICTOR_REST_FOLDS) * n);

        for (i = 0; i < n; i++) {
            rest[i] = z[i] - predictor_decompose_at(&mstl->parts,
                                                    mstl->season,
                                                    series->start + i);
        }
    }

    if (predictor_rest_fit(series, ask, z + n, &mstl->rest, rest)
        != SHARD_OK)
    {
        return SHARD_AGAIN;
    }

    if (trial) {
        predictor_mstl_tell(series, mstl, trial, z);
    }

    predictor_decompose(&mstl->parts, z, n, series->start, 0, 0,
                        mstl->season, rest);

    for (i = 0; i < n; i++) {
        z[i] -= predictor_decompose_at(&mstl->parts, mstl->season,
                                       series->start + i);
    }

    for (i = 0; i < PREDICTOR_REST_SPEEDS; i++) {
        mstl->mean[i] = z[0];
    }

    predictor_rest_means(&mstl->rest, z + 1, n - 1, mstl->mean);
    mstl->next = series->start + n;

    return SHARD_OK;
}


/* each origin by the seasons that do not know its quarter */

static void
predictor_mstl_tell(const predictor_series_t *series,
    const predictor_mstl_t *mstl, const predictor_trial_t *trial,
    const double *z)
{
    double         left, past[2], mean[PREDICTOR_REST_SPEEDS];
    double         offset[PREDICTOR_QUANTILES_MAX];
    uint32_t       i, j, t, f, n, slot, back, quarter, next;
    const double  *rest;

    n = series->n;
    quarter = PREDICTOR_REST_FOLDS;
    rest = z;
    next = 0;

    memset(mean, 0, sizeof(mean));

    for (j = trial->norigins; j-- > 0; /* void */ ) {
        t = trial->origin[j];
        f = (uint32_t) ((uint64_t) t * PREDICTOR_REST_FOLDS / n);

        if (f != quarter) {
            quarter = f;
            rest = z + (size_t) (1 + f) * n;
            next = 1;

            for (i = 0; i < PREDICTOR_REST_SPEEDS; i++) {
                mean[i] = rest[0];
            }
        }

        predictor_rest_means(&mstl->rest, rest + next, t + 1 - next, mean);
        next = t + 1;

        for (i = 0; i < trial->nsteps; i++) {
            slot = t + trial->step[i];

            if (slot >= n) {
                break;
            }

            back = predictor_rest_back(&mstl->rest, trial->step[i]);
            past[0] = slot >= back ? rest[slot - back]
                                   : mean[PREDICTOR_REST_SPEEDS - 1];
            past[1] = t >= back ? rest[t - back] : past[0];

            left = predictor_rest_forecast(&mstl->rest, mean, past,
                                           trial->step[i], offset);
            predictor_trial_said(trial, i)[j] = (float)
                       predictor_transform_back(&mstl->scale,
                                                z[slot] - rest[slot] + left);
        }
    }
}


static int
predictor_mstl_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    double            *rest;
    uint64_t           end;
    uint32_t           i, n;
    predictor_mstl_t  *mstl;

    (void) ask;

    mstl = state;
    rest = work;
    end = series->start + series->n;

    if (end < mstl->next || end - mstl->next > series->n) {
        return SHARD_AGAIN;
    }

    n = (uint32_t) (end - mstl->next);
    predictor_transform_seen(&mstl->scale, series, n);

    for (i = 0; i < n; i++) {
        rest[i] = predictor_mstl_rest(mstl, series, series->n - n + i);
    }

    predictor_rest_means(&mstl->rest, rest, n, mstl->mean);
    mstl->next = end;

    return SHARD_OK;
}


/* what the seasons leave of a value */

static double
predictor_mstl_rest(const predictor_mstl_t *mstl,
    const predictor_series_t *series, uint32_t i)
{
    double  z;

    predictor_transform(&mstl->scale, series->y + i, 1, &z);

    return z - predictor_decompose_at(&mstl->parts, mstl->season,
                                      series->start + i);
}


static int
predictor_mstl_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    double                   point, past[2];
    double                   offset[PREDICTOR_QUANTILES_MAX];
    uint32_t                 h, i, n, late, back;
    uint64_t                 end;
    const predictor_mstl_t  *mstl;

    (void) work;

    mstl = state;
    n = series->n;
    end = series->start + n;

    /* values that no update() brought count as steps ahead */

    if (end < mstl->next || end - mstl->next > PREDICTOR_HORIZON_MAX) {
        return SHARD_AGAIN;
    }

    late = (uint32_t) (end - mstl->next);

    for (h = late + 1; h <= late + ask->horizon; h++) {
        back = predictor_rest_back(&mstl->rest, h);

        /* indices from the last value taken in, n - 1 - late */

        past[0] = n + h > late + back
                  ? predictor_mstl_rest(mstl, series, n - 1 - late + h - back)
                  : mstl->mean[PREDICTOR_REST_SPEEDS - 1];
        past[1] = n > late + back
                  ? predictor_mstl_rest(mstl, series, n - 1 - late - back)
                  : past[0];

        point = predictor_rest_forecast(&mstl->rest, mstl->mean, past, h,
                                        offset)
                + predictor_decompose_at(&mstl->parts, mstl->season,
                                         mstl->next + h - 1);

        *out++ = predictor_transform_back(&mstl->scale, point);

        for (i = 0; i < ask->nq; i++) {
            *out++ = predictor_transform_back(&mstl->scale,
                                              point + offset[i]);
        }
    }

    return SHARD_OK;
}
