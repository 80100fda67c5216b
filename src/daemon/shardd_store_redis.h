
/*
 * What the files of the Redis store share.
 *
 *   shardd_store.c        open, library, claims, commit
 *   _store_table.c        the table, one shard
 *   _store_scan.c         a large table in pieces
 *   _store_cover.c        do its shards hold every key once, which holds one
 *   _store_stage.c        a whole new table in pieces
 *   _store_stream.c       decisions, metrics
 *   _store_hash.c         hashes, migrations
 *   _store_rows.c         history
 *   _store_redis.c        commands and their failures, entries (this header)
 *
 * A reply comes back only when it is usable: otherwise NULL, *rc and s->err.
 */


#ifndef _SHARDD_STORE_REDIS_H_INCLUDED_
#define _SHARDD_STORE_REDIS_H_INCLUDED_


#include "shardd_store.h"


#define SHARDD_KEY_SIZE      256
#define SHARDD_FIELDS_MAX    100      /* of a migration or decision */
#define SHARDD_ENTRIES_MAX   100000   /* of one answer */
#define SHARDD_SHARDS_MAX    1048576
#define SHARDD_UNITS_CHUNK   65536    /* of units' text, > SHARD_JSON_MAX */


struct shardd_units_s {
    shardd_units_t  *next;
    size_t           used;
    char             data[SHARDD_UNITS_CHUNK];
};


/* sets s->err, returns rc */

#if (__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
int shardd_store_fail(shardd_store_t *s, int rc, const char *fmt, ...);

/* "shard:{KEYSPACE}:" and the rest; returns buf */

#if (__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
const char *shardd_store_key(shardd_store_t *s, char *buf, const char *fmt,
    ...);

/* any reply is checked here; it is the given one, or freed and NULL */

redisReply *shardd_store_checked(shardd_store_t *s, redisReply *reply,
    int *rc);
redisReply *shardd_store_argv(shardd_store_t *s, int *rc, int argc,
    const char **argv, const size_t *lens);

/* a library function; the outcome's word is turned into the rc.  version,
 * if not NULL, takes the number of ok, duplicate and conflict */

int shardd_store_call(shardd_store_t *s, int argc, const char **argv,
    uint64_t *version, redisReply **answer);

/* copies; SHARDD_BAD on no memory or a reply of another shape.  "fields" is
 * an array of names and values */

int shardd_store_entry(shardd_store_t *s, const char *id,
    const redisReply *fields, shardd_entry_t *entry);
int shardd_store_entries(shardd_store_t *s, const redisReply *list,
    shardd_entries_t *out);

/* parts of a table; nodes replace those that are there */

int shardd_table_meta(shardd_store_t *s, const redisReply *meta,
    shardd_table_t *table);
int shardd_table_nodes(shardd_store_t *s, const redisReply *all,
    shardd_table_t *table);

/* one record of table->kind, its units kept by the table */

int shardd_table_record(shardd_store_t *s, shardd_table_t *table,
    const redisReply *id, const redisReply *json, shard_record_t *rec);

/* meta, nodes and shards; not sorted, not checked against each other */

int shardd_table_scan(shardd_store_t *s, shardd_table_t *table);

/* sorts the shards, also by id; SHARDD_BAD for a gap, an overlap, a name twice */

int shardd_table_covers(shardd_store_t *s, shardd_table_t *table);
int shardd_table_nodes_known(shardd_store_t *s, shardd_table_t *table);

char *shardd_store_strdup(const char *data, size_t len);
shard_str_t shardd_store_str(const redisReply *reply);
int shardd_store_is_string(const redisReply *reply);


#endif /* _SHARDD_STORE_REDIS_H_INCLUDED_ */
