
#include <math.h>
#include <string.h>

#include "lagreg_past.h"


#define PREDICTOR_LAGREG_ROWS_MIN  60


uint32_t
predictor_lagreg_most(const predictor_series_t *series)
{
    return series->n < PREDICTOR_TRIAL_ROWS ? series->n : PREDICTOR_TRIAL_ROWS;
}


size_t
predictor_lagreg_past_size(const predictor_series_t *series)
{
    return predictor_lagreg_most(series)
           * (sizeof(predictor_lagreg_origin_t) + sizeof(float));
}


void
predictor_lagreg_past(const predictor_series_t *series,
    const predictor_lagreg_plan_t *plan, const predictor_lagreg_view_t *view,
    const predictor_lagreg_days_t *days, predictor_lagreg_past_t *past)
{
    double    half;
    uint32_t  k, t;

    half = days->half * (double) plan->day;
    past->first = plan->start + plan->day + plan->smooth + 8;

    if (series->n / days->all > plan->day
        && past->first < series->n - days->all * plan->day)
    {
        past->first = series->n - days->all * plan->day;
    }

    past->step = predictor_trial_stride(series);
    past->n = series->n > past->first
              ? (series->n - 1 - past->first) / past->step : 0;
    past->recency = (float *) (past->origin + past->n);

    for (k = 0; k < past->n; k++) {
        t = series->n - 1 - (k + 1) * past->step;

        predictor_lagreg_origin(plan, view, t, &past->origin[k]);
        past->recency[k] = (float) exp2(-(double) (series->n - 1 - t) / half);
    }
}


int
predictor_lagreg_collect(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, const predictor_lagreg_past_t *past,
    uint32_t h, predictor_lagreg_rows_t *rows)
{
    double                            base;
    float                            *row;
    uint32_t                          i, k, back;
    const predictor_lagreg_origin_t  *origin;

    back = (h + past->step - 1) / past->step;

    if (view->n < past->first
                  + (back + PREDICTOR_LAGREG_ROWS_MIN) * past->step)
    {
        return SHARD_AGAIN;
    }

    rows->m = past->n - back + 1;
    row = rows->rows;

    for (i = 0; i < rows->m; i++, row += PREDICTOR_LAGREG_STRIDE) {
        k = past->n - 1 - i;
        origin = &past->origin[k];

        rows->columns = predictor_lagreg_row(plan, view, origin, h, row,
                                             &base);
        row[rows->columns] = (float) (view->z[origin->t + h] - base);

        memset(&row[rows->columns + 1], 0,
               (PREDICTOR_LAGREG_STRIDE - rows->columns - 1)
               * sizeof(float));

        rows->recency[i] = past->recency[k];
    }

    return SHARD_OK;
}
