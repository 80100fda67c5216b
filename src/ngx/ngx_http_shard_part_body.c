
/*
 * What a part's node answers, on its way through the filter:
 *
 *   header ─▶ status, encoding, length ─▶ body ─▶ checked ─▶ blocks
 *                │ of no use                │ no JSON, too much
 *                └──▶ fault ◀───────────────┘
 *                      kept bytes go; a short rest is read for nothing, a
 *                      longer one is cut from the event loop
 */


#include "ngx_http_shard_scatter.h"


#define NGX_HTTP_SHARD_PART_BLOCK      1024      /* the first, when the size */
#define NGX_HTTP_SHARD_PART_BLOCK_MAX  32768     /* is not known; doubled */


static ngx_int_t ngx_http_shard_part_keep(ngx_http_shard_part_t *part,
    u_char *data, size_t len);
static ngx_buf_t *ngx_http_shard_part_block(ngx_http_shard_part_t *part,
    size_t len);
static void ngx_http_shard_part_drop(ngx_http_shard_part_t *part);


/* NGX_ERROR closes the upstream at once */

ngx_int_t
ngx_http_shard_part_header(ngx_http_shard_part_t *part, ngx_http_request_t *r)
{
    ngx_table_elt_t           *h;
    ngx_http_shard_scatter_t  *s;

    s = part->scatter;

    part->status = r->headers_out.status;
    part->expected = r->headers_out.content_length_n;

    /* a request that is not the connection's own is not read to its end
     * until then, but to a temporary file */

    if (r->upstream) {
        r->upstream->buffering = 0;
    }

    if (part->ended) {
        return NGX_ERROR;
    }

    if (part->status < 200 || part->status >= 300
        || part->status == NGX_HTTP_PARTIAL_CONTENT)
    {
        ngx_http_shard_part_fail(part, NGX_HTTP_SHARD_PART_STATUS);
        return NGX_OK;
    }

    h = r->headers_out.content_encoding;

    if (h && h->value.len
        && !(h->value.len == 8
             && ngx_strncasecmp(h->value.data, (u_char *) "identity", 8) == 0))
    {
        ngx_http_shard_part_fail(part, NGX_HTTP_SHARD_PART_ENCODED);
        return NGX_ERROR;
    }

    if (part->expected > (off_t) (s->conf->bytes - s->size)) {
        ngx_http_shard_part_fail(part, NGX_HTTP_SHARD_PART_BYTES);
        return NGX_ERROR;
    }

    if (s->conf->merge == SHARD_MERGE_CONCAT) {
        part->type.len = r->headers_out.content_type.len;
        part->type.data = ngx_pstrdup(r->pool, &r->headers_out.content_type);

        if (part->type.data == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * An error must not be returned: it would be the client connection's.  A part
 * that is of no use any more is cut soon after.
 */

ngx_int_t
ngx_http_shard_part_body(ngx_http_shard_part_t *part, ngx_chain_t *in)
{
    size_t                     len;
    ngx_buf_t                 *b;
    ngx_chain_t               *cl;
    ngx_http_shard_scatter_t  *s;

    s = part->scatter;

    for (cl = in; cl; cl = cl->next) {
        b = cl->buf;

        if (b->last_buf || b->last_in_chain) {
            part->whole = 1;
        }

        len = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos) : 0;

        if (len && !part->ended) {
            part->received += len;

            if (part->fault == NGX_HTTP_SHARD_PART_OK
                && ngx_http_shard_part_keep(part, b->pos, len) != NGX_OK)
            {
                part->cut = 1;
            }
        }

        b->pos = b->last;
        b->file_pos = b->file_last;
    }

    if (part->fault != NGX_HTTP_SHARD_PART_OK
        && part->received > NGX_HTTP_SHARD_SCATTER_WASTE)
    {
        part->cut = 1;
    }

    if (part->cut && !part->ended) {
        ngx_post_event(&s->event, &ngx_posted_events);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_part_keep(ngx_http_shard_part_t *part, u_char *data, size_t len)
{
    size_t                     n, kept;
    ngx_buf_t                 *b;
    ngx_http_shard_scatter_t  *s;

    s = part->scatter;

    while (len) {
        b = part->last ? part->last->buf : NULL;

        if (b == NULL || b->last == b->end) {
            b = ngx_http_shard_part_block(part, len);
            if (b == NULL) {
                ngx_http_shard_part_fail(part, NGX_HTTP_SHARD_PART_BROKEN);
                return NGX_ERROR;
            }
        }

        n = ngx_min(len, (size_t) (b->end - b->last));

        if (n > s->conf->bytes - s->size) {
            ngx_http_shard_part_fail(part, NGX_HTTP_SHARD_PART_BYTES);
            return NGX_ERROR;
        }

        ngx_memcpy(b->last, data, n);
        kept = shard_merge_feed(&part->merge, (char *) b->last, n);

        if (part->merge.bad) {
            ngx_http_shard_part_fail(part, NGX_HTTP_SHARD_PART_NOT_JSON);
            return NGX_ERROR;
        }

        b->last += kept;
        part->size += kept;
        s->size += kept;

        data += n;
        len -= n;
    }

    return NGX_OK;
}


static ngx_buf_t *
ngx_http_shard_part_block(ngx_http_shard_part_t *part, size_t len)
{
    size_t        size;
    ngx_chain_t  *cl;

    if (part->last) {
        size = 2 * (part->last->buf->end - part->last->buf->start);

    } else if (part->expected > 0) {
        size = (size_t) part->expected;

    } else {
        size = ngx_max(len, NGX_HTTP_SHARD_PART_BLOCK);
    }

    size = ngx_min(size, NGX_HTTP_SHARD_PART_BLOCK_MAX);

    cl = ngx_alloc_chain_link(part->request->pool);
    if (cl == NULL) {
        return NULL;
    }

    cl->buf = ngx_create_temp_buf(part->request->pool, size);
    cl->next = NULL;

    if (cl->buf == NULL) {
        return NULL;
    }

    if (part->last) {
        part->last->next = cl;

    } else {
        part->body = cl;
    }

    part->last = cl;

    return cl->buf;
}


/* the first fault is the one that counts; what was kept is given back */

void
ngx_http_shard_part_fail(ngx_http_shard_part_t *part,
    ngx_http_shard_part_fault_e fault)
{
    if (part->fault == NGX_HTTP_SHARD_PART_OK) {
        part->fault = fault;
    }

    ngx_http_shard_part_drop(part);
}


static void
ngx_http_shard_part_drop(ngx_http_shard_part_t *part)
{
    ngx_chain_t  *cl;

    for (cl = part->body; cl; cl = cl->next) {
        (void) ngx_pfree(part->request->pool, cl->buf->start);
    }

    part->scatter->size -= part->size;
    part->size = 0;
    part->body = NULL;
    part->last = NULL;
}
