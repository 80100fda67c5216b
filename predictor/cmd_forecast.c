
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "combine.h"
#include "predictor.h"
#include "series_csv.h"
#include "shard_codec.h"


#define PREDICTOR_QUANTILE_TEXT  16
#define PREDICTOR_INTERVAL_MAX   (7 * 86400)


typedef struct {
    uint32_t             interval_s;
    uint32_t             season[2];
    uint32_t             horizon;
    uint32_t             nq;
    uint32_t             json;
    predictor_wish_e     wish;
    double               q[PREDICTOR_QUANTILES_MAX];
    char                 name[PREDICTOR_QUANTILES_MAX]
                             [PREDICTOR_QUANTILE_TEXT];
} predictor_forecast_args_t;


static int predictor_forecast_args(int argc, char **argv,
    predictor_forecast_args_t *a);
static int predictor_forecast_arg(int option, const char *value,
    predictor_forecast_args_t *a);
static int predictor_forecast_defaults(predictor_forecast_args_t *a);
static int predictor_arg_number(const char *name, const char *value,
    uint32_t max, uint32_t *number);
static int predictor_arg_seasons(const char *value, uint32_t *season);
static int predictor_arg_quantiles(const char *value,
    predictor_forecast_args_t *a);
static int predictor_arg_quantile(const char *text, size_t len,
    predictor_forecast_args_t *a);
static int predictor_arg_model(const char *value, predictor_wish_e *wish);
static int predictor_forecast_unknown(const char *arg);
static int predictor_forecast_run(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv);
static int predictor_forecast_shown(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, const char *used);
static int predictor_forecast_csv(const predictor_forecast_args_t *a,
    const double *out);
static int predictor_forecast_json(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, const char *used, const double *out);


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
"  --model NAME        combined (default), naive, lagreg, lagreg-raw\n"
"  --json              one JSON object instead of CSV\n"
"  --help\n"
"\n"
"Exit status: 0 ok, 1 the series cannot be read, 2 wrong use or too little\n"
"history for the model asked for.\n";


static const struct option  predictor_forecast_options[] = {
    { "interval",  required_argument, NULL, 'i' },
    { "season",    required_argument, NULL, 's' },
    { "horizon",   required_argument, NULL, 'n' },
    { "quantiles", required_argument, NULL, 'q' },
    { "model",     required_argument, NULL, 'm' },
    { "json",      no_argument,       NULL, 'j' },
    { "help",      no_argument,       NULL, 'h' },
    { NULL, 0, NULL, 0 }
};


static const char *const  predictor_forecast_words[] = {
    "--interval", "--season", "--horizon", "--quantiles", "--model",
    "--json", "--help", NULL
};


/* as predictor_wish_e counts */

static const char *const  predictor_forecast_models[] = {
    "combined", "naive", "lagreg", "lagreg-raw", NULL
};


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
        fputs(predictor_forecast_help, stdout);
        return 0;
    }

    if (rc != SHARD_OK) {
        fputs("try \"shard-predictor forecast --help\"\n", stderr);
        return 2;
    }

    if (predictor_csv_read(stdin, a.interval_s, &csv, err) != SHARD_OK) {
        fprintf(stderr, "shard-predictor: standard input, %s\n", err);
        return 1;
    }

    rc = predictor_forecast_run(&a, &csv);
    free(csv.y);

    return rc;
}


/* SHARD_AGAIN: help is wanted */

static int
predictor_forecast_args(int argc, char **argv, predictor_forecast_args_t *a)
{
    int  option;

    optind = 0;
    opterr = 0;

    for ( ;; ) {
        option = getopt_long(argc, argv, "+:", predictor_forecast_options,
                             NULL);
        if (option == -1) {
            break;
        }

        if (option == 'h') {
            return SHARD_AGAIN;
        }

        if (option == ':') {
            fprintf(stderr, "shard-predictor: %s needs a value\n",
                    argv[optind - 1]);
            return SHARD_ERROR;
        }

        if (option == '?') {
            return predictor_forecast_unknown(argv[optind - 1]);
        }

        if (predictor_forecast_arg(option, optarg, a) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    if (optind < argc) {
        fprintf(stderr, "shard-predictor: unexpected \"%s\": the series is "
                "read from standard input\n", argv[optind]);
        return SHARD_ERROR;
    }

    return predictor_forecast_defaults(a);
}


static int
predictor_forecast_arg(int option, const char *value,
    predictor_forecast_args_t *a)
{
    switch (option) {

    case 'i':
        return predictor_arg_number("--interval", value,
                                    PREDICTOR_INTERVAL_MAX, &a->interval_s);
    case 's':
        return predictor_arg_seasons(value, a->season);

    case 'n':
        return predictor_arg_number("--horizon", value,
                                    PREDICTOR_HORIZON_MAX, &a->horizon);
    case 'q':
        return predictor_arg_quantiles(value, a);

    case 'm':
        return predictor_arg_model(value, &a->wish);

    default: /* 'j' */
        a->json = 1;
        return SHARD_OK;
    }
}


static int
predictor_forecast_defaults(predictor_forecast_args_t *a)
{
    if (a->interval_s == 0) {
        fputs("shard-predictor: --interval is missing\n", stderr);
        return SHARD_ERROR;
    }

    if (a->season[0] == 0) {
        if (86400 % a->interval_s != 0) {
            fprintf(stderr, "shard-predictor: a day is no multiple of "
                    "--interval %u; say the season by --season\n",
                    a->interval_s);
            return SHARD_ERROR;
        }

        a->season[0] = 86400 / a->interval_s;
        a->season[1] = 7 * a->season[0];
    }

    if (a->season[1] % a->season[0] != 0) {
        fprintf(stderr, "shard-predictor: --season %u,%u: the second must be "
                "a multiple of the first\n", a->season[0], a->season[1]);
        return SHARD_ERROR;
    }

    if (a->horizon == 0) {
        a->horizon = a->season[0] < PREDICTOR_HORIZON_MAX
                     ? a->season[0] : PREDICTOR_HORIZON_MAX;
    }

    if (a->nq == 0) {
        return predictor_arg_quantiles("0.1,0.5,0.9,0.95", a);
    }

    return SHARD_OK;
}


static int
predictor_arg_number(const char *name, const char *value, uint32_t max,
    uint32_t *number)
{
    uint64_t     n;
    shard_str_t  text;

    text.data = value;
    text.len = strlen(value);

    if (shard_uint64_decode(text, &n) != SHARD_OK || n < 1 || n > max) {
        fprintf(stderr, "shard-predictor: %s \"%s\": a number from 1 to %u "
                "is expected\n", name, value, max);
        return SHARD_ERROR;
    }

    *number = (uint32_t) n;

    return SHARD_OK;
}


static int
predictor_arg_seasons(const char *value, uint32_t *season)
{
    char         first[16];
    size_t       len;
    const char  *comma;

    comma = strchr(value, ',');
    len = comma ? (size_t) (comma - value) : strlen(value);
    season[1] = 0;

    /* a longer text is no number in range: it is shown cut off */

    snprintf(first, sizeof(first), "%.*s", (int) (len < 15 ? len : 15),
             value);

    if (predictor_arg_number("--season", first, PREDICTOR_SEASON_MAX,
                             &season[0])
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (comma == NULL) {
        return SHARD_OK;
    }

    return predictor_arg_number("--season", comma + 1, PREDICTOR_SEASON_MAX,
                                &season[1]);
}


static int
predictor_arg_quantiles(const char *value, predictor_forecast_args_t *a)
{
    size_t  len;

    a->nq = 0;

    for ( ;; ) {
        len = strcspn(value, ",");

        if (predictor_arg_quantile(value, len, a) != SHARD_OK) {
            return SHARD_ERROR;
        }

        if (value[len] == '\0') {
            return SHARD_OK;
        }

        value += len + 1;
    }
}


/* its text names the column: kept as given */

static int
predictor_arg_quantile(const char *text, size_t len,
    predictor_forecast_args_t *a)
{
    char      *end, *name;
    double     q;
    uint32_t   i;

    if (a->nq == PREDICTOR_QUANTILES_MAX) {
        fprintf(stderr, "shard-predictor: --quantiles: more than %u\n",
                PREDICTOR_QUANTILES_MAX);
        return SHARD_ERROR;
    }

    if (len == 0 || len >= PREDICTOR_QUANTILE_TEXT
        || strspn(text, "0123456789.") < len)
    {
        fprintf(stderr, "shard-predictor: --quantiles: \"%.*s\" is not a "
                "number between 0 and 1\n", (int) (len < 40 ? len : 40),
                text);
        return SHARD_ERROR;
    }

    name = a->name[a->nq];
    memcpy(name, text, len);
    name[len] = '\0';

    q = strtod(name, &end);

    if (*end != '\0' || !(q > 0 && q < 1)) {
        fprintf(stderr, "shard-predictor: --quantiles: \"%s\" is not a "
                "number between 0 and 1\n", name);
        return SHARD_ERROR;
    }

    for (i = 0; i < a->nq; i++) {
        if (a->q[i] == q) {
            fprintf(stderr, "shard-predictor: --quantiles: %s twice\n", name);
            return SHARD_ERROR;
        }
    }

    a->q[a->nq++] = q;

    return SHARD_OK;
}


static int
predictor_arg_model(const char *value, predictor_wish_e *wish)
{
    uint32_t     i;
    const char  *nearest;
    shard_str_t  text;

    for (i = 0; predictor_forecast_models[i]; i++) {
        if (strcmp(value, predictor_forecast_models[i]) == 0) {
            *wish = (predictor_wish_e) i;
            return SHARD_OK;
        }
    }

    text.data = value;
    text.len = strlen(value);
    nearest = shard_nearest(text, predictor_forecast_models);

    fprintf(stderr, "shard-predictor: --model \"%s\" is unknown, %s%s\n",
            value, nearest ? "nearest is " : "there are combined, naive, "
            "lagreg, lagreg-raw", nearest ? nearest : "");

    return SHARD_ERROR;
}


static int
predictor_forecast_unknown(const char *arg)
{
    shard_str_t  text;
    const char  *nearest;

    text.data = arg;
    text.len = strcspn(arg, "=");
    nearest = shard_nearest(text, predictor_forecast_words);

    fprintf(stderr, "shard-predictor: unknown or incomplete option \"%s\"",
            arg);

    if (nearest) {
        fprintf(stderr, ", nearest is %s", nearest);
    }

    fputc('\n', stderr);

    return SHARD_ERROR;
}


static int
predictor_forecast_run(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv)
{
    int                  rc;
    void                *state, *work;
    double              *out;
    const char          *used;
    predictor_ask_t      ask;
    predictor_size_t     size;
    predictor_series_t   series;

    series.y = csv->y;
    series.n = csv->n;
    series.interval_s = a->interval_s;
    series.day = a->season[0];
    series.week = csv->n / 2 >= a->season[1] ? a->season[1] : 0;

    ask.horizon = a->horizon;
    ask.nq = a->nq;
    ask.q = a->q;

    if (predictor_size(&series, &ask, &size) != SHARD_OK) {
        fputs("shard-predictor: a number is out of range\n", stderr);
        return 2;
    }

    state = malloc(size.state);
    work = malloc(size.work);
    out = malloc((size_t) a->horizon * (1 + a->nq) * sizeof(double));
    rc = SHARD_ERROR;
    used = NULL;

    if (state && work && out) {
        rc = predictor_forecast(&series, &ask, a->wish, state, work, out,
                                &used);
    }

    free(work);
    free(state);

    if (rc == SHARD_OK && predictor_forecast_shown(a, csv, used)) {
        rc = a->json ? predictor_forecast_json(a, csv, used, out)
                     : predictor_forecast_csv(a, out);

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
    wish = predictor_forecast_models[a->wish];

    if (strncmp(used, wish, strlen(wish)) == 0) {
        return 1;
    }

    if (a->wish == PREDICTOR_COMBINED) {
        if (strncmp(used, "lagreg", 6) != 0) {
            fprintf(stderr, "shard-predictor: model %s had to do: %u steps "
                    "(%.1f days) are too little history for the regression "
                    "over %u steps\n", used, csv->n, days, a->horizon);
        }

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
    const predictor_csv_t *csv, const char *used, const double *out)
{
    int        rc;
    char       name[PREDICTOR_QUANTILE_TEXT + 1];
    json_t    *root, *steps, *step;
    uint32_t   h, i;

    steps = json_array();

    for (h = 1; h <= a->horizon; h++) {
        step = json_pack("{s:I, s:f}", "h", (json_int_t) h, "mean", *out++);

        for (i = 0; i < a->nq; i++) {
            snprintf(name, sizeof(name), "q%s", a->name[i]);
            (void) json_object_set_new(step, name, json_real(*out++));
        }

        (void) json_array_append_new(steps, step);
    }

    root = json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "model", used,
                     "interval_s", (json_int_t) a->interval_s,
                     "at", (json_int_t) (csv->start + (uint64_t) a->interval_s
                                         * (csv->n - 1)),
                     "n", (json_int_t) csv->n,
                     "gaps", (json_int_t) (csv->n - csv->known),
                     "forecast", steps);

    rc = root ? json_dumpf(root, stdout, JSON_REAL_PRECISION(9)) : -1;
    json_decref(root);
    putchar('\n');

    if (rc != 0 || fflush(stdout) != 0) {
        fputs("shard-predictor: writing failed\n", stderr);
        return 1;
    }

    return 0;
}
