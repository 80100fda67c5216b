
/*
 * Base64 of 12 bytes, 16 digits, at a time: with SSSE3, where there is one.
 * Half of a copy's time at both ends was the table of base64.c.
 *
 *   encode   12 bytes ──▶ 4 x 24 bits ──▶ 16 x 6 bits ──▶ + offset of range
 *   decode   16 digits ──▶ a bit of both nibbles in common: no digit
 *                      ──▶ + offset of range ──▶ 16 x 6 bits ──▶ 12 bytes
 *
 * The ranges are A-Z, a-z, 0-9, + and /.  Published by W. Mula and
 * D. Lemire, "Faster Base64 Encoding and Decoding Using AVX2 Instructions",
 * 2018.
 *
 * Both stop where the rest is not worth it, has padding, or is no digit: what
 * is left, with any error in it, is base64.c's.
 */


#include "items.h"


#if (defined __x86_64__)

#include <immintrin.h>


#define SHARDKV_SSSE3  __attribute__((target("ssse3")))


SHARDKV_SSSE3 static __m128i
shardkv_base64_digits_x86(__m128i in)
{
    __m128i  index, low, range;

    in = _mm_shuffle_epi8(in, _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4,
                                            7, 6, 8, 7, 10, 9, 11, 10));

    index = _mm_or_si128(
        _mm_mulhi_epu16(_mm_and_si128(in, _mm_set1_epi32(0x0fc0fc00)),
                        _mm_set1_epi32(0x04000040)),
        _mm_mullo_epi16(_mm_and_si128(in, _mm_set1_epi32(0x003f03f0)),
                        _mm_set1_epi32(0x01000010)));

    /* 0: a-z; 1 to 10: digits; 11, 12: + and /; 13: A-Z */

    range = _mm_subs_epu8(index, _mm_set1_epi8(51));
    low = _mm_cmpgt_epi8(_mm_set1_epi8(26), index);
    range = _mm_or_si128(range, _mm_and_si128(low, _mm_set1_epi8(13)));

    return _mm_add_epi8(index, _mm_shuffle_epi8(
        _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                      '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                      '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0), range));
}


/* 16 bytes are read for 12 */

SHARDKV_SSSE3 static size_t
shardkv_base64_encode_ssse3(char *dst, const unsigned char *src, size_t len)
{
    size_t   n;
    __m128i  in;

    for (n = 0; len - n >= 16; n += 12, dst += 16) {
        in = _mm_loadu_si128((const __m128i *) (src + n));
        _mm_storeu_si128((__m128i *) dst, shardkv_base64_digits_x86(in));
    }

    return n;
}


/* 0: not all of them are digits */

SHARDKV_SSSE3 static int
shardkv_base64_bytes_x86(__m128i *text)
{
    __m128i  bad, high, slash, value;

    /* a shuffle does not look at bit 5, so "/" serves as mask, too */

    const __m128i  nibble = _mm_set1_epi8(0x2f);

    high = _mm_and_si128(_mm_srli_epi32(*text, 4), nibble);

    bad = _mm_and_si128(
        _mm_shuffle_epi8(_mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11,
                                       0x11, 0x11, 0x11, 0x11, 0x13, 0x1a,
                                       0x1b, 0x1b, 0x1b, 0x1a),
                         _mm_and_si128(*text, nibble)),
        _mm_shuffle_epi8(_mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08,
                                       0x04, 0x08, 0x10, 0x10, 0x10, 0x10,
                                       0x10, 0x10, 0x10, 0x10), high));

    if (_mm_movemask_epi8(_mm_cmpeq_epi8(bad, _mm_setzero_si128()))
        != 0xffff)
    {
        return 0;
    }

    /* "/" shares its high nibble with "+" */

    slash = _mm_cmpeq_epi8(*text, nibble);
    value = _mm_add_epi8(*text, _mm_shuffle_epi8(
        _mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0,
                      0), _mm_add_epi8(slash, high)));

    value = _mm_maddubs_epi16(value, _mm_set1_epi32(0x01400140));
    value = _mm_madd_epi16(value, _mm_set1_epi32(0x00011000));

    *text = _mm_shuffle_epi8(value, _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9,
                                                  8, 14, 13, 12, -1, -1, -1,
                                                  -1));
    return 1;
}


/* 16 bytes are written for 12, so the last 8 digits are left */

SHARDKV_SSSE3 static size_t
shardkv_base64_decode_ssse3(char *dst, const char *src, size_t len)
{
    size_t   n;
    __m128i  text;

    for (n = 0; len - n >= 24; n += 16, dst += 12) {
        text = _mm_loadu_si128((const __m128i *) (src + n));

        if (!shardkv_base64_bytes_x86(&text)) {
            break;
        }

        _mm_storeu_si128((__m128i *) dst, text);
    }

    return n;
}


size_t
shardkv_base64_encode_most(char *dst, const void *src, size_t len)
{
    return __builtin_cpu_supports("ssse3")
           ? shardkv_base64_encode_ssse3(dst, src, len) : 0;
}


size_t
shardkv_base64_decode_most(char *dst, const char *src, size_t len)
{
    return __builtin_cpu_supports("ssse3")
           ? shardkv_base64_decode_ssse3(dst, src, len) : 0;
}


#else /* no x86-64 */

size_t
shardkv_base64_encode_most(char *dst, const void *src, size_t len)
{
    (void) dst;
    (void) src;
    (void) len;

    return 0;
}


size_t
shardkv_base64_decode_most(char *dst, const char *src, size_t len)
{
    (void) dst;
    (void) src;
    (void) len;

    return 0;
}

#endif
