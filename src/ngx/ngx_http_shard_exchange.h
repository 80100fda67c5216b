
/*
 * One request to a node and its answer, with no client behind it: for health
 * checks and mirrored reads.
 *
 *   create ─▶ start ─▶ connect ─▶ send ─▶ header ─▶ body ─▶ done()
 *                │         └── connect_timeout            │ once, and never
 *                └──────────────── timeout ───────────────┘ from start()
 *
 * A pool of its own, a connection of its own, closed at the end (the request
 * should say "Connection: close").  Timers are cancelable and whatever is
 * left is cancelled when the worker exits: an exchange never keeps a worker
 * that ends.  In that case done() is not called.
 *
 *     x = ngx_http_shard_exchange_create(log);
 *     x->data = me;                        what done() is for
 *     x->done = handler;
 *     x->request.data = ...                out of x->pool, whole
 *     x->connect_timeout = 500;
 *     x->timeout = 1000;                   from start() to done()
 *     x->limit = 65536;                    of body
 *     x->hashed = 1;                       and a digest of it
 *     ngx_http_shard_exchange_start(x, sockaddr, socklen);
 */


#ifndef _NGX_HTTP_SHARD_EXCHANGE_H_INCLUDED_
#define _NGX_HTTP_SHARD_EXCHANGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "../core/shard_digest.h"
#include "../core/shard_http.h"


typedef enum {
    NGX_HTTP_SHARD_EXCHANGE_OK = 0,     /* an answer, whatever its status */
    NGX_HTTP_SHARD_EXCHANGE_CONNECT,    /* not connected, or not in time */
    NGX_HTTP_SHARD_EXCHANGE_TIMEOUT,    /* connected, no whole answer */
    NGX_HTTP_SHARD_EXCHANGE_BAD,        /* closed early, reset, no HTTP */
    NGX_HTTP_SHARD_EXCHANGE_LOCAL       /* no memory, no connection: says
                                           nothing of the node */
} ngx_http_shard_outcome_e;


typedef struct ngx_http_shard_exchange_s  ngx_http_shard_exchange_t;

typedef void (*ngx_http_shard_exchange_pt)(ngx_http_shard_exchange_t *x);
typedef void (*ngx_http_shard_exchange_body_pt)(ngx_http_shard_exchange_t *x,
    u_char *data, size_t len);


struct ngx_http_shard_exchange_s {

    /* the caller's, before start() */

    void                            *data;
    ngx_http_shard_exchange_pt       done;
    ngx_http_shard_exchange_body_pt  body;       /* or NULL; must not cancel */
    ngx_str_t                        request;    /* empty: connect only */
    ngx_msec_t                       connect_timeout;
    ngx_msec_t                       timeout;
    uint64_t                         limit;      /* bytes of body; beyond it
                                                    the exchange ends, OK and
                                                    truncated */
    unsigned                         head:1;     /* the request is HEAD */
    unsigned                         hashed:1;   /* digest wanted */

    /* the caller's, from within done() on */

    unsigned                         truncated:1;
    unsigned                         connected:1;
    ngx_http_shard_outcome_e         outcome;
    ngx_uint_t                       status;     /* 0: none */
    uint64_t                         length;     /* of the body read */
    uint64_t                         digest;     /* of it, XXH3 64-bit */
    ngx_msec_t                       ms;         /* since start() */
    const char                      *reason;     /* of another outcome than
                                                    OK, for the log */

    /* its own */

    ngx_pool_t                      *pool;
    ngx_log_t                        log;
    ngx_queue_t                      queue;      /* of this worker's */
    ngx_event_t                      event;      /* timer, and the end */
    ngx_peer_connection_t            peer;
    ngx_sockaddr_t                   sockaddr;
    ngx_str_t                        name;
    ngx_msec_t                       started;
    size_t                           sent;
    u_char                          *buffer;
    shard_http_t                     http;
    shard_digest_t                  *hash;
};


/* NULL: no memory */

ngx_http_shard_exchange_t *ngx_http_shard_exchange_create(ngx_log_t *log);

/*
 * The address is copied.  done() is called once, later, and the exchange is
 * freed when that returns: also if the connection fails at once.
 */

void ngx_http_shard_exchange_start(ngx_http_shard_exchange_t *x,
    struct sockaddr *sockaddr, socklen_t socklen);

/* at any time before done(), started or not: frees it, done() never comes */

void ngx_http_shard_exchange_cancel(ngx_http_shard_exchange_t *x);

/* this worker's last ones */

void ngx_http_shard_exchange_exit(void);


#endif /* _NGX_HTTP_SHARD_EXCHANGE_H_INCLUDED_ */
