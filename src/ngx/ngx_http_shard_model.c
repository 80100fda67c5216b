
#include "ngx_http_shard_model.h"


static ngx_int_t ngx_http_shard_model_grow(ngx_http_shard_model_t *m);
static void ngx_http_shard_model_map_add(ngx_http_shard_model_t *m,
    uint32_t n);
static void ngx_http_shard_model_take_over(ngx_http_shard_model_t *m);
static ngx_int_t ngx_http_shard_model_route(ngx_http_shard_model_t *m,
    const shard_record_t *rec, shard_route_t *route, char *err);
static ngx_int_t ngx_http_shard_model_new_slot(ngx_http_shard_model_t *m,
    uint32_t *slot);
static ngx_http_shard_entry_t *ngx_http_shard_model_new_entry(
    ngx_http_shard_model_t *m, shard_id_t id, char *err);


ngx_http_shard_model_t *
ngx_http_shard_model_create(ngx_http_shard_keyspace_t *ks, ngx_log_t *log)
{
    ngx_http_shard_model_t  *m;

    m = ngx_calloc(sizeof(ngx_http_shard_model_t), log);
    if (m == NULL) {
        return NULL;
    }

    m->keyspace = ks;
    m->log = log;

    m->nodes = ngx_calloc(ks->sh->nnodes_max * sizeof(shard_node_t), log);
    m->node_seen = ngx_calloc(ks->sh->nnodes_max, log);
    m->node_map = ngx_calloc(NGX_HTTP_SHARD_NODE_MAP * sizeof(uint16_t), log);
    m->free_slots = ngx_alloc(ks->sh->nslots * sizeof(uint32_t), log);

    if (m->nodes == NULL || m->node_seen == NULL || m->node_map == NULL
        || m->free_slots == NULL || ngx_http_shard_model_grow(m) != NGX_OK)
    {
        ngx_http_shard_model_destroy(m);
        return NULL;
    }

    ngx_http_shard_model_take_over(m);

    return m;
}


void
ngx_http_shard_model_destroy(ngx_http_shard_model_t *m)
{
    if (m == NULL) {
        return;
    }

    ngx_http_shard_model_forget(m);

    ngx_free(m->entries);
    ngx_free(m->map);
    ngx_free(m->order);
    ngx_free(m->free_slots);
    ngx_free(m->nodes);
    ngx_free(m->node_seen);
    ngx_free(m->node_map);
    ngx_free(m->verbs);
    ngx_free(m);
}


static ngx_int_t
ngx_http_shard_model_grow(ngx_http_shard_model_t *m)
{
    uint32_t                 i, capacity, *map, *order;
    ngx_http_shard_entry_t  *entries;

    capacity = m->capacity ? 2 * m->capacity : 256;

    entries = ngx_alloc(capacity * sizeof(ngx_http_shard_entry_t), m->log);
    map = ngx_calloc(2 * capacity * sizeof(uint32_t), m->log);
    order = ngx_alloc(capacity * sizeof(uint32_t), m->log);

    if (entries == NULL || map == NULL || order == NULL) {
        ngx_free(entries);
        ngx_free(map);
        ngx_free(order);
        return NGX_ERROR;
    }

    if (m->entries) {
        ngx_memcpy(entries, m->entries,
                   m->nentries * sizeof(ngx_http_shard_entry_t));
    }

    ngx_free(m->entries);
    ngx_free(m->map);
    ngx_free(m->order);

    m->entries = entries;
    m->map = map;
    m->order = order;
    m->capacity = capacity;
    m->map_mask = 2 * capacity - 1;
    m->sorted = 0;

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


/* numbers of nodes and slots that are out in the zone */

static void
ngx_http_shard_model_take_over(ngx_http_shard_model_t *m)
{
    char                     err[SHARD_ERR_SIZE];
    uint8_t                 *used;
    uint32_t                 i;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_node_t   *node;
    ngx_http_shard_entry_t  *e;
    ngx_http_shard_arena_t  *arena;

    sh = m->keyspace->sh;
    arena = &sh->arenas[sh->structure & 1];

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

    used = ngx_calloc(sh->nslots, m->log);

    for (i = 0; used && i < arena->index.n; i++) {
        e = ngx_http_shard_model_new_entry(m, arena->index.id[i], err);
        if (e == NULL) {
            break;
        }

        e->slot = arena->index.slot[i];
        e->lo = arena->index.lo[i];
        e->hi = i + 1 < arena->index.n ? arena->index.lo[i + 1] : 0;
        e->fresh = 0;
        e->dirty = 0;
        shard_latch_read(&sh->latches[e->slot], &e->route);
        used[e->slot] = 1;
    }

    for (i = 0; used && i < sh->nslots; i++) {
        if (!used[i]) {
            ngx_http_shard_model_free_slot(m, i);
        }
    }

    ngx_free(used);
}


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


static ngx_int_t
ngx_http_shard_model_new_slot(ngx_http_shard_model_t *m, uint32_t *slot)
{
    if (m->nfree_slots == 0) {
        return NGX_ERROR;
    }

    *slot = m->free_slots[m->first_free];

    m->first_free = (m->first_free + 1) % m->keyspace->sh->nslots;
    m->nfree_slots--;

    return NGX_OK;
}


void
ngx_http_shard_model_free_slot(ngx_http_shard_model_t *m, uint32_t slot)
{
    m->free_slots[(m->first_free + m->nfree_slots) % m->keyspace->sh->nslots]
        = slot;
    m->nfree_slots++;
}


static ngx_http_shard_entry_t *
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

    if (!e->live) {
        if (ngx_http_shard_model_remember(m, 0, e - m->entries) != NGX_OK) {
            ngx_http_shard_err(err, "no memory");
            return NULL;
        }

        e->live = 1;
        e->fresh = 1;
        m->nlive++;
        m->structure = 1;
        m->sorted = 0;
    }

    return e;
}


ngx_int_t
ngx_http_shard_model_shard(ngx_http_shard_model_t *m, shard_id_t id,
    shard_str_t json, char *err)
{
    ngx_uint_t               was_live;
    shard_route_t            route;
    shard_record_t           rec;
    ngx_http_shard_entry_t  *e;

    e = ngx_http_shard_model_find(m, id);

    if (json.len == 0) {
        if (e == NULL || !e->live) {
            return NGX_OK;
        }

        if (ngx_http_shard_model_remember(m, 0, e - m->entries) != NGX_OK) {
            ngx_http_shard_err(err, "no memory");
            return NGX_ERROR;
        }

        e->live = 0;
        m->nlive--;
        m->structure = 1;
        m->sorted = 0;
        ngx_http_shard_model_free_slot(m, e->slot);

        return NGX_OK;
    }

    if (shard_record_decode(SHARD_KIND_HASH, id, json, &rec, err) != SHARD_OK
        || ngx_http_shard_model_route(m, &rec, &route, err) != NGX_OK)
    {
        return NGX_ERROR;
    }

    was_live = e && e->live;

    if (was_live) {
        if (ngx_http_shard_model_remember(m, 0, e - m->entries) != NGX_OK) {
            ngx_http_shard_err(err, "no memory");
            return NGX_ERROR;
        }

    } else {
        if (m->nfree_slots == 0) {
            ngx_http_shard_err(err, "more than %u shards do not fit the zone "
                               "of %u KB, give \"shard_table\" more",
                               (unsigned) m->keyspace->sh->nslots,
                               (unsigned) (m->keyspace->zone->shm.size / 1024));
            return NGX_ERROR;
        }

        e = ngx_http_shard_model_new_entry(m, id, err);
        if (e == NULL || ngx_http_shard_model_new_slot(m, &e->slot) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!was_live || e->lo != rec.lo || e->hi != rec.hi) {
        m->structure = 1;
        m->sorted = 0;
    }

    e->lo = rec.lo;
    e->hi = rec.hi;
    e->route = route;
    e->dirty = 1;
    e->seen = 1;

    return NGX_OK;
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


/* the record again, for the state file */

void
ngx_http_shard_model_record(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, shard_record_t *rec)
{
    ngx_uint_t  i;

    ngx_memzero(rec, sizeof(shard_record_t));

    rec->id = e->id;
    rec->epoch = e->route.epoch;
    rec->lo = e->lo;
    rec->hi = e->hi;
    rec->migration = shard_route_migration(&e->route);
    rec->shift_bp = e->route.shift_bp;
    rec->phase = e->route.phase;
    rec->strategy = e->route.strategy;
    rec->consistency = (e->route.flags & SHARD_ROUTE_EVENTUAL)
                       ? SHARD_EVENTUAL : SHARD_STRONG;

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
