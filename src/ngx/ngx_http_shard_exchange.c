
#include "ngx_http_shard_exchange.h"


#define NGX_HTTP_SHARD_EXCHANGE_BUFFER  8192
#define NGX_HTTP_SHARD_EXCHANGE_READS   16       /* at one go */


static ngx_int_t ngx_http_shard_exchange_connect(ngx_http_shard_exchange_t *x);
static void ngx_http_shard_exchange_write_handler(ngx_event_t *wev);
static void ngx_http_shard_exchange_read_handler(ngx_event_t *rev);
static void ngx_http_shard_exchange_event_handler(ngx_event_t *ev);
static void ngx_http_shard_exchange_connected(ngx_http_shard_exchange_t *x);
static ngx_int_t ngx_http_shard_exchange_test(ngx_http_shard_exchange_t *x);
static void ngx_http_shard_exchange_send(ngx_http_shard_exchange_t *x);
static void ngx_http_shard_exchange_read(ngx_http_shard_exchange_t *x);
static ngx_int_t ngx_http_shard_exchange_parse(ngx_http_shard_exchange_t *x,
    u_char *p, size_t len);
static ngx_int_t ngx_http_shard_exchange_body(ngx_http_shard_exchange_t *x,
    shard_str_t *body);
static const char *ngx_http_shard_exchange_reason(ngx_err_t err);
static void ngx_http_shard_exchange_close(ngx_http_shard_exchange_t *x);
static void ngx_http_shard_exchange_end(ngx_http_shard_exchange_t *x,
    ngx_http_shard_outcome_e outcome, const char *reason);


/* of this worker, to be freed when it exits */

static ngx_queue_t  ngx_http_shard_exchanges;


ngx_http_shard_exchange_t *
ngx_http_shard_exchange_create(ngx_log_t *log)
{
    ngx_pool_t                 *pool;
    ngx_http_shard_exchange_t  *x;

    pool = ngx_create_pool(2048, log);
    if (pool == NULL) {
        return NULL;
    }

    x = ngx_pcalloc(pool, sizeof(ngx_http_shard_exchange_t));
    if (x == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    x->pool = pool;
    pool->log = &x->log;

    /* nodes that are gone are told of by the caller, not at each attempt;
     * a request whose log this was may end before */

    x->log = *log;
    x->log.log_level = ngx_min(log->log_level, NGX_LOG_ALERT);
    x->log.handler = NULL;
    x->log.data = NULL;
    x->log.action = NULL;

    x->event.handler = ngx_http_shard_exchange_event_handler;
    x->event.data = x;
    x->event.log = &x->log;
    x->event.cancelable = 1;

    if (ngx_http_shard_exchanges.next == NULL) {
        ngx_queue_init(&ngx_http_shard_exchanges);
    }

    ngx_queue_insert_tail(&ngx_http_shard_exchanges, &x->queue);

    return x;
}


void
ngx_http_shard_exchange_start(ngx_http_shard_exchange_t *x,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    ngx_int_t  rc;

    x->started = ngx_current_msec;
    ngx_str_set(&x->name, "node");

    x->peer.sockaddr = &x->sockaddr.sockaddr;
    x->peer.socklen = ngx_min(socklen, sizeof(x->sockaddr));
    ngx_memcpy(&x->sockaddr, sockaddr, x->peer.socklen);

    rc = ngx_http_shard_exchange_connect(x);

    if (rc == NGX_OK) {
        ngx_http_shard_exchange_connected(x);

    } else if (rc == NGX_AGAIN) {
        ngx_add_timer(&x->event, ngx_min(x->connect_timeout, x->timeout));

    } else if (rc == NGX_DECLINED) {
        ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_CONNECT,
                                    x->reason);
    } else {
        ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_LOCAL,
                                    "no memory or connection left");
    }
}


static ngx_int_t
ngx_http_shard_exchange_connect(ngx_http_shard_exchange_t *x)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    if (x->peer.socklen == 0) {
        x->reason = "its address is not known";
        return NGX_DECLINED;
    }

    x->buffer = ngx_palloc(x->pool, NGX_HTTP_SHARD_EXCHANGE_BUFFER);
    if (x->buffer == NULL) {
        return NGX_ERROR;
    }

    if (x->hashed) {
        x->hash = ngx_pmemalign(x->pool, sizeof(shard_digest_t), 64);
        if (x->hash == NULL) {
            return NGX_ERROR;
        }

        shard_digest_init(x->hash);
    }

    shard_http_init(&x->http, x->head);

    x->peer.name = &x->name;
    x->peer.get = ngx_event_get_peer;
    x->peer.log = &x->log;
    x->peer.log_error = NGX_ERROR_ERR;

    ngx_set_errno(0);
    rc = ngx_event_connect_peer(&x->peer);

    if (rc == NGX_DECLINED) {
        x->reason = ngx_http_shard_exchange_reason(ngx_errno);
        return rc;
    }

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        return NGX_ERROR;
    }

    c = x->peer.connection;
    c->data = x;
    c->pool = x->pool;
    c->read->handler = ngx_http_shard_exchange_read_handler;
    c->write->handler = ngx_http_shard_exchange_write_handler;

    return rc;
}


static const char *
ngx_http_shard_exchange_reason(ngx_err_t err)
{
    switch (err) {

    case NGX_ECONNREFUSED:
        return "connection refused";

    case NGX_ECONNRESET:
        return "connection reset";

    case NGX_ETIMEDOUT:
        return "connection timed out";

    case NGX_ENETUNREACH:
        return "network unreachable";

    case NGX_EHOSTUNREACH:
        return "host unreachable";

    case NGX_ENOENT:
        return "no such socket";

    case NGX_EACCES:
        return "permission denied";

    case NGX_EAGAIN:
        return "its backlog is full";

    default:
        return "cannot connect";
    }
}


static void
ngx_http_shard_exchange_write_handler(ngx_event_t *wev)
{
    ngx_connection_t           *c;
    ngx_http_shard_exchange_t  *x;

    c = wev->data;
    x = c->data;

    if (x->connected) {
        ngx_http_shard_exchange_send(x);

    } else if (ngx_http_shard_exchange_test(x) == NGX_OK) {
        ngx_http_shard_exchange_connected(x);
    }
}


static void
ngx_http_shard_exchange_read_handler(ngx_event_t *rev)
{
    ngx_connection_t           *c;
    ngx_http_shard_exchange_t  *x;

    c = rev->data;
    x = c->data;

    if (x->connected) {
        ngx_http_shard_exchange_read(x);

    } else {
        (void) ngx_http_shard_exchange_test(x);
    }
}


/* the timer, or what was over at once */

static void
ngx_http_shard_exchange_event_handler(ngx_event_t *ev)
{
    ngx_http_shard_exchange_t  *x;

    x = ev->data;

    if (ev->timedout) {
        ev->timedout = 0;

        if (x->connected) {
            ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_TIMEOUT,
                                        "no answer in time");
        } else {
            ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_CONNECT,
                                        "connection timed out");
        }

        return;
    }

    x->done(x);

    ngx_http_shard_exchange_cancel(x);
}


static ngx_int_t
ngx_http_shard_exchange_test(ngx_http_shard_exchange_t *x)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(x->peer.connection->fd, SOL_SOCKET, SO_ERROR,
                   (void *) &err, &len)
        == -1)
    {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_CONNECT,
                                    ngx_http_shard_exchange_reason(err));
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_shard_exchange_connected(ngx_http_shard_exchange_t *x)
{
    ngx_msec_t  spent;

    x->connected = 1;

    if (x->request.len == 0) {
        ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_OK, NULL);
        return;
    }

    if (x->event.timer_set) {
        ngx_del_timer(&x->event);
    }

    spent = ngx_current_msec - x->started;
    ngx_add_timer(&x->event, x->timeout > spent ? x->timeout - spent : 0);

    ngx_http_shard_exchange_send(x);
}


static void
ngx_http_shard_exchange_send(ngx_http_shard_exchange_t *x)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = x->peer.connection;

    while (x->sent < x->request.len) {
        n = c->send(c, x->request.data + x->sent, x->request.len - x->sent);

        if (n == NGX_AGAIN) {
            break;
        }

        /* it may have answered all the same: what was read decides */

        if (n == NGX_ERROR) {
            x->sent = x->request.len;
            c->write->error = 0;
            ngx_http_shard_exchange_read(x);
            return;
        }

        x->sent += n;
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_LOCAL,
                                    "no event");
    }
}


/* a long body gives way to others */

static void
ngx_http_shard_exchange_read(ngx_http_shard_exchange_t *x)
{
    ssize_t            n;
    ngx_uint_t         i;
    ngx_connection_t  *c;

    c = x->peer.connection;

    for (i = 0; i < NGX_HTTP_SHARD_EXCHANGE_READS; i++) {
        n = c->recv(c, x->buffer, NGX_HTTP_SHARD_EXCHANGE_BUFFER);

        if (n == NGX_AGAIN) {
            if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
                ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_LOCAL,
                                            "no event");
            }

            return;
        }

        if (n == NGX_ERROR) {
            ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_BAD,
                                        "connection reset");
            return;
        }

        if (n == 0) {
            if (shard_http_close(&x->http) == SHARD_OK) {
                ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_OK,
                                            NULL);
            } else {
                ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_BAD,
                                            x->http.error);
            }

            return;
        }

        if (ngx_http_shard_exchange_parse(x, x->buffer, n) != NGX_AGAIN) {
            return;
        }
    }

    ngx_post_event(c->read, &ngx_posted_next_events);
}


/* NGX_AGAIN: there is more to come */

static ngx_int_t
ngx_http_shard_exchange_parse(ngx_http_shard_exchange_t *x, u_char *p,
    size_t len)
{
    int          rc;
    size_t       used;
    shard_str_t  body;

    for ( ;; ) {
        rc = shard_http_feed(&x->http, (char *) p, len, &used, &body);
        p += used;
        len -= used;

        if (rc == SHARD_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc == SHARD_ERROR) {
            ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_BAD,
                                        x->http.error);
            return NGX_ERROR;
        }

        if (rc == SHARD_OK) {
            ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_OK, NULL);
            return NGX_OK;
        }

        if (ngx_http_shard_exchange_body(x, &body) != NGX_OK) {
            x->truncated = 1;
            ngx_http_shard_exchange_end(x, NGX_HTTP_SHARD_EXCHANGE_OK, NULL);
            return NGX_DONE;
        }
    }
}


static ngx_int_t
ngx_http_shard_exchange_body(ngx_http_shard_exchange_t *x, shard_str_t *body)
{
    size_t  len;

    len = (size_t) ngx_min(body->len, x->limit - x->length);

    if (x->hash) {
        shard_digest_add(x->hash, body->data, len);
    }

    if (x->body && len) {
        x->body(x, (u_char *) body->data, len);
    }

    x->length += len;

    return len == body->len ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_shard_exchange_close(ngx_http_shard_exchange_t *x)
{
    if (x->event.timer_set) {
        ngx_del_timer(&x->event);
    }

    if (x->peer.connection) {
        ngx_close_connection(x->peer.connection);
        x->peer.connection = NULL;
    }
}


/* done() comes in the next round of events: nobody up the stack then holds
 * what it frees, and whoever tries again at once does not block the loop */

static void
ngx_http_shard_exchange_end(ngx_http_shard_exchange_t *x,
    ngx_http_shard_outcome_e outcome, const char *reason)
{
    ngx_http_shard_exchange_close(x);

    x->outcome = outcome;
    x->reason = reason;
    x->ms = ngx_current_msec - x->started;

    if (x->http.in_body) {
        x->status = x->http.status;
    }

    if (x->hash) {
        x->digest = shard_digest_value(x->hash);
    }

    ngx_post_event(&x->event, &ngx_posted_next_events);
}


void
ngx_http_shard_exchange_cancel(ngx_http_shard_exchange_t *x)
{
    ngx_http_shard_exchange_close(x);

    if (x->event.posted) {
        ngx_delete_posted_event(&x->event);
    }

    ngx_queue_remove(&x->queue);
    ngx_destroy_pool(x->pool);
}


void
ngx_http_shard_exchange_exit(void)
{
    ngx_queue_t  *q;

    if (ngx_http_shard_exchanges.next == NULL) {
        return;
    }

    while (!ngx_queue_empty(&ngx_http_shard_exchanges)) {
        q = ngx_queue_head(&ngx_http_shard_exchanges);

        ngx_http_shard_exchange_cancel(
                       ngx_queue_data(q, ngx_http_shard_exchange_t, queue));
    }
}
