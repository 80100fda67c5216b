
/*
 * The way of a loaded model into use:
 *
 *   PLACES ─▶ SORT ─▶ CHECK ─▶ RELEASE ─▶ SLOTS ─▶ in use, to be published
 *   of each   runs,   no gap,  slots of   for new
 *   shard     merged  no two   what left  shards
 */


#include "ngx_http_shard_model.h"


typedef ngx_int_t (*ngx_http_shard_step_pt)(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err);


static ngx_int_t ngx_http_shard_model_release(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err);
static ngx_int_t ngx_http_shard_model_slots(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err);
static ngx_uint_t ngx_http_shard_model_stays(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e);
static void ngx_http_shard_model_inherit(ngx_http_shard_model_t *m);


/* nothing can fail from here on: the base gives up what is its own; in a list
 * nobody else's record tells who has the keys of a shard that left */

static ngx_int_t
ngx_http_shard_model_release(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err)
{
    ngx_http_shard_entry_t  *old, *e;

    for ( /* void */ ; m->at < m->base->nentries; m->at++) {

        if (ngx_http_shard_slice_over(slice)) {
            return NGX_AGAIN;
        }

        old = &m->base->entries[m->at];
        e = old->live ? ngx_http_shard_model_find(m, old->id) : NULL;

        if (old->live && (e == NULL || !e->live)) {
            ngx_http_shard_model_free_slot(m->base, old->slot);
            m->moved = 1;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_model_slots(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err)
{
    ngx_http_shard_entry_t  *e;
    ngx_http_shard_model_t  *base;

    base = m->base;

    for ( /* void */ ; m->at < m->nentries; m->at++) {

        if (ngx_http_shard_slice_over(slice)) {
            return NGX_AGAIN;
        }

        e = &m->entries[m->at];

        if (e->live && !m->moved) {
            m->moved = !ngx_http_shard_model_stays(m, e);
        }

        if (e->live && e->slot == SHARD_SLOT_NONE) {
            ngx_http_shard_model_take_slot(base, e);
        }
    }

    return NGX_OK;
}


/* 1: the shard held the same keys before */

static ngx_uint_t
ngx_http_shard_model_stays(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e)
{
    ngx_http_shard_entry_t  *old;

    old = m->base->kind == m->kind ? ngx_http_shard_model_find(m->base, e->id)
                                   : NULL;

    return old && old->live && ngx_http_shard_model_same_keys(m, old, e);
}


static void
ngx_http_shard_model_inherit(ngx_http_shard_model_t *m)
{
    uint32_t                 i;
    ngx_http_shard_model_t  *base;

    base = m->base;

    m->free_slots = base->free_slots;
    m->first_free = base->first_free;
    m->nfree_slots = base->nfree_slots;
    m->nfreed = base->nfreed;
    m->verbs = base->verbs;
    m->nverbs = base->nverbs;

    base->free_slots = NULL;
    base->verbs = NULL;
    base->nverbs = 0;

    for (i = 0; i < m->nnodes; i++) {
        if (!m->node_seen[i]) {
            m->nodes[i].name[0] = '\0';
        }
    }

    ngx_http_shard_model_map_nodes(m);

    if (m->moved) {
        ngx_http_shard_handover_all(m->keyspace);
    }

    m->base = NULL;
    m->all_dirty = 1;
    m->structure = 1;
}


ngx_int_t
ngx_http_shard_model_settle(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err)
{
    ngx_int_t  rc;

    static const ngx_http_shard_step_pt  steps[] = {
        ngx_http_shard_model_collect,
        ngx_http_shard_model_sort,
        ngx_http_shard_model_check,
        ngx_http_shard_model_release,
        ngx_http_shard_model_slots
    };

    if (m->step == NGX_HTTP_SHARD_STEP_NONE) {
        m->step = NGX_HTTP_SHARD_STEP_PLACES;
        m->at = 0;
    }

    while (m->step <= NGX_HTTP_SHARD_STEP_SLOTS) {
        rc = steps[m->step - NGX_HTTP_SHARD_STEP_PLACES](m, slice, err);

        if (rc != NGX_OK) {
            return rc;
        }

        m->step++;
        m->at = 0;
    }

    m->step = NGX_HTTP_SHARD_STEP_NONE;
    ngx_http_shard_model_inherit(m);

    return NGX_OK;
}
