
/*
 * Answers as long as a shard: NDJSON out of one read transaction, a line at
 * a time, as the socket takes it.  Memory: one line.
 *
 * A snapshot goes through the parts one by one, values before queues: within
 * each of the two its lines are in the order of LMDB at the target, too.
 *
 * The transaction keeps the pages of its state from being used again, so
 * the connection's time limit bounds how long a slow reader may do that.
 */


#include <stdlib.h>
#include <string.h>

#include "shardkv.h"


#define SHARDKV_STREAM_BLOCK  32768


typedef struct {
    shardkv_server_t  *server;
    shardkv_request_t *request;     /* lives as long: its range */
    MDB_txn           *txn;
    MDB_cursor        *cursor;
    MDB_cursor        *queues;      /* of a snapshot */
    shardkv_line_e     kind;
    shard_id_t         shard;
    shardkv_shard_t    record;
    unsigned           part;        /* of a snapshot: where it is, */
    unsigned           last;        /* and where it ends */
    unsigned           queue;       /* in its queues */
    unsigned           counted;     /* in server->streams */
    unsigned           seek;        /* the cursor is not at "from" yet */
    size_t             prefix;      /* bytes of "from" all keys share */
    size_t             from_len;
    char               from[SHARDKV_KEY_BUF];
    uint64_t           left;        /* lines to send at most */
    size_t             sent;        /* of "line" */
    shardkv_buf_t      line;
} shardkv_stream_t;


static int shardkv_stream_start(shardkv_request_t *r, shardkv_stream_t *st,
    MDB_dbi dbi, MDB_val from);
static shardkv_stream_t *shardkv_stream_new(shardkv_request_t *r,
    MDB_txn *txn, shardkv_line_e kind);
static ssize_t shardkv_stream_read(void *cls, uint64_t pos, char *buf,
    size_t max);
static int shardkv_stream_part(shardkv_stream_t *st);
static int shardkv_stream_next(shardkv_stream_t *st);
static int shardkv_stream_here(shardkv_stream_t *st, MDB_val key);
static int shardkv_stream_seek(shardkv_stream_t *st, MDB_val *key,
    MDB_val *data);
static int shardkv_stream_item(shardkv_stream_t *st, MDB_val key,
    MDB_val data, shardkv_item_t *item);
static void shardkv_stream_free(void *cls);


int
shardkv_stream_snapshot(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s)
{
    int                rc;
    MDB_val            from;
    shardkv_stream_t  *st;

    st = shardkv_stream_new(r, txn, SHARDKV_LINE_SNAPSHOT);

    if (st == NULL) {
        return SHARD_ERROR;
    }

    st->shard = r->shard;
    st->record = *s;
    st->part = r->has_part ? (unsigned) r->part : 0;
    st->last = r->has_part ? (unsigned) r->part : SHARDKV_PARTS - 1;

    rc = mdb_cursor_open(txn, r->server->store.queue, &st->queues);

    if (rc == 0) {
        rc = shardkv_stream_part(st);
    }

    if (rc != 0) {
        shardkv_stream_free(st);
        shardkv_broken(&r->answer, "read", rc);
        return SHARD_ERROR;
    }

    from.mv_data = st->from;
    from.mv_size = st->from_len;

    return shardkv_stream_start(r, st, r->server->store.data, from);
}


int
shardkv_stream_log(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, uint64_t last)
{
    char               buf[SHARDKV_KEY_BUF];
    shardkv_stream_t  *st;

    st = shardkv_stream_new(r, txn, SHARDKV_LINE_LOG);

    if (st == NULL) {
        return SHARD_ERROR;
    }

    st->left = last - r->position;

    return shardkv_stream_start(r, st, r->server->store.log,
                                shardkv_log_key(buf, r->shard, s->generation,
                                                r->position + 1));
}


int
shardkv_stream_queue(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s)
{
    int                rc;
    char               buf[SHARDKV_KEY_BUF];
    shardkv_place_t    place;
    shardkv_stream_t  *st;

    st = shardkv_stream_new(r, txn, SHARDKV_LINE_QUEUE);

    if (st == NULL) {
        return SHARD_ERROR;
    }

    st->left = r->limit;

    rc = shardkv_place(&r->server->store, txn, r->shard, s, r->key, r->klen,
                       &place);

    if (rc != 0) {
        shardkv_stream_free(st);
        shardkv_broken(&r->answer, "read", rc);
        return SHARD_ERROR;
    }

    return shardkv_stream_start(r, st, r->server->store.queue,
                                shardkv_queue_key(buf, r->shard, &place,
                                                  r->key, r->klen,
                                                  r->position + 1));
}


/* snapshots and logs are few at a time; a queue's listing is short */

static shardkv_stream_t *
shardkv_stream_new(shardkv_request_t *r, MDB_txn *txn, shardkv_line_e kind)
{
    shardkv_stream_t  *st;

    st = calloc(1, sizeof(shardkv_stream_t));

    if (st == NULL) {
        shardkv_read_end(&r->server->store, txn);
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        return NULL;
    }

    st->server = r->server;
    st->request = r;
    st->txn = txn;
    st->kind = kind;
    st->left = UINT64_MAX;

    if (kind != SHARDKV_LINE_QUEUE) {
        st->counted = 1;

        if (atomic_fetch_add(&r->server->streams, 1) >= SHARDKV_STREAMS_MAX) {
            shardkv_stream_free(st);
            shardkv_refuse(&r->answer, 503, "busy", "%d snapshots and logs "
                           "are being sent already", SHARDKV_STREAMS_MAX);
            return NULL;
        }
    }

    return st;
}


static int
shardkv_stream_start(shardkv_request_t *r, shardkv_stream_t *st, MDB_dbi dbi,
    MDB_val from)
{
    int  rc;

    memmove(st->from, from.mv_data, from.mv_size);
    st->from_len = from.mv_size;
    st->prefix = from.mv_size - 8;
    st->seek = 1;

    rc = mdb_cursor_open(st->txn, dbi, &st->cursor);

    if (rc != 0) {
        shardkv_stream_free(st);
        shardkv_broken(&r->answer, "read", rc);
        return SHARD_ERROR;
    }

    r->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
                      SHARDKV_STREAM_BLOCK, shardkv_stream_read, st,
                      shardkv_stream_free);

    if (r->response == NULL) {
        shardkv_stream_free(st);
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        return SHARD_ERROR;
    }

    r->answer.status = 200;
    r->answer.type = "application/x-ndjson";

    return SHARD_OK;
}


static ssize_t
shardkv_stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    int                rc;
    size_t             n, len;
    shardkv_stream_t  *st;

    (void) pos;

    st = cls;
    len = 0;

    while (len < max) {

        if (st->sent == st->line.len) {
            st->sent = 0;
            st->line.len = 0;

            rc = shardkv_stream_next(st);

            if (rc == SHARD_ERROR) {
                return MHD_CONTENT_READER_END_WITH_ERROR;
            }

            if (rc == SHARD_AGAIN) {
                break;
            }
        }

        n = st->line.len - st->sent;
        n = (n < max - len) ? n : max - len;

        memcpy(buf + len, st->line.data + st->sent, n);

        st->sent += n;
        len += n;
    }

    atomic_fetch_add(&st->server->streamed, len);

    return len ? (ssize_t) len : MHD_CONTENT_READER_END_OF_STREAM;
}


/* SHARD_OK: a line is there; SHARD_AGAIN: that was all */

static int
shardkv_stream_next(shardkv_stream_t *st)
{
    int             rc, in;
    MDB_val         key, data;
    shardkv_item_t  item;

    do {
        rc = shardkv_stream_seek(st, &key, &data);

        if (rc != SHARD_OK) {
            return rc;
        }

        if (shardkv_stream_item(st, key, data, &item) != SHARD_OK) {
            return SHARD_ERROR;
        }

        in = item.op == SHARDKV_SKIP
             || shardkv_range_holds(st->request, item.key, item.klen);

    } while (!in && st->kind != SHARDKV_LINE_LOG);

    /* its position is sent all the same: there is no gap in a log */

    if (!in) {
        item.op = SHARDKV_SKIP;
    }

    return shardkv_line_encode(st->kind, &item, &st->line);
}


static int
shardkv_stream_seek(shardkv_stream_t *st, MDB_val *key, MDB_val *data)
{
    int  rc;

    for ( ;; ) {

        if (st->left == 0) {
            return SHARD_AGAIN;
        }

        key->mv_data = st->from;
        key->mv_size = st->from_len;

        rc = mdb_cursor_get(st->queue ? st->queues : st->cursor, key, data,
                            st->seek ? MDB_SET_RANGE : MDB_NEXT);
        st->seek = 0;

        if (rc == 0 && shardkv_stream_here(st, *key)) {
            st->left--;
            return SHARD_OK;
        }

        if ((rc != 0 && rc != MDB_NOTFOUND) || st->kind == SHARDKV_LINE_LOG)
        {
            return SHARD_ERROR;
        }

        if (st->kind == SHARDKV_LINE_QUEUE
            || (st->queue && st->part == st->last))
        {
            st->left = 0;
            return SHARD_AGAIN;
        }

        /* a part's values are through, now its queues, then the next part */

        st->part += st->queue;
        st->queue = !st->queue;

        if (shardkv_stream_part(st) != 0) {
            return SHARD_ERROR;
        }
    }
}


/* "from" is where the part begins */

static int
shardkv_stream_part(shardkv_stream_t *st)
{
    int             rc;
    MDB_val         from;
    shardkv_part_t  part;

    rc = shardkv_part_get(&st->server->store, st->txn, st->shard,
                          &st->record, st->part, &part);

    from = shardkv_part_key(st->from, st->shard, part.generation, st->part);
    st->from_len = from.mv_size;
    st->seek = 1;

    return rc;
}


static int
shardkv_stream_here(shardkv_stream_t *st, MDB_val key)
{
    MDB_val  from;

    if (st->kind == SHARDKV_LINE_SNAPSHOT) {
        from.mv_data = st->from;
        from.mv_size = st->from_len;
        return shardkv_part_holds(from, key);
    }

    return key.mv_size >= st->prefix
           && memcmp(key.mv_data, st->from, st->prefix) == 0;
}


static int
shardkv_stream_item(shardkv_stream_t *st, MDB_val key, MDB_val data,
    shardkv_item_t *item)
{
    if (st->kind == SHARDKV_LINE_LOG) {
        return shardkv_entry_decode(key, data, item);
    }

    if (shardkv_key_decode(key, st->queue || st->kind == SHARDKV_LINE_QUEUE,
                           item) != 0)
    {
        return SHARD_ERROR;
    }

    item->value = data.mv_data;
    item->vlen = data.mv_size;

    if (item->op == SHARDKV_APPEND && item->n == 0) {

        if (data.mv_size != 8) {
            return SHARD_ERROR;
        }

        item->op = SHARDKV_TAKEN;
        item->n = shardkv_get64(data.mv_data);
    }

    return SHARD_OK;
}


static void
shardkv_stream_free(void *cls)
{
    shardkv_stream_t  *st;

    st = cls;

    if (st->cursor) {
        mdb_cursor_close(st->cursor);
    }

    if (st->queues) {
        mdb_cursor_close(st->queues);
    }

    shardkv_read_end(&st->server->store, st->txn);

    if (st->counted) {
        atomic_fetch_sub(&st->server->streams, 1);
    }

    free(st->line.data);
    free(st);
}
