
/*
 * Records into the model, and out of it again.
 */


#include "ngx_http_shard_model.h"


static ngx_int_t ngx_http_shard_model_route(ngx_http_shard_model_t *m,
    const shard_record_t *rec, shard_route_t *route, char *err);
static ngx_int_t ngx_http_shard_model_remove(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, char *err);


static ngx_int_t
ngx_http_shard_model_route(ngx_http_shard_model_t *m,
    const shard_record_t *rec, shard_route_t *route, char *err)
{
    uint32_t     i;
    uint16_t     node;
    const char  *name;

    ngx_memzero(route, sizeof(shard_route_t));

    route->migration_lo = (uint32_t) rec->migration;
    route->migration_hi = (uint32_t) (rec->migration >> 32);
    route->epoch = rec->epoch;
    route->shift_bp = rec->shift_bp;
    route->phase = rec->phase;
    route->strategy = rec->strategy;
    route->flags = rec->consistency == SHARD_EVENTUAL ? SHARD_ROUTE_EVENTUAL
                                                      : 0;
    route->target = SHARD_NODE_NONE;

    for (i = 0; i < SHARD_STANDBYS_MAX; i++) {
        route->standbys[i] = SHARD_NODE_NONE;
    }

    for (i = 0; i < 2u + rec->nstandbys; i++) {
        name = i == 0 ? rec->primary
                      : i == 1 ? rec->target : rec->standbys[i - 2];

        if (name[0] == '\0' && i == 1) {
            continue;
        }

        node = ngx_http_shard_model_node_number(m, name);

        if (node == SHARD_NODE_NONE) {
            ngx_http_shard_err(err, "shard %u names node \"%s\", which is not "
                               "there", (unsigned) rec->id, name);
            return NGX_ERROR;
        }

        if (i == 0) {
            route->primary = node;

        } else if (i == 1) {
            route->target = node;

        } else {
            route->standbys[i - 2] = node;
        }
    }

    return NGX_OK;
}


/* counts the nodes that a live entry names, or no longer does: n is 1 or -1 */

void
ngx_http_shard_model_refer(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, uint32_t n)
{
    ngx_uint_t  i;

    if (!e->live) {
        return;
    }

    m->node_refs[e->route.primary] += n;

    if (e->route.target != SHARD_NODE_NONE) {
        m->node_refs[e->route.target] += n;
    }

    for (i = 0; i < SHARD_STANDBYS_MAX; i++) {
        if (e->route.standbys[i] != SHARD_NODE_NONE) {
            m->node_refs[e->route.standbys[i]] += n;
        }
    }
}


static ngx_int_t
ngx_http_shard_model_remove(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, char *err)
{
    if (e == NULL || !e->live) {
        return NGX_OK;
    }

    if (ngx_http_shard_model_remember(m, 0, e - m->entries) != NGX_OK) {
        ngx_http_shard_err(err, "no memory");
        return NGX_ERROR;
    }

    ngx_http_shard_model_refer(m, e, -1);

    e->live = 0;
    m->nlive--;
    m->structure = 1;

    if (m->base == NULL) {
        ngx_http_shard_model_free_slot(m, e->slot);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_model_shard(ngx_http_shard_model_t *m, shard_id_t id,
    shard_str_t json, char *err)
{
    u_char                  *text;
    uint64_t                 lo, hi;
    shard_key_t              key;
    shard_route_t            route;
    shard_record_t           rec;
    ngx_http_shard_entry_t  *e;

    if (json.len == 0) {
        return ngx_http_shard_model_remove(m, ngx_http_shard_model_find(m, id),
                                           err);
    }

    if (shard_record_decode(m->kind, id, json, &rec, err) != SHARD_OK
        || ngx_http_shard_model_route(m, &rec, &route, err) != NGX_OK)
    {
        return NGX_ERROR;
    }

    lo = rec.lo;
    hi = rec.hi;

    if (m->kind == SHARD_KIND_RANGE_BYTES) {
        (void) shard_key_locate(m->kind, rec.lo_text.data, rec.lo_text.len,
                                &key);
        lo = key.position;
        hi = rec.hi_text.len;
    }

    e = ngx_http_shard_model_new_entry(m, id, err);

    if (e == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_shard_model_remember(m, 0, e - m->entries) != NGX_OK) {
        ngx_http_shard_err(err, "no memory");
        return NGX_ERROR;
    }

    text = e->text;

    if (ngx_http_shard_model_set_text(m, e, &rec) != NGX_OK) {
        ngx_http_shard_err(err, "no memory");
        return NGX_ERROR;
    }

    if (!e->live) {
        e->fresh = 1;

        if (ngx_http_shard_model_new_slot(m, e, err) != NGX_OK) {
            return NGX_ERROR;
        }

        m->nlive++;
        m->structure = 1;
    }

    ngx_http_shard_model_refer(m, e, -1);

    if (e->lo != lo || e->hi != hi || e->text != text) {
        m->structure = 1;
    }

    e->lo = lo;
    e->hi = hi;
    e->route = route;
    e->live = 1;

    ngx_http_shard_model_refer(m, e, 1);
    ngx_http_shard_model_dirty(m, e);

    return NGX_OK;
}


/* the record again, for the state file; its units lie in the model */

void
ngx_http_shard_model_record(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, shard_record_t *rec)
{
    ngx_uint_t   i;
    shard_str_t  text;

    ngx_memzero(rec, sizeof(shard_record_t));

    rec->id = e->id;
    rec->kind = m->kind;
    rec->epoch = e->route.epoch;
    rec->migration = shard_route_migration(&e->route);
    rec->shift_bp = e->route.shift_bp;
    rec->phase = e->route.phase;
    rec->strategy = e->route.strategy;
    rec->consistency = (e->route.flags & SHARD_ROUTE_EVENTUAL)
                       ? SHARD_EVENTUAL : SHARD_STRONG;

    switch (m->kind) {

    case SHARD_KIND_RANGE_BYTES:
        text = ngx_http_shard_model_lo_text(e);
        rec->lo_text.len = (uint8_t) text.len;
        ngx_memcpy(rec->lo_text.data, text.data, text.len);

        text = ngx_http_shard_model_hi_text(e);
        rec->hi_text.len = (uint8_t) text.len;
        ngx_memcpy(rec->hi_text.data, text.data, text.len);
        break;

    case SHARD_KIND_LIST:
        rec->units.data = (const char *) e->text;
        rec->units.len = e->text_len;
        rec->nunits = e->nunits;
        rec->is_default = e->is_default;
        break;

    default:
        rec->lo = e->lo;
        rec->hi = e->hi;
    }

    ngx_memcpy(rec->primary, m->nodes[e->route.primary].name, SHARD_NAME_SIZE);

    if (e->route.target != SHARD_NODE_NONE) {
        ngx_memcpy(rec->target, m->nodes[e->route.target].name,
                   SHARD_NAME_SIZE);
    }

    for (i = 0; i < SHARD_STANDBYS_MAX; i++) {
        if (e->route.standbys[i] != SHARD_NODE_NONE) {
            ngx_memcpy(rec->standbys[rec->nstandbys++],
                       m->nodes[e->route.standbys[i]].name, SHARD_NAME_SIZE);
        }
    }
}
