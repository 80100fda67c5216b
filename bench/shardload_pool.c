
/*
 * Connections to the router: kept alive, one request at a time on each,
 * edge-triggered.  The one that rested longest is used next, so that all
 * workers of the router get their share.
 */


#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shardload.h"


#define SHARDLOAD_TRIES  4


typedef enum {
    SHARDLOAD_CLOSED = 0,
    SHARDLOAD_CONNECTING,
    SHARDLOAD_IDLE,
    SHARDLOAD_BUSY
} shardload_conn_e;


struct shardload_conn_s {
    shardload_conn_t     *next;
    shardload_conn_t     *prev;
    shardload_request_t  *request;
    shardload_conn_e      state;
    int                   fd;
    uint32_t              answers;       /* it has given */
    uint32_t              out_len;
    uint32_t              out_sent;
    char                  out[768];
    shardload_reply_t     reply;
};


static shardload_conn_t *shardload_conn_open(shardload_t *load);
static void shardload_conn_close(shardload_t *load, shardload_conn_t *c);
static void shardload_conn_idle(shardload_t *load, shardload_conn_t *c);
static void shardload_conn_unidle(shardload_t *load, shardload_conn_t *c);
static void shardload_conn_use(shardload_t *load, shardload_conn_t *c,
    shardload_request_t *request);
static int shardload_conn_flush(shardload_conn_t *c);
static int shardload_conn_read(shardload_conn_t *c);
static void shardload_conn_event(shardload_t *load, shardload_conn_t *c,
    uint32_t events);
static void shardload_conn_broken(shardload_t *load, shardload_conn_t *c,
    const char *why);
static void shardload_conn_whole(shardload_t *load, shardload_conn_t *c,
    int ended);
static void shardload_pool_next(shardload_t *load);


int
shardload_pool_init(shardload_t *load)
{
    char                port[8], extra;
    uint32_t            i;
    const char         *url;
    shardload_pool_t   *pool;

    pool = &load->pool;
    url = load->conf.url;

    if (sscanf(url, "http://%47[0-9.]:%5[0-9]%c", pool->host, port, &extra) < 2
        || inet_pton(AF_INET, pool->host, &pool->addr.sin_addr) != 1)
    {
        fprintf(stderr, "shardload: --url: \"%s\" is not http://ADDRESS:PORT "
                "with a numeric IPv4 address\n", url);
        return -1;
    }

    pool->addr.sin_family = AF_INET;
    pool->addr.sin_port = htons((uint16_t) atoi(port));
    pool->max = load->conf.connections;
    pool->epoll = epoll_create1(EPOLL_CLOEXEC);
    pool->conns = calloc(pool->max, sizeof(shardload_conn_t));

    if (pool->epoll == -1 || pool->conns == NULL) {
        perror("shardload");
        return -1;
    }

    for (i = pool->max; i-- > 0; /* void */) {
        pool->conns[i].fd = -1;
        pool->conns[i].next = pool->unused;
        pool->unused = &pool->conns[i];
    }

    return 0;
}


/* some connections before the first request, so that none waits for one */

void
shardload_pool_warm(shardload_t *load)
{
    uint32_t  i;

    for (i = 0; i < 16 && i < load->pool.max; i++) {
        (void) shardload_conn_open(load);
    }
}


void
shardload_pool_send(shardload_t *load, shardload_request_t *request)
{
    shardload_conn_t  *c;
    shardload_pool_t  *pool;

    pool = &load->pool;
    c = pool->idle;

    if (c) {
        shardload_conn_unidle(load, c);
        shardload_conn_use(load, c, request);
        return;
    }

    if (pool->unused) {
        c = shardload_conn_open(load);

        if (c) {
            shardload_conn_use(load, c, request);
            return;
        }
    }

    request->next = NULL;

    if (pool->first) {
        pool->last->next = request;

    } else {
        pool->first = request;
    }

    pool->last = request;
}


static shardload_conn_t *
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


static void
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


static void
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


static void
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


static void
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


/* those that wait for a connection, now that one may be free */

static void
shardload_pool_next(shardload_t *load)
{
    shardload_pool_t     *pool;
    shardload_request_t  *request;

    pool = &load->pool;

    while (pool->first && (pool->idle || pool->unused)) {
        request = pool->first;
        pool->first = request->next;
        shardload_pool_send(load, request);

        if (pool->last == request) {
            return;
        }
    }
}


void
shardload_pool_events(shardload_t *load, int timer, int wait_ms)
{
    int                 i, n;
    uint64_t            expired;
    struct epoll_event  events[256];

    (void) timer;
    n = epoll_wait(load->pool.epoll, events, 256, wait_ms);

    for (i = 0; i < n; i++) {
        if (events[i].data.ptr == NULL) {
            if (read(timer, &expired, sizeof(expired)) < 0) {
                continue;
            }

        } else {
            shardload_conn_event(load, events[i].data.ptr, events[i].events);
        }
    }
}


/* answers that are overdue */

void
shardload_pool_expire(shardload_t *load, uint64_t now_us)
{
    uint32_t              i;
    shardload_conn_t     *c;
    shardload_pool_t     *pool;
    shardload_answer_t    answer;
    shardload_request_t  *request;

    pool = &load->pool;
    memset(&answer, 0, sizeof(answer));
    answer.node = -1;
    answer.held_ms = -1;
    answer.why = "timeout";

    for (i = 0; i < pool->max; i++) {
        c = &pool->conns[i];
        request = c->request;

        if (request && now_us > request->sent_us + load->conf.timeout_us) {
            shardload_conn_close(load, c);
            shardload_done(load, request, &answer);
        }
    }

    answer.why = "timeout: no free connection";

    while (pool->first
           && now_us > pool->first->due_us + load->conf.timeout_us)
    {
        request = pool->first;
        pool->first = request->next;
        shardload_done(load, request, &answer);
    }

    shardload_pool_next(load);
}
