
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "backtest.h"
#include "pool.h"


static int predictor_backtest_arg(int option, const char *value, void *data);
static int predictor_backtest_rest(int argc, char **argv,
    predictor_backtest_t *b);
static int predictor_backtest_models(const char *models,
    predictor_backtest_t *b);
static int predictor_backtest_model(const char *name, predictor_backtest_t *b);
static int predictor_backtest_rival(const char *name,
    const predictor_model_t *model, uint32_t rows, predictor_backtest_t *b);
static int predictor_backtest_others(predictor_backtest_t *b);


static const struct option  predictor_backtest_options[] = {
    { "models",    required_argument, NULL, 'm' },
    { "threads",   required_argument, NULL, 't' },
    { "interval",  required_argument, NULL, 'i' },
    { "season",    required_argument, NULL, 's' },
    { "horizon",   required_argument, NULL, 'n' },
    { "origins",   required_argument, NULL, 'o' },
    { "days",      required_argument, NULL, 'd' },
    { "also",      required_argument, NULL, 'a' },
    { "only",      required_argument, NULL, 'l' },
    { "csv",       required_argument, NULL, 'c' },
    { "plot",      required_argument, NULL, 'p' },
    { "json",      no_argument,       NULL, 'j' },
    { "help",      no_argument,       NULL, 'h' },
    { NULL, 0, NULL, 0 }
};


static const char *const  predictor_backtest_words[] = {
    "--models", "--threads", "--interval", "--season", "--horizon",
    "--origins", "--days", "--also", "--only", "--csv", "--plot", "--json",
    "--help", NULL
};


static const char  predictor_backtest_help[] =
"usage: shard-predictor backtest [options] FILE.csv...\n"
"\n"
"Forecasts the last quarter of each series (lines \"epoch,value\", or with a\n"
"value for each of many series) from twelve origins, compares with what came,\n"
"and prints how good the combination and each model alone are.\n"
"\n"
"  --models A,B,...    models to test (default: all)\n"
"  --threads N         default: one per core\n"
"  --interval S        seconds from value to value (default: as most lines)\n"
"  --season A[,B]      steps in a day, and in a week (default: by the\n"
"                      interval)\n"
"  --horizon N         steps ahead (default: a day; an hour below 5 minutes)\n"
"  --origins N         up to 366 (default: 12)\n"
"  --days N            of history before an origin, 1.5 may be said\n"
"                      (default: 7 below 5 minutes, 28 below half an hour,\n"
"                      56 below an hour, 70)\n"
"  --also ROWS.csv     score another tool's forecasts in the same table; may\n"
"                      be given again\n"
"  --only ROWS.csv     test only at the origins that these rows have\n"
"  --csv OUT           write the forecasts: into the folder OUT, NAME.csv for\n"
"                      each model, or the first model's into OUT, if that\n"
"                      ends in .csv\n"
"  --plot OUT.png      draw history, forecasts, and what came, of the series\n"
"                      that the first model does worst on, up to six\n"
"  --json              one JSON object instead of tables\n"
"  --help\n"
"\n"
"relMAE is the mean absolute error relative to that of naive-day, which says\n"
"that tomorrow is as today: a model above 1 loses.\n"
"\n"
"Exit status: 0 ok, 1 the machine failed (reading, writing, memory), 2 wrong\n"
"use, or a file was left out that is no series or is too short.\n"
"\n"
"Models: combined";


int
predictor_backtest_args(int argc, char **argv, predictor_backtest_t *b)
{
    int  rc;

    static const predictor_args_t  args = {
        ":", predictor_backtest_options, predictor_backtest_words,
        predictor_backtest_arg
    };

    b->models = "all";
    rc = predictor_args(argc, argv, &args, b);

    return rc == SHARD_OK ? predictor_backtest_rest(argc, argv, b) : rc;
}


static int
predictor_backtest_arg(int option, const char *value, void *data)
{
    predictor_backtest_t  *b = data;

    const char  **also;

    switch (option) {

    case 'm':
        b->models = value;
        return SHARD_OK;

    case 't':
        return predictor_arg_number("--threads", value, PREDICTOR_THREADS_MAX,
                                    &b->threads);
    case 'i':
        return predictor_arg_number("--interval", value,
                                    PREDICTOR_INTERVAL_MAX, &b->interval_s);
    case 's':
        return predictor_arg_seasons(value, b->wish.season);

    case 'n':
        return predictor_arg_number("--horizon", value, PREDICTOR_HORIZON_MAX,
                                    &b->wish.horizon);
    case 'o':
        return predictor_arg_number("--origins", value, PREDICTOR_ORIGINS_MAX,
                                    &b->wish.origins);
    case 'd':
        return predictor_arg_days("--days", value, 3660, &b->wish.days);

    case 'a':
        also = realloc(b->also, (b->nalso + 1) * sizeof(char *));

        if (also == NULL) {
            fputs("shard-predictor: out of memory\n", stderr);
            return SHARD_ERROR;
        }

        b->also = also;
        b->also[b->nalso++] = value;
        return SHARD_OK;

    case 'l':
        b->only = value;
        return SHARD_OK;

    case 'c':
        b->csv = value;
        return SHARD_OK;

    case 'p':
        b->plot = value;
        return SHARD_OK;

    default: /* 'j' */
        b->json = 1;
        return SHARD_OK;
    }
}


static int
predictor_backtest_rest(int argc, char **argv, predictor_backtest_t *b)
{
    if (optind == argc) {
        fputs("shard-predictor: backtest needs a file: lines "
              "\"epoch,value\"\n", stderr);
        return SHARD_ERROR;
    }

    b->file = argv + optind;
    b->nfiles = (uint32_t) (argc - optind);

    if (b->nfiles > PREDICTOR_BACKTEST_FILES) {
        fprintf(stderr, "shard-predictor: more than %u files\n",
                PREDICTOR_BACKTEST_FILES);
        return SHARD_ERROR;
    }

    if (b->wish.season[1] && predictor_arg_weeks(b->wish.season) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (predictor_backtest_models(b->models, b) != SHARD_OK) {
        return SHARD_ERROR;
    }

    return predictor_backtest_others(b);
}


/* "all": the combination first, then every model there is */

static int
predictor_backtest_models(const char *models, predictor_backtest_t *b)
{
    char      name[PREDICTOR_BACKTEST_NAME];
    size_t    len;
    uint32_t  i;

    if (strcmp(models, "all") == 0) {
        if (predictor_backtest_rival("combined", NULL, 0, b) != SHARD_OK) {
            return SHARD_ERROR;
        }

        for (i = 0; predictor_models[i]; i++) {
            if (predictor_backtest_rival(predictor_models[i]->name,
                                         predictor_models[i], 0, b)
                != SHARD_OK)
            {
                return SHARD_ERROR;
            }
        }

        return SHARD_OK;
    }

    for ( ;; ) {
        len = strcspn(models, ",");

        snprintf(name, sizeof(name), "%.*s",
                 (int) (len < sizeof(name) ? len : sizeof(name) - 1), models);

        if (predictor_backtest_model(name, b) != SHARD_OK) {
            return SHARD_ERROR;
        }

        if (models[len] == '\0') {
            return SHARD_OK;
        }

        models += len + 1;
    }
}


static int
predictor_backtest_model(const char *name, predictor_backtest_t *b)
{
    const predictor_model_t  *model;

    if (predictor_arg_model("--models", name, &model) != SHARD_OK) {
        return SHARD_ERROR;
    }

    return predictor_backtest_rival(model ? model->name : "combined", model,
                                    0, b);
}


static int
predictor_backtest_rival(const char *name, const predictor_model_t *model,
    uint32_t rows, predictor_backtest_t *b)
{
    uint32_t            i;
    predictor_rival_t  *rival;

    for (i = 0; i < b->nrivals; i++) {
        if (strcmp(b->rival[i].name, name) == 0) {
            fprintf(stderr, "shard-predictor: model %s is given twice\n",
                    name);
            return SHARD_ERROR;
        }
    }

    if (b->nrivals == PREDICTOR_BACKTEST_MODELS) {
        fprintf(stderr, "shard-predictor: more than %u models\n",
                PREDICTOR_BACKTEST_MODELS);
        return SHARD_ERROR;
    }

    rival = &b->rival[b->nrivals++];

    snprintf(rival->name, sizeof(rival->name), "%s", name);
    rival->model = model;
    rival->rows = rows;

    return SHARD_OK;
}


/* rows by the name of their file, and naive-day, which all are compared to */

static int
predictor_backtest_others(predictor_backtest_t *b)
{
    char         name[PREDICTOR_BACKTEST_NAME];
    size_t       len;
    uint32_t     i;
    const char  *base;

    for (i = 0; i < b->nalso; i++) {
        base = strrchr(b->also[i], '/');
        base = base ? base + 1 : b->also[i];
        len = strlen(base);
        len -= len > 4 && strcmp(base + len - 4, ".csv") == 0 ? 4 : 0;

        snprintf(name, sizeof(name), "%.*s",
                 (int) (len < sizeof(name) ? len : sizeof(name) - 1), base);

        if (predictor_backtest_rival(name, NULL, i + 1, b) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    for (i = 0; i < b->nrivals; i++) {
        if (b->rival[i].model == &predictor_model_naive_day) {
            b->base = i;
            return SHARD_OK;
        }
    }

    b->base = b->nrivals;

    if (predictor_backtest_rival(predictor_model_naive_day.name,
                                 &predictor_model_naive_day, 0, b)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    b->rival[b->base].hidden = 1;

    return SHARD_OK;
}


void
predictor_backtest_usage(void)
{
    fputs(predictor_backtest_help, stdout);
    predictor_arg_models(stdout);
    fputs("\n", stdout);
}
