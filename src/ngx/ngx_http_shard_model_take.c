
/*
 * What an earlier leader left in the zone: numbers of nodes, and which shard
 * is in which slot.  A load that follows brings the rest.
 */


#include "ngx_http_shard_model.h"


static void ngx_http_shard_model_take_nodes(ngx_http_shard_model_t *m,
    ngx_http_shard_arena_t *arena);
static ngx_int_t ngx_http_shard_model_take_entry(ngx_http_shard_model_t *m,
    ngx_http_shard_arena_t *arena, uint32_t i);


static void
ngx_http_shard_model_take_nodes(ngx_http_shard_model_t *m,
    ngx_http_shard_arena_t *arena)
{
    uint32_t                i;
    ngx_http_shard_node_t  *node;

    for (i = 0; i < arena->nnodes; i++) {
        node = &arena->nodes[i];
        ngx_memcpy(m->nodes[i].name, node->name, node->name_len);
        ngx_memcpy(m->nodes[i].zone, node->zone, node->zone_len);
        ngx_memcpy(m->nodes[i].addr, node->addr, node->addr_len);
        m->nodes[i].state = node->state;
        m->nodes[i].capacity = node->capacity;
    }

    m->nnodes = arena->nnodes;
    ngx_http_shard_model_map_nodes(m);
}


static ngx_int_t
ngx_http_shard_model_take_entry(ngx_http_shard_model_t *m,
    ngx_http_shard_arena_t *arena, uint32_t i)
{
    char                     err[SHARD_ERR_SIZE];
    ngx_http_shard_entry_t  *e;

    if (arena->index.entries[i].slot & SHARD_ENTRY_AGAIN) {
        return NGX_OK;
    }

    e = ngx_http_shard_model_new_entry(m, arena->index.entries[i].id, err);
    if (e == NULL) {
        return NGX_ERROR;
    }

    e->slot = arena->index.entries[i].slot;
    e->live = 1;
    m->nlive++;
    m->taken[e->slot] = 1;
    m->ids[e->slot] = e->id + 1;
    shard_latch_read(&m->keyspace->sh->latches[e->slot], &e->route);

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_model_take_over(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice)
{
    uint32_t                 n;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_arena_t  *arena;

    sh = m->keyspace->sh;
    arena = &sh->arenas[sh->structure & 1];
    n = arena->index.n;

    if (m->taken == NULL) {
        m->at = 0;
        m->taken = calloc(sh->nslots, 1);
        if (m->taken == NULL) {
            return NGX_ERROR;
        }

        ngx_http_shard_model_take_nodes(m, arena);
    }

    for ( /* void */ ; m->at < n + sh->nslots; m->at++) {

        if (ngx_http_shard_slice_over(slice)) {
            return NGX_AGAIN;
        }

        if (m->at < n) {
            if (ngx_http_shard_model_take_entry(m, arena, m->at) != NGX_OK) {
                return NGX_ERROR;
            }

        } else if (!m->taken[m->at - n]) {
            ngx_http_shard_model_free_slot(m, m->at - n);
        }
    }

    ngx_free(m->taken);
    m->taken = NULL;
    m->at = 0;
    m->nfreed = 0;

    return NGX_OK;
}
