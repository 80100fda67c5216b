
/*
 * Forecasts as rows, one step each, in the format that the benchmark of the
 * field's methods has:
 *
 *     series,origin,seconds,h,mean,q0.05,q0.1,q0.5,q0.9,q0.95
 *
 * "origin" counts steps from the start of the series, "seconds" is what the
 * whole forecast took.  Written for others to score, and read to score what
 * others have forecast at the same origins.
 */


#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backtest.h"


#define PREDICTOR_ROWS_LINE  512


typedef struct {
    char         series[PREDICTOR_BACKTEST_NAME];
    uint32_t     origin;
    uint32_t     h;
    double       seconds;
    double       v[PREDICTOR_PROTOCOL_ROW];
} predictor_row_t;

typedef struct {
    predictor_backtest_t  *b;
    uint32_t               rival;
    uint32_t               last;        /* series of the row before */
    uint32_t               taken;       /* rows that were of use */
    uint8_t               *keep;        /* (series, origin) of "only" */
} predictor_rows_t;

typedef int (*predictor_rows_pt)(predictor_rows_t *rows,
    const predictor_row_t *row);


static int predictor_rows_write(const predictor_backtest_t *b,
    const char *path, uint32_t rival);
static void predictor_rows_print(FILE *out, const predictor_tested_t *t,
    uint32_t rival);
static int predictor_rows_read(const char *path, predictor_rows_pt each,
    predictor_rows_t *rows);
static const char *predictor_rows_parse(char *line, predictor_row_t *row,
    const char **at);
static predictor_tested_t *predictor_rows_find(predictor_rows_t *rows,
    const predictor_row_t *row, uint32_t *origin);
static int predictor_rows_only(predictor_rows_t *rows,
    const predictor_row_t *row);
static int predictor_rows_also(predictor_rows_t *rows,
    const predictor_row_t *row);
static void predictor_rows_keep(predictor_backtest_t *b, const uint8_t *keep);
static void predictor_rows_whole(predictor_backtest_t *b, uint32_t rival);


static const char  predictor_rows_head[] =
    "series,origin,seconds,h,mean,q0.05,q0.1,q0.5,q0.9,q0.95";


/* a folder of NAME.csv, or the first model's rows alone */

int
predictor_backtest_rows(const predictor_backtest_t *b)
{
    int       rc;
    char      path[4096];
    size_t    len;
    uint32_t  i;

    len = strlen(b->csv);

    if (len > 4 && strcmp(b->csv + len - 4, ".csv") == 0) {
        for (i = 0; b->rival[i].hidden; i++) { /* void */ }

        return predictor_rows_write(b, b->csv, i);
    }

    if (mkdir(b->csv, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "shard-predictor: --csv: cannot make the folder %s: "
                "%s\n", b->csv, strerror(errno));
        return 1;
    }

    rc = 0;

    for (i = 0; i < b->nrivals && rc == 0; i++) {
        if (b->rival[i].hidden || b->rival[i].rows) {
            continue;
        }

        if ((size_t) snprintf(path, sizeof(path), "%s/%s.csv", b->csv,
                              b->rival[i].name) >= sizeof(path))
        {
            fputs("shard-predictor: --csv: the path is too long\n", stderr);
            return 1;
        }

        rc = predictor_rows_write(b, path, i);
    }

    return rc;
}


static int
predictor_rows_write(const predictor_backtest_t *b, const char *path,
    uint32_t rival)
{
    int       bad;
    FILE     *out;
    uint32_t  i;

    out = fopen(path, "w");

    if (out == NULL) {
        fprintf(stderr, "shard-predictor: --csv: cannot write %s: %s\n",
                path, strerror(errno));
        return 1;
    }

    fprintf(out, "%s\n", predictor_rows_head);

    for (i = 0; i < b->ntested; i++) {
        predictor_rows_print(out, &b->series[i], rival);
    }

    bad = ferror(out);

    if (fclose(out) != 0 || bad) {
        fprintf(stderr, "shard-predictor: --csv: writing %s failed: %s\n",
                path, strerror(errno));
        return 1;
    }

    return 0;
}


static void
predictor_rows_print(FILE *out, const predictor_tested_t *t, uint32_t rival)
{
    uint32_t                 i, k, h;
    const double            *v;
    const predictor_made_t  *made;

    for (k = 0; k < t->plan.norigins; k++) {
        made = &t->trial[rival].at[k];
        v = made->out;

        for (h = 1; v && h <= t->plan.ahead; h++) {
            fprintf(out, "%s,%u,%.4f,%u", t->name, t->plan.origin[k],
                    made->fit_s + made->forecast_s, h);

            for (i = 0; i < PREDICTOR_PROTOCOL_ROW; i++) {
                fprintf(out, ",%.9g", *v++);
            }

            fputc('\n', out);
        }
    }
}


/* leaves the origins only that these rows have, before anything is run */

int
predictor_backtest_only(predictor_backtest_t *b)
{
    int               rc;
    predictor_rows_t  rows;

    memset(&rows, 0, sizeof(predictor_rows_t));

    rows.b = b;
    rows.keep = calloc(b->nseries, PREDICTOR_ORIGINS_MAX);

    if (rows.keep == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    rc = predictor_rows_read(b->only, predictor_rows_only, &rows);

    if (rc == 0) {
        predictor_rows_keep(b, rows.keep);
    }

    free(rows.keep);

    return rc;
}


/* series without any origin go behind the others */

static void
predictor_rows_keep(predictor_backtest_t *b, const uint8_t *keep)
{
    uint32_t               i, k, n, left;
    predictor_tested_t     t;

    left = 0;

    for (i = 0; i < b->nseries; i++) {
        n = 0;

        for (k = 0; k < b->series[i].plan.norigins; k++) {
            if (keep[(size_t) i * PREDICTOR_ORIGINS_MAX + k]) {
                b->series[i].plan.origin[n++] = b->series[i].plan.origin[k];
            }
        }

        if (n == 0) {
            continue;
        }

        b->series[i].plan.norigins = n;

        t = b->series[left];
        b->series[left++] = b->series[i];
        b->series[i] = t;
    }

    b->ntested = left;
}


int
predictor_backtest_also(predictor_backtest_t *b)
{
    int               rc;
    uint32_t          i;
    predictor_rows_t  rows;

    for (i = 0; i < b->nrivals; i++) {
        if (!b->rival[i].rows) {
            continue;
        }

        memset(&rows, 0, sizeof(predictor_rows_t));

        rows.b = b;
        rows.rival = i;

        rc = predictor_rows_read(b->also[b->rival[i].rows - 1],
                                 predictor_rows_also, &rows);
        if (rc != 0) {
            return rc;
        }

        predictor_rows_whole(b, i);
    }

    return 0;
}


static int
predictor_rows_read(const char *path, predictor_rows_pt each,
    predictor_rows_t *rows)
{
    int               rc;
    char              line[PREDICTOR_ROWS_LINE];
    FILE             *in;
    uint32_t          number;
    const char       *at, *why;
    predictor_row_t   row;

    in = fopen(path, "r");

    if (in == NULL) {
        fprintf(stderr, "shard-predictor: %s: %s\n", path, strerror(errno));
        return 2;
    }

    rc = 0;
    number = 0;

    while (rc == 0 && fgets(line, sizeof(line), in)) {
        line[strcspn(line, "\r\n")] = '\0';
        at = line;

        why = number++ ? predictor_rows_parse(line, &row, &at)
              : strcmp(line, predictor_rows_head) == 0 ? NULL
              : "the first line is not that of forecasts as --csv writes them";

        if (why) {
            fprintf(stderr, "shard-predictor: %s: line %u, column %d: %s\n",
                    path, number, (int) (at - line) + 1, why);
            rc = 2;

        } else if (number > 1 && each(rows, &row) != SHARD_OK) {
            fputs("shard-predictor: out of memory\n", stderr);
            rc = 1;
        }
    }

    if (rc == 0 && rows->taken == 0) {
        fprintf(stderr, "shard-predictor: %s: no row is of the series and "
                "origins tested here\n", path);
        rc = 2;
    }

    fclose(in);

    return rc;
}


static const char *
predictor_rows_parse(char *line, predictor_row_t *row, const char **at)
{
    char      *end, *p;
    double     v[3 + PREDICTOR_PROTOCOL_ROW];
    size_t     len;
    uint32_t   i;

    len = strcspn(line, ",");

    if (len == 0 || len >= PREDICTOR_BACKTEST_NAME || line[len] == '\0') {
        return "a series' name and a comma are expected";
    }

    memcpy(row->series, line, len);
    row->series[len] = '\0';
    p = line + len;

    for (i = 0; i < 3 + PREDICTOR_PROTOCOL_ROW; i++) {
        *at = p;

        if (*p != ',') {
            return "a comma is expected";
        }

        *at = ++p;
        v[i] = strtod(p, &end);

        if (end == p || !isfinite(v[i])) {
            return "a number is expected";
        }

        p = end;
    }

    *at = p;

    if (*p != '\0') {
        return "more than ten fields";
    }

    *at = line + len + 1;

    if (!(v[0] >= 0 && v[0] <= PREDICTOR_SERIES_MAX)
        || !(v[2] >= 1 && v[2] <= PREDICTOR_HORIZON_MAX))
    {
        return "the origin or the step ahead is out of range";
    }

    row->origin = (uint32_t) v[0];
    row->seconds = v[1];
    row->h = (uint32_t) v[2];
    memcpy(row->v, &v[3], sizeof(row->v));

    return NULL;
}


/* rows come sorted by series: the last one found is tried first */

static predictor_tested_t *
predictor_rows_find(predictor_rows_t *rows, const predictor_row_t *row,
    uint32_t *origin)
{
    uint32_t             i, k, n;
    predictor_tested_t  *t;

    n = rows->b->ntested;

    for (i = 0; i < n; i++) {
        t = &rows->b->series[(rows->last + i) % n];

        if (strcmp(t->name, row->series) == 0) {
            rows->last = (rows->last + i) % n;

            for (k = 0; k < t->plan.norigins; k++) {
                if (t->plan.origin[k] == row->origin) {
                    *origin = k;
                    rows->taken++;

                    return t;
                }
            }
        }
    }

    return NULL;
}


static int
predictor_rows_only(predictor_rows_t *rows, const predictor_row_t *row)
{
    uint32_t             k;
    predictor_tested_t  *t;

    t = predictor_rows_find(rows, row, &k);

    if (t) {
        rows->keep[(size_t) rows->last * PREDICTOR_ORIGINS_MAX + k] = 1;
    }

    return SHARD_OK;
}


static int
predictor_rows_also(predictor_rows_t *rows, const predictor_row_t *row)
{
    size_t               i, n;
    uint32_t             k;
    predictor_made_t    *made;
    predictor_tested_t  *t;

    t = predictor_rows_find(rows, row, &k);

    if (t == NULL || row->h > t->plan.ahead) {
        return SHARD_OK;
    }

    made = &t->trial[rows->rival].at[k];
    n = (size_t) t->plan.ahead * PREDICTOR_PROTOCOL_ROW;

    if (made->out == NULL) {
        made->out = malloc(n * sizeof(double));

        if (made->out == NULL) {
            return SHARD_ERROR;
        }

        for (i = 0; i < n; i++) {
            made->out[i] = NAN;
        }
    }

    memcpy(made->out + (size_t) (row->h - 1) * PREDICTOR_PROTOCOL_ROW,
           row->v, sizeof(row->v));
    made->fit_s = row->seconds;

    return SHARD_OK;
}


/* a forecast that lacks steps is none */

static void
predictor_rows_whole(predictor_backtest_t *b, uint32_t rival)
{
    uint32_t             i, k, h;
    predictor_made_t    *made;
    predictor_tested_t  *t;

    for (i = 0; i < b->ntested; i++) {
        t = &b->series[i];

        for (k = 0; k < t->plan.norigins; k++) {
            made = &t->trial[rival].at[k];

            for (h = 0; made->out && h < t->plan.ahead; h++) {
                if (isnan(made->out[(size_t) h * PREDICTOR_PROTOCOL_ROW])) {
                    free(made->out);
                    made->out = NULL;
                }
            }
        }
    }
}
