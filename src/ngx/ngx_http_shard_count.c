
/*
 * What a request leaves behind: counts of its shard, of the node that
 * answered it, and of how long that took.
 */


#include "ngx_http_shard_notes.h"


static void ngx_http_shard_count_outcome(ngx_http_shard_ctx_t *ctx,
    ngx_uint_t status) ngx_http_shard_hot;
static void ngx_http_shard_count_shard(ngx_http_shard_ctx_t *ctx,
    ngx_uint_t error, off_t bytes, ngx_msec_int_t ms) ngx_http_shard_hot;


/* of a shard without a note */

void
ngx_http_shard_offer_shared(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_sh_t  *sh;

    sh = ngx_http_shard_keyspace(ctx)->sh;

    if (__atomic_fetch_add(&sh->counters[ctx->slot].offered, 1,
                           __ATOMIC_RELAXED)
        == 0)
    {
        ngx_http_shard_touch(sh, ctx->slot);
    }
}


/* by the node that answered, or was the last that did not */

static void
ngx_http_shard_count_outcome(ngx_http_shard_ctx_t *ctx, ngx_uint_t status)
{
    ngx_uint_t                 class;
    ngx_http_shard_sh_t       *sh;
    ngx_http_shard_fate_e      outcome;

    sh = ngx_http_shard_keyspace(ctx)->sh;
    class = status < 600 ? status / 100 : 0;

    if (ctx->node == SHARD_NODE_NONE) {
        outcome = NGX_HTTP_SHARD_REFUSED;

    } else if (ctx->attempt && class == 5) {
        outcome = NGX_HTTP_SHARD_FAILED;

    } else if (ctx->misdirected) {
        outcome = NGX_HTTP_SHARD_RETRIED;

    } else if (ctx->attempt || ctx->failover) {
        outcome = NGX_HTTP_SHARD_FAILOVER;

    } else {
        outcome = ctx->was_held ? NGX_HTTP_SHARD_HELD : NGX_HTTP_SHARD_DIRECT;
    }

    ngx_http_shard_note_outcome(ngx_http_shard_keyspace(ctx)->notes,
                                ngx_min(ctx->node, sh->nnodes_max), class,
                                outcome);
}


ngx_int_t
ngx_http_shard_log_handler(ngx_http_request_t *r)
{
    ngx_http_shard_ctx_t  *ctx;

    ctx = ngx_http_shard_get_ctx(r);

    if (ctx && ctx->conf) {
        ngx_http_shard_count(ctx, r->err_status ? r->err_status
                                                : r->headers_out.status,
                             r->request_length + r->connection->sent);
    }

    return NGX_OK;
}


/* once a request; parts of a scatter have no log phase */

void
ngx_http_shard_count(ngx_http_shard_ctx_t *ctx, ngx_uint_t status, off_t bytes)
{
    uint64_t                 us;
    ngx_uint_t               error;
    ngx_time_t              *tp;
    ngx_msec_int_t           ms;
    ngx_http_request_t      *r;
    ngx_http_shard_notes_t  *notes;

    if (ctx->counted) {
        return;
    }

    r = ctx->request;

    ctx->counted = 1;
    ngx_http_shard_count_outcome(ctx, status);

    if (!ctx->resolved) {
        return;
    }

    ngx_http_shard_leave(ctx);

    tp = ngx_timeofday();
    ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                           + (tp->msec - r->start_msec));
    ms = ngx_max(ms, 0);
    us = (uint64_t) ms * 1000;

    error = status < 200 || status >= 500
            || status == NGX_HTTP_CLIENT_CLOSED_REQUEST;

    ngx_http_shard_offer(ctx);
    ngx_http_shard_count_shard(ctx, error, bytes, ms);

    if (ctx->conf->client) {
        ngx_http_shard_count_client(ctx, error, bytes);
    }

    notes = ngx_http_shard_keyspace(ctx)->notes;

    notes->latency_us += us;
    notes->latency[shard_metrics_latency_bucket(us)]++;
    notes->position[ctx->position >> 58]++;
}


static void
ngx_http_shard_count_shard(ngx_http_shard_ctx_t *ctx, ngx_uint_t error,
    off_t bytes, ngx_msec_int_t ms)
{
    uint32_t                    units;
    ngx_uint_t                  write;
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_note_t      *note;
    ngx_http_shard_counters_t  *c;

    write = !ngx_http_shard_read_only(ctx->request);
    units = (uint32_t) ((bytes + NGX_HTTP_SHARD_BYTES_UNIT / 2)
                        / NGX_HTTP_SHARD_BYTES_UNIT);

    note = ngx_http_shard_note_of(ctx);

    if (note) {
        c = &note->n;

        if (c->done++ == 0) {
            ngx_http_shard_note_counted(ngx_http_shard_keyspace(ctx)->notes,
                                        note);
        }

        c->errors += error;
        c->writes += write;
        c->bytes_64 += units;
        c->latency_ms += error ? 0 : (uint32_t) ms;
        return;
    }

    sh = ngx_http_shard_keyspace(ctx)->sh;
    c = &sh->counters[ctx->slot];

    if (__atomic_fetch_add(&c->done, 1, __ATOMIC_RELAXED) == 0) {
        ngx_http_shard_touch(sh, ctx->slot);
    }

    ngx_http_shard_add(c->bytes_64, units);

    if (write) {
        ngx_http_shard_add(c->writes, 1);
    }

    if (error) {
        ngx_http_shard_add(c->errors, 1);

    } else {
        ngx_http_shard_add(c->latency_ms, (uint32_t) ms);
    }
}
