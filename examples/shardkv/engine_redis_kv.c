
/*
 * Values and queues: a request's arguments for the library, and its answer.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_redis.h"


#define SHARDKV_TAKEN_MS  "30000"   /* then another consumer may have them */


typedef struct {
    const char  *name;              /* of the function */
    int          argc;
    char         epoch[16];
    char         keep[24];
    char         number[24];
    char         limit[24];
    const char  *argv[SHARDD_DATA_ARGS];
    size_t       lens[SHARDD_DATA_ARGS];
} shardkv_redis_call_t;


static void shardkv_redis_arguments(shardkv_request_t *r,
    shardkv_redis_call_t *call);
static int shardkv_redis_refused(shardkv_request_t *r,
    const redisReply *reply);
static void shardkv_redis_answer(shardkv_request_t *r,
    const redisReply *reply);
static void shardkv_redis_entries(shardkv_request_t *r,
    const redisReply *list);


int
shardkv_redis_ordinary(shardkv_redis_t *c, shardkv_request_t *r)
{
    redisReply            *reply;
    shardkv_redis_call_t   call;
    shardd_data_prefix_t   prefix;

    prefix = shardd_data_prefix(r->shard);
    shardkv_redis_arguments(r, &call);

    reply = shardd_data_call(&c->redis, call.name, prefix.text, call.argc,
                             call.argv, call.lens);

    if (shardd_data_text(reply, 0) == NULL) {
        return shardkv_redis_failed(c, r, reply);
    }

    if (!shardkv_redis_refused(r, reply)) {
        shardkv_redis_answer(r, reply);
    }

    if (r->answer.status == 0) {
        return shardkv_redis_failed(c, r, reply);
    }

    freeReplyObject(reply);

    return SHARD_OK;
}


static void
shardkv_redis_add(shardkv_redis_call_t *call, const char *text, size_t len)
{
    call->argv[call->argc] = text;
    call->lens[call->argc] = len;
    call->argc++;
}


/* epoch, sender, key; of a write the log's length; then the call's own */

static void
shardkv_redis_arguments(shardkv_request_t *r, shardkv_redis_call_t *call)
{
    static const char *const  names[] = {
        [SHARDKV_KV_GET] = "get",
        [SHARDKV_KV_PUT] = "put",
        [SHARDKV_KV_DELETE] = "delete",
        [SHARDKV_QUEUE_GET] = "read",
        [SHARDKV_QUEUE_APPEND] = "append",
        [SHARDKV_TAKE] = "take",
        [SHARDKV_ACK] = "ack",
    };

    static const char *const  senders[] = { "", "standby", "primary",
                                            "target" };

    memset(call, 0, sizeof(shardkv_redis_call_t));

    call->name = names[r->route->call];

    if (r->sender.has_epoch) {
        snprintf(call->epoch, sizeof(call->epoch), "%u", r->sender.epoch);
    }

    snprintf(call->keep, sizeof(call->keep), "%llu",
             (unsigned long long) r->server->store.log_keep);
    snprintf(call->limit, sizeof(call->limit), "%llu",
             (unsigned long long) r->limit);
    snprintf(call->number, sizeof(call->number), "%llu", (unsigned long long)
             (r->route->call == SHARDKV_KV_PUT ? r->ttl_ms : r->position));

    shardkv_redis_add(call, call->epoch, strlen(call->epoch));
    shardkv_redis_add(call, senders[r->sender.role],
                      strlen(senders[r->sender.role]));
    shardkv_redis_add(call, r->key, r->klen);

    if (r->route->write) {
        shardkv_redis_add(call, call->keep, strlen(call->keep));
    }

    switch (r->route->call) {

    case SHARDKV_KV_PUT:
    case SHARDKV_QUEUE_APPEND:
        shardkv_redis_add(call, r->body.data ? r->body.data : "",
                          r->body.len);
        shardkv_redis_add(call, call->number, strlen(call->number));
        break;

    case SHARDKV_QUEUE_GET:
        shardkv_redis_add(call, call->number, strlen(call->number));
        shardkv_redis_add(call, call->limit, strlen(call->limit));
        break;

    case SHARDKV_TAKE:
    case SHARDKV_ACK:
        shardkv_redis_add(call, r->group, strlen(r->group));
        shardkv_redis_add(call, r->consumer, strlen(r->consumer));

        if (r->route->call == SHARDKV_ACK) {
            shardkv_redis_add(call, call->number, strlen(call->number));
            break;
        }

        shardkv_redis_add(call, call->limit, strlen(call->limit));
        shardkv_redis_add(call, SHARDKV_TAKEN_MS,
                          sizeof(SHARDKV_TAKEN_MS) - 1);
        break;

    default:
        break;
    }
}


/* 1: the answer says why */

static int
shardkv_redis_refused(shardkv_request_t *r, const redisReply *reply)
{
    uint64_t         epoch;
    shardkv_shard_t  s;

    if (shardd_data_word(reply, 0, "none")) {
        shardkv_refuse(&r->answer, 404, "not_found",
                       r->route->call == SHARDKV_ACK
                       ? "no such queue or group" : "no such key");

    } else if (shardd_data_word(reply, 0, "held")) {
        shardkv_refuse(&r->answer, 423, "held", "queues of this shard are "
                       "held; try again after POST resume");

    } else if (shardd_data_word(reply, 0, "busy")) {
        shardkv_refuse(&r->answer, 423, "busy", "consumer %.64s has not "
                       "acknowledged what it took",
                       shardd_data_text(reply, 1)
                       ? shardd_data_text(reply, 1) : "");

    } else if (shardd_data_word(reply, 0, "owner")
               && shardd_data_uint(reply, 2, &epoch))
    {
        memset(&s, 0, sizeof(s));
        s.epoch = (uint32_t) epoch;
        s.role = shardd_data_word(reply, 1, "primary") ? SHARDKV_PRIMARY
                 : shardd_data_word(reply, 1, "standby") ? SHARDKV_STANDBY
                 : SHARDKV_NONE;

        (void) shardkv_owner_check(&s, &r->sender, r->route->write,
                                   &r->answer);

    } else {
        return !shardd_data_word(reply, 0, "ok");
    }

    return 1;
}


static void
shardkv_redis_value(shardkv_request_t *r, const redisReply *value)
{
    r->answer.body = malloc(value->len + 1);

    if (r->answer.body == NULL) {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        return;
    }

    memcpy(r->answer.body, value->str, value->len);
    r->answer.len = value->len;
    r->answer.type = "application/octet-stream";
    r->answer.status = 200;
}


/* of "ok"; without a status: nonsense */

static void
shardkv_redis_answer(shardkv_request_t *r, const redisReply *reply)
{
    uint64_t  position, n;

    if (r->route->call == SHARDKV_KV_GET) {

        if (shardd_data_text(reply, 1)) {
            shardkv_redis_value(r, reply->element[1]);
        }

        return;
    }

    if (r->route->call == SHARDKV_QUEUE_GET) {

        if (reply->elements == 2) {
            shardkv_redis_entries(r, reply->element[1]);
        }

        return;
    }

    if (!shardd_data_uint(reply, 1, &position)) {
        return;
    }

    switch (r->route->call) {

    case SHARDKV_TAKE:

        if (reply->elements == 3) {
            shardkv_redis_entries(r, reply->element[2]);
        }

        break;

    case SHARDKV_QUEUE_APPEND:
    case SHARDKV_ACK:

        if (shardd_data_uint(reply, 2, &n)) {
            shardkv_json(&r->answer, r->route->call == SHARDKV_ACK
                         ? "{\"acked\":%llu}\n" : "{\"n\":%llu}\n",
                         (unsigned long long) n);
        }

        break;

    default:
        shardkv_done(&r->answer, 204);
        break;
    }

    r->answer.has_position = 1;
    r->answer.position = position;
}


/* {n, value, n, value, ...} as NDJSON */

static void
shardkv_redis_entries(shardkv_request_t *r, const redisReply *list)
{
    size_t          i;
    shardkv_buf_t   buf;
    shardkv_item_t  item;

    if (list->type != REDIS_REPLY_ARRAY || list->elements % 2) {
        return;
    }

    memset(&buf, 0, sizeof(buf));
    memset(&item, 0, sizeof(item));
    item.op = SHARDKV_APPEND;

    for (i = 0; i < list->elements; i += 2) {

        if (!shardd_data_uint(list, i, &item.n)
            || !shardd_data_text(list, i + 1))
        {
            free(buf.data);
            return;
        }

        item.value = list->element[i + 1]->str;
        item.vlen = list->element[i + 1]->len;

        if (item.vlen > SHARDKV_VALUE_MAX
            || shardkv_line_encode(SHARDKV_LINE_QUEUE, &item, &buf)
               != SHARD_OK)
        {
            free(buf.data);
            shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
            return;
        }
    }

    r->answer.body = buf.data;
    r->answer.len = buf.len;
    r->answer.type = "application/x-ndjson";
    r->answer.status = 200;
}
