
#include <string.h>

#include "shard_event.h"
#include "shard_json.h"
#include "shard_json_whole.h"
#include "shard_text.h"


#define SHARD_FACTOR_MAX    1000
#define SHARD_CHANGE_MAX    1000000000
#define SHARD_EAST_MAX      (18 * 3600)


static int shard_event_read(shard_str_t json, int strict, shard_event_t *out,
    char *err);
static int shard_event_set_text(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_name(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_repeat(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_shards(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_nodes(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_offsets(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_except(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_set_effect(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_event_effect(shard_str_t text, shard_event_t *event);
static int shard_event_offset(shard_str_t text, shard_offset_t *offset);
static int shard_event_check(shard_event_t *event, char *err);
static int shard_event_excepted(const shard_event_t *event, int64_t at_s);


static const shard_json_field_t  shard_event_fields[] = {
    { "id", 0, shard_json_set_name, offsetof(shard_event_t, id), 0, NULL },
    { "start", 1, shard_event_set_text, offsetof(shard_event_t, start), 0,
      NULL },
    { "end", 1, shard_event_set_text, offsetof(shard_event_t, end), 0, NULL },
    { "repeat", 0, shard_event_set_repeat, 0, 0, NULL },
    { "offsets", 0, shard_event_set_offsets, 0, 0, NULL },
    { "except", 0, shard_event_set_except, 0, 0, NULL },
    { "shards", 0, shard_event_set_shards, 0, SHARD_ID_NONE - 1, NULL },
    { "nodes", 0, shard_event_set_nodes, 0, 0, NULL },
    { "effect", 0, shard_event_set_effect, 0, 0, NULL },
    { "name", 0, shard_event_set_name, offsetof(shard_event_t, name), 0,
      NULL },
    { NULL, 0, NULL, 0, 0, NULL }
};


int
shard_event_decode(shard_str_t json, shard_event_t *out, char *err)
{
    return shard_event_read(json, 0, out, err);
}


int
shard_event_decode_strict(shard_str_t json, shard_event_t *out, char *err)
{
    return shard_event_read(json, 1, out, err);
}


static int
shard_event_read(shard_str_t text, int strict, shard_event_t *out, char *err)
{
    jsmntok_t      token[SHARD_EVENT_TOKENS];
    shard_json_t   json;
    shard_event_t  event;

    memset(&event, 0, sizeof(event));
    event.repeat.every = 1;
    event.repeat.until_s = INT64_MAX;

    if (shard_json_parse_large(&json, text, SHARD_JSON_MAX, token,
                               SHARD_EVENT_TOKENS, err)
        != SHARD_OK
        || (strict
            && shard_json_known(&json, shard_event_fields, err) != SHARD_OK)
        || shard_json_bind(&json, shard_event_fields, &event, err) != SHARD_OK
        || shard_event_check(&event, err) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    *out = event;

    return SHARD_OK;
}


static int
shard_event_set_text(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    return shard_json_string(json, value, field->name, dst, err);
}


static int
shard_event_set_name(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_str_t   quoted;
    shard_str_t  *name = dst;

    if (shard_json_string(json, value, field->name, name, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (name->len >= SHARD_NAME_SIZE) {
        return shard_refuse(err, "field \"name\" is longer than %u bytes: %q",
                            (unsigned) SHARD_NAME_SIZE - 1, name);
    }

    /* its quotes stand around it */

    quoted.data = name->data - 1;
    quoted.len = name->len + 2;

    if (!shard_json_is_value(quoted)) {
        return shard_refuse(err, "field \"name\" is no UTF-8 text: %q", name);
    }

    return SHARD_OK;
}


static int
shard_event_set_repeat(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_event_t  *event = dst;

    if (shard_json_string(json, value, field->name, &event->rule, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return shard_repeat_decode(event->rule, &event->repeat, err);
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

    event->nshards = 0;

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

    event->nnodes = 0;

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
shard_event_set_offsets(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    int              i;
    shard_str_t      text;
    shard_event_t   *event = dst;
    shard_offset_t  *offset;

    if (json->token[value].type != JSMN_ARRAY
        || json->token[value].size > SHARD_EVENT_OFFSETS_MAX)
    {
        return shard_refuse(err, "field \"offsets\" is not an array of at "
                            "most %u texts",
                            (unsigned) SHARD_EVENT_OFFSETS_MAX);
    }

    event->noffsets = 0;

    for (i = 0; i < json->token[value].size; i++) {
        offset = &event->offsets[event->noffsets];

        if (shard_json_string(json, value + 1 + i, field->name, &text, err)
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        if (shard_event_offset(text, offset) != SHARD_OK) {
            return shard_refuse(err, "field \"offsets\": %q is not a time and "
                                "an offset as 2026-03-29T01:00Z+02:00", &text);
        }

        if (event->noffsets && offset[-1].from_s >= offset->from_s) {
            return shard_refuse(err, "field \"offsets\": %q is not behind the "
                                "one before it", &text);
        }

        event->noffsets++;
    }

    return SHARD_OK;
}


static int
shard_event_offset(shard_str_t text, shard_offset_t *offset)
{
    uint64_t      ms;
    unsigned      i, n[4];
    const char   *p;
    shard_str_t   time;

    if (text.len < 7) {
        return SHARD_ERROR;
    }

    time.data = text.data;
    time.len = text.len - 6;
    p = text.data + time.len;

    if (shard_time_decode(time, &ms) != SHARD_OK
        || (p[0] != '+' && p[0] != '-') || p[3] != ':')
    {
        return SHARD_ERROR;
    }

    for (i = 0; i < 4; i++) {
        n[i] = (unsigned) (p[i < 2 ? i + 1 : i + 2] - '0');

        if (n[i] > 9) {
            return SHARD_ERROR;
        }
    }

    offset->from_s = (int64_t) (ms / 1000);
    offset->east_s = (int32_t) (3600 * (10 * n[0] + n[1])
                                + 60 * (10 * n[2] + n[3]));

    if (n[2] > 5 || offset->east_s > SHARD_EAST_MAX) {
        return SHARD_ERROR;
    }

    offset->east_s = p[0] == '-' ? -offset->east_s : offset->east_s;

    return SHARD_OK;
}


static int
shard_event_set_except(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    int             i;
    uint64_t        ms;
    shard_str_t     text;
    shard_event_t  *event = dst;

    if (json->token[value].type != JSMN_ARRAY
        || json->token[value].size > SHARD_EVENT_EXCEPT_MAX)
    {
        return shard_refuse(err, "field \"except\" is not an array of at most "
                            "%u times", (unsigned) SHARD_EVENT_EXCEPT_MAX);
    }

    event->nexcept = 0;

    for (i = 0; i < json->token[value].size; i++) {
        if (shard_json_string(json, value + 1 + i, field->name, &text, err)
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        if (shard_time_decode(text, &ms) != SHARD_OK) {
            return shard_refuse(err, "field \"except\": %q is not a time as "
                                "2026-12-01T08:00Z", &text);
        }

        event->except_s[event->nexcept++] = (int64_t) (ms / 1000);
    }

    return SHARD_OK;
}


static int
shard_event_set_effect(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_event_t  *event = dst;

    if (shard_json_string(json, value, field->name, &event->effect, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (!shard_event_effect(event->effect, event)) {
        return shard_refuse(err, "field \"effect\" is %q, not \"xFACTOR\" up "
                            "to 1000, \"+N\" or \"-N\" requests/s up to 1e9, "
                            "\"drain\" or \"learned\"", &event->effect);
    }

    return SHARD_OK;
}


static int
shard_event_effect(shard_str_t text, shard_event_t *event)
{
    size_t    i, dot;
    double    part;
    uint64_t  n, max;

    event->size = 0;

    if (shard_text_equal(text, "drain") || shard_text_equal(text, "learned")) {
        event->kind = text.data[0] == 'd' ? SHARD_EFFECT_DRAIN
                                          : SHARD_EFFECT_LEARNED;
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
    part = 1;

    for (i = 1; i < text.len; i++) {

        if (text.data[i] == '.' && dot == 0 && i > 1 && i + 1 < text.len) {
            dot = i;
            event->size = (double) n;
            continue;
        }

        if (text.data[i] < '0' || text.data[i] > '9') {
            return 0;
        }

        if (dot == 0) {
            n = n * 10 + (uint64_t) (text.data[i] - '0');
            event->size = (double) n;

        } else {
            part /= 10;
            event->size += part * (text.data[i] - '0');
        }

        /* 1000.5 is beyond 1000, 1000.0 is not */

        if (n > max || (n == max && dot && text.data[i] != '0')) {
            return 0;
        }
    }

    event->kind = text.data[0] == 'x' ? SHARD_EFFECT_FACTOR : SHARD_EFFECT_ADD;
    event->size = text.data[0] == '-' ? -event->size : event->size;

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

    if (event->kind == SHARD_EFFECT_DRAIN
        && (event->nnodes == 0 || event->nshards))
    {
        return shard_refuse(err, "effect \"drain\" is of \"nodes\" and of no "
                            "shards");
    }

    return SHARD_OK;
}


static int
shard_event_excepted(const shard_event_t *event, int64_t at_s)
{
    unsigned  i;

    for (i = 0; i < event->nexcept; i++) {

        if (event->except_s[i] == at_s) {
            return 1;
        }
    }

    return 0;
}


unsigned
shard_event_spans(const shard_event_t *event, int64_t from_s,
    int64_t before_s, shard_span_t *spans, unsigned max)
{
    int64_t              at_s, length;
    unsigned             n;
    shard_zone_t         zone;
    shard_repeat_iter_t  iter;

    length = (int64_t) (event->end_ms - event->start_ms) / 1000;
    length = length ? length : 1;
    zone.offsets = event->offsets;
    zone.n = event->noffsets;
    n = 0;

    shard_repeat_begin(&iter, &event->repeat, &zone,
                       (int64_t) (event->start_ms / 1000),
                       from_s - length + 1, before_s);

    while (shard_repeat_next(&iter, &at_s) == SHARD_OK) {

        if (shard_event_excepted(event, at_s)) {
            continue;
        }

        if (n && spans[n - 1].end_s > at_s) {
            spans[n - 1].end_s = at_s;
        }

        if (n == max) {
            break;
        }

        spans[n].start_s = at_s;
        spans[n++].end_s = at_s + length;
    }

    return n;
}
