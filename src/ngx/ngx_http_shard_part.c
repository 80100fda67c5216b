
/*
 * One shard's part of a scatter: begun, let through the gate, ended.
 *
 * A part ends in one of two ways: nginx finalizes its subrequest, and
 * post_subrequest tells; or it is killed by its scatter, which closes its
 * upstream the way nginx itself does when a client leaves.
 */


#include "ngx_http_shard_scatter.h"


static ngx_int_t ngx_http_shard_part_prepare(ngx_http_shard_part_t *part,
    ngx_http_request_t *sr);
static ngx_http_shard_part_fault_e ngx_http_shard_part_judge(
    ngx_http_shard_part_t *part, ngx_int_t rc);
static void ngx_http_shard_part_end(ngx_http_shard_part_t *part,
    ngx_uint_t status);
static void ngx_http_shard_part_retire(ngx_http_shard_part_t *part);


ngx_int_t
ngx_http_shard_part_start(ngx_http_shard_part_t *part)
{
    ngx_http_request_t        *r, *sr;
    ngx_http_shard_scatter_t  *s;

    s = part->scatter;
    r = s->request;

    part->post.handler = ngx_http_shard_part_done;
    part->post.data = part;
    part->expected = -1;

    shard_merge_init(&part->merge, s->conf->merge);

    if (ngx_http_subrequest(r, &r->uri, &r->args, &sr, &part->post,
                            NGX_HTTP_SUBREQUEST_CLONE
                            |NGX_HTTP_SUBREQUEST_BACKGROUND)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    part->request = sr;

    if (ngx_http_shard_part_prepare(part, sr) != NGX_OK) {

        /* it is posted already: it must do nothing */

        part->ended = 1;
        sr->write_event_handler = ngx_http_request_empty_handler;
        ngx_http_finalize_request(sr, NGX_DONE);

        return NGX_ERROR;
    }

    ngx_queue_insert_tail(&s->running, &part->queue);
    s->nrunning++;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_part_prepare(ngx_http_shard_part_t *part,
    ngx_http_request_t *sr)
{
    size_t                      size;
    ngx_http_shard_ctx_t       *ctx;
    ngx_http_shard_scatter_t   *s;
    ngx_http_core_main_conf_t  *cmcf;

    s = part->scatter;

    sr->method = NGX_HTTP_GET;
    sr->method_name = ngx_http_core_get_method;
    sr->headers_in = s->headers_in;
    sr->request_body = NULL;
    sr->discard_body = 0;
    sr->filter_need_in_memory = 1;
    sr->phase_handler = s->gate;
    sr->content_handler = s->conf->content;

    /* what one part makes of a variable is not for the others */

    cmcf = ngx_http_get_module_main_conf(sr, ngx_http_core_module);
    size = cmcf->variables.nelts * sizeof(ngx_http_variable_value_t);

    sr->variables = ngx_palloc(sr->pool, size);
    if (sr->variables == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(sr->variables, s->request->variables, size);

    ctx = ngx_http_shard_create_ctx(sr, s->conf->shard);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->position = part->located.position;
    ctx->sticky = part->located.sticky;
    ctx->id = part->id;
    ctx->slot = part->slot;
    ctx->structure = part->structure;
    ctx->resolved = 1;
    ctx->forced = 1;

    part->ctx = ctx;

    return NGX_OK;
}


/* of a location with "shard_scatter": its parts pass, the client waits */

ngx_int_t
ngx_http_shard_part_gate(ngx_http_request_t *r)
{
    ngx_http_shard_part_t  *part;

    part = ngx_http_shard_part(r);

    if (part == NULL || part->ctx->gated) {
        return NGX_DECLINED;
    }

    return ngx_http_shard_pass_gate(part->ctx);
}


/* post_subrequest: nothing of a part ever ends the client's request */

ngx_int_t
ngx_http_shard_part_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_shard_part_t *part = data;

    ngx_uint_t                   status;
    ngx_http_shard_part_fault_e  fault;

    if (part->ended) {
        return NGX_OK;
    }

    fault = ngx_http_shard_part_judge(part, rc);

    if (fault != NGX_HTTP_SHARD_PART_OK) {
        ngx_http_shard_part_fail(part, fault);
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        part->status = rc;
    }

    status = part->fault == NGX_HTTP_SHARD_PART_OK
             || part->fault == NGX_HTTP_SHARD_PART_STATUS
             ? part->status : NGX_HTTP_BAD_GATEWAY;

    ngx_http_shard_part_end(part, status);
    ngx_http_shard_scatter_go_on(part->scatter);

    return NGX_OK;
}


static ngx_http_shard_part_fault_e
ngx_http_shard_part_judge(ngx_http_shard_part_t *part, ngx_int_t rc)
{
    if (part->ctx->id != part->id) {
        return NGX_HTTP_SHARD_PART_GONE;
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return NGX_HTTP_SHARD_PART_STATUS;
    }

    /* an upstream that broke off has its end said to be a flush */

    if (rc != NGX_OK || part->status == 0 || !part->whole) {
        return NGX_HTTP_SHARD_PART_BROKEN;
    }

    if (shard_merge_end(&part->merge) != SHARD_OK) {
        return NGX_HTTP_SHARD_PART_NOT_JSON;
    }

    return NGX_HTTP_SHARD_PART_OK;
}


static void
ngx_http_shard_part_end(ngx_http_shard_part_t *part, ngx_uint_t status)
{
    part->ended = 1;

    ngx_queue_remove(&part->queue);
    part->scatter->nrunning--;

    ngx_http_shard_count(part->ctx, status, part->received);
    ngx_http_shard_part_retire(part);
}


/*
 * The buffer an upstream's answer is read to is larger than all else of a
 * part.  nginx still works on the part that ends just now: its buffer goes
 * when the next one ends.
 */

static void
ngx_http_shard_part_retire(ngx_http_shard_part_t *part)
{
    ngx_http_upstream_t       *u;
    ngx_http_shard_scatter_t  *s;

    s = part->scatter;

    if (s->retired) {
        u = s->retired->request->upstream;

        if (u && u->buffer.start) {
            (void) ngx_pfree(s->request->pool, u->buffer.start);
            ngx_memzero(&u->buffer, sizeof(ngx_buf_t));
        }
    }

    s->retired = part;
}


/* from the event loop only, never out of the part's own handlers */

void
ngx_http_shard_part_kill(ngx_http_shard_part_t *part,
    ngx_http_shard_part_fault_e fault)
{
    ngx_http_request_t   *sr;
    ngx_http_upstream_t  *u;

    sr = part->request;
    u = sr->upstream;

    ngx_http_shard_part_fail(part, fault);
    ngx_http_shard_part_end(part, fault == NGX_HTTP_SHARD_PART_LATE
                                  ? NGX_HTTP_GATEWAY_TIME_OUT
                                  : NGX_HTTP_BAD_GATEWAY);

    ngx_http_shard_unpark(part->ctx);

    sr->write_event_handler = ngx_http_request_empty_handler;

    if (u && u->cleanup) {

        /* closes it, and finalizes the subrequest with NGX_DONE */

        (*u->cleanup)(sr);

    } else {
        ngx_http_finalize_request(sr, NGX_DONE);
    }

    sr->write_event_handler = ngx_http_request_empty_handler;
    sr->done = 1;
    sr->logged = 1;
}
