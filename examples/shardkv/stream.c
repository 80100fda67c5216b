
/*
 * Answers as long as a shard: NDJSON out of one read transaction, a line at
 * a time, as the socket takes it.  Memory: one line.
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
    shardkv_line_e     kind;
    unsigned           queue;       /* a snapshot's second half */
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
static int shardkv_stream_next(shardkv_stream_t *st);
static int shardkv_stream_seek(shardkv_stream_t *st, MDB_val *key,
    MDB_val *data);
static int shardkv_stream_item(shardkv_stream_t *st, MDB_val key,
    MDB_val data, shardkv_item_t *item);
static void shardkv_stream_free(void *cls);


int
shardkv_stream_snapshot(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s)
{
    char               buf[SHARDKV_KEY_BUF];
    shardkv_stream_t  *st;

    st = shardkv_stream_new(r, txn, SHARDKV_LINE_SNAPSHOT);

    if (st == NULL) {
        return SHARD_ERROR;
    }

    return shardkv_stream_start(r, st, r->server->store.data,
                                shardkv_prefix(buf, r->shard, s->generation));
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
    char               buf[SHARDKV_KEY_BUF];
    shardkv_stream_t  *st;

    st = shardkv_stream_new(r, txn, SHARDKV_LINE_QUEUE);

    if (st == NULL) {
        return SHARD_ERROR;
    }

    st->left = r->limit;

    return shardkv_stream_start(r, st, r->server->store.queue,
                                shardkv_queue_key(buf, r->shard,
                                                  s->generation, r->key,
                                                  r->klen, r->position + 1));
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

    memcpy(st->from, from.mv_data, from.mv_size);
    st->from_len = from.mv_size;
    st->prefix = (st->kind == SHARDKV_LINE_SNAPSHOT) ? from.mv_size
                                                     : from.mv_size - 8;
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

        rc = mdb_cursor_get(st->cursor, key, data,
                            st->seek ? MDB_SET_RANGE : MDB_NEXT);
        st->seek = 0;

        if (rc == 0 && key->mv_size >= st->prefix
            && memcmp(key->mv_data, st->from, st->prefix) == 0)
        {
            st->left--;
            return SHARD_OK;
        }

        if (rc != 0 && rc != MDB_NOTFOUND) {
            return SHARD_ERROR;
        }

        if (st->kind == SHARDKV_LINE_LOG && st->left) {
            return SHARD_ERROR;
        }

        if (st->kind != SHARDKV_LINE_SNAPSHOT || st->queue) {
            st->left = 0;
            return SHARD_AGAIN;
        }

        /* the values are through, now the queues */

        mdb_cursor_close(st->cursor);
        st->cursor = NULL;

        if (mdb_cursor_open(st->txn, st->server->store.queue, &st->cursor)
            != 0)
        {
            return SHARD_ERROR;
        }

        st->queue = 1;
        st->seek = 1;
    }
}


static int
shardkv_stream_item(shardkv_stream_t *st, MDB_val key, MDB_val data,
    shardkv_item_t *item)
{
    const char  *p;

    if (st->kind == SHARDKV_LINE_LOG) {
        return shardkv_entry_decode(key, data, item);
    }

    p = (const char *) key.mv_data + 8;

    item->key = p;
    item->klen = key.mv_size - 8;
    item->value = data.mv_data;
    item->vlen = data.mv_size;
    item->n = 0;
    item->op = SHARDKV_PUT;

    if (st->queue || st->kind == SHARDKV_LINE_QUEUE) {

        if (key.mv_size < 8 + 10) {
            return SHARD_ERROR;
        }

        item->op = SHARDKV_APPEND;
        item->key = p + 1;
        item->klen = key.mv_size - 8 - 9;
        item->n = shardkv_get64(p + 1 + item->klen);
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

    shardkv_read_end(&st->server->store, st->txn);

    if (st->counted) {
        atomic_fetch_sub(&st->server->streams, 1);
    }

    free(st->line.data);
    free(st);
}
