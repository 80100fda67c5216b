
#include <string.h>

#include "shard_json.h"
#include "shard_text.h"
#include "shard_wish.h"


#define SHARD_WISH_TOKENS   1024
#define SHARD_FACTOR_MAX    1000
#define SHARD_CHANGE_MAX    1000000000


static int shard_wish_parse(shard_json_t *json, jsmntok_t *token,
    shard_str_t body, const shard_json_field_t *fields, char *err);
static int shard_wish_set_text(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_shards(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_nodes(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_effect(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_check(shard_event_t *event, char *err);
static int shard_event_effect(shard_str_t text);


static const char *const  shard_repeats[] = {
    "once", "daily", "weekly", "monthly", "yearly", NULL
};


/* parses, and refuses a field that is none of "fields" */

static int
shard_wish_parse(shard_json_t *json, jsmntok_t *token, shard_str_t body,
    const shard_json_field_t *fields, char *err)
{
    int          i;
    unsigned     n, index;
    const char  *words[16];

    if (body.len == 0) {
        return shard_refuse(err, "the body is empty, it must be a JSON object");
    }

    if (shard_json_parse_large(json, body, SHARD_JSON_MAX, token,
                               SHARD_WISH_TOKENS, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    for (n = 0; fields[n].name != NULL; n++) {
        words[n] = fields[n].name;
    }

    words[n] = NULL;

    for (i = 1; i < json->n; i = shard_json_next(json, i + 1)) {
        if (shard_text_word(shard_json_text(json, i), words, "field",
                            &index, err)
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
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
    jsmntok_t      token[SHARD_WISH_TOKENS];
    shard_json_t   json;
    shard_event_t  event;

    static const shard_json_field_t  fields[] = {
        { "id", 0, shard_json_set_name, offsetof(shard_event_t, id), 0, NULL },
        { "start", 1, shard_wish_set_text, offsetof(shard_event_t, start), 0,
          NULL },
        { "end", 1, shard_wish_set_text, offsetof(shard_event_t, end), 0,
          NULL },
        { "repeat", 0, shard_json_set_word, offsetof(shard_event_t, repeat),
          0, shard_repeats },
        { "shards", 0, shard_event_set_shards, 0, SHARD_ID_NONE - 1, NULL },
        { "nodes", 0, shard_event_set_nodes, 0, 0, NULL },
        { "effect", 1, shard_event_set_effect,
          offsetof(shard_event_t, effect), 0, NULL },
        { NULL, 0, NULL, 0, 0, NULL }
    };

    memset(&event, 0, sizeof(event));

    if (shard_wish_parse(&json, token, body, fields, err) != SHARD_OK
        || shard_json_bind(&json, fields, &event, err) != SHARD_OK
        || shard_event_check(&event, err) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    *out = event;

    return SHARD_OK;
}


static int
shard_event_set_shards(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    int             i;
    uint64_t        id;
    shard_event_t  *event = dst;

    if (json->token[value].type != JSMN_ARRAY
        || json->token[value].size > SHARD_EVENT_SHARDS_MAX)
    {
        return shard_refuse(err, "field \"shards\" is not an array of at "
                            "most %u shard ids",
                            (unsigned) SHARD_EVENT_SHARDS_MAX);
    }

    for (i = 0; i < json->token[value].size; i++) {
        if (shard_json_uint(json, value + 1 + i, field, &id, err) != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        event->shards[event->nshards++] = (shard_id_t) id;
    }

    return SHARD_OK;
}


static int
shard_event_set_nodes(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    int             i;
    shard_event_t  *event = dst;

    if (json->token[value].type != JSMN_ARRAY
        || json->token[value].size > SHARD_EVENT_NODES_MAX)
    {
        return shard_refuse(err, "field \"nodes\" is not an array of at most "
                            "%u names", (unsigned) SHARD_EVENT_NODES_MAX);
    }

    for (i = 0; i < json->token[value].size; i++) {
        if (shard_json_set_name(json, value + 1 + i, field,
                                event->nodes[event->nnodes], err)
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        event->nnodes++;
    }

    return SHARD_OK;
}


static int
shard_event_set_effect(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_str_t  *effect = dst;

    if (shard_json_string(json, value, field->name, effect, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (!shard_event_effect(*effect)) {
        return shard_refuse(err, "field \"effect\" is %q, not \"xFACTOR\" up "
                            "to 1000, \"+N\" or \"-N\" requests/s up to 1e9, "
                            "or \"drain\"", effect);
    }

    return SHARD_OK;
}


static int
shard_event_effect(shard_str_t text)
{
    size_t    i, dot;
    uint64_t  n, max;

    if (shard_text_equal(text, "drain")) {
        return 1;
    }

    if (text.len < 2 || text.len > 16
        || memchr("x+-", text.data[0], 3) == NULL)
    {
        return 0;
    }

    max = text.data[0] == 'x' ? SHARD_FACTOR_MAX : SHARD_CHANGE_MAX;
    n = 0;
    dot = 0;

    for (i = 1; i < text.len; i++) {

        if (text.data[i] == '.' && dot == 0 && i > 1 && i + 1 < text.len) {
            dot = i;
            continue;
        }

        if (text.data[i] < '0' || text.data[i] > '9') {
            return 0;
        }

        if (dot == 0) {
            n = n * 10 + (uint64_t) (text.data[i] - '0');
        }

        /* 1000.5 is beyond 1000, 1000.0 is not */

        if (n > max || (n == max && dot && text.data[i] != '0')) {
            return 0;
        }
    }

    return 1;
}


static int
shard_event_check(shard_event_t *event, char *err)
{
    if (shard_time_decode(event->start, &event->start_ms) != SHARD_OK) {
        return shard_refuse(err, "field \"start\" is %q, not a time as "
                            "2026-12-01T08:00Z", &event->start);
    }

    if (shard_time_decode(event->end, &event->end_ms) != SHARD_OK) {
        return shard_refuse(err, "field \"end\" is %q, not a time as "
                            "2026-12-01T08:00Z", &event->end);
    }

    if (event->end_ms <= event->start_ms) {
        return shard_refuse(err, "field \"end\" is %q, not behind \"start\"",
                            &event->end);
    }

    if (shard_text_equal(event->effect, "drain")
        && (event->nnodes == 0 || event->nshards))
    {
        return shard_refuse(err, "effect \"drain\" is of \"nodes\" and of no "
                            "shards");
    }

    return SHARD_OK;
}


int
shard_event_encode(const shard_event_t *event, char *buf, size_t size)
{
    unsigned      i;
    shard_text_t  text;

    shard_text_open(&text, buf, size);

    shard_text_add(&text, "{\"start\":\"");
    shard_text_add_str(&text, event->start);
    shard_text_add(&text, "\",\"end\":\"");
    shard_text_add_str(&text, event->end);
    shard_text_add(&text, "\"");

    if (event->repeat != SHARD_EVENT_ONCE) {
        shard_text_add(&text, ",\"repeat\":\"");
        shard_text_add(&text, shard_repeats[event->repeat]);
        shard_text_add(&text, "\"");
    }

    for (i = 0; i < event->nshards; i++) {
        shard_text_add(&text, i ? "," : ",\"shards\":[");
        shard_text_add_uint(&text, event->shards[i]);
    }

    shard_text_add(&text, i ? "]" : "");

    for (i = 0; i < event->nnodes; i++) {
        shard_text_add(&text, i ? ",\"" : ",\"nodes\":[\"");
        shard_text_add_str(&text, shard_text_array(event->nodes[i],
                                                   SHARD_NAME_SIZE));
        shard_text_add(&text, "\"");
    }

    shard_text_add(&text, i ? "]" : "");
    shard_text_add(&text, ",\"effect\":\"");
    shard_text_add_str(&text, event->effect);
    shard_text_add(&text, "\"}");

    if (text.full) {
        return SHARD_AGAIN;
    }

    *text.pos = '\0';

    return (int) (text.pos - buf);
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
