
/*
 * $shard_* variables.  Not cacheable: a request that is sent again after a
 * 421 carries the new epoch and role.
 */


#include "ngx_http_shard.h"


typedef enum {
    NGX_HTTP_SHARD_VAR_ID = 0,
    NGX_HTTP_SHARD_VAR_NODE,
    NGX_HTTP_SHARD_VAR_ZONE,
    NGX_HTTP_SHARD_VAR_EPOCH,
    NGX_HTTP_SHARD_VAR_ROLE,
    NGX_HTTP_SHARD_VAR_STATE,
    NGX_HTTP_SHARD_VAR_HELD_MS
} ngx_http_shard_var_e;


static ngx_int_t ngx_http_shard_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_str_t ngx_http_shard_role(ngx_http_shard_ctx_t *ctx);
static ngx_str_t ngx_http_shard_state(ngx_http_shard_ctx_t *ctx);
static ngx_int_t ngx_http_shard_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uint64_t n);


static ngx_http_variable_t  ngx_http_shard_variables[] = {

    { ngx_string("shard_id"), NULL, ngx_http_shard_variable,
      NGX_HTTP_SHARD_VAR_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("shard_node"), NULL, ngx_http_shard_variable,
      NGX_HTTP_SHARD_VAR_NODE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("shard_zone"), NULL, ngx_http_shard_variable,
      NGX_HTTP_SHARD_VAR_ZONE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("shard_epoch"), NULL, ngx_http_shard_variable,
      NGX_HTTP_SHARD_VAR_EPOCH, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("shard_role"), NULL, ngx_http_shard_variable,
      NGX_HTTP_SHARD_VAR_ROLE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("shard_state"), NULL, ngx_http_shard_variable,
      NGX_HTTP_SHARD_VAR_STATE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("shard_held_ms"), NULL, ngx_http_shard_variable,
      NGX_HTTP_SHARD_VAR_HELD_MS, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_shard_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_shard_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t              s;
    ngx_http_shard_ctx_t  *ctx;

    ctx = ngx_http_shard_get_ctx(r);

    if (ctx == NULL || !ctx->resolved) {
        v->not_found = 1;
        return NGX_OK;
    }

    /* the node as the request is about to be sent, or was */

    if ((data == NGX_HTTP_SHARD_VAR_NODE || data == NGX_HTTP_SHARD_VAR_ZONE
         || data == NGX_HTTP_SHARD_VAR_ROLE)
        && !ctx->node_entered && ctx->entered
        && ngx_http_shard_choose(ctx) != NGX_OK)
    {
        v->not_found = 1;
        return NGX_OK;
    }

    if (data == NGX_HTTP_SHARD_VAR_ROLE && ctx->node == SHARD_NODE_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    switch (data) {

    case NGX_HTTP_SHARD_VAR_ID:
        return ngx_http_shard_variable_number(r, v, ctx->id);

    case NGX_HTTP_SHARD_VAR_EPOCH:
        return ngx_http_shard_variable_number(r, v, ctx->route.epoch);

    case NGX_HTTP_SHARD_VAR_HELD_MS:
        return ngx_http_shard_variable_number(r, v, ctx->held_ms);

    case NGX_HTTP_SHARD_VAR_NODE:
    case NGX_HTTP_SHARD_VAR_ZONE:
        if (ngx_http_shard_node_text(ctx, data == NGX_HTTP_SHARD_VAR_ZONE, &s)
            != NGX_OK)
        {
            v->not_found = 1;
            return NGX_OK;
        }

        break;

    case NGX_HTTP_SHARD_VAR_ROLE:
        s = ngx_http_shard_role(ctx);
        break;

    default: /* NGX_HTTP_SHARD_VAR_STATE */
        s = ngx_http_shard_state(ctx);
        break;
    }

    v->len = s.len;
    v->data = s.data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uint64_t n)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%uL", n) - p;
    v->data = p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_str_t
ngx_http_shard_role(ngx_http_shard_ctx_t *ctx)
{
    static ngx_str_t  roles[] = {
        ngx_string("primary"),
        ngx_string("standby"),
        ngx_string("target")
    };

    return roles[ctx->role];
}


static ngx_str_t
ngx_http_shard_state(ngx_http_shard_ctx_t *ctx)
{
    static ngx_str_t  steady = ngx_string("steady");
    static ngx_str_t  shifting = ngx_string("shifting");
    static ngx_str_t  held = ngx_string("held");
    static ngx_str_t  failover = ngx_string("failover");
    static ngx_str_t  override = ngx_string("override");

    if (ctx->route.flags & SHARD_ROUTE_OVERRIDE) {
        return override;
    }

    if (ctx->was_held) {
        return held;
    }

    if (ctx->failover) {
        return failover;
    }

    return ctx->route.phase == SHARD_SHIFTING ? shifting : steady;
}
