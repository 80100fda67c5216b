
/*
 * The command line of shardload.
 */


#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "shardload.h"


enum {
    OPT_URL = 256, OPT_KEY_HEADER, OPT_SCHEDULE, OPT_REPORT, OPT_SERIES,
    OPT_PREFIX, OPT_RATE, OPT_SECONDS, OPT_SHARDS, OPT_MIX, OPT_CONNECTIONS,
    OPT_KEYS, OPT_QUEUES, OPT_SEED, OPT_TIMEOUT, OPT_START_AT, OPT_POISSON,
    OPT_VERIFY, OPT_CALIBRATE, OPT_NO_RESEND, OPT_QUIET, OPT_JSON, OPT_HELP
};


static const struct option  shardload_long[] = {
    { "url", required_argument, NULL, OPT_URL },
    { "key-header", required_argument, NULL, OPT_KEY_HEADER },
    { "schedule", required_argument, NULL, OPT_SCHEDULE },
    { "report", required_argument, NULL, OPT_REPORT },
    { "series", required_argument, NULL, OPT_SERIES },
    { "prefix", required_argument, NULL, OPT_PREFIX },
    { "rate", required_argument, NULL, OPT_RATE },
    { "seconds", required_argument, NULL, OPT_SECONDS },
    { "shards", required_argument, NULL, OPT_SHARDS },
    { "mix", required_argument, NULL, OPT_MIX },
    { "connections", required_argument, NULL, OPT_CONNECTIONS },
    { "keys", required_argument, NULL, OPT_KEYS },
    { "queues", required_argument, NULL, OPT_QUEUES },
    { "seed", required_argument, NULL, OPT_SEED },
    { "timeout", required_argument, NULL, OPT_TIMEOUT },
    { "start-at", required_argument, NULL, OPT_START_AT },
    { "poisson", no_argument, NULL, OPT_POISSON },
    { "verify", no_argument, NULL, OPT_VERIFY },
    { "calibrate", no_argument, NULL, OPT_CALIBRATE },
    { "no-resend", no_argument, NULL, OPT_NO_RESEND },
    { "quiet", no_argument, NULL, OPT_QUIET },
    { "json", no_argument, NULL, OPT_JSON },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 }
};


static const char  shardload_usage[] =
"usage: shardload --url http://ADDR:PORT [options]\n"
"\n"
"Sends reads (GET /kv/KEY), writes (PUT /kv/KEY) and ordered appends\n"
"(POST /queue/KEY) on schedule, whatever the answers, and accounts for them.\n"
"\n"
"what to send\n"
"  --schedule FILE     CSV: start_ms, then a rate for each shard in each line\n"
"  --rate N            or: so many requests/s over all shards   (200)\n"
"  --seconds N         for so long                              (10)\n"
"  --shards N          equal ranges of the keyspace             (16)\n"
"  --mix R,W,A         per cent of reads, writes, appends       (50,30,20)\n"
"  --keys N            keys of each shard                       (32)\n"
"  --queues N          queues of each shard                     (8)\n"
"  --prefix TEXT       of the keys' names                       (k)\n"
"  --seed N            of all that is random                    (from the clock)\n"
"  --poisson           random arrivals instead of even ones\n"
"  --start-at MS       begin at this time, ms since 1970\n"
"  --calibrate         closed loop on --connections: how much can be carried?\n"
"\n"
"how\n"
"  --key-header NAME   header that carries the key              (X-Key)\n"
"  --connections N     kept alive at most                       (256)\n"
"  --timeout S         an answer later than that has failed     (10)\n"
"  --no-resend         a kept connection that ended without a byte of answer\n"
"                      is a failure too, not a reason to send again\n"
"\n"
"what to tell\n"
"  --verify            read everything back at the end and compare\n"
"  --report FILE       JSON                                     (stdout)\n"
"  --series FILE       CSV: a line for each step, nodes and shards in columns\n"
"  --json              the report on stdout, whatever else\n"
"  --quiet             no line on stderr each second\n"
"\n"
"TERM or INT ends the schedule early; all the rest is done as usual.\n"
"\n"
"exit status: 0 all is well, 1 something failed, was lost or reordered, 2 usage\n";


static int
shardload_number(const char *name, const char *text, double min, double max,
    double *value)
{
    char  *end;

    *value = strtod(text, &end);

    if (end == text || *end != '\0' || !(*value >= min && *value <= max)) {
        fprintf(stderr, "shardload: --%s: \"%s\" is not a number from %g to "
                "%g\n", name, text, min, max);
        return -1;
    }

    return 0;
}


static int
shardload_mix(shardload_conf_t *conf, const char *text)
{
    char      extra;
    uint32_t  r, w, a;

    if (sscanf(text, "%3u,%3u,%3u%c", &r, &w, &a, &extra) != 3
        || r + w + a != 100)
    {
        fprintf(stderr, "shardload: --mix: \"%s\" is not three percentages "
                "that add up to 100, as 50,30,20\n", text);
        return -1;
    }

    conf->mix[SHARDLOAD_READ] = r;
    conf->mix[SHARDLOAD_WRITE] = w;
    conf->mix[SHARDLOAD_APPEND] = a;

    return 0;
}


static int
shardload_option_text(shardload_conf_t *conf, int opt, const char *text)
{
    switch (opt) {

    case OPT_URL:
        conf->url = text;
        return 0;

    case OPT_KEY_HEADER:
        conf->key_header = text;
        return 0;

    case OPT_SCHEDULE:
        conf->schedule = text;
        return 0;

    case OPT_REPORT:
        conf->report = text;
        return 0;

    case OPT_SERIES:
        conf->series = text;
        return 0;

    case OPT_PREFIX:
        if (strlen(text) > 12 || strspn(text, "abcdefghijklmnopqrstuvwxyz"
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != strlen(text))
        {
            fprintf(stderr, "shardload: --prefix: \"%s\" is not up to 12 "
                    "letters, digits and \"-\"\n", text);
            return -1;
        }
        conf->prefix = text;
        return 0;

    default:
        return shardload_mix(conf, text);
    }
}


static int
shardload_option_number(shardload_conf_t *conf, int opt, const char *name,
    const char *text)
{
    double  n, max, min;

    min = (opt == OPT_SEED || opt == OPT_START_AT || opt == OPT_QUEUES) ? 0
          : (opt == OPT_RATE || opt == OPT_SECONDS || opt == OPT_TIMEOUT) ? 0.01
          : 1;
    max = (opt == OPT_SEED || opt == OPT_START_AT) ? 9e15
          : (opt == OPT_CONNECTIONS) ? 20000
          : (opt == OPT_KEYS || opt == OPT_QUEUES) ? 10000
          : (opt == OPT_SHARDS) ? 65536 : 1e6;

    if (shardload_number(name, text, min, max, &n) != 0) {
        return -1;
    }

    switch (opt) {

    case OPT_RATE:
        conf->rate = n;
        break;

    case OPT_SECONDS:
        conf->seconds = n;
        break;

    case OPT_SHARDS:
        conf->shards = (uint32_t) n;
        break;

    case OPT_CONNECTIONS:
        conf->connections = (uint32_t) n;
        break;

    case OPT_KEYS:
        conf->keys = (uint32_t) n;
        break;

    case OPT_QUEUES:
        conf->queues = (uint32_t) n;
        break;

    case OPT_SEED:
        conf->seed = (uint64_t) n;
        break;

    case OPT_START_AT:
        conf->start_at_ms = (uint64_t) n;
        break;

    default:
        conf->timeout_us = (uint64_t) (n * 1e6);
    }

    return 0;
}


static int
shardload_option(shardload_conf_t *conf, int opt, const char *name)
{
    switch (opt) {

    case OPT_URL:
    case OPT_KEY_HEADER:
    case OPT_SCHEDULE:
    case OPT_REPORT:
    case OPT_SERIES:
    case OPT_PREFIX:
    case OPT_MIX:
        return shardload_option_text(conf, opt, optarg);

    case OPT_POISSON:
        conf->poisson = 1;
        return 0;

    case OPT_VERIFY:
        conf->verify = 1;
        return 0;

    case OPT_CALIBRATE:
        conf->calibrate = 1;
        return 0;

    case OPT_NO_RESEND:
        conf->resend = 0;
        return 0;

    case OPT_QUIET:
        conf->quiet = 1;
        return 0;

    case OPT_JSON:
        conf->json = 1;
        return 0;

    case OPT_HELP:
        fputs(shardload_usage, stdout);
        return 1;

    case '?':
        fputs("shardload: see shardload --help\n", stderr);
        return -1;

    default:
        return shardload_option_number(conf, opt, name, optarg);
    }
}


int
shardload_options(shardload_conf_t *conf, int argc, char **argv)
{
    int  n, opt, rc;

    for ( ;; ) {
        n = 0;
        opt = getopt_long(argc, argv, "", shardload_long, &n);

        if (opt == -1) {
            break;
        }

        rc = shardload_option(conf, opt, shardload_long[n].name);

        if (rc != 0) {
            return rc;
        }
    }

    if (optind < argc) {
        fprintf(stderr, "shardload: unexpected \"%s\", see shardload --help\n",
                argv[optind]);
        return -1;
    }

    if (conf->url == NULL) {
        fputs("shardload: --url is missing, see shardload --help\n", stderr);
        return -1;
    }

    if (conf->mix[SHARDLOAD_APPEND] && conf->queues == 0) {
        fputs("shardload: --mix has appends but --queues is 0\n", stderr);
        return -1;
    }

    return 0;
}
