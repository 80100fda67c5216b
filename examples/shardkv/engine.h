
/*
 * Data that shardkv keeps in a database of its own: --store SCHEME://...
 *
 *   MHD thread ─▶ pace.c ─▶ queue ─▶ a thread of the pool ─▶ database
 *                                      its own connection       │
 *   MHD thread ◀──── resumed ◀──────── run(): r->answer ◀───────┘
 *
 * A client's requests are in order because it waits for each answer; those
 * that are under way at a time have none.  So an engine checks role and
 * epoch, writes and logs in one transaction of its database, and answers
 * when that is durable there.
 *
 * What run() may read of a request:
 *
 *   route->call       what is wanted; one of the engine's calls
 *   route->write      it changes something
 *   shard             when sender.has_shard or route->data; else it is a
 *                     request by hand: the only shard this node is primary
 *                     of, or a refusal
 *   sender            for shardkv_owner_check()
 *   key, klen         of /kv/ and the queues; checked: UTF-8, 1 to 255 bytes
 *   body              the value, at most SHARDKV_VALUE_MAX
 *   position, limit   queue: entries behind from=, at most limit= of them
 *   role, epoch       of PUT role
 *   ttl_ms            PUT /kv/; 0: stays
 *   group, consumer   of take and ack
 *
 * It answers by the functions of answer.c: shardkv_refuse(), _done(),
 * _json(), or a malloc()ed r->answer.body with len, type and status.
 */


#ifndef _SHARDKV_ENGINE_H_INCLUDED_
#define _SHARDKV_ENGINE_H_INCLUDED_


#include "shardkv.h"


#define SHARDKV_ENGINE_MS  5000     /* no call to a database takes longer */

#define shardkv_bit(call)  (1u << (call))


struct shardkv_engine_s {
    const char  *scheme;            /* of the URL */
    const char  *driver;            /* the migrator's, that moves its data */
    unsigned     calls;             /* shardkv_bit() of those it answers */
    unsigned     ttl;               /* values may have one */

    /*
     * Connects, within SHARDKV_ENGINE_MS, and makes what the database lacks;
     * several threads may be at it at once.  SHARD_ERROR with "err", which
     * names the place but no password.  password_file: NULL, or a file whose
     * first line it is.
     */

    int        (*open)(void **conn, const char *url,
                     const char *password_file, char err[SHARD_ERR_SIZE]);

    /*
     * Sets r->answer, whatever happens and within SHARDKV_ENGINE_MS.
     * SHARD_ERROR: the connection is of no use any more, and is closed and
     * opened again before the next request.
     */

    int        (*run)(void *conn, shardkv_request_t *r);

    /* NULL, or work for when nothing waits: a short piece of it, and 1 when
     * there is more; asked each second, and after each change of role */

    int        (*idle)(void *conn);

    void       (*close)(void *conn);
};


/* by the URL's scheme; NULL with "err" */

const shardkv_engine_t *shardkv_engine_find(const char *url,
    char err[SHARD_ERR_SIZE]);

/* srv->pool has engine, url, password_file and n; "err": no connection */

int shardkv_pool_start(shardkv_server_t *srv, char err[SHARD_ERR_SIZE]);
void shardkv_pool_stop(shardkv_server_t *srv);

/* the first line of a file of at most size - 1 bytes */

int shardkv_password_read(const char *path, char *buf, size_t size,
    char err[SHARD_ERR_SIZE]);


#endif /* _SHARDKV_ENGINE_H_INCLUDED_ */
