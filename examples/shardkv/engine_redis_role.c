
/*
 * The part of the contract that Redis offers: role, hold, resume, stats.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_redis.h"


static const char *const  shardkv_redis_roles[] = {
    "none", "standby", "primary"
};


static int
shardkv_redis_role(shardkv_redis_t *c, shardkv_request_t *r)
{
    char                   epoch[16];
    uint64_t               position;
    redisReply            *reply;
    const char            *argv[3];
    shardd_data_prefix_t   prefix;

    prefix = shardd_data_prefix(r->shard);
    snprintf(epoch, sizeof(epoch), "%u", r->epoch);

    argv[0] = shardkv_redis_roles[r->role];
    argv[1] = epoch;
    argv[2] = r->keep_primary ? "keep" : "";

    reply = shardd_data_call(&c->redis, "role", prefix.text, 3, argv, NULL);

    if (!shardd_data_uint(reply, 1, &position)) {
        return shardkv_redis_failed(c, r, reply);
    }

    if (shardd_data_word(reply, 0, "epoch")) {
        shardkv_refuse_at(&r->answer, 409, "epoch", position,
                          "the epoch is older than the one kept here");

    } else if (shardd_data_word(reply, 0, "primary")) {
        shardkv_refuse_at(&r->answer, 409, "primary", position,
                          "the shard is primary at this epoch and kept so; "
                          "a greater one makes it standby");

    } else {
        shardkv_json(&r->answer,
                     "{\"role\":\"%s\",\"epoch\":%u,\"position\":%llu}\n",
                     argv[0], r->epoch, (unsigned long long) position);
    }

    freeReplyObject(reply);

    return SHARD_OK;
}


static int
shardkv_redis_hold(shardkv_redis_t *c, shardkv_request_t *r)
{
    redisReply            *reply;
    const char            *args[2];
    char                   epoch[24];
    shardd_data_prefix_t   prefix;

    prefix = shardd_data_prefix(r->shard);
    snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long) r->position);
    args[0] = (r->route->call == SHARDKV_HOLD) ? "1" : "0";
    args[1] = r->has_at ? epoch : "";

    reply = shardd_data_call(&c->redis, "hold", prefix.text, 2, args, NULL);

    if (shardd_data_word(reply, 0, "epoch")) {
        freeReplyObject(reply);
        shardkv_refuse(&r->answer, 409, "epoch", "epoch= is not the shard's "
                       "epoch here");
        return SHARD_OK;
    }

    if (!shardd_data_word(reply, 0, "ok")) {
        return shardkv_redis_failed(c, r, reply);
    }

    freeReplyObject(reply);
    shardkv_done(&r->answer, 204);

    return SHARD_OK;
}


/* sharddata_stats: ok role epoch position log_first items bytes depth rate
 * held ... */

static int
shardkv_redis_stats(shardkv_redis_t *c, shardkv_request_t *r)
{
    int                    i;
    uint64_t               n[11], bytes;
    redisReply            *reply;
    shardd_data_prefix_t   prefix;

    prefix = shardd_data_prefix(r->shard);

    reply = shardd_data_call(&c->redis, "free", prefix.text, 0, NULL, NULL);

    if (shardd_data_memory(shardd_data_text(reply, 1), &bytes) != 0) {
        return shardkv_redis_failed(c, r, reply);
    }

    freeReplyObject(reply);

    reply = shardd_data_call(&c->redis, "stats", prefix.text, 0, NULL, NULL);

    for (i = 2; i < 11; i++) {
        if (i != 8 && !shardd_data_uint(reply, (size_t) i, &n[i])) {
            return shardkv_redis_failed(c, r, reply);
        }
    }

    if (!shardd_data_text(reply, 1) || !shardd_data_text(reply, 8)) {
        return shardkv_redis_failed(c, r, reply);
    }

    shardkv_json(&r->answer,
                 "{\"role\":\"%.10s\",\"epoch\":%llu,\"position\":%llu,"
                 "\"log_first\":%llu,\"items\":%llu,\"bytes\":%llu,"
                 "\"queue_depth\":%llu,\"write_rate\":%.3f,\"held\":%s,"
                 "\"capacity\":%.6g,\"free_bytes\":%llu}\n",
                 shardd_data_text(reply, 1), (unsigned long long) n[2],
                 (unsigned long long) n[3], (unsigned long long) n[4],
                 (unsigned long long) n[5], (unsigned long long) n[6],
                 (unsigned long long) n[7],
                 strtod(shardd_data_text(reply, 8), NULL),
                 n[9] ? "true" : "false", r->server->capacity,
                 (unsigned long long) bytes);

    freeReplyObject(reply);

    return SHARD_OK;
}


int
shardkv_redis_contract(shardkv_redis_t *c, shardkv_request_t *r)
{
    switch (r->route->call) {

    case SHARDKV_ROLE:
        return shardkv_redis_role(c, r);

    case SHARDKV_STATS:
        return shardkv_redis_stats(c, r);

    default:
        return shardkv_redis_hold(c, r);
    }
}
