
#include <string.h>

#include "shard_json.h"
#include "shard_text.h"
#include "shard_wish.h"


#define SHARD_WISH_TOKENS  1024
#define SHARD_WISH_EMPTY   "the body is empty, it must be a JSON object"


static int shard_wish_parse(shard_json_t *json, jsmntok_t *token,
    shard_str_t body, const shard_json_field_t *fields, char *err);
static int shard_wish_set_text(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);


/* a field that is none of "fields" is refused */

static int
shard_wish_parse(shard_json_t *json, jsmntok_t *token, shard_str_t body,
    const shard_json_field_t *fields, char *err)
{
    if (body.len == 0) {
        return shard_refuse(err, SHARD_WISH_EMPTY);
    }

    if (shard_json_parse_large(json, body, SHARD_JSON_MAX, token,
                               SHARD_WISH_TOKENS, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return shard_json_known(json, fields, err);
}


static int
shard_wish_set_text(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    return shard_json_string(json, value, field->name, dst, err);
}


int
shard_wish_move(shard_str_t body, shard_move_t *out, char *err)
{
    jsmntok_t     token[SHARD_WISH_TOKENS];
    shard_json_t  json;
    shard_move_t  move;

    static const shard_json_field_t  fields[] = {
        { "shard", 1, shard_json_set_uint32, offsetof(shard_move_t, shard),
          SHARD_ID_NONE - 1, NULL },
        { "to", 1, shard_json_set_name, offsetof(shard_move_t, to), 0, NULL },
        { NULL, 0, NULL, 0, 0, NULL }
    };

    memset(&move, 0, sizeof(move));

    if (shard_wish_parse(&json, token, body, fields, err) != SHARD_OK
        || shard_json_bind(&json, fields, &move, err) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    *out = move;

    return SHARD_OK;
}


int
shard_wish_order(shard_str_t body, const char **out, char *err)
{
    unsigned      word;
    jsmntok_t     token[SHARD_WISH_TOKENS];
    shard_json_t  json;

    static const char *const  words[] = { "pause", "resume", "rollback",
                                          NULL };

    static const shard_json_field_t  fields[] = {
        { "wish", 1, shard_json_set_word, 0, 0, words },
        { NULL, 0, NULL, 0, 0, NULL }
    };

    if (shard_wish_parse(&json, token, body, fields, err) != SHARD_OK
        || shard_json_bind(&json, fields, &word, err) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    *out = words[word];

    return SHARD_OK;
}


int
shard_wish_verb(shard_str_t body, shard_override_t *out, shard_str_t *text,
    char *err)
{
    jsmntok_t     token[SHARD_WISH_TOKENS];
    shard_str_t   verb;
    shard_json_t  json;

    static const shard_json_field_t  fields[] = {
        { "verb", 1, shard_wish_set_text, 0, 0, NULL },
        { NULL, 0, NULL, 0, 0, NULL }
    };

    if (shard_wish_parse(&json, token, body, fields, err) != SHARD_OK
        || shard_json_bind(&json, fields, &verb, err) != SHARD_OK
        || shard_override_decode(verb, out, err) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    *text = verb;

    return SHARD_OK;
}


int
shard_wish_event(shard_str_t body, shard_event_t *out, char *err)
{
    if (body.len == 0) {
        return shard_refuse(err, SHARD_WISH_EMPTY);
    }

    return shard_event_decode_strict(body, out, err);
}


int
shard_etag_next(shard_str_t *list, shard_str_t *tag)
{
    const char  *p, *last, *end;

    p = list->data;
    last = list->data + list->len;

    while (p < last && (*p == ' ' || *p == '\t' || *p == ',')) {
        p++;
    }

    if (p == last) {
        return SHARD_AGAIN;
    }

    if (*p == '*') {
        tag->data = p++;
        tag->len = 1;

    } else {
        if (last - p > 2 && p[0] == 'W' && p[1] == '/') {
            p += 2;
        }

        if (*p != '"') {
            return SHARD_ERROR;
        }

        p++;
        end = memchr(p, '"', (size_t) (last - p));

        if (end == NULL) {
            return SHARD_ERROR;
        }

        tag->data = p;
        tag->len = (size_t) (end - p);
        p = end + 1;
    }

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    if (p < last && *p != ',') {
        return SHARD_ERROR;
    }

    list->data = p;
    list->len = (size_t) (last - p);

    return SHARD_OK;
}
