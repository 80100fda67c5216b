
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/daemon/shardd_log.h"
#include "daemon.h"
#include "events.h"
#include "report.h"


/* floats in one read of rows, slots in it at most */

#define PREDICTOR_LOAD_FLOATS  (4 * 1024 * 1024)
#define PREDICTOR_LOAD_SLOTS   256

/* room for shards to come before everything is loaded anew */

#define PREDICTOR_LOAD_SPARE   16


void
predictor_unload(predictor_daemon_t *d)
{
    predictor_intake_forget(d);
    predictor_slots_destroy(d->slots);
    predictor_outlook_done(&d->outlook);
    predictor_calendar_done(&d->calendar);
    predictor_history_done(&d->history);
    predictor_cold_done(&d->cold);
    predictor_resizes_done(&d->resizes);
    predictor_fleet_done(&d->fleet);
    predictor_signals_done(d->signals);
    predictor_nodes_names(&d->nodes, NULL);
    free(d->row);

    d->signals = NULL;
    d->slots = NULL;
    d->row = NULL;
    d->due = 0;
    d->busy = 0;
    d->learning = 0;
    d->broken = 0;
    d->unsaved = 0;
    d->drained = 0;
}


/* where we were: cursor and last slot closed, if they fit this clock */

static int
predictor_load_cursor(predictor_daemon_t *d)
{
    int              rc;
    long             now;
    uint64_t         slot;
    shard_str_t      text;
    const char      *cursor;
    shardd_entry_t   saved;

    snprintf(d->cursor, sizeof(d->cursor), "0-0");
    d->closed = -1;

    memset(&saved, 0, sizeof(shardd_entry_t));
    rc = d->io->hash_load(d->io->data, "predictor", &saved);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    cursor = shardd_entry_field(&saved, "cursor");

    if (cursor && strlen(cursor) < sizeof(d->cursor)
        && strspn(cursor, "0123456789-") == strlen(cursor))
    {
        snprintf(d->cursor, sizeof(d->cursor), "%s", cursor);
    }

    text.data = shardd_entry_field(&saved, "slot");
    text.len = text.data ? strlen(text.data) : 0;
    now = (long) floor(predictor_now_s(d) / (double) d->res_s);

    if (text.len && shard_uint64_decode(text, &slot) == SHARD_OK) {

        if (slot <= (uint64_t) (now > 0 ? now : 0)) {
            d->closed = (long) slot;

        } else {
            shardd_log(SHARDD_LOG_WARN, "slot %s was counted already and is "
                       "ahead of this clock: the clock was set back, counting "
                       "begins now", text.data);
        }
    }

    shardd_entry_free(&saved);

    return SHARDD_OK;
}


static size_t
predictor_load_window(const predictor_daemon_t *d, uint32_t ncols)
{
    size_t  window, fits;

    window = (size_t) (d->conf->history_ms / 1000 / d->res_s);
    fits = (size_t) d->conf->history_mb * 1024 * 1024 / sizeof(float) / ncols;
    fits = fits ? fits : 1;

    if (window > fits) {
        shardd_log(SHARDD_LOG_WARN, "history of %zu slots of %u shards does "
                   "not fit history_mb %ld: the last %zu slots are used",
                   window, ncols, d->conf->history_mb, fits);
        window = fits;
    }

    return window;
}


/* the last slot with a figure of any shard, -1 */

static long
predictor_load_known(const predictor_history_t *h, uint32_t ncols)
{
    long      slot, known;
    uint32_t  col;

    known = h->last - (long) h->n;

    for (col = 0; col < ncols; col++) {

        for (slot = h->last; slot > known; slot--) {

            if (isfinite(predictor_history_value(h, col, slot))) {
                known = slot;
            }
        }
    }

    return known > h->last - (long) h->n ? known : -1;
}


/* slots in one read */

static size_t
predictor_load_step(const predictor_daemon_t *d)
{
    size_t  step;

    step = PREDICTOR_LOAD_FLOATS / d->history.ncols;
    step = step < 1 ? 1 : step;

    return step > PREDICTOR_LOAD_SLOTS ? PREDICTOR_LOAD_SLOTS : step;
}


static int
predictor_load_rows(predictor_daemon_t *d, long last)
{
    int      rc;
    long     first;
    float   *rows, *load;
    size_t   i, n, step;

    first = last + 1 - (long) d->history.window;
    predictor_history_begin(&d->history, first - 1);
    step = predictor_load_step(d);

    load = malloc(step * d->slots->ncols * sizeof(float));
    rows = malloc(step * d->history.ncols * sizeof(float));
    rc = load && rows ? SHARDD_OK : SHARDD_BAD;

    for (i = 0; rc == SHARDD_OK && i < d->history.window; i += n) {
        n = d->history.window - i < step ? d->history.window - i : step;

        rc = d->io->rows_range(d->io->data, d->res_s, first + (long) i, n,
                               load, d->slots->ncols);

        if (rc == SHARDD_OK) {
            rc = predictor_signals_rows(d->signals, first + (long) i, n, load,
                                        rows);
        }

        if (rc == SHARDD_OK) {
            predictor_history_rows(&d->history, rows, n);
        }
    }

    free(load);
    free(rows);
    d->known = predictor_load_known(&d->history, d->slots->ncols);

    return rc;
}


/* what the last days' metrics teach, before any row of load is looked at */

static int
predictor_load_recall(predictor_daemon_t *d, long last)
{
    int        rc;
    long       first;
    float     *load;
    size_t     i, n, step, slots;
    uint32_t  *seen;

    step = predictor_load_step(d);
    slots = (size_t) (d->conf->signal_history_ms / 1000 / d->res_s);
    first = last + 1 - (long) slots;

    load = malloc(step * d->slots->ncols * sizeof(float));
    seen = calloc(d->slots->ncols + 1, sizeof(uint32_t));
    rc = load && seen ? SHARDD_OK : SHARDD_BAD;

    for (i = 0; rc == SHARDD_OK && i < slots; i += n) {
        n = slots - i < step ? slots - i : step;

        rc = d->io->rows_range(d->io->data, d->res_s, first + (long) i, n,
                               load, d->slots->ncols);

        if (rc == SHARDD_OK) {
            rc = predictor_signals_recall(d->signals, first + (long) i, n,
                                          load, seen);
        }
    }

    free(load);
    free(seen);

    return rc;
}


/* the first column of named series: none of its block of errors is a
 * shard's */

static uint32_t
predictor_load_base(uint32_t ncols)
{
    return (ncols + PREDICTOR_ERRORS_BLOCK - 1) / PREDICTOR_ERRORS_BLOCK
           * PREDICTOR_ERRORS_BLOCK;
}


/* signals come before rows, which they make, and after the clock */

static int
predictor_load_signals(predictor_daemon_t *d, long last)
{
    int  rc;

    rc = predictor_signals_load(&d->signals, d->conf, d->io, d->res_s,
                                d->slots->ncols,
                                predictor_load_base(d->slots->ncols),
                                d->outlook.ask.horizon,
                                d->fleet.table.policy, last);

    if (rc == SHARDD_OK) {
        rc = predictor_signals_names(d->signals);
    }

    if (rc != SHARDD_OK) {
        return rc;
    }

    predictor_slots_metrics(d->slots, d->signals->counted);
    predictor_nodes_names(&d->nodes, d->signals->names);
    predictor_nodes_table(&d->nodes, &d->fleet.table, last + 1);

    rc = predictor_load_recall(d, last);

    return rc == SHARDD_OK ? predictor_load_rows(d, last) : rc;
}


static int
predictor_load_memory(predictor_daemon_t *d, uint32_t ncols, uint32_t columns,
    size_t window)
{
    if (d->pool == NULL) {
        d->pool = predictor_pool_create((uint32_t) d->conf->threads);
    }

    d->slots = predictor_slots_create();
    d->row = calloc(columns, sizeof(float));

    if (!d->pool || !d->slots || !d->row
        || predictor_slots_columns(d->slots, ncols) != SHARD_OK
        || predictor_history_init(&d->history, window, columns) != SHARD_OK
        || predictor_cold_room(&d->cold, window, ncols) != SHARD_OK
        || predictor_outlook_init(&d->outlook, d->pool, d->res_s, window,
               (uint32_t) (d->conf->horizon_ms / 1000 / d->res_s),
               d->conf->quantile, d->conf->refit_ms / 1000 / d->res_s, columns)
           != SHARD_OK
        || predictor_calendar_init(&d->calendar, ncols, (uint32_t) d->res_s,
               d->outlook.series.day, d->outlook.series.week)
           != SHARD_OK)
    {
        shardd_log(SHARDD_LOG_ERROR, "no memory for %u shards and %zu slots: "
                   "set a smaller history_mb", ncols, window);
        return SHARDD_BAD;
    }

    d->outlook.column = predictor_cold_column;
    d->outlook.length = predictor_cold_length;
    d->outlook.column_data = &d->cold;
    d->outlook.calendar = &d->calendar;

    d->slots->clock = d->clock;
    d->slots->res_s = d->res_s;
    d->slots->grace_ms = (double) d->conf->grace_real_ms;

    /* what was measured before a replay's clock starts is not of its day */

    d->slots->first = (long) ceil(d->clock.epoch_s / (double) d->res_s);

    return SHARDD_OK;
}


/* those in memory, of a table that has grown, are newer than the stored */

static int
predictor_load_spreads(predictor_daemon_t *d, uint32_t ncols)
{
    int  held;

    held = d->spreads.by_id != NULL;

    if (predictor_spreads_room(&d->spreads, ncols,
                               (double) d->conf->spread_half_life_ms / 1000)
        != SHARD_OK)
    {
        shardd_log(SHARDD_LOG_ERROR, "no memory for the distributions of %u "
                   "shards", ncols);
        return SHARDD_BAD;
    }

    return held ? SHARDD_OK
                : predictor_spreads_load(&d->spreads, d->io, &d->fleet);
}


int
predictor_load(predictor_daemon_t *d)
{
    int       rc;
    char      since[32];
    long      last;
    uint32_t  ncols, columns;

    predictor_unload(d);

    rc = predictor_fleet_load(&d->fleet, d->io, d->conf);

    if (rc == SHARDD_OK) {
        rc = predictor_load_cursor(d);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_cold_load(&d->cold, d->io, d->res_s);
    }

    if (rc != SHARDD_OK) {
        return rc;
    }

    ncols = predictor_cold_columns(&d->cold);
    ncols = ncols > d->fleet.ncols ? ncols : d->fleet.ncols;
    ncols += ncols / 8 + PREDICTOR_LOAD_SPARE;

    columns = predictor_load_base(ncols) + (uint32_t) d->conf->signal_series;

    rc = predictor_load_memory(d, ncols, columns,
                               predictor_load_window(d, columns));

    if (rc != SHARDD_OK) {
        return rc;
    }

    last = (long) floor(predictor_now_s(d) / (double) d->res_s) - 1;
    last = last < d->slots->first - 1 ? d->slots->first - 1 : last;

    if (d->closed >= 0) {
        last = d->closed;
        d->slots->base = last + 1;
    }

    rc = predictor_load_signals(d, last);

    if (rc == SHARDD_OK) {
        rc = predictor_recall(d);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_load_spreads(d, ncols);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_policy_load(&d->policy, &d->fleet);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_events_load(d, 1);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_recall_logs(d);
    }

    if (rc != SHARDD_OK) {
        return rc;
    }

    d->due = d->known >= 0;
    d->learning = 1;

    shardd_log(SHARDD_LOG_INFO, "loaded %zu shards on %zu nodes, history of "
               "%zu slots, last known one %s; metrics from %s on",
               d->fleet.table.nshards, d->fleet.table.nnodes,
               d->history.window, d->known < 0 ? "none"
               : predictor_report_time((double) (d->known * d->res_s), since),
               d->cursor);

    return SHARDD_OK;
}
