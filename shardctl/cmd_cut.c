
/*
 * split, merge: a decision by hand that a migrator carries out as a migration
 * of its own.  Checked here against the table of this moment and by the
 * migrator again.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_key.h"
#include "move.h"


/* copy-on-write: what leaves its node does so by a move */

static const char *
cut_then(const move_t *move)
{
    if (move->then == NULL) {
        return "";
    }

    return move->with ? " by a move before it" : " by a move after it";
}


/* decides what has been checked, or says what and where it would be */

static int
cut_run(shardctl_t *ctl, move_t *move, const char *where)
{
    int      rc, again;
    json_t  *out;

    again = 0;

    if (!shardctl_option(ctl, "dry-run")) {
        move_stale(ctl, move);
        rc = move_add(ctl, move, &again);

        if (rc != SHARDCTL_OK) {
            return rc;
        }
    }

    out = json_pack("{s:s, s:s, s:I, s:s, s:s, s:b}", "id", move->id,
                    "verb", move->decision, "shard",
                    (json_int_t) move->shard, "from", move->from, "to",
                    move->to, "again", again);

    if (move->cut) {
        json_object_set_new(out, "cut", json_string(move->cut));
    }

    if (move->then) {
        json_object_set_new(out, "then", json_string(move->then));
    }

    if (move->end) {
        json_object_set_new(out, "end", json_string(move->end));
    }

    if (move->with) {
        json_object_set_new(out, "with", json_integer(strtol(move->with,
                                                             NULL, 10)));
    }

    if (shardctl_option(ctl, "dry-run")) {
        json_object_set_new(out, "dry_run", json_true());

        if (ctl->json) {
            return shardctl_show(ctl, out);
        }

        printf("would %s shard %u %s %s, its keys to %s%s, as %s\n",
               move->decision, move->shard, move->with ? "with" : "at",
               where, move->to, cut_then(move), move->id);
        json_decref(out);
        return SHARDCTL_OK;
    }

    if (!ctl->json) {
        printf("%s%s\n", move->id, again ? " (decided before)" : "");
        (void) shardctl_flush();
    }

    return move_finish(ctl, move->id, "done", again ? "" : move->stale, out);
}


/* neither in a migration's nor in an operator's hands */

static int
cut_free(shardctl_t *ctl, shardd_table_t *table, const shard_record_t *rec)
{
    char  migration[MOVE_ID_SIZE];

    if (table->kind == SHARD_KIND_LIST) {
        return shardctl_fail(ctl, "keyspace \"%s\" is a list: its shards are "
                             "cut by \"shardctl init\" only", ctl->keyspace);
    }

    if (rec->migration) {
        shard_hex_encode(rec->migration, migration);
        return shardctl_fail(ctl, "migration %s has shard %u in hands: wait "
                             "for it, or \"shardctl rollback %s\"",
                             migration, rec->id, migration);
    }

    return move_check_freeze(ctl, rec->id);
}


static int
split_run(shardctl_t *ctl, shardd_table_t *table, move_t *move)
{
    int              rc;
    char             cut[CUT_TEXT], end[CUT_TEXT], words[CUT_TEXT];
    shard_node_t    *to;
    shard_record_t  *rec;

    rec = shardd_table_shard(table, move->shard);

    if (rec == NULL) {
        return shardctl_no_shard(ctl, table, move->shard);
    }

    rc = cut_free(ctl, table, rec);

    if (rc == SHARDCTL_OK) {
        rc = cut_bounds(ctl, rec, cut, end);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    move->from = rec->primary;
    move->to = shardctl_option(ctl, "to");
    move->to = move->to ? move->to : rec->primary;
    move->epoch = rec->epoch;
    move->verb = "split";
    move->decision = end[0] ? "isolate" : "split";
    move->cut = cut;
    move->end = end[0] ? end : NULL;

    if (rec->strategy == SHARD_COPY_ON_WRITE
        && strcmp(move->from, move->to) != 0)
    {
        move->then = "move";
    }

    to = shardd_table_node(table, move->to);

    if (to == NULL) {
        return shardctl_no_node(ctl, table, move->to);
    }

    if (move_check_up(ctl, to) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    shard_hex_encode(shard_cut_id(move->shard, move->epoch, move->decision,
                                  cut, move->to), move->id);

    return cut_run(ctl, move, cut_words(rec, cut, words));
}


static int
merge_run(shardctl_t *ctl, shardd_table_t *table, move_t *move,
    shard_id_t other)
{
    int              rc;
    char             with[16], epoch[16], what[40];
    shard_record_t  *rec, *gone;

    rec = shardd_table_shard(table, move->shard);
    gone = shardd_table_shard(table, other);

    if (rec == NULL || gone == NULL) {
        return shardctl_no_shard(ctl, table, rec ? other : move->shard);
    }

    rc = cut_free(ctl, table, rec);

    if (rc == SHARDCTL_OK) {
        rc = cut_free(ctl, table, gone);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    /* shards of the table are in order, and it has no gap */

    if (rec - gone != 1 && gone - rec != 1) {
        return shardctl_fail(ctl, "shards %u and %u are no neighbours: "
                             "\"shardctl shards\" lists them in order",
                             move->shard, other);
    }

    if (rec->consistency != gone->consistency
        || rec->strategy != gone->strategy)
    {
        return shardctl_fail(ctl, "shards %u and %u differ in consistency or "
                             "strategy", move->shard, other);
    }

    snprintf(with, sizeof(with), "%u", other);
    snprintf(epoch, sizeof(epoch), "%u", gone->epoch);

    move->from = gone->primary;
    move->to = rec->primary;
    move->epoch = rec->epoch;
    move->verb = "merge";
    move->decision = "merge";
    move->with = with;
    move->with_epoch = epoch;

    if (rec->strategy == SHARD_COPY_ON_WRITE
        && strcmp(move->from, move->to) != 0)
    {
        move->then = "merge";
    }

    snprintf(what, sizeof(what), "%s.%s", with, epoch);
    shard_hex_encode(shard_cut_id(move->shard, move->epoch, "merge", what,
                                  move->to), move->id);

    return cut_run(ctl, move, with);
}


int
shardctl_cmd_split(shardctl_t *ctl)
{
    int              rc;
    long             timeout;
    move_t           move;
    shardd_table_t   table;

    memset(&move, 0, sizeof(move_t));
    timeout = 0;

    if (shardctl_shard_arg(ctl, ctl->args[0], &move.shard)
        || shardctl_option_ms(ctl, "timeout", 1, &timeout))
    {
        return SHARDCTL_USAGE;
    }

    if (shardctl_option(ctl, "at") && shardctl_option(ctl, "around")) {
        return shardctl_usage(ctl, "--at and --around: only one of them");
    }

    rc = shardctl_load(ctl, &table);

    if (rc == SHARDCTL_OK) {
        rc = split_run(ctl, &table, &move);
        shardd_table_free(&table);
    }

    return rc;
}


int
shardctl_cmd_merge(shardctl_t *ctl)
{
    int              rc;
    long             timeout;
    move_t           move;
    shard_id_t       other;
    shardd_table_t   table;

    memset(&move, 0, sizeof(move_t));
    timeout = 0;

    if (shardctl_shard_arg(ctl, ctl->args[0], &move.shard)
        || shardctl_shard_arg(ctl, ctl->args[1], &other)
        || shardctl_option_ms(ctl, "timeout", 1, &timeout))
    {
        return SHARDCTL_USAGE;
    }

    rc = shardctl_load(ctl, &table);

    if (rc == SHARDCTL_OK) {
        rc = merge_run(ctl, &table, &move, other);
        shardd_table_free(&table);
    }

    return rc;
}
