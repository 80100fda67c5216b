
/*
 * Keys of the databases, and the stored form of a log entry; the layout is
 * in store.c.
 */


#include <string.h>

#include "shardkv.h"


void
shardkv_put64(void *p, uint64_t value)
{
    int       i;
    uint8_t  *b;

    b = p;

    for (i = 7; i >= 0; i--) {
        b[i] = (uint8_t) value;
        value >>= 8;
    }
}


uint64_t
shardkv_get64(const void *p)
{
    int             i;
    uint64_t        value;
    const uint8_t  *b;

    b = p;
    value = 0;

    for (i = 0; i < 8; i++) {
        value = value << 8 | b[i];
    }

    return value;
}


MDB_val
shardkv_shard_key(char *buf, shard_id_t id)
{
    MDB_val  key;

    shardkv_put64(buf, (uint64_t) id << 32);

    key.mv_data = buf;
    key.mv_size = 4;

    return key;
}


MDB_val
shardkv_shard_part_key(char *buf, shard_id_t id, unsigned n)
{
    MDB_val  key;

    key = shardkv_shard_key(buf, id);
    buf[key.mv_size++] = (char) n;

    return key;
}


MDB_val
shardkv_meta_key(char *buf, const char *name, shard_id_t id)
{
    size_t   len;
    MDB_val  key;

    len = strlen(name);
    memcpy(buf, name, len);

    key = shardkv_shard_key(buf + len, id);

    key.mv_data = buf;
    key.mv_size += len;

    return key;
}


/* "buf" takes 8 bytes; in the other ones SHARDKV_KEY_BUF.  The generation
 * goes first: what is staged last stands behind all else, see staging.c */

MDB_val
shardkv_prefix(char *buf, shard_id_t id, uint32_t generation)
{
    MDB_val  key;

    shardkv_put64(buf, (uint64_t) generation << 32 | id);

    key.mv_data = buf;
    key.mv_size = 8;

    return key;
}


MDB_val
shardkv_part_key(char *buf, shard_id_t id, uint32_t generation, unsigned n)
{
    MDB_val  val;

    val = shardkv_prefix(buf, id, generation);

    shardkv_put64(buf + val.mv_size, (uint64_t) n << 58);
    val.mv_size += 8;

    return val;
}


int
shardkv_part_holds(MDB_val part, MDB_val key)
{
    const uint8_t  *p, *k;

    p = part.mv_data;
    k = key.mv_data;

    return key.mv_size > 16 && memcmp(p, k, 8) == 0 && p[8] >> 2 == k[8] >> 2;
}


MDB_val
shardkv_data_key(char *buf, shard_id_t id, const shardkv_place_t *place,
    const char *key, size_t klen)
{
    MDB_val  val;

    val = shardkv_prefix(buf, id, place->part.generation);

    shardkv_put64(buf + val.mv_size, place->mix);
    val.mv_size += 8;

    memcpy(buf + val.mv_size, key, klen);
    val.mv_size += klen;

    return val;
}


/* the key's length goes first: no key is another one's beginning */

MDB_val
shardkv_queue_key(char *buf, shard_id_t id, const shardkv_place_t *place,
    const char *key, size_t klen, uint64_t n)
{
    MDB_val  val;

    val = shardkv_prefix(buf, id, place->part.generation);

    shardkv_put64(buf + val.mv_size, place->mix);
    val.mv_size += 8;

    buf[val.mv_size++] = (char) klen;

    memcpy(buf + val.mv_size, key, klen);
    val.mv_size += klen;

    shardkv_put64(buf + val.mv_size, n);
    val.mv_size += 8;

    return val;
}


int
shardkv_key_decode(MDB_val key, unsigned queue, shardkv_item_t *item)
{
    item->op = SHARDKV_PUT;
    item->key = (const char *) key.mv_data + 16;
    item->klen = key.mv_size - 16;
    item->n = 0;

    if (key.mv_size <= 16 + (queue ? 9 : 0)) {
        return MDB_CORRUPTED;
    }

    if (queue) {
        item->op = SHARDKV_APPEND;
        item->key++;
        item->klen -= 9;
        item->n = shardkv_get64(item->key + item->klen);
    }

    return (item->klen <= SHARDKV_KEY_MAX) ? 0 : MDB_CORRUPTED;
}


MDB_val
shardkv_log_key(char *buf, shard_id_t id, uint32_t generation,
    uint64_t position)
{
    MDB_val  val;

    val = shardkv_prefix(buf, id, generation);

    shardkv_put64(buf + val.mv_size, position);
    val.mv_size += 8;

    return val;
}


int
shardkv_entry_decode(MDB_val key, MDB_val data, shardkv_item_t *item)
{
    const uint8_t  *p;

    p = data.mv_data;

    if (key.mv_size != 16 || data.mv_size < 2
        || p[0] < SHARDKV_PUT || p[0] > SHARDKV_TAKEN
        || data.mv_size < 2 + (size_t) p[1])
    {
        return SHARD_ERROR;
    }

    item->op = p[0];
    item->n = shardkv_get64((const char *) key.mv_data + 8);
    item->klen = p[1];
    item->key = (const char *) p + 2;
    item->vlen = data.mv_size - 2 - item->klen;
    item->value = (const char *) p + 2 + item->klen;

    return SHARD_OK;
}
