
/*
 * Base64 of RFC 4648 with padding.  Decoding is strict: no spaces, full
 * padding, and the unused bits of the last digit must be zero, so that a
 * value has one text only.
 */


#include "items.h"


static const char  shardkv_base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";


size_t
shardkv_base64_encode(char *dst, const void *src, size_t len)
{
    char                 *d;
    size_t                n;
    uint32_t              v;
    const unsigned char  *s;

    n = shardkv_base64_encode_most(dst, src, len);

    d = dst + n / 3 * 4;
    s = (const unsigned char *) src + n;
    len -= n;

    for ( /* void */ ; len > 2; len -= 3, s += 3) {
        v = (uint32_t) s[0] << 16 | (uint32_t) s[1] << 8 | s[2];

        *d++ = shardkv_base64_digits[v >> 18];
        *d++ = shardkv_base64_digits[v >> 12 & 63];
        *d++ = shardkv_base64_digits[v >> 6 & 63];
        *d++ = shardkv_base64_digits[v & 63];
    }

    if (len) {
        v = (uint32_t) s[0] << 16 | (len == 2 ? (uint32_t) s[1] << 8 : 0);

        *d++ = shardkv_base64_digits[v >> 18];
        *d++ = shardkv_base64_digits[v >> 12 & 63];
        *d++ = (len == 2) ? shardkv_base64_digits[v >> 6 & 63] : '=';
        *d++ = '=';
    }

    return d - dst;
}


/* 64 and more: no digit */

#define NO  64

static const uint8_t  shardkv_base64_values[256] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 62, NO, NO, NO, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO,
    NO,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, NO,
    NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO
};


/* "n" digits, 2 to 4, of one group; above 2^24: not Base64 */

static uint32_t
shardkv_base64_group(const char *src, size_t n)
{
    size_t    i;
    uint8_t   bad, value;
    uint32_t  v;

    bad = 0;
    v = 0;

    for (i = 0; i < n; i++) {
        value = shardkv_base64_values[(uint8_t) src[i]];
        bad |= value;
        v = v << 6 | (value & 63);
    }

    return (bad & NO) ? UINT32_MAX : v;
}


/* "dst" takes len / 4 * 3 bytes */

long
shardkv_base64_decode(char *dst, const char *src, size_t len)
{
    char        *d;
    size_t       n, pad;
    uint8_t      a, b, c, e, bad;
    uint32_t     v;
    const char  *end;

    if (len % 4) {
        return -1;
    }

    pad = (len && src[len - 1] == '=') + (len && src[len - 2] == '='
                                          && src[len - 1] == '=');
    n = shardkv_base64_decode_most(dst, src, len);
    d = dst + n / 4 * 3;

    bad = 0;
    end = src + len - (pad ? 4 : 0);

    for (src += n; src < end; src += 4) {
        a = shardkv_base64_values[(uint8_t) src[0]];
        b = shardkv_base64_values[(uint8_t) src[1]];
        c = shardkv_base64_values[(uint8_t) src[2]];
        e = shardkv_base64_values[(uint8_t) src[3]];

        bad |= a | b | c | e;

        *d++ = (char) (a << 2 | b >> 4);
        *d++ = (char) (b << 4 | c >> 2);
        *d++ = (char) (c << 6 | e);
    }

    if (bad & NO) {
        return -1;
    }

    if (pad) {
        v = shardkv_base64_group(src, 4 - pad);

        /* bits left over, 2 or 4 of them, must be zero */

        if (v == UINT32_MAX || v & (pad == 1 ? 3 : 15)) {
            return -1;
        }

        if (pad == 1) {
            *d++ = (char) (v >> 10);
            *d++ = (char) (v >> 2);

        } else {
            *d++ = (char) (v >> 4);
        }
    }

    return d - dst;
}
