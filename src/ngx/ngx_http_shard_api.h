
/*
 * shard_api: an answer being made, shared by its two files.
 */


#ifndef _NGX_HTTP_SHARD_API_H_INCLUDED_
#define _NGX_HTTP_SHARD_API_H_INCLUDED_


#include "ngx_http_shard.h"


typedef struct {
    ngx_http_request_t         *request;
    ngx_http_shard_keyspace_t  *keyspace;
    ngx_http_shard_arena_t     *arena;
    ngx_buf_t                  *b;
    ngx_int_t                   status;
} ngx_http_shard_api_t;


/* memory for the answer; print() cuts at its end */

ngx_int_t ngx_http_shard_api_buf(ngx_http_shard_api_t *api, size_t size);
void ngx_http_shard_api_print(ngx_http_shard_api_t *api, const char *fmt,
    ...);

/* NGX_OK: the answer is in api->b, with api->status */

ngx_int_t ngx_http_shard_api_error(ngx_http_shard_api_t *api,
    ngx_int_t status, const char *code, const char *message);

ngx_int_t ngx_http_shard_api_send(ngx_http_request_t *r, ngx_buf_t *b,
    ngx_int_t status);

/* what Redis has; NGX_OK as above, or NGX_DONE and the answer comes later */

ngx_int_t ngx_http_shard_api_redis(ngx_http_shard_api_t *api,
    ngx_str_t *what, ngx_str_t *id);


#endif /* _NGX_HTTP_SHARD_API_H_INCLUDED_ */
