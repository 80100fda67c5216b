
/*
 * shard_scatter: a request to many shards, their answers as one.
 *
 *   client ─▶ content handler ─▶ parts: a background subrequest a shard,
 *                │                      "concurrency" of them at a time
 *                │                 gate ─▶ proxy ─▶ node      like any read
 *                │                           │
 *                │     header, body filter ◀─┘   kept, checked, swallowed
 *                │                           │
 *                └────────◀── all ended ◀────┘   or the time is over, or
 *                     one answer                 the bytes are too many
 *
 * A part that did not come is missing; the answer says which.  Parts live in
 * the client's request: when that ends, they end.
 */


#ifndef _NGX_HTTP_SHARD_SCATTER_H_INCLUDED_
#define _NGX_HTTP_SHARD_SCATTER_H_INCLUDED_


#include "ngx_http_shard.h"

#include "../core/shard_merge.h"


#define NGX_HTTP_SHARD_SCATTER_MAX          16384    /* shards a request */
#define NGX_HTTP_SHARD_SCATTER_CONCURRENCY  1024
#define NGX_HTTP_SHARD_SCATTER_WASTE        65536    /* bytes read for nothing,
                                                        to keep a connection */


struct ngx_http_shard_scatter_conf_s {
    ngx_http_shard_srv_conf_t  *shard;           /* of its upstream */
    ngx_http_handler_pt         content;         /* of the parts */
    ngx_http_complex_value_t   *keys;            /* NULL: all shards */
    ngx_uint_t                  empty_is_all;
    shard_merge_kind_e          merge;
    ngx_uint_t                  max;             /* shards */
    ngx_uint_t                  concurrency;
    size_t                      bytes;           /* of all parts */
    ngx_msec_t                  timeout;
    ngx_uint_t                  partial;         /* status, 207 or 502 */
    ngx_str_t                   upstream;        /* as configured, and where */
    ngx_str_t                   file;
    ngx_uint_t                  line;
};


typedef enum {
    NGX_HTTP_SHARD_PART_OK = 0,
    NGX_HTTP_SHARD_PART_STATUS,
    NGX_HTTP_SHARD_PART_BROKEN,
    NGX_HTTP_SHARD_PART_LATE,
    NGX_HTTP_SHARD_PART_BYTES,
    NGX_HTTP_SHARD_PART_NOT_JSON,
    NGX_HTTP_SHARD_PART_ENCODED,
    NGX_HTTP_SHARD_PART_GONE
} ngx_http_shard_part_fault_e;


typedef struct ngx_http_shard_scatter_s  ngx_http_shard_scatter_t;

typedef struct {
    ngx_http_shard_scatter_t   *scatter;
    ngx_http_request_t         *request;         /* NULL: not begun */
    ngx_http_shard_ctx_t       *ctx;
    ngx_queue_t                 queue;           /* in scatter->running */
    ngx_http_post_subrequest_t  post;

    shard_key_t                 located;         /* somewhere in the shard */
    shard_id_t                  id;
    uint32_t                    slot;
    uint32_t                    structure;       /* that slot is of */

    ngx_http_shard_part_fault_e fault;
    ngx_uint_t                  status;
    ngx_str_t                   type;            /* Content-Type */
    ngx_chain_t                *body;
    ngx_chain_t                *last;
    size_t                      size;            /* bytes of body */
    size_t                      received;
    off_t                       expected;        /* -1: not known */
    shard_merge_t               merge;

    unsigned                    whole:1;         /* its last byte was there */
    unsigned                    cut:1;           /* to be ended */
    unsigned                    ended:1;
} ngx_http_shard_part_t;


struct ngx_http_shard_scatter_s {
    ngx_http_request_t             *request;
    ngx_http_shard_scatter_conf_t  *conf;
    ngx_http_headers_in_t           headers_in;  /* of every part */
    ngx_uint_t                      gate;        /* number of its phase */

    ngx_uint_t                      n;
    ngx_http_shard_part_t          *parts;       /* in order of shards */
    ngx_uint_t                      next;        /* not begun */
    ngx_uint_t                      nrunning;
    ngx_queue_t                     running;
    ngx_http_shard_part_t          *retired;     /* the last that ended */

    size_t                          size;        /* of all bodies */
    ngx_event_t                     event;       /* timeout; cuts, posted */
    ngx_uint_t                      done;
};


/* _directives_scatter */

char *ngx_http_shard_scatter_merge_conf(ngx_conf_t *cf,
    ngx_http_shard_loc_conf_t *prev, ngx_http_shard_loc_conf_t *conf,
    ngx_http_upstream_conf_t *ucf);

/* _scatter: begin and end */

ngx_int_t ngx_http_shard_scatter_handler(ngx_http_request_t *r);
void ngx_http_shard_scatter_go_on(ngx_http_shard_scatter_t *s);

/* _scatter_shards: which shards, and where one is by now */

ngx_int_t ngx_http_shard_scatter_shards(ngx_http_shard_scatter_t *s,
    ngx_str_t *refusal);
ngx_int_t ngx_http_shard_scatter_locate(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;

/* _part: one shard's */

ngx_int_t ngx_http_shard_part_start(ngx_http_shard_part_t *part);
ngx_int_t ngx_http_shard_part_done(ngx_http_request_t *sr, void *data,
    ngx_int_t rc);
void ngx_http_shard_part_kill(ngx_http_shard_part_t *part,
    ngx_http_shard_part_fault_e fault);
ngx_int_t ngx_http_shard_part_gate(ngx_http_request_t *r) ngx_http_shard_cold;

/* _part_body: what it answers */

ngx_int_t ngx_http_shard_part_header(ngx_http_shard_part_t *part,
    ngx_http_request_t *r);
ngx_int_t ngx_http_shard_part_body(ngx_http_shard_part_t *part,
    ngx_chain_t *in) ngx_http_shard_cold;
void ngx_http_shard_part_fail(ngx_http_shard_part_t *part,
    ngx_http_shard_part_fault_e fault);

/* _scatter_answer */

ngx_int_t ngx_http_shard_scatter_answer(ngx_http_shard_scatter_t *s);
ngx_int_t ngx_http_shard_scatter_refuse(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *text);


/* NULL: no part.  Told by what a redirect inside nginx leaves alone */

static ngx_inline ngx_http_shard_part_t *
ngx_http_shard_part(ngx_http_request_t *r)
{
    if (r == r->main || r->post_subrequest == NULL
        || r->post_subrequest->handler != ngx_http_shard_part_done)
    {
        return NULL;
    }

    return r->post_subrequest->data;
}


#endif /* _NGX_HTTP_SHARD_SCATTER_H_INCLUDED_ */
