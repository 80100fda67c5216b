
/*
 * What a request leaves behind: counts of its shard, of the node that
 * answered it, and of how long that took.  It leaves a short record;
 * NGX_HTTP_SHARD_LEFT of them are counted in one go.
 *
 *   log phase ─▶ left[] ──full, or a drain of the notes──▶ note, or zone
 */


#include "ngx_http_shard_notes.h"


static ngx_uint_t ngx_http_shard_fate(ngx_http_shard_ctx_t *ctx,
    ngx_uint_t status);
static void ngx_http_shard_count_more(ngx_http_shard_ctx_t *ctx,
    ngx_http_shard_left_t *left, off_t bytes) ngx_http_shard_cold;
static void ngx_http_shard_count_node(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_left_t *left);
static void ngx_http_shard_count_shard(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_left_t *left);
static ngx_uint_t ngx_http_shard_count_room(ngx_http_shard_sh_t *sh);


#define ngx_http_shard_left_error(left)                                       \
    ((left)->status < 200 || (left)->status >= 500                            \
     || (left)->status == NGX_HTTP_CLIENT_CLOSED_REQUEST)


_Static_assert(offsetof(ngx_http_shard_left_t, ms) == 16
               && offsetof(ngx_http_shard_ctx_t, route)
                  - offsetof(ngx_http_shard_ctx_t, position) == 16,
               "what is left begins as the context has it");


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


/* once a request */

static ngx_inline void
ngx_http_shard_leave_record(ngx_http_shard_ctx_t *ctx, ngx_uint_t status,
    off_t bytes)
{
    ngx_time_t                 *tp;
    ngx_msec_int_t              ms;
    ngx_http_request_t         *r;
    ngx_http_shard_left_t      *left;
    ngx_http_shard_keyspace_t  *ks;

    ctx->counted = 1;

    r = ctx->request;
    ks = ngx_http_shard_keyspace(ctx);
    left = &ks->notes->left[ks->nleft++];

    tp = ngx_timeofday();
    ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                           + (tp->msec - r->start_msec));

    ngx_memcpy(left, &ctx->position, 16);
    left->ms = (uint32_t) ngx_max(ms, 0);
    left->bytes_64 = (uint32_t) ((uint64_t) (bytes
                                             + NGX_HTTP_SHARD_BYTES_UNIT / 2)
                                 / NGX_HTTP_SHARD_BYTES_UNIT);
    left->node = ctx->node;
    left->status = (uint16_t) status;
    left->write = !ngx_http_shard_read_only(r);
    left->fate = NGX_HTTP_SHARD_DIRECT;

    if (ngx_http_shard_unlikely(!ctx->plain || ctx->attempt || ctx->failover
                                || ctx->misdirected || ctx->was_held
                                || ctx->entered))
    {
        ngx_http_shard_count_more(ctx, left, bytes);
    }

    if (ngx_http_shard_unlikely(ks->nleft >= ks->left_room)) {
        ngx_http_shard_count_left(ks);
    }
}


ngx_int_t
ngx_http_shard_log_handler(ngx_http_request_t *r)
{
    ngx_http_shard_ctx_t  *ctx;

    ctx = ngx_http_shard_get_ctx(r);

    if (ctx && ctx->conf && !ctx->counted) {
        ngx_http_shard_leave_record(ctx, r->err_status ? r->err_status
                                                   : r->headers_out.status,
                                    r->request_length + r->connection->sent);

        /* it has left, and this was the last that looks for it */

        ctx->cleanup.handler = NULL;
    }

    return NGX_OK;
}


/* parts of a scatter have no log phase */

void
ngx_http_shard_count(ngx_http_shard_ctx_t *ctx, ngx_uint_t status, off_t bytes)
{
    if (!ctx->counted) {
        ngx_http_shard_leave_record(ctx, status, bytes);
    }
}


/* by the node that answered, or was the last that did not */

static ngx_uint_t
ngx_http_shard_fate(ngx_http_shard_ctx_t *ctx, ngx_uint_t status)
{
    if (ctx->node == SHARD_NODE_NONE) {
        return NGX_HTTP_SHARD_REFUSED;
    }

    if (ctx->attempt && status / 100 == 5) {
        return NGX_HTTP_SHARD_FAILED;
    }

    if (ctx->misdirected) {
        return NGX_HTTP_SHARD_RETRIED;
    }

    if (ctx->attempt || ctx->failover) {
        return NGX_HTTP_SHARD_FAILOVER;
    }

    return ctx->was_held ? NGX_HTTP_SHARD_HELD : NGX_HTTP_SHARD_DIRECT;
}


static void
ngx_http_shard_count_more(ngx_http_shard_ctx_t *ctx,
    ngx_http_shard_left_t *left, off_t bytes)
{
    ngx_http_shard_leave(ctx);

    left->fate = (uint8_t) ngx_http_shard_fate(ctx, left->status);

    if (!ctx->resolved) {
        left->slot = SHARD_SLOT_NONE;
        return;
    }

    ngx_http_shard_offer(ctx, ngx_http_shard_note_of(
                                  ngx_http_shard_keyspace(ctx), ctx->position,
                                  ctx->slot));

    if (ctx->conf->client) {
        ngx_http_shard_count_client(ctx, ngx_http_shard_left_error(left),
                                    bytes);
    }
}


void
ngx_http_shard_count_left(ngx_http_shard_keyspace_t *ks)
{
    uint32_t                 i;
    uint64_t                 us;
    ngx_http_shard_left_t   *left;
    ngx_http_shard_notes_t  *notes;

    notes = ks->notes;

    for (i = 0; i < ks->nleft; i++) {
        left = &notes->left[i];

        if (i + 4 < ks->nleft) {
            __builtin_prefetch(ngx_http_shard_note_first(ks,
                                                         left[4].position), 1);
        }

        ngx_http_shard_count_node(ks, left);

        if (left->slot == SHARD_SLOT_NONE) {
            continue;
        }

        ngx_http_shard_count_shard(ks, left);

        us = (uint64_t) left->ms * 1000;

        notes->latency_us += us;
        notes->latency[shard_metrics_latency_bucket(us)]++;
        notes->position[left->position >> 58]++;
    }

    ks->nleft = 0;
    ks->left_room = ngx_http_shard_count_room(ks->sh);
}


/* a position tells whose it is later, too: one of a range or list does not */

static ngx_uint_t
ngx_http_shard_count_room(ngx_http_shard_sh_t *sh)
{
    uint64_t        structure;
    shard_index_t  *index;

    structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
    index = &sh->arenas[structure & 1].index;

    return __atomic_load_n(&index->kind, __ATOMIC_RELAXED) == SHARD_KIND_HASH
           ? NGX_HTTP_SHARD_LEFT : 1;
}


static void
ngx_http_shard_count_node(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_left_t *left)
{
    uint32_t                     node;
    ngx_uint_t                   class;
    ngx_http_shard_notes_t      *notes;
    ngx_http_shard_node_note_t  *n;

    notes = ks->notes;
    node = ngx_min(left->node, ks->sh->nnodes_max);
    class = left->status < 600 ? left->status / 100 : 0;

    n = &notes->nodes[node];
    n->n[class][left->fate]++;

    if (!n->counted) {
        n->counted = 1;
        notes->answered[notes->nanswered++] = (uint16_t) node;
    }
}


static void
ngx_http_shard_count_shard(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_left_t *left)
{
    uint32_t                    slot;
    ngx_uint_t                  error;
    ngx_http_shard_note_t      *note;
    ngx_http_shard_counters_t  *c;

    error = ngx_http_shard_left_error(left);
    note = ngx_http_shard_note_of(ks, left->position, left->slot);

    if (note) {
        c = &note->n;

        if (c->done++ == 0) {
            ngx_http_shard_note_counted(ks->notes, note);
        }

        c->errors += error;
        c->writes += left->write;
        c->bytes_64 += left->bytes_64;
        c->latency_ms += error ? 0 : left->ms;
        return;
    }

    slot = left->slot;

    if (ks->left_room > 1) {
        slot = ngx_http_shard_note_slot(ks->sh, left->position,
                                        left->structure, slot);
    }

    if (slot == SHARD_SLOT_NONE) {
        return;
    }

    c = &ks->sh->counters[slot];

    if (__atomic_fetch_add(&c->done, 1, __ATOMIC_RELAXED) == 0) {
        ngx_http_shard_touch(ks->sh, slot);
    }

    ngx_http_shard_add(c->bytes_64, left->bytes_64);

    if (left->write) {
        ngx_http_shard_add(c->writes, 1);
    }

    if (error) {
        ngx_http_shard_add(c->errors, 1);

    } else {
        ngx_http_shard_add(c->latency_ms, left->ms);
    }
}
