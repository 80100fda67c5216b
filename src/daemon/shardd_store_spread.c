
/*
 * Distributions inside shards, as src/core/shard_spread.h stores them:
 * hash "spread", shard id = bytes.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shardd_store_redis.h"


#define SHARDD_SPREAD_COUNT  "64"        /* of 5 KB each, in one answer */


static int shardd_spread_page(shardd_store_t *s, const redisReply *pairs,
    shardd_spread_pt each, void *data);


int
shardd_spread_put(shardd_store_t *s, const shard_id_t *ids,
    const shard_str_t *texts, size_t n)
{
    int           rc;
    char          key[SHARDD_KEY_SIZE], (*names)[16];
    size_t        i, *lens;
    redisReply   *reply;
    const char  **argv;

    if (n == 0) {
        return SHARDD_OK;
    }

    argv = malloc((2 + 2 * n) * sizeof(char *));
    lens = malloc((2 + 2 * n) * sizeof(size_t));
    names = malloc(n * sizeof(*names));
    reply = NULL;

    if (argv && lens && names) {
        argv[0] = "HSET";
        argv[1] = shardd_store_key(s, key, "spread");
        lens[0] = strlen(argv[0]);
        lens[1] = strlen(argv[1]);

        for (i = 0; i < n; i++) {
            snprintf(names[i], sizeof(names[i]), "%u", ids[i]);
            argv[2 + 2 * i] = names[i];
            lens[2 + 2 * i] = strlen(names[i]);
            argv[3 + 2 * i] = texts[i].data;
            lens[3 + 2 * i] = texts[i].len;
        }

        reply = shardd_store_argv(s, &rc, (int) (2 + 2 * n), argv, lens);

    } else {
        rc = shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    if (reply) {
        freeReplyObject(reply);
        rc = SHARDD_OK;
    }

    free(names);
    free(lens);
    free(argv);

    return rc;
}


int
shardd_spread_load(shardd_store_t *s, shardd_spread_pt each, void *data)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE], cursor[24];
    redisReply  *reply;
    const char  *argv[5];

    snprintf(cursor, sizeof(cursor), "0");

    do {
        argv[0] = "HSCAN";
        argv[1] = shardd_store_key(s, key, "spread");
        argv[2] = cursor;
        argv[3] = "COUNT";
        argv[4] = SHARDD_SPREAD_COUNT;

        reply = shardd_store_argv(s, &rc, 5, argv, NULL);
        if (reply == NULL) {
            return rc;
        }

        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
            || !shardd_store_is_string(reply->element[0])
            || reply->element[0]->len >= sizeof(cursor)
            || reply->element[1]->type != REDIS_REPLY_ARRAY)
        {
            freeReplyObject(reply);
            return shardd_store_fail(s, SHARDD_BAD, "odd answer to HSCAN of "
                                     "%s", key);
        }

        snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        rc = shardd_spread_page(s, reply->element[1], each, data);
        freeReplyObject(reply);

    } while (rc == SHARDD_OK && strcmp(cursor, "0") != 0);

    return rc;
}


/* a field that is no shard's is left out */

static int
shardd_spread_page(shardd_store_t *s, const redisReply *pairs,
    shardd_spread_pt each, void *data)
{
    size_t       i;
    shard_id_t   id;
    shard_str_t  name, text;

    for (i = 0; i + 1 < pairs->elements; i += 2) {

        if (!shardd_store_is_string(pairs->element[i])
            || !shardd_store_is_string(pairs->element[i + 1]))
        {
            return shardd_store_fail(s, SHARDD_BAD, "odd answer to HSCAN");
        }

        name.data = pairs->element[i]->str;
        name.len = pairs->element[i]->len;
        text.data = pairs->element[i + 1]->str;
        text.len = pairs->element[i + 1]->len;

        if (shard_id_decode(name, &id) == SHARD_OK) {
            each(data, id, text);
        }
    }

    return SHARDD_OK;
}


int
shardd_spread_get(shardd_store_t *s, shard_id_t id, shardd_spread_pt each,
    void *data)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE], name[16];
    redisReply  *reply;
    shard_str_t  text;
    const char  *argv[3];

    snprintf(name, sizeof(name), "%u", id);

    argv[0] = "HGET";
    argv[1] = shardd_store_key(s, key, "spread");
    argv[2] = name;

    reply = shardd_store_argv(s, &rc, 3, argv, NULL);
    if (reply == NULL) {
        return rc;
    }

    rc = SHARDD_OK;

    if (shardd_store_is_string(reply)) {
        text.data = reply->str;
        text.len = reply->len;
        each(data, id, text);

    } else {
        rc = shardd_store_fail(s, SHARDD_NONE, "there is no distribution of "
                               "shard %u", id);
    }

    freeReplyObject(reply);

    return rc;
}
