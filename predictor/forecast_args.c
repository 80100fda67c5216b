
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forecast_args.h"
#include "shard_codec.h"


#define PREDICTOR_INTERVAL_MAX  (7 * 86400)

/* names to choose from that a message lists */

#define PREDICTOR_ARG_MODELS    32


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
static int predictor_arg_model(const char *value,
    const predictor_model_t **wish);
static int predictor_forecast_unknown(const char *arg);


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


int
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
predictor_arg_model(const char *value, const predictor_model_t **wish)
{
    uint32_t     i, n;
    const char  *nearest;
    const char  *names[PREDICTOR_ARG_MODELS + 1];
    shard_str_t  text;

    *wish = NULL;

    if (strcmp(value, "combined") == 0) {
        return SHARD_OK;
    }

    *wish = predictor_model_find(value);

    if (*wish) {
        return SHARD_OK;
    }

    names[0] = "combined";
    names[1] = "naive";

    for (n = 2; n < PREDICTOR_ARG_MODELS && predictor_models[n - 2]; n++) {
        names[n] = predictor_models[n - 2]->name;
    }

    names[n] = NULL;

    text.data = value;
    text.len = strlen(value);
    nearest = shard_nearest(text, names);

    fprintf(stderr, "shard-predictor: --model \"%s\" is unknown, %s", value,
            nearest ? "nearest is " : "there are ");

    for (i = 0; nearest == NULL && i < n; i++) {
        fprintf(stderr, "%s%s", i ? ", " : "", names[i]);
    }

    fprintf(stderr, "%s\n", nearest ? nearest : "");

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
