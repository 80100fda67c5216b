
/*
 * shard_api: a request's connection to Redis, from its start to the answer.
 *
 *   request ─▶ body ─▶ prepare ─▶ connect ─▶ ready: send ─▶ reply: render
 *                                             ▲    flow ┘        │ posted
 *                                             └─ next command    │ event
 *                                  closed, answered ◀────────────┘
 */


#include "ngx_http_shard_ask.h"


static void ngx_http_shard_ask_ready(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_ask_closed(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_ask_reply(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_ask_done(ngx_event_t *ev);
static void ngx_http_shard_ask_cleanup(void *data);


void
ngx_http_shard_ask_start(ngx_http_shard_ask_t *ask)
{
    ngx_http_cleanup_t          *cln;
    ngx_http_request_t          *r;
    ngx_http_shard_main_conf_t  *smcf;

    r = ask->api.request;
    smcf = ngx_http_get_module_main_conf(r, ngx_http_shard_module);

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    cln->handler = ngx_http_shard_ask_cleanup;
    cln->data = ask;

    ask->redis.conf = &smcf->redis;
    ask->redis.data = ask;
    ask->redis.log = r->connection->log;
    ask->redis.ready = ngx_http_shard_ask_ready;
    ask->redis.closed = ngx_http_shard_ask_closed;

    ask->done.handler = ngx_http_shard_ask_done;
    ask->done.data = ask;
    ask->done.log = r->connection->log;

    if (ngx_http_shard_redis_connect(&ask->redis) != NGX_OK) {
        ngx_http_shard_ask_closed(&ask->redis);
    }
}


ngx_int_t
ngx_http_shard_ask_send(ngx_http_shard_ask_t *ask)
{
    if (ngx_http_shard_redis_send_argv(&ask->redis, ngx_http_shard_ask_reply,
                                       ask->argc, ask->argv, ask->lens)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_shard_ask_command(ngx_http_shard_ask_t *ask, const char *fmt, ...)
{
    va_list    args;
    ngx_int_t  rc;

    va_start(args, fmt);
    rc = ngx_http_shard_redis_vsend(&ask->redis, ngx_http_shard_ask_reply, 0,
                                    fmt, args);
    va_end(args);

    return rc == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_http_shard_ask_ready(ngx_http_shard_redis_t *redis)
{
    ngx_int_t              rc;
    ngx_http_shard_ask_t  *ask;

    ask = redis->data;

    rc = ask->flow ? ask->flow(ask, NULL) : ngx_http_shard_ask_send(ask);

    if (rc != NGX_AGAIN) {
        ngx_http_shard_ask_closed(redis);
    }
}


static void
ngx_http_shard_ask_closed(ngx_http_shard_redis_t *redis)
{
    ngx_http_shard_ask_t  *ask;

    ask = redis->data;

    if (ask->finishing) {
        return;
    }

    if (!ask->answered) {
        ask->api.b = NULL;
    }

    ask->finishing = 1;
    ngx_post_event(&ask->done, &ngx_posted_events);
}


static void
ngx_http_shard_ask_reply(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    ngx_int_t              rc;
    ngx_http_shard_ask_t  *ask;

    ask = redis->data;

    if (reply == NULL || ask->finishing) {
        return;
    }

    rc = ask->flow ? ask->flow(ask, reply)
                   : ngx_http_shard_ask_render(ask, reply);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc != NGX_OK) {
        ask->api.b = NULL;
    }

    ask->finishing = 1;
    ngx_post_event(&ask->done, &ngx_posted_events);
}


/* outside hiredis' callbacks: the connection ends before the request does */

static void
ngx_http_shard_ask_done(ngx_event_t *ev)
{
    ngx_int_t              rc;
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_shard_ask_t  *ask;

    ask = ev->data;
    r = ask->api.request;
    c = r->connection;
    rc = NGX_OK;

    ngx_http_set_log_request(c->log, r);

    ngx_http_shard_redis_close(&ask->redis, NULL);

    if (ask->api.b == NULL) {
        rc = ngx_http_shard_api_error(&ask->api, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "redis_unavailable",
                                      "Redis did not answer%s%s",
                                      ask->redis.reason ? ": " : "",
                                      ask->redis.reason ? ask->redis.reason
                                                        : "");
    }

    if (rc == NGX_OK) {
        rc = ngx_http_shard_api_send(&ask->api);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_shard_ask_cleanup(void *data)
{
    ngx_http_shard_ask_t *ask = data;

    ask->finishing = 1;

    if (ask->done.posted) {
        ngx_delete_posted_event(&ask->done);
    }

    ngx_http_shard_redis_close(&ask->redis, NULL);
}
