
/*
 * The live arena, read while the leader may publish another: what was read
 * of it counts only when the view still holds afterwards.
 *
 *     open ─▶ read, print ─▶ holds? ─▶ keep it
 *       ▲                      │ no
 *       └──── forget it ───────┘
 */


#ifndef _NGX_HTTP_SHARD_VIEW_H_INCLUDED_
#define _NGX_HTTP_SHARD_VIEW_H_INCLUDED_


#include "ngx_http_shard.h"

#include "../core/shard_bytes.h"


typedef struct {
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_arena_t     *arena;
    uint64_t                    structure;
    uint32_t                    nshards;
    uint32_t                    nentries;        /* of the index: units of a
                                                    list, else shards */
    uint32_t                    nnodes;
} ngx_http_shard_view_t;


void ngx_http_shard_view_open(ngx_http_shard_view_t *view,
    ngx_http_shard_keyspace_t *ks);
ngx_uint_t ngx_http_shard_view_holds(ngx_http_shard_view_t *view);

/* empty for a number that no node has; the text is the arena's */

void ngx_http_shard_view_name(ngx_http_shard_view_t *view, ngx_uint_t node,
    ngx_str_t *name);

/*
 * A shard of the index, by its place there.  NGX_DECLINED: no such place,
 * NGX_AGAIN: of a shard that has an earlier one, too.
 */

ngx_int_t ngx_http_shard_view_shard(ngx_http_shard_view_t *view, uint32_t i,
    shard_id_t *id, uint32_t *slot);

/* where what follows this start of a shard is now; bound: of range bytes */

uint32_t ngx_http_shard_view_after(ngx_http_shard_view_t *view,
    uint64_t lo, shard_bytes_t *bound);
uint64_t ngx_http_shard_view_lo(ngx_http_shard_view_t *view, uint32_t i);

/* as in a record of range bytes; buf takes SHARD_BYTES_TEXT bytes */

size_t ngx_http_shard_view_bound(ngx_http_shard_view_t *view, uint32_t i,
    char *buf);
void ngx_http_shard_view_bytes(ngx_http_shard_view_t *view, uint32_t i,
    shard_bytes_t *bytes);


#endif /* _NGX_HTTP_SHARD_VIEW_H_INCLUDED_ */
