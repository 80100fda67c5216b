
/*
 * Tickets and the ledger, driven by "VERB ARGUMENT" bytes beside plain lists
 * that say what must come out.  A 'k' is a worker killed in a change: what
 * is derived from the tickets is spoilt, as far as it may be.
 */

#include "shard_tickets.h"

#include "fuzz.h"


#define TICKETS  32
#define WORKERS  4
#define ENTRIES  16
#define LIVE     512


typedef struct {
    uint32_t  ticket;
    uint32_t  slot;
    uint16_t  worker;
} waits_t;

typedef struct {
    uint32_t  entry;
    uint32_t  slot;
    uint16_t  worker;
} goes_t;


static shard_tickets_t      tickets;
static shard_ledger_t       ledger;
static shard_ledger_row_t   rows[WORKERS];
static waits_t              waits[TICKETS];
static goes_t               goes[LIVE];
static unsigned             nwaits, ngoes;


static void  take(uint32_t slot, uint16_t worker);
static void  drop(unsigned i);
static void  purge(uint16_t worker);
static void  enter(uint32_t slot, uint16_t worker);
static void  leave(unsigned i);
static void  gone(uint16_t worker);
static void  compare(uint32_t slot);


static void
take(uint32_t slot, uint16_t worker)
{
    uint32_t        ticket;
    shard_ticket_e  rc;

    rc = shard_tickets_take(&tickets, slot, worker, 10, 24, 200, &ticket);

    if (rc != SHARD_TICKET_TAKEN) {
        fuzz_must(rc != SHARD_TICKET_POOL || nwaits == TICKETS,
                  "tickets are lost");
        return;
    }

    fuzz_must(nwaits < TICKETS && ticket < TICKETS, "one too many");

    waits[nwaits].ticket = ticket;
    waits[nwaits].slot = slot;
    waits[nwaits].worker = worker;
    nwaits++;
}


static void
drop(unsigned i)
{
    if (nwaits == 0) {
        return;
    }

    i %= nwaits;

    /* nothing if it is not the worker's */

    shard_tickets_drop(&tickets, waits[i].worker + 1, waits[i].ticket);
    shard_tickets_drop(&tickets, waits[i].worker, waits[i].ticket);

    nwaits--;
    memmove(&waits[i], &waits[i + 1], (nwaits - i) * sizeof(waits_t));
}


static void
purge(uint16_t worker)
{
    uint32_t  n;
    unsigned  i, left;

    for (i = 0, left = 0; i < nwaits; i++) {
        if (waits[i].worker != worker) {
            waits[left++] = waits[i];
        }
    }

    n = shard_tickets_purge(&tickets, worker);
    fuzz_must(n == nwaits - left, "other tickets of a dead worker");
    nwaits = left;
}


static void
enter(uint32_t slot, uint16_t worker)
{
    if (ngoes == LIVE) {
        return;
    }

    goes[ngoes].entry = shard_ledger_enter(&rows[worker], slot, 0);
    goes[ngoes].slot = slot;
    goes[ngoes].worker = worker;
    ngoes++;
}


static void
leave(unsigned i)
{
    if (ngoes == 0) {
        return;
    }

    i %= ngoes;
    shard_ledger_leave(&rows[goes[i].worker], goes[i].entry);
    goes[i] = goes[--ngoes];
}


static void
gone(uint16_t worker)
{
    unsigned  i, left;

    shard_ledger_reset(&ledger, worker);
    shard_ledger_open(&rows[worker], &ledger, worker);

    for (i = 0, left = 0; i < ngoes; i++) {
        if (goes[i].worker != worker) {
            goes[left++] = goes[i];
        }
    }

    ngoes = left;
}


static void
compare(uint32_t slot)
{
    uint32_t        n, over, all;
    unsigned        i;
    const waits_t  *first;

    first = NULL;

    for (i = 0, n = 0; i < nwaits; i++) {
        if (waits[i].slot == slot) {
            first = first ? first : &waits[i];
            n++;
        }
    }

    fuzz_must(!n || shard_tickets_maybe(&tickets, slot), "waits, not seen");
    fuzz_must(shard_tickets_waiting(&tickets, slot, NULL) == n,
              "another number waits");
    fuzz_must(shard_tickets_next(&tickets, slot)
              == (first ? first->worker : SHARD_TICKET_NOBODY),
              "another worker is first");
    fuzz_must(!first || shard_tickets_is_first(&tickets, first->ticket),
              "another ticket is first");

    for (i = 0, n = 0, over = 0, all = 0; i < ngoes; i++) {
        over += goes[i].entry == SHARD_LEDGER_NONE;
        all += goes[i].entry != SHARD_LEDGER_NONE;
        n += goes[i].entry != SHARD_LEDGER_NONE && goes[i].slot == slot;
    }

    fuzz_must(shard_ledger_overflow(&ledger) == over, "another overflow");
    fuzz_must(shard_ledger_count(&ledger, slot) == n, "another count");
    fuzz_must(shard_ledger_total(&ledger) == all + over, "another total");
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void      *one, *two;
    size_t     i;
    uint16_t   worker;
    uint32_t   slot;

    one = calloc(1, shard_tickets_size(TICKETS));
    two = aligned_alloc(64, (shard_ledger_size(WORKERS, WORKERS - 1, ENTRIES)
                             + 63) / 64 * 64);
    fuzz_must(one != NULL && two != NULL, "no memory");

    memset(&tickets, 0, sizeof(tickets));
    shard_tickets_place(&tickets, one, TICKETS);
    shard_ledger_place(&ledger, two, WORKERS, WORKERS - 1, ENTRIES);

    nwaits = 0;
    ngoes = 0;

    for (worker = 0; worker < WORKERS; worker++) {
        gone(worker);
    }

    for (i = 0; i + 1 < size; i += 2) {
        worker = data[i + 1] % WORKERS;
        slot = data[i + 1] / WORKERS % 8 * SHARD_TICKET_BUCKETS / 2;

        switch (data[i]) {
        case 't':
            take(slot, worker);
            break;
        case 'd':
            drop(data[i + 1]);
            break;
        case 'p':
            purge(worker);
            break;
        case 'k':
            memset(tickets.queues, data[i + 1],
                   TICKETS * sizeof(shard_ticket_queue_t));
            tickets.dirty = 1;
            purge(worker);
            break;
        case 'e':
            enter(slot, worker);
            break;
        case 'l':
            leave(data[i + 1]);
            break;
        case 'g':
            gone(worker);
            break;
        default:
            continue;
        }

        compare(slot);
    }

    free(one);
    free(two);

    return 0;
}
