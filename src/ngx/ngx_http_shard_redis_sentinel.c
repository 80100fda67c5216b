
/*
 * sentinel=NAME: who is the master?  Asked anew for each connection, of the
 * sentinel that answered last and then of the others; what it names must say
 * of itself that it is the master.
 */


#include "ngx_http_shard_redis.h"


static void ngx_http_shard_redis_on_master(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static ngx_int_t ngx_http_shard_redis_take_master(
    ngx_http_shard_redis_t *redis, redisReply *reply);
static void ngx_http_shard_redis_on_role(ngx_http_shard_redis_t *redis,
    redisReply *reply);


/* NGX_ERROR: all were asked */

ngx_int_t
ngx_http_shard_redis_ask(ngx_http_shard_redis_t *redis)
{
    u_char                        last[sizeof(redis->reason_text)];
    ngx_uint_t                    n;
    ngx_http_shard_redis_conf_t  *conf;

    conf = redis->conf;

    while (redis->asked < conf->naddrs) {
        n = (redis->sentinel + redis->asked++) % conf->naddrs;
        redis->stage = NGX_HTTP_SHARD_REDIS_SENTINEL;

        if (ngx_http_shard_redis_dial(redis, &conf->addrs[n], NULL, 0)
            == NGX_OK)
        {
            return NGX_OK;
        }
    }

    redis->stage = NGX_HTTP_SHARD_REDIS_DATA;

    (void) ngx_cpystrn(last, (u_char *) (redis->reason ? redis->reason
                                                       : "no answer"),
                       sizeof(last));
    ngx_http_shard_redis_reason(redis, "no sentinel names the master, the "
                                "last one asked: ", (char *) last);

    return NGX_ERROR;
}


void
ngx_http_shard_redis_ask_master(ngx_http_shard_redis_t *redis)
{
    (void) ngx_http_shard_redis_send(redis, ngx_http_shard_redis_on_master, 0,
               "SENTINEL get-master-addr-by-name %b",
               redis->conf->sentinel.data, redis->conf->sentinel.len);
}


static void
ngx_http_shard_redis_on_master(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    ngx_http_shard_redis_conf_t  *conf;

    if (reply == NULL) {
        return;
    }

    if (ngx_http_shard_redis_take_master(redis, reply) == NGX_OK) {
        conf = redis->conf;
        conf->answered = (redis->sentinel + redis->asked - 1) % conf->naddrs;
        redis->found = 1;
    }

    redisAsyncDisconnect(redis->ac);
}


static ngx_int_t
ngx_http_shard_redis_take_master(ngx_http_shard_redis_t *redis,
    redisReply *reply)
{
    ngx_int_t    port;
    redisReply  *host, *text;
    u_char       addr[16];

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_shard_redis_reason(redis, "it says: ", reply->str);
        return NGX_ERROR;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        ngx_http_shard_redis_reason(redis, "it knows no master of the name "
                                    "in \"sentinel=\"", "");
        return NGX_ERROR;
    }

    host = reply->element[0];
    text = reply->element[1];
    port = ngx_atoi((u_char *) text->str, text->len);

    /* a name would be resolved by hiredis, and stop the worker */

    if (host->len >= sizeof(redis->master)
        || (ngx_inet_addr((u_char *) host->str, host->len) == INADDR_NONE
#if (NGX_HAVE_INET6)
            && ngx_inet6_addr((u_char *) host->str, host->len, addr) != NGX_OK
#endif
           ))
    {
        ngx_http_shard_redis_reason(redis, "it gives a host name, set "
                                    "its \"announce-hostnames no\": ",
                                    host->str);
        return NGX_ERROR;
    }

    if (port < 1 || port > 65535) {
        ngx_http_shard_redis_reason(redis, "it gives no port: ",
                                    text->str);
        return NGX_ERROR;
    }

    (void) ngx_cpystrn((u_char *) redis->master, (u_char *) host->str,
                       sizeof(redis->master));
    redis->master_port = port;

    return NGX_OK;
}


/* a sentinel may not know yet what the Redis itself knows */

void
ngx_http_shard_redis_ask_role(ngx_http_shard_redis_t *redis)
{
    (void) ngx_http_shard_redis_send(redis, ngx_http_shard_redis_on_role, 0,
                                     "ROLE");
}


static void
ngx_http_shard_redis_on_role(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_shard_redis_reason(redis, "ROLE refused: ", reply->str);
        redisAsyncDisconnect(redis->ac);
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0
        || reply->element[0]->type != REDIS_REPLY_STRING
        || ngx_strcmp(reply->element[0]->str, "master") != 0)
    {
        ngx_http_shard_redis_reason(redis, "not a master, though the sentinel "
                                    "says so: ", redis->master);
        redisAsyncDisconnect(redis->ac);
        return;
    }

    ngx_http_shard_redis_select(redis);
}
