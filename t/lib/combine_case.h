
/* Forecasts of the combination, made at once, and what must hold of all. */


#ifndef _COMBINE_CASE_H_INCLUDED_
#define _COMBINE_CASE_H_INCLUDED_


#include "forecast_case.h"


/* the model that combine_run() came to */

static const char  *combine_used;


TAP_UNUSED static void
combine_make(uint32_t n, uint32_t day, uint64_t *seed)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        case_y[i] = 200 * case_day(i, day, 0.7) * exp(0.1 * case_normal(seed));
    }
}


/* -9 when something was written beyond the memory */

TAP_UNUSED static int
combine_run(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_model_t *wish, int dirt)
{
    int               rc;
    void             *state, *work;
    predictor_size_t  size;

    combine_used = "";

    rc = predictor_size(series, ask, wish, &size);

    if (rc != SHARD_OK) {
        return rc;
    }

    state = case_alloc(size.state, dirt);
    work = case_alloc(size.work, dirt);

    rc = predictor_forecast(series, ask, wish, state, work, case_out,
                            &combine_used);

    rc = case_free(state, size.state) ? rc : -9;

    return case_free(work, size.work) ? rc : -9;
}


/* "" or what is wrong with case_out; quantiles asked in ascending order */

TAP_UNUSED static const char *
combine_sane(const predictor_series_t *series, const predictor_ask_t *ask)
{
    int            negative;
    uint32_t       h, i;
    const double  *row;

    negative = 0;

    for (i = 0; i < series->n; i++) {
        negative |= isfinite(series->y[i]) && series->y[i] < 0;
    }

    row = case_out;

    for (h = 0; h < ask->horizon; h++, row += 1 + ask->nq) {
        for (i = 0; i <= ask->nq; i++) {
            if (!isfinite(row[i])) {
                return "not a number";
            }

            if (row[i] < 0 && !negative) {
                return "negative";
            }

            if (i > 1 && row[i] < row[i - 1]) {
                return "quantiles out of order";
            }

            if (i && ask->q[i - 1] == 0.5 && row[i] != row[0]) {
                return "the median is not the point";
            }
        }
    }

    return "";
}


#endif /* _COMBINE_CASE_H_INCLUDED_ */
