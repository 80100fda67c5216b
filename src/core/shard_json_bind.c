
#include <string.h>

#include "shard_json.h"
#include "shard_text.h"


#define SHARD_JSON_FIELDS  16


int
shard_json_bind(const shard_json_t *json, const shard_json_field_t *fields,
    void *out, char *err)
{
    int                        i, n;
    const shard_json_field_t  *field;

    for (field = fields; field->name != NULL; field++) {

        n = 0;

        for (i = 1; i < json->n; i = shard_json_next(json, i + 1)) {
            if (!shard_text_equal(shard_json_text(json, i), field->name)) {
                continue;
            }

            if (field->set(json, i + 1, field, (char *) out + field->offset,
                           err)
                != SHARD_OK)
            {
                return SHARD_ERROR;
            }

            n++;
        }

        if (n == 0 && field->mandatory) {
            return shard_refuse(err, "field \"%s\" is missing", field->name);
        }
    }

    return SHARD_OK;
}


int
shard_json_known(const shard_json_t *json, const shard_json_field_t *fields,
    char *err)
{
    int          i;
    unsigned     n, index;
    const char  *words[SHARD_JSON_FIELDS];

    for (n = 0; fields[n].name != NULL && n + 1 < SHARD_JSON_FIELDS; n++) {
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


int
shard_json_string(const shard_json_t *json, int value, const char *name,
    shard_str_t *str, char *err)
{
    *str = shard_json_text(json, value);

    if (json->token[value].type != JSMN_STRING) {
        return shard_refuse(err, "field \"%s\" is not a string: %q", name,
                            str);
    }

    if (memchr(str->data, '\\', str->len) != NULL) {
        return shard_refuse(err, "escape in field \"%s\": %q", name, str);
    }

    return SHARD_OK;
}


int
shard_json_uint(const shard_json_t *json, int value,
    const shard_json_field_t *field, uint64_t *number, char *err)
{
    shard_str_t  text;

    text = shard_json_text(json, value);

    if (json->token[value].type != JSMN_PRIMITIVE
        || shard_uint64_decode(text, number) != SHARD_OK
        || *number > field->max)
    {
        return shard_refuse(err, "field \"%s\" is not a number from 0 to %u: "
                            "%q", field->name, (unsigned) field->max, &text);
    }

    return SHARD_OK;
}


int
shard_json_set_uint32(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    uint64_t  number;

    if (shard_json_uint(json, value, field, &number, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    *(uint32_t *) dst = (uint32_t) number;

    return SHARD_OK;
}


int
shard_json_set_uint16(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    uint64_t  number;

    if (shard_json_uint(json, value, field, &number, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    *(uint16_t *) dst = (uint16_t) number;

    return SHARD_OK;
}


int
shard_json_set_name(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_str_t  name;

    if (shard_json_string(json, value, field->name, &name, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (!shard_name_valid(name)) {
        return shard_refuse(err, "field \"%s\" is not a name of 1 to 63 "
                            "letters, digits, \"_\", \".\", \"-\": %q",
                            field->name, &name);
    }

    memcpy(dst, name.data, name.len);
    ((char *) dst)[name.len] = '\0';

    return SHARD_OK;
}


int
shard_json_set_hex(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_str_t  text;

    if (shard_json_string(json, value, field->name, &text, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (shard_hex_decode(text, (uint64_t *) dst) != SHARD_OK) {
        return shard_refuse(err, "field \"%s\" is not 16 lower-case hex "
                            "digits: %q", field->name, &text);
    }

    return SHARD_OK;
}


int
shard_json_set_bool(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_str_t  text;

    text = shard_json_text(json, value);

    if (json->token[value].type != JSMN_PRIMITIVE
        || !(shard_text_equal(text, "true")
             || shard_text_equal(text, "false")))
    {
        return shard_refuse(err, "field \"%s\" is neither true nor false: %q",
                            field->name, &text);
    }

    *(uint8_t *) dst = text.len == sizeof("true") - 1;

    return SHARD_OK;
}


int
shard_json_set_word(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    unsigned     index;
    shard_str_t  word;

    if (shard_json_string(json, value, field->name, &word, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (shard_text_word(word, field->words, field->name, &index, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    *(unsigned *) dst = index;

    return SHARD_OK;
}


double
shard_json_double(shard_str_t text)
{
    int       digits, point, exponent, sign, scale;
    char      c;
    size_t    i;
    double    power;
    uint64_t  mantissa;

    digits = 0;
    point = 0;
    scale = 0;
    mantissa = 0;

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (c == '.') {
            point = 1;
            continue;
        }

        if (c < '0' || c > '9') {
            break;
        }

        if (digits < 17) {
            mantissa = mantissa * 10 + (uint64_t) (c - '0');
            digits += (mantissa != 0);
            scale -= point;

        } else {
            scale += !point;
        }
    }

    if (i == 0 || (i < text.len && text.data[i] != 'e'
                   && text.data[i] != 'E'))
    {
        return -1;
    }

    exponent = 0;
    sign = 1;

    for (i++; i < text.len; i++) {
        c = text.data[i];

        if (c == '-') {
            sign = -1;

        } else if (c != '+' && exponent < 10000) {
            exponent = exponent * 10 + (c - '0');
        }
    }

    scale += sign * exponent;

    if (scale < -300 || scale > 300) {
        return -1;
    }

    for (power = 1, i = (size_t) (scale < 0 ? -scale : scale); i > 0; i--) {
        power *= 10;
    }

    return scale < 0 ? (double) mantissa / power : (double) mantissa * power;
}
