
/*
 * "shard_scatter": its parameters, and the content handler of its parts.
 */


#include "ngx_http_shard_scatter.h"


static char *ngx_http_shard_scatter_params(ngx_conf_t *cf,
    ngx_http_shard_scatter_conf_t *scf);
static ngx_int_t ngx_http_shard_scatter_number(ngx_str_t *text,
    ngx_uint_t most, ngx_uint_t *n);
static ngx_int_t ngx_http_shard_scatter_param(ngx_conf_t *cf,
    ngx_http_shard_scatter_conf_t *scf, ngx_str_t *arg);
static ngx_int_t ngx_http_shard_scatter_word(
    ngx_http_shard_scatter_conf_t *scf, ngx_str_t *arg);
static char *ngx_http_shard_scatter_pass(ngx_conf_t *cf, ngx_str_t *upstream);
static char *ngx_http_shard_scatter_bad(ngx_conf_t *cf,
    ngx_http_shard_scatter_conf_t *scf, const char *why);


char *
ngx_http_shard_scatter_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_shard_loc_conf_t  *slcf = conf;

    char                           *rc;
    ngx_str_t                      *value;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_shard_main_conf_t     *smcf;
    ngx_http_shard_scatter_conf_t  *scf;

    if (slcf->scatter) {
        return "is duplicate";
    }

    value = cf->args->elts;
    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shard_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    scf = ngx_pcalloc(cf->pool, sizeof(ngx_http_shard_scatter_conf_t));
    if (scf == NULL) {
        return NGX_CONF_ERROR;
    }

    scf->upstream = value[1];
    scf->file = cf->conf_file->file.name;
    scf->line = cf->conf_file->line;
    scf->max = 1024;
    scf->concurrency = 64;
    scf->bytes = 8 * 1024 * 1024;
    scf->timeout = 5000;
    scf->partial = 207;

    rc = ngx_http_shard_scatter_params(cf, scf);
    if (rc != NGX_CONF_OK) {
        return rc;
    }

    if (clcf->handler == NULL) {
        rc = ngx_http_shard_scatter_pass(cf, &value[1]);
        if (rc != NGX_CONF_OK) {
            return rc;
        }
    }

    scf->content = clcf->handler;
    clcf->handler = ngx_http_shard_scatter_handler;

    slcf->scatter = scf;
    smcf->scatters = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_shard_scatter_params(ngx_conf_t *cf,
    ngx_http_shard_scatter_conf_t *scf)
{
    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;

    static const char *const  words[] = {
        "merge", "keys", "to", "max", "concurrency", "bytes", "timeout",
        "partial", NULL
    };

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {
        rc = ngx_http_shard_scatter_word(scf, &value[i]);

        if (rc != NGX_OK) {
            rc = ngx_http_shard_scatter_param(cf, scf, &value[i]);
        }

        if (rc == NGX_DECLINED) {
            return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
        }

        /* the cause has been told */

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* parameters that take one of a few words */

static ngx_int_t
ngx_http_shard_scatter_word(ngx_http_shard_scatter_conf_t *scf,
    ngx_str_t *arg)
{
    ngx_uint_t  i;

    static const struct {
        const char  *arg;
        ngx_uint_t   merge;
    } merges[] = {
        { "merge=json",   SHARD_MERGE_JSON },
        { "merge=object", SHARD_MERGE_OBJECT },
        { "merge=ndjson", SHARD_MERGE_NDJSON },
        { "merge=concat", SHARD_MERGE_CONCAT }
    };

    for (i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
        if (ngx_strcmp(arg->data, merges[i].arg) == 0) {
            scf->merge = merges[i].merge;
            return NGX_OK;
        }
    }

    if (ngx_strcmp(arg->data, "to=all") == 0) {
        scf->empty_is_all = 1;
        return NGX_OK;
    }

    if (ngx_strcmp(arg->data, "partial=207") == 0) {
        scf->partial = 207;
        return NGX_OK;
    }

    if (ngx_strcmp(arg->data, "partial=502") == 0) {
        scf->partial = NGX_HTTP_BAD_GATEWAY;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_shard_scatter_param(ngx_conf_t *cf,
    ngx_http_shard_scatter_conf_t *scf, ngx_str_t *arg)
{
    ssize_t                           size;
    ngx_str_t                         s;
    ngx_http_compile_complex_value_t  ccv;

    if (ngx_http_shard_param(arg, "max", &s)) {
        if (ngx_http_shard_scatter_number(&s, NGX_HTTP_SHARD_SCATTER_MAX,
                                          &scf->max)
            != NGX_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\": max must be 1 to %d shards", arg,
                               NGX_HTTP_SHARD_SCATTER_MAX);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (ngx_http_shard_param(arg, "concurrency", &s)) {
        return ngx_http_shard_scatter_number(&s,
                                         NGX_HTTP_SHARD_SCATTER_CONCURRENCY,
                                         &scf->concurrency);
    }

    if (ngx_http_shard_param(arg, "bytes", &s)) {
        size = ngx_parse_size(&s);
        scf->bytes = (size_t) size;
        return size > 0 ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_http_shard_param(arg, "timeout", &s)) {
        return ngx_http_shard_param_time(&s, 1, NGX_HTTP_SHARD_TIME_MAX,
                                         &scf->timeout) == NGX_OK
               ? NGX_OK : NGX_DECLINED;
    }

    if (!ngx_http_shard_param(arg, "keys", &s) || s.len == 0) {
        return NGX_DECLINED;
    }

    scf->keys = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (scf->keys == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &s;
    ccv.complex_value = scf->keys;

    return ngx_http_compile_complex_value(&ccv);
}


static ngx_int_t
ngx_http_shard_scatter_number(ngx_str_t *text, ngx_uint_t most, ngx_uint_t *n)
{
    ngx_int_t  value;

    value = ngx_atoi(text->data, text->len);

    if (value < 1 || (ngx_uint_t) value > most) {
        return NGX_DECLINED;
    }

    *n = value;

    return NGX_OK;
}


/* "proxy_pass http://UPSTREAM;" by the proxy module itself */

static char *
ngx_http_shard_scatter_pass(ngx_conf_t *cf, ngx_str_t *upstream)
{
    char                 *rc;
    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_array_t           args, *saved;
    ngx_module_t         *module;
    ngx_command_t        *cmd;
    ngx_http_conf_ctx_t  *ctx;

    module = NULL;
    cmd = NULL;
    ctx = cf->ctx;

    for (i = 0; cf->cycle->modules[i]; i++) {
        if (ngx_strcmp(cf->cycle->modules[i]->name, "ngx_http_proxy_module")
            == 0)
        {
            module = cf->cycle->modules[i];
            break;
        }
    }

    for (cmd = module ? module->commands : NULL;
         cmd && cmd->name.len && ngx_strcmp(cmd->name.data, "proxy_pass") != 0;
         cmd++)
    {
        /* void */
    }

    if (cmd == NULL || cmd->name.len == 0) {
        return "needs \"proxy_pass\", which this nginx has not, or another "
               "..._pass before it";
    }

    if (ngx_array_init(&args, cf->pool, 2, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    value = ngx_array_push_n(&args, 2);
    value[0] = cmd->name;
    value[1].len = sizeof("http://") - 1 + upstream->len;
    value[1].data = ngx_pnalloc(cf->pool, value[1].len + 1);

    if (value[1].data == NULL) {
        return NGX_CONF_ERROR;
    }

    (void) ngx_sprintf(value[1].data, "http://%V%Z", upstream);

    saved = cf->args;
    cf->args = &args;

    rc = cmd->set(cf, cmd, ctx->loc_conf[module->ctx_index]);

    cf->args = saved;

    return rc;
}


/*
 * When all of the configuration is read: "ucf" is what the location's
 * content handler passes to, NULL when to no upstream.
 */

char *
ngx_http_shard_scatter_merge_conf(ngx_conf_t *cf,
    ngx_http_shard_loc_conf_t *prev, ngx_http_shard_loc_conf_t *conf,
    ngx_http_upstream_conf_t *ucf)
{
    ngx_str_t                      *host;
    ngx_http_core_loc_conf_t       *clcf;
    ngx_http_shard_srv_conf_t      *sscf;
    ngx_http_shard_scatter_conf_t  *scf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && conf->scatter == NULL && prev->scatter) {

        /* "if" and "limit_except" of a location with it */

        conf->scatter = prev->scatter;

        if (clcf->lmt_excpt) {
            clcf->handler = ngx_http_shard_scatter_handler;
        }
    }

    scf = conf->scatter;

    if (scf == NULL) {
        return NGX_CONF_OK;
    }

    if (!clcf->noname && clcf->handler != ngx_http_shard_scatter_handler) {
        return ngx_http_shard_scatter_bad(cf, scf,
                                          "is overruled by what stands behind "
                                          "it: put it last in its location");
    }

    host = ucf ? &ucf->upstream->host : NULL;

    if (host == NULL || host->len != scf->upstream.len
        || ngx_strncasecmp(host->data, scf->upstream.data, host->len) != 0)
    {
        return ngx_http_shard_scatter_bad(cf, scf,
                                          "names another upstream than the "
                                          "location passes to");
    }

    sscf = ngx_http_conf_upstream_srv_conf(ucf->upstream,
                                           ngx_http_shard_module);

    if (sscf->keyspace == NULL) {
        return ngx_http_shard_scatter_bad(cf, scf,
                                          "needs an upstream with \"shard\"");
    }

#if (NGX_HTTP_CACHE)

    if (ucf->cache) {
        return ngx_http_shard_scatter_bad(cf, scf,
                                          "cannot be cached where its parts "
                                          "are: turn the cache off here");
    }

#endif

    scf->shard = sscf;
    conf->shard = NULL;

    return NGX_CONF_OK;
}


static char *
ngx_http_shard_scatter_bad(ngx_conf_t *cf, ngx_http_shard_scatter_conf_t *scf,
    const char *why)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"shard_scatter %V\" in %V:%ui %s", &scf->upstream,
                  &scf->file, scf->line, why);

    return NGX_CONF_ERROR;
}
