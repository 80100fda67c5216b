
#include "ngx_http_shard_redis.h"


static void ngx_http_shard_redis_next_handler(ngx_event_t *ev);
static void ngx_http_shard_redis_on_login(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_redis_logged_in(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_redis_on_select(ngx_http_shard_redis_t *redis,
    redisReply *reply);


ngx_int_t
ngx_http_shard_redis_connect(ngx_http_shard_redis_t *redis)
{
    if (redis->next.posted) {
        return NGX_OK;
    }

    redis->reason = NULL;
    redis->next.handler = ngx_http_shard_redis_next_handler;
    redis->next.data = redis;
    redis->next.log = redis->log;

    if (redis->conf->sentinel.len) {
        redis->sentinel = redis->conf->answered;
        redis->asked = 0;
        redis->found = 0;

        return ngx_http_shard_redis_ask(redis);
    }

    redis->stage = NGX_HTTP_SHARD_REDIS_DATA;

    return ngx_http_shard_redis_dial(redis, &redis->conf->addrs[0], NULL, 0);
}


/* to "addr", or to a numeric host and a port */

ngx_int_t
ngx_http_shard_redis_dial(ngx_http_shard_redis_t *redis, ngx_addr_t *addr,
    char *host, ngx_uint_t port)
{
    char                 text[NGX_SOCKADDR_STRLEN + 1], path[256];
    struct sockaddr_un  *sun;

    if (addr && addr->sockaddr->sa_family == AF_UNIX) {
        sun = (struct sockaddr_un *) addr->sockaddr;
        (void) ngx_snprintf((u_char *) path, sizeof(path), "%s%Z",
                            sun->sun_path);
        redis->ac = redisAsyncConnectUnix(path);

    } else {
        if (addr) {
            host = text;
            port = ngx_inet_get_port(addr->sockaddr);
            *(text + ngx_sock_ntop(addr->sockaddr, addr->socklen,
                                   (u_char *) text, NGX_SOCKADDR_STRLEN, 0))
                = '\0';
        }

        redis->ac = redisAsyncConnect(host, (int) port);
    }

    if (redis->ac == NULL) {
        return NGX_ERROR;
    }

    if (redis->ac->err) {
        ngx_http_shard_redis_reason(redis, "", redis->ac->errstr);
        redisAsyncFree(redis->ac);
        redis->ac = NULL;
        return NGX_ERROR;
    }

    ngx_http_shard_redis_limit(redis);

    redis->ac->data = redis;
    redis->pending = 0;
    redis->is_ready = 0;
    redis->reason = NULL;

    if (ngx_http_shard_redis_attach(redis) != NGX_OK) {
        redisAsyncFree(redis->ac);
        redis->ac = NULL;
        redis->reason = "no connection slot, raise worker_connections";
        return NGX_ERROR;
    }

    if (redis->conf->tls
        && ngx_http_shard_redis_tls_start(redis, host) != NGX_OK)
    {
        redis->ac->data = NULL;
        redisAsyncFree(redis->ac);
        redis->ac = NULL;
        return NGX_ERROR;
    }

    redisAsyncSetDisconnectCallback(redis->ac,
                                    ngx_http_shard_redis_on_disconnect);
    redisAsyncSetConnectCallback(redis->ac, ngx_http_shard_redis_on_connect);

    ngx_add_timer(&redis->timer, redis->conf->timeout);

    return NGX_OK;
}


/* outside hiredis' callbacks: the next sentinel, or the master it named */

static void
ngx_http_shard_redis_next_handler(ngx_event_t *ev)
{
    ngx_int_t                rc;
    ngx_http_shard_redis_t  *redis;

    redis = ev->data;

    if (redis->found) {
        redis->stage = NGX_HTTP_SHARD_REDIS_DATA;
        rc = ngx_http_shard_redis_dial(redis, NULL, redis->master,
                                       redis->master_port);

    } else {
        rc = ngx_http_shard_redis_ask(redis);
    }

    if (rc != NGX_OK) {
        redis->closed(redis);
    }
}


void
ngx_http_shard_redis_on_connect(const redisAsyncContext *ac, int status)
{
    ngx_http_shard_redis_t       *redis;
    ngx_http_shard_redis_conf_t  *conf;

    redis = ac->data;

    if (redis == NULL) {
        return;
    }

    if (status != REDIS_OK) {

        /* hiredis frees the context itself; 0.14 calls nothing else */

        ngx_http_shard_redis_reason(redis, "", ac->errstr);
        redis->ac = NULL;
        redis->ssl = NULL;
        ngx_http_shard_redis_gone(redis, redis->reason);
        return;
    }

    conf = redis->conf;

    if (redis->stage == NGX_HTTP_SHARD_REDIS_SENTINEL) {

        if (conf->sentinel_password.len) {
            (void) ngx_http_shard_redis_send(redis,
                       ngx_http_shard_redis_on_login, 0, "AUTH %b",
                       conf->sentinel_password.data,
                       conf->sentinel_password.len);
            return;
        }

        ngx_http_shard_redis_ask_master(redis);
        return;
    }

    if (conf->password.len == 0) {
        ngx_http_shard_redis_logged_in(redis);
        return;
    }

    if (conf->user.len) {
        (void) ngx_http_shard_redis_send(redis, ngx_http_shard_redis_on_login,
                                         0, "AUTH %b %b", conf->user.data,
                                         conf->user.len, conf->password.data,
                                         conf->password.len);
        return;
    }

    (void) ngx_http_shard_redis_send(redis, ngx_http_shard_redis_on_login, 0,
                                     "AUTH %b", conf->password.data,
                                     conf->password.len);
}


static void
ngx_http_shard_redis_on_login(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_shard_redis_reason(redis, "login refused: ", reply->str);
        redisAsyncDisconnect(redis->ac);
        return;
    }

    ngx_http_shard_redis_logged_in(redis);
}


static void
ngx_http_shard_redis_logged_in(ngx_http_shard_redis_t *redis)
{
    if (redis->stage == NGX_HTTP_SHARD_REDIS_SENTINEL) {
        ngx_http_shard_redis_ask_master(redis);

    } else if (redis->conf->sentinel.len) {
        ngx_http_shard_redis_ask_role(redis);

    } else {
        ngx_http_shard_redis_select(redis);
    }
}


void
ngx_http_shard_redis_select(ngx_http_shard_redis_t *redis)
{
    (void) ngx_http_shard_redis_send(redis, ngx_http_shard_redis_on_select, 0,
                                     "SELECT %d", (int) redis->conf->db);
}


static void
ngx_http_shard_redis_on_select(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_shard_redis_reason(redis, "SELECT refused: ", reply->str);
        redisAsyncDisconnect(redis->ac);
        return;
    }

    redis->is_ready = 1;
    redis->ready(redis);
}


void
ngx_http_shard_redis_on_disconnect(const redisAsyncContext *ac, int status)
{
    ngx_http_shard_redis_t  *redis;

    redis = ac->data;

    if (redis == NULL) {
        return;
    }

    if (redis->reason == NULL) {
        ngx_http_shard_redis_reason(redis, "",
                                    status == REDIS_OK ? "closed"
                                                       : ac->errstr);
        ngx_http_shard_redis_tls_reason(redis);
    }

    redis->ac = NULL;
    redis->ssl = NULL;

    ngx_http_shard_redis_gone(redis, redis->reason);
}


/* what the other side says may be longer than there is room for */

void
ngx_http_shard_redis_reason(ngx_http_shard_redis_t *redis, const char *what,
    const char *text)
{
    u_char  *p, *last;

    p = (u_char *) redis->reason_text;
    last = p + sizeof(redis->reason_text);

    p = ngx_cpystrn(p, (u_char *) what, last - p);
    (void) ngx_cpystrn(p, (u_char *) text, last - p);

    redis->reason = redis->reason_text;
}


void
ngx_http_shard_redis_gone(ngx_http_shard_redis_t *redis, const char *reason)
{
    redis->is_ready = 0;
    redis->pending = 0;
    redis->reason = reason;

    if (redis->stage == NGX_HTTP_SHARD_REDIS_SENTINEL) {
        ngx_post_event(&redis->next, &ngx_posted_events);
        return;
    }

    redis->closed(redis);
}


/* from outside hiredis' callbacks only; "closed" is called when it was open */

void
ngx_http_shard_redis_close(ngx_http_shard_redis_t *redis, const char *reason)
{
    redis->stage = NGX_HTTP_SHARD_REDIS_DATA;

    if (redis->next.posted) {
        ngx_delete_posted_event(&redis->next);
    }

    ngx_http_shard_redis_drop(redis, reason);
}


/* one that asked a sentinel goes on to the next */

void
ngx_http_shard_redis_drop(ngx_http_shard_redis_t *redis, const char *reason)
{
    redisAsyncContext  *ac;

    ac = redis->ac;

    if (ac == NULL) {
        return;
    }

    /* replies still to come are called with NULL, the disconnect callback
     * is not wanted: this is it */

    redis->ac = NULL;
    redis->ssl = NULL;
    redis->is_ready = 0;
    redis->reason = reason;
    ac->data = NULL;

    redisAsyncFree(ac);

    ngx_http_shard_redis_gone(redis, reason);
}
