
/* a deadline of a client: refused, or a time that can be */

#include "shard_deadline.h"

#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t     ms;
    shard_str_t  text;

    text.data = (const char *) data;
    text.len = size;
    ms = UINT64_MAX;

    if (shard_deadline_decode(text, &ms) != SHARD_OK) {
        fuzz_must(ms == UINT64_MAX, "touched though refused");
        return 0;
    }

    fuzz_must(size > 0 && data[0] >= '0' && data[0] <= '9', "no number");
    fuzz_must(ms <= 9999999999ULL * 3600000, "beyond ten digits of hours");

    return 0;
}
