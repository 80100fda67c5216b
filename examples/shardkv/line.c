
/*
 * Lines of snapshots and logs, docs/backend-contract.md:
 *
 *   log       {"p":POSITION,"op":"put|del|append","k":"KEY","v":"BASE64"}
 *             {"p":POSITION,"op":"clear","k":"KEY"}
 *             {"p":POSITION,"op":"taken","k":"KEY","n":INDEX}
 *             {"p":POSITION,"op":"skip"}
 *   snapshot  {"k":"KEY","v":"BASE64"}  or  {"q":"KEY","n":INDEX,"v":...}
 *             {"q":"KEY","n":INDEX}, taken up to it
 *   queue     {"n":INDEX,"v":"BASE64"}
 *
 * Decoded ones wait for the writer packed, see items.c.
 */


#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "shardkv.h"


static int shardkv_line_parse(const char *line, size_t len, json_t **obj,
    char *err);
static int shardkv_line_key(json_t *obj, const char *name,
    shardkv_item_t *item, char *err);
static int shardkv_line_number(json_t *obj, const char *name,
    shardkv_item_t *item, char *err);
static int shardkv_line_taken(json_t *obj, shardkv_item_t *item,
    shardkv_buf_t *items, char *err);
static int shardkv_line_add(json_t *obj, shardkv_item_t *item,
    shardkv_buf_t *items, char *err);


int
shardkv_line_decode_log(const char *line, size_t len, shardkv_buf_t *items,
    char *err)
{
    int              rc;
    json_t          *obj;
    const char      *op;
    shardkv_item_t   item;

    if (shardkv_plain_decode(line, len, 1, items) == SHARD_OK) {
        return SHARD_OK;
    }

    if (shardkv_line_parse(line, len, &obj, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    memset(&item, 0, sizeof(item));

    rc = SHARD_ERROR;
    op = json_string_value(json_object_get(obj, "op"));

    if (op && strcmp(op, "put") == 0) {
        item.op = SHARDKV_PUT;

    } else if (op && strcmp(op, "del") == 0) {
        item.op = SHARDKV_DEL;

    } else if (op && strcmp(op, "append") == 0) {
        item.op = SHARDKV_APPEND;

    } else if (op && strcmp(op, "clear") == 0) {
        item.op = SHARDKV_CLEAR;

    } else if (op && strcmp(op, "skip") == 0) {
        item.op = SHARDKV_SKIP;

    } else if (op && strcmp(op, "taken") == 0) {
        item.op = SHARDKV_TAKEN;
    }

    if (item.op == 0) {
        snprintf(err, SHARD_ERR_SIZE, "\"op\" is none of \"put\", \"del\", "
                 "\"append\", \"clear\", \"skip\", \"taken\"");

    } else if (shardkv_line_number(obj, "p", &item, err) == SHARD_OK
               && (item.op == SHARDKV_SKIP
                   || shardkv_line_key(obj, "k", &item, err) == SHARD_OK))
    {
        rc = shardkv_line_add(obj, &item, items, err);
    }

    json_decref(obj);

    return rc;
}


int
shardkv_line_decode_snapshot(const char *line, size_t len,
    shardkv_buf_t *items, char *err)
{
    int              rc;
    json_t          *obj;
    shardkv_item_t   item;

    if (shardkv_plain_decode(line, len, 0, items) == SHARD_OK) {
        return SHARD_OK;
    }

    if (shardkv_line_parse(line, len, &obj, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    memset(&item, 0, sizeof(item));

    if (json_object_get(obj, "q") == NULL) {
        item.op = SHARDKV_PUT;
        rc = shardkv_line_key(obj, "k", &item, err);

    } else if (json_object_get(obj, "k")) {
        snprintf(err, SHARD_ERR_SIZE, "both \"k\" and \"q\"");
        rc = SHARD_ERROR;

    } else {
        item.op = json_object_get(obj, "v") ? SHARDKV_APPEND : SHARDKV_TAKEN;
        rc = shardkv_line_key(obj, "q", &item, err);

        if (rc == SHARD_OK) {
            rc = shardkv_line_number(obj, "n", &item, err);
        }
    }

    if (rc == SHARD_OK) {
        rc = shardkv_line_add(obj, &item, items, err);
    }

    json_decref(obj);

    return rc;
}


static int
shardkv_line_parse(const char *line, size_t len, json_t **obj, char *err)
{
    json_error_t  e;

    *obj = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);

    if (*obj == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "bad JSON at byte %d: %.120s",
                 e.position, e.text);
        return SHARD_ERROR;
    }

    if (!json_is_object(*obj)) {
        snprintf(err, SHARD_ERR_SIZE, "not a JSON object");
        json_decref(*obj);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


static int
shardkv_line_key(json_t *obj, const char *name, shardkv_item_t *item,
    char *err)
{
    json_t  *val;

    val = json_object_get(obj, name);

    item->key = json_string_value(val);
    item->klen = json_string_length(val);

    if (item->key == NULL || item->klen == 0
        || item->klen > SHARDKV_KEY_MAX)
    {
        snprintf(err, SHARD_ERR_SIZE, "\"%s\" is not a string of 1 to %d "
                 "bytes", name, SHARDKV_KEY_MAX);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* its value is the index of what was taken last */

static int
shardkv_line_taken(json_t *obj, shardkv_item_t *item, shardkv_buf_t *items,
    char *err)
{
    char            value[8];
    shardkv_item_t  taken;

    taken = *item;

    if (shardkv_line_number(obj, "n", &taken, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    shardkv_put64(value, taken.n);
    item->value = value;
    item->vlen = sizeof(value);

    if (shardkv_items_add(items, item) != SHARD_OK) {
        snprintf(err, SHARD_ERR_SIZE, "no memory");
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


static int
shardkv_line_number(json_t *obj, const char *name, shardkv_item_t *item,
    char *err)
{
    json_t  *val;

    val = json_object_get(obj, name);

    if (!json_is_integer(val) || json_integer_value(val) < 1) {
        snprintf(err, SHARD_ERR_SIZE, "\"%s\" is not an integer from 1 on",
                 name);
        return SHARD_ERROR;
    }

    item->n = (uint64_t) json_integer_value(val);

    return SHARD_OK;
}


static int
shardkv_line_add(json_t *obj, shardkv_item_t *item, shardkv_buf_t *items,
    char *err)
{
    size_t       len;
    json_t      *val;
    const char  *text, *reason;

    if (item->op == SHARDKV_TAKEN) {
        return shardkv_line_taken(obj, item, items, err);
    }

    val = json_object_get(obj, "v");

    if (item->op == SHARDKV_DEL || item->op >= SHARDKV_CLEAR) {
        text = "";
        len = 0;

    } else {
        text = json_string_value(val);
        len = json_string_length(val);
    }

    if (text == NULL || len > SHARDKV_BASE64_MAX) {
        snprintf(err, SHARD_ERR_SIZE, "\"v\" is not a string of at most %d "
                 "bytes", SHARDKV_BASE64_MAX);
        return SHARD_ERROR;
    }

    reason = shardkv_items_add_base64(items, item, text, len);

    if (reason) {
        snprintf(err, SHARD_ERR_SIZE, "%s", reason);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


int
shardkv_key_valid(const char *key, size_t len)
{
    size_t   i;
    json_t  *str;

    for (i = 0; i < len && (key[i] & 0x80) == 0; i++) {
        /* void */
    }

    if (i == len) {
        return len > 0;
    }

    str = json_stringn(key, len);
    json_decref(str);

    return str != NULL;
}


static void
shardkv_line_string(shardkv_buf_t *out, const char *s, size_t len)
{
    char          *p;
    size_t         i;
    unsigned char  ch;

    p = out->data + out->len;
    *p++ = '"';

    for (i = 0; i < len; i++) {
        ch = (unsigned char) s[i];

        if (ch == '"' || ch == '\\') {
            *p++ = '\\';
            *p++ = (char) ch;

        } else if (ch < 0x20) {
            p += sprintf(p, "\\u%04x", ch);

        } else {
            *p++ = (char) ch;
        }
    }

    *p++ = '"';
    out->len = p - out->data;
}


int
shardkv_line_encode(shardkv_line_e kind, const shardkv_item_t *item,
    shardkv_buf_t *out)
{
    static const char *const  ops[] = { "", "put", "del", "append", "clear",
                                        "skip", "taken" };

    /* 128: braces, names, numbers */

    if (shardkv_buf_reserve(out, 128 + 6 * item->klen
                                 + (item->vlen + 2) / 3 * 4) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (kind == SHARDKV_LINE_LOG) {
        out->len += sprintf(out->data + out->len,
                            "{\"p\":%llu,\"op\":\"%s\"",
                            (unsigned long long) item->n, ops[item->op]);

        if (item->op != SHARDKV_SKIP) {
            memcpy(out->data + out->len, ",\"k\":", 5);
            out->len += 5;
            shardkv_line_string(out, item->key, item->klen);
        }

        if (item->op == SHARDKV_TAKEN) {
            out->len += sprintf(out->data + out->len, ",\"n\":%llu",
                       (unsigned long long) shardkv_get64(item->value));
        }

    } else if (kind == SHARDKV_LINE_QUEUE) {
        out->len += sprintf(out->data + out->len, "{\"n\":%llu",
                            (unsigned long long) item->n);

    } else {
        memcpy(out->data + out->len,
               item->op == SHARDKV_PUT ? "{\"k\":" : "{\"q\":", 5);
        out->len += 5;
        shardkv_line_string(out, item->key, item->klen);

        if (item->op != SHARDKV_PUT) {
            out->len += sprintf(out->data + out->len, ",\"n\":%llu",
                                (unsigned long long) item->n);
        }
    }

    if (item->op == SHARDKV_PUT || item->op == SHARDKV_APPEND) {
        memcpy(out->data + out->len, ",\"v\":\"", 6);
        out->len += 6;
        out->len += shardkv_base64_encode(out->data + out->len, item->value,
                                          item->vlen);
        out->data[out->len++] = '"';
    }

    memcpy(out->data + out->len, "}\n", 2);
    out->len += 2;

    return SHARD_OK;
}
