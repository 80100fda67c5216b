
/*
 * shard_api: a request that Redis answers.
 */


#ifndef _NGX_HTTP_SHARD_ASK_H_INCLUDED_
#define _NGX_HTTP_SHARD_ASK_H_INCLUDED_


#include "ngx_http_shard_api.h"
#include "ngx_http_shard_redis.h"

#include "../core/shard_json.h"
#include "../core/shard_policy.h"
#include "../core/shard_wish.h"


#define NGX_HTTP_SHARD_ASK_ARGS   128
#define NGX_HTTP_SHARD_ASK_FIELD  128            /* a name, or a number */
#define NGX_HTTP_SHARD_ASK_BYTES  "131072"       /* of Redis, in one page */
#define NGX_HTTP_SHARD_ASK_VALUE  "262144"       /* of one value */
#define NGX_HTTP_SHARD_ASK_IDS    100            /* forecasts in one page */
#define NGX_HTTP_SHARD_ASK_TRIES  5              /* somebody else wrote */


typedef struct ngx_http_shard_ask_s  ngx_http_shard_ask_t;

/* NGX_AGAIN: the command is ready; NGX_OK: answered without Redis */

typedef ngx_int_t (*ngx_http_shard_ask_pt)(ngx_http_shard_ask_t *ask);

/* NGX_OK: the answer is made, NGX_AGAIN: a command was sent, NGX_ERROR */

typedef ngx_int_t (*ngx_http_shard_ask_reply_pt)(ngx_http_shard_ask_t *ask,
    redisReply *reply);


typedef enum {
    NGX_HTTP_SHARD_ID_NONE = 0,
    NGX_HTTP_SHARD_ID_SHARD,
    NGX_HTTP_SHARD_ID_MIGRATION,
    NGX_HTTP_SHARD_ID_NAME
} ngx_http_shard_id_e;


typedef struct {
    const char                   *method;
    const char                   *what;
    ngx_http_shard_id_e           id;
    ngx_uint_t                    write;
    const char                   *key;           /* "%": followed by the id */
    ngx_http_shard_ask_pt         prepare;
    ngx_http_shard_ask_reply_pt   render;
} ngx_http_shard_resource_t;


struct ngx_http_shard_ask_s {
    ngx_http_shard_api_t              api;
    ngx_http_shard_redis_t            redis;
    const ngx_http_shard_resource_t  *resource;
    ngx_str_t                         id;
    ngx_str_t                         if_match;  /* of a write */
    ngx_event_t                       done;
    ngx_uint_t                        finishing;

    ngx_http_shard_ask_reply_pt       flow;      /* NULL: one command */
    ngx_uint_t                        step;
    ngx_uint_t                        tries;
    ngx_uint_t                        answered;  /* only to be tidied up */
    shard_str_t                       body;
    char                             *holder;    /* of the claim */
    char                              token[NGX_INT64_LEN + 1];

    uint32_t                          from;      /* of a page by number */
    uint32_t                          total;

    int                               argc;
    const char                       *argv[NGX_HTTP_SHARD_ASK_ARGS];
    size_t                            lens[NGX_HTTP_SHARD_ASK_ARGS];
};


/* the command's arguments; texts live in the request's pool */

void ngx_http_shard_ask_add(ngx_http_shard_ask_t *ask, const char *text);
void ngx_http_shard_ask_add_str(ngx_http_shard_ask_t *ask, const void *data,
    size_t len);
void ngx_http_shard_ask_add_key(ngx_http_shard_ask_t *ask,
    const char *suffix);
void ngx_http_shard_ask_add_fmt(ngx_http_shard_ask_t *ask, const char *fmt,
    ...);

/* "shard:{KEYSPACE}:SUFFIX" */

const char *ngx_http_shard_ask_key(ngx_http_shard_ask_t *ask,
    const char *suffix);

/* _connect: connects and sends; the request is finalized when that has ended */

void ngx_http_shard_ask_start(ngx_http_shard_ask_t *ask);

/* NGX_AGAIN, or NGX_ERROR; the second in hiredis' format */

ngx_int_t ngx_http_shard_ask_send(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_command(ngx_http_shard_ask_t *ask,
    const char *fmt, ...);

/* _read: commands of reads */

ngx_int_t ngx_http_shard_ask_page(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_field(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_fields(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_policy(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_migrations(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_forecasts(ngx_http_shard_ask_t *ask);

/* _wish: commands of writes, from bodies */

ngx_int_t ngx_http_shard_ask_set_override(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_delete(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_migrate(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_wish(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_roll_back(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_add_event(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_set_policy(ngx_http_shard_ask_t *ask);

/* _flow: several commands; "guard" carries the one command out If-Match */

ngx_int_t ngx_http_shard_ask_guard(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_commit(ngx_http_shard_ask_t *ask,
    redisReply *reply);

/* a policy's entity tag, NGX_HTTP_SHARD_ETAG_SIZE bytes, with its quotes */

size_t ngx_http_shard_ask_policy_etag(u_char *buf, const void *data,
    size_t len);

/* _render: replies of Redis */

ngx_int_t ngx_http_shard_ask_render(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_refused(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_uint_t ngx_http_shard_ask_outcome(redisReply *reply, const char *word);
ngx_int_t ngx_http_shard_ask_render_page(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_render_field(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_render_fields(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_render_policy(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_render_migrations(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_render_forecasts(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_render_done(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_render_wish(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_render_event(ngx_http_shard_ask_t *ask,
    redisReply *reply);
ngx_int_t ngx_http_shard_ask_render_decision(ngx_http_shard_ask_t *ask,
    redisReply *reply);


#endif /* _NGX_HTTP_SHARD_ASK_H_INCLUDED_ */
