
/*
 * The table as routers read it: which shard holds a position, and where its
 * requests go now.  All of it lives in memory of the caller, shared between
 * processes; one writer, any number of readers, no locks.
 *
 *     position ──▶ index (boundaries) ──▶ slot ──▶ latch ──▶ route
 *                  changes rarely:                 changes often:
 *                  two whole arenas                two versions, one line
 *
 * A latch is one cache line: a sequence number and two versions of the
 * route.  Readers take v[seq & 1] and read seq again; the writer fills the
 * other version and then stores seq + 1.  A writer killed half-way leaves
 * the live version whole.
 *
 * The index is read the same way by its user: take the arena the structure's
 * sequence selects, look up, check that the sequence has not moved on.
 */


#ifndef _SHARD_TABLE_H_INCLUDED_
#define _SHARD_TABLE_H_INCLUDED_


#include "shard_types.h"


#define SHARD_NODE_NONE       0xffff
#define SHARD_SLOT_NONE       0xffffffff
#define SHARD_INDEX_BITS_MAX  20
#define SHARD_INDEX_PER_FIRST 16        /* entries, in a full index */

#define SHARD_ROUTE_EVENTUAL  0x01      /* consistency of the shard */
#define SHARD_ROUTE_OVERRIDE  0x02      /* an operator's verb is in force */
#define SHARD_ROUTE_DRAIN     0x04      /* the first standby serves */
#define SHARD_ROUTE_SPLIT     0x08      /* shares are an operator's split */
#define SHARD_ROUTE_MOVED     0x10      /* primary is an operator's choice */
#define SHARD_ROUTE_REAL_SHIFT   6      /* split: which node is the table's */


/* why a node is not, or not fully, asked; one byte a node */

#define SHARD_FLAG_DOWN        0x01     /* the table says so */
#define SHARD_FLAG_DRAINING    0x02     /* the table says so */
#define SHARD_FLAG_DEAD        0x04     /* its checks failed */
#define SHARD_FLAG_SLOW        0x08     /* came back, gets less at first */
#define SHARD_FLAG_UNRESOLVED  0x10     /* its host name has no address */
#define SHARD_FLAG_UNUSABLE    (SHARD_FLAG_DOWN|SHARD_FLAG_DEAD               \
                                |SHARD_FLAG_UNRESOLVED)


/* where requests of a shard go: node numbers are indexes of the node arena */

typedef struct {
    uint32_t  migration_lo;             /* salt of shard_shift_point() */
    uint32_t  migration_hi;
    uint32_t  epoch;
    uint16_t  primary;
    uint16_t  target;                   /* SHARD_NODE_NONE: none */
    uint16_t  standbys[SHARD_STANDBYS_MAX];
    uint16_t  shift_bp;
    uint16_t  spare;                    /* 0 */
    uint8_t   phase : 4;                /* shard_phase_e */
    uint8_t   strategy : 4;             /* shard_strategy_e */
    uint8_t   flags;                    /* SHARD_ROUTE_... */
} shard_route_t;

typedef struct {
    uint64_t       seq;
    shard_route_t  v[2];
} shard_latch_t;

_Static_assert(sizeof(shard_latch_t) == 64, "a latch is one cache line");


static inline uint64_t
shard_route_migration(const shard_route_t *route)
{
    return (uint64_t) route->migration_hi << 32 | route->migration_lo;
}


/*
 * Sequentially consistent first load: a reader that counts itself in before
 * it reads, and a writer that publishes before it counts, cannot both miss
 * each other.
 */

static inline void
shard_latch_read(const shard_latch_t *latch, shard_route_t *route)
{
    uint64_t  seq;

    do {
        seq = __atomic_load_n(&latch->seq, __ATOMIC_SEQ_CST);
        *route = latch->v[seq & 1];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (seq != __atomic_load_n(&latch->seq, __ATOMIC_RELAXED));
}


static inline void
shard_latch_write(shard_latch_t *latch, const shard_route_t *route)
{
    uint64_t  seq;

    seq = __atomic_load_n(&latch->seq, __ATOMIC_RELAXED);

    /* who still reads this version sees that the sequence has moved on */
    __atomic_thread_fence(__ATOMIC_RELEASE);

    latch->v[(seq + 1) & 1] = *route;
    __atomic_store_n(&latch->seq, seq + 1, __ATOMIC_SEQ_CST);
}


/*
 * Boundaries in ascending order, lo of the first is 0; the shard of entry i
 * owns [lo[i], lo[i + 1]).  first[] finds the neighbourhood by the position's
 * top "bits" bits, so that equal shards take one to three comparisons, in one
 * or two cache lines.
 *
 *   hash, range uint64   one entry a shard, "lo" is its position
 *   range bytes          "lo" is the first 8 bytes of the bound, big-endian;
 *                        the whole bound decides where they are equal
 *   list                 one entry a unit, "lo" is its name's hash; entry 0,
 *                        with lo 0, is the default shard's.  A key is in the
 *                        entry with its very position, or in entry 0
 *
 *      entries[capacity]                    first[]
 *      range bytes: entries[capacity / 2], text_at[capacity / 2 + 1], text
 *
 * What a reader finds while the writer fills the same memory for another
 * table is wrong, but never outside of it; the structure's sequence tells.
 */

#define SHARD_ENTRY_AGAIN  0x80000000   /* not the first entry of its shard */

typedef struct {
    uint64_t    lo;
    uint32_t    slot;                   /* with SHARD_ENTRY_AGAIN */
    shard_id_t  id;
} shard_index_entry_t;

typedef struct {
    uint32_t              kind;         /* shard_kind_e */
    uint32_t              n;            /* entries */
    uint32_t              bits;
    uint32_t              capacity;     /* room for so many entries */
    shard_index_entry_t  *entries;
    uint32_t             *first;        /* (1 << bits) + 1 */
} shard_index_t;

#define shard_index_slot(index, i)                                            \
    ((index)->entries[i].slot & ~(uint32_t) SHARD_ENTRY_AGAIN)


/* bytes for "capacity" entries; memory must be aligned to 8 */

size_t shard_index_size(uint32_t capacity);
void shard_index_place(shard_index_t *index, void *memory, uint32_t capacity);

/* entries of this kind that fit when their bounds take "text" bytes in all */

int shard_index_fits(const shard_index_t *index, shard_kind_e kind,
    uint32_t n, size_t text);


/*
 * Building, in as many calls as its caller likes: begin, add n times in
 * ascending order, finish.  The index is empty until it is finished.
 */

typedef struct {
    shard_index_t  *index;
    shard_kind_e    kind;
    uint32_t        n;
    uint32_t        added;
    uint32_t        bits;
    uint32_t        bucket;
    size_t          text;               /* bytes of bounds so far */
} shard_index_builder_t;

/* SHARD_AGAIN: more entries than fit */

int shard_index_begin(shard_index_builder_t *b, shard_index_t *index,
    shard_kind_e kind, uint32_t n);

/* "bound" of range bytes only; SHARD_ERROR: not ascending, or too many;
 * SHARD_AGAIN: its text does not fit */

int shard_index_add(shard_index_builder_t *b, uint64_t lo, shard_str_t bound,
    uint32_t slot, shard_id_t id);
int shard_index_finish(shard_index_builder_t *b);


/* number of the entry that holds a position: hash and range uint64; the
 * index is not empty */

static inline uint32_t
shard_index_find(const shard_index_t *index, uint64_t position)
{
    uint32_t  bucket, low, high, middle, n;

    /* of equal shards the number follows from the position: one line read */

    n = __atomic_load_n(&index->n, __ATOMIC_RELAXED);
    low = (uint32_t) ((unsigned __int128) position * n >> 64);

    if (index->entries[low].lo <= position
        && (low + 1 >= n || position < index->entries[low + 1].lo))
    {
        return low;
    }

    bucket = index->bits ? (uint32_t) (position >> (64 - index->bits)) : 0;
    low = index->first[bucket];
    high = index->first[bucket + 1];

    while (low < high) {
        middle = low + (high - low + 1) / 2;

        if (index->entries[middle].lo <= position) {
            low = middle;

        } else {
            high = middle - 1;
        }
    }

    return low;
}

/* the same for every kind; "key" is what the position was made of */

uint32_t shard_index_find_key(const shard_index_t *index, uint64_t position,
    shard_str_t key);

/* the bound of entry i, range bytes only; empty else */

shard_str_t shard_index_bound(const shard_index_t *index, uint32_t i);

/* first entry of the shard with this id, or SHARD_SLOT_NONE: at once where
 * ids go with positions, as init makes them, else linear from there on */

uint32_t shard_index_by_id(const shard_index_t *index, shard_id_t id);


#endif /* _SHARD_TABLE_H_INCLUDED_ */
