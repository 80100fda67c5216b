
/*
 * History and forecast as a picture: on the terminal in Braille dots (2 x 4
 * per character; "*" where the locale has no UTF-8), or a PNG by gnuplot.
 */


#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

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


/* in single quotes gnuplot knows no escape but the doubled quote */

static void
plot_quoted(FILE *out, const char *text)
{
    fputc('\'', out);

    for ( /* void */ ; *text; text++) {

        if (*text == '\'') {
            fputc('\'', out);
        }

        fputc(*text == '\n' ? ' ' : *text, out);
    }

    fputc('\'', out);
}


static void
plot_script(FILE *out, const char *file, shard_id_t shard,
    const double *history, size_t n, const shardctl_forecast_t *f)
{
    long           t;
    size_t         i;
    const double  *low, *high;

    low = shardctl_forecast_quantile(f, 0.1);
    high = shardctl_forecast_quantile(f, 0.9);

    fprintf(out, "set terminal pngcairo size 1200,500\nset output ");
    plot_quoted(out, file);
    fprintf(out, "\nset xdata time\nset timefmt '%%s'\n"
            "set format x \"%%m-%%d\\n%%H:%%M\"\nset yrange [0:*]\n"
            "set ylabel 'requests/s'\nset xlabel 'UTC'\nset grid\n"
            "set key top left\nset title 'shard %u'\n$history << E\n", shard);

    for (i = 0; i < n; i++) {
        t = f->at - (long) (n - i) * f->step_s;

        if (isfinite(history[i])) {
            fprintf(out, "%ld %.6g\n", t, history[i]);

        } else {
            fprintf(out, "\n");
        }
    }

    fprintf(out, "E\n$forecast << E\n");

    for (i = 0; i < f->n; i++) {
        fprintf(out, "%ld %.6g %.6g %.6g\n", f->at + (long) i * f->step_s,
                f->mean[i], low ? low[i] : f->mean[i],
                high ? high[i] : f->mean[i]);
    }

    fprintf(out, "E\nplot $forecast using 1:3:4 with filledcurves "
            "fc rgb '#ffd9a0' title '%s', "
            "$history using 1:2 with lines lc rgb '#3060a0' title 'history', "
            "$forecast using 1:2 with lines lw 2 lc rgb '#d06000' "
            "title 'forecast, mean'\n",
            low ? "forecast, q0.1 to q0.9" : "forecast, mean to q0.9");
}


int
shardctl_plot_png(shardctl_t *ctl, const char *file, shard_id_t shard,
    const double *history, size_t n, const shardctl_forecast_t *f)
{
    int     fds[2], status;
    FILE   *out;
    pid_t   pid;

    out = fopen(file, "w");

    if (out == NULL) {
        return shardctl_fail(ctl, "cannot write \"%s\": %m", file);
    }

    fclose(out);

    if (pipe(fds) != 0 || (pid = fork()) == -1) {
        return shardctl_fail(ctl, "cannot start gnuplot: %m");
    }

    if (pid == 0) {
        dup2(fds[0], STDIN_FILENO);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execlp("gnuplot", "gnuplot", "-", (char *) NULL);
        _exit(127);
    }

    signal(SIGPIPE, SIG_IGN);
    close(fds[0]);
    out = fdopen(fds[1], "w");

    if (out) {
        plot_script(out, file, shard, history, n, f);
        fclose(out);

    } else {
        close(fds[1]);
    }

    status = -1;

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) { /* void */ }

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {

        if (!ctl->json) {
            printf("%s\n", file);
        }

        return SHARDCTL_OK;
    }

    unlink(file);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        return shardctl_fail(ctl, "cannot run gnuplot: install the package "
                             "gnuplot-nox, or use --plot without a file");
    }

    return shardctl_fail(ctl, "gnuplot could not draw \"%s\"", file);
}
