
/*
 * Ordinary requests: who may be served, and the reads.
 */


#include <stdlib.h>
#include <string.h>

#include "shardkv.h"


static int
shardkv_misdirected(shardkv_answer_t *a, const char *message)
{
    shardkv_refuse(a, 421, "misdirected", "%s", message);
    return SHARD_ERROR;
}


/* docs/backend-contract.md, "Ordinary requests" */

int
shardkv_owner_check(const shardkv_shard_t *s, const shardkv_sender_t *sender,
    unsigned write, shardkv_answer_t *a)
{
    if (s->role == SHARDKV_NONE) {
        return shardkv_misdirected(a, "this node does not hold the shard");
    }

    if (s->role == SHARDKV_PRIMARY) {

        if (!sender->has_epoch || sender->epoch == s->epoch) {
            return SHARD_OK;
        }

        return shardkv_misdirected(a, sender->epoch < s->epoch
                                   ? "the sender's table is old: its epoch "
                                   "is smaller than the owner's"
                                   : "another node was made owner since: the "
                                   "epoch is larger than the one kept here");
    }

    if (write) {
        return shardkv_misdirected(a, "a standby takes no writes");
    }

    if (s->mode == SHARDKV_FALLBACK
        && (!sender->has_epoch || sender->epoch == s->epoch))
    {
        return SHARD_OK;
    }

    if (sender->role == SHARDKV_PRIMARY || sender->role == SHARDKV_NONE) {
        return shardkv_misdirected(a, "this node is a standby of the shard");
    }

    return SHARD_OK;
}


/* a request by hand names no shard: it is the only one we are primary of */

static int
shardkv_shard_guess(shardkv_request_t *r, MDB_txn *txn)
{
    int       rc;
    unsigned  n;

    rc = shardkv_shard_only(&r->server->store, txn, &r->shard, &n);

    if (rc != 0) {
        shardkv_broken(&r->answer, "read", rc);
        return SHARD_ERROR;
    }

    if (n == 0) {
        return shardkv_misdirected(&r->answer,
                                   "this node is primary of no shard");
    }

    if (n > 1) {
        shardkv_refuse(&r->answer, 400, "bad_request", "X-Shard-Id is "
                       "missing, and this node is primary of %u shards", n);
        return SHARD_ERROR;
    }

    r->sender.has_shard = 1;

    return SHARD_OK;
}


/* SHARD_OK: *txn is open and the shard may be read (or written, as far as
 * can be known before the writer looks) */

static int
shardkv_owner_read(shardkv_request_t *r, MDB_txn **txn, shardkv_shard_t *s)
{
    int               rc;
    shardkv_store_t  *store;

    store = &r->server->store;

    rc = shardkv_read_begin(store, txn);

    if (rc != 0) {
        shardkv_broken(&r->answer, "read", rc);
        return SHARD_ERROR;
    }

    if (!r->sender.has_shard && shardkv_shard_guess(r, *txn) != SHARD_OK) {
        shardkv_read_end(store, *txn);
        return SHARD_ERROR;
    }

    rc = shardkv_shard_get(store, *txn, r->shard, s);

    if (rc != 0) {
        shardkv_broken(&r->answer, "read", rc);

    } else if (shardkv_owner_check(s, &r->sender, r->route->write, &r->answer)
               == SHARD_OK)
    {
        return SHARD_OK;
    }

    shardkv_read_end(store, *txn);

    return SHARD_ERROR;
}


int
shardkv_owner_precheck(shardkv_request_t *r)
{
    MDB_txn          *txn;
    shardkv_shard_t   s;

    if (shardkv_owner_read(r, &txn, &s) != SHARD_OK) {
        return SHARD_ERROR;
    }

    shardkv_read_end(&r->server->store, txn);

    return SHARD_OK;
}


void
shardkv_kv_get(shardkv_request_t *r)
{
    int               rc;
    char              buf[SHARDKV_KEY_BUF];
    MDB_txn          *txn;
    MDB_val           key, data;
    shardkv_place_t   place;
    shardkv_shard_t   s;

    if (shardkv_owner_read(r, &txn, &s) != SHARD_OK) {
        return;
    }

    rc = shardkv_place(&r->server->store, txn, r->shard, &s, r->key, r->klen,
                       &place);

    if (rc == 0) {
        key = shardkv_data_key(buf, r->shard, &place, r->key, r->klen);
        rc = mdb_get(txn, r->server->store.data, &key, &data);
    }

    if (rc == MDB_NOTFOUND && s.mode == SHARDKV_FILLING) {
        rc = shardkv_gone(&r->server->store, txn, r->shard, &place, r->key,
                          r->klen);

        if (rc == 0) {

            /* 404 is what is asked again at the source, which has it still */

            shardkv_refuse(&r->answer, 410, "gone", "the key was deleted");
            shardkv_read_end(&r->server->store, txn);
            return;
        }
    }

    if (rc == MDB_NOTFOUND) {
        shardkv_refuse(&r->answer, 404, "not_found", "no such key");

    } else if (rc != 0) {
        shardkv_broken(&r->answer, "read", rc);

    } else {
        r->answer.body = malloc(data.mv_size + 1);

        if (r->answer.body) {
            memcpy(r->answer.body, data.mv_data, data.mv_size);
            r->answer.len = data.mv_size;
            r->answer.type = "application/octet-stream";
            r->answer.status = 200;

        } else {
            shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        }
    }

    shardkv_read_end(&r->server->store, txn);
}


void
shardkv_queue_get(shardkv_request_t *r)
{
    MDB_txn          *txn;
    shardkv_shard_t   s;

    if (shardkv_owner_read(r, &txn, &s) != SHARD_OK) {
        return;
    }

    if (s.mode == SHARDKV_FILLING) {
        shardkv_refuse(&r->answer, 404, "not_found", "queues are not here "
                       "yet");
        shardkv_read_end(&r->server->store, txn);
        return;
    }

    if (s.held) {
        shardkv_refuse(&r->answer, 423, "held", "queues of this shard are "
                       "held; try again after POST resume");
        shardkv_read_end(&r->server->store, txn);
        return;
    }

    (void) shardkv_stream_queue(r, txn, &s);
}
