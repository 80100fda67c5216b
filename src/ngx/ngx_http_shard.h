
/*
 * The module's own shapes: configuration, shared memory, a request.
 *
 *        nginx.conf                     shared memory (one zone a keyspace)
 *   shard_table orders 64m ──────▶ ngx_http_shard_sh_t
 *   upstream { shard orders }        index ×2 · nodes ×2   who owns what
 *                                    latches               where it goes now
 *   request ─▶ gate ─▶ peer          counters              what was counted
 *               │  held              ledger [worker]       who is on its way
 *               ▼                    tickets              who waits
 *             parked                 leader                which worker syncs
 *
 * All workers read and count without locks.  One worker a keyspace, the
 * leader, writes: _sync reads Redis into its _model, which publishes into
 * the zone; _flush and _router send counters and barriers back.
 */


#ifndef _NGX_HTTP_SHARD_H_INCLUDED_
#define _NGX_HTTP_SHARD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

/* nothing but nginx' own table of modules looks at a name from outside */

#pragma GCC visibility push(hidden)

#include "../core/shard_types.h"
#include "../core/shard_clients.h"
#include "../core/shard_codec.h"
#include "../core/shard_deadline.h"
#include "../core/shard_key.h"
#include "../core/shard_ledger.h"
#include "../core/shard_metrics.h"
#include "../core/shard_override.h"
#include "../core/shard_pick.h"
#include "../core/shard_policy.h"
#include "../core/shard_split.h"
#include "../core/shard_table.h"
#include "../core/shard_tickets.h"

#include "ngx_http_shard_health.h"


#define NGX_HTTP_SHARD_VERSION      5            /* of the zone's layout */
#define NGX_HTTP_SHARD_MAGIC        0x3144524148534e47ULL
#define NGX_HTTP_SHARD_WORKERS_MAX  256
#define NGX_HTTP_SHARD_HOLD_MAX     4096         /* of a shard, by default */
#define NGX_HTTP_SHARD_HOLD_BYTES   (64 * 1024 * 1024)
#define NGX_HTTP_SHARD_POLL         1            /* ms, while something waits */
#define NGX_HTTP_SHARD_POLL_PARKED  4096         /* one ms more for each */
#define NGX_HTTP_SHARD_LEASE        1000         /* ms */
#define NGX_HTTP_SHARD_TICK         250          /* ms */
#define NGX_HTTP_SHARD_SHORT_ADDR   24           /* bytes of most addresses */
#define NGX_HTTP_SHARD_PLACE        (sizeof(ngx_str_t)                        \
                                     + sizeof(struct sockaddr_in)             \
                                     + NGX_HTTP_SHARD_SHORT_ADDR)
#define NGX_HTTP_SHARD_CLASSES      6            /* 0: none, 1xx .. 5xx */
#define NGX_HTTP_SHARD_MIRRORED_MAX 128          /* migrations at once */
#define NGX_HTTP_SHARD_MIRROR_WRITES  64         /* keys noted of each */

/* what every request runs through lies together, in few pages of code */

#define ngx_http_shard_hot  __attribute__((hot))

/* bits of node_flags: set and cleared atomically, each by its own writer */

#define NGX_HTTP_SHARD_NODE_DOWN        SHARD_FLAG_DOWN
#define NGX_HTTP_SHARD_NODE_DRAINING    SHARD_FLAG_DRAINING
#define NGX_HTTP_SHARD_NODE_DEAD        SHARD_FLAG_DEAD
#define NGX_HTTP_SHARD_NODE_SLOW        SHARD_FLAG_SLOW
#define NGX_HTTP_SHARD_NODE_UNRESOLVED  SHARD_FLAG_UNRESOLVED


/*
 * Counted by every worker, taken (and zeroed) by the leader at a flush, which
 * looks at slots of the "touched" bitmap only: whoever counts first since
 * then sets the bit.  Small: there is one for every shard.
 */

#define NGX_HTTP_SHARD_BYTES_UNIT  64

typedef struct {
    uint32_t                    offered;
    uint32_t                    done;            /* answered, or given up */
    uint32_t                    errors;          /* of these */
    uint32_t                    writes;          /* of these */
    uint32_t                    bytes_64;        /* in units of 64 bytes */
    uint32_t                    latency_ms;      /* sum of those answered */
} ngx_http_shard_counters_t;


/* a node as workers need it; copied out before use */

/* what a host name came to: changed in place, by turns */

typedef struct {
    uint32_t                    turn;            /* v[turn & 1] counts */
    struct {
        uint32_t                len;             /* 0: none yet */
        union {
            struct sockaddr     sockaddr;
            struct sockaddr_in  sin;
#if (NGX_HAVE_INET6)
            struct sockaddr_in6 sin6;
#endif
        } addr;
    } v[2];
} ngx_http_shard_named_t;


typedef struct {
    ngx_sockaddr_t              sockaddr;
    socklen_t                   socklen;         /* 0: see "named" */
    uint16_t                    named_port;      /* 0: no host name */
    ngx_http_shard_named_t      named;
    uint16_t                    name_len;
    uint16_t                    zone_len;
    uint16_t                    addr_len;
    uint16_t                    state;           /* shard_node_state_e */
    uint16_t                    zone_number;     /* SHARD_ZONE_NONE: none */
    double                      capacity;
    u_char                      name[SHARD_NAME_SIZE];
    u_char                      zone[SHARD_NAME_SIZE];
    u_char                      addr[SHARD_ADDR_SIZE];
} ngx_http_shard_node_t;


typedef struct {
    ngx_uint_t                  nnodes;
    ngx_uint_t                  nshards;
    ngx_http_shard_node_t      *nodes;
    shard_index_t               index;
} ngx_http_shard_arena_t;


/* what a mirrored read came to */

typedef enum {
    NGX_HTTP_SHARD_MIRROR_SENT = 0,              /* all but skipped ones */
    NGX_HTTP_SHARD_MIRROR_SAME,
    NGX_HTTP_SHARD_MIRROR_STATUS,                /* differs */
    NGX_HTTP_SHARD_MIRROR_BODY,                  /* differs */
    NGX_HTTP_SHARD_MIRROR_BEHIND,                /* differs, key was written */
    NGX_HTTP_SHARD_MIRROR_FAILED,                /* no answer of the target */
    NGX_HTTP_SHARD_MIRROR_SKIPPED                /* not sent or not compared */
} ngx_http_shard_mirror_result_e;

#define NGX_HTTP_SHARD_MIRROR_RESULTS  (NGX_HTTP_SHARD_MIRROR_SKIPPED + 1)


/* of one migration, since the first of its reads was mirrored */

typedef struct {
    uint32_t                    slot;
    shard_id_t                  id;
    uint32_t                    opened;          /* ms; writes noted since */
    uint32_t                    count[NGX_HTTP_SHARD_MIRROR_RESULTS];
    uint32_t                    source_ms;       /* sums over compared ones */
    uint32_t                    target_ms;

    /* when keys were written last: 32 bits of the key, 32 of the ms */
    uint64_t                    wrote[NGX_HTTP_SHARD_MIRROR_WRITES];
} ngx_http_shard_mirrored_t;


/* what became of a request; one that was several of these is the last one */

typedef enum {
    NGX_HTTP_SHARD_DIRECT = 0,
    NGX_HTTP_SHARD_HELD,                         /* parked, then sent */
    NGX_HTTP_SHARD_FAILOVER,                     /* by another than the first */
    NGX_HTTP_SHARD_RETRIED,                      /* sent again after a 421 */
    NGX_HTTP_SHARD_FAILED,                       /* the last node tried */
    NGX_HTTP_SHARD_REFUSED,                      /* sent to no node */
    NGX_HTTP_SHARD_OUTCOMES
} ngx_http_shard_fate_e;


/* requests of one node, cumulative */

typedef struct {
    ngx_atomic_t  n[NGX_HTTP_SHARD_CLASSES][NGX_HTTP_SHARD_OUTCOMES];
} ngx_http_shard_requests_t;


/* counters of the whole keyspace, cumulative, for shard_metrics */

typedef struct {
    ngx_atomic_t                held;
    ngx_atomic_t                hold_ms;
    ngx_atomic_t                misdirected;     /* 421 seen */
    ngx_atomic_t                retried;         /* sent again after it */
    ngx_atomic_t                rejected_updates;
    ngx_atomic_t                hold_timeouts;
    ngx_atomic_t                hold_overflows;
    ngx_atomic_t                latency_us;
    ngx_atomic_t                mirror[NGX_HTTP_SHARD_MIRROR_RESULTS];
} ngx_http_shard_totals_t;


/* samples of one worker on their way to the leader: it alone moves head, the
 * leader alone tail; both only grow */

typedef struct {
    ngx_atomic_t                head;
    ngx_atomic_t                tail;
    uint64_t                    spare[6];        /* to the end of the line */
    shard_metrics_sample_t      samples[];       /* [ring_size] */
} ngx_http_shard_ring_t;


/* meta.policy, and the numbers of zones: readers take v[seq & 1] and read
 * seq again */

typedef struct {
    uint64_t                    seq;
    shard_policy_t              v[2];
} ngx_http_shard_policy_t;


typedef struct {
    uint64_t                    magic;
    uint32_t                    version;         /* of this layout */
    uint32_t                    nslots;
    uint32_t                    nnodes_max;
    uint32_t                    nworkers;        /* with rows of their own */
    uint64_t                    instance;        /* random, of this zone */

    /* which arena is live: arenas[structure & 1]; readers check it twice */
    uint64_t                    structure;
    ngx_http_shard_arena_t      arenas[2];

    /* grows behind each route that is written, and with each lead */
    uint32_t                    routes;

    ngx_atomic_t                table_version;   /* 0: no table yet */
    ngx_atomic_t                contact_ms;      /* since 1970 */
    ngx_atomic_t                connected;
    ngx_atomic_t                refresh_wanted;  /* after a 421 */
    ngx_atomic_t                refresh_done;

    ngx_atomic_t                leader;          /* pid, 0 = nobody */
    ngx_atomic_t                leader_until;    /* monotonic ms */
    ngx_atomic_t                leader_token;
    ngx_atomic_t                flush_sequence;
    ngx_atomic_t                replaced;        /* by a zone of another size */
    ngx_atomic_t                overrides;       /* a sum of those in force */

    ngx_atomic_t                workers[NGX_HTTP_SHARD_WORKERS_MAX]; /* pids */
    ngx_atomic_t                before[NGX_HTTP_SHARD_WORKERS_MAX];
                                                 /* pids on an older zone */
    ngx_atomic_t                waiting[NGX_HTTP_SHARD_WORKERS_MAX];
                                                 /* parked by each */
    ngx_http_shard_totals_t     totals;
    ngx_atomic_t                latency[SHARD_METRICS_LATENCY_BUCKETS];
    uint64_t                    latency_taken[SHARD_METRICS_LATENCY_BUCKETS];
                                                 /* by the last flush */
    uint32_t                    position[SHARD_METRICS_POSITION_BUCKETS];
    ngx_atomic_t                hold_latency[SHARD_METRICS_LATENCY_BUCKETS];
    ngx_http_shard_policy_t     policy;
    uint64_t                    mirrored_id[NGX_HTTP_SHARD_MIRRORED_MAX];
                                                 /* migrations, 0: free */
    ngx_http_shard_mirrored_t   mirrored[NGX_HTTP_SHARD_MIRRORED_MAX];

    shard_latch_t              *latches;         /* [nslots] */
    ngx_http_shard_counters_t  *counters;        /* [nslots] */
    uint64_t                   *touched;         /* [(nslots + 63) / 64] */
    shard_ledger_t              ledger;          /* requests in flight */
    shard_tickets_t             tickets;         /* under shpool's mutex */
    uint32_t                   *node_inflight;   /* [nworkers][nnodes_max] */
    uint32_t                   *node_failed;     /* [nnodes_max] */
    uint8_t                    *node_flags;      /* [nnodes_max] */
    ngx_http_shard_node_health_t *node_health;   /* [nnodes_max] */
    ngx_http_shard_requests_t  *requests;        /* [nnodes_max + 1], the last
                                                    of no node */
    u_char                     *rings;           /* of samples [nworkers] */
    uint32_t                    ring_size;       /* 0: no samples */
    shard_clients_t             clients;         /* with "client=" */
} ngx_http_shard_sh_t;


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


/* "shard_table": one keyspace of this instance */

typedef struct {
    ngx_str_t                   name;
    ngx_str_t                   state_file;
    ngx_shm_zone_t             *zone;
    ngx_slab_pool_t            *shpool;
    ngx_http_shard_sh_t        *sh;
    ngx_cycle_t                *cycle;
    ngx_uint_t                  worker;          /* this worker's number */
    ngx_uint_t                  row;             /* of node_inflight */
    shard_ledger_row_t          inflight;        /* this worker's */
    ngx_http_shard_notes_t     *notes;           /* this worker's */
    ngx_http_shard_sampler_t    sampler;         /* this worker's */
    ngx_uint_t                  used;            /* by some upstream */
    ngx_uint_t                  leaving;         /* led, and ends */
    ngx_atomic_uint_t           token;           /* of its last lead */
    ngx_msec_t                  hold_timeout;    /* the longest of them */
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


/* "shard" in upstream {} */

typedef struct {
    ngx_http_shard_keyspace_t  *keyspace;        /* NULL: no "shard" */
    ngx_http_complex_value_t    key;
    ngx_int_t                   key_index;       /* of a lone variable */
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
    ngx_http_shard_scatter_conf_t  *scatter;     /* and then no "shard" */
} ngx_http_shard_loc_conf_t;


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
 * one block more costs as much as all of the routing.
 */

typedef struct {
    ngx_http_request_t         *request;
    ngx_http_shard_srv_conf_t  *conf;
    ngx_http_shard_wait_t      *wait;            /* NULL mostly */

    ngx_str_t                   key;
    uint64_t                    position;
    uint64_t                    sticky;          /* spread over all bits */
    uint32_t                    slot;
    shard_id_t                  id;
    shard_route_t               route;           /* as last read */
    uint16_t                    node;            /* number of it */
    uint16_t                    room;            /* bytes at name */
    uint32_t                    entry;           /* in flight, if entered */

    ngx_str_t                  *name;            /* node's address, for logs;
                                                    behind it its sockaddr */
    ngx_int_t                 (*process_header)(ngx_http_request_t *r);
    ngx_int_t                 (*reinit_request)(ngx_http_request_t *r);
    uint32_t                    held_ms;
    uint32_t                    structure;       /* that slot is of, low bits */

    unsigned                    socklen:8;
    unsigned                    attempt:8;       /* nodes tried before */
    unsigned                    role:2;          /* shard_role_e of node */
    unsigned                    picked:1;        /* node is this attempt's */
    unsigned                    chosen:1;        /* and its address is here */
    unsigned                    again:1;         /* the next one's turn */
    unsigned                    failover:1;      /* node stands in */
    unsigned                    others:1;        /* might stand in for it */
    unsigned                    misses:1;        /* its miss is no answer */
    unsigned                    missed:1;        /* the target has it not */
    unsigned                    resolved:1;      /* slot is known */
    unsigned                    entered:1;       /* is in flight */
    unsigned                    gated:1;         /* may pass to content */
    unsigned                    body_read:1;
    unsigned                    parked:1;
    unsigned                    was_held:1;
    unsigned                    misdirected:1;   /* a 421 was answered */
    unsigned                    awaiting:1;      /* the owner, after it */
    unsigned                    offered:1;
    unsigned                    counted:1;
    unsigned                    node_entered:1;
    unsigned                    watched:1;       /* its body, wait->watch */
    unsigned                    forced:1;        /* to shard "id", no key */

    /* not zeroed: the name and address of a node with an IPv4 address */
    u_char                      place[NGX_HTTP_SHARD_PLACE]
                                __attribute__((aligned(8)));
} ngx_http_shard_ctx_t;


extern ngx_module_t  ngx_http_shard_module;
extern ngx_module_t  ngx_http_shard_filter_module;


/* _directives, _directives_upstream */

ngx_uint_t ngx_http_shard_param(ngx_str_t *arg, const char *name,
    ngx_str_t *value);
char *ngx_http_shard_bad_param(ngx_conf_t *cf, ngx_str_t *directive,
    ngx_str_t *arg, const char *const *words);
ngx_http_shard_keyspace_t *ngx_http_shard_find_keyspace(
    ngx_http_shard_main_conf_t *smcf, ngx_str_t *name);

char *ngx_http_shard_redis_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_shard_router_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_shard_table_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_shard_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_shard_hold_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_shard_mirror_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_shard_api_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_shard_metrics_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_shard_scatter_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

char *ngx_http_shard_health_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* _conf: configurations and which upstream a location goes to */

void *ngx_http_shard_create_main_conf(ngx_conf_t *cf);
char *ngx_http_shard_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_shard_create_srv_conf(ngx_conf_t *cf);
void *ngx_http_shard_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_shard_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);

/* _zone: the layout, and what a reload takes over */

ngx_int_t ngx_http_shard_init_zone(ngx_shm_zone_t *zone, void *data);

/* _policy: what meta.policy says; zones by number, SHARD_ZONE_NONE: none */

ngx_uint_t ngx_http_shard_zone_number(ngx_http_shard_sh_t *sh,
    ngx_str_t *name);
ngx_uint_t ngx_http_shard_zone_register(ngx_http_shard_sh_t *sh,
    ngx_str_t *name);
ngx_uint_t ngx_http_shard_distance(ngx_http_shard_sh_t *sh, ngx_uint_t a,
    ngx_uint_t b);
void ngx_http_shard_policy_inherit(ngx_http_shard_sh_t *to,
    ngx_http_shard_sh_t *from);

/* _workers: their numbers and rows, the leader's lease */

ngx_uint_t ngx_http_shard_alive(ngx_atomic_uint_t pid);
ngx_int_t ngx_http_shard_join(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_leave_worker(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_bury(ngx_http_shard_keyspace_t *ks);
ngx_int_t ngx_http_shard_lead(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_abdicate(ngx_http_shard_keyspace_t *ks);
ngx_uint_t ngx_http_shard_leading(ngx_http_shard_keyspace_t *ks);
ngx_uint_t ngx_http_shard_waiting(ngx_http_shard_keyspace_t *ks);
uint32_t ngx_http_shard_node_inflight(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t node);
ngx_uint_t ngx_http_shard_old_workers(ngx_http_shard_keyspace_t *ks);

/* _upgrade: of the binary */

void ngx_http_shard_upgrade_init(ngx_cycle_t *cycle);
ngx_uint_t ngx_http_shard_upgrade_workers(ngx_http_shard_main_conf_t *smcf);

/* _inflight: the ledger of requests on their way */

uint32_t ngx_http_shard_ledger_entries(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t nworkers);
void ngx_http_shard_ledger_check(ngx_http_shard_keyspace_t *ks);
uint32_t ngx_http_shard_inflight(ngx_http_shard_keyspace_t *ks, uint32_t slot);
ngx_int_t ngx_http_shard_tally(ngx_http_shard_keyspace_t *ks,
    shard_tally_t *tally);

/* _route: position, slot, in-flight gate */

ngx_http_shard_ctx_t *ngx_http_shard_lost_ctx(ngx_http_request_t *r);
ngx_http_shard_ctx_t *ngx_http_shard_create_ctx(ngx_http_request_t *r,
    ngx_http_shard_srv_conf_t *conf) ngx_http_shard_hot;
ngx_http_shard_wait_t *ngx_http_shard_wait(ngx_http_shard_ctx_t *ctx);
ngx_int_t ngx_http_shard_resolve(ngx_http_shard_ctx_t *ctx) ngx_http_shard_hot;
void ngx_http_shard_enter(ngx_http_shard_ctx_t *ctx) ngx_http_shard_hot;
void ngx_http_shard_leave(ngx_http_shard_ctx_t *ctx) ngx_http_shard_hot;
ngx_int_t ngx_http_shard_pass_gate(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_hot;
ngx_int_t ngx_http_shard_gate_handler(ngx_http_request_t *r)
    ngx_http_shard_hot;

/* _count: what is left of it */

void ngx_http_shard_offer_shared(ngx_http_shard_ctx_t *ctx);
void ngx_http_shard_count(ngx_http_shard_ctx_t *ctx, ngx_uint_t status,
    off_t bytes) ngx_http_shard_hot;
ngx_int_t ngx_http_shard_log_handler(ngx_http_request_t *r) ngx_http_shard_hot;

/* _pick: the node of an attempt */

ngx_int_t ngx_http_shard_pick_among(ngx_http_shard_ctx_t *ctx);
ngx_uint_t ngx_http_shard_pick_others(ngx_http_shard_ctx_t *ctx);
ngx_uint_t ngx_http_shard_must_wait(ngx_http_shard_ctx_t *ctx);
ngx_uint_t ngx_http_shard_overtakes(ngx_http_shard_ctx_t *ctx);
void ngx_http_shard_forget_pick(ngx_http_shard_ctx_t *ctx);
ngx_int_t ngx_http_shard_next_pick(ngx_http_shard_ctx_t *ctx);
ngx_int_t ngx_http_shard_choose(ngx_http_shard_ctx_t *ctx) ngx_http_shard_hot;
ngx_int_t ngx_http_shard_node_text(ngx_http_shard_ctx_t *ctx, ngx_uint_t zone,
    ngx_str_t *text);
ngx_int_t ngx_http_shard_nobody(ngx_http_shard_ctx_t *ctx);
void ngx_http_shard_log_owner(ngx_http_shard_ctx_t *ctx, const char *what);

/* _hold: parking */

ngx_int_t ngx_http_shard_retry_after(ngx_http_request_t *r);
ngx_int_t ngx_http_shard_park(ngx_http_shard_ctx_t *ctx);
void ngx_http_shard_unpark(ngx_http_shard_ctx_t *ctx);

/* _hold_bounds */

extern ngx_uint_t  ngx_http_shard_nwaiting;

ngx_uint_t ngx_http_shard_crowded(void);
ngx_uint_t ngx_http_shard_room(void);
ngx_int_t ngx_http_shard_overflow(ngx_http_shard_ctx_t *ctx, ngx_int_t rc);
ngx_msec_t ngx_http_shard_patience(ngx_http_shard_ctx_t *ctx);
ngx_int_t ngx_http_shard_held_take(ngx_http_shard_keyspace_t *ks,
    shard_tally_t *tally);
void ngx_http_shard_poll_handler(ngx_event_t *ev);

/* _wake: of workers by each other */

ngx_int_t ngx_http_shard_wake_init(ngx_cycle_t *cycle);
ngx_int_t ngx_http_shard_wake_listen(ngx_cycle_t *cycle);
void ngx_http_shard_wake_close(ngx_cycle_t *cycle);
void ngx_http_shard_wake_all(ngx_http_shard_keyspace_t *ks);

/* _named: nodes by host name; addresses found are kept in shared memory */

socklen_t ngx_http_shard_named_get(ngx_http_shard_node_t *node,
    struct sockaddr *sockaddr);
ngx_int_t ngx_http_shard_named_choose(ngx_http_shard_ctx_t *ctx);
void ngx_http_shard_named_keep(ngx_http_shard_node_t *from,
    ngx_http_shard_node_t *to);
ngx_uint_t ngx_http_shard_named_set(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n, ngx_str_t *addr, struct sockaddr *sockaddr,
    socklen_t socklen);

/* _clients: groups of them, where "client=" is configured */

uint32_t ngx_http_shard_clients_capacity(size_t size);
void ngx_http_shard_count_client(ngx_http_shard_ctx_t *ctx, ngx_uint_t error,
    off_t bytes);

/* _sample: which keys requests are for */

uint32_t ngx_http_shard_ring_places(size_t size, ngx_uint_t nworkers);
size_t ngx_http_shard_rings_size(uint32_t n, ngx_uint_t nworkers);
void ngx_http_shard_sample_init(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_sample(ngx_http_shard_ctx_t *ctx);
void ngx_http_shard_sample_tick(ngx_http_shard_keyspace_t *ks);

/* _peer: the balancer */

ngx_int_t ngx_http_shard_init_upstream(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us);
void ngx_http_shard_node_leave(ngx_http_shard_ctx_t *ctx) ngx_http_shard_hot;

/* _session: TLS */

#if (NGX_HTTP_SSL)
ngx_int_t ngx_http_shard_set_session(ngx_peer_connection_t *pc, void *data);
void ngx_http_shard_save_session(ngx_peer_connection_t *pc, void *data);
#endif

/* _misdirected: 421 */

void ngx_http_shard_watch_header(ngx_http_shard_ctx_t *ctx) ngx_http_shard_hot;
void ngx_http_shard_forget_owner(ngx_http_shard_ctx_t *ctx);
ngx_int_t ngx_http_shard_allow_next(ngx_http_shard_ctx_t *ctx,
    ngx_uint_t types);

/* _mirror: reads of a moving shard to its target as well */

extern const char *const  ngx_http_shard_mirror_results[];

void ngx_http_shard_mirror(ngx_http_shard_ctx_t *ctx);
void ngx_http_shard_mirror_exit(void);

/* _health */

void ngx_http_shard_node_failure(ngx_http_shard_keyspace_t *ks, ngx_uint_t n);
ngx_uint_t ngx_http_shard_node_avoids(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n, uint64_t sticky);
const char *ngx_http_shard_node_seen(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n);
void ngx_http_shard_health_forget(ngx_http_shard_sh_t *sh, ngx_uint_t n);

/* _vars */

ngx_int_t ngx_http_shard_add_variables(ngx_conf_t *cf);

/* _sync: the leader's work */

void ngx_http_shard_tick_handler(ngx_event_t *ev);
void ngx_http_shard_sync_poke(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_sync_stop(ngx_http_shard_keyspace_t *ks);

/* _state: last good table on disk */

ngx_int_t ngx_http_shard_state_read(ngx_http_shard_keyspace_t *ks,
    ngx_log_t *log);

/* _api */

ngx_int_t ngx_http_shard_api_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_shard_metrics_handler(ngx_http_request_t *r);


/*
 * Redirects inside nginx (error_page, try_files, X-Accel-Redirect) clear the
 * modules' contexts; what was counted must be found all the same.
 */

static ngx_inline ngx_http_shard_ctx_t *
ngx_http_shard_get_ctx(ngx_http_request_t *r)
{
    ngx_http_shard_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_shard_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {
        ctx = ngx_http_shard_lost_ctx(r);
    }

    return ctx;
}


#define ngx_http_shard_read_only(r)                                           \
    (((r)->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) != 0)

#define ngx_http_shard_keyspace(ctx)  ((ctx)->conf->keyspace)

#define ngx_http_shard_node_usable(sh, n)                                     \
    (((sh)->node_flags[n] & SHARD_FLAG_UNUSABLE) == 0)

#define ngx_http_shard_sockaddr(ctx)                                          \
    ((struct sockaddr *) ((ctx)->name + 1))

#define ngx_http_shard_add(counter, n)                                        \
    (void) __atomic_fetch_add(&(counter), (n), __ATOMIC_RELAXED)

/* a slot's first count since the last flush */

#define ngx_http_shard_touch(sh, slot)                                        \
    (void) __atomic_fetch_or(&(sh)->touched[(slot) / 64],                     \
                             (uint64_t) 1 << ((slot) % 64), __ATOMIC_RELAXED)


/* in its slow start a node gets a part of the keys only: 1 if not this one */

#define ngx_http_shard_node_slow(ks, n, sticky)                               \
    (((ks)->sh->node_flags[n] & SHARD_FLAG_SLOW)                              \
     && ngx_http_shard_node_avoids(ks, n, sticky))

/* several write flags of one node, each its own bits */

#define ngx_http_shard_node_set(sh, n, flags)                                 \
    (void) __atomic_fetch_or(&(sh)->node_flags[n], (flags), __ATOMIC_RELAXED)

#define ngx_http_shard_node_clear(sh, n, flags)                               \
    (void) __atomic_fetch_and(&(sh)->node_flags[n], (uint8_t) ~(flags),       \
                              __ATOMIC_RELAXED)


#define ngx_http_shard_pick_is_near(ctx)                                      \
    ((ctx)->conf->from && ((ctx)->route.flags & SHARD_ROUTE_EVENTUAL)         \
     && ngx_http_shard_read_only((ctx)->request))


/*
 * The node of this attempt into ctx->node.  NGX_OK; NGX_AGAIN: it must wait
 * for an owner; NGX_DECLINED: nobody can answer.
 */

static ngx_inline ngx_int_t
ngx_http_shard_pick(ngx_http_shard_ctx_t *ctx)
{
    if (ctx->picked) {
        return NGX_OK;
    }

    if (ctx->attempt
        || !shard_pick_plain(&ctx->route, ctx->conf->keyspace->sh->node_flags)
        || ngx_http_shard_pick_is_near(ctx))
    {
        return ngx_http_shard_pick_among(ctx);
    }

    ctx->node = ctx->route.primary;
    ctx->picked = 1;

    if (ctx->route.standbys[0] != SHARD_NODE_NONE) {
        ctx->others = ngx_http_shard_pick_others(ctx);
    }

    return NGX_OK;
}


#pragma GCC visibility pop


#endif /* _NGX_HTTP_SHARD_H_INCLUDED_ */
