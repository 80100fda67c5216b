
/*
 * rollback, pause, resume: what operators wish for a migration.  Before its
 * commit that is its field "wish", which only operators write, by the same
 * function of Redis as the HTTP API, which tells what is too late.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "move.h"


static int
move_get(shardctl_t *ctl, const char *id, shardd_entry_t *m)
{
    int           rc;
    uint64_t      value;
    shard_str_t   text;

    memset(m, 0, sizeof(shardd_entry_t));

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

    rc = shardd_migration_get(&ctl->store, id, m);

    if (rc == SHARDD_NONE) {
        return shardctl_fail(ctl, "keyspace \"%s\" has no migration %s: "
                             "\"shardctl migrations\" lists them",
                             ctl->keyspace, id);
    }

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot read the migration");
    }

    return SHARDCTL_OK;
}


/* "done": what is said when it was heard */

static int
move_wish(shardctl_t *ctl, const char *id, const char *wish, const char *done,
    shardd_wish_t *answer)
{
    int      rc;
    json_t  *out;

    rc = shardd_migration_wish(&ctl->store, id, wish, shardctl_by(), answer);

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot write the wish");
    }

    if (strcmp(answer->verdict, "wished") != 0) {
        return SHARDCTL_OK;
    }

    if (!ctl->json) {
        printf("migration %s: %s\n", id, done);
        (void) shardctl_flush();
    }

    out = json_pack("{s:s, s:s}", "id", id, "wish",
                    strcmp(wish, "resume") == 0 ? "" : wish);

    return move_finish(ctl, id, "rolled-back", "", out);
}


/* after the commit: the way back is a migration of its own */

static int
move_back(shardctl_t *ctl, const shardd_entry_t *m)
{
    int              rc;
    move_t           move;
    const char      *from, *to, *shard;
    shard_record_t  *rec;
    shardd_table_t   table;

    memset(&move, 0, sizeof(move_t));

    from = shardd_entry_field(m, "from");
    to = shardd_entry_field(m, "to");
    shard = shardd_entry_field(m, "shard");

    if (from == NULL || to == NULL || shard == NULL) {
        return shardctl_fail(ctl, "migration %s has no \"shard\", \"from\" or "
                             "\"to\"", m->id);
    }

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    move.shard = (shard_id_t) strtoul(shard, NULL, 10);
    move.to = from;
    move.verb = "rollback";
    move.decision = "move";

    rec = shardd_table_shard(&table, move.shard);

    if (rec && strcmp(rec->primary, from) == 0) {
        rc = shardctl_already(ctl, "shard %u is back on node \"%s\" already: "
                              "nothing is left to take back", move.shard,
                              from);

    } else if (rec && strcmp(rec->primary, to) != 0) {
        rc = shardctl_fail(ctl, "shard %u is not on node \"%s\" any more but "
                           "on \"%s\": \"shardctl migrate %u %s\" moves it",
                           move.shard, to, rec->primary, move.shard, from);

    } else {
        rc = move_run(ctl, &table, &move);
    }

    shardd_table_free(&table);

    return rc;
}


int
shardctl_cmd_rollback(shardctl_t *ctl)
{
    int              rc;
    const char      *id;
    shardd_wish_t    answer;
    shardd_entry_t   m;

    id = ctl->args[0];
    rc = move_get(ctl, id, &m);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = move_wish(ctl, id, "rollback", "is to roll back", &answer);

    if (strcmp(answer.verdict, "back") == 0) {
        rc = shardctl_already(ctl, "migration %s is rolled back already", id);

    } else if (strcmp(answer.phase, "commit") == 0) {
        rc = shardctl_fail(ctl, "migration %s is committing: ask again when "
                           "it is done, it will be moved back", id);

    } else if (strcmp(answer.verdict, "late") == 0) {
        rc = move_back(ctl, &m);
    }

    shardd_entry_free(&m);

    return rc;
}


static int
move_pause(shardctl_t *ctl, const char *wish, const char *done)
{
    int              rc;
    const char      *id;
    shardd_wish_t    answer;
    shardd_entry_t   m;

    id = ctl->args[0];
    rc = move_get(ctl, id, &m);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    shardd_entry_free(&m);

    rc = move_wish(ctl, id, wish, done, &answer);

    if (strcmp(answer.verdict, "idle") == 0) {
        return shardctl_fail(ctl, "migration %s does not pause", id);
    }

    if (strcmp(answer.verdict, "late") == 0
        || strcmp(answer.verdict, "back") == 0)
    {
        return shardctl_fail(ctl, "migration %s is in phase \"%s\": only one "
                             "before its commit can pause", id, answer.phase);
    }

    return rc;
}


int
shardctl_cmd_pause(shardctl_t *ctl)
{
    return move_pause(ctl, "pause", "pauses");
}


int
shardctl_cmd_resume(shardctl_t *ctl)
{
    return move_pause(ctl, "resume", "goes on");
}
