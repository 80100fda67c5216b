
/*
 * PUT snapshot.  Its chunks go, a transaction each, into a generation of
 * their own; the last one switches the shard, or one part of it, over to it.
 *
 *            chunk   chunk   last                 chunk   last
 *   whole  ────▶──────▶──────▶ shard      part  ────▶──────▶ part K
 *              generation 9  │ and all               gen. 10  │ alone
 *                            ▼ its parts                      ▼
 *   garbage:  9 until here, then      10 until here, then what part K
 *             what they were in       was in before
 *
 * A staging generation stands in "garbage" (garbage.c) from its first chunk
 * to the switch, and the replaced one from then on.
 *
 * The youngest generation stands last in LMDB's order and a snapshot of
 * ours is in that order, so its items are appended: pages are filled, and
 * no place is sought.
 */


#include <string.h>

#include "shardkv.h"


/* where the items of one chunk go */

typedef struct {
    MDB_cursor  *data;
    MDB_cursor  *queue;
    unsigned     unordered;     /* nothing can be appended any more */
} shardkv_chunk_t;


static int shardkv_chunk_check(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s);
static int shardkv_chunk_begin(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_chunk_items(shardkv_request_t *r, MDB_txn *txn);
static int shardkv_chunk_item(shardkv_request_t *r, shardkv_chunk_t *chunk,
    const shardkv_item_t *item);
static int shardkv_chunk_switch(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s);
static int shardkv_chunk_switch_part(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s);


/*
 * The position is looked at with each chunk, so with the switch, too: a
 * sender that slept in the middle finds the shard further than its snapshot.
 * Counts of the chunk are kept only when it is committed; see below.
 */

int
shardkv_apply_chunk(shardkv_request_t *r, MDB_txn *txn)
{
    int               rc;
    shardkv_shard_t   s;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_shard_get(store, txn, r->shard, &s);

    if (rc == 0) {
        rc = shardkv_chunk_check(r, txn, &s);
    }

    if (rc != 0 || r->answer.code) {
        return rc;
    }

    if (r->upload->items.len && shardkv_full(r)) {
        return 0;
    }

    if (!r->upload->begun) {
        rc = shardkv_chunk_begin(r, txn);
    }

    if (rc == 0) {
        rc = shardkv_chunk_items(r, txn);
    }

    /* what this chunk has staged already is garbage, not half a state */

    if (rc == MDB_KEYEXIST) {
        shardkv_refuse(&r->answer, 400, "bad_snapshot",
                       "the snapshot has a key or queue entry twice");
        return 0;
    }

    if (rc == MDB_NOTFOUND) {
        shardkv_refuse(&r->answer, 400, "bad_snapshot",
                       "the snapshot has a key of another part");
        return 0;
    }

    if (rc == 0 && r->upload->last) {
        rc = r->has_part ? shardkv_chunk_switch_part(r, txn, &s)
                         : shardkv_chunk_switch(r, txn, &s);
    }

    return rc;
}


static int
shardkv_chunk_check(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s)
{
    int             rc;
    shardkv_part_t  part;

    if (s->role == SHARDKV_PRIMARY) {
        shardkv_refuse_at(&r->answer, 409, "primary", s->position,
                          "a primary takes no snapshot; make it standby "
                          "first");
        return 0;
    }

    if (shardkv_stale(r, s)) {
        return 0;
    }

    rc = shardkv_part_get(&r->server->store, txn, r->shard, s,
                          r->has_part ? (unsigned) r->part : 0, &part);

    if (rc == 0 && (r->position < s->position
                    || (r->has_part && r->position < part.floor)))
    {
        shardkv_refuse_at(&r->answer, 409, "behind", s->position,
                          "the shard is further than this snapshot; take a "
                          "new one, or give the shard up first (standby, "
                          "then none)");
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

    return shardkv_garbage_add(&r->server->store, txn, r->shard, generation,
                               SHARDKV_ALL_PARTS);
}


static int
shardkv_chunk_items(shardkv_request_t *r, MDB_txn *txn)
{
    int                rc;
    size_t             offset;
    shardkv_item_t     item;
    shardkv_chunk_t    chunk;
    shardkv_upload_t  *up;

    up = r->upload;
    memcpy(up->staged, up->parts, sizeof(up->staged));
    memset(&chunk, 0, sizeof(chunk));

    rc = mdb_cursor_open(txn, r->server->store.data, &chunk.data);

    if (rc == 0) {
        rc = mdb_cursor_open(txn, r->server->store.queue, &chunk.queue);
    }

    for (offset = 0;
         rc == 0 && shardkv_items_next(&up->items, &offset, &item); )
    {
        rc = shardkv_chunk_item(r, &chunk, &item);
    }

    if (chunk.data) {
        mdb_cursor_close(chunk.data);
    }

    if (chunk.queue) {
        mdb_cursor_close(chunk.queue);
    }

    return rc;
}


/* MDB_KEYEXIST: it came before; MDB_NOTFOUND: it is not of the part */

static int
shardkv_chunk_item(shardkv_request_t *r, shardkv_chunk_t *chunk,
    const shardkv_item_t *item)
{
    int               rc;
    char              buf[SHARDKV_KEY_BUF];
    MDB_val           key, data;
    uint64_t          n;
    MDB_cursor       *cursor;
    shardkv_place_t   place;

    place.mix = shardkv_mix(item->key, item->klen);
    place.n = (unsigned) (place.mix >> 58);
    place.part.generation = r->upload->generation;

    if (r->has_part && place.n != r->part) {
        return MDB_NOTFOUND;
    }

    if (item->op == SHARDKV_APPEND || item->op == SHARDKV_TAKEN) {
        n = (item->op == SHARDKV_TAKEN) ? SHARDKV_TAKEN_N : item->n;
        cursor = chunk->queue;
        key = shardkv_queue_key(buf, r->shard, &place, item->key, item->klen,
                                n == SHARDKV_TAKEN_N ? 0 : n);

    } else {
        n = 0;
        cursor = chunk->data;
        key = shardkv_data_key(buf, r->shard, &place, item->key, item->klen);
    }

    data.mv_data = (void *) item->value;
    data.mv_size = item->vlen;

    rc = chunk->unordered ? MDB_KEYEXIST
                          : mdb_cursor_put(cursor, &key, &data, MDB_APPEND);

    if (rc == MDB_KEYEXIST) {
        chunk->unordered = 1;
        rc = mdb_cursor_put(cursor, &key, &data, MDB_NOOVERWRITE);
    }

    if (rc == 0) {
        shardkv_part_count(&r->upload->staged[place.n], item, n);
    }

    return rc;
}


static int
shardkv_chunk_switch(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s)
{
    int               rc;
    unsigned          n;
    shardkv_part_t   *part;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_garbage_remove(store, txn, r->shard, r->upload->generation);

    if (rc == 0) {
        rc = shardkv_garbage_add_shard(store, txn, r->shard, s);
    }

    s->generation = r->upload->generation;
    s->position = r->position;
    s->log_first = r->position + 1;
    s->awaited = 0;
    s->settled = 0;
    s->items = s->bytes = s->queued = 0;

    for (n = 0; rc == 0 && n < SHARDKV_PARTS; n++) {
        part = &r->upload->staged[n];
        part->generation = s->generation;

        s->items += part->items;
        s->bytes += part->bytes;
        s->queued += part->queued;

        rc = shardkv_part_put(store, txn, r->shard, n, part);
    }

    if (rc == 0) {
        rc = shardkv_shard_put(store, txn, r->shard, s);
    }

    if (rc == 0) {
        shardkv_done_at(&r->answer, 204, s->position);
    }

    return rc;
}


/* into a shard that has nothing, its first part begins a copy: part.c */

static int
shardkv_chunk_switch_part(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s)
{
    int               rc;
    unsigned          k;
    shardkv_part_t    old, *part;
    shardkv_store_t  *store;

    rc = 0;
    k = (unsigned) r->part;
    part = &r->upload->staged[k];
    store = &r->server->store;

    if (s->position == 0) {
        rc = shardkv_shard_give_up(r, txn, s);
        s->position = r->position;
        s->log_first = r->position + 1;
        s->awaited = UINT64_MAX;
    }

    if (rc == 0) {
        rc = shardkv_part_get(store, txn, r->shard, s, k, &old);
    }

    if (rc == 0) {
        rc = shardkv_garbage_add(store, txn, r->shard, old.generation,
                                 old.generation == s->generation
                                 ? (int) k : SHARDKV_ALL_PARTS);
    }

    if (rc == 0) {
        rc = shardkv_garbage_remove(store, txn, r->shard,
                                    r->upload->generation);
    }

    if (rc != 0) {
        return rc;
    }

    part->generation = r->upload->generation;
    part->floor = r->position;

    s->awaited &= ~(1ull << k);
    s->settled = (r->position > s->settled) ? r->position : s->settled;
    s->items += part->items - old.items;
    s->bytes += part->bytes - old.bytes;
    s->queued += part->queued - old.queued;

    rc = shardkv_part_put(store, txn, r->shard, k, part);

    if (rc == 0) {
        rc = shardkv_kept_forget(store, txn, r->shard);
    }

    if (rc == 0) {
        rc = shardkv_shard_put(store, txn, r->shard, s);
    }

    if (rc == 0) {
        shardkv_done_at(&r->answer, 204, s->position);
    }

    return rc;
}


/* after the commit: staged for good */

void
shardkv_chunk_committed(shardkv_request_t *r)
{
    shardkv_upload_t  *up;

    up = r->upload;

    memcpy(up->parts, up->staged, sizeof(up->parts));

    up->begun = 1;
    up->items.len = 0;

    if (up->last) {
        r->server->garbage = 1;
    }
}
