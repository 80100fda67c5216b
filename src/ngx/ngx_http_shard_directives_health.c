
/*
 * "shard_health" in upstream {}.
 */


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_HEALTH_MIN  50            /* ms, of interval */
#define NGX_HTTP_SHARD_HEALTH_MAX  60000
#define NGX_HTTP_SHARD_COUNT_MAX   1000
#define NGX_HTTP_SHARD_URI_MAX     1024


static ngx_int_t ngx_http_shard_health_param(
    ngx_http_shard_health_conf_t *hc, ngx_str_t *arg);
static ngx_int_t ngx_http_shard_health_count(ngx_str_t *s, uint32_t *n);
static ngx_int_t ngx_http_shard_health_uri(ngx_str_t *s, ngx_str_t *uri);
static ngx_int_t ngx_http_shard_health_statuses(ngx_str_t *s, uint8_t *bits);
static u_char *ngx_http_shard_health_number(u_char *p, u_char *last,
    ngx_uint_t *n);
static char *ngx_http_shard_health_keep(ngx_conf_t *cf,
    ngx_http_shard_srv_conf_t *sscf, ngx_http_shard_health_conf_t *hc);


char *
ngx_http_shard_health_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_shard_srv_conf_t  *sscf = conf;

    ngx_str_t                     *value, s;
    ngx_uint_t                     i, statuses;
    ngx_http_shard_health_conf_t  *hc;

    static const char *const  words[] = {
        "uri", "interval", "fails", "passes", "timeout", "status",
        "slow_start", "passive", NULL
    };

    if (sscf->keyspace == NULL) {
        return "must stand after \"shard\"";
    }

    if (sscf->health) {
        return "is duplicate";
    }

    hc = ngx_pcalloc(cf->pool, sizeof(ngx_http_shard_health_conf_t));
    if (hc == NULL) {
        return NGX_CONF_ERROR;
    }

    hc->rule.interval_ms = 1000;
    hc->rule.fails = 3;
    hc->rule.passes = 2;
    hc->timeout = 1000;
    hc->passive = 1;
    hc->file = cf->conf_file->file.name.data;
    hc->line = cf->conf_file->line;
    ngx_memset(&hc->status[200 / 8], 0xff, (400 - 200) / 8);

    value = cf->args->elts;
    statuses = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_shard_health_param(hc, &value[i]) != NGX_OK) {
            return ngx_http_shard_bad_param(cf, &value[0], &value[i], words);
        }

        statuses |= ngx_http_shard_param(&value[i], "status", &s);
    }

    hc->rule.active = hc->uri.len != 0;

    if (!hc->rule.active && !hc->passive) {
        return "has nothing to go by: give \"uri=\" or leave \"passive=off\" "
               "out";
    }

    if (!hc->rule.active && statuses) {
        return "has a \"status=\" but no \"uri=\" that would answer it";
    }

    return ngx_http_shard_health_keep(cf, sscf, hc);
}


static ngx_int_t
ngx_http_shard_health_param(ngx_http_shard_health_conf_t *hc, ngx_str_t *arg)
{
    ngx_int_t   rc;
    ngx_str_t   s;
    ngx_msec_t  ms;

    if (ngx_http_shard_param(arg, "uri", &s)) {
        return ngx_http_shard_health_uri(&s, &hc->uri);
    }

    if (ngx_http_shard_param(arg, "interval", &s)) {
        rc = ngx_http_shard_param_time(&s, NGX_HTTP_SHARD_HEALTH_MIN,
                                       NGX_HTTP_SHARD_HEALTH_MAX, &ms);
        hc->rule.interval_ms = (uint32_t) ms;
        return rc;
    }

    if (ngx_http_shard_param(arg, "fails", &s)) {
        return ngx_http_shard_health_count(&s, &hc->rule.fails);
    }

    if (ngx_http_shard_param(arg, "passes", &s)) {
        return ngx_http_shard_health_count(&s, &hc->rule.passes);
    }

    if (ngx_http_shard_param(arg, "timeout", &s)) {
        return ngx_http_shard_param_time(&s, 1, NGX_HTTP_SHARD_HEALTH_MAX,
                                         &hc->timeout);
    }

    if (ngx_http_shard_param(arg, "status", &s)) {
        return ngx_http_shard_health_statuses(&s, hc->status);
    }

    if (ngx_http_shard_param(arg, "slow_start", &s)) {
        rc = ngx_http_shard_param_time(&s, 0, 86400000, &ms);
        hc->rule.slow_ms = (uint32_t) ms;
        return rc;
    }

    if (ngx_http_shard_param(arg, "passive", &s)) {
        hc->passive = s.len == 2;

        return (s.len == 2 && ngx_strncmp(s.data, "on", 2) == 0)
               || (s.len == 3 && ngx_strncmp(s.data, "off", 3) == 0)
               ? NGX_OK : NGX_ERROR;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_shard_health_count(ngx_str_t *s, uint32_t *n)
{
    ngx_int_t  value;

    value = ngx_atoi(s->data, s->len);

    if (value < 1 || value > NGX_HTTP_SHARD_COUNT_MAX) {
        return NGX_ERROR;
    }

    *n = (uint32_t) value;

    return NGX_OK;
}


/* it goes into a request line as it is */

static ngx_int_t
ngx_http_shard_health_uri(ngx_str_t *s, ngx_str_t *uri)
{
    size_t  i;

    if (s->len == 0 || s->len > NGX_HTTP_SHARD_URI_MAX || s->data[0] != '/') {
        return NGX_ERROR;
    }

    for (i = 0; i < s->len; i++) {
        if (s->data[i] <= 0x20 || s->data[i] >= 0x7f || s->data[i] == '#') {
            return NGX_ERROR;
        }
    }

    *uri = *s;

    return NGX_OK;
}


/* a status, 100 to 599; NULL: it is none */

static u_char *
ngx_http_shard_health_number(u_char *p, u_char *last, ngx_uint_t *n)
{
    ngx_int_t  value;

    if (last - p < 3) {
        return NULL;
    }

    value = ngx_atoi(p, 3);

    if (value < 100 || value > 599) {
        return NULL;
    }

    *n = value;

    return p + 3;
}


/* "200-399,404" */

static ngx_int_t
ngx_http_shard_health_statuses(ngx_str_t *s, uint8_t *bits)
{
    u_char      *p, *last;
    ngx_uint_t   from, to;

    ngx_memzero(bits, NGX_HTTP_SHARD_STATUSES / 8);

    p = s->data;
    last = s->data + s->len;

    for ( ;; ) {
        p = ngx_http_shard_health_number(p, last, &from);

        if (p == NULL) {
            return NGX_ERROR;
        }

        to = from;

        if (p < last && *p == '-') {
            p = ngx_http_shard_health_number(p + 1, last, &to);

            if (p == NULL || to < from) {
                return NGX_ERROR;
            }
        }

        for ( /* void */ ; from <= to; from++) {
            bits[from / 8] |= 1 << (from % 8);
        }

        if (p == last) {
            return NGX_OK;
        }

        if (*p++ != ',') {
            return NGX_ERROR;
        }
    }
}


/* nodes of a keyspace are checked once, for all upstreams that use it */

static char *
ngx_http_shard_health_keep(ngx_conf_t *cf, ngx_http_shard_srv_conf_t *sscf,
    ngx_http_shard_health_conf_t *hc)
{
    ngx_http_shard_health_conf_t  *old;

    sscf->health = 1;
    old = sscf->keyspace->health;

    if (old == NULL) {
        sscf->keyspace->health = hc;
        return NGX_CONF_OK;
    }

    if (ngx_memcmp(&old->rule, &hc->rule, sizeof(shard_health_rule_t)) != 0
        || old->timeout != hc->timeout || old->passive != hc->passive
        || ngx_memcmp(old->status, hc->status, sizeof(hc->status)) != 0
        || old->uri.len != hc->uri.len
        || (hc->uri.len
            && ngx_memcmp(old->uri.data, hc->uri.data, hc->uri.len) != 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"shard_health\" is not the one of keyspace "
                           "\"%V\" in %s:%ui: its nodes are checked once for "
                           "all upstreams, give the same everywhere",
                           &sscf->keyspace->name, old->file, old->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
