
/* locate: which shard a key is of, and where its requests go. */


#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_key.h"
#include "shardctl.h"


/* has the key crossed to the target of its shard's migration? */

static int
locate_crossed(const shard_record_t *rec, const shard_key_t *at)
{
    return rec->phase == SHARD_SHIFTING
           && shard_shift_point(at->sticky, rec->migration) < rec->shift_bp;
}


/*
 * Where reads and writes go by the table alone, NULL: they are held.
 * docs/redis-keys.md has the rule of each strategy.
 */

static void
locate_nodes(const shard_record_t *rec, int crossed, const char **reads,
    const char **writes)
{
    *reads = rec->primary;
    *writes = rec->primary;

    if (rec->phase == SHARD_HELD) {
        *reads = NULL;
        *writes = NULL;
        return;
    }

    if (rec->phase == SHARD_SHIFTING && rec->strategy == SHARD_COPY_ON_WRITE)
    {
        *reads = rec->target;
        *writes = rec->target;
        return;
    }

    if (!crossed) {
        return;
    }

    if (rec->strategy == SHARD_STATELESS) {
        *reads = rec->target;
        *writes = rec->target;

    } else if (rec->strategy == SHARD_LOG_SHIPPING
               && rec->consistency == SHARD_EVENTUAL)
    {
        *reads = rec->target;
    }
}


static void
locate_show(shardctl_t *ctl, const shard_record_t *rec, const json_t *row)
{
    char         text[512];
    const char  *reads, *writes;

    snprintf(text, sizeof(text), "shard %u on node %s, epoch %u, phase %s\n",
             (unsigned) rec->id, rec->primary, (unsigned) rec->epoch,
             shard_phase_name(rec->phase));
    shardctl_put(ctl, SHARDCTL_BOLD, text);

    reads = shardctl_get_text(row, "reads");
    writes = shardctl_get_text(row, "writes");

    if (rec->phase == SHARD_HELD) {
        shardctl_put(ctl, SHARDCTL_PLAIN, "its requests are held\n");

    } else if (rec->phase == SHARD_SHIFTING) {
        snprintf(text, sizeof(text), "moving to %s: reads of this key go to "
                 "%s, writes to %s\n", rec->target, reads, writes);
        shardctl_put(ctl, SHARDCTL_PLAIN, text);
    }

    shardctl_override_show(ctl, row);
}


static int
locate_row(shardctl_t *ctl, shardd_table_t *table, const shard_record_t *rec,
    const shard_key_t *at, json_t **row)
{
    int          crossed;
    char         position[17];
    const char  *reads, *writes;

    crossed = locate_crossed(rec, at);
    locate_nodes(rec, crossed, &reads, &writes);
    shard_hex_encode(at->position, position);

    *row = json_pack("{s:s, s:o, s:s, s:s, s:I, s:s, s:s?, s:s?, s:I, s:s, "
                     "s:b}", "keyspace", ctl->keyspace, "key",
                     shardctl_text(ctl->args[0]), "kind",
                     shard_kind_name(rec->kind), "position", position, "shard",
                     (json_int_t) rec->id, "primary", rec->primary, "reads",
                     reads, "writes", writes, "epoch",
                     (json_int_t) rec->epoch, "phase",
                     shard_phase_name(rec->phase), "crossed", crossed);

    if (rec->target[0]) {
        json_object_set_new(*row, "target", json_string(rec->target));
    }

    return shardctl_override_read(ctl, table, rec->id, *row);
}


int
shardctl_cmd_locate(shardctl_t *ctl)
{
    int              rc;
    json_t          *row;
    const char      *key;
    shard_key_t      at;
    shard_record_t  *rec;
    shardd_table_t   table;

    key = ctl->args[0];
    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (shard_key_locate(table.kind, key, strlen(key), &at) != SHARD_OK) {
        rc = shardctl_fail(ctl, "\"%s\" is no key of keyspace \"%s\", which is "
                           "of kind %s: a number from 0 to "
                           "18446744073709551615 is needed", key,
                           ctl->keyspace, shard_kind_name(table.kind));
        shardd_table_free(&table);
        return rc;
    }

    rec = shardd_table_locate(&table, key, strlen(key));
    row = NULL;
    rc = locate_row(ctl, &table, rec, &at, &row);

    if (rc == SHARDCTL_OK && ctl->json) {
        rc = shardctl_show(ctl, row);

    } else {

        if (rc == SHARDCTL_OK) {
            locate_show(ctl, rec, row);
        }

        json_decref(row);
    }

    shardd_table_free(&table);

    return rc;
}
