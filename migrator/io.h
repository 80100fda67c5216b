
/*
 * The seams of the migrator: everything a migration does to the world goes
 * through these two tables of functions, so that t/unit/migrator.c can run
 * the same machine on a virtual clock in a world of its own, and break every
 * call.
 *
 *      machine.c, step_*.c
 *        │            │
 *        ▼            ▼
 *   migrator_io_t   migrator_driver_t
 *   clock, store    data of the nodes: http (the contract), none (stateless)
 *
 * Store calls return shardd_rc_e; SHARDD_DOWN leaves open whether the write
 * happened.  Driver calls return migrator_rc_e, MIGRATOR_DOWN likewise.
 * After any failure err() says why in one line.
 */


#ifndef _MIGRATOR_IO_H_INCLUDED_
#define _MIGRATOR_IO_H_INCLUDED_


#include "hooks.h"
#include "throttle.h"


#define MIGRATOR_ERR_SIZE     512
#define MIGRATOR_ROUTERS_MAX  256
#define MIGRATOR_PARTS        64
#define MIGRATOR_NEXT_SIZE    1024


/* what a router's entry says of one shard */

typedef struct {
    char               name[SHARD_NAME_SIZE];
    uint64_t           age_ms;          /* by the store's clock */
    uint64_t           version;         /* of the barrier, 0 = none */
    int                drained;
} migrator_router_t;

typedef struct {
    uint32_t           n;
    uint64_t           there_ms;        /* the store, without a break */
    migrator_router_t  router[MIGRATOR_ROUTERS_MAX];
} migrator_routers_t;


/* mirrored reads of one migration, all routers together */

typedef struct {
    uint64_t           sent;
    uint64_t           same;
    uint64_t           status;          /* it differs */
    uint64_t           body;            /* it differs */
    uint64_t           failed;
    uint64_t           source_ms;       /* sums over the compared ones */
    uint64_t           target_ms;
} migrator_mirrors_t;


/* what a router says of itself and of one node */

typedef struct {
    char               name[SHARD_NAME_SIZE];
    uint64_t           age_ms;          /* by the store's clock */
    uint64_t           hold_ms;         /* its shard_hold's; 0: not told */
    int                dead;            /* the node is, for it */
} migrator_view_t;

typedef struct {
    uint32_t           n;
    migrator_view_t    view[MIGRATOR_ROUTERS_MAX];
} migrator_views_t;


/* the other migrations: those that run, and what the last ones took */

#define MIGRATOR_RUNNING_MAX  256
#define MIGRATOR_PAST_MAX     64

typedef struct {
    uint64_t           id;
    uint64_t           created_ms;
    shard_id_t         shard;
    char               from[SHARD_NAME_SIZE];
    char               to[SHARD_NAME_SIZE];
    char               zones[2][SHARD_NAME_SIZE];   /* of both; "" unknown */
} migrator_running_t;

typedef struct {
    double             total_s;         /* claimed to release */
    double             copy_s;          /* of it, the snapshot */
    double             bytes;           /* 0: nothing was copied */
    double             hold_s;
    double             ship_rate;       /* entries per second, 0: unknown */
} migrator_past_t;

/* as the predictor learnt it; seen 0: it did not */

typedef struct {
    uint64_t           seen;
    double             fixed_s;
    double             byte_s;
    double             hold_s;
} migrator_learnt_t;

typedef struct {
    uint32_t           nrunning;
    uint32_t           npast;           /* the newest first */
    migrator_running_t running[MIGRATOR_RUNNING_MAX];
    migrator_past_t    past[MIGRATOR_PAST_MAX];
    migrator_learnt_t  learnt;
} migrator_others_t;


typedef struct {
    void              *data;

    uint64_t         (*now_ms)(void *data);
    void             (*sleep_ms)(void *data, long ms);
    int              (*stopping)(void *data);

    /* an empty place to be killed at: entry into a phase, its work done */
    void             (*point)(void *data, migrator_phase_e phase, int after);
    void             (*note)(void *data, int level,
                         const migrator_state_t *state, const char *text);
    const char      *(*err)(void *data);

    /* the claim of shard:ID; token 0 in *token: any, else it must stay */
    int              (*claim)(void *data, shard_id_t shard, long ttl_ms,
                         uint64_t *token);
    int              (*release)(void *data, shard_id_t shard, uint64_t token);

    /* the whole state under state->seq, which moves on with SHARDD_OK */
    int              (*put)(void *data, uint64_t token,
                         migrator_state_t *state);
    int              (*get)(void *data, uint64_t id, migrator_state_t *state);
    int              (*wish)(void *data, uint64_t id, char *buf, size_t size);

    int              (*shard)(void *data, shard_id_t id, shard_record_t *rec,
                         uint64_t *version);
    int              (*commit)(void *data, shard_id_t shard, uint64_t token,
                         uint64_t *version, const char *operation,
                         const shard_record_t *rec);
    int              (*node)(void *data, const char *name,
                         shard_node_t *node);
    int              (*override)(void *data, shard_id_t id, char *buf,
                         size_t size);
    int              (*routers)(void *data, shard_id_t id,
                         migrator_routers_t *out);

    /* the policy's share of mirrored reads; what came of this migration's */
    int              (*mirror)(void *data, uint32_t *bp);
    int              (*mirrors)(void *data, uint64_t migration,
                         migrator_mirrors_t *out);

    /* for check: what routers see of a node; all but migration "self" */
    int              (*views)(void *data, const char *node,
                         migrator_views_t *out);
    int              (*others)(void *data, uint64_t self,
                         migrator_others_t *out);

    /* as migrator_hook_exec() */
    int              (*hook)(void *data, const migrator_hook_t *hook,
                         const migrator_state_t *state, long timeout_ms,
                         int (*tick)(void *data), void *tick_data,
                         char *err, size_t size);

    /*
     * What happened, for those who ask later: "was" is the phase that ended
     * after took_ms, or the wish that was heard.  It may fail unnoticed.
     */
    void             (*audit)(void *data, const migrator_state_t *state,
                         const char *was, uint64_t took_ms, int wish);

    /* two records in one step, the second NULL: none; and one that goes */
    int              (*commit_pair)(void *data, shard_id_t shard,
                         uint64_t token, uint64_t *version,
                         const char *operation, const shard_record_t *rec,
                         const shard_record_t *other, shard_id_t gone);

    /* a decision of this migrator: what follows, as next.h has it */
    int              (*decide)(void *data, const migrator_state_t *wish);
} migrator_io_t;


typedef enum {
    MIGRATOR_OK = 0,
    MIGRATOR_DOWN,            /* no answer, 5xx, nonsense: try again */
    MIGRATOR_REFUSED,         /* 4xx: it will not */
    MIGRATOR_GONE,            /* 410: the log is trimmed */
    MIGRATOR_INTERRUPTED      /* the tick asked to end the call */
} migrator_rc_e;


typedef enum {
    MIGRATOR_ROLE_NONE = 0,
    MIGRATOR_ROLE_STANDBY,
    MIGRATOR_ROLE_PRIMARY
} migrator_role_e;

/* copy-on-write: a shard in two pieces */

typedef enum {
    MIGRATOR_MODE_WHOLE = 0,
    MIGRATOR_MODE_FILLING,              /* target: what was written since */
    MIGRATOR_MODE_FALLBACK              /* source: reads of the rest */
} migrator_mode_e;

typedef struct {
    migrator_role_e    role;
    uint32_t           epoch;
    uint64_t           position;
    uint64_t           items;
    uint64_t           bytes;
    uint64_t           free_bytes;
    migrator_mode_e    mode;
    uint64_t           queue_depth;     /* entries nobody has taken yet */
    double             write_rate;      /* entries per second */
    uint64_t           log_first;       /* oldest entry kept, 0: not told */
    uint32_t           parts;           /* that can be copied alone, or 0 */
    int                ranges;          /* the backend can split and merge */
} migrator_stats_t;

typedef struct {
    uint64_t           position;
    uint64_t           items;
    struct {
        uint64_t       items;
        uint64_t       hash;
    } part[MIGRATOR_PARTS];
} migrator_digest_t;

/*
 * How long a call may take and what it does meanwhile: tick is called at
 * least each 250 ms and ends the call when it returns non-zero.  epoch goes
 * with what copy and ship send: a target that was told a later one refuses
 * it; 0: any.  token: of the claim on the shard that an import is written to
 * or a range is dropped from, whose epoch stays the same meanwhile; there a
 * former holder's smaller one is refused; 0: none.
 */

typedef struct {
    long                  timeout_ms;
    uint32_t              epoch;
    uint64_t              token;
    int                 (*tick)(void *data);
    void                 *data;
    migrator_throttle_t  *throttle;     /* of a copy, NULL: none */
    unsigned              deep:1;       /* digest: all data are read again */
} migrator_limit_t;


typedef enum {
    MIGRATOR_MOVED = 0,       /* or promoted: the target is the primary */
    MIGRATOR_REPLICATED,      /* the target is a standby */
    MIGRATOR_BACK             /* nothing came of it */
} migrator_outcome_e;


/*
 * What the copy, log and digest calls of a split or merge are about.  A
 * split: the range's keys of "shard" are a standby of shard "into" at the
 * target.  A merge (epoch != 0): they are written by the target's primary of
 * "into", whose epoch it is.
 */

typedef struct {
    shard_id_t         shard;
    shard_id_t         into;
    uint32_t           epoch;
    shard_range_t      range;
} migrator_cut_t;

typedef struct {

    /* for all calls from now on; copied */
    void             (*set)(void *data, const migrator_cut_t *cut);

    /* merge: how far the source's log has come, MIGRATOR_GONE: not at all */
    int              (*imported)(void *data, const shard_node_t *node,
                         const migrator_limit_t *limit, uint64_t *position);

    /* merge: no more of it comes; epoch: the target's by now */
    int              (*end)(void *data, const shard_node_t *node,
                         uint32_t epoch, const migrator_limit_t *limit);

    /*
     * A primary of that epoch gives up some of the range's keys.  next: "" at
     * first, then as the last call left it, and "" again when that was all.
     */
    int              (*drop)(void *data, const shard_node_t *node,
                         shard_id_t shard, uint32_t epoch,
                         const migrator_limit_t *limit,
                         char next[MIGRATOR_NEXT_SIZE], uint64_t *dropped);

    /*
     * NULL: it cannot.  Before the hold, of a primary that is written: what
     * digest() of the range needs is made ready, so that it need not read
     * all items then.  MIGRATOR_REFUSED: this node cannot.
     */
    int              (*keep)(void *data, const shard_node_t *node,
                         shard_id_t shard, const migrator_limit_t *limit);
} migrator_cuts_t;


struct migrator_conf_s;


/* what a driver can do beyond the calls every one has */

#define MIGRATOR_CAN_DATA        0x01   /* it moves data: all but "none" */
#define MIGRATOR_CAN_CUT         0x04   /* a part of a shard: has "cuts" */
#define MIGRATOR_CAN_SHIP_ALONE  0x02   /* the store keeps a standby level by
                                           itself once ship() joined them */
#define MIGRATOR_CUTS_IN_PLACE   0x08   /* both shards are of one node */


/*
 * Calls that may be NULL say so.  A driver's data is one thread's: open()
 * makes it and close() gives it back with all its connections; nothing is
 * asked of a node before the first call that names it.
 */

typedef struct {
    const char        *name;
    unsigned           can;

    /* 0, or -1 and err of MIGRATOR_ERR_SIZE */
    int              (*open)(const struct migrator_conf_s *conf, void **data,
                         char *err);
    void             (*close)(void *data);

    /* NULL: it has no names of its own; before any other of a migration */
    void             (*bind)(void *data, uint64_t migration);

    int              (*stats)(void *data, const shard_node_t *node,
                         shard_id_t shard, const migrator_limit_t *limit,
                         migrator_stats_t *stats);

    /* *position: where the shard stands at that node after it */
    int              (*role)(void *data, const shard_node_t *node,
                         shard_id_t shard, migrator_role_e role,
                         uint32_t epoch, const migrator_limit_t *limit,
                         uint64_t *position);

    /*
     * Both nodes are told at once that they are standbys of that epoch, of
     * the shard that each has; where they stand after it, in this order.
     * NULL: they are told one after the other.
     */
    int              (*seal)(void *data, const shard_node_t *const node[2],
                         const shard_id_t shard[2], uint32_t epoch,
                         const migrator_limit_t *limit, uint64_t position[2]);

    int              (*copy)(void *data, const shard_node_t *from,
                         const shard_node_t *to, shard_id_t shard,
                         const migrator_limit_t *limit, uint64_t *position,
                         uint64_t *bytes);

    /* at most "entries" behind *position, which moves on; bytes are added */
    int              (*ship)(void *data, const shard_node_t *from,
                         const shard_node_t *to, shard_id_t shard,
                         uint64_t entries, const migrator_limit_t *limit,
                         uint64_t *position, uint64_t *bytes);

    /* at: NULL = as it stands */
    int              (*digest)(void *data, const shard_node_t *node,
                         shard_id_t shard, const uint64_t *at,
                         const migrator_limit_t *limit,
                         migrator_digest_t *digest);

    /* the same of two nodes at once, as they stand and "at"; NULL: it cannot */
    int              (*digests)(void *data, const shard_node_t *const node[2],
                         const shard_id_t shard[2], uint64_t at,
                         const migrator_limit_t *limit,
                         migrator_digest_t digest[2]);

    /*
     * Copy-on-write; NULL: it cannot.  mode: a role that goes with one.  A
     * target begins to fill empty, at *position, which is set to where the
     * shard stands at that node; told so again at the same epoch it keeps
     * what it has.  fill: keys of which the target knows nothing, not even
     * that they were deleted; all of them were looked at, with MIGRATOR_OK.
     */
    int              (*mode)(void *data, const shard_node_t *node,
                         shard_id_t shard, migrator_role_e role,
                         migrator_mode_e mode, uint32_t epoch,
                         const migrator_limit_t *limit, uint64_t *position);
    int              (*fill)(void *data, const shard_node_t *from,
                         const shard_node_t *to, shard_id_t shard,
                         const migrator_limit_t *limit, uint64_t *bytes);

    /*
     * 1: a queue's source delivers nothing and still accepts, until its
     * epoch is over; refused at any other epoch.  NULL: it cannot.
     */
    int              (*hold)(void *data, const shard_node_t *node,
                         shard_id_t shard, int held, uint32_t epoch,
                         const migrator_limit_t *limit);

    /* any request that tells whether the node serves, and how fast */
    int              (*probe)(void *data, const shard_node_t *node,
                         shard_id_t shard, const migrator_limit_t *limit,
                         uint64_t *latency_us);

    /* NULL: nothing more must be true; err() has all the reasons */
    int              (*check)(void *data, const shard_node_t *from,
                         const shard_node_t *to, shard_id_t shard,
                         const migrator_limit_t *limit);

    /*
     * NULL: digest() is exact at any position.  Before the hold, while the
     * source is written: both nodes are compared, and what the way back
     * needs is made; digests are then of what was written since.
     */
    int              (*prepare)(void *data, const shard_node_t *from,
                         const shard_node_t *to, shard_id_t shard,
                         const migrator_limit_t *limit);

    /* NULL: nothing is left behind; the migration is over */
    int              (*settle)(void *data, const shard_node_t *from,
                         const shard_node_t *to, shard_id_t shard,
                         migrator_outcome_e outcome,
                         const migrator_limit_t *limit);

    const char      *(*err)(void *data);

    /*
     * NULL: digests are compared.  Else in their place, where a store has no
     * digest of a position while it is written.  tail 0: all of it, before
     * the hold; 1: both stand still, and what has changed since the last one
     * of this driver's is enough, and from here a way back begins, if the
     * driver has one.  MIGRATOR_REFUSED: they differ.
     */
    int              (*verify)(void *data, const shard_node_t *from,
                         const shard_node_t *to, shard_id_t shard, int tail,
                         const migrator_limit_t *limit, uint64_t *position,
                         uint64_t *items);

    /*
     * NULL: it has none.  One of MIGRATOR_PARTS, which replaces the target's
     * alone, from a source and to a target whose stats have so many parts.
     * *position: what the part is of, the shard's may be before that.
     */
    int              (*copy_part)(void *data, const shard_node_t *from,
                         const shard_node_t *to, shard_id_t shard,
                         unsigned part, const migrator_limit_t *limit,
                         uint64_t *position, uint64_t *bytes);

    /* NULL: it cannot split or merge */
    const migrator_cuts_t  *cuts;
} migrator_driver_t;


#endif /* _MIGRATOR_IO_H_INCLUDED_ */
