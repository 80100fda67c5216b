
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "shard_digest.h"


_Static_assert(sizeof(XXH3_state_t) <= SHARD_DIGEST_SIZE,
               "the state of XXH3 does not fit SHARD_DIGEST_SIZE");


void
shard_digest_init(shard_digest_t *digest)
{
    (void) XXH3_64bits_reset((XXH3_state_t *) digest->state);
}


void
shard_digest_add(shard_digest_t *digest, const void *data, size_t len)
{
    (void) XXH3_64bits_update((XXH3_state_t *) digest->state, data, len);
}


uint64_t
shard_digest_value(const shard_digest_t *digest)
{
    return XXH3_64bits_digest((const XXH3_state_t *) digest->state);
}
