
/*
 * A range of keys [lo, hi) in one of the three orders that keys have, as the
 * data contract names it (docs/backend-contract.md "Ranges of keys"):
 *
 *     order=hash    lo, hi: 16 hex digits, the XXH3 of the key
 *     order=uint64  lo, hi: 16 hex digits, the number that the key is
 *     order=bytes   lo, hi: the bound's bytes, two hex digits each
 *
 * Without lo it begins with the lowest key, without hi it ends with the
 * highest.
 */


#ifndef _SHARD_RANGE_H_INCLUDED_
#define _SHARD_RANGE_H_INCLUDED_


#include "shard_types.h"


/* "order=uint64&lo=&hi=" and two bounds of bytes in hex */

#define SHARD_RANGE_TEXT  (24 + 4 * SHARD_BOUND_MAX)


/* hi == 0, or an empty hi_text: the end, as in a shard's record */

typedef struct {
    shard_kind_e         order;         /* never a list */
    uint64_t             lo;
    uint64_t             hi;
    shard_bytes_t        lo_text;
    shard_bytes_t        hi_text;
} shard_range_t;


/* texts without data are those of bounds that are not there */

int shard_range_decode(shard_str_t order, shard_str_t lo, shard_str_t hi,
    shard_range_t *out, char *err);

/* as a query, without "?"; buf takes SHARD_RANGE_TEXT bytes; its length */

size_t shard_range_encode(const shard_range_t *range, char *buf);

/* what a shard holds; SHARD_ERROR: a list's has no order */

int shard_range_of(const shard_record_t *rec, shard_range_t *out);

/* 1: the key is in the range; what is no key of that order is in none */

int shard_range_holds(const shard_range_t *range, const void *key,
    size_t len);


#endif /* _SHARD_RANGE_H_INCLUDED_ */
