
/* status: the whole keyspace at a glance; what is wrong comes first. */


#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shardctl.h"


#define STATUS_MIGRATIONS    1000    /* looked through for running ones */
#define STATUS_PROBLEMS_MAX  50


shardctl_printf(2, 3)
static void
status_problem(json_t *problems, const char *fmt, ...)
{
    char     text[512];
    va_list  args;

    if (json_array_size(problems) >= STATUS_PROBLEMS_MAX) {
        return;
    }

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    json_array_append_new(problems, shardctl_text(text));
}


/* a table with a gap, an overlap or an unknown node was not read at all */

static void
status_check_table(shardd_table_t *table, json_t *problems)
{
    size_t                 i;
    const shard_node_t    *node;
    const shard_record_t  *rec;

    for (i = 0; i < table->nshards; i++) {
        rec = &table->shards[i];
        node = shardd_table_node(table, rec->primary);

        if (node && node->state == SHARD_NODE_DOWN) {
            status_problem(problems, "shard %u is on node \"%s\" which is "
                           "down", rec->id, rec->primary);
        }

        if (rec->phase == SHARD_HELD && rec->migration == 0) {
            status_problem(problems, "shard %u is held by no migration",
                           rec->id);
        }
    }
}


static void
status_check_rows(const json_t *status, json_t *problems)
{
    size_t         i, dead;
    const char    *state;
    const json_t  *row;

    json_array_foreach(json_object_get(status, "routers"), i, row) {
        state = shardctl_get_text(row, "state");

        if (strcmp(state, "live") != 0) {
            status_problem(problems, "router \"%s\" is %s%s",
                           shardctl_get_text(row, "name"), state,
                           strcmp(state, "behind") == 0
                           ? " the table's version" : "");
        }

        if (shardctl_get_number(row, "rejected") > 0) {
            status_problem(problems, "router \"%s\" refused %.0f table "
                           "updates or overrides since it started: its error "
                           "log says why",
                           shardctl_get_text(row, "name"),
                           shardctl_get_number(row, "rejected"));
        }
    }

    json_array_foreach(json_object_get(status, "overrides"), i, row) {

        if (strcmp(shardctl_get_text(row, "state"), "ignored") == 0) {
            status_problem(problems, "override \"%s\" of shard %s is ignored: "
                           "%s", shardctl_get_text(row, "verb"),
                           shardctl_get_text(row, "shard"),
                           shardctl_get_text(row, "reason"));
        }
    }

    json_array_foreach(json_object_get(status, "migrations"), i, row) {

        if (shardctl_get_text(row, "error")[0]) {
            status_problem(problems, "migration %s of shard %.0f: %s",
                           shardctl_get_text(row, "id"),
                           shardctl_get_number(row, "shard"),
                           shardctl_get_text(row, "error"));
        }
    }

    json_array_foreach(json_object_get(status, "nodes"), i, row) {
        dead = json_array_size(json_object_get(row, "dead_by"));

        if (dead) {
            status_problem(problems, "node \"%s\" is dead to %zu of %zu "
                           "routers", shardctl_get_text(row, "name"), dead,
                           json_array_size(json_object_get(status,
                                                           "routers")));
        }

        if (shardctl_get_number(row, "utilisation") > 1) {
            status_problem(problems, "node \"%s\" is overloaded: %.1f of %.1f "
                           "requests/s", shardctl_get_text(row, "name"),
                           shardctl_get_number(row, "load"),
                           shardctl_get_number(row, "capacity"));
        }
    }
}


static void
status_check_predictor(const json_t *status, json_t *problems)
{
    const char    *state;
    const json_t  *predictor;

    predictor = json_object_get(status, "predictor");
    state = shardctl_get_text(predictor, "state");

    if (json_is_object(predictor) && strcmp(state, "ready") != 0) {
        status_problem(problems, "the predictor pauses: %s",
                       state[0] ? state : "it gives no reason");
    }
}


static int
status_read_migrations(shardctl_t *ctl, json_t *status)
{
    int               rc;
    shardd_entries_t  migrations;

    memset(&migrations, 0, sizeof(shardd_entries_t));

    rc = shardd_migrations(&ctl->store, STATUS_MIGRATIONS, &migrations);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return shardctl_store_fail(ctl, rc, "cannot read the migrations");
    }

    json_object_set_new(status, "migrations",
                        shardctl_rows_migrations(&migrations, 1));
    shardd_entries_free(&migrations);

    return SHARDCTL_OK;
}


static int
status_read_hashes(shardctl_t *ctl, shardd_table_t *table, json_t *status)
{
    json_t          *predictor, *regret;
    shardd_entry_t   e;

    if (shardctl_hash(ctl, "routers", &e) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    json_object_set_new(status, "routers",
                        shardctl_rows_routers(&e, table->version));
    shardctl_rows_dead(json_object_get(status, "nodes"), &e);
    shardd_entry_free(&e);

    if (shardctl_hash(ctl, "override", &e) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    json_object_set_new(status, "overrides",
                        shardctl_rows_overrides(&e, table));
    shardd_entry_free(&e);

    if (shardctl_hash(ctl, "predictor", &e) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    predictor = json_null();

    if (e.nfields) {
        predictor = json_pack("{s:o, s:o, s:o, s:o}",
                              "mode", shardctl_field(&e, "mode"),
                              "state", shardctl_field(&e, "state"),
                              "at", shardctl_field_int(&e, "at"),
                              "cursor", shardctl_field(&e, "cursor"));
    }

    json_object_set_new(status, "predictor", predictor);
    shardd_entry_free(&e);

    if (!json_is_object(predictor)) {
        return SHARDCTL_OK;
    }

    if (shardctl_regret_read(ctl, &regret) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    json_object_set_new(predictor, "hindsight", regret);

    return SHARDCTL_OK;
}


static int
status_read(shardctl_t *ctl, shardd_table_t *table, json_t *status)
{
    json_t           *problems, *standbys;
    shardctl_load_t   load;

    if (shardctl_load_read(ctl, table, &load) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    json_object_set_new(status, "nodes", shardctl_rows_nodes(table, &load));
    shardctl_load_free(&load);

    if (shardctl_standbys(ctl, table, &standbys) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    json_object_set_new(status, "standbys",
                        shardctl_standbys_sum(table, standbys));
    json_decref(standbys);

    if (status_read_hashes(ctl, table, status) != SHARDCTL_OK
        || status_read_migrations(ctl, status) != SHARDCTL_OK)
    {
        return SHARDCTL_FAILED;
    }

    problems = json_array();

    status_check_table(table, problems);
    status_check_predictor(status, problems);
    status_check_rows(status, problems);

    json_object_set_new(status, "problems", problems);

    return SHARDCTL_OK;
}


int
shardctl_status(shardctl_t *ctl, json_t **status)
{
    int              rc;
    json_t          *policy;
    shardd_table_t   table;

    *status = NULL;

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    policy = shardctl_json(table.policy);

    *status = json_pack("{s:s, s:s, s:I, s:I, s:o}", "keyspace",
                        ctl->keyspace, "kind", shard_kind_name(table.kind),
                        "version", (json_int_t) table.version, "shards",
                        (json_int_t) table.nshards, "policy",
                        policy ? policy : json_null());

    rc = status_read(ctl, &table, *status);

    shardd_table_free(&table);

    if (rc != SHARDCTL_OK) {
        json_decref(*status);
        *status = NULL;
    }

    return rc;
}


static void
status_head(shardctl_t *ctl, const json_t *status)
{
    char           at[40], text[256];
    size_t         i;
    const json_t  *p, *problems;

    snprintf(text, sizeof(text), "keyspace %s", ctl->keyspace);
    shardctl_put(ctl, SHARDCTL_BOLD, text);

    printf("  %s, version %.0f, %.0f shards, %zu nodes, %zu routers\n",
           shardctl_get_text(status, "kind"),
           shardctl_get_number(status, "version"),
           shardctl_get_number(status, "shards"),
           json_array_size(json_object_get(status, "nodes")),
           json_array_size(json_object_get(status, "routers")));

    p = json_object_get(status, "predictor");

    if (json_is_object(p)) {
        shardctl_time(shardctl_get_number(p, "at"), at, sizeof(at));
        snprintf(text, sizeof(text), "predictor: mode %.20s, %.100s, its "
                 "clock is at %s\n", shardctl_get_text(p, "mode"),
                 shardctl_get_text(p, "state"), at);
        shardctl_put(ctl, SHARDCTL_PLAIN, text);
        shardctl_regret_show(ctl, json_object_get(p, "hindsight"));

    } else {
        printf("predictor: none has run\n");
    }

    shardctl_standbys_show(json_object_get(status, "standbys"));

    problems = json_object_get(status, "problems");

    json_array_foreach((json_t *) problems, i, p) {

        if (i == 0) {
            shardctl_title(ctl, "problems");
        }

        shardctl_put(ctl, SHARDCTL_RED, json_string_value(p));
        printf("\n");
    }
}


static void
status_section(shardctl_t *ctl, const json_t *status, const char *key,
    const shardctl_column_t *columns)
{
    const json_t  *rows;

    rows = json_object_get(status, key);

    if (json_array_size(rows)) {
        shardctl_title(ctl, key);
        shardctl_table(ctl, rows, columns);
    }
}


void
shardctl_status_draw(shardctl_t *ctl, const json_t *status)
{
    status_head(ctl, status);
    status_section(ctl, status, "nodes", shardctl_columns_nodes);
    status_section(ctl, status, "routers", shardctl_columns_routers);
    status_section(ctl, status, "migrations", shardctl_columns_migrations);
    status_section(ctl, status, "overrides", shardctl_columns_overrides);
}


int
shardctl_cmd_status(shardctl_t *ctl)
{
    int      rc;
    json_t  *status;

    rc = shardctl_status(ctl, &status);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (ctl->json) {
        return shardctl_show(ctl, status);
    }

    shardctl_status_draw(ctl, status);

    json_decref(status);

    return SHARDCTL_OK;
}
