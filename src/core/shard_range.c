
#include <string.h>

#include "shard_bytes.h"
#include "shard_codec.h"
#include "shard_key.h"
#include "shard_range.h"
#include "shard_text.h"


static int shard_range_number(shard_str_t text, const char *name,
    uint64_t *value, char *err);
static int shard_range_bytes(shard_str_t text, const char *name,
    shard_bytes_t *out, char *err);
static void shard_range_add_bytes(shard_text_t *text, const char *name,
    const shard_bytes_t *bytes);


/* the order of the kinds */

static const char *const  shard_range_orders[] = {
    "hash", "uint64", "bytes", NULL
};


int
shard_range_decode(shard_str_t order, shard_str_t lo, shard_str_t hi,
    shard_range_t *out, char *err)
{
    int            rc;
    unsigned       n;
    shard_range_t  range;

    memset(&range, 0, sizeof(range));

    if (shard_text_word(order, shard_range_orders, "order", &n, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    range.order = (shard_kind_e) n;

    if (range.order == SHARD_KIND_RANGE_BYTES) {
        rc = shard_range_bytes(lo, "lo", &range.lo_text, err);

        if (rc == SHARD_OK) {
            rc = shard_range_bytes(hi, "hi", &range.hi_text, err);
        }

    } else {
        rc = shard_range_number(lo, "lo", &range.lo, err);

        if (rc == SHARD_OK) {
            rc = shard_range_number(hi, "hi", &range.hi, err);
        }
    }

    if (rc == SHARD_OK
        && ((range.hi && range.hi <= range.lo)
            || (range.hi_text.len
                && shard_bytes_compare(range.hi_text.data, range.hi_text.len,
                                       range.lo_text.data, range.lo_text.len)
                   <= 0)))
    {
        rc = shard_refuse(err, "hi is not above lo: the range is empty");
    }

    if (rc == SHARD_OK) {
        *out = range;
    }

    return rc;
}


static int
shard_range_number(shard_str_t text, const char *name, uint64_t *value,
    char *err)
{
    if (text.data == NULL) {
        return SHARD_OK;
    }

    if (shard_hex_decode(text, value) != SHARD_OK) {
        return shard_refuse(err, "%s is not 16 lower-case hex digits: %q",
                            name, &text);
    }

    return SHARD_OK;
}


static int
shard_range_bytes(shard_str_t text, const char *name, shard_bytes_t *out,
    char *err)
{
    int     high, low;
    size_t  i;

    if (text.data == NULL) {
        return SHARD_OK;
    }

    for (i = 0; i + 1 < text.len && i < 2 * SHARD_BOUND_MAX; i += 2) {
        high = shard_hex_digit(text.data[i]);
        low = shard_hex_digit(text.data[i + 1]);

        if (high < 0 || low < 0) {
            break;
        }

        out->data[out->len++] = (char) (high << 4 | low);
    }

    if (i < text.len) {
        return shard_refuse(err, "%s is not up to %u bytes, each as two "
                            "lower-case hex digits: %q", name,
                            (unsigned) SHARD_BOUND_MAX, &text);
    }

    return SHARD_OK;
}


size_t
shard_range_encode(const shard_range_t *range, char *buf)
{
    char          hex[17];
    shard_text_t  text;

    shard_text_open(&text, buf, SHARD_RANGE_TEXT);
    shard_text_add(&text, "order=");
    shard_text_add(&text, shard_range_orders[range->order]);

    if (range->order == SHARD_KIND_RANGE_BYTES) {
        shard_range_add_bytes(&text, "&lo=", &range->lo_text);
        shard_range_add_bytes(&text, "&hi=", &range->hi_text);

    } else {
        shard_hex_encode(range->lo, hex);
        shard_text_add(&text, "&lo=");
        shard_text_add(&text, hex);

        if (range->hi) {
            shard_hex_encode(range->hi, hex);
            shard_text_add(&text, "&hi=");
            shard_text_add(&text, hex);
        }
    }

    *text.pos = '\0';

    return (size_t) (text.pos - buf);
}


static void
shard_range_add_bytes(shard_text_t *text, const char *name,
    const shard_bytes_t *bytes)
{
    char    hex[3];
    size_t  i;

    if (bytes->len == 0) {
        return;
    }

    shard_text_add(text, name);
    hex[2] = '\0';

    for (i = 0; i < bytes->len; i++) {
        hex[0] = "0123456789abcdef"[(unsigned char) bytes->data[i] >> 4];
        hex[1] = "0123456789abcdef"[bytes->data[i] & 0xf];
        shard_text_add(text, hex);
    }
}


int
shard_range_of(const shard_record_t *rec, shard_range_t *out)
{
    if (rec->kind == SHARD_KIND_LIST) {
        return SHARD_ERROR;
    }

    memset(out, 0, sizeof(shard_range_t));

    out->order = rec->kind;
    out->lo = rec->lo;
    out->hi = rec->hi;
    out->lo_text = rec->lo_text;
    out->hi_text = rec->hi_text;

    return SHARD_OK;
}


int
shard_range_holds(const shard_range_t *range, const void *key, size_t len)
{
    shard_key_t  at;

    if (range->order == SHARD_KIND_RANGE_BYTES) {
        return shard_bytes_compare(key, len, range->lo_text.data,
                                   range->lo_text.len)
               >= 0
               && (range->hi_text.len == 0
                   || shard_bytes_compare(key, len, range->hi_text.data,
                                          range->hi_text.len)
                      < 0);
    }

    return shard_key_locate(range->order, key, len, &at) == SHARD_OK
           && at.position >= range->lo
           && (range->hi == 0 || at.position < range->hi);
}
