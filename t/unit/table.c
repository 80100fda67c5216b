
/* index and latch against what a naive search and a plain copy would say */

#include <pthread.h>

#include "shard_table.h"

#include "../lib/tap.h"


#define ROUNDS   400
#define WRITES   300000


typedef struct {
    shard_latch_t  latch;
    int            stop;
    uint64_t       torn;
    uint64_t       backwards;
    uint64_t       reads;
} race_t;


static int compare(const void *a, const void *b);
static void *read_latch(void *data);


static int
compare(const void *a, const void *b)
{
    const uint64_t  *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}


/* boundaries of n shards; kinds: equal, random, crowded in one corner */

static uint32_t
fill(uint64_t *lo, uint32_t n, int kind, uint64_t *seed)
{
    uint32_t  i, k;

    lo[0] = 0;

    for (i = 1; i < n; i++) {
        switch (kind) {

        case 0:
            lo[i] = (uint64_t) i * (UINT64_MAX / n + 1);
            break;

        case 1:
            lo[i] = tap_random(seed);
            break;

        case 2:
            lo[i] = UINT64_MAX - tap_random(seed) % (4 * (uint64_t) n);
            break;

        default:
            lo[i] = 1 + tap_random(seed) % (4 * (uint64_t) n);
            break;
        }
    }

    qsort(lo, n, sizeof(uint64_t), compare);

    for (i = 1, k = 1; i < n; i++) {
        if (lo[i] != lo[k - 1]) {
            lo[k++] = lo[i];
        }
    }

    return k;
}


static uint32_t
naive(const uint64_t *lo, uint32_t n, uint64_t position)
{
    uint32_t  i, found;

    found = 0;

    for (i = 0; i < n; i++) {
        if (lo[i] <= position) {
            found = i;
        }
    }

    return found;
}


static int
build(shard_index_t *index, const uint64_t *lo, uint32_t n)
{
    int                    rc;
    uint32_t               i;
    shard_str_t            none = { 0, "" };
    shard_index_builder_t  b;

    rc = shard_index_begin(&b, index, SHARD_KIND_HASH, n);

    for (i = 0; i < n && rc == SHARD_OK; i++) {
        rc = shard_index_add(&b, lo[i], none, i * 7, n - i);
    }

    return rc == SHARD_OK ? shard_index_finish(&b) : rc;
}


static void
test_find(uint64_t *seed)
{
    int             round, probe;
    void           *memory;
    uint32_t        n, i, capacity, wrong, refused, probes, ids;
    uint64_t        position, *lo;
    shard_index_t   index;

    wrong = 0;
    refused = 0;
    probes = 0;
    ids = 0;

    for (round = 0; round < ROUNDS; round++) {

        capacity = round < 20 ? (uint32_t) round + 1
                              : 1 + (uint32_t) (tap_random(seed) % 3000);
        memory = malloc(shard_index_size(capacity));
        lo = malloc(capacity * sizeof(uint64_t));
        shard_index_place(&index, memory, capacity);

        n = fill(lo, capacity, round % 4, seed);
        refused += build(&index, lo, n) != SHARD_OK || index.n != n;

        for (probe = 0; probe < 200; probe++) {
            i = (uint32_t) (tap_random(seed) % n);
            position = probe % 4 == 0 ? tap_random(seed)
                       : lo[i] + (uint64_t) (probe % 4) - 2;
            wrong += shard_index_find(&index, position)
                     != naive(lo, n, position);
            probes++;
        }

        wrong += shard_index_find(&index, 0) != 0;
        wrong += shard_index_find(&index, UINT64_MAX) != n - 1;
        wrong += shard_index_slot(&index, n - 1) != (n - 1) * 7;

        i = (uint32_t) (tap_random(seed) % n);
        ids += shard_index_by_id(&index, index.entries[i].id) != i;
        ids += shard_index_by_id(&index, n + 1) != SHARD_SLOT_NONE;

        free(memory);
        free(lo);
    }

    tap_is_int(refused, 0, "%d tables were built", ROUNDS);
    tap_is_int(wrong, 0, "%u look-ups as the naive search has them", probes);
    tap_is_int(ids, 0, "and by id");
}


/* more shards than first[] has buckets */

static void
test_large(uint64_t *seed)
{
    void           *memory;
    uint32_t        n, i, k, wrong;
    uint64_t        position, *lo;
    shard_index_t   index;

    n = (1 << SHARD_INDEX_BITS_MAX) * SHARD_INDEX_PER_FIRST / 2 + 12345;
    memory = malloc(shard_index_size(n));
    lo = malloc(n * sizeof(uint64_t));
    shard_index_place(&index, memory, n);
    n = fill(lo, n, 1, seed);

    tap_is_int(build(&index, lo, n), SHARD_OK, "%u shards", n);

    wrong = 0;

    for (i = 0; i < n; i++) {
        position = lo[i];
        wrong += shard_index_find(&index, position) != i;
        wrong += i > 0 && shard_index_find(&index, position - 1) != i - 1;

        position = tap_random(seed);
        k = shard_index_find(&index, position);
        wrong += lo[k] > position || (k + 1 < n && lo[k + 1] <= position);
    }

    tap_is_int(wrong, 0, "every boundary, and as many positions between");
    free(memory);
    free(lo);
}


static void
test_refused(void)
{
    uint64_t       memory[256], lo[9] = { 0, 10, 20 };
    shard_index_t  index;

    tap_ok(shard_index_size(8) <= sizeof(memory), "room for 8 shards");
    shard_index_place(&index, memory, 8);

    tap_is_int(build(&index, lo, 3), SHARD_OK, "ascending");

    tap_is_int(build(&index, lo, 0), SHARD_ERROR, "no shard");
    tap_is_int(index.n, 0, "the index is empty then");
    tap_is_int(build(&index, lo, 9), SHARD_AGAIN, "beyond the room");

    lo[0] = 1;
    tap_is_int(build(&index, lo, 3), SHARD_ERROR, "a gap at 0");
    lo[0] = 0;
    lo[2] = 10;
    tap_is_int(build(&index, lo, 3), SHARD_ERROR, "an empty shard");
    lo[2] = 9;
    tap_is_int(build(&index, lo, 3), SHARD_ERROR, "descending");
    tap_is_int(index.n, 0, "the index is empty then");
}


/* a bound's first 8 bytes, big-endian */

static uint64_t
prefix(const char *text, size_t len)
{
    size_t    i;
    uint64_t  position;

    for (i = 0, position = 0; i < 8; i++) {
        position = position << 8 | (i < len ? (uint8_t) text[i] : 0);
    }

    return position;
}


static int
by_text(const void *one, const void *two)
{
    const shard_str_t  *a = one, *b = two;
    int                 rc;

    rc = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);

    return rc ? rc : (a->len > b->len) - (a->len < b->len);
}


/* texts of few letters, so that prefixes are equal and bounds end in each
 * other; every probe against a linear search */

static void
test_bytes(uint64_t *seed)
{
    char                    text[400][24], key[24];
    void                   *memory;
    uint32_t                i, k, n, wrong, round;
    shard_str_t             bound[400], probe;
    shard_index_t           index;
    shard_index_builder_t   b;

    wrong = 0;
    memory = malloc(shard_index_size(1200));

    for (round = 0; round < 60; round++) {
        bound[0].len = 0;
        bound[0].data = text[0];

        for (i = 1; i < 400; i++) {
            bound[i].data = text[i];
            bound[i].len = 1 + tap_random(seed) % 23;

            for (k = 0; k < bound[i].len; k++) {
                text[i][k] = (char) (tap_random(seed) % 3 == 0
                                     ? tap_random(seed) : 'a');
            }
        }

        qsort(bound, 400, sizeof(shard_str_t), by_text);

        for (i = 1, n = 1; i < 400; i++) {
            if (by_text(&bound[i], &bound[n - 1]) != 0) {
                bound[n++] = bound[i];
            }
        }

        shard_index_place(&index, memory, 1200);
        wrong += shard_index_begin(&b, &index, SHARD_KIND_RANGE_BYTES, n)
                 != SHARD_OK;

        for (i = 0; i < n; i++) {
            wrong += shard_index_add(&b, prefix(bound[i].data, bound[i].len),
                                     bound[i], i, i) != SHARD_OK;
        }

        wrong += shard_index_finish(&b) != SHARD_OK;

        for (i = 0; i < 500; i++) {
            probe.data = key;
            probe.len = tap_random(seed) % 24;

            for (k = 0; k < probe.len; k++) {
                key[k] = (char) (tap_random(seed) % 4 == 0
                                 ? tap_random(seed) : 'a');
            }

            for (k = n - 1; by_text(&bound[k], &probe) > 0; k--) { /* void */ }

            wrong += shard_index_find_key(&index, prefix(key, probe.len),
                                          probe) != k;
        }

        for (i = 0; i < n; i++) {
            probe = shard_index_bound(&index, i);
            wrong += by_text(&probe, &bound[i]) != 0;
        }
    }

    tap_is_int(wrong, 0, "bounds of bytes, as a linear search has them");
    tap_ok(!shard_index_fits(&index, SHARD_KIND_RANGE_BYTES, 601, 0),
           "half as many fit");
    tap_ok(!shard_index_fits(&index, SHARD_KIND_RANGE_BYTES, 10, 9600),
           "and so much text");

    free(memory);
}


static void
test_list(void)
{
    uint64_t               memory[256];
    shard_str_t            none = { 0, "" };
    shard_index_t          index;
    shard_index_builder_t  b;

    shard_index_place(&index, memory, 8);

    tap_is_int(shard_index_begin(&b, &index, SHARD_KIND_LIST, 4), SHARD_OK,
               "a list");
    tap_is_int(shard_index_add(&b, 0, none, 5, 50), SHARD_OK, "the default");
    tap_is_int(shard_index_add(&b, 0, none, 6, 60), SHARD_OK, "hash 0");
    tap_is_int(shard_index_add(&b, 1ULL << 40, none, 7, 70), SHARD_OK, "one");
    tap_is_int(shard_index_add(&b, 3ULL << 62, none, 7 | SHARD_ENTRY_AGAIN, 70),
               SHARD_OK, "its second unit");
    tap_is_int(shard_index_finish(&b), SHARD_OK, "built");

    tap_is_int(shard_index_find_key(&index, 1ULL << 40, none), 2, "a unit");
    tap_is_int(shard_index_find_key(&index, (1ULL << 40) + 1, none), 0,
               "no unit: the default shard");
    tap_is_int(shard_index_slot(&index, 3), 7, "two units, one slot");
    tap_is_int(shard_index_by_id(&index, 70), 2, "by id: its first entry");
}


/* every field of a route of generation g follows from g */

static void
route_of(uint32_t g, shard_route_t *route)
{
    memset(route, 0, sizeof(*route));

    route->epoch = g;
    route->migration_lo = g * 3;
    route->migration_hi = ~g;
    route->primary = (uint16_t) g;
    route->target = (uint16_t) (g + 1);
    route->standbys[2] = (uint16_t) (g >> 3);
    route->shift_bp = (uint16_t) (g % 10000);
    route->spare = (uint16_t) (g >> 7);
    route->phase = (uint8_t) (g % 3);
    route->strategy = g % 4;
    route->flags = g % 16;
}


static void *
read_latch(void *data)
{
    race_t         *race = data;
    uint32_t        last;
    uint64_t        torn, backwards, reads;
    shard_route_t   route, expected;

    last = 0;
    torn = 0;
    backwards = 0;
    reads = 0;

    while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
        shard_latch_read(&race->latch, &route);
        route_of(route.epoch, &expected);

        torn += memcmp(&route, &expected, sizeof(route)) != 0;
        backwards += route.epoch < last;
        last = route.epoch;
        reads++;
    }

    __atomic_add_fetch(&race->torn, torn, __ATOMIC_RELAXED);
    __atomic_add_fetch(&race->backwards, backwards, __ATOMIC_RELAXED);
    __atomic_add_fetch(&race->reads, reads, __ATOMIC_RELAXED);

    return NULL;
}


static void
test_latch(void)
{
    int             rc;
    race_t         *race;
    uint32_t        g;
    pthread_t       reader;
    shard_route_t   route, got, expected;

    race = aligned_alloc(64, (sizeof(race_t) + 63) / 64 * 64);
    memset(race, 0, sizeof(race_t));

    route_of(0, &route);
    shard_latch_write(&race->latch, &route);
    rc = pthread_create(&reader, NULL, read_latch, race);

    if (!tap_is_int(rc, 0, "a reader beside the writer")) {
        free(race);
        return;
    }

    for (g = 1; g <= WRITES; g++) {
        route_of(g, &route);
        shard_latch_write(&race->latch, &route);
    }

    __atomic_store_n(&race->stop, 1, __ATOMIC_RELAXED);
    pthread_join(reader, NULL);

    tap_diag("%llu reads during %d writes", (unsigned long long) race->reads,
             WRITES);
    tap_is_int((long long) race->torn, 0, "no route was torn");
    tap_is_int((long long) race->backwards, 0, "none went back");

    /* a writer killed half-way: the version not selected is half-filled */

    memset(&race->latch.v[(race->latch.seq + 1) & 1], 0x5a,
           sizeof(shard_route_t) / 2);
    shard_latch_read(&race->latch, &got);
    route_of(WRITES, &expected);
    tap_ok(memcmp(&got, &expected, sizeof(got)) == 0,
           "a writer killed half-way does no harm");

    route_of(5, &route);
    shard_latch_write(&race->latch, &route);
    shard_latch_read(&race->latch, &got);
    tap_ok(memcmp(&got, &route, sizeof(got)) == 0, "and the next one writes");
    tap_ok(shard_route_migration(&got) == ((uint64_t) ~5U << 32 | 15),
           "migration of a route");

    free(race);
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261125);

    test_refused();
    test_bytes(&seed);
    test_list();
    test_find(&seed);
    test_large(&seed);
    test_latch();

    return tap_done();
}
