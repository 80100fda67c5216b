
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_data_lua.h"
#include "shardd_data.h"


static int shardd_data_library(shardd_redis_t *r);
static int shardd_data_failed(shardd_redis_t *r, redisReply *reply,
    const char *what);


shardd_data_prefix_t
shardd_data_prefix(shard_id_t shard)
{
    shardd_data_prefix_t  prefix;

    snprintf(prefix.text, sizeof(prefix.text), SHARDD_DATA_BASE "{%u}:",
             (unsigned) shard);

    return prefix;
}


/* the number in the library's own text, so that there is only one */

long
shardd_data_version(void)
{
    const char  *p;

    p = strstr(shard_data_lua, "local VERSION = ");

    return p ? atol(p + sizeof("local VERSION = ") - 1) : 0;
}


const char *
shardd_data_source(void)
{
    return shard_data_lua;
}


int
shardd_data_open(shardd_redis_t *r)
{
    redisReply  *reply;

    reply = shardd_redis_command(r, "FCALL_RO sharddata_version 0");

    if (reply == NULL) {
        return -1;
    }

    if (reply->type == REDIS_REPLY_INTEGER
        && reply->integer >= shardd_data_version())
    {
        freeReplyObject(reply);
        r->ready = 1;
        return 0;
    }

    if (reply->type == REDIS_REPLY_ERROR
        && strstr(reply->str, "Function not found") == NULL)
    {
        return shardd_data_failed(r, reply, "FCALL_RO");
    }

    freeReplyObject(reply);

    return shardd_data_library(r);
}


static int
shardd_data_library(shardd_redis_t *r)
{
    redisReply  *reply;

    reply = shardd_redis_command(r, "FUNCTION LOAD REPLACE %s",
                                 shard_data_lua);

    if (reply == NULL) {
        return -1;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        return shardd_data_failed(r, reply, "FUNCTION LOAD");
    }

    freeReplyObject(reply);
    r->ready = 1;

    return 0;
}


static int
shardd_data_failed(shardd_redis_t *r, redisReply *reply, const char *what)
{
    snprintf(r->err, SHARDD_ERR_SIZE, "redis %s: %s of the library "
             "sharddata: %.200s", r->conf.addr, what, reply->str);
    freeReplyObject(reply);

    return -1;
}


redisReply *
shardd_data_call(shardd_redis_t *r, const char *name, const char *prefix,
    int argc, const char **argv, const size_t *lens)
{
    int          i, again;
    char         function[64];
    size_t       len[SHARDD_DATA_ARGS + 4];
    const char  *arg[SHARDD_DATA_ARGS + 4];
    redisReply  *reply;

    if (argc > SHARDD_DATA_ARGS || (!r->ready && shardd_data_open(r) != 0)) {
        return NULL;
    }

    snprintf(function, sizeof(function), "sharddata_%s", name);

    arg[0] = "FCALL";
    arg[1] = function;
    arg[2] = "1";
    arg[3] = prefix;

    for (i = 0; i < argc; i++) {
        arg[i + 4] = argv[i];
    }

    for (i = 0; i < argc + 4; i++) {
        len[i] = (i >= 4 && lens) ? lens[i - 4] : strlen(arg[i]);
    }

    for (again = 0; again < 2; again++) {
        reply = shardd_redis_argv(r, argc + 4, arg, len);

        /* FLUSHALL does not take functions, FUNCTION FLUSH does */

        if (reply == NULL || reply->type != REDIS_REPLY_ERROR || again
            || strstr(reply->str, "Function not found") == NULL)
        {
            break;
        }

        freeReplyObject(reply);

        if (shardd_data_library(r) != 0) {
            return NULL;
        }
    }

    return reply;
}


const char *
shardd_data_text(const redisReply *reply, size_t i)
{
    return (reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements
            && reply->element[i]->type == REDIS_REPLY_STRING)
           ? reply->element[i]->str : NULL;
}


int
shardd_data_word(const redisReply *reply, size_t i, const char *word)
{
    const char  *text;

    text = shardd_data_text(reply, i);

    return text && strcmp(text, word) == 0;
}


int
shardd_data_uint(const redisReply *reply, size_t i, uint64_t *value)
{
    shard_str_t  text;

    text.data = shardd_data_text(reply, i);

    if (text.data == NULL) {
        return 0;
    }

    text.len = reply->element[i]->len;

    return shard_uint64_decode(text, value) == SHARD_OK
           && *value <= INT64_MAX;
}


int
shardd_data_info(const char *info, const char *name, uint64_t *value)
{
    size_t       len;
    const char  *p;

    len = strlen(name);

    for (p = info; p; p = strchr(p, '\n')) {
        p += (*p == '\n');

        if (strncmp(p, name, len) == 0 && p[len] == ':') {
            *value = strtoull(p + len + 1, NULL, 10);
            return 0;
        }
    }

    return -1;
}


int
shardd_data_memory(const char *info, uint64_t *bytes)
{
    uint64_t  max, used;

    if (info == NULL || shardd_data_info(info, "used_memory", &used) != 0
        || shardd_data_info(info, "maxmemory", &max) != 0
        || (max == 0
            && shardd_data_info(info, "total_system_memory", &max) != 0))
    {
        return -1;
    }

    *bytes = max > used ? max - used : 0;

    return 0;
}
