
/*
 * 421: the backend is not, or no longer, the owner.  It promises that it did
 * nothing, so the request goes to the owner once more whatever its method:
 *
 *   421 read ─▶ leave ─▶ leader asks Redis ─▶ newer epoch, or nothing newer
 *                 │                                │
 *                 └── waits (also for a hold) ◀────┤
 *                                                  ▼
 *                    enter, request made anew (its epoch header), next peer
 *
 * nginx has no word for this.  While it waits, process_header answers "more
 * to read"; then the connection is made to fail with an error that this
 * request alone is allowed to retry on.
 */


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_REFRESH_WAIT  1000        /* ms for Redis to answer */


static ngx_int_t ngx_http_shard_read_answer(ngx_http_shard_ctx_t *ctx,
    ngx_http_upstream_t *u) ngx_http_shard_cold;
static ngx_uint_t ngx_http_shard_replayable(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
static ngx_int_t ngx_http_shard_await_owner(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
static void ngx_http_shard_refresh_handler(ngx_event_t *ev);
static void ngx_http_shard_refresh_cleanup(void *data);
static ngx_uint_t ngx_http_shard_no_owner(ngx_http_shard_ctx_t *ctx);
static void ngx_http_shard_retry(ngx_http_shard_ctx_t *ctx);
static ngx_int_t ngx_http_shard_miss(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
static void ngx_http_shard_send_nothing(ngx_http_request_t *r,
    ngx_http_upstream_t *u);
static ssize_t ngx_http_shard_recv_nothing(ngx_connection_t *c, u_char *buf,
    size_t size);
static ssize_t ngx_http_shard_recv_error(ngx_connection_t *c, u_char *buf,
    size_t size);


/* in place of the protocol's own, which are in the context */

ngx_int_t
ngx_http_shard_reinit_request(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_upstream_t   *u;
    ngx_http_shard_ctx_t  *ctx;

    u = r->upstream;
    ctx = ngx_http_shard_get_ctx(r);

    rc = ctx->reinit_request(r);

    if (u->process_header != ngx_http_shard_process_header) {
        ctx->process_header = u->process_header;
        u->process_header = ngx_http_shard_process_header;
    }

    return rc;
}


ngx_int_t
ngx_http_shard_process_header(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_upstream_t   *u;
    ngx_http_shard_ctx_t  *ctx;

    u = r->upstream;
    ctx = ngx_http_shard_get_ctx(r);

    if (ngx_http_shard_unlikely(ctx->awaiting)) {
        u->buffer.last = u->buffer.pos;
        return NGX_AGAIN;
    }

    rc = ctx->process_header(r);

    /* the protocol's own parser moves on from status line to headers */

    if (u->process_header != ngx_http_shard_process_header) {
        ctx->process_header = u->process_header;
        u->process_header = ngx_http_shard_process_header;
    }

    if (ngx_http_shard_likely(rc != NGX_OK
                              || (ctx->plain && !u->upgrade
                                  && u->headers_in.status_n
                                     != NGX_HTTP_MISDIRECTED_REQUEST)))
    {
        return rc;
    }

    return ngx_http_shard_read_answer(ctx, u);
}


/* what it says may be that it is none */

static ngx_int_t
ngx_http_shard_read_answer(ngx_http_shard_ctx_t *ctx, ngx_http_upstream_t *u)
{
    if (ctx->misses && u->headers_in.status_n == ctx->conf->miss
        && ngx_http_shard_replayable(ctx))
    {
        return ngx_http_shard_miss(ctx);
    }

    if (u->headers_in.status_n != NGX_HTTP_MISDIRECTED_REQUEST) {

        /* a tunnel from now on, for hours perhaps: no cutover waits for it */

        if (u->upgrade) {
            ngx_http_shard_leave(ctx);
        }

        return NGX_OK;
    }

    ngx_http_shard_add(ngx_http_shard_keyspace(ctx)->sh->totals.misdirected, 1);

    if (!ngx_http_shard_replayable(ctx)
        || ngx_http_shard_await_owner(ctx) != NGX_OK)
    {
        return NGX_OK;
    }

    /* nothing more is read of this answer: what was read is not the limit */

    u->buffer.last = u->buffer.pos;

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_http_shard_replayable(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    return !ctx->misdirected && !ngx_http_shard_crowded()
           && !r->request_body_no_buffering
           && !ctx->request->upstream->upgrade;
}


static ngx_int_t
ngx_http_shard_await_owner(ngx_http_shard_ctx_t *ctx)
{
    ngx_msec_t                  patience;
    ngx_connection_t           *pc;
    ngx_http_cleanup_t         *cln;
    ngx_http_request_t         *r;
    ngx_http_shard_keyspace_t  *ks;

    r = ctx->request;
    ks = ngx_http_shard_keyspace(ctx);
    pc = r->upstream->peer.connection;

    if (ngx_http_shard_wait(ctx) == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_shard_refresh_cleanup;
    cln->data = ctx;

    ctx->misdirected = 1;
    ctx->plain = 0;
    ctx->awaiting = 1;
    ngx_http_shard_nwaiting++;

    /* the connection is done with, a body half sent included: neither its
     * end nor its timeouts may end the request, and nobody may use it again */

    r->upstream->keepalive = 0;
    pc->recv = ngx_http_shard_recv_nothing;
    r->upstream->write_event_handler = ngx_http_shard_send_nothing;

    if (pc->read->timer_set) {
        ngx_del_timer(pc->read);
    }

    if (pc->write->timer_set) {
        ngx_del_timer(pc->write);
    }

    /* a cutover waits for what is in flight: this is not, it was refused */

    ngx_http_shard_leave(ctx);

    ctx->wait->refresh_ticket =
                        ngx_atomic_fetch_add(&ks->sh->refresh_wanted, 1) + 1;
    ctx->wait->refresh_until = ngx_current_msec + NGX_HTTP_SHARD_REFRESH_WAIT;

    patience = ngx_http_shard_patience(ctx);
    ctx->wait->parked_until = ngx_current_msec + patience
                              + (patience < ctx->conf->hold_timeout
                                 ? 0 : NGX_HTTP_SHARD_REFRESH_WAIT);

    ctx->wait->refresh.handler = ngx_http_shard_refresh_handler;
    ctx->wait->refresh.data = ctx;
    ctx->wait->refresh.log = r->connection->log;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "shard %uD: node \"%V\" is not the owner at epoch %uD, "
                  "asking again", ctx->id, ctx->name, ctx->route.epoch);

    ngx_http_shard_wake_all(ks);
    ngx_post_event(&ctx->wait->refresh, &ngx_posted_events);

    return NGX_OK;
}


static void
ngx_http_shard_refresh_cleanup(void *data)
{
    ngx_http_shard_forget_owner(data);
}


/* the request, or its upstream, ends while it waits */

void
ngx_http_shard_forget_owner(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_nwaiting -= ctx->awaiting;
    ctx->awaiting = 0;

    if (ctx->wait->refresh.timer_set) {
        ngx_del_timer(&ctx->wait->refresh);
    }

    if (ctx->wait->refresh.posted) {
        ngx_delete_posted_event(&ctx->wait->refresh);
    }
}


/*
 * Until the table has a newer epoch, or the leader asked Redis since, or the
 * time is over; and in any case until a hold has ended and there is an owner
 * that can be used.
 */

static void
ngx_http_shard_refresh_handler(ngx_event_t *ev)
{
    shard_route_t               route;
    ngx_uint_t                  fresh, late;
    ngx_msec_int_t              past;
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_ctx_t       *ctx;
    ngx_http_shard_wait_t      *wait;

    ctx = ev->data;
    sh = ngx_http_shard_keyspace(ctx)->sh;

    shard_latch_read(&sh->latches[ctx->slot], &route);

    wait = ctx->wait;
    past = (ngx_msec_int_t) (ngx_current_msec - wait->refresh_until);

    fresh = route.epoch > ctx->route.epoch || past >= 0
            || (ngx_atomic_int_t) (sh->refresh_done - wait->refresh_ticket)
               >= 0;

    late = (ngx_msec_int_t) (ngx_current_msec - wait->parked_until) >= 0;

    if (!late && (!fresh || route.phase == SHARD_HELD
                  || ngx_http_shard_no_owner(ctx)))
    {
        ngx_add_timer(ev, 2);
        return;
    }

    ngx_http_shard_retry(ctx);
}


/* the new one may be gone, too: as at the gate, another one is waited for */

static ngx_uint_t
ngx_http_shard_no_owner(ngx_http_shard_ctx_t *ctx)
{
    ngx_uint_t  none;

    ngx_http_shard_node_leave(ctx);
    ngx_http_shard_enter(ctx);

    none = ctx->route.phase == SHARD_HELD
           || ngx_http_shard_pick(ctx) == NGX_AGAIN;

    if (none) {
        ngx_http_shard_leave(ctx);
    }

    return none;
}


static void
ngx_http_shard_retry(ngx_http_shard_ctx_t *ctx)
{
    ngx_connection_t     *c, *pc;
    ngx_http_request_t   *r;
    ngx_http_upstream_t  *u;

    r = ctx->request;
    u = ctx->request->upstream;
    c = r->connection;
    pc = u->peer.connection;

    if (pc == NULL) {
        return;
    }

    ngx_http_set_log_request(c->log, r);

    ngx_http_shard_nwaiting -= ctx->awaiting;
    ctx->awaiting = 0;

    /* variables must tell of the node that comes, not of the one that was */

    ngx_http_shard_node_leave(ctx);
    ctx->room = 0;

    ngx_http_shard_enter(ctx);

    if (ngx_http_shard_must_wait(ctx)) {
        ngx_http_shard_leave(ctx);
    }

    /* a cached connection that fails would get one try more than these */

    u->peer.cached = 0;
    u->peer.tries = 0;

    u->request_bufs = r->request_body ? r->request_body->bufs : NULL;

    if (ctx->entered && u->create_request(r) == NGX_OK
        && ngx_http_shard_allow_next(ctx, NGX_HTTP_UPSTREAM_FT_ERROR
                                          |NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT)
           == NGX_OK)
    {
        ctx->wait->status = NGX_HTTP_MISDIRECTED_REQUEST;
        u->peer.tries = 2;
        ngx_http_shard_add(ngx_http_shard_keyspace(ctx)->sh->totals.retried,
                           1);
    }

    pc->recv = ngx_http_shard_recv_error;
    u->keepalive = 0;

    u->read_event_handler(r, u);
    ngx_http_run_posted_requests(c);
}


/* get_peer gives the configuration back: this is for one failure only */

ngx_int_t
ngx_http_shard_allow_next(ngx_http_shard_ctx_t *ctx, ngx_uint_t types)
{
    ngx_http_request_t        *r;
    ngx_http_upstream_t       *u;
    ngx_http_upstream_conf_t  *conf;

    r = ctx->request;
    u = r->upstream;

    conf = ngx_palloc(r->pool, sizeof(ngx_http_upstream_conf_t));
    if (conf == NULL || ngx_http_shard_wait(ctx) == NULL) {
        return NGX_ERROR;
    }

    *conf = *u->conf;
    conf->next_upstream |= types;
    conf->next_upstream_timeout = 0;

    ctx->wait->upstream_conf = u->conf;
    u->conf = conf;

    return NGX_OK;
}


/*
 * Copy-on-write: the target has not got it, or not yet.  nginx goes on to
 * another peer after a 404, whatever status is the sign here.
 */

static ngx_int_t
ngx_http_shard_miss(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_upstream_t  *u;

    u = ctx->request->upstream;

    if (ngx_http_shard_allow_next(ctx, NGX_HTTP_UPSTREAM_FT_HTTP_404)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->missed = 1;
    ctx->wait->status = u->headers_in.status_n;

    u->headers_in.status_n = NGX_HTTP_NOT_FOUND;
    u->peer.tries = 2;
    u->keepalive = 0;

    return NGX_OK;
}


static void
ngx_http_shard_send_nothing(ngx_http_request_t *r, ngx_http_upstream_t *u)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "shard: nothing more is sent to this node");
}


/* what follows of the refused answer, its end included, is of no interest */

static ssize_t
ngx_http_shard_recv_nothing(ngx_connection_t *c, u_char *buf, size_t size)
{
    c->read->ready = 0;
    return NGX_AGAIN;
}


static ssize_t
ngx_http_shard_recv_error(ngx_connection_t *c, u_char *buf, size_t size)
{
    return NGX_ERROR;
}
