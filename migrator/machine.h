
/*
 * One migration being carried out.
 *
 *         ┌──────────── put (CAS on seq) ◀── setter ◀─────────┐
 *         ▼                                                   │ next, back,
 *   attend: renew the claim, read the wish ──▶ step of the ───┤ rolling-back
 *         ▲      lapsed: LOST                  phase          │
 *         └────────────── wait, retry ◀───────────────────────┘
 *
 * Whoever holds the claim of shard:ID may run it.  A migrator that slept too
 * long is refused at its next write by the claim's token, and its requests
 * to backends by their epochs: an epoch has one meaning for ever, because a
 * rollback of a sealed source takes a new one too (step_rollback.c).
 *
 * Nothing here allocates.
 */


#ifndef _MIGRATOR_MACHINE_H_INCLUDED_
#define _MIGRATOR_MACHINE_H_INCLUDED_


#include "io.h"
#include "pacing.h"


/* where a queue's deliveries stop */

typedef enum {
    MIGRATOR_HOLD_ROUTER = 0,
    MIGRATOR_HOLD_BACKEND
} migrator_queue_hold_e;


/* live routers that do not hear of the hold: docs/migration.md, "barrier" */

typedef enum {
    MIGRATOR_SILENT_ABORT = 0,
    MIGRATOR_SILENT_FENCE
} migrator_silent_e;


/* how migrations are done; the YAML file's part of it */

typedef struct {
    long               claim_ttl_ms;
    long               cutover_ttl_ms;      /* while requests wait */
    long               request_timeout_ms;
    long               router_live_ms;
    long               require_routers;
    long               hold_timeout_ms;
    long               standby_time_ms;     /* retire.c's */
    long               keep_standby;
    int                silent_routers;      /* migrator_silent_e */
    long               silent_after_ms;     /* within the hold */
    long               max_per_node;        /* at once */
    long               max_per_zone;        /* 0: no bound */
    long               max_fleet;           /* 0: no bound */
    double             room;                /* of the source's bytes */
    long               batch;               /* log entries per call */
    long               parts_from;          /* bytes of a shard */
    long               copy_rate;           /* bytes/s, 0: no bound */
    long               copy_min_rate;
    long               copy_item_bytes;
    double             copy_latency_ratio;  /* to before the copy, 0: any */
    long               copy_latency_slack_ms;
    long               catch_up_lag;        /* entries */
    long               catch_up_window_ms;
    long               probes;
    long               probe_interval_ms;
    double             gate_confidence;     /* of a breach, one-sided */
    long               max_errors_bp;
    double             max_error_ratio;     /* target to source */
    double             max_latency_ratio;   /* p90, target to source */
    long               latency_floor_ms;    /* faster than this is good */
    long               down_after_ms;       /* without an answer */
    long               mirror_sample;       /* mirrored reads compared */
    long               mirror_wait_ms;      /* for so many of them */
    long               mirror_bad_bp;       /* that may differ or fail */
    long               shift_step_bp;       /* the first one */
    long               shift_min_bp;
    long               shift_max_bp;        /* 0: as the first */
    int                queue_hold;          /* migrator_queue_hold_e */
    long               queue_drain_ms;      /* before the hold */
    long               queue_held_drain_ms; /* within it */
    long               shift_interval_ms;
    long               shift_back_ms;       /* of a step of the way back */
    long               timeout_ms[MIGRATOR_PHASES];
    migrator_hook_t    hooks[MIGRATOR_HOOKS_MAX];
} migrator_policy_t;


typedef enum {
    MIGRATOR_NEXT = 0,
    MIGRATOR_OTHER,           /* the table's other way */
    MIGRATOR_WAIT,            /* not yet: again after wait_ms */
    MIGRATOR_RETRY,           /* a call failed: again with backoff */
    MIGRATOR_FAIL,            /* roll back, m->err says why */
    MIGRATOR_LOST             /* somebody else's now: touch nothing */
} migrator_result_e;

typedef enum {
    MIGRATOR_ENDED = 0,       /* done or rolled back */
    MIGRATOR_LEFT,            /* asked to stop; another may go on */
    MIGRATOR_LET_GO           /* lost */
} migrator_end_e;


/* latencies of one node's probes */

#define MIGRATOR_PROBES_MAX  200

typedef struct {
    uint32_t           n;
    uint32_t           errors;
    uint64_t           down_ms;             /* failing since, 0: it is not */
    uint32_t           us[MIGRATOR_PROBES_MAX];
} migrator_sample_t;


typedef struct {
    const migrator_io_t      *io;
    const migrator_driver_t  *driver;
    void                     *driver_data;
    const migrator_policy_t  *policy;

    migrator_state_t          state;
    uint64_t                  token;        /* of the claim */
    uint64_t                  into_token;   /* of the other shard's, or 0 */

    uint64_t                  started_ms;   /* this run's clock of the phase */
    uint64_t                  renewed_ms;
    long                      lease_ms;     /* as it was claimed last */
    uint64_t                  wish_ms;
    uint64_t                  saved_ms;
    uint64_t                  complained_ms;
    uint64_t                  down_ms;      /* no answer since, 0: none yet */
    long                      wait_ms;
    long                      backoff_ms;
    uint32_t                  hooked;       /* hooks of the phase, so far */
    unsigned                  begun:1;      /* those before it are over */
    unsigned                  worked:1;     /* so is its step */
    unsigned                  dry:1;        /* a check alone, no claim */
    unsigned                  lost:1;
    unsigned                  paused:1;
    unsigned                  dirty:1;      /* figures not stored yet */
    unsigned                  entered:1;    /* its first run has begun */
    unsigned                  positioned:1; /* state.position is true */
    unsigned                  noded:1;      /* source, target: of this hold */
    unsigned                  abandoned:1;  /* the commit cannot happen */
    unsigned                  returns:1;    /* a router may: it was said */
    unsigned                  flows:1;      /* rolling-back: nobody waits */
    unsigned                  unsealed:1;
    unsigned                  refused:1;    /* the last shipment was */
    unsigned                  probed:1;     /* warm-up's probes are good */
    unsigned                  mirrors:1;    /* mirrored reads are counted */
    unsigned                  settled:1;    /* nothing is left behind */
    unsigned                  dropped:1;    /* there is room for an import */
    unsigned                  kept:1;       /* the digests of a cut are */

    shard_node_t              source;
    shard_node_t              target;

    /* of single phases, all of which can be found out again */
    uint64_t                  published_ms; /* when the hold was seen */
    uint64_t                  released_ms;  /* and its end, 0: not by us */
    shard_record_t            committed;    /* as the commit saw it, */
    uint64_t                  committed_version;    /* 0: release reads it */
    uint64_t                  stepped_ms;   /* last shift, probe, shipment */
    uint64_t                  window_ms;
    uint64_t                  window_lag;
    uint64_t                  window_shipped;
    uint32_t                  windows_bad;
    uint32_t                  silent;       /* asked in vain, in a row */
    uint32_t                  back_bp;      /* of one step back */
    migrator_sample_t         samples[2];   /* source, target */
    double                    strain;       /* of the gate passed last */
    migrator_pace_t           pace;
    uint64_t                  mirror_ms;    /* counted since */
    uint64_t                  looked_ms;    /* and looked at last */
    migrator_mirrors_t        mirror_base;
    migrator_mirrors_t        mirrored;
    uint32_t                  nrequired;
    char                      required[MIGRATOR_ROUTERS_MAX][SHARD_NAME_SIZE];
    migrator_routers_t        routers;
    migrator_digest_t         digest[2];
    unsigned                  parted:1;     /* by parts: it has begun */
    unsigned                  throttled:1;  /* "throttle" is set */
    uint32_t                  backoffs_seen;
    uint32_t                  repairs;      /* rounds of them */
    uint64_t                  repair;       /* bits: parts to send again */
    migrator_throttle_t       throttle;
    char                      next[MIGRATOR_NEXT_SIZE];     /* of a drop */

    char                      err[MIGRATOR_ERR_SIZE];
} migrator_t;


typedef migrator_result_e (*migrator_step_pt)(migrator_t *m);


/* state, token and the seams are set, the rest is zero */

migrator_end_e migrator_run(migrator_t *m);


/* machine_attend.c; renew: the claim alone */

migrator_result_e migrator_attend(migrator_t *m);
migrator_result_e migrator_renew(migrator_t *m);


/* for steps */

#if (__GNUC__)
#define migrator_printf(f, a)  __attribute__((format(printf, f, a)))
#else
#define migrator_printf(f, a)
#endif

migrator_printf(3, 4)
migrator_result_e migrator_say(migrator_t *m, migrator_result_e result,
    const char *fmt, ...);

/* an outcome of the store or of the driver as a step's result */

migrator_result_e migrator_store_rc(migrator_t *m, int rc, const char *what);
migrator_result_e migrator_driver_rc(migrator_t *m, int rc, const char *what);

migrator_result_e migrator_wait(migrator_t *m, long ms);

/* step_limit.c: of one request: within the hold no more than is left of it */

const migrator_limit_t *migrator_limit(migrator_t *m, migrator_limit_t *buf);

/* the same for calls that take their time, such as a copy */

const migrator_limit_t *migrator_long_limit(migrator_t *m,
    migrator_limit_t *buf);

/* of what comes after: a slow node has the time to forget */

#define MIGRATOR_SETTLE_MS  10000

const migrator_limit_t *migrator_settle_limit(migrator_t *m,
    migrator_limit_t *buf);

/* of a copy within a phase that is none: it takes its time all the same */

const migrator_limit_t *migrator_fill_limit(migrator_t *m,
    migrator_limit_t *buf);

/* stores figures now */

migrator_result_e migrator_save(migrator_t *m);

/* addresses of source and target as the table has them now */

migrator_result_e migrator_nodes(migrator_t *m);

/* how the table's record relates to the migration */

typedef enum {
    MIGRATOR_OURS = 0,        /* base epoch, source is primary, ours or free */
    MIGRATOR_SWITCHED,        /* copy-on-write, base epoch + 1: two pieces */
    MIGRATOR_COMMITTED,       /* last epoch, target is primary */
    MIGRATOR_RETURNED,        /* last epoch, source is primary again */
    MIGRATOR_FOREIGN          /* somebody else's */
} migrator_owner_e;

migrator_owner_e migrator_owner(const migrator_state_t *state,
    const shard_record_t *rec);
migrator_result_e migrator_record(migrator_t *m, shard_record_t *rec,
    uint64_t *version);

/* the same of a shard that is not committed and in nobody else's hands */

migrator_result_e migrator_own_record(migrator_t *m, shard_record_t *rec,
    uint64_t *version);

/* 1: the table names the target as one of the shard's standbys */

int migrator_to_standby(const migrator_state_t *state,
    const shard_record_t *rec);

/* one commit of the shard's record; *version: the one read, then the new */

migrator_result_e migrator_commit(migrator_t *m, const char *operation,
    uint64_t *version, const shard_record_t *rec);

/* operation's id in the store, that of this attempt */

void migrator_operation(const migrator_state_t *state, const char *operation,
    char *name, size_t size);

/* the shard's record: SHARDD_NONE only when a merge has not taken it */

int migrator_look(migrator_t *m, shard_record_t *rec, uint64_t *version);

/* target's position when it is not known; ships a batch */

migrator_result_e migrator_ship(migrator_t *m, uint64_t entries);

/* step_copy.c: the target gives up what it has, an empty standby then */

migrator_result_e migrator_reset(migrator_t *m);

/* step_parts.c: copies by parts, and repairs */

int migrator_parts_offered(const migrator_t *m,
    const migrator_stats_t *source, const migrator_stats_t *target);
const migrator_limit_t *migrator_copy_limit(migrator_t *m,
    migrator_limit_t *buf);
migrator_result_e migrator_copy_parts(migrator_t *m,
    const migrator_stats_t *target);
migrator_result_e migrator_repair_begin(migrator_t *m);
migrator_result_e migrator_repair_next(migrator_t *m);

/* step_driver.c: what only some drivers need */

migrator_result_e migrator_prepare(migrator_t *m);
migrator_result_e migrator_settle(migrator_t *m, migrator_outcome_e outcome);

/* step_warm_up.c: probes both nodes once, judges when there are enough */

migrator_result_e migrator_gate(migrator_t *m);


/* hooks.c: those of the phase; FAIL: one failed that may end it */

migrator_result_e migrator_hooks(migrator_t *m, migrator_when_e when);


/* step_mirror.c: the target's share of reads, where the policy has one */

migrator_result_e migrator_mirror_begin(migrator_t *m);
migrator_result_e migrator_mirror_gate(migrator_t *m, int wait);


/* step_check.c: nothing of an operator is in force that forbids the move */

migrator_result_e migrator_check_override(migrator_t *m);
migrator_result_e migrator_check_override_of(migrator_t *m,
    shard_id_t shard);


/* step_write.c: copy-on-write; "moves": between its switch and its commit */

int migrator_write_moves(const migrator_state_t *state);
migrator_result_e migrator_write_sync(migrator_t *m);
migrator_result_e migrator_write_part(migrator_t *m, migrator_role_e role,
    uint64_t *position);
migrator_result_e migrator_write_ship(migrator_t *m, uint64_t *position);
migrator_result_e migrator_write_level(migrator_t *m, uint64_t *lag);

/* step_write_back.c */

migrator_result_e migrator_write_back(migrator_t *m, shard_record_t *rec,
    uint64_t version);

/* step_drain.c: every live router has parked it; MIGRATOR_WAIT: not yet */

migrator_result_e migrator_drained(migrator_t *m);

/* WAIT: before a hold, a router may be there that has not said so yet */

migrator_result_e migrator_routers_back(migrator_t *m);

/* step_consume.c: consumers that are not behind a router take the rest */

migrator_result_e migrator_consume_rest(migrator_t *m);


/* step_promote.c: the same steps where the source is dead */

migrator_result_e migrator_promote_check(migrator_t *m,
    const shard_record_t *rec);
migrator_result_e migrator_promote_sync(migrator_t *m);
migrator_result_e migrator_promote_known(migrator_t *m, uint64_t version);
void migrator_promote_others(migrator_t *m, const shard_record_t *rec);


/* step_rollback.c: of a target's answer when it was told to forget */

void migrator_left(migrator_t *m, int rc);


/* step_replicate.c: the table's standbys */

migrator_result_e migrator_replicate_commit(migrator_t *m);


/* step_cut.c, step_cut_commit.c, step_cut_after.c: splits and merges */

void migrator_cut_begin(migrator_t *m);
migrator_result_e migrator_cut_claim(migrator_t *m, long ttl_ms);
void migrator_cut_release(migrator_t *m);
int migrator_cut_look(migrator_t *m, shard_record_t *rec, uint64_t *version);
migrator_result_e migrator_cut_check(migrator_t *m,
    const shard_record_t *rec);
migrator_result_e migrator_cut_drop(migrator_t *m, const shard_node_t *node,
    shard_id_t shard, uint32_t epoch);
migrator_result_e migrator_cut_import(migrator_t *m);
migrator_result_e migrator_cut_keep(migrator_t *m);
migrator_result_e migrator_cut_hold(migrator_t *m, uint64_t *version,
    shard_record_t *rec);
migrator_result_e migrator_cut_commit(migrator_t *m);
migrator_result_e migrator_cut_open(migrator_t *m, shard_record_t *rec,
    uint64_t version);
migrator_result_e migrator_cut_free(migrator_t *m, uint64_t version,
    const shard_record_t *rec);
migrator_result_e migrator_cut_desert(migrator_t *m);
migrator_result_e migrator_cut_forget(migrator_t *m, uint32_t epoch);
migrator_result_e migrator_cut_after(migrator_t *m);


migrator_result_e migrator_step_check(migrator_t *m);
migrator_result_e migrator_step_copy(migrator_t *m);
migrator_result_e migrator_step_catch_up(migrator_t *m);
migrator_result_e migrator_step_warm_up(migrator_t *m);
migrator_result_e migrator_step_shift(migrator_t *m);
migrator_result_e migrator_step_consume(migrator_t *m);
migrator_result_e migrator_step_switch(migrator_t *m);
migrator_result_e migrator_step_fill(migrator_t *m);
migrator_result_e migrator_step_hold(migrator_t *m);
migrator_result_e migrator_step_drain(migrator_t *m);
migrator_result_e migrator_step_final_sync(migrator_t *m);
migrator_result_e migrator_step_verify(migrator_t *m);
migrator_result_e migrator_step_commit(migrator_t *m);
migrator_result_e migrator_step_release(migrator_t *m);
migrator_result_e migrator_step_standby(migrator_t *m);
migrator_result_e migrator_step_rollback(migrator_t *m);


#endif /* _MIGRATOR_MACHINE_H_INCLUDED_ */
