
/*
 * The source's side of a mirrored read: its body is digested on its way to
 * the client, and nothing of it is changed or kept back.
 */


#include "ngx_http_shard_mirror.h"


#define NGX_HTTP_SHARD_MIRROR_PIECE  4096        /* of a file, at one go */


static void ngx_http_shard_mirror_watch(void *data, ngx_chain_t *in);
static void ngx_http_shard_mirror_digest(ngx_http_shard_mirror_t *m,
    ngx_buf_t *b);
static void ngx_http_shard_mirror_digest_file(ngx_http_shard_mirror_t *m,
    ngx_buf_t *b);
static void ngx_http_shard_mirror_source(ngx_http_shard_mirror_t *m);
static void ngx_http_shard_mirror_cleanup(void *data);


ngx_int_t
ngx_http_shard_mirror_attach(ngx_http_shard_mirror_t *m)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_shard_ctx_t  *ctx;

    ctx = m->ctx;

    cln = ngx_pool_cleanup_add(ctx->request->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_shard_mirror_cleanup;
    cln->data = ctx;

    ctx->watched = 1;
    ctx->wait->watch = ngx_http_shard_mirror_watch;
    ctx->wait->mirror = m;

    return NGX_OK;
}


static void
ngx_http_shard_mirror_watch(void *data, ngx_chain_t *in)
{
    ngx_http_shard_ctx_t *ctx = data;

    ngx_buf_t                *b;
    ngx_chain_t              *cl;
    ngx_http_shard_mirror_t  *m;

    m = ctx->wait->mirror;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        if (!ngx_buf_special(b) && !m->source.too_long) {
            ngx_http_shard_mirror_digest(m, b);
        }

        if (b->last_buf || b->last_in_chain) {
            m->source.complete = 1;
            ngx_http_shard_mirror_source(m);
            return;
        }
    }
}


static void
ngx_http_shard_mirror_digest(ngx_http_shard_mirror_t *m, ngx_buf_t *b)
{
    off_t  size;

    size = ngx_buf_size(b);

    if (m->source.length + size > NGX_HTTP_SHARD_MIRROR_LIMIT) {
        m->source.too_long = 1;
        return;
    }

    if (ngx_buf_in_memory(b)) {
        shard_digest_add(m->hash, b->pos, size);

    } else {
        ngx_http_shard_mirror_digest_file(m, b);
    }

    m->source.length += size;
}


/* written a moment ago by nginx itself: it is in the system's memory */

static void
ngx_http_shard_mirror_digest_file(ngx_http_shard_mirror_t *m, ngx_buf_t *b)
{
    off_t    offset;
    u_char   piece[NGX_HTTP_SHARD_MIRROR_PIECE];
    ssize_t  n;

    for (offset = b->file_pos; offset < b->file_last; offset += n) {
        n = ngx_read_file(b->file, piece,
                          ngx_min((off_t) sizeof(piece),
                                  b->file_last - offset), offset);
        if (n <= 0) {
            m->source.too_long = 1;
            return;
        }

        shard_digest_add(m->hash, piece, n);
    }
}


/*
 * The source's side is over.  An answer that is not what the upstream said
 * (an error page, a range of it, one of another node) is no answer.
 */

static void
ngx_http_shard_mirror_source(ngx_http_shard_mirror_t *m)
{
    ngx_http_request_t    *r;
    ngx_http_upstream_t   *u;
    ngx_http_shard_ctx_t  *ctx;

    ctx = m->ctx;
    r = ctx->request;
    u = r->upstream;

    m->ctx = NULL;
    ctx->watched = 0;
    ctx->wait->mirror = NULL;

    if (u == NULL || u != m->upstream || u->state == NULL
        || ctx->node != m->node || ctx->misdirected
        || r->headers_out.status != u->headers_in.status_n)
    {
        m->source.complete = 0;
    }

    if (!m->source.complete) {
        ngx_http_shard_mirror_compare(m);
        ngx_http_shard_mirror_free(m);
        return;
    }

    m->source.status = u->headers_in.status_n;
    m->source.digest = shard_digest_value(m->hash);
    m->source.ms = u->state->header_time;

    if (m->exchange == NULL) {
        ngx_http_shard_mirror_compare(m);
        ngx_http_shard_mirror_free(m);
    }
}


/* the request ends, at the latest; an answer without a body ends here */

static void
ngx_http_shard_mirror_cleanup(void *data)
{
    ngx_http_shard_ctx_t *ctx = data;

    ngx_http_shard_mirror_t  *m;

    m = ctx->wait->mirror;

    if (m) {
        m->source.complete = ctx->request->header_only;
        ngx_http_shard_mirror_source(m);
    }
}
