
/*
 * What borrowing is worth: forecasts of shards that have a few hours or days
 * of history, with and without what others lend them.
 *
 *   fleet.csv ─▶ all columns up to an origin, one of them cut to its last
 *                hours ─▶ forecast of a day by both ways ─▶ against what came
 *
 * Errors are relative to the daily seasonal naive forecast that knows the
 * whole history (geometric mean over shards).
 *
 *   usage: coldstart FLEET.csv [alone] [PART/PARTS]
 *
 * "alone": columns of one name but for "+N" are not lent to each other.
 */


#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../predictor/borrow.h"
#include "../predictor/combine.h"


#define COLD_SHARDS   512
#define COLD_LINE     65536
#define COLD_ORIGINS  4
#define COLD_BANDS    3
#define COLD_WAYS     2


typedef struct {
    uint32_t              n;                        /* shards */
    char                  name[COLD_SHARDS][64];
    long                  res_s;
    long                  first;                    /* slot of the first row */
    size_t                nrows;
    size_t                room;
    float                *rows;                     /* nrows x n */
} cold_fleet_t;

typedef struct {
    double                err[COLD_WAYS][COLD_BANDS];
    double                naive[COLD_BANDS];
} cold_score_t;


static void
cold_die(const char *why)
{
    fprintf(stderr, "coldstart: %s\n", why);
    exit(1);
}


static void
cold_names(cold_fleet_t *f, char *line)
{
    char  *name, *save;

    (void) strtok_r(line, ",\r\n", &save);

    for (name = strtok_r(NULL, ",\r\n", &save);
         name && f->n < COLD_SHARDS;
         name = strtok_r(NULL, ",\r\n", &save))
    {
        snprintf(f->name[f->n++], sizeof(f->name[0]), "%.63s", name);
    }
}


static void
cold_row(cold_fleet_t *f, const char *p)
{
    char      *end;
    uint32_t   i;

    if (f->nrows == f->room) {
        f->room = f->room ? 2 * f->room : 4096;
        f->rows = realloc(f->rows, f->room * f->n * sizeof(float));

        if (f->rows == NULL) {
            cold_die("no memory");
        }
    }

    for (i = 0; i < f->n; i++) {
        p += *p == ',';
        f->rows[f->nrows * f->n + i] = strtof(p, &end);

        if (end == p) {
            f->rows[f->nrows * f->n + i] = NAN;
        }

        p = end;
    }

    f->nrows++;
}


static void
cold_read(cold_fleet_t *f, const char *path)
{
    char  *p, *line;
    long   at[2];
    FILE  *in;

    in = fopen(path, "r");
    line = malloc(COLD_LINE);

    if (in == NULL || line == NULL || fgets(line, COLD_LINE, in) == NULL) {
        cold_die("the fleet cannot be read");
    }

    cold_names(f, line);
    at[0] = at[1] = 0;

    while (fgets(line, COLD_LINE, in)) {
        at[f->nrows ? 1 : 0] = strtol(line, &p, 10);

        if (f->nrows == 1) {
            f->res_s = at[1] - at[0];
        }

        cold_row(f, p);
    }

    if (f->nrows < 3 || f->res_s < 1 || 86400 % f->res_s != 0) {
        cold_die("the fleet has no steps that divide a day");
    }

    f->first = at[0] / f->res_s;

    free(line);
    fclose(in);
}


static int
cold_forecast(const cold_fleet_t *f, const double *y, uint32_t n,
    uint32_t horizon, double *out)
{
    int                   rc;
    void                 *state, *work;
    const char           *used;
    predictor_ask_t       ask;
    predictor_size_t      size;
    predictor_series_t    series;

    memset(&series, 0, sizeof(series));
    memset(&ask, 0, sizeof(ask));

    series.y = y;
    series.n = n;
    series.interval_s = (uint32_t) f->res_s;
    series.day = (uint32_t) (86400 / f->res_s);
    series.week = n >= 14 * series.day ? 7 * series.day : 0;
    ask.horizon = horizon;

    if (predictor_size(&series, &ask, NULL, &size) != SHARD_OK) {
        cold_die("a number is out of range");
    }

    state = malloc(size.state);
    work = malloc(size.work);

    rc = predictor_forecast(&series, &ask, NULL, state, work, out, &used);
    free(state);
    free(work);

    return rc;
}


/* the others as they are, but for those of the same name */

static int
cold_alone(const cold_fleet_t *f, uint32_t id, uint32_t c)
{
    size_t  n;

    n = strcspn(f->name[id], "+");

    return c != id && strncmp(f->name[c], f->name[id], n) == 0
           && strcspn(f->name[c], "+") == n;
}


/* rows up to an origin, one shard known for its last "own" slots only */

static void
cold_cut(const cold_fleet_t *f, size_t origin, uint32_t id, size_t own,
    int alone, predictor_history_t *h)
{
    float     row[COLD_SHARDS];
    size_t    i;
    uint32_t  c;

    if (predictor_history_init(h, origin, f->n) != SHARD_OK) {
        cold_die("no memory");
    }

    for (i = 0; i < origin; i++) {
        memcpy(row, f->rows + i * f->n, f->n * sizeof(float));

        if (origin - i > own) {
            row[id] = NAN;
        }

        for (c = 0; alone && c < f->n; c++) {
            row[c] = cold_alone(f, id, c) ? NAN : row[c];
        }

        predictor_history_push(h, f->first + (long) i, row);
    }
}


static double
cold_error(const cold_fleet_t *f, size_t origin, uint32_t id, uint32_t steps,
    const double *out)
{
    float     truth, day;
    double    sum;
    uint32_t  i, n;

    sum = 0;
    n = 0;

    for (i = 0; i < steps; i++) {
        truth = f->rows[(origin + i) * f->n + id];
        day = f->rows[(origin + i - (size_t) (86400 / f->res_s)) * f->n + id];

        if (isfinite(truth) && isfinite(day)) {
            sum += fabs((double) truth - (out ? out[i] : (double) day));
            n++;
        }
    }

    return n ? sum / n : 0;
}


/* one shard that began "hours" before the origin; 0: there is no forecast */

static int
cold_try(const cold_fleet_t *f, size_t origin, uint32_t id, long hours,
    int alone, cold_score_t *score)
{
    int                    k;
    void                  *memory, *work;
    double                *y, *out;
    size_t                 n;
    uint32_t               w, day, band[COLD_BANDS], own;
    predictor_borrow_t     b;
    predictor_history_t    h;
    predictor_similar_t    s;

    day = (uint32_t) (86400 / f->res_s);
    band[0] = 1;
    band[1] = (uint32_t) (3600 / f->res_s);
    band[2] = day;

    cold_cut(f, origin, id, (size_t) (hours * 3600 / f->res_s), alone, &h);

    memory = malloc(predictor_similar_size(f->res_s, h.window, f->n));
    y = malloc(h.window * sizeof(double));
    out = malloc(day * sizeof(double));
    predictor_similar_place(&s, f->res_s, h.window, f->n, memory);
    predictor_similar_update(&s, &h);
    work = malloc(predictor_similar_work(&s));
    memset(score, 0, sizeof(*score));
    n = 1;

    for (k = 0; k < COLD_WAYS && n; k++) {

        if (k == 0) {
            n = predictor_history_column(&h, id, y);

        } else {
            predictor_borrow_similar(&b, &s, id, work);
            predictor_borrow_correct(&b, &s, id);
            n = predictor_borrow_column(&b, &h, f->res_s, id, y, &own);
        }

        if (n && cold_forecast(f, y, (uint32_t) n, day, out) != SHARD_OK) {
            n = 0;
        }

        for (w = 0; w < COLD_BANDS && n; w++) {
            score->err[k][w] = cold_error(f, origin, id, band[w], out);
            score->naive[w] = cold_error(f, origin, id, band[w], NULL);
        }
    }

    predictor_history_done(&h);
    free(memory);
    free(work);
    free(out);
    free(y);

    return n > 0;
}


/* sums over origins of the last week but a day, at different hours */

static void
cold_shard(const cold_fleet_t *f, uint32_t id, long hours, int alone,
    cold_score_t *sum)
{
    int            k;
    size_t         o, day, origin;
    uint32_t       w;
    cold_score_t   one;

    memset(sum, 0, sizeof(*sum));
    day = (size_t) (86400 / f->res_s);

    for (o = 0; o < COLD_ORIGINS; o++) {
        origin = f->nrows - day - (o * day * 3 / 2 + id * 37 * day / 288 % day);

        if (!cold_try(f, origin, id, hours, alone, &one)) {
            continue;
        }

        for (w = 0; w < COLD_BANDS; w++) {
            sum->naive[w] += one.naive[w];

            for (k = 0; k < COLD_WAYS; k++) {
                sum->err[k][w] += one.err[k][w];
            }
        }
    }
}


/* a thousandth of a day's error is added: no logarithm of nothing */

static void
cold_line(const cold_fleet_t *f, long hours, int alone, long part, long parts)
{
    int            k;
    double         rel[COLD_WAYS][COLD_BANDS], n;
    uint32_t       id, w;
    cold_score_t   sum;

    memset(rel, 0, sizeof(rel));
    n = 0;

    for (id = 0; id < f->n; id++) {

        if ((long) id % parts != part) {
            continue;
        }

        cold_shard(f, id, hours, alone, &sum);

        if (sum.naive[2] <= 0) {
            continue;
        }

        n++;

        for (k = 0; k < COLD_WAYS; k++) {

            for (w = 0; w < COLD_BANDS; w++) {
                rel[k][w] += log((sum.err[k][w] + 1e-3 * sum.naive[2])
                                 / (sum.naive[w] + 1e-3 * sum.naive[2]));
            }
        }
    }

    for (k = 0; k < COLD_WAYS; k++) {
        printf("%7ld h  %-10s %6.3f %6.3f %6.3f  %6.0f\n", hours,
               k ? "borrowed" : "own only", exp(rel[k][0] / n),
               exp(rel[k][1] / n), exp(rel[k][2] / n), n);
        fflush(stdout);
    }
}


int
main(int argc, char **argv)
{
    int            i, alone;
    long           part, parts;
    size_t         l;
    cold_fleet_t  *f;

    static const long  hours[] = { 6, 24, 48, 120 };

    if (argc < 2) {
        cold_die("usage: coldstart FLEET.csv [alone] [PART/PARTS]");
    }

    alone = 0;
    part = 0;
    parts = 1;

    for (i = 2; i < argc; i++) {

        if (strcmp(argv[i], "alone") == 0) {
            alone = 1;

        } else if (sscanf(argv[i], "%ld/%ld", &part, &parts) != 2
                   || part < 0 || parts < 1 || part >= parts)
        {
            cold_die("the part is none like 0/2");
        }
    }

    f = calloc(1, sizeof(*f));

    if (f == NULL) {
        cold_die("no memory");
    }

    cold_read(f, argv[1]);

    if (f->nrows < (size_t) (10 * 86400 / f->res_s)) {
        cold_die("the fleet has less than ten days");
    }

    printf("own history  way       1 step    1 h   24 h  shards\n");

    for (l = 0; l < sizeof(hours) / sizeof(hours[0]); l++) {
        cold_line(f, hours[l], alone, part, parts);
    }

    free(f->rows);
    free(f);

    return 0;
}
