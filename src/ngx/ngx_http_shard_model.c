
#include "ngx_http_shard_model.h"


#define NGX_HTTP_SHARD_NODE_MAP  16384           /* > 2 x 4096 nodes */


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


static ngx_int_t ngx_http_shard_model_grow(ngx_http_shard_model_t *m);
static void ngx_http_shard_model_map_add(ngx_http_shard_model_t *m,
    uint32_t n);
static void ngx_http_shard_model_take_over(ngx_http_shard_model_t *m);
static void ngx_http_shard_model_map_nodes(ngx_http_shard_model_t *m);
static ngx_int_t ngx_http_shard_model_remember(ngx_http_shard_model_t *m,
    ngx_uint_t is_node, uint32_t number);
static ngx_int_t ngx_http_shard_model_route(ngx_http_shard_model_t *m,
    const shard_record_t *rec, shard_route_t *route, char *err);
static ngx_int_t ngx_http_shard_model_new_slot(ngx_http_shard_model_t *m,
    uint32_t *slot);
static ngx_http_shard_entry_t *ngx_http_shard_model_new_entry(
    ngx_http_shard_model_t *m, shard_id_t id, char *err);
static int ngx_libc_cdecl ngx_http_shard_model_by_lo(const void *one,
    const void *two);
static ngx_int_t ngx_http_shard_model_check(ngx_http_shard_model_t *m,
    char *err);
static ngx_int_t ngx_http_shard_model_node_used(ngx_http_shard_model_t *m,
    uint16_t node);
static void ngx_http_shard_err(char *err, const char *fmt, ...);


/* qsort() has no argument of its own; one worker, one thread */

static ngx_http_shard_entry_t  *ngx_http_shard_model_sorting;


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
    m->active_queues = 1;

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
    ngx_http_shard_undo_t  *undo;

    if (m == NULL) {
        return;
    }

    while (m->undo) {
        undo = m->undo;
        m->undo = undo->next;
        ngx_free(undo);
    }

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
        e->route.queue = 0;
        used[e->slot] = 1;
    }

    m->next_slot = sh->nslots;

    for (i = sh->nslots; used && i; i--) {
        if (!used[i - 1]) {
            m->free_slots[m->nfree_slots++] = i - 1;
        }
    }

    ngx_free(used);
}


static void
ngx_http_shard_model_map_nodes(ngx_http_shard_model_t *m)
{
    uint32_t  i, n;

    ngx_memzero(m->node_map, NGX_HTTP_SHARD_NODE_MAP * sizeof(uint16_t));

    for (n = 0; n < m->nnodes; n++) {
        if (m->nodes[n].name[0] == '\0') {
            continue;
        }

        i = shard_key_position(m->nodes[n].name, ngx_strlen(m->nodes[n].name))
            & (NGX_HTTP_SHARD_NODE_MAP - 1);

        while (m->node_map[i]) {
            i = (i + 1) & (NGX_HTTP_SHARD_NODE_MAP - 1);
        }

        m->node_map[i] = n + 1;
    }
}


uint16_t
ngx_http_shard_model_node_number(ngx_http_shard_model_t *m, const char *name)
{
    uint32_t  i;

    i = shard_key_position(name, ngx_strlen(name))
        & (NGX_HTTP_SHARD_NODE_MAP - 1);

    while (m->node_map[i]) {
        if (ngx_strcmp(m->nodes[m->node_map[i] - 1].name, name) == 0) {
            return m->node_map[i] - 1;
        }

        i = (i + 1) & (NGX_HTTP_SHARD_NODE_MAP - 1);
    }

    return SHARD_NODE_NONE;
}


void
ngx_http_shard_model_begin(ngx_http_shard_model_t *m)
{
    m->in_change = 1;
}


static ngx_int_t
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

            /* a slot taken in this change goes back */

            if (e->live && !undo->was.entry.live) {
                m->free_slots[m->nfree_slots++] = e->slot;

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


ngx_int_t
ngx_http_shard_model_node(ngx_http_shard_model_t *m, shard_str_t name,
    shard_str_t json, char *err)
{
    uint16_t      n;
    shard_node_t  node;

    if (!shard_name_valid(name)) {
        ngx_http_shard_err(err, "bad node name");
        return NGX_ERROR;
    }

    ngx_memzero(&node, sizeof(node));
    ngx_memcpy(node.name, name.data, name.len);
    n = ngx_http_shard_model_node_number(m, node.name);

    if (json.len == 0) {
        if (n == SHARD_NODE_NONE) {
            return NGX_OK;
        }

        node.name[0] = '\0';

    } else if (shard_node_decode(name, json, &node, err) != SHARD_OK) {
        return NGX_ERROR;
    }

    if (n == SHARD_NODE_NONE) {
        for (n = 0; n < m->nnodes && m->nodes[n].name[0]; n++) { /* void */ }

        /* a number is used again only when there is no other */

        if (m->nnodes < m->keyspace->sh->nnodes_max) {
            n = m->nnodes++;

        } else if (n == m->nnodes) {
            ngx_http_shard_err(err, "more than %d nodes do not fit the zone, "
                               "give \"shard_table\" more",
                               (int) m->keyspace->sh->nnodes_max);
            return NGX_ERROR;
        }
    }

    if (ngx_http_shard_model_remember(m, 1, n) != NGX_OK) {
        ngx_http_shard_err(err, "no memory");
        return NGX_ERROR;
    }

    m->nodes[n] = node;
    m->node_seen[n] = 1;
    m->structure = 1;
    ngx_http_shard_model_map_nodes(m);

    return NGX_OK;
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

    *slot = m->free_slots[--m->nfree_slots];

    return NGX_OK;
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
        m->free_slots[m->nfree_slots++] = e->slot;

        return NGX_OK;
    }

    if (shard_record_decode(id, json, &rec, err) != SHARD_OK
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
    }

    e->lo = rec.lo;
    e->hi = rec.hi;
    e->route = route;
    e->dirty = 1;
    e->seen = 1;

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_shard_model_by_lo(const void *one, const void *two)
{
    uint64_t  a, b;

    a = ngx_http_shard_model_sorting[*(const uint32_t *) one].lo;
    b = ngx_http_shard_model_sorting[*(const uint32_t *) two].lo;

    return a < b ? -1 : a > b;
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

    for (i = 0, n = 0; i < m->nentries; i++) {
        if (m->entries[i].live) {
            m->order[n++] = i;
        }
    }

    if (n == 0) {
        ngx_http_shard_err(err, "no shard at all");
        return NGX_ERROR;
    }

    ngx_http_shard_model_sorting = m->entries;
    ngx_qsort(m->order, n, sizeof(uint32_t), ngx_http_shard_model_by_lo);

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


ngx_int_t
ngx_http_shard_model_end(ngx_http_shard_model_t *m, char *err)
{
    ngx_http_shard_undo_t  *undo;

    if (m->structure && ngx_http_shard_model_check(m, err) != NGX_OK) {
        ngx_http_shard_model_undo(m);
        return NGX_ERROR;
    }

    while (m->undo) {
        undo = m->undo;
        m->undo = undo->next;
        ngx_free(undo);
    }

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


static void
ngx_http_shard_err(char *err, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(err, SHARD_ERR_SIZE, fmt, args);
    va_end(args);
}
