
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "breaks.h"
#include "number.h"
#include "report.h"


/* shards in one command to the store */

#define PREDICTOR_REPORT_BATCH    256
#define PREDICTOR_REPORT_NUMBER   (PREDICTOR_NUMBER_MAX + 1)
#define PREDICTOR_REPORT_HEAD     256


/* fields on their way to one hash; names and values are ours to free */

typedef struct {
    const predictor_io_t  *io;
    const char            *key;
    size_t                 n;
    shardd_field_t         fields[PREDICTOR_REPORT_BATCH];
} predictor_report_batch_t;


const char *
predictor_report_time(double epoch_s, char *buf)
{
    time_t     t;
    struct tm  tm;

    t = (time_t) epoch_s;

    if (gmtime_r(&t, &tm) == NULL
        || strftime(buf, 32, "%Y-%m-%dT%H:%MZ", &tm) == 0)
    {
        snprintf(buf, 32, "%.0f", epoch_s);
    }

    return buf;
}


static int
predictor_report_flush(predictor_report_batch_t *b)
{
    int     rc;
    size_t  i;

    if (b->n == 0) {
        return SHARDD_OK;
    }

    rc = b->io->hash_put(b->io->data, b->key, b->fields, b->n);

    for (i = 0; i < b->n; i++) {
        free(b->fields[i].name);
        free(b->fields[i].value);
    }

    b->n = 0;

    return rc;
}


/* takes "value"; NULL deletes the field */

static int
predictor_report_add(predictor_report_batch_t *b, const char *name,
    char *value)
{
    b->fields[b->n].name = strdup(name);
    b->fields[b->n].value = value;

    if (b->fields[b->n].name == NULL) {
        free(value);
        return SHARDD_BAD;
    }

    b->n++;

    return b->n < PREDICTOR_REPORT_BATCH ? SHARDD_OK
                                         : predictor_report_flush(b);
}


/* room is what PREDICTOR_REPORT_NUMBER bytes each and a head of it allow */

static char *
predictor_report_numbers(char *p, const char *name, const float *v,
    uint32_t n)
{
    uint32_t  i;

    p += sprintf(p, ",\"%s\":[", name);

    for (i = 0; i < n; i++) {

        if (i) {
            *p++ = ',';
        }

        p = predictor_number_put(p, v[i]);
    }

    *p++ = ']';

    return p;
}


/* one shard's forecast as JSON, to be freed; NULL without memory */

static char *
predictor_report_forecast(const predictor_outlook_t *o,
    const predictor_cold_t *cold, const predictor_history_t *h,
    const predictor_spreads_t *spreads,
    const predictor_signals_t *signals, shard_id_t id, double at)
{
    char      *buf, *p, name[32];
    size_t     i;
    uint32_t   k;

    buf = malloc(PREDICTOR_REPORT_HEAD + PREDICTOR_COLD_JSON
                 + PREDICTOR_SPREADS_JSON + PREDICTOR_SIGNALS_JSON
                 + (1 + o->ask.nq)
                 * (64 + (size_t) o->ask.horizon * PREDICTOR_REPORT_NUMBER));

    if (buf == NULL) {
        return NULL;
    }

    i = (size_t) id * o->ask.horizon;

    p = buf + snprintf(buf, PREDICTOR_REPORT_HEAD,
                       "{\"at\":%.0f,\"step_s\":%u,\"model\":\"%s\"", at,
                       o->series.interval_s, o->shards[id].model);
    p += predictor_cold_report(cold, h, id, p);

    p = predictor_report_numbers(p, "mean", o->mean + i, o->ask.horizon);

    for (k = 0; k < o->ask.nq; k++) {
        snprintf(name, sizeof(name), "q%g", o->q[k]);
        p = predictor_report_numbers(p, name, o->quantile[k] + i,
                                     o->ask.horizon);
    }

    p += predictor_spreads_json(spreads, id, p);
    p = predictor_signals_json(signals, o, id, p);
    memcpy(p, "}", 2);

    return predictor_breaks_report(o, id, buf);
}


int
predictor_report_forecasts(const predictor_io_t *io,
    const predictor_fleet_t *fleet, const predictor_outlook_t *outlook,
    const predictor_cold_t *cold, const predictor_history_t *h,
    const predictor_spreads_t *spreads,
    const predictor_signals_t *signals, double at)
{
    int                       rc, last;
    char                     *json, name[16];
    size_t                    i;
    shard_id_t                id;
    predictor_report_batch_t  b;

    b.io = io;
    b.key = "forecast";
    b.n = 0;
    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < fleet->table.nshards; i++) {
        id = fleet->table.shards[i].id;

        if (id >= outlook->nshards || outlook->shards[id].model == NULL) {
            continue;
        }

        json = predictor_report_forecast(outlook, cold, h, spreads, signals,
                                         id, at);

        if (json == NULL) {
            rc = SHARDD_BAD;
            break;
        }

        snprintf(name, sizeof(name), "%u", id);
        rc = predictor_report_add(&b, name, json);
    }

    last = predictor_report_flush(&b);

    return rc == SHARDD_OK ? last : rc;
}


/* the node of this node's zone with the highest forecast utilisation */

static uint32_t
predictor_report_hottest(const predictor_fleet_t *f, uint32_t node)
{
    uint32_t                      i, best;
    const predictor_plan_node_t  *n;

    best = node;
    n = f->plan.nodes;

    for (i = 0; i < f->plan.nnodes; i++) {

        if (strcmp(f->table.nodes[i].zone, f->table.nodes[node].zone) == 0
            && n[i].peak / n[i].capacity > n[best].peak / n[best].capacity)
        {
            best = i;
        }
    }

    return best;
}


static int
predictor_report_zone_first(const shardd_table_t *t, uint32_t node)
{
    uint32_t  i;

    for (i = 0; i < node; i++) {

        if (strcmp(t->nodes[i].zone, t->nodes[node].zone) == 0) {
            return 0;
        }
    }

    return 1;
}


int
predictor_report_zones(const predictor_io_t *io,
    const predictor_fleet_t *fleet, double at)
{
    int                           rc, last;
    json_t                       *zone;
    uint32_t                      i, hot;
    predictor_report_batch_t      b;
    const predictor_plan_node_t  *n;

    b.io = io;
    b.key = "zones";
    b.n = 0;
    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < fleet->plan.nnodes; i++) {

        if (!predictor_report_zone_first(&fleet->table, i)) {
            continue;
        }

        hot = predictor_report_hottest(fleet, i);
        n = &fleet->plan.nodes[hot];

        if (n->peak <= n->base) {

            /* nothing is known of its shards: no score, not a good one */

            continue;
        }

        zone = json_pack("{sI sf ss sf sf sI}",
                         "at", (json_int_t) at,
                         "score", n->peak / n->capacity,
                         "node", fleet->table.nodes[hot].name,
                         "load", n->peak,
                         "capacity", n->capacity,
                         "peak_at", (json_int_t) (at + n->peak_step
                                                  * fleet->plan.limits.step_s));

        rc = predictor_report_add(&b, fleet->table.nodes[i].zone,
                                  predictor_number_text(zone));
    }

    last = predictor_report_flush(&b);

    return rc == SHARDD_OK ? last : rc;
}


static int
predictor_report_zone_known(const shardd_table_t *t, const char *zone)
{
    size_t  i;

    for (i = 0; i < t->nnodes; i++) {

        if (strcmp(t->nodes[i].zone, zone) == 0) {
            return 1;
        }
    }

    return 0;
}


/* fields of "key" of shards that are gone */

static int
predictor_report_forget_shards(const predictor_io_t *io, const char *key,
    const predictor_fleet_t *old, const predictor_fleet_t *new)
{
    int                       rc, last;
    char                      name[16];
    size_t                    i;
    shard_id_t                id;
    predictor_report_batch_t  b;

    b.io = io;
    b.key = key;
    b.n = 0;
    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < old->table.nshards; i++) {
        id = old->table.shards[i].id;

        if (id < old->ncols
            && (id >= new->ncols || new->by_id[id] == SHARD_ID_NONE))
        {
            snprintf(name, sizeof(name), "%u", id);
            rc = predictor_report_add(&b, name, NULL);
        }
    }

    last = predictor_report_flush(&b);

    return rc == SHARDD_OK ? last : rc;
}


int
predictor_report_forget(const predictor_io_t *io,
    const predictor_fleet_t *old, const predictor_fleet_t *new)
{
    int                       rc, last;
    size_t                    i;
    predictor_report_batch_t  b;

    rc = predictor_report_forget_shards(io, "forecast", old, new);

    if (rc == SHARDD_OK) {
        rc = predictor_report_forget_shards(io, "spread", old, new);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_report_forget_shards(io, "sizes", old, new);
    }

    b.io = io;
    b.n = 0;
    b.key = "zones";

    for (i = 0; rc == SHARDD_OK && i < old->table.nnodes; i++) {

        if (!predictor_report_zone_known(&new->table,
                                         old->table.nodes[i].zone))
        {
            rc = predictor_report_add(&b, old->table.nodes[i].zone, NULL);
        }
    }

    last = predictor_report_flush(&b);

    return rc == SHARDD_OK ? last : rc;
}
