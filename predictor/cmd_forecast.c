
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "breaks.h"
#include "forecast_args.h"
#include "forecast_events.h"
#include "forecast_plot.h"
#include "predictor.h"


/* what it was made by */

typedef struct {
    const char          *used;
    predictor_breaks_t   breaks;
} predictor_forecast_about_t;


static void predictor_forecast_usage(void);
static int predictor_forecast_run(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, predictor_calendar_t *calendar);
static int predictor_forecast_calendar(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv);
static int predictor_forecast_made(const predictor_forecast_args_t *a,
    const predictor_series_t *series, const predictor_ask_t *ask,
    int64_t start_s, predictor_calendar_t *calendar, double *out,
    predictor_forecast_about_t *about);
static int predictor_forecast_shown(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, const char *used);
static int predictor_forecast_csv(const predictor_forecast_args_t *a,
    const double *out);
static int predictor_forecast_json(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, const predictor_forecast_about_t *about,
    const double *out, const predictor_calendar_t *calendar);


static const char  predictor_forecast_help[] =
"usage: shard-predictor forecast --interval S [options] <series >forecast\n"
"\n"
"Reads lines \"epoch,value\" (seconds since 1970; an empty value or a step\n"
"left out is a gap), prints \"h,mean,q0.1,...\": the forecast of each step.\n"
"\n"
"  --interval S        seconds from value to value\n"
"  --season A[,B]      steps in a day, and in a week (default: by S; the\n"
"                      week from 14 days of history on)\n"
"  --horizon N         steps ahead, up to 10080 (default: a day)\n"
"  --quantiles Q,...   up to 16, between 0 and 1\n"
"                      (default: 0.1,0.5,0.9,0.95)\n"
"  --model NAME        combined (default), or one model alone; \"lstm\" learns\n"
"                      from this one series here, where \"backtest\" lets all\n"
"                      series of an interval teach it\n"
"  --events FILE       scheduled events (JSON as in Redis, or FILE.ics): taken\n"
"                      off the history, put on the forecast; learned ones\n"
"                      have the size that they had before\n"
"  --json              one JSON object instead of CSV\n"
"  --plot OUT.png      draw history and forecast as well\n"
"  --help\n"
"\n"
"Models:";


static const char  predictor_forecast_exits[] =
"\n\n"
"Exit status: 0 ok, 1 the machine failed (reading, writing, memory), 2 wrong\n"
"use, a series that is none, or too little history for the model asked for.\n";


int
predictor_cmd_forecast(int argc, char **argv)
{
    int                        rc;
    char                       err[SHARD_ERR_SIZE];
    predictor_csv_t            csv;
    predictor_forecast_args_t  a;

    memset(&a, 0, sizeof(predictor_forecast_args_t));

    rc = predictor_forecast_args(argc, argv, &a);

    if (rc == SHARD_AGAIN) {
        predictor_forecast_usage();
        return 0;
    }

    if (rc != SHARD_OK) {
        fputs("try \"shard-predictor forecast --help\"\n", stderr);
        return 2;
    }

    rc = predictor_csv_read(stdin, a.interval_s, 1, &csv, err);

    if (rc != SHARD_OK) {
        fprintf(stderr, "shard-predictor: standard input, %s\n", err);
        return rc == SHARD_ERROR ? 2 : 1;
    }

    rc = a.events ? predictor_forecast_calendar(&a, &csv)
                  : predictor_forecast_run(&a, &csv, NULL);
    predictor_csv_free(&csv);

    return rc;
}


static void
predictor_forecast_usage(void)
{
    fputs(predictor_forecast_help, stdout);
    predictor_arg_models(stdout);
    fputs(predictor_forecast_exits, stdout);
}


/* with the events of a file */

static int
predictor_forecast_calendar(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv)
{
    int                   rc;
    char                  err[SHARD_ERR_SIZE];
    int64_t               now_s;
    predictor_calendar_t  calendar;

    now_s = (int64_t) csv->start + (int64_t) csv->n * a->interval_s;

    if (predictor_calendar_init(&calendar, 1, a->interval_s, a->season[0],
                                csv->n / 2 >= a->season[1] ? a->season[1] : 0)
        != SHARD_OK)
    {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    calendar.load[0] = 1;

    if (predictor_forecast_events(a->events, now_s, &calendar, err) != 0) {
        fprintf(stderr, "shard-predictor: --events %s: %s\n", a->events, err);
        rc = 2;

    } else {
        rc = predictor_forecast_run(a, csv, &calendar);
    }

    predictor_calendar_done(&calendar);

    return rc;
}


/* models see the series without the events, "out" has them */

static int
predictor_forecast_made(const predictor_forecast_args_t *a,
    const predictor_series_t *series, const predictor_ask_t *ask,
    int64_t start_s, predictor_calendar_t *calendar, double *out,
    predictor_forecast_about_t *about)
{
    int                 rc;
    void               *state, *work;
    double             *y;
    predictor_size_t    size;
    predictor_series_t  clean;

    if (predictor_size(series, ask, a->wish, &size) != SHARD_OK) {
        return SHARD_ERROR;
    }

    state = malloc(size.state);
    work = malloc(size.work);
    y = malloc(((size_t) series->n + 1) * sizeof(double));
    clean = *series;
    rc = SHARD_ERROR;

    if (state && work && y) {
        rc = SHARD_OK;

        if (calendar) {
            rc = predictor_forecast_clean(calendar, series, start_s,
                                          ask->horizon, y);
            clean.y = y;
        }

        rc = rc == SHARD_OK ? predictor_forecast(&clean, ask, a->wish, state,
                                                 work, out, &about->used) : rc;
    }

    if (rc == SHARD_OK) {
        about->breaks = *predictor_breaks(state);
    }

    if (rc == SHARD_OK && calendar) {
        predictor_calendar_return(calendar, 0, ask, out);
    }

    free(state);
    free(work);
    free(y);

    return rc;
}


static int
predictor_forecast_run(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, predictor_calendar_t *calendar)
{
    int                  rc;
    double              *out;
    predictor_ask_t      ask;
    predictor_size_t     size;
    predictor_series_t   series;

    predictor_forecast_about_t  about;

    series.y = csv->y;
    series.start = csv->start / a->interval_s;
    series.n = csv->n;
    series.interval_s = a->interval_s;
    series.day = a->season[0];
    series.week = csv->n / 2 >= a->season[1] ? a->season[1] : 0;

    ask.horizon = a->horizon;
    ask.nq = a->nq;
    ask.q = a->q;

    if (predictor_size(&series, &ask, a->wish, &size) != SHARD_OK) {
        fputs("shard-predictor: a number is out of range\n", stderr);
        return 2;
    }

    out = malloc((size_t) a->horizon * (1 + a->nq) * sizeof(double));
    about.used = NULL;
    rc = out ? predictor_forecast_made(a, &series, &ask, (int64_t) csv->start,
                                       calendar, out, &about) : SHARD_ERROR;

    if (rc == SHARD_OK && predictor_forecast_shown(a, csv, about.used)) {
        rc = a->json ? predictor_forecast_json(a, csv, &about, out, calendar)
                     : predictor_forecast_csv(a, out);

        if (rc == 0 && a->plot) {
            rc = predictor_forecast_plot(a, csv, about.used, out);
        }

    } else if (rc == SHARD_AGAIN) {
        fprintf(stderr, "shard-predictor: too little history: no value in %u "
                "steps\n", csv->n);
        rc = 2;

    } else if (rc == SHARD_OK) {
        rc = 2;

    } else {
        fputs("shard-predictor: out of memory\n", stderr);
        rc = 1;
    }

    free(out);

    return rc;
}


/* 0: another model than the one asked for had to do */

static int
predictor_forecast_shown(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, const char *used)
{
    double       days;
    const char  *wish;

    days = (double) csv->n / a->season[0];
    wish = a->wish ? a->wish->name : "combined";

    if (strcmp(used, wish) == 0) {
        return 1;
    }

    if (a->wish == NULL) {
        fprintf(stderr, "shard-predictor: model %s had to do: %u steps "
                "(%.1f days) are too little history for the regression "
                "over %u steps\n", used, csv->n, days, a->horizon);
        return 1;
    }

    fprintf(stderr, "shard-predictor: too little history for model %s over "
            "%u steps: %u steps (%.1f days)\n", wish, a->horizon, csv->n,
            days);

    return 0;
}


static int
predictor_forecast_csv(const predictor_forecast_args_t *a, const double *out)
{
    uint32_t  h, i;

    printf("h,mean");

    for (i = 0; i < a->nq; i++) {
        printf(",q%s", a->name[i]);
    }

    putchar('\n');

    for (h = 1; h <= a->horizon; h++) {
        printf("%u", h);

        for (i = 0; i <= a->nq; i++) {
            printf(",%.9g", *out++);
        }

        putchar('\n');
    }

    if (fflush(stdout) != 0) {
        fprintf(stderr, "shard-predictor: writing failed: %s\n",
                strerror(errno));
        return 1;
    }

    return 0;
}


static int
predictor_forecast_json(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, const predictor_forecast_about_t *about,
    const double *out, const predictor_calendar_t *calendar)
{
    int        rc;
    char       name[PREDICTOR_QUANTILE_TEXT + 1];
    json_t    *root, *steps, *step, *lists[3];
    uint32_t   h, i;

    static const char *const  words[] = { "events", "shifts", "outages" };

    steps = json_array();

    for (h = 1; h <= a->horizon; h++) {
        step = json_pack("{s:I, s:f}", "h", (json_int_t) h, "mean", *out++);

        for (i = 0; i < a->nq; i++) {
            snprintf(name, sizeof(name), "q%s", a->name[i]);
            (void) json_object_set_new(step, name, json_real(*out++));
        }

        (void) json_array_append_new(steps, step);
    }

    root = json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "model", about->used,
                     "interval_s", (json_int_t) a->interval_s,
                     "at", (json_int_t) (csv->start + (uint64_t) a->interval_s
                                         * (csv->n - 1)),
                     "n", (json_int_t) csv->n,
                     "gaps", (json_int_t) (csv->n - csv->known),
                     "forecast", steps);

    lists[0] = calendar ? predictor_calendar_events(calendar, 0) : NULL;
    lists[1] = predictor_breaks_shifts(&about->breaks, a->interval_s);
    lists[2] = predictor_breaks_outages(&about->breaks, a->interval_s);

    for (i = 0; i < 3; i++) {
        if (lists[i]) {
            (void) json_object_set_new(root, words[i], lists[i]);
        }
    }

    rc = root ? json_dumpf(root, stdout, JSON_REAL_PRECISION(9)) : -1;
    json_decref(root);
    putchar('\n');

    if (rc != 0 || fflush(stdout) != 0) {
        fputs("shard-predictor: writing failed\n", stderr);
        return 1;
    }

    return 0;
}
