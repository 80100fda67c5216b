
/*
 * The errors of past forecasts over restarts: "errors:RES:BLOCK" in the
 * store, a string for each block of shards (errors_code.c).
 *
 *   hourly, some blocks a step ─┐
 *   all of them at the end ─────┴─▶ store ─▶ when it loads
 *
 * They are worth keeping, not worth a stop: what cannot be read is gathered
 * anew, what cannot be written is written with the next hour.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "daemon.h"


#define PREDICTOR_REMEMBER_S       3600
#define PREDICTOR_REMEMBER_LIVE_S  (40 * 86400)
#define PREDICTOR_REMEMBER_BLOCKS  4        /* in one step */


static uint32_t
predictor_remember_blocks(const predictor_daemon_t *d)
{
    uint32_t  n;

    n = d->fleet.ncols < d->outlook.nshards ? d->fleet.ncols
                                            : d->outlook.nshards;

    return (n + PREDICTOR_ERRORS_BLOCK - 1) / PREDICTOR_ERRORS_BLOCK;
}


/* shards of a block that there is room for */

static uint32_t
predictor_remember_shards(const predictor_daemon_t *d, uint32_t block)
{
    uint32_t  left;

    left = d->outlook.nshards - block * PREDICTOR_ERRORS_BLOCK;

    return left < PREDICTOR_ERRORS_BLOCK ? left : PREDICTOR_ERRORS_BLOCK;
}


/* the errors of shards that left the table are left out: an id that comes
 * back is another shard */

static void
predictor_remember_forget(predictor_daemon_t *d, uint32_t first, uint32_t n)
{
    uint32_t  i;

    for (i = first; i < first + n; i++) {

        if (i >= d->fleet.ncols || d->fleet.by_id[i] == SHARD_ID_NONE) {
            memset(&d->outlook.errors[i], 0, sizeof(predictor_errors_t));
        }
    }
}


static int
predictor_remember_block(predictor_daemon_t *d, uint32_t block, void *code)
{
    char      key[48];
    size_t    len;
    uint32_t  first, n;

    first = block * PREDICTOR_ERRORS_BLOCK;
    n = predictor_remember_shards(d, block);
    predictor_remember_forget(d, first, n);

    len = predictor_errors_encode(&d->outlook.plan, d->outlook.errors + first,
                                  first, n, code);

    snprintf(key, sizeof(key), "errors:%ld:%u", d->res_s, block);

    return d->io->bytes_put(d->io->data, key, code, len,
                            PREDICTOR_REMEMBER_LIVE_S);
}


/* blocks from d->remembered on, at most "most" */

static int
predictor_remember_some(predictor_daemon_t *d, uint32_t most)
{
    int    rc;
    void  *code;

    code = malloc(predictor_errors_room(PREDICTOR_ERRORS_BLOCK));

    if (code == NULL) {
        return SHARDD_BAD;
    }

    rc = SHARDD_OK;

    while (rc == SHARDD_OK && most--
           && d->remembered < predictor_remember_blocks(d))
    {
        rc = predictor_remember_block(d, d->remembered, code);
        d->remembered += rc == SHARDD_OK;
    }

    free(code);

    return rc;
}


int
predictor_remember(predictor_daemon_t *d)
{
    long  hour;

    hour = (long) ((double) d->history.last * (double) d->res_s
                   / PREDICTOR_REMEMBER_S);

    if (hour != d->hour) {
        d->hour = hour;
        d->remembered = 0;
    }

    if (d->remembered >= predictor_remember_blocks(d)) {
        return SHARDD_OK;
    }

    return predictor_remember_some(d, PREDICTOR_REMEMBER_BLOCKS);
}


int
predictor_remember_all(predictor_daemon_t *d)
{
    if (d->state == PREDICTOR_WAITING || d->state == PREDICTOR_LOADING) {
        return SHARDD_OK;
    }

    (void) predictor_outlook_wait(&d->outlook, -1);
    d->remembered = 0;

    return predictor_remember_some(d, UINT32_MAX);
}


/* refused ones are counted, said once, and replaced within the hour */

static void
predictor_recall_block(predictor_daemon_t *d, uint32_t block, const void *code,
    size_t len)
{
    int       rc;
    char      err[SHARD_ERR_SIZE];
    uint32_t  first;

    first = block * PREDICTOR_ERRORS_BLOCK;
    rc = predictor_errors_decode(&d->outlook.plan, code, len, first,
                                 predictor_remember_shards(d, block),
                                 d->outlook.errors + first, err);

    if (rc == SHARD_OK) {
        return;
    }

    if (d->forgotten++ == 0) {
        shardd_log(rc == SHARD_ERROR ? SHARDD_LOG_WARN : SHARDD_LOG_INFO,
                   "errors:%ld:%u: %s", d->res_s, block, err);
    }
}


int
predictor_recall(predictor_daemon_t *d)
{
    int        rc;
    char       key[48];
    void      *code;
    size_t     len;
    uint32_t   block;

    d->forgotten = 0;
    d->hour = (long) ((double) d->history.last * (double) d->res_s
                      / PREDICTOR_REMEMBER_S);
    d->remembered = UINT32_MAX;

    for (block = 0; block < predictor_remember_blocks(d); block++) {
        snprintf(key, sizeof(key), "errors:%ld:%u", d->res_s, block);
        code = NULL;

        rc = d->io->bytes_get(d->io->data, key,
                              predictor_errors_room(PREDICTOR_ERRORS_BLOCK),
                              &code, &len);

        if (rc == SHARDD_OK) {
            predictor_recall_block(d, block, code, len);
            free(code);

        } else if (rc == SHARDD_BAD) {
            d->forgotten++;
            shardd_log(SHARDD_LOG_WARN, "%s", d->io->err(d->io->data));

        } else if (rc != SHARDD_NONE) {
            return rc;
        }
    }

    if (d->forgotten) {
        shardd_log(SHARDD_LOG_WARN, "errors of past forecasts: %u of %u "
                   "blocks were not understood, their shards begin anew",
                   d->forgotten, predictor_remember_blocks(d));
    }

    return SHARDD_OK;
}
