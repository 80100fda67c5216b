
/*
 * XXH3 64-bit of bytes that come in pieces: the same number whatever the
 * pieces were, and that of shard_key_position() for the whole.
 */


#ifndef _SHARD_DIGEST_H_INCLUDED_
#define _SHARD_DIGEST_H_INCLUDED_


#include "shard_types.h"


#define SHARD_DIGEST_SIZE  576


/* may be copied, to an address that is aligned to 64 bytes, too */

typedef struct {
    _Alignas(64) unsigned char  state[SHARD_DIGEST_SIZE];
} shard_digest_t;


void shard_digest_init(shard_digest_t *digest);
void shard_digest_add(shard_digest_t *digest, const void *data, size_t len);
uint64_t shard_digest_value(const shard_digest_t *digest);


#endif /* _SHARD_DIGEST_H_INCLUDED_ */
