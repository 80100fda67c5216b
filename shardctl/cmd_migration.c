
/*
 * migrations ID: one of them, and its story: every phase and every wish with
 * time, figures and who asked, from the stream "audit"; what that has
 * forgotten by now, from the migration's own trail.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shardctl.h"


#define AUDIT_LIMIT  20000


static const shardctl_column_t  audit_columns[] = {
    { "at_ms", "AT", SHARDCTL_TIME_MS },
    { "what", "WHAT", SHARDCTL_TEXT },
    { "was", "WAS", SHARDCTL_TEXT },
    { "took_ms", "TOOK", SHARDCTL_SPAN_MS },
    { "phase", "PHASE", SHARDCTL_STATE },
    { "bytes", "BYTES", SHARDCTL_BYTES },
    { "shipped", "SHIPPED", SHARDCTL_INT },
    { "shift", "SHIFT", SHARDCTL_BP },
    { "hold_ms", "HELD", SHARDCTL_SPAN_MS },
    { "by", "BY", SHARDCTL_TEXT },
    { NULL, NULL, SHARDCTL_TEXT }
};


static json_t *
audit_row(const shardd_entry_t *e)
{
    size_t   i;
    json_t  *row;

    static const char *const  texts[] = { "what", "was", "phase", "by",
        "holder", "error", NULL };
    static const char *const  numbers[] = { "took_ms", "epoch", "attempt",
        "position", "shipped", "bytes", "items", "lag", "shift", "mirrored",
        "mirror_bad", "hold_ms", NULL };

    row = json_pack("{s:I}", "at_ms", (json_int_t) strtoll(e->id, NULL, 10));

    for (i = 0; texts[i]; i++) {
        json_object_set_new(row, texts[i], shardctl_field(e, texts[i]));
    }

    for (i = 0; numbers[i]; i++) {
        json_object_set_new(row, numbers[i],
                            shardctl_field_int(e, numbers[i]));
    }

    return row;
}


/* oldest first */

static json_t *
audit_of(const shardd_entries_t *list, const char *id)
{
    size_t       i;
    json_t      *rows;
    const char  *of;

    rows = json_array();

    for (i = list->n; i-- > 0; /* void */ ) {
        of = shardd_entry_field(&list->entries[i], "migration");

        if (of && strcmp(of, id) == 0) {
            json_array_append_new(rows, audit_row(&list->entries[i]));
        }
    }

    return rows;
}


static int
migration_show(shardctl_t *ctl, json_t *out)
{
    json_t      *rows, *migration;
    const char  *error, *next;

    if (ctl->json) {
        return shardctl_show(ctl, out);
    }

    migration = json_object_get(out, "migration");

    rows = json_array();
    json_array_append(rows, migration);
    shardctl_table(ctl, rows, shardctl_columns_migrations);
    json_decref(rows);

    error = shardctl_get_text(migration, "error");

    if (error[0]) {
        printf("why it rolled back: ");
        shardctl_put(ctl, SHARDCTL_PLAIN, error);
        printf("\n");
    }

    next = shardctl_get_text(migration, "next");

    if (next[0] && strncmp(shardctl_get_text(migration, "phase"), "roll", 4)
                   != 0)
    {
        printf("what follows it: ");
        shardctl_put(ctl, SHARDCTL_PLAIN, next);
        printf("\n");
    }

    if (json_array_size(json_object_get(out, "audit"))) {
        shardctl_title(ctl, "what happened");
        shardctl_table(ctl, json_object_get(out, "audit"), audit_columns);

    } else {
        printf("the audit has nothing of it any more; its phases: ");
        shardctl_put(ctl, SHARDCTL_PLAIN, shardctl_get_text(out, "trail"));
        printf("\n");
    }

    json_decref(out);

    return SHARDCTL_OK;
}


int
shardctl_migration(shardctl_t *ctl, const char *id)
{
    int               rc;
    json_t           *out;
    uint64_t          value;
    shard_str_t       text;
    shardd_entry_t    m;
    shardd_entries_t  list;

    text.data = id;
    text.len = strlen(id);

    if (shard_hex_decode(text, &value) != SHARD_OK) {
        return shardctl_usage(ctl, "\"%s\" is no migration's id: 16 hex "
                              "digits as \"shardctl migrations\" lists them "
                              "are needed", id);
    }

    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    memset(&m, 0, sizeof(m));
    memset(&list, 0, sizeof(list));
    rc = shardd_migration_get(&ctl->store, id, &m);

    if (rc == SHARDD_NONE) {
        return shardctl_fail(ctl, "keyspace \"%s\" has no migration %s: "
                             "\"shardctl migrations\" lists them",
                             ctl->keyspace, id);
    }

    if (rc == SHARDD_OK) {
        rc = shardd_audit(&ctl->store, AUDIT_LIMIT, &list);
    }

    if (rc != SHARDD_OK) {
        shardd_entry_free(&m);
        return shardctl_store_fail(ctl, rc, "cannot read the migration");
    }

    out = json_pack("{s:s, s:o, s:o, s:o}", "keyspace", ctl->keyspace,
                    "migration", shardctl_row_migration(&m),
                    "trail", shardctl_field(&m, "trail"),
                    "audit", audit_of(&list, id));

    shardd_entries_free(&list);
    shardd_entry_free(&m);

    return migration_show(ctl, out);
}
