
/*
 * A shard record of Redis, taken for one of each kind of keyspace: refused,
 * or the same after encoding it.
 */

#include "shard_bytes.h"
#include "shard_codec.h"

#include "fuzz.h"


static void  fuzz_units(const shard_record_t *rec, const shard_record_t *again);
static void  fuzz_kind(shard_kind_e kind, shard_str_t json);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shard_str_t  json;

    json.data = (const char *) data;
    json.len = size;

    fuzz_kind(SHARD_KIND_HASH, json);
    fuzz_kind(SHARD_KIND_RANGE_UINT64, json);
    fuzz_kind(SHARD_KIND_RANGE_BYTES, json);
    fuzz_kind(SHARD_KIND_LIST, json);

    return 0;
}


static void
fuzz_kind(shard_kind_e kind, shard_str_t json)
{
    int              len;
    char             err[SHARD_ERR_SIZE], buf[SHARD_JSON_MAX];
    shard_record_t   rec, again, before;

    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    rec = before;

    if (shard_record_decode(kind, 42, json, &rec, err) != SHARD_OK) {
        fuzz_refused(err, &rec, &before);
        return;
    }

    fuzz_must(rec.kind == kind, "another kind");
    fuzz_must(rec.hi == 0 || rec.hi > rec.lo, "an empty range");
    fuzz_must(rec.hi_text.len == 0
              || shard_bytes_compare(rec.lo_text.data, rec.lo_text.len,
                                     rec.hi_text.data, rec.hi_text.len) < 0,
              "an empty range of names");
    fuzz_must(rec.shift_bp <= SHARD_BP_ALL, "a shift beyond all keys");
    fuzz_must(rec.nstandbys <= SHARD_STANDBYS_MAX, "too many standbys");
    fuzz_must(kind != SHARD_KIND_LIST || rec.nunits || rec.is_default,
              "a shard of nothing");

    len = shard_record_encode(&rec, buf, sizeof(buf));
    fuzz_must(len > 0, "what was decoded cannot be encoded");

    json.data = buf;
    json.len = (size_t) len;
    fuzz_must(shard_record_decode(kind, 42, json, &again, err) == SHARD_OK,
              err);

    fuzz_units(&rec, &again);
    again.units = rec.units;
    fuzz_must(memcmp(&rec, &again, sizeof(rec)) == 0, "not the same again");

    fuzz_must(shard_record_encode(&rec, buf, (size_t) len) == SHARD_AGAIN,
              "encoded without room for the terminating zero");
}


/* they lie in the two texts, which may differ in blanks */

static void
fuzz_units(const shard_record_t *rec, const shard_record_t *again)
{
    unsigned       n;
    shard_str_t    left, other;
    shard_bytes_t  unit, same;

    left = rec->units;
    other = again->units;

    for (n = 0; shard_units_next(&left, &unit) == SHARD_OK; n++) {
        fuzz_must(shard_units_next(&other, &same) == SHARD_OK
                  && memcmp(&unit, &same, sizeof(unit)) == 0,
                  "another unit again");
    }

    fuzz_must(n == rec->nunits && n <= SHARD_UNITS_MAX, "units miscounted");
}
