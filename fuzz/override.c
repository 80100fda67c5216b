
/* an operator's override: refused with a reason, or sound */

#include "shard_codec.h"
#include "shard_override.h"

#include "fuzz.h"


static int  named(const char *node);


static int
named(const char *node)
{
    shard_str_t  name;

    fuzz_must(memchr(node, '\0', SHARD_NAME_SIZE) != NULL, "unended name");

    name.data = node;
    name.len = strlen(node);

    return shard_name_valid(name);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int               i, n, sum;
    char              err[SHARD_ERR_SIZE];
    shard_str_t       text;
    shard_override_t  o, before;

    text.data = (const char *) data;
    text.len = size;
    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    o = before;

    if (shard_override_decode(text, &o, err) != SHARD_OK) {
        fuzz_refused(err, &o, &before);
        return 0;
    }

    fuzz_must(o.verb >= SHARD_OVERRIDE_PIN && o.verb <= SHARD_OVERRIDE_FREEZE,
              "no verb");
    fuzz_must(o.until_ms < 253402300800000ULL, "beyond the year 9999");

    for (i = 0, n = 0, sum = 0; i < SHARD_OVERRIDE_NODES; i++) {
        fuzz_must(named(o.node[i]) || o.bp[i] == 0, "a share of nobody");
        n += named(o.node[i]);
        sum += o.bp[i];
    }

    fuzz_must(sum == (o.verb == SHARD_OVERRIDE_SPLIT ? SHARD_BP_ALL : 0),
              "shares of all keys");
    fuzz_must(o.verb == SHARD_OVERRIDE_PIN ? n == 1
              : o.verb == SHARD_OVERRIDE_SPLIT ? n >= 2 : n == 0, "nodes");

    return 0;
}
