
#include "ngx_http_shard_view.h"


void
ngx_http_shard_view_open(ngx_http_shard_view_t *view,
    ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;

    view->sh = sh;
    view->structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
    view->arena = &sh->arenas[view->structure & 1];

    /* an arena that is written anew may say anything */

    view->nentries = ngx_min(view->arena->index.n,
                             view->arena->index.capacity);
    view->nshards = (uint32_t) ngx_min(view->arena->nshards, sh->nslots);
    view->nnodes = (uint32_t) ngx_min(view->arena->nnodes, sh->nnodes_max);
}


ngx_uint_t
ngx_http_shard_view_holds(ngx_http_shard_view_t *view)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    return view->structure == __atomic_load_n(&view->sh->structure,
                                              __ATOMIC_RELAXED);
}


void
ngx_http_shard_view_name(ngx_http_shard_view_t *view, ngx_uint_t node,
    ngx_str_t *name)
{
    ngx_http_shard_node_t  *n;

    if (node >= view->nnodes) {
        ngx_str_null(name);
        return;
    }

    n = &view->arena->nodes[node];
    name->len = ngx_min(n->name_len, SHARD_NAME_SIZE);
    name->data = n->name;
}


ngx_int_t
ngx_http_shard_view_shard(ngx_http_shard_view_t *view, uint32_t i,
    shard_id_t *id, uint32_t *slot)
{
    shard_index_t  *index;

    index = &view->arena->index;

    if (i >= view->nentries) {
        return NGX_DECLINED;
    }

    *id = index->entries[i].id;
    *slot = ngx_min(shard_index_slot(index, i), view->sh->nslots - 1);

    return (index->entries[i].slot & SHARD_ENTRY_AGAIN) ? NGX_AGAIN : NGX_OK;
}


size_t
ngx_http_shard_view_bound(ngx_http_shard_view_t *view, uint32_t i, char *buf)
{
    shard_bytes_t  bytes;

    ngx_http_shard_view_bytes(view, i, &bytes);

    return shard_bytes_encode(&bytes, buf);
}


void
ngx_http_shard_view_bytes(ngx_http_shard_view_t *view, uint32_t i,
    shard_bytes_t *bytes)
{
    shard_str_t  text;

    text = shard_index_bound(&view->arena->index, i);

    bytes->len = (uint8_t) ngx_min(text.len, SHARD_BOUND_MAX);
    ngx_memcpy(bytes->data, text.data, bytes->len);
}


uint64_t
ngx_http_shard_view_lo(ngx_http_shard_view_t *view, uint32_t i)
{
    return view->arena->index.entries[i].lo;
}


uint32_t
ngx_http_shard_view_after(ngx_http_shard_view_t *view, uint64_t lo,
    shard_bytes_t *bound)
{
    shard_str_t     key;
    shard_index_t  *index;

    index = &view->arena->index;

    if (view->nentries == 0) {
        return 0;
    }

    if (index->kind == SHARD_KIND_RANGE_BYTES) {
        key.data = bound->data;
        key.len = bound->len;

        return shard_index_find_key(index, lo, key) + 1;
    }

    return shard_index_find(index, lo) + 1;
}
