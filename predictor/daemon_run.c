
/* The process around the steps: configuration, store, signals, the end. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "daemon.h"
#include "expose.h"
#include "predictor.h"


#define PREDICTOR_EXPOSE_MS  1000


/* its strings live as long as the process, and so does what points to them */

static predictor_conf_t  predictor_conf;


/* the name of this process among all that may ask for the claim */

static void
predictor_holder(char *holder)
{
    char    host[32];
    size_t  i;

    if (gethostname(host, sizeof(host)) != 0) {
        memcpy(host, "host", 5);
    }

    host[sizeof(host) - 1] = '\0';

    for (i = 0; host[i]; i++) {

        if (strspn(&host[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "abcdefghijklmnopqrstuvwxyz0123456789-.") == 0)
        {
            host[i] = '_';
        }
    }

    snprintf(holder, SHARD_NAME_SIZE, "predictor.%s.%ld", host,
             (long) getpid());
}


/* figures for others, once a second; expose NULL: nobody wants them.  While
 * forecasts are made those of the ones before stay */

static void
predictor_run_expose(const predictor_daemon_t *d, shardd_expose_t *expose,
    uint64_t *shown_ms)
{
    uint64_t  now_ms;

    now_ms = d->io->now_ms(d->io->data);

    if (expose && d->state != PREDICTOR_FORECASTING
        && now_ms - *shown_ms >= PREDICTOR_EXPOSE_MS)
    {
        shardd_expose_put(expose, predictor_expose_text(d));
        *shown_ms = now_ms;
    }
}


static int
predictor_run(predictor_daemon_t *d, shardd_expose_t *expose)
{
    long      pause_ms;
    uint64_t  shown_ms;

    shown_ms = 0;

    while (!shardd_loop_stopping()) {
        pause_ms = predictor_daemon_step(d);
        predictor_run_expose(d, expose, &shown_ms);

        if (pause_ms && shardd_loop_pause(pause_ms)) {
            break;
        }
    }

    if (d->state != PREDICTOR_WAITING) {

        if (predictor_remember_all(d) != SHARDD_OK) {
            shardd_log(SHARDD_LOG_WARN, "errors of past forecasts are not "
                       "kept: %s", d->io->err(d->io->data));
        }

        d->io->release(d->io->data);
    }

    shardd_log(SHARDD_LOG_INFO, "stopped after %llu decisions",
               (unsigned long long) d->decisions);
    predictor_daemon_done(d);

    return 0;
}


/* with a store that is open: until the end */

static int
predictor_serve(predictor_io_store_t *world)
{
    int                  rc;
    char                 err[SHARDD_ERR_SIZE];
    predictor_io_t       io;
    shardd_expose_t     *expose;
    predictor_daemon_t  *d;

    d = malloc(sizeof(predictor_daemon_t));

    if (d == NULL) {
        fprintf(stderr, "shard-predictor: no memory\n");
        return 1;
    }

    expose = NULL;

    if (predictor_conf.metrics) {
        expose = shardd_expose_start(predictor_conf.metrics, err);

        if (expose == NULL) {
            fprintf(stderr, "shard-predictor: %s\n", err);
            free(d);
            return 1;
        }
    }

    predictor_io_store(&io, world);
    predictor_daemon_init(d, &predictor_conf, &io);

    rc = predictor_run(d, expose);

    shardd_expose_stop(expose);
    free(d);

    return rc;
}


int
predictor_daemon(const char *conf_path, int log_format)
{
    int                    rc;
    char                   err[SHARDD_ERR_SIZE];
    predictor_io_store_t   world;

    if (predictor_conf_load(conf_path, &predictor_conf, err) != 0) {
        fprintf(stderr, "shard-predictor: %s\n", err);
        return 1;
    }

    shardd_log_init("predictor", predictor_conf.keyspace,
                    predictor_conf.log_level);
    shardd_log_format(log_format < 0 ? predictor_conf.log_format : log_format);

    if (shardd_loop_init() != 0) {
        fprintf(stderr, "shard-predictor: signals: %s\n", strerror(errno));
        return 1;
    }

    memset(&world, 0, sizeof(predictor_io_store_t));
    predictor_holder(world.holder);

    rc = shardd_store_open(&world.store, &predictor_conf.redis,
                           predictor_conf.keyspace);

    if (rc != SHARDD_OK) {
        fprintf(stderr, "shard-predictor: %s (\"redis\" in the "
                "configuration says where and with which password)\n",
                world.store.err);
        shardd_store_close(&world.store);
        return 1;
    }

    rc = predictor_serve(&world);

    predictor_scrape_destroy(world.scrape);
    predictor_scrape_destroy(world.sizes);
    shardd_store_close(&world.store);

    return rc;
}


int
predictor_daemon_check(const char *conf_path)
{
    char  err[SHARDD_ERR_SIZE];

    if (predictor_conf_load(conf_path, &predictor_conf, err) != 0) {
        fprintf(stderr, "shard-predictor: %s\n", err);
        return 1;
    }

    predictor_conf_print(&predictor_conf);

    return 0;
}
