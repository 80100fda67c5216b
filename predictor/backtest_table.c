
/*
 * The figures for people.  One table a band, the best model first; below
 * them in words what loses, and on which series the first model is worst.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backtest.h"


#define PREDICTOR_TABLE_WORST  5


static void predictor_table_head(const predictor_backtest_t *b);
static void predictor_table_band(const predictor_backtest_t *b,
    predictor_band_e band);
static void predictor_table_line(const predictor_backtest_t *b,
    const predictor_line_t *line);
static void predictor_table_losers(const predictor_backtest_t *b);
static void predictor_table_worst(const predictor_backtest_t *b);
static void predictor_table_unmade(const predictor_backtest_t *b);


int
predictor_backtest_table(const predictor_backtest_t *b)
{
    uint32_t  band;

    predictor_table_head(b);

    for (band = 0; band < PREDICTOR_BANDS; band++) {
        predictor_table_band(b, (predictor_band_e) band);
    }

    predictor_table_losers(b);
    predictor_table_worst(b);
    predictor_table_unmade(b);

    if (fflush(stdout) != 0) {
        fputs("shard-predictor: writing failed\n", stderr);
        return 1;
    }

    return 0;
}


static void
predictor_table_head(const predictor_backtest_t *b)
{
    uint32_t                     i, origins;
    const predictor_tested_t    *t;
    const predictor_protocol_t  *p;

    origins = 0;

    for (i = 0; i < b->ntested; i++) {
        origins += b->series[i].plan.norigins;
    }

    if (b->ntested == 1) {
        t = &b->series[0];
        p = &t->plan;

        printf("%s: %u values at %u s, %u gaps; season %u", t->name, p->n,
               p->interval_s, p->n - t->known, p->day);

        if (p->week) {
            printf(" and %u", p->week);
        }

        printf(" steps\nforecasts of %u steps from up to %u steps of "
               "history\n", p->ahead, p->window);
    }

    printf("%u origins of %u series in %.1f s on %u thread%s; relMAE: error "
           "relative to naive-day\n", origins, b->ntested, b->seconds,
           b->threads, b->threads == 1 ? "" : "s");
}


static void
predictor_table_band(const predictor_backtest_t *b, predictor_band_e band)
{
    uint32_t          i, n;
    predictor_line_t  line[PREDICTOR_BACKTEST_MODELS];

    n = predictor_backtest_lines(b, band, line);

    if (n == 0) {
        return;
    }

    printf("\n%-16s series relMAE   MASE  sMAPE   WAPE   PB50   PB90   PB95  "
           "COV90     fit  f'cast  worst\n", predictor_band_titles[band]);

    for (i = 0; i < n; i++) {
        predictor_table_line(b, &line[i]);
    }
}


static void
predictor_table_line(const predictor_backtest_t *b,
    const predictor_line_t *line)
{
    double                    fit, forecast;
    const predictor_score_t  *m;

    m = &line->mean;
    predictor_backtest_cost(b, line->rival, &fit, &forecast);

    printf("%-16s %6u %6.3f %6.3f %6.2f %6.2f %6.3f %6.3f %6.3f  %5.3f",
           b->rival[line->rival].name, line->series, line->relative, m->mase,
           m->smape, m->wape, m->pinball[0], m->pinball[1], m->pinball[2],
           m->coverage);

    printf(" %6.*f s %6.2f ms", fit < 0.1 ? 4 : 2, fit, forecast * 1e3);

    printf("  %.2f %s\n", line->worst, b->series[line->worst_series].name);
}


/* a model is not dressed up: what is worse than the naive method is named */

static void
predictor_table_losers(const predictor_backtest_t *b)
{
    uint32_t          i, n, band, said;
    predictor_line_t  line[PREDICTOR_BACKTEST_MODELS];

    putchar('\n');

    for (band = 0; band < PREDICTOR_BANDS; band++) {
        n = predictor_backtest_lines(b, (predictor_band_e) band, line);
        said = 0;

        for (i = 0; i < n; i++) {
            if (line[i].relative > 1 && line[i].rival != b->base) {
                printf(said ? ", %s (%.3f)"
                            : "loses to naive-day at %3$s: %1$s (%2$.3f)",
                       b->rival[line[i].rival].name, line[i].relative,
                       predictor_band_titles[band]);
                said = 1;
            }
        }

        if (said) {
            putchar('\n');
        }
    }
}


static void
predictor_table_worst(const predictor_backtest_t *b)
{
    uint32_t          i, n, first, series[PREDICTOR_TABLE_WORST];
    predictor_band_e  band;

    if (b->ntested == 1) {
        return;
    }

    for (first = 0; b->rival[first].hidden; first++) { /* void */ }

    band = predictor_backtest_longest(b);
    n = predictor_backtest_worst(b, first, band, series,
                                 PREDICTOR_TABLE_WORST);

    for (i = 0; i < n; i++) {
        printf(i ? ", %s %.3f" : "%3$s is worst at %4$s on: %1$s %2$.3f",
               b->series[series[i]].name,
               predictor_backtest_relative(b, series[i], first, band),
               b->rival[first].name, predictor_band_titles[band]);
    }

    if (n) {
        putchar('\n');
    }
}


static void
predictor_table_unmade(const predictor_backtest_t *b)
{
    uint32_t  i, k, unmade;

    for (i = 0; i < b->nrivals; i++) {
        unmade = 0;

        for (k = 0; k < b->ntested && !b->rival[i].hidden; k++) {
            unmade += b->series[k].trial[i].made
                      < b->series[k].plan.norigins;
        }

        if (unmade) {
            printf("%s is not scored on %u series: %s\n", b->rival[i].name,
                   unmade, b->rival[i].rows
                   ? "its rows lack origins of them"
                   : "too little history for it at some origin");
        }
    }
}
