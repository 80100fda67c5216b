
/* hashes of the keyspace, and migrations, which are hashes with an index */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shardd_store_redis.h"


static int shardd_hash_change(shardd_store_t *s,
    const shardd_redis_cmd_t *set, const shardd_redis_cmd_t *del);
static int shardd_migration_id(shardd_store_t *s, const char *id);


int
shardd_hash_load(shardd_store_t *s, const char *key, shardd_entry_t *out)
{
    int          rc;
    char         full[SHARDD_KEY_SIZE];
    redisReply  *reply;
    const char  *argv[2];

    memset(out, 0, sizeof(shardd_entry_t));

    argv[0] = "HGETALL";
    argv[1] = shardd_store_key(s, full, "%.128s", key);

    reply = shardd_store_argv(s, &rc, 2, argv, NULL);
    if (reply == NULL) {
        return rc;
    }

    rc = shardd_store_entry(s, key, reply, out);

    freeReplyObject(reply);

    return rc;
}


int
shardd_hash_get(shardd_store_t *s, const char *key, const char *field,
    char **value)
{
    int          rc;
    char         full[SHARDD_KEY_SIZE];
    redisReply  *reply;
    const char  *argv[3];

    *value = NULL;

    argv[0] = "HGET";
    argv[1] = shardd_store_key(s, full, "%.128s", key);
    argv[2] = field;

    reply = shardd_store_argv(s, &rc, 3, argv, NULL);
    if (reply == NULL) {
        return rc;
    }

    if (!shardd_store_is_string(reply)) {
        rc = shardd_store_fail(s, SHARDD_NONE, "%s has no field %.100s",
                               full, field);
    } else {
        *value = shardd_store_strdup(reply->str, (size_t) reply->len);

        if (*value == NULL) {
            rc = shardd_store_fail(s, SHARDD_BAD, "no memory");
        }
    }

    freeReplyObject(reply);

    return rc;
}


int
shardd_node_load(shardd_store_t *s, const char *name, shard_node_t *node)
{
    int          rc;
    char        *text, err[SHARD_ERR_SIZE];
    shard_str_t  key, json;

    rc = shardd_hash_get(s, "nodes", name, &text);

    if (rc == SHARDD_NONE) {
        return shardd_store_fail(s, rc, "there is no node %.64s", name);
    }

    if (rc != SHARDD_OK) {
        return rc;
    }

    key.data = name;
    key.len = strlen(name);
    json.data = text;
    json.len = strlen(text);

    if (shard_node_decode(key, json, node, err) != SHARD_OK) {
        rc = shardd_store_fail(s, SHARDD_BAD, "node %.64s: %s", name, err);
    }

    free(text);

    return rc;
}


/* HSET of the given fields and HDEL of those without a value, in one step */

int
shardd_hash_put(shardd_store_t *s, const char *key,
    const shardd_field_t *fields, size_t n)
{
    int                  rc;
    char                 full[SHARDD_KEY_SIZE];
    size_t               i;
    const char         **argv;
    shardd_redis_cmd_t   set, del;

    argv = malloc((n * 3 + 4) * sizeof(char *));
    if (argv == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    set.argv = argv;
    del.argv = argv + n * 2 + 2;
    set.argc = del.argc = 2;

    set.argv[0] = "HSET";
    del.argv[0] = "HDEL";
    set.argv[1] = del.argv[1] = shardd_store_key(s, full, "%.128s", key);

    for (i = 0; i < n; i++) {
        if (fields[i].value) {
            set.argv[set.argc++] = fields[i].name;
            set.argv[set.argc++] = fields[i].value;
        } else {
            del.argv[del.argc++] = fields[i].name;
        }
    }

    rc = shardd_hash_change(s, &set, &del);

    free(argv);

    return rc;
}


static int
shardd_hash_change(shardd_store_t *s, const shardd_redis_cmd_t *set,
    const shardd_redis_cmd_t *del)
{
    int                        rc;
    size_t                     i;
    redisReply                *reply;
    const shardd_redis_cmd_t  *only;
    const shardd_redis_cmd_t   both[] = { *set, *del };

    if (set->argc == 2 && del->argc == 2) {
        return SHARDD_OK;
    }

    if (set->argc == 2 || del->argc == 2) {
        only = del->argc == 2 ? set : del;
        reply = shardd_store_argv(s, &rc, only->argc, only->argv, NULL);

    } else {
        reply = shardd_store_checked(s, shardd_redis_multi(&s->redis, both,
                                                           2), &rc);
    }

    if (reply == NULL) {
        return rc;
    }

    /* a command that fails within EXEC is told inside its answer */

    for (i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type == REDIS_REPLY_ERROR) {
            rc = shardd_store_fail(s, SHARDD_BAD, "redis %s: %.300s",
                                   s->redis.conf.addr,
                                   reply->element[i]->str);
        }
    }

    freeReplyObject(reply);

    return rc;
}


static int
shardd_migration_id(shardd_store_t *s, const char *id)
{
    uint64_t     value;
    shard_str_t  str;

    str.data = id;
    str.len = strlen(id);

    if (shard_hex_decode(str, &value) != SHARD_OK) {
        return shardd_store_fail(s, SHARDD_BAD, "\"%.40s\" is no migration "
                                 "id: 16 lower-case hex digits", id);
    }

    return SHARDD_OK;
}


int
shardd_migration_put(shardd_store_t *s, const shardd_claim_t *claim,
    const char *id, uint64_t *seq, const shardd_field_t *fields, size_t n)
{
    char         key[SHARDD_KEY_SIZE], index[SHARDD_KEY_SIZE];
    char         claims[SHARDD_KEY_SIZE], token[32], seen[32];
    size_t       i, argc;
    const char  *argv[10 + SHARDD_FIELDS_MAX * 2];

    if (shardd_migration_id(s, id) != SHARDD_OK) {
        return SHARDD_BAD;
    }

    if (n > SHARDD_FIELDS_MAX) {
        return shardd_store_fail(s, SHARDD_BAD, "migration %s: %zu fields, "
                                 "at most %d", id, n, SHARDD_FIELDS_MAX);
    }

    snprintf(token, sizeof(token), "%llu",
             (unsigned long long) claim->token);
    snprintf(seen, sizeof(seen), "%llu", (unsigned long long) *seq);

    argc = 0;
    argv[argc++] = "FCALL";
    argv[argc++] = "shard_migration_put";
    argv[argc++] = "3";
    argv[argc++] = shardd_store_key(s, key, "migration:%s", id);
    argv[argc++] = shardd_store_key(s, index, "migrations");
    argv[argc++] = shardd_store_key(s, claims, "claims");
    argv[argc++] = claim->scope;
    argv[argc++] = token;
    argv[argc++] = claim->holder;
    argv[argc++] = seen;

    for (i = 0; i < n; i++) {
        argv[argc++] = fields[i].name;
        argv[argc++] = fields[i].value ? fields[i].value : "";
    }

    return shardd_store_call(s, (int) argc, argv, seq, NULL);
}


int
shardd_migration_get(shardd_store_t *s, const char *id,
    shardd_entry_t *entry)
{
    int   rc;
    char  key[64];

    memset(entry, 0, sizeof(shardd_entry_t));

    if (shardd_migration_id(s, id) != SHARDD_OK) {
        return SHARDD_BAD;
    }

    snprintf(key, sizeof(key), "migration:%s", id);

    rc = shardd_hash_load(s, key, entry);

    if (rc != SHARDD_OK) {
        return rc;
    }

    snprintf(entry->id, sizeof(entry->id), "%s", id);

    if (shardd_entry_field(entry, "seq") == NULL) {
        shardd_entry_free(entry);
        return shardd_store_fail(s, SHARDD_NONE, "there is no migration %s",
                                 id);
    }

    return SHARDD_OK;
}


int
shardd_migrations(shardd_store_t *s, size_t limit, shardd_entries_t *out)
{
    int          rc;
    char         index[SHARDD_KEY_SIZE], last[32];
    size_t       i;
    redisReply  *reply, *id;
    const char  *argv[4];

    memset(out, 0, sizeof(shardd_entries_t));

    if (limit == 0 || limit > SHARDD_ENTRIES_MAX) {
        limit = SHARDD_ENTRIES_MAX;
    }

    snprintf(last, sizeof(last), "%zu", limit - 1);

    argv[0] = "ZREVRANGE";
    argv[1] = shardd_store_key(s, index, "migrations");
    argv[2] = "0";
    argv[3] = last;

    reply = shardd_store_argv(s, &rc, 4, argv, NULL);
    if (reply == NULL) {
        return rc;
    }

    if (reply->elements > 0) {
        out->entries = calloc(reply->elements, sizeof(shardd_entry_t));

        if (out->entries == NULL) {
            rc = shardd_store_fail(s, SHARDD_BAD, "no memory");
        }
    }

    for (i = 0; rc == SHARDD_OK && i < reply->elements; i++) {
        id = reply->element[i];

        /* an id that is no id, or gone since, is left out */

        rc = shardd_store_is_string(id)
             ? shardd_migration_get(s, id->str, &out->entries[out->n])
             : SHARDD_NONE;

        if (rc == SHARDD_OK) {
            out->n++;

        } else if (rc == SHARDD_NONE || rc == SHARDD_BAD) {
            rc = SHARDD_OK;
        }
    }

    freeReplyObject(reply);

    if (rc != SHARDD_OK) {
        shardd_entries_free(out);
    }

    return rc;
}


/* not fenced: the wish is the operator's only field, the migrator reads it */

int
shardd_migration_wish(shardd_store_t *s, const char *id, const char *wish,
    const char *by, shardd_wish_t *out)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE];
    redisReply  *reply;

    const char  *argv[] = { "FCALL", "shard_migration_wish", "1",
                            shardd_store_key(s, key, "migration:%.40s", id),
                            wish, by };

    memset(out, 0, sizeof(shardd_wish_t));

    rc = shardd_store_call(s, 6, argv, NULL, &reply);

    if (rc != SHARDD_OK) {
        return rc;
    }

    if (reply->elements == 3 && reply->element[1]->type == REDIS_REPLY_STRING
        && reply->element[2]->type == REDIS_REPLY_STRING)
    {
        snprintf(out->verdict, sizeof(out->verdict), "%.15s",
                 reply->element[1]->str);
        snprintf(out->phase, sizeof(out->phase), "%.31s",
                 reply->element[2]->str);

    } else {
        rc = shardd_store_fail(s, SHARDD_BAD, "shard_migration_wish answers "
                               "otherwise than its version 7");
    }

    freeReplyObject(reply);

    return strcmp(out->verdict, "none") != 0 ? rc
           : shardd_store_fail(s, SHARDD_NONE, "there is no migration %.40s",
                               id);
}
