
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shardd_plot.h"


#define SHARDD_PLOT_WIDTH   1280        /* pixels */
#define SHARDD_PLOT_HEIGHT  520         /* of one panel alone */
#define SHARDD_PLOT_ROW     320         /* of one of several */


static int shardd_plot_start(pid_t *pid, int *fd);
static int shardd_plot_end(pid_t pid, const char *file, char *err);
static void shardd_plot_script(FILE *out, const char *file,
    const void *data);
static void shardd_plot_panel(FILE *out, const shardd_plot_panel_t *panel);
static void shardd_plot_line(FILE *out, const char *name,
    const shardd_plot_line_t *line);
static void shardd_plot_forecasts(FILE *out,
    const shardd_plot_panel_t *panel);
static double shardd_plot_least(const shardd_plot_panel_t *panel);


/* what shardd_plot_png() hands to its script */

typedef struct {
    const shardd_plot_panel_t  *panel;
    size_t                      n;
} shardd_plot_panels_t;


int
shardd_plot_png(const char *file, const shardd_plot_panel_t *panel, size_t n,
    char *err)
{
    shardd_plot_panels_t  panels;

    panels.panel = panel;
    panels.n = n;

    return shardd_plot_draw(file, shardd_plot_script, &panels, err);
}


int
shardd_plot_draw(const char *file, shardd_plot_script_pt script,
    const void *data, char *err)
{
    int                fd, rc;
    FILE              *out;
    pid_t              pid;
    struct sigaction   ignore, before;

    out = fopen(file, "w");

    if (out == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "cannot write \"%s\": %s", file,
                 strerror(errno));
        return SHARD_ERROR;
    }

    fclose(out);

    if (shardd_plot_start(&pid, &fd) != SHARD_OK) {
        snprintf(err, SHARD_ERR_SIZE, "cannot start gnuplot: %s",
                 strerror(errno));
        unlink(file);
        return SHARD_ERROR;
    }

    /* gnuplot may be gone before it has read all */

    memset(&ignore, 0, sizeof(struct sigaction));
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, &before);

    out = fdopen(fd, "w");

    if (out) {
        script(out, file, data);
        fclose(out);

    } else {
        close(fd);
    }

    rc = shardd_plot_end(pid, file, err);
    sigaction(SIGPIPE, &before, NULL);

    return rc;
}


static int
shardd_plot_start(pid_t *pid, int *fd)
{
    int  fds[2];

    if (pipe(fds) != 0) {
        return SHARD_ERROR;
    }

    *pid = fork();

    if (*pid == -1) {
        close(fds[0]);
        close(fds[1]);
        return SHARD_ERROR;
    }

    if (*pid == 0) {
        dup2(fds[0], STDIN_FILENO);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execlp("gnuplot", "gnuplot", "-", (char *) NULL);
        _exit(127);
    }

    close(fds[0]);
    *fd = fds[1];

    return SHARD_OK;
}


static int
shardd_plot_end(pid_t pid, const char *file, char *err)
{
    int  status;

    status = -1;

    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) { /* void */ }

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return SHARD_OK;
    }

    unlink(file);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        snprintf(err, SHARD_ERR_SIZE, "cannot run gnuplot: install the "
                 "package gnuplot-nox");

    } else {
        snprintf(err, SHARD_ERR_SIZE, "gnuplot could not draw \"%s\"", file);
    }

    return SHARD_ERROR;
}


void
shardd_plot_begin(FILE *out, const char *file, size_t n)
{
    fprintf(out, "set terminal pngcairo noenhanced size %d,%zu "
            "font 'sans,11' background rgb 'white'\nset output ", SHARDD_PLOT_WIDTH,
            n == 1 ? (size_t) SHARDD_PLOT_HEIGHT : n * SHARDD_PLOT_ROW);
    shardd_plot_quoted(out, file);

    fprintf(out, "\nset xdata time\nset timefmt '%%s'\n"
            "set format x \"%%d %%b\\n%%H:%%M\"\n"
            "set border 3 lc rgb '#808080'\n"
            "set tics nomirror out textcolor rgb '#404040'\n"
            "set grid lc rgb '#e4e4e4' lt 1\nset format y '%%.10g'\n"
            "set key at graph 1, graph 1 right bottom horizontal samplen 2 "
            "width 1\nset lmargin 12\nset rmargin 3\nset tmargin 3\n"
            "set autoscale xfix\n");

    if (n > 1) {
        fprintf(out, "set multiplot layout %zu,1\n", n);
    }
}


static void
shardd_plot_script(FILE *out, const char *file, const void *data)
{
    size_t                       i, n;
    const shardd_plot_panel_t   *panel;
    const shardd_plot_panels_t  *panels = data;

    panel = panels->panel;
    n = panels->n;

    shardd_plot_begin(out, file, n);

    for (i = 0; i < n; i++) {
        fprintf(out, "set xlabel '%s'\n%s", i + 1 == n ? "UTC" : "",
                i == 1 ? "unset key\n" : "");
        shardd_plot_panel(out, &panel[i]);
    }

    if (n > 1) {
        fprintf(out, "unset multiplot\n");
    }
}


static void
shardd_plot_panel(FILE *out, const shardd_plot_panel_t *panel)
{
    int     band;
    size_t  i;

    band = panel->nforecasts && panel->forecast[0].low
           && panel->forecast[0].high;

    fprintf(out, "set label 1 ");
    shardd_plot_quoted(out, panel->title);
    fprintf(out, " at graph 0, graph 1 offset 0,0.9 left font ',12'\n"
            "set ylabel ");
    shardd_plot_quoted(out, panel->unit ? panel->unit : "");
    fprintf(out, "\nset yrange [%s:*]\nunset arrow\n",
            shardd_plot_least(panel) < 0 ? "*" : "0");

    for (i = 0; i < panel->nforecasts; i++) {
        fprintf(out, "set arrow from '%ld', graph 0 to '%ld', graph 1 nohead "
                "dt 3 lc rgb '#909090'\n",
                panel->forecast[i].at - panel->forecast[i].step_s,
                panel->forecast[i].at - panel->forecast[i].step_s);
    }

    shardd_plot_line(out, "$history", &panel->history);
    shardd_plot_line(out, "$came", &panel->came);
    shardd_plot_forecasts(out, panel);

    fprintf(out, "plot ");

    if (band) {
        fprintf(out, "$forecast using 1:3:4 with filledcurves fc rgb "
                "'#fbd9a8' title ");
        shardd_plot_quoted(out, panel->band_title);
        fprintf(out, ", ");
    }

    if (panel->history.n) {
        fprintf(out, "$history using 1:2 with lines lw 1.2 lc rgb '#8aa4c0' "
                "title 'history', ");
    }

    if (panel->came.n) {
        fprintf(out, "$came using 1:2 with lines lw 1.4 lc rgb '#1f4e79' "
                "title 'came', ");
    }

    fprintf(out, "$forecast using 1:2 with lines lw 2 lc rgb '#d06000' "
            "title ");
    shardd_plot_quoted(out, panel->mid_title);
    fprintf(out, "\n");
}


/* the undrawn first value keeps a block of gaps only from being an error */

static void
shardd_plot_line(FILE *out, const char *name, const shardd_plot_line_t *line)
{
    size_t  i;

    fprintf(out, "%s << E\n", name);

    for (i = 0; i < line->n; i++) {
        if (isfinite(line->v[i])) {
            fprintf(out, "%ld %.6g\n", line->at + (long) i * line->step_s,
                    line->v[i]);

        } else {
            fprintf(out, i ? "\n" : "%ld NaN\n\n", line->at);
        }
    }

    fprintf(out, "E\n");
}


static void
shardd_plot_forecasts(FILE *out, const shardd_plot_panel_t *panel)
{
    size_t                         i, k;
    const shardd_plot_forecast_t  *f;

    fprintf(out, "$forecast << E\n");

    for (i = 0; i < panel->nforecasts; i++) {
        f = &panel->forecast[i];

        for (k = 0; k < f->n; k++) {
            fprintf(out, "%ld %.6g %.6g %.6g\n",
                    f->at + (long) k * f->step_s, f->mid[k * f->stride],
                    f->low ? f->low[k * f->stride] : f->mid[k * f->stride],
                    f->high ? f->high[k * f->stride] : f->mid[k * f->stride]);
        }

        fprintf(out, "\n");
    }

    fprintf(out, "E\n");
}


static double
shardd_plot_least(const shardd_plot_panel_t *panel)
{
    double                         least;
    size_t                         i, k;
    const shardd_plot_forecast_t  *f;

    least = 0;

    for (i = 0; i < panel->history.n; i++) {
        least = fmin(least, panel->history.v[i]);
    }

    for (i = 0; i < panel->came.n; i++) {
        least = fmin(least, panel->came.v[i]);
    }

    for (i = 0; i < panel->nforecasts; i++) {
        f = &panel->forecast[i];

        for (k = 0; k < f->n; k++) {
            least = fmin(least, f->low ? f->low[k * f->stride]
                                       : f->mid[k * f->stride]);
        }
    }

    return least;
}


/* in single quotes gnuplot knows no escape but the doubled quote */

void
shardd_plot_quoted(FILE *out, const char *text)
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
