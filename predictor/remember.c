
/*
 * The errors of past forecasts over restarts: "errors:RES:BLOCK" in the
 * store, a string for each block of shards (errors_code.c), and a small one of
 * what was said after each slot since, "said:RES:SLOT:BLOCK".
 *
 *   hourly, some blocks a step ─┐
 *   all of them at the end ─────┼─▶ store ─▶ when it loads: recall, then
 *   each slot: what was said ───┘            the logs over it, recall_logs
 *
 * A log is of use to a shard that the store has a whole of only: a block with
 * one that is not there yet is written whole in its place.
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
#define PREDICTOR_LOG_LIVE_S       (2 * PREDICTOR_REMEMBER_S)


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


/* logs that are looked for: those that the store may have, so that none since
 * the last whole is missed, however short a slot is */

static long
predictor_log_slots(const predictor_daemon_t *d)
{
    return PREDICTOR_LOG_LIVE_S / d->res_s + 1;
}


static int
predictor_remember_block(predictor_daemon_t *d, uint32_t block, void *code)
{
    int       rc;
    char      key[48];
    size_t    len;
    uint32_t  i, first, n;

    first = block * PREDICTOR_ERRORS_BLOCK;
    n = predictor_remember_shards(d, block);
    predictor_remember_forget(d, first, n);

    len = predictor_errors_encode(&d->outlook.plan, d->outlook.errors + first,
                                  first, n, code);

    snprintf(key, sizeof(key), "errors:%ld:%u", d->res_s, block);

    rc = d->io->bytes_put(d->io->data, key, code, len,
                          PREDICTOR_REMEMBER_LIVE_S);

    for (i = first; rc == SHARDD_OK && i < first + n; i++) {
        d->outlook.errors[i].kept = d->outlook.errors[i].slot != 0;
    }

    return rc;
}


/* what was said after the last slot */

static int
predictor_remember_log(predictor_daemon_t *d, uint32_t block, void *code)
{
    char      key[64];
    size_t    len;
    uint32_t  i, first, n;

    first = block * PREDICTOR_ERRORS_BLOCK;
    n = predictor_remember_shards(d, block);
    predictor_remember_forget(d, first, n);

    for (i = first; i < first + n; i++) {

        if (d->outlook.errors[i].slot && !d->outlook.errors[i].kept) {
            return predictor_remember_block(d, block, code);
        }
    }

    len = predictor_errors_encode_log(&d->outlook.plan,
                                      d->outlook.errors + first, first, n,
                                      d->told, code);

    if (len == 0) {
        return SHARDD_OK;
    }

    snprintf(key, sizeof(key), "said:%ld:%ld:%u", d->res_s, d->told, block);

    return d->io->bytes_put(d->io->data, key, code, len, PREDICTOR_LOG_LIVE_S);
}


/* blocks from d->remembered on, then logs from d->logged on, at most "most" */

static int
predictor_remember_some(predictor_daemon_t *d, uint32_t most)
{
    int        rc;
    void      *code;
    uint32_t   n;

    code = malloc(predictor_errors_room(PREDICTOR_ERRORS_BLOCK));

    if (code == NULL) {
        return SHARDD_BAD;
    }

    rc = SHARDD_OK;

    for (n = 0; rc == SHARDD_OK && n < most
                && d->remembered < predictor_remember_blocks(d); n++)
    {
        rc = predictor_remember_block(d, d->remembered, code);
        d->remembered += rc == SHARDD_OK;
    }

    for ( /* void */ ; rc == SHARDD_OK && n < most
                       && d->logged < predictor_remember_blocks(d); n++)
    {
        rc = predictor_remember_log(d, d->logged, code);
        d->logged += rc == SHARDD_OK;
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

    if (d->told != d->history.last) {
        d->told = d->history.last;
        d->logged = 0;
    }

    if (d->remembered >= predictor_remember_blocks(d)
        && d->logged >= predictor_remember_blocks(d))
    {
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
    d->logged = UINT32_MAX;

    return predictor_remember_some(d, UINT32_MAX);
}


/* refused ones are counted, said once, and replaced within the hour */

static void
predictor_recall_block(predictor_daemon_t *d, uint32_t block, const void *code,
    size_t len)
{
    int       rc;
    char      err[SHARD_ERR_SIZE];
    uint32_t  i, first, n;

    n = predictor_remember_shards(d, block);
    first = block * PREDICTOR_ERRORS_BLOCK;
    rc = predictor_errors_decode(&d->outlook.plan, code, len, first,
                                 n, d->outlook.errors + first, err);

    for (i = first; rc == SHARD_OK && i < first + n; i++) {
        d->outlook.errors[i].kept = d->outlook.errors[i].slot != 0;
    }

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
    d->told = -1;

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


/* slots whose logs are of use to a block: from the first on that one of its
 * shards lacks; 0: none */

static long
predictor_recall_since(const predictor_daemon_t *d, uint32_t block)
{
    long      since, slot;
    uint32_t  i, first;

    since = 0;
    first = block * PREDICTOR_ERRORS_BLOCK;

    for (i = first; i < first + predictor_remember_shards(d, block); i++) {
        slot = (long) d->outlook.errors[i].slot + 1;

        if (slot > 1 && (since == 0 || slot < since)) {
            since = slot;
        }
    }

    slot = d->history.last + 1 - predictor_log_slots(d);

    return since && since < slot ? slot : since;
}


/* one log over the errors of its block; "tails" are the last values of each
 * shard, predictor_log_slots() of them.  What is not understood is left out: it
 * is a slot's */

static void
predictor_recall_log(predictor_daemon_t *d, uint32_t block, const void *code,
    size_t len, predictor_errors_t *log, const double *tails)
{
    char      err[SHARD_ERR_SIZE];
    uint32_t  i, first, n, known;

    first = block * PREDICTOR_ERRORS_BLOCK;
    n = predictor_remember_shards(d, block);
    known = (uint32_t) predictor_log_slots(d);
    memset(log, 0, n * sizeof(predictor_errors_t));

    if (predictor_errors_decode_log(&d->outlook.plan, code, len, first, n, log,
                                    err)
        != SHARD_OK)
    {
        shardd_log(SHARDD_LOG_INFO, "said:%ld:*:%u: %s", d->res_s, block, err);
        return;
    }

    for (i = 0; i < n; i++) {
        predictor_errors_again(&d->outlook.plan,
                               &d->outlook.errors[first + i], &log[i],
                               tails + (size_t) i * known, known,
                               d->history.last);
    }
}


static int
predictor_recall_block_logs(predictor_daemon_t *d, uint32_t block,
    predictor_errors_t *log, double *tails)
{
    int        rc;
    char       key[64];
    long       slot;
    void      *code;
    size_t     len;
    uint32_t   i, first, known;

    slot = predictor_recall_since(d, block);
    known = (uint32_t) predictor_log_slots(d);
    first = block * PREDICTOR_ERRORS_BLOCK;

    if (slot == 0 || slot > d->history.last) {
        return SHARDD_OK;
    }

    for (i = 0; i < predictor_remember_shards(d, block); i++) {
        predictor_outlook_tail(&d->outlook, &d->history, first + i,
                               tails + (size_t) i * known, known);
    }

    for ( /* void */ ; slot <= d->history.last; slot++) {
        snprintf(key, sizeof(key), "said:%ld:%ld:%u", d->res_s, slot, block);
        code = NULL;

        rc = d->io->bytes_get(d->io->data, key,
                              predictor_errors_room(PREDICTOR_ERRORS_BLOCK),
                              &code, &len);

        if (rc == SHARDD_OK) {
            predictor_recall_log(d, block, code, len, log, tails);
            free(code);

        } else if (rc != SHARDD_NONE && rc != SHARDD_BAD) {
            return rc;
        }
    }

    return SHARDD_OK;
}


/* after history and events are there: both are what was said is held against */

int
predictor_recall_logs(predictor_daemon_t *d)
{
    int                  rc;
    double              *tails;
    uint32_t             block;
    predictor_errors_t  *log;

    log = malloc(PREDICTOR_ERRORS_BLOCK * sizeof(predictor_errors_t));
    tails = malloc(PREDICTOR_ERRORS_BLOCK * sizeof(double)
                   * (size_t) predictor_log_slots(d));
    rc = log && tails ? SHARDD_OK : SHARDD_BAD;

    for (block = 0; rc == SHARDD_OK && block < predictor_remember_blocks(d);
         block++)
    {
        rc = predictor_recall_block_logs(d, block, log, tails);
    }

    free(log);
    free(tails);

    return rc;
}
