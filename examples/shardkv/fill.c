
/*
 * A shard in two pieces, while it is moved copy-on-write:
 *
 *        writes, reads                    reads that miss there (404)
 *             │                                       │
 *             ▼                                       ▼
 *   target  primary, filling      ◀─ fill ──  source  standby, fallback
 *           what was written since P,                 all up to P, and
 *           deletions too             ── log ──▶      what is shipped back
 *
 * The target begins empty at the source's last position P, and its log goes
 * on from there.  A snapshot with fill=1 brings keys that it knows nothing
 * of: neither one that was written there is overwritten, nor one that was
 * deleted comes back.  A deleted key is answered 410, since 404 would be
 * asked again at the source.
 *
 * PUT role without "mode" ends it.  Deleted keys stay in "gone" with their
 * generation, where nobody looks for them any more.
 */


#include "shardkv.h"


static int shardkv_fill_check(shardkv_request_t *r, const shardkv_shard_t *s);
static int shardkv_fill_item(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s, const shardkv_item_t *item);


int
shardkv_gone_add(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_place_t *place, const shardkv_item_t *item)
{
    char     buf[SHARDKV_KEY_BUF];
    MDB_val  key, data;

    key = shardkv_data_key(buf, id, place, item->key, item->klen);
    data.mv_data = NULL;
    data.mv_size = 0;

    return mdb_put(txn, store->gone, &key, &data, 0);
}


int
shardkv_gone(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_place_t *place, const char *name, size_t klen)
{
    char     buf[SHARDKV_KEY_BUF];
    MDB_val  key, data;

    key = shardkv_data_key(buf, id, place, name, klen);

    return mdb_get(txn, store->gone, &key, &data);
}


/* of the same epoch it goes on, sealed or not; else it begins empty */

int
shardkv_mode_begin(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s)
{
    int  rc;

    if (s->mode == SHARDKV_FILLING && s->epoch == r->epoch) {
        return 0;
    }

    /* a piece of an epoch that is over has nothing that is still wanted */

    if (s->role == SHARDKV_PRIMARY && s->mode != SHARDKV_FILLING) {
        shardkv_refuse_at(&r->answer, 409, "primary", s->position,
                          "a primary has data of its own; make it standby "
                          "first");
        return 0;
    }

    rc = shardkv_shard_give_up(r, txn, s);

    s->position = r->position;
    s->log_first = r->position + 1;

    return rc;
}


int
shardkv_apply_fill(shardkv_request_t *r, MDB_txn *txn)
{
    int               rc;
    size_t            offset;
    shardkv_item_t    item;
    shardkv_shard_t   s;

    rc = shardkv_shard_get(&r->server->store, txn, r->shard, &s);

    if (rc != 0 || shardkv_fill_check(r, &s) != SHARD_OK) {
        return rc;
    }

    for (offset = 0;
         rc == 0 && shardkv_items_next(&r->upload->items, &offset, &item); )
    {
        rc = shardkv_fill_item(r, txn, &s, &item);
    }

    if (rc == 0) {
        rc = shardkv_shard_put(&r->server->store, txn, r->shard, &s);
    }

    if (rc == 0 && r->upload->last) {
        shardkv_done_at(&r->answer, 204, s.position);
    }

    return rc;
}


/* with each chunk: a sender that slept may find the target another one */

static int
shardkv_fill_check(shardkv_request_t *r, const shardkv_shard_t *s)
{
    size_t          offset;
    shardkv_item_t  item;

    if (s->mode != SHARDKV_FILLING || s->role != SHARDKV_PRIMARY
        || !r->sender.has_epoch || r->sender.epoch != s->epoch)
    {
        shardkv_refuse_at(&r->answer, 409, "not_filling", s->position,
                          "only a target that fills, of X-Shard-Epoch, takes "
                          "what it is missing");
        return SHARD_ERROR;
    }

    if (r->upload->items.len && shardkv_full(r)) {
        return SHARD_ERROR;
    }

    for (offset = 0; shardkv_items_next(&r->upload->items, &offset, &item); ) {

        if (item.op != SHARDKV_PUT) {
            shardkv_refuse(&r->answer, 400, "bad_snapshot", "queues are not "
                           "filled: what was appended has no index here");
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


static int
shardkv_fill_item(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s,
    const shardkv_item_t *item)
{
    int               rc;
    char              buf[SHARDKV_KEY_BUF];
    MDB_val           key, data;
    shardkv_place_t   place;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_place(store, txn, r->shard, s, item->key, item->klen,
                       &place);

    if (rc == 0) {
        rc = shardkv_gone(store, txn, r->shard, &place, item->key,
                          item->klen);
    }

    if (rc != MDB_NOTFOUND) {
        return rc;
    }

    key = shardkv_data_key(buf, r->shard, &place, item->key, item->klen);
    data.mv_data = (void *) item->value;
    data.mv_size = item->vlen;

    rc = mdb_put(txn, store->data, &key, &data, MDB_NOOVERWRITE);

    if (rc != 0) {
        return (rc == MDB_KEYEXIST) ? 0 : rc;
    }

    s->items -= place.part.items;
    s->bytes -= place.part.bytes;
    shardkv_part_count(&place.part, item, 0);
    s->items += place.part.items;
    s->bytes += place.part.bytes;

    return shardkv_part_put(store, txn, r->shard, place.n, &place.part);
}
