
#include "ngx_http_shard_model.h"


#define NGX_HTTP_SHARD_MODEL_MIN    256
#define NGX_HTTP_SHARD_MODEL_PIECE  131072        /* entries */


static ngx_int_t ngx_http_shard_model_alloc(ngx_http_shard_model_t *m);
static void *ngx_http_shard_model_zeroed(size_t n, size_t size,
    ngx_log_t *log);
static void ngx_http_shard_model_copy_nodes(ngx_http_shard_model_t *m);
static ngx_int_t ngx_http_shard_model_grow(ngx_http_shard_model_t *m);
static ngx_int_t ngx_http_shard_model_resize(ngx_http_shard_model_t *m,
    uint32_t capacity);
static void ngx_http_shard_model_map_add(ngx_http_shard_model_t *m,
    uint32_t n);


static ngx_uint_t  ngx_http_shard_models;


ngx_http_shard_model_t *
ngx_http_shard_model_create(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_model_t *base, shard_kind_e kind, uint32_t count,
    ngx_log_t *log)
{
    uint32_t                 capacity;
    ngx_http_shard_model_t  *m;

    m = ngx_calloc(sizeof(ngx_http_shard_model_t), log);
    if (m == NULL) {
        return NULL;
    }

    m->keyspace = ks;
    m->log = log;
    m->base = base;
    m->kind = kind;
    m->serial = ++ngx_http_shard_models;

    /* room to grow: more entries than these are a map made anew */

    count = ngx_min(count, ks->sh->nslots);

    for (capacity = NGX_HTTP_SHARD_MODEL_MIN;
         capacity < count + count / 4;
         capacity *= 2)
    {
        /* void */
    }

    if (ngx_http_shard_model_alloc(m) != NGX_OK
        || ngx_http_shard_model_resize(m, capacity) != NGX_OK)
    {
        ngx_http_shard_model_destroy(m);
        return NULL;
    }

    if (base) {
        ngx_http_shard_model_copy_nodes(m);
    }

    return m;
}


static ngx_int_t
ngx_http_shard_model_alloc(ngx_http_shard_model_t *m)
{
    ngx_uint_t  n;

    n = m->keyspace->sh->nnodes_max;

    m->ids = ngx_http_shard_model_zeroed(m->keyspace->sh->nslots,
                                         sizeof(uint32_t), m->log);
    m->nodes = ngx_http_shard_model_zeroed(n, sizeof(shard_node_t), m->log);
    m->node_refs = ngx_calloc(n * sizeof(uint32_t), m->log);
    m->node_seen = ngx_calloc(n, m->log);
    m->node_map = ngx_calloc(NGX_HTTP_SHARD_NODE_MAP * sizeof(uint16_t),
                             m->log);
    m->texts = ngx_create_pool(16384, m->log);

    /* a loaded model takes over its base's */

    if (m->base == NULL) {
        m->free_slots = ngx_alloc(m->keyspace->sh->nslots * sizeof(uint32_t),
                                  m->log);
        if (m->free_slots == NULL) {
            return NGX_ERROR;
        }
    }

    return m->ids && m->nodes && m->node_refs && m->node_seen && m->node_map
           && m->texts ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_shard_model_copy_nodes(ngx_http_shard_model_t *m)
{
    m->nnodes = m->base->nnodes;
    ngx_memcpy(m->nodes, m->base->nodes, m->nnodes * sizeof(shard_node_t));
    ngx_memcpy(m->node_map, m->base->node_map,
               NGX_HTTP_SHARD_NODE_MAP * sizeof(uint16_t));
}


void
ngx_http_shard_model_destroy(ngx_http_shard_model_t *m)
{
    while (m && ngx_http_shard_model_dismantle(m) == NGX_AGAIN) { /* void */ }
}


/* one array at a time, the largest piece by piece: giving back some 10 MB
 * takes a slice */

ngx_int_t
ngx_http_shard_model_dismantle(ngx_http_shard_model_t *m)
{
    void        *p;
    ngx_uint_t   i;
    void       **arrays[] = {
        (void **) &m->entries, (void **) &m->map, (void **) &m->places,
        (void **) &m->spare, (void **) &m->ids, (void **) &m->free_slots,
        (void **) &m->nodes, (void **) &m->node_refs, (void **) &m->node_seen,
        (void **) &m->node_map, (void **) &m->verbs, (void **) &m->dirty,
        (void **) &m->taken
    };

    if (m->entries && m->capacity > NGX_HTTP_SHARD_MODEL_PIECE) {
        m->capacity -= NGX_HTTP_SHARD_MODEL_PIECE;
        p = realloc(m->entries, m->capacity * sizeof(ngx_http_shard_entry_t));
        m->entries = p ? p : m->entries;
        return NGX_AGAIN;
    }

    for (i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
        if (*arrays[i]) {
            ngx_free(*arrays[i]);
            *arrays[i] = NULL;
            return NGX_AGAIN;
        }
    }

    ngx_http_shard_model_forget(m);

    if (m->texts) {
        ngx_destroy_pool(m->texts);
    }

    ngx_free(m);

    return NGX_OK;
}


/* ngx_calloc() writes zeros, which takes longer than a slice for a million
 * shards; the kernel's own come page by page as they are used */

static void *
ngx_http_shard_model_zeroed(size_t n, size_t size, ngx_log_t *log)
{
    void  *p;

    p = calloc(n, size);

    if (p == NULL) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "calloc(%uz, %uz) failed", n, size);
    }

    return p;
}


static ngx_int_t
ngx_http_shard_model_grow(ngx_http_shard_model_t *m)
{
    return ngx_http_shard_model_resize(m, 2 * m->capacity);
}


static ngx_int_t
ngx_http_shard_model_resize(ngx_http_shard_model_t *m, uint32_t capacity)
{
    uint32_t                 i, *map;
    ngx_http_shard_entry_t  *entries;

    entries = ngx_alloc(capacity * sizeof(ngx_http_shard_entry_t), m->log);
    map = ngx_http_shard_model_zeroed(2 * (size_t) capacity, sizeof(uint32_t),
                                      m->log);

    if (entries == NULL || map == NULL) {
        ngx_free(entries);
        ngx_free(map);
        return NGX_ERROR;
    }

    if (m->entries) {
        ngx_memcpy(entries, m->entries,
                   m->nentries * sizeof(ngx_http_shard_entry_t));
    }

    ngx_free(m->entries);
    ngx_free(m->map);

    m->entries = entries;
    m->map = map;
    m->capacity = capacity;
    m->map_mask = 2 * capacity - 1;

    for (i = 0; i < m->nentries; i++) {
        ngx_http_shard_model_map_add(m, i);
    }

    return NGX_OK;
}


static void
ngx_http_shard_model_map_add(ngx_http_shard_model_t *m, uint32_t n)
{
    uint32_t  i;

    i = m->entries[n].id * 2654435761u & m->map_mask;

    while (m->map[i]) {
        i = (i + 1) & m->map_mask;
    }

    m->map[i] = n + 1;
}


ngx_http_shard_entry_t *
ngx_http_shard_model_find(ngx_http_shard_model_t *m, shard_id_t id)
{
    uint32_t  i;

    for (i = id * 2654435761u & m->map_mask;
         m->map[i];
         i = (i + 1) & m->map_mask)
    {
        if (m->entries[m->map[i] - 1].id == id) {
            return &m->entries[m->map[i] - 1];
        }
    }

    return NULL;
}


/* while a model is loaded nobody knows yet which slots will be free */

ngx_int_t
ngx_http_shard_model_new_slot(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, char *err)
{
    ngx_http_shard_entry_t  *old;

    if (m->base) {
        old = ngx_http_shard_model_find(m->base, e->id);
        e->slot = SHARD_SLOT_NONE;

        if (old && old->live) {
            e->slot = old->slot;
            e->fresh = old->fresh;
            e->reused = old->reused;
        }

        return NGX_OK;
    }

    if (m->nfree_slots == 0) {
        return ngx_http_shard_model_too_big(m, m->nlive + 1, 0, err);
    }

    ngx_http_shard_model_take_slot(m, e);

    return NGX_OK;
}


/* of m's free ones, of which there must be some */

void
ngx_http_shard_model_take_slot(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e)
{
    e->slot = m->free_slots[m->first_free];
    e->reused = m->nfree_slots == m->nfreed;

    m->first_free = (m->first_free + 1) % m->keyspace->sh->nslots;
    m->nfree_slots--;
    m->nfreed -= e->reused;
}


void
ngx_http_shard_model_free_slot(ngx_http_shard_model_t *m, uint32_t slot)
{
    m->free_slots[(m->first_free + m->nfree_slots) % m->keyspace->sh->nslots]
        = slot;
    m->nfree_slots++;
    m->nfreed++;
}


ngx_http_shard_entry_t *
ngx_http_shard_model_new_entry(ngx_http_shard_model_t *m, shard_id_t id,
    char *err)
{
    ngx_http_shard_entry_t  *e;

    e = ngx_http_shard_model_find(m, id);

    if (e == NULL) {
        if (m->nentries == m->capacity
            && ngx_http_shard_model_grow(m) != NGX_OK)
        {
            ngx_http_shard_err(err, "no memory");
            return NULL;
        }

        e = &m->entries[m->nentries];
        ngx_memzero(e, sizeof(ngx_http_shard_entry_t));
        e->id = id;
        ngx_http_shard_model_map_add(m, m->nentries++);
    }

    return e;
}


ngx_http_shard_verb_t *
ngx_http_shard_model_verb(ngx_http_shard_model_t *m, shard_id_t id)
{
    ngx_uint_t  low, high, middle;

    low = 0;
    high = m->nverbs;

    while (low < high) {
        middle = (low + high) / 2;

        if (m->verbs[middle].id < id) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low < m->nverbs && m->verbs[low].id == id ? &m->verbs[low] : NULL;
}


/* publishing looks at these only; one that finds no room makes it look at all */

void
ngx_http_shard_model_dirty(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e)
{
    uint32_t   size, *dirty;

    if (e->dirty || m->all_dirty) {
        return;
    }

    if (m->ndirty == m->dirty_size) {
        size = m->dirty_size ? 2 * m->dirty_size : 256;
        dirty = m->base ? NULL : ngx_alloc(size * sizeof(uint32_t), m->log);

        if (dirty == NULL) {
            m->all_dirty = 1;
            return;
        }

        if (m->ndirty) {
            ngx_memcpy(dirty, m->dirty, m->ndirty * sizeof(uint32_t));
        }

        ngx_free(m->dirty);
        m->dirty = dirty;
        m->dirty_size = size;
    }

    e->dirty = 1;
    m->dirty[m->ndirty++] = e - m->entries;
}


void
ngx_http_shard_err(char *err, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(err, SHARD_ERR_SIZE, fmt, args);
    va_end(args);
}
