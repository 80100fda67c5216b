
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "shard_key.h"
#include "shard_text.h"


/* "4294967294|4294967295|" and two names with "|" between */

#define SHARD_DECISION_TEXT  (22 + 2 * SHARD_NAME_SIZE)


uint64_t
shard_key_position(const void *key, size_t len)
{
    return XXH3_64bits(key, len);
}


/*
 * Positions of one shard share their upper bits, migrations are arbitrary:
 * both must spread over all bits before the upper half is scaled.  Scaling
 * 2^32 values to 10,000 points makes points differ by 1 in 429,496.
 */

uint32_t
shard_shift_point(uint64_t position, uint64_t migration)
{
    uint64_t  h;

    h = position ^ (migration * 0x9e3779b97f4a7c15ULL);
    h = (h ^ (h >> 32)) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ (h >> 29)) * 0x94d049bb133111ebULL;
    h ^= h >> 32;

    return (uint32_t) ((h & 0xffffffff) * SHARD_BP_ALL >> 32);
}


uint64_t
shard_decision_id(shard_id_t shard, uint32_t epoch, const char *from,
    const char *to)
{
    char          buf[SHARD_DECISION_TEXT];
    uint64_t      id;
    shard_text_t  text;

    shard_text_open(&text, buf, sizeof(buf));

    shard_text_add_uint(&text, shard);
    shard_text_add(&text, "|");
    shard_text_add_uint(&text, epoch);
    shard_text_add(&text, "|");
    shard_text_add_str(&text, shard_text_array(from, SHARD_NAME_SIZE - 1));
    shard_text_add(&text, "|");
    shard_text_add_str(&text, shard_text_array(to, SHARD_NAME_SIZE - 1));

    id = XXH3_64bits(buf, (size_t) (text.pos - buf));

    return id ? id : 1;
}
