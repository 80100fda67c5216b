
/* a key of a request, any bytes: where it goes, in each kind of keyspace */

#include "shard_bytes.h"
#include "shard_key.h"

#include "fuzz.h"


static void  number(const char *key, size_t len);
static void  order(const char *one, size_t onelen, const char *two,
    size_t twolen);


/* as a plain reading of digits has it, leading zeros or not */

static void
number(const char *key, size_t len)
{
    int          good;
    char         padded[8194];
    size_t       i;
    uint64_t     value;
    shard_key_t  out, again;

    good = len > 0;
    value = 0;

    for (i = 0; i < len; i++) {
        good = good && key[i] >= '0' && key[i] <= '9'
               && !__builtin_mul_overflow(value, 10, &value)
               && !__builtin_add_overflow(value, (uint64_t) (key[i] - '0'),
                                          &value);
    }

    memset(&out, 0x5a, sizeof(out));
    again = out;

    if (shard_key_locate(SHARD_KIND_RANGE_UINT64, key, len, &out)
        != SHARD_OK)
    {
        fuzz_must(!good, "a number is refused");
        fuzz_must(memcmp(&out, &again, sizeof(out)) == 0, "touched");
        return;
    }

    fuzz_must(good, "no number, and taken");
    fuzz_must(out.position == value, "another number");

    padded[0] = '0';
    memcpy(padded + 1, key, len);

    fuzz_must(shard_key_locate(SHARD_KIND_RANGE_UINT64, padded, len + 1,
                               &again)
              == SHARD_OK, "not with a zero before it");
    fuzz_must(again.position == out.position && again.sticky == out.sticky,
              "elsewhere with a zero before it");
}


/* positions of bytes never contradict the order of the bytes */

static void
order(const char *one, size_t onelen, const char *two, size_t twolen)
{
    int          rc;
    shard_key_t  a, b;

    fuzz_must(shard_key_locate(SHARD_KIND_RANGE_BYTES, one, onelen, &a)
              == SHARD_OK
              && shard_key_locate(SHARD_KIND_RANGE_BYTES, two, twolen, &b)
                 == SHARD_OK, "bytes are refused");

    rc = shard_bytes_compare(one, onelen, two, twolen);

    fuzz_must(a.position == b.position || (a.position < b.position) == (rc < 0),
              "positions in another order");
    fuzz_must((shard_bytes_compare(two, twolen, one, onelen) < 0) == (rc > 0),
              "other the other way round");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t       middle;
    shard_key_t  hash, unit;
    const char  *key;

    if (size > 8192) {
        return 0;
    }

    key = (const char *) data;
    middle = size / 2;

    number(key, size);
    order(key, middle, key + middle, size - middle);

    fuzz_must(shard_key_locate(SHARD_KIND_HASH, key, size, &hash) == SHARD_OK
              && shard_key_locate(SHARD_KIND_LIST, key, size, &unit)
                 == SHARD_OK, "a name is refused");
    fuzz_must(hash.position == shard_key_position(key, size)
              && unit.position == hash.position, "another hash");
    fuzz_must(shard_shift_point(hash.sticky, unit.position ^ size)
              < SHARD_BP_ALL, "a point beyond all keys");

    return 0;
}
