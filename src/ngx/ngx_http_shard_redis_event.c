
/*
 * hiredis on nginx's events: level-triggered, since it reads 16 KB an event.
 */


#include "ngx_http_shard_redis.h"


static void ngx_http_shard_redis_add_read(void *data);
static void ngx_http_shard_redis_del_read(void *data);
static void ngx_http_shard_redis_add_write(void *data);
static void ngx_http_shard_redis_del_write(void *data);
static void ngx_http_shard_redis_cleanup(void *data);
static void ngx_http_shard_redis_read_handler(ngx_event_t *ev);
static void ngx_http_shard_redis_write_handler(ngx_event_t *ev);
static void ngx_http_shard_redis_timeout_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_shard_redis_attach(ngx_http_shard_redis_t *redis)
{
    ngx_connection_t   *c;
    redisAsyncContext  *ac;

    ac = redis->ac;

    c = ngx_get_connection(ac->c.fd, redis->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = redis;
    c->log = redis->log;
    c->read->log = redis->log;
    c->write->log = redis->log;
    c->read->handler = ngx_http_shard_redis_read_handler;
    c->write->handler = ngx_http_shard_redis_write_handler;

    redis->connection = c;

    ac->ev.data = redis;
    ac->ev.addRead = ngx_http_shard_redis_add_read;
    ac->ev.delRead = ngx_http_shard_redis_del_read;
    ac->ev.addWrite = ngx_http_shard_redis_add_write;
    ac->ev.delWrite = ngx_http_shard_redis_del_write;
    ac->ev.cleanup = ngx_http_shard_redis_cleanup;

    redis->timer.handler = ngx_http_shard_redis_timeout_handler;
    redis->timer.data = c;
    redis->timer.log = redis->log;
    redis->timer.cancelable = 1;

    return NGX_OK;
}


static void
ngx_http_shard_redis_add_read(void *data)
{
    ngx_http_shard_redis_t *redis = data;

    ngx_event_t  *ev;

    if (redis->connection == NULL) {
        return;
    }

    ev = redis->connection->read;

    if (!ev->active) {
        (void) ngx_add_event(ev, NGX_READ_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_shard_redis_del_read(void *data)
{
    ngx_http_shard_redis_t *redis = data;

    ngx_event_t  *ev;

    if (redis->connection == NULL) {
        return;
    }

    ev = redis->connection->read;

    if (ev->active) {
        (void) ngx_del_event(ev, NGX_READ_EVENT, 0);
    }
}


static void
ngx_http_shard_redis_add_write(void *data)
{
    ngx_http_shard_redis_t *redis = data;

    ngx_event_t  *ev;

    if (redis->connection == NULL) {
        return;
    }

    ev = redis->connection->write;

    if (!ev->active) {
        (void) ngx_add_event(ev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }
}


static void
ngx_http_shard_redis_del_write(void *data)
{
    ngx_http_shard_redis_t *redis = data;

    ngx_event_t  *ev;

    if (redis->connection == NULL) {
        return;
    }

    ev = redis->connection->write;

    if (ev->active) {
        (void) ngx_del_event(ev, NGX_WRITE_EVENT, 0);
    }
}


/* hiredis owns the descriptor and closes it after this */

static void
ngx_http_shard_redis_cleanup(void *data)
{
    ngx_http_shard_redis_t *redis = data;

    ngx_connection_t  *c;

    c = redis->connection;

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    if (c == NULL) {
        return;
    }

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, 0);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    redis->connection = NULL;

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
}


static void
ngx_http_shard_redis_read_handler(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_shard_redis_t  *redis;

    c = ev->data;
    redis = c->data;

    if (redis->ac) {
        redisAsyncHandleRead(redis->ac);
        ngx_http_shard_redis_tls_clear(redis);
    }
}


static void
ngx_http_shard_redis_write_handler(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_shard_redis_t  *redis;

    c = ev->data;
    redis = c->data;

    if (redis->ac) {
        redisAsyncHandleWrite(redis->ac);
        ngx_http_shard_redis_tls_clear(redis);
    }
}


static void
ngx_http_shard_redis_timeout_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_shard_redis_drop(c->data, "no answer in time");
}
