
/*
 * Nodes addressed by host name: the leader resolves them.
 *
 *   tick ─▶ new structure? note its names
 *             │
 *             ▼       64 at most on their way
 *           due? ─▶ nginx's "resolver" ─▶ the address still in the answer?
 *             ▲                              yes: kept    no: the first one
 *             │ TTL, 1 s at least            ─▶ shared memory (_named)
 *             └──────────────────────────────── failed: kept, tried again
 */


#ifndef _NGX_HTTP_SHARD_NAMES_H_INCLUDED_
#define _NGX_HTTP_SHARD_NAMES_H_INCLUDED_


#include "ngx_http_shard.h"


typedef struct ngx_http_shard_names_s  ngx_http_shard_names_t;


ngx_http_shard_names_t *ngx_http_shard_names_create(
    ngx_http_shard_keyspace_t *ks, ngx_log_t *log);
void ngx_http_shard_names_destroy(ngx_http_shard_names_t *names);

/* each tick of the leader, with Redis or without */

void ngx_http_shard_names_run(ngx_http_shard_names_t *names);


#endif /* _NGX_HTTP_SHARD_NAMES_H_INCLUDED_ */
