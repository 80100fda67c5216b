
/*
 * The one writer: group commit.
 *
 * All that waits goes into one transaction; nothing of it is answered before
 * the commit.  When LMDB fails for one of them (the map or the disk is full)
 * the transaction is dropped and each gets one of its own, so that one big
 * write does not take the others with it.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "shardkv.h"


#define SHARDKV_GARBAGE_BUSY   64             /* deletions beside a batch */
#define SHARDKV_GARBAGE_IDLE   2000
#define SHARDKV_QUIET_NS       1000000000ull


static void *shardkv_writer_main(void *data);
static void shardkv_writer_batch(shardkv_server_t *srv,
    shardkv_request_t *list);
static int shardkv_writer_txn(shardkv_server_t *srv, shardkv_request_t *list,
    unsigned one);
static void shardkv_writer_error(shardkv_server_t *srv, shardkv_request_t *r,
    int rc);
static void shardkv_writer_count(shardkv_server_t *srv,
    const shardkv_request_t *r);
static void shardkv_writer_answer(shardkv_request_t *r);
static int shardkv_writer_garbage(shardkv_server_t *srv, MDB_txn *txn,
    unsigned n);


int
shardkv_writer_start(shardkv_server_t *srv)
{
    srv->garbage = 1;

    return shardkv_queue_start(&srv->writer, shardkv_writer_main, srv);
}


static void *
shardkv_writer_main(void *data)
{
    unsigned            stop;
    shardkv_server_t   *srv;
    shardkv_request_t  *list;

    srv = data;

    for ( ;; ) {
        stop = srv->writer.stop;
        list = shardkv_queue_take(&srv->writer, srv->garbage == 0);

        if (list) {
            shardkv_writer_batch(srv, list);

        } else if (stop) {
            return NULL;

        } else if (srv->garbage) {
            (void) shardkv_writer_garbage(srv, NULL, SHARDKV_GARBAGE_IDLE);
        }
    }
}


static void
shardkv_writer_batch(shardkv_server_t *srv, shardkv_request_t *list)
{
    int                 rc;
    shardkv_request_t  *r, *next;

    if (shardkv_writer_txn(srv, list, 0) != 0) {

        for (r = list; r; r = r->next) {
            rc = shardkv_writer_txn(srv, r, 1);

            if (rc != 0) {
                shardkv_writer_error(srv, r, rc);
            }
        }
    }

    for (r = list; r; r = next) {
        next = r->next;
        shardkv_writer_count(srv, r);
        shardkv_writer_answer(r);
    }
}


/* what ordinary writes wait: a copy that they feel is to slow down */

static void
shardkv_writer_count(shardkv_server_t *srv, const shardkv_request_t *r)
{
    uint64_t  now_ns;

    if (r->route->data) {
        return;
    }

    now_ns = shardkv_monotonic_ns();

    srv->write_ns = (srv->write_ns * 15 + (now_ns - r->handed_ns)) / 16;
    srv->written_ns = now_ns;
}


int
shardkv_writer_busy(const shardkv_server_t *srv)
{
    return shardkv_monotonic_ns() - srv->written_ns < SHARDKV_QUIET_NS;
}


/* the whole list, or only its first one */

static int
shardkv_writer_txn(shardkv_server_t *srv, shardkv_request_t *list,
    unsigned one)
{
    int                 rc;
    MDB_txn            *txn;
    shardkv_request_t  *r;

    rc = mdb_txn_begin(srv->store.env, NULL, 0, &txn);

    if (rc != 0) {
        return rc;
    }

    rc = shardkv_store_full(&srv->store, &srv->store.full);

    for (r = list; rc == 0 && r; r = one ? NULL : r->next) {
        shardkv_answer_reset(&r->answer);
        rc = shardkv_apply(r, txn);
    }

    if (rc == 0 && srv->garbage && !one) {
        rc = shardkv_writer_garbage(srv, txn, SHARDKV_GARBAGE_BUSY);
    }

    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }

    rc = mdb_txn_commit(txn);

    for (r = list; rc == 0 && r; r = one ? NULL : r->next) {

        if (r->route->chunks && r->answer.code == NULL) {
            shardkv_chunk_committed(r);
        }
    }

    return rc;
}


static void
shardkv_writer_error(shardkv_server_t *srv, shardkv_request_t *r, int rc)
{
    if (rc == MDB_PANIC) {

        /* LMDB does not know what is on disk: a restart reads it again */

        fprintf(stderr, "shardkv %s: %s: a commit failed, giving up; "
                "start it again\n", srv->name, srv->store.dir);
        exit(1);
    }

    shardkv_answer_reset(&r->answer);

    if (rc == MDB_MAP_FULL || rc == MDB_TXN_FULL || rc == ENOSPC
        || rc == EDQUOT)
    {
        shardkv_refuse(&r->answer, 507, "full", "no room: %s; raise "
                       "--map-size or move shards away", mdb_strerror(rc));
        return;
    }

    if (rc == MDB_KEYEXIST && r->route->call == SHARDKV_IMPORT_PUT) {
        shardkv_refuse(&r->answer, 409, "queue_index", "a queue of the "
                       "snapshot does not go on behind what is here of it; "
                       "drop its range, then send the snapshot again");
        return;
    }

    fprintf(stderr, "shardkv %s: %s: a write failed: %s\n", srv->name,
            srv->store.dir, mdb_strerror(rc));
    shardkv_broken(&r->answer, "write", rc);
}


static void
shardkv_writer_answer(shardkv_request_t *r)
{
    if (r->route->chunks && !r->upload->last) {
        shardkv_resume(r, SHARDKV_RECEIVING);
        return;
    }

    if (shardkv_kept_unread(r)) {
        shardkv_queue_push(&r->server->scanner, r);
        return;
    }

    shardkv_resume(r, SHARDKV_ANSWER);
}


/* in "txn", or in one of its own; after an error it is tried again with the
 * next upload's end or start */

static int
shardkv_writer_garbage(shardkv_server_t *srv, MDB_txn *txn, unsigned n)
{
    int       rc;
    unsigned  left;
    MDB_txn  *own;

    /* before looking: an upload that ends meanwhile sets it again */

    srv->garbage = 0;

    if (txn) {
        rc = shardkv_garbage_collect(srv, txn, n, &left);

        if (left) {
            srv->garbage = 1;
        }

        return rc;
    }

    rc = mdb_txn_begin(srv->store.env, NULL, 0, &own);

    if (rc != 0) {
        return rc;
    }

    rc = shardkv_garbage_collect(srv, own, n, &left);

    if (rc != 0) {
        mdb_txn_abort(own);
        return rc;
    }

    rc = mdb_txn_commit(own);

    if (rc == 0 && left) {
        srv->garbage = 1;
    }

    return rc;
}
