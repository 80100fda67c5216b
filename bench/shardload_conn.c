
/*
 * One connection to the router: kept alive, one request at a time on it,
 * edge-triggered.
 */


#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shardload_conn.h"


#define SHARDLOAD_TRIES  4


static void shardload_conn_idle(shardload_t *load, shardload_conn_t *c);
static int shardload_conn_flush(shardload_conn_t *c);
static int shardload_conn_read(shardload_conn_t *c);
static void shardload_conn_broken(shardload_t *load, shardload_conn_t *c,
    const char *why);
static void shardload_conn_whole(shardload_t *load, shardload_conn_t *c,
    int ended);


shardload_conn_t *
shardload_conn_open(shardload_t *load)
{
    int                 fd, on;
    shardload_conn_t   *c;
    shardload_pool_t   *pool;
    struct epoll_event  ee;

    pool = &load->pool;
    c = pool->unused;

    fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    if (fd == -1) {
        return NULL;
    }

    on = 1;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

    ee.events = EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLET;
    ee.data.ptr = c;

    if ((connect(fd, (struct sockaddr *) &pool->addr, sizeof(pool->addr)) != 0
         && errno != EINPROGRESS)
        || epoll_ctl(pool->epoll, EPOLL_CTL_ADD, fd, &ee) != 0)
    {
        close(fd);
        return NULL;
    }

    pool->unused = c->next;
    pool->open++;

    c->fd = fd;
    c->next = NULL;
    c->prev = NULL;
    c->request = NULL;
    c->answers = 0;
    c->out_len = 0;
    c->out_sent = 0;
    c->state = SHARDLOAD_CONNECTING;
    shardload_reply_reset(&c->reply);

    return c;
}


void
shardload_conn_close(shardload_t *load, shardload_conn_t *c)
{
    if (c->state == SHARDLOAD_IDLE) {
        shardload_conn_unidle(load, c);
    }

    close(c->fd);
    free(c->reply.data);
    memset(&c->reply, 0, sizeof(c->reply));

    c->fd = -1;
    c->request = NULL;
    c->state = SHARDLOAD_CLOSED;
    c->next = load->pool.unused;
    load->pool.unused = c;
    load->pool.open--;
}


static void
shardload_conn_idle(shardload_t *load, shardload_conn_t *c)
{
    shardload_pool_t  *pool;

    pool = &load->pool;

    c->state = SHARDLOAD_IDLE;
    c->request = NULL;
    c->next = NULL;
    c->prev = pool->idle_last;

    if (pool->idle_last) {
        pool->idle_last->next = c;

    } else {
        pool->idle = c;
    }

    pool->idle_last = c;
}


void
shardload_conn_unidle(shardload_t *load, shardload_conn_t *c)
{
    shardload_pool_t  *pool;

    pool = &load->pool;

    if (c->prev) {
        c->prev->next = c->next;

    } else {
        pool->idle = c->next;
    }

    if (c->next) {
        c->next->prev = c->prev;

    } else {
        pool->idle_last = c->prev;
    }

    c->next = NULL;
    c->prev = NULL;
}


void
shardload_conn_use(shardload_t *load, shardload_conn_t *c,
    shardload_request_t *request)
{
    int                     n;
    char                    value[64];
    const char             *method, *place;
    const shardload_key_t  *key;

    key = request->key;
    place = key->queue ? "queue" : "kv";
    method = request->op == SHARDLOAD_WRITE ? "PUT"
             : request->op == SHARDLOAD_APPEND ? "POST" : "GET";

    n = snprintf(c->out, sizeof(c->out),
                 "%s /%s/%s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n",
                 method, place, key->name, load->pool.host,
                 load->conf.key_header, key->name);

    if (method[0] == 'P') {
        snprintf(value, sizeof(value), "%s:%u", key->name, request->n);
        n += snprintf(c->out + n, sizeof(c->out) - (size_t) n,
                      "Content-Length: %zu\r\n\r\n%s", strlen(value), value);

    } else {
        n += snprintf(c->out + n, sizeof(c->out) - (size_t) n, "\r\n");
    }

    c->request = request;
    c->out_len = (uint32_t) n;
    c->out_sent = 0;
    request->sent_us = shardload_now_us();
    shardload_reply_reset(&c->reply);

    if (c->state == SHARDLOAD_CONNECTING) {
        return;
    }

    c->state = SHARDLOAD_BUSY;

    if (shardload_conn_flush(c) != 0) {
        shardload_conn_broken(load, c, "connection ended");
    }
}


static int
shardload_conn_flush(shardload_conn_t *c)
{
    ssize_t  n;

    while (c->out_sent < c->out_len) {
        n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
                 MSG_NOSIGNAL);

        if (n < 0) {
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        }

        c->out_sent += (uint32_t) n;
    }

    return 0;
}


/* until nothing is left: 0 more may come, 1 the other side has ended */

static int
shardload_conn_read(shardload_conn_t *c)
{
    char               *data;
    size_t              room;
    ssize_t             n;
    shardload_reply_t  *reply;

    reply = &c->reply;

    for ( ;; ) {
        if (reply->room - reply->len < 1024) {
            room = reply->room ? reply->room * 2 : 4096;
            data = room > SHARDLOAD_BODY_MAX * 2 ? NULL
                   : realloc(reply->data, room);

            if (data == NULL) {
                return 1;
            }

            reply->data = data;
            reply->room = room;
        }

        n = recv(c->fd, reply->data + reply->len,
                 reply->room - reply->len - 1, 0);

        if (n > 0) {
            reply->len += (size_t) n;
            reply->data[reply->len] = '\0';
            continue;
        }

        if (n < 0 && errno == EINTR) {
            continue;
        }

        return !(n < 0 && errno == EAGAIN);
    }
}


void
shardload_conn_event(shardload_t *load, shardload_conn_t *c, uint32_t events)
{
    int        ended, rc, err;
    socklen_t  len;

    if (c->fd == -1) {
        return;
    }

    if (c->state == SHARDLOAD_CONNECTING) {
        len = sizeof(err);
        err = 0;
        (void) getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);

        if (err) {
            shardload_conn_broken(load, c, "cannot connect");
            return;
        }

        if (!(events & EPOLLOUT)) {
            return;
        }

        if (c->request == NULL) {
            shardload_conn_idle(load, c);
            shardload_pool_next(load);

        } else {
            c->state = SHARDLOAD_BUSY;
        }
    }

    if (c->request && shardload_conn_flush(c) != 0) {
        shardload_conn_broken(load, c, "connection ended");
        return;
    }

    if (!(events & (EPOLLIN|EPOLLRDHUP|EPOLLHUP|EPOLLERR))) {
        return;
    }

    ended = shardload_conn_read(c);

    if (c->request == NULL) {
        if (ended || c->reply.len) {
            shardload_conn_close(load, c);
        }
        return;
    }

    rc = c->reply.len ? shardload_reply_parse(load, &c->reply) : 0;

    if (rc == 1) {
        shardload_conn_whole(load, c, ended);

    } else if (rc == -1) {
        shardload_conn_broken(load, c, "not an HTTP answer");

    } else if (ended) {
        shardload_conn_broken(load, c, "connection ended");
    }
}


static void
shardload_conn_whole(shardload_t *load, shardload_conn_t *c, int ended)
{
    shardload_reply_t    reply;
    shardload_answer_t   answer;
    shardload_request_t *request;

    request = c->request;
    reply = c->reply;
    memset(&c->reply, 0, sizeof(c->reply));
    c->answers++;

    if (ended || reply.close) {
        shardload_conn_close(load, c);

    } else {
        c->reply.data = NULL;
        shardload_conn_idle(load, c);
    }

    memset(&answer, 0, sizeof(answer));
    answer.status = reply.status;
    answer.body = reply.data + reply.body;
    answer.len = reply.length;
    answer.node = reply.node;
    answer.held_ms = reply.held_ms;

    reply.data[reply.body + reply.length] = '\0';
    shardload_done(load, request, &answer);
    free(reply.data);

    shardload_pool_next(load);
}


/*
 * A server may end a connection that rests just when a request goes out on
 * it; when no byte of an answer came the request is sent again, as browsers
 * do.  Had it been done nevertheless, the queue's index would show it.
 */

static void
shardload_conn_broken(shardload_t *load, shardload_conn_t *c, const char *why)
{
    int                  again;
    shardload_answer_t   answer;
    shardload_request_t *request;

    request = c->request;
    again = c->answers && c->reply.len == 0 && load->conf.resend;
    shardload_conn_close(load, c);

    if (request == NULL) {
        return;
    }

    if (again && request->tries < SHARDLOAD_TRIES) {
        request->tries++;
        load->resent++;
        shardload_pool_send(load, request);
        return;
    }

    memset(&answer, 0, sizeof(answer));
    answer.why = why;
    answer.node = -1;
    answer.held_ms = -1;
    shardload_done(load, request, &answer);
    shardload_pool_next(load);
}
