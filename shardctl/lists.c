
/* The store's records as JSON rows, and how a table shows them. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_override.h"
#include "shardd_loop.h"
#include "shardctl.h"


#define LISTS_EXACT_MAX  9e15    /* below 2^53 */


const shardctl_column_t  shardctl_columns_nodes[] = {
    { "name", "NODE", SHARDCTL_TEXT },
    { "zone", "ZONE", SHARDCTL_TEXT },
    { "state", "STATE", SHARDCTL_STATE },
    { "addr", "ADDRESS", SHARDCTL_TEXT },
    { "shards", "SHARDS", SHARDCTL_INT },
    { "load", "LOAD req/s", SHARDCTL_RATE },
    { "capacity", "CAPACITY req/s", SHARDCTL_RATE },
    { "utilisation", "USED", SHARDCTL_PERCENT },
    { "utilisation", "", SHARDCTL_BAR },
    { "peak", "PEAK req/s", SHARDCTL_RATE },
    { "peak_utilisation", "USED", SHARDCTL_PERCENT },
    { "peak_at", "AT", SHARDCTL_TIME_S },
    { "dead_by", "DEAD FOR", SHARDCTL_LIST },
    { NULL, NULL, SHARDCTL_TEXT }
};

const shardctl_column_t  shardctl_columns_routers[] = {
    { "name", "ROUTER", SHARDCTL_TEXT },
    { "zone", "ZONE", SHARDCTL_TEXT },
    { "state", "STATE", SHARDCTL_STATE },
    { "version", "VERSION", SHARDCTL_INT },
    { "behind", "BEHIND", SHARDCTL_INT },
    { "held", "HELD SHARDS", SHARDCTL_INT },
    { "waiting", "PARKED req", SHARDCTL_INT },
    { "inflight", "IN FLIGHT req", SHARDCTL_INT },
    { "rejected", "REFUSED UPDATES", SHARDCTL_INT },
    { "workers", "WORKERS", SHARDCTL_INT },
    { "dead", "DEAD NODES", SHARDCTL_INT },
    { "age_ms", "SEEN AGO", SHARDCTL_SPAN_MS },
    { NULL, NULL, SHARDCTL_TEXT }
};

const shardctl_column_t  shardctl_columns_zones[] = {
    { "zone", "ZONE", SHARDCTL_TEXT },
    { "score", "SCORE", SHARDCTL_PERCENT },
    { "score", "", SHARDCTL_BAR },
    { "node", "WORST NODE", SHARDCTL_TEXT },
    { "load", "LOAD req/s", SHARDCTL_RATE },
    { "capacity", "CAPACITY req/s", SHARDCTL_RATE },
    { "peak_at", "PEAK AT", SHARDCTL_TIME_S },
    { "at", "SEEN FROM", SHARDCTL_TIME_S },
    { NULL, NULL, SHARDCTL_TEXT }
};

const shardctl_column_t  shardctl_columns_migrations[] = {
    { "id", "MIGRATION", SHARDCTL_TEXT },
    { "shard", "SHARD", SHARDCTL_INT },
    { "from", "FROM", SHARDCTL_TEXT },
    { "to", "TO", SHARDCTL_TEXT },
    { "phase", "PHASE", SHARDCTL_STATE },
    { "progress", "DONE", SHARDCTL_PERCENT },
    { "shift", "SHIFT", SHARDCTL_BP },
    { "bytes", "SHIPPED", SHARDCTL_BYTES },
    { "hold_ms", "HOLD", SHARDCTL_SPAN_MS },
    { "took_ms", "TOOK", SHARDCTL_SPAN_MS },
    { "by", "BY", SHARDCTL_TEXT },
    { "created_ms", "SINCE", SHARDCTL_TIME_MS },
    { "error", "ERROR", SHARDCTL_TEXT },
    { NULL, NULL, SHARDCTL_TEXT }
};

const shardctl_column_t  shardctl_columns_decisions[] = {
    { "id", "DECISION", SHARDCTL_TEXT },
    { "verb", "VERB", SHARDCTL_TEXT },
    { "shard", "SHARD", SHARDCTL_INT },
    { "from", "FROM", SHARDCTL_TEXT },
    { "to", "TO", SHARDCTL_TEXT },
    { "mode", "MODE", SHARDCTL_STATE },
    { "by", "BY", SHARDCTL_TEXT },
    { "utilisation", "FORECAST", SHARDCTL_PERCENT },
    { "breach_in_ms", "BREACH IN", SHARDCTL_SPAN_MS },
    { "decided_ms", "DECIDED", SHARDCTL_TIME_MS },
    { NULL, NULL, SHARDCTL_TEXT }
};

const shardctl_column_t  shardctl_columns_overrides[] = {
    { "shard", "SHARD", SHARDCTL_TEXT },
    { "verb", "OVERRIDE", SHARDCTL_TEXT },
    { "state", "STATE", SHARDCTL_STATE },
    { "reason", "WHY", SHARDCTL_TEXT },
    { NULL, NULL, SHARDCTL_TEXT }
};


json_t *
shardctl_rows_nodes(shardd_table_t *table, const shardctl_load_t *load)
{
    size_t                 i;
    json_t                *rows, *row;
    shard_node_t          *node;
    shardctl_node_load_t   l;

    rows = json_array();

    for (i = 0; i < table->nnodes; i++) {
        node = &table->nodes[i];
        shardctl_node_load(table, load, node->name, &l);

        row = json_pack("{s:s, s:s, s:s, s:o, s:i, s:f, s:o, s:o, s:o, s:o}",
                        "name", node->name, "zone", node->zone,
                        "state", shard_node_state_name(node->state),
                        "addr", shardctl_text(node->addr),
                        "shards", (int) l.shards, "capacity", node->capacity,
                        "load", shardctl_number(l.now), "utilisation",
                        shardctl_number(l.now / node->capacity), "peak",
                        shardctl_number(l.peak), "peak_utilisation",
                        shardctl_number(l.peak / node->capacity));

        json_object_set_new(row, "peak_at", isfinite(l.peak)
                            ? json_integer(l.peak_at) : json_null());
        json_array_append_new(rows, row);
    }

    return rows;
}


static void
lists_barriers(const json_t *router, json_t *row)
{
    size_t       held, dead;
    double       waiting, inflight, v;
    json_t      *item;
    const char  *key;

    held = 0;
    dead = 0;
    waiting = 0;
    inflight = 0;

    json_object_foreach(json_object_get(router, "barriers"), key, item) {
        held++;
        v = shardctl_get_number(item, "waiting");
        waiting += isfinite(v) ? v : 0;
    }

    json_object_foreach(json_object_get(router, "nodes"), key, item) {
        v = shardctl_get_number(item, "inflight");
        inflight += isfinite(v) ? v : 0;
        dead += strcmp(shardctl_get_text(item, "state"), "down") == 0;
    }

    json_object_set_new(row, "held", json_integer((json_int_t) held));
    json_object_set_new(row, "waiting", json_real(waiting));
    json_object_set_new(row, "inflight", json_real(inflight));
    json_object_set_new(row, "dead", json_integer((json_int_t) dead));
}


json_t *
shardctl_rows_routers(const shardd_entry_t *routers, uint64_t version)
{
    size_t       i;
    double       age, behind;
    json_t      *rows, *row, *router;
    const char  *state;

    rows = json_array();

    for (i = 0; i < routers->nfields; i++) {
        row = json_object();
        json_object_set_new(row, "name",
                            shardctl_text(routers->fields[i].name));

        router = shardctl_json(routers->fields[i].value);
        age = (double) shardd_now_ms()
              - shardctl_get_number(router, "time_ms");
        behind = (double) version - shardctl_get_number(router, "version");

        if (!(fabs(age) < LISTS_EXACT_MAX && fabs(behind) < LISTS_EXACT_MAX)) {
            state = "bad";

        } else {
            state = age >= SHARDCTL_LIVE_MS ? "lost"
                    : behind > 0 ? "behind" : "live";
            json_object_set_new(row, "zone",
                              shardctl_text(shardctl_get_text(router,
                                                              "zone")));
            json_object_set(row, "version",
                            json_object_get(router, "version"));
            json_object_set_new(row, "behind",
                                json_integer(behind > 0
                                             ? (json_int_t) behind : 0));
            json_object_set(row, "rejected",
                            json_object_get(router, "rejected"));
            json_object_set(row, "workers",
                            json_object_get(router, "workers"));
            json_object_set(row, "ignored",
                            json_object_get(router, "ignored"));
            json_object_set_new(row, "age_ms",
                                json_integer((json_int_t) age));
            lists_barriers(router, row);
        }

        json_object_set_new(row, "state", json_string(state));
        json_array_append_new(rows, row);
        json_decref(router);
    }

    return rows;
}


json_t *
shardctl_rows_zones(const shardd_entry_t *zones)
{
    size_t   i;
    json_t  *rows, *row;

    rows = json_array();

    for (i = 0; i < zones->nfields; i++) {
        row = shardctl_json(zones->fields[i].value);

        if (!json_is_object(row)) {
            json_decref(row);
            row = json_object();
        }

        json_object_set_new(row, "zone", shardctl_text(zones->fields[i].name));
        json_array_append_new(rows, row);
    }

    return rows;
}


int
shardctl_phase_ended(const char *phase)
{
    return strcmp(phase, "done") == 0 || strcmp(phase, "rolled-back") == 0;
}


/* past the only point of no return */

int
shardctl_phase_committed(const char *phase)
{
    return strcmp(phase, "release") == 0 || strcmp(phase, "standby") == 0
           || strcmp(phase, "done") == 0;
}


/* how far along the phases it is; a rolled back one has got nowhere */

static double
lists_progress(const char *phase)
{
    size_t  i, n;

    static const char *const  phases[] = { "planned", "claimed", "check",
        "copy", "catch-up", "warm-up", "shift", "hold", "drain", "final-sync",
        "verify", "commit", "release", "standby", "done" };
    static const char *const  others[] = { "consume", "freeze", "settle",
        "switch", "fill" };

    n = sizeof(phases) / sizeof(phases[0]);

    /* of other strategies, in place of the shift */

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (strcmp(phase, others[i]) == 0) {
            phase = "shift";
        }
    }

    for (i = 0; i < n; i++) {

        if (strcmp(phases[i], phase) == 0) {
            return (double) i / (double) (n - 1);
        }
    }

    return NAN;
}


json_t *
shardctl_row_decision(const shardd_entry_t *d)
{
    json_t  *row, *reason;

    reason = shardctl_json(shardd_entry_field(d, "reason"));

    row = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                    "id", shardctl_field(d, "id"),
                    "verb", shardctl_field(d, "verb"),
                    "shard", shardctl_field_int(d, "shard"),
                    "from", shardctl_field(d, "from"),
                    "to", shardctl_field(d, "to"),
                    "mode", shardctl_field(d, "mode"),
                    "by", shardctl_field(d, "by"),
                    "decided_ms", shardctl_field_int(d, "decided_ms"),
                    "utilisation",
                    shardctl_number(shardctl_get_number(reason,
                                                        "forecast_load")
                                    / shardctl_get_number(reason,
                                                          "capacity")),
                    "breach_in_ms",
                    shardctl_number(1000 * shardctl_get_number(reason,
                                                           "breach_in_s")));
    json_decref(reason);

    return row;
}


const char *
shardctl_row_target(const json_t *row)
{
    const char  *to;

    to = shardctl_get_text(row, "to");

    return strcmp(to, shardctl_get_text(row, "from")) ? to : "";
}


json_t *
shardctl_row_migration(const shardd_entry_t *m)
{
    size_t       i;
    json_t      *row;
    json_int_t   created, finished;

    static const char *const  texts[] = { "verb", "from", "to", "strategy",
        "driver", "by", "phase", "holder", "error", "wish", "next", NULL };
    static const char *const  numbers[] = { "shard", "epoch", "seq",
        "created_ms", "phase_ms", "finished_ms", "position", "shipped",
        "bytes", "items", "hold_ms", "shift", "size", "lag", "ship_rate",
        "change_rate", NULL };

    row = json_pack("{s:o}", "id", shardctl_text(m->id));

    for (i = 0; texts[i]; i++) {
        json_object_set_new(row, texts[i], shardctl_field(m, texts[i]));
    }

    for (i = 0; numbers[i]; i++) {
        json_object_set_new(row, numbers[i],
                            shardctl_field_int(m, numbers[i]));
    }

    json_object_set_new(row, "progress",
                        shardctl_number(lists_progress(
                                          shardctl_get_text(row, "phase"))));

    created = json_integer_value(json_object_get(row, "created_ms"));
    finished = json_integer_value(json_object_get(row, "finished_ms"));

    if (created > 0 && finished >= created) {
        json_object_set_new(row, "took_ms", json_integer(finished - created));
    }

    return row;
}


/* running: only those that have not ended */

json_t *
shardctl_rows_migrations(const shardd_entries_t *migrations, int running)
{
    size_t       i;
    json_t      *rows;
    const char  *phase;

    rows = json_array();

    for (i = 0; i < migrations->n; i++) {
        phase = shardd_entry_field(&migrations->entries[i], "phase");

        if (running && phase && shardctl_phase_ended(phase)) {
            continue;
        }

        json_array_append_new(rows,
                          shardctl_row_migration(&migrations->entries[i]));
    }

    return rows;
}


const char *
shardctl_override_ignored(shardd_table_t *table, const char *shard,
    const char *verb, char *err)
{
    unsigned               i;
    shard_id_t             id;
    shard_str_t            text;
    shard_override_t       o;
    const shard_record_t  *rec;

    text.data = shard;
    text.len = strlen(shard);

    if (shard_id_decode(text, &id) != SHARD_OK) {
        return "the field is no shard id";
    }

    rec = shardd_table_shard(table, id);

    if (rec == NULL) {
        return "there is no such shard";
    }

    text.data = verb;
    text.len = strlen(verb);

    if (shard_override_decode(text, &o, err) != SHARD_OK) {
        return err;
    }

    for (i = 0; i < SHARD_OVERRIDE_NODES; i++) {

        if (o.node[i][0] && !shardd_table_node(table, o.node[i])) {
            snprintf(err, SHARD_ERR_SIZE, "there is no node \"%s\"",
                     o.node[i]);
            return err;
        }
    }

    if (o.until_ms && o.until_ms <= shardd_now_ms()) {
        return "its time is over";
    }

    if (o.verb == SHARD_OVERRIDE_DRAIN && rec->nstandbys == 0) {
        return "the shard has no standby";
    }

    return "";
}


json_t *
shardctl_rows_overrides(const shardd_entry_t *overrides, shardd_table_t *table)
{
    char         err[SHARD_ERR_SIZE];
    size_t       i;
    json_t      *rows, *row;
    const char  *reason;

    rows = json_array();

    for (i = 0; i < overrides->nfields; i++) {
        reason = shardctl_override_ignored(table, overrides->fields[i].name,
                                           overrides->fields[i].value, err);

        row = json_pack("{s:o, s:o, s:s, s:o}", "shard",
                        shardctl_text(overrides->fields[i].name), "verb",
                        shardctl_text(overrides->fields[i].value), "state",
                        reason[0] ? "ignored" : "works", "reason",
                        shardctl_text(reason));
        json_array_append_new(rows, row);
    }

    return rows;
}
