
/*
 * What a request changes, within the writer's transaction.
 *
 * Every check comes before the first change: a refused request leaves the
 * transaction as it was, but for what says whose requests they are (token.c),
 * and the others of its batch are not touched.
 */


#include <string.h>

#include "shardkv.h"


static int shardkv_apply_write(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_apply_has(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s);
static int shardkv_apply_ack(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_apply_log(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_apply_role(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_role_check(shardkv_request_t *r, const shardkv_shard_t *s);
static int shardkv_role_data(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s);
static int shardkv_apply_hold(shardkv_request_t *r, MDB_txn *txn);


int
shardkv_apply(shardkv_request_t *r, MDB_txn *txn)
{
    switch (r->route->call) {

    case SHARDKV_ROLE:
        return shardkv_apply_role(r, txn);

    case SHARDKV_HOLD:
    case SHARDKV_RESUME:
        return shardkv_apply_hold(r, txn);

    case SHARDKV_LOG_POST:
        return shardkv_apply_log(r, txn);

    case SHARDKV_SNAPSHOT_PUT:

        if (r->fill) {
            return shardkv_apply_fill(r, txn);
        }

        return shardkv_apply_chunk(r, txn);

    case SHARDKV_ACK:
        return shardkv_apply_ack(r, txn);

    case SHARDKV_DROP:
        return shardkv_apply_drop(r, txn);

    case SHARDKV_IMPORT_PUT:
    case SHARDKV_IMPORT_POST:
    case SHARDKV_IMPORT_DELETE:
        return shardkv_apply_import(r, txn);

    case SHARDKV_DIGEST_PUT:
    case SHARDKV_DIGEST_DELETE:
        return shardkv_apply_kept(r, txn);

    default:
        return shardkv_apply_write(r, txn);
    }
}


static int
shardkv_apply_write(shardkv_request_t *r, MDB_txn *txn)
{
    int               rc;
    shardkv_item_t    item;
    shardkv_shard_t   s;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_shard_get(store, txn, r->shard, &s);

    if (rc != 0
        || shardkv_owner_check(&s, &r->sender, 1, &r->answer) != SHARD_OK)
    {
        return rc;
    }

    if (s.mode == SHARDKV_FILLING
        && r->route->call == SHARDKV_QUEUE_APPEND)
    {
        shardkv_refuse(&r->answer, 409, "filling", "its index is not known "
                       "here: queues do not move copy-on-write");
        return 0;
    }

    item.key = r->key;
    item.klen = r->klen;
    item.value = r->body.data;
    item.vlen = r->body.len;
    item.n = 0;

    if (r->route->call == SHARDKV_KV_DELETE) {
        item.op = SHARDKV_DEL;
        item.vlen = 0;

        rc = shardkv_apply_has(r, txn, &s);

        if (rc == MDB_NOTFOUND) {
            shardkv_refuse(&r->answer, 404, "not_found", "no such key");
            return 0;
        }

        if (rc != 0) {
            return rc;
        }

    } else if (shardkv_full(r)) {
        return 0;

    } else {
        item.op = (r->route->call == SHARDKV_KV_PUT) ? SHARDKV_PUT
                                                     : SHARDKV_APPEND;
    }

    shardkv_rate_add(&s, shardkv_now_ms());

    rc = shardkv_change(store, txn, r->shard, &s, &item);

    if (rc == 0) {
        rc = shardkv_shard_put(store, txn, r->shard, &s);
    }

    if (rc != 0) {
        return rc;
    }

    if (item.op == SHARDKV_APPEND) {
        shardkv_json(&r->answer, "{\"n\":%llu}\n",
                     (unsigned long long) item.n);

    } else {
        shardkv_done(&r->answer, 204);
    }

    r->answer.has_position = 1;
    r->answer.position = s.position;

    return 0;
}


/* whether there is something to delete, MDB_NOTFOUND: there is not.  Of a key
 * that a target which fills knows nothing of, the source may have a value */

static int
shardkv_apply_has(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s)
{
    int               rc;
    char              buf[SHARDKV_KEY_BUF];
    MDB_val           key, data;
    shardkv_place_t   place;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_place(store, txn, r->shard, s, r->key, r->klen, &place);

    if (rc == 0) {
        key = shardkv_data_key(buf, r->shard, &place, r->key, r->klen);
        rc = mdb_get(txn, store->data, &key, &data);
    }

    if (rc != MDB_NOTFOUND || s->mode != SHARDKV_FILLING) {
        return rc;
    }

    rc = shardkv_gone(store, txn, r->shard, &place, r->key, r->klen);

    return (rc == MDB_NOTFOUND) ? 0 : (rc == 0) ? MDB_NOTFOUND : rc;
}


int
shardkv_full(shardkv_request_t *r)
{
    if (!r->server->store.full) {
        return 0;
    }

    shardkv_refuse(&r->answer, 507, "full", "the store is full; raise "
                   "--map-size or move shards away");

    return 1;
}


/* 1: sent by who knows an older epoch only, of a primary that is none now */

int
shardkv_stale(shardkv_request_t *r, const shardkv_shard_t *s)
{
    if (!r->sender.has_epoch || r->sender.epoch >= s->epoch) {
        return 0;
    }

    shardkv_refuse_at(&r->answer, 409, "epoch", s->position,
                      "the sender's epoch is older than the one kept here");

    return 1;
}


/* entries up to n= are taken; again, or less, changes nothing */

static int
shardkv_apply_ack(shardkv_request_t *r, MDB_txn *txn)
{
    int               rc;
    char              value[8];
    uint64_t          taken, last;
    shardkv_item_t    item;
    shardkv_place_t   place;
    shardkv_shard_t   s;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_shard_get(store, txn, r->shard, &s);

    if (rc != 0
        || shardkv_owner_check(&s, &r->sender, 1, &r->answer) != SHARD_OK)
    {
        return rc;
    }

    shardkv_put64(value, r->position);

    memset(&item, 0, sizeof(item));
    item.op = SHARDKV_TAKEN;
    item.key = r->key;
    item.klen = r->klen;
    item.value = value;
    item.vlen = sizeof(value);

    rc = shardkv_place(store, txn, r->shard, &s, item.key, item.klen,
                       &place);

    if (rc == 0) {
        rc = shardkv_queue_ends(store, txn, r->shard, &place, &item, &taken,
                                &last);
    }

    if (rc != 0) {
        return rc;
    }

    if (r->position > last || r->position > taken + SHARDKV_LOG_LIMIT) {
        shardkv_refuse(&r->answer, 409, "beyond", "n= is beyond what was "
                       "appended, or more than %d at a time",
                       SHARDKV_LOG_LIMIT);
        return 0;
    }

    if (r->position > taken) {
        shardkv_rate_add(&s, shardkv_now_ms());
        rc = shardkv_change(store, txn, r->shard, &s, &item);

        if (rc == 0) {
            rc = shardkv_shard_put(store, txn, r->shard, &s);
        }
    }

    if (rc == 0) {
        shardkv_json(&r->answer, "{\"acked\":%llu}\n",
                     (unsigned long long) (r->position > taken
                                           ? r->position - taken : 0));
        r->answer.has_position = 1;
        r->answer.position = s.position;
    }

    return rc;
}


/* entries follow each other without a gap, or nothing is applied */

static int
shardkv_apply_log(shardkv_request_t *r, MDB_txn *txn)
{
    int               rc;
    size_t            offset;
    uint64_t          last;
    shardkv_item_t    item;
    shardkv_shard_t   s;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_shard_get(store, txn, r->shard, &s);

    if (rc != 0) {
        return rc;
    }

    if (s.role == SHARDKV_PRIMARY) {
        shardkv_refuse_at(&r->answer, 409, "primary", s.position,
                          "a primary takes no log; make it standby first");
        return 0;
    }

    if (shardkv_stale(r, &s)) {
        return 0;
    }

    last = s.position;

    for (offset = 0; shardkv_items_next(&r->upload->items, &offset, &item); ) {

        if (item.n > last + 1) {
            shardkv_refuse_at(&r->answer, 409, "gap", s.position,
                              "entries are missing before these; send from "
                              "\"position\" + 1 on");
            return 0;
        }

        last = (item.n > last) ? item.n : last;
    }

    if (last > s.position && shardkv_full(r)) {
        return 0;
    }

    for (offset = 0; shardkv_items_next(&r->upload->items, &offset, &item); ) {

        if (item.n <= s.position) {
            continue;
        }

        rc = shardkv_change(store, txn, r->shard, &s, &item);

        if (rc != 0) {
            return rc;
        }
    }

    rc = shardkv_shard_put(store, txn, r->shard, &s);

    if (rc == 0) {
        shardkv_json(&r->answer, "{\"position\":%llu}\n",
                     (unsigned long long) s.position);
    }

    return rc;
}


static int
shardkv_apply_role(shardkv_request_t *r, MDB_txn *txn)
{
    int               rc;
    shardkv_shard_t   s;

    static const char *const  names[] = { "none", "standby", "primary" };

    rc = shardkv_shard_get(&r->server->store, txn, r->shard, &s);

    if (rc != 0 || shardkv_role_check(r, &s) != SHARD_OK) {
        return rc;
    }

    rc = shardkv_role_data(r, txn, &s);

    if (rc != 0 || r->answer.code) {
        return rc;
    }

    /* a hold is of its epoch */

    if (r->epoch > s.epoch) {
        s.held = 0;
    }

    s.role = r->role;
    s.mode = r->mode;
    s.epoch = r->epoch;

    rc = shardkv_shard_put(&r->server->store, txn, r->shard, &s);

    if (rc == 0) {
        shardkv_json(&r->answer,
                     "{\"role\":\"%s\",\"epoch\":%u,\"position\":%llu}\n",
                     names[s.role], s.epoch, (unsigned long long) s.position);
    }

    return rc;
}


static int
shardkv_role_check(shardkv_request_t *r, const shardkv_shard_t *s)
{
    if (r->epoch < s->epoch) {
        shardkv_refuse_at(&r->answer, 409, "epoch", s->position,
                          "the epoch is older than the one kept here");
        return SHARD_ERROR;
    }

    if (r->keep_primary && r->epoch == s->epoch && r->role != SHARDKV_PRIMARY
        && s->role == SHARDKV_PRIMARY)
    {
        shardkv_refuse_at(&r->answer, 409, "primary", s->position,
                          "the shard is primary at this epoch and kept so; "
                          "a greater one makes it standby");
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* what becomes of the data: only a standby's are given up, a primary's are
 * the shard's own */

static int
shardkv_role_data(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s)
{
    int  rc;

    if (r->mode == SHARDKV_FILLING) {
        rc = shardkv_mode_begin(r, txn, s);

        if (rc != 0 || r->answer.code) {
            return rc;
        }
    }

    if (r->role == SHARDKV_PRIMARY && !shardkv_shard_whole(s)) {
        shardkv_refuse_at(&r->answer, 409, "incomplete", s->position,
                          "a copy by parts has not come to its end: parts or "
                          "log entries are missing");
        return 0;
    }

    if ((s->role == SHARDKV_STANDBY || s->mode == SHARDKV_FILLING)
        && r->role == SHARDKV_NONE)
    {
        return shardkv_shard_give_up(r, txn, s);
    }

    /* who opens a shard has its cut behind it */

    if (r->role == SHARDKV_PRIMARY
        && (s->role != SHARDKV_PRIMARY || r->epoch > s->epoch))
    {
        return shardkv_kept_forget(&r->server->store, txn, r->shard);
    }

    return 0;
}


static int
shardkv_apply_hold(shardkv_request_t *r, MDB_txn *txn)
{
    int              rc;
    shardkv_shard_t  s;

    rc = shardkv_shard_get(&r->server->store, txn, r->shard, &s);

    if (rc == 0 && r->has_at && r->position != s.epoch) {
        shardkv_refuse_at(&r->answer, 409, "epoch", s.position,
                          "epoch= is not the shard's epoch here");
        return 0;
    }

    if (rc == 0) {
        s.held = (r->route->call == SHARDKV_HOLD);
        rc = shardkv_shard_put(&r->server->store, txn, r->shard, &s);
    }

    if (rc == 0) {
        shardkv_done(&r->answer, 204);
    }

    return rc;
}
