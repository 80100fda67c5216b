
/*
 * The pool of connections to the router.  The one that rested longest is
 * used next, so that all workers of the router get their share.
 */


#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "shardload_conn.h"


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

    /* where a connection has just ended the others that rest may have, too */

    c = request->tries && pool->unused ? NULL : pool->idle;

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


void
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
