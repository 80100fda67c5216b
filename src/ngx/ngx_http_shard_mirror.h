
/*
 * Mirrored reads: while a shard moves, a share of its reads goes to the
 * target as well, and the two answers are compared.
 *
 *   peer (source chosen) ─▶ rendered again as for the target
 *        │                         │ posted: after the client's own
 *        ▼                         ▼
 *   source's answer           exchange ─▶ target's answer
 *        │ body filter             │
 *        └─▶ status, digest ─▶ compare ◀─ status, digest
 *                                  ▼
 *                results of the migration, in shared memory
 *
 * The client's request never waits for any of it: the mirror holds no
 * reference that its end would wait for, and whichever side ends first
 * leaves what it knows.
 */


#ifndef _NGX_HTTP_SHARD_MIRROR_H_INCLUDED_
#define _NGX_HTTP_SHARD_MIRROR_H_INCLUDED_


#include "ngx_http_shard.h"
#include "ngx_http_shard_exchange.h"


#define NGX_HTTP_SHARD_MIRROR_LIMIT (1024 * 1024)  /* compared of an answer */
#define NGX_HTTP_SHARD_MIRROR_URI   128            /* logged of a path */


typedef struct {
    ngx_uint_t                   status;
    uint64_t                     length;
    uint64_t                     digest;
    ngx_msec_t                   ms;             /* to the header, or so */
    unsigned                     complete:1;
    unsigned                     too_long:1;
} ngx_http_shard_mirror_answer_t;


typedef struct {
    ngx_queue_t                  queue;          /* of this worker's */
    ngx_http_shard_keyspace_t   *keyspace;
    ngx_http_shard_ctx_t        *ctx;            /* NULL: source's is over */
    ngx_http_upstream_t         *upstream;       /* whose answer that is */
    ngx_http_shard_exchange_t   *exchange;       /* NULL: target's is over */
    ngx_event_t                  start;
    ngx_sockaddr_t               sockaddr;
    socklen_t                    socklen;

    uint64_t                     migration;
    uint64_t                     sticky;         /* of the key */
    ngx_msec_t                   started;
    shard_id_t                   id;
    uint16_t                     node;           /* the source's number */
    uint16_t                     lags;           /* data is shipped */
    ngx_http_shard_mirror_answer_t  source;
    ngx_http_shard_mirror_answer_t  target;
    shard_digest_t              *hash;           /* of the source's body */

    size_t                       uri_len;
    u_char                       uri[NGX_HTTP_SHARD_MIRROR_URI];
} ngx_http_shard_mirror_t;


/* _mirror */

void ngx_http_shard_mirror_free(ngx_http_shard_mirror_t *m);

/* _mirror_source: begins to watch the source's answer */

ngx_int_t ngx_http_shard_mirror_attach(ngx_http_shard_mirror_t *m);

/* _mirrored: results */

void ngx_http_shard_mirror_count(ngx_http_shard_keyspace_t *ks,
    uint64_t migration, ngx_http_shard_mirror_result_e result);
void ngx_http_shard_mirror_latency(ngx_http_shard_keyspace_t *ks,
    uint64_t migration, ngx_msec_t source, ngx_msec_t target);
ngx_int_t ngx_http_shard_mirror_open(ngx_http_shard_keyspace_t *ks,
    uint64_t migration, uint32_t slot, shard_id_t id);
void ngx_http_shard_mirror_write(ngx_http_shard_ctx_t *ctx);
void ngx_http_shard_mirror_compare(ngx_http_shard_mirror_t *m);


#endif /* _NGX_HTTP_SHARD_MIRROR_H_INCLUDED_ */
