
/*
 * The leader of a keyspace: two connections to Redis, one that waits for the
 * log, one for everything else.
 *
 *   tick ─▶ lead? ─▶ what the zone has ─▶ command connection
 *                          ┌────────────────────┘
 *                          ├─▶ load: meta, nodes, table (HSCAN), log since
 *                          │           ─▶ settle ─▶ publish, both in slices
 *                          │                         │
 *                          │               follow connection: XREAD BLOCK ─┐
 *                          │                         ▲  next version: apply │
 *                          │                         │  same log? publish   │
 *                          │                         └──────────────────────┤
 *                          │         a gap, another log: load again ◀───────┘
 *                          └─▶ each tick: meta.version, override
 *                          └─▶ each interval: metrics (_flush) and _router
 */


#ifndef _NGX_HTTP_SHARD_SYNC_H_INCLUDED_
#define _NGX_HTTP_SHARD_SYNC_H_INCLUDED_


#include "ngx_http_shard_exchange.h"
#include "ngx_http_shard_model.h"
#include "ngx_http_shard_names.h"
#include "ngx_http_shard_redis.h"


#define NGX_HTTP_SHARD_IGNORED_MAX  64           /* overrides told of */
#define NGX_HTTP_SHARD_KEY_SIZE     (sizeof("shard:{}:override") + 64 + 16)


typedef enum {
    NGX_HTTP_SHARD_SYNC_TAKE = 0,                /* what is in the zone */
    NGX_HTTP_SHARD_SYNC_IDLE,                    /* not connected, or waits */
    NGX_HTTP_SHARD_SYNC_META,
    NGX_HTTP_SHARD_SYNC_NODES,
    NGX_HTTP_SHARD_SYNC_TABLE,
    NGX_HTTP_SHARD_SYNC_LOG,                     /* changes during the load */
    NGX_HTTP_SHARD_SYNC_SETTLE,                  /* sort and check it */
    NGX_HTTP_SHARD_SYNC_VERBS,                   /* overrides */
    NGX_HTTP_SHARD_SYNC_PUBLISH,                 /* a load, or a change */
    NGX_HTTP_SHARD_SYNC_FOLLOW
} ngx_http_shard_sync_state_e;


typedef struct {
    shard_id_t                    id;
    char                          reason[160];
} ngx_http_shard_ignored_t;


/* JSON on its way to Redis, on the heap; it grows */

typedef struct {
    u_char                       *start;
    u_char                       *pos;
    u_char                       *end;
    ngx_log_t                    *log;
    ngx_uint_t                    failed;        /* no memory */
} ngx_http_shard_text_t;


typedef struct ngx_http_shard_state_s  ngx_http_shard_state_t;
typedef struct ngx_http_shard_checks_s  ngx_http_shard_checks_t;


struct ngx_http_shard_sync_s {
    ngx_http_shard_keyspace_t    *keyspace;
    ngx_http_shard_main_conf_t   *conf;
    ngx_log_t                    *log;
    ngx_http_shard_model_t       *model;         /* in use */
    ngx_http_shard_model_t       *loading;       /* to take its place */
    ngx_event_t                   work;          /* goes on in slices */
    ngx_http_shard_model_t       *junk;          /* to be freed */
    ngx_event_t                   dismantle;

    ngx_http_shard_names_t       *names;

    ngx_http_shard_redis_t        command;
    ngx_http_shard_redis_t        follow;
    ngx_msec_t                    command_retry_at;
    ngx_msec_t                    follow_retry_at;
    ngx_uint_t                    failures;      /* in a row */
    ngx_uint_t                    told;          /* failure logged, lines */
    uint64_t                      told_reason;
    uint64_t                      refused;       /* last reason logged, hash */

    ngx_http_shard_sync_state_e   state;
    uint64_t                      load_version;
    shard_kind_e                  load_kind;
    ngx_uint_t                    loaded;        /* what is published now */
    ngx_uint_t                    structure;     /* is in it */
    ngx_uint_t                    just_loaded;   /* not followed since */
    ngx_uint_t                    out_of_memory;
    ngx_msec_t                    load_at;       /* not before */
    uint64_t                      applied;       /* the log's entry of the
                                                    model's version, its sum;
                                                    0: it has none */
    uint64_t                      checked;       /* what is being checked: */
    uint64_t                      checked_version;
    ngx_uint_t                    reading;       /* an XREAD and its check are
                                                    out */
    ngx_uint_t                    unpublished;   /* applied, not yet checked */
    ngx_msec_t                    behind_since;  /* 0 = not behind */

    ngx_uint_t                    polling;       /* meta and override asked */
    uint64_t                      polled;        /* the version known then */
    uint64_t                      override_hash;
    uint64_t                      override_until;/* next "until", ms, 0 none */
    ngx_uint_t                    nignored;
    ngx_http_shard_ignored_t      ignored[NGX_HTTP_SHARD_IGNORED_MAX];
    ngx_uint_t                    ntold;         /* of those before */
    uint64_t                      ignored_told[NGX_HTTP_SHARD_IGNORED_MAX];

    shard_policy_t               *policy;        /* read last */
    ngx_uint_t                    policy_staged; /* and not published yet */

    ngx_atomic_uint_t             refresh_asked; /* tickets an answer covers */
    ngx_uint_t                    refreshing;
    uint64_t                      refresh_version;

    ngx_http_shard_checks_t      *checks;        /* of nodes, or NULL */
    ngx_event_t                   barrier;       /* while shards are held */
    ngx_msec_t                    flush_at;
    ngx_msec_t                    flushed_at;
    ngx_msec_t                    state_at;
    ngx_http_shard_state_t       *state_file;    /* being written */
    ngx_event_t                   state_work;
    ngx_msec_t                    state_us;      /* spent on it */
    uint64_t                      state_version; /* on disk */
    ngx_uint_t                    state_failed;  /* and logged */
    u_char                       *entry;         /* room of a command's head,
                                                    metrics not acknowledged */
    size_t                        entry_len;
    size_t                        entry_size;
    ngx_uint_t                    entry_out;
    ngx_event_t                   take;          /* the next one, in slices */
    ngx_uint_t                    taking;
    uint32_t                      take_at;       /* word of the bitmap */
    uint32_t                      take_most;     /* shards in it */
    shard_tally_t                 tally;         /* in flight, by slot */
    shard_tally_t                 held;          /* since the last entry */
    shard_metrics_writer_t        writer;
    ngx_uint_t                    entry_refused; /* and logged */
    ngx_http_shard_text_t         router;        /* the entry, as last sent */
    ngx_uint_t                    router_out;
    ngx_uint_t                    router_again;
    ngx_uint_t                    router_beside; /* not by its name */
};


/* "shard:{KEYSPACE}:SUFFIX" into buf, which is returned */

char *ngx_http_shard_sync_key(ngx_http_shard_sync_t *sync,
    const char *suffix, char *buf);

ngx_int_t ngx_http_shard_sync_command(ngx_http_shard_sync_t *sync,
    ngx_http_shard_reply_pt handler, const char *fmt, ...);

/*
 * Publishes the model, at once when that is a matter of a slice, else
 * beside the requests; until then nothing more of the log is applied.
 */

void ngx_http_shard_sync_publish(ngx_http_shard_sync_t *sync);

/* the next slice of what is under way, after the events that are due */

void ngx_http_shard_sync_work(ngx_http_shard_sync_t *sync);

void ngx_http_shard_sync_contact(ngx_http_shard_sync_t *sync);

/* _sync_poll: what has no log entry, a table made anew or lost and overrides */

void ngx_http_shard_sync_poll(ngx_http_shard_sync_t *sync);

/* _work */

void ngx_http_shard_work_handler(ngx_event_t *ev);
void ngx_http_shard_work_dismantle(ngx_http_shard_sync_t *sync,
    ngx_http_shard_model_t *m);
void ngx_http_shard_work_dismantle_handler(ngx_event_t *ev);
void ngx_http_shard_work_dismantle_stop(ngx_http_shard_sync_t *sync);
void ngx_http_shard_work_state(ngx_http_shard_sync_t *sync);
void ngx_http_shard_work_state_handler(ngx_event_t *ev);
void ngx_http_shard_work_state_stop(ngx_http_shard_sync_t *sync);

/* _load */

/* an update refused: counted, told once per reason */

void ngx_http_shard_sync_reject(ngx_http_shard_sync_t *sync, const char *what,
    const char *why);

void ngx_http_shard_load(ngx_http_shard_sync_t *sync);
void ngx_http_shard_load_again(ngx_http_shard_sync_t *sync, const char *why);
void ngx_http_shard_load_lost(ngx_http_shard_sync_t *sync);
void ngx_http_shard_load_settle(ngx_http_shard_sync_t *sync,
    ngx_http_shard_slice_t *slice);
void ngx_http_shard_load_done(ngx_http_shard_sync_t *sync);

/* _follow */

/* on a new connection: is its log the one that was followed? */

void ngx_http_shard_follow_anew(ngx_http_shard_sync_t *sync);
void ngx_http_shard_follow(ngx_http_shard_sync_t *sync);

/* entries of the log into a model, the one in use or the one loaded */

ngx_int_t ngx_http_shard_apply(ngx_http_shard_sync_t *sync,
    ngx_http_shard_model_t *m, redisReply *entries);

/* tells an entry from another of the same number; 0: it is no entry */

uint64_t ngx_http_shard_entry_sum(redisReply *entry);

/* _override */

void ngx_http_shard_override(ngx_http_shard_sync_t *sync, redisReply *reply);
void ngx_http_shard_override_expire(ngx_http_shard_sync_t *sync);

/* _policy */

void ngx_http_shard_policy_read(ngx_http_shard_sync_t *sync,
    redisReply *value);
void ngx_http_shard_policy_publish(ngx_http_shard_sync_t *sync);

/* _state_write: last good table on disk */

ngx_http_shard_state_t *ngx_http_shard_state_begin(
    ngx_http_shard_keyspace_t *ks, ngx_http_shard_model_t *m, ngx_log_t *log);
ngx_int_t ngx_http_shard_state_work(ngx_http_shard_state_t *st,
    ngx_http_shard_model_t *m, ngx_http_shard_slice_t *slice);
uint64_t ngx_http_shard_state_version(ngx_http_shard_state_t *st);
ngx_uint_t ngx_http_shard_state_syncing(ngx_http_shard_state_t *st);
void ngx_http_shard_state_free(ngx_http_shard_state_t *st, ngx_log_t *log);

/* _clients: in the entry that is being made */

size_t ngx_http_shard_clients_size(ngx_http_shard_sh_t *sh);
void ngx_http_shard_take_clients(ngx_http_shard_sync_t *sync);

/* _sample: in the entry that is being made */

size_t ngx_http_shard_samples_size(ngx_http_shard_sh_t *sh);
void ngx_http_shard_take_samples(ngx_http_shard_sync_t *sync);

/* _flush */

void ngx_http_shard_flush(ngx_http_shard_sync_t *sync);
void ngx_http_shard_take_handler(ngx_event_t *ev);

/* _handover */

void ngx_http_shard_handover_begin(ngx_http_shard_keyspace_t *ks);
ngx_uint_t ngx_http_shard_handover_waits(ngx_http_shard_keyspace_t *ks,
    uint32_t slot);
void ngx_http_shard_handover_settle(ngx_http_shard_keyspace_t *ks);

/* _barrier */

void ngx_http_shard_barrier_begin(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_barrier(ngx_http_shard_sync_t *sync);
void ngx_http_shard_barrier_handler(ngx_event_t *ev);
void ngx_http_shard_barrier_print(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t);

/* _health, _health_state */

ngx_int_t ngx_http_shard_health_start(ngx_http_shard_sync_t *sync);
void ngx_http_shard_health_stop(ngx_http_shard_sync_t *sync);
void ngx_http_shard_health_forgive(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_health_look(ngx_http_shard_keyspace_t *ks, ngx_uint_t n);
void ngx_http_shard_health_calm(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_health_result(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n, ngx_http_shard_exchange_t *x);

#define ngx_http_shard_health_arena(ks)                                       \
    (&(ks)->sh->arenas[(ks)->sh->structure & 1])

/* _router */

void ngx_http_shard_print(ngx_http_shard_text_t *t, const char *fmt, ...);
void ngx_http_shard_flush_router(ngx_http_shard_sync_t *sync);

/* _mirrored: results of migrations that go on, the rest is forgotten */

void ngx_http_shard_print_mirrors(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t);


#endif /* _NGX_HTTP_SHARD_SYNC_H_INCLUDED_ */
