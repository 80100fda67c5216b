
/*
 * The worst node's utilisation over time, a panel for each policy, with the
 * moves that began below it: a picture, or text where "-" is asked for.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_plot.h"
#include "simulate_command.h"


#define PREDICTOR_PLOT_COLUMNS  72
#define PREDICTOR_PLOT_ROWS     9
#define PREDICTOR_PLOT_ROW      0.2         /* of capacity */


static void predictor_plot_script(FILE *out, const char *file,
    const void *data);
static void predictor_plot_values(FILE *out, const predictor_simulate_t *m,
    uint32_t i);
static void predictor_plot_text(const predictor_simulate_t *m, uint32_t i);
static void predictor_plot_moves(const predictor_simulate_t *m, uint32_t i);
static double predictor_plot_bucket(const predictor_simulate_t *m,
    uint32_t i, uint32_t column);


int
predictor_simulate_plot(const predictor_simulate_t *m)
{
    char      err[SHARD_ERR_SIZE];
    uint32_t  i;

    if (strcmp(m->plot, "-") != 0) {

        if (shardd_plot_draw(m->plot, predictor_plot_script, m, err)
            != SHARD_OK)
        {
            fprintf(stderr, "shard-predictor: --plot: %s\n", err);
            return 1;
        }

        return 0;
    }

    for (i = 0; i < m->n; i++) {
        predictor_plot_text(m, i);
    }

    return fflush(stdout) == 0 ? 0 : 1;
}


static void
predictor_plot_script(FILE *out, const char *file, const void *data)
{
    uint32_t                        i;
    const predictor_simulate_t     *m = data;
    const predictor_sim_figures_t  *f;

    shardd_plot_begin(out, file, m->n);

    for (i = 0; i < m->n; i++) {
        f = &m->result[i].world.figures;
        predictor_plot_values(out, m, i);

        fprintf(out, "set xlabel '%s'\n%sset label 1 '%s: %.0f "
                "violation-seconds, %u moves' at graph 0, graph 1 offset "
                "0,0.9 left font ',12'\nset ylabel 'worst node'\n"
                "set yrange [0:*]\n", i + 1 == m->n ? "UTC" : "",
                i == 1 ? "unset key\n" : "",
                predictor_sim_words[m->result[i].policy.kind],
                f->violation_s, f->moves);

        fprintf(out, "plot $worst%u using 1:(1):($2 > 1 ? $2 : 1) with "
                "filledcurves fc rgb '#e8a0a0' title 'above capacity', 1 "
                "with lines lw 1 lc rgb '#909090' notitle, $worst%u using "
                "1:2 with lines lw 1.4 lc rgb '#1f4e79' title 'utilisation'",
                i, i);

        if (f->moves) {
            fprintf(out, ", $moves%u using 1:(0.04) with impulses lw 1 lc rgb "
                    "'#d06000' title 'moves begin'", i);
        }

        fputc('\n', out);
    }

    if (m->n > 1) {
        fprintf(out, "unset multiplot\n");
    }
}


static void
predictor_plot_values(FILE *out, const predictor_simulate_t *m, uint32_t i)
{
    uint32_t                      k;
    const predictor_sim_world_t  *w;

    w = &m->result[i].world;
    fprintf(out, "$worst%u << E\n", i);

    for (k = 0; k < w->part.before - w->part.from; k++) {
        fprintf(out, "%.0f %.4g\n", (double) m->sim.start_s
                + (double) (w->part.from + k) * m->sim.step_s, w->worst[k]);
    }

    fprintf(out, "E\n$moves%u << E\n", i);

    for (k = 0; k < w->nmoves; k++) {

        if (w->moves[k].act == PREDICTOR_SIM_MOVE) {
            fprintf(out, "%.0f\n", (double) m->sim.start_s
                    + (double) w->moves[k].start * m->sim.step_s);
        }
    }

    fprintf(out, "E\n");
}


/* the worst of all steps in a column of the text */

static double
predictor_plot_bucket(const predictor_simulate_t *m, uint32_t i,
    uint32_t column)
{
    double                        worst;
    uint32_t                      k, n, before;
    const predictor_sim_world_t  *w;

    w = &m->result[i].world;
    n = w->part.before - w->part.from;
    before = (column + 1) * n / PREDICTOR_PLOT_COLUMNS;
    worst = 0;

    for (k = column * n / PREDICTOR_PLOT_COLUMNS; k < before; k++) {
        worst = fmax(worst, w->worst[k]);
    }

    return worst;
}


static void
predictor_plot_text(const predictor_simulate_t *m, uint32_t i)
{
    double    low, worst;
    uint32_t  row, column;

    printf("\n%s: worst node, # above capacity\n",
           predictor_sim_words[m->result[i].policy.kind]);

    for (row = PREDICTOR_PLOT_ROWS; row-- > 0; /* void */ ) {
        low = row * PREDICTOR_PLOT_ROW;
        printf("%4.1f |", low);

        for (column = 0; column < PREDICTOR_PLOT_COLUMNS; column++) {
            worst = predictor_plot_bucket(m, i, column);
            putchar(worst <= low ? ' ' : worst > 1 && low >= 0.999 ? '#'
                                                                   : ':');
        }

        putchar('\n');
    }

    predictor_plot_moves(m, i);
}


static void
predictor_plot_moves(const predictor_simulate_t *m, uint32_t i)
{
    uint32_t                      k, n, column;
    uint32_t                      began[PREDICTOR_PLOT_COLUMNS];
    const predictor_sim_world_t  *w;

    w = &m->result[i].world;
    n = w->part.before - w->part.from;
    memset(began, 0, sizeof(began));

    for (k = 0; k < w->nmoves; k++) {
        column = (uint32_t) ((uint64_t) (w->moves[k].start - w->part.from)
                             * PREDICTOR_PLOT_COLUMNS / n);
        began[column] += w->moves[k].act == PREDICTOR_SIM_MOVE;
    }

    printf("moves ");

    for (column = 0; column < PREDICTOR_PLOT_COLUMNS; column++) {
        putchar(began[column] == 0 ? '.' : began[column] > 9
                ? '+' : (int) ('0' + began[column]));
    }

    putchar('\n');
}
