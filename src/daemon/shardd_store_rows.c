
/*
 * History, time-major:  rows:RES:SLOT:BLOCK = float32 little endian of
 * shards BLOCK * 10000 and on, in units of load per second, and beside it
 * rows:NAME:RES:SLOT:BLOCK of other figures.
 *
 * Reading many slots takes one MGET per 32 MB of answer.
 */


#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shardd_store_redis.h"


#define SHARDD_ROWS_BLOCK      10000
#define SHARDD_ROWS_LIVE_S     3456000        /* 40 days */
#define SHARDD_ROWS_MGET_MAX   (32 * 1024 * 1024)
#define SHARDD_ROWS_KEYS_MAX   10000


static int shardd_rows_mget(shardd_store_t *s, const char *name, long res_s,
    long first, size_t from, size_t count, float *values, size_t n);


static size_t
shardd_rows_blocks(size_t n)
{
    return (n + SHARDD_ROWS_BLOCK - 1) / SHARDD_ROWS_BLOCK;
}


static size_t
shardd_rows_block_size(size_t n, size_t block)
{
    size_t  left;

    left = n - block * SHARDD_ROWS_BLOCK;

    return left < SHARDD_ROWS_BLOCK ? left : SHARDD_ROWS_BLOCK;
}


static void
shardd_rows_pack(const float *values, size_t n, uint8_t *out)
{
    size_t    i;
    uint32_t  bits;

    for (i = 0; i < n; i++, out += 4) {
        memcpy(&bits, &values[i], 4);

        out[0] = (uint8_t) bits;
        out[1] = (uint8_t) (bits >> 8);
        out[2] = (uint8_t) (bits >> 16);
        out[3] = (uint8_t) (bits >> 24);
    }
}


/* what the string does not hold, and no rate of a request, is unknown */

static void
shardd_rows_unpack(shard_str_t row, float *values, size_t n)
{
    float           value;
    size_t          i;
    uint32_t        bits;
    const uint8_t  *p;

    p = (const uint8_t *) row.data;

    for (i = 0; i < n; i++, p += 4) {
        value = NAN;

        if ((i + 1) * 4 <= row.len) {
            bits = (uint32_t) p[0] | (uint32_t) p[1] << 8
                   | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
            memcpy(&value, &bits, 4);
        }

        values[i] = isfinite(value) && value >= 0 ? value : NAN;
    }
}


/* name NULL: the load */

static const char *
shardd_rows_key(shardd_store_t *s, char *key, const char *name, long res_s,
    long slot, size_t block)
{
    return shardd_store_key(s, key, "rows:%s%s%ld:%ld:%zu", name ? name : "",
                            name ? ":" : "", res_s, slot, block);
}


int
shardd_rows_put(shardd_store_t *s, long res_s, long slot,
    const float *values, size_t n)
{
    return shardd_named_rows_put(s, NULL, SHARDD_ROWS_LIVE_S, res_s, slot,
                                 values, n);
}


int
shardd_named_rows_put(shardd_store_t *s, const char *name, long live_s,
    long res_s, long slot, const float *values, size_t n)
{
    int          rc;
    char         key[SHARDD_KEY_SIZE], live[24];
    size_t       block, size, lens[5];
    uint8_t     *row;
    redisReply  *reply;
    const char  *argv[5];

    row = malloc(SHARDD_ROWS_BLOCK * 4);
    if (row == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    rc = SHARDD_OK;
    snprintf(live, sizeof(live), "%ld", live_s);

    for (block = 0; rc == SHARDD_OK && block < shardd_rows_blocks(n);
         block++)
    {
        size = shardd_rows_block_size(n, block);
        shardd_rows_pack(values + block * SHARDD_ROWS_BLOCK, size, row);

        argv[0] = "SET";
        argv[1] = shardd_rows_key(s, key, name, res_s, slot, block);
        argv[2] = (const char *) row;
        argv[3] = "EX";
        argv[4] = live;

        lens[0] = 3;
        lens[1] = strlen(key);
        lens[2] = size * 4;
        lens[3] = 2;
        lens[4] = strlen(live);

        reply = shardd_store_argv(s, &rc, 5, argv, lens);

        if (reply) {
            freeReplyObject(reply);
        }
    }

    free(row);

    return rc;
}


int
shardd_rows_get(shardd_store_t *s, long res_s, long slot, float *values,
    size_t n)
{
    return shardd_rows_range(s, res_s, slot, 1, values, n);
}


int
shardd_rows_range(shardd_store_t *s, long res_s, long first, size_t nslots,
    float *values, size_t n)
{
    return shardd_named_rows_range(s, NULL, res_s, first, nslots, values, n);
}


int
shardd_named_rows_range(shardd_store_t *s, const char *name, long res_s,
    long first, size_t nslots, float *values, size_t n)
{
    int     rc;
    size_t  from, step, blocks;

    blocks = shardd_rows_blocks(n);

    if (blocks == 0) {
        return SHARDD_OK;
    }

    step = SHARDD_ROWS_MGET_MAX / (n * 4);

    if (step > SHARDD_ROWS_KEYS_MAX / blocks) {
        step = SHARDD_ROWS_KEYS_MAX / blocks;
    }

    step = step ? step : 1;

    for (from = 0; from < nslots; from += step) {
        rc = shardd_rows_mget(s, name, res_s, first, from,
                              nslots - from < step ? nslots - from : step,
                              values, n);
        if (rc != SHARDD_OK) {
            return rc;
        }
    }

    return SHARDD_OK;
}


/* slots first + from .. first + from + count - 1 in one command */

static int
shardd_rows_mget(shardd_store_t *s, const char *name, long res_s, long first,
    size_t from, size_t count, float *values, size_t n)
{
    int           rc;
    char         *keys;
    size_t        i, slot, block, blocks, total;
    redisReply   *reply;
    const char  **argv;

    blocks = shardd_rows_blocks(n);
    total = count * blocks;

    keys = malloc(total * SHARDD_KEY_SIZE + (total + 1) * sizeof(char *));
    if (keys == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    /* the pointers first: they are the aligned part */
    argv = (const char **) keys;
    argv[0] = "MGET";

    for (i = 0; i < total; i++) {
        argv[i + 1] = shardd_rows_key(s, keys + (total + 1) * sizeof(char *)
                                         + i * SHARDD_KEY_SIZE, name, res_s,
                                      first + (long) (from + i / blocks),
                                      i % blocks);
    }

    reply = shardd_store_argv(s, &rc, (int) total + 1, argv, NULL);

    free(keys);

    if (reply == NULL) {
        return rc;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != total) {
        freeReplyObject(reply);
        return shardd_store_fail(s, SHARDD_BAD, "redis %s: MGET answers no "
                                 "array of %zu", s->redis.conf.addr, total);
    }

    for (i = 0; i < total; i++) {
        slot = from + i / blocks;
        block = i % blocks;

        shardd_rows_unpack(shardd_store_str(reply->element[i]),
                           values + slot * n + block * SHARDD_ROWS_BLOCK,
                           shardd_rows_block_size(n, block));
    }

    freeReplyObject(reply);

    return SHARDD_OK;
}
