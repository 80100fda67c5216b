
/*
 * What nginx.conf says, and a keyspace as one worker has it.  Both are made
 * anew by each reload.
 */


#ifndef _NGX_HTTP_SHARD_CONF_H_INCLUDED_
#define _NGX_HTTP_SHARD_CONF_H_INCLUDED_


#include "ngx_http_shard_zone.h"


#pragma GCC visibility push(hidden)


/* a shard published as held by the table: a cutover waits for its drain */

typedef struct {
    uint32_t                    slot;
    shard_id_t                  id;
    ngx_uint_t                  drained;
} ngx_http_shard_held_t;


/* bounds moved: see _handover */

#define NGX_HTTP_SHARD_HANDOVERS       16
#define NGX_HTTP_SHARD_HANDOVER_SLOTS  16

typedef struct {
    uint32_t                    n;
    ngx_uint_t                  all;             /* these, and all others */
    uint32_t                    slot[NGX_HTTP_SHARD_HANDOVER_SLOTS];
} ngx_http_shard_slots_t;

typedef struct {
    uint32_t                    structure;       /* low bits, if published */
    ngx_uint_t                  published;
    ngx_http_shard_slots_t      from;
    ngx_http_shard_slots_t      to;
} ngx_http_shard_handover_t;


typedef struct ngx_http_shard_sync_s   ngx_http_shard_sync_t;
typedef struct ngx_http_shard_notes_s  ngx_http_shard_notes_t;
typedef struct ngx_http_shard_near_s   ngx_http_shard_near_t;


/* which requests are samples: a worker's own */

typedef struct {
    uint32_t                    left;            /* requests to the next */
    uint32_t                    gap;             /* that it stands for */
    uint32_t                    mean;            /* of the gaps */
    uint32_t                    most;            /* samples in a tick */
    uint32_t                    taken;           /* since the last one */
    uint32_t                    limit;           /* of taken: too many */
    int64_t                     passed;          /* requests since then */
    ngx_msec_t                  since;
    uint64_t                    random;
    ngx_http_shard_ring_t      *ring;            /* NULL: none is kept */
} ngx_http_shard_sampler_t;


/*
 * "shard_table": one keyspace of this instance.  What each request uses comes
 * first: two cache lines, to which it is aligned.
 */

typedef struct {
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_notes_t     *notes;           /* this worker's */
    ngx_http_shard_near_t      *near;            /* this worker's, by node */
    uint8_t                    *node_flags;      /* the zone's */
    uint32_t                   *node_inflight;   /* this worker's row */
    ngx_http_shard_node_health_t *node_health;
    shard_ledger_row_t          inflight;        /* this worker's */
    uint32_t                    row_shared;      /* by others: node_inflight */
    uint32_t                    nleft;           /* of notes->left */
    uint32_t                    left_room;       /* for nleft: many or 1 */
    ngx_http_shard_sampler_t    sampler;         /* this worker's */

    ngx_str_t                   name;
    ngx_str_t                   state_file;
    ngx_shm_zone_t             *zone;
    ngx_slab_pool_t            *shpool;
    ngx_cycle_t                *cycle;
    ngx_uint_t                  worker;          /* this worker's number */
    ngx_uint_t                  used;            /* by some upstream */
    ngx_uint_t                  leaving;         /* led, and ends */
    ngx_atomic_uint_t           token;           /* of its last lead */
    ngx_msec_t                  hold_timeout;    /* the longest of them */
    ngx_msec_t                  hold_shortest;   /* 0: no upstream */
    ngx_uint_t                  mirror_due;      /* basis points of a read */
    ngx_http_shard_health_conf_t *health;        /* NULL: no shard_health */

    /* this worker's parked requests, oldest first */
    ngx_queue_t                 parked;
    ngx_uint_t                  nparked;
    ngx_event_t                 poll;            /* while some are parked */
    ngx_event_t                 tick;            /* leader's lease */

    ngx_http_shard_sync_t      *sync;            /* while this worker leads */
    ngx_http_shard_held_t      *held;            /* by slot, the leader's */
    uint32_t                    nheld;
    uint32_t                    held_size;
    ngx_http_shard_handover_t   handovers[NGX_HTTP_SHARD_HANDOVERS];
    uint32_t                    nhandovers;      /* the leader's */
} ngx_http_shard_keyspace_t;


typedef struct {
    ngx_str_t                   text;            /* as configured */
    ngx_str_t                   user;
    ngx_str_t                   password;
    ngx_int_t                   db;
    ngx_msec_t                  timeout;

    ngx_addr_t                 *addrs;           /* Redis, or sentinels */
    ngx_uint_t                  naddrs;
    ngx_str_t                   sentinel;        /* the master's name */
    ngx_str_t                   sentinel_password;
    ngx_uint_t                  answered;        /* which sentinel last did */

    ngx_uint_t                  tls;
    ngx_uint_t                  tls_unverified;
    ngx_str_t                   tls_ca;
    ngx_str_t                   tls_cert;
    ngx_str_t                   tls_key;
    ngx_str_t                   tls_name;        /* SNI, and checked */
    void                       *tls_context;     /* SSL_CTX */
} ngx_http_shard_redis_conf_t;


typedef struct {
    ngx_http_shard_redis_conf_t redis;
    ngx_str_t                   router;
    ngx_str_t                   router_zone;
    ngx_msec_t                  interval;
    ngx_array_t                 keyspaces;       /* of ..._keyspace_t * */
    ngx_uint_t                  parking;         /* a gate is in place */
    ngx_pid_t                   old_master;      /* of an upgrade, or 0 */
    ngx_uint_t                  scatters;        /* shard_scatter somewhere */
    int                        *wake;            /* eventfd per worker number */
    ngx_connection_t           *wake_connection;
} ngx_http_shard_main_conf_t;


typedef struct ngx_http_shard_keepalive_s  ngx_http_shard_keepalive_t;


/* "shard" in upstream {} */

typedef struct {
    ngx_http_shard_keyspace_t  *keyspace;        /* NULL: no "shard" */
    ngx_http_shard_keepalive_t *keepalive;       /* NULL: none of its own */
    ngx_int_t                   key_index;       /* of a lone variable */
    ngx_http_complex_value_t    key;
    ngx_http_complex_value_t   *client;
    ngx_http_complex_value_t   *from;            /* zone, for eventual reads */
    ngx_uint_t                  fresh;           /* strong reads wait, too */
    ngx_uint_t                  miss;            /* status of copy-on-write */
    ngx_uint_t                  hold_max;
    size_t                      hold_bytes;
    ngx_msec_t                  hold_timeout;
    ngx_http_complex_value_t   *hold_deadline;
    ngx_uint_t                  mirror_max;      /* at once, of a worker */
    ngx_msec_t                  mirror_timeout;
    ngx_uint_t                  balances;        /* none came after it */
    ngx_uint_t                  health;          /* shard_health is here */
    void                      **sessions;        /* TLS, of this worker [node] */
} ngx_http_shard_srv_conf_t;


typedef struct ngx_http_shard_scatter_conf_s  ngx_http_shard_scatter_conf_t;


typedef struct {
    ngx_uint_t                  api;             /* shard_api here */
    ngx_uint_t                  api_write;
    ngx_http_upstream_conf_t   *upstream;        /* of the content handler */
    ngx_module_t               *content;         /* whose that is */
    ngx_http_shard_srv_conf_t  *shard;           /* its upstream's, or NULL */
    ngx_http_shard_keyspace_t  *keyspace;        /* of that, as each request */
    ngx_int_t                   key_index;       /* needs it */
    ngx_uint_t                  plain;           /* no "client", no "from" */
    ngx_http_shard_scatter_conf_t  *scatter;     /* and then no "shard" */
} ngx_http_shard_loc_conf_t;


#pragma GCC visibility pop


#endif /* _NGX_HTTP_SHARD_CONF_H_INCLUDED_ */
