
/*
 * The table, read whole.  What Redis holds is taken as hostile: a record
 * that does not decode, a gap, an overlap or a node that nobody knows
 * refuses all of it, and the reason names the record.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shardd_store_redis.h"


#define SHARDD_NODES_MAX   65536
#define SHARDD_WHOLE_MAX   10000      /* shards: 10 ms of Redis at most */


static int shardd_table_count(shardd_store_t *s, long long *n);
static int shardd_table_whole(shardd_store_t *s, shardd_table_t *table);
static int shardd_table_read(shardd_store_t *s, const redisReply *exec,
    shardd_table_t *table);
static int shardd_table_shards(shardd_store_t *s, const redisReply *all,
    shardd_table_t *table);
static int shardd_table_keep(shardd_store_t *s, shardd_table_t *table,
    shard_record_t *rec);
static int shardd_store_kind(shardd_store_t *s, const redisReply *reply,
    shard_kind_e *kind);
static int shardd_shard_read(shardd_store_t *s, char *field,
    const redisReply *exec, shard_record_t *rec, uint64_t *version);


int
shardd_table_load(shardd_store_t *s, shardd_table_t *table)
{
    int        rc;
    long long  n;

    memset(table, 0, sizeof(shardd_table_t));

    rc = shardd_table_count(s, &n);

    if (rc == SHARDD_OK) {
        rc = n > SHARDD_WHOLE_MAX ? shardd_table_scan(s, table)
                                  : shardd_table_whole(s, table);
    }

    if (rc == SHARDD_CONFLICT) {
        rc = shardd_table_whole(s, table);
    }

    if (rc == SHARDD_OK) {
        rc = shardd_table_covers(s, table);
    }

    if (rc == SHARDD_OK) {
        rc = shardd_table_nodes_known(s, table);
    }

    if (rc != SHARDD_OK) {
        shardd_table_free(table);
    }

    return rc;
}


static int
shardd_table_count(shardd_store_t *s, long long *n)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE];
    redisReply  *reply;
    const char  *argv[2];

    argv[0] = "HLEN";
    argv[1] = shardd_store_key(s, key, "table");

    reply = shardd_store_argv(s, &rc, 2, argv, NULL);
    if (reply == NULL) {
        return rc;
    }

    *n = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;

    freeReplyObject(reply);

    return SHARDD_OK;
}


/* in one transaction: a consistent copy */

static int
shardd_table_whole(shardd_store_t *s, shardd_table_t *table)
{
    int                  rc;
    char                 meta[SHARDD_KEY_SIZE], shards[SHARDD_KEY_SIZE];
    char                 nodes[SHARDD_KEY_SIZE];
    redisReply          *exec;
    const char          *about[5], *all_nodes[2], *all_shards[2];

    shardd_redis_cmd_t   cmds[] = {
        { 5, about }, { 2, all_nodes }, { 2, all_shards }
    };

    about[0] = "HMGET";
    about[1] = shardd_store_key(s, meta, "meta");
    about[2] = "version";
    about[3] = "kind";
    about[4] = "policy";

    all_nodes[0] = all_shards[0] = "HGETALL";
    all_nodes[1] = shardd_store_key(s, nodes, "nodes");
    all_shards[1] = shardd_store_key(s, shards, "table");

    exec = shardd_store_checked(s, shardd_redis_multi(&s->redis, cmds, 3),
                                &rc);
    if (exec == NULL) {
        return rc;
    }

    rc = shardd_table_read(s, exec, table);

    freeReplyObject(exec);

    return rc;
}


void
shardd_table_free(shardd_table_t *table)
{
    shardd_units_t  *next;

    free(table->shards);
    free(table->nodes);
    free(table->policy);
    free(table->by_id);

    while (table->units) {
        next = table->units->next;
        free(table->units);
        table->units = next;
    }

    memset(table, 0, sizeof(shardd_table_t));
}


static int
shardd_table_read(shardd_store_t *s, const redisReply *exec,
    shardd_table_t *table)
{
    int     rc;
    size_t  i;

    if (exec->type != REDIS_REPLY_ARRAY || exec->elements != 3) {
        return shardd_store_fail(s, SHARDD_BAD, "redis %s: EXEC answers no "
                                 "array of 3", s->redis.conf.addr);
    }

    for (i = 0; i < 3; i++) {
        if (exec->element[i]->type == REDIS_REPLY_ERROR) {
            return shardd_store_fail(s, SHARDD_BAD, "redis %s: %.300s",
                                     s->redis.conf.addr,
                                     exec->element[i]->str);
        }

        if (exec->element[i]->type != REDIS_REPLY_ARRAY) {
            return shardd_store_fail(s, SHARDD_BAD, "redis %s: HGETALL "
                                     "answers no array",
                                     s->redis.conf.addr);
        }
    }

    rc = shardd_table_meta(s, exec->element[0], table);

    if (rc == SHARDD_OK) {
        rc = shardd_table_nodes(s, exec->element[1], table);
    }

    return rc == SHARDD_OK ? shardd_table_shards(s, exec->element[2], table)
                           : rc;
}


int
shardd_table_meta(shardd_store_t *s, const redisReply *meta,
    shardd_table_t *table)
{
    shard_str_t  policy;

    if (meta->elements != 3 || !shardd_store_is_string(meta->element[0])) {
        return shardd_store_fail(s, SHARDD_NONE, "keyspace %s has no table "
                                 "on redis %s: create it with shardctl init",
                                 s->keyspace, s->redis.conf.addr);
    }

    if (shard_uint64_decode(shardd_store_str(meta->element[0]),
                            &table->version) != SHARD_OK)
    {
        return shardd_store_fail(s, SHARDD_BAD, "keyspace %s: meta.version "
                                 "is no number: \"%.40s\"", s->keyspace,
                                 meta->element[0]->str);
    }

    if (shardd_store_kind(s, meta->element[1], &table->kind) != SHARDD_OK) {
        return SHARDD_BAD;
    }

    policy = shardd_store_str(meta->element[2]);

    if (policy.len == 0) {
        return SHARDD_OK;
    }

    table->policy = shardd_store_strdup(policy.data, policy.len);

    return table->policy ? SHARDD_OK
                         : shardd_store_fail(s, SHARDD_BAD, "no memory");
}


/* a table without a kind is one of hash */

static int
shardd_store_kind(shardd_store_t *s, const redisReply *reply,
    shard_kind_e *kind)
{
    shard_str_t  text;

    text = shardd_store_str(reply);
    *kind = SHARD_KIND_HASH;

    if (text.len != 0 && shard_kind_parse(text, kind) != SHARD_OK) {
        return shardd_store_fail(s, SHARDD_BAD, "keyspace %s: meta.kind is "
                                 "\"%.40s\", known are hash, range uint64, "
                                 "range bytes, list", s->keyspace, text.data);
    }

    return SHARDD_OK;
}


static int
shardd_node_compare(const void *one, const void *two)
{
    return strcmp(((const shard_node_t *) one)->name,
                  ((const shard_node_t *) two)->name);
}


int
shardd_table_nodes(shardd_store_t *s, const redisReply *all,
    shardd_table_t *table)
{
    char         err[SHARD_ERR_SIZE];
    size_t       i, n;
    shard_str_t  name, json;

    n = all->elements / 2;

    if (n > SHARDD_NODES_MAX) {
        return shardd_store_fail(s, SHARDD_BAD, "%zu nodes, at most %d", n,
                                 SHARDD_NODES_MAX);
    }

    table->nodes = calloc(n + 1, sizeof(shard_node_t));
    if (table->nodes == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory for %zu nodes",
                                 n);
    }

    for (i = 0; i < n; i++) {
        name = shardd_store_str(all->element[i * 2]);
        json = shardd_store_str(all->element[i * 2 + 1]);

        if (shard_node_decode(name, json, &table->nodes[i], err)
            != SHARD_OK)
        {
            return shardd_store_fail(s, SHARDD_BAD, "node %.64s: %s",
                                     name.data, err);
        }
    }

    table->nnodes = n;
    qsort(table->nodes, n, sizeof(shard_node_t), shardd_node_compare);

    return SHARDD_OK;
}


static int
shardd_table_shard_decode(shardd_store_t *s, shard_kind_e kind,
    const redisReply *field, const redisReply *value, shard_record_t *rec)
{
    char         err[SHARD_ERR_SIZE];
    shard_id_t   id;
    shard_str_t  name;

    name = shardd_store_str(field);

    if (shard_id_decode(name, &id) != SHARD_OK) {
        return shardd_store_fail(s, SHARDD_BAD, "table: \"%.40s\" is no "
                                 "shard id", name.data);
    }

    if (shard_record_decode(kind, id, shardd_store_str(value), rec, err)
        != SHARD_OK)
    {
        return shardd_store_fail(s, SHARDD_BAD, "shard %u: %s",
                                 (unsigned) id, err);
    }

    return SHARDD_OK;
}


static int
shardd_table_shards(shardd_store_t *s, const redisReply *all,
    shardd_table_t *table)
{
    int     rc;
    size_t  i, n;

    n = all->elements / 2;

    if (n == 0) {
        return shardd_store_fail(s, SHARDD_NONE, "keyspace %s has no shards "
                                 "on redis %s: create it with shardctl init",
                                 s->keyspace, s->redis.conf.addr);
    }

    if (n > SHARDD_SHARDS_MAX) {
        return shardd_store_fail(s, SHARDD_BAD, "%zu shards, at most %d", n,
                                 SHARDD_SHARDS_MAX);
    }

    table->shards = calloc(n, sizeof(shard_record_t));
    if (table->shards == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory for %zu shards",
                                 n);
    }

    for (i = 0; i < n; i++) {
        rc = shardd_table_record(s, table, all->element[i * 2],
                                 all->element[i * 2 + 1], &table->shards[i]);
        if (rc != SHARDD_OK) {
            return rc;
        }
    }

    table->nshards = n;

    return SHARDD_OK;
}


int
shardd_table_record(shardd_store_t *s, shardd_table_t *table,
    const redisReply *id, const redisReply *json, shard_record_t *rec)
{
    int  rc;

    rc = shardd_table_shard_decode(s, table->kind, id, json, rec);

    return rc == SHARDD_OK && rec->units.len ? shardd_table_keep(s, table, rec)
                                             : rc;
}


/* the reply that the record's units lie in will be freed */

static int
shardd_table_keep(shardd_store_t *s, shardd_table_t *table,
    shard_record_t *rec)
{
    char            *p;
    shardd_units_t  *chunk;

    chunk = table->units;

    if (chunk == NULL || SHARDD_UNITS_CHUNK - chunk->used < rec->units.len) {
        chunk = malloc(sizeof(shardd_units_t));

        if (chunk == NULL) {
            return shardd_store_fail(s, SHARDD_BAD, "no memory for units");
        }

        chunk->next = table->units;
        chunk->used = 0;
        table->units = chunk;
    }

    p = chunk->data + chunk->used;
    memcpy(p, rec->units.data, rec->units.len);
    chunk->used += rec->units.len;
    rec->units.data = p;

    return SHARDD_OK;
}


int
shardd_shard_load(shardd_store_t *s, shard_id_t id, shard_record_t *rec,
    uint64_t *version)
{
    int                  rc;
    char                 meta[SHARDD_KEY_SIZE], table[SHARDD_KEY_SIZE];
    char                 field[16];
    redisReply          *exec;
    const char          *newest[4], *record[3];
    shardd_redis_cmd_t   cmds[] = { { 4, newest }, { 3, record } };

    snprintf(field, sizeof(field), "%u", (unsigned) id);

    newest[0] = "HMGET";
    newest[1] = shardd_store_key(s, meta, "meta");
    newest[2] = "version";
    newest[3] = "kind";

    record[0] = "HGET";
    record[1] = shardd_store_key(s, table, "table");
    record[2] = field;

    exec = shardd_store_checked(s, shardd_redis_multi(&s->redis, cmds, 2),
                                &rc);
    if (exec == NULL) {
        return rc;
    }

    rc = shardd_shard_read(s, field, exec, rec, version);

    freeReplyObject(exec);

    return rc;
}


static int
shardd_shard_read(shardd_store_t *s, char *field, const redisReply *exec,
    shard_record_t *rec, uint64_t *version)
{
    int            rc;
    redisReply    *meta, *json, name;
    shard_kind_e   kind;

    meta = exec->elements == 2 ? exec->element[0] : NULL;
    json = exec->elements == 2 ? exec->element[1] : NULL;

    if (meta == NULL || meta->type != REDIS_REPLY_ARRAY || meta->elements != 2
        || !shardd_store_is_string(meta->element[0])
        || !shardd_store_is_string(json))
    {
        return shardd_store_fail(s, SHARDD_NONE, "keyspace %s has no shard %s",
                                 s->keyspace, field);
    }

    if (version
        && shard_uint64_decode(shardd_store_str(meta->element[0]), version)
           != SHARD_OK)
    {
        return shardd_store_fail(s, SHARDD_BAD, "keyspace %s: meta.version is "
                                 "no number", s->keyspace);
    }

    if (shardd_store_kind(s, meta->element[1], &kind) != SHARDD_OK) {
        return SHARDD_BAD;
    }

    memset(&name, 0, sizeof(redisReply));
    name.type = REDIS_REPLY_STRING;
    name.str = field;
    name.len = strlen(field);

    rc = shardd_table_shard_decode(s, kind, &name, json, rec);

    if (rc == SHARDD_OK && rec->units.len) {
        memcpy(s->units, rec->units.data, rec->units.len);
        rec->units.data = s->units;
    }

    return rc;
}
