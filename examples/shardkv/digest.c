
/*
 * Digests, in a thread of their own: a scan of a large shard must not stop
 * the MHD threads.
 *
 * What each part's record says (part.c) is the answer when it can be put
 * together of those: 64 parts or a divisor of it, of all keys; of a range,
 * what is kept of that one (kept.c).  scan=yes reads all items again instead,
 * so that what is on the disk is compared.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shardkv.h"


static void *shardkv_scanner_main(void *data);
static void shardkv_digest(shardkv_request_t *r);
static int shardkv_digest_scan(const shardkv_request_t *r, MDB_txn *txn,
    MDB_dbi dbi, MDB_val from, unsigned queue, shardkv_part_t *parts);
static void shardkv_digest_answer(shardkv_request_t *r, uint64_t position,
    const shardkv_part_t *parts, unsigned kept);


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

            if (r->route->call == SHARDKV_DIGEST) {
                shardkv_digest(r);

            } else {
                shardkv_kept_scan(r);

                if (r->answer.code == NULL) {
                    shardkv_queue_push(&srv->writer, r);
                    continue;
                }
            }

            shardkv_resume(r, SHARDKV_ANSWER);
        }
    }
}


static void
shardkv_digest(shardkv_request_t *r)
{
    int               rc;
    MDB_txn          *txn;
    unsigned          kept;
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

    rc = (r->has_range && !r->scan && SHARDKV_PARTS % r->limit == 0)
         ? shardkv_kept_get(r, txn, parts) : MDB_NOTFOUND;

    kept = (rc == 0);

    if (rc == MDB_NOTFOUND) {
        rc = shardkv_digest_items(r, txn, &s, parts);
    }

    shardkv_read_end(store, txn);

    if (rc == 0) {
        shardkv_digest_answer(r, s.position, parts, kept);

    } else {
        shardkv_broken(&r->answer, "digest", rc);
    }

    free(parts);
}


int
shardkv_digest_items(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, shardkv_part_t *parts)
{
    int               rc;
    char              buf[SHARDKV_KEY_BUF];
    MDB_val           from;
    unsigned          n, counted;
    shardkv_part_t    part;
    shardkv_store_t  *store;

    store = &r->server->store;
    counted = !r->scan && !r->has_range && SHARDKV_PARTS % r->limit == 0;

    for (n = 0; n < SHARDKV_PARTS; n++) {
        rc = shardkv_part_get(store, txn, r->shard, s, n, &part);

        if (rc == 0 && counted) {
            parts[n * r->limit / SHARDKV_PARTS].items += part.items;
            parts[n * r->limit / SHARDKV_PARTS].hash += part.hash;
            continue;
        }

        from = shardkv_part_key(buf, r->shard, part.generation, n);

        if (rc == 0) {
            rc = shardkv_digest_scan(r, txn, store->data, from, 0, parts);
        }

        if (rc == 0) {
            rc = shardkv_digest_scan(r, txn, store->queue, from, 1, parts);
        }

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


/* one part of the store, which may be in several of the answer's */

static int
shardkv_digest_scan(const shardkv_request_t *r, MDB_txn *txn, MDB_dbi dbi,
    MDB_val from, unsigned queue, shardkv_part_t *parts)
{
    int              rc;
    MDB_val          key, data;
    uint64_t         n, part;
    MDB_cursor      *cursor;
    shardkv_item_t   item;

    rc = mdb_cursor_open(txn, dbi, &cursor);

    if (rc != 0) {
        return rc;
    }

    key = from;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    for ( /* void */ ;
         rc == 0 && shardkv_part_holds(from, key);
         rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT))
    {
        rc = shardkv_key_decode(key, queue, &item);

        if (rc != 0) {
            break;
        }

        if (!shardkv_range_holds(r, item.key, item.klen)) {
            continue;
        }

        n = (queue && item.n == 0) ? SHARDKV_TAKEN_N : item.n;

        part = (uint64_t) ((unsigned __int128)
                           shardkv_mix(item.key, item.klen) * r->limit >> 64);

        parts[part].items += (n != SHARDKV_TAKEN_N);
        parts[part].hash += shardkv_item_hash(item.key, item.klen, n,
                                              data.mv_data, data.mv_size);
    }

    mdb_cursor_close(cursor);

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}


/* kept: a range's, and no items were read */

static void
shardkv_digest_answer(shardkv_request_t *r, uint64_t position,
    const shardkv_part_t *parts, unsigned kept)
{
    char           hex[17];
    uint64_t       i, items;
    shardkv_buf_t  out;

    memset(&out, 0, sizeof(out));

    /* a part takes at most 59 bytes, what is around them 81 */

    if (shardkv_buf_reserve(&out, 128 + r->limit * 64) != SHARD_OK) {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        return;
    }

    items = 0;

    for (i = 0; i < r->limit; i++) {
        items += parts[i].items;
    }

    out.len = sprintf(out.data,
                      "{\"position\":%llu,\"items\":%llu,%s\"parts\":[",
                      (unsigned long long) position,
                      (unsigned long long) items,
                      kept ? "\"kept\":true," : "");

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
