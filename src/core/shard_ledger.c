
#include "shard_ledger.h"

#include <string.h>


#define SHARD_LEDGER_LINE   16          /* counters of a cache line */
#define SHARD_LEDGER_ALIGN  64


#define shard_ledger_load(p)  __atomic_load_n((p), __ATOMIC_SEQ_CST)

#define shard_ledger_line(n)                                                  \
    (((n) + SHARD_LEDGER_LINE - 1) & ~(uint32_t) (SHARD_LEDGER_LINE - 1))


static uint32_t shard_tally_buckets(uint32_t nslots);


size_t
shard_ledger_size(uint32_t nworkers, uint32_t nrows, uint32_t nentries)
{
    return ((size_t) shard_ledger_line(nworkers) + shard_ledger_line(nrows)
            + (size_t) nrows * shard_ledger_line(nentries) * 2)
           * sizeof(uint32_t);
}


void
shard_ledger_place(shard_ledger_t *ledger, void *memory, uint32_t nworkers,
    uint32_t nrows, uint32_t nentries)
{
    uint32_t  i;

    ledger->nworkers = nworkers;
    ledger->nrows = nrows;
    ledger->nentries = shard_ledger_line(nentries);
    ledger->overflow = memory;
    ledger->high = ledger->overflow + shard_ledger_line(nworkers);
    ledger->entries = (uint64_t *) (ledger->high + shard_ledger_line(nrows));

    memset(ledger->high, 0, nrows * sizeof(uint32_t));
    memset(ledger->entries, 0xff,
           (size_t) nrows * ledger->nentries * sizeof(uint64_t));

    for (i = 0; i < nworkers; i++) {
        ledger->overflow[i] = 0;
    }
}


void
shard_ledger_reset(shard_ledger_t *ledger, uint32_t worker)
{
    uint32_t   i, n;
    uint64_t  *entries;

    if (worker < ledger->nrows) {
        n = shard_ledger_load(&ledger->high[worker]);
        entries = ledger->entries + (size_t) worker * ledger->nentries;

        for (i = 0; i < n; i++) {
            __atomic_store_n(&entries[i], SHARD_LEDGER_NONE, __ATOMIC_RELEASE);
        }

        __atomic_store_n(&ledger->high[worker], 0, __ATOMIC_RELEASE);
    }

    __atomic_store_n(&ledger->overflow[worker], 0, __ATOMIC_RELEASE);
}


void
shard_ledger_open(shard_ledger_row_t *row, shard_ledger_t *ledger,
    uint32_t worker)
{
    row->ledger = ledger;
    row->worker = worker;
    row->head = SHARD_LEDGER_NONE;
    row->used = 0;
    row->entries = worker < ledger->nrows
                   ? ledger->entries + (size_t) worker * ledger->nentries
                   : NULL;
}


uint32_t
shard_ledger_enter_slow(shard_ledger_row_t *row, uint32_t slot,
    uint32_t structure)
{
    uint32_t         entry;
    shard_ledger_t  *ledger;

    ledger = row->ledger;

    if (row->entries == NULL || row->used == ledger->nentries) {
        (void) __atomic_fetch_add(&ledger->overflow[row->worker], 1,
                                  __ATOMIC_SEQ_CST);
        return SHARD_LEDGER_NONE;
    }

    entry = row->used++;

    __atomic_store_n(&ledger->high[row->worker], row->used, __ATOMIC_SEQ_CST);
    __atomic_store_n(&row->entries[entry], shard_ledger_entry(slot, structure),
                     __ATOMIC_SEQ_CST);

    return entry;
}


uint32_t
shard_ledger_overflow(const shard_ledger_t *ledger)
{
    uint32_t  i, n;

    for (i = 0, n = 0; i < ledger->nworkers; i++) {
        n += shard_ledger_load(&ledger->overflow[i]);
    }

    return n;
}


uint32_t
shard_ledger_count(const shard_ledger_t *ledger, uint32_t slot)
{
    uint32_t         i, k, n, high;
    const uint64_t  *entries;

    n = 0;

    for (i = 0; i < ledger->nrows; i++) {
        high = shard_ledger_load(&ledger->high[i]);
        entries = ledger->entries + (size_t) i * ledger->nentries;

        for (k = 0; k < high; k++) {
            n += (uint32_t) shard_ledger_load(&entries[k]) == slot;
        }
    }

    return n;
}


uint32_t
shard_ledger_total(const shard_ledger_t *ledger)
{
    uint32_t         i, k, n, high;
    const uint64_t  *entries;

    n = shard_ledger_overflow(ledger);

    for (i = 0; i < ledger->nrows; i++) {
        high = shard_ledger_load(&ledger->high[i]);
        entries = ledger->entries + (size_t) i * ledger->nentries;

        for (k = 0; k < high; k++) {
            n += !(shard_ledger_load(&entries[k]) & SHARD_LEDGER_FREE);
        }
    }

    return n;
}


uint32_t
shard_ledger_older(const shard_ledger_t *ledger, uint32_t structure,
    const uint32_t *slots, uint32_t nslots)
{
    uint32_t         i, k, j, n, high;
    uint64_t         entry;
    const uint64_t  *entries;

    n = 0;

    for (i = 0; i < ledger->nrows; i++) {
        high = shard_ledger_load(&ledger->high[i]);
        entries = ledger->entries + (size_t) i * ledger->nentries;

        for (k = 0; k < high; k++) {
            entry = shard_ledger_load(&entries[k]);

            if (entry & SHARD_LEDGER_FREE
                || (int32_t) ((uint32_t) (entry >> 32) - structure) >= 0)
            {
                continue;
            }

            for (j = 0; slots && j < nslots && slots[j] != (uint32_t) entry;
                 j++)
            {
                /* void */
            }

            n += slots == NULL || j < nslots;
        }
    }

    return n;
}


static uint32_t
shard_tally_buckets(uint32_t nslots)
{
    uint32_t  n;

    for (n = 8; n / 2 < nslots && n < (uint32_t) 1 << 30; n *= 2) {
        /* void */
    }

    return n;
}


size_t
shard_tally_size(uint32_t nslots)
{
    return (size_t) shard_tally_buckets(nslots) * sizeof(shard_tally_count_t);
}


void
shard_tally_place(shard_tally_t *tally, void *memory, uint32_t nslots)
{
    tally->counts = memory;
    tally->mask = shard_tally_buckets(nslots) - 1;
    tally->room = (tally->mask + 1) / 2;

    memset(memory, 0, shard_tally_size(nslots));
}


int
shard_tally_add(shard_tally_t *tally, uint32_t slot)
{
    uint32_t  i;

    i = slot * 2654435761u & tally->mask;

    while (tally->counts[i].n && tally->counts[i].slot != slot) {
        i = (i + 1) & tally->mask;
    }

    if (tally->counts[i].n == 0) {
        if (tally->room == 0) {
            return SHARD_AGAIN;
        }

        tally->room--;
        tally->counts[i].slot = slot;
    }

    tally->counts[i].n++;

    return SHARD_OK;
}


int
shard_tally_scan(shard_tally_t *tally, const shard_ledger_t *ledger)
{
    int              rc;
    uint32_t         i, k, slot, high;
    const uint64_t  *entries;

    rc = SHARD_OK;

    for (i = 0; i < ledger->nrows; i++) {
        high = shard_ledger_load(&ledger->high[i]);
        entries = ledger->entries + (size_t) i * ledger->nentries;

        for (k = 0; k < high; k++) {
            slot = (uint32_t) shard_ledger_load(&entries[k]);

            if (!(slot & SHARD_LEDGER_FREE)
                && shard_tally_add(tally, slot) != SHARD_OK)
            {
                rc = SHARD_AGAIN;
            }
        }
    }

    return rc;
}


uint32_t
shard_tally_get(const shard_tally_t *tally, uint32_t slot)
{
    uint32_t  i;

    for (i = slot * 2654435761u & tally->mask;
         tally->counts[i].n;
         i = (i + 1) & tally->mask)
    {
        if (tally->counts[i].slot == slot) {
            return tally->counts[i].n;
        }
    }

    return 0;
}
