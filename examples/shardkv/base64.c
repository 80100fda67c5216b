
/*
 * Base64 of RFC 4648 with padding.  Decoding is strict: no spaces, full
 * padding, and the unused bits of the last digit must be zero, so that a
 * value has one text only.
 */


#include "shardkv.h"


static const char  shardkv_base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";


size_t
shardkv_base64_encode(char *dst, const void *src, size_t len)
{
    char                 *d;
    uint32_t              v;
    const unsigned char  *s;

    d = dst;
    s = src;

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


static int
shardkv_base64_digit(char ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    if (ch >= 'a' && ch <= 'z') {
        return ch - 'a' + 26;
    }

    if (ch >= '0' && ch <= '9') {
        return ch - '0' + 52;
    }

    return (ch == '+') ? 62 : (ch == '/') ? 63 : -1;
}


/* "dst" takes len / 4 * 3 bytes */

long
shardkv_base64_decode(char *dst, const char *src, size_t len)
{
    int       digit;
    char     *d;
    size_t    i, n, pad;
    uint32_t  v;

    if (len % 4) {
        return -1;
    }

    pad = (len && src[len - 1] == '=') + (len && src[len - 2] == '='
                                          && src[len - 1] == '=');
    n = len - pad;
    d = dst;
    v = 0;

    for (i = 0; i < n; i++) {
        digit = shardkv_base64_digit(src[i]);

        if (digit < 0) {
            return -1;
        }

        v = v << 6 | (uint32_t) digit;

        if (i % 4 == 3) {
            *d++ = (char) (v >> 16);
            *d++ = (char) (v >> 8);
            *d++ = (char) v;
            v = 0;
        }
    }

    if (pad == 1) {

        if (v & 3) {
            return -1;
        }

        *d++ = (char) (v >> 10);
        *d++ = (char) (v >> 2);

    } else if (pad == 2) {

        if (v & 15) {
            return -1;
        }

        *d++ = (char) (v >> 4);
    }

    return d - dst;
}
