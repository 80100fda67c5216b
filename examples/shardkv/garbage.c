
/*
 * Data that nobody reads any more: "garbage" names generations of a shard, or
 * one part of them, that are replaced, given up or not complete.
 *
 *   staging begins ──▶ whole generation ──▶ removed at the switch
 *   switch         ──▶ what was there before
 *   role none      ──▶ all that the shard had
 *
 * What stands there is deleted a little at a time by the writer, unless an
 * upload is filling it; after a crash no upload is, so what a broken one left
 * goes away by itself.
 */


#include <string.h>

#include "shardkv.h"


static int shardkv_garbage_active(shardkv_server_t *srv, uint32_t generation);
static int shardkv_garbage_entry(shardkv_server_t *srv, MDB_txn *txn,
    MDB_val entry, unsigned *n);
static int shardkv_garbage_delete(MDB_txn *txn, MDB_dbi dbi, MDB_val from,
    unsigned part, unsigned *n);


int
shardkv_shard_give_up(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s)
{
    int              rc;
    uint32_t         generation;
    shardkv_shard_t  empty;

    rc = shardkv_generation_next(&r->server->store, txn, &generation);

    if (rc == 0) {
        rc = shardkv_garbage_add_shard(&r->server->store, txn, r->shard, s);
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


int
shardkv_garbage_add_shard(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_shard_t *s)
{
    int             rc;
    unsigned        n;
    shardkv_part_t  part;

    rc = shardkv_garbage_add(store, txn, id, s->generation,
                             SHARDKV_ALL_PARTS);

    if (rc == 0) {
        rc = shardkv_kept_forget(store, txn, id);
    }

    for (n = 0; rc == 0 && n < SHARDKV_PARTS; n++) {
        rc = shardkv_part_get(store, txn, id, s, n, &part);

        if (rc == 0 && part.generation != s->generation) {
            rc = shardkv_garbage_add(store, txn, id, part.generation,
                                     SHARDKV_ALL_PARTS);
        }

        if (rc == 0) {
            rc = shardkv_part_forget(store, txn, id, n);
        }
    }

    return rc;
}


int
shardkv_garbage_add(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    uint32_t generation, int part)
{
    char     buf[9];
    MDB_val  key, data;

    key = shardkv_prefix(buf, id, generation);

    if (part != SHARDKV_ALL_PARTS) {
        buf[key.mv_size++] = (char) part;
    }

    data.mv_data = NULL;
    data.mv_size = 0;

    return mdb_put(txn, store->garbage, &key, &data, 0);
}


int
shardkv_garbage_remove(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    uint32_t generation)
{
    char     buf[8];
    MDB_val  key;

    key = shardkv_prefix(buf, id, generation);

    return mdb_del(txn, store->garbage, &key, NULL);
}


int
shardkv_garbage_collect(shardkv_server_t *srv, MDB_txn *txn, unsigned n,
    unsigned *left)
{
    int          rc, again;
    char         entry[9];
    MDB_val      key, data;
    MDB_cursor  *cursor;

    *left = 0;

    rc = mdb_cursor_open(txn, srv->store.garbage, &cursor);

    if (rc != 0) {
        return rc;
    }

    again = mdb_cursor_get(cursor, &key, &data, MDB_FIRST);

    while (rc == 0 && again == 0 && n) {

        if (key.mv_size != 8 && key.mv_size != sizeof(entry)) {
            rc = MDB_CORRUPTED;
            break;
        }

        /* pages may move under the deletions */

        memcpy(entry, key.mv_data, key.mv_size);
        key.mv_data = entry;

        if (!shardkv_garbage_active(srv,
                                    (uint32_t) (shardkv_get64(entry) >> 32)))
        {
            rc = shardkv_garbage_entry(srv, txn, key, &n);

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


/* a log belongs to the generation as a whole */

static int
shardkv_garbage_entry(shardkv_server_t *srv, MDB_txn *txn, MDB_val entry,
    unsigned *n)
{
    int             rc;
    char            buf[SHARDKV_KEY_BUF];
    MDB_val         from;
    unsigned        part;
    const uint8_t  *p;

    p = entry.mv_data;
    from = entry;
    part = (entry.mv_size == 9);

    if (part) {
        memcpy(buf, p, 8);
        shardkv_put64(buf + 8, (uint64_t) p[8] << 58);
        from.mv_data = buf;
        from.mv_size = 16;
    }

    rc = shardkv_garbage_delete(txn, srv->store.data, from, part, n);

    if (rc == 0) {
        rc = shardkv_garbage_delete(txn, srv->store.queue, from, part, n);
    }

    if (rc == 0) {
        rc = shardkv_garbage_delete(txn, srv->store.gone, from, part, n);
    }

    if (rc == 0 && !part) {
        rc = shardkv_garbage_delete(txn, srv->store.log, from, 0, n);
    }

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
shardkv_garbage_delete(MDB_txn *txn, MDB_dbi dbi, MDB_val from, unsigned part,
    unsigned *n)
{
    int          rc;
    MDB_val      key, data;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(txn, dbi, &cursor);

    if (rc != 0) {
        return rc;
    }

    key = from;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    while (rc == 0 && *n
           && (part ? shardkv_part_holds(from, key)
                    : key.mv_size >= 8
                      && memcmp(key.mv_data, from.mv_data, 8) == 0))
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
