
/*
 * "redis": shards whose data live in a Redis of each node, in the keys of
 * src/lua/data.  The migrator speaks to both servers itself; the node is
 * only asked whether it serves.
 *
 *   copy    scan ─▶ names ─▶ dump ─────▶ restore      one batch is read while
 *                            source      target       those before are
 *   ship    log ──▶ names ─▶ dump ─────▶ restore      written
 *                                        advance: the position, last
 *   verify  scan ─▶ names ─▶ hash  ═?═  hash          all of it before the
 *           log ──▶ names ─▶ hash  ═?═  hash          hold, the tail within
 *
 * Splits and merges take the same ways to another shard: driver_redis_cut.c.
 *
 * A key is taken as it is when its name is read, which may be later than the
 * position: what changed it since is behind that position in the log and is
 * shipped again.  So a target is the source's equal once it has reached the
 * position of a sealed source, and not before.
 *
 * Memory is some batches of about 1 MiB and a key.  Calls wait in
 * poll(), never in hiredis; an outcome that is not MIGRATOR_OK leaves
 * answers behind, so it closes the connections.
 */


#ifndef _MIGRATOR_DRIVER_REDIS_H_INCLUDED_
#define _MIGRATOR_DRIVER_REDIS_H_INCLUDED_


#include "../src/daemon/shardd_data.h"
#include "driver_http.h"


#define MIGRATOR_REDIS_CONNS  8             /* kept open */
#define MIGRATOR_REDIS_NAMES  256           /* of one call */
#define MIGRATOR_REDIS_DUMPS  2             /* under way: the source never waits
                                               for us, nor others for it */
#define MIGRATOR_REDIS_AHEAD  4             /* restores under way: one fsync of
                                               the target is of them all */
#define MIGRATOR_REDIS_LOG    5000          /* entries of one answer */
#define MIGRATOR_REDIS_SHIP   20000         /* and of one shipment */
#define MIGRATOR_REDIS_KEEP   "50000"       /* entries of a target's log */


typedef struct {
    char                   name[SHARD_NAME_SIZE];   /* node's, "": free */
    shardd_redis_conf_t    conf;
    shardd_redis_t         redis;
    unsigned               owed;            /* answers not taken yet */
} migrator_redis_conn_t;

/* a key's name in the shard; text is a reply's or a list's */

typedef struct {
    const char            *text;
    size_t                 len;
} migrator_redis_name_t;

typedef struct {
    size_t                 n;
    size_t                 size;
    migrator_redis_name_t *name;
} migrator_redis_names_t;

typedef struct {
    const migrator_conf_t *conf;
    migrator_nodes_t      *nodes;           /* for probes */
    migrator_redis_conn_t  conns[MIGRATOR_REDIS_CONNS];
    unsigned               next;            /* to be closed for another */
    migrator_redis_conn_t *last;            /* used */

    const migrator_limit_t *limit;          /* of the call under way */
    uint64_t               start_ms;
    uint64_t               tick_ms;

    int                    argc;            /* of the call being made */
    int                    args_size;
    const char           **argv;
    size_t                *lens;

    /* all was equal when the target stood here; a tail begins behind it */
    unsigned               verified:1;
    shard_id_t             verified_shard;
    uint64_t               verified_at;

    unsigned               cuts:1;          /* of a split or merge: "cut" */
    migrator_cut_t         cut;

    char                   err[MIGRATOR_ERR_SIZE];
} migrator_redis_t;


/* both ends of a move of one shard, or of a cut, whose target is another */

typedef struct {
    migrator_redis_conn_t  *from;
    migrator_redis_conn_t  *to;
    shardd_data_prefix_t    prefix;
    shardd_data_prefix_t    target;             /* the same but of a cut */
    char                    generation[24];     /* written at the target */
    char                    epoch[16];          /* that it may be at most */
    char                    at[24];             /* a cut's: it stands there */
    uint64_t                bytes;
    unsigned                restoring;          /* answers that are due */
} migrator_redis_move_t;


/* sharddata_stats of one node */

typedef struct {
    migrator_role_e   role;
    uint32_t          epoch;
    uint64_t          position;
    uint64_t          log_first;
    uint64_t          items;
    uint64_t          bytes;
    uint64_t          depth;
    double            rate;
    uint64_t          generation;
    uint64_t          queued;
} migrator_redis_stats_t;


/* what log answers, put together; all is zero at the start, texts and names
 * are the replies' */

typedef struct {
    uint64_t                 position;      /* of the source */
    const char              *counts[4];
    size_t                   entries;
    size_t                   nreplies;
    redisReply              *reply[MIGRATOR_REDIS_SHIP / MIGRATOR_REDIS_LOG
                                   + 1];
    migrator_redis_names_t   names;
} migrator_redis_log_t;


extern const migrator_driver_t  migrator_driver_redis;


/* driver_redis_conn.c */

int migrator_redis_conn(migrator_redis_t *d, const shard_node_t *node,
    migrator_redis_conn_t **conn);
void migrator_redis_close(migrator_redis_conn_t *c);

/* driver_redis_dial.c: connected, who we are is said, the library is there */

int migrator_redis_dial(migrator_redis_t *d, migrator_redis_conn_t *c);

/* driver_redis_io.c; functions return migrator_rc_e where nothing is said */

void migrator_redis_start(migrator_redis_t *d, const migrator_limit_t *limit);
int migrator_redis_end(migrator_redis_t *d, int rc);

/* what is left of the call, after a tick if one is due */

int migrator_redis_left(migrator_redis_t *d, migrator_redis_conn_t *c,
    long *ms);

/* a call: function and prefix, arguments, off.  0, or -1: no memory */

int migrator_redis_args(migrator_redis_t *d, const char *function,
    const char *prefix);
int migrator_redis_add(migrator_redis_t *d, const char *text, size_t len);
int migrator_redis_word(migrator_redis_t *d, const char *text);
int migrator_redis_number(migrator_redis_t *d, char buf[24], uint64_t n);
int migrator_redis_send(migrator_redis_t *d, migrator_redis_conn_t *c);

/* the next answer, which begins with "ok"; the caller's to free */

int migrator_redis_take(migrator_redis_t *d, migrator_redis_conn_t *c,
    redisReply **reply);

/* any answer, an error too */

int migrator_redis_reply(migrator_redis_t *d, migrator_redis_conn_t *c,
    redisReply **reply);

/* both, of a call that waits for nothing else */

int migrator_redis_ask(migrator_redis_t *d, migrator_redis_conn_t *c,
    redisReply **reply);

/* the same; bad: there was no memory for its arguments.  Whose answer says
 * nothing more, and whose first value is a number: of what an error names */

int migrator_redis_call(migrator_redis_t *d, migrator_redis_conn_t *c,
    int bad, redisReply **reply);
int migrator_redis_told(migrator_redis_t *d, migrator_redis_conn_t *c,
    int bad);
int migrator_redis_uint(migrator_redis_t *d, migrator_redis_conn_t *c,
    int bad, const char *what, uint64_t *value);

int migrator_redis_no_memory(migrator_redis_t *d);
int migrator_redis_nonsense(migrator_redis_t *d, migrator_redis_conn_t *c,
    redisReply *reply, const char *what);

/* driver_redis.c: asked of both at a time when to is not NULL */

int migrator_redis_stats_of(migrator_redis_t *d, shard_id_t shard,
    migrator_redis_conn_t *from, migrator_redis_stats_t *source,
    migrator_redis_conn_t *to, migrator_redis_stats_t *target);

/* driver_redis_copy.c */

int migrator_redis_copy(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes);

/* one call of scan; cursor "0" begins and ends, names are the reply's */

int migrator_redis_scan(migrator_redis_t *d, migrator_redis_conn_t *c,
    const shardd_data_prefix_t *prefix, char cursor[24],
    migrator_redis_names_t *names, redisReply **reply);

/* both connections; begins the call */

int migrator_redis_ends(migrator_redis_t *d, migrator_redis_move_t *mv,
    const shard_node_t *from, const shard_node_t *to, shard_id_t shard,
    const migrator_limit_t *limit);

/* keys into mv->generation; answers are restored()'s to take, but "left" */

int migrator_redis_transfer(migrator_redis_t *d, migrator_redis_move_t *mv,
    const migrator_redis_names_t *names);
int migrator_redis_restored(migrator_redis_t *d, migrator_redis_move_t *mv,
    unsigned left);

/* a call whose arguments are names */

int migrator_redis_names_send(migrator_redis_t *d, migrator_redis_conn_t *c,
    const char *function, const shardd_data_prefix_t *prefix,
    const migrator_redis_name_t *name, size_t n);

/* unique: sorted, and none is there twice; cmp as qsort() has it */

int migrator_redis_name_add(migrator_redis_t *d,
    migrator_redis_names_t *names, const char *text, size_t len);
int migrator_redis_name_cmp(const void *one, const void *two);
void migrator_redis_unique(migrator_redis_names_t *names);

/* driver_redis_ship.c */

int migrator_redis_ship(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, uint64_t entries,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *bytes);

/* at most "entries" and MIGRATOR_REDIS_SHIP behind position; MIGRATOR_GONE */

int migrator_redis_log_read(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position, uint64_t entries, migrator_redis_log_t *log);
void migrator_redis_log_free(migrator_redis_log_t *log);

/* driver_redis_verify.c */

int migrator_redis_verify(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, int tail,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *items);

/* all of both, while the source is written behind position */

int migrator_redis_whole(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position);


/* driver_redis_cut.c */

extern const migrator_cuts_t  migrator_redis_cuts;

/* 1: of no cut, or of its range */

int migrator_redis_in_range(const migrator_redis_t *d, const char *name,
    size_t len);
void migrator_redis_cut_ends(const migrator_redis_t *d,
    migrator_redis_move_t *mv);
int migrator_redis_cut_begin(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position);
int migrator_redis_cut_where(migrator_redis_t *d, migrator_redis_move_t *mv,
    migrator_redis_stats_t *target);
int migrator_redis_cut_args(migrator_redis_t *d, migrator_redis_move_t *mv,
    const char *function);
int migrator_redis_cut_reach(migrator_redis_t *d, migrator_redis_move_t *mv,
    uint64_t position);
int migrator_redis_cut_verify(migrator_redis_t *d, migrator_redis_move_t *mv,
    shard_id_t shard, uint64_t position);


#endif /* _MIGRATOR_DRIVER_REDIS_H_INCLUDED_ */
