
#include "shard_table.h"


static uint32_t shard_index_bits(uint32_t n);


static uint32_t
shard_index_bits(uint32_t n)
{
    uint32_t  bits;

    for (bits = 0; bits < SHARD_INDEX_BITS_MAX; bits++) {
        if (((uint32_t) 1 << bits) >= n) {
            break;
        }
    }

    return bits;
}


size_t
shard_index_size(uint32_t capacity)
{
    size_t  first;

    first = ((size_t) 1 << shard_index_bits(capacity)) + 1;

    return (size_t) capacity * (sizeof(uint64_t) + 2 * sizeof(uint32_t))
           + (first + 1) / 2 * 2 * sizeof(uint32_t);
}


void
shard_index_place(shard_index_t *index, void *memory, uint32_t capacity)
{
    index->n = 0;
    index->bits = 0;
    index->capacity = capacity;
    index->lo = memory;
    index->slot = (uint32_t *) (index->lo + capacity);
    index->id = index->slot + capacity;
    index->first = index->id + capacity;
}


int
shard_index_build(shard_index_t *index, uint32_t n)
{
    uint32_t  i, bucket, buckets;
    uint64_t  position;

    index->n = 0;

    if (n == 0 || n > index->capacity || index->lo[0] != 0) {
        return SHARD_ERROR;
    }

    for (i = 1; i < n; i++) {
        if (index->lo[i] <= index->lo[i - 1]) {
            return SHARD_ERROR;
        }
    }

    index->bits = shard_index_bits(n);
    buckets = (uint32_t) 1 << index->bits;

    for (i = 0, bucket = 0; bucket < buckets; bucket++) {
        position = index->bits ? (uint64_t) bucket << (64 - index->bits) : 0;

        while (i + 1 < n && index->lo[i + 1] <= position) {
            i++;
        }

        index->first[bucket] = i;
    }

    index->first[buckets] = n - 1;
    index->n = n;

    return SHARD_OK;
}


uint32_t
shard_index_by_id(const shard_index_t *index, shard_id_t id)
{
    uint32_t  i;

    for (i = 0; i < index->n; i++) {
        if (index->id[i] == id) {
            return i;
        }
    }

    return SHARD_SLOT_NONE;
}
