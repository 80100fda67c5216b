
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
 * because a body is read before it (_body).
 *
 * What most requests need is here, by notes; _locate asks the table itself.
 */


#include "ngx_http_shard_notes.h"
#include "ngx_http_shard_scatter.h"


static void ngx_http_shard_redirected(ngx_http_request_t *r)
    ngx_http_shard_cold;
static void ngx_http_shard_cleanup(void *data) ngx_http_shard_cold;
static ngx_str_t ngx_http_shard_key_text(ngx_http_request_t *r,
    ngx_http_shard_srv_conf_t *conf) ngx_http_shard_cold;
static ngx_http_shard_note_t *ngx_http_shard_note_other(
    ngx_http_shard_keyspace_t *ks, uint64_t position) ngx_http_shard_cold;
static ngx_int_t ngx_http_shard_pass_routed(ngx_http_shard_ctx_t *ctx);
static ngx_int_t ngx_http_shard_pass_by_table(ngx_http_request_t *r,
    ngx_http_shard_srv_conf_t *conf, ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
static ngx_int_t ngx_http_shard_unresolved(ngx_http_shard_ctx_t *ctx,
    ngx_int_t rc) ngx_http_shard_cold;


static ngx_inline ngx_http_shard_ctx_t *
ngx_http_shard_new_ctx(ngx_http_request_t *r, ngx_http_shard_srv_conf_t *conf,
    ngx_http_shard_keyspace_t *keyspace)
{
    ngx_http_shard_ctx_t  *ctx;

    ctx = ngx_palloc(r->pool, sizeof(ngx_http_shard_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    /* whatever becomes of the request, it leaves with its pool at the latest */

    ctx->cleanup.handler = ngx_http_shard_cleanup;
    ctx->cleanup.data = ctx;
    ctx->cleanup.next = r->pool->cleanup;
    r->pool->cleanup = &ctx->cleanup;

    /* short ones are moves, a long one is a string instruction, which takes
     * longer to begin */

    ngx_memzero(&ctx->wait, offsetof(ngx_http_shard_ctx_t, room)
                            - offsetof(ngx_http_shard_ctx_t, wait));
    ngx_memzero(&ctx->room, offsetof(ngx_http_shard_ctx_t, place)
                            - offsetof(ngx_http_shard_ctx_t, room));

    ctx->request = r;
    ctx->conf = conf;
    ctx->keyspace = keyspace;
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
    return ngx_http_shard_new_ctx(r, conf, conf->keyspace);
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


/* of text around variables; returned in registers, as the other one, so that
 * the gate needs no place for it; its data is NULL on an error */

static ngx_str_t
ngx_http_shard_key_text(ngx_http_request_t *r, ngx_http_shard_srv_conf_t *conf)
{
    ngx_str_t  key;

    if (ngx_http_complex_value(r, &conf->key, &key) != NGX_OK) {
        ngx_str_null(&key);
    }

    return key;
}


/* an empty one when the variable is not there */

static ngx_inline ngx_str_t
ngx_http_shard_key(ngx_http_request_t *r, ngx_http_shard_srv_conf_t *conf,
    ngx_int_t index)
{
    ngx_str_t                   key;
    ngx_http_variable_value_t  *value;

    if (ngx_http_shard_unlikely(index == NGX_ERROR)) {
        return ngx_http_shard_key_text(r, conf);
    }

    value = ngx_http_get_flushed_variable(r, index);

    if (ngx_http_shard_unlikely(value == NULL || value->not_found)) {
        key.len = 0;
        key.data = value ? (u_char *) "" : NULL;
        return key;
    }

    key.len = value->len;
    key.data = value->data;

    return key;
}


/* position, slot; NGX_DECLINED when there is no table, NGX_ABORT when that is
 * no key of this keyspace */

ngx_int_t
ngx_http_shard_resolve(ngx_http_shard_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->resolved) {
        return NGX_OK;
    }

    if (ctx->key.data == NULL) {
        ctx->key = ngx_http_shard_key(ctx->request, ctx->conf,
                                      ctx->conf->key_index);

        if (ctx->key.data == NULL) {
            return NGX_ERROR;
        }
    }

    rc = ngx_http_shard_locate(ctx);

    if (rc == NGX_OK) {
        ctx->resolved = 1;
    }

    return rc;
}


/* by the table, or what is parked once more: all that there can be */

ngx_int_t
ngx_http_shard_pass_gate(ngx_http_shard_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_shard_resolve(ctx);

    if (rc != NGX_OK) {
        return ngx_http_shard_unresolved(ctx, rc);
    }

    ngx_http_shard_offer(ctx, ngx_http_shard_note_of(
                                  ngx_http_shard_keyspace(ctx), ctx->position,
                                  ctx->slot));
    ngx_http_shard_enter(ctx);

    return ngx_http_shard_pass_routed(ctx);
}


static ngx_int_t
ngx_http_shard_pass_by_table(ngx_http_request_t *r,
    ngx_http_shard_srv_conf_t *conf, ngx_http_shard_ctx_t *ctx)
{
    if (ctx == NULL) {
        ctx = ngx_http_shard_create_ctx(r, conf);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_http_shard_pass_gate(ctx);
}


/* entered, its route read */

static ngx_int_t
ngx_http_shard_pass_routed(ngx_http_shard_ctx_t *ctx)
{
    ngx_int_t  rc;

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


/*
 * By a note, which has all that ngx_http_shard_pass_gate() finds out; "plain"
 * are those whose owner answers, without anything else to be thought of.
 */

static ngx_inline ngx_int_t
ngx_http_shard_pass_noted(ngx_http_shard_ctx_t *ctx,
    ngx_http_shard_note_t *note, uint64_t position, uint32_t structure,
    ngx_uint_t plain)
{
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);
    sh = ks->sh;

    ctx->position = position;
    ctx->sticky = position;
    ctx->slot = note->slot;
    ctx->structure = structure;
    ctx->id = note->id;
    ctx->resolved = 1;

    ngx_http_shard_offer(ctx, note);

    ctx->entry = shard_ledger_enter(&ks->inflight, ctx->slot, structure);
    ctx->entered = 1;

    if (ngx_http_shard_unlikely(
            note->routes != __atomic_load_n(&sh->routes, __ATOMIC_SEQ_CST)
            || structure != (uint32_t) __atomic_load_n(&sh->structure,
                                                       __ATOMIC_SEQ_CST)))
    {
        return ngx_http_shard_pass_gate(ctx);
    }

    ngx_http_shard_note_take(ks, note, &ctx->route);

    if (ngx_http_shard_unlikely(
            note->routed != NGX_HTTP_SHARD_ROUTED_PLAIN || !plain
            || __atomic_load_n(&sh->tickets.waiting, __ATOMIC_RELAXED)))
    {
        return ngx_http_shard_pass_routed(ctx);
    }

    ctx->node = ctx->route.primary;
    __builtin_prefetch(&ks->near[ctx->node]);

    ctx->picked = 1;
    ctx->gated = 1;
    ctx->plain = 1;

    return NGX_DECLINED;
}


/* not in the position's first place */

static ngx_http_shard_note_t *
ngx_http_shard_note_other(ngx_http_shard_keyspace_t *ks, uint64_t position)
{
    return ngx_http_shard_note(ks, position);
}


/* notes are not for ranges and lists, and what was parked */

static ngx_inline ngx_int_t
ngx_http_shard_pass(ngx_http_request_t *r, ngx_http_shard_loc_conf_t *slcf,
    ngx_http_shard_ctx_t *ctx)
{
    uint64_t                    position;
    uint32_t                    structure;
    ngx_str_t                   key;
    ngx_http_shard_note_t      *note;
    ngx_http_shard_srv_conf_t  *conf;
    ngx_http_shard_keyspace_t  *ks;

    conf = slcf->shard;
    ks = slcf->keyspace;

    if (ngx_http_shard_unlikely((ctx && ctx->resolved) || ks->left_room == 1))
    {
        return ngx_http_shard_pass_by_table(r, conf, ctx);
    }

    key = ngx_http_shard_key(r, conf, slcf->key_index);

    if (ngx_http_shard_unlikely(key.data == NULL)) {
        return ngx_http_shard_pass_by_table(r, conf, ctx);
    }

    /* its note comes while the context is made */

    position = shard_key_position(key.data, key.len);
    note = ngx_http_shard_note_first(ks, position);
    __builtin_prefetch(&note->position, 1);

    if (ngx_http_shard_likely(ctx == NULL)) {
        ctx = ngx_http_shard_new_ctx(r, conf, ks);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    ctx->key = key;

    structure = (uint32_t) __atomic_load_n(&ks->sh->structure,
                                            __ATOMIC_ACQUIRE);

    if (ngx_http_shard_unlikely(note->position != position)) {
        note = ngx_http_shard_note_other(ks, position);
    }

    if (ngx_http_shard_unlikely(note == NULL || note->structure != structure
                                || !note->routed))
    {
        return ngx_http_shard_pass_gate(ctx);
    }

    return ngx_http_shard_pass_noted(ctx, note, position, structure,
                                     slcf->plain);
}


/* there may be one: whether it is read first, _body knows */

static ngx_inline ngx_uint_t
ngx_http_shard_has_body(ngx_http_request_t *r)
{
    return r->headers_in.content_length_n > 0 || r->headers_in.chunked
#if (NGX_HTTP_V2)
           || r->stream
#endif
           ;
}


ngx_int_t
ngx_http_shard_gate_handler(ngx_http_request_t *r)
{
    ngx_http_shard_ctx_t       *ctx;
    ngx_http_shard_srv_conf_t  *conf;
    ngx_http_shard_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_shard_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_shard_module);
    conf = slcf->shard;

    if (ngx_http_shard_unlikely(ctx == NULL && r->internal)) {
        ngx_http_shard_redirected(r);
    }

    if (conf == NULL) {
        return slcf->scatter ? ngx_http_shard_part_gate(r) : NGX_DECLINED;
    }

    if (ngx_http_shard_unlikely(ctx != NULL)) {

        if (ctx->conf != conf) {
            ctx = NULL;

        } else if (ctx->gated) {
            return NGX_DECLINED;
        }
    }

    if (ngx_http_shard_unlikely(ngx_http_shard_has_body(r))
        && ngx_http_shard_needs_body(r, ctx))
    {
        return ngx_http_shard_read_body(r, ctx, conf);
    }

    return ngx_http_shard_pass(r, slcf, ctx);
}


/* the way through another location, if any, is over */

static void
ngx_http_shard_redirected(ngx_http_request_t *r)
{
    ngx_http_shard_ctx_t  *ctx;

    ctx = ngx_http_shard_lost_ctx(r);

    if (ctx) {
        ngx_http_shard_leave(ctx);
    }
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
