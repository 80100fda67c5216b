
/*
 * One connection to Redis on nginx's event loop (hiredis, asynchronous).
 *
 * The owner gives callbacks: "ready" after AUTH and SELECT, "closed" after
 * any failure (with a reason); it reconnects when it likes, never from inside
 * a callback.  A reply callback gets NULL when the connection is lost.
 */


#ifndef _NGX_HTTP_SHARD_REDIS_H_INCLUDED_
#define _NGX_HTTP_SHARD_REDIS_H_INCLUDED_


#include "ngx_http_shard.h"

#include <hiredis/hiredis.h>
#include <hiredis/async.h>


typedef struct ngx_http_shard_redis_s  ngx_http_shard_redis_t;

typedef void (*ngx_http_shard_redis_pt)(ngx_http_shard_redis_t *redis);

/* "reply" is valid during the call only */

typedef void (*ngx_http_shard_reply_pt)(ngx_http_shard_redis_t *redis,
    redisReply *reply);


struct ngx_http_shard_redis_s {
    ngx_http_shard_redis_conf_t  *conf;
    void                         *data;          /* the owner's */
    ngx_http_shard_redis_pt       ready;
    ngx_http_shard_redis_pt       closed;
    ngx_log_t                    *log;

    redisAsyncContext            *ac;
    ngx_connection_t             *connection;
    ngx_event_t                   timer;         /* connect and replies */
    ngx_uint_t                    pending;       /* replies to come */
    ngx_uint_t                    timed;         /* a reply is overdue after
                                                    conf->timeout */
    ngx_uint_t                    is_ready;
    const char                   *reason;        /* why it was closed */
    char                          reason_text[128];
};


ngx_int_t ngx_http_shard_redis_connect(ngx_http_shard_redis_t *redis);
void ngx_http_shard_redis_close(ngx_http_shard_redis_t *redis,
    const char *reason);

/*
 * A command in hiredis' format: %s a string, %b bytes and their size_t.  The
 * reply may take "wait" ms beyond conf->timeout (blocking reads).
 */

ngx_int_t ngx_http_shard_redis_send(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, ngx_msec_t wait, const char *fmt, ...);
ngx_int_t ngx_http_shard_redis_vsend(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, ngx_msec_t wait, const char *fmt,
    va_list args);

/* the same with arguments counted at run time */

ngx_int_t ngx_http_shard_redis_send_argv(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, int argc, const char **argv,
    const size_t *lens);


#endif /* _NGX_HTTP_SHARD_REDIS_H_INCLUDED_ */
