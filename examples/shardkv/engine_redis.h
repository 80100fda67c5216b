
/*
 * The parts of the Redis engine.  Functions that take a request set its
 * answer and return what run() does: SHARD_OK, or SHARD_ERROR when the
 * connection is of no use any more.
 */


#ifndef _SHARDKV_ENGINE_REDIS_H_INCLUDED_
#define _SHARDKV_ENGINE_REDIS_H_INCLUDED_


#include "engine.h"

#include "../../src/daemon/shardd_data.h"


typedef struct {
    shardd_redis_conf_t   conf;
    shardd_redis_t        redis;
    char                  password[512];
} shardkv_redis_t;


extern const shardkv_engine_t  shardkv_engine_redis;


/* engine_redis.c; frees the reply, which may be NULL */

int shardkv_redis_failed(shardkv_redis_t *c, shardkv_request_t *r,
    redisReply *reply);

/* engine_redis_kv.c: values and queues */

int shardkv_redis_ordinary(shardkv_redis_t *c, shardkv_request_t *r);

/* engine_redis_role.c: role, hold, resume, stats */

int shardkv_redis_contract(shardkv_redis_t *c, shardkv_request_t *r);


#endif /* _SHARDKV_ENGINE_REDIS_H_INCLUDED_ */
