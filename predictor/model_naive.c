
/*
 * Seasonal naive: what was a season ago comes again.  Quantiles are those of
 * y(t) - y(t - season) over the last 14 days; before a quarter of a day has
 * been seen twice, those of the day about its median.  Hyndman &
 * Athanasopoulos, Forecasting: Principles and Practice, 5.2.
 */


#include <string.h>

#include "model.h"
#include "quantile.h"


#define PREDICTOR_NAIVE_DAYS  14


typedef struct {
    double    offset[PREDICTOR_QUANTILES_MAX];
} predictor_naive_t;


static void predictor_naive_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_naive_fit_day(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_naive_fit_week(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_naive_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, uint32_t season, uint32_t need,
    predictor_naive_t *naive, double *residuals);
static void predictor_naive_spread(const predictor_series_t *series,
    uint32_t season, const predictor_ask_t *ask, predictor_naive_t *naive,
    double *scratch);
static int predictor_naive_forecast_day(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);
static int predictor_naive_forecast_week(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);
static int predictor_naive_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, uint32_t season,
    const predictor_naive_t *naive, double *out);


const predictor_model_t  predictor_model_naive_day = {
    "naive-day",
    predictor_naive_size,
    predictor_naive_fit_day,
    predictor_naive_forecast_day,
    NULL
};


const predictor_model_t  predictor_model_naive_week = {
    "naive-week",
    predictor_naive_size,
    predictor_naive_fit_week,
    predictor_naive_forecast_week,
    NULL
};


static void
predictor_naive_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    (void) ask;

    size->state = sizeof(predictor_naive_t);
    size->work = series->n * sizeof(double);
}


static int
predictor_naive_fit_day(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_naive_fit(series, ask, series->day, series->day, state,
                               work);
}


static int
predictor_naive_fit_week(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    if (series->week == 0) {
        return SHARD_AGAIN;
    }

    return predictor_naive_fit(series, ask, series->week, 2 * series->week,
                               state, work);
}


static int
predictor_naive_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, uint32_t season, uint32_t need,
    predictor_naive_t *naive, double *residuals)
{
    uint32_t       i, n;
    const double  *last;

    if (series->n < need) {
        return SHARD_AGAIN;
    }

    n = series->n - season;

    /* a quarter of a day of residuals is the least that tells a spread */

    if (n < (series->day + 3) / 4) {
        predictor_naive_spread(series, season, ask, naive, residuals);
        return SHARD_OK;
    }

    if (n / PREDICTOR_NAIVE_DAYS > series->day) {
        n = PREDICTOR_NAIVE_DAYS * series->day;
    }

    last = series->y + series->n - n;

    for (i = 0; i < n; i++) {
        residuals[i] = last[i] - (last - season)[i];
    }

    predictor_quantiles(residuals, n, ask->q, ask->nq, naive->offset);

    return SHARD_OK;
}


/* the day's own: wide where it has a rhythm, but that is all that is known */

static void
predictor_naive_spread(const predictor_series_t *series, uint32_t season,
    const predictor_ask_t *ask, predictor_naive_t *naive, double *scratch)
{
    double         median;
    uint32_t       i;
    const double  *last;

    last = series->y + series->n - season;

    memcpy(scratch, last, season * sizeof(double));
    median = predictor_median(scratch, season);

    for (i = 0; i < season; i++) {
        scratch[i] = last[i] - median;
    }

    predictor_quantiles(scratch, season, ask->q, ask->nq, naive->offset);
}


static int
predictor_naive_forecast_day(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    (void) work;

    return predictor_naive_forecast(series, ask, series->day, state, out);
}


static int
predictor_naive_forecast_week(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    (void) work;

    return predictor_naive_forecast(series, ask, series->week, state, out);
}


static int
predictor_naive_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, uint32_t season,
    const predictor_naive_t *naive, double *out)
{
    double         point;
    uint32_t       h, i;
    const double  *last;

    if (season == 0 || series->n < season) {
        return SHARD_AGAIN;
    }

    last = series->y + series->n - season;

    for (h = 0; h < ask->horizon; h++) {
        point = last[h % season];
        *out++ = point;

        for (i = 0; i < ask->nq; i++) {
            *out++ = point + naive->offset[i];
        }
    }

    return SHARD_OK;
}
