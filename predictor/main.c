
#include <stdio.h>
#include <string.h>

#include "predictor.h"
#include "shard_codec.h"
#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_version.h"


static int predictor_dispatch(int argc, char **argv);
static int predictor_configured(int argc, char **argv);
static int predictor_unknown(const char *word);


static const char  predictor_help[] =
"usage: shard-predictor -c predictor.yaml [--check] [--log-format text|json]\n"
"       shard-predictor forecast --interval S [options] <series >forecast\n"
"       shard-predictor backtest [options] FILE.csv...\n"
"       shard-predictor simulate SCENARIO.yaml [options]\n"
"       shard-predictor --help | --version\n"
"\n"
"With -c it learns the load of a keyspace's shards from Redis, forecasts it,\n"
"and decides which shards to move ahead of their peak.  \"forecast\" reads a\n"
"series from standard input; see shard-predictor forecast --help.\n"
"\"backtest\" tells how good forecasts of files would have been; see\n"
"shard-predictor backtest --help.  \"simulate\" lets policies move the shards\n"
"of a recorded fleet; see shard-predictor simulate --help.  --check prints the\n"
"configuration as it is in force, with what each key means.  --log-format json\n"
"makes each line of the log one object, whatever the configuration says.\n";


static const char *const  predictor_words[] = {
    "forecast", "backtest", "simulate", "-c", "--help", "--version", NULL
};


int
main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(predictor_help, stderr);
        return 2;
    }

    return predictor_dispatch(argc, argv);
}


static int
predictor_dispatch(int argc, char **argv)
{
    if (strcmp(argv[1], "forecast") == 0) {
        return predictor_cmd_forecast(argc - 1, argv + 1);
    }

    if (strcmp(argv[1], "backtest") == 0) {
        return predictor_cmd_backtest(argc - 1, argv + 1);
    }

    if (strcmp(argv[1], "simulate") == 0) {
        return predictor_cmd_simulate(argc - 1, argv + 1);
    }

    if (strcmp(argv[1], "-c") == 0) {
        return predictor_configured(argc - 1, argv + 1);
    }

    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(predictor_help, stdout);
        return 0;
    }

    if (strcmp(argv[1], "--version") == 0) {
        puts("shard-predictor " SHARDD_VERSION);
        return 0;
    }

    return predictor_unknown(argv[1]);
}


/* -c FILE, and what may follow */

static int
predictor_configured(int argc, char **argv)
{
    int          i, check, format;
    const char  *word;

    check = 0;
    format = -1;

    if (argc < 2) {
        fputs("shard-predictor: -c takes one configuration file\n", stderr);
        return 2;
    }

    for (i = 2; i < argc; i++) {

        if (strcmp(argv[i], "--check") == 0) {
            check = 1;
            continue;
        }

        if (strcmp(argv[i], "--log-format") != 0) {
            fprintf(stderr, "shard-predictor: -c takes one configuration "
                    "file, --check and --log-format: \"%s\" is none of them"
                    "\n", argv[i]);
            return 2;
        }

        word = i + 1 < argc ? argv[++i] : "";
        format = shardd_log_format_of(word);

        if (format < 0) {
            fprintf(stderr, "shard-predictor: --log-format \"%s\": text or "
                    "json is expected\n", word);
            return 2;
        }
    }

    return check ? predictor_daemon_check(argv[1])
                 : predictor_daemon(argv[1], format);
}


static int
predictor_unknown(const char *word)
{
    const char   *nearest;
    shard_str_t   text;

    text.data = word;
    text.len = strlen(word);
    nearest = shard_nearest(text, predictor_words);

    fprintf(stderr, "shard-predictor: unknown command \"%s\"", word);

    if (nearest) {
        fprintf(stderr, ", nearest is \"%s\"", nearest);
    }

    fputs("\ntry \"shard-predictor --help\"\n", stderr);

    return 2;
}
