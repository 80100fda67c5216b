
/*
 * The zone of a keyspace: what all workers share.
 *
 *   index x2 · nodes x2    who owns what         readers check "structure"
 *   latches                where it goes now     each checks its own sequence
 *   counters, touched      what was counted      added to, taken by the leader
 *   ledger, tickets        who is on its way, who waits
 *   leader, routes ...     who syncs; what moved on
 *
 * All of it is placed by _zone; a reload with the same size keeps it, a
 * binary with another NGX_HTTP_SHARD_VERSION makes it anew.
 */


#ifndef _NGX_HTTP_SHARD_ZONE_H_INCLUDED_
#define _NGX_HTTP_SHARD_ZONE_H_INCLUDED_


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


#define NGX_HTTP_SHARD_VERSION      8            /* of the zone's layout */
#define NGX_HTTP_SHARD_MAGIC        0x3144524148534e47ULL
#define NGX_HTTP_SHARD_WORKERS_MAX  256
#define NGX_HTTP_SHARD_CLASSES      6            /* 0: none, 1xx .. 5xx */
#define NGX_HTTP_SHARD_MIRRORED_MAX 128          /* migrations at once */
#define NGX_HTTP_SHARD_MIRROR_WRITES  64         /* keys noted of each */

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


/* a node as workers need it; copied out before use */

typedef struct {
    socklen_t                   socklen;         /* 0: see "named" */
    uint16_t                    addr_len;
    uint16_t                    name_len;
    uint16_t                    zone_len;
    uint16_t                    state;           /* shard_node_state_e */
    uint16_t                    zone_number;     /* SHARD_ZONE_NONE: none */
    uint16_t                    named_port;      /* 0: no host name */
    u_char                      addr[SHARD_ADDR_SIZE];
    ngx_sockaddr_t              sockaddr;
    ngx_http_shard_named_t      named;
    double                      capacity;
    u_char                      name[SHARD_NAME_SIZE];
    u_char                      zone[SHARD_NAME_SIZE];
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

    /* in one cache line: all that most requests read here */

    /* which arena is live: arenas[structure & 1]; readers check it twice */
    uint64_t                    structure;

    /* grows behind each route that is written, each flag of a node, and with
     * each lead */
    uint32_t                    routes;

    /* 0: no node has failed requests, there is nothing for an answer to end */
    uint32_t                    failing;

    /* under shpool's mutex; begins with the word that every request reads */
    shard_tickets_t             tickets;

    ngx_http_shard_arena_t      arenas[2];

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


#pragma GCC visibility pop


#endif /* _NGX_HTTP_SHARD_ZONE_H_INCLUDED_ */
