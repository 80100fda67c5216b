
/*
 * Who drops and imports is not the only one that may do so at an epoch: the
 * shard keeps its owner meanwhile.  So such calls carry the token of the
 * claim that their sender has on the shard, X-Shard-Token.  One that was
 * stopped for a while, and whose claim another one has by then, comes with a
 * smaller token than that one's, and is refused, however late it comes.
 *
 * A larger token is kept even where what it came with is refused behind this
 * check: whose claim it is does not depend on that.
 */


#include <string.h>

#include "shardkv.h"


/* of "meta", host byte order; token: the largest one at that epoch */

typedef struct {
    uint32_t  epoch;
    uint32_t  unused;
    uint64_t  token;
} shardkv_token_t;


int
shardkv_token_check(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s)
{
    int              rc;
    char             buf[16];
    MDB_val          key;
    shardkv_token_t  last;

    if (!r->sender.has_token) {
        return 0;
    }

    key = shardkv_meta_key(buf, "token", r->shard);

    rc = shardkv_record_get(txn, r->server->store.meta, key, &last,
                            sizeof(last));

    if (rc != 0 && rc != MDB_NOTFOUND) {
        return rc;
    }

    if (rc == MDB_NOTFOUND || last.epoch != s->epoch) {
        memset(&last, 0, sizeof(last));
        last.epoch = s->epoch;
    }

    if (r->sender.token < last.token) {
        shardkv_refuse_at(&r->answer, 409, "token", s->position,
                          "another sender has the shard's claim by now");
        return 0;
    }

    if (r->sender.token == last.token) {
        return 0;
    }

    last.token = r->sender.token;

    return shardkv_record_put(txn, r->server->store.meta, key, &last,
                              sizeof(last));
}
