
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "forecast_args.h"


static int predictor_forecast_arg(int option, const char *value, void *data);
static int predictor_forecast_defaults(predictor_forecast_args_t *a);
static int predictor_arg_quantiles(const char *value,
    predictor_forecast_args_t *a);
static int predictor_arg_quantile(const char *text, size_t len,
    predictor_forecast_args_t *a);


static const struct option  predictor_forecast_options[] = {
    { "interval",  required_argument, NULL, 'i' },
    { "season",    required_argument, NULL, 's' },
    { "horizon",   required_argument, NULL, 'n' },
    { "quantiles", required_argument, NULL, 'q' },
    { "model",     required_argument, NULL, 'm' },
    { "plot",      required_argument, NULL, 'p' },
    { "events",    required_argument, NULL, 'e' },
    { "json",      no_argument,       NULL, 'j' },
    { "help",      no_argument,       NULL, 'h' },
    { NULL, 0, NULL, 0 }
};


static const char *const  predictor_forecast_words[] = {
    "--interval", "--season", "--horizon", "--quantiles", "--model",
    "--plot", "--events", "--json", "--help", NULL
};


int
predictor_forecast_args(int argc, char **argv, predictor_forecast_args_t *a)
{
    int  rc;

    static const predictor_args_t  args = {
        "+:", predictor_forecast_options, predictor_forecast_words,
        predictor_forecast_arg
    };

    rc = predictor_args(argc, argv, &args, a);

    if (rc != SHARD_OK) {
        return rc;
    }

    if (optind < argc) {
        fprintf(stderr, "shard-predictor: unexpected \"%s\": the series is "
                "read from standard input\n", argv[optind]);
        return SHARD_ERROR;
    }

    return predictor_forecast_defaults(a);
}


static int
predictor_forecast_arg(int option, const char *value, void *data)
{
    predictor_forecast_args_t  *a = data;

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
        return predictor_arg_model("--model", value, &a->wish);

    case 'p':
        a->plot = value;
        return SHARD_OK;

    case 'e':
        a->events = value;
        return SHARD_OK;

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

    if (predictor_arg_weeks(a->season) != SHARD_OK) {
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
