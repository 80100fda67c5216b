
/*
 * "shard_redis": where the table is, and how to get there.
 */


#include "ngx_http_shard_redis.h"


#define NGX_HTTP_SHARD_SENTINELS_MAX  16


static char *ngx_http_shard_password(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *password);
static ngx_int_t ngx_http_shard_redis_param(ngx_conf_t *cf,
    ngx_http_shard_redis_conf_t *redis, ngx_str_t *arg);
static ngx_int_t ngx_http_shard_redis_switch(ngx_str_t *arg, const char *name,
    ngx_uint_t *on);
static char *ngx_http_shard_redis_whole(ngx_conf_t *cf,
    ngx_http_shard_redis_conf_t *redis);
static char *ngx_http_shard_redis_addrs(ngx_conf_t *cf,
    ngx_http_shard_redis_conf_t *redis);


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
                           ngx_open_file_n " \"%V\" of \"password_file=\" failed",
                           name);
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


static ngx_int_t
ngx_http_shard_redis_switch(ngx_str_t *arg, const char *name, ngx_uint_t *on)
{
    ngx_str_t  s;

    if (!ngx_http_shard_param(arg, name, &s)) {
        return NGX_DECLINED;
    }

    if (s.len == 2 && ngx_strncmp(s.data, "on", 2) == 0) {
        *on = 1;
        return NGX_OK;
    }

    if (s.len == 3 && ngx_strncmp(s.data, "off", 3) == 0) {
        *on = 0;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


/* NGX_OK, NGX_DECLINED: not one of its parameters, NGX_ERROR: said why */

static ngx_int_t
ngx_http_shard_redis_param(ngx_conf_t *cf, ngx_http_shard_redis_conf_t *redis,
    ngx_str_t *arg)
{
    ngx_str_t    s;
    ngx_uint_t   verify;
    shard_str_t  name;

    if (ngx_http_shard_param(arg, "password_file", &s)) {
        return ngx_http_shard_password(cf, &s, &redis->password)
               == NGX_CONF_OK ? NGX_OK : NGX_ERROR;
    }

    if (ngx_http_shard_param(arg, "sentinel_password_file", &s)) {
        return ngx_http_shard_password(cf, &s, &redis->sentinel_password)
               == NGX_CONF_OK ? NGX_OK : NGX_ERROR;
    }

    if (ngx_http_shard_param(arg, "sentinel", &redis->sentinel)) {
        name.data = (const char *) redis->sentinel.data;
        name.len = redis->sentinel.len;

        return shard_name_valid(name) ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_http_shard_param(arg, "name", &redis->tls_name)) {
        return redis->tls_name.len && redis->tls_name.len < 254
               ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_http_shard_redis_switch(arg, "verify", &verify) == NGX_OK) {
        redis->tls_unverified = !verify;
        return NGX_OK;
    }

    if (ngx_http_shard_param(arg, "user", &redis->user)
        || ngx_http_shard_param(arg, "ca", &redis->tls_ca)
        || ngx_http_shard_param(arg, "cert", &redis->tls_cert)
        || ngx_http_shard_param(arg, "key", &redis->tls_key))
    {
        return NGX_OK;
    }

    if (ngx_http_shard_param(arg, "db", &s)) {
        redis->db = ngx_atoi(s.data, s.len);
        return redis->db != NGX_ERROR ? NGX_OK : NGX_DECLINED;
    }

    if (ngx_http_shard_param(arg, "timeout", &s)) {
        return ngx_http_shard_param_time(&s, 1, NGX_HTTP_SHARD_TIME_MAX,
                                         &redis->timeout) == NGX_OK
               ? NGX_OK : NGX_DECLINED;
    }

    return ngx_http_shard_redis_switch(arg, "tls", &redis->tls);
}


/* what only makes sense together */

static char *
ngx_http_shard_redis_whole(ngx_conf_t *cf, ngx_http_shard_redis_conf_t *redis)
{
    if (redis->user.len && redis->password.len == 0) {
        return "has user= without password_file=";
    }

    if (redis->sentinel_password.len && redis->sentinel.len == 0) {
        return "has sentinel_password_file= without sentinel=";
    }

    if ((redis->tls_cert.len == 0) != (redis->tls_key.len == 0)) {
        return "needs both of cert= and key=, or neither";
    }

    if (!redis->tls && (redis->tls_ca.len || redis->tls_cert.len
                        || redis->tls_name.len || redis->tls_unverified))
    {
        return "has ca=, cert=, key=, name= or verify= without tls=on";
    }

    if (redis->tls_unverified && redis->tls_ca.len) {
        return "has both ca= and verify=off";
    }

    return NGX_CONF_OK;
}


/* every argument without "=" is one */

static char *
ngx_http_shard_redis_addrs(ngx_conf_t *cf, ngx_http_shard_redis_conf_t *redis)
{
    ngx_url_t    u;
    ngx_str_t   *value;
    ngx_uint_t   i;

    value = cf->args->elts;

    redis->addrs = ngx_pcalloc(cf->pool, NGX_HTTP_SHARD_SENTINELS_MAX
                                         * sizeof(ngx_addr_t));
    if (redis->addrs == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (i > 1 && ngx_strlchr(value[i].data, value[i].data + value[i].len,
                                 '='))
        {
            continue;
        }

        if (redis->naddrs == (redis->sentinel.len
                              ? NGX_HTTP_SHARD_SENTINELS_MAX : 1))
        {
            return redis->sentinel.len
                   ? "has more than 16 sentinels"
                   : "has several addresses: only sentinels may be several, "
                     "with sentinel=NAME";
        }

        ngx_memzero(&u, sizeof(ngx_url_t));
        u.url = value[i];
        u.default_port = redis->sentinel.len ? 26379 : 6379;

        if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.naddrs == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s in Redis address \"%V\", expected host:port "
                               "or unix:/path", u.err ? u.err : "error",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        redis->addrs[redis->naddrs++] = u.addrs[0];

        /* the certificate must be of the host that was named */

        if (redis->tls && redis->tls_name.len == 0 && redis->sentinel.len == 0
            && u.family != AF_UNIX)
        {
            redis->tls_name = u.host;

            if (u.host.data[0] == '[') {
                redis->tls_name.data++;
                redis->tls_name.len -= 2;
            }
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_shard_redis_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_shard_main_conf_t  *smcf = conf;

    char                         *rc;
    ngx_int_t                     n;
    ngx_str_t                    *value;
    ngx_uint_t                    i;
    ngx_http_shard_redis_conf_t   redis;

    static const char *const  words[] = {
        "password_file", "db", "user", "timeout", "sentinel",
        "sentinel_password_file", "tls", "ca", "cert", "key", "name",
        "verify", NULL
    };

    if (smcf->redis.addrs) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ngx_memzero(&redis, sizeof(redis));
    redis.text = value[1];
    redis.timeout = 1000;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strlchr(value[i].data, value[i].data + value[i].len, '=')
            == NULL)
        {
            continue;
        }

        n = ngx_http_shard_redis_param(cf, &redis, &value[i]);

        if (n == NGX_ERROR) {
            return NGX_CONF_ERROR;
        }

        if (n == NGX_DECLINED) {
            return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
        }
    }

    rc = ngx_http_shard_redis_whole(cf, &redis);

    if (rc == NGX_CONF_OK) {
        rc = ngx_http_shard_redis_addrs(cf, &redis);
    }

    if (rc == NGX_CONF_OK && redis.tls) {
        rc = ngx_http_shard_redis_tls_context(cf, &redis);
    }

    if (rc == NGX_CONF_OK) {
        if (redis.sentinel.len) {
            redis.text = redis.sentinel;
        }

        smcf->redis = redis;
    }

    return rc;
}
