
#include <string.h>

#include "shard_json.h"
#include "shard_text.h"


#define SHARD_JSON_DEPTH  16


typedef enum {
    SHARD_JSON_VALUE = 0,
    SHARD_JSON_VALUE_OR_END,
    SHARD_JSON_KEY,
    SHARD_JSON_KEY_OR_END,
    SHARD_JSON_COLON,
    SHARD_JSON_COMMA_OR_END,
    SHARD_JSON_DONE,
    SHARD_JSON_BAD
} shard_json_state_e;

/* bit of "objects": the container at that depth is an object */

typedef struct {
    shard_json_state_e  state;
    unsigned            depth;
    uint32_t            objects;
} shard_json_walk_t;


static int shard_json_check(const shard_json_t *json, char *err);
static int shard_json_leaf(const shard_json_t *json, int token);
static int shard_json_number(shard_str_t text);
static int shard_json_ends(const shard_json_walk_t *walk, char c);
static shard_json_state_e shard_json_step(shard_json_walk_t *walk, char c);
static int shard_json_keys(const shard_json_t *json, char *err);


int
shard_json_parse(shard_json_t *json, shard_str_t text, char *err)
{
    return shard_json_parse_large(json, text, SHARD_JSON_MAX, json->own,
                                  SHARD_JSON_TOKENS, err);
}


int
shard_json_parse_large(shard_json_t *json, shard_str_t text, size_t max,
    jsmntok_t *token, unsigned ntokens, char *err)
{
    jsmn_parser  parser;

    if (text.len > max) {
        return shard_refuse(err, "JSON is longer than %u bytes",
                            (unsigned) max);
    }

    json->text = text;
    json->token = token;

    jsmn_init(&parser);
    json->n = jsmn_parse(&parser, text.data, text.len, token, ntokens);

    if (json->n == JSMN_ERROR_NOMEM) {
        return shard_refuse(err, "JSON has more than %u values", ntokens);
    }

    if (json->n == JSMN_ERROR_PART) {
        return shard_refuse(err, "JSON ends too early");
    }

    if (json->n < 0) {
        return shard_refuse(err, "not JSON at byte %u", parser.pos);
    }

    if (json->n == 0 || json->token[0].type != JSMN_OBJECT) {
        return shard_refuse(err, "not a JSON object");
    }

    if (shard_json_check(json, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    return shard_json_keys(json, err);
}


/* the text between jsmn's leaves must be what the grammar has there */

static int
shard_json_check(const shard_json_t *json, char *err)
{
    int                leaf;
    char               c;
    size_t             pos, at;
    const jsmntok_t   *token;
    shard_json_walk_t  walk;

    memset(&walk, 0, sizeof(walk));
    leaf = 0;
    pos = 0;

    while (pos < json->text.len) {
        c = json->text.data[pos];
        at = pos++;

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            continue;
        }

        while (leaf < json->n && (json->token[leaf].type == JSMN_OBJECT
                                  || json->token[leaf].type == JSMN_ARRAY))
        {
            leaf++;
        }

        token = &json->token[leaf];

        if (leaf < json->n && at == (size_t) token->start
                                    - (token->type == JSMN_STRING))
        {
            if (shard_json_leaf(json, leaf) != SHARD_OK) {
                return shard_refuse(err, "not JSON at byte %u",
                                    (unsigned) at);
            }

            c = token->type == JSMN_STRING ? 's' : 'p';
            pos = (size_t) token->end + (token->type == JSMN_STRING);
            leaf++;
        }

        walk.state = shard_json_step(&walk, c);

        if (walk.state == SHARD_JSON_BAD) {
            return shard_refuse(err, "not JSON at byte %u", (unsigned) at);
        }
    }

    if (walk.state != SHARD_JSON_DONE) {
        return shard_refuse(err, "JSON ends too early");
    }

    return SHARD_OK;
}


/* "c": a punctuation mark, 's' for a string, 'p' for another leaf */

static shard_json_state_e
shard_json_step(shard_json_walk_t *walk, char c)
{
    int  value;

    value = (walk->state == SHARD_JSON_VALUE
             || walk->state == SHARD_JSON_VALUE_OR_END);

    switch (c) {

    case '{':
    case '[':
        if (!value || walk->depth == SHARD_JSON_DEPTH) {
            return SHARD_JSON_BAD;
        }

        walk->objects &= ~((uint32_t) 1 << walk->depth);
        walk->objects |= (uint32_t) (c == '{') << walk->depth++;

        return c == '{' ? SHARD_JSON_KEY_OR_END : SHARD_JSON_VALUE_OR_END;

    case '}':
    case ']':
        if (!shard_json_ends(walk, c)) {
            return SHARD_JSON_BAD;
        }

        return --walk->depth ? SHARD_JSON_COMMA_OR_END : SHARD_JSON_DONE;

    case ',':
        if (walk->state != SHARD_JSON_COMMA_OR_END) {
            return SHARD_JSON_BAD;
        }

        return (walk->objects >> (walk->depth - 1) & 1) ? SHARD_JSON_KEY
                                                        : SHARD_JSON_VALUE;

    case ':':
        return walk->state == SHARD_JSON_COLON ? SHARD_JSON_VALUE
                                               : SHARD_JSON_BAD;

    case 's':
        if (walk->state == SHARD_JSON_KEY
            || walk->state == SHARD_JSON_KEY_OR_END)
        {
            return SHARD_JSON_COLON;
        }

        /* fall through */

    case 'p':
        return value ? SHARD_JSON_COMMA_OR_END : SHARD_JSON_BAD;

    default:
        return SHARD_JSON_BAD;
    }
}


static int
shard_json_ends(const shard_json_walk_t *walk, char c)
{
    unsigned  object;

    if (walk->depth == 0) {
        return 0;
    }

    object = walk->objects >> (walk->depth - 1) & 1;

    if (object != (c == '}')) {
        return 0;
    }

    return walk->state == SHARD_JSON_COMMA_OR_END
           || walk->state == (object ? SHARD_JSON_KEY_OR_END
                                     : SHARD_JSON_VALUE_OR_END);
}


static int
shard_json_leaf(const shard_json_t *json, int token)
{
    size_t       i;
    shard_str_t  text;

    text = shard_json_text(json, token);

    if (json->token[token].type == JSMN_STRING) {
        for (i = 0; i < text.len; i++) {
            if ((unsigned char) text.data[i] < 0x20) {
                return SHARD_ERROR;
            }
        }

        return SHARD_OK;
    }

    if (shard_text_equal(text, "true") || shard_text_equal(text, "false")
        || shard_text_equal(text, "null"))
    {
        return SHARD_OK;
    }

    return shard_json_number(text);
}


/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */

static int
shard_json_number(shard_str_t text)
{
    char         c;
    const char  *p, *last, *digits;

    p = text.data;
    last = text.data + text.len;

    if (p < last && *p == '-') {
        p++;
    }

    for (c = 'i'; /* void */ ; c = *p++) {

        if (c == 'e' || c == 'E') {
            p += (p < last && (*p == '+' || *p == '-'));
        }

        digits = p;

        while (p < last && *p >= '0' && *p <= '9') {
            p++;
        }

        if (p == digits || (c == 'i' && *digits == '0' && p - digits > 1)) {
            return SHARD_ERROR;
        }

        if (p == last) {
            return SHARD_OK;
        }

        if (!((*p == '.' && c == 'i')
              || ((*p == 'e' || *p == 'E') && (c == 'i' || c == '.'))))
        {
            return SHARD_ERROR;
        }
    }
}


/* names of the top object's fields: without escapes, each once */

static int
shard_json_keys(const shard_json_t *json, char *err)
{
    int          i, k;
    shard_str_t  key, other;

    for (i = 1; i < json->n; i = shard_json_next(json, i + 1)) {
        key = shard_json_text(json, i);

        if (memchr(key.data, '\\', key.len) != NULL) {
            return shard_refuse(err, "escape in the field name %q", &key);
        }

        for (k = 1; k < i; k = shard_json_next(json, k + 1)) {
            other = shard_json_text(json, k);

            if (other.len == key.len
                && memcmp(other.data, key.data, key.len) == 0)
            {
                return shard_refuse(err, "field %q is there twice", &key);
            }
        }
    }

    return SHARD_OK;
}


int
shard_json_next(const shard_json_t *json, int value)
{
    int  i;

    for (i = value + 1; i < json->n; i++) {
        if (json->token[i].start >= json->token[value].end) {
            break;
        }
    }

    return i;
}


shard_str_t
shard_json_text(const shard_json_t *json, int token)
{
    shard_str_t  text;

    text.data = json->text.data + json->token[token].start;
    text.len = (size_t) (json->token[token].end - json->token[token].start);

    return text;
}
