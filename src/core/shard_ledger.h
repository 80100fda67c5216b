
/*
 * Which shards have requests on their way, and how a drain is proved.
 *
 *   worker, row 0   [ 17 ][ 17 ][ -  ][ 3 ] ... high      one entry a request
 *   worker, row 1   [ 3  ][ -  ] ............. high      its shard's slot
 *   overflow        [ 0 ][ 0 ] ...                       those without entry
 *
 * A row has one writer, its worker, and is read by all.  An entry's low half
 * is the slot, its high half the low bits of the structure that gave it: who
 * entered before a shard's bounds moved may be in the slot of another.  In a
 * free entry the top bit of the low half is set; its other bits link it to
 * the next free one and mean something to the row's worker alone.
 *
 * A worker writes the slot into an entry (E) before it reads the shard's
 * route (L); the leader publishes "held" (P) before it reads the entries
 * (S).  All four are sequentially consistent, so there is one order of them.
 * A request that goes on has read a route that was not yet held: L is before
 * P, hence E before S, and S sees the slot, or that the entry was freed by a
 * request that has left since.  Who enters later reads "held", and leaves
 * again without going anywhere.  So once a scan after P finds no entry of the
 * slot and no overflow, nothing of the shard is on its way, and nothing of it
 * will be until its route changes.  "high" bounds the scan: it grows before
 * the first use of an entry, in the same order, and never shrinks while the
 * worker lives.
 *
 * A request that finds no entry, and all of a worker that has no row, are
 * counted in the worker's overflow: while there is any, nothing is drained.
 */


#ifndef _SHARD_LEDGER_H_INCLUDED_
#define _SHARD_LEDGER_H_INCLUDED_


#include "shard_types.h"


#define SHARD_LEDGER_FREE  0x80000000   /* top bit; slots are smaller */
#define SHARD_LEDGER_NONE  0xffffffff   /* no entry, end of the free list */

#define shard_ledger_entry(slot, structure)                                   \
    ((uint64_t) (structure) << 32 | (slot))


/* the rows of all workers; its memory is shared */

typedef struct {
    uint32_t         nworkers;          /* numbers of workers */
    uint32_t         nrows;             /* of the first ones */
    uint32_t         nentries;          /* of a row */
    uint32_t        *overflow;          /* [nworkers] */
    uint32_t        *high;              /* [nrows] entries used at most */
    uint64_t        *entries;           /* [nrows][nentries] */
} shard_ledger_t;

/* one worker's hand on its row, in its own memory */

typedef struct {
    uint64_t        *entries;
    uint32_t         head;              /* free list, used before */
    uint32_t         used;              /* entries ever used */
    shard_ledger_t  *ledger;
    uint32_t         worker;
} shard_ledger_row_t;


/* bytes, with rows of at least "nentries"; memory must be aligned to 64 */

size_t shard_ledger_size(uint32_t nworkers, uint32_t nrows,
    uint32_t nentries);
void shard_ledger_place(shard_ledger_t *ledger, void *memory,
    uint32_t nworkers, uint32_t nrows, uint32_t nentries);

/* nothing of this worker is on its way: it is new, ends, or is dead */

void shard_ledger_reset(shard_ledger_t *ledger, uint32_t worker);

/* after a reset, by the worker itself */

void shard_ledger_open(shard_ledger_row_t *row, shard_ledger_t *ledger,
    uint32_t worker);

/* when the free list is empty */

uint32_t shard_ledger_enter_slow(shard_ledger_row_t *row, uint32_t slot,
    uint32_t structure);

/* the request's entry; the route is read after it */

static inline uint32_t
shard_ledger_enter(shard_ledger_row_t *row, uint32_t slot, uint32_t structure)
{
    uint32_t  entry;

    entry = row->head;

    if (entry == SHARD_LEDGER_NONE) {
        return shard_ledger_enter_slow(row, slot, structure);
    }

    entry &= ~SHARD_LEDGER_FREE;
    row->head = (uint32_t) __atomic_exchange_n(&row->entries[entry],
                                               shard_ledger_entry(slot,
                                                                  structure),
                                               __ATOMIC_SEQ_CST);

    return entry;
}


static inline void
shard_ledger_leave(shard_ledger_row_t *row, uint32_t entry)
{
    if (entry == SHARD_LEDGER_NONE) {
        (void) __atomic_fetch_sub(&row->ledger->overflow[row->worker], 1,
                                  __ATOMIC_SEQ_CST);
        return;
    }

    __atomic_store_n(&row->entries[entry], row->head, __ATOMIC_RELEASE);
    row->head = entry | SHARD_LEDGER_FREE;
}


/* requests on their way without an entry, of whichever shard */

uint32_t shard_ledger_overflow(const shard_ledger_t *ledger);

/* requests of one shard, and of any */

uint32_t shard_ledger_count(const shard_ledger_t *ledger, uint32_t slot);
uint32_t shard_ledger_total(const shard_ledger_t *ledger);

/* of those that entered under an older structure, the ones in "n" slots, or
 * in any when slots is NULL; structures are compared in a circle */

uint32_t shard_ledger_older(const shard_ledger_t *ledger, uint32_t structure,
    const uint32_t *slots, uint32_t n);


/*
 * One scan for many shards: counts by slot, in a table of the caller's that
 * is at least half empty.
 */

typedef struct {
    uint32_t             slot;          /* n == 0: empty */
    uint32_t             n;
} shard_tally_count_t;

typedef struct {
    uint32_t             mask;
    uint32_t             room;          /* shards it may still take */
    shard_tally_count_t *counts;        /* [mask + 1] */
} shard_tally_t;


/* bytes for "nslots" different ones, and all of them zero */

size_t shard_tally_size(uint32_t nslots);
void shard_tally_place(shard_tally_t *tally, void *memory, uint32_t nslots);

/* SHARD_AGAIN when there is no room for one more shard */

int shard_tally_add(shard_tally_t *tally, uint32_t slot);

/* SHARD_AGAIN when there were more: its counts then prove nothing */

int shard_tally_scan(shard_tally_t *tally, const shard_ledger_t *ledger);

uint32_t shard_tally_get(const shard_tally_t *tally, uint32_t slot);


#endif /* _SHARD_LEDGER_H_INCLUDED_ */
