
/*
 * shard_api: an answer being made, shared by its files.
 *
 *   _api ─▶ path ─┬▶ _api_table   keyspaces, shards, nodes: shared memory
 *                 └▶ _api_redis   everything else: one connection
 *                       ├ _api_wish    bodies ─▶ commands
 *                       ├ _api_flow    If-Match, the policy: several commands
 *                       └ _api_render  replies ─▶ JSON
 *
 * Every answer is a page: at most 1000 rows and 256 KB, whatever there is.
 */


#ifndef _NGX_HTTP_SHARD_API_H_INCLUDED_
#define _NGX_HTTP_SHARD_API_H_INCLUDED_


#include "ngx_http_shard_view.h"

#include "../core/shard_json_whole.h"


#define NGX_HTTP_SHARD_PAGE        100           /* rows, unless asked for */
#define NGX_HTTP_SHARD_PAGE_MAX    1000
#define NGX_HTTP_SHARD_PAGE_BYTES  (256 * 1024)
#define NGX_HTTP_SHARD_ROW         1024          /* bytes of one JSON row */
#define NGX_HTTP_SHARD_ETAG_SIZE   48


typedef struct {
    ngx_http_request_t         *request;
    ngx_http_shard_keyspace_t  *keyspace;
    ngx_buf_t                  *b;
    ngx_int_t                   status;
    ngx_str_t                   allow;           /* methods, for 405 */
    ngx_str_t                   etag;
} ngx_http_shard_api_t;


/* memory for the answer; print() cuts at its end */

ngx_int_t ngx_http_shard_api_buf(ngx_http_shard_api_t *api, size_t size);
void ngx_http_shard_api_print(ngx_http_shard_api_t *api, const char *fmt,
    ...);
void ngx_http_shard_api_print_text(ngx_http_shard_api_t *api, const void *data,
    size_t len);
void ngx_http_shard_api_quote(ngx_http_shard_api_t *api, const void *data,
    size_t len);

/* NGX_OK: the answer is in api->b, with api->status; fmt is nginx's */

ngx_int_t ngx_http_shard_api_error(ngx_http_shard_api_t *api,
    ngx_int_t status, const char *code, const char *fmt, ...);

ngx_int_t ngx_http_shard_api_send(ngx_http_shard_api_t *api);

/* "from" (default 0) and "limit"; NGX_DECLINED: refused, the answer is made */

ngx_int_t ngx_http_shard_api_page(ngx_http_shard_api_t *api, uint32_t *from,
    uint32_t *limit, uint32_t max);

/* an entity tag of the table in use */

void ngx_http_shard_api_table_etag(ngx_http_shard_api_t *api);

/* _table */

ngx_int_t ngx_http_shard_api_keyspace(ngx_http_shard_api_t *api);
ngx_int_t ngx_http_shard_api_shards(ngx_http_shard_api_t *api);
ngx_int_t ngx_http_shard_api_shard(ngx_http_shard_api_t *api, ngx_str_t *id);
ngx_int_t ngx_http_shard_api_nodes(ngx_http_shard_api_t *api);
ngx_int_t ngx_http_shard_api_node(ngx_http_shard_api_t *api, ngx_str_t *name);

/* number of the node, NGX_DECLINED: there is none */

ngx_int_t ngx_http_shard_api_find_node(ngx_http_shard_view_t *view,
    const char *name, size_t len);

/* what Redis has; NGX_OK as above, or NGX_DONE and the answer comes later */

ngx_int_t ngx_http_shard_api_redis(ngx_http_shard_api_t *api,
    ngx_str_t *what, ngx_str_t *id);


#endif /* _NGX_HTTP_SHARD_API_H_INCLUDED_ */
