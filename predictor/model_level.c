
/*
 * The mean of the last hour, held: all that can be said of less than a day.
 * Quantiles are those of y(i + lead) - level(i) over the whole history, for
 * leads of 1, 2, 4, ... steps as far as half the history shows them.
 */


#include <stddef.h>

#include "model.h"
#include "quantile.h"


#define PREDICTOR_LEVEL_LEADS  20


typedef struct {
    uint32_t  window;                   /* steps averaged */
    uint32_t  leads;                    /* offset[i] is for 2^i steps */
    double    offset[PREDICTOR_LEVEL_LEADS][PREDICTOR_QUANTILES_MAX];
} predictor_level_t;


static void predictor_level_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_level_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_level_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);
static double predictor_level_at(const double *y, uint32_t end,
    uint32_t window);


const predictor_model_t  predictor_model_level = {
    "level",
    predictor_level_size,
    predictor_level_fit,
    predictor_level_forecast,
    NULL
};


static void
predictor_level_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    (void) ask;

    size->state = sizeof(predictor_level_t);
    size->work = 2 * series->n * sizeof(double);
}


static int
predictor_level_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    double             *level, *residuals;
    uint32_t            i, lead, n;
    predictor_level_t  *l;

    if (series->n == 0) {
        return SHARD_AGAIN;
    }

    l = state;
    level = work;
    n = series->n;
    residuals = level + n;

    l->window = series->interval_s < 3600 ? 3600 / series->interval_s : 1;
    l->leads = 0;

    for (i = 0; i < n; i++) {
        level[i] = predictor_level_at(series->y, i, l->window);
    }

    for (lead = 1;
         l->leads < PREDICTOR_LEVEL_LEADS && (lead == 1 || lead <= n / 2);
         lead *= 2)
    {
        residuals[0] = 0;

        for (i = 0; i + lead < n; i++) {
            residuals[i] = series->y[i + lead] - level[i];
        }

        predictor_quantiles(residuals, i ? i : 1, ask->q, ask->nq,
                            l->offset[l->leads++]);
    }

    return SHARD_OK;
}


static int
predictor_level_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    double                    level;
    uint32_t                  h, i, lead;
    const predictor_level_t  *l;

    (void) work;

    if (series->n == 0) {
        return SHARD_AGAIN;
    }

    l = state;
    level = predictor_level_at(series->y, series->n - 1, l->window);
    lead = 0;

    for (h = 1; h <= ask->horizon; h++) {
        while (lead + 1 < l->leads && h >= (uint32_t) 2 << lead) {
            lead++;
        }

        *out++ = level;

        for (i = 0; i < ask->nq; i++) {
            *out++ = level + l->offset[lead][i];
        }
    }

    return SHARD_OK;
}


/* mean of the "window" values up to and with "end", or of as many as are */

static double
predictor_level_at(const double *y, uint32_t end, uint32_t window)
{
    double    sum;
    uint32_t  i, n;

    n = window < end + 1 ? window : end + 1;
    sum = 0;

    for (i = 0; i < n; i++) {
        sum += y[end - i];
    }

    return sum / n;
}
