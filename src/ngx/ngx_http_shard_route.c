
/*
 * A request's way to its shard's node.
 *
 *   gate (PRECONTENT)          peer (upstream)             log
 *   key ─▶ position ─▶ slot    chosen node ─▶ connect      count
 *   enter ─▶ read route ──┐           ▲
 *      ▲     pick a node  │ go        │
 *      │    held: leave,  │           │
 *      └─── park ─────────┴───────────┘        leave: response received
 *
 * A request enters the ledger (shard_ledger.h) before the route is read, and
 * leaves it when that says "held".  The leader publishes "held" and then looks
 * for entries of the shard: none means that nothing of it is on its way and
 * nothing can be.  Everything from the gate to the peer happens in one go,
 * because a body is read before it.
 *
 * What most requests need is here, by notes; _locate asks the table itself.
 */


#include "ngx_http_shard_notes.h"
#include "ngx_http_shard_scatter.h"


static void ngx_http_shard_body_handler(ngx_http_request_t *r)
    ngx_http_shard_cold;
static ngx_int_t ngx_http_shard_needs_body(ngx_http_request_t *r,
    ngx_http_upstream_conf_t *ucf);
static void ngx_http_shard_cleanup(void *data) ngx_http_shard_hot;
static ngx_int_t ngx_http_shard_unresolved(ngx_http_shard_ctx_t *ctx,
    ngx_int_t rc) ngx_http_shard_cold;


static ngx_inline ngx_http_shard_ctx_t *
ngx_http_shard_new_ctx(ngx_http_request_t *r, ngx_http_shard_srv_conf_t *conf)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_shard_ctx_t  *ctx;

    /* whatever becomes of the request, it leaves with its pool at the latest */

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_shard_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    cln->handler = ngx_http_shard_cleanup;

    /* short ones are moves, a long one is a string instruction, which takes
     * longer to begin */

    ngx_memzero(&ctx->wait, offsetof(ngx_http_shard_ctx_t, route)
                            - offsetof(ngx_http_shard_ctx_t, wait));
    ngx_memzero(&ctx->route, offsetof(ngx_http_shard_ctx_t, name)
                             - offsetof(ngx_http_shard_ctx_t, route));
    ngx_memzero(&ctx->name, offsetof(ngx_http_shard_ctx_t, place)
                            - offsetof(ngx_http_shard_ctx_t, name));

    ctx->request = r;
    ctx->conf = conf;
    ctx->slot = SHARD_SLOT_NONE;
    ctx->id = SHARD_ID_NONE;
    ctx->node = SHARD_NODE_NONE;

    ngx_http_set_ctx(r, ctx, ngx_http_shard_module);

    return ctx;
}


ngx_http_shard_ctx_t *
ngx_http_shard_create_ctx(ngx_http_request_t *r,
    ngx_http_shard_srv_conf_t *conf)
{
    return ngx_http_shard_new_ctx(r, conf);
}


/* the newest of this request, whose modules' contexts were cleared */

ngx_http_shard_ctx_t *
ngx_http_shard_lost_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_shard_ctx_t  *ctx;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_http_shard_cleanup) {
            ctx = cln->data;

            if (ctx->request == r) {
                return ctx;
            }
        }
    }

    return NULL;
}


ngx_http_shard_wait_t *
ngx_http_shard_wait(ngx_http_shard_ctx_t *ctx)
{
    if (ctx->wait == NULL) {
        ctx->wait = ngx_pcalloc(ctx->request->pool,
                                sizeof(ngx_http_shard_wait_t));

        if (ctx->wait) {
            ctx->wait->ctx = ctx;
        }
    }

    return ctx->wait;
}


static void
ngx_http_shard_cleanup(void *data)
{
    ngx_http_shard_leave(data);
}


/* by a note of the table as it is; 0: the table itself is to be asked */

static ngx_inline ngx_uint_t
ngx_http_shard_locate_noted(ngx_http_shard_ctx_t *ctx)
{
    uint64_t                    position, structure;
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_note_t      *note;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);
    sh = ks->sh;
    structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);

    if (ctx->forced
        || sh->arenas[structure & 1].index.kind != SHARD_KIND_HASH)
    {
        return 0;
    }

    position = shard_key_position(ctx->key.data, ctx->key.len);
    note = ngx_http_shard_note(ks, position);

    if (note->position != position
        || note->structure != (uint32_t) structure
        || note->slot == SHARD_SLOT_NONE)
    {
        return 0;
    }

    ctx->position = position;
    ctx->sticky = position;
    ctx->slot = note->slot;
    ctx->id = note->id;
    ctx->structure = (uint32_t) structure;

    return 1;
}


/* key, position, slot; NGX_DECLINED when there is no table, NGX_ABORT when
 * that is no key of this keyspace */

static ngx_inline ngx_int_t
ngx_http_shard_find(ngx_http_shard_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_http_variable_value_t  *value;

    if (ctx->resolved) {
        return NGX_OK;
    }

    if (ctx->conf->key_index != NGX_ERROR) {
        value = ngx_http_get_flushed_variable(ctx->request,
                                              ctx->conf->key_index);
        if (value == NULL) {
            return NGX_ERROR;
        }

        if (!value->not_found) {
            ctx->key.len = value->len;
            ctx->key.data = value->data;
        }

    } else if (ngx_http_complex_value(ctx->request, &ctx->conf->key, &ctx->key)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    if (!ngx_http_shard_locate_noted(ctx)) {
        rc = ngx_http_shard_locate(ctx);
    }

    if (rc == NGX_OK) {
        ctx->resolved = 1;
    }

    return rc;
}


ngx_int_t
ngx_http_shard_resolve(ngx_http_shard_ctx_t *ctx)
{
    return ngx_http_shard_find(ctx);
}


/* as ngx_http_shard_enter() where a note says it all; 0: not done, though
 * perhaps entered */

static ngx_inline ngx_uint_t
ngx_http_shard_enter_noted(ngx_http_shard_ctx_t *ctx,
    ngx_http_shard_note_t *note)
{
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_keyspace_t  *ks;

    if (note == NULL || !note->routed
        || ctx->entered || ctx->picked || ctx->attempt)
    {
        return 0;
    }

    ks = ngx_http_shard_keyspace(ctx);
    sh = ks->sh;

    ctx->entry = shard_ledger_enter(&ks->inflight, ctx->slot, ctx->structure);
    ctx->entered = 1;

    if (note->routes != __atomic_load_n(&sh->routes, __ATOMIC_SEQ_CST)
        || ctx->structure != (uint32_t) __atomic_load_n(&sh->structure,
                                                        __ATOMIC_SEQ_CST))
    {
        return 0;
    }

    ctx->route = note->route;

    return 1;
}


/*
 * A body must be there before the request passes the gate, or it would be
 * in flight for as long as its client takes to send it.  Unbuffered ones
 * pass as they come.
 */

static ngx_int_t
ngx_http_shard_needs_body(ngx_http_request_t *r, ngx_http_upstream_conf_t *ucf)
{
    if (r != r->main || r->request_body || !ucf->request_buffering) {
        return 0;
    }

    return r->headers_in.content_length_n > 0 || r->headers_in.chunked
#if (NGX_HTTP_V2)
           || (r->stream && r->headers_in.content_length_n == -1
               && !ngx_http_shard_read_only(r))
#endif
           ;
}


static ngx_inline ngx_int_t
ngx_http_shard_pass(ngx_http_shard_ctx_t *ctx)
{
    ngx_int_t               rc;
    ngx_http_shard_note_t  *note;

    rc = ngx_http_shard_find(ctx);

    if (rc != NGX_OK) {
        return ngx_http_shard_unresolved(ctx, rc);
    }

    note = ngx_http_shard_note_of(ngx_http_shard_keyspace(ctx), ctx->position,
                                  ctx->slot);

    ngx_http_shard_offer(ctx, note);

    if (!ngx_http_shard_enter_noted(ctx, note)) {
        ngx_http_shard_enter(ctx);
    }

    if (ctx->route.phase != SHARD_HELD) {
        rc = ngx_http_shard_pick(ctx);

        if (rc == NGX_OK
            && (!shard_tickets_maybe(&ngx_http_shard_keyspace(ctx)->sh->tickets,
                                     ctx->slot)
                || ngx_http_shard_overtakes(ctx)))
        {
            ctx->gated = 1;
            return NGX_DECLINED;
        }

        if (rc == NGX_DECLINED) {
            ngx_http_shard_leave(ctx);
            return ngx_http_shard_nobody(ctx);
        }
    }

    ngx_http_shard_leave(ctx);

    return ngx_http_shard_park(ctx);
}


ngx_int_t
ngx_http_shard_pass_gate(ngx_http_shard_ctx_t *ctx)
{
    return ngx_http_shard_pass(ctx);
}


ngx_int_t
ngx_http_shard_gate_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_shard_ctx_t       *ctx;
    ngx_http_shard_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_shard_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_shard_module);

    if (ctx == NULL && r->internal) {

        /* redirected: the way through another location, if any, is over */

        ctx = ngx_http_shard_lost_ctx(r);

        if (ctx) {
            ngx_http_shard_leave(ctx);
            ctx = NULL;
        }
    }

    if (slcf->shard == NULL) {
        return slcf->scatter ? ngx_http_shard_part_gate(r) : NGX_DECLINED;
    }

    if (ctx && ctx->conf == slcf->shard && ctx->gated) {
        return NGX_DECLINED;
    }

    if (ctx == NULL || ctx->conf != slcf->shard) {
        ctx = ngx_http_shard_new_ctx(r, slcf->shard);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    if (!ctx->body_read && ngx_http_shard_needs_body(r, slcf->upstream)) {
        rc = ngx_http_read_client_request_body(r, ngx_http_shard_body_handler);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        ngx_http_finalize_request(r, NGX_DONE);
        return NGX_DONE;
    }

    return ngx_http_shard_pass(ctx);
}


static void
ngx_http_shard_body_handler(ngx_http_request_t *r)
{
    ngx_http_shard_ctx_t  *ctx;

    ctx = ngx_http_shard_get_ctx(r);
    ctx->body_read = 1;

    r->preserve_body = 1;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}


static ngx_int_t
ngx_http_shard_unresolved(ngx_http_shard_ctx_t *ctx, ngx_int_t rc)
{
    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "keyspace \"%V\" has no table: none came from Redis yet "
                      "and no state file was there",
                      &ngx_http_shard_keyspace(ctx)->name);
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    if (rc == NGX_ABORT) {
        ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                      "keyspace \"%V\": \"%V\" is no key of it, a number of "
                      "decimal digits below 2^64 is",
                      &ngx_http_shard_keyspace(ctx)->name, &ctx->key);
        return NGX_HTTP_BAD_REQUEST;
    }

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}
