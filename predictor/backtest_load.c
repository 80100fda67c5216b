
/* the files of a backtest, and rows that other tools have made for it */


#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backtest.h"
#include "series_csv.h"


static int predictor_load_file(predictor_backtest_t *b, const char *path);
static int predictor_load_csv(predictor_backtest_t *b, const char *path,
    const predictor_csv_t *csv);
static int predictor_load_series(predictor_backtest_t *b, const char *path,
    const predictor_csv_t *csv, uint32_t column);
static int predictor_load_trials(predictor_backtest_t *b,
    predictor_tested_t *t);
static int predictor_load_twice(const predictor_backtest_t *b);
static int predictor_load_order(const void *one, const void *two);
static void predictor_load_name(const char *path, const char *column,
    uint32_t number, char *name);
static void predictor_load_free(const predictor_backtest_t *b,
    predictor_tested_t *t);


int
predictor_backtest_load(predictor_backtest_t *b)
{
    int       rc;
    uint32_t  i;

    for (i = 0; i < b->nfiles; i++) {
        rc = predictor_load_file(b, b->file[i]);

        if (rc == SHARD_AGAIN) {
            return 1;
        }

        b->left_out += rc != SHARD_OK;
    }

    if (b->nseries == 0) {
        fprintf(stderr, "shard-predictor: none of %u file%s is a series that "
                "can be tested\n", b->nfiles, b->nfiles == 1 ? "" : "s");
        return 2;
    }

    b->ntested = b->nseries;

    return predictor_load_twice(b);
}


static int
predictor_load_file(predictor_backtest_t *b, const char *path)
{
    int               rc;
    char              err[SHARD_ERR_SIZE];
    FILE             *in;
    predictor_csv_t   csv;

    in = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");

    if (in == NULL) {
        fprintf(stderr, "shard-predictor: %s: %s\n", path, strerror(errno));
        return SHARD_ERROR;
    }

    rc = predictor_csv_read(in, b->interval_s, PREDICTOR_CSV_COLUMNS_MAX,
                            &csv, err);
    if (in != stdin) {
        fclose(in);
    }

    if (rc != SHARD_OK) {
        fprintf(stderr, "shard-predictor: %s: %s\n", path, err);
        return SHARD_ERROR;
    }

    rc = predictor_load_csv(b, path, &csv);
    predictor_csv_free(&csv);

    return rc;
}


static int
predictor_load_csv(predictor_backtest_t *b, const char *path,
    const predictor_csv_t *csv)
{
    int                    rc;
    char                   err[SHARD_ERR_SIZE];
    uint32_t               i;
    predictor_protocol_t   plan;

    if (csv->n < 2) {
        fprintf(stderr, "shard-predictor: %s: too little history: %u step%s\n",
                path, csv->n, csv->n == 1 ? "" : "s");
        return SHARD_ERROR;
    }

    if (predictor_protocol_plan(&plan, csv->interval_s, csv->n, &b->wish, err)
        != SHARD_OK)
    {
        fprintf(stderr, "shard-predictor: %s: %s\n", path, err);
        return SHARD_ERROR;
    }

    rc = SHARD_ERROR;

    for (i = 0; i < csv->columns; i++) {
        switch (predictor_load_series(b, path, csv, i)) {

        case SHARD_OK:
            b->series[b->nseries - 1].plan = plan;

            if (predictor_load_trials(b, &b->series[b->nseries - 1])
                != SHARD_OK)
            {
                return SHARD_AGAIN;
            }

            rc = SHARD_OK;
            break;

        case SHARD_AGAIN:
            fputs("shard-predictor: out of memory\n", stderr);
            return SHARD_AGAIN;

        default:
            break;
        }
    }

    return rc;
}


static int
predictor_load_series(predictor_backtest_t *b, const char *path,
    const predictor_csv_t *csv, uint32_t column)
{
    uint32_t              i, known;
    const double         *y;
    predictor_tested_t   *t;

    y = csv->y + (size_t) column * csv->n;
    known = 0;

    for (i = 0; i < csv->n - csv->n / 4; i++) {
        known += !isnan(y[i]);
    }

    if (known == 0) {
        fprintf(stderr, "shard-predictor: %s%s%s: too little history: no "
                "value in the %u steps before the test span\n", path,
                csv->columns > 1 ? ", series " : "",
                csv->columns > 1 ? csv->name[column] : "",
                csv->n - csv->n / 4);
        return SHARD_ERROR;
    }

    if (b->nseries == b->room) {
        b->room = b->room ? 2 * b->room : 64;
        t = realloc(b->series, b->room * sizeof(predictor_tested_t));

        if (t == NULL) {
            return SHARD_AGAIN;
        }

        b->series = t;
    }

    t = &b->series[b->nseries];
    memset(t, 0, sizeof(predictor_tested_t));

    t->y = malloc(csv->n * sizeof(double));

    if (t->y == NULL) {
        return SHARD_AGAIN;
    }

    memcpy(t->y, y, csv->n * sizeof(double));
    t->path = path;
    t->start = csv->start;

    for (i = 0; i < csv->n; i++) {
        t->known += !isnan(y[i]);
    }

    predictor_load_name(path, csv->columns > 1 ? csv->name[column] : NULL,
                        column + 1, t->name);
    b->nseries++;

    return SHARD_OK;
}


static int
predictor_load_trials(predictor_backtest_t *b, predictor_tested_t *t)
{
    uint32_t  i;

    t->scale = predictor_protocol_scale(&t->plan, t->y);
    t->trial = calloc(b->nrivals, sizeof(predictor_trial_t));

    for (i = 0; t->trial && i < b->nrivals; i++) {
        t->trial[i].at = calloc(t->plan.norigins, sizeof(predictor_made_t));

        if (t->trial[i].at == NULL) {
            break;
        }
    }

    if (t->trial == NULL || i < b->nrivals) {
        fputs("shard-predictor: out of memory\n", stderr);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* rows and tables name series: two of one name cannot be told apart */

static int
predictor_load_twice(const predictor_backtest_t *b)
{
    int                         rc;
    uint32_t                    i;
    const predictor_tested_t  **by, *t;

    by = malloc(b->nseries * sizeof(predictor_tested_t *));

    if (by == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    for (i = 0; i < b->nseries; i++) {
        by[i] = &b->series[i];
    }

    qsort(by, b->nseries, sizeof(predictor_tested_t *), predictor_load_order);
    rc = 0;

    for (i = 1; i < b->nseries && rc == 0; i++) {
        t = by[i];

        if (strcmp(t->name, by[i - 1]->name) == 0) {
            fprintf(stderr, "shard-predictor: two series are named \"%s\" "
                    "(%s and %s): give one file another name\n", t->name,
                    by[i - 1]->path, t->path);
            rc = 2;
        }
    }

    free(by);

    return rc;
}


static int
predictor_load_order(const void *one, const void *two)
{
    const predictor_tested_t *const  *a = one, *const  *b = two;

    return strcmp((*a)->name, (*b)->name);
}


/* of "a/b.csv": "b"; with a column "c": "b.c"; no commas, for the rows */

static void
predictor_load_name(const char *path, const char *column, uint32_t number,
    char *name)
{
    char        *p;
    size_t       len;
    const char  *base;

    base = strrchr(path, '/');
    base = base ? base + 1 : path;
    len = strlen(base);

    if (len > 4 && strcmp(base + len - 4, ".csv") == 0) {
        len -= 4;
    }

    len = len < PREDICTOR_BACKTEST_NAME / 2 ? len
                                            : PREDICTOR_BACKTEST_NAME / 2 - 1;

    if (column == NULL) {
        snprintf(name, PREDICTOR_BACKTEST_NAME, "%.*s", (int) len, base);

    } else if (column[0]) {
        snprintf(name, PREDICTOR_BACKTEST_NAME, "%.*s.%s", (int) len, base,
                 column);

    } else {
        snprintf(name, PREDICTOR_BACKTEST_NAME, "%.*s.%u", (int) len, base,
                 number);
    }

    for (p = name; *p; p++) {
        if (*p == ',' || *p == '"' || (unsigned char) *p < ' ') {
            *p = '_';
        }
    }
}


void
predictor_backtest_free(predictor_backtest_t *b)
{
    uint32_t  i;

    for (i = 0; i < b->nseries; i++) {
        predictor_load_free(b, &b->series[i]);
    }

    predictor_backtest_unshare(b);

    free(b->series);
    free(b->also);
    b->series = NULL;
    b->also = NULL;
    b->nseries = 0;
}


static void
predictor_load_free(const predictor_backtest_t *b, predictor_tested_t *t)
{
    uint32_t  i, k;

    for (i = 0; t->trial && i < b->nrivals; i++) {
        for (k = 0; t->trial[i].at && k < t->plan.norigins; k++) {
            free(t->trial[i].at[k].out);
        }

        free(t->trial[i].at);
    }

    free(t->trial);
    free(t->y);
}
