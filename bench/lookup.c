
/*
 * Nanoseconds from a position to the route of its shard, as a worker does
 * it: index, slot, latch.  Each look-up waits for the one before, as the
 * rest of a request would; so this is latency, not throughput.
 *
 *     lookup SHARDS...     JSON on stdout, e.g. {"1000":12.3,...}
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shard_key.h"
#include "shard_table.h"


#define LOOKUPS      1000000
#define ROUNDS       7
#define HOT          512                /* positions of a warm table */
#define SHARDS_LAST  4000000


typedef struct {
    shard_index_t   index;
    shard_latch_t  *latch;
    uint64_t       *position;           /* LOOKUPS random ones */
} table_t;


static void usage(FILE *out);
static int compare(const void *a, const void *b);
static uint64_t random_next(uint64_t *state);
static int build(table_t *table, uint32_t n, int uneven);
static double measure(const table_t *table, uint32_t mask);
static double measure_key(const table_t *table);
static double now_ns(void);


static void
usage(FILE *out)
{
    fputs("usage: lookup SHARDS...\n"
          "nanoseconds of a look-up in tables of so many shards, as JSON:\n"
          "\"equal\" parts of the keyspace, \"uneven\" ones as random splits\n"
          "leave them, both in any order over all of it; \"warm\": 512 positions of\n"
          "the equal ones again and again; \"key\": the hash of a key of 16 bytes\n",
          out);
}


static int
compare(const void *a, const void *b)
{
    const uint64_t  *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}


static uint64_t
random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ULL;

    return shard_key_position(state, sizeof(*state));
}


static double
now_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}


/* slots are scattered: a table that was split for months is not in order */

static int
build(table_t *table, uint32_t n, int uneven)
{
    int                     rc;
    void                   *memory;
    uint32_t                i, k, swap, *slot;
    uint64_t                seed, *lo;
    shard_str_t             none = { 0, "" };
    shard_route_t           route;
    shard_index_builder_t   b;

    seed = n;
    memory = malloc(shard_index_size(n));
    table->latch = aligned_alloc(64, (size_t) n * sizeof(shard_latch_t));
    table->position = malloc(LOOKUPS * sizeof(uint64_t));
    lo = malloc(n * sizeof(uint64_t));
    slot = malloc(n * sizeof(uint32_t));

    if (memory == NULL || table->latch == NULL || table->position == NULL
        || lo == NULL || slot == NULL)
    {
        fprintf(stderr, "lookup: no memory for %u shards\n", n);
        return -1;
    }

    shard_index_place(&table->index, memory, n);
    memset(table->latch, 0, (size_t) n * sizeof(shard_latch_t));
    memset(&route, 0, sizeof(route));

    for (i = 0; i < n; i++) {
        lo[i] = uneven ? random_next(&seed) : (uint64_t) i * (UINT64_MAX / n);
        slot[i] = i;
        route.epoch = i & 0xffff;
        shard_latch_write(&table->latch[i], &route);
    }

    for (i = n - 1; i > 0; i--) {
        k = (uint32_t) (random_next(&seed) % (i + 1));
        swap = slot[i];
        slot[i] = slot[k];
        slot[k] = swap;
    }

    lo[0] = 0;
    qsort(lo, n, sizeof(uint64_t), compare);
    rc = shard_index_begin(&b, &table->index, SHARD_KIND_HASH, n);

    for (i = 0; i < n && rc == SHARD_OK; i++) {
        rc = shard_index_add(&b, lo[i], none, slot[i], i);
    }

    free(lo);
    free(slot);

    for (i = 0; i < LOOKUPS; i++) {
        table->position[i] = random_next(&seed);
    }

    if (rc != SHARD_OK || shard_index_finish(&b) != SHARD_OK) {
        fprintf(stderr, "lookup: table of %u shards is not good\n", n);
        return -1;
    }

    return 0;
}


/* the best round: the others were disturbed; "mask" chooses the positions */

static double
measure(const table_t *table, uint32_t mask)
{
    int             round;
    double          start, ns, best;
    uint32_t        i, k;
    uint64_t        last;
    shard_route_t   route;

    best = 1e18;
    last = 0;

    for (round = 0; round < ROUNDS; round++) {
        start = now_ns();

        for (i = 0; i < LOOKUPS; i++) {
            k = shard_index_find(&table->index, table->position[i & mask] ^ last);
            shard_latch_read(&table->latch[shard_index_slot(&table->index, k)], &route);

            /* always 0, but the processor cannot know */

            last = route.epoch >> 16;
        }

        ns = (now_ns() - start) / LOOKUPS;
        best = ns < best ? ns : best;
    }

    return best;
}


static double
measure_key(const table_t *table)
{
    double    start;
    uint32_t  i;
    uint64_t  key[2];

    start = now_ns();
    key[1] = 0;

    for (i = 0; i < LOOKUPS; i++) {
        key[0] = table->position[i];
        key[1] = shard_key_position(key, sizeof(key));
    }

    /* always 0, but the loop must not be left out */

    return (now_ns() - start + (double) (key[1] == 1)) / LOOKUPS;
}


int
main(int argc, char **argv)
{
    int      i, kind;
    char    *end;
    long     n;
    double   key;
    table_t  table;

    static const char *const  kinds[] = { "equal", "uneven", "warm" };

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }

    if (argc < 2) {
        usage(stderr);
        return 2;
    }

    key = 0;
    printf("{");

    for (kind = 0; kind < 3; kind++) {
        printf("\"%s\":{", kinds[kind]);

        for (i = 1; i < argc; i++) {
            n = strtol(argv[i], &end, 10);

            if (*end != '\0' || n < 1 || n > SHARDS_LAST) {
                fprintf(stderr, "lookup: \"%s\" is not a number of shards "
                        "from 1 to %d\n", argv[i], SHARDS_LAST);
                return 2;
            }

            if (build(&table, (uint32_t) n, kind == 1) != 0) {
                return 1;
            }

            printf("%s\"%ld\":%.1f", i > 1 ? "," : "", n,
                   measure(&table, kind == 2 ? HOT - 1 : UINT32_MAX));
            key = measure_key(&table);

            free(table.index.entries);
            free(table.latch);
            free(table.position);
        }

        printf("},");
    }

    printf("\"key\":%.1f}\n", key);

    return 0;
}
