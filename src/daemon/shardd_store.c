
/*
 *      shardd_claim ──▶ claim (scope, holder, token)
 *                         │
 *      shardd_commit ─────┼──▶ FCALL shard_commit ──▶ log, table, version
 *      shardd_migration_put ─▶ FCALL shard_migration_put
 *
 *      shardd_table_load  ◀──  MULTI meta, table, nodes EXEC
 *      the rest           ◀─▶  plain commands
 *
 * Nothing is cached: each call asks Redis.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shard_lua.h"
#include "shardd_store_redis.h"


static int shardd_store_library(shardd_store_t *s);
static int shardd_store_library_load(shardd_store_t *s, long version);
static int shardd_store_outcome(shardd_store_t *s, const redisReply *reply,
    uint64_t *version);


int
shardd_store_open(shardd_store_t *s, const shardd_redis_conf_t *redis,
    const char *keyspace)
{
    shard_str_t  name;

    memset(s, 0, sizeof(shardd_store_t));
    shardd_redis_init(&s->redis, redis);

    name.data = keyspace;
    name.len = strlen(keyspace);

    if (!shard_name_valid(name)) {
        return shardd_store_fail(s, SHARDD_BAD,
                                 "keyspace \"%.80s\" is no name: 1 to 63 of "
                                 "A-Z a-z 0-9 _ . -", keyspace);
    }

    memcpy(s->keyspace, name.data, name.len + 1);

    return shardd_store_library(s);
}


void
shardd_store_close(shardd_store_t *s)
{
    shardd_redis_close(&s->redis);
}


/* the library's number is a line of its text: "local VERSION = N" */

static long
shardd_store_library_version(void)
{
    const char  *p;

    static const char  line[] = "local VERSION = ";

    p = strstr(shard_lua, line);

    return p ? strtol(p + sizeof(line) - 1, NULL, 10) : 0;
}


static int
shardd_store_library(shardd_store_t *s)
{
    int          rc;
    long         ours;
    redisReply  *reply;

    /* a new connection may lead to another, empty Redis */

    if (s->redis.ready && s->redis.ctx) {
        return SHARDD_OK;
    }

    ours = shardd_store_library_version();

    reply = shardd_redis_command(&s->redis, "FCALL shard_library_version 0");

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        if (strstr(reply->str, "unknown command")) {
            rc = shardd_store_fail(s, SHARDD_BAD, "redis %s is older than "
                                   "7.0, which this needs",
                                   s->redis.conf.addr);
            freeReplyObject(reply);
            return rc;
        }

        if (strstr(reply->str, "Function not found")) {
            freeReplyObject(reply);
            return shardd_store_library_load(s, ours);
        }
    }

    reply = shardd_store_checked(s, reply, &rc);

    if (reply == NULL) {
        return rc;
    }

    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < ours) {
        freeReplyObject(reply);
        return shardd_store_library_load(s, ours);
    }

    freeReplyObject(reply);
    s->redis.ready = 1;

    return SHARDD_OK;
}


static int
shardd_store_library_load(shardd_store_t *s, long version)
{
    int          rc;
    redisReply  *reply;

    reply = shardd_redis_command(&s->redis, "FUNCTION LOAD REPLACE %s",
                                 shard_lua);
    reply = shardd_store_checked(s, reply, &rc);

    if (reply == NULL) {
        if (rc == SHARDD_BAD && strstr(s->err, "NOPERM")) {
            return shardd_store_fail(s, SHARDD_BAD, "redis %s lacks the "
                                     "function library shard %ld and this "
                                     "user may not load it: run shardctl "
                                     "status as an administrator once",
                                     s->redis.conf.addr, version);
        }

        return rc;
    }

    freeReplyObject(reply);
    s->redis.ready = 1;

    return SHARDD_OK;
}


int
shardd_store_call(shardd_store_t *s, int argc, const char **argv,
    uint64_t *version, redisReply **answer)
{
    int          rc;
    redisReply  *reply;

    if (answer) {
        *answer = NULL;
    }

    rc = shardd_store_library(s);
    if (rc != SHARDD_OK) {
        return rc;
    }

    reply = shardd_redis_argv(&s->redis, argc, argv, NULL);

    /* Redis was emptied behind our back; nothing was carried out */

    if (reply && reply->type == REDIS_REPLY_ERROR
        && strstr(reply->str, "Function not found"))
    {
        freeReplyObject(reply);
        s->redis.ready = 0;

        rc = shardd_store_library(s);
        if (rc != SHARDD_OK) {
            return rc;
        }

        reply = shardd_redis_argv(&s->redis, argc, argv, NULL);
    }

    reply = shardd_store_checked(s, reply, &rc);

    if (reply == NULL) {
        return rc;
    }

    rc = shardd_store_outcome(s, reply, version);

    if (answer && rc == SHARDD_OK) {
        *answer = reply;
    } else {
        freeReplyObject(reply);
    }

    return rc;
}


static int
shardd_store_outcome(shardd_store_t *s, const redisReply *reply,
    uint64_t *version)
{
    size_t       i, n;
    const char  *word, *a, *b;

    n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;

    for (i = 0; i < n; i++) {
        if (!shardd_store_is_string(reply->element[i])) {
            n = 0;
        }
    }

    if (n == 0) {
        return shardd_store_fail(s, SHARDD_BAD, "redis %s: a function's "
                                 "answer is no array of strings",
                                 s->redis.conf.addr);
    }

    word = reply->element[0]->str;
    a = n > 1 ? reply->element[1]->str : "";
    b = n > 2 ? reply->element[2]->str : "";

    if (version
        && (strcmp(word, "ok") == 0 || strcmp(word, "duplicate") == 0
            || strcmp(word, "conflict") == 0)
        && (n < 2 || shard_uint64_decode(shardd_store_str(reply->element[1]),
                                         version) != SHARD_OK))
    {
        return shardd_store_fail(s, SHARDD_BAD, "redis %s: a function "
                                 "answers %.20s with no number",
                                 s->redis.conf.addr, word);
    }

    if (strcmp(word, "ok") == 0 || strcmp(word, "duplicate") == 0) {
        return SHARDD_OK;
    }

    if (strcmp(word, "held") == 0) {
        return shardd_store_fail(s, SHARDD_FENCED, "held by %.64s for %.20s "
                                 "ms more", a, b);
    }

    if (strcmp(word, "fenced") == 0) {
        return shardd_store_fail(s, SHARDD_FENCED, "the claim is %s%.64s, "
                                 "token %.20s", b[0] ? "that of " : "gone",
                                 b, a);
    }

    if (strcmp(word, "conflict") == 0) {
        return shardd_store_fail(s, SHARDD_CONFLICT, "changed since: it is "
                                 "at %.64s now", a);
    }

    return shardd_store_fail(s, SHARDD_BAD, "refused: %.400s", a);
}


int
shardd_claim(shardd_store_t *s, const char *scope, const char *holder,
    long ttl_ms, shardd_claim_t *claim)
{
    int          rc;
    char         meta[SHARDD_KEY_SIZE], claims[SHARDD_KEY_SIZE], ttl[32];
    uint64_t     token;
    const char  *argv[8];

    if (strlen(scope) >= sizeof(claim->scope)
        || strlen(holder) >= sizeof(claim->holder))
    {
        return shardd_store_fail(s, SHARDD_BAD, "claim of %.100s by %.100s: "
                                 "a name is too long", scope, holder);
    }

    snprintf(ttl, sizeof(ttl), "%ld", ttl_ms);

    argv[0] = "FCALL";
    argv[1] = "shard_claim";
    argv[2] = "2";
    argv[3] = shardd_store_key(s, meta, "meta");
    argv[4] = shardd_store_key(s, claims, "claims");
    argv[5] = scope;
    argv[6] = holder;
    argv[7] = ttl;

    rc = shardd_store_call(s, 8, argv, &token, NULL);
    if (rc != SHARDD_OK) {
        return rc;
    }

    /* renewing a claim, the caller may pass the claim's own strings */

    memmove(claim->scope, scope, strlen(scope) + 1);
    memmove(claim->holder, holder, strlen(holder) + 1);
    claim->token = token;

    return SHARDD_OK;
}


int
shardd_release(shardd_store_t *s, const shardd_claim_t *claim)
{
    char         meta[SHARDD_KEY_SIZE], claims[SHARDD_KEY_SIZE], token[32];
    const char  *argv[8];

    snprintf(token, sizeof(token), "%llu",
             (unsigned long long) claim->token);

    argv[0] = "FCALL";
    argv[1] = "shard_release";
    argv[2] = "2";
    argv[3] = shardd_store_key(s, meta, "meta");
    argv[4] = shardd_store_key(s, claims, "claims");
    argv[5] = claim->scope;
    argv[6] = claim->holder;
    argv[7] = token;

    return shardd_store_call(s, 8, argv, NULL, NULL);
}


int
shardd_commit(shardd_store_t *s, const shardd_claim_t *claim,
    uint64_t *version, const char *operation, const char *by,
    const shardd_change_t *changes, size_t n)
{
    int           rc;
    char          keys[6][SHARDD_KEY_SIZE], token[32], seen[32];
    size_t        i, argc;
    const char  **argv;

    static const char *const  names[] = {
        "meta", "table", "nodes", "log", "claims"
    };

    if (strlen(operation) > 128) {
        return shardd_store_fail(s, SHARDD_BAD, "operation \"%.60s...\" is "
                                 "longer than 128", operation);
    }

    argv = malloc((15 + n * 3) * sizeof(char *));
    if (argv == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    snprintf(token, sizeof(token), "%llu",
             (unsigned long long) claim->token);
    snprintf(seen, sizeof(seen), "%llu", (unsigned long long) *version);

    argc = 0;
    argv[argc++] = "FCALL";
    argv[argc++] = "shard_commit";
    argv[argc++] = "6";

    for (i = 0; i < 5; i++) {
        argv[argc++] = shardd_store_key(s, keys[i], "%s", names[i]);
    }

    argv[argc++] = shardd_store_key(s, keys[5], "op:%.128s", operation);
    argv[argc++] = claim->scope;
    argv[argc++] = token;
    argv[argc++] = claim->holder;
    argv[argc++] = *version == UINT64_MAX ? "-1" : seen;
    argv[argc++] = operation;
    argv[argc++] = by;

    for (i = 0; i < n; i++) {
        argv[argc++] = changes[i].kind;
        argv[argc++] = changes[i].id;
        argv[argc++] = changes[i].json ? changes[i].json : "";
    }

    rc = shardd_store_call(s, (int) argc, argv, version, NULL);

    free(argv);

    return rc;
}


int
shardd_commit_shard(shardd_store_t *s, const shardd_claim_t *claim,
    uint64_t *version, const char *operation, const char *by,
    const shard_record_t *rec)
{
    return shardd_commit_shards(s, claim, version, operation, by, &rec, 1,
                                SHARD_ID_NONE);
}


int
shardd_commit_shards(shardd_store_t *s, const shardd_claim_t *claim,
    uint64_t *version, const char *operation, const char *by,
    const shard_record_t *const *recs, size_t n, shard_id_t gone)
{
    char             id[SHARDD_COMMIT_MAX + 1][16];
    char             json[SHARDD_COMMIT_MAX][SHARD_JSON_MAX];
    size_t           i;
    shardd_change_t  changes[SHARDD_COMMIT_MAX + 1];

    for (i = 0; i < n; i++) {

        if (shard_record_encode(recs[i], json[i], sizeof(json[i])) < 0) {
            return shardd_store_fail(s, SHARDD_BAD, "record of shard %u is "
                                     "longer than %d bytes",
                                     (unsigned) recs[i]->id, SHARD_JSON_MAX);
        }

        snprintf(id[i], sizeof(id[i]), "%u", (unsigned) recs[i]->id);

        changes[i].kind = "shard";
        changes[i].id = id[i];
        changes[i].json = json[i];
    }

    if (gone != SHARD_ID_NONE) {
        snprintf(id[n], sizeof(id[n]), "%u", (unsigned) gone);

        changes[n].kind = "shard";
        changes[n].id = id[n];
        changes[n++].json = "";
    }

    return shardd_commit(s, claim, version, operation, by, changes, n);
}


int
shardd_shard_id_new(shardd_store_t *s, shard_id_t *id)
{
    int          rc;
    char         keys[2][SHARDD_KEY_SIZE];
    uint64_t     value;
    const char  *argv[5];

    argv[0] = "FCALL";
    argv[1] = "shard_id_new";
    argv[2] = "2";
    argv[3] = shardd_store_key(s, keys[0], "table");
    argv[4] = shardd_store_key(s, keys[1], "ids");

    rc = shardd_store_call(s, 5, argv, &value, NULL);

    if (rc == SHARDD_OK) {
        *id = (shard_id_t) value;
    }

    return rc;
}
