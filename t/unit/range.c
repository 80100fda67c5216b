
/* Ranges of keys, docs/backend-contract.md: read, written, and what is in. */


#include <string.h>

#include "shard_codec.h"
#include "shard_range.h"

#include "../lib/tap.h"


#define END  NULL


typedef struct {
    const char  *order;
    const char  *lo;
    const char  *hi;
    const char  *in;
    const char  *out;
} case_t;


static shard_str_t
text(const char *s)
{
    shard_str_t  str;

    str.data = s;
    str.len = s ? strlen(s) : 0;

    return str;
}


static int
holds(const shard_range_t *range, const char *key)
{
    return shard_range_holds(range, key, strlen(key));
}


static void
test_good(void)
{
    char           buf[SHARD_RANGE_TEXT], err[SHARD_ERR_SIZE];
    size_t         i, len;
    shard_range_t  range;

    static const case_t  cases[] = {
        { "uint64", END, END, "0", "x" },
        { "uint64", END, "000000000000000a", "9", "10" },
        { "uint64", "000000000000000a", END, "0010", "9" },
        { "uint64", "ffffffffffffffff", END, "18446744073709551615", "1" },
        { "bytes", END, "62", "a", "b" },
        { "bytes", "62", "6200", "b", "ba" },
        { "bytes", "62", END, "\xff", "azzz" },
        { "hash", END, END, "anything", NULL },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tap_is_int(shard_range_decode(text(cases[i].order),
                                      text(cases[i].lo), text(cases[i].hi),
                                      &range, err),
                   SHARD_OK, "%s", cases[i].order);
        tap_ok(holds(&range, cases[i].in), "a key is in");
        tap_ok(cases[i].out == NULL || !holds(&range, cases[i].out),
               "one is not");
        len = shard_range_encode(&range, buf);
        tap_is_int((long) len, (long) strlen(buf), "its length");
        tap_ok(cases[i].hi == NULL || strstr(buf, cases[i].hi) != NULL,
               "its end");
    }
}


static void
test_bad(void)
{
    char           err[SHARD_ERR_SIZE], longest[2 * SHARD_BOUND_MAX + 3];
    size_t         i;
    shard_range_t  range, untouched;

    static const case_t  cases[] = {
        { "hush", END, END, "hash", NULL },
        { "", END, END, "order", NULL },
        { "list", END, END, "order", NULL },
        { "hash", "12", END, "lo", NULL },
        { "hash", "", END, "lo", NULL },
        { "uint64", END, "000000000000000A", "hi", NULL },
        { "hash", "8000000000000000", "8000000000000000", "empty", NULL },
        { "hash", "8000000000000000", "7000000000000000", "empty", NULL },
        { "bytes", "6", END, "lo", NULL },
        { "bytes", "6g", END, "lo", NULL },
        { "bytes", "62", "62", "empty", NULL },
        { "bytes", "62", "61ff", "empty", NULL },
    };

    memset(&range, 0x5a, sizeof(range));
    untouched = range;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tap_is_int(shard_range_decode(text(cases[i].order),
                                      text(cases[i].lo), text(cases[i].hi),
                                      &range, err),
                   SHARD_ERROR, "%s", cases[i].order);
        tap_ok(strstr(err, cases[i].in) != NULL, "%s", err);
    }

    memset(longest, '6', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';

    tap_is_int(shard_range_decode(text("bytes"), text(longest), text(END),
                                  &range, err),
               SHARD_ERROR, "65 bytes");
    tap_ok(memcmp(&range, &untouched, sizeof(range)) == 0, "untouched");
}


static void
test_record(void)
{
    char            buf[SHARD_RANGE_TEXT], err[SHARD_ERR_SIZE];
    shard_range_t   range, again;
    shard_record_t  rec;

    memset(&rec, 0, sizeof(rec));
    rec.kind = SHARD_KIND_RANGE_BYTES;
    rec.lo_text.len = SHARD_BOUND_MAX;
    rec.hi_text.len = SHARD_BOUND_MAX;
    memset(rec.lo_text.data, 0xfe, SHARD_BOUND_MAX);
    memset(rec.hi_text.data, 0xff, SHARD_BOUND_MAX);

    tap_is_int(shard_range_of(&rec, &range), SHARD_OK, "of a record");
    (void) shard_range_encode(&range, buf);
    tap_is_int((long) strlen(buf), 11 + 2 * (4 + 2 * SHARD_BOUND_MAX),
               "the longest one fits");
    buf[15 + 2 * SHARD_BOUND_MAX] = '\0';
    tap_is_int(shard_range_decode(text("bytes"), text(buf + 15),
                                  text(buf + 15 + 2 * SHARD_BOUND_MAX + 4),
                                  &again, err),
               SHARD_OK, "and is read");
    tap_ok(memcmp(&range, &again, sizeof(range)) == 0, "as the same");

    rec.kind = SHARD_KIND_LIST;
    tap_is_int(shard_range_of(&rec, &range), SHARD_ERROR, "a list has none");
}


int
main(void)
{
    test_good();
    test_bad();
    test_record();

    return tap_done();
}
