
/*
 * From the leader's model into shared memory, under the zone's lock, by the
 * worker that leads now and nobody else.
 */


#include "ngx_http_shard_model.h"


static void ngx_http_shard_effective(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, shard_route_t *route);
static void ngx_http_shard_apply_verb(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, ngx_http_shard_verb_t *verb,
    shard_route_t *route);
static void ngx_http_shard_publish_latches(ngx_http_shard_model_t *m,
    ngx_uint_t fresh);
static void ngx_http_shard_publish_structure(ngx_http_shard_model_t *m);
static void ngx_http_shard_publish_node(ngx_http_shard_model_t *m,
    shard_node_t *from, ngx_http_shard_node_t *to);
static void ngx_http_shard_publish_flags(ngx_http_shard_sh_t *sh,
    ngx_uint_t n, ngx_http_shard_node_t *node);


/* what the table says, and an operator's verb over it */

static void
ngx_http_shard_effective(ngx_http_shard_model_t *m, ngx_http_shard_entry_t *e,
    shard_route_t *route)
{
    ngx_http_shard_verb_t  *verb;

    *route = e->route;

    /* a shard in its cutover stays held until that ends */

    if (route->phase != SHARD_HELD) {
        verb = ngx_http_shard_model_verb(m, e->id);

        if (verb) {
            ngx_http_shard_apply_verb(m, e, verb, route);
        }
    }
}


static void
ngx_http_shard_apply_verb(ngx_http_shard_model_t *m, ngx_http_shard_entry_t *e,
    ngx_http_shard_verb_t *verb, shard_route_t *route)
{
    uint16_t    node[SHARD_OVERRIDE_NODES];
    ngx_uint_t  n;

    for (n = 0; n < SHARD_OVERRIDE_NODES && verb->verb.node[n][0]; n++) {
        node[n] = ngx_http_shard_model_node_number(m, verb->verb.node[n]);

        /* removed since: as if the verb were not there */

        if (node[n] == SHARD_NODE_NONE) {
            return;
        }
    }

    switch (verb->verb.verb) {

    case SHARD_OVERRIDE_PIN:
        route->phase = SHARD_STEADY;
        route->target = SHARD_NODE_NONE;

        if (route->primary != node[0]) {
            route->primary = node[0];
            route->flags |= SHARD_ROUTE_MOVED;
        }

        break;

    case SHARD_OVERRIDE_SPLIT:
        shard_route_split(route, node, verb->verb.bp, (unsigned) n);
        break;

    case SHARD_OVERRIDE_HOLD:
        route->phase = SHARD_HELD;
        break;

    case SHARD_OVERRIDE_DRAIN:
        if (route->standbys[0] == SHARD_NODE_NONE) {
            return;
        }

        route->phase = SHARD_STEADY;
        route->target = SHARD_NODE_NONE;
        route->flags |= SHARD_ROUTE_DRAIN;
        break;

    default: /* freeze: routing as before */
        return;
    }

    route->flags |= SHARD_ROUTE_OVERRIDE;
}


static void
ngx_http_shard_publish_latches(ngx_http_shard_model_t *m, ngx_uint_t fresh)
{
    uint32_t                 i;
    shard_route_t            route, old;
    shard_latch_t           *latch;
    ngx_http_shard_entry_t  *e;

    for (i = 0; i < m->nentries; i++) {
        e = &m->entries[i];

        if (!e->live || !e->dirty || e->fresh != fresh) {
            continue;
        }

        latch = &m->keyspace->sh->latches[e->slot];

        if (fresh) {
            ngx_memzero(&m->keyspace->sh->counters[e->slot],
                        sizeof(ngx_http_shard_counters_t));
        }

        ngx_http_shard_effective(m, e, &route);
        shard_latch_read(latch, &old);

        if (fresh || ngx_memcmp(&route, &old, sizeof(shard_route_t)) != 0) {
            shard_latch_write(latch, &route);
        }

        ngx_http_shard_barrier_note(m->keyspace, e->slot, e->id,
                                    e->route.phase == SHARD_HELD);

        e->dirty = 0;
        e->fresh = 0;
    }
}


static void
ngx_http_shard_publish_node(ngx_http_shard_model_t *m, shard_node_t *from,
    ngx_http_shard_node_t *to)
{
    u_char        text[SHARD_ADDR_SIZE];
    ngx_str_t     zone;
    ngx_url_t     u;
    ngx_pool_t   *pool;

    ngx_memzero(to, sizeof(ngx_http_shard_node_t));
    to->zone_number = SHARD_ZONE_NONE;

    if (from->name[0] == '\0') {
        return;
    }

    to->state = from->state;
    to->capacity = from->capacity;
    to->name_len = ngx_strlen(from->name);
    to->zone_len = ngx_strlen(from->zone);
    to->addr_len = ngx_strlen(from->addr);
    ngx_memcpy(to->name, from->name, to->name_len);
    ngx_memcpy(to->zone, from->zone, to->zone_len);
    ngx_memcpy(to->addr, from->addr, to->addr_len);

    zone.data = to->zone;
    zone.len = to->zone_len;
    to->zone_number = ngx_http_shard_zone_register(m->keyspace->sh, &zone);

    pool = ngx_create_pool(1024, m->log);
    if (pool == NULL) {
        return;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));
    ngx_memcpy(text, from->addr, to->addr_len);
    u.url.data = text;
    u.url.len = to->addr_len;
    u.no_resolve = 1;

    if (ngx_parse_url(pool, &u) == NGX_OK && u.naddrs) {
        to->socklen = ngx_min(u.addrs[0].socklen, sizeof(ngx_sockaddr_t));
        ngx_memcpy(&to->sockaddr, u.addrs[0].sockaddr, to->socklen);

    } else {
        ngx_log_error(NGX_LOG_ERR, m->log, 0,
                      "keyspace \"%V\" node \"%s\": address \"%s\" is not a "
                      "numeric host:port or unix:/path",
                      &m->keyspace->name, from->name, from->addr);
    }

    ngx_destroy_pool(pool);
}


/*
 * Before the structure they belong to: a number that goes to another node
 * begins anew, or the old one's death would be the new one's.
 */

static void
ngx_http_shard_publish_flags(ngx_http_shard_sh_t *sh, ngx_uint_t n,
    ngx_http_shard_node_t *node)
{
    uint8_t                 set;
    ngx_http_shard_node_t  *old;

    old = &sh->arenas[sh->structure & 1].nodes[n];

    set = node->state == SHARD_NODE_DOWN ? SHARD_FLAG_DOWN
          : node->state == SHARD_NODE_DRAINING ? SHARD_FLAG_DRAINING : 0;

    if (node->name_len == 0 || node->name_len != old->name_len
        || ngx_memcmp(node->name, old->name, node->name_len) != 0)
    {
        __atomic_store_n(&sh->node_flags[n], set, __ATOMIC_RELAXED);
        return;
    }

    (void) __atomic_fetch_or(&sh->node_flags[n], set, __ATOMIC_RELAXED);
    (void) __atomic_fetch_and(&sh->node_flags[n],
                              ~(SHARD_FLAG_DOWN|SHARD_FLAG_DRAINING) | set,
                              __ATOMIC_RELAXED);
}


static void
ngx_http_shard_publish_structure(ngx_http_shard_model_t *m)
{
    uint32_t                 i, n;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_entry_t  *e;
    ngx_http_shard_arena_t  *arena;

    if (!m->sorted) {
        ngx_http_shard_model_sort(m);
    }

    sh = m->keyspace->sh;
    arena = &sh->arenas[(sh->structure + 1) & 1];

    for (i = 0; i < m->nnodes; i++) {
        ngx_http_shard_publish_node(m, &m->nodes[i], &arena->nodes[i]);
        ngx_http_shard_publish_flags(sh, i, &arena->nodes[i]);
    }

    arena->nnodes = m->nnodes;

    n = m->nlive;

    for (i = 0; i < n; i++) {
        e = &m->entries[m->order[i]];
        arena->index.lo[i] = e->lo;
        arena->index.slot[i] = e->slot;
        arena->index.id[i] = e->id;
    }

    if (shard_index_build(&arena->index, n) != SHARD_OK) {
        ngx_log_error(NGX_LOG_ALERT, m->log, 0,
                      "keyspace \"%V\": checked table cannot be indexed",
                      &m->keyspace->name);
        return;
    }

    __atomic_store_n(&sh->structure, sh->structure + 1, __ATOMIC_SEQ_CST);
}


ngx_int_t
ngx_http_shard_publish(ngx_http_shard_model_t *m, ngx_uint_t as_leader)
{
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_keyspace_t  *ks;

    ks = m->keyspace;
    sh = ks->sh;

    ngx_shmtx_lock(&ks->shpool->mutex);

    if (as_leader && !ngx_http_shard_leading(ks)) {
        ngx_shmtx_unlock(&ks->shpool->mutex);
        return NGX_DECLINED;
    }

    if (m->structure) {
        ngx_http_shard_publish_latches(m, 1);
        ngx_http_shard_publish_structure(m);
        m->structure = 0;
    }

    ngx_http_shard_publish_latches(m, 0);

    sh->table_version = m->version;
    m->published = 1;

    ngx_shmtx_unlock(&ks->shpool->mutex);

    if (ngx_http_shard_waiting(ks)) {
        ngx_http_shard_wake_all(ks);
    }

    return NGX_OK;
}
