
/*
 * What a request changes, within the writer's transaction.
 *
 * Every check comes before the first change: a refused request leaves the
 * transaction as it was, and the others of its batch are not touched.
 */


#include <string.h>

#include "shardkv.h"


static int shardkv_apply_write(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_apply_log(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_apply_role(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_apply_hold(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_change(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s, shardkv_item_t *item);
static int shardkv_change_data(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_shard_t *s, const shardkv_item_t *item);
static int shardkv_change_queue(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_shard_t *s, shardkv_item_t *item);
static int shardkv_change_log(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_shard_t *s, const shardkv_item_t *item);
static int shardkv_queue_last(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, const shardkv_shard_t *s, const shardkv_item_t *item,
    uint64_t *n);


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
        return shardkv_apply_chunk(r, txn);

    default:
        return shardkv_apply_write(r, txn);
    }
}


static int
shardkv_apply_write(shardkv_request_t *r, MDB_txn *txn)
{
    int               rc;
    char              buf[SHARDKV_KEY_BUF];
    MDB_val           key, data;
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

    item.key = r->key;
    item.klen = r->klen;
    item.value = r->body.data;
    item.vlen = r->body.len;
    item.n = 0;

    if (r->route->call == SHARDKV_KV_DELETE) {
        item.op = SHARDKV_DEL;
        item.vlen = 0;

        key = shardkv_data_key(buf, r->shard, s.generation, r->key, r->klen);
        rc = mdb_get(txn, store->data, &key, &data);

        if (rc == MDB_NOTFOUND) {
            shardkv_refuse(&r->answer, 404, "not_found", "no such key");
            return 0;
        }

        if (rc != 0) {
            return rc;
        }

    } else if (store->full) {
        shardkv_refuse(&r->answer, 507, "full", "the store is full; raise "
                       "--map-size or move shards away");
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

    if (last > s.position && store->full) {
        shardkv_refuse(&r->answer, 507, "full", "the store is full; raise "
                       "--map-size");
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


/* only a standby's data are given up: a primary's are the shard's own */

static int
shardkv_apply_role(shardkv_request_t *r, MDB_txn *txn)
{
    int               rc;
    shardkv_shard_t   s;

    static const char *const  names[] = { "none", "standby", "primary" };

    rc = shardkv_shard_get(&r->server->store, txn, r->shard, &s);

    if (rc != 0) {
        return rc;
    }

    if (r->epoch < s.epoch) {
        shardkv_refuse_at(&r->answer, 409, "epoch", s.position,
                          "the epoch is older than the one kept here");
        return 0;
    }

    if (s.role == SHARDKV_STANDBY && r->role == SHARDKV_NONE) {
        rc = shardkv_shard_give_up(r, txn, &s);

        if (rc != 0) {
            return rc;
        }
    }

    s.role = r->role;
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
shardkv_apply_hold(shardkv_request_t *r, MDB_txn *txn)
{
    int              rc;
    shardkv_shard_t  s;

    rc = shardkv_shard_get(&r->server->store, txn, r->shard, &s);

    if (rc == 0) {
        s.held = (r->route->call == SHARDKV_HOLD);
        rc = shardkv_shard_put(&r->server->store, txn, r->shard, &s);
    }

    if (rc == 0) {
        shardkv_done(&r->answer, 204);
    }

    return rc;
}


/* one write: the data, the log and, in memory, the record.  item->n of an
 * append becomes its index */

static int
shardkv_change(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s, shardkv_item_t *item)
{
    int  rc;

    if (item->op == SHARDKV_APPEND) {
        rc = shardkv_change_queue(store, txn, id, s, item);

    } else {
        rc = shardkv_change_data(store, txn, id, s, item);
    }

    if (rc != 0) {
        return rc;
    }

    s->position++;

    return shardkv_change_log(store, txn, id, s, item);
}


static int
shardkv_change_data(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s, const shardkv_item_t *item)
{
    int      rc;
    char     buf[SHARDKV_KEY_BUF];
    MDB_val  key, data;

    key = shardkv_data_key(buf, id, s->generation, item->key, item->klen);

    rc = mdb_get(txn, store->data, &key, &data);

    if (rc == 0) {
        s->items--;
        s->bytes -= item->klen + data.mv_size;

    } else if (rc != MDB_NOTFOUND) {
        return rc;
    }

    if (item->op == SHARDKV_DEL) {
        return (rc == 0) ? mdb_del(txn, store->data, &key, NULL) : 0;
    }

    s->items++;
    s->bytes += item->klen + item->vlen;

    data.mv_data = (void *) item->value;
    data.mv_size = item->vlen;

    return mdb_put(txn, store->data, &key, &data, 0);
}


static int
shardkv_change_queue(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s, shardkv_item_t *item)
{
    int       rc;
    char      buf[SHARDKV_KEY_BUF];
    MDB_val   key, data;
    uint64_t  n;

    rc = shardkv_queue_last(store, txn, id, s, item, &n);

    if (rc != 0) {
        return rc;
    }

    item->n = n + 1;

    s->items++;
    s->queued++;
    s->bytes += item->klen + item->vlen;

    key = shardkv_queue_key(buf, id, s->generation, item->key, item->klen,
                            item->n);
    data.mv_data = (void *) item->value;
    data.mv_size = item->vlen;

    return mdb_put(txn, store->queue, &key, &data, MDB_NOOVERWRITE);
}


/* the index of the key's last entry, 0 when it has none */

static int
shardkv_queue_last(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_shard_t *s, const shardkv_item_t *item, uint64_t *n)
{
    int          rc;
    char         buf[SHARDKV_KEY_BUF];
    MDB_val      key, found, data;
    MDB_cursor  *cursor;

    *n = 0;

    rc = mdb_cursor_open(txn, store->queue, &cursor);

    if (rc != 0) {
        return rc;
    }

    key = shardkv_queue_key(buf, id, s->generation, item->key, item->klen,
                            UINT64_MAX);
    found = key;

    rc = mdb_cursor_get(cursor, &found, &data, MDB_SET_RANGE);

    if (rc == 0) {
        rc = mdb_cursor_get(cursor, &found, &data, MDB_PREV);

    } else if (rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(cursor, &found, &data, MDB_LAST);
    }

    if (rc == 0 && found.mv_size == key.mv_size
        && memcmp(found.mv_data, key.mv_data, key.mv_size - 8) == 0)
    {
        *n = shardkv_get64((const char *) found.mv_data + key.mv_size - 8);
    }

    mdb_cursor_close(cursor);

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}


/* appends the write at s->position and trims; up to four old entries go with
 * each new one, so that a smaller --log-keep is reached soon */

static int
shardkv_change_log(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s, const shardkv_item_t *item)
{
    int       i, rc;
    char      buf[SHARDKV_KEY_BUF], *p;
    MDB_val   key, data;

    key = shardkv_log_key(buf, id, s->generation, s->position);

    data.mv_data = NULL;
    data.mv_size = 2 + item->klen + item->vlen;

    rc = mdb_put(txn, store->log, &key, &data, MDB_RESERVE);

    if (rc != 0) {
        return rc;
    }

    p = data.mv_data;
    p[0] = (char) item->op;
    p[1] = (char) item->klen;
    memcpy(p + 2, item->key, item->klen);

    if (item->vlen) {
        memcpy(p + 2 + item->klen, item->value, item->vlen);
    }

    for (i = 0; i < 4; i++) {

        if (s->position - s->log_first + 1 <= store->log_keep) {
            break;
        }

        key = shardkv_log_key(buf, id, s->generation, s->log_first);
        rc = mdb_del(txn, store->log, &key, NULL);

        if (rc != 0 && rc != MDB_NOTFOUND) {
            return rc;
        }

        s->log_first++;
    }

    return 0;
}
