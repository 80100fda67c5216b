
/*
 * What PostgreSQL is taught: conf/postgres.sql and upon it postgres.sql, both
 * made so that they may be run again over what an older one made.
 *
 *   schema shard    comment "nginx-shard N"     the version of what is there,
 *                   set by conf/postgres.sql itself, whoever runs it
 *   schema shardkv  comment "shardkv N DIGEST"  of both scripts as shardkv
 *                   ran them; none when a hand did
 *
 *   older, or of another digest ▶ both are run again, each in a transaction
 *   newer ▶ refused: functions that others use would become old ones
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_postgres.h"
#include "postgres_sql.h"
#include "shard_codec.h"
#include "shard_digest.h"


#define SCHEMA_MARK  64
#define SCHEMA_SAYS  "COMMENT ON SCHEMA shard IS 'nginx-shard "

/*
 * Version, mark, and whether the last thing is there that postgres.sql makes;
 * before 2 there was no version
 */

#define SCHEMA_ASK                                                           \
    "SELECT coalesce(substring(obj_description(to_regnamespace('shard'), "   \
    "'pg_namespace') from '^nginx-shard ([0-9]{1,6})$'), '1'), "             \
    "coalesce(obj_description(to_regnamespace('shardkv'), 'pg_namespace'), " \
    "''), (SELECT count(*) FROM pg_proc p JOIN pg_namespace n "              \
    "ON n.oid = p.pronamespace WHERE nspname = 'shardkv' "                   \
    "AND proname = 'append')"


typedef struct {
    unsigned long  version;             /* of the database */
    int            there;               /* not an empty one */
    int            same;
} schema_t;


/* NULL and why in "err" */

static PGresult *
schema_query(shardkv_pg_t *c, const char *sql, char err[SHARD_ERR_SIZE])
{
    PGresult  *res;

    res = PQsendQuery(c->pg, sql)
          ? shardkv_pg_answer(c, shardkv_pg_ms() + SHARDKV_ENGINE_MS) : NULL;

    if (res && PQresultStatus(res) != PGRES_FATAL_ERROR) {
        return res;
    }

    snprintf(err, SHARD_ERR_SIZE, "%s: tables: %.100s", c->where,
             res ? PQresultErrorMessage(res) : PQerrorMessage(c->pg));
    err[strcspn(err, "\n")] = '\0';
    PQclear(res);

    return NULL;
}


static void
schema_mark(unsigned long version, char mark[SCHEMA_MARK])
{
    char            hex[17];
    shard_digest_t  digest;

    shard_digest_init(&digest);
    shard_digest_add(&digest, conf_postgres_sql, sizeof(conf_postgres_sql));
    shard_digest_add(&digest, examples_shardkv_postgres_sql,
                     sizeof(examples_shardkv_postgres_sql));

    shard_hex_encode(shard_digest_value(&digest), hex);
    snprintf(mark, SCHEMA_MARK, "shardkv %lu %.16s", version, hex);
}


static int
schema_look(shardkv_pg_t *c, unsigned long own, const char *mark,
    schema_t *schema, char err[SHARD_ERR_SIZE])
{
    PGresult    *res;
    const char  *said;

    res = schema_query(c, SCHEMA_ASK, err);

    if (res == NULL) {
        return SHARD_ERROR;
    }

    said = PQgetvalue(res, 0, 1);

    schema->version = strtoul(PQgetvalue(res, 0, 0), NULL, 10);
    schema->there = strcmp(PQgetvalue(res, 0, 2), "0") != 0;
    schema->same = schema->there && schema->version == own
                   && (said[0] == '\0' || strcmp(said, mark) == 0);
    PQclear(res);

    return SHARD_OK;
}


static int
schema_run(shardkv_pg_t *c, const char *mark, char err[SHARD_ERR_SIZE])
{
    int        i;
    char       comment[SCHEMA_MARK + 64];
    PGresult  *res;

    const char  *scripts[] = { conf_postgres_sql,
                               examples_shardkv_postgres_sql, comment };

    snprintf(comment, sizeof(comment), "COMMENT ON SCHEMA shardkv IS '%s'",
             mark);

    for (i = 0; i < 3; i++) {
        res = schema_query(c, scripts[i], err);

        if (res == NULL) {
            return SHARD_ERROR;
        }

        PQclear(res);
    }

    return SHARD_OK;
}


int
shardkv_pg_schema(shardkv_pg_t *c, char err[SHARD_ERR_SIZE])
{
    char           mark[SCHEMA_MARK], why[SHARD_ERR_SIZE];
    schema_t       schema;
    const char    *p;
    unsigned long  own;

    p = strstr(conf_postgres_sql, SCHEMA_SAYS);
    own = p ? strtoul(p + strlen(SCHEMA_SAYS), NULL, 10) : 0;
    schema_mark(own, mark);

    if (schema_look(c, own, mark, &schema, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (schema.version > own) {
        snprintf(err, SHARD_ERR_SIZE, "%s: its schema has version %lu, this "
                 "shardkv's is %lu: a newer shardkv is needed", c->where,
                 schema.version, own);
        return SHARD_ERROR;
    }

    if (schema.same) {
        return SHARD_OK;
    }

    if (schema_run(c, mark, schema.there ? why : err) == SHARD_OK) {
        return SHARD_OK;
    }

    if (schema.there) {
        snprintf(err, SHARD_ERR_SIZE, "%.120s (version %lu, %lu is needed: its "
                 "owner runs psql -f conf/postgres.sql -f "
                 "examples/shardkv/postgres.sql)", why, schema.version, own);
    }

    return SHARD_ERROR;
}
