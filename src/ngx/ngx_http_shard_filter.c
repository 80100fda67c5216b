
/*
 * Bodies on their way to the client: a second module, because the order of
 * filters is the order of modules.
 *
 *   content ─▶ range ─▶ copy ─▶ [this] ─▶ ssi, gzip, postpone ─▶ client
 *
 * A request is looked at only when it is marked: "watched" has its body
 * shown to wait->watch, which changes nothing of it.  A part of a scatter
 * ends here, header and body.
 */


#include "ngx_http_shard_scatter.h"


static ngx_int_t ngx_http_shard_filter_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_shard_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_shard_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in) ngx_http_shard_hot;
static ngx_int_t ngx_http_shard_body_looked_at(ngx_http_request_t *r,
    ngx_http_shard_ctx_t *ctx, ngx_chain_t *in) ngx_http_shard_cold;


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static ngx_http_module_t  ngx_http_shard_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_shard_filter_init,            /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_shard_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_shard_filter_module_ctx,     /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_shard_filter_init(ngx_conf_t *cf)
{
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shard_module);

    if (smcf->scatters) {
        ngx_http_next_header_filter = ngx_http_top_header_filter;
        ngx_http_top_header_filter = ngx_http_shard_header_filter;
    }

    if (smcf->keyspaces.nelts) {
        ngx_http_next_body_filter = ngx_http_top_body_filter;
        ngx_http_top_body_filter = ngx_http_shard_body_filter;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_header_filter(ngx_http_request_t *r)
{
    ngx_http_shard_part_t  *part;

    part = ngx_http_shard_part(r);

    if (part) {
        return ngx_http_shard_part_header(part, r);
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_shard_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_shard_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_shard_module);

    if (ngx_http_shard_unlikely((ctx && ctx->watched) || r != r->main)) {
        return ngx_http_shard_body_looked_at(r, ctx, in);
    }

    return ngx_http_next_body_filter(r, in);
}


static ngx_int_t
ngx_http_shard_body_looked_at(ngx_http_request_t *r, ngx_http_shard_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_http_shard_part_t  *part;

    if (ctx && ctx->watched && in) {
        ctx->wait->watch(ctx, in);
    }

    part = ngx_http_shard_part(r);

    if (part) {
        return ngx_http_shard_part_body(part, in);
    }

    return ngx_http_next_body_filter(r, in);
}
