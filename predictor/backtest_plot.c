
/*
 * The picture of a backtest: the end of each series with the forecasts of the
 * first model over it, those of origins that do not overlap.
 */


#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_plot.h"
#include "backtest.h"


#define PREDICTOR_PLOT_PANELS  6
#define PREDICTOR_PLOT_DAYS    14


static void predictor_plot_panel(const predictor_backtest_t *b,
    uint32_t series, uint32_t rival, shardd_plot_panel_t *panel,
    shardd_plot_forecast_t *forecast);
static size_t predictor_plot_forecasts(const predictor_tested_t *t,
    uint32_t rival, uint32_t from, shardd_plot_forecast_t *forecast);


int
predictor_backtest_plot(const predictor_backtest_t *b)
{
    char                           err[SHARD_ERR_SIZE];
    uint32_t                       i, n, first;
    uint32_t                       series[PREDICTOR_PLOT_PANELS];
    shardd_plot_panel_t            panel[PREDICTOR_PLOT_PANELS];

    static shardd_plot_forecast_t  forecast[PREDICTOR_PLOT_PANELS]
                                           [PREDICTOR_ORIGINS_MAX];

    for (first = 0; b->rival[first].hidden; first++) { /* void */ }

    n = predictor_backtest_worst(b, first, predictor_backtest_longest(b),
                                 series, PREDICTOR_PLOT_PANELS);

    /* series without the longest band, or without anything to compare with */

    for (i = 0; n == 0 && i < b->ntested; i++) {
        if (b->series[i].trial[first].made) {
            series[n++] = i;
        }
    }

    if (n == 0) {
        fprintf(stderr, "shard-predictor: --plot: %s made no forecast\n",
                b->rival[first].name);
        return 2;
    }

    for (i = 0; i < n; i++) {
        predictor_plot_panel(b, series[i], first, &panel[i], forecast[i]);
    }

    if (shardd_plot_png(b->plot, panel, n, err) != SHARD_OK) {
        fprintf(stderr, "shard-predictor: --plot: %s\n", err);
        return 1;
    }

    return 0;
}


static void
predictor_plot_panel(const predictor_backtest_t *b, uint32_t series,
    uint32_t rival, shardd_plot_panel_t *panel,
    shardd_plot_forecast_t *forecast)
{
    double                     relative;
    uint32_t                   from, shown, tested;
    const predictor_tested_t  *t;

    t = &b->series[series];
    memset(panel, 0, sizeof(shardd_plot_panel_t));

    shown = t->plan.test + t->plan.test / 3;

    if (shown / t->plan.day > PREDICTOR_PLOT_DAYS) {
        shown = PREDICTOR_PLOT_DAYS * t->plan.day;
    }

    from = t->plan.n - shown;
    tested = t->plan.n - t->plan.test;
    tested = tested < from ? from : tested;

    panel->history.at = (long) (t->start + (uint64_t) from
                                * t->plan.interval_s);
    panel->history.step_s = t->plan.interval_s;
    panel->history.n = tested > from ? tested - from + 1 : 0;
    panel->history.v = t->y + from;

    panel->came.at = (long) (t->start + (uint64_t) tested
                             * t->plan.interval_s);
    panel->came.step_s = t->plan.interval_s;
    panel->came.n = t->plan.n - tested;
    panel->came.v = t->y + tested;

    panel->mid_title = "median";
    panel->band_title = "90 % band";
    panel->forecast = forecast;
    panel->nforecasts = predictor_plot_forecasts(t, rival, from, forecast);

    relative = predictor_backtest_relative(b, series, rival,
                                           predictor_backtest_longest(b));

    if (relative > 0) {
        snprintf(panel->title, sizeof(panel->title), "%.80s: %.40s, %.2f "
                 "of naive-day's error", t->name, b->rival[rival].name,
                 relative);

    } else {
        snprintf(panel->title, sizeof(panel->title), "%.80s: %.40s",
                 t->name, b->rival[rival].name);
    }
}


/* the last one is shown in any case, the others as they fit before it */

static size_t
predictor_plot_forecasts(const predictor_tested_t *t, uint32_t rival,
    uint32_t from, shardd_plot_forecast_t *forecast)
{
    size_t                   n;
    uint32_t                 k, next;
    const predictor_made_t  *made;

    n = 0;
    next = t->plan.n;

    for (k = t->plan.norigins; k-- > 0; /* void */ ) {
        made = &t->trial[rival].at[k];

        if (made->out == NULL || t->plan.origin[k] < from
            || t->plan.origin[k] + t->plan.ahead > next)
        {
            continue;
        }

        forecast[n].at = (long) (t->start + (uint64_t) t->plan.origin[k]
                                 * t->plan.interval_s);
        forecast[n].step_s = t->plan.interval_s;
        forecast[n].n = t->plan.ahead;
        forecast[n].stride = PREDICTOR_PROTOCOL_ROW;
        forecast[n].low = made->out + 1;
        forecast[n].mid = made->out + 3;
        forecast[n].high = made->out + 5;

        next = t->plan.origin[k];
        n++;
    }

    return n;
}
