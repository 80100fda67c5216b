
/*
 * A request on its way through the module: what each has, and what some need.
 */


#ifndef _NGX_HTTP_SHARD_REQUEST_H_INCLUDED_
#define _NGX_HTTP_SHARD_REQUEST_H_INCLUDED_


#include "ngx_http_shard_conf.h"


#define NGX_HTTP_SHARD_SHORT_ADDR   24           /* bytes of most addresses */
#define NGX_HTTP_SHARD_PLACE        (sizeof(ngx_str_t)                        \
                                     + sizeof(struct sockaddr_in)             \
                                     + NGX_HTTP_SHARD_SHORT_ADDR)


/* what only some requests need: parked, or refused with 421 */

typedef struct {
    void                       *ctx;             /* whose it is */
    ngx_queue_t                 queue;           /* in keyspace->parked */
    uint32_t                    ticket;          /* SHARD_TICKET_NONE */
    ngx_msec_t                  parked_at;
    ngx_msec_t                  parked_until;

    ngx_event_t                 refresh;         /* waiting after a 421 */
    ngx_msec_t                  refresh_until;
    ngx_atomic_uint_t           refresh_ticket;
    ngx_http_upstream_conf_t   *upstream_conf;   /* to be given back */
    ngx_uint_t                  status;          /* answered, not passed on */

    uint16_t                    tried[SHARD_CANDIDATES_MAX];   /* [attempt] */

    /* sees the body on its way to the client, when ctx->watched */
    void                      (*watch)(void *ctx, ngx_chain_t *in);
    void                       *mirror;          /* what watches */

    void                       *ask;             /* of shard_api, no route */
} ngx_http_shard_wait_t;


/*
 * A request on its way.  Small: it comes out of the request's pool, where
 * one block more costs as much as all of the routing.  What most requests use
 * comes first, where instructions reach it by a short offset.
 */

typedef struct {
    ngx_pool_cleanup_t          cleanup;         /* it leaves with its pool */
    ngx_http_request_t         *request;
    ngx_http_shard_srv_conf_t  *conf;
    ngx_http_shard_keyspace_t  *keyspace;        /* conf's */
    ngx_http_shard_wait_t      *wait;            /* NULL mostly */

    unsigned                    socklen:8;
    unsigned                    attempt:8;       /* nodes tried before */
    unsigned                    role:2;          /* shard_role_e of node */
    unsigned                    again:1;         /* the next one's turn */
    unsigned                    failover:1;      /* node stands in */
    unsigned                    others:1;        /* might stand in for it */
    unsigned                    misses:1;        /* its miss is no answer */
    unsigned                    missed:1;        /* the target has it not */
    unsigned                    body_read:1;
    unsigned                    parked:1;
    unsigned                    was_held:1;
    unsigned                    misdirected:1;   /* a 421 was answered */
    unsigned                    awaiting:1;      /* the owner, after it */
    unsigned                    watched:1;       /* its body, wait->watch */
    unsigned                    forced:1;        /* to shard "id", no key */
    unsigned                    counted:1;

    /* one byte: what is read right behind a write is as wide */
    unsigned                    :0;
    unsigned                    plain:1;         /* as most are: see _route */
    unsigned                    picked:1;        /* node is this attempt's */
    unsigned                    chosen:1;        /* and its address is here */
    unsigned                    resolved:1;      /* slot is known */
    unsigned                    entered:1;       /* is in flight */
    unsigned                    gated:1;         /* may pass to content */
    unsigned                    offered:1;
    unsigned                    node_entered:1;

    /* in one piece into what it leaves */
    uint64_t                    position;
    uint32_t                    slot;
    uint32_t                    structure;       /* that slot is of, low bits */

    shard_route_t               route;           /* as last read */
    uint16_t                    node;            /* number of it */
    uint16_t                    room;            /* bytes at name */
    uint32_t                    entry;           /* in flight, if entered */
    shard_id_t                  id;

    ngx_str_t                  *name;            /* node's address, for logs;
                                                    behind it its sockaddr */
    ngx_int_t                 (*process_header)(ngx_http_request_t *r);
    ngx_int_t                 (*reinit_request)(ngx_http_request_t *r);
    ngx_str_t                   key;
    uint64_t                    sticky;          /* spread over all bits */
    uint32_t                    held_ms;

    /* not zeroed: the name and address of a node with an IPv4 address */
    u_char                      place[NGX_HTTP_SHARD_PLACE]
                                __attribute__((aligned(8)));
} ngx_http_shard_ctx_t;


#endif /* _NGX_HTTP_SHARD_REQUEST_H_INCLUDED_ */
