
/*
 * The store: what the daemons and shardctl read and write of one keyspace,
 * as docs/redis-keys.md describes it.  One implementation now, Redis
 * (shardd_store_redis.c); etcd will be another behind the same calls.
 *
 *     int rc = shardd_commit(...)   SHARDD_OK, or why not:
 *
 * SHARDD_DOWN     the store cannot be reached: nothing is known, try again
 * SHARDD_FENCED   another holder's claim: stop, let go
 * SHARDD_CONFLICT somebody wrote since: read again
 * SHARDD_BAD      refused, the reason is in store->err
 * SHARDD_NONE     there is no such thing
 *
 * store->err holds one line for every rc but SHARDD_OK.  One thread.  What a
 * call allocates the caller gives back with the matching _free().
 */


#ifndef _SHARDD_STORE_H_INCLUDED_
#define _SHARDD_STORE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>

#include "../core/shard_codec.h"
#include "shardd_redis.h"


typedef enum {
    SHARDD_OK = 0,
    SHARDD_DOWN,
    SHARDD_FENCED,
    SHARDD_CONFLICT,
    SHARDD_BAD,
    SHARDD_NONE
} shardd_rc_e;


typedef struct {
    shardd_redis_t   redis;
    char             keyspace[SHARD_NAME_SIZE];
    char             err[SHARDD_ERR_SIZE];
    char             units[SHARD_JSON_MAX];   /* of shardd_shard_load() */
} shardd_store_t;


/* the table, a consistent copy; shards sorted by their lower bound (of a
 * list: by id), nodes by name */

typedef struct shardd_units_s  shardd_units_t;

typedef struct {
    uint64_t         version;
    shard_kind_e     kind;
    size_t           nshards;
    size_t           nnodes;
    shard_record_t  *shards;
    shard_node_t    *nodes;
    char            *policy;          /* JSON text or NULL */
    uint32_t        *by_id;           /* NULL, or shards in order of ids */
    shardd_units_t  *units;           /* what records of a list point to */
} shardd_table_t;


/* a right to write "scope" (shard:42, nodes, keyspace, predictor, ...) */

typedef struct {
    char             scope[96];
    char             holder[SHARD_NAME_SIZE];
    uint64_t         token;
} shardd_claim_t;


/* "wished", or why not: "late", "back", "idle"; and the migration's phase */

typedef struct {
    char             verdict[16];
    char             phase[32];
} shardd_wish_t;


/* one field of a hash or stream entry; both strings zero terminated */

typedef struct {
    char            *name;
    char            *value;
} shardd_field_t;

typedef struct {
    char             id[48];          /* stream id, hash field or key's id */
    size_t           nfields;
    shardd_field_t  *fields;
} shardd_entry_t;

typedef struct {
    size_t           n;
    shardd_entry_t  *entries;
} shardd_entries_t;


/* change of shardd_commit(): kind "shard", "node", "meta"; json "" deletes */

typedef struct {
    const char      *kind;
    const char      *id;
    const char      *json;
} shardd_change_t;


int shardd_store_open(shardd_store_t *s, const shardd_redis_conf_t *redis,
    const char *keyspace);
void shardd_store_close(shardd_store_t *s);

int shardd_table_load(shardd_store_t *s, shardd_table_t *table);
void shardd_table_free(shardd_table_t *table);
shard_record_t *shardd_table_shard(shardd_table_t *table, shard_id_t id);
shard_node_t *shardd_table_node(shardd_table_t *table, const char *name);

/* the shard that holds a key: NULL when it is no key of that kind */

shard_record_t *shardd_table_locate(shardd_table_t *table, const void *key,
    size_t len);

/* one record as it is now, with the table's version; the units of a list's
 * shard are good until the next call */

int shardd_shard_load(shardd_store_t *s, shard_id_t id, shard_record_t *rec,
    uint64_t *version);

int shardd_claim(shardd_store_t *s, const char *scope, const char *holder,
    long ttl_ms, shardd_claim_t *claim);
int shardd_release(shardd_store_t *s, const shardd_claim_t *claim);

/* version: in: the one seen, UINT64_MAX any; out: the one now */

int shardd_commit(shardd_store_t *s, const shardd_claim_t *claim,
    uint64_t *version, const char *operation, const char *by,
    const shardd_change_t *changes, size_t n);

/* a shard record as one change */

int shardd_commit_shard(shardd_store_t *s, const shardd_claim_t *claim,
    uint64_t *version, const char *operation, const char *by,
    const shard_record_t *rec);

/* several in one step, and one that goes: SHARD_ID_NONE, or its id.  Those
 * beside the claim's own are new ones, or claimed by the same holder */

#define SHARDD_COMMIT_MAX  2

int shardd_commit_shards(shardd_store_t *s, const shardd_claim_t *claim,
    uint64_t *version, const char *operation, const char *by,
    const shard_record_t *const *recs, size_t n, shard_id_t gone);

/* the id of a shard to be made, never given twice */

int shardd_shard_id_new(shardd_store_t *s, shard_id_t *id);

/* the table's version, 0 when there was never one */

int shardd_version(shardd_store_t *s, uint64_t *version);

/*
 * A whole new table in pieces of some hundred changes: all nodes, then the
 * shards in the order of what they hold.  version: the one seen; seq: 0 at
 * first.  Until shardd_stage_commit() the old table stays as it is.
 */

typedef struct {
    shard_kind_e     kind;
    uint64_t         version;         /* then the new one */
    uint64_t         seq;             /* changes staged so far */
} shardd_stage_t;

int shardd_stage(shardd_store_t *s, const shardd_claim_t *claim,
    shardd_stage_t *stage, const shardd_change_t *changes, size_t n);
int shardd_stage_commit(shardd_store_t *s, const shardd_claim_t *claim,
    shardd_stage_t *stage, const char *operation, const char *by,
    const char *policy);

int shardd_migration_put(shardd_store_t *s, const shardd_claim_t *claim,
    const char *id, uint64_t *seq, const shardd_field_t *fields, size_t n);
int shardd_migration_get(shardd_store_t *s, const char *id,
    shardd_entry_t *entry);
/* newest first */
int shardd_migrations(shardd_store_t *s, size_t limit, shardd_entries_t *out);
/* "pause", "resume" or "rollback"; the verdict, docs/redis-keys.md */
int shardd_migration_wish(shardd_store_t *s, const char *id,
    const char *wish, const char *by, shardd_wish_t *out);

/* group read; block_ms 0 does not wait; own pending entries come first, then
 * those that another consumer left alone for 30 s; an entry trimmed since has
 * no fields: acknowledge it.  A signal does not end the wait: keep block_ms
 * small, it is how late a program sees that it is to stop */

int shardd_decisions_read(shardd_store_t *s, const char *consumer,
    size_t limit, long block_ms, shardd_entries_t *out);
int shardd_decision_ack(shardd_store_t *s, const char *stream_id);
/* writes decision:ID and the stream entry; the same id twice: SHARDD_CONFLICT
 * unless the earlier migration of that id has ended in rolled-back, or the
 * earlier decision was a recommendation and this one is an order */
int shardd_decision_add(shardd_store_t *s, const char *id,
    const shardd_field_t *fields, size_t n);
int shardd_decision_get(shardd_store_t *s, const char *id,
    shardd_entry_t *entry);
/* newest first; audit: of all migrations */
int shardd_decisions(shardd_store_t *s, size_t limit, shardd_entries_t *out);
int shardd_audit(shardd_store_t *s, size_t limit, shardd_entries_t *out);

/* any hash of the keyspace ("routers", "override", "zones", "forecast",
 * "predictor", "events"): entries have one field, or all fields in one */

int shardd_hash_load(shardd_store_t *s, const char *key,
    shardd_entry_t *out);
int shardd_hash_get(shardd_store_t *s, const char *key, const char *field,
    char **value);
/* of "nodes"; SHARDD_NONE: there is no such node */
int shardd_node_load(shardd_store_t *s, const char *name, shard_node_t *node);
/* value NULL deletes; all fields in one step */
int shardd_hash_put(shardd_store_t *s, const char *key,
    const shardd_field_t *fields, size_t n);

/* metrics entries after "cursor" (stream id), raw; each().  cursor: 48 bytes,
 * moved forward */

typedef void (*shardd_metrics_pt)(void *data, shard_str_t entry);

int shardd_metrics_read(shardd_store_t *s, char *cursor, size_t limit,
    long block_ms, shardd_metrics_pt each, void *data);

/* history: one slot of all shards, index = shard id, NaN = unknown; n entries
 * are read or written over blocks of 10,000 */

int shardd_rows_put(shardd_store_t *s, long res_s, long slot,
    const float *values, size_t n);
int shardd_rows_get(shardd_store_t *s, long res_s, long slot, float *values,
    size_t n);
/* many slots in one round trip: values[i * n] belongs to slot first + i */
int shardd_rows_range(shardd_store_t *s, long res_s, long first, size_t nslots,
    float *values, size_t n);

/* rows of something else, rows:NAME:..., kept for live_s; NULL: the load */
int shardd_named_rows_put(shardd_store_t *s, const char *name, long live_s,
    long res_s, long slot, const float *values, size_t n);
int shardd_named_rows_range(shardd_store_t *s, const char *name, long res_s,
    long first, size_t nslots, float *values, size_t n);

/* a string of bytes that lives for live_s; get: *bytes is malloc()ed, at most
 * "most" bytes (longer: SHARDD_BAD), SHARDD_NONE: there is none */

int shardd_bytes_put(shardd_store_t *s, const char *key, const void *bytes,
    size_t len, long live_s);
int shardd_bytes_get(shardd_store_t *s, const char *key, size_t most,
    void **bytes, size_t *len);

/* distributions inside shards, stored as src/core/shard_spread.h says; texts
 * are not terminated and live during the call of each() */

typedef void (*shardd_spread_pt)(void *data, shard_id_t id,
    shard_str_t text);

int shardd_spread_put(shardd_store_t *s, const shard_id_t *ids,
    const shard_str_t *texts, size_t n);
int shardd_spread_load(shardd_store_t *s, shardd_spread_pt each, void *data);
int shardd_spread_get(shardd_store_t *s, shard_id_t id, shardd_spread_pt each,
    void *data);

void shardd_entry_free(shardd_entry_t *entry);
void shardd_entries_free(shardd_entries_t *entries);
const char *shardd_entry_field(const shardd_entry_t *entry, const char *name);


#endif /* _SHARDD_STORE_H_INCLUDED_ */
