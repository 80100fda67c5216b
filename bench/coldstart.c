
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
 *   usage: coldstart FLEET.csv [alone] [part/parts]
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
    predictor_history_t   history;
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
cold_read(cold_fleet_t *f, const char *path, size_t window)
{
    char      *p, *line;
    long       at, before;
    FILE      *in;
    float      row[COLD_SHARDS];
    uint32_t   i;

    in = fopen(path, "r");
    line = malloc(COLD_LINE);

    if (in == NULL || line == NULL || fgets(line, COLD_LINE, in) == NULL) {
        cold_die("the fleet cannot be read");
    }

    cold_names(f, line);
    f->res_s = 0;
    before = -1;

    while (fgets(line, COLD_LINE, in)) {
        at = strtol(line, &p, 10);

        for (i = 0; i < f->n; i++) {
            p += *p == ',';
            row[i] = *p == ',' || *p == '\n' ? NAN : strtof(p, &p);
        }

        if (before >= 0 && f->res_s == 0) {
            f->res_s = at - before;

            if (predictor_history_init(&f->history, window, f->n)
                != SHARD_OK)
            {
                cold_die("no memory");
            }
        }

        before = at;

        if (f->res_s) {
            predictor_history_push(&f->history, at / f->res_s, row);
        }
    }

    free(line);
    fclose(in);
}


static int
cold_forecast(const cold_fleet_t *f, double *y, uint32_t n,
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

    if (predictor_size(&series, &ask, &size) != SHARD_OK) {
        cold_die("a number is out of range");
    }

    state = malloc(size.state);
    work = malloc(size.work);

    rc = predictor_forecast(&series, &ask, PREDICTOR_COMBINED, state, work,
                            out, &used);
    free(state);
    free(work);

    return rc;
}


/* one shard that began "hours" before the origin, which is the last row */

static int
cold_try(cold_fleet_t *f, predictor_history_t *h, uint32_t id,
    const float *truth, long hours, int alone, cold_score_t *score)
{
    int                    k;
    long                   own;
    void                  *memory, *work;
    float                 *column;
    double                *y, *out, sum;
    size_t                 i, n, w;
    uint32_t               c, day, band[COLD_BANDS], nown;
    predictor_borrow_t     b;
    predictor_similar_t    s;
    predictor_history_t    cut;

    day = (uint32_t) (86400 / f->res_s);
    band[0] = 1;
    band[1] = (uint32_t) (3600 / f->res_s);
    band[2] = day;
    own = hours * 3600 / f->res_s;

    cut = *h;
    cut.values = malloc(h->n * h->ncols * sizeof(float));
    memcpy(cut.values, h->values + h->start * h->ncols,
           h->n * h->ncols * sizeof(float));
    cut.start = 0;

    column = malloc(h->n * sizeof(float));

    for (i = 0; i < h->n; i++) {
        column[i] = cut.values[i * h->ncols + id];

        if ((long) (h->n - i) > own) {
            cut.values[i * h->ncols + id] = NAN;
        }

        for (c = 0; alone && c < f->n; c++) {
            n = strcspn(f->name[id], "+");

            if (c != id && strncmp(f->name[c], f->name[id], n) == 0
                && strcspn(f->name[c], "+") == n)
            {
                cut.values[i * h->ncols + c] = NAN;
            }
        }
    }

    memory = malloc(predictor_similar_size(f->res_s, h->window, f->n));
    predictor_similar_place(&s, f->res_s, h->window, f->n, memory);
    predictor_similar_update(&s, &cut);
    work = malloc(predictor_similar_work(&s));

    y = malloc(h->n * sizeof(double));
    out = malloc(day * sizeof(double));
    memset(score, 0, sizeof(*score));

    for (k = 0; k < COLD_WAYS; k++) {

        if (k == 0) {
            n = predictor_history_column(&cut, id, y);

        } else {
            predictor_borrow_similar(&b, &s, id, work);
            predictor_borrow_correct(&b, &s, id);
            n = predictor_borrow_column(&b, &cut, f->res_s, id, y, &nown);
        }

        if (n == 0
            || cold_forecast(f, y, (uint32_t) n, day, out) != SHARD_OK)
        {
            n = 0;
            break;
        }

        for (w = 0; w < COLD_BANDS; w++) {

            for (i = 0, sum = 0; i < band[w]; i++) {
                sum += isfinite(truth[i * h->ncols + id])
                       ? fabs(out[i] - truth[i * h->ncols + id]) : 0;
            }

            score->err[k][w] = sum / band[w];
        }
    }

    for (w = 0; w < COLD_BANDS; w++) {

        for (i = 0, sum = 0; i < band[w]; i++) {
            sum += isfinite(truth[i * h->ncols + id])
                   && isfinite(column[h->n - day + i])
                   ? fabs(column[h->n - day + i] - truth[i * h->ncols + id])
                   : 0;
        }

        score->naive[w] = sum / band[w];
    }

    free(cut.values);
    free(column);
    free(memory);
    free(work);
    free(out);
    free(y);

    return n > 0;
}


int
main(int argc, char **argv)
{
    int                   alone, k;
    char                 *slash;
    long                  part, parts, i, o;
    float                *all;
    double                rel[COLD_WAYS][COLD_BANDS], n;
    size_t                window, w, l, rows, origin;
    uint32_t              id;
    cold_fleet_t         *f;
    cold_score_t          one, sum;
    predictor_history_t   h;

    static const long     hours[] = { 6, 24, 48, 72, 120, 168, 240 };

    if (argc < 2) {
        cold_die("usage: coldstart FLEET.csv [alone] [part/parts]");
    }

    alone = argc > 2 && strcmp(argv[2], "alone") == 0;
    slash = argc > 2 ? strchr(argv[argc - 1], '/') : NULL;
    part = slash && argc > 2 && argv[argc - 1][0] != '.'
           ? strtol(argv[argc - 1], NULL, 10) : 0;
    parts = slash ? strtol(slash + 1, NULL, 10) : 1;

    f = calloc(1, sizeof(*f));
    cold_read(f, argv[1], 40 * 288);

    window = f->history.n;
    rows = window;
    all = f->history.values + f->history.start * f->n;
    printf("own history  way       1 step    1 h   24 h   shards\n");

    for (l = 0; l < sizeof(hours) / sizeof(hours[0]); l++) {
        memset(rel, 0, sizeof(rel));
        n = 0;

        for (id = 0; id < f->n; id++) {

            if ((long) id % parts != part) {
                continue;
            }

            memset(&sum, 0, sizeof(sum));

            for (o = 0; o < COLD_ORIGINS; o++) {

                /* over the last week but a day, at different hours */

                origin = rows - 288 - (size_t) (o * 288 * 3 / 2
                                                + (id * 37) % 288);
                h = f->history;
                h.values = all;
                h.start = 0;
                h.n = origin;
                h.last = f->history.last - (long) (rows - origin);

                if (!cold_try(f, &h, id, all + origin * f->n, hours[l],
                              alone, &one))
                {
                    continue;
                }

                for (w = 0; w < COLD_BANDS; w++) {
                    sum.naive[w] += one.naive[w];

                    for (k = 0; k < COLD_WAYS; k++) {
                        sum.err[k][w] += one.err[k][w];
                    }
                }
            }

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
            printf("%7ld h  %-10s", hours[l], k ? "borrowed" : "own only");

            for (i = 0; i < COLD_BANDS; i++) {
                printf(" %6.3f", exp(rel[k][i] / n));
            }

            printf("  %6.0f\n", n);
            fflush(stdout);
        }
    }

    predictor_history_done(&f->history);
    free(f);

    return 0;
}
