
/*
 * The reads under /_shard/, and the body of PUT role.
 */


#include <string.h>

#include <jansson.h>

#include "shardkv.h"


static int shardkv_log_extent(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, uint64_t *last);


int
shardkv_role_decode(shardkv_request_t *r)
{
    json_t        *obj, *epoch, *keep;
    const char    *role, *mode, *reason;
    json_error_t   e;

    obj = json_loadb(r->body.data ? r->body.data : "", r->body.len,
                     JSON_REJECT_DUPLICATES, &e);

    if (obj == NULL) {
        shardkv_refuse(&r->answer, 400, "bad_json", "bad JSON at byte %d: "
                       "%.120s", e.position, e.text);
        return SHARD_ERROR;
    }

    reason = NULL;
    role = json_string_value(json_object_get(obj, "role"));
    epoch = json_object_get(obj, "epoch");
    keep = json_object_get(obj, "keep_primary");

    if (role && strcmp(role, "primary") == 0) {
        r->role = SHARDKV_PRIMARY;

    } else if (role && strcmp(role, "standby") == 0) {
        r->role = SHARDKV_STANDBY;

    } else if (role && strcmp(role, "none") == 0) {
        r->role = SHARDKV_NONE;

    } else {
        reason = "\"role\" is none of \"primary\", \"standby\", \"none\"";
    }

    if (!json_is_integer(epoch) || json_integer_value(epoch) < 0
        || json_integer_value(epoch) > UINT32_MAX)
    {
        reason = "\"epoch\" is not an integer of 0 to 4294967295";

    } else {
        r->epoch = (uint32_t) json_integer_value(epoch);
    }

    if (keep && !json_is_boolean(keep)) {
        reason = "\"keep_primary\" is not true or false";
    }

    r->keep_primary = json_is_true(keep);

    mode = json_string_value(json_object_get(obj, "mode"));

    if (mode && strcmp(mode, "filling") == 0 && r->role != SHARDKV_NONE) {
        r->mode = SHARDKV_FILLING;
        r->position = (uint64_t) json_integer_value(
                                     json_object_get(obj, "position"));

    } else if (mode && strcmp(mode, "fallback") == 0
               && r->role == SHARDKV_STANDBY)
    {
        r->mode = SHARDKV_FALLBACK;

    } else if (json_object_get(obj, "mode")) {
        reason = "\"mode\" is none of \"filling\", \"fallback\" (of a "
                 "standby)";
    }

    if (r->position >= SHARDKV_NUMBER_MAX) {
        reason = "\"position\" is negative";
    }

    json_decref(obj);

    if (reason) {
        shardkv_refuse(&r->answer, 400, "bad_role", "%s", reason);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* 0: nobody has written for a second */

static uint64_t
shardkv_write_us(const shardkv_server_t *srv)
{
    return shardkv_writer_busy(srv) ? srv->write_ns / 1000 : 0;
}


void
shardkv_stats(shardkv_request_t *r)
{
    int               rc;
    MDB_txn          *txn;
    uint64_t          bytes;
    shardkv_shard_t   s;

    static const char *const  names[] = { "none", "standby", "primary" };
    static const char *const  modes[] = { "whole", "filling", "fallback" };

    rc = shardkv_read_shard(&r->server->store, r->shard, &txn, &s);

    if (rc == 0) {
        rc = shardkv_store_free(&r->server->store, txn, &bytes);
        shardkv_read_end(&r->server->store, txn);
    }

    if (rc != 0) {
        shardkv_broken(&r->answer, "read", rc);
        return;
    }

    shardkv_json(&r->answer,
                 "{\"role\":\"%s\",\"epoch\":%u,\"position\":%llu,"
                 "\"log_first\":%llu,\"items\":%llu,\"bytes\":%llu,"
                 "\"queue_depth\":%llu,\"write_rate\":%.3f,\"held\":%s,"
                 "\"mode\":\"%s\","
                 "\"capacity\":%.6g,\"free_bytes\":%llu,\"ranges\":true,"
                 "\"parts\":%d,\"awaited\":%d,\"streamed\":%llu,"
                 "\"write_us\":%llu}\n",
                 names[s.role], s.epoch, (unsigned long long) s.position,
                 (unsigned long long) s.log_first,
                 (unsigned long long) s.items, (unsigned long long) s.bytes,
                 (unsigned long long) s.queued,
                 shardkv_rate(&s, shardkv_now_ms()),
                 s.held ? "true" : "false", modes[s.mode], r->server->capacity,
                 (unsigned long long) bytes, SHARDKV_PARTS,
                 __builtin_popcountll(s.awaited),
                 (unsigned long long) r->server->streamed,
                 (unsigned long long) shardkv_write_us(r->server));
}


/* SHARD_ERROR: it is no source for others yet */

static int
shardkv_source_check(shardkv_request_t *r, const shardkv_shard_t *s)
{
    if (shardkv_shard_whole(s)) {
        return SHARD_OK;
    }

    shardkv_refuse_at(&r->answer, 409, "incomplete", s->position,
                      "a copy by parts has not come to its end here");

    return SHARD_ERROR;
}


void
shardkv_snapshot_get(shardkv_request_t *r)
{
    int               rc;
    MDB_txn          *txn;
    shardkv_shard_t   s;

    rc = shardkv_read_shard(&r->server->store, r->shard, &txn, &s);

    if (rc != 0) {
        shardkv_broken(&r->answer, "read", rc);
        return;
    }

    if (shardkv_source_check(r, &s) != SHARD_OK) {
        shardkv_read_end(&r->server->store, txn);
        return;
    }

    if (shardkv_stream_snapshot(r, txn, &s) == SHARD_OK) {
        r->answer.has_position = 1;
        r->answer.position = s.position;
    }
}


void
shardkv_log_get(shardkv_request_t *r)
{
    int               rc;
    MDB_txn          *txn;
    uint64_t          last;
    shardkv_shard_t   s;

    rc = shardkv_read_shard(&r->server->store, r->shard, &txn, &s);

    if (rc != 0) {
        shardkv_broken(&r->answer, "read", rc);
        return;
    }

    if (shardkv_source_check(r, &s) != SHARD_OK) {
        /* answered */

    } else if (r->position > s.position) {
        shardkv_refuse_at(&r->answer, 409, "ahead", s.position,
                          "from= is beyond the shard's position");

    } else if (r->position + 1 < s.log_first) {
        shardkv_refuse_at(&r->answer, 410, "trimmed", s.position,
                          "the log does not go back that far; take a new "
                          "snapshot");

    } else {
        rc = shardkv_log_extent(r, txn, &s, &last);

        if (rc == 0) {

            if (shardkv_stream_log(r, txn, &s, last) == SHARD_OK) {
                r->answer.has_position = 1;
                r->answer.position = last;
            }

            return;
        }

        shardkv_broken(&r->answer, "read", rc);
    }

    shardkv_read_end(&r->server->store, txn);
}


/* the last position sent: limit= and about SHARDKV_LOG_SEND_MAX bytes, but
 * one entry at least; POST log takes at least as much */

static int
shardkv_log_extent(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, uint64_t *last)
{
    int          rc;
    char         buf[SHARDKV_KEY_BUF];
    MDB_val      key, data;
    uint64_t     end, bytes;
    MDB_cursor  *cursor;

    end = s->position;

    if (end - r->position > r->limit) {
        end = r->position + r->limit;
    }

    *last = r->position;

    if (end == r->position) {
        return 0;
    }

    rc = mdb_cursor_open(txn, r->server->store.log, &cursor);

    if (rc != 0) {
        return rc;
    }

    key = shardkv_log_key(buf, r->shard, s->generation, r->position + 1);
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET);
    bytes = 0;

    while (rc == 0) {
        bytes += data.mv_size / 3 * 4 + 64;

        if (++*last == end || bytes >= SHARDKV_LOG_SEND_MAX) {
            break;
        }

        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }

    mdb_cursor_close(cursor);

    return rc;
}
