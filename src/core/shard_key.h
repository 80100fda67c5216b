
/*
 * key -> position, and which keys of a shifting shard have crossed.
 *
 * Positions of a "hash" keyspace are XXH3 64-bit of the key's bytes.
 *
 * A key crosses when shard_shift_point(position, migration) < shift_bp: the
 * point depends on key and migration only, so crossing is monotone in
 * shift_bp, sticky per key, and taken back in exactly reverse order.
 */


#ifndef _SHARD_KEY_H_INCLUDED_
#define _SHARD_KEY_H_INCLUDED_


#include "shard_types.h"


uint64_t shard_key_position(const void *key, size_t len);

/* 0 .. SHARD_BP_ALL - 1 */

uint32_t shard_shift_point(uint64_t position, uint64_t migration);

/* id of a decision or migration: XXH3-64 of "SHARD|EPOCH|FROM|TO"; never 0 */

uint64_t shard_decision_id(shard_id_t shard, uint32_t epoch, const char *from,
    const char *to);


#endif /* _SHARD_KEY_H_INCLUDED_ */
