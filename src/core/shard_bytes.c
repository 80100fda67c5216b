
#include <string.h>

#include "shard_bytes.h"
#include "shard_text.h"


static int shard_bytes_plain(unsigned char c);


int
shard_bytes_decode(shard_str_t text, const char *field, shard_bytes_t *out,
    char *err)
{
    int            high, low;
    size_t         i;
    shard_bytes_t  bytes;

    memset(&bytes, 0, sizeof(bytes));

    for (i = 0; i < text.len; i++) {
        if (bytes.len == SHARD_BOUND_MAX) {
            return shard_refuse(err, "field \"%s\" is longer than %u bytes: "
                                "%q", field, (unsigned) SHARD_BOUND_MAX,
                                &text);
        }

        if (shard_bytes_plain((unsigned char) text.data[i])) {
            bytes.data[bytes.len++] = text.data[i];
            continue;
        }

        high = -1;
        low = -1;

        if (text.data[i] == '%' && text.len - i > 2) {
            high = shard_hex_digit(text.data[i + 1]);
            low = shard_hex_digit(text.data[i + 2]);
        }

        if (high < 0 || low < 0
            || shard_bytes_plain((unsigned char) (high << 4 | low)))
        {
            return shard_refuse(err, "field \"%s\" is not percent-encoded as "
                                "it should be, at byte %u: %q", field,
                                (unsigned) i, &text);
        }

        bytes.data[bytes.len++] = (char) (high << 4 | low);
        i += 2;
    }

    *out = bytes;

    return SHARD_OK;
}


size_t
shard_bytes_encode(const shard_bytes_t *bytes, char *buf)
{
    char    *p;
    size_t   i;

    p = buf;

    for (i = 0; i < bytes->len && i < SHARD_BOUND_MAX; i++) {
        if (shard_bytes_plain((unsigned char) bytes->data[i])) {
            *p++ = bytes->data[i];
            continue;
        }

        *p++ = '%';
        *p++ = "0123456789abcdef"[(unsigned char) bytes->data[i] >> 4];
        *p++ = "0123456789abcdef"[bytes->data[i] & 0xf];
    }

    *p = '\0';

    return (size_t) (p - buf);
}


static int
shard_bytes_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '%' && c != '"' && c != '\\';
}


int
shard_bytes_compare(const void *a, size_t alen, const void *b, size_t blen)
{
    int     order;
    size_t  len;

    len = alen < blen ? alen : blen;
    order = len ? memcmp(a, b, len) : 0;

    if (order == 0) {
        return alen < blen ? -1 : alen > blen;
    }

    return order;
}


/* the text is what JSON has between [ and ], and no string has a quote */

int
shard_units_next(shard_str_t *left, shard_bytes_t *unit)
{
    char         err[SHARD_ERR_SIZE];
    const char  *start, *end, *last;
    shard_str_t  text;

    if (left->len == 0) {
        return SHARD_AGAIN;
    }

    last = left->data + left->len;
    start = memchr(left->data, '"', left->len);

    if (start == NULL) {
        left->len = 0;
        return SHARD_AGAIN;
    }

    start++;
    end = memchr(start, '"', (size_t) (last - start));

    if (end == NULL) {
        return SHARD_ERROR;
    }

    text.data = start;
    text.len = (size_t) (end - start);
    left->data = end + 1;
    left->len = (size_t) (last - left->data);

    return shard_bytes_decode(text, "units", unit, err);
}
