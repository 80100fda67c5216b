
/* shards, nodes, zones, routers, migrations: one list each. */


#include <stdlib.h>
#include <string.h>

#include "shard_bytes.h"
#include "shard_codec.h"
#include "shardctl.h"


#define LIST_LIMIT_MAX  100000


#define LIST_OWNERS                                                           \
    { "primary", "PRIMARY", SHARDCTL_TEXT },                                  \
    { "standbys", "STANDBYS", SHARDCTL_LIST },                                \
    { "behind_ms", "BEHIND", SHARDCTL_SPAN_MS },                              \
    { "epoch", "EPOCH", SHARDCTL_INT },                                       \
    { "phase", "PHASE", SHARDCTL_STATE },                                     \
    { "target", "TARGET", SHARDCTL_TEXT },                                    \
    { "shift", "SHIFT", SHARDCTL_BP },                                        \
    { "consistency", "CONSISTENCY", SHARDCTL_TEXT },                          \
    { "strategy", "STRATEGY", SHARDCTL_TEXT },                                \
    { "migration", "MIGRATION", SHARDCTL_TEXT },                              \
    { NULL, NULL, SHARDCTL_TEXT }

static const shardctl_column_t  list_ranges[] = {
    { "id", "SHARD", SHARDCTL_INT },
    { "from", "FROM", SHARDCTL_TEXT },
    { "to", "TO", SHARDCTL_TEXT },
    LIST_OWNERS
};

static const shardctl_column_t  list_units[] = {
    { "id", "SHARD", SHARDCTL_INT },
    { "units", "UNITS", SHARDCTL_LIST },
    LIST_OWNERS
};


/* rows is taken; a list of nothing says so */

static int
list_show(shardctl_t *ctl, const char *key, json_t *rows,
    const shardctl_column_t *columns)
{
    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:s, s:o}", "keyspace",
                                            ctl->keyspace, key, rows));
    }

    if (json_array_size(rows) == 0) {
        printf("no %s\n", key);

    } else {
        shardctl_table(ctl, rows, columns);
    }

    json_decref(rows);

    return SHARDCTL_OK;
}


/* a terminal's column has the default among the units */

static void
list_holds_units(shardctl_t *ctl, json_t *row, const shard_record_t *rec)
{
    char           text[SHARD_BYTES_TEXT];
    json_t        *units;
    shard_str_t    left;
    shard_bytes_t  unit;

    units = json_array();
    left = rec->units;

    while (shard_units_next(&left, &unit) == SHARD_OK) {
        shard_bytes_encode(&unit, text);
        json_array_append_new(units, json_string(text));
    }

    if (rec->is_default && !ctl->json) {
        json_array_append_new(units, json_string("(all others)"));
    }

    json_object_set_new(row, "units", units);
    json_object_set_new(row, "default", json_boolean(rec->is_default));
}


/*
 * "lo" and "hi" as the record has them, null is the end; "from" and "to" the
 * same as people write keys, "" when nothing bounds it.
 */

static void
list_holds(shardctl_t *ctl, json_t *row, const shard_record_t *rec)
{
    int   open;
    char  lo[SHARD_BYTES_TEXT], hi[SHARD_BYTES_TEXT], from[24], to[24];

    if (rec->kind == SHARD_KIND_LIST) {
        list_holds_units(ctl, row, rec);
        return;
    }

    if (rec->kind == SHARD_KIND_RANGE_BYTES) {
        shard_bytes_encode(&rec->lo_text, lo);
        shard_bytes_encode(&rec->hi_text, hi);
        open = rec->hi_text.len == 0;

    } else {
        shard_hex_encode(rec->lo, lo);
        shard_hex_encode(rec->hi, hi);
        open = rec->hi == 0;
    }

    json_object_set_new(row, "lo", json_string(lo));
    json_object_set_new(row, "hi", open ? json_null() : json_string(hi));

    if (rec->kind == SHARD_KIND_RANGE_UINT64) {
        snprintf(from, sizeof(from), "%llu", (unsigned long long) rec->lo);
        snprintf(to, sizeof(to), "%llu", (unsigned long long) rec->hi);
        json_object_set_new(row, "from", json_string(from));
        json_object_set_new(row, "to", open ? json_null() : json_string(to));
        return;
    }

    json_object_set_new(row, "from", json_string(lo));
    json_object_set_new(row, "to", open ? json_null() : json_string(hi));
}


static json_t *
list_shard(shardctl_t *ctl, const shard_record_t *rec)
{
    char     migration[17];
    json_t  *row, *standbys;
    uint8_t  i;

    shard_hex_encode(rec->migration, migration);

    standbys = json_array();

    for (i = 0; i < rec->nstandbys; i++) {
        json_array_append_new(standbys, json_string(rec->standbys[i]));
    }

    row = json_pack("{s:I, s:s, s:o, s:I, s:s, s:s, s:s}", "id",
                    (json_int_t) rec->id, "primary", rec->primary, "standbys",
                    standbys, "epoch", (json_int_t) rec->epoch, "phase",
                    shard_phase_name(rec->phase), "consistency",
                    shard_consistency_name(rec->consistency), "strategy",
                    shard_strategy_name(rec->strategy));

    list_holds(ctl, row, rec);

    if (rec->target[0]) {
        json_object_set_new(row, "target", json_string(rec->target));
        json_object_set_new(row, "shift", json_integer(rec->shift_bp));
    }

    if (rec->migration) {
        json_object_set_new(row, "migration", json_string(migration));
    }

    return row;
}


static int
list_by_id(const void *one, const void *two)
{
    const shard_record_t  *a, *b;

    a = one;
    b = two;

    return (a->id > b->id) - (a->id < b->id);
}


/* how far its standbys are, and the one that is furthest behind */

static json_t *
list_kept(json_t *row, const json_t *standbys, shard_id_t id)
{
    char     text[16];
    json_t  *shard;

    snprintf(text, sizeof(text), "%u", (unsigned) id);
    shard = json_object_get(standbys, text);

    if (shard) {
        json_object_set(row, "kept", shard);
        json_object_set_new(row, "behind_ms", shardctl_standbys_worst(shard));
    }

    return row;
}


int
shardctl_cmd_shards(shardctl_t *ctl)
{
    int              rc;
    long             from, limit, n;
    size_t           i;
    json_t          *rows, *standbys;
    shard_kind_e     kind;
    shardd_table_t   table;

    from = 0;
    limit = 1000;

    if (shardctl_option_long(ctl, "from", 0, 4294967294L, &from)
        || shardctl_option_long(ctl, "limit", 1, LIST_LIMIT_MAX, &limit))
    {
        return SHARDCTL_USAGE;
    }

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = shardctl_standbys(ctl, &table, &standbys);

    if (rc != SHARDCTL_OK) {
        shardd_table_free(&table);
        return rc;
    }

    qsort(table.shards, table.nshards, sizeof(shard_record_t), list_by_id);

    rows = json_array();
    n = 0;

    for (i = 0; i < table.nshards && n < limit; i++) {

        if (table.shards[i].id >= (shard_id_t) from) {
            json_array_append_new(rows, list_kept(
                                  list_shard(ctl, &table.shards[i]),
                                  standbys, table.shards[i].id));
            n++;
        }
    }

    if (!ctl->json && i < table.nshards) {
        fprintf(stderr, "more: shardctl shards --from %u\n",
                table.shards[i].id);
    }

    kind = table.kind;

    json_decref(standbys);
    shardd_table_free(&table);

    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:s, s:s, s:o}", "keyspace",
                                            ctl->keyspace, "kind",
                                            shard_kind_name(kind), "shards",
                                            rows));
    }

    return list_show(ctl, "shards", rows,
                     kind == SHARD_KIND_LIST ? list_units : list_ranges);
}


int
shardctl_cmd_nodes(shardctl_t *ctl)
{
    int              rc;
    json_t          *rows;
    shardd_table_t   table;
    shardd_entry_t   routers;
    shardctl_load_t  load;

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = shardctl_load_read(ctl, &table, &load);

    if (rc == SHARDCTL_OK) {
        rows = shardctl_rows_nodes(&table, &load);
        shardctl_load_free(&load);

        if (shardctl_hash(ctl, "routers", &routers) == SHARDCTL_OK) {
            shardctl_rows_dead(rows, &routers);
            shardd_entry_free(&routers);
        }

        rc = list_show(ctl, "nodes", rows, shardctl_columns_nodes);
    }

    shardd_table_free(&table);

    return rc;
}


int
shardctl_cmd_zones(shardctl_t *ctl)
{
    int             rc;
    json_t         *rows;
    shardd_entry_t  zones;

    rc = shardctl_open(ctl);

    if (rc == SHARDCTL_OK) {
        rc = shardctl_hash(ctl, "zones", &zones);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rows = shardctl_rows_zones(&zones);

    if (zones.nfields == 0 && !ctl->json) {
        fprintf(stderr, "no scores yet: they are written by "
                "shard-predictor\n");
    }

    shardd_entry_free(&zones);

    return list_show(ctl, "zones", rows, shardctl_columns_zones);
}


int
shardctl_cmd_routers(shardctl_t *ctl)
{
    int              rc;
    json_t          *rows;
    shardd_entry_t   routers;
    shardd_table_t   table;

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = shardctl_hash(ctl, "routers", &routers);

    if (rc == SHARDCTL_OK) {
        rows = shardctl_rows_routers(&routers, table.version);
        shardd_entry_free(&routers);
        rc = list_show(ctl, "routers", rows, shardctl_columns_routers);
    }

    shardd_table_free(&table);

    return rc;
}


int
shardctl_cmd_migrations(shardctl_t *ctl)
{
    int               rc;
    long              limit;
    json_t           *rows;
    shardd_entries_t  migrations;

    limit = 20;

    if (shardctl_option_long(ctl, "limit", 1, LIST_LIMIT_MAX, &limit)) {
        return SHARDCTL_USAGE;
    }

    if (ctl->nargs) {
        return shardctl_migration(ctl, ctl->args[0]);
    }

    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    memset(&migrations, 0, sizeof(shardd_entries_t));

    rc = shardd_migrations(&ctl->store, (size_t) limit, &migrations);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return shardctl_store_fail(ctl, rc, "cannot read the migrations");
    }

    rows = shardctl_rows_migrations(&migrations, 0);

    shardd_entries_free(&migrations);

    return list_show(ctl, "migrations", rows, shardctl_columns_migrations);
}
