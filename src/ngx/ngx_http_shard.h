
/*
 * The module's own shapes: configuration (_conf), shared memory (_zone), a
 * request (_request); and what its files have for each other.
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


#include "ngx_http_shard_request.h"


#pragma GCC visibility push(hidden)


#define NGX_HTTP_SHARD_HOLD_MAX     4096         /* of a shard, by default */
#define NGX_HTTP_SHARD_HOLD_BYTES   (64 * 1024 * 1024)
#define NGX_HTTP_SHARD_POLL         1            /* ms, while something waits */
#define NGX_HTTP_SHARD_POLL_PARKED  4096         /* one ms more for each */
#define NGX_HTTP_SHARD_LEASE        1000         /* ms */
#define NGX_HTTP_SHARD_TICK         250          /* ms */

/*
 * What every request runs through lies together, in few lines of code: those
 * cost more than their instructions, because by the next request the kernel
 * has taken their place in the cache.  A branch that calls what is cold is
 * moved out of the way by the compiler.
 */

#define ngx_http_shard_hot   __attribute__((hot))
#define ngx_http_shard_cold  __attribute__((cold, noinline))

#define ngx_http_shard_likely(condition)    __builtin_expect(!!(condition), 1)
#define ngx_http_shard_unlikely(condition)  __builtin_expect(!!(condition), 0)


extern ngx_module_t  ngx_http_shard_module;
extern ngx_module_t  ngx_http_shard_filter_module;


/* _directives, _directives_upstream */

#define NGX_HTTP_SHARD_TIME_MAX  NGX_MAX_INT_T_VALUE    /* ms */

ngx_uint_t ngx_http_shard_param(ngx_str_t *arg, const char *name,
    ngx_str_t *value);
ngx_int_t ngx_http_shard_param_time(ngx_str_t *value, ngx_msec_t least,
    ngx_msec_t most, ngx_msec_t *ms);
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
char *ngx_http_shard_keepalive_directive(ngx_conf_t *cf, ngx_command_t *cmd,
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

/* _locate: by the table; NGX_DECLINED when there is none, NGX_ABORT when that
 * is no key of this keyspace */

ngx_int_t ngx_http_shard_locate(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
void ngx_http_shard_enter(ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;

/* _route: position, slot, in-flight gate */

ngx_http_shard_ctx_t *ngx_http_shard_lost_ctx(ngx_http_request_t *r)
    ngx_http_shard_cold;
ngx_http_shard_ctx_t *ngx_http_shard_create_ctx(ngx_http_request_t *r,
    ngx_http_shard_srv_conf_t *conf) ngx_http_shard_cold;
ngx_http_shard_wait_t *ngx_http_shard_wait(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
ngx_int_t ngx_http_shard_resolve(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
ngx_int_t ngx_http_shard_pass_gate(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
ngx_int_t ngx_http_shard_gate_handler(ngx_http_request_t *r)
    ngx_http_shard_hot;

/* _body: read before the gate */

ngx_uint_t ngx_http_shard_needs_body(ngx_http_request_t *r,
    ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
ngx_int_t ngx_http_shard_read_body(ngx_http_request_t *r,
    ngx_http_shard_ctx_t *ctx, ngx_http_shard_srv_conf_t *conf)
    ngx_http_shard_cold;

/* _count: what is left of it */

void ngx_http_shard_offer_shared(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
void ngx_http_shard_count(ngx_http_shard_ctx_t *ctx, ngx_uint_t status,
    off_t bytes) ngx_http_shard_hot;
ngx_int_t ngx_http_shard_log_handler(ngx_http_request_t *r) ngx_http_shard_hot;

/* _pick: the node of an attempt */

ngx_int_t ngx_http_shard_pick_among(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
ngx_uint_t ngx_http_shard_pick_others(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
ngx_uint_t ngx_http_shard_must_wait(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
ngx_uint_t ngx_http_shard_overtakes(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
void ngx_http_shard_forget_pick(ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
ngx_int_t ngx_http_shard_next_pick(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
ngx_int_t ngx_http_shard_node_text(ngx_http_shard_ctx_t *ctx, ngx_uint_t zone,
    ngx_str_t *text);
ngx_int_t ngx_http_shard_nobody(ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
void ngx_http_shard_log_owner(ngx_http_shard_ctx_t *ctx, const char *what)
    ngx_http_shard_cold;

/* _choose: its address */

ngx_int_t ngx_http_shard_choose(ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;

/* _hold: parking */

ngx_int_t ngx_http_shard_retry_after(ngx_http_request_t *r)
    ngx_http_shard_cold;
ngx_int_t ngx_http_shard_park(ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
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
ngx_int_t ngx_http_shard_named_choose(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
void ngx_http_shard_named_keep(ngx_http_shard_node_t *from,
    ngx_http_shard_node_t *to);
ngx_uint_t ngx_http_shard_named_set(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n, ngx_str_t *addr, struct sockaddr *sockaddr,
    socklen_t socklen);

/* _clients: groups of them, where "client=" is configured */

uint32_t ngx_http_shard_clients_capacity(size_t size);
void ngx_http_shard_count_client(ngx_http_shard_ctx_t *ctx, ngx_uint_t error,
    off_t bytes) ngx_http_shard_cold;

/* _sample: which keys requests are for */

uint32_t ngx_http_shard_ring_places(size_t size, ngx_uint_t nworkers);
size_t ngx_http_shard_rings_size(uint32_t n, ngx_uint_t nworkers);
void ngx_http_shard_sample_init(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_sample(ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
void ngx_http_shard_sample_tick(ngx_http_shard_keyspace_t *ks);

/* _peer: the balancer */

ngx_int_t ngx_http_shard_init_upstream(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us);

/* _session: TLS */

#if (NGX_HTTP_SSL)
ngx_int_t ngx_http_shard_set_session(ngx_peer_connection_t *pc, void *data);
void ngx_http_shard_save_session(ngx_peer_connection_t *pc, void *data);
#endif

/* _misdirected: 421 */

ngx_int_t ngx_http_shard_process_header(ngx_http_request_t *r)
    ngx_http_shard_hot;
ngx_int_t ngx_http_shard_reinit_request(ngx_http_request_t *r)
    ngx_http_shard_cold;
void ngx_http_shard_forget_owner(ngx_http_shard_ctx_t *ctx)
    ngx_http_shard_cold;
ngx_int_t ngx_http_shard_allow_next(ngx_http_shard_ctx_t *ctx,
    ngx_uint_t types);

/* _mirror: reads of a moving shard to its target as well */

extern const char *const  ngx_http_shard_mirror_results[];

void ngx_http_shard_mirror(ngx_http_shard_ctx_t *ctx) ngx_http_shard_cold;
void ngx_http_shard_mirror_exit(void);

/* _health */

void ngx_http_shard_node_failure(ngx_http_shard_keyspace_t *ks, ngx_uint_t n)
    ngx_http_shard_cold;
ngx_uint_t ngx_http_shard_node_avoids(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n, uint64_t sticky);
const char *ngx_http_shard_node_seen(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n);
void ngx_http_shard_health_forget(ngx_http_shard_sh_t *sh, ngx_uint_t n);

/* bits of node_flags, some cleared and then some set */

void ngx_http_shard_node_mark(ngx_http_shard_sh_t *sh, ngx_uint_t n,
    uint8_t clear, uint8_t set);

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

#define ngx_http_shard_keyspace(ctx)  ((ctx)->keyspace)

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


/* answered, refused, or over: it is not in flight any more */

static ngx_inline void
ngx_http_shard_leave(ngx_http_shard_ctx_t *ctx)
{
    if (ngx_http_shard_likely(ctx->entered)) {
        shard_ledger_leave(&ngx_http_shard_keyspace(ctx)->inflight,
                           ctx->entry);
        ctx->entered = 0;
    }
}


/* this worker's own row has one writer, and needs no locked instruction */

static ngx_inline void
ngx_http_shard_node_count(ngx_http_shard_keyspace_t *ks, ngx_uint_t node,
    int n)
{
    uint32_t  *inflight;

    inflight = &ks->node_inflight[node];

    if (ngx_http_shard_unlikely(ks->row_shared)) {
        ngx_http_shard_add(*inflight, n);
        return;
    }

    __atomic_store_n(inflight, *inflight + n, __ATOMIC_RELAXED);
}


static ngx_inline void
ngx_http_shard_node_leave(ngx_http_shard_ctx_t *ctx)
{
    if (ngx_http_shard_likely(ctx->node_entered)) {
        ngx_http_shard_node_count(ngx_http_shard_keyspace(ctx), ctx->node, -1);
        ctx->node_entered = 0;
    }
}


/* in its slow start a node gets a part of the keys only: 1 if not this one */

#define ngx_http_shard_node_slow(ks, n, sticky)                               \
    (((ks)->sh->node_flags[n] & SHARD_FLAG_SLOW)                              \
     && ngx_http_shard_node_avoids(ks, n, sticky))

#define ngx_http_shard_node_set(sh, n, flags)                                 \
    ngx_http_shard_node_mark(sh, n, 0, flags)

#define ngx_http_shard_node_clear(sh, n, flags)                               \
    ngx_http_shard_node_mark(sh, n, flags, 0)


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
    if (ngx_http_shard_unlikely(ctx->picked)) {
        return NGX_OK;
    }

    if (ctx->attempt
        || !shard_pick_plain(&ctx->route,
                             ngx_http_shard_keyspace(ctx)->node_flags)
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
