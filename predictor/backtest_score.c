
/* figures of a backtest over all series, for the table, the JSON, the plot */


#include <math.h>
#include <string.h>

#include "backtest.h"


static void predictor_line_add(predictor_line_t *line,
    const predictor_score_t *score);
static int predictor_line_fill(const predictor_backtest_t *b,
    predictor_band_e band, predictor_line_t *line);


int
predictor_backtest_scored(const predictor_backtest_t *b, uint32_t series,
    uint32_t rival, predictor_band_e band)
{
    const predictor_tested_t  *t;

    t = &b->series[series];

    return t->trial[rival].made == t->plan.norigins
           && t->trial[rival].score[band].known > 0;
}


double
predictor_backtest_relative(const predictor_backtest_t *b, uint32_t series,
    uint32_t rival, predictor_band_e band)
{
    const predictor_trial_t  *trial;

    if (!predictor_backtest_scored(b, series, rival, band)
        || !predictor_backtest_scored(b, series, b->base, band))
    {
        return NAN;
    }

    trial = b->series[series].trial;

    return exp(predictor_protocol_relative(&trial[rival].score[band],
                                           &trial[b->base].score[band]));
}


/*
 * What is not compared with naive-day (too little history for that) is left
 * out, so that all figures of a line are over the same series.
 */

static int
predictor_line_fill(const predictor_backtest_t *b, predictor_band_e band,
    predictor_line_t *line)
{
    double    relative;
    uint32_t  i;

    for (i = 0; i < b->ntested; i++) {
        relative = predictor_backtest_relative(b, i, line->rival, band);

        if (isnan(relative)) {
            continue;
        }

        line->series++;
        line->relative += log(relative);
        predictor_line_add(line,
                           &b->series[i].trial[line->rival].score[band]);

        if (relative > line->worst) {
            line->worst = relative;
            line->worst_series = i;
        }
    }

    if (line->series == 0) {
        return 0;
    }

    line->relative = exp(line->relative / line->series);
    line->mean.mase /= line->series;
    line->mean.smape /= line->series;
    line->mean.wape /= line->series;
    line->mean.coverage /= line->series;

    for (i = 0; i < 3; i++) {
        line->mean.pinball[i] /= line->series;
    }

    return 1;
}


static void
predictor_line_add(predictor_line_t *line, const predictor_score_t *score)
{
    uint32_t  i;

    line->mean.mase += score->mase;
    line->mean.smape += score->smape;
    line->mean.wape += score->wape;
    line->mean.coverage += score->coverage;
    line->mean.known += score->known;

    for (i = 0; i < 3; i++) {
        line->mean.pinball[i] += score->pinball[i];
    }
}


uint32_t
predictor_backtest_lines(const predictor_backtest_t *b,
    predictor_band_e band, predictor_line_t *line)
{
    uint32_t          i, j, n;
    predictor_line_t  one;

    n = 0;

    for (i = 0; i < b->nrivals; i++) {
        memset(&one, 0, sizeof(predictor_line_t));
        one.rival = i;

        if (b->rival[i].hidden || !predictor_line_fill(b, band, &one)) {
            continue;
        }

        for (j = n++; j && line[j - 1].relative > one.relative; j--) {
            line[j] = line[j - 1];
        }

        line[j] = one;
    }

    return n;
}


uint32_t
predictor_backtest_worst(const predictor_backtest_t *b, uint32_t rival,
    predictor_band_e band, uint32_t *series, uint32_t max)
{
    double    relative;
    uint32_t  i, j, n;

    n = 0;

    for (i = 0; i < b->ntested; i++) {
        relative = predictor_backtest_relative(b, i, rival, band);

        if (isnan(relative)) {
            continue;
        }

        for (j = n; j; j--) {
            if (predictor_backtest_relative(b, series[j - 1], rival, band)
                >= relative)
            {
                break;
            }

            if (j < max) {
                series[j] = series[j - 1];
            }
        }

        if (j < max) {
            series[j] = i;
            n += n < max;
        }
    }

    return n;
}


void
predictor_backtest_cost(const predictor_backtest_t *b, uint32_t rival,
    double *fit_s, double *forecast_s)
{
    uint32_t                 i, k, n;
    const predictor_made_t  *made;

    n = 0;
    *fit_s = 0;
    *forecast_s = 0;

    for (i = 0; i < b->ntested; i++) {
        for (k = 0; k < b->series[i].plan.norigins; k++) {
            made = &b->series[i].trial[rival].at[k];

            if (made->fit_s > 0 || made->forecast_s > 0) {
                *fit_s += made->fit_s;
                *forecast_s += made->forecast_s;
                n++;
            }
        }
    }

    if (n) {
        *fit_s /= n;
        *forecast_s /= n;
    }
}


predictor_band_e
predictor_backtest_longest(const predictor_backtest_t *b)
{
    uint32_t          i, k;
    predictor_band_e  longest;

    longest = PREDICTOR_BAND_STEP;

    for (i = 0; i < b->ntested; i++) {
        for (k = longest + 1; k < PREDICTOR_BANDS; k++) {
            if (b->series[i].plan.steps[k]) {
                longest = (predictor_band_e) k;
            }
        }
    }

    return longest;
}
