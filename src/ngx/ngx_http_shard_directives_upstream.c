
/*
 * Directives inside upstream {}: "shard", "shard_hold", "shard_mirror",
 * "shard_keepalive".
 */


#include "ngx_http_shard_keepalive.h"


static ngx_int_t ngx_http_shard_complex_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_complex_value_t *cv);
static ngx_int_t ngx_http_shard_lone_variable(ngx_conf_t *cf,
    ngx_str_t *text);
static char *ngx_http_shard_reads(ngx_conf_t *cf,
    ngx_http_shard_srv_conf_t *sscf, ngx_str_t *arg, const char *const *words);
static ngx_int_t ngx_http_shard_dummy_server(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf);
static ngx_int_t ngx_http_shard_keepalive_param(
    ngx_http_shard_keepalive_t *keepalive, ngx_str_t *arg);


static ngx_int_t
ngx_http_shard_complex_value(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_complex_value_t *cv)
{
    ngx_http_compile_complex_value_t  ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = cv;

    return ngx_http_compile_complex_value(&ccv);
}


/*
 * "$name" and nothing else, as most keys are: read without a script and a
 * copy.  NGX_ERROR when it is more, or a group of a regular expression.
 */

static ngx_int_t
ngx_http_shard_lone_variable(ngx_conf_t *cf, ngx_str_t *text)
{
    size_t     i;
    u_char     c;
    ngx_str_t  name;

    if (text->len < 2 || text->data[0] != '$'
        || (text->data[1] >= '0' && text->data[1] <= '9'))
    {
        return NGX_ERROR;
    }

    name.len = text->len - 1;
    name.data = text->data + 1;

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_'))
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_get_variable_index(cf, &name);
}


char *
ngx_http_shard_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_srv_conf_t  *sscf = conf;

    ngx_str_t                     *value, s;
    ngx_uint_t                     i;
    ngx_http_shard_keyspace_t     *ks;
    ngx_http_shard_main_conf_t    *smcf;
    ngx_http_upstream_srv_conf_t  *uscf;

    static const char *const  words[] = { "key", "client", "from", "miss",
                                          "strong_reads", NULL };

    if (sscf->keyspace) {
        return "is duplicate";
    }

    value = cf->args->elts;
    smcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_shard_module);
    uscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_upstream_module);

    ks = ngx_http_shard_find_keyspace(smcf, &value[1]);

    if (ks == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown keyspace \"%V\", declare it above with "
                           "\"shard_table %V SIZE;\"", &value[1], &value[1]);
        return NGX_CONF_ERROR;
    }

    if (uscf->peer.init_upstream) {
        return "must stand before \"keepalive\" and beside no other "
               "balancing method";
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_shard_param(&value[i], "key", &s) && s.len) {
            if (ngx_http_shard_complex_value(cf, &s, &sscf->key) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

            sscf->key_index = ngx_http_shard_lone_variable(cf, &s);

            continue;
        }

        if (ngx_http_shard_param(&value[i], "client", &s) && s.len) {
            sscf->client = ngx_pcalloc(cf->pool,
                                       sizeof(ngx_http_complex_value_t));
            if (sscf->client == NULL
                || ngx_http_shard_complex_value(cf, &s, sscf->client)
                   != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        if (ngx_http_shard_reads(cf, sscf, &value[i], words) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (sscf->key.value.data == NULL) {
        return "has no \"key=\" parameter";
    }

    if (ngx_http_shard_dummy_server(cf, uscf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    uscf->flags = NGX_HTTP_UPSTREAM_CREATE;
    uscf->peer.init_upstream = ngx_http_shard_init_upstream;

    ks->used = 1;
    sscf->keyspace = ks;

    return NGX_CONF_OK;
}


/* parameters of "shard" that say where reads go */

static char *
ngx_http_shard_reads(ngx_conf_t *cf, ngx_http_shard_srv_conf_t *sscf,
    ngx_str_t *arg, const char *const *words)
{
    ngx_int_t   n;
    ngx_str_t   s, *value;

    value = cf->args->elts;

    if (ngx_http_shard_param(arg, "from", &s) && s.len) {
        sscf->from = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));

        if (sscf->from == NULL
            || ngx_http_shard_complex_value(cf, &s, sscf->from) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    if (ngx_http_shard_param(arg, "miss", &s)) {
        n = ngx_atoi(s.data, s.len);

        if (n >= 200 && n <= 599 && n != NGX_HTTP_MISDIRECTED_REQUEST) {
            sscf->miss = n;
            return NGX_CONF_OK;
        }

    } else if (ngx_http_shard_param(arg, "strong_reads", &s)) {

        sscf->fresh = s.len == 4 && ngx_strncmp(s.data, "wait", 4) == 0;

        if (sscf->fresh
            || (s.len == 7 && ngx_strncmp(s.data, "standby", 7) == 0))
        {
            return NGX_CONF_OK;
        }
    }

    return ngx_http_shard_bad_param(cf, &value[0], arg, words);
}


/* an upstream without "server" lines is refused by nginx: nodes come from
 * the table, this one is never used */

static ngx_int_t
ngx_http_shard_dummy_server(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_url_t                    u;
    ngx_http_upstream_server_t  *us;

    if (uscf->servers->nelts) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"server\" is not allowed beside \"shard\": "
                           "nodes come from the table");
        return NGX_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));
    ngx_str_set(&u.url, "127.0.0.1:1");
    u.default_port = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        return NGX_ERROR;
    }

    us = ngx_array_push(uscf->servers);
    if (us == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(us, sizeof(ngx_http_upstream_server_t));

    us->name = u.url;
    us->addrs = u.addrs;
    us->naddrs = u.naddrs;
    us->weight = 1;
    us->down = 1;

    return NGX_OK;
}


char *
ngx_http_shard_hold_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_srv_conf_t  *sscf = conf;

    ssize_t      size;
    ngx_int_t    n;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    static const char *const  words[] = { "max", "bytes", "timeout",
                                          "deadline", NULL };

    value = cf->args->elts;

    if (sscf->keyspace == NULL) {
        return "must stand after \"shard\"";
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_shard_param(&value[i], "max", &s)) {
            n = ngx_atoi(s.data, s.len);

            if (n < 1 || n > SHARD_TICKETS_MAX) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"%V\": max must be 1 to %d requests of "
                                   "one shard", &value[i], SHARD_TICKETS_MAX);
                return NGX_CONF_ERROR;
            }

            sscf->hold_max = n;
            continue;
        }

        if (ngx_http_shard_param(&value[i], "bytes", &s)) {
            size = ngx_parse_size(&s);

            if (size <= 0) {
                return ngx_http_shard_bad_param(cf, &value[0], &value[i],
                                                words);
            }

            sscf->hold_bytes = size;
            continue;
        }

        if (ngx_http_shard_param(&value[i], "deadline", &s) && s.len) {
            sscf->hold_deadline = ngx_palloc(cf->pool,
                                             sizeof(ngx_http_complex_value_t));
            if (sscf->hold_deadline == NULL
                || ngx_http_shard_complex_value(cf, &s, sscf->hold_deadline)
                   != NGX_OK)
            {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        if (ngx_http_shard_param(&value[i], "timeout", &s)
            && ngx_http_shard_param_time(&s, 1, NGX_HTTP_SHARD_TIME_MAX,
                                         &sscf->hold_timeout) == NGX_OK)
        {
            continue;
        }

        return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
    }

    sscf->keyspace->hold_timeout = ngx_max(sscf->keyspace->hold_timeout,
                                           sscf->hold_timeout);

    return NGX_CONF_OK;
}


char *
ngx_http_shard_mirror_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_srv_conf_t  *sscf = conf;

    ngx_int_t    n;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    static const char *const  words[] = { "max", "timeout", NULL };

    value = cf->args->elts;

    if (sscf->keyspace == NULL) {
        return "must stand after \"shard\"";
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_shard_param(&value[i], "max", &s)) {
            n = ngx_atoi(s.data, s.len);

            if (n < 0 || n > 4096) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"%V\": max must be 0 to 4096 mirrored "
                                   "reads at once", &value[i]);
                return NGX_CONF_ERROR;
            }

            sscf->mirror_max = n;
            continue;
        }

        if (ngx_http_shard_param(&value[i], "timeout", &s)
            && ngx_http_shard_param_time(&s, 1, NGX_HTTP_SHARD_TIME_MAX,
                                         &sscf->mirror_timeout) == NGX_OK)
        {
            continue;
        }

        return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_shard_keepalive_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_shard_srv_conf_t  *sscf = conf;

    ngx_int_t                    n;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_shard_keepalive_t  *keepalive;

    static const char *const  words[] = { "timeout", "requests", "time",
                                          NULL };

    if (sscf->keyspace == NULL) {
        return "must stand after \"shard\"";
    }

    if (sscf->keepalive) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > NGX_HTTP_SHARD_KEPT_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of \"shard_keepalive\": give how many "
                           "connections a worker keeps, 1 to %d", &value[1],
                           NGX_HTTP_SHARD_KEPT_MAX);
        return NGX_CONF_ERROR;
    }

    keepalive = ngx_pcalloc(cf->pool, sizeof(ngx_http_shard_keepalive_t));
    if (keepalive == NULL) {
        return NGX_CONF_ERROR;
    }

    keepalive->connections = n;
    keepalive->requests = 1000;
    keepalive->timeout = 60000;
    keepalive->time = 3600000;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_shard_keepalive_param(keepalive, &value[i]) != NGX_OK) {
            return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
        }
    }

    if (ngx_http_shard_keepalive_init(cf, keepalive) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    sscf->keepalive = keepalive;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_shard_keepalive_param(ngx_http_shard_keepalive_t *keepalive,
    ngx_str_t *arg)
{
    ngx_int_t  n;
    ngx_str_t  s;

    if (ngx_http_shard_param(arg, "timeout", &s)) {
        return ngx_http_shard_param_time(&s, 1, NGX_HTTP_SHARD_TIME_MAX,
                                         &keepalive->timeout);
    }

    if (ngx_http_shard_param(arg, "time", &s)) {
        return ngx_http_shard_param_time(&s, 1, NGX_HTTP_SHARD_TIME_MAX,
                                         &keepalive->time);
    }

    if (ngx_http_shard_param(arg, "requests", &s)) {
        n = ngx_atoi(s.data, s.len);
        keepalive->requests = n;
        return n < 1 ? NGX_ERROR : NGX_OK;
    }

    return NGX_ERROR;
}
