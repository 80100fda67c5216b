
/*
 * The function library of data that live in a Redis, src/lua/data: shardkv
 * serves requests by it, the migrator moves shards by it.  A connection that
 * finds no library, or an older one, loads ours.
 */


#ifndef _SHARDD_DATA_H_INCLUDED_
#define _SHARDD_DATA_H_INCLUDED_


#include "shard_types.h"
#include "shardd_redis.h"


#define SHARDD_DATA_ARGS  16        /* of one call, by shardd_data_call() */
#define SHARDD_DATA_BASE  "shardkv:"


/* "shardkv:{ID}:" */

typedef struct {
    char  text[32];
} shardd_data_prefix_t;

shardd_data_prefix_t shardd_data_prefix(shard_id_t shard);

/* connects, and the library is there; 0, or -1 with r->err */

int shardd_data_open(shardd_redis_t *r);

/* for who connects by himself: the library, and the version that has all of
 * it; sharddata_version tells that of a server */

const char *shardd_data_source(void);
long shardd_data_version(void);

/*
 * sharddata_NAME of "prefix" with at most SHARDD_DATA_ARGS arguments; lens
 * may be NULL.  An error of Redis is returned as it is, NULL: no answer.
 */

redisReply *shardd_data_call(shardd_redis_t *r, const char *name,
    const char *prefix, int argc, const char **argv, const size_t *lens);

/* answers are lists of text: 1 when the i-th is there, as text or number */

int shardd_data_word(const redisReply *reply, size_t i, const char *word);
const char *shardd_data_text(const redisReply *reply, size_t i);
int shardd_data_uint(const redisReply *reply, size_t i, uint64_t *value);

/* a figure of INFO's text; -1: it has none */

int shardd_data_info(const char *info, const char *name, uint64_t *value);

/* bytes the server may still take by INFO memory: up to maxmemory, or all
 * that the machine has; 0, or -1: it does not say */

int shardd_data_memory(const char *info, uint64_t *bytes);


#endif /* _SHARDD_DATA_H_INCLUDED_ */
