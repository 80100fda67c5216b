
/* A slot is closed: rows are made, stored, and only then learnt from. */


#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "series_parts.h"
#include "signals.h"


#define PREDICTOR_SIGNAL_BATCH   256
#define PREDICTOR_SIGNAL_LIVE_S  3456000    /* named rows: 40 days */


static int predictor_signals_store(predictor_signals_t *s, long slot,
    const float *row, int known);


/* shards that are not in the table are unknown, not idle */

static void
predictor_signals_mask(const predictor_signals_t *s,
    const predictor_fleet_t *fleet, float *row)
{
    uint32_t  i;

    for (i = 0; i < s->ncols; i++) {

        if (i >= fleet->ncols || fleet->by_id[i] == SHARD_ID_NONE) {
            row[i] = NAN;
        }
    }
}


static void
predictor_signals_weigh(const predictor_signals_t *s, float *row)
{
    int           m;
    double        sum;
    uint32_t      i;
    const double *weight;

    weight = s->weights.weight;

    for (i = 0; i < s->ncols; i++) {
        sum = 0;

        for (m = 0; m < SHARD_METRICS; m++) {

            if (weight[m] > 0) {
                sum += weight[m] * s->rows[m][i];
            }
        }

        row[i] = (float) sum;
    }
}


int
predictor_signals_close(predictor_signals_t *s, const predictor_slots_t *slots,
    const predictor_fleet_t *fleet, float *row, int *known)
{
    int       m;
    double    length;
    uint32_t  i;

    *known = predictor_slots_seconds(slots) > 0;

    for (m = 0; m < SHARD_METRICS; m++) {

        if (s->counted & SHARD_METRIC_BIT(m)) {
            (void) predictor_slots_row(slots, (shard_metric_e) m, s->rows[m]);
            predictor_signals_mask(s, fleet, s->rows[m]);
        }
    }

    predictor_signals_weigh(s, row);

    for (i = s->ncols; i < s->base; i++) {
        row[i] = NAN;
    }

    length = predictor_slots_ms(slots, slots->base + 1)
             - predictor_slots_ms(slots, slots->base);

    predictor_names_row(s->names, slots->base, length,
                        predictor_slots_seconds(slots), row + s->base);
    predictor_clients_rest(s->clients, s->rows[SHARD_METRIC_REQUESTS],
                           s->ncols, row + s->base);

    return predictor_signals_store(s, slots->base, row, *known);
}


static int
predictor_signals_flush(const predictor_signals_t *s, shardd_field_t *fields,
    size_t *n)
{
    int     rc;
    size_t  i;

    rc = *n ? s->io->hash_put(s->io->data, "series", fields, *n) : SHARDD_OK;

    for (i = 0; i < *n; i++) {
        free(fields[i].name);
        free(fields[i].value);
    }

    *n = 0;

    return rc;
}


/* numbers first: a row must never be read as that of another series */

static int
predictor_signals_store_names(predictor_signals_t *s)
{
    int                 rc;
    char                number[16];
    json_t             *json;
    size_t              n;
    uint32_t            i;
    shardd_field_t      fields[PREDICTOR_SIGNAL_BATCH];
    predictor_named_t  *series;

    rc = SHARDD_OK;
    n = 0;

    for (i = 0; rc == SHARDD_OK && i < s->names->max; i++) {
        series = &s->names->series[i];

        if (!series->unsaved) {
            continue;
        }

        json = json_pack("{ss ss ss sI}", "of",
                         predictor_named_words[series->of], "owner",
                         series->owner, "name", series->name, "since",
                         (json_int_t) series->since);

        snprintf(number, sizeof(number), "%u", i);
        fields[n].name = strdup(number);
        fields[n++].value = series->of == PREDICTOR_NAMED_FREE ? NULL
                            : json_dumps(json, JSON_COMPACT);
        json_decref(json);

        if (n == PREDICTOR_SIGNAL_BATCH) {
            rc = predictor_signals_flush(s, fields, &n);
        }
    }

    if (rc == SHARDD_OK) {
        rc = predictor_signals_flush(s, fields, &n);
    }

    for (i = 0; rc == SHARDD_OK && i < s->names->max; i++) {
        s->names->series[i].unsaved = 0;
    }

    return rc;
}


static int
predictor_signals_store(predictor_signals_t *s, long slot, const float *row,
    int known)
{
    int                 rc, m, some;
    uint32_t            i;
    const char *const  *words;

    words = shard_metric_words();
    rc = predictor_signals_store_names(s);

    if (rc == SHARDD_OK && known) {
        rc = s->io->rows_put(s->io->data, s->res_s, slot, row, s->ncols);
    }

    for (m = 0; rc == SHARDD_OK && known && m < SHARD_METRICS; m++) {

        if (s->stored & SHARD_METRIC_BIT(m)) {
            rc = s->io->named_put(s->io->data, words[m],
                                  s->conf->signal_history_ms / 1000, s->res_s,
                                  slot, s->rows[m], s->ncols);
        }
    }

    for (some = 0, i = 0; i < s->names->max && !some; i++) {
        some = isfinite(row[s->base + i]);
    }

    if (rc == SHARDD_OK && some) {
        rc = s->io->named_put(s->io->data, PREDICTOR_NAMED_ROWS,
                              PREDICTOR_SIGNAL_LIVE_S, s->res_s, slot,
                              row + s->base, s->names->max);
    }

    return rc;
}


/* part of a whole that is large enough to tell; NaN is left out */

static void
predictor_signals_ratio(predictor_signals_t *s, predictor_ratio_e what,
    uint32_t i, double epoch_s, double part, double whole)
{
    predictor_ratio_see(&s->ratios[(size_t) i * PREDICTOR_RATIOS + what],
                        epoch_s, (double) s->res_s,
                        whole * (double) s->res_s >= 1 ? part / whole : NAN);
}


void
predictor_signals_ratios(predictor_signals_t *s, long slot, const float *load)
{
    int        m;
    double     epoch_s, v[SHARD_METRICS];
    uint32_t   i;

    epoch_s = (double) slot * (double) s->res_s;
    s->epoch_s = epoch_s;

    for (i = 0; i < s->ncols; i++) {

        for (m = 0; m < SHARD_METRICS; m++) {
            v[m] = s->counted & SHARD_METRIC_BIT(m) ? s->rows[m][i] : NAN;
        }

        if (!isfinite(v[SHARD_METRIC_REQUESTS])) {
            continue;
        }

        predictor_signals_ratio(s, PREDICTOR_RATIO_WRITES, i, epoch_s,
                                v[SHARD_METRIC_WRITES],
                                v[SHARD_METRIC_REQUESTS]);
        predictor_signals_ratio(s, PREDICTOR_RATIO_BYTES, i, epoch_s,
                                v[SHARD_METRIC_BYTES],
                                v[SHARD_METRIC_REQUESTS]);
        predictor_signals_ratio(s, PREDICTOR_RATIO_LATENCY, i, epoch_s,
                                v[SHARD_METRIC_LATENCY],
                                v[SHARD_METRIC_COMPLETED]);
        predictor_signals_ratio(s, PREDICTOR_RATIO_REQUESTS, i, epoch_s,
                                v[SHARD_METRIC_REQUESTS], load[i]);
    }
}


/* counters of the shards of each node against its CPU; a node from or to which
 * a shard moves, or one of whose shards is unknown, says nothing now */

static void
predictor_signals_cpu(predictor_signals_t *s, const predictor_fleet_t *fleet,
    const float *row)
{
    double                        *x, *sum;
    uint32_t                       i, k, number;
    shard_id_t                     id;
    const predictor_plan_shard_t  *shard;

    sum = calloc(fleet->plan.nnodes + 1, PREDICTOR_LEARN_FROM
                                         * sizeof(double));

    for (i = 0; sum && i < fleet->plan.nshards; i++) {
        shard = &fleet->plan.shards[i];
        id = fleet->ids[i];
        x = sum + (size_t) shard->from * PREDICTOR_LEARN_FROM;

        for (k = 0; k < PREDICTOR_LEARN_FROM; k++) {
            x[k] += id < s->ncols && shard->from == shard->to
                    ? s->rows[predictor_learn_from[k]][id] : NAN;
        }

        if (shard->from != shard->to) {
            sum[(size_t) shard->to * PREDICTOR_LEARN_FROM] = NAN;
        }
    }

    for (i = 0; sum && i < fleet->plan.nnodes; i++) {
        number = predictor_names_find(s->names, PREDICTOR_NAMED_NODE,
                                      fleet->table.nodes[i].name,
                                      predictor_node_words[0]);

        if (number != PREDICTOR_NAMED_NONE
            && isfinite(row[s->base + number]))
        {
            predictor_weights_see(&s->weights, sum + (size_t) i
                                                     * PREDICTOR_LEARN_FROM,
                                  fleet->table.nodes[i].capacity,
                                  row[s->base + number]);
        }
    }

    free(sum);
    predictor_weights_slot(&s->weights, (double) s->res_s);
}


void
predictor_signals_learn(predictor_signals_t *s, long slot,
    const predictor_fleet_t *fleet, const float *row, int known,
    predictor_history_t *history, predictor_outlook_t *outlook)
{
    uint32_t  i, n;

    if (known) {
        predictor_signals_ratios(s, slot, row);
    }

    if (known && s->weights.policy.learned) {
        predictor_signals_cpu(s, fleet, row);
    }

    predictor_names_close(s->names, slot);

    n = predictor_clients_close(s->clients, slot, row, s->ncols, s->changed);

    for (i = 0; i < n; i++) {
        predictor_history_forget(history, s->base + s->changed[i]);
        predictor_outlook_forget(outlook, s->base + s->changed[i]);
    }
}
