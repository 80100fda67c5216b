
/*
 * Items behind each other in one buffer, the form in which decoded lines
 * wait for the writer:
 *
 *   op (1)  klen (1)  n (8)  vlen (8)  key  value
 */


#include <stdlib.h>
#include <string.h>

#include "shardkv.h"


#define SHARDKV_ITEM_HEAD  18
#define SHARDKV_ITEM_VLEN  10       /* where vlen is */


int
shardkv_buf_reserve(shardkv_buf_t *b, size_t more)
{
    char    *p;
    size_t   size;

    if (b->size - b->len >= more) {
        return SHARD_OK;
    }

    size = b->size ? b->size : 256;

    while (size - b->len < more) {
        size *= 2;
    }

    p = realloc(b->data, size);

    if (p == NULL) {
        return SHARD_ERROR;
    }

    b->data = p;
    b->size = size;

    return SHARD_OK;
}


int
shardkv_items_add(shardkv_buf_t *b, const shardkv_item_t *item)
{
    char  *p;

    if (shardkv_buf_reserve(b, SHARDKV_ITEM_HEAD + item->klen + item->vlen)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    p = b->data + b->len;

    p[0] = (char) item->op;
    p[1] = (char) item->klen;
    shardkv_put64(p + 2, item->n);
    shardkv_put64(p + SHARDKV_ITEM_VLEN, item->vlen);

    /* an entry that is skipped has no key */

    if (item->klen) {
        memcpy(p + SHARDKV_ITEM_HEAD, item->key, item->klen);
    }

    if (item->vlen && item->value) {
        memcpy(p + SHARDKV_ITEM_HEAD + item->klen, item->value, item->vlen);
    }

    b->len += SHARDKV_ITEM_HEAD + item->klen + item->vlen;

    return SHARD_OK;
}


/* decoded in place behind the key: it may be 1 MiB long */

const char *
shardkv_items_add_base64(shardkv_buf_t *b, const shardkv_item_t *item,
    const char *text, size_t len)
{
    char            *p;
    long             vlen;
    size_t           at;
    shardkv_item_t   room;

    at = b->len;

    room = *item;
    room.value = NULL;
    room.vlen = len / 4 * 3;

    if (shardkv_items_add(b, &room) != SHARD_OK) {
        return "no memory";
    }

    p = b->data + at;
    vlen = shardkv_base64_decode(p + SHARDKV_ITEM_HEAD + item->klen, text,
                                 len);

    if (vlen < 0 || vlen > SHARDKV_VALUE_MAX) {
        b->len = at;
        return vlen < 0 ? "\"v\" is not Base64"
                        : "\"v\" holds more than 1 MiB";
    }

    shardkv_put64(p + SHARDKV_ITEM_VLEN, (uint64_t) vlen);
    b->len = at + SHARDKV_ITEM_HEAD + item->klen + vlen;

    return NULL;
}


int
shardkv_items_next(const shardkv_buf_t *b, size_t *offset,
    shardkv_item_t *item)
{
    const char  *p;

    if (*offset >= b->len) {
        return 0;
    }

    p = b->data + *offset;

    item->op = (shardkv_op_e) p[0];
    item->klen = (uint8_t) p[1];
    item->n = shardkv_get64(p + 2);
    item->vlen = shardkv_get64(p + SHARDKV_ITEM_VLEN);
    item->key = p + SHARDKV_ITEM_HEAD;
    item->value = item->key + item->klen;

    *offset += SHARDKV_ITEM_HEAD + item->klen + item->vlen;

    return 1;
}
