
/*
 * Connections to nodes that are kept for the next request: "shard_keepalive",
 * a worker's own, of one upstream.  nginx's "keepalive" may be used instead;
 * what is dearer there with each request is left out here:
 *
 *     which one     a list for each node, no walk over those of all nodes
 *     how long      the worker's one timer for all of them ("sweep"), none
 *                   of each connection's own
 *     read timer    the last request's stays where the next one's would be
 *                   the same but for a sixteenth, and 300 ms, of its time
 *     a request     that is one buffer goes by send(), not by writev()
 *
 *              last used first                       longest unused
 *   idle    ──▶ n2 ◀──▶ n1 ◀──▶ n2 ◀──▶ n3 ◀──▶ n1 ◀── sweep, and who
 *   node[1] ──────────▶ n1 ◀──────────────────▶ n1     needs room
 *   node[2] ──▶ n2 ◀──────────▶ n2
 *
 * A node's number may go to another node, or the node to another address: a
 * connection is used for the address it was made to, and for no other one.
 * Locations of an upstream share its connections, whatever their "proxy_ssl".
 */


#ifndef _NGX_HTTP_SHARD_KEEPALIVE_H_INCLUDED_
#define _NGX_HTTP_SHARD_KEEPALIVE_H_INCLUDED_


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_KEPT_MAX  65536           /* connections, of a worker */
#define NGX_HTTP_SHARD_KEPT_MS   86400000        /* a timer's at most */
#define NGX_HTTP_SHARD_KEPT_ONE_GO  4096         /* bytes a socket that has
                                                    nothing to send takes */


typedef struct {
    ngx_queue_t                 queue;           /* in idle, or in spare */
    ngx_queue_t                 of_node;
    ngx_http_shard_keepalive_t *keepalive;
    ngx_connection_t           *connection;
    ngx_msec_t                  since;           /* unused */
    socklen_t                   socklen;
    ngx_sockaddr_t              sockaddr;
} ngx_http_shard_kept_t;


struct ngx_http_shard_keepalive_s {
    ngx_queue_t                *node;            /* [nnodes], last used first;
                                                    NULL: nothing was kept */
    ngx_uint_t                  nnodes;
    ngx_queue_t                 idle;            /* last used first */
    ngx_queue_t                 spare;
    ngx_event_t                 sweep;

    ngx_uint_t                  connections;     /* at most kept */
    ngx_uint_t                  requests;        /* of a connection */
    ngx_msec_t                  timeout;         /* unused */
    ngx_msec_t                  time;            /* old */
};


/* room for all of them; NGX_ERROR: no memory */

ngx_int_t ngx_http_shard_keepalive_init(ngx_conf_t *cf,
    ngx_http_shard_keepalive_t *keepalive);

/* one to pc->sockaddr, which is ctx->node's: NGX_DONE; NGX_OK: there is none */

ngx_int_t ngx_http_shard_keepalive_get(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx) ngx_http_shard_hot;

/* the attempt is over: pc->connection is NULL afterwards if it is kept */

void ngx_http_shard_keepalive_put(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx, ngx_uint_t state) ngx_http_shard_hot;


#endif /* _NGX_HTTP_SHARD_KEEPALIVE_H_INCLUDED_ */
