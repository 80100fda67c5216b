
/* percent-encoded names: one text for each, and lists of them */

#include "shard_bytes.h"

#include "fuzz.h"


static void  name(shard_str_t text);
static void  units(shard_str_t list);


static void
name(shard_str_t text)
{
    char           err[SHARD_ERR_SIZE], buf[SHARD_BYTES_TEXT];
    size_t         len;
    shard_bytes_t  out, before;

    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    out = before;

    if (shard_bytes_decode(text, "lo", &out, err) != SHARD_OK) {
        fuzz_refused(err, &out, &before);
        return;
    }

    fuzz_must(out.len <= SHARD_BOUND_MAX, "too long");

    len = shard_bytes_encode(&out, buf);

    fuzz_must(len < sizeof(buf) && buf[len] == '\0', "unended text");
    fuzz_must(len == text.len && memcmp(buf, text.data, len) == 0,
              "a second text for one name");
}


static void
units(shard_str_t list)
{
    int            rc;
    size_t         left;
    shard_bytes_t  unit;

    for ( ;; ) {
        left = list.len;
        rc = shard_units_next(&list, &unit);

        if (rc != SHARD_OK) {
            fuzz_must(rc == SHARD_AGAIN || rc == SHARD_ERROR, "odd answer");
            return;
        }

        fuzz_must(list.len < left, "no progress");
        fuzz_must(unit.len <= SHARD_BOUND_MAX, "too long a unit");
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shard_str_t  text;

    text.data = (const char *) data;
    text.len = size;

    name(text);
    units(text);

    return 0;
}
