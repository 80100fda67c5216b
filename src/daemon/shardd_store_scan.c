
/*
 * A large table, read in pieces so that Redis serves others in between:
 *
 *     version ──▶ HSCAN table, piece by piece ──▶ meta, nodes, and the log
 *                        │                        since that version, at once
 *                        ▼                                │
 *                 shards of any version ◀── its changes ──┘
 *                 in between
 *
 * Records are whole, so the later one of a shard counts, and what was applied
 * already may be applied again.  A log with a gap (a table replaced, a commit
 * too large for an entry) means to begin anew.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shardd_store_redis.h"


#define SHARDD_SCAN_COUNT  "1000"
#define SHARDD_SCAN_TRIES  5
#define SHARDD_SCAN_MAX    (2 * SHARDD_SHARDS_MAX)   /* some are read twice */


typedef struct {
    shardd_table_t  *table;           /* nshards of "size" are there */
    size_t           size;
    uint64_t         seen;            /* the version before the scan */
} shardd_scan_t;


static int shardd_scan_once(shardd_store_t *s, shardd_scan_t *scan);
static int shardd_scan_shards(shardd_store_t *s, shardd_scan_t *scan);
static int shardd_scan_shard(shardd_store_t *s, shardd_scan_t *scan,
    const redisReply *id, const redisReply *json);
static int shardd_scan_rest(shardd_store_t *s, shardd_scan_t *scan);
static int shardd_scan_log(shardd_store_t *s, shardd_scan_t *scan,
    const redisReply *log);
static int shardd_scan_entry(shardd_store_t *s, shardd_scan_t *scan,
    const redisReply *fields);
static int shardd_scan_latest(shardd_store_t *s, shardd_table_t *table);


/* SHARDD_CONFLICT: it changes too much to be read so */

int
shardd_table_scan(shardd_store_t *s, shardd_table_t *table)
{
    int            rc, tries;
    char           err[SHARDD_ERR_SIZE];
    uint64_t       now;
    shardd_scan_t  scan;

    for (tries = 0; tries < SHARDD_SCAN_TRIES; tries++) {
        memset(&scan, 0, sizeof(shardd_scan_t));
        scan.table = table;

        rc = shardd_scan_once(s, &scan);

        if (rc == SHARDD_OK || rc == SHARDD_DOWN) {
            return rc;
        }

        /* a table that was replaced meanwhile is no damaged one */

        memcpy(err, s->err, sizeof(err));
        shardd_table_free(table);

        if (rc != SHARDD_CONFLICT
            && shardd_version(s, &now) == SHARDD_OK && now == scan.seen)
        {
            memcpy(s->err, err, sizeof(err));
            return rc;
        }
    }

    return shardd_store_fail(s, SHARDD_CONFLICT, "keyspace %s: the table "
                             "changes faster than it can be read",
                             s->keyspace);
}


static int
shardd_scan_once(shardd_store_t *s, shardd_scan_t *scan)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE];
    redisReply  *meta;
    const char  *argv[5];

    argv[0] = "HMGET";
    argv[1] = shardd_store_key(s, key, "meta");
    argv[2] = "version";
    argv[3] = "kind";
    argv[4] = "policy";

    meta = shardd_store_argv(s, &rc, 5, argv, NULL);
    if (meta == NULL) {
        return rc;
    }

    rc = shardd_table_meta(s, meta, scan->table);

    freeReplyObject(meta);

    scan->seen = scan->table->version;

    if (rc == SHARDD_OK) {
        rc = shardd_scan_shards(s, scan);
    }

    if (rc == SHARDD_OK) {
        rc = shardd_scan_rest(s, scan);
    }

    return rc == SHARDD_OK ? shardd_scan_latest(s, scan->table) : rc;
}


static int
shardd_scan_shards(shardd_store_t *s, shardd_scan_t *scan)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE], cursor[32];
    size_t       i;
    redisReply  *reply, *all;
    const char  *argv[5];

    strcpy(cursor, "0");

    do {
        argv[0] = "HSCAN";
        argv[1] = shardd_store_key(s, key, "table");
        argv[2] = cursor;
        argv[3] = "COUNT";
        argv[4] = SHARDD_SCAN_COUNT;

        reply = shardd_store_argv(s, &rc, 5, argv, NULL);
        if (reply == NULL) {
            return rc;
        }

        all = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
              ? reply->element[1] : NULL;

        if (all == NULL || all->type != REDIS_REPLY_ARRAY
            || !shardd_store_is_string(reply->element[0])
            || reply->element[0]->len >= sizeof(cursor))
        {
            freeReplyObject(reply);
            return shardd_store_fail(s, SHARDD_BAD, "redis %s: HSCAN answers "
                                     "no cursor and array",
                                     s->redis.conf.addr);
        }

        strcpy(cursor, reply->element[0]->str);

        for (i = 0; rc == SHARDD_OK && i + 1 < all->elements; i += 2) {
            rc = shardd_scan_shard(s, scan, all->element[i],
                                   all->element[i + 1]);
        }

        freeReplyObject(reply);

    } while (rc == SHARDD_OK && strcmp(cursor, "0") != 0);

    return rc;
}


/* no JSON: the shard was deleted, which a record without primary stands for */

static int
shardd_scan_shard(shardd_store_t *s, shardd_scan_t *scan,
    const redisReply *id, const redisReply *json)
{
    int              rc;
    size_t           size;
    shard_record_t  *rec;
    shardd_table_t  *table;

    table = scan->table;

    if (table->nshards == scan->size) {
        size = scan->size + scan->size / 2 + 16384;
        size = size < SHARDD_SCAN_MAX ? size : SHARDD_SCAN_MAX;

        if (size == scan->size) {
            return shardd_store_fail(s, SHARDD_BAD, "more than %d shards",
                                     SHARDD_SHARDS_MAX);
        }

        rec = realloc(table->shards, size * sizeof(shard_record_t));
        if (rec == NULL) {
            return shardd_store_fail(s, SHARDD_BAD, "no memory for %zu shards",
                                     size);
        }

        table->shards = rec;
        scan->size = size;
    }

    rec = &table->shards[table->nshards];
    memset(rec, 0, sizeof(shard_record_t));

    if (json->len == 0) {
        rc = shard_id_decode(shardd_store_str(id), &rec->id) == SHARD_OK
             ? SHARDD_OK
             : shardd_store_fail(s, SHARDD_BAD, "log: \"%.40s\" is no shard "
                                 "id", shardd_store_str(id).data);
    } else {
        rc = shardd_table_record(s, table, id, json, rec);
    }

    table->nshards += rc == SHARDD_OK;

    return rc;
}


static int
shardd_scan_rest(shardd_store_t *s, shardd_scan_t *scan)
{
    int                  i, rc;
    char                 keys[3][SHARDD_KEY_SIZE], after[32];
    redisReply          *exec;
    const char          *about[5], *nodes[2], *log[4];
    shardd_redis_cmd_t   cmds[] = { { 5, about }, { 2, nodes }, { 4, log } };

    snprintf(after, sizeof(after), "(%llu-0", (unsigned long long) scan->seen);

    about[0] = "HMGET";
    about[1] = shardd_store_key(s, keys[0], "meta");
    about[2] = "version";
    about[3] = "kind";
    about[4] = "policy";

    nodes[0] = "HGETALL";
    nodes[1] = shardd_store_key(s, keys[1], "nodes");

    log[0] = "XRANGE";
    log[1] = shardd_store_key(s, keys[2], "log");
    log[2] = after;
    log[3] = "+";

    exec = shardd_store_checked(s, shardd_redis_multi(&s->redis, cmds, 3),
                                &rc);
    if (exec == NULL) {
        return rc;
    }

    rc = exec->type == REDIS_REPLY_ARRAY && exec->elements == 3
         ? SHARDD_OK : SHARDD_BAD;

    for (i = 0; rc == SHARDD_OK && i < 3; i++) {
        rc = exec->element[i]->type == REDIS_REPLY_ARRAY ? SHARDD_OK
                                                         : SHARDD_BAD;
    }

    if (rc != SHARDD_OK) {
        shardd_store_fail(s, rc, "redis %s: EXEC answers no array of 3",
                          s->redis.conf.addr);
    }

    free(scan->table->policy);
    scan->table->policy = NULL;

    if (rc == SHARDD_OK) {
        rc = shardd_table_meta(s, exec->element[0], scan->table);
    }

    if (rc == SHARDD_OK) {
        rc = shardd_table_nodes(s, exec->element[1], scan->table);
    }

    if (rc == SHARDD_OK) {
        rc = shardd_scan_log(s, scan, exec->element[2]);
    }

    freeReplyObject(exec);

    return rc;
}


/* every version since, each with its entry */

static int
shardd_scan_log(shardd_store_t *s, shardd_scan_t *scan,
    const redisReply *log)
{
    int          rc;
    char         id[32];
    size_t       i;
    redisReply  *entry;

    rc = scan->table->version - scan->seen == log->elements ? SHARDD_OK
                                                            : SHARDD_CONFLICT;

    for (i = 0; rc == SHARDD_OK && i < log->elements; i++) {
        entry = log->element[i];
        snprintf(id, sizeof(id), "%llu-0",
                 (unsigned long long) (scan->seen + 1 + i));

        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2
            || !shardd_store_is_string(entry->element[0])
            || strcmp(entry->element[0]->str, id) != 0
            || entry->element[1]->type != REDIS_REPLY_ARRAY)
        {
            rc = SHARDD_CONFLICT;

        } else {
            rc = shardd_scan_entry(s, scan, entry->element[1]);
        }
    }

    return rc;
}


static int
shardd_scan_entry(shardd_store_t *s, shardd_scan_t *scan,
    const redisReply *fields)
{
    int          rc;
    size_t       i;
    redisReply   id;
    shard_str_t  name;

    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i + 1 < fields->elements; i += 2) {
        name = shardd_store_str(fields->element[i]);

        if (name.len <= 6 || memcmp(name.data, "shard:", 6) != 0
            || !shardd_store_is_string(fields->element[i + 1]))
        {
            continue;
        }

        id = *fields->element[i];
        id.str += 6;
        id.len -= 6;

        rc = shardd_scan_shard(s, scan, &id, fields->element[i + 1]);
    }

    return rc;
}


static int
shardd_scan_compare(const void *one, const void *two, void *data)
{
    const uint32_t        *a = one, *b = two;
    const shard_record_t  *shards = data;

    if (shards[*a].id != shards[*b].id) {
        return shards[*a].id < shards[*b].id ? -1 : 1;
    }

    return *a < *b ? -1 : *a > *b;
}


/* of each shard the record read last, unless it is deleted */

static int
shardd_scan_latest(shardd_store_t *s, shardd_table_t *table)
{
    size_t           i, n;
    uint32_t        *order;
    shard_record_t  *shards;

    shards = table->shards;

    order = malloc((table->nshards + 1) * sizeof(uint32_t));
    if (order == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    for (i = 0; i < table->nshards; i++) {
        order[i] = (uint32_t) i;
    }

    qsort_r(order, table->nshards, sizeof(uint32_t), shardd_scan_compare,
            shards);

    for (i = 1; i < table->nshards; i++) {
        if (shards[order[i - 1]].id == shards[order[i]].id) {
            shards[order[i - 1]].primary[0] = '\0';
        }
    }

    free(order);

    for (i = 0, n = 0; i < table->nshards; i++) {
        if (shards[i].primary[0]) {
            if (n < i) {
                shards[n] = shards[i];
            }

            n++;
        }
    }

    table->nshards = n;

    if (n > SHARDD_SHARDS_MAX) {
        return shardd_store_fail(s, SHARDD_BAD, "%zu shards, at most %d", n,
                                 SHARDD_SHARDS_MAX);
    }

    return n ? SHARDD_OK
             : shardd_store_fail(s, SHARDD_CONFLICT, "keyspace %s has no "
                                 "shards", s->keyspace);
}
