
/*
 * The balancer: connects to the node that _pick names, and to the next one
 * when nginx may try again: for a write there is none, for a read of a strong
 * shard only while nothing was sent.
 */


#include "ngx_http_shard_keepalive.h"
#include "ngx_http_shard_notes.h"


static ngx_int_t ngx_http_shard_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us) ngx_http_shard_hot;
static ngx_int_t ngx_http_shard_get_peer(ngx_peer_connection_t *pc,
    void *data) ngx_http_shard_hot;
static void ngx_http_shard_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state) ngx_http_shard_hot;
static ngx_int_t ngx_http_shard_choose_any(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
static void ngx_http_shard_free_failed(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx, ngx_uint_t state) ngx_http_shard_cold;
static ngx_uint_t ngx_http_shard_failed(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx, ngx_uint_t state) ngx_http_shard_cold;
static ngx_int_t ngx_http_shard_enter_late(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
static ngx_int_t ngx_http_shard_no_node(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
static ngx_int_t ngx_http_shard_choose_again(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
static void ngx_http_shard_note_status(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
static ngx_uint_t ngx_http_shard_stale(ngx_peer_connection_t *pc,
    ngx_http_upstream_t *u) ngx_http_shard_cold;


ngx_int_t
ngx_http_shard_init_upstream(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_shard_srv_conf_t  *sscf;
    ngx_http_shard_keyspace_t  *ks;

    if (us->servers->nelts != 1) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"server\" in upstream \"%V\" in %s:%ui is not allowed "
                      "beside \"shard\": nodes come from the table",
                      &us->host, us->file_name, us->line);
        return NGX_ERROR;
    }

#if (NGX_HTTP_UPSTREAM_ZONE)
    if (us->shm_zone) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"zone\" in upstream \"%V\" in %s:%ui is not allowed "
                      "beside \"shard\": nodes and what is known of them are "
                      "in the memory of \"shard_table\"",
                      &us->host, us->file_name, us->line);
        return NGX_ERROR;
    }
#endif

    if (ngx_http_upstream_init_round_robin(cf, us) != NGX_OK) {
        return NGX_ERROR;
    }

    us->peer.init = ngx_http_shard_init_peer;

    sscf = ngx_http_conf_upstream_srv_conf(us, ngx_http_shard_module);
    sscf->balances = 1;

    /* an upstream without shard_hold counts with its default */

    ks = sscf->keyspace;

    if (ks->hold_shortest == 0 || ks->hold_shortest > sscf->hold_timeout) {
        ks->hold_shortest = sscf->hold_timeout;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_upstream_t        *u;
    ngx_http_shard_ctx_t       *ctx;
    ngx_http_shard_srv_conf_t  *sscf;

    u = r->upstream;
    sscf = ngx_http_conf_upstream_srv_conf(us, ngx_http_shard_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_shard_module);

    if (ctx == NULL || ctx->conf != sscf) {

        if (ctx) {
            ngx_http_shard_leave(ctx);
        }

        /* named by variables, or a slice, or an update in the background: it
         * did not come through the gate */

        ctx = ngx_http_shard_create_ctx(r, sscf);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    u->peer.data = ctx;
    u->peer.get = ngx_http_shard_get_peer;
    u->peer.free = ngx_http_shard_free_peer;
    u->peer.tries = 1;
#if (NGX_HTTP_SSL)
    u->peer.set_session = ngx_http_shard_set_session;
    u->peer.save_session = ngx_http_shard_save_session;
#endif

    ctx->process_header = u->process_header;
    ctx->reinit_request = u->reinit_request;

    u->process_header = ngx_http_shard_process_header;
    u->reinit_request = ngx_http_shard_reinit_request;

    return NGX_OK;
}


/* as ngx_http_shard_choose() for a plain request's first attempt: a few moves
 * of fixed length; 0: not done */

static ngx_inline ngx_uint_t
ngx_http_shard_choose_near(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_near_t      *near;
    ngx_http_shard_keyspace_t  *ks;

    if (!ctx->plain || ctx->chosen || !ctx->entered) {
        return 0;
    }

    ks = ngx_http_shard_keyspace(ctx);
    near = &ks->near[ctx->node];

    if (near->structure != (uint32_t) __atomic_load_n(&ks->sh->structure,
                                                      __ATOMIC_RELAXED))
    {
        return 0;
    }

    ngx_http_shard_copy_short_addr(ctx, near->len, &near->sin, near->addr);

    ctx->chosen = 1;

    return 1;
}


static ngx_int_t
ngx_http_shard_get_peer(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_shard_ctx_t *ctx = data;

    ngx_int_t  rc;

    if (ngx_http_shard_unlikely(!ngx_http_shard_choose_near(ctx))) {
        rc = ngx_http_shard_choose_any(pc, ctx);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_http_shard_node_count(ngx_http_shard_keyspace(ctx), ctx->node, 1);
    ctx->node_entered = 1;

    pc->sockaddr = ngx_http_shard_sockaddr(ctx);
    pc->socklen = ctx->socklen;
    pc->name = ctx->name;
    pc->cached = 0;
    pc->connection = NULL;

    if (ctx->conf->keepalive) {
        return ngx_http_shard_keepalive_get(pc, ctx);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_choose_any(ngx_peer_connection_t *pc, ngx_http_shard_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_uint_t  tries;

    if (ctx->wait && ctx->wait->upstream_conf) {
        ngx_http_shard_note_status(ctx);
    }

    if (!ctx->entered && ngx_http_shard_enter_late(pc, ctx) != NGX_OK) {
        return NGX_BUSY;
    }

    if (ctx->again) {
        rc = ngx_http_shard_choose_again(pc, ctx);

        if (rc != NGX_OK) {
            return rc;
        }

    } else if (ngx_http_shard_choose(ctx) != NGX_OK) {
        return ngx_http_shard_no_node(pc, ctx);
    }

    if (ctx->others && !ctx->misdirected) {
        tries = ctx->request->upstream->conf->next_upstream_tries;

        if (tries == 0 || ctx->attempt + 1u < tries) {
            pc->tries = 2;
        }
    }

    if (ctx->route.target != SHARD_NODE_NONE) {
        ngx_http_shard_mirror(ctx);
    }

    return NGX_OK;
}


/* it did not come through the gate */

static ngx_int_t
ngx_http_shard_enter_late(ngx_peer_connection_t *pc, ngx_http_shard_ctx_t *ctx)
{
    pc->name = &ngx_http_shard_keyspace(ctx)->name;

    if (ngx_http_shard_resolve(ctx) != NGX_OK) {
        return NGX_BUSY;
    }

    ngx_http_shard_enter(ctx);

    if (ngx_http_shard_must_wait(ctx)) {
        ngx_http_shard_leave(ctx);
        ngx_log_error(NGX_LOG_ERR, pc->log, 0,
                      "shard %uD is held or has no owner, and a request "
                      "to an upstream named by variables, of a slice or "
                      "of a cache's update cannot wait", ctx->id);
        return NGX_BUSY;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_no_node(ngx_peer_connection_t *pc, ngx_http_shard_ctx_t *ctx)
{
    pc->name = &ngx_http_shard_keyspace(ctx)->name;

    ngx_log_error(NGX_LOG_ERR, pc->log, 0, "shard %uD has no node to go to",
                  ctx->id);
    return NGX_BUSY;
}


/* another node is asked, in another role: the request's headers say so */

static ngx_int_t
ngx_http_shard_choose_again(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx)
{
    ngx_http_request_t   *r;
    ngx_http_upstream_t  *u;

    ctx->again = 0;
    ctx->picked = 0;
    ctx->chosen = 0;

    if (ngx_http_shard_choose(ctx) != NGX_OK) {
        return ngx_http_shard_no_node(pc, ctx);
    }

    r = ctx->request;
    u = r->upstream;

    u->request_bufs = r->request_body ? r->request_body->bufs : NULL;

    return u->create_request(r) == NGX_OK ? NGX_OK : NGX_ERROR;
}


/* nginx noted another status for the answer that was not passed on */

static void
ngx_http_shard_note_status(ngx_http_shard_ctx_t *ctx)
{
    ngx_array_t                *states;
    ngx_http_shard_wait_t      *wait;
    ngx_http_upstream_state_t  *state;

    wait = ctx->wait;

    ctx->request->upstream->conf = wait->upstream_conf;
    wait->upstream_conf = NULL;

    states = ctx->request->upstream_states;

    if (wait->status && states->nelts > 1) {
        state = states->elts;
        state[states->nelts - 2].status = wait->status;
    }

    wait->status = 0;
}


/* it answered: failures in a row begin anew */

static ngx_inline void
ngx_http_shard_answered(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);

    if (ngx_http_shard_unlikely(__atomic_load_n(&ks->sh->failing,
                                                __ATOMIC_RELAXED))
        && ctx->node != SHARD_NODE_NONE
        && ks->node_health[ctx->node].requests
        && ctx->request->upstream->headers_in.status_n)
    {
        ks->node_health[ctx->node].requests = 0;
    }
}


/* this attempt's address stays, for $upstream_addr */

static ngx_inline void
ngx_http_shard_attempt_over(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_node_leave(ctx);
    ctx->room = 0;

    if (pc->tries) {
        pc->tries--;
    }
}


static void
ngx_http_shard_free_peer(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_http_shard_ctx_t *ctx = data;

    if (ctx->conf->keepalive) {
        ngx_http_shard_keepalive_put(pc, ctx, state);
    }

    if (ngx_http_shard_unlikely(state || ctx->awaiting)) {
        ngx_http_shard_free_failed(pc, ctx, state);
        return;
    }

    ngx_http_shard_answered(ctx);
    ngx_http_shard_attempt_over(pc, ctx);
    ngx_http_shard_leave(ctx);
}


static void
ngx_http_shard_free_failed(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx, ngx_uint_t state)
{
    ngx_uint_t  failed;

    failed = ngx_http_shard_failed(pc, ctx, state);

    if (ctx->awaiting) {
        ngx_http_shard_forget_owner(ctx);
    }

    ngx_http_shard_attempt_over(pc, ctx);

    if (failed) {
        pc->tries = ngx_http_shard_next_pick(ctx) == NGX_OK;
    }

    /* answered, or failed for good; nginx may try once more after a failure
     * of a cached connection */

    if (state == 0 || (pc->tries == 0 && !pc->cached)) {
        ngx_http_shard_leave(ctx);
    }
}


/* 1: so that another node is to be asked */

static ngx_uint_t
ngx_http_shard_failed(ngx_peer_connection_t *pc, ngx_http_shard_ctx_t *ctx,
    ngx_uint_t state)
{
    ngx_uint_t                  failed;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);

    /* a stale cached connection says nothing of its node: the same again */

    failed = (state & (NGX_PEER_FAILED|NGX_PEER_NEXT))
             && !ctx->misdirected
             && !ngx_http_shard_stale(pc, ctx->request->upstream);

    if (failed && (state & NGX_PEER_FAILED) && ctx->node != SHARD_NODE_NONE) {
        ngx_http_shard_add(ks->sh->node_failed[ctx->node], 1);
        ngx_http_shard_node_failure(ks, ctx->node);

    } else {
        ngx_http_shard_answered(ctx);
    }

    return failed;
}


/* closed by the node before it answered anything */

static ngx_uint_t
ngx_http_shard_stale(ngx_peer_connection_t *pc, ngx_http_upstream_t *u)
{
    return pc->cached && u->state && u->state->bytes_received == 0
           && !(pc->connection && pc->connection->read->timedout);
}
