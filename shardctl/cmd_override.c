
/* override: list, set, clear; only what routers will obey is written. */


#include <stdlib.h>
#include <string.h>

#include "shard_override.h"
#include "shardd_loop.h"
#include "shardctl.h"


static int
override_list(shardctl_t *ctl)
{
    int              rc;
    json_t          *rows;
    shardd_entry_t   overrides;
    shardd_table_t   table;

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = shardctl_hash(ctl, "override", &overrides);

    if (rc != SHARDCTL_OK) {
        shardd_table_free(&table);
        return rc;
    }

    rows = shardctl_rows_overrides(&overrides, &table);

    shardd_entry_free(&overrides);
    shardd_table_free(&table);

    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:s, s:o}", "keyspace",
                                            ctl->keyspace, "overrides", rows));
    }

    if (json_array_size(rows)) {
        shardctl_table(ctl, rows, shardctl_columns_overrides);

    } else {
        printf("no overrides\n");
    }

    json_decref(rows);

    return SHARDCTL_OK;
}


static int
override_write(shardctl_t *ctl, shard_id_t id, const char *verb)
{
    int              rc;
    char             shard[16], *old;
    shardd_field_t   field;

    snprintf(shard, sizeof(shard), "%u", id);

    old = NULL;
    rc = shardd_hash_get(&ctl->store, "override", shard, &old);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return shardctl_store_fail(ctl, rc, "cannot read the overrides");
    }

    if (verb == NULL && (rc == SHARDD_NONE || old == NULL)) {
        free(old);
        return shardctl_fail(ctl, "shard %u has no override: \"shardctl "
                             "override\" lists them", id);
    }

    field.name = shard;
    field.value = (char *) verb;

    rc = shardd_hash_put(&ctl->store, "override", &field, 1);

    if (rc != SHARDD_OK) {
        free(old);
        return shardctl_store_fail(ctl, rc, "cannot write the override");
    }

    if (ctl->json) {
        rc = shardctl_show(ctl, json_pack("{s:I, s:o, s:o}", "shard",
                                          (json_int_t) id, "override",
                                          shardctl_text(verb), "before",
                                          shardctl_text(old)));
    } else {
        printf("shard %u: %s\n", id, verb ? verb : "override removed");
    }

    free(old);

    return rc;
}


static int
override_set(shardctl_t *ctl, shardd_table_t *table, shard_id_t id,
    const char *verb)
{
    char               err[SHARD_ERR_SIZE];
    unsigned           i;
    shard_str_t        text;
    shard_record_t    *rec;
    shard_override_t   o;

    rec = shardd_table_shard(table, id);

    if (rec == NULL) {
        return shardctl_no_shard(ctl, table, id);
    }

    text.data = verb;
    text.len = strlen(verb);

    if (shard_override_decode(text, &o, err) != SHARD_OK) {
        return shardctl_usage(ctl, "override \"%s\": %s", verb, err);
    }

    for (i = 0; i < SHARD_OVERRIDE_NODES; i++) {

        if (o.node[i][0] && !shardd_table_node(table, o.node[i])) {
            return shardctl_no_node(ctl, table, o.node[i]);
        }
    }

    if (o.verb == SHARD_OVERRIDE_DRAIN && rec->nstandbys == 0) {
        return shardctl_fail(ctl, "shard %u has no standby that could serve: "
                             "\"pin NODE\" sends it elsewhere", id);
    }

    if (o.until_ms && o.until_ms <= shardd_now_ms()) {
        return shardctl_fail(ctl, "override \"%s\": this time is over (times "
                             "are UTC)", verb);
    }

    return override_write(ctl, id, verb);
}


int
shardctl_override_read(shardctl_t *ctl, shardd_table_t *table, shard_id_t id,
    json_t *row)
{
    int          rc;
    char         shard[16], err[SHARD_ERR_SIZE], *verb;
    const char  *ignored;

    snprintf(shard, sizeof(shard), "%u", id);

    rc = shardd_hash_get(&ctl->store, "override", shard, &verb);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return shardctl_store_fail(ctl, rc, "cannot read the override");
    }

    if (verb == NULL) {
        return SHARDCTL_OK;
    }

    json_object_set_new(row, "override", shardctl_text(verb));
    ignored = shardctl_override_ignored(table, shard, verb, err);

    if (ignored[0]) {
        json_object_set_new(row, "override_ignored", shardctl_text(ignored));
    }

    free(verb);

    return SHARDCTL_OK;
}


void
shardctl_override_show(shardctl_t *ctl, const json_t *row)
{
    char         text[SHARD_ERR_SIZE + 256];
    const char  *override, *ignored;

    override = shardctl_get_text(row, "override");
    ignored = shardctl_get_text(row, "override_ignored");

    if (override[0] == '\0') {
        return;
    }

    if (ignored[0]) {
        snprintf(text, sizeof(text), "an operator's override of it is "
                 "ignored: %.200s: %s\n", override, ignored);

    } else {
        snprintf(text, sizeof(text), "an operator overrides it: %.200s\n",
                 override);
    }

    shardctl_put(ctl, SHARDCTL_YELLOW, text);
}


int
shardctl_cmd_override(shardctl_t *ctl)
{
    int              rc;
    shard_id_t       id;
    const char      *clear;
    shardd_table_t   table;

    clear = shardctl_option(ctl, "clear");

    if (clear) {

        if (ctl->nargs) {
            return shardctl_usage(ctl, "--clear SHARD takes nothing more");
        }

        if (shardctl_shard_arg(ctl, clear, &id) != SHARDCTL_OK) {
            return SHARDCTL_USAGE;
        }

        rc = shardctl_open(ctl);

        return (rc == SHARDCTL_OK) ? override_write(ctl, id, NULL) : rc;
    }

    if (ctl->nargs == 0) {
        return override_list(ctl);
    }

    if (ctl->nargs == 1) {
        return shardctl_usage(ctl, "override %s with what? \"pin NODE\", "
                              "\"split NODE=BP NODE=BP\", \"hold\", \"drain\" "
                              "or \"freeze\"", ctl->args[0]);
    }

    if (shardctl_shard_arg(ctl, ctl->args[0], &id) != SHARDCTL_OK) {
        return SHARDCTL_USAGE;
    }

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = override_set(ctl, &table, id, ctl->args[1]);

    shardd_table_free(&table);

    return rc;
}
