
/*
 * An index of any kind, from "KIND CAPACITY" and steps to the next bound: it
 * is refused, or finds for every key what a look at all entries finds.
 */

#include "shard_bytes.h"
#include "shard_key.h"
#include "shard_table.h"

#include "fuzz.h"


#define ENTRIES  200


typedef struct {
    uint64_t     lo;
    shard_str_t  bound;
} entry_t;


static uint32_t  take(shard_kind_e kind, const uint8_t *data, size_t size,
    entry_t *entries);
static uint32_t  plain(shard_kind_e kind, const entry_t *entries, uint32_t n,
    uint64_t position, shard_str_t key);
static void  probe(const shard_index_t *index, const entry_t *entries,
    const uint8_t *data, size_t size);


/* "LENGTH BYTES" each: a bound, or a number as large as its bytes */

static uint32_t
take(shard_kind_e kind, const uint8_t *data, size_t size, entry_t *entries)
{
    size_t       at, len, i;
    uint32_t     n;
    uint64_t     lo;
    shard_key_t  key;

    memset(&entries[0], 0, sizeof(entry_t));
    entries[0].bound.data = "";

    for (at = 0, n = 1; at < size && n < ENTRIES; at += len, n++) {
        len = data[at++] % 11;
        len = len < size - at ? len : size - at;

        entries[n].bound.data = (const char *) data + at;
        entries[n].bound.len = len;

        if (kind == SHARD_KIND_RANGE_BYTES) {
            (void) shard_key_locate(kind, data + at, len, &key);
            entries[n].lo = key.position;
            continue;
        }

        /* a step upwards, that may overflow and so be refused */

        for (lo = 0, i = 0; i < len; i++) {
            lo = lo << 8 | data[at + i];
        }

        entries[n].lo = entries[n - 1].lo + lo;
        entries[n].bound.len = 0;
    }

    return n;
}


static uint32_t
plain(shard_kind_e kind, const entry_t *entries, uint32_t n,
    uint64_t position, shard_str_t key)
{
    uint32_t  i, found;

    for (i = 1, found = 0; i < n; i++) {

        if (kind == SHARD_KIND_LIST) {
            found = entries[i].lo == position ? i : found;

        } else if (kind == SHARD_KIND_RANGE_BYTES) {
            found = shard_bytes_compare(entries[i].bound.data,
                                        entries[i].bound.len,
                                        key.data, key.len)
                    <= 0 ? i : found;

        } else {
            found = entries[i].lo <= position ? i : found;
        }
    }

    return found;
}


static void
probe(const shard_index_t *index, const entry_t *entries,
    const uint8_t *data, size_t size)
{
    uint32_t     i, k, found;
    uint64_t     position;
    shard_str_t  key;
    shard_key_t  at;

    for (i = 0; i < index->n; i++) {
        fuzz_must(shard_index_slot(index, i) == i, "another slot");
        fuzz_must(shard_index_by_id(index, 1000 + i) == i, "another id");

        key = shard_index_bound(index, i);

        fuzz_must(key.len == entries[i].bound.len
                  && memcmp(key.data, entries[i].bound.data, key.len) == 0,
                  "another bound");

        /* at the bound, right below it, and a key of the input */

        for (k = 0; k < 3; k++) {
            key = entries[i].bound;
            position = entries[i].lo - (k == 1);

            if (k == 2) {
                key.data = (const char *) data + i % size;
                key.len = size - i % size;
                key.len = key.len < 12 ? key.len : 12;
            }

            if (index->kind == SHARD_KIND_RANGE_BYTES || k == 2) {
                (void) shard_key_locate(SHARD_KIND_RANGE_BYTES, key.data,
                                        key.len, &at);
                position = at.position;
            }

            found = shard_index_find_key(index, position, key);

            fuzz_must(found == plain(index->kind, entries, index->n, position,
                                     key), "another entry");
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                    rc;
    void                  *memory;
    uint32_t               capacity, n, i;
    shard_kind_e           kind;
    shard_index_t          index;
    shard_index_builder_t  b;

    static entry_t  entries[ENTRIES];

    if (size < 3) {
        return 0;
    }

    kind = data[0] % 4;
    capacity = 1 + data[1] * 2;
    n = take(kind, data + 2, size - 2, entries);

    memory = malloc(shard_index_size(capacity));
    fuzz_must(memory != NULL, "no memory");
    memset(memory, 0xa5, shard_index_size(capacity));

    shard_index_place(&index, memory, capacity);
    rc = shard_index_begin(&b, &index, kind, n);

    for (i = 0; rc == SHARD_OK && i < n; i++) {
        rc = shard_index_add(&b, entries[i].lo, entries[i].bound, i, 1000 + i);
        fuzz_must(index.n == 0, "to be seen before it is finished");
    }

    if (rc == SHARD_OK) {
        fuzz_must(shard_index_add(&b, UINT64_MAX, entries[0].bound, 0, 0)
                  == SHARD_ERROR, "one too many is taken");
        fuzz_must(shard_index_finish(&b) == SHARD_OK, "not finished");
        fuzz_must(index.n == n, "another number");
        probe(&index, entries, data, size);

    } else {
        fuzz_must(index.n == 0, "refused and there");
    }

    free(memory);

    return 0;
}
