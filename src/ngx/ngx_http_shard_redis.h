
/*
 * One connection to Redis on nginx's event loop (hiredis, asynchronous).
 *
 *                        ┌── the next one (posted) ◀──┐ no answer, unknown
 *                        ▼                            │
 *   connect ─▶ sentinel= ─▶ SENTINEL get-master-addr ─┴─▶ posted: its address
 *                 │ none                                        │
 *                 ▼                                             ▼
 *              address ──▶ [TLS] ─▶ AUTH ─▶ ROLE is master ─▶ SELECT ─▶ ready
 *
 * The owner gives callbacks: "ready" after that, "closed" after any failure
 * (with a reason); it reconnects when it likes, never from inside a callback.
 * A reply callback gets NULL when the connection is lost.
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


typedef enum {
    NGX_HTTP_SHARD_REDIS_DATA = 0,
    NGX_HTTP_SHARD_REDIS_SENTINEL                /* asks for the master */
} ngx_http_shard_redis_stage_e;


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
    ngx_uint_t                    is_ready;
    const char                   *reason;        /* why it was closed */
    char                          reason_text[192];

    /* sentinels */
    ngx_http_shard_redis_stage_e  stage;
    ngx_event_t                   next;          /* posted: next connection */
    ngx_uint_t                    sentinel;      /* asked first ... */
    ngx_uint_t                    asked;         /* ... and how many so far */
    ngx_uint_t                    found;         /* the master is */
    char                          master[NGX_SOCKADDR_STRLEN + 1];
    ngx_uint_t                    master_port;

    void                         *ssl;           /* hiredis' own it */
};


/* NGX_OK: it is under way; again while it is does nothing */

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

/* one that is in Redis' own format: large ones are copied once, not thrice */

ngx_int_t ngx_http_shard_redis_send_raw(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, const u_char *command, size_t len);


/* between the connection's own files */

ngx_int_t ngx_http_shard_redis_dial(ngx_http_shard_redis_t *redis,
    ngx_addr_t *addr, char *host, ngx_uint_t port);
void ngx_http_shard_redis_reason(ngx_http_shard_redis_t *redis,
    const char *what, const char *text);
void ngx_http_shard_redis_gone(ngx_http_shard_redis_t *redis,
    const char *reason);
void ngx_http_shard_redis_drop(ngx_http_shard_redis_t *redis,
    const char *reason);

/* _redis_event: hiredis on nginx's events; calls these two of _redis */

ngx_int_t ngx_http_shard_redis_attach(ngx_http_shard_redis_t *redis);
void ngx_http_shard_redis_on_connect(const redisAsyncContext *ac, int status);
void ngx_http_shard_redis_on_disconnect(const redisAsyncContext *ac,
    int status);

/* _redis_reply: what may come in */

void ngx_http_shard_redis_limit(ngx_http_shard_redis_t *redis);

/* _redis_sentinel */

ngx_int_t ngx_http_shard_redis_ask(ngx_http_shard_redis_t *redis);
void ngx_http_shard_redis_ask_master(ngx_http_shard_redis_t *redis);
void ngx_http_shard_redis_ask_role(ngx_http_shard_redis_t *redis);
void ngx_http_shard_redis_select(ngx_http_shard_redis_t *redis);

/* _redis_tls: without it in hiredis the first says so and refuses */

char *ngx_http_shard_redis_tls_context(ngx_conf_t *cf,
    ngx_http_shard_redis_conf_t *conf);
ngx_int_t ngx_http_shard_redis_tls_start(ngx_http_shard_redis_t *redis,
    char *host);
void ngx_http_shard_redis_tls_reason(ngx_http_shard_redis_t *redis);
void ngx_http_shard_redis_tls_clear(ngx_http_shard_redis_t *redis);


#endif /* _NGX_HTTP_SHARD_REDIS_H_INCLUDED_ */
