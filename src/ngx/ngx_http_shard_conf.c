
/*
 * Directives.  A parameter is refused with its nearest valid name; nothing
 * is changed until a directive is known to be good.
 */


#include "ngx_http_shard.h"


static ngx_uint_t ngx_http_shard_param(ngx_str_t *arg, const char *name,
    ngx_str_t *value);
static char *ngx_http_shard_bad_param(ngx_conf_t *cf, ngx_str_t *directive,
    ngx_str_t *arg, const char *const *words);
static char *ngx_http_shard_password(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *password);
static ngx_addr_t *ngx_http_shard_redis_addr(ngx_conf_t *cf, ngx_str_t *text);
static ngx_http_shard_keyspace_t *ngx_http_shard_find_keyspace(
    ngx_http_shard_main_conf_t *smcf, ngx_str_t *name);
static ngx_int_t ngx_http_shard_dummy_server(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *uscf);
static ngx_http_upstream_conf_t *ngx_http_shard_location_upstream(
    ngx_conf_t *cf);


/* modules whose location configuration begins with ngx_http_upstream_conf_t */

static const char  *ngx_http_shard_content_modules[] = {
    "ngx_http_proxy_module",
    "ngx_http_grpc_module",
    "ngx_http_fastcgi_module",
    "ngx_http_uwsgi_module",
    "ngx_http_scgi_module",
    NULL
};


static ngx_uint_t
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


static char *
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
                           "invalid value of parameter \"%V\" of \"%V\"", arg,
                           directive);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" of \"%V\", "
                           "did you mean \"%s=\"?", arg, directive, near);
    }

    return NGX_CONF_ERROR;
}


static char *
ngx_http_shard_password(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *password)
{
    u_char     *p, *last, buf[513];
    ssize_t     n;
    ngx_fd_t    fd;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, buf, sizeof(buf));
    (void) ngx_close_file(fd);

    last = n > 0 ? ngx_strlchr(buf, buf + n, '\n') : NULL;

    if (last == NULL && n > 0) {
        last = buf + n;
    }

    if (n <= 0 || last == buf || last - buf > 512) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the first line of \"%V\" must be a password of "
                           "1 to 512 bytes", name);
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, last - buf);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memcpy(p, buf, last - buf);
    ngx_explicit_memzero(buf, sizeof(buf));

    password->data = p;
    password->len = last - buf;

    return NGX_CONF_OK;
}


static ngx_addr_t *
ngx_http_shard_redis_addr(ngx_conf_t *cf, ngx_str_t *text)
{
    ngx_url_t  u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *text;
    u.default_port = 6379;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in Redis address \"%V\", expected host:port "
                           "or unix:/path", u.err ? u.err : "error", text);
        return NULL;
    }

    return &u.addrs[0];
}


char *
ngx_http_shard_redis_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_main_conf_t  *smcf = conf;

    char                         *rc;
    ngx_str_t                    *value, s;
    ngx_uint_t                    i;
    ngx_http_shard_redis_conf_t   redis;

    static const char *const  words[] = {
        "password_file", "db", "user", "timeout", NULL
    };

    if (smcf->redis.addr) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ngx_memzero(&redis, sizeof(redis));
    redis.text = value[1];
    redis.timeout = 1000;
    redis.addr = ngx_http_shard_redis_addr(cf, &value[1]);

    if (redis.addr == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_shard_param(&value[i], "password_file", &s)) {
            rc = ngx_http_shard_password(cf, &s, &redis.password);
            if (rc != NGX_CONF_OK) {
                return rc;
            }

            continue;
        }

        if (ngx_http_shard_param(&value[i], "user", &redis.user)) {
            continue;
        }

        if (ngx_http_shard_param(&value[i], "db", &s)) {
            redis.db = ngx_atoi(s.data, s.len);
            if (redis.db != NGX_ERROR) {
                continue;
            }
        }

        if (ngx_http_shard_param(&value[i], "timeout", &s)) {
            redis.timeout = ngx_parse_time(&s, 0);
            if (redis.timeout != (ngx_msec_t) NGX_ERROR && redis.timeout) {
                continue;
            }
        }

        return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
    }

    if (redis.user.len && redis.password.len == 0) {
        return "has user= without password_file=";
    }

    smcf->redis = redis;

    return NGX_CONF_OK;
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

        if (ngx_http_shard_param(&value[i], "interval", &s)) {
            smcf->interval = ngx_parse_time(&s, 0);
            if (smcf->interval != (ngx_msec_t) NGX_ERROR
                && smcf->interval >= 50 && smcf->interval <= 60000)
            {
                continue;
            }
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


char *
ngx_http_shard_table_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_main_conf_t  *smcf = conf;

    ssize_t                      size;
    ngx_str_t                   *value;
    ngx_uint_t                   i;
    shard_str_t                  name;
    ngx_http_shard_keyspace_t   *ks, **ksp;

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
                           "size \"%V\" of keyspace \"%V\" is too small, "
                           "give at least 2m", &value[2], &value[1]);
        return NGX_CONF_ERROR;
    }

    ks = ngx_pcalloc(cf->pool, sizeof(ngx_http_shard_keyspace_t));
    if (ks == NULL) {
        return NGX_CONF_ERROR;
    }

    ks->name = value[1];
    ks->cycle = cf->cycle;
    ks->hold_timeout = 5000;

    for (i = 3; i < cf->args->nelts; i++) {

        if (ngx_http_shard_param(&value[i], "state", &ks->state_file)
            && ks->state_file.len)
        {
            if (ngx_conf_full_name(cf->cycle, &ks->state_file, 0) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
    }

    ks->zone = ngx_shared_memory_add(cf, &value[1], size,
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


static ngx_http_shard_keyspace_t *
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


char *
ngx_http_shard_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_srv_conf_t  *sscf = conf;

    ngx_str_t                     *value, s;
    ngx_uint_t                     i;
    ngx_http_shard_keyspace_t     *ks;
    ngx_http_shard_main_conf_t    *smcf;
    ngx_http_upstream_srv_conf_t  *uscf;

    static const char *const  words[] = { "key", "client", NULL };

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

        return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
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

            if (n < 1 || n > SHARD_TICKETS_MAX) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "\"%V\": max must be 1 to %d requests of "
                                   "one shard", &value[i], SHARD_TICKETS_MAX);
                return NGX_CONF_ERROR;
            }

            sscf->hold_max = n;
            continue;
        }

        if (ngx_http_shard_param(&value[i], "timeout", &s)) {
            sscf->hold_timeout = ngx_parse_time(&s, 0);

            if (sscf->hold_timeout == (ngx_msec_t) NGX_ERROR
                || sscf->hold_timeout == 0)
            {
                return ngx_http_shard_bad_param(cf, &value[0], &value[i],
                                                words);
            }

            continue;
        }

        return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
    }

    sscf->keyspace->hold_timeout = ngx_max(sscf->keyspace->hold_timeout,
                                           sscf->hold_timeout);

    return NGX_CONF_OK;
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

    if (smcf->keyspaces.nelts && smcf->redis.addr == NULL) {
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

    sscf->hold_max = SHARD_TICKETS_MAX;
    sscf->hold_timeout = 5000;

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
 */

static ngx_http_upstream_conf_t *
ngx_http_shard_location_upstream(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_module_t               *module;
    ngx_http_conf_ctx_t        *ctx;
    const char                **name;
    ngx_http_upstream_conf_t   *ucf;

    ctx = cf->ctx;

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

            if (ucf && ucf->upstream && ucf->upstream->srv_conf) {
                return ucf;
            }
        }
    }

    return NULL;
}


char *
ngx_http_shard_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_shard_loc_conf_t  *conf = child;

    ngx_http_upstream_conf_t   *ucf;
    ngx_http_shard_srv_conf_t  *sscf;

    ucf = ngx_http_shard_location_upstream(cf);

    if (ucf == NULL) {
        return NGX_CONF_OK;
    }

    sscf = ngx_http_conf_upstream_srv_conf(ucf->upstream,
                                           ngx_http_shard_module);

    if (sscf->keyspace) {
        conf->upstream = ucf;
        conf->shard = sscf;
    }

    return NGX_CONF_OK;
}
