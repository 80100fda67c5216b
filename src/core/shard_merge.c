
#include <string.h>

#include "shard_merge_json.h"
#include "shard_text.h"


static int shard_merge_keeps(shard_merge_t *part, char *c, int between);
static int shard_merge_hex(char c);


void
shard_merge_init(shard_merge_t *part, shard_merge_kind_e kind)
{
    memset(part, 0, sizeof(shard_merge_t));

    part->kind = (uint8_t) kind;
}


size_t
shard_merge_feed(shard_merge_t *part, char *data, size_t len)
{
    int     between;
    size_t  i, kept;

    if (part->bad) {
        return 0;
    }

    if (part->kind == SHARD_MERGE_CONCAT) {
        return len;
    }

    kept = 0;

    for (i = 0; i < len; i++) {

        between = !shard_merge_json_in_string(part)
                  && shard_merge_json_space(data[i]);

        if (shard_merge_json_byte(part, (unsigned char) data[i]) != SHARD_OK
            || (part->kind != SHARD_MERGE_NDJSON && part->values > 1))
        {
            part->bad = 1;
            return 0;
        }

        data[kept] = data[i];
        kept += (size_t) shard_merge_keeps(part, &data[kept], between);
    }

    return kept;
}


/*
 * Lines: of the space around a value one newline remains, of that inside of
 * it nothing.
 */

static int
shard_merge_keeps(shard_merge_t *part, char *c, int between)
{
    if (!between) {
        part->open = 1;
        return 1;
    }

    if (part->depth || !part->open) {
        return part->depth && part->kind != SHARD_MERGE_NDJSON;
    }

    part->open = 0;
    *c = '\n';

    return part->kind == SHARD_MERGE_NDJSON;
}


int
shard_merge_end(shard_merge_t *part)
{
    if (part->bad) {
        return SHARD_ERROR;
    }

    if (part->kind == SHARD_MERGE_CONCAT) {
        return SHARD_OK;
    }

    if (part->depth == 0
        && (part->state == SHARD_MERGE_DONE
            || part->state == SHARD_MERGE_VALUE
            || shard_merge_json_whole(part))
        && (part->values || part->kind == SHARD_MERGE_NDJSON))
    {
        return SHARD_OK;
    }

    part->bad = 1;

    return SHARD_ERROR;
}


size_t
shard_merge_before(shard_merge_kind_e kind, int first, shard_id_t id,
    char frame[SHARD_MERGE_FRAME_SIZE])
{
    shard_text_t  text;

    shard_text_open(&text, frame, SHARD_MERGE_FRAME_SIZE);

    switch (kind) {

    case SHARD_MERGE_JSON:
        shard_text_add(&text, first ? "[" : ",");
        break;

    case SHARD_MERGE_OBJECT:
        shard_text_add(&text, first ? "{\"" : ",\"");
        shard_text_add_uint(&text, id);
        shard_text_add(&text, "\":");
        break;

    default:
        break;
    }

    return (size_t) (text.pos - frame);
}


size_t
shard_merge_behind(const shard_merge_t *part,
    char frame[SHARD_MERGE_FRAME_SIZE])
{
    if (part->kind != SHARD_MERGE_NDJSON || !part->open) {
        return 0;
    }

    frame[0] = '\n';

    return 1;
}


size_t
shard_merge_close(shard_merge_kind_e kind, int none,
    char frame[SHARD_MERGE_FRAME_SIZE])
{
    shard_text_t  text;

    shard_text_open(&text, frame, SHARD_MERGE_FRAME_SIZE);

    if (kind == SHARD_MERGE_JSON) {
        shard_text_add(&text, none ? "[]" : "]");

    } else if (kind == SHARD_MERGE_OBJECT) {
        shard_text_add(&text, none ? "{}" : "}");
    }

    return (size_t) (text.pos - frame);
}


size_t
shard_merge_ids(const shard_id_t *ids, size_t n, char *buf, size_t size)
{
    char          number[SHARD_MERGE_FRAME_SIZE];
    size_t        i, len, used;
    shard_text_t  text;

    used = 0;

    for (i = 0; i < n; i++) {
        shard_text_open(&text, number, sizeof(number));
        shard_text_add(&text, i ? "," : "");
        shard_text_add_uint(&text, ids[i]);
        len = (size_t) (text.pos - number);

        /* room for the mark that more would follow, unless none does */

        if (used + len + (i + 1 < n ? 4 : 0) > size) {
            memcpy(&buf[used], ",...", 4);
            return used + 4;
        }

        memcpy(&buf[used], number, len);
        used += len;
    }

    return used;
}


int
shard_merge_key(shard_str_t *list, char *buf, shard_str_t *key)
{
    int     hi, lo;
    size_t  i, n;

    while (list->len && *list->data == ',') {
        list->data++;
        list->len--;
    }

    if (list->len == 0) {
        return SHARD_AGAIN;
    }

    n = 0;

    for (i = 0; i < list->len && list->data[i] != ','; i++) {

        if (list->data[i] != '%') {
            buf[n++] = list->data[i];
            continue;
        }

        hi = i + 2 < list->len ? shard_merge_hex(list->data[i + 1]) : -1;
        lo = i + 2 < list->len ? shard_merge_hex(list->data[i + 2]) : -1;

        if (hi < 0 || lo < 0) {
            return SHARD_ERROR;
        }

        buf[n++] = (char) (hi << 4 | lo);
        i += 2;
    }

    key->data = buf;
    key->len = n;
    list->data += i;
    list->len -= i;

    return SHARD_OK;
}


static int
shard_merge_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}
