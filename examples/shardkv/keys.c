
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


/* "buf" takes 8 bytes; in the other ones SHARDKV_KEY_BUF */

MDB_val
shardkv_prefix(char *buf, shard_id_t id, uint32_t generation)
{
    MDB_val  key;

    shardkv_put64(buf, (uint64_t) id << 32 | generation);

    key.mv_data = buf;
    key.mv_size = 8;

    return key;
}


MDB_val
shardkv_data_key(char *buf, shard_id_t id, uint32_t generation,
    const char *key, size_t klen)
{
    MDB_val  val;

    val = shardkv_prefix(buf, id, generation);

    memcpy(buf + val.mv_size, key, klen);
    val.mv_size += klen;

    return val;
}


/* the key's length goes first: no key is another one's beginning */

MDB_val
shardkv_queue_key(char *buf, shard_id_t id, uint32_t generation,
    const char *key, size_t klen, uint64_t n)
{
    MDB_val  val;

    val = shardkv_prefix(buf, id, generation);

    buf[val.mv_size++] = (char) klen;

    memcpy(buf + val.mv_size, key, klen);
    val.mv_size += klen;

    shardkv_put64(buf + val.mv_size, n);
    val.mv_size += 8;

    return val;
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
        || p[0] < SHARDKV_PUT || p[0] > SHARDKV_SKIP
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
