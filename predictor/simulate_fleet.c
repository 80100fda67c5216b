
/* The load that policies are tried on: from a file, or made up. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "series_csv.h"
#include "simulate.h"


#define PREDICTOR_SIM_WORST  0.999      /* quantile of the peak */


static int predictor_sim_csv(predictor_sim_t *s, const char *path);
static int predictor_sim_turn(predictor_sim_t *s, const predictor_csv_t *csv);
static int predictor_sim_span(predictor_sim_t *s);
static int predictor_sim_double_cmp(const void *a, const void *b);


int
predictor_sim_load(predictor_sim_t *s, const char *fleet)
{
    int    rc;
    char  *path;

    if (fleet || s->conf.fleet) {
        path = fleet ? strdup(fleet)
                     : predictor_scenario_file(&s->conf, s->conf.fleet);
        rc = path ? predictor_sim_csv(s, path) : 1;
        free(path);

    } else {
        rc = predictor_sim_make(s);
    }

    if (rc == 0 && s->conf.tile) {
        rc = predictor_sim_tile(s);
    }

    if (rc == 0) {
        rc = predictor_sim_span(s);
    }

    if (rc == 0) {
        rc = predictor_sim_items(s);
    }

    if (rc == 0) {
        predictor_sim_happen(s);
    }

    return rc;
}


void
predictor_sim_free(predictor_sim_t *s)
{
    uint32_t  i;

    for (i = 0; i < s->nevents; i++) {
        free(s->events[i].touches);
    }

    free(s->name);
    free(s->load);
    free(s->mean);
    free(s->bytes);
    free(s->nodes);
    free(s->failures);
    free(s->events);
}


static int
predictor_sim_csv(predictor_sim_t *s, const char *path)
{
    int               rc;
    char              err[SHARD_ERR_SIZE];
    FILE             *in;
    predictor_csv_t   csv;

    in = fopen(path, "r");

    if (in == NULL) {
        fprintf(stderr, "shard-predictor: fleet %s: %s\n", path,
                strerror(errno));
        return 2;
    }

    rc = predictor_csv_read(in, 0, PREDICTOR_CSV_COLUMNS_MAX, &csv, err);
    fclose(in);

    if (rc != SHARD_OK) {
        fprintf(stderr, "shard-predictor: fleet %s: %s\n", path, err);
        return rc == SHARD_AGAIN ? 1 : 2;
    }

    if (csv.n < 2 || csv.interval_s == 0) {
        fprintf(stderr, "shard-predictor: fleet %s: lines "
                "\"epoch,load,load,...\" of more than one step are "
                "expected\n", path);
        rc = 2;

    } else {
        rc = predictor_sim_turn(s, &csv);
    }

    predictor_csv_free(&csv);

    return rc;
}


/* series after series into step after step, as the world reads them */

static int
predictor_sim_turn(predictor_sim_t *s, const predictor_csv_t *csv)
{
    uint32_t  i, t;

    s->ncols = csv->columns;
    s->nsteps = csv->n;
    s->step_s = csv->interval_s;
    s->start_s = csv->start;

    s->load = malloc((size_t) s->nsteps * s->ncols * sizeof(double));
    s->name = calloc(s->ncols, SHARD_NAME_SIZE);

    if (s->load == NULL || s->name == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    for (i = 0; i < s->ncols; i++) {
        snprintf(s->name[i], SHARD_NAME_SIZE, "%s", csv->name[i]);

        if (s->name[i][0] == '\0') {
            snprintf(s->name[i], SHARD_NAME_SIZE, "s%u", i);
        }

        for (t = 0; t < s->nsteps; t++) {
            s->load[(size_t) t * s->ncols + i] =
                                         csv->y[(size_t) i * csv->n + t];
        }
    }

    return 0;
}


static int
predictor_sim_span(predictor_sim_t *s)
{
    long  history;

    /* a snapshot's history is left out */

    if (s->mean) {
        s->first = 0;
        return 0;
    }

    history = predictor_sim_steps(s, (double) s->conf.history_ms);

    if (history >= (long) s->nsteps) {
        fprintf(stderr, "shard-predictor: %s: \"history\" is %ld steps of "
                "%u s, and the fleet has %u: nothing is left to be judged\n",
                s->conf.path, history, s->step_s, s->nsteps);
        return 2;
    }

    s->first = (uint32_t) history;

    return 0;
}


static int
predictor_sim_double_cmp(const void *a, const void *b)
{
    double  x, y;

    x = *(const double *) a;
    y = *(const double *) b;

    return (x > y) - (x < y);
}


double
predictor_sim_capacity(const predictor_sim_t *s, uint32_t from,
    uint32_t before, uint32_t nodes, double peak)
{
    double    *total, at, part, worst;
    uint32_t   i, t, n;

    n = before - from;
    total = calloc(n, sizeof(double));

    if (total == NULL || n == 0) {
        free(total);
        return 0;
    }

    for (t = 0; t < n; t++) {
        total[t] = predictor_sim_total(s, from + t);
    }

    qsort(total, n, sizeof(double), predictor_sim_double_cmp);

    /* between two values, as numpy does */

    at = PREDICTOR_SIM_WORST * (n - 1);
    i = (uint32_t) at;
    part = at - i;
    worst = i + 1 < n ? total[i] + part * (total[i + 1] - total[i])
                      : total[n - 1];
    free(total);

    return worst / (nodes * peak);
}


void
predictor_sim_judged(const predictor_sim_t *s, predictor_sim_part_t *part)
{
    part->from = s->first;
    part->before = s->nsteps;
    part->scale = 1;
}


/*
 * Nodes that are as large as the judged part needs would idle in a history
 * with less load, and nothing could be learnt: they are as full as there.
 */

int
predictor_sim_tuned(const predictor_sim_t *s, predictor_sim_part_t *part)
{
    double    judged, tuned;
    uint32_t  steps;

    steps = (uint32_t) predictor_sim_steps(s, (double) s->conf.tune_ms);
    steps = steps < s->first / 2 ? steps : s->first / 2;

    part->from = s->first - steps;
    part->before = s->first;
    part->scale = 1;

    if (steps == 0) {
        return 0;
    }

    if (s->conf.capacity == 0 && s->conf.nodes == NULL) {
        judged = predictor_sim_capacity(s, s->first, s->nsteps, 1, 1);
        tuned = predictor_sim_capacity(s, part->from, part->before, 1, 1);
        part->scale = judged > 0 && tuned > 0 ? tuned / judged : 1;
    }

    return 1;
}
