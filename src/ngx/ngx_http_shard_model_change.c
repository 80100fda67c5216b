
/*
 * A change of the model in use: begun, checked as a whole, or undone.
 */


#include "ngx_http_shard_model.h"


static void ngx_http_shard_model_restore(ngx_http_shard_model_t *m,
    ngx_http_shard_undo_t *undo);
static ngx_int_t ngx_http_shard_model_check_nodes(ngx_http_shard_model_t *m,
    char *err);


void
ngx_http_shard_model_begin(ngx_http_shard_model_t *m)
{
    m->in_change = 1;
    m->nundo = 0;
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
    undo->age = m->nundo++;
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


static void
ngx_http_shard_model_restore(ngx_http_shard_model_t *m,
    ngx_http_shard_undo_t *undo)
{
    ngx_uint_t               dirty, was_live;
    ngx_http_shard_entry_t  *e;

    e = &m->entries[undo->number];
    was_live = e->live;
    dirty = e->dirty;

    ngx_http_shard_model_refer(m, e, -1);

    /* the ring of free slots, the last step first: a slot taken goes back to
     * its beginning, one given is taken from its end */

    if (e->live && !undo->was.entry.live) {
        m->first_free = (m->first_free + m->keyspace->sh->nslots - 1)
                        % m->keyspace->sh->nslots;
        m->free_slots[m->first_free] = e->slot;
        m->nfree_slots++;
        m->nfreed += e->reused;

    } else if (!e->live && undo->was.entry.live) {
        m->nfree_slots--;
        m->nfreed--;
    }

    *e = undo->was.entry;
    e->dirty = dirty;
    m->nlive = m->nlive - was_live + e->live;

    ngx_http_shard_model_refer(m, e, 1);
}


void
ngx_http_shard_model_undo(ngx_http_shard_model_t *m)
{
    ngx_uint_t              nodes;
    ngx_http_shard_undo_t  *undo;

    nodes = 0;

    while (m->undo) {
        undo = m->undo;
        m->undo = undo->next;
        m->structure = undo->structure;

        if (undo->is_node) {
            m->nodes[undo->number] = undo->was.node;
            nodes = 1;

        } else {
            ngx_http_shard_model_restore(m, undo);
        }

        ngx_free(undo);
    }

    if (nodes) {
        ngx_http_shard_model_map_nodes(m);
    }

    m->in_change = 0;
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


static ngx_int_t
ngx_http_shard_model_check_nodes(ngx_http_shard_model_t *m, char *err)
{
    ngx_http_shard_undo_t  *undo;

    for (undo = m->undo; undo; undo = undo->next) {

        if (undo->is_node && m->nodes[undo->number].name[0] == '\0'
            && m->node_refs[undo->number])
        {
            ngx_http_shard_err(err, "node \"%s\" is removed, and %u shards "
                               "name it", undo->was.node.name,
                               (unsigned) m->node_refs[undo->number]);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_model_end(ngx_http_shard_model_t *m, char *err)
{
    if (ngx_http_shard_model_check_nodes(m, err) != NGX_OK
        || (m->structure && ngx_http_shard_model_move(m, err) != NGX_OK))
    {
        ngx_http_shard_model_undo(m);
        return NGX_ERROR;
    }

    ngx_http_shard_model_forget(m);

    m->moves += m->structure;
    m->in_change = 0;

    return NGX_OK;
}
