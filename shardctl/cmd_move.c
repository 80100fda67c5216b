
/*
 * migrate, promote, replicate: a decision as the predictor makes them, by
 * hand.  Checked here against the table of this moment and by the migrator
 * again.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_key.h"
#include "shard_override.h"
#include "shardd_loop.h"
#include "move.h"


int
move_add(shardctl_t *ctl, const move_t *move, int *again)
{
    int             rc;
    char            shard[16], epoch[16], now[24], reason[128];
    shardd_field_t  fields[14];
    size_t          i, n;

    static const char *const  names[] = { "id", "verb", "shard", "from", "to",
        "epoch", "by", "mode", "decided_ms", "reason", "cut", "end", "with",
        "with_epoch" };

    const char  *values[] = { move->id,
        move->decision, shard, move->from, move->to,
        epoch, shardctl_by(), "act", now, reason, move->cut, move->end,
        move->with, move->with_epoch };

    snprintf(shard, sizeof(shard), "%u", move->shard);
    snprintf(epoch, sizeof(epoch), "%u", move->epoch);
    snprintf(now, sizeof(now), "%llu", (unsigned long long) shardd_now_ms());
    snprintf(reason, sizeof(reason), "{\"operator\":\"%s\",\"command\":"
             "\"%s\"}", shardctl_user(), move->verb);

    for (i = 0, n = 0; i < 14; i++) {
        if (values[i]) {
            fields[n].name = (char *) names[i];
            fields[n++].value = (char *) values[i];
        }
    }

    rc = shardd_decision_add(&ctl->store, move->id, fields, n);

    *again = rc == SHARDD_CONFLICT;

    if (rc != SHARDD_OK && rc != SHARDD_CONFLICT) {
        return shardctl_store_fail(ctl, rc, "cannot write the decision");
    }

    return SHARDCTL_OK;
}


int
move_check_freeze(shardctl_t *ctl, shard_id_t shard)
{
    int                rc;
    char               id[16], err[SHARD_ERR_SIZE], *verb;
    shard_str_t        text;
    shard_override_t   o;

    snprintf(id, sizeof(id), "%u", shard);
    verb = NULL;

    rc = shardd_hash_get(&ctl->store, "override", id, &verb);

    if (rc != SHARDD_OK || verb == NULL) {
        return (rc == SHARDD_OK || rc == SHARDD_NONE) ? SHARDCTL_OK
               : shardctl_store_fail(ctl, rc, "cannot read the overrides");
    }

    text.data = verb;
    text.len = strlen(verb);

    if (shard_override_decode(text, &o, err) == SHARD_OK
        && (o.until_ms == 0 || o.until_ms > shardd_now_ms()))
    {
        rc = shardctl_fail(ctl, "shard %u has the override \"%s\": \"shardctl "
                           "override --clear %u\" removes it", shard, verb,
                           shard);
    }

    free(verb);

    return (rc == SHARDD_OK) ? SHARDCTL_OK : SHARDCTL_FAILED;
}


int
move_check_up(shardctl_t *ctl, const shard_node_t *node)
{
    return node->state == SHARD_NODE_UP ? SHARDCTL_OK
           : shardctl_fail(ctl, "node \"%s\" is %s: \"shardctl node up %s\" "
                           "makes it take shards", node->name,
                           shard_node_state_name(node->state), node->name);
}


/* whoever serves a stateless shard needs no data of it */

static int
move_check_standby(shardctl_t *ctl, const shard_record_t *rec,
    const move_t *move)
{
    unsigned  i;

    for (i = 0; i < rec->nstandbys; i++) {
        if (strcmp(rec->standbys[i], move->to) == 0) {
            return SHARDCTL_OK;
        }
    }

    return (rec->strategy == SHARD_STATELESS) ? SHARDCTL_OK
           : shardctl_fail(ctl, "node \"%s\" is no standby of shard %u and "
                           "has none of its data: \"shardctl shards\" lists "
                           "standbys", move->to, move->shard);
}


static int
move_known(shardctl_t *ctl, shardd_table_t *table, const move_t *move)
{
    const shard_record_t  *rec;

    rec = shardd_table_shard(table, move->shard);

    if (rec == NULL) {
        return shardctl_no_shard(ctl, table, move->shard);
    }

    if (move->to == NULL && rec->nstandbys == 0) {
        return shardctl_fail(ctl, "shard %u has no standby: \"shardctl "
                             "replicate %u NODE\" makes one", move->shard,
                             move->shard);
    }

    if (move->to == NULL) {
        return shardctl_fail(ctl, "shard %u has no standby that is up: "
                             "\"shardctl nodes\" says which are not",
                             move->shard);
    }

    if (shardd_table_node(table, move->to) == NULL) {
        return shardctl_no_node(ctl, table, move->to);
    }

    if (strcmp(rec->primary, move->to) == 0
        && strcmp(move->decision, "replicate") == 0)
    {
        return shardctl_fail(ctl, "node \"%s\" has the primary of shard %u: "
                             "a standby is for another one", move->to,
                             move->shard);
    }

    if (strcmp(rec->primary, move->to) == 0) {
        return shardctl_already(ctl, "shard %u is on node \"%s\" already",
                                move->shard, move->to);
    }

    return SHARDCTL_OK;
}


static int
move_check(shardctl_t *ctl, shardd_table_t *table, const move_t *move)
{
    char             migration[MOVE_ID_SIZE];
    shard_node_t    *to;
    shard_record_t  *rec;

    rec = shardd_table_shard(table, move->shard);
    to = shardd_table_node(table, move->to);

    if (move_check_up(ctl, to) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    if (strcmp(move->decision, "promote") == 0
        && move_check_standby(ctl, rec, move) != SHARDCTL_OK)
    {
        return SHARDCTL_FAILED;
    }

    if (strcmp(move->decision, "replicate") == 0
        && rec->nstandbys == SHARD_STANDBYS_MAX)
    {
        return shardctl_fail(ctl, "shard %u has %d standbys: no more are "
                             "possible", move->shard, SHARD_STANDBYS_MAX);
    }

    /* the same wish again is answered below as the same migration */

    if (rec->migration && strcmp(rec->target, move->to) != 0) {
        shard_hex_encode(rec->migration, migration);
        return shardctl_fail(ctl, "shard %u is moving to node \"%s\": wait "
                             "for it, or \"shardctl rollback %s\"",
                             move->shard, rec->target, migration);
    }

    return move_check_freeze(ctl, move->shard);
}


/* what the move would do to both nodes, as far as loads are known */

static json_t *
move_effect(shardctl_t *ctl, shardd_table_t *table, const move_t *move)
{
    double                 moved;
    json_t                *effect;
    shard_node_t          *from, *to;
    shard_record_t        *rec;
    shardctl_load_t        load;
    shardctl_node_load_t   a, b;

    if (shardctl_load_read(ctl, table, &load) != SHARDCTL_OK) {
        return NULL;
    }

    rec = shardd_table_shard(table, move->shard);
    from = shardd_table_node(table, move->from);
    to = shardd_table_node(table, move->to);

    moved = load.now[rec - table->shards];

    shardctl_node_load(table, &load, move->from, &a);
    shardctl_node_load(table, &load, move->to, &b);
    shardctl_load_free(&load);

    if (!isfinite(b.now) && b.shards == 0) {
        b.now = 0;
    }

    effect = json_pack("{s:o}", "load_moved", shardctl_number(moved));

    json_object_set_new(effect, "utilisation_from_before",
                     shardctl_number(from ? a.now / from->capacity : NAN));
    json_object_set_new(effect, "utilisation_from_after",
                     shardctl_number(from ? (a.now - moved) / from->capacity
                                          : NAN));
    json_object_set_new(effect, "utilisation_to_before",
                     shardctl_number(b.now / to->capacity));
    json_object_set_new(effect, "utilisation_to_after",
                     shardctl_number((b.now + moved) / to->capacity));

    return effect;
}


static int
move_dry_run(shardctl_t *ctl, shardd_table_t *table, const move_t *move)
{
    int      rc;
    json_t  *effect, *answer;

    effect = move_effect(ctl, table, move);

    if (effect == NULL) {
        return SHARDCTL_FAILED;
    }

    rc = move_ask(ctl, move, &answer);

    if (rc == SHARDCTL_OK && answer == NULL) {
        rc = move_check(ctl, table, move);
    }

    if (rc != SHARDCTL_OK) {
        json_decref(effect);
        return rc;
    }

    json_object_set_new(effect, "id", json_string(move->id));
    json_object_set_new(effect, "shard",
                        json_integer((json_int_t) move->shard));
    json_object_set_new(effect, "from", shardctl_text(move->from));
    json_object_set_new(effect, "to", shardctl_text(move->to));
    json_object_set_new(effect, "dry_run", json_true());

    if (ctl->json) {
        json_object_set(effect, "check", answer ? answer : json_null());
        (void) shardctl_show(ctl, effect);
        rc = move_answer_rc(ctl, answer);
        json_decref(answer);
        return rc;
    }

    printf("would %s shard %u from %s to %s as %s\n",
           move->decision, move->shard, move->from, move->to, move->id);

    if (isfinite(shardctl_get_number(effect, "load_moved"))) {
        printf("load now %.1f requests/s; %s %.0f%% -> %.0f%%, %s %.0f%% -> "
               "%.0f%% used\n", shardctl_get_number(effect, "load_moved"),
               move->from,
               100 * shardctl_get_number(effect, "utilisation_from_before"),
               100 * shardctl_get_number(effect, "utilisation_from_after"),
               move->to,
               100 * shardctl_get_number(effect, "utilisation_to_before"),
               100 * shardctl_get_number(effect, "utilisation_to_after"));

    } else {
        printf("its load is unknown: there is no history of it\n");
    }

    rc = move_answer_show(ctl, answer);

    json_decref(answer);
    json_decref(effect);

    return rc;
}


/* a migration of this id that was rolled back once may be tried again */

void
move_stale(shardctl_t *ctl, move_t *move)
{
    const char      *seq;
    shardd_entry_t   m;

    memset(&m, 0, sizeof(shardd_entry_t));

    if (shardd_migration_get(&ctl->store, move->id, &m) != SHARDD_OK) {
        return;
    }

    seq = shardd_entry_field(&m, "seq");
    snprintf(move->stale, sizeof(move->stale), "%.20s", seq ? seq : "0");

    shardd_entry_free(&m);
}


int
move_run(shardctl_t *ctl, shardd_table_t *table, move_t *move)
{
    int              rc, again;
    json_t          *out;
    shard_record_t  *rec;

    rc = move_known(ctl, table, move);

    /* a migrator's verdicts take the place of these */

    if (rc == SHARDCTL_OK && !shardctl_option(ctl, "dry-run")) {
        rc = move_check(ctl, table, move);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rec = shardd_table_shard(table, move->shard);

    move->from = rec->primary;
    move->epoch = rec->epoch;

    /* a replica comes from the primary, and takes nobody's place by hand */

    if (strcmp(move->decision, "replicate") == 0) {
        move->from = move->to;
    }

    shard_hex_encode(shard_decision_id(move->shard, move->epoch, move->from,
                                       move->to), move->id);

    if (shardctl_option(ctl, "dry-run")) {
        return move_dry_run(ctl, table, move);
    }

    move_stale(ctl, move);

    rc = move_add(ctl, move, &again);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (!ctl->json) {
        printf("%s%s\n", move->id, again ? " (decided before)" : "");
        (void) shardctl_flush();
    }

    out = json_pack("{s:s, s:I, s:o, s:o, s:b}", "id", move->id, "shard",
                    (json_int_t) move->shard, "from",
                    shardctl_text(move->from), "to", shardctl_text(move->to),
                    "again", again);

    return move_finish(ctl, move->id, "done", again ? "" : move->stale, out);
}


/* the first standby that is up, or NULL */

static const char *
move_standby(shardd_table_t *table, shard_id_t shard)
{
    unsigned         i;
    shard_node_t    *node;
    shard_record_t  *rec;

    rec = shardd_table_shard(table, shard);

    for (i = 0; rec && i < rec->nstandbys; i++) {
        node = shardd_table_node(table, rec->standbys[i]);

        if (node && node->state == SHARD_NODE_UP) {
            return rec->standbys[i];
        }
    }

    return NULL;
}


/* SHARD NODE; NODE may be left out where it has to be a standby */

static int
move_command(shardctl_t *ctl, const char *verb, const char *decision)
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

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    move.verb = verb;
    move.decision = decision;
    move.to = (ctl->nargs > 1) ? ctl->args[1]
                               : move_standby(&table, move.shard);

    rc = move_run(ctl, &table, &move);

    shardd_table_free(&table);

    return rc;
}


int
shardctl_cmd_migrate(shardctl_t *ctl)
{
    return move_command(ctl, "migrate", "move");
}


int
shardctl_cmd_promote(shardctl_t *ctl)
{
    return move_command(ctl, "promote", "promote");
}


int
shardctl_cmd_replicate(shardctl_t *ctl)
{
    return move_command(ctl, "replicate", "replicate");
}
