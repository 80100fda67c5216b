
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


#define SHARDD_SHARDS_MAX  1048576
#define SHARDD_NODES_MAX   65536


static int shardd_table_read(shardd_store_t *s, const redisReply *exec,
    shardd_table_t *table);
static int shardd_table_meta(shardd_store_t *s, const redisReply *meta,
    shardd_table_t *table);
static int shardd_table_nodes(shardd_store_t *s, const redisReply *all,
    shardd_table_t *table);
static int shardd_table_shards(shardd_store_t *s, const redisReply *all,
    shardd_table_t *table);
static int shardd_table_covers(shardd_store_t *s, shardd_table_t *table);
static int shardd_table_nodes_known(shardd_store_t *s, shardd_table_t *table);


int
shardd_table_load(shardd_store_t *s, shardd_table_t *table)
{
    int                  rc;
    char                 meta[SHARDD_KEY_SIZE], shards[SHARDD_KEY_SIZE];
    char                 nodes[SHARDD_KEY_SIZE];
    redisReply          *exec;
    const char          *about[5], *all_nodes[2], *all_shards[2];

    shardd_redis_cmd_t   cmds[] = {
        { 5, about }, { 2, all_nodes }, { 2, all_shards }
    };

    memset(table, 0, sizeof(shardd_table_t));

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

    if (rc != SHARDD_OK) {
        shardd_table_free(table);
    }

    return rc;
}


void
shardd_table_free(shardd_table_t *table)
{
    free(table->shards);
    free(table->nodes);
    free(table->policy);

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

    if (rc == SHARDD_OK) {
        rc = shardd_table_shards(s, exec->element[2], table);
    }

    if (rc == SHARDD_OK) {
        rc = shardd_table_covers(s, table);
    }

    return rc == SHARDD_OK ? shardd_table_nodes_known(s, table) : rc;
}


static int
shardd_table_meta(shardd_store_t *s, const redisReply *meta,
    shardd_table_t *table)
{
    shard_str_t  kind, policy;

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

    kind = shardd_store_str(meta->element[1]);

    if (kind.len != 0 && (kind.len != 4 || memcmp(kind.data, "hash", 4))) {
        return shardd_store_fail(s, SHARDD_BAD, "keyspace %s: meta.kind is "
                                 "\"%.40s\", this program knows hash",
                                 s->keyspace, kind.data);
    }

    policy = shardd_store_str(meta->element[2]);

    if (policy.len == 0) {
        return SHARDD_OK;
    }

    table->policy = shardd_store_strdup(policy.data, policy.len);

    return table->policy ? SHARDD_OK
                         : shardd_store_fail(s, SHARDD_BAD, "no memory");
}


static int
shardd_node_compare(const void *one, const void *two)
{
    return strcmp(((const shard_node_t *) one)->name,
                  ((const shard_node_t *) two)->name);
}


static int
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
shardd_shard_compare(const void *one, const void *two)
{
    const shard_record_t  *a = one, *b = two;

    if (a->lo != b->lo) {
        return a->lo < b->lo ? -1 : 1;
    }

    return a->id < b->id ? -1 : a->id > b->id;
}


static int
shardd_table_shard_decode(shardd_store_t *s, const redisReply *field,
    const redisReply *value, shard_record_t *rec)
{
    char         err[SHARD_ERR_SIZE];
    shard_id_t   id;
    shard_str_t  name;

    name = shardd_store_str(field);

    if (shard_id_decode(name, &id) != SHARD_OK) {
        return shardd_store_fail(s, SHARDD_BAD, "table: \"%.40s\" is no "
                                 "shard id", name.data);
    }

    if (shard_record_decode(id, shardd_store_str(value), rec, err)
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
        rc = shardd_table_shard_decode(s, all->element[i * 2],
                                       all->element[i * 2 + 1],
                                       &table->shards[i]);
        if (rc != SHARDD_OK) {
            return rc;
        }
    }

    table->nshards = n;
    qsort(table->shards, n, sizeof(shard_record_t), shardd_shard_compare);

    return SHARDD_OK;
}


/* hi == 0 is the end of all positions: only the last shard may have it */

static int
shardd_table_covers(shardd_store_t *s, shardd_table_t *table)
{
    size_t           i;
    shard_record_t  *rec, *next;

    rec = &table->shards[0];

    if (rec->lo != 0) {
        return shardd_store_fail(s, SHARDD_BAD, "nothing covers positions "
                                 "before %016llx, the start of shard %u",
                                 (unsigned long long) rec->lo,
                                 (unsigned) rec->id);
    }

    for (i = 0; i + 1 < table->nshards; i++) {
        rec = &table->shards[i];
        next = &table->shards[i + 1];

        if (rec->hi == 0 || rec->hi > next->lo) {
            return shardd_store_fail(s, SHARDD_BAD, "shards %u and %u "
                                     "overlap at %016llx",
                                     (unsigned) rec->id,
                                     (unsigned) next->id,
                                     (unsigned long long) next->lo);
        }

        if (rec->hi < next->lo) {
            return shardd_store_fail(s, SHARDD_BAD, "nothing covers "
                                     "positions from %016llx, between "
                                     "shards %u and %u",
                                     (unsigned long long) rec->hi,
                                     (unsigned) rec->id,
                                     (unsigned) next->id);
        }
    }

    rec = &table->shards[table->nshards - 1];

    if (rec->hi != 0) {
        return shardd_store_fail(s, SHARDD_BAD, "nothing covers positions "
                                 "from %016llx, the end of shard %u",
                                 (unsigned long long) rec->hi,
                                 (unsigned) rec->id);
    }

    return SHARDD_OK;
}


static int
shardd_table_nodes_known(shardd_store_t *s, shardd_table_t *table)
{
    size_t           i, k;
    const char      *name;
    shard_record_t  *rec;

    for (i = 0; i < table->nshards; i++) {
        rec = &table->shards[i];
        name = rec->primary;

        for (k = 0; name; k++) {

            if (shardd_table_node(table, name) == NULL) {
                return shardd_store_fail(s, SHARDD_BAD, "shard %u names "
                                         "node %s, which does not exist",
                                         (unsigned) rec->id, name);
            }

            name = k < rec->nstandbys ? rec->standbys[k]
                   : k == rec->nstandbys && rec->target[0] ? rec->target
                   : NULL;
        }
    }

    return SHARDD_OK;
}


/* by id: the table is sorted by position, so this looks through all of it */

shard_record_t *
shardd_table_shard(shardd_table_t *table, shard_id_t id)
{
    size_t  i;

    for (i = 0; i < table->nshards; i++) {
        if (table->shards[i].id == id) {
            return &table->shards[i];
        }
    }

    return NULL;
}


shard_node_t *
shardd_table_node(shardd_table_t *table, const char *name)
{
    int     order;
    size_t  lo, hi, mid;

    for (lo = 0, hi = table->nnodes; lo < hi; /* void */ ) {
        mid = lo + (hi - lo) / 2;
        order = strcmp(name, table->nodes[mid].name);

        if (order == 0) {
            return &table->nodes[mid];
        }

        if (order < 0) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }

    return NULL;
}


int
shardd_shard_load(shardd_store_t *s, shard_id_t id, shard_record_t *rec,
    uint64_t *version)
{
    int                  rc;
    char                 meta[SHARDD_KEY_SIZE], table[SHARDD_KEY_SIZE];
    char                 field[16];
    redisReply          *exec, **e, name;
    const char          *newest[3], *record[3];
    shardd_redis_cmd_t   cmds[] = { { 3, newest }, { 3, record } };

    snprintf(field, sizeof(field), "%u", (unsigned) id);

    newest[0] = record[0] = "HGET";
    newest[1] = shardd_store_key(s, meta, "meta");
    newest[2] = "version";
    record[1] = shardd_store_key(s, table, "table");
    record[2] = field;

    exec = shardd_store_checked(s, shardd_redis_multi(&s->redis, cmds, 2),
                                &rc);
    if (exec == NULL) {
        return rc;
    }

    memset(&name, 0, sizeof(redisReply));
    name.type = REDIS_REPLY_STRING;
    name.str = field;
    name.len = strlen(field);

    e = exec->element;

    if (exec->type != REDIS_REPLY_ARRAY || exec->elements != 2
        || !shardd_store_is_string(e[0]) || !shardd_store_is_string(e[1]))
    {
        rc = shardd_store_fail(s, SHARDD_NONE, "keyspace %s has no shard %u",
                               s->keyspace, (unsigned) id);

    } else if (version
               && shard_uint64_decode(shardd_store_str(e[0]), version)
                  != SHARD_OK)
    {
        rc = shardd_store_fail(s, SHARDD_BAD, "keyspace %s: meta.version is "
                               "no number", s->keyspace);

    } else {
        rc = shardd_table_shard_decode(s, &name, e[1], rec);
    }

    freeReplyObject(exec);

    return rc;
}
