
/* examples/shardkv/base64.c and base64_x86.c against RFC 4648, digit by digit */


#include <stdlib.h>
#include <string.h>

#include "../lib/tap.h"

#include "../../examples/shardkv/base64.c"
#include "../../examples/shardkv/base64_x86.c"


#define LENGTHS  400
#define GUARD    0x5a


static const char  digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";


/* six bits at a time, as the RFC has it */

static size_t
slowly(char *dst, const unsigned char *src, size_t len)
{
    size_t    i, bits;
    unsigned  six;
    char     *d;

    d = dst;

    for (bits = 0; bits < len * 8; bits += 6) {
        six = 0;

        for (i = bits; i < bits + 6; i++) {
            six = six << 1
                  | (i < len * 8 ? (src[i / 8] >> (7 - i % 8)) & 1u : 0);
        }

        *d++ = digits[six];
    }

    while ((d - dst) % 4) {
        *d++ = '=';
    }

    return d - dst;
}


/* each length in memory of just its size, but for a guard behind what is
 * written: neither is anything beyond read (sanitizers) nor written */

static void
lengths(uint64_t seed)
{
    int             texts, back, beyond;
    char           *text, *value, want[LENGTHS * 2];
    long            n;
    size_t          len, i, size;
    unsigned char  *src;

    texts = back = beyond = 0;

    for (len = 0; len < LENGTHS; len++) {
        size = (len + 2) / 3 * 4;
        src = malloc(len + !len);
        text = malloc(size + 1);
        value = malloc(size / 4 * 3 + 1);

        for (i = 0; i < len; i++) {
            src[i] = (unsigned char) tap_random(&seed);
        }

        memset(text, GUARD, size + 1);
        texts += slowly(want, src, len) == size
                 && shardkv_base64_encode(text, src, len) == size
                 && memcmp(text, want, size) == 0;
        beyond += text[size] == GUARD;

        memset(value, GUARD, size / 4 * 3 + 1);
        n = shardkv_base64_decode(value, text, size);
        back += n == (long) len && memcmp(value, src, len) == 0;
        beyond += value[size / 4 * 3] == GUARD;

        free(src);
        free(text);
        free(value);
    }

    tap_ok(texts == LENGTHS, "texts are right: %d of %d", texts, LENGTHS);
    tap_ok(back == LENGTHS, "and come back: %d", back);
    tap_ok(beyond == 2 * LENGTHS, "nothing is written beyond: %d", beyond);
}


/* every byte at every place, read in a block and out of one */

static void
strangers(void)
{
    int      c, right, digit;
    char     text[72], value[54];
    long     n;
    size_t   at;

    right = 0;

    for (at = 0; at < sizeof(text); at++) {
        for (c = 0; c < 256; c++) {
            memset(text, 'R', sizeof(text));
            text[at] = (char) c;

            digit = c && strchr(digits, c) != NULL;
            n = shardkv_base64_decode(value, text, sizeof(text));

            /* one "=" at the end is padding, and leaves bits of "R" over */

            right += digit ? n == sizeof(value) : n == -1;
        }
    }

    tap_ok(right == 256 * (int) sizeof(text),
       "what is no digit is refused wherever it stands: %d", right);
}


int
main(void)
{
    char  value[3];

    lengths(tap_seed(7));
    strangers();

    tap_ok(shardkv_base64_decode(value, "QUI=", 4) == 2, "one =");
    tap_ok(shardkv_base64_decode(value, "QQ==", 4) == 1, "two");
    tap_ok(shardkv_base64_decode(value, "QR==", 4) == -1, "bits left over");
    tap_ok(shardkv_base64_decode(value, "Q===", 4) == -1, "three =");
    tap_ok(shardkv_base64_decode(value, "QUI", 3) == -1, "no padding");

    return tap_done();
}
