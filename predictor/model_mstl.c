
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


/* forecast() looks at so many days for the slowest mean */

#define PREDICTOR_MSTL_DAYS  9


typedef struct {
    predictor_transform_t   scale;
    predictor_decompose_t   parts;
    predictor_rest_t        rest;
    float                   season[];
} predictor_mstl_t;


static void predictor_mstl_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_mstl_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_mstl_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);


const predictor_model_t  predictor_model_mstl = {
    "mstl",
    predictor_mstl_size,
    predictor_mstl_fit,
    predictor_mstl_forecast,
    NULL
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

    predictor_decompose(&mstl->parts, z, n, series->start, 0, 0,
                        mstl->season, rest);

    return SHARD_OK;
}


static int
predictor_mstl_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    double                   point, *rest;
    double                   mean[PREDICTOR_REST_SPEEDS];
    double                   offset[PREDICTOR_QUANTILES_MAX];
    uint32_t                 h, i, n, from;
    predictor_transform_t    scale;
    const predictor_mstl_t  *mstl;

    mstl = state;
    rest = work;
    n = series->n;

    if (n == 0) {
        return SHARD_AGAIN;
    }

    from = n / PREDICTOR_MSTL_DAYS > series->day
           ? n - PREDICTOR_MSTL_DAYS * series->day : 0;
    n -= from;

    scale = mstl->scale;
    predictor_transform_seen(&scale, series, series->day);
    predictor_transform(&scale, series->y + from, n, rest);

    for (i = 0; i < n; i++) {
        rest[i] -= predictor_decompose_at(&mstl->parts, mstl->season,
                                          series->start + from + i);
    }

    predictor_rest_means(&mstl->rest, rest, n, mean);

    for (h = 1; h <= ask->horizon; h++) {
        point = predictor_rest_forecast(&mstl->rest, rest, n, mean, h, offset)
                + predictor_decompose_at(&mstl->parts, mstl->season,
                                         series->start + series->n + h - 1);

        *out++ = predictor_transform_back(&scale, point);

        for (i = 0; i < ask->nq; i++) {
            *out++ = predictor_transform_back(&scale, point + offset[i]);
        }
    }

    return SHARD_OK;
}
