
/*
 * A shard's data are in 64 parts, each of which can be copied by itself:
 *
 *   mix   = XXH3-64(key) * 0x9e3779b97f4a7c15 modulo 2^64
 *   part  = the upper 6 bits of it
 *
 * The product spreads the keys of one shard over all parts: of a hash
 * keyspace their XXH3 alone are close to each other.
 *
 *   shard  position 700, settled 730       part 0   floor 690   generation 7
 *          awaited: parts 2, 3             part 1   floor 730   generation 8
 *                                          part 2   (awaited)
 *                                          ...
 *
 * A copy by parts reads each at a position of its own, the first of which
 * becomes the shard's.  From then on the log is applied to all of them, but
 * to each part from its floor on only: an entry up to there is in its data
 * already, and an append must not come twice.  An awaited part will be read
 * at a later position than the shard's, so it takes nothing yet.  Behind
 * the highest floor ("settled") all parts are of the shard's position, and
 * the shard may be made primary.
 *
 * The counts and the hash of a part change in the transaction that changes
 * its data, so a digest of all parts is read, not computed.  An item's hash
 * chains XXH3 over its index (0 for a value), key and value; a part's is
 * the sum of them modulo 2^64, so the order of insertion does not matter.
 * How far a queue was taken is hashed, with index 2^64 - 1, but no item.
 */


#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "shardkv.h"


/* a record of "part", host byte order as LMDB's own pages */

typedef struct {
    uint32_t  version;
    uint32_t  generation;
    uint64_t  floor;
    uint64_t  items;
    uint64_t  bytes;
    uint64_t  queued;
    uint64_t  hash;
} shardkv_part_record_t;


uint64_t
shardkv_mix(const char *key, size_t klen)
{
    return shard_key_position(key, klen) * 0x9e3779b97f4a7c15ull;
}


uint64_t
shardkv_item_hash(const char *key, size_t klen, uint64_t n, const void *value,
    size_t vlen)
{
    return XXH3_64bits_withSeed(value, vlen,
                                XXH3_64bits_withSeed(key, klen, n));
}


int
shardkv_part_get(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_shard_t *s, unsigned n, shardkv_part_t *part)
{
    int                    rc;
    char                   buf[16];
    shardkv_part_record_t  record;

    memset(part, 0, sizeof(shardkv_part_t));
    part->generation = s->generation;

    rc = shardkv_record_get(txn, store->part,
                            shardkv_shard_part_key(buf, id, n), &record,
                            sizeof(record));

    if (rc != 0) {
        return (rc == MDB_NOTFOUND) ? 0 : rc;
    }

    if (record.version != 1) {
        return MDB_CORRUPTED;
    }

    part->generation = record.generation;
    part->floor = record.floor;
    part->items = record.items;
    part->bytes = record.bytes;
    part->queued = record.queued;
    part->hash = record.hash;

    return 0;
}


int
shardkv_part_put(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    unsigned n, const shardkv_part_t *part)
{
    char                   buf[16];
    shardkv_part_record_t  record;

    memset(&record, 0, sizeof(record));

    record.version = 1;
    record.generation = part->generation;
    record.floor = part->floor;
    record.items = part->items;
    record.bytes = part->bytes;
    record.queued = part->queued;
    record.hash = part->hash;

    return shardkv_record_put(txn, store->part,
                              shardkv_shard_part_key(buf, id, n), &record,
                              sizeof(record));
}


int
shardkv_part_forget(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    unsigned n)
{
    int      rc;
    char     buf[16];
    MDB_val  key;

    key = shardkv_shard_part_key(buf, id, n);
    rc = mdb_del(txn, store->part, &key, NULL);

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}


int
shardkv_place(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_shard_t *s, const char *key, size_t klen,
    shardkv_place_t *place)
{
    place->mix = shardkv_mix(key, klen);
    place->n = (unsigned) (place->mix >> 58);

    return shardkv_part_get(store, txn, id, s, place->n, &place->part);
}


int
shardkv_part_ahead(const shardkv_shard_t *s, const shardkv_place_t *place,
    uint64_t position)
{
    return (s->awaited >> place->n & 1) || position <= place->part.floor;
}


int
shardkv_shard_whole(const shardkv_shard_t *s)
{
    return s->awaited == 0 && s->position >= s->settled;
}


void
shardkv_part_count(shardkv_part_t *part, const shardkv_item_t *item,
    uint64_t n)
{
    if (n != SHARDKV_TAKEN_N) {
        part->items++;
        part->queued += (n != 0);
        part->bytes += item->klen + item->vlen;
    }

    part->hash += shardkv_item_hash(item->key, item->klen, n, item->value,
                                    item->vlen);
}


void
shardkv_part_uncount(shardkv_part_t *part, const shardkv_item_t *item,
    uint64_t n)
{
    if (n != SHARDKV_TAKEN_N) {
        part->items--;
        part->queued -= (n != 0);
        part->bytes -= item->klen + item->vlen;
    }

    part->hash -= shardkv_item_hash(item->key, item->klen, n, item->value,
                                    item->vlen);
}
