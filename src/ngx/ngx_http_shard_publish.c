
/*
 * From the leader's model into shared memory, by the worker that leads now
 * and nobody else: in batches, each under the zone's lock, which others want.
 *
 *   FRESH ─▶ NODES ─▶ INDEX ─▶ ROUTES ─▶ version
 *   slots    into the arena    of shards that
 *   nobody   that is not       were there
 *   sees     live, then live
 *
 * When no others are free, a slot is taken that the live structure gives to
 * the shard that just left it: FRESH makes it held, ROUTES brings its route.
 */


#include "ngx_http_shard_model.h"


#define NGX_HTTP_SHARD_BATCH  64


static void ngx_http_shard_effective(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, shard_route_t *route);
static void ngx_http_shard_apply_verb(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, ngx_http_shard_verb_t *verb,
    shard_route_t *route);
static void ngx_http_shard_publish_latch(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e);
static ngx_int_t ngx_http_shard_publish_latches(ngx_http_shard_model_t *m);
static ngx_int_t ngx_http_shard_publish_nodes(ngx_http_shard_model_t *m);
static void ngx_http_shard_publish_gone(ngx_http_shard_model_t *m);
static ngx_int_t ngx_http_shard_publish_index(ngx_http_shard_model_t *m);
static ngx_int_t ngx_http_shard_publish_batch(ngx_http_shard_model_t *m,
    ngx_uint_t as_leader);
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
ngx_http_shard_publish_latch(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e)
{
    shard_route_t   route, old;
    shard_latch_t  *latch;

    latch = &m->keyspace->sh->latches[e->slot];

    if (e->fresh) {
        ngx_memzero(&m->keyspace->sh->counters[e->slot],
                    sizeof(ngx_http_shard_counters_t));
    }

    ngx_http_shard_effective(m, e, &route);

    if (e->reused) {

        /* who is on the way to the one before waits for the structure that
         * tells them apart; the route comes behind it */

        route.phase = SHARD_HELD;
    }

    shard_latch_read(latch, &old);

    if (e->fresh || ngx_memcmp(&route, &old, sizeof(shard_route_t)) != 0) {
        shard_latch_write(latch, &route);
        (void) __atomic_add_fetch(&m->keyspace->sh->routes, 1,
                                  __ATOMIC_SEQ_CST);
    }

    ngx_http_shard_barrier_note(m->keyspace, e->slot, e->id,
                                e->route.phase == SHARD_HELD);

    e->dirty = e->reused;
    e->fresh = 0;
    e->reused = 0;
    m->ids[e->slot] = e->id + 1;
}


/* fresh slots before the structure that shows them, the others behind it;
 * NGX_OK: all of them */

static ngx_int_t
ngx_http_shard_publish_latches(ngx_http_shard_model_t *m)
{
    uint32_t                 n, end, fresh;
    ngx_http_shard_entry_t  *e;

    n = m->all_dirty ? m->nentries : m->ndirty;
    end = ngx_min(n, m->at + NGX_HTTP_SHARD_BATCH);
    fresh = m->step == NGX_HTTP_SHARD_STEP_FRESH;

    for ( /* void */ ; m->at < end; m->at++) {
        e = &m->entries[m->all_dirty ? m->at : m->dirty[m->at]];

        if (e->live && e->fresh == fresh && (e->dirty || m->all_dirty)) {
            ngx_http_shard_publish_latch(m, e);
        }
    }

    return m->at < n ? NGX_AGAIN : NGX_OK;
}


static void
ngx_http_shard_publish_node(ngx_http_shard_model_t *m, shard_node_t *from,
    ngx_http_shard_node_t *to)
{
    u_char        text[SHARD_ADDR_SIZE];
    ngx_str_t     zone;
    ngx_url_t     u;
    ngx_pool_t   *pool;
    shard_str_t   addr, host;

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

    addr.data = from->addr;
    addr.len = to->addr_len;

    /* the leader resolves it, and has perhaps done so before */

    if (shard_addr_name(addr, &host, &to->named_port)) {
        return;
    }

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
                      "keyspace \"%V\" node \"%s\": address \"%s\" is not "
                      "host:port or unix:/path",
                      &m->keyspace->name, from->name, from->addr);
    }

    ngx_destroy_pool(pool);
}


/*
 * Before the structure they belong to: a number that goes to another node, or
 * to another address, begins anew, or the old one's death would be the new
 * one's.
 */

static void
ngx_http_shard_publish_flags(ngx_http_shard_sh_t *sh, ngx_uint_t n,
    ngx_http_shard_node_t *node)
{
    uint8_t                  set;
    ngx_http_shard_node_t   *old;
    ngx_http_shard_arena_t  *arena;

    arena = &sh->arenas[sh->structure & 1];
    old = &arena->nodes[n];

    set = node->state == SHARD_NODE_DOWN ? SHARD_FLAG_DOWN
          : node->state == SHARD_NODE_DRAINING ? SHARD_FLAG_DRAINING : 0;

    if (node->named_port && node->named.turn == 0) {
        set |= SHARD_FLAG_UNRESOLVED;
    }

    if (n >= arena->nnodes
        || node->name_len == 0 || node->name_len != old->name_len
        || ngx_memcmp(node->name, old->name, node->name_len) != 0
        || node->addr_len != old->addr_len
        || ngx_memcmp(node->addr, old->addr, node->addr_len) != 0)
    {
        ngx_http_shard_health_forget(sh, n);
        ngx_http_shard_node_mark(sh, n, 0xff, set);
        return;
    }

    ngx_http_shard_node_mark(sh, n, SHARD_FLAG_DOWN|SHARD_FLAG_DRAINING, set);
}


/* a node that is gone stays as it was until no route names it any more */

static ngx_int_t
ngx_http_shard_publish_nodes(ngx_http_shard_model_t *m)
{
    uint32_t                 end;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_arena_t  *arena, *live;

    sh = m->keyspace->sh;
    arena = &sh->arenas[(sh->structure + 1) & 1];
    live = &sh->arenas[sh->structure & 1];
    end = ngx_min(m->nnodes, m->at + NGX_HTTP_SHARD_BATCH);

    for ( /* void */ ; m->at < end; m->at++) {

        if (m->nodes[m->at].name[0] == '\0' && m->at < live->nnodes
            && live->nodes[m->at].name_len)
        {
            arena->nodes[m->at] = live->nodes[m->at];
            m->gone_nodes = 1;
            continue;
        }

        ngx_http_shard_publish_node(m, &m->nodes[m->at], &arena->nodes[m->at]);

        if (m->at < live->nnodes) {
            ngx_http_shard_named_keep(&live->nodes[m->at],
                                      &arena->nodes[m->at]);
        }

        ngx_http_shard_publish_flags(sh, m->at, &arena->nodes[m->at]);
    }

    return m->at < m->nnodes ? NGX_AGAIN : NGX_OK;
}


static void
ngx_http_shard_publish_gone(ngx_http_shard_model_t *m)
{
    uint32_t                 i;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_arena_t  *arena;

    sh = m->keyspace->sh;
    arena = &sh->arenas[sh->structure & 1];

    for (i = 0; m->gone_nodes && i < arena->nnodes; i++) {
        if (m->nodes[i].name[0] == '\0' && arena->nodes[i].name_len) {
            ngx_memzero(&arena->nodes[i], sizeof(ngx_http_shard_node_t));
            ngx_http_shard_publish_flags(sh, i, &arena->nodes[i]);
        }
    }

    m->gone_nodes = 0;
}


static ngx_int_t
ngx_http_shard_publish_index(ngx_http_shard_model_t *m)
{
    int                      rc;
    uint32_t                 end;
    shard_str_t              bound;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_entry_t  *e;
    ngx_http_shard_place_t  *place;
    ngx_http_shard_arena_t  *arena;

    sh = m->keyspace->sh;
    arena = &sh->arenas[(sh->structure + 1) & 1];
    end = ngx_min(m->nplaces, m->at + NGX_HTTP_SHARD_BATCH);

    bound.len = 0;
    bound.data = "";

    rc = m->at ? SHARD_OK : shard_index_begin(&m->builder, &arena->index,
                                              m->kind, m->nplaces);

    for ( /* void */ ; rc == SHARD_OK && m->at < end; m->at++) {
        place = &m->places[m->at];
        e = &m->entries[place->entry];

        if (m->kind == SHARD_KIND_RANGE_BYTES) {
            bound = ngx_http_shard_model_lo_text(e);
        }

        rc = shard_index_add(&m->builder, place->lo, bound,
                             e->slot | (place->again ? SHARD_ENTRY_AGAIN : 0),
                             e->id);
    }

    if (rc == SHARD_OK && m->at < m->nplaces) {
        return NGX_AGAIN;
    }

    if (rc != SHARD_OK || shard_index_finish(&m->builder) != SHARD_OK) {
        ngx_log_error(NGX_LOG_ALERT, m->log, 0,
                      "keyspace \"%V\": checked table cannot be indexed",
                      &m->keyspace->name);
        return NGX_ERROR;
    }

    arena->nnodes = m->nnodes;
    arena->nshards = m->nlive;
    m->structure = 0;
    m->nfreed = 0;

    ngx_http_shard_handover_published(m->keyspace,
                                      (uint32_t) sh->structure + 1);

    __atomic_store_n(&sh->structure, sh->structure + 1, __ATOMIC_SEQ_CST);

    return NGX_OK;
}


/* one batch under the lock; NGX_OK when the step is done */

static ngx_int_t
ngx_http_shard_publish_batch(ngx_http_shard_model_t *m, ngx_uint_t as_leader)
{
    ngx_int_t                   rc;
    ngx_http_shard_keyspace_t  *ks;

    ks = m->keyspace;

    ngx_shmtx_lock(&ks->shpool->mutex);

    if (as_leader && !ngx_http_shard_leading(ks)) {
        ngx_shmtx_unlock(&ks->shpool->mutex);
        return NGX_DECLINED;
    }

    switch (m->step) {

    case NGX_HTTP_SHARD_STEP_NODES:
        rc = ngx_http_shard_publish_nodes(m);
        break;

    case NGX_HTTP_SHARD_STEP_INDEX:
        rc = ngx_http_shard_publish_index(m);
        break;

    default: /* FRESH, ROUTES */
        rc = ngx_http_shard_publish_latches(m);
    }

    if (rc == NGX_OK && m->step == NGX_HTTP_SHARD_STEP_ROUTES) {
        ngx_http_shard_publish_gone(m);

        m->ndirty = 0;
        m->all_dirty = 0;
        ks->sh->table_version = m->version;
    }

    ngx_shmtx_unlock(&ks->shpool->mutex);

    return rc;
}


ngx_int_t
ngx_http_shard_publish(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, ngx_uint_t as_leader)
{
    ngx_int_t  rc;

    if (m->step == NGX_HTTP_SHARD_STEP_NONE) {
        m->step = m->structure ? NGX_HTTP_SHARD_STEP_FRESH
                               : NGX_HTTP_SHARD_STEP_ROUTES;
        m->at = 0;
    }

    for ( ;; ) {
        rc = ngx_http_shard_publish_batch(m, as_leader);

        if (rc == NGX_DECLINED || rc == NGX_ERROR) {
            m->step = NGX_HTTP_SHARD_STEP_NONE;
            return rc;
        }

        if (rc == NGX_OK) {

            if (m->step == NGX_HTTP_SHARD_STEP_ROUTES) {
                break;
            }

            m->step++;
            m->at = 0;
        }

        if (slice && ngx_http_shard_slice_late(slice)) {
            return NGX_AGAIN;
        }
    }

    m->step = NGX_HTTP_SHARD_STEP_NONE;

    if (ngx_http_shard_waiting(m->keyspace)) {
        ngx_http_shard_wake_all(m->keyspace);
    }

    return NGX_OK;
}
