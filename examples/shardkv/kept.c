
/*
 * A digest that is kept: PUT digest announces a range of keys, and from then
 * on its sums change with each write, so that GET digest of that range reads
 * 64 records in place of all items.  For who has to know it while requests
 * wait: the range that a split cuts off, or that a merge brings.
 *
 *           writer               scanner                 writer
 *   PUT ──▶ sums = 0 ──────────▶ reads all items of ───▶ sums += what was ──▶ 204
 *           writes: sums += ±    one state, and its      read - the sums of
 *                                sums                    that state: known
 *
 * Sums that began at the announcement, taken from the items of any later
 * state that has them, are what the range had when it began.  Sums wrap, so
 * the order of all this does not matter.
 *
 * A shard keeps one, durably: another PUT takes its place.  It ends with
 * DELETE, when the shard is made primary (the cut is over, either way), and
 * when data come that are no writes (a snapshot) or all of them go.
 *
 *   kept      shard                                  shardkv_kept_t
 *             shard number of the part               shardkv_sum_t
 */


#include <stdlib.h>
#include <string.h>

#include "shardkv.h"


/* host byte order as LMDB's own pages */

typedef struct {
    uint32_t       version;
    uint32_t       number;              /* generation_next()'s, of the PUT */
    uint32_t       known;               /* the sums are of all items */
    uint32_t       unused;
    shard_range_t  range;
} shardkv_kept_t;

typedef struct {
    uint64_t       items;
    uint64_t       hash;
} shardkv_sum_t;


static int shardkv_kept_load(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, shardkv_kept_t *kept);
static int shardkv_kept_store(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, const shardkv_kept_t *kept);
static int shardkv_kept_same(const shardkv_kept_t *kept,
    const shard_range_t *range);
static int shardkv_kept_sum(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, unsigned n, shardkv_sum_t *sum);
static int shardkv_kept_add(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, unsigned n, uint64_t items, uint64_t hash);
static int shardkv_kept_begin(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s);
static int shardkv_kept_learn(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s);
static int shardkv_kept_base(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, shardkv_part_t *parts);


static int
shardkv_kept_load(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_kept_t *kept)
{
    int   rc;
    char  buf[16];

    rc = shardkv_record_get(txn, store->kept, shardkv_shard_key(buf, id),
                            kept, sizeof(shardkv_kept_t));

    return (rc == 0 && kept->version != 1) ? MDB_CORRUPTED : rc;
}


static int
shardkv_kept_store(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_kept_t *kept)
{
    char  buf[16];

    return shardkv_record_put(txn, store->kept, shardkv_shard_key(buf, id),
                              kept, sizeof(shardkv_kept_t));
}


static int
shardkv_kept_same(const shardkv_kept_t *kept, const shard_range_t *range)
{
    char  one[SHARD_RANGE_TEXT], other[SHARD_RANGE_TEXT];

    return shard_range_encode(&kept->range, one)
           == shard_range_encode(range, other)
           && strcmp(one, other) == 0;
}


/* a part without a record has had no write */

static int
shardkv_kept_sum(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    unsigned n, shardkv_sum_t *sum)
{
    int   rc;
    char  buf[16];

    memset(sum, 0, sizeof(shardkv_sum_t));

    rc = shardkv_record_get(txn, store->kept,
                            shardkv_shard_part_key(buf, id, n), sum,
                            sizeof(shardkv_sum_t));

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}


static int
shardkv_kept_add(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    unsigned n, uint64_t items, uint64_t hash)
{
    int            rc;
    char           buf[16];
    shardkv_sum_t  sum;

    rc = shardkv_kept_sum(store, txn, id, n, &sum);

    if (rc != 0 || (items == 0 && hash == 0)) {
        return rc;
    }

    sum.items += items;
    sum.hash += hash;

    return shardkv_record_put(txn, store->kept,
                              shardkv_shard_part_key(buf, id, n), &sum,
                              sizeof(sum));
}


/* "was": the key's part before the write */

int
shardkv_kept_change(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_item_t *item, const shardkv_place_t *place,
    const shardkv_part_t *was)
{
    int             rc;
    shardkv_kept_t  kept;

    rc = shardkv_kept_load(store, txn, id, &kept);

    if (rc == MDB_NOTFOUND
        || (rc == 0
            && !shard_range_holds(&kept.range, item->key, item->klen)))
    {
        return 0;
    }

    if (rc != 0) {
        return rc;
    }

    return shardkv_kept_add(store, txn, id, place->n,
                            place->part.items - was->items,
                            place->part.hash - was->hash);
}


int
shardkv_kept_forget(shardkv_store_t *store, MDB_txn *txn, shard_id_t id)
{
    int       rc;
    char      buf[16];
    MDB_val   key;
    unsigned  n;

    key = shardkv_shard_key(buf, id);
    rc = mdb_del(txn, store->kept, &key, NULL);

    if (rc != 0) {
        return (rc == MDB_NOTFOUND) ? 0 : rc;
    }

    for (n = 0; n < SHARDKV_PARTS; n++) {
        key = shardkv_shard_part_key(buf, id, n);
        rc = mdb_del(txn, store->kept, &key, NULL);

        if (rc != 0 && rc != MDB_NOTFOUND) {
            return rc;
        }
    }

    return 0;
}


int
shardkv_kept_get(shardkv_request_t *r, MDB_txn *txn, shardkv_part_t *parts)
{
    int               rc;
    unsigned          n;
    shardkv_sum_t     sum;
    shardkv_kept_t    kept;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_kept_load(store, txn, r->shard, &kept);

    if (rc == 0 && (!kept.known || !shardkv_kept_same(&kept, &r->range))) {
        return MDB_NOTFOUND;
    }

    for (n = 0; rc == 0 && n < SHARDKV_PARTS; n++) {
        rc = shardkv_kept_sum(store, txn, r->shard, n, &sum);

        parts[n * r->limit / SHARDKV_PARTS].items += sum.items;
        parts[n * r->limit / SHARDKV_PARTS].hash += sum.hash;
    }

    return rc;
}


/* PUT, twice: before the scan and behind it, and DELETE */

int
shardkv_apply_kept(shardkv_request_t *r, MDB_txn *txn)
{
    int              rc;
    shardkv_shard_t  s;

    if (r->route->call == SHARDKV_DIGEST_DELETE) {
        rc = shardkv_kept_forget(&r->server->store, txn, r->shard);

        if (rc == 0) {
            shardkv_done(&r->answer, 204);
        }

        return rc;
    }

    rc = shardkv_shard_get(&r->server->store, txn, r->shard, &s);

    if (rc != 0) {
        return rc;
    }

    /* a primary's data change by writes alone */

    if (!r->body.len && (s.role != SHARDKV_PRIMARY || s.mode)) {
        shardkv_refuse_at(&r->answer, 409, "standby", s.position,
                          "only a primary that has all of the shard keeps "
                          "the digest of a range");
        return 0;
    }

    return r->body.len ? shardkv_kept_learn(r, txn, &s)
                       : shardkv_kept_begin(r, txn, &s);
}


/* without an answer the scanner goes on: shardkv_kept_unread() */

static int
shardkv_kept_begin(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s)
{
    int               rc;
    shardkv_kept_t    kept;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_kept_load(store, txn, r->shard, &kept);

    if (rc == 0 && kept.known && shardkv_kept_same(&kept, &r->range)) {
        shardkv_done_at(&r->answer, 204, s->position);
        return 0;
    }

    if (rc == 0 || rc == MDB_NOTFOUND) {
        rc = shardkv_kept_forget(store, txn, r->shard);
    }

    memset(&kept, 0, sizeof(kept));
    kept.version = 1;
    kept.range = r->range;

    if (rc == 0) {
        rc = shardkv_generation_next(store, txn, &kept.number);
    }

    r->position = kept.number;

    return rc ? rc : shardkv_kept_store(store, txn, r->shard, &kept);
}


int
shardkv_kept_unread(const shardkv_request_t *r)
{
    return r->route->call == SHARDKV_DIGEST_PUT && r->answer.status == 0
           && r->answer.code == NULL;
}


/* the scanner's part: into r->body the sums of what was there at first */

void
shardkv_kept_scan(shardkv_request_t *r)
{
    int               rc;
    MDB_txn          *txn;
    shardkv_part_t   *parts;
    shardkv_shard_t   s;

    rc = shardkv_read_shard(&r->server->store, r->shard, &txn, &s);

    if (rc != 0) {
        shardkv_broken(&r->answer, "digest", rc);
        return;
    }

    parts = calloc(SHARDKV_PARTS, sizeof(shardkv_part_t));

    if (parts == NULL
        || shardkv_buf_reserve(&r->body,
                               SHARDKV_PARTS * sizeof(shardkv_sum_t))
           != SHARD_OK)
    {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");

    } else {
        rc = shardkv_kept_base(r, txn, &s, parts);

        if (rc != 0) {
            shardkv_broken(&r->answer, "digest", rc);
        }
    }

    shardkv_read_end(&r->server->store, txn);
    free(parts);
}


static int
shardkv_kept_base(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, shardkv_part_t *parts)
{
    int            rc;
    unsigned       n;
    shardkv_sum_t  sum;

    rc = shardkv_digest_items(r, txn, s, parts);

    for (n = 0; rc == 0 && n < SHARDKV_PARTS; n++) {
        rc = shardkv_kept_sum(&r->server->store, txn, r->shard, n, &sum);

        sum.items = parts[n].items - sum.items;
        sum.hash = parts[n].hash - sum.hash;

        memcpy(r->body.data + n * sizeof(sum), &sum, sizeof(sum));
    }

    r->body.len = SHARDKV_PARTS * sizeof(sum);

    return rc;
}


static int
shardkv_kept_learn(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s)
{
    int               rc;
    unsigned          n;
    shardkv_sum_t     sum;
    shardkv_kept_t    kept;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_kept_load(store, txn, r->shard, &kept);

    if (rc == MDB_NOTFOUND || (rc == 0 && kept.number != r->position)) {
        shardkv_refuse_at(&r->answer, 409, "superseded", s->position,
                          "another range was announced, or this one is over, "
                          "while its items were read");
        return 0;
    }

    for (n = 0; rc == 0 && n < SHARDKV_PARTS; n++) {
        memcpy(&sum, r->body.data + n * sizeof(sum), sizeof(sum));
        rc = shardkv_kept_add(store, txn, r->shard, n, sum.items, sum.hash);
    }

    kept.known = 1;

    if (rc == 0) {
        rc = shardkv_kept_store(store, txn, r->shard, &kept);
    }

    if (rc == 0) {
        shardkv_done_at(&r->answer, 204, s->position);
    }

    return rc;
}
