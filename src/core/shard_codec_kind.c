
#include <string.h>

#include "shard_bytes.h"
#include "shard_codec_kind.h"


#define shard_nelts(a)        (sizeof(a) / sizeof((a)[0]))


static int shard_codec_set_hi(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_codec_set_bytes(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_codec_set_units(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_codec_set_foreign(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_codec_null(const shard_json_t *json, int value);
static int shard_codec_kind_consistent(const shard_record_t *rec, char *err);
static void shard_codec_add_bytes(shard_text_t *text, const char *name,
    const shard_bytes_t *bytes);
static void shard_codec_add_units(shard_text_t *text,
    const shard_record_t *rec);


static const char *const  shard_kinds[] = {
    "hash", "range uint64", "range bytes", "list", NULL
};


#define SHARD_FIELD_FOREIGN(name)                                             \
    { name, 0, shard_codec_set_foreign, 0, 0, NULL }

static const shard_json_field_t  shard_position_fields[] = {

    { "lo", 1, shard_json_set_hex,
      offsetof(shard_record_t, lo), 0, NULL },

    { "hi", 1, shard_codec_set_hi,
      offsetof(shard_record_t, hi), 0, NULL },

    SHARD_FIELD_FOREIGN("units"),
    SHARD_FIELD_FOREIGN("default"),

    { NULL, 0, NULL, 0, 0, NULL }
};

static const shard_json_field_t  shard_bytes_fields[] = {

    { "lo", 1, shard_codec_set_bytes,
      offsetof(shard_record_t, lo_text), 0, NULL },

    { "hi", 1, shard_codec_set_bytes,
      offsetof(shard_record_t, hi_text), 1, NULL },

    SHARD_FIELD_FOREIGN("units"),
    SHARD_FIELD_FOREIGN("default"),

    { NULL, 0, NULL, 0, 0, NULL }
};

static const shard_json_field_t  shard_list_fields[] = {

    { "units", 0, shard_codec_set_units,
      0, 0, NULL },

    { "default", 0, shard_json_set_bool,
      offsetof(shard_record_t, is_default), 0, NULL },

    SHARD_FIELD_FOREIGN("lo"),
    SHARD_FIELD_FOREIGN("hi"),

    { NULL, 0, NULL, 0, 0, NULL }
};

static const shard_json_field_t *const  shard_kind_fields[] = {
    shard_position_fields, shard_position_fields, shard_bytes_fields,
    shard_list_fields
};


const char *
shard_kind_name(shard_kind_e kind)
{
    return (unsigned) kind < shard_nelts(shard_kinds) - 1
           ? shard_kinds[kind] : "unknown";
}


int
shard_kind_parse(shard_str_t text, shard_kind_e *kind)
{
    unsigned  i;

    for (i = 0; shard_kinds[i] != NULL; i++) {
        if (shard_text_equal(text, shard_kinds[i])) {
            *kind = (shard_kind_e) i;
            return SHARD_OK;
        }
    }

    return SHARD_ERROR;
}


int
shard_codec_kind_bind(const shard_json_t *json, shard_record_t *rec,
    char *err)
{
    if ((unsigned) rec->kind >= shard_nelts(shard_kind_fields)) {
        return shard_refuse(err, "%u is no kind of keyspace",
                            (unsigned) rec->kind);
    }

    if (shard_json_bind(json, shard_kind_fields[rec->kind], rec, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return shard_codec_kind_consistent(rec, err);
}


static int
shard_codec_kind_consistent(const shard_record_t *rec, char *err)
{
    if (rec->hi != 0 && rec->hi <= rec->lo) {
        return shard_refuse(err, "\"hi\" is not above \"lo\"");
    }

    if (rec->hi_text.len != 0
        && shard_bytes_compare(rec->hi_text.data, rec->hi_text.len,
                               rec->lo_text.data, rec->lo_text.len)
           <= 0)
    {
        return shard_refuse(err, "\"hi\" is not above \"lo\"");
    }

    if (rec->kind == SHARD_KIND_LIST && rec->nunits == 0 && !rec->is_default) {
        return shard_refuse(err, "neither \"units\" nor \"default\"");
    }

    return SHARD_OK;
}


static int
shard_codec_set_hi(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    uint64_t  *hi;

    hi = dst;

    if (shard_codec_null(json, value)) {
        *hi = 0;
        return SHARD_OK;
    }

    if (shard_json_set_hex(json, value, field, dst, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (*hi == 0) {
        return shard_refuse(err, "field \"hi\" is 0; the end of the keyspace "
                            "is null");
    }

    return SHARD_OK;
}


/* max 1: an upper bound, which may be null and is never "" */

static int
shard_codec_set_bytes(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_str_t  text;

    if (field->max && shard_codec_null(json, value)) {
        return SHARD_OK;
    }

    if (shard_json_string(json, value, field->name, &text, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (field->max && text.len == 0) {
        return shard_refuse(err, "field \"hi\" is empty; the end of the "
                            "keyspace is null");
    }

    return shard_bytes_decode(text, field->name, dst, err);
}


static int
shard_codec_set_units(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    int              i, k, last;
    shard_str_t      text, other;
    shard_bytes_t    unit;
    shard_record_t  *rec;

    rec = dst;
    text = shard_json_text(json, value);

    if (json->token[value].type != JSMN_ARRAY) {
        return shard_refuse(err, "field \"units\" is not an array: %q", &text);
    }

    rec->units.data = text.data + 1;
    rec->units.len = text.len - 2;
    last = shard_json_next(json, value);

    for (i = value + 1; i < last; i = shard_json_next(json, i)) {
        if (rec->nunits++ == SHARD_UNITS_MAX) {
            return shard_refuse(err, "field \"units\" has more than %u names",
                                (unsigned) SHARD_UNITS_MAX);
        }

        if (shard_json_string(json, i, field->name, &text, err) != SHARD_OK
            || shard_bytes_decode(text, field->name, &unit, err) != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        if (unit.len == 0) {
            return shard_refuse(err, "field \"units\" has an empty name");
        }

        for (k = value + 1; k < i; k++) {
            other = shard_json_text(json, k);

            if (other.len == text.len
                && memcmp(other.data, text.data, text.len) == 0)
            {
                return shard_refuse(err, "field \"units\" has %q twice",
                                    &text);
            }
        }
    }

    return SHARD_OK;
}


static int
shard_codec_set_foreign(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    const shard_record_t  *rec;

    (void) json;
    (void) value;

    rec = dst;

    return shard_refuse(err, "field \"%s\" has no place in a \"%s\" keyspace",
                        field->name, shard_kind_name(rec->kind));
}


static int
shard_codec_null(const shard_json_t *json, int value)
{
    return json->token[value].type == JSMN_PRIMITIVE
           && shard_text_equal(shard_json_text(json, value), "null");
}


void
shard_codec_kind_add(shard_text_t *text, const shard_record_t *rec)
{
    char  hex[17];

    switch (rec->kind) {

    case SHARD_KIND_RANGE_BYTES:
        shard_codec_add_bytes(text, "lo", &rec->lo_text);
        shard_text_add(text, ",");

        if (rec->hi_text.len) {
            shard_codec_add_bytes(text, "hi", &rec->hi_text);
            return;
        }

        break;

    case SHARD_KIND_LIST:
        shard_codec_add_units(text, rec);
        return;

    default:
        shard_hex_encode(rec->lo, hex);
        shard_text_add_field(text, "lo", hex, sizeof(hex));
        shard_text_add(text, ",");

        if (rec->hi) {
            shard_hex_encode(rec->hi, hex);
            shard_text_add_field(text, "hi", hex, sizeof(hex));
            return;
        }

        break;
    }

    shard_text_add(text, "\"hi\":null");
}


static void
shard_codec_add_bytes(shard_text_t *text, const char *name,
    const shard_bytes_t *bytes)
{
    char  buf[SHARD_BYTES_TEXT];

    shard_bytes_encode(bytes, buf);
    shard_text_add_field(text, name, buf, sizeof(buf));
}


static void
shard_codec_add_units(shard_text_t *text, const shard_record_t *rec)
{
    char           buf[SHARD_BYTES_TEXT];
    unsigned       n;
    shard_str_t    left;
    shard_bytes_t  unit;

    shard_text_add(text, "\"units\":[");
    left = rec->units;

    for (n = 0; shard_units_next(&left, &unit) == SHARD_OK; n++) {
        shard_bytes_encode(&unit, buf);

        shard_text_add(text, n ? ",\"" : "\"");
        shard_text_add(text, buf);
        shard_text_add(text, "\"");
    }

    shard_text_add(text, "]");

    if (rec->is_default) {
        shard_text_add(text, ",\"default\":true");
    }
}
