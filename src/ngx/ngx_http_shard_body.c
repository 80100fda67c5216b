
/*
 * A body must be there before the request passes the gate, or it would be
 * in flight for as long as its client takes to send it.  Unbuffered ones
 * pass as they come.
 */


#include "ngx_http_shard.h"


static void ngx_http_shard_body_handler(ngx_http_request_t *r);


ngx_uint_t
ngx_http_shard_needs_body(ngx_http_request_t *r, ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_shard_module);

    if (r != r->main || r->request_body || (ctx && ctx->body_read)
        || !slcf->upstream->request_buffering)
    {
        return 0;
    }

    return r->headers_in.content_length_n > 0 || r->headers_in.chunked
#if (NGX_HTTP_V2)
           || (r->stream && r->headers_in.content_length_n == -1
               && !ngx_http_shard_read_only(r))
#endif
           ;
}


ngx_int_t
ngx_http_shard_read_body(ngx_http_request_t *r, ngx_http_shard_ctx_t *ctx,
    ngx_http_shard_srv_conf_t *conf)
{
    ngx_int_t  rc;

    if (ctx == NULL && ngx_http_shard_create_ctx(r, conf) == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_shard_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
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
