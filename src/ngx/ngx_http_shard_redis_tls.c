
/*
 * TLS to Redis, where hiredis has it (1.0 and later).  The certificate and the
 * name in it are checked before anything is sent, AUTH included.
 */


#include "ngx_http_shard_redis.h"


#if (NGX_HTTP_SHARD_HIREDIS_SSL)

#include <hiredis/hiredis_ssl.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>


static char *ngx_http_shard_redis_tls_error(ngx_conf_t *cf, const char *what,
    ngx_str_t *file);
static char *ngx_http_shard_redis_tls_files(ngx_conf_t *cf,
    ngx_http_shard_redis_conf_t *conf);
static void ngx_http_shard_redis_tls_cleanup(void *data);
static ngx_int_t ngx_http_shard_redis_tls_name(SSL *ssl, char *name);


char *
ngx_http_shard_redis_tls_context(ngx_conf_t *cf,
    ngx_http_shard_redis_conf_t *conf)
{
    SSL_CTX             *ctx;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        return ngx_http_shard_redis_tls_error(cf, "no TLS context", NULL);
    }

    cln->handler = ngx_http_shard_redis_tls_cleanup;
    cln->data = ctx;
    conf->tls_context = ctx;

    (void) SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, conf->tls_unverified ? SSL_VERIFY_NONE
                                                 : SSL_VERIFY_PEER, NULL);

    return ngx_http_shard_redis_tls_files(cf, conf);
}


static char *
ngx_http_shard_redis_tls_files(ngx_conf_t *cf,
    ngx_http_shard_redis_conf_t *conf)
{
    SSL_CTX  *ctx;

    ctx = conf->tls_context;

    if (conf->tls_ca.len == 0) {
        if (SSL_CTX_set_default_verify_paths(ctx) != 1) {
            return ngx_http_shard_redis_tls_error(cf, "no system certificates",
                                                  NULL);
        }

    } else {
        if (ngx_conf_full_name(cf->cycle, &conf->tls_ca, 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        if (SSL_CTX_load_verify_locations(ctx, (char *) conf->tls_ca.data,
                                          NULL)
            != 1)
        {
            return ngx_http_shard_redis_tls_error(cf, "no certificates",
                                                  &conf->tls_ca);
        }
    }

    if (conf->tls_cert.len == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_conf_full_name(cf->cycle, &conf->tls_cert, 1) != NGX_OK
        || ngx_conf_full_name(cf->cycle, &conf->tls_key, 1) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (SSL_CTX_use_certificate_chain_file(ctx, (char *) conf->tls_cert.data)
        != 1)
    {
        return ngx_http_shard_redis_tls_error(cf, "no certificate",
                                              &conf->tls_cert);
    }

    if (SSL_CTX_use_PrivateKey_file(ctx, (char *) conf->tls_key.data,
                                    SSL_FILETYPE_PEM)
        != 1)
    {
        return ngx_http_shard_redis_tls_error(cf, "no key that fits",
                                              &conf->tls_key);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_shard_redis_tls_error(ngx_conf_t *cf, const char *what,
    ngx_str_t *file)
{
    char       text[256];
    ngx_str_t  none = ngx_null_string;

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"shard_redis\" with tls=on: %s%s%V: %s", what,
                       file ? " in " : "", file ? file : &none, text);

    return NGX_CONF_ERROR;
}


static void
ngx_http_shard_redis_tls_cleanup(void *data)
{
    SSL_CTX_free(data);
}


ngx_int_t
ngx_http_shard_redis_tls_start(ngx_http_shard_redis_t *redis, char *host)
{
    SSL                          *ssl;
    char                          name[256];
    ngx_http_shard_redis_conf_t  *conf;

    conf = redis->conf;

    ssl = SSL_new(conf->tls_context);
    if (ssl == NULL) {
        ERR_clear_error();
        redis->reason = "no memory for TLS";
        return NGX_ERROR;
    }

    if (conf->tls_name.len) {
        (void) ngx_snprintf((u_char *) name, sizeof(name), "%V%Z",
                            &conf->tls_name);
        host = name;
    }

    if (host && ngx_http_shard_redis_tls_name(ssl, host) != NGX_OK) {
        redis->reason = "name for TLS not usable";
        SSL_free(ssl);
        ERR_clear_error();
        return NGX_ERROR;
    }

    redis->ssl = ssl;

    /* the other side may be as fast as to be refused here already */

    if (redisInitiateSSL(&redis->ac->c, ssl) != REDIS_OK) {
        ngx_http_shard_redis_reason(redis, "TLS: ", redis->ac->c.errstr);
        ngx_http_shard_redis_tls_reason(redis);

        redis->ssl = NULL;
        SSL_free(ssl);
        ERR_clear_error();

        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_redis_tls_name(SSL *ssl, char *name)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1) {
        return NGX_OK;
    }

    return SSL_set1_host(ssl, name) == 1
           && SSL_set_tlsext_host_name(ssl, name) == 1
           ? NGX_OK : NGX_ERROR;
}


void
ngx_http_shard_redis_tls_reason(ngx_http_shard_redis_t *redis)
{
    long  rc;

    if (redis->ssl == NULL || redis->conf->tls_unverified) {
        return;
    }

    rc = SSL_get_verify_result(redis->ssl);

    if (rc != X509_V_OK) {
        ngx_http_shard_redis_reason(redis, "its certificate is refused (see "
                                    "\"ca=\", \"name=\"): ",
                                    X509_verify_cert_error_string(rc));
    }
}


/* what is left in OpenSSL's queue, nginx would log as an alert */

void
ngx_http_shard_redis_tls_clear(ngx_http_shard_redis_t *redis)
{
    if (redis->conf->tls) {
        ERR_clear_error();
    }
}


#else


char *
ngx_http_shard_redis_tls_context(ngx_conf_t *cf,
    ngx_http_shard_redis_conf_t *conf)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"tls=on\" of \"shard_redis\": this module was built "
                       "with a hiredis without TLS; build it with hiredis 1.0 "
                       "or later (Debian 13), or go through a tunnel on this "
                       "host, as stunnel");
    return NGX_CONF_ERROR;
}


/* never called: no configuration gets here */

ngx_int_t
ngx_http_shard_redis_tls_start(ngx_http_shard_redis_t *redis, char *host)
{
    redis->reason = "hiredis without TLS";
    return NGX_ERROR;
}


void
ngx_http_shard_redis_tls_reason(ngx_http_shard_redis_t *redis)
{
}


void
ngx_http_shard_redis_tls_clear(ngx_http_shard_redis_t *redis)
{
}

#endif
