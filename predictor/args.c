
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "shard_codec.h"


#define PREDICTOR_ARG_MODELS  64
#define PREDICTOR_ARG_DAYS    0.1


/* always SHARD_ERROR */

static int
predictor_arg_unknown(const char *arg, const char *const *words)
{
    shard_str_t  text;
    const char  *nearest;

    text.data = arg;
    text.len = strcspn(arg, "=");
    nearest = shard_nearest(text, words);

    fprintf(stderr, "shard-predictor: unknown or incomplete option \"%s\"",
            arg);

    if (nearest) {
        fprintf(stderr, ", nearest is %s", nearest);
    }

    fputc('\n', stderr);

    return SHARD_ERROR;
}


int
predictor_args(int argc, char **argv, const predictor_args_t *args,
    void *data)
{
    int  option;

    optind = 0;
    opterr = 0;

    for ( ;; ) {
        option = getopt_long(argc, argv, args->order, args->options, NULL);

        switch (option) {

        case -1:
            return SHARD_OK;

        case 'h':
            return SHARD_AGAIN;

        case ':':
            fprintf(stderr, "shard-predictor: %s needs a value\n",
                    argv[optind - 1]);
            return SHARD_ERROR;

        case '?':
            return predictor_arg_unknown(argv[optind - 1], args->words);
        }

        if (args->take(option, optarg, data) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }
}


int
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


int
predictor_arg_days(const char *name, const char *value, uint32_t max,
    double *days)
{
    char    *end;
    double   n;

    n = value[strspn(value, "0123456789.")] == '\0' ? strtod(value, &end) : 0;

    if (!(n >= PREDICTOR_ARG_DAYS && n <= max) || *end) {
        fprintf(stderr, "shard-predictor: %s \"%s\": days from %g to %u are "
                "expected\n", name, value, PREDICTOR_ARG_DAYS, max);
        return SHARD_ERROR;
    }

    *days = n;

    return SHARD_OK;
}


int
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


int
predictor_arg_weeks(const uint32_t *season)
{
    if (season[1] % season[0] != 0) {
        fprintf(stderr, "shard-predictor: --season %u,%u: the second must be "
                "a multiple of the first\n", season[0], season[1]);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


int
predictor_arg_model(const char *name, const char *value,
    const predictor_model_t **wish)
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

    fprintf(stderr, "shard-predictor: %s \"%s\" is unknown, %s", name,
            value, nearest ? "nearest is " : "there are ");

    for (i = 0; nearest == NULL && i < n; i++) {
        fprintf(stderr, "%s%s", i ? ", " : "", names[i]);
    }

    fprintf(stderr, "%s\n", nearest ? nearest : "");

    return SHARD_ERROR;
}


void
predictor_arg_models(FILE *out)
{
    uint32_t  i;

    for (i = 0; predictor_models[i]; i++) {
        fprintf(out, "%s%s", i % 6 == 0 && i ? "\n        " : " ",
                predictor_models[i]->name);
    }
}
