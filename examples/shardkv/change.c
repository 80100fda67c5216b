
/*
 * One write of a shard: its data, its log and, in memory, its record.
 */


#include <string.h>

#include "shardkv.h"


static int shardkv_change_part(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_shard_t *s, shardkv_item_t *item);
static int shardkv_change_data(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_place_t *place, const shardkv_item_t *item);
static int shardkv_change_queue(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_place_t *place, shardkv_item_t *item);
static int shardkv_change_clear(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_place_t *place, const shardkv_item_t *item);
static int shardkv_change_log(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_shard_t *s, const shardkv_item_t *item);
static int shardkv_change_taken(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_place_t *place, const shardkv_item_t *item);
static int shardkv_change_range(MDB_cursor *cursor, MDB_val from,
    uint64_t upto, shardkv_place_t *place, const shardkv_item_t *item);
static int shardkv_queue_last(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, const shardkv_place_t *place, const shardkv_item_t *item,
    uint64_t *n);


int
shardkv_change(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s, shardkv_item_t *item)
{
    int  rc;

    rc = 0;
    s->position++;

    if (item->op != SHARDKV_SKIP) {
        rc = shardkv_change_part(store, txn, id, s, item);
    }

    return rc ? rc : shardkv_change_log(store, txn, id, s, item);
}


/* the write at s->position, in the part that it is of */

static int
shardkv_change_part(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s, shardkv_item_t *item)
{
    int              rc;
    shardkv_part_t   was;
    shardkv_place_t  place;

    rc = shardkv_place(store, txn, id, s, item->key, item->klen, &place);

    if (rc != 0 || shardkv_part_ahead(s, &place, s->position)) {
        return rc;
    }

    was = place.part;

    s->items -= place.part.items;
    s->bytes -= place.part.bytes;
    s->queued -= place.part.queued;

    switch (item->op) {

    case SHARDKV_APPEND:
        rc = shardkv_change_queue(store, txn, id, &place, item);
        break;

    case SHARDKV_CLEAR:
        rc = shardkv_change_clear(store, txn, id, &place, item);
        break;

    case SHARDKV_TAKEN:
        rc = shardkv_change_taken(store, txn, id, &place, item);
        break;

    default:
        rc = shardkv_change_data(store, txn, id, &place, item);

        if (rc == 0 && item->op == SHARDKV_DEL
            && s->mode == SHARDKV_FILLING)
        {
            rc = shardkv_gone_add(store, txn, id, &place, item);
        }
    }

    s->items += place.part.items;
    s->bytes += place.part.bytes;
    s->queued += place.part.queued;

    if (rc == 0) {
        rc = shardkv_kept_change(store, txn, id, item, &place, &was);
    }

    return rc ? rc : shardkv_part_put(store, txn, id, place.n, &place.part);
}


static int
shardkv_change_data(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_place_t *place, const shardkv_item_t *item)
{
    int             rc;
    char            buf[SHARDKV_KEY_BUF];
    MDB_val         key, data;
    shardkv_item_t  old;

    key = shardkv_data_key(buf, id, place, item->key, item->klen);

    rc = mdb_get(txn, store->data, &key, &data);

    if (rc == 0) {
        old = *item;
        old.value = data.mv_data;
        old.vlen = data.mv_size;
        shardkv_part_uncount(&place->part, &old, 0);

    } else if (rc != MDB_NOTFOUND) {
        return rc;
    }

    if (item->op == SHARDKV_DEL) {
        return (rc == 0) ? mdb_del(txn, store->data, &key, NULL) : 0;
    }

    shardkv_part_count(&place->part, item, 0);

    data.mv_data = (void *) item->value;
    data.mv_size = item->vlen;

    return mdb_put(txn, store->data, &key, &data, 0);
}


static int
shardkv_change_queue(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_place_t *place, shardkv_item_t *item)
{
    int       rc;
    char      buf[SHARDKV_KEY_BUF];
    MDB_val   key, data;
    uint64_t  n, taken;

    rc = shardkv_queue_ends(store, txn, id, place, item, &taken, &n);

    if (rc != 0) {
        return rc;
    }

    item->n = n + 1;
    shardkv_part_count(&place->part, item, item->n);

    key = shardkv_queue_key(buf, id, place, item->key, item->klen, item->n);
    data.mv_data = (void *) item->value;
    data.mv_size = item->vlen;

    return mdb_put(txn, store->queue, &key, &data, MDB_NOOVERWRITE);
}


static int
shardkv_change_clear(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_place_t *place, const shardkv_item_t *item)
{
    int          rc;
    char         buf[SHARDKV_KEY_BUF];
    MDB_val      from;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(txn, store->queue, &cursor);

    if (rc == 0) {
        from = shardkv_queue_key(buf, id, place, item->key, item->klen, 0);
        rc = shardkv_change_range(cursor, from, UINT64_MAX, place, item);
        mdb_cursor_close(cursor);
    }

    return rc;
}


/* entry 0 of a queue says how far it was taken: indexes go on behind that */

static int
shardkv_change_taken(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_place_t *place, const shardkv_item_t *item)
{
    int          rc;
    char         buf[SHARDKV_KEY_BUF];
    MDB_val      from, data;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(txn, store->queue, &cursor);

    if (rc != 0) {
        return rc;
    }

    from = shardkv_queue_key(buf, id, place, item->key, item->klen, 0);
    rc = shardkv_change_range(cursor, from, shardkv_get64(item->value),
                              place, item);
    mdb_cursor_close(cursor);

    if (rc != 0) {
        return rc;
    }

    shardkv_part_count(&place->part, item, SHARDKV_TAKEN_N);

    data.mv_data = (void *) item->value;
    data.mv_size = item->vlen;

    return mdb_put(txn, store->queue, &from, &data, MDB_NOOVERWRITE);
}


/* deletes a queue's entries from index 0 on; behind a deletion the cursor's
 * next entry is the one that it is at */

static int
shardkv_change_range(MDB_cursor *cursor, MDB_val from, uint64_t upto,
    shardkv_place_t *place, const shardkv_item_t *item)
{
    int              rc;
    MDB_val          key, data;
    uint64_t         n;
    shardkv_item_t   old;

    old = *item;
    key = from;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    while (rc == 0 && key.mv_size == from.mv_size
           && memcmp(key.mv_data, from.mv_data, from.mv_size - 8) == 0)
    {
        n = shardkv_get64((const char *) key.mv_data + key.mv_size - 8);

        if (n > upto) {
            break;
        }

        old.value = data.mv_data;
        old.vlen = data.mv_size;
        shardkv_part_uncount(&place->part, &old, n ? n : SHARDKV_TAKEN_N);

        rc = mdb_cursor_del(cursor, 0);

        if (rc == 0) {
            rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        }
    }

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}


int
shardkv_queue_ends(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_place_t *place, const shardkv_item_t *item,
    uint64_t *taken, uint64_t *last)
{
    int      rc;
    char     buf[SHARDKV_KEY_BUF];
    MDB_val  key, data;

    *taken = 0;

    key = shardkv_queue_key(buf, id, place, item->key, item->klen, 0);
    rc = mdb_get(txn, store->queue, &key, &data);

    if (rc == 0) {

        if (data.mv_size != 8) {
            return MDB_CORRUPTED;
        }

        *taken = shardkv_get64(data.mv_data);

    } else if (rc != MDB_NOTFOUND) {
        return rc;
    }

    rc = shardkv_queue_last(store, txn, id, place, item, last);

    if (rc == 0 && *last < *taken) {
        *last = *taken;
    }

    return rc;
}


/* the index of the key's last entry that is there, 0 when there is none */

static int
shardkv_queue_last(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_place_t *place, const shardkv_item_t *item, uint64_t *n)
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

    key = shardkv_queue_key(buf, id, place, item->key, item->klen,
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
