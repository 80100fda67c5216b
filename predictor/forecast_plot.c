
#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_plot.h"
#include "forecast_plot.h"


#define PREDICTOR_PLOT_SPAN  3      /* horizons or days of history shown */


static void predictor_forecast_band(const predictor_forecast_args_t *a,
    uint32_t *low, uint32_t *high);


int
predictor_forecast_plot(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, const char *used, const double *out)
{
    char                     err[SHARD_ERR_SIZE], band[64];
    uint32_t                 low, high, shown;
    shardd_plot_panel_t      panel;
    shardd_plot_forecast_t   forecast;

    memset(&panel, 0, sizeof(shardd_plot_panel_t));
    memset(&forecast, 0, sizeof(shardd_plot_forecast_t));

    shown = a->horizon > a->season[0] ? a->horizon : a->season[0];
    shown = csv->n / PREDICTOR_PLOT_SPAN < shown
            ? csv->n : PREDICTOR_PLOT_SPAN * shown;

    panel.history.at = (long) (csv->start + (uint64_t) (csv->n - shown)
                               * a->interval_s);
    panel.history.step_s = a->interval_s;
    panel.history.n = shown;
    panel.history.v = csv->y + csv->n - shown;

    forecast.at = (long) (csv->start + (uint64_t) csv->n * a->interval_s);
    forecast.step_s = a->interval_s;
    forecast.n = a->horizon;
    forecast.stride = 1 + a->nq;
    forecast.mid = out;

    predictor_forecast_band(a, &low, &high);

    if (a->q[low] < 0.5 || a->q[high] > 0.5) {
        forecast.low = a->q[low] < 0.5 ? out + 1 + low : out;
        forecast.high = a->q[high] > 0.5 ? out + 1 + high : out;
    }

    snprintf(band, sizeof(band), "q%s to q%s",
             forecast.low == out ? "0.5" : a->name[low],
             forecast.high == out ? "0.5" : a->name[high]);

    snprintf(panel.title, sizeof(panel.title), "forecast of %u steps of "
             "%u s, model %s", a->horizon, a->interval_s, used);
    panel.mid_title = "median";
    panel.band_title = band;
    panel.forecast = &forecast;
    panel.nforecasts = 1;

    if (shardd_plot_png(a->plot, &panel, 1, err) != SHARD_OK) {
        fprintf(stderr, "shard-predictor: --plot: %s\n", err);
        return 1;
    }

    return 0;
}


/* the outermost quantiles */

static void
predictor_forecast_band(const predictor_forecast_args_t *a, uint32_t *low,
    uint32_t *high)
{
    uint32_t  i;

    *low = 0;
    *high = 0;

    for (i = 1; i < a->nq; i++) {
        *low = a->q[i] < a->q[*low] ? i : *low;
        *high = a->q[i] > a->q[*high] ? i : *high;
    }
}
