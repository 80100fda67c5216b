
/*
 * split, merge: a decision by hand that a migrator carries out as a migration
 * of its own.  Checked here against the table of this moment and by the
 * migrator again.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_bytes.h"
#include "shard_codec.h"
#include "shard_key.h"
#include "shardd_loop.h"
#include "move.h"


#define CUT_TEXT  (SHARD_BYTES_TEXT + 1)


static int cut_position(shardctl_t *ctl, const shard_record_t *rec,
    const char *text, char *out);
static int cut_default(shardctl_t *ctl, const shard_record_t *rec, char *out);
static int cut_around(shardctl_t *ctl, const shard_record_t *rec,
    const char *key, char *cut, char *end);
static int cut_inside(shardctl_t *ctl, const shard_record_t *rec,
    const char *text);
static int cut_run(shardctl_t *ctl, move_t *move, const char *where);


/* a bound in the words of the command line, as records have it */

static int
cut_position(shardctl_t *ctl, const shard_record_t *rec, const char *text,
    char *out)
{
    char           err[SHARD_ERR_SIZE];
    uint64_t       value;
    shard_str_t    str;
    shard_bytes_t  bytes;

    str.data = text;
    str.len = strlen(text);

    switch (rec->kind) {

    case SHARD_KIND_RANGE_UINT64:

        if (shard_uint64_decode(str, &value) != SHARD_OK) {
            return shardctl_usage(ctl, "--at \"%s\" is no number: keys of "
                                  "this keyspace are numbers", text);
        }

        shard_hex_encode(value, out);
        break;

    case SHARD_KIND_RANGE_BYTES:

        if (shard_bytes_decode(str, "--at", &bytes, err) != SHARD_OK) {
            return shardctl_usage(ctl, "%s", err);
        }

        out[shard_bytes_encode(&bytes, out)] = '\0';
        break;

    default:

        if (shard_hex_decode(str, &value) != SHARD_OK) {
            return shardctl_usage(ctl, "--at \"%s\" is not 16 lower-case hex "
                                  "digits, as \"shardctl shards\" shows "
                                  "bounds", text);
        }

        shard_hex_encode(value, out);
    }

    return SHARDCTL_OK;
}


/* what the predictor found in the keys' distribution, else the middle */

static int
cut_default(shardctl_t *ctl, const shard_record_t *rec, char *out)
{
    json_t      *row, *resize;
    uint64_t     width;
    const char  *cut;

    row = json_object();

    if (shardctl_resize_read(ctl, rec->id, row) != SHARDCTL_OK) {
        json_decref(row);
        return SHARDCTL_FAILED;
    }

    resize = json_object_get(row, "resize");
    cut = json_is_object(resize) ? shardctl_get_text(resize, "cut") : "";

    if (cut[0] && strlen(cut) < CUT_TEXT
        && strcmp(shardctl_get_text(resize, "verb"), "split") == 0)
    {
        strcpy(out, cut);
        json_decref(row);
        return SHARDCTL_OK;
    }

    json_decref(row);

    if (rec->kind == SHARD_KIND_RANGE_BYTES
        || (rec->kind == SHARD_KIND_RANGE_UINT64 && rec->hi == 0))
    {
        return shardctl_fail(ctl, "shard %u has no middle and the predictor "
                             "knows no cut: --at says where", rec->id);
    }

    width = rec->hi - rec->lo;

    if (width == 1) {
        return shardctl_fail(ctl, "shard %u has one position only", rec->id);
    }

    /* hi == 0 is 2^64; all of it is 0 wide */

    shard_hex_encode(rec->lo + (width ? width / 2 : (uint64_t) 1 << 63), out);

    return SHARDCTL_OK;
}


static int
cut_around(shardctl_t *ctl, const shard_record_t *rec, const char *key,
    char *cut, char *end)
{
    size_t         len;
    shard_key_t    at;
    shard_bytes_t  bytes;

    len = strlen(key);

    if (shard_key_locate(rec->kind, key, len, &at) != SHARD_OK
        || !shard_record_holds(rec, &at, key, len))
    {
        return shardctl_fail(ctl, "key \"%s\" is not one of shard %u: "
                             "\"shardctl locate\" says whose it is", key,
                             rec->id);
    }

    end[0] = '\0';

    if (rec->kind != SHARD_KIND_RANGE_BYTES) {
        shard_hex_encode(at.position, cut);

        if (at.position != UINT64_MAX) {
            shard_hex_encode(at.position + 1, end);
        }

        return SHARDCTL_OK;
    }

    if (len + 1 > SHARD_BOUND_MAX) {
        return shardctl_fail(ctl, "the key is longer than %d bytes: bounds "
                             "are not", SHARD_BOUND_MAX - 1);
    }

    /* the next name of all is the key and a zero byte */

    memset(&bytes, 0, sizeof(bytes));
    memcpy(bytes.data, key, len);
    bytes.len = (uint8_t) len;
    cut[shard_bytes_encode(&bytes, cut)] = '\0';
    bytes.len++;
    end[shard_bytes_encode(&bytes, end)] = '\0';

    return SHARDCTL_OK;
}


/* 16 hex digits as "shardctl shards" shows them; buf takes CUT_TEXT bytes */

static const char *
cut_words(const shard_record_t *rec, const char *cut, char *buf)
{
    if (rec->kind != SHARD_KIND_RANGE_UINT64) {
        return cut;
    }

    snprintf(buf, CUT_TEXT, "%llu", strtoull(cut, NULL, 16));

    return buf;
}


static int
cut_inside(shardctl_t *ctl, const shard_record_t *rec, const char *text)
{
    int            inside;
    char           err[SHARD_ERR_SIZE], words[CUT_TEXT];
    uint64_t       value;
    shard_str_t    str;
    shard_bytes_t  bytes;

    str.data = text;
    str.len = strlen(text);

    if (rec->kind == SHARD_KIND_RANGE_BYTES) {
        inside = shard_bytes_decode(str, "cut", &bytes, err) == SHARD_OK
                 && shard_bytes_compare(bytes.data, bytes.len,
                                        rec->lo_text.data, rec->lo_text.len)
                    > 0
                 && (rec->hi_text.len == 0
                     || shard_bytes_compare(bytes.data, bytes.len,
                                            rec->hi_text.data,
                                            rec->hi_text.len)
                        < 0);
    } else {
        inside = shard_hex_decode(str, &value) == SHARD_OK && value > rec->lo
                 && (rec->hi == 0 || value < rec->hi);
    }

    return inside ? SHARDCTL_OK
           : shardctl_fail(ctl, "%s is not between the bounds of shard %u: "
                           "\"shardctl shards\" shows them",
                           cut_words(rec, text, words), rec->id);
}


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
    const char      *at, *around;
    shard_node_t    *to;
    shard_record_t  *rec;

    rec = shardd_table_shard(table, move->shard);

    if (rec == NULL) {
        return shardctl_no_shard(ctl, table, move->shard);
    }

    rc = cut_free(ctl, table, rec);
    at = shardctl_option(ctl, "at");
    around = shardctl_option(ctl, "around");
    end[0] = '\0';

    if (rc == SHARDCTL_OK) {
        rc = around ? cut_around(ctl, rec, around, cut, end)
                    : at ? cut_position(ctl, rec, at, cut)
                         : cut_default(ctl, rec, cut);
    }

    /* a key at the lower bound needs no cut below it */

    if (rc == SHARDCTL_OK) {
        rc = cut_inside(ctl, rec, end[0] ? end : cut);
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
