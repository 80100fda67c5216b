
/*
 * "postgres" moves the rows of a shard between two servers by logical
 * replication.  What of it is SQL is conf/postgres.sql; this asks for it.
 *
 *   source                               target
 *   publication ..._f  rows of the shard
 *   slot        ..._f  ────────────────▶ subscription ..._f     copy, ship
 *   marker (position) ─────────────────▶ marker
 *
 *   subscription ..._r ◀──────────────── slot, publication ..._r
 *                made after the commit   made before the hold; verify()
 *                by ship(), copies none  says where it begins: behind all
 *                                        that came forward
 *
 * Names are shard_KEYSPACE_HASH_SHARD_MIGRATION_f or _r, the same for the
 * three of a way: a subscription at one node and a slot of its name at
 * another are a link, whoever made it.  Everything is found out by asking
 * the servers, so that any call may be made again by anybody.
 *
 *   driver_postgres.c          calls that need one node; the table
 *   driver_postgres_link.c     links: named, found, shipped over
 *   driver_postgres_copy.c     links: made, with all the rows there are
 *   driver_postgres_clean.c    links: dropped
 *   driver_postgres_compare.c  check, prepare
 *   driver_postgres_verify.c   digests; both servers compared and turned
 *   driver_postgres_cut.c      splits and merges: what is said to one node
 *   driver_postgres_cut_copy.c     rows carried to their new shard
 *   driver_postgres_cut_compare.c  both sides compared
 *   driver_postgres_conn.c     connections, each query with its deadline
 *   driver_postgres_rows.c     what comes of one, checked
 *
 * One thread.  No call takes longer than its limit says: a server that does
 * not answer loses its connection, and ends the statement by itself by
 * statement_timeout.
 */


#ifndef _MIGRATOR_DRIVER_POSTGRES_H_INCLUDED_
#define _MIGRATOR_DRIVER_POSTGRES_H_INCLUDED_


#include <libpq-fe.h>

#include "conf.h"


#define MIGRATOR_PG_NODES  64
#define MIGRATOR_PG_NAME   64           /* NAMEDATALEN, with the zero */
#define MIGRATOR_PG_LINKS  32
#define MIGRATOR_PG_KEY    4096         /* a primary key as JSON */


/* of the shard that stats() was asked for last at a node */

typedef struct {
    shard_id_t               shard;
    uint64_t                 at_ms;         /* monotonic, 0: no sample */
    uint64_t                 position;
    double                   rate;
    unsigned                 sized:1;
    uint64_t                 items;
    uint64_t                 bytes;
} migrator_pg_seen_t;

/* a call that ends too soon leaves it to the next one, before it is OPEN */

typedef enum {
    MIGRATOR_PG_CLOSED = 0,
    MIGRATOR_PG_CONNECTS,
    MIGRATOR_PG_SETS,                       /* its session's settings */
    MIGRATOR_PG_OPEN
} migrator_pg_stage_e;

typedef struct {
    const char              *name;          /* the configuration's */
    const char              *conninfo;
    PGconn                  *pg;            /* NULL: none yet, or it broke */
    migrator_pg_stage_e      stage;
    PostgresPollingStatusType  polls;       /* while it connects */
    uint64_t                 began_ms;      /* monotonic: to connect */
    long                     timeout_ms;    /* the session's */
    unsigned                 syncs;         /* of a pipeline, due still */
    migrator_pg_seen_t       seen;
} migrator_pg_node_t;

typedef struct {
    uint32_t                 n;
    char                     name[MIGRATOR_PG_LINKS][MIGRATOR_PG_NAME];
} migrator_pg_names_t;

/* rows of a shard by their primary keys, a page at a time */

typedef struct {
    uint32_t                 table;         /* of those that are guarded */
    const char              *name;          /* its name, NULL: all are read */
    shard_id_t               shard;
    shard_id_t               other;         /* whose rows are looked up */
    char                     after[MIGRATOR_PG_KEY];    /* "": the first */
} migrator_pg_page_t;

typedef struct {
    const migrator_conf_t   *conf;
    uint64_t                 migration;     /* 0: not bound */
    char                     space[32];     /* the keyspace's part of names */

    const migrator_limit_t  *limit;         /* of the call that runs */
    uint64_t                 until_ms;      /* its end, monotonic */

    unsigned                 tail:1;        /* digests: of touched rows */
    unsigned                 cuts:1;        /* of a split or merge: "cut" */
    migrator_cut_t           cut;
    uint64_t                 run;           /* of its copy, 0: not known */
    migrator_pg_page_t       drop;          /* where it goes on */
    unsigned                 ready:1;       /* the hold's calls were tried */

    /* prepare()'s target: what it is told is durable by verify() alone */
    char                     heir[SHARD_NAME_SIZE];

    /* who was made a standby last, "": nobody; where a sealed one stands */
    char                     sealed[SHARD_NAME_SIZE];
    shard_id_t               sealed_shard;
    uint64_t                 sealed_at;

    uint32_t                 n;
    migrator_pg_node_t       nodes[MIGRATOR_PG_NODES];
    char                     err[MIGRATOR_ERR_SIZE];
} migrator_pg_t;


typedef struct {
    migrator_role_e          role;
    uint32_t                 epoch;
    uint64_t                 position;
    uint64_t                 opened;        /* a primary's first position */
} migrator_pg_stats_t;


extern const migrator_driver_t  migrator_driver_postgres;


/* driver_postgres_conn.c, _rows.c: what answers migrator_rc_e sets pg->err */

void migrator_pg_begin(migrator_pg_t *pg, const migrator_limit_t *limit);

/* rows in *res, to be cleared by the caller with MIGRATOR_OK alone */

int migrator_pg_query(migrator_pg_t *pg, const char *node, PGresult **res,
    const char *sql, int n, const char *const *values);

/*
 * The same in two, so that two nodes work at a time: what was sent must be
 * received before the node's next statement, whatever became of the other.
 */

int migrator_pg_send(migrator_pg_t *pg, const char *node, const char *sql,
    int n, const char *const *values);
int migrator_pg_receive(migrator_pg_t *pg, const char *node, PGresult **res);

/* what a result, or without one the connection, says: migrator_rc_e */

int migrator_pg_error(migrator_pg_t *pg, migrator_pg_node_t *c,
    const PGresult *res);

/* one row and column of text, or of a number; "" and 0 without a row */

int migrator_pg_text(migrator_pg_t *pg, const char *node, char *buf,
    size_t size, const char *sql, int n, const char *const *values);
int migrator_pg_number(migrator_pg_t *pg, const char *node, uint64_t *number,
    const char *sql, int n, const char *const *values);

/* no parameters and no rows, as DDL has it */

int migrator_pg_run(migrator_pg_t *pg, const char *node, const char *sql);

int migrator_pg_sleep(migrator_pg_t *pg, long ms);

/* NULL with pg->err: the configuration does not name it */

migrator_pg_node_t *migrator_pg_node(migrator_pg_t *pg, const char *node);
void migrator_pg_close(migrator_pg_node_t *node);

/* "": the server sent no such row or column */

const char *migrator_pg_cell(const PGresult *res, int row, int col);

/* SHARD_ERROR: what is there is no unsigned number */

int migrator_pg_value(const PGresult *res, int row, int col,
    uint64_t *number);

#if (__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int migrator_pg_say(migrator_pg_t *pg, int rc, const char *fmt, ...);


/* driver_postgres.c */

int migrator_pg_stats(migrator_pg_t *pg, const char *node, shard_id_t shard,
    migrator_pg_stats_t *stats);
int migrator_pg_size(migrator_pg_t *pg, const char *node, shard_id_t shard,
    uint64_t *items, uint64_t *bytes);


/* driver_postgres_link.c */

void migrator_pg_prefix(const migrator_pg_t *pg, shard_id_t shard,
    char prefix[MIGRATOR_PG_NAME]);
void migrator_pg_name(const migrator_pg_t *pg, shard_id_t shard, char way,
    char name[MIGRATOR_PG_NAME]);
int migrator_pg_slot(migrator_pg_t *pg, const char *node, const char *name,
    shard_id_t shard);
int migrator_pg_sync(migrator_pg_t *pg, const char *from, const char *to,
    shard_id_t shard, uint64_t *position);

int migrator_pg_ship(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, uint64_t entries,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *bytes);


/* driver_postgres_copy.c; copy: the rows that are there first, else it is
 * not enabled yet */

int migrator_pg_subscribe(migrator_pg_t *pg, const char *from,
    const char *to, const char *name, int copy);
int migrator_pg_copy(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes);


/* driver_postgres_clean.c */

#define MIGRATOR_PG_SLOTS                                                    \
    "SELECT slot_name FROM pg_replication_slots "                            \
    "WHERE starts_with(slot_name, $1) AND database = current_database()"
#define MIGRATOR_PG_SUBSCRIPTIONS                                            \
    "SELECT subname FROM pg_subscription WHERE starts_with(subname, $1) "    \
    "AND subdbid = (SELECT oid FROM pg_database "                            \
    "WHERE datname = current_database())"
#define MIGRATOR_PG_PUBLICATIONS                                             \
    "SELECT pubname FROM pg_publication WHERE starts_with(pubname, $1)"

int migrator_pg_list(migrator_pg_t *pg, const char *node, const char *sql,
    const char *prefix, migrator_pg_names_t *names);
int migrator_pg_has(const migrator_pg_names_t *names, const char *name);

/* all of "prefix" at the node but those of the name "keep" (NULL: all) */

int migrator_pg_clean(migrator_pg_t *pg, const char *node,
    const char *prefix, const char *keep);
int migrator_pg_drop_slot(migrator_pg_t *pg, const char *node,
    const char *name);
int migrator_pg_mute(migrator_pg_t *pg, const char *node, shard_id_t shard);
int migrator_pg_give_up(migrator_pg_t *pg, const char *node,
    shard_id_t shard);
int migrator_pg_settle(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, migrator_outcome_e outcome,
    const migrator_limit_t *limit);


/* driver_postgres_compare.c */

int migrator_pg_check(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit);
int migrator_pg_prepare(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit);

/* older writes of the shard have ended, later ones touch */

int migrator_pg_touch(migrator_pg_t *pg, const char *from,
    shard_id_t shard);


/* driver_postgres_cut.c */

extern const migrator_cuts_t  migrator_pg_cuts;

int migrator_pg_cut_check(migrator_pg_t *pg, const char *from,
    const char *to);
int migrator_pg_cut_settle(migrator_pg_t *pg, const char *node);

int migrator_pg_tables(migrator_pg_t *pg, const char *node,
    migrator_pg_names_t *tables);

/* *rows: pk, key, hash, hash of the other's, late; to be cleared */

int migrator_pg_page(migrator_pg_t *pg, const char *node,
    const migrator_pg_names_t *tables, migrator_pg_page_t *page,
    PGresult **rows);

/* the key of a row, in column "col", is in the cut's range */

int migrator_pg_in_range(const migrator_pg_t *pg, const PGresult *res,
    int row, int col);

/*
 * JSON array of the rows' primary keys that "which" (an array of flags) has
 * set; with_key: of pairs with the key in hex.  NULL: no memory.  free().
 */

char *migrator_pg_pick(const PGresult *res, int pk, int key, int with_key,
    const char *which);


/* driver_postgres_cut_copy.c, _cut_compare.c: in place of the driver's own */

int migrator_pg_cut_copy(migrator_pg_t *pg, const char *node,
    uint64_t *position, uint64_t *bytes);
int migrator_pg_cut_ship(migrator_pg_t *pg, const char *node,
    uint64_t *position);
int migrator_pg_cut_compare(migrator_pg_t *pg, const char *node);
int migrator_pg_cut_digest(migrator_pg_t *pg, const char *node,
    shard_id_t shard, const uint64_t *at, migrator_digest_t *digest);


/* driver_postgres_verify.c */

int migrator_pg_digest(void *data, const shard_node_t *node, shard_id_t shard,
    const uint64_t *at, const migrator_limit_t *limit,
    migrator_digest_t *digest);
int migrator_pg_verify(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, int tail,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *items);

#endif /* _MIGRATOR_DRIVER_POSTGRES_H_INCLUDED_ */
