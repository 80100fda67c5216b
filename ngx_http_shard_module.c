
/*
 * nginx-shard: routes every request to the node that owns its shard.
 *
 * This file hooks the module up; what it does is in src/ngx.
 */


#include "src/ngx/ngx_http_shard.h"
#include "src/ngx/ngx_http_shard_exchange.h"
#include "src/ngx/ngx_http_shard_notes.h"


static ngx_int_t ngx_http_shard_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_shard_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_shard_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_shard_init_process(ngx_cycle_t *cycle);
static void ngx_http_shard_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_shard_commands[] = {

    { ngx_string("shard_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_shard_redis_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard_router"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_shard_router_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard_table"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_shard_table_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard"),
      NGX_HTTP_UPS_CONF|NGX_CONF_2MORE,
      ngx_http_shard_directive,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard_hold"),
      NGX_HTTP_UPS_CONF|NGX_CONF_1MORE,
      ngx_http_shard_hold_directive,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard_mirror"),
      NGX_HTTP_UPS_CONF|NGX_CONF_1MORE,
      ngx_http_shard_mirror_directive,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard_keepalive"),
      NGX_HTTP_UPS_CONF|NGX_CONF_1MORE,
      ngx_http_shard_keepalive_directive,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard_health"),
      NGX_HTTP_UPS_CONF|NGX_CONF_ANY,
      ngx_http_shard_health_directive,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_shard_api_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_shard_metrics_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("shard_scatter"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_shard_scatter_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_shard_module_ctx = {
    ngx_http_shard_preconfiguration,       /* preconfiguration */
    ngx_http_shard_postconfiguration,      /* postconfiguration */

    ngx_http_shard_create_main_conf,       /* create main configuration */
    ngx_http_shard_init_main_conf,         /* init main configuration */

    ngx_http_shard_create_srv_conf,        /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_shard_create_loc_conf,        /* create location configuration */
    ngx_http_shard_merge_loc_conf          /* merge location configuration */
};


ngx_module_t  ngx_http_shard_module = {
    NGX_MODULE_V1,
    &ngx_http_shard_module_ctx,            /* module context */
    ngx_http_shard_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_shard_init_module,            /* init module */
    ngx_http_shard_init_process,           /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_shard_exit_process,           /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_shard_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_shard_add_variables(cf);
}


/* nginx only warns when another balancing method takes an upstream over */

static ngx_int_t
ngx_http_shard_check_upstreams(ngx_conf_t *cf)
{
    ngx_uint_t                      i;
    ngx_http_shard_srv_conf_t      *sscf;
    ngx_http_upstream_srv_conf_t  **uscf;
    ngx_http_upstream_main_conf_t  *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);
    uscf = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        if (uscf[i]->srv_conf == NULL) {
            continue;
        }

        sscf = ngx_http_conf_upstream_srv_conf(uscf[i], ngx_http_shard_module);

        if (sscf->keyspace && !sscf->balances) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"shard\" of upstream \"%V\" in %s:%ui is "
                          "overruled by another balancing method: remove that",
                          &uscf[i]->host, uscf[i]->file_name, uscf[i]->line);
            return NGX_ERROR;
        }

        if (sscf->keepalive
            && uscf[i]->peer.init_upstream != ngx_http_shard_init_upstream)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"shard_keepalive\" of upstream \"%V\" in %s:%ui "
                          "is beside \"keepalive\", or another directive "
                          "around it: remove one of them",
                          &uscf[i]->host, uscf[i]->file_name, uscf[i]->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* a process without a master keeps what it has: nobody joins another one */

static ngx_int_t
ngx_http_shard_check_reload(ngx_conf_t *cf)
{
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shard_module);

    if (smcf->keyspaces.nelts && ngx_process == NGX_PROCESS_SINGLE
        && !ngx_is_init_cycle(cf->cycle->old_cycle))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"shard_table\" with \"master_process off\" cannot be "
                      "reloaded: restart nginx");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    if (ngx_http_shard_check_reload(cf) != NGX_OK
        || ngx_http_shard_check_upstreams(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_shard_gate_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_shard_log_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_init_module(ngx_cycle_t *cycle)
{
    ngx_http_shard_upgrade_init(cycle);

    return ngx_http_shard_wake_init(cycle);
}


static ngx_int_t
ngx_http_shard_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shard_module);

    if (smcf == NULL || smcf->keyspaces.nelts == 0) {
        return NGX_OK;
    }

    ks = smcf->keyspaces.elts;

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        if (ngx_http_shard_join(ks[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_shard_wake_listen(cycle);
}


static void
ngx_http_shard_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shard_module);

    if (smcf == NULL) {
        return;
    }

    ks = smcf->keyspaces.elts;

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        ngx_http_shard_sync_stop(ks[i]);
        ngx_http_shard_leave_worker(ks[i]);
        ngx_http_shard_notes_destroy(ks[i]);
    }

    ngx_http_shard_mirror_exit();
    ngx_http_shard_exchange_exit();
    ngx_http_shard_wake_close(cycle);
}
