
/*
 * "ORDER\nLO\nHI\nKEY", "-" for a bound that is not there: a range of keys,
 * refused or sound, and which keys are in it
 */

#include "shard_range.h"

#include "fuzz.h"


static shard_str_t  line(shard_str_t *rest);
static shard_str_t  value(const char *query, const char *name);
static void  again(const shard_range_t *range);
static void  bounds(const shard_range_t *range);
static void  thirds(const shard_range_t *range, shard_str_t key);


static shard_str_t
line(shard_str_t *rest)
{
    const char   *end;
    shard_str_t   text;

    end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    text = *rest;

    if (end == NULL) {
        rest->len = 0;

    } else {
        text.len = (size_t) (end - text.data);
        rest->data = end + 1;
        rest->len -= text.len + 1;
    }

    if (text.len == 1 && text.data[0] == '-') {
        text.data = NULL;
        text.len = 0;
    }

    return text;
}


static shard_str_t
value(const char *query, const char *name)
{
    shard_str_t  text;

    text.data = strstr(query, name);
    text.len = 0;

    if (text.data) {
        text.data += strlen(name);
        text.len = strcspn(text.data, "&");
    }

    return text;
}


/* what is written is read as the same, and written as the same again */

static void
again(const shard_range_t *range)
{
    char           err[SHARD_ERR_SIZE];
    char           query[SHARD_RANGE_TEXT], twice[SHARD_RANGE_TEXT];
    size_t         len;
    shard_range_t  out;

    len = shard_range_encode(range, query);
    fuzz_must(len < sizeof(query) && strlen(query) == len, "unended query");
    fuzz_must(shard_range_decode(value(query, "order="), value(query, "&lo="),
                                 value(query, "&hi="), &out, err)
              == SHARD_OK, err);
    fuzz_must(shard_range_encode(&out, twice) == len
              && memcmp(query, twice, len) == 0, "another range");
}


static void
bounds(const shard_range_t *range)
{
    int                   n;
    char                  key[24];
    const shard_bytes_t  *lo, *hi;

    fuzz_must(range->order < SHARD_KIND_LIST, "an order of lists");

    if (range->order == SHARD_KIND_RANGE_BYTES) {
        lo = &range->lo_text;
        hi = &range->hi_text;

        fuzz_must(lo->len <= SHARD_BOUND_MAX && hi->len <= SHARD_BOUND_MAX,
                  "too long a bound");
        fuzz_must(shard_range_holds(range, lo->data, lo->len), "lo is out");
        fuzz_must(!hi->len || !shard_range_holds(range, hi->data, hi->len),
                  "hi is in");

    } else if (range->order == SHARD_KIND_RANGE_UINT64) {
        n = snprintf(key, sizeof(key), "%llu", (unsigned long long) range->lo);
        fuzz_must(shard_range_holds(range, key, (size_t) n), "lo is out");

        n = snprintf(key, sizeof(key), "%llu", (unsigned long long) range->hi);
        fuzz_must(!range->hi || !shard_range_holds(range, key, (size_t) n),
                  "hi is in");
    }
}


/* a key is below the range, in it or above it */

static void
thirds(const shard_range_t *range, shard_str_t key)
{
    int            n;
    shard_range_t  all, below, above;

    memset(&all, 0, sizeof(all));
    all.order = range->order;

    below = all;
    below.hi = range->lo;
    below.hi_text = range->lo_text;

    above = all;
    above.lo = range->hi;
    above.lo_text = range->hi_text;

    n = shard_range_holds(range, key.data, key.len);

    if (range->lo || range->lo_text.len) {
        n += shard_range_holds(&below, key.data, key.len);
    }

    if (range->hi || range->hi_text.len) {
        n += shard_range_holds(&above, key.data, key.len);
    }

    fuzz_must(n == shard_range_holds(&all, key.data, key.len),
              "a key in none or two");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           err[SHARD_ERR_SIZE];
    shard_str_t    rest, order, lo, hi;
    shard_range_t  range, before;

    rest.data = (const char *) data;
    rest.len = size;

    order = line(&rest);
    lo = line(&rest);
    hi = line(&rest);

    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    range = before;

    if (shard_range_decode(order, lo, hi, &range, err) != SHARD_OK) {
        fuzz_refused(err, &range, &before);
        return 0;
    }

    bounds(&range);
    again(&range);
    thirds(&range, rest);

    return 0;
}
