
/*
 * The records of shards, those of "meta" that have a shard as their key.
 */


#include <string.h>

#include "store.h"


/* a record of "meta", host byte order as LMDB's own pages */

typedef struct {
    uint8_t   version;
    uint8_t   role;
    uint8_t   held;
    uint8_t   mode;
    uint32_t  epoch;
    uint32_t  generation;
    uint32_t  unused2;
    uint64_t  position;
    uint64_t  log_first;
    uint64_t  items;
    uint64_t  bytes;
    uint64_t  queued;
    uint64_t  awaited;
    uint64_t  settled;
    uint64_t  rate_ms;
    double    rate;
} shardkv_meta_t;


int
shardkv_read_shard(shardkv_store_t *store, shard_id_t id, MDB_txn **txn,
    shardkv_shard_t *s)
{
    int  rc;

    rc = shardkv_read_begin(store, txn);

    if (rc != 0) {
        return rc;
    }

    rc = shardkv_shard_get(store, *txn, id, s);

    if (rc != 0) {
        shardkv_read_end(store, *txn);
    }

    return rc;
}


int
shardkv_shard_get(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s)
{
    int             rc;
    char            buf[8];
    shardkv_meta_t  m;

    rc = shardkv_record_get(txn, store->meta, shardkv_shard_key(buf, id), &m,
                            sizeof(m));

    memset(s, 0, sizeof(*s));

    if (rc == MDB_NOTFOUND) {
        s->log_first = 1;
        return 0;
    }

    if (rc != 0) {
        return rc;
    }

    if (m.version != SHARDKV_META_VERSION || m.role > SHARDKV_PRIMARY
        || m.mode > SHARDKV_FALLBACK
        || m.log_first == 0 || m.log_first > m.position + 1)
    {
        return MDB_CORRUPTED;
    }

    s->role = m.role;
    s->mode = m.mode;
    s->held = m.held;
    s->epoch = m.epoch;
    s->generation = m.generation;
    s->position = m.position;
    s->log_first = m.log_first;
    s->items = m.items;
    s->bytes = m.bytes;
    s->queued = m.queued;
    s->awaited = m.awaited;
    s->settled = m.settled;
    s->rate_ms = m.rate_ms;
    s->rate = m.rate;

    return 0;
}


int
shardkv_shard_put(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_shard_t *s)
{
    char            buf[8];
    shardkv_meta_t  m;

    memset(&m, 0, sizeof(m));

    m.version = SHARDKV_META_VERSION;
    m.role = s->role;
    m.mode = (uint8_t) s->mode;
    m.held = s->held;
    m.epoch = s->epoch;
    m.generation = s->generation;
    m.position = s->position;
    m.log_first = s->log_first;
    m.items = s->items;
    m.bytes = s->bytes;
    m.queued = s->queued;
    m.awaited = s->awaited;
    m.settled = s->settled;
    m.rate_ms = s->rate_ms;
    m.rate = s->rate;

    return shardkv_record_put(txn, store->meta, shardkv_shard_key(buf, id),
                              &m, sizeof(m));
}


/* the shard this node is primary of; *n: of how many, *id is the first */

int
shardkv_shard_only(shardkv_store_t *store, MDB_txn *txn, shard_id_t *id,
    unsigned *n)
{
    int              rc;
    MDB_val          key, data;
    MDB_cursor      *cursor;
    const uint8_t   *p;
    shardkv_shard_t  s;
    shard_id_t       found;

    *n = 0;

    rc = mdb_cursor_open(txn, store->meta, &cursor);

    if (rc != 0) {
        return rc;
    }

    while ((rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {

        if (key.mv_size != 4) {
            continue;
        }

        p = key.mv_data;
        found = (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
                | (uint32_t) p[2] << 8 | p[3];

        rc = shardkv_shard_get(store, txn, found, &s);

        if (rc != 0) {
            break;
        }

        if (s.role == SHARDKV_PRIMARY && (*n)++ == 0) {
            *id = found;
        }
    }

    mdb_cursor_close(cursor);

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}
