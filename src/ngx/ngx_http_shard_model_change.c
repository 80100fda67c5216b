
/*
 * A change of the model: begun, checked as a whole, or undone.
 */


#include "ngx_http_shard_model.h"


static ngx_int_t ngx_http_shard_model_check(ngx_http_shard_model_t *m,
    char *err);
static int ngx_libc_cdecl ngx_http_shard_model_by_lo(const void *one,
    const void *two);
static ngx_int_t ngx_http_shard_model_node_used(ngx_http_shard_model_t *m,
    uint16_t node);


/* what an entry or a node was before a change */

struct ngx_http_shard_undo_s {
    ngx_http_shard_undo_t      *next;
    ngx_uint_t                  is_node;
    uint32_t                    number;
    ngx_uint_t                  structure;
    union {
        ngx_http_shard_entry_t  entry;
        shard_node_t            node;
    } was;
};


/* qsort() has no argument of its own; one worker, one thread */

static ngx_http_shard_entry_t  *ngx_http_shard_model_sorting;


void
ngx_http_shard_model_begin(ngx_http_shard_model_t *m)
{
    m->in_change = 1;
}


ngx_int_t
ngx_http_shard_model_remember(ngx_http_shard_model_t *m, ngx_uint_t is_node,
    uint32_t number)
{
    ngx_http_shard_undo_t  *undo;

    if (!m->in_change) {
        return NGX_OK;
    }

    undo = ngx_alloc(sizeof(ngx_http_shard_undo_t), m->log);
    if (undo == NULL) {
        return NGX_ERROR;
    }

    undo->is_node = is_node;
    undo->number = number;
    undo->structure = m->structure;

    if (is_node) {
        undo->was.node = m->nodes[number];

    } else {
        undo->was.entry = m->entries[number];
    }

    undo->next = m->undo;
    m->undo = undo;

    return NGX_OK;
}


void
ngx_http_shard_model_undo(ngx_http_shard_model_t *m)
{
    ngx_uint_t               nodes, was_live;
    ngx_http_shard_undo_t   *undo;
    ngx_http_shard_entry_t  *e;

    nodes = 0;
    m->sorted = 0;

    while (m->undo) {
        undo = m->undo;
        m->undo = undo->next;
        m->structure = undo->structure;

        if (undo->is_node) {
            m->nodes[undo->number] = undo->was.node;
            nodes = 1;

        } else {
            e = &m->entries[undo->number];
            was_live = e->live;

            /* the ring of free slots, the last step first: a slot taken goes
             * back to its beginning, one given is taken from its end */

            if (e->live && !undo->was.entry.live) {
                m->first_free = (m->first_free + m->keyspace->sh->nslots - 1)
                                % m->keyspace->sh->nslots;
                m->free_slots[m->first_free] = e->slot;
                m->nfree_slots++;

            } else if (!e->live && undo->was.entry.live) {
                m->nfree_slots--;
            }

            *e = undo->was.entry;
            m->nlive = m->nlive - was_live + e->live;
        }

        ngx_free(undo);
    }

    if (nodes) {
        ngx_http_shard_model_map_nodes(m);
    }

    m->in_change = 0;
}


static int ngx_libc_cdecl
ngx_http_shard_model_by_lo(const void *one, const void *two)
{
    uint64_t  a, b;

    a = ngx_http_shard_model_sorting[*(const uint32_t *) one].lo;
    b = ngx_http_shard_model_sorting[*(const uint32_t *) two].lo;

    return a < b ? -1 : a > b;
}


uint32_t
ngx_http_shard_model_sort(ngx_http_shard_model_t *m)
{
    uint32_t  i, n;

    for (i = 0, n = 0; i < m->nentries; i++) {
        if (m->entries[i].live) {
            m->order[n++] = i;
        }
    }

    ngx_http_shard_model_sorting = m->entries;
    ngx_qsort(m->order, n, sizeof(uint32_t), ngx_http_shard_model_by_lo);

    m->sorted = 1;

    return n;
}


static ngx_int_t
ngx_http_shard_model_node_used(ngx_http_shard_model_t *m, uint16_t node)
{
    return node == SHARD_NODE_NONE
           || (node < m->nnodes && m->nodes[node].name[0]);
}


static ngx_int_t
ngx_http_shard_model_check(ngx_http_shard_model_t *m, char *err)
{
    uint32_t                 i, k, n;
    ngx_http_shard_entry_t  *e, *prev;

    n = ngx_http_shard_model_sort(m);

    if (n == 0) {
        ngx_http_shard_err(err, "no shard at all");
        return NGX_ERROR;
    }

    prev = NULL;

    for (i = 0; i < n; i++) {
        e = &m->entries[m->order[i]];

        if (prev ? prev->hi != e->lo || prev->hi == 0 : e->lo != 0) {
            ngx_http_shard_err(err, "positions before shard %u, which begins "
                               "at %016llx, belong to none or to two",
                               (unsigned) e->id, (unsigned long long) e->lo);
            return NGX_ERROR;
        }

        if (!ngx_http_shard_model_node_used(m, e->route.primary)
            || !ngx_http_shard_model_node_used(m, e->route.target))
        {
            ngx_http_shard_err(err, "shard %u is on a node that is not there",
                               (unsigned) e->id);
            return NGX_ERROR;
        }

        for (k = 0; k < SHARD_STANDBYS_MAX; k++) {
            if (!ngx_http_shard_model_node_used(m, e->route.standbys[k])) {
                ngx_http_shard_err(err, "shard %u has a standby that is not "
                                   "there", (unsigned) e->id);
                return NGX_ERROR;
            }
        }

        prev = e;
    }

    if (prev->hi != 0) {
        ngx_http_shard_err(err, "positions after shard %u belong to none",
                           (unsigned) prev->id);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* what could be undone is so no more */

void
ngx_http_shard_model_forget(ngx_http_shard_model_t *m)
{
    ngx_http_shard_undo_t  *undo;

    while (m->undo) {
        undo = m->undo;
        m->undo = undo->next;
        ngx_free(undo);
    }
}


ngx_int_t
ngx_http_shard_model_end(ngx_http_shard_model_t *m, char *err)
{
    if (m->structure && ngx_http_shard_model_check(m, err) != NGX_OK) {
        ngx_http_shard_model_undo(m);
        return NGX_ERROR;
    }

    ngx_http_shard_model_forget(m);

    m->in_change = 0;

    return NGX_OK;
}


void
ngx_http_shard_model_begin_load(ngx_http_shard_model_t *m)
{
    uint32_t  i;

    ngx_http_shard_model_begin(m);

    for (i = 0; i < m->nentries; i++) {
        m->entries[i].seen = 0;
    }

    ngx_memzero(m->node_seen, m->nnodes);
    m->structure = 1;
}


void
ngx_http_shard_model_sweep(ngx_http_shard_model_t *m)
{
    char         err[SHARD_ERR_SIZE];
    uint32_t     i;
    shard_str_t  name, none;

    none.len = 0;
    none.data = "";

    for (i = 0; i < m->nentries; i++) {
        if (m->entries[i].live && !m->entries[i].seen) {
            (void) ngx_http_shard_model_shard(m, m->entries[i].id, none, err);
        }
    }

    for (i = 0; i < m->nnodes; i++) {
        if (m->nodes[i].name[0] && !m->node_seen[i]) {
            name.data = m->nodes[i].name;
            name.len = ngx_strlen(m->nodes[i].name);
            (void) ngx_http_shard_model_node(m, name, none, err);
        }
    }
}


void
ngx_http_shard_err(char *err, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(err, SHARD_ERR_SIZE, fmt, args);
    va_end(args);
}
