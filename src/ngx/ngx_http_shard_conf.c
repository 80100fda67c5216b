
/*
 * Configurations: created, completed, merged.
 */


#include "ngx_http_shard_scatter.h"


static ngx_http_upstream_conf_t *ngx_http_shard_location_upstream(
    ngx_conf_t *cf, ngx_http_shard_loc_conf_t *prev,
    ngx_http_shard_loc_conf_t *conf);


/* modules whose location configuration begins with ngx_http_upstream_conf_t */

static const char  *ngx_http_shard_content_modules[] = {
    "ngx_http_proxy_module",
    "ngx_http_grpc_module",
    "ngx_http_fastcgi_module",
    "ngx_http_uwsgi_module",
    "ngx_http_scgi_module",
    NULL
};


void *
ngx_http_shard_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_shard_main_conf_t));
    if (smcf == NULL) {
        return NULL;
    }

    smcf->interval = 1000;

    if (ngx_array_init(&smcf->keyspaces, cf->pool, 4,
                       sizeof(ngx_http_shard_keyspace_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return smcf;
}


char *
ngx_http_shard_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_shard_main_conf_t  *smcf = conf;

    size_t   i;
    u_char  *p;

    if (smcf->keyspaces.nelts && smcf->redis.addrs == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"shard_table\" without \"shard_redis ADDRESS;\": "
                      "say where the table is");
        return NGX_CONF_ERROR;
    }

    if (smcf->router.len) {
        return NGX_CONF_OK;
    }

    /* the host's name, without what a name must not have */

    smcf->router.len = ngx_min(cf->cycle->hostname.len, SHARD_NAME_SIZE - 1);
    p = ngx_pstrdup(cf->pool, &cf->cycle->hostname);

    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    smcf->router.data = p;

    for (i = 0; i < smcf->router.len; i++) {
        if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '0' && p[i] <= '9')
              || (p[i] >= 'A' && p[i] <= 'Z') || p[i] == '.'))
        {
            p[i] = '-';
        }
    }

    return NGX_CONF_OK;
}


void *
ngx_http_shard_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_shard_srv_conf_t  *sscf;

    sscf = ngx_pcalloc(cf->pool, sizeof(ngx_http_shard_srv_conf_t));
    if (sscf == NULL) {
        return NULL;
    }

    sscf->hold_max = NGX_HTTP_SHARD_HOLD_MAX;
    sscf->hold_bytes = NGX_HTTP_SHARD_HOLD_BYTES;
    sscf->hold_timeout = 5000;
    sscf->key_index = NGX_ERROR;
    sscf->miss = NGX_HTTP_NOT_FOUND;
    sscf->mirror_max = 32;
    sscf->mirror_timeout = 1000;

    return sscf;
}


void *
ngx_http_shard_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_shard_loc_conf_t));
}


/*
 * Which upstream this location's requests will go to must be known before
 * its content handler runs, so that a held request can be parked.  All
 * modules that proxy begin their location configuration with
 * ngx_http_upstream_conf_t; they are found by name because nginx may be
 * built without them.
 *
 * "if" and "limit_except" inherit the location's: beside another module's it
 * is not the one that is used.
 */

static ngx_http_upstream_conf_t *
ngx_http_shard_location_upstream(ngx_conf_t *cf,
    ngx_http_shard_loc_conf_t *prev, ngx_http_shard_loc_conf_t *conf)
{
    ngx_uint_t                  i;
    ngx_module_t               *module;
    ngx_http_conf_ctx_t        *ctx;
    const char                **name;
    ngx_http_upstream_conf_t   *ucf, *inherited;

    ctx = cf->ctx;
    inherited = NULL;

    for (i = 0; cf->cycle->modules[i]; i++) {
        module = cf->cycle->modules[i];

        if (module->type != NGX_HTTP_MODULE) {
            continue;
        }

        for (name = ngx_http_shard_content_modules; *name; name++) {
            if (ngx_strcmp(module->name, *name) != 0) {
                continue;
            }

            ucf = ctx->loc_conf[module->ctx_index];

            if (ucf == NULL || ucf->upstream == NULL
                || ucf->upstream->srv_conf == NULL)
            {
                continue;
            }

            if (module == prev->content
                && ucf->upstream == prev->upstream->upstream)
            {
                inherited = ucf;
                continue;
            }

            conf->content = module;
            return ucf;
        }
    }

    conf->content = inherited ? prev->content : NULL;

    return inherited;
}


char *
ngx_http_shard_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_shard_loc_conf_t  *prev = parent;
    ngx_http_shard_loc_conf_t  *conf = child;

    ngx_http_upstream_conf_t   *ucf;
    ngx_http_shard_srv_conf_t  *sscf;

    ucf = ngx_http_shard_location_upstream(cf, prev, conf);

    if (ucf) {
        sscf = ngx_http_conf_upstream_srv_conf(ucf->upstream,
                                               ngx_http_shard_module);

        conf->upstream = ucf;

        if (sscf->keyspace) {
            conf->shard = sscf;
            conf->keyspace = sscf->keyspace;
            conf->key_index = sscf->key_index;
            conf->plain = sscf->client == NULL && sscf->from == NULL;
        }
    }

    return ngx_http_shard_scatter_merge_conf(cf, prev, conf, ucf);
}
