
/*
 * Directives.  A parameter is refused with its nearest valid name; nothing
 * is changed until a directive is known to be good.
 */


#include "ngx_http_shard.h"


ngx_uint_t
ngx_http_shard_param(ngx_str_t *arg, const char *name, ngx_str_t *value)
{
    size_t  len;

    len = ngx_strlen(name);

    if (arg->len <= len || arg->data[len] != '='
        || ngx_strncmp(arg->data, name, len) != 0)
    {
        return 0;
    }

    value->len = arg->len - len - 1;
    value->data = arg->data + len + 1;

    return 1;
}


ngx_int_t
ngx_http_shard_param_time(ngx_str_t *value, ngx_msec_t least, ngx_msec_t most,
    ngx_msec_t *ms)
{
    *ms = ngx_parse_time(value, 0);

    return *ms != (ngx_msec_t) NGX_ERROR && *ms >= least && *ms <= most
           ? NGX_OK : NGX_ERROR;
}


/* what a parameter takes, whatever the directive */

static const char *
ngx_http_shard_param_wants(const char *name)
{
    ngx_uint_t  i;

    static const struct {
        const char  *name;
        const char  *wants;
    } params[] = {
        { "bytes",        "a size above 0, as 8m" },
        { "concurrency",  "a number of 1 to 1024" },
        { "db",           "a number from 0" },
        { "fails",        "a number of 1 to 1000" },
        { "from",         "a variable that names a zone" },
        { "interval",     "a time of 50ms to 60s" },
        { "max",          "a number from 1" },
        { "merge",        "json, object, ndjson or concat" },
        { "miss",         "a status of 200 to 599, but not 421" },
        { "name",         "a host name" },
        { "partial",      "207 or 502" },
        { "passes",       "a number of 1 to 1000" },
        { "passive",      "on or off" },
        { "requests",     "a number above 0" },
        { "sentinel",     "the master's name, 1 to 63 of A-Z a-z 0-9 _ . -" },
        { "slow_start",   "a time up to a day, as 30s" },
        { "status",       "statuses of 100 to 599, as 200-399,404" },
        { "strong_reads", "standby or wait" },
        { "time",         "a time above 0, as 1h" },
        { "timeout",      "a time above 0, as 500ms or 5s" },
        { "tls",          "on or off" },
        { "to",           "all" },
        { "uri",          "a path that begins with /" },
        { "verify",       "on or off" },
        { "write",        "on or off" },
        { "zone",         "a name, 1 to 63 of A-Z a-z 0-9 _ . -" },
        { NULL, NULL }
    };

    for (i = 0; params[i].name; i++) {
        if (ngx_strcmp(params[i].name, name) == 0) {
            return params[i].wants;
        }
    }

    return "a value";
}


char *
ngx_http_shard_bad_param(ngx_conf_t *cf, ngx_str_t *directive, ngx_str_t *arg,
    const char *const *words)
{
    u_char       *eq;
    const char   *near;
    shard_str_t   text;

    eq = ngx_strlchr(arg->data, arg->data + arg->len, '=');

    text.data = (const char *) arg->data;
    text.len = eq ? (size_t) (eq - arg->data) : arg->len;

    near = shard_nearest(text, words);

    if (near == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" of \"%V\"", arg,
                           directive);

    } else if (ngx_strlen(near) == text.len
               && ngx_strncmp(near, text.data, text.len) == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value of parameter \"%V\" of \"%V\": "
                           "give %s", arg, directive,
                           ngx_http_shard_param_wants(near));

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" of \"%V\", "
                           "did you mean \"%s=\"?", arg, directive, near);
    }

    return NGX_CONF_ERROR;
}


char *
ngx_http_shard_router_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_main_conf_t  *smcf = conf;

    ngx_str_t    *value, s;
    ngx_uint_t    i;
    shard_str_t   name;

    static const char *const  words[] = { "zone", "interval", NULL };

    if (smcf->router.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_shard_param(&value[i], "zone", &s)) {
            name.data = (const char *) s.data;
            name.len = s.len;

            if (shard_name_valid(name)) {
                smcf->router_zone = s;
                continue;
            }
        }

        if (ngx_http_shard_param(&value[i], "interval", &s)
            && ngx_http_shard_param_time(&s, 50, 60000, &smcf->interval)
               == NGX_OK)
        {
            continue;
        }

        return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
    }

    name.data = (const char *) value[1].data;
    name.len = value[1].len;

    if (!shard_name_valid(name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "router name \"%V\" must be 1 to 63 of "
                           "A-Z a-z 0-9 _ . -", &value[1]);
        return NGX_CONF_ERROR;
    }

    smcf->router = value[1];

    return NGX_CONF_OK;
}


/* not an error: everything but a start without Redis works without it */

static void
ngx_http_shard_check_folder(ngx_conf_t *cf, ngx_str_t *file)
{
    size_t           len;
    u_char           path[NGX_MAX_PATH];
    ngx_file_info_t  fi;

    len = file->len;

    while (len > 1 && file->data[len - 1] != '/') {
        len--;
    }

    if (len >= sizeof(path)) {
        return;
    }

    *ngx_cpymem(path, file->data, len) = '\0';

    if (ngx_file_info(path, &fi) == NGX_FILE_ERROR || !ngx_is_dir(&fi)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, ngx_errno,
                           "no folder \"%s\" for the file of \"state=\": make "
                           "it, writable for the workers' user", path);
    }
}


static ngx_http_shard_keyspace_t *
ngx_http_shard_new_keyspace(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_http_shard_keyspace_t  *ks;

    /* what requests use of it begins a cache line */

    ks = ngx_pmemalign(cf->pool, sizeof(ngx_http_shard_keyspace_t), 64);
    if (ks == NULL) {
        return NULL;
    }

    ngx_memzero(ks, sizeof(ngx_http_shard_keyspace_t));

    ks->name = *name;
    ks->cycle = cf->cycle;
    ks->hold_timeout = 5000;

    return ks;
}


/* its parameters are good: with its shared memory it is one of them */

static char *
ngx_http_shard_add_keyspace(ngx_conf_t *cf, ngx_http_shard_main_conf_t *smcf,
    ngx_http_shard_keyspace_t *ks, size_t size)
{
    ngx_http_shard_keyspace_t  **ksp;

    ks->zone = ngx_shared_memory_add(cf, &ks->name, size,
                                     &ngx_http_shard_module);
    if (ks->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    ks->zone->init = ngx_http_shard_init_zone;
    ks->zone->data = ks;

    ksp = ngx_array_push(&smcf->keyspaces);
    if (ksp == NULL) {
        return NGX_CONF_ERROR;
    }

    *ksp = ks;

    return NGX_CONF_OK;
}


char *
ngx_http_shard_table_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_main_conf_t  *smcf = conf;

    ssize_t                      size;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    shard_str_t                  name;
    ngx_http_shard_keyspace_t   *ks;

    static const char *const  words[] = { "state", NULL };

    value = cf->args->elts;

    name.data = (const char *) value[1].data;
    name.len = value[1].len;

    if (!shard_name_valid(name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "keyspace name \"%V\" must be 1 to 63 of "
                           "A-Z a-z 0-9 _ . -", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_shard_find_keyspace(smcf, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate keyspace \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    size = ngx_parse_size(&value[2]);

    if (size < 2 * 1024 * 1024) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "size \"%V\" of keyspace \"%V\" is no size or "
                           "too small, give at least 2m", &value[2], &value[1]);
        return NGX_CONF_ERROR;
    }

    ks = ngx_http_shard_new_keyspace(cf, &value[1]);
    if (ks == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 3; i < cf->args->nelts; i++) {

        if (ngx_http_shard_param(&value[i], "state", &ks->state_file)
            && ks->state_file.len)
        {
            if (ngx_conf_full_name(cf->cycle, &ks->state_file, 0) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

            ngx_http_shard_check_folder(cf, &ks->state_file);
            continue;
        }

        return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
    }

    return ngx_http_shard_add_keyspace(cf, smcf, ks, size);
}


ngx_http_shard_keyspace_t *
ngx_http_shard_find_keyspace(ngx_http_shard_main_conf_t *smcf,
    ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_http_shard_keyspace_t  **ks;

    ks = smcf->keyspaces.elts;

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        if (ks[i]->name.len == name->len
            && ngx_strncmp(ks[i]->name.data, name->data, name->len) == 0)
        {
            return ks[i];
        }
    }

    return NULL;
}


char *
ngx_http_shard_api_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_loc_conf_t  *slcf = conf;

    ngx_str_t                 *value, s;
    ngx_http_core_loc_conf_t  *clcf;

    static const char *const  words[] = { "write", NULL };

    value = cf->args->elts;

    if (cf->args->nelts == 2) {

        if (!ngx_http_shard_param(&value[1], "write", &s)) {
            return ngx_http_shard_bad_param(cf, &value[0], &value[1], words);
        }

        if (s.len == 2 && ngx_strncmp(s.data, "on", 2) == 0) {
            slcf->api_write = 1;

        } else if (s.len != 3 || ngx_strncmp(s.data, "off", 3) != 0) {
            return ngx_http_shard_bad_param(cf, &value[0], &value[1], words);
        }
    }

    slcf->api = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_shard_api_handler;

    return NGX_CONF_OK;
}


char *
ngx_http_shard_metrics_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_shard_metrics_handler;

    return NGX_CONF_OK;
}
