
#include <string.h>

#include "shard_table.h"


static uint32_t shard_index_bits(uint32_t n);
static uint32_t shard_index_bits_max(uint32_t capacity);
static uint32_t shard_index_room(const shard_index_t *index,
    shard_kind_e kind);
static uint32_t *shard_index_text_at(const shard_index_t *index);
static char *shard_index_text(const shard_index_t *index, size_t *size);
static int shard_index_ascends(const shard_index_builder_t *b, uint64_t lo,
    shard_str_t bound);
static int shard_index_compare(shard_str_t one, shard_str_t two);


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


static uint32_t
shard_index_bits_max(uint32_t capacity)
{
    return shard_index_bits((capacity + SHARD_INDEX_PER_FIRST - 1)
                            / SHARD_INDEX_PER_FIRST);
}


size_t
shard_index_size(uint32_t capacity)
{
    size_t  first;

    first = ((size_t) 1 << shard_index_bits_max(capacity)) + 1;

    return (size_t) capacity * sizeof(shard_index_entry_t)
           + (first + 1) / 2 * 2 * sizeof(uint32_t);
}


void
shard_index_place(shard_index_t *index, void *memory, uint32_t capacity)
{
    index->kind = SHARD_KIND_HASH;
    index->n = 0;
    index->bits = 0;
    index->capacity = capacity;
    index->entries = memory;
    index->first = (uint32_t *) (index->entries + capacity);
}


static uint32_t
shard_index_room(const shard_index_t *index, shard_kind_e kind)
{
    return kind == SHARD_KIND_RANGE_BYTES ? index->capacity / 2
                                          : index->capacity;
}


static uint32_t *
shard_index_text_at(const shard_index_t *index)
{
    return (uint32_t *) (index->entries + index->capacity / 2);
}


static char *
shard_index_text(const shard_index_t *index, size_t *size)
{
    size_t  room, used;

    room = (size_t) (index->capacity - index->capacity / 2)
           * sizeof(shard_index_entry_t);
    used = ((size_t) index->capacity / 2 + 1) * sizeof(uint32_t);

    *size = room > used ? room - used : 0;

    return (char *) shard_index_text_at(index) + used;
}


int
shard_index_fits(const shard_index_t *index, shard_kind_e kind, uint32_t n,
    size_t text)
{
    size_t  size;

    if (kind != SHARD_KIND_RANGE_BYTES) {
        return n <= index->capacity;
    }

    (void) shard_index_text(index, &size);

    return n <= shard_index_room(index, kind) && text <= size;
}


int
shard_index_begin(shard_index_builder_t *b, shard_index_t *index,
    shard_kind_e kind, uint32_t n)
{
    uint32_t  max;

    memset(b, 0, sizeof(*b));
    __atomic_store_n(&index->n, 0, __ATOMIC_RELAXED);

    if (n == 0) {
        return SHARD_ERROR;
    }

    if (n > shard_index_room(index, kind)) {
        return SHARD_AGAIN;
    }

    b->index = index;
    b->kind = kind;
    b->n = n;

    /* bounds of bytes begin alike: their top bits tell nothing */

    if (kind != SHARD_KIND_RANGE_BYTES) {
        b->bits = shard_index_bits(n);
        max = shard_index_bits_max(index->capacity);
        b->bits = b->bits < max ? b->bits : max;
    }

    index->kind = kind;
    index->bits = b->bits;

    return SHARD_OK;
}


static int
shard_index_ascends(const shard_index_builder_t *b, uint64_t lo,
    shard_str_t bound)
{
    uint64_t  last;

    if (b->added == 0) {
        return lo == 0 && bound.len == 0;
    }

    last = b->index->entries[b->added - 1].lo;

    if (b->kind != SHARD_KIND_RANGE_BYTES) {

        /* the default shard stands before a unit whose hash is 0, too */

        return lo > last || (b->kind == SHARD_KIND_LIST && b->added == 1);
    }

    return lo > last
           || (lo == last
               && shard_index_compare(bound, shard_index_bound(b->index,
                                                               b->added - 1))
                  > 0);
}


int
shard_index_add(shard_index_builder_t *b, uint64_t lo, shard_str_t bound,
    uint32_t slot, shard_id_t id)
{
    char      *text;
    size_t     size;
    uint32_t  *at;

    if (b->added == b->n || !shard_index_ascends(b, lo, bound)) {
        return SHARD_ERROR;
    }

    if (b->kind == SHARD_KIND_RANGE_BYTES) {
        at = shard_index_text_at(b->index);
        text = shard_index_text(b->index, &size);

        if (bound.len > size - b->text) {
            return SHARD_AGAIN;
        }

        at[b->added] = (uint32_t) b->text;
        memcpy(text + b->text, bound.data, bound.len);
        b->text += bound.len;
        at[b->added + 1] = (uint32_t) b->text;
    }

    /* buckets that begin at or before this entry end at the one before */

    while (b->bits && b->bucket >> b->bits == 0
           && (uint64_t) b->bucket << (64 - b->bits) < lo)
    {
        b->index->first[b->bucket++] = b->added - 1;
    }

    b->index->entries[b->added].lo = lo;
    b->index->entries[b->added].slot = slot;
    b->index->entries[b->added].id = id;
    b->added++;

    return SHARD_OK;
}


int
shard_index_finish(shard_index_builder_t *b)
{
    if (b->added != b->n || b->n == 0) {
        return SHARD_ERROR;
    }

    while (b->bucket >> b->bits == 0) {
        b->index->first[b->bucket++] = b->bits ? b->n - 1 : 0;
    }

    b->index->first[(uint32_t) 1 << b->bits] = b->n - 1;
    b->index->n = b->n;

    return SHARD_OK;
}


static int
shard_index_compare(shard_str_t one, shard_str_t two)
{
    int  rc;

    rc = memcmp(one.data, two.data, one.len < two.len ? one.len : two.len);

    return rc ? rc : one.len < two.len ? -1 : one.len > two.len;
}


shard_str_t
shard_index_bound(const shard_index_t *index, uint32_t i)
{
    size_t       size, from, to;
    uint32_t    *at;
    shard_str_t  bound;

    bound.len = 0;
    bound.data = "";

    if (index->kind != SHARD_KIND_RANGE_BYTES || i >= index->capacity / 2) {
        return bound;
    }

    at = shard_index_text_at(index);
    bound.data = shard_index_text(index, &size);

    from = at[i];
    to = at[i + 1];

    if (from <= to && to <= size) {
        bound.data += from;
        bound.len = to - from;
    }

    return bound;
}


uint32_t
shard_index_find_key(const shard_index_t *index, uint64_t position,
    shard_str_t key)
{
    uint32_t  low, high, middle, below;

    if (index->kind == SHARD_KIND_LIST) {
        low = shard_index_find(index, position);

        return index->entries[low].lo == position ? low : 0;
    }

    if (index->kind != SHARD_KIND_RANGE_BYTES) {
        return shard_index_find(index, position);
    }

    low = 0;
    high = index->n ? index->n - 1 : 0;

    while (low < high) {
        middle = low + (high - low + 1) / 2;

        below = index->entries[middle].lo != position
                ? index->entries[middle].lo < position
                : shard_index_compare(shard_index_bound(index, middle), key)
                  <= 0;

        if (below) {
            low = middle;

        } else {
            high = middle - 1;
        }
    }

    return low;
}


uint32_t
shard_index_by_id(const shard_index_t *index, shard_id_t id)
{
    uint32_t  i, k;

    for (i = 0, k = id < index->n ? id : 0; i < index->n; i++, k++) {

        if (k == index->n) {
            k = 0;
        }

        if (index->entries[k].id == id
            && !(index->entries[k].slot & SHARD_ENTRY_AGAIN))
        {
            return k;
        }
    }

    return SHARD_SLOT_NONE;
}
