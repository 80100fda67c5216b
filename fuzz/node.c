
/* "NAME\nJSON": a node record of Redis, refused or the same again */

#include "shard_codec.h"

#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int            len;
    char           err[SHARD_ERR_SIZE], buf[SHARD_JSON_MAX];
    const char    *line;
    shard_str_t    name, json;
    shard_node_t   node, again, before;

    line = size ? memchr(data, '\n', size) : NULL;

    if (line == NULL) {
        return 0;
    }

    name.data = (const char *) data;
    name.len = (size_t) (line - name.data);
    json.data = line + 1;
    json.len = size - name.len - 1;

    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    node = before;

    if (shard_node_decode(name, json, &node, err) != SHARD_OK) {
        fuzz_refused(err, &node, &before);
        return 0;
    }

    fuzz_must(node.capacity > 0 && node.capacity <= 1e9, "capacity");

    len = shard_node_encode(&node, buf, sizeof(buf));
    fuzz_must(len > 0, "what was decoded cannot be encoded");

    json.data = buf;
    json.len = (size_t) len;
    fuzz_must(shard_node_decode(name, json, &again, err) == SHARD_OK, err);

    /* capacity is written with six decimals */

    fuzz_must(again.capacity - node.capacity < 1e-6
              && node.capacity - again.capacity < 1e-6, "other capacity");
    again.capacity = node.capacity;
    fuzz_must(memcmp(&node, &again, sizeof(node)) == 0, "not the same again");

    return 0;
}
