
#include "ngx_http_shard_redis.h"


/* elements of one answer: the longest are all overrides */
#define NGX_HTTP_SHARD_REDIS_ELEMENTS  (1024 * 1024)


static void *ngx_http_shard_redis_array(const redisReadTask *task,
    int elements);
static ngx_int_t ngx_http_shard_redis_attach(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_redis_add_read(void *data);
static void ngx_http_shard_redis_del_read(void *data);
static void ngx_http_shard_redis_add_write(void *data);
static void ngx_http_shard_redis_del_write(void *data);
static void ngx_http_shard_redis_cleanup(void *data);
static void ngx_http_shard_redis_read_handler(ngx_event_t *ev);
static void ngx_http_shard_redis_write_handler(ngx_event_t *ev);
static void ngx_http_shard_redis_timeout_handler(ngx_event_t *ev);
static void ngx_http_shard_redis_on_connect(const redisAsyncContext *ac,
    int status);
static void ngx_http_shard_redis_on_disconnect(const redisAsyncContext *ac,
    int status);
static void ngx_http_shard_redis_sent(ngx_http_shard_redis_t *redis,
    ngx_msec_t wait);
static void ngx_http_shard_redis_on_reply(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_http_shard_redis_on_login(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_redis_on_select(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_redis_select(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_redis_reason(ngx_http_shard_redis_t *redis,
    const char *what, const char *text);
static void ngx_http_shard_redis_gone(ngx_http_shard_redis_t *redis,
    const char *reason);


static redisReplyObjectFunctions  ngx_http_shard_redis_functions;
static void  *(*ngx_http_shard_redis_create_array)(const redisReadTask *task,
    int elements);


static void *
ngx_http_shard_redis_array(const redisReadTask *task, int elements)
{
    if (elements > NGX_HTTP_SHARD_REDIS_ELEMENTS) {
        return NULL;
    }

    return ngx_http_shard_redis_create_array(task, elements);
}


ngx_int_t
ngx_http_shard_redis_connect(ngx_http_shard_redis_t *redis)
{
    char                 host[NGX_SOCKADDR_STRLEN + 1], path[256];
    ngx_uint_t           port;
    struct sockaddr     *sa;
    struct sockaddr_un  *sun;

    sa = redis->conf->addr->sockaddr;

    if (sa->sa_family == AF_UNIX) {
        sun = (struct sockaddr_un *) sa;
        (void) ngx_snprintf((u_char *) path, sizeof(path), "%s%Z",
                            sun->sun_path);
        redis->ac = redisAsyncConnectUnix(path);

    } else {
        port = ngx_inet_get_port(sa);
        *(host + ngx_sock_ntop(sa, redis->conf->addr->socklen, (u_char *) host,
                               NGX_SOCKADDR_STRLEN, 0)) = '\0';
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

    /* hiredis makes room for as many elements as it is told, and looks at
     * each of them when it frees it: 2^31 take seconds */

    ngx_http_shard_redis_functions = *redis->ac->c.reader->fn;
    ngx_http_shard_redis_create_array =
                                   ngx_http_shard_redis_functions.createArray;
    ngx_http_shard_redis_functions.createArray = ngx_http_shard_redis_array;
    redis->ac->c.reader->fn = &ngx_http_shard_redis_functions;

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

    redisAsyncSetDisconnectCallback(redis->ac,
                                    ngx_http_shard_redis_on_disconnect);
    redisAsyncSetConnectCallback(redis->ac, ngx_http_shard_redis_on_connect);

    ngx_add_timer(&redis->timer, redis->conf->timeout);

    return NGX_OK;
}


static ngx_int_t
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
    char                     first;
    ngx_connection_t        *c;
    ngx_http_shard_redis_t  *redis;

    c = ev->data;
    redis = c->data;

    if (redis->ac == NULL) {
        return;
    }

    /* hiredis asserts that nobody speaks unasked, but for an error */

    if (redis->ac->replies.head == NULL
        && (redis->ac->c.flags & REDIS_CONNECTED)
        && recv(c->fd, &first, 1, MSG_PEEK) == 1 && first != '-')
    {
        ngx_http_shard_redis_close(redis, "an answer that nobody asked for");
        return;
    }

    redisAsyncHandleRead(redis->ac);
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
    }
}


static void
ngx_http_shard_redis_timeout_handler(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    ngx_http_shard_redis_close(c->data, "no answer in time");
}


static void
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
        ngx_http_shard_redis_gone(redis, redis->reason);
        return;
    }

    if (redis->conf->password.len == 0) {
        ngx_http_shard_redis_select(redis);
        return;
    }

    conf = redis->conf;

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

    ngx_http_shard_redis_select(redis);
}


static void
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


static void
ngx_http_shard_redis_on_disconnect(const redisAsyncContext *ac, int status)
{
    ngx_http_shard_redis_t  *redis;

    redis = ac->data;

    if (redis == NULL) {
        return;
    }

    redis->ac = NULL;

    if (redis->reason == NULL) {
        ngx_http_shard_redis_reason(redis, "",
                                    status == REDIS_OK ? "closed"
                                                       : ac->errstr);
    }

    ngx_http_shard_redis_gone(redis, redis->reason);
}


/* what the other side says may be longer than there is room for */

static void
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


static void
ngx_http_shard_redis_gone(ngx_http_shard_redis_t *redis, const char *reason)
{
    redis->is_ready = 0;
    redis->pending = 0;
    redis->reason = reason;

    redis->closed(redis);
}


/* from outside hiredis' callbacks only; "closed" is called when it was open */

void
ngx_http_shard_redis_close(ngx_http_shard_redis_t *redis, const char *reason)
{
    redisAsyncContext  *ac;

    ac = redis->ac;

    if (ac == NULL) {
        return;
    }

    /* replies still to come are called with NULL, the disconnect callback
     * is not wanted: this is it */

    redis->ac = NULL;
    redis->is_ready = 0;
    redis->reason = reason;
    ac->data = NULL;

    redisAsyncFree(ac);

    ngx_http_shard_redis_gone(redis, reason);
}


ngx_int_t
ngx_http_shard_redis_send(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, ngx_msec_t wait, const char *fmt, ...)
{
    va_list    args;
    ngx_int_t  rc;

    va_start(args, fmt);
    rc = ngx_http_shard_redis_vsend(redis, handler, wait, fmt, args);
    va_end(args);

    return rc;
}


ngx_int_t
ngx_http_shard_redis_vsend(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, ngx_msec_t wait, const char *fmt,
    va_list args)
{
    if (redis->ac == NULL
        || redisvAsyncCommand(redis->ac, ngx_http_shard_redis_on_reply,
                              (void *) handler, fmt, args)
           != REDIS_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_redis_sent(redis, wait);

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_redis_send_argv(ngx_http_shard_redis_t *redis,
    ngx_http_shard_reply_pt handler, int argc, const char **argv,
    const size_t *lens)
{
    if (redis->ac == NULL
        || redisAsyncCommandArgv(redis->ac, ngx_http_shard_redis_on_reply,
                                 (void *) handler, argc, argv, lens)
           != REDIS_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_redis_sent(redis, 0);

    return NGX_OK;
}


static void
ngx_http_shard_redis_sent(ngx_http_shard_redis_t *redis, ngx_msec_t wait)
{
    redis->pending++;
    ngx_add_timer(&redis->timer, redis->conf->timeout + wait);
}


static void
ngx_http_shard_redis_on_reply(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_http_shard_redis_t   *redis;
    ngx_http_shard_reply_pt   handler;

    redis = ac->data;
    handler = (ngx_http_shard_reply_pt) data;

    if (redis == NULL) {
        return;
    }

    if (redis->pending) {
        redis->pending--;
    }

    if (redis->pending == 0 && redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    handler(redis, reply);

    /* in a callback this only marks the context, see the read handler */

    if (reply && ac->replies.head == NULL
        && ac->c.reader->pos < ac->c.reader->len)
    {
        if (redis->reason == NULL) {
            redis->reason = "more answers than were asked for";
        }

        redisAsyncFree(ac);
    }
}
