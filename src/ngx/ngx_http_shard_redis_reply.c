
/*
 * Commands, and what may come in.  hiredis makes room for as many elements as
 * it is told and asserts that nobody speaks unasked, so both are refused
 * where it makes its objects: a NULL there ends the connection.
 */


#include "ngx_http_shard_redis.h"


/* elements of one answer: the longest are all overrides */
#define NGX_HTTP_SHARD_REDIS_ELEMENTS  (1024 * 1024)


#if (NGX_HTTP_SHARD_HIREDIS_SIZE_T)
typedef size_t  ngx_http_shard_redis_count_t;
#else
typedef int     ngx_http_shard_redis_count_t;
#endif


static ngx_uint_t ngx_http_shard_redis_unasked(const redisReadTask *task);
static void *ngx_http_shard_redis_string(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_http_shard_redis_array(const redisReadTask *task,
    ngx_http_shard_redis_count_t elements);
static void *ngx_http_shard_redis_integer(const redisReadTask *task,
    long long value);
static void *ngx_http_shard_redis_nil(const redisReadTask *task);
#if (NGX_HTTP_SHARD_HIREDIS_RESP3)
static void *ngx_http_shard_redis_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_http_shard_redis_bool(const redisReadTask *task, int value);
#endif
static void ngx_http_shard_redis_sent(ngx_http_shard_redis_t *redis,
    ngx_msec_t wait);
static void ngx_http_shard_redis_on_reply(redisAsyncContext *ac, void *reply,
    void *data);


static redisReplyObjectFunctions  ngx_http_shard_redis_functions;
static redisReplyObjectFunctions  ngx_http_shard_redis_own;


/* of the connection, before anything is read on it */

void
ngx_http_shard_redis_limit(ngx_http_shard_redis_t *redis)
{
    redisReader                *reader;
    redisReplyObjectFunctions  *f;

    f = &ngx_http_shard_redis_functions;
    reader = redis->ac->c.reader;

    if (reader->fn != f) {
        ngx_http_shard_redis_own = *reader->fn;
        *f = *reader->fn;

        f->createString = ngx_http_shard_redis_string;
        f->createArray = ngx_http_shard_redis_array;
        f->createInteger = ngx_http_shard_redis_integer;
        f->createNil = ngx_http_shard_redis_nil;

#if (NGX_HTTP_SHARD_HIREDIS_RESP3)

        f->createDouble = ngx_http_shard_redis_double;
        f->createBool = ngx_http_shard_redis_bool;
#endif

        reader->fn = f;
    }

    reader->privdata = redis;
}


/* only an error, as of too many clients, may come without a question */

static ngx_uint_t
ngx_http_shard_redis_unasked(const redisReadTask *task)
{
    ngx_http_shard_redis_t  *redis;

    redis = task->privdata;

    if (task->parent || task->type == REDIS_REPLY_ERROR || redis->ac == NULL
        || redis->ac->replies.head)
    {
        return 0;
    }

    if (redis->reason == NULL) {
        redis->reason = "an answer that nobody asked for";
    }

    return 1;
}


static void *
ngx_http_shard_redis_string(const redisReadTask *task, char *str, size_t len)
{
    return ngx_http_shard_redis_unasked(task)
           ? NULL : ngx_http_shard_redis_own.createString(task, str, len);
}


static void *
ngx_http_shard_redis_array(const redisReadTask *task,
    ngx_http_shard_redis_count_t elements)
{
    return elements > NGX_HTTP_SHARD_REDIS_ELEMENTS
           || ngx_http_shard_redis_unasked(task)
           ? NULL : ngx_http_shard_redis_own.createArray(task, elements);
}


static void *
ngx_http_shard_redis_integer(const redisReadTask *task, long long value)
{
    return ngx_http_shard_redis_unasked(task)
           ? NULL : ngx_http_shard_redis_own.createInteger(task, value);
}


static void *
ngx_http_shard_redis_nil(const redisReadTask *task)
{
    return ngx_http_shard_redis_unasked(task)
           ? NULL : ngx_http_shard_redis_own.createNil(task);
}


#if (NGX_HTTP_SHARD_HIREDIS_RESP3)

/* RESP3 was never asked for */

static void *
ngx_http_shard_redis_double(const redisReadTask *task, double value, char *str,
    size_t len)
{
    return NULL;
}


static void *
ngx_http_shard_redis_bool(const redisReadTask *task, int value)
{
    return NULL;
}

#endif


ngx_int_t
ngx_http_shard_redis_send(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, ngx_msec_t wait, const char *fmt, ...)
{
    va_list    args;
    ngx_int_t  rc;

    va_start(args, fmt);
    rc = ngx_http_shard_redis_vsend(redis, handler, wait, fmt, args);
    va_end(args);

    return rc;
}


ngx_int_t
ngx_http_shard_redis_vsend(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, ngx_msec_t wait, const char *fmt,
    va_list args)
{
    if (redis->ac == NULL
        || redisvAsyncCommand(redis->ac, ngx_http_shard_redis_on_reply,
                              (void *) handler, fmt, args)
           != REDIS_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_redis_sent(redis, wait);

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_redis_send_argv(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, int argc, const char **argv,
    const size_t *lens)
{
    if (redis->ac == NULL
        || redisAsyncCommandArgv(redis->ac, ngx_http_shard_redis_on_reply,
                                 (void *) handler, argc, argv, lens)
           != REDIS_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_redis_sent(redis, 0);

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_redis_send_raw(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, const u_char *command, size_t len)
{
    if (redis->ac == NULL
        || redisAsyncFormattedCommand(redis->ac, ngx_http_shard_redis_on_reply,
                                      (void *) handler, (const char *) command,
                                      len)
           != REDIS_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_redis_sent(redis, 0);

    return NGX_OK;
}


static void
ngx_http_shard_redis_sent(ngx_http_shard_redis_t *redis, ngx_msec_t wait)
{
    redis->pending++;
    ngx_add_timer(&redis->timer, redis->conf->timeout + wait);
}


static void
ngx_http_shard_redis_on_reply(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_http_shard_redis_t   *redis;
    ngx_http_shard_reply_pt   handler;

    redis = ac->data;
    handler = (ngx_http_shard_reply_pt) data;

    if (redis == NULL) {
        return;
    }

    if (redis->pending) {
        redis->pending--;
    }

    if (redis->pending == 0 && redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    handler(redis, reply);
}
