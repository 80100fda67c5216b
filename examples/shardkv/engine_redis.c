
/*
 * --store redis://[USER@]HOST:PORT[/DB]: one call of the library sharddata
 * (src/lua/data) for each request, which checks the owner, logs and writes
 * at once.  An answer is as durable as Redis makes it: with appendonly yes
 * and appendfsync always, on disk.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "engine_redis.h"


#define SHARDKV_REDIS_MS       2000      /* for one answer of Redis */
#define SHARDKV_COLLECT        "500"     /* values deleted at a time */


static void shardkv_redis_warn(shardd_redis_t *r);


static int
shardkv_redis_open(void **conn, const char *url, const char *password_file,
    char err[SHARD_ERR_SIZE])
{
    char              why[SHARDD_ERR_SIZE];
    shardkv_redis_t  *c;

    c = calloc(1, sizeof(shardkv_redis_t));

    if (c == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "no memory");
        return SHARD_ERROR;
    }

    if (shardd_redis_url(url, &c->conf, why) != 0) {
        snprintf(err, SHARD_ERR_SIZE, "%.200s", why);
        shardkv_engine_redis.close(c);
        return SHARD_ERROR;
    }

    if (c->conf.password) {
        snprintf(err, SHARD_ERR_SIZE, "a password in the URL is seen by all "
                 "on this machine: use --store-password-file");
        shardkv_engine_redis.close(c);
        return SHARD_ERROR;
    }

    if (password_file) {
        if (shardkv_password_read(password_file, c->password,
                                  sizeof(c->password), err) != SHARD_OK)
        {
            shardkv_engine_redis.close(c);
            return SHARD_ERROR;
        }

        c->conf.password = c->password;
    }

    c->conf.timeout_ms = SHARDKV_REDIS_MS;
    shardd_redis_init(&c->redis, &c->conf);

    if (shardd_data_open(&c->redis) != 0) {
        snprintf(err, SHARD_ERR_SIZE, "%.200s", c->redis.err);
        shardkv_engine_redis.close(c);
        return SHARD_ERROR;
    }

    shardkv_redis_warn(&c->redis);
    *conn = c;

    return SHARD_OK;
}


static void
shardkv_redis_close(void *conn)
{
    shardkv_redis_t  *c = conn;

    c->conf.password = c->password[0] ? NULL : c->conf.password;

    shardd_redis_close(&c->redis);
    free(c->conf.addr);
    free(c->conf.user);
    free(c->conf.password);
    free(c);
}


/* once: what makes an acknowledged write less than durable */

static void
shardkv_redis_warn(shardd_redis_t *r)
{
    uint64_t             aof, max;
    redisReply          *reply;

    static atomic_flag   said = ATOMIC_FLAG_INIT;

    if (atomic_flag_test_and_set(&said)) {
        return;
    }

    reply = shardd_redis_command(r, "INFO");

    if (reply && reply->type == REDIS_REPLY_STRING
        && shardd_data_info(reply->str, "aof_enabled", &aof) == 0 && !aof)
    {
        fprintf(stderr, "shardkv: redis %s has no AOF: a crash takes "
                "acknowledged writes and roles; set appendonly yes\n",
                r->conf.addr);
    }

    if (reply && reply->type == REDIS_REPLY_STRING
        && shardd_data_info(reply->str, "maxmemory", &max) == 0 && max
        && strstr(reply->str, "maxmemory_policy:noeviction") == NULL)
    {
        fprintf(stderr, "shardkv: redis %s evicts data when it is full; set "
                "maxmemory-policy noeviction\n", r->conf.addr);
    }

    if (reply) {
        freeReplyObject(reply);
    }
}


/* SHARD_AGAIN: it is the only one this node is primary of */

static int
shardkv_redis_only(shardkv_redis_t *c, shardkv_request_t *r)
{
    shard_str_t  id;
    redisReply  *reply;

    reply = shardd_data_call(&c->redis, "primaries", SHARDD_DATA_BASE, 0,
                             NULL, NULL);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return shardkv_redis_failed(c, r, reply);
    }

    id.data = shardd_data_text(reply, 0);
    id.len = id.data ? reply->element[0]->len : 0;

    if (reply->elements > 1) {
        shardkv_refuse(&r->answer, 400, "bad_request", "X-Shard-Id is "
                       "missing, and this node is primary of %zu shards",
                       reply->elements);

    } else if (id.data == NULL || shard_id_decode(id, &r->shard) != SHARD_OK)
    {
        shardkv_refuse(&r->answer, 421, "misdirected", "this node is primary "
                       "of no shard");

    } else {
        r->sender.has_shard = 1;
        freeReplyObject(reply);
        return SHARD_AGAIN;
    }

    freeReplyObject(reply);

    return SHARD_OK;
}


static int
shardkv_redis_health(shardkv_redis_t *c, shardkv_request_t *r)
{
    redisReply  *reply;

    reply = shardd_redis_command(&c->redis, "PING");

    if (reply == NULL || reply->type != REDIS_REPLY_STATUS) {
        return shardkv_redis_failed(c, r, reply);
    }

    freeReplyObject(reply);
    shardkv_json(&r->answer, "{\"status\":\"ok\"}\n");

    return SHARD_OK;
}


/* a server that was restarted has ended what lay idle: nothing was sent yet,
 * so that a new connection is no repetition */

static void
shardkv_redis_fresh(shardkv_redis_t *c)
{
    char     ch;
    ssize_t  n;

    if (c->redis.ctx == NULL) {
        return;
    }

    n = recv(c->redis.ctx->fd, &ch, 1, MSG_PEEK|MSG_DONTWAIT);

    if (n >= 0 || errno != EAGAIN) {
        shardd_redis_close(&c->redis);
    }
}


static int
shardkv_redis_run(void *conn, shardkv_request_t *r)
{
    int               rc;
    shardkv_redis_t  *c = conn;

    shardkv_redis_fresh(c);

    if (r->route->call == SHARDKV_HEALTH) {
        return shardkv_redis_health(c, r);
    }

    if (r->route->data) {
        return shardkv_redis_contract(c, r);
    }

    if (!r->sender.has_shard) {
        rc = shardkv_redis_only(c, r);

        if (rc != SHARD_AGAIN) {
            return rc;
        }
    }

    return shardkv_redis_ordinary(c, r);
}


/* deletes what was given up or replaced, by and by */

static int
shardkv_redis_idle(void *conn)
{
    int               more;
    const char       *n = SHARDKV_COLLECT;
    redisReply       *reply;
    shardkv_redis_t  *c = conn;

    reply = shardd_data_call(&c->redis, "collect", SHARDD_DATA_BASE, 1, &n,
                             NULL);

    more = reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;

    if (reply) {
        freeReplyObject(reply);
    }

    return more;
}


/*
 * An answer that is no answer.  What was sent may have been done; what Redis
 * refused was not.
 */

int
shardkv_redis_failed(shardkv_redis_t *c, shardkv_request_t *r,
    redisReply *reply)
{
    if (reply == NULL) {
        shardkv_refuse(&r->answer, 500, "store", "%.200s", c->redis.err);
        return SHARD_ERROR;
    }

    if (reply->type == REDIS_REPLY_ERROR
        && strstr(reply->str, "OOM ") != NULL)
    {
        shardkv_refuse(&r->answer, 507, "full", "redis %s is full: raise its "
                       "maxmemory or move shards away", c->redis.conf.addr);

    } else {
        shardkv_refuse(&r->answer, 503, "store", "redis %.60s: %.120s",
                       c->redis.conf.addr,
                       reply->type == REDIS_REPLY_ERROR ? reply->str
                       : "an answer that nobody understands");
    }

    freeReplyObject(reply);

    return SHARD_OK;
}


const shardkv_engine_t  shardkv_engine_redis = {
    .scheme = "redis",
    .driver = "redis",
    .calls = shardkv_bit(SHARDKV_HEALTH) | shardkv_bit(SHARDKV_KV_GET)
             | shardkv_bit(SHARDKV_KV_PUT) | shardkv_bit(SHARDKV_KV_DELETE)
             | shardkv_bit(SHARDKV_QUEUE_GET)
             | shardkv_bit(SHARDKV_QUEUE_APPEND) | shardkv_bit(SHARDKV_TAKE)
             | shardkv_bit(SHARDKV_ACK) | shardkv_bit(SHARDKV_ROLE)
             | shardkv_bit(SHARDKV_HOLD) | shardkv_bit(SHARDKV_RESUME)
             | shardkv_bit(SHARDKV_STATS),
    .ttl = 1,
    .open = shardkv_redis_open,
    .run = shardkv_redis_run,
    .idle = shardkv_redis_idle,
    .close = shardkv_redis_close,
};
