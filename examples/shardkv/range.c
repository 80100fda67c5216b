
/*
 * Ranges of keys: what a call is about, and POST drop, by which a primary
 * gives up the keys of a range that is another shard's now.
 *
 * Each key that goes is an entry of the log, so that standbys follow.  A call
 * looks at a bounded number of items and says where the next one goes on:
 *
 *     after=v0a1b  values behind the key with those bytes, then queues
 *     after=q0a1b  queues behind that key's
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shardkv.h"


typedef struct {
    uint64_t       left;        /* items that may be looked at */
    unsigned       more;        /* the scan ended before the last one */
    size_t         klen;        /* of the last key that was looked at */
    char           key[SHARDKV_KEY_MAX];
    shardkv_buf_t  items;       /* what goes */
} shardkv_scan_t;


static int shardkv_drop_after(shardkv_request_t *r, const char *text);
static int shardkv_drop_scan(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, shardkv_scan_t *scan);
static int shardkv_drop_start(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, char *from, MDB_val *start, unsigned *n);
static int shardkv_drop_part(shardkv_request_t *r, MDB_txn *txn,
    MDB_val start, shardkv_scan_t *scan);
static int shardkv_drop_key(const shardkv_request_t *r, MDB_val key,
    shardkv_scan_t *scan);
static int shardkv_drop_items(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s, shardkv_scan_t *scan, uint64_t *dropped);
static void shardkv_drop_answer(shardkv_request_t *r,
    const shardkv_scan_t *scan, uint64_t position, uint64_t dropped);


/* order=, lo=, hi= of any call that takes them, after= of a drop */

int
shardkv_range_decode(shardkv_request_t *r)
{
    char         err[SHARD_ERR_SIZE];
    shard_str_t  order, lo, hi, after;

    shardkv_query(r, "lo", &lo);
    shardkv_query(r, "hi", &hi);

    if (shardkv_query(r, "order", &order) == NULL) {

        if (lo.data || hi.data || r->route->call == SHARDKV_DROP
            || r->route->call == SHARDKV_DIGEST_PUT)
        {
            shardkv_refuse(&r->answer, 400, "bad_request",
                           "order= is missing: hash, uint64 or bytes");
            return SHARD_ERROR;
        }

        return SHARD_OK;
    }

    if (shard_range_decode(order, lo, hi, &r->range, err) != SHARD_OK) {
        shardkv_refuse(&r->answer, 400, "bad_request", "%.200s", err);
        return SHARD_ERROR;
    }

    r->has_range = 1;

    if (r->route->call == SHARDKV_DROP
        && shardkv_query(r, "after", &after))
    {
        return shardkv_drop_after(r, after.data);
    }

    return SHARD_OK;
}


static int
shardkv_drop_after(shardkv_request_t *r, const char *text)
{
    size_t  len;

    len = strlen(text);

    if ((text[0] != 'v' && text[0] != 'q') || len >= SHARDKV_NEXT_MAX
        || len % 2 == 0
        || strspn(text + 1, "0123456789abcdef") != len - 1)
    {
        shardkv_refuse(&r->answer, 400, "bad_request", "after= is none that "
                       "an answer had as \"next\"");
        return SHARD_ERROR;
    }

    memcpy(r->after, text, len + 1);

    return SHARD_OK;
}


int
shardkv_range_holds(const shardkv_request_t *r, const char *key, size_t klen)
{
    return !r->has_range || shard_range_holds(&r->range, key, klen);
}


/* drop and import change what a primary has: only for who knows its epoch */

int
shardkv_range_owner(const shardkv_request_t *r, const shardkv_shard_t *s,
    shardkv_answer_t *a)
{
    if (s->role != SHARDKV_PRIMARY) {
        shardkv_refuse_at(a, 409, "standby", s->position,
                          "only a primary's range of keys may change");
        return SHARD_ERROR;
    }

    if (r->sender.epoch != s->epoch) {
        shardkv_refuse_at(a, 409, "epoch", s->position,
                          "X-Shard-Epoch is not the primary's epoch");
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


int
shardkv_apply_drop(shardkv_request_t *r, MDB_txn *txn)
{
    int              rc;
    uint64_t         dropped;
    shardkv_scan_t   scan;
    shardkv_shard_t  s;

    rc = shardkv_shard_get(&r->server->store, txn, r->shard, &s);

    if (rc != 0 || shardkv_range_owner(r, &s, &r->answer) != SHARD_OK) {
        return rc;
    }

    rc = shardkv_token_check(r, txn, &s);

    if (rc != 0 || r->answer.code) {
        return rc;
    }

    memset(&scan, 0, sizeof(scan));
    scan.left = r->limit;
    dropped = 0;

    rc = shardkv_drop_scan(r, txn, &s, &scan);

    if (rc == 0) {
        rc = shardkv_drop_items(r, txn, &s, &scan, &dropped);
    }

    if (rc == 0 && dropped) {
        rc = shardkv_shard_put(&r->server->store, txn, r->shard, &s);
    }

    if (rc == 0) {
        shardkv_drop_answer(r, &scan, s.position, dropped);
    }

    free(scan.items.data);

    return rc;
}


/* either the values or the queues, behind "after" */

static int
shardkv_drop_scan(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, shardkv_scan_t *scan)
{
    int               rc;
    char              from[SHARDKV_KEY_BUF + 1];
    MDB_val           start;
    unsigned          n;
    shardkv_part_t    part;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_drop_start(r, txn, s, from, &start, &n);

    while (rc == 0) {
        rc = shardkv_drop_part(r, txn, start, scan);

        if (rc != 0 || scan->more || ++n == SHARDKV_PARTS) {
            break;
        }

        rc = shardkv_part_get(store, txn, r->shard, s, n, &part);
        start = shardkv_part_key(from, r->shard, part.generation, n);
    }

    return rc;
}


/* where the scan goes on, and in which part that is */

static int
shardkv_drop_start(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, char *from, MDB_val *start, unsigned *n)
{
    int               rc;
    char              after[SHARDKV_KEY_MAX], hex[3];
    size_t            i, klen;
    shardkv_place_t   place;
    shardkv_store_t  *store;

    store = &r->server->store;
    klen = r->after[0] ? strlen(r->after) / 2 : 0;

    if (klen == 0) {
        *n = 0;
        rc = shardkv_part_get(store, txn, r->shard, s, 0, &place.part);
        *start = shardkv_part_key(from, r->shard, place.part.generation, 0);
        return rc;
    }

    for (i = 0; i < klen; i++) {
        memcpy(hex, r->after + 1 + 2 * i, 2);
        hex[2] = '\0';
        after[i] = (char) strtol(hex, NULL, 16);
    }

    rc = shardkv_place(store, txn, r->shard, s, after, klen, &place);
    *n = place.n;

    if (r->after[0] == 'q') {
        *start = shardkv_queue_key(from, r->shard, &place, after, klen,
                                   UINT64_MAX);

    } else {

        /* no key has a zero byte behind all of another one but the next */

        *start = shardkv_data_key(from, r->shard, &place, after, klen);
        from[start->mv_size++] = '\0';
    }

    return rc;
}


static int
shardkv_drop_part(shardkv_request_t *r, MDB_txn *txn, MDB_val start,
    shardkv_scan_t *scan)
{
    int          rc;
    MDB_val      key, data;
    MDB_cursor  *cursor;

    rc = mdb_cursor_open(txn, r->after[0] == 'q' ? r->server->store.queue
                                                 : r->server->store.data,
                         &cursor);

    if (rc != 0) {
        return rc;
    }

    key = start;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);

    while (rc == 0 && shardkv_part_holds(start, key)) {

        if (scan->left == 0) {
            scan->more = 1;
            break;
        }

        scan->left--;
        rc = shardkv_drop_key(r, key, scan);

        if (rc == 0) {
            rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
        }
    }

    mdb_cursor_close(cursor);

    return (rc == MDB_NOTFOUND) ? 0 : rc;
}


/* of a queue its key is taken down once, whatever it holds */

static int
shardkv_drop_key(const shardkv_request_t *r, MDB_val key,
    shardkv_scan_t *scan)
{
    unsigned         queue;
    shardkv_item_t   item;

    memset(&item, 0, sizeof(item));
    queue = (r->after[0] == 'q');

    if (shardkv_key_decode(key, queue, &item) != 0) {
        return MDB_CORRUPTED;
    }

    if (queue && item.klen == scan->klen
        && memcmp(item.key, scan->key, item.klen) == 0)
    {
        return 0;
    }

    memcpy(scan->key, item.key, item.klen);
    scan->klen = item.klen;

    if (!shardkv_range_holds(r, item.key, item.klen)) {
        return 0;
    }

    item.op = queue ? SHARDKV_CLEAR : SHARDKV_DEL;
    item.n = 0;

    return shardkv_items_add(&scan->items, &item) == SHARD_OK ? 0 : ENOMEM;
}


static int
shardkv_drop_items(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s,
    shardkv_scan_t *scan, uint64_t *dropped)
{
    int             rc;
    size_t          offset;
    shardkv_item_t  item;

    for (offset = 0; shardkv_items_next(&scan->items, &offset, &item); ) {
        rc = shardkv_change(&r->server->store, txn, r->shard, s, &item);

        if (rc != 0) {
            return rc;
        }

        (*dropped)++;
    }

    return 0;
}


static void
shardkv_drop_answer(shardkv_request_t *r, const shardkv_scan_t *scan,
    uint64_t position, uint64_t dropped)
{
    int     queue;
    char    next[SHARDKV_NEXT_MAX + 16];
    size_t  i, n;

    queue = r->after[0] == 'q';
    next[0] = '\0';

    /* behind the values come the queues, behind the queues nothing */

    if (scan->more || !queue) {
        n = (size_t) sprintf(next, ",\"next\":\"%c",
                             scan->more && !queue ? 'v' : 'q');

        for (i = 0; scan->more && i < scan->klen; i++) {
            n += (size_t) sprintf(next + n, "%02x",
                                  (unsigned char) scan->key[i]);
        }

        sprintf(next + n, "\"");
    }

    shardkv_json(&r->answer, "{\"position\":%llu,\"dropped\":%llu%s}\n",
                 (unsigned long long) position,
                 (unsigned long long) dropped, next);
}
