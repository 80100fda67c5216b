
/* a shard record of Redis: refused, or the same after encoding it */

#include "shard_codec.h"

#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int              len;
    char             err[SHARD_ERR_SIZE], buf[SHARD_JSON_MAX];
    shard_str_t      json;
    shard_record_t   rec, again, before;

    json.data = (const char *) data;
    json.len = size;
    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    rec = before;

    if (shard_record_decode(42, json, &rec, err) != SHARD_OK) {
        fuzz_refused(err, &rec, &before);
        return 0;
    }

    fuzz_must(rec.hi == 0 || rec.hi > rec.lo, "an empty range");
    fuzz_must(rec.shift_bp <= SHARD_BP_ALL, "a shift beyond all keys");
    fuzz_must(rec.nstandbys <= SHARD_STANDBYS_MAX, "too many standbys");

    len = shard_record_encode(&rec, buf, sizeof(buf));
    fuzz_must(len > 0, "what was decoded cannot be encoded");

    json.data = buf;
    json.len = (size_t) len;
    fuzz_must(shard_record_decode(42, json, &again, err) == SHARD_OK, err);
    fuzz_must(memcmp(&rec, &again, sizeof(rec)) == 0, "not the same again");

    fuzz_must(shard_record_encode(&rec, buf, (size_t) len) == SHARD_AGAIN,
              "encoded without room for the terminating zero");

    return 0;
}
