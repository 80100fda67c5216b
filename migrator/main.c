
/*
 * shard-migrator: carries decisions out.
 */


#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <curl/curl.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "../src/daemon/shardd_version.h"
#include "crew.h"


/* cutovers end by themselves within this; what else is left is resumed */

#define STOP_MS  10000


static void
migrator_help(void)
{
    printf("usage: shard-migrator -c FILE\n"
           "\n"
           "Carries the decisions of a keyspace out: copies shards to other "
           "nodes and\nmakes those the owners, without a failed, lost or "
           "reordered request.\nSeveral may run at a time; what one leaves "
           "behind another goes on with.\n"
           "\n"
           "  -c, --conf FILE   YAML, see below\n"
           "  -t, --test        check FILE and end\n"
           "  --log-format text|json\n"
           "                    whatever FILE says; json: one object a line\n"
           "  -h, --help        this text\n"
           "  -V, --version\n"
           "\n"
           "Exit status: 0 ended by a signal, 1 failed, 2 usage.\n"
           "\n"
           "%s=PHASE or PHASE:after kills the process there, for tests;\n"
           "%s stops it, until SIGCONT.\n"
           "\n"
           "Keys of FILE and their defaults:\n\n", MIGRATOR_CRASH_ENV,
           MIGRATOR_STOP_ENV);

    migrator_conf_print();
}


static int
migrator_daemon(const migrator_conf_t *conf)
{
    int                     rc;
    char                    err[MIGRATOR_ERR_SIZE];
    uint64_t                until;

    migrator_dns_t         *dns;
    migrator_keeper_t      *keeper;

    static migrator_crew_t  crew;

    migrator_crew_init(&crew, conf);

    rc = shardd_store_open(&crew.store, &conf->redis, conf->keyspace);

    if (rc != SHARDD_OK) {
        shardd_log(SHARDD_LOG_ERROR, "%s (\"redis\" in the configuration "
                   "says where and with which password)", crew.store.err);
        shardd_store_close(&crew.store);
        return 1;
    }

    if (conf->metrics) {
        crew.expose = shardd_expose_start(conf->metrics, err);

        if (crew.expose == NULL) {
            shardd_log(SHARDD_LOG_ERROR, "%s", err);
            shardd_store_close(&crew.store);
            return 1;
        }
    }

    crew.driver = migrator_driver_of(conf, SHARD_LOG_SHIPPING);

    if (crew.driver->open(conf, &crew.driver_data, err) != 0) {
        shardd_log(SHARDD_LOG_ERROR, "driver %s: %s", crew.driver->name, err);
        shardd_store_close(&crew.store);
        return 1;
    }

    shardd_log(SHARDD_LOG_INFO, "%s serves as %s", SHARDD_VERSION,
               crew.holder);

    keeper = migrator_crew_keep(&crew);
    dns = migrator_dns_start(conf, crew.holder);

    while (!shardd_loop_stopping()) {
        (void) migrator_crew_reap(&crew);
        migrator_crew_decisions(&crew);
        migrator_crew_adopt(&crew);
        migrator_crew_checks(&crew);
        migrator_crew_fence(&crew);
        migrator_crew_retire(&crew);
        migrator_crew_expose(&crew);
        (void) shardd_loop_pause(conf->scan_ms);
    }

    until = shardd_monotonic_ms() + STOP_MS;
    migrator_keeper_stop(keeper);
    migrator_dns_stop(dns);

    while (migrator_crew_reap(&crew) && shardd_monotonic_ms() < until) {
        migrator_store_io.sleep_ms(NULL, 10);
    }

    migrator_crew_untell(&crew);
    shardd_expose_stop(crew.expose);
    shardd_log(SHARDD_LOG_INFO, "ends, %u migrations left to others", crew.n);
    shardd_store_close(&crew.store);
    crew.driver->close(crew.driver_data);

    /* their threads still run: leave their memory to the kernel */

    return 0;
}


typedef struct {
    const char  *path;
    int          test;
    int          format;            /* of the log, -1: as the file says */
} migrator_options_t;


/* the exit status, or -1: go on */

static int
migrator_options(int argc, char **argv, migrator_options_t *o)
{
    int  c;

    static const struct option  options[] = {
        { "conf", required_argument, NULL, 'c' },
        { "test", no_argument, NULL, 't' },
        { "log-format", required_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 }
    };

    o->path = NULL;
    o->test = 0;
    o->format = -1;

    while ((c = getopt_long(argc, argv, "c:thV", options, NULL)) != -1) {

        switch (c) {

        case 'c':
            o->path = optarg;
            break;

        case 't':
            o->test = 1;
            break;

        case 'l':
            o->format = shardd_log_format_of(optarg);

            if (o->format < 0) {
                fprintf(stderr, "shard-migrator: --log-format \"%s\": text "
                        "or json is expected\n", optarg);
                return 2;
            }

            break;

        case 'h':
            migrator_help();
            return 0;

        case 'V':
            printf("shard-migrator %s\n", SHARDD_VERSION);
            return 0;

        default:
            fprintf(stderr, "try shard-migrator --help\n");
            return 2;
        }
    }

    if (o->path == NULL || optind != argc) {
        fprintf(stderr, "usage: shard-migrator -c FILE\n");
        return 2;
    }

    return -1;
}


int
main(int argc, char **argv)
{
    int                 rc;
    char                err[SHARDD_ERR_SIZE];
    migrator_options_t  o;

    /* its strings live as long as the process, and so does it */
    static migrator_conf_t  conf;

    rc = migrator_options(argc, argv, &o);

    if (rc >= 0) {
        return rc;
    }

    if (migrator_conf_load(o.path, &conf, err) != 0) {
        fprintf(stderr, "shard-migrator: %s\n", err);
        return 1;
    }

    if (o.test) {
        printf("%s is good\n", o.path);
        return 0;
    }

    shardd_log_init("migrator", conf.keyspace, conf.log_level);
    shardd_log_format(o.format < 0 ? conf.log_format : o.format);

    if (shardd_loop_init() != 0) {
        shardd_log(SHARDD_LOG_ERROR, "signals: %s", strerror(errno));
        return 1;
    }

    if (curl_global_init(CURL_GLOBAL_ALL) != 0) {
        shardd_log(SHARDD_LOG_ERROR, "curl_global_init() failed");
        return 1;
    }

    return migrator_daemon(&conf);
}
