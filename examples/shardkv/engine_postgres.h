
/*
 * --store postgres://[USER@]HOST[:PORT]/DATABASE: what engine_postgres.c
 * (connection), _schema.c (tables and functions) and _call.c (requests) share.
 */


#ifndef _SHARDKV_ENGINE_POSTGRES_H_INCLUDED_
#define _SHARDKV_ENGINE_POSTGRES_H_INCLUDED_


#include <libpq-fe.h>

#include "engine.h"


#define SHARDKV_PG_PARAMS  4


typedef struct {
    PGconn        *pg;
    char           where[128];          /* host and database, for messages */
} shardkv_pg_t;

/* bytea goes and comes in binary, all else as text */

typedef struct {
    int            n;
    const char    *value[SHARDKV_PG_PARAMS];
    int            len[SHARDKV_PG_PARAMS];
    int            binary[SHARDKV_PG_PARAMS];
    char           id[16];
    char           number[2][24];
} shardkv_pg_params_t;


extern const shardkv_engine_t  shardkv_engine_postgres;


/*
 * SHARD_OK: the result, to be cleared; SHARD_AGAIN: r->answer is a refusal,
 * the connection is good; SHARD_ERROR: r->answer too, and it is not.
 */

int shardkv_pg_exec(shardkv_pg_t *c, shardkv_request_t *r, const char *sql,
    const shardkv_pg_params_t *p, int binary, PGresult **res);

/* parameters: the shard, which begins them, an epoch or NULL, two numbers at
 * most with the epoch, words and bytes, which stay the caller's */

void shardkv_pg_shard(shardkv_pg_params_t *p, const shardkv_request_t *r);
void shardkv_pg_epoch(shardkv_pg_params_t *p, unsigned known, uint64_t epoch);
void shardkv_pg_word(shardkv_pg_params_t *p, const char *word);
void shardkv_pg_number(shardkv_pg_params_t *p, uint64_t number);
void shardkv_pg_bytes(shardkv_pg_params_t *p, const char *data, size_t len);

/* the last result, or NULL: no answer, or the first error in its place */

PGresult *shardkv_pg_answer(shardkv_pg_t *c, uint64_t until_ms);
uint64_t shardkv_pg_ms(void);           /* of the monotonic clock */

/* engine_postgres_schema.c: makes it what this shardkv needs, or says why
 * it cannot be */

int shardkv_pg_schema(shardkv_pg_t *c, char err[SHARD_ERR_SIZE]);

/* engine_postgres_call.c */

int shardkv_pg_call(shardkv_pg_t *c, shardkv_request_t *r);


#endif /* _SHARDKV_ENGINE_POSTGRES_H_INCLUDED_ */
