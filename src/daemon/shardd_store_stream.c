
/*
 *   predictor, operators ──▶ decision:ID + decisions ──▶ group "migrators"
 *                                                          │ read, pending
 *   routers ──▶ metrics ──▶ predictor's cursor             ▼ ack
 *
 * A decision stays pending with its consumer until acknowledged.  What a
 * consumer that fell silent left behind is taken over after 30 s.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shardd_store_redis.h"


#define SHARDD_GROUP          "migrators"
#define SHARDD_TAKE_OVER_MS   "30000"


static int shardd_decisions_pending(shardd_store_t *s, const char *consumer,
    const char *count, shardd_entries_t *out);
static int shardd_decisions_left(shardd_store_t *s, const char *consumer,
    const char *count, shardd_entries_t *out);
static int shardd_decisions_new(shardd_store_t *s, const char *consumer,
    const char *count, long block_ms, shardd_entries_t *out);
static int shardd_decisions_group(shardd_store_t *s);
static int shardd_stream_newest(shardd_store_t *s, const char *stream,
    size_t limit, shardd_entries_t *out);
static int shardd_stream_id(const char *id);


int
shardd_decisions_read(shardd_store_t *s, const char *consumer, size_t limit,
    long block_ms, shardd_entries_t *out)
{
    int   rc;
    char  count[32];

    memset(out, 0, sizeof(shardd_entries_t));

    if (limit == 0) {
        return SHARDD_OK;
    }

    snprintf(count, sizeof(count), "%zu", limit);

    rc = shardd_decisions_pending(s, consumer, count, out);

    if (rc == SHARDD_OK && out->n < limit) {
        snprintf(count, sizeof(count), "%zu", limit - out->n);
        rc = shardd_decisions_left(s, consumer, count, out);
    }

    if (rc == SHARDD_OK && out->n < limit) {
        snprintf(count, sizeof(count), "%zu", limit - out->n);
        rc = shardd_decisions_new(s, consumer, count,
                                  out->n ? 0 : block_ms, out);
    }

    if (rc != SHARDD_OK) {
        shardd_entries_free(out);
    }

    return rc;
}


/* entries of [[stream, entries]], nil when there are none */

static int
shardd_stream_entries(shardd_store_t *s, redisReply *reply,
    shardd_entries_t *out)
{
    int          rc;
    redisReply  *stream;

    rc = SHARDD_OK;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1) {
        stream = reply->element[0];

        if (stream->type == REDIS_REPLY_ARRAY && stream->elements == 2) {
            rc = shardd_store_entries(s, stream->element[1], out);
        }
    }

    freeReplyObject(reply);

    return rc;
}


static redisReply *
shardd_decisions_ask(shardd_store_t *s, int *rc, long block_ms, int argc,
    const char **argv)
{
    int          round;
    redisReply  *reply;

    for (round = 0; /* void */ ; round++) {
        reply = block_ms > 0
                ? shardd_redis_block(&s->redis, block_ms, argc, argv)
                : shardd_redis_argv(&s->redis, argc, argv, NULL);

        if (round > 0 || reply == NULL || reply->type != REDIS_REPLY_ERROR
            || strncmp(reply->str, "NOGROUP", 7) != 0)
        {
            return shardd_store_checked(s, reply, rc);
        }

        freeReplyObject(reply);

        *rc = shardd_decisions_group(s);
        if (*rc != SHARDD_OK) {
            return NULL;
        }
    }
}


static int
shardd_decisions_pending(shardd_store_t *s, const char *consumer,
    const char *count, shardd_entries_t *out)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE];
    redisReply  *reply;
    const char  *argv[9];

    argv[0] = "XREADGROUP";
    argv[1] = "GROUP";
    argv[2] = SHARDD_GROUP;
    argv[3] = consumer;
    argv[4] = "COUNT";
    argv[5] = count;
    argv[6] = "STREAMS";
    argv[7] = shardd_store_key(s, key, "decisions");
    argv[8] = "0";

    reply = shardd_decisions_ask(s, &rc, 0, 9, argv);

    return reply ? shardd_stream_entries(s, reply, out) : rc;
}


static int
shardd_decisions_left(shardd_store_t *s, const char *consumer,
    const char *count, shardd_entries_t *out)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE];
    redisReply  *reply;
    const char  *argv[8];

    argv[0] = "XAUTOCLAIM";
    argv[1] = shardd_store_key(s, key, "decisions");
    argv[2] = SHARDD_GROUP;
    argv[3] = consumer;
    argv[4] = SHARDD_TAKE_OVER_MS;
    argv[5] = "0";
    argv[6] = "COUNT";
    argv[7] = count;

    reply = shardd_decisions_ask(s, &rc, 0, 8, argv);
    if (reply == NULL) {
        return rc;
    }

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 1) {
        rc = shardd_store_entries(s, reply->element[1], out);
    }

    freeReplyObject(reply);

    return rc;
}


static int
shardd_decisions_new(shardd_store_t *s, const char *consumer,
    const char *count, long block_ms, shardd_entries_t *out)
{
    int          rc, n;
    char         key[SHARDD_KEY_SIZE], block[32];
    redisReply  *reply;
    const char  *argv[11];

    n = 0;
    argv[n++] = "XREADGROUP";
    argv[n++] = "GROUP";
    argv[n++] = SHARDD_GROUP;
    argv[n++] = consumer;
    argv[n++] = "COUNT";
    argv[n++] = count;

    /* BLOCK 0 would wait for ever */

    if (block_ms > 0) {
        snprintf(block, sizeof(block), "%ld", block_ms);
        argv[n++] = "BLOCK";
        argv[n++] = block;
    }

    argv[n++] = "STREAMS";
    argv[n++] = shardd_store_key(s, key, "decisions");
    argv[n++] = ">";

    reply = shardd_decisions_ask(s, &rc, block_ms, n, argv);

    return reply ? shardd_stream_entries(s, reply, out) : rc;
}


/* two that create it at once: the second one's BUSYGROUP is good news */

static int
shardd_decisions_group(shardd_store_t *s)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE];
    redisReply  *reply;
    const char  *argv[6];

    argv[0] = "XGROUP";
    argv[1] = "CREATE";
    argv[2] = shardd_store_key(s, key, "decisions");
    argv[3] = SHARDD_GROUP;
    argv[4] = "0";
    argv[5] = "MKSTREAM";

    reply = shardd_redis_argv(&s->redis, 6, argv, NULL);

    if (reply && reply->type == REDIS_REPLY_ERROR
        && strncmp(reply->str, "BUSYGROUP", 9) == 0)
    {
        freeReplyObject(reply);
        return SHARDD_OK;
    }

    reply = shardd_store_checked(s, reply, &rc);

    if (reply) {
        freeReplyObject(reply);
    }

    return rc;
}


int
shardd_decision_ack(shardd_store_t *s, const char *stream_id)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE];
    redisReply  *reply;
    const char  *argv[4];

    argv[0] = "XACK";
    argv[1] = shardd_store_key(s, key, "decisions");
    argv[2] = SHARDD_GROUP;
    argv[3] = stream_id;

    reply = shardd_store_argv(s, &rc, 4, argv, NULL);

    if (reply) {
        freeReplyObject(reply);
    }

    return rc;
}


int
shardd_decision_add(shardd_store_t *s, const char *id,
    const shardd_field_t *fields, size_t n)
{
    int          rc;
    char         decision[SHARDD_KEY_SIZE], stream[SHARDD_KEY_SIZE];
    char         migration[SHARDD_KEY_SIZE];
    size_t       i;
    const char  *argv[6 + SHARDD_FIELDS_MAX * 2];

    if (n > SHARDD_FIELDS_MAX) {
        return shardd_store_fail(s, SHARDD_BAD, "decision %.40s: %zu fields, "
                                 "at most %d", id, n, SHARDD_FIELDS_MAX);
    }

    argv[0] = "FCALL";
    argv[1] = "shard_decision_add";
    argv[2] = "3";
    argv[3] = shardd_store_key(s, decision, "decision:%.40s", id);
    argv[4] = shardd_store_key(s, stream, "decisions");
    argv[5] = shardd_store_key(s, migration, "migration:%.40s", id);

    for (i = 0; i < n; i++) {
        argv[6 + i * 2] = fields[i].name;
        argv[7 + i * 2] = fields[i].value ? fields[i].value : "";
    }

    rc = shardd_store_call(s, (int) (6 + n * 2), argv, NULL, NULL);

    if (rc == SHARDD_CONFLICT) {
        return shardd_store_fail(s, rc, "decision %.40s was made before",
                                 id);
    }

    return rc;
}


int
shardd_decision_get(shardd_store_t *s, const char *id,
    shardd_entry_t *entry)
{
    int   rc;
    char  key[64];

    snprintf(key, sizeof(key), "decision:%.40s", id);

    rc = shardd_hash_load(s, key, entry);

    if (rc != SHARDD_OK) {
        return rc;
    }

    snprintf(entry->id, sizeof(entry->id), "%.40s", id);

    if (entry->nfields == 0) {
        shardd_entry_free(entry);
        return shardd_store_fail(s, SHARDD_NONE, "there is no decision "
                                 "%.40s", id);
    }

    return SHARDD_OK;
}


int
shardd_decisions(shardd_store_t *s, size_t limit, shardd_entries_t *out)
{
    return shardd_stream_newest(s, "decisions", limit, out);
}


int
shardd_audit(shardd_store_t *s, size_t limit, shardd_entries_t *out)
{
    return shardd_stream_newest(s, "audit", limit, out);
}


static int
shardd_stream_newest(shardd_store_t *s, const char *stream, size_t limit,
    shardd_entries_t *out)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE], count[32];
    redisReply  *reply;
    const char  *argv[6];

    memset(out, 0, sizeof(shardd_entries_t));

    if (limit == 0 || limit > SHARDD_ENTRIES_MAX) {
        limit = SHARDD_ENTRIES_MAX;
    }

    snprintf(count, sizeof(count), "%zu", limit);

    argv[0] = "XREVRANGE";
    argv[1] = shardd_store_key(s, key, "%s", stream);
    argv[2] = "+";
    argv[3] = "-";
    argv[4] = "COUNT";
    argv[5] = count;

    reply = shardd_store_argv(s, &rc, 6, argv, NULL);
    if (reply == NULL) {
        return rc;
    }

    rc = shardd_store_entries(s, reply, out);

    freeReplyObject(reply);

    if (rc != SHARDD_OK) {
        shardd_entries_free(out);
    }

    return rc;
}


/* MS or MS-SEQ; stream ids are copied into the caller's 48 bytes */

static int
shardd_stream_id(const char *id)
{
    size_t  len;

    len = strspn(id, "0123456789");

    if (id[len] == '-' && len > 0) {
        id += len + 1;
        len = strspn(id, "0123456789");
    }

    return len > 0 && len <= 20 && id[len] == '\0';
}


static void
shardd_metrics_entry(const redisReply *e, char *cursor,
    shardd_metrics_pt each, void *data)
{
    size_t       i;
    redisReply  *fields;
    shard_str_t  name;

    if (e->type != REDIS_REPLY_ARRAY || e->elements < 2
        || !shardd_store_is_string(e->element[0])
        || !shardd_stream_id(e->element[0]->str))
    {
        return;
    }

    snprintf(cursor, 48, "%s", e->element[0]->str);

    fields = e->element[1];

    for (i = 0; fields->type == REDIS_REPLY_ARRAY && i + 1 < fields->elements;
         i += 2)
    {
        name = shardd_store_str(fields->element[i]);

        if (name.len == 1 && name.data[0] == 'm') {
            each(data, shardd_store_str(fields->element[i + 1]));
        }
    }
}


int
shardd_metrics_read(shardd_store_t *s, char *cursor, size_t limit,
    long block_ms, shardd_metrics_pt each, void *data)
{
    int          rc, n;
    char         key[SHARDD_KEY_SIZE], count[32], block[32];
    size_t       i;
    redisReply  *reply, *list;
    const char  *argv[8];

    if (cursor[0] == '\0') {
        strcpy(cursor, "0-0");
    }

    if (!shardd_stream_id(cursor)) {
        return shardd_store_fail(s, SHARDD_BAD, "metrics cursor \"%.47s\" is "
                                 "no stream id", cursor);
    }

    snprintf(count, sizeof(count), "%zu", limit ? limit : 1);
    snprintf(block, sizeof(block), "%ld", block_ms);

    n = 0;
    argv[n++] = "XREAD";
    argv[n++] = "COUNT";
    argv[n++] = count;

    if (block_ms > 0) {
        argv[n++] = "BLOCK";
        argv[n++] = block;
    }

    argv[n++] = "STREAMS";
    argv[n++] = shardd_store_key(s, key, "metrics");
    argv[n++] = cursor;

    reply = block_ms > 0 ? shardd_redis_block(&s->redis, block_ms, n, argv)
                         : shardd_redis_argv(&s->redis, n, argv, NULL);

    reply = shardd_store_checked(s, reply, &rc);
    if (reply == NULL) {
        return rc;
    }

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1
        && reply->element[0]->type == REDIS_REPLY_ARRAY
        && reply->element[0]->elements == 2)
    {
        list = reply->element[0]->element[1];

        for (i = 0; list->type == REDIS_REPLY_ARRAY && i < list->elements;
             i++)
        {
            shardd_metrics_entry(list->element[i], cursor, each, data);
        }
    }

    freeReplyObject(reply);

    return rc;
}
