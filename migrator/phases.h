
/*
 * The phases of a migration: one enum, one table, one setter, and a list of
 * phases for each verb and strategy.  Pure.
 *
 *   planned ▶ claimed ▶ check ▶ copy ▶ catch-up ▶ warm-up ▶ shift ▶ hold
 *                         │       ▲──────┴──────────┘         │       │
 *                         │    (log trimmed, copy stale)      │       ▼
 *                         └──▶ warm-up (stateless: no data)   │     drain
 *                                                             │       ▼
 *             stateless: nothing to hold ◀────────────────────┘  final-sync
 *                         │                                           ▼
 *                         └───────────────▶ commit ◀─────────────── verify
 *                                              ▼
 *                                           release ▶ standby ▶ done
 *
 *   any before commit's own write ──▶ rolling-back ──▶ rolled-back
 *
 * A promotion, of a standby whose primary is dead, is the short way:
 *
 *   planned ▶ claimed ▶ check ▶ final-sync ▶ commit ▶ release ▶ done
 *
 * A queue is first taken empty by its consumers, as far as they do in time:
 *
 *   ... warm-up ▶ consume ▶ hold ...
 *
 * Copy-on-write is held twice, shortly, and copies in between:
 *
 *   ... check ▶ warm-up ▶ freeze ▶ settle ▶ switch ▶ fill ▶ hold ...
 *                                      │
 *          writes: source              │   target; its log back to the source
 *          epoch:  E                   │   E + 1            commit: E + 2
 *
 * And a standby is made by
 *
 *   planned ▶ claimed ▶ check ▶ copy ▶ catch-up ▶ commit ▶ standby ▶ done
 *
 * Two shards out of one, one out of two (split, isolate, merge), by
 *
 *   planned ▶ claimed ▶ check ▶ copy ▶ catch-up ▶ hold ▶ drain ▶ final-sync
 *                         ▼                    ▲                   ▼
 *             stateless: commit ◀──────────────│───────────────── verify
 *                          ▼                   └ queue: consume first
 *                       release ▶ standby ▶ done
 *
 * A phase is stored before its work begins, and its work is "make it so":
 * whoever finds a migration in a phase does that phase's work again.
 */


#ifndef _MIGRATOR_PHASES_H_INCLUDED_
#define _MIGRATOR_PHASES_H_INCLUDED_


#include "shard_range.h"


#define MIGRATOR_TRAIL_SIZE  2048
#define MIGRATOR_BY_SIZE     128
#define MIGRATOR_ERROR_SIZE  512
#define MIGRATOR_WISHED      "an operator wished so"    /* in an error */
#define MIGRATOR_BOUND_SIZE  (2 * SHARD_BOUND_MAX + 1)


typedef enum {
    MIGRATOR_PLANNED = 0,
    MIGRATOR_CLAIMED,
    MIGRATOR_CHECK,
    MIGRATOR_COPY,
    MIGRATOR_CATCH_UP,
    MIGRATOR_WARM_UP,
    MIGRATOR_SHIFT,
    MIGRATOR_CONSUME,                   /* a queue is taken empty */
    MIGRATOR_FREEZE,                    /* copy-on-write: held, drained, */
    MIGRATOR_SETTLE,                    /* and writes go to the target */
    MIGRATOR_SWITCH,
    MIGRATOR_FILL,
    MIGRATOR_HOLD,
    MIGRATOR_DRAIN,
    MIGRATOR_FINAL_SYNC,
    MIGRATOR_VERIFY,
    MIGRATOR_COMMIT,
    MIGRATOR_RELEASE,
    MIGRATOR_STANDBY,
    MIGRATOR_DONE,
    MIGRATOR_ROLLING_BACK,
    MIGRATOR_ROLLED_BACK
} migrator_phase_e;

#define MIGRATOR_PHASES      (MIGRATOR_ROLLED_BACK + 1)
#define MIGRATOR_PHASE_NONE  MIGRATOR_PHASES


typedef enum {
    MIGRATOR_FORWARD = 0,
    MIGRATOR_BACKWARD,
    MIGRATOR_TERMINAL
} migrator_kind_e;

typedef enum {
    MIGRATOR_MOVE = 0,
    MIGRATOR_PROMOTE,                   /* the source is dead */
    MIGRATOR_REPLICATE,                 /* the target becomes a standby */
    MIGRATOR_SPLIT,                     /* a new shard has the upper keys */
    MIGRATOR_ISOLATE,                   /* the first of two splits */
    MIGRATOR_MERGE,                     /* a neighbour has all of its keys */
    MIGRATOR_VERB_NONE
} migrator_verb_e;

typedef enum {
    MIGRATOR_STEP_NONE = 0,             /* nothing to do, go on */
    MIGRATOR_STEP_CHECK,
    MIGRATOR_STEP_COPY,
    MIGRATOR_STEP_CATCH_UP,
    MIGRATOR_STEP_WARM_UP,
    MIGRATOR_STEP_SHIFT,
    MIGRATOR_STEP_CONSUME,
    MIGRATOR_STEP_SWITCH,
    MIGRATOR_STEP_FILL,
    MIGRATOR_STEP_HOLD,
    MIGRATOR_STEP_DRAIN,
    MIGRATOR_STEP_FINAL_SYNC,
    MIGRATOR_STEP_VERIFY,
    MIGRATOR_STEP_COMMIT,
    MIGRATOR_STEP_RELEASE,
    MIGRATOR_STEP_STANDBY,
    MIGRATOR_STEP_ROLLBACK
} migrator_step_e;

#define MIGRATOR_STEPS  (MIGRATOR_STEP_ROLLBACK + 1)


#define MIGRATOR_ABORTS   0x01      /* may still turn to rolling-back */
#define MIGRATOR_PAUSES   0x02      /* an operator may stop the clock here */
#define MIGRATOR_LEAVES   0x04      /* a migrator asked to end may leave it */
#define MIGRATOR_IN_HOLD  0x08      /* bounded by hold_timeout as a whole */
#define MIGRATOR_CUTOVER  0x10      /* requests wait: short lease, fast polls */
#define MIGRATOR_EXPIRES  0x20      /* its timeout ends the phase */
#define MIGRATOR_GATED    0x40      /* and a node down for gate.down_after */


typedef struct {
    const char        *name;
    migrator_kind_e    kind;
    migrator_step_e    step;
    long               timeout_ms;      /* default; 0 = hold_timeout's part */
    migrator_phase_e   other;           /* back to copy; found committed */
    unsigned           flags;
} migrator_phase_t;


/* everything of a migration that is stored, docs/redis-keys.md */

typedef struct {
    uint64_t           id;
    migrator_verb_e    verb;
    shard_id_t         shard;
    uint32_t           epoch;           /* base: the source's */
    char               from[SHARD_NAME_SIZE];
    char               to[SHARD_NAME_SIZE];
    char               replaces[SHARD_NAME_SIZE];   /* a lost standby, or "" */
    shard_strategy_e   strategy;
    migrator_phase_e   phase;
    uint64_t           seq;             /* compare-and-set of every write */

    uint64_t           created_ms;
    uint64_t           phase_ms;        /* when the phase's clock started */
    uint64_t           finished_ms;     /* 0 = it runs */
    uint64_t           hold_at_ms;      /* not held before this */
    uint64_t           hold_version;    /* table version that holds */
    uint64_t           hold_ms;         /* how long requests waited */

    uint64_t           position;        /* of the target, as last known */
    uint64_t           shipped;         /* log entries */
    uint64_t           bytes;           /* snapshot and log */
    uint64_t           items;
    uint64_t           size;            /* bytes of the source, in check */
    uint64_t           lag;             /* entries behind, as last seen */
    uint32_t           silent_routers;  /* that the barrier left out */
    uint32_t           ship_rate;       /* entries per second, catch-up's */
    uint32_t           change_rate;
    uint64_t           mirrored;        /* reads, in the phase's course */
    uint64_t           mirror_bad;      /* of them, that differ or failed */
    uint64_t           level_ms;        /* the standby had all at that time */
    uint64_t           depth;           /* of the source's queue, as seen */
    uint32_t           source_held;     /* it was told to deliver nothing */
    uint32_t           fenced;          /* promotion: the old primary knows */
    uint32_t           standbys;        /* the shard had before, + 1; or 0 */
    uint64_t           retired_ms;      /* the former primary gave it up; 1:
                                         * it is not to */
    uint32_t           left;            /* rolled back, the target silent: it
                                         * may have what was copied */
    uint32_t           shift_bp;
    uint32_t           attempt;         /* the same wish again: 2, 3, ... */
    uint32_t           copies;          /* snapshots taken */
    uint64_t           copy_parts;      /* bits: they are at the target */
    uint64_t           copy_settled;    /* largest position of a part */
    uint64_t           copy_speed;      /* bytes/s, as measured last */
    uint32_t           copy_sent;       /* parts, of all attempts */
    uint32_t           copy_resumed;    /* times a copy went on */
    uint32_t           copy_backoffs;   /* times it gave way */
    uint32_t           repaired;        /* parts sent again in warm-up */
    uint32_t           steps;           /* phases entered */

    char               driver[16];      /* its name, for those who ask */
    /* split, merge: the other shard, and what goes there; as in a query */
    shard_id_t         into;
    uint32_t           into_epoch;      /* merge: base, of the other one */
    char               order[8];        /* "" = keys have none */
    char               lo[MIGRATOR_BOUND_SIZE];
    char               hi[MIGRATOR_BOUND_SIZE];
    char               next[17];        /* id of what follows, next.h */
    char               next_cut[SHARD_BOUND_MAX * 3 + 1];
    char               next_to[SHARD_NAME_SIZE];
    char               others[SHARD_STANDBYS_MAX * SHARD_NAME_SIZE];

    char               by[MIGRATOR_BY_SIZE];
    char               decision[48];    /* its stream entry */
    char               error[MIGRATOR_ERROR_SIZE];
    char               trail[MIGRATOR_TRAIL_SIZE];
} migrator_state_t;


const char *migrator_verb_name(migrator_verb_e verb);
migrator_verb_e migrator_verb_by_name(shard_str_t name);

/* 1: keys change their shard, by a split or a merge */

int migrator_cuts(const migrator_state_t *state);

/* 1: a move whose writes are at the target before the copy is */

int migrator_writes(const migrator_state_t *state);

/* the shard's id at the target */

shard_id_t migrator_at_target(const migrator_state_t *state);

const migrator_phase_t *migrator_phase(migrator_phase_e phase);

/* MIGRATOR_PHASE_NONE when there is no such name */

migrator_phase_e migrator_phase_by_name(shard_str_t name);

/* the owner's epoch when it has ended; a rollback of a seal brings it, too */

uint32_t migrator_last_epoch(const migrator_state_t *state);

/* what follows when a phase's work is done */

migrator_phase_e migrator_phase_next(const migrator_state_t *state);

/* a new attempt begins: planned, with an empty trail */

void migrator_phase_begin(migrator_state_t *state, uint64_t now_ms);

/*
 * The only way to change the phase.  SHARD_ERROR when there is no such way
 * in the table; the state is then as it was.
 */

int migrator_phase_set(migrator_state_t *state, migrator_phase_e to,
    uint64_t now_ms);

/* has the migration ever been in this phase? (by its trail) */

int migrator_phase_seen(const migrator_state_t *state,
    migrator_phase_e phase);


#endif /* _MIGRATOR_PHASES_H_INCLUDED_ */
