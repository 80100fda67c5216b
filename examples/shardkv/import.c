
/*
 * Import: the data of a neighbour that is to be joined come to a primary as
 * writes of its own, entries of its log as any others.  Where in the other
 * one's log that has come is kept beside the shard:
 *
 *   PUT    /_shard/ID/import?of=OTHER   a snapshot: begins anew
 *   POST   /_shard/ID/import?of=OTHER   its log behind that
 *   GET    /_shard/ID/import?of=OTHER   {"of","position"}, 404: none
 *   DELETE /_shard/ID/import?of=OTHER   no more of it will come
 *
 * Each PUT has a number.  A chunk of an earlier one, which its sender gave
 * up, finds another number there and is refused.
 */


#include <string.h>

#include "shardkv.h"


/* of "meta", host byte order; number: generation_next()'s */

typedef struct {
    uint32_t  of;
    uint32_t  number;
    uint64_t  ready;                    /* the snapshot is complete */
    uint64_t  position;
} shardkv_import_t;


static int shardkv_import_load(shardkv_request_t *r, MDB_txn *txn,
    shardkv_import_t *im);
static int shardkv_import_store(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_import_t *im);
static int shardkv_import_chunk(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s);
static int shardkv_import_items(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s);
static int shardkv_import_log(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s);
static int shardkv_import_end(shardkv_request_t *r, MDB_txn *txn);


/* MDB_NOTFOUND: none, or one of another shard */

static int
shardkv_import_load(shardkv_request_t *r, MDB_txn *txn, shardkv_import_t *im)
{
    int   rc;
    char  buf[16];

    rc = shardkv_record_get(txn, r->server->store.meta,
                            shardkv_meta_key(buf, "import", r->shard), im,
                            sizeof(shardkv_import_t));

    return (rc == 0 && im->of != r->of) ? MDB_NOTFOUND : rc;
}


static int
shardkv_import_store(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_import_t *im)
{
    char  buf[16];

    return shardkv_record_put(txn, r->server->store.meta,
                              shardkv_meta_key(buf, "import", r->shard), im,
                              sizeof(shardkv_import_t));
}


int
shardkv_apply_import(shardkv_request_t *r, MDB_txn *txn)
{
    int              rc;
    shardkv_shard_t  s;

    rc = shardkv_shard_get(&r->server->store, txn, r->shard, &s);

    if (rc != 0 || shardkv_range_owner(r, &s, &r->answer) != SHARD_OK) {
        return rc;
    }

    rc = shardkv_token_check(r, txn, &s);

    if (rc != 0 || r->answer.code) {
        return rc;
    }

    if (r->route->call == SHARDKV_IMPORT_DELETE) {
        return shardkv_import_end(r, txn);
    }

    if (r->upload->items.len && shardkv_full(r)) {
        return 0;
    }

    return r->route->call == SHARDKV_IMPORT_PUT
           ? shardkv_import_chunk(r, txn, &s)
           : shardkv_import_log(r, txn, &s);
}


static int
shardkv_import_chunk(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s)
{
    int                rc;
    shardkv_import_t   im;
    shardkv_upload_t  *up;

    up = r->upload;

    if (!up->begun) {
        memset(&im, 0, sizeof(im));
        im.of = r->of;
        rc = shardkv_generation_next(&r->server->store, txn, &im.number);

        if (rc != 0) {
            return rc;
        }

        pthread_mutex_lock(&r->server->uploads_mutex);
        up->generation = im.number;
        pthread_mutex_unlock(&r->server->uploads_mutex);

    } else {
        rc = shardkv_import_load(r, txn, &im);

        if (rc == MDB_NOTFOUND || (rc == 0 && im.number != up->generation)) {
            shardkv_refuse_at(&r->answer, 409, "superseded", s->position,
                              "another import was begun since");
            return 0;
        }

        if (rc != 0) {
            return rc;
        }
    }

    rc = shardkv_import_items(r, txn, s);

    if (rc != 0 || r->answer.code) {
        return rc;
    }

    im.ready = up->last;
    im.position = r->position;
    rc = shardkv_import_store(r, txn, &im);

    if (rc == 0) {
        rc = shardkv_shard_put(&r->server->store, txn, r->shard, s);
    }

    if (rc == 0 && up->last) {
        shardkv_done_at(&r->answer, 204, r->position);
    }

    return rc;
}


/* a queue's entries keep their indexes: there are none of that key yet.
 * MDB_KEYEXIST: there are, and the writer refuses it (writer.c) */

static int
shardkv_import_items(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s)
{
    int              rc;
    size_t           offset;
    uint64_t         n;
    shardkv_item_t   item;

    for (offset = 0;
         shardkv_items_next(&r->upload->items, &offset, &item); )
    {
        n = item.n;
        rc = shardkv_change(&r->server->store, txn, r->shard, s, &item);

        if (rc != 0) {
            return rc;
        }

        /* the writer gives this transaction up: nothing of it may stay */

        if (item.op == SHARDKV_APPEND && item.n != n) {
            return MDB_KEYEXIST;
        }
    }

    return 0;
}


/* the same rule as for a standby's log: no gap, and nothing twice */

static int
shardkv_import_log(shardkv_request_t *r, MDB_txn *txn, shardkv_shard_t *s)
{
    int               rc;
    size_t            offset;
    uint64_t          at;
    shardkv_item_t    item;
    shardkv_import_t  im;

    rc = shardkv_import_load(r, txn, &im);

    if (rc == MDB_NOTFOUND || (rc == 0 && !im.ready)) {
        shardkv_refuse_at(&r->answer, 409, "no_import", s->position,
                          "no snapshot of that shard was imported");
        return 0;
    }

    if (rc != 0) {
        return rc;
    }

    at = im.position;

    for (offset = 0; shardkv_items_next(&r->upload->items, &offset, &item); )
    {
        if (item.n > at + 1) {
            shardkv_refuse_at(&r->answer, 409, "gap", im.position,
                              "entries are missing before these; send from "
                              "\"position\" + 1 on");
            return 0;
        }

        at = (item.n > at) ? item.n : at;
    }

    for (offset = 0; shardkv_items_next(&r->upload->items, &offset, &item); )
    {
        if (item.n <= im.position) {
            continue;
        }

        im.position = item.n;

        if (item.op == SHARDKV_SKIP) {
            continue;
        }

        rc = shardkv_change(&r->server->store, txn, r->shard, s, &item);

        if (rc != 0) {
            return rc;
        }
    }

    rc = shardkv_import_store(r, txn, &im);

    if (rc == 0) {
        rc = shardkv_shard_put(&r->server->store, txn, r->shard, s);
    }

    if (rc == 0) {
        shardkv_json(&r->answer, "{\"position\":%llu}\n",
                     (unsigned long long) im.position);
    }

    return rc;
}


static int
shardkv_import_end(shardkv_request_t *r, MDB_txn *txn)
{
    int               rc;
    char              buf[16];
    MDB_val           key;
    shardkv_import_t  im;

    rc = shardkv_import_load(r, txn, &im);

    if (rc == 0) {
        key = shardkv_meta_key(buf, "import", r->shard);
        rc = mdb_del(txn, r->server->store.meta, &key, NULL);
    }

    if (rc == 0 || rc == MDB_NOTFOUND) {
        shardkv_done(&r->answer, 204);
        rc = 0;
    }

    return rc;
}


void
shardkv_import_get(shardkv_request_t *r)
{
    int               rc;
    MDB_txn          *txn;
    shardkv_import_t  im;

    rc = shardkv_read_begin(&r->server->store, &txn);

    if (rc == 0) {
        rc = shardkv_import_load(r, txn, &im);
        shardkv_read_end(&r->server->store, txn);
    }

    if (rc == MDB_NOTFOUND || (rc == 0 && !im.ready)) {
        shardkv_refuse(&r->answer, 404, "no_import", "no snapshot of that "
                       "shard was imported");

    } else if (rc != 0) {
        shardkv_broken(&r->answer, "read", rc);

    } else {
        shardkv_json(&r->answer, "{\"of\":%u,\"position\":%llu}\n",
                     im.of, (unsigned long long) im.position);
    }
}
