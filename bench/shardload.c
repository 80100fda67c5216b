
/*
 * shardload: see shardload.h and --help.
 */


#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "shardload.h"


static void
shardload_defaults(shardload_conf_t *conf)
{
    struct timespec  ts;

    memset(conf, 0, sizeof(*conf));
    clock_gettime(CLOCK_REALTIME, &ts);

    conf->key_header = "X-Key";
    conf->prefix = "k";
    conf->rate = 200;
    conf->seconds = 10;
    conf->shards = 16;
    conf->mix[SHARDLOAD_READ] = 50;
    conf->mix[SHARDLOAD_WRITE] = 30;
    conf->mix[SHARDLOAD_APPEND] = 20;
    conf->connections = 256;
    conf->keys = 32;
    conf->queues = 8;
    conf->timeout_us = 10000000;
    conf->resend = 1;
    conf->seed = (uint64_t) (ts.tv_nsec ^ ts.tv_sec) & 0xffffffff;
}


/* a socket for each connection, as many as the system allows; TERM and INT
 * end the schedule early */

static void
shardload_limits(void)
{
    struct rlimit  limit;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, shardload_on_signal);
    signal(SIGINT, shardload_on_signal);

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}


static int
shardload_go(shardload_t *load)
{
    if (load->conf.calibrate) {
        return shardload_calibrate(load);
    }

    if (shardload_run(load) != 0) {
        return -1;
    }

    return load->conf.verify ? shardload_verify(load) : 0;
}


/* before the run: a report that cannot be kept is known too late behind it */

static int
shardload_writable(const char *path)
{
    FILE  *f;

    if (path == NULL) {
        return 0;
    }

    f = fopen(path, "a");

    if (f == NULL) {
        fprintf(stderr, "shardload: %s: %s\n", path, strerror(errno));
        return -1;
    }

    (void) fclose(f);

    return 0;
}


int
main(int argc, char **argv)
{
    int                 rc;
    static shardload_t  load;

    shardload_defaults(&load.conf);
    rc = shardload_options(&load.conf, argc, argv);

    if (rc != 0) {
        return rc == 1 ? 0 : 2;
    }

    shardload_limits();
    load.random = load.conf.seed;

    if (shardload_writable(load.conf.report) != 0
        || shardload_writable(load.conf.series) != 0)
    {
        return 1;
    }

    if (shardload_pool_init(&load) != 0
        || (load.conf.schedule ? shardload_schedule_load(&load)
                               : shardload_schedule_constant(&load)) != 0
        || shardload_ledger_init(&load) != 0)
    {
        return 2;
    }

    if (!load.conf.quiet) {
        fprintf(stderr, "shardload: seed %llu\n",
                (unsigned long long) load.conf.seed);
    }

    if (shardload_go(&load) != 0
        || shardload_report(&load) != 0
        || (load.conf.series && shardload_series(&load) != 0))
    {
        return 1;
    }

    return load.failed || load.lost || load.reordered || load.unverified
           || load.stale_reads;
}
