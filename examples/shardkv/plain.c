
/*
 * Lines in the very form in which line.c writes them, decoded without a JSON
 * parser: a copy of a million keys is a million lines.  Whatever is a little
 * different (spaces, escapes, another order, a mistake) is left to line.c,
 * which also knows what to say of it.
 */


#include <string.h>

#include "shardkv.h"


/* what is still to be read */

typedef struct {
    const char  *p;
    const char  *end;
} shardkv_plain_t;


static int
shardkv_plain_word(shardkv_plain_t *in, const char *word, size_t len)
{
    if ((size_t) (in->end - in->p) < len || memcmp(in->p, word, len) != 0) {
        return SHARD_ERROR;
    }

    in->p += len;

    return SHARD_OK;
}

#define shardkv_plain(in, word)                                              \
    shardkv_plain_word(in, word, sizeof(word) - 1)


/* printable ASCII up to the quote, which is read, too */

static int
shardkv_plain_key(shardkv_plain_t *in, shardkv_item_t *item)
{
    const char  *p;

    for (p = in->p; p < in->end && *p != '"'; p++) {

        if (*p < 0x20 || *p > 0x7e || *p == '\\') {
            return SHARD_ERROR;
        }
    }

    if (p == in->end || p == in->p || p - in->p > SHARDKV_KEY_MAX) {
        return SHARD_ERROR;
    }

    item->key = in->p;
    item->klen = p - in->p;
    in->p = p + 1;

    return SHARD_OK;
}


/* 1 to 10^18 - 1, without zeros in front */

static int
shardkv_plain_number(shardkv_plain_t *in, uint64_t *n)
{
    const char  *p;

    *n = 0;

    for (p = in->p; p < in->end && *p >= '0' && *p <= '9'; p++) {
        *n = *n * 10 + (uint64_t) (*p - '0');

        if (p - in->p >= 18) {
            return SHARD_ERROR;
        }
    }

    if (p == in->p || *in->p == '0') {
        return SHARD_ERROR;
    }

    in->p = p;

    return SHARD_OK;
}


static int
shardkv_plain_log(shardkv_plain_t *in, shardkv_item_t *item)
{
    if (shardkv_plain(in, "{\"p\":") != SHARD_OK
        || shardkv_plain_number(in, &item->n) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (shardkv_plain(in, ",\"op\":\"put\"") == SHARD_OK) {
        item->op = SHARDKV_PUT;

    } else if (shardkv_plain(in, ",\"op\":\"append\"") == SHARD_OK) {
        item->op = SHARDKV_APPEND;

    } else {
        return SHARD_ERROR;
    }

    return (shardkv_plain(in, ",\"k\":\"") == SHARD_OK)
           ? shardkv_plain_key(in, item) : SHARD_ERROR;
}


static int
shardkv_plain_snapshot(shardkv_plain_t *in, shardkv_item_t *item)
{
    if (shardkv_plain(in, "{\"k\":\"") == SHARD_OK) {
        item->op = SHARDKV_PUT;
        return shardkv_plain_key(in, item);
    }

    item->op = SHARDKV_APPEND;

    if (shardkv_plain(in, "{\"q\":\"") != SHARD_OK
        || shardkv_plain_key(in, item) != SHARD_OK
        || shardkv_plain(in, ",\"n\":") != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return shardkv_plain_number(in, &item->n);
}


int
shardkv_plain_decode(const char *line, size_t len, unsigned log,
    shardkv_buf_t *items)
{
    size_t           tlen;
    shardkv_item_t   item;
    shardkv_plain_t  in;

    in.p = line;
    in.end = line + len;
    memset(&item, 0, sizeof(item));

    if ((log ? shardkv_plain_log(&in, &item)
             : shardkv_plain_snapshot(&in, &item)) != SHARD_OK
        || shardkv_plain(&in, ",\"v\":\"") != SHARD_OK
        || in.end - in.p < 2 || memcmp(in.end - 2, "\"}", 2) != 0)
    {
        return SHARD_AGAIN;
    }

    tlen = in.end - 2 - in.p;

    return (tlen <= SHARDKV_BASE64_MAX
            && shardkv_items_add_base64(items, &item, in.p, tlen) == NULL)
           ? SHARD_OK : SHARD_AGAIN;
}
