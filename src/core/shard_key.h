
/*
 * key -> position, and which keys of a shifting shard have crossed.
 *
 *     hash          XXH3 64-bit of the key's bytes
 *     range uint64  the number its decimal digits are
 *     range bytes   its first 8 bytes, big endian, zeros behind a shorter
 *                   one: keys of one position differ later, compare them
 *     list          XXH3 of the unit's name
 *
 * A key crosses when shard_shift_point(sticky, migration) < shift_bp: the
 * point depends on key and migration only, so crossing is monotone in
 * shift_bp, sticky per key, and taken back in exactly reverse order.
 */


#ifndef _SHARD_KEY_H_INCLUDED_
#define _SHARD_KEY_H_INCLUDED_


#include "shard_types.h"


/* "sticky" is the position where that spreads over all bits, else XXH3 */

typedef struct {
    uint64_t  position;
    uint64_t  sticky;
} shard_key_t;


/* SHARD_ERROR: no key of that kind; only "range uint64" knows such */

int shard_key_locate(shard_kind_e kind, const void *key, size_t len,
    shard_key_t *out);

/* of a hash keyspace */

uint64_t shard_key_position(const void *key, size_t len)
    __attribute__((hot));

/*
 * Where keys of one shard of "range bytes" differ first: all of them begin
 * with what its bounds share, so that a position for their distribution is
 * made of the 8 bytes behind that.
 */

size_t shard_key_frame(shard_str_t lo, shard_str_t hi);
uint64_t shard_key_behind(const void *key, size_t len, size_t skip);

/* is the located key one of this shard?  Of a list: by name, not by default */

int shard_record_holds(const shard_record_t *rec, const shard_key_t *located,
    const void *key, size_t len);

/* 0 .. SHARD_BP_ALL - 1 */

uint32_t shard_shift_point(uint64_t sticky, uint64_t migration);

/* id of a decision or migration: XXH3-64 of "SHARD|EPOCH|FROM|TO"; never 0 */

uint64_t shard_decision_id(shard_id_t shard, uint32_t epoch, const char *from,
    const char *to);

/* the same of a split or merge, of "SHARD|EPOCH|VERB|WHAT|TO"; what: the cut
 * as records have bounds, or the other shard's id */

uint64_t shard_cut_id(shard_id_t shard, uint32_t epoch, const char *verb,
    const char *what, const char *to);


#endif /* _SHARD_KEY_H_INCLUDED_ */
