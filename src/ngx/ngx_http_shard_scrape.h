
/*
 * shard_metrics: an answer of any length, a slice at a time.
 *
 *   handler ─▶ fill ─▶ all in one slice: with its length
 *               │
 *               └▶ header, chunked ─▶ send ─▶ sent: next event loop, fill ─┐
 *                                      ▲  └▶ not yet: writable ─┐          │
 *                                      └────────────────────────┴──────────┘
 *
 * One buffer, filled again when the client has taken it: a million shards
 * cost as much memory as one, and a slice is about 0.3 ms of the worker's
 * time.
 */


#ifndef _NGX_HTTP_SHARD_SCRAPE_H_INCLUDED_
#define _NGX_HTTP_SHARD_SCRAPE_H_INCLUDED_


#include "ngx_http_shard_view.h"


#define NGX_HTTP_SHARD_SLICE        (32 * 1024)  /* bytes at once */
#define NGX_HTTP_SHARD_SLICE_ROWS   1024         /* rows looked at, at once */
#define NGX_HTTP_SHARD_SLICE_ROW    (8 * 1024)   /* bytes of the longest row */


typedef struct {
    ngx_http_request_t         *request;
    ngx_array_t                *keyspaces;
    ngx_buf_t                  *b;
    ngx_chain_t                 out;
    ngx_event_t                 next;            /* slice, when posted */

    ngx_uint_t                  family;          /* where it has come to */
    ngx_uint_t                  keyspace;
    uint32_t                    row;
    uint32_t                    nrows;           /* of shards, gone through */
    uint64_t                    lo;              /* of the last of them ... */
    shard_bytes_t               bound;           /* ... and of range bytes */
    uint64_t                    structure;       /* that row is of */

    uint32_t                    from;            /* of shards, by position */
    uint32_t                    limit;

    unsigned                    shards:1;        /* ?shards=1 */
    unsigned                    begun:1;         /* the family's head */
    unsigned                    busy:1;          /* not all sent yet */
    unsigned                    done:1;
} ngx_http_shard_scrape_t;


typedef enum {
    NGX_HTTP_SHARD_ROWS_ONE = 0,                 /* a keyspace: print() */
    NGX_HTTP_SHARD_ROWS_NODES,                   /* a node, then "no node" */
    NGX_HTTP_SHARD_ROWS_CLIENTS,                 /* a client group */
    NGX_HTTP_SHARD_ROWS_SHARDS                   /* only with ?shards=1 */
} ngx_http_shard_rows_e;


typedef struct {
    ngx_http_shard_keyspace_t  *keyspace;
    ngx_uint_t                  number;          /* of the node, or nnodes_max:
                                                    no node; or a place */
    ngx_str_t                  *node;            /* its name, or the primary's
                                                    of the shard, or the
                                                    client's */
    shard_id_t                  id;              /* of the shard */
    uint32_t                    slot;
    shard_route_t               route;
} ngx_http_shard_row_t;


typedef struct ngx_http_shard_family_s  ngx_http_shard_family_t;

struct ngx_http_shard_family_s {
    const char                 *name;            /* after nginx_shard_ */
    const char                 *type;
    void                      (*print)(ngx_buf_t *b,
                                       ngx_http_shard_keyspace_t *ks,
                                       const ngx_http_shard_family_t *family);
    size_t                      offset;          /* in ..._totals_t */
    const char                 *help;
    ngx_http_shard_rows_e       rows;
    void                      (*row)(ngx_buf_t *b, ngx_http_shard_row_t *row,
                                     const ngx_http_shard_family_t *family);
    uint32_t                  (*value)(ngx_http_shard_row_t *row);
};


/* _prometheus; a NULL name ends the table */

extern const ngx_http_shard_family_t  ngx_http_shard_families[];

/* _fill: as much as one slice takes; sets "done" behind the last row */

void ngx_http_shard_scrape_fill(ngx_http_shard_scrape_t *scrape);
void ngx_http_shard_scrape_print(ngx_buf_t *b, const char *fmt, ...);


#endif /* _NGX_HTTP_SHARD_SCRAPE_H_INCLUDED_ */
