
/* a stored distribution: refused, or taken, worked on and written again */

#include "shard_spread.h"

#include "fuzz.h"


static void bounds(const shard_spread_t *s, uint64_t position);


static void
bounds(const shard_spread_t *s, uint64_t position)
{
    shard_spread_below_t  below;

    shard_spread_below(s, position, &below);

    fuzz_must(below.least <= below.load * (1 + 1e-9)
              && below.load <= below.most * (1 + 1e-9)
              && below.most <= s->mass * (1 + 1e-9), "loads out of order");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                    err[SHARD_ERR_SIZE], buf[SHARD_SPREAD_STORED];
    size_t                  len;
    unsigned                i;
    shard_str_t             text;
    static shard_spread_t   s, again, before;

    text.data = (const char *) data;
    text.len = size;
    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    s = before;

    if (shard_spread_decode(text, &s, err) != SHARD_OK) {
        fuzz_refused(err, &s, &before);
        return 0;
    }

    len = shard_spread_encode(&s, buf);
    fuzz_must(len <= sizeof(buf), "too long");

    text.data = buf;
    text.len = len;
    fuzz_must(shard_spread_decode(text, &again, err) == SHARD_OK, err);
    fuzz_must(again.n == s.n && again.nkeys == s.nkeys
              && again.skip == s.skip, "other parts");

    for (i = 0; i < s.n; i++) {
        fuzz_must(again.clusters[i].lo == s.clusters[i].lo
                  && again.clusters[i].hi == s.clusters[i].hi, "other piece");
    }

    bounds(&s, 0);
    bounds(&s, size ? (uint64_t) data[size - 1] << 56 : 1);
    bounds(&s, UINT64_MAX);

    for (i = 0; i < 300; i++) {
        shard_spread_add(&s, (uint64_t) i << (i % 64), i, 16, 1);
    }

    shard_spread_settle(&s);
    shard_spread_clip(&s, 1000, UINT64_MAX / 2);
    shard_spread_join(&s, &again);
    shard_spread_decay(&s, 0.25);
    shard_spread_settle(&s);
    fuzz_must(s.n <= SHARD_SPREAD_CLUSTERS, "too many pieces");

    text.data = "abcdefghijklmnopqrstuvwxyz";
    text.len = 26;
    shard_spread_frame(&s, size % 65, text);

    len = shard_spread_encode(&s, buf);
    fuzz_must(len <= sizeof(buf), "too long after all");

    return 0;
}
