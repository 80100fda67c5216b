
/*
 * History and forecast as a picture: on the terminal in Braille dots (2 x 4
 * per character; "*" where the locale has no UTF-8), or a PNG by gnuplot.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "shardd_plot.h"
#include "shardctl.h"


#define PLOT_WIDTH_MAX  160       /* characters */
#define PLOT_LABEL      10
#define PLOT_HEIGHT     14


/* layers: the forecast is drawn over the band over the history */

typedef enum {
    PLOT_HISTORY = 1,
    PLOT_BAND = 2,
    PLOT_MEAN = 4
} plot_layer_e;

typedef struct {
    int      columns;
    double   max;
    size_t   points;             /* on the time axis */
    uint8_t  dots[PLOT_HEIGHT][PLOT_WIDTH_MAX];
    uint8_t  layer[PLOT_HEIGHT][PLOT_WIDTH_MAX];
} plot_t;


static int
plot_columns(void)
{
    int             n;
    struct winsize  size;

    n = 80;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        n = size.ws_col;
    }

    n -= PLOT_LABEL + 1;

    return (n < 20) ? 20 : (n > PLOT_WIDTH_MAX) ? PLOT_WIDTH_MAX : n;
}


static void
plot_dot(plot_t *p, size_t i, double v, plot_layer_e layer)
{
    int  x, y;

    static const uint8_t  bits[4][2] = {
        { 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 }
    };

    if (!isfinite(v)) {
        return;
    }

    x = (int) (i * (size_t) (2 * p->columns) / p->points);
    y = (int) lround((1 - fmax(fmin(v / p->max, 1), 0))
                     * (PLOT_HEIGHT * 4 - 1));

    p->dots[y / 4][x / 2] |= bits[y % 4][x % 2];
    p->layer[y / 4][x / 2] |= (uint8_t) layer;
}


static double
plot_max(const double *history, size_t n, const shardctl_forecast_t *f)
{
    double    max;
    size_t    i;
    unsigned  q;

    max = 0;

    for (i = 0; i < n; i++) {
        max = fmax(max, history[i]);
    }

    for (i = 0; i < f->n; i++) {
        max = fmax(max, f->mean[i]);

        for (q = 0; q < f->nq; q++) {
            max = fmax(max, f->value[q][i]);
        }
    }

    return (max > 0 && isfinite(max)) ? max : 1;
}


static void
plot_rows(shardctl_t *ctl, const plot_t *p)
{
    int                x, y;
    char               glyph[4], label[24];
    uint8_t            dots, layer;
    shardctl_colour_e  colour;

    for (y = 0; y < PLOT_HEIGHT; y++) {
        label[0] = '\0';

        if (y % 4 == 0 || y == PLOT_HEIGHT - 1) {
            snprintf(label, sizeof(label), "%.*f", p->max < 10 ? 2 : 1,
                     p->max * (1 - (double) y / (PLOT_HEIGHT - 1)));
        }

        printf("%*s ", PLOT_LABEL, label);

        for (x = 0; x < p->columns; x++) {
            dots = p->dots[y][x];
            layer = p->layer[y][x];
            colour = (layer & PLOT_MEAN) ? SHARDCTL_YELLOW
                     : (layer & PLOT_BAND) ? SHARDCTL_DIM : SHARDCTL_GREEN;

            if (dots == 0) {
                printf(" ");
                continue;
            }

            glyph[0] = '*';
            glyph[1] = '\0';

            if (ctl->utf8) {
                glyph[0] = (char) 0xe2;
                glyph[1] = (char) (0xa0 | (dots >> 6));
                glyph[2] = (char) (0x80 | (dots & 0x3f));
                glyph[3] = '\0';
            }

            shardctl_put(ctl, colour, glyph);
        }

        printf("\n");
    }
}


int
shardctl_plot_text(shardctl_t *ctl, const double *history, size_t n,
    const shardctl_forecast_t *f)
{
    int        width;
    char       from[40], at[40], to[40];
    plot_t    *p;
    size_t     i;
    unsigned   q;

    p = calloc(1, sizeof(plot_t));

    if (p == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    p->columns = plot_columns();
    p->max = plot_max(history, n, f);
    p->points = n + f->n;

    for (i = 0; i < n; i++) {
        plot_dot(p, i, history[i], PLOT_HISTORY);
    }

    for (i = 0; i < f->n; i++) {

        for (q = 0; q < f->nq; q++) {
            plot_dot(p, n + i, f->value[q][i], PLOT_BAND);
        }

        plot_dot(p, n + i, f->mean[i], PLOT_MEAN);
    }

    printf("requests/s\n");
    plot_rows(ctl, p);

    shardctl_time((double) (f->at - (long) n * f->step_s), from, sizeof(from));
    shardctl_time((double) f->at, at, sizeof(at));
    shardctl_time((double) (f->at + (long) f->n * f->step_s), to, sizeof(to));

    width = p->columns * (int) n / (int) p->points;

    printf("%*s |%*s| forecast\n", PLOT_LABEL, "", width > 1 ? width - 1 : 0,
           "");
    printf("%*s from %s, forecast from %s to %s\n", PLOT_LABEL, "", from, at,
           to);

    free(p);

    return SHARDCTL_OK;
}


int
shardctl_plot_png(shardctl_t *ctl, const char *file, shard_id_t shard,
    const double *history, size_t n, const shardctl_forecast_t *f)
{
    char                    err[SHARD_ERR_SIZE];
    shardd_plot_panel_t     panel;
    shardd_plot_forecast_t  forecast;

    memset(&panel, 0, sizeof(shardd_plot_panel_t));
    memset(&forecast, 0, sizeof(shardd_plot_forecast_t));

    forecast.at = f->at;
    forecast.step_s = f->step_s;
    forecast.n = f->n;
    forecast.stride = 1;
    forecast.mid = f->mean;
    forecast.low = shardctl_forecast_quantile(f, 0.1);
    forecast.high = shardctl_forecast_quantile(f, 0.9);

    panel.band_title = "forecast, q0.1 to q0.9";

    if (forecast.low == NULL && forecast.high) {
        forecast.low = f->mean;
        panel.band_title = "forecast, mean to q0.9";
    }

    snprintf(panel.title, sizeof(panel.title), "shard %u", shard);
    panel.unit = "requests/s";
    panel.mid_title = "forecast, mean";
    panel.history.at = f->at - (long) n * f->step_s;
    panel.history.step_s = f->step_s;
    panel.history.n = n;
    panel.history.v = history;
    panel.forecast = &forecast;
    panel.nforecasts = 1;

    if (shardd_plot_png(file, &panel, 1, err) != SHARD_OK) {
        return shardctl_fail(ctl, "%s", err);
    }

    if (!ctl->json) {
        printf("%s\n", file);
    }

    return SHARDCTL_OK;
}
