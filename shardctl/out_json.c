
/*
 * From the store's texts to JSON values.  Texts come from routers, daemons
 * and people: what is no UTF-8 is shown as "?", what is no number as null.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shardctl.h"


/* the length of a good UTF-8 sequence at p, 0 when there is none */

static size_t
json_utf8_sequence(const unsigned char *p)
{
    size_t    i, n;
    uint32_t  c;

    if (p[0] < 0x80) {
        return 1;
    }

    n = (p[0] >= 0xf0) ? 4 : (p[0] >= 0xe0) ? 3 : 2;

    if (p[0] < 0xc2 || p[0] > 0xf4) {
        return 0;
    }

    c = p[0] & (0xff >> (n + 1));

    for (i = 1; i < n; i++) {

        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        c = (c << 6) | (p[i] & 0x3f);
    }

    if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff)))
        || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
    {
        return 0;
    }

    return n;
}


json_t *
shardctl_text(const char *text)
{
    char           *copy;
    json_t         *string;
    size_t          n;
    unsigned char  *p;

    if (text == NULL) {
        return json_null();
    }

    string = json_string(text);

    if (string) {
        return string;
    }

    copy = strdup(text);

    if (copy == NULL) {
        return json_null();
    }

    for (p = (unsigned char *) copy; *p; /* void */ ) {
        n = json_utf8_sequence(p);

        if (n == 0) {
            *p = '?';
            n = 1;
        }

        p += n;
    }

    string = json_string(copy);

    free(copy);

    return string ? string : json_null();
}


json_t *
shardctl_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}


json_t *
shardctl_field(const shardd_entry_t *e, const char *name)
{
    return shardctl_text(shardd_entry_field(e, name));
}


json_t *
shardctl_field_int(const shardd_entry_t *e, const char *name)
{
    char        *end;
    long long    v;
    const char  *text;

    text = shardd_entry_field(e, name);

    if (text == NULL || text[0] == '\0') {
        return json_null();
    }

    v = strtoll(text, &end, 10);

    return *end ? json_null() : json_integer(v);
}


json_t *
shardctl_json(const char *text)
{
    return text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
}


double
shardctl_get_number(const json_t *object, const char *key)
{
    const json_t  *v;

    v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : NAN;
}


const char *
shardctl_get_text(const json_t *object, const char *key)
{
    const char  *text;

    text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}


int
shardctl_show(shardctl_t *ctl, json_t *value)
{
    if (value == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    printf("\n");

    json_decref(value);

    return SHARDCTL_OK;
}
