
/*
 * Health of nodes: who sees what, and who decides.
 *
 *   workers: a request failed ──▶ requests + 1 ──▶ at "fails": DEAD
 *            answered ──────────▶ requests = 0         │
 *                                     │                ▼
 *   leader:  check or connect ──▶ shard_health_t ──▶ node_flags ──▶ pick
 *            (_exchange)              │
 *                                     └──▶ log, "routers", API
 *
 * All of it lies in the zone, by number of node: another leader goes on
 * where the last one was.  One keyspace has one set of checks, whatever the
 * number of upstreams that use it.
 */


#ifndef _NGX_HTTP_SHARD_HEALTH_H_INCLUDED_
#define _NGX_HTTP_SHARD_HEALTH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "../core/shard_health.h"


#define NGX_HTTP_SHARD_STATUSES  1000


/* "shard_health" */

typedef struct {
    shard_health_rule_t         rule;
    ngx_msec_t                  timeout;
    ngx_uint_t                  passive;         /* requests count, too */
    ngx_str_t                   uri;             /* empty: connections only */
    uint8_t                     status[NGX_HTTP_SHARD_STATUSES / 8];
                                                 /* a bit each: it is well */
    u_char                     *file;
    ngx_uint_t                  line;
} ngx_http_shard_health_conf_t;


/* of a node, in the zone */

typedef struct {
    shard_health_t              health;          /* written by the leader */
    uint32_t                    requests;        /* failed in a row, by all */
    uint32_t                    address;         /* + 1 when it is another */
} ngx_http_shard_node_health_t;


#define ngx_http_shard_health_status(conf, n)                                 \
    ((n) < NGX_HTTP_SHARD_STATUSES && ((conf)->status[(n) / 8] >> ((n) % 8) & 1))


#endif /* _NGX_HTTP_SHARD_HEALTH_H_INCLUDED_ */
