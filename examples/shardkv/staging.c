
/*
 * A snapshot's way in.  Its chunks go, a transaction each, into a generation
 * of their own; the last one switches the shard over to it.
 *
 * A staging generation stands in "garbage" from its first chunk to the
 * switch, and the replaced one from then on.  What stands there is deleted a
 * little at a time, unless an upload is filling it; after a crash no upload
 * is, so what a broken one left goes away by itself.
 */


#include <string.h>

#include "shardkv.h"


static int shardkv_chunk_begin(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_chunk_item(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_item_t *item);
static int shardkv_chunk_switch(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s);
static int shardkv_garbage_add(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, uint32_t generation);
static int shardkv_garbage_active(shardkv_server_t *srv, uint32_t generation);
static int shardkv_garbage_delete(MDB_txn *txn, MDB_dbi dbi, MDB_val prefix,
    unsigned *n);


/*
 * The position is looked at with each chunk, so with the switch, too: a
 * sender that slept in the middle finds the shard further than its snapshot.
 * Counts of the chunk are kept only when it is committed; see below.
 */

int
shardkv_apply_chunk(shardkv_request_t *r, MDB_txn *txn)
{
    int                rc;
    size_t             offset;
    shardkv_item_t     item;
    shardkv_shard_t    s;
    shardkv_store_t   *store;

    store = &r->server->store;

    rc = shardkv_shard_get(store, txn, r->shard, &s);

    if (rc != 0) {
        return rc;
    }

    if (s.role == SHARDKV_PRIMARY) {
        shardkv_refuse_at(&r->answer, 409, "primary", s.position,
                          "a primary takes no snapshot; make it standby "
                          "first");
        return 0;
    }

    if (r->position < s.position) {
        shardkv_refuse_at(&r->answer, 409, "behind", s.position,
                          "the shard is further than this snapshot; take a "
                          "new one, or give the shard up first (standby, "
                          "then none)");
        return 0;
    }

    if (store->full && r->upload->items.len) {
        shardkv_refuse(&r->answer, 507, "full", "the store is full; raise "
                       "--map-size");
        return 0;
    }

    if (!r->upload->begun) {
        rc = shardkv_chunk_begin(r, txn);
    }

    for (offset = 0;
         rc == 0 && shardkv_items_next(&r->upload->items, &offset, &item); )
    {
        rc = shardkv_chunk_item(r, txn, &item);
    }

    if (rc == MDB_KEYEXIST) {

        /* what this chunk has staged already is garbage, not half a state */

        shardkv_refuse(&r->answer, 400, "bad_snapshot",
                       "the snapshot has a key or queue entry twice");
        return 0;
    }

    if (rc == 0 && r->upload->last) {
        rc = shardkv_chunk_switch(r, txn, &s);
    }

    return rc;
}


static int
shardkv_chunk_begin(shardkv_request_t *r, MDB_txn *txn)
{
    int        rc;
    uint32_t   generation;

    rc = shardkv_generation_next(&r->server->store, txn, &generation);

    if (rc != 0) {
        return rc;
    }

    pthread_mutex_lock(&r->server->uploads_mutex);
    r->upload->generation = generation;
    pthread_mutex_unlock(&r->server->uploads_mutex);

    return shardkv_garbage_add(&r->server->store, txn, r->shard, generation);
}


static int
shardkv_chunk_item(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_item_t *item)
{
    char      buf[SHARDKV_KEY_BUF];
    MDB_dbi   dbi;
    MDB_val   key, data;

    if (item->op == SHARDKV_APPEND) {
        dbi = r->server->store.queue;
        key = shardkv_queue_key(buf, r->shard, r->upload->generation,
                                item->key, item->klen, item->n);

    } else {
        dbi = r->server->store.data;
        key = shardkv_data_key(buf, r->shard, r->upload->generation,
                               item->key, item->klen);
    }

    data.mv_data = (void *) item->value;
    data.mv_size = item->vlen;

    return mdb_put(txn, dbi, &key, &data, MDB_NOOVERWRITE);
}


static void
shardkv_chunk_count(const shardkv_upload_t *up, uint64_t *nitems,
    uint64_t *bytes, uint64_t *queued)
{
    size_t          offset;
    shardkv_item_t  item;

    *nitems = up->nitems;
    *bytes = up->bytes;
    *queued = up->queued;

    for (offset = 0; shardkv_items_next(&up->items, &offset, &item); ) {
        (*nitems)++;
        *bytes += item.klen + item.vlen;
        *queued += (item.op == SHARDKV_APPEND);
    }
}


static int
shardkv_chunk_switch(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s)
{
    int               rc;
    char              buf[8];
    MDB_val           key;
    shardkv_store_t  *store;

    store = &r->server->store;

    key = shardkv_prefix(buf, r->shard, r->upload->generation);
    rc = mdb_del(txn, store->garbage, &key, NULL);

    if (rc != 0) {
        return rc;
    }

    rc = shardkv_garbage_add(store, txn, r->shard, s->generation);

    if (rc != 0) {
        return rc;
    }

    s->generation = r->upload->generation;
    s->position = r->position;
    s->log_first = r->position + 1;
    shardkv_chunk_count(r->upload, &s->items, &s->bytes, &s->queued);

    rc = shardkv_shard_put(store, txn, r->shard, s);

    if (rc == 0) {
        shardkv_done(&r->answer, 204);
        r->answer.has_position = 1;
        r->answer.position = s->position;
    }

    return rc;
}


/* after the commit: staged for good */

void
shardkv_chunk_committed(shardkv_request_t *r)
{
    shardkv_upload_t  *up;

    up = r->upload;

    shardkv_chunk_count(up, &up->nitems, &up->bytes, &up->queued);

    up->begun = 1;
    up->items.len = 0;

    if (up->last) {
        r->server->garbage = 1;
    }
}


/* the shard as if it had never been here, but for role and epoch */

int
shardkv_shard_give_up(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s)
{
    int              rc;
    uint32_t         generation;
    shardkv_shard_t  empty;

    rc = shardkv_generation_next(&r->server->store, txn, &generation);

    if (rc == 0) {
        rc = shardkv_garbage_add(&r->server->store, txn, r->shard,
                                 s->generation);
    }

    if (rc != 0) {
        return rc;
    }

    memset(&empty, 0, sizeof(shardkv_shard_t));
    empty.role = s->role;
    empty.epoch = s->epoch;
    empty.generation = generation;
    empty.log_first = 1;

    *s = empty;
    r->server->garbage = 1;

    return 0;
}


static int
shardkv_garbage_add(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    uint32_t generation)
{
    char     buf[8];
    MDB_val  key, data;

    key = shardkv_prefix(buf, id, generation);
    data.mv_data = NULL;
    data.mv_size = 0;

    return mdb_put(txn, store->garbage, &key, &data, 0);
}


int
shardkv_garbage_collect(shardkv_server_t *srv, MDB_txn *txn, unsigned n,
    unsigned *left)
{
    int          rc, again;
    char         prefix[8];
    MDB_val      key, data;
    uint64_t     id;
    MDB_cursor  *cursor;

    *left = 0;

    rc = mdb_cursor_open(txn, srv->store.garbage, &cursor);

    if (rc != 0) {
        return rc;
    }

    again = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);

    while (rc == 0 && again == 0 && n) {

        if (key.mv_size != sizeof(prefix)) {
            rc = MDB_CORRUPTED;
            break;
        }

        /* pages may move under the deletions */

        memcpy(prefix, key.mv_data, sizeof(prefix));
        key.mv_data = prefix;
        id = shardkv_get64(prefix);

        if (!shardkv_garbage_active(srv, (uint32_t) id)) {
            rc = shardkv_garbage_delete(txn, srv->store.data, key, &n);

            if (rc == 0) {
                rc = shardkv_garbage_delete(txn, srv->store.queue, key, &n);
            }

            if (rc == 0) {
                rc = shardkv_garbage_delete(txn, srv->store.log, key, &n);
            }

            if (rc == 0 && n) {
                rc = mdb_cursor_del(cursor, 0);
            }
        }

        if (rc == 0) {
            again = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        }
    }

    *left = (rc == 0 && n == 0);

    mdb_cursor_close(cursor);

    return rc;
}


static int
shardkv_garbage_active(shardkv_server_t *srv, uint32_t generation)
{
    int                active;
    shardkv_upload_t  *up;

    active = 0;

    pthread_mutex_lock(&srv->uploads_mutex);

    for (up = srv->uploads; up; up = up->next) {

        if (up->generation == generation && generation) {
            active = 1;
        }
    }

    pthread_mutex_unlock(&srv->uploads_mutex);

    return active;
}


/* takes what it deleted from *n; stops at zero */

static int
shardkv_garbage_delete(MDB_txn *txn, MDB_dbi dbi, MDB_val prefix, unsigned *n)
{
    int          rc;
    MDB_val      key, data;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(txn, dbi, &cursor);

    if (rc != 0) {
        return rc;
    }

    key = prefix;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    while (rc == 0 && *n
           && key.mv_size >= prefix.mv_size
           && memcmp(key.mv_data, prefix.mv_data, prefix.mv_size) == 0)
    {
        rc = mdb_cursor_del(cursor, 0);

        if (rc == 0) {
            (*n)--;
            rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        }
    }

    mdb_cursor_close(cursor);

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}
