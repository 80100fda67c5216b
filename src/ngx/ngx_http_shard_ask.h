
/*
 * shard_api: a request that Redis answers.
 */


#ifndef _NGX_HTTP_SHARD_ASK_H_INCLUDED_
#define _NGX_HTTP_SHARD_ASK_H_INCLUDED_


#include "ngx_http_shard_api.h"
#include "ngx_http_shard_redis.h"

#include "../core/shard_json.h"


#define NGX_HTTP_SHARD_ASK_ARGS  32


typedef enum {
    NGX_HTTP_SHARD_ASK_HASH = 0,                 /* {field: JSON, ...} */
    NGX_HTTP_SHARD_ASK_FIELDS,                   /* {field: "text", ...} */
    NGX_HTTP_SHARD_ASK_JSON,                     /* one JSON text */
    NGX_HTTP_SHARD_ASK_LIST,                     /* {"migrations": [...]} */
    NGX_HTTP_SHARD_ASK_DONE,                     /* a number, 0 = no such */
    NGX_HTTP_SHARD_ASK_DECISION                  /* [outcome, ...] */
} ngx_http_shard_ask_e;


typedef struct {
    const char                *method;
    const char                *what;
    ngx_uint_t                 has_id;
    ngx_uint_t                 write;
    ngx_http_shard_ask_e       shape;
    const char                *command;
    const char                *key;              /* "%" is followed by the id */
} ngx_http_shard_resource_t;


typedef struct {
    ngx_http_shard_api_t              api;
    ngx_http_shard_redis_t            redis;
    const ngx_http_shard_resource_t  *resource;
    ngx_str_t                         id;
    ngx_event_t                       done;
    ngx_uint_t                        finishing;

    int                               argc;
    const char                       *argv[NGX_HTTP_SHARD_ASK_ARGS];
    size_t                            lens[NGX_HTTP_SHARD_ASK_ARGS];
} ngx_http_shard_ask_t;


/* the command's arguments; texts live in the request's pool */

void ngx_http_shard_ask_add(ngx_http_shard_ask_t *ask, const char *text);
void ngx_http_shard_ask_add_key(ngx_http_shard_ask_t *ask, const char *suffix,
    ngx_str_t *id);
char *ngx_http_shard_ask_text(ngx_http_shard_ask_t *ask, ngx_str_t *s);

/* _wish: from the body; NGX_AGAIN: the command is ready, NGX_OK: refused */

ngx_int_t ngx_http_shard_ask_override(ngx_http_shard_ask_t *ask);
ngx_int_t ngx_http_shard_ask_migration(ngx_http_shard_ask_t *ask);

/* _render: api->b from the reply */

ngx_int_t ngx_http_shard_ask_render(ngx_http_shard_ask_t *ask,
    redisReply *reply);


#endif /* _NGX_HTTP_SHARD_ASK_H_INCLUDED_ */
