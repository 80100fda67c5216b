
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "daemon.h"


#define PREDICTOR_BATCH         64      /* entries in one read */
#define PREDICTOR_READS         16      /* in one step */
#define PREDICTOR_CLOSE_MAX     1000    /* slots in one step */
#define PREDICTOR_REFUSED_LOG   100     /* refused entries between two lines */


static void
predictor_intake_each(void *data, shard_str_t entry)
{
    char               *copy;
    predictor_batch_t  *b = data;

    if (b->broken || b->n == PREDICTOR_BATCH) {
        b->broken = 1;
        return;
    }

    copy = malloc(entry.len + 1);

    if (copy == NULL) {
        b->broken = 1;
        return;
    }

    memcpy(copy, entry.data, entry.len);
    b->entries[b->n].data = copy;
    b->entries[b->n].len = entry.len;
    b->n++;
}


void
predictor_intake_forget(predictor_daemon_t *d)
{
    size_t  i;

    for (i = 0; i < d->batch.n; i++) {
        free((char *) d->batch.entries[i].data);
    }

    free(d->batch.entries);
    memset(&d->batch, 0, sizeof(predictor_batch_t));
}


static int
predictor_intake_read(predictor_daemon_t *d)
{
    int                 rc;
    predictor_batch_t  *b;

    predictor_intake_forget(d);

    b = &d->batch;
    b->entries = malloc(PREDICTOR_BATCH * sizeof(shard_str_t));

    if (b->entries == NULL) {
        return SHARDD_BAD;
    }

    memcpy(b->before, d->cursor, sizeof(b->before));

    rc = d->io->metrics(d->io->data, d->cursor, PREDICTOR_BATCH,
                        predictor_intake_each, b);

    if (rc == SHARDD_NONE) {
        rc = SHARDD_OK;
    }

    if (rc == SHARDD_OK && b->broken) {
        rc = SHARDD_BAD;
    }

    if (rc != SHARDD_OK) {
        memcpy(d->cursor, b->before, sizeof(b->before));
        predictor_intake_forget(d);
        return rc;
    }

    d->drained = b->n < PREDICTOR_BATCH;

    return SHARDD_OK;
}


/* the oldest open slot: its row is in the store before it is let go */

static int
predictor_intake_close(predictor_daemon_t *d)
{
    int   rc, known;
    long  slot;

    slot = d->slots->base;

    rc = predictor_signals_close(d->signals, d->slots, &d->fleet, d->row,
                                 &known);

    if (rc != SHARDD_OK) {
        return rc;
    }

    if (known) {
        d->known = slot > d->known ? slot : d->known;
    }

    predictor_history_push(&d->history, slot, d->row);
    predictor_signals_learn(d->signals, slot, &d->fleet, d->row, known,
                            &d->history, &d->outlook);
    predictor_slots_close(d->slots);

    d->closed = slot;
    d->unsaved = 1;
    d->due = 1;
    predictor_spreads_turn(&d->spreads);
    predictor_traffic_slot(&d->policy.traffic, (double) d->res_s);

    return SHARDD_OK;
}


static void
predictor_intake_refuse(predictor_daemon_t *d, const char *err)
{
    if (d->refused++ % PREDICTOR_REFUSED_LOG == 0) {
        shardd_log(SHARDD_LOG_WARN, "%s; %llu metrics entries were refused so "
                   "far", err, (unsigned long long) d->refused);
    }
}


/* counts the batch; slots are closed where it has moved far ahead */

static int
predictor_intake_count(predictor_daemon_t *d)
{
    int                     rc;
    char                    err[SHARD_ERR_SIZE];
    double                  end_s;
    uint64_t                counted;
    predictor_batch_t      *b;
    shard_metrics_entry_t   entry;

    b = &d->batch;

    while (b->next < b->n) {

        if (shard_metrics_decode(b->entries[b->next], &entry, err)
            != SHARD_OK)
        {
            predictor_intake_refuse(d, err);
            b->next++;
            continue;
        }

        counted = d->slots->entries;

        rc = predictor_slots_add(d->slots, &entry, b->before,
                                 (double) d->io->now_ms(d->io->data), err);

        if (rc == SHARD_AGAIN) {
            rc = predictor_intake_close(d);

            if (rc != SHARDD_OK) {
                return rc;
            }

            continue;
        }

        if (rc == SHARD_ERROR) {
            predictor_intake_refuse(d, err);

        } else if (d->slots->entries > counted) {
            predictor_signals_count(d->signals, d->slots, &entry);
            end_s = predictor_clock_s(&d->clock, (double) entry.head.end_ms);
            predictor_spreads_add(&d->spreads, &d->fleet, &entry, end_s);
            predictor_traffic_count(&d->policy.traffic, &entry);
        }

        b->next++;
    }

    return SHARDD_OK;
}


/* rows are in the store: only now may the cursor move */

static int
predictor_intake_save(predictor_daemon_t *d)
{
    int          rc;
    char         slot[24];
    const char  *cursor;

    if (!d->unsaved) {
        return SHARDD_OK;
    }

    cursor = d->batch.next < d->batch.n ? d->batch.before : d->cursor;
    cursor = predictor_slots_cursor(d->slots, cursor);
    snprintf(slot, sizeof(slot), "%ld", d->closed);

    const shardd_field_t  fields[] = {
        { "cursor", (char *) cursor },
        { "slot", slot }
    };

    rc = d->io->hash_put(d->io->data, "predictor", fields, 2);

    d->unsaved = rc != SHARDD_OK;

    return rc;
}


int
predictor_intake(predictor_daemon_t *d)
{
    int     rc, i;
    double  mark;

    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < PREDICTOR_READS; i++) {

        if (d->batch.next == d->batch.n) {
            rc = predictor_intake_read(d);
        }

        if (rc == SHARDD_OK) {
            rc = predictor_intake_count(d);
        }

        if (d->drained) {
            break;
        }
    }

    for (i = 0; rc == SHARDD_OK && i < PREDICTOR_CLOSE_MAX; i++) {

        /* entries that wait in the store are not late yet */

        mark = d->drained ? (double) d->io->now_ms(d->io->data)
                          : d->slots->newest_ms;

        if (!predictor_slots_ready(d->slots, mark)) {
            break;
        }

        rc = predictor_intake_close(d);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_intake_save(d);
    }

    return rc;
}
