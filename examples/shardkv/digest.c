
/*
 * Digests, in a thread of their own: a scan of a large shard must not stop
 * the MHD threads.
 *
 * An item's hash chains XXH3 over its index (0 for a value), key and value;
 * a part's hash is the sum of them modulo 2^64, so the order of insertion
 * does not matter.  An item belongs to the part of its key's position.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "shardkv.h"


typedef struct {
    uint64_t  items;
    uint64_t  hash;
} shardkv_part_t;


static void *shardkv_scanner_main(void *data);
static void shardkv_digest(shardkv_request_t *r);
static int shardkv_digest_scan(const shardkv_request_t *r, MDB_txn *txn,
    MDB_dbi dbi, MDB_val prefix, unsigned queue, shardkv_part_t *parts);
static void shardkv_digest_answer(shardkv_request_t *r, uint64_t position,
    const shardkv_part_t *parts);


int
shardkv_scanner_start(shardkv_server_t *srv)
{
    return shardkv_queue_start(&srv->scanner, shardkv_scanner_main, srv);
}


static void *
shardkv_scanner_main(void *data)
{
    unsigned            stop;
    shardkv_server_t   *srv;
    shardkv_request_t  *r, *next;

    srv = data;

    for ( ;; ) {
        stop = srv->scanner.stop;
        r = shardkv_queue_take(&srv->scanner, 1);

        if (r == NULL && stop) {
            return NULL;
        }

        for ( /* void */ ; r; r = next) {
            next = r->next;
            shardkv_digest(r);
            shardkv_resume(r, SHARDKV_ANSWER);
        }
    }
}


static void
shardkv_digest(shardkv_request_t *r)
{
    int               rc;
    char              buf[8];
    MDB_txn          *txn;
    MDB_val           prefix;
    shardkv_part_t   *parts;
    shardkv_shard_t   s;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_read_shard(store, r->shard, &txn, &s);

    if (rc != 0) {
        shardkv_broken(&r->answer, "digest", rc);
        return;
    }

    if (r->has_at && r->position != s.position) {
        shardkv_refuse_at(&r->answer, 409, "position", s.position,
                          "the shard is at another position");
        shardkv_read_end(store, txn);
        return;
    }

    parts = calloc(r->limit, sizeof(shardkv_part_t));

    if (parts == NULL) {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        shardkv_read_end(store, txn);
        return;
    }

    prefix = shardkv_prefix(buf, r->shard, s.generation);

    rc = shardkv_digest_scan(r, txn, store->data, prefix, 0, parts);

    if (rc == 0) {
        rc = shardkv_digest_scan(r, txn, store->queue, prefix, 1, parts);
    }

    shardkv_read_end(store, txn);

    if (rc == 0) {
        shardkv_digest_answer(r, s.position, parts);

    } else {
        shardkv_broken(&r->answer, "digest", rc);
    }

    free(parts);
}


static int
shardkv_digest_scan(const shardkv_request_t *r, MDB_txn *txn, MDB_dbi dbi,
    MDB_val prefix, unsigned queue, shardkv_part_t *parts)
{
    int           rc;
    size_t        klen;
    MDB_val       key, data;
    uint64_t      n, hash, part;
    MDB_cursor   *cursor;
    const char   *p;

    rc = mdb_cursor_open(txn, dbi, &cursor);

    if (rc != 0) {
        return rc;
    }

    key = prefix;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    for ( /* void */ ;
         rc == 0 && key.mv_size > prefix.mv_size
         && memcmp(key.mv_data, prefix.mv_data, prefix.mv_size) == 0;
         rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT))
    {
        p = (const char *) key.mv_data + prefix.mv_size;
        klen = key.mv_size - prefix.mv_size;
        n = 0;

        if (queue) {

            if (klen < 10) {
                rc = MDB_CORRUPTED;
                break;
            }

            p++;
            klen -= 9;
            n = shardkv_get64(p + klen);
        }

        if (!shardkv_range_holds(r, p, klen)) {
            continue;
        }

        hash = XXH3_64bits_withSeed(p, klen, n);
        hash = XXH3_64bits_withSeed(data.mv_data, data.mv_size, hash);

        part = (uint64_t) ((unsigned __int128) shard_key_position(p, klen)
                           * r->limit >> 64);

        parts[part].items++;
        parts[part].hash += hash;
    }

    mdb_cursor_close(cursor);

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}


static void
shardkv_digest_answer(shardkv_request_t *r, uint64_t position,
    const shardkv_part_t *parts)
{
    char           hex[17];
    uint64_t       i, items;
    shardkv_buf_t  out;

    memset(&out, 0, sizeof(out));

    /* a part takes at most 59 bytes, what is around them 69 */

    if (shardkv_buf_reserve(&out, 128 + r->limit * 64) != SHARD_OK) {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        return;
    }

    items = 0;

    for (i = 0; i < r->limit; i++) {
        items += parts[i].items;
    }

    out.len = sprintf(out.data,
                      "{\"position\":%llu,\"items\":%llu,\"parts\":[",
                      (unsigned long long) position,
                      (unsigned long long) items);

    for (i = 0; i < r->limit; i++) {
        shard_hex_encode(parts[i].hash, hex);
        out.len += sprintf(out.data + out.len,
                           "%s{\"items\":%llu,\"hash\":\"%s\"}",
                           i ? "," : "",
                           (unsigned long long) parts[i].items, hex);
    }

    out.len += sprintf(out.data + out.len, "]}\n");

    r->answer.status = 200;
    r->answer.has_position = 1;
    r->answer.position = position;
    r->answer.type = "application/json";
    r->answer.body = out.data;
    r->answer.len = out.len;
}
