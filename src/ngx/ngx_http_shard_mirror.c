
#include "ngx_http_shard_mirror.h"


#define NGX_HTTP_SHARD_MIRROR_CONNECT  500       /* ms, or all of timeout */


static ngx_uint_t ngx_http_shard_mirror_wanted(ngx_http_shard_ctx_t *ctx);
static ngx_uint_t ngx_http_shard_mirror_able(ngx_http_request_t *r);
static ngx_http_shard_mirror_t *ngx_http_shard_mirror_create(
    ngx_http_shard_ctx_t *ctx);
static ngx_int_t ngx_http_shard_mirror_address(ngx_http_shard_mirror_t *m);
static ngx_int_t ngx_http_shard_mirror_render(ngx_http_shard_mirror_t *m);
static ngx_int_t ngx_http_shard_mirror_copy(ngx_http_shard_mirror_t *m,
    ngx_chain_t *in);
static void ngx_http_shard_mirror_start(ngx_event_t *ev);
static void ngx_http_shard_mirror_body(ngx_http_shard_exchange_t *x,
    u_char *data, size_t len);
static void ngx_http_shard_mirror_done(ngx_http_shard_exchange_t *x);


/* of this worker, until both answers are there */

static ngx_uint_t   ngx_http_shard_nmirrors;
static ngx_queue_t  ngx_http_shard_mirrors;


/* the peer is chosen, nothing is sent yet */

void
ngx_http_shard_mirror(ngx_http_shard_ctx_t *ctx)
{
    uint64_t                    migration;
    ngx_http_shard_mirror_t    *m;
    ngx_http_shard_keyspace_t  *ks;

    if (!ngx_http_shard_read_only(ctx->request)) {
        ngx_http_shard_mirror_write(ctx);
        return;
    }

    if (!ngx_http_shard_mirror_wanted(ctx)) {
        return;
    }

    ks = ngx_http_shard_keyspace(ctx);
    migration = shard_route_migration(&ctx->route);

    if (ngx_http_shard_mirror_open(ks, migration, ctx->slot, ctx->id)
        != NGX_OK)
    {
        return;
    }

    m = NULL;

    if (ngx_http_shard_nmirrors < ctx->conf->mirror_max
        && ngx_http_shard_mirror_able(ctx->request))
    {
        m = ngx_http_shard_mirror_create(ctx);
    }

    if (m == NULL) {
        ngx_http_shard_mirror_count(ks, migration,
                                    NGX_HTTP_SHARD_MIRROR_SKIPPED);
        return;
    }

    ngx_http_shard_mirror_count(ks, migration, NGX_HTTP_SHARD_MIRROR_SENT);
    ngx_post_event(&m->start, &ngx_posted_events);
}


/* a read that goes to the source of a migration, and the policy's share */

static ngx_uint_t
ngx_http_shard_mirror_wanted(ngx_http_shard_ctx_t *ctx)
{
    ngx_uint_t                  bp;
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_keyspace_t  *ks;

    if (ctx->route.target == SHARD_NODE_NONE
        || ctx->node != ctx->route.primary
        || (ctx->wait && ctx->wait->mirror)
        || (ctx->route.flags & SHARD_ROUTE_OVERRIDE)
        || shard_route_migration(&ctx->route) == 0
        || ctx->attempt || ctx->misdirected)
    {
        return 0;
    }

    ks = ngx_http_shard_keyspace(ctx);
    sh = ks->sh;

    /* a number by itself is whole whichever version it is of */

    bp = sh->policy.v[__atomic_load_n(&sh->policy.seq, __ATOMIC_ACQUIRE) & 1]
             .mirror_bp;

    ks->mirror_due += bp;

    if (ks->mirror_due < SHARD_BP_ALL) {
        return 0;
    }

    ks->mirror_due -= SHARD_BP_ALL;

    return 1;
}


/*
 * HTTP/1.x without TLS and without a body.  An answer that goes into a cache
 * is asked for in other words than the client's.
 */

static ngx_uint_t
ngx_http_shard_mirror_able(ngx_http_request_t *r)
{
    ngx_str_t            *module;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    module = &u->conf->module;

    if (module->len != 5 || ngx_strncmp(module->data, "proxy", 5) != 0) {
        return 0;
    }

#if (NGX_HTTP_SSL)
    if (u->ssl) {
        return 0;
    }
#endif

#if (NGX_HTTP_CACHE)
    if (u->cacheable && r->method != NGX_HTTP_GET) {
        return 0;
    }
#endif

    return !r->headers_in.chunked && r->headers_in.content_length_n <= 0
           && r->headers_in.upgrade == NULL
           && (r->request_body == NULL || r->request_body->bufs == NULL);
}


static ngx_http_shard_mirror_t *
ngx_http_shard_mirror_create(ngx_http_shard_ctx_t *ctx)
{
    ngx_log_t                *log;
    ngx_str_t                 uri;
    ngx_http_shard_mirror_t  *m;

    log = ngx_cycle->log;

    if (ngx_http_shard_wait(ctx) == NULL) {
        return NULL;
    }

    m = ngx_calloc(sizeof(ngx_http_shard_mirror_t), log);
    if (m == NULL) {
        return NULL;
    }

    if (ngx_http_shard_mirrors.next == NULL) {
        ngx_queue_init(&ngx_http_shard_mirrors);
    }

    ngx_queue_insert_tail(&ngx_http_shard_mirrors, &m->queue);
    ngx_http_shard_nmirrors++;

    m->keyspace = ngx_http_shard_keyspace(ctx);
    m->ctx = ctx;
    m->upstream = ctx->request->upstream;
    m->migration = shard_route_migration(&ctx->route);
    m->sticky = ctx->sticky;
    m->started = ngx_current_msec;
    m->id = ctx->id;
    m->node = ctx->node;
    m->lags = ctx->route.strategy != SHARD_STATELESS;

    m->start.handler = ngx_http_shard_mirror_start;
    m->start.data = m;
    m->start.log = log;

    uri = ctx->request->unparsed_uri;

    for (m->uri_len = 0; m->uri_len < uri.len; m->uri_len++) {
        if (uri.data[m->uri_len] == '?' || m->uri_len == sizeof(m->uri)) {
            break;
        }

        m->uri[m->uri_len] = uri.data[m->uri_len];
    }

    m->hash = ngx_memalign(64, sizeof(shard_digest_t), log);
    m->exchange = ngx_http_shard_exchange_create(log);

    if (m->hash == NULL || m->exchange == NULL
        || ngx_http_shard_mirror_address(m) != NGX_OK
        || ngx_http_shard_mirror_render(m) != NGX_OK
        || ngx_http_shard_mirror_attach(m) != NGX_OK)
    {
        ngx_http_shard_mirror_free(m);
        return NULL;
    }

    shard_digest_init(m->hash);

    m->exchange->data = m;
    m->exchange->done = ngx_http_shard_mirror_done;
    m->exchange->body = ngx_http_shard_mirror_body;
    m->exchange->timeout = ctx->conf->mirror_timeout;
    m->exchange->connect_timeout = ngx_min(ctx->conf->mirror_timeout,
                                           NGX_HTTP_SHARD_MIRROR_CONNECT);
    m->exchange->limit = NGX_HTTP_SHARD_MIRROR_LIMIT;
    m->exchange->hashed = 1;

    return m;
}


static ngx_int_t
ngx_http_shard_mirror_address(ngx_http_shard_mirror_t *m)
{
    uint64_t                 structure;
    uint16_t                 n;
    ngx_uint_t               there;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_node_t   *node;
    ngx_http_shard_arena_t  *arena;

    sh = m->keyspace->sh;
    n = m->ctx->route.target;

    do {
        structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
        arena = &sh->arenas[structure & 1];

        node = &arena->nodes[ngx_min(n, sh->nnodes_max - 1)];
        there = n < arena->nnodes;
        m->socklen = ngx_min(node->socklen, sizeof(ngx_sockaddr_t));
        ngx_memcpy(&m->sockaddr, &node->sockaddr, m->socklen);

        if (node->named_port) {
            m->socklen = ngx_http_shard_named_get(node, &m->sockaddr.sockaddr);
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));

    return there && m->socklen ? NGX_OK : NGX_DECLINED;
}


/*
 * By the proxy module once more, as if the target had been chosen: variables
 * say so.  What the client's own request is made of stays as it is.
 */

static ngx_int_t
ngx_http_shard_mirror_render(ngx_http_shard_mirror_t *m)
{
    size_t                      size;
    uint16_t                    node;
    ngx_int_t                   rc;
    ngx_str_t                   uri;
    shard_role_e                role;
    ngx_chain_t                *bufs, *mirrored;
    ngx_http_request_t         *r;
    ngx_http_upstream_t        *u;
    ngx_http_shard_ctx_t       *ctx;
    ngx_http_variable_value_t  *variables;
    ngx_http_core_main_conf_t  *cmcf;

    ctx = m->ctx;
    r = ctx->request;
    u = m->upstream;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    size = cmcf->variables.nelts * sizeof(ngx_http_variable_value_t);

    variables = ngx_palloc(m->exchange->pool, size);
    if (variables == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(variables, r->variables, size);

    node = ctx->node;
    role = ctx->role;
    uri = u->uri;
    bufs = u->request_bufs;

    ctx->node = ctx->route.target;
    ctx->role = SHARD_ROLE_TARGET;
    u->request_bufs = NULL;

    rc = u->create_request(r);
    mirrored = u->request_bufs;

    ctx->node = node;
    ctx->role = role;
    u->uri = uri;
    u->request_bufs = bufs;
    ngx_memcpy(r->variables, variables, size);

    return rc == NGX_OK ? ngx_http_shard_mirror_copy(m, mirrored) : rc;
}


static ngx_int_t
ngx_http_shard_mirror_copy(ngx_http_shard_mirror_t *m, ngx_chain_t *in)
{
    u_char       *p, *end;
    size_t        len;
    ngx_str_t    *request;
    ngx_chain_t  *cl;

    request = &m->exchange->request;

    for (cl = in, len = 0; cl; cl = cl->next) {
        if (!ngx_buf_in_memory(cl->buf)) {
            return NGX_DECLINED;
        }

        len += ngx_buf_size(cl->buf);
    }

    request->data = ngx_pnalloc(m->exchange->pool, len + 1);
    if (request->data == NULL) {
        return NGX_ERROR;
    }

    p = request->data;

    for (cl = in; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, ngx_buf_size(cl->buf));
    }

    request->len = len;
    m->exchange->head = len > 5 && ngx_strncmp(request->data, "HEAD ", 5) == 0;

    /* the request line, whatever else the module may speak */

    end = ngx_strlchr(request->data, p, CR);

    return end && end - request->data >= 14
           && ngx_strncmp(end - 9, " HTTP/1.", 8) == 0
           ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_shard_mirror_start(ngx_event_t *ev)
{
    ngx_http_shard_mirror_t *m = ev->data;

    ngx_http_shard_exchange_start(m->exchange, &m->sockaddr.sockaddr,
                                  m->socklen);
}


/* its first piece: until then the target thought */

static void
ngx_http_shard_mirror_body(ngx_http_shard_exchange_t *x, u_char *data,
    size_t len)
{
    ngx_http_shard_mirror_t *m = x->data;

    if (x->length == 0) {
        m->target.ms = ngx_current_msec - x->started;
    }
}


static void
ngx_http_shard_mirror_done(ngx_http_shard_exchange_t *x)
{
    ngx_http_shard_mirror_t *m = x->data;

    m->exchange = NULL;

    m->target.complete = x->outcome == NGX_HTTP_SHARD_EXCHANGE_OK;
    m->target.too_long = x->truncated;
    m->target.status = x->status;
    m->target.length = x->length;
    m->target.digest = x->digest;

    if (x->length == 0) {
        m->target.ms = x->ms;
    }

    if (x->outcome == NGX_HTTP_SHARD_EXCHANGE_LOCAL) {

        /* this worker's own trouble says nothing of the target */

        m->upstream = NULL;
        m->source.complete = 0;
    }

    if (m->ctx == NULL) {
        ngx_http_shard_mirror_compare(m);
        ngx_http_shard_mirror_free(m);
    }
}


void
ngx_http_shard_mirror_free(ngx_http_shard_mirror_t *m)
{
    if (m->start.posted) {
        ngx_delete_posted_event(&m->start);
    }

    if (m->exchange) {
        ngx_http_shard_exchange_cancel(m->exchange);
    }

    ngx_queue_remove(&m->queue);
    ngx_http_shard_nmirrors--;

    ngx_free(m->hash);
    ngx_free(m);
}


/* before the exchanges that are left go: the worker ends */

void
ngx_http_shard_mirror_exit(void)
{
    ngx_queue_t              *q;
    ngx_http_shard_mirror_t  *m;

    if (ngx_http_shard_mirrors.next == NULL) {
        return;
    }

    while (!ngx_queue_empty(&ngx_http_shard_mirrors)) {
        q = ngx_queue_head(&ngx_http_shard_mirrors);
        m = ngx_queue_data(q, ngx_http_shard_mirror_t, queue);

        if (m->ctx) {
            m->ctx->watched = 0;
            m->ctx->wait->mirror = NULL;
        }

        ngx_http_shard_mirror_free(m);
    }
}
