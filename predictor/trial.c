
#include <math.h>

#include "trial.h"


/* days that rows are taken from, and those that are tried */

#define PREDICTOR_TRIAL_SHORT  21
#define PREDICTOR_TRIAL_LONG   180
#define PREDICTOR_TRIAL_TRIED  14


uint32_t
predictor_trial_grid(uint32_t horizon, uint32_t day, uint32_t *grid)
{
    uint32_t  i, j, n, d, h, wish[PREDICTOR_TRIAL_STEPS];

    n = 0;

    for (h = 1; h <= 6 && h <= horizon; h++) {
        wish[n++] = h;
    }

    for (i = 0; i < 12 && horizon > 6; i++) {
        wish[n++] = (uint32_t) (8 * pow(horizon / 8.0, i / 11.0) + 0.5);
    }

    for (d = 1; d <= (horizon - 1) / day && d < PREDICTOR_TRIAL_DAYS; d++) {
        h = d * day + (day / 2 > 2 ? day / 2 : 2);
        wish[n++] = d * day;
        wish[n++] = d * day + 1;
        wish[n++] = h < horizon ? h : horizon;
    }

    j = 0;

    for (h = 0; h < horizon; h = d) {
        d = horizon + 1;

        for (i = 0; i < n; i++) {
            if (wish[i] > h && wish[i] < d) {
                d = wish[i];
            }
        }

        if (d <= horizon) {
            grid[j++] = d;
        }
    }

    return j;
}


uint32_t
predictor_trial_stride(const predictor_series_t *series)
{
    uint64_t  most;

    most = series->interval_s < PREDICTOR_TRIAL_SHORT_S
           ? PREDICTOR_TRIAL_SHORT : PREDICTOR_TRIAL_LONG;
    most *= series->day;
    most = series->n < most ? series->n : most;

    return most ? (uint32_t) ((most - 1) / PREDICTOR_TRIAL_ROWS + 1) : 1;
}


/* short steps are tried over two weeks, long ones over four */

void
predictor_trial_init(predictor_trial_t *trial,
    const predictor_series_t *series, uint32_t horizon, float *said)
{
    size_t    i, n;
    uint32_t  j, stride, spacing, window;

    trial->said = said;
    trial->nsteps = predictor_trial_grid(horizon, series->day, trial->step);

    n = predictor_trial_size(trial->nsteps);

    for (i = 0; i < n; i++) {
        said[i] = NAN;
    }

    window = series->interval_s < PREDICTOR_TRIAL_SHORT_S
             ? PREDICTOR_TRIAL_TRIED : 2 * PREDICTOR_TRIAL_TRIED;
    window = series->n / 2 / window > series->day ? window * series->day
                                                  : series->n / 2;

    stride = predictor_trial_stride(series);
    spacing = (window + PREDICTOR_TRIAL_ORIGINS * stride - 1)
              / (PREDICTOR_TRIAL_ORIGINS * stride) * stride;

    trial->norigins = spacing ? window / spacing : 0;

    for (j = 0; j < trial->norigins; j++) {
        trial->origin[j] = series->n - 1 - (j + 1) * spacing;
    }
}


float *
predictor_trial_said(const predictor_trial_t *trial, uint32_t step)
{
    return trial->said + predictor_trial_size(step);
}


void
predictor_trial_naive(const predictor_trial_t *trial,
    const predictor_series_t *series, uint32_t season)
{
    float     *said;
    uint32_t   i, j, back, slot;

    for (i = 0; i < trial->nsteps; i++) {
        said = predictor_trial_said(trial, i);
        back = (trial->step[i] + season - 1) / season * season;

        for (j = 0; j < trial->norigins; j++) {
            slot = trial->origin[j] + trial->step[i];

            if (slot >= back) {
                said[j] = (float) series->y[slot - back];
            }
        }
    }
}
