
/* positions, and which keys have crossed: uniform, sticky, reversible */

#include "shard_codec.h"
#include "shard_key.h"

#include "../lib/tap.h"


#define KEYS        200000
#define MIGRATIONS  64


static int  compare(const void *a, const void *b);


typedef struct {
    uint32_t  point;
    uint32_t  key;
} crossing_t;


static int
compare(const void *a, const void *b)
{
    const crossing_t  *x = a, *y = b;

    return x->point < y->point ? -1 : x->point > y->point;
}


static void
test_position(void)
{
    char      buf[2][300];
    size_t    len;
    unsigned  same;

    /* values of the reference implementation: they are kept in Redis */

    tap_ok(shard_key_position("", 0) == 0x2d06800538d394c2ULL,
           "XXH3 of nothing");
    tap_ok(shard_key_position("a", 1) == 0xe6c632b61e964e1fULL,
           "XXH3 of \"a\"");
    tap_ok(shard_key_position("abc", 3) == 0x78af5f94892f3950ULL,
           "XXH3 of \"abc\"");

    same = 0;
    memset(buf, 'k', sizeof(buf));

    for (len = 0; len < 299; len++) {
        same += shard_key_position(buf[0], len)
                == shard_key_position(buf[1] + 1, len);
    }

    tap_is_int(same, 299, "alignment does not matter");
}


static void
located(shard_kind_e kind, const char *key, size_t len, int rc,
    uint64_t position)
{
    char         *copy;
    shard_key_t   at;

    /* of exactly that size: a byte too far is seen by ASan */

    copy = malloc(len ? len : 1);
    memcpy(copy, key, len);
    at.position = 0;

    tap_ok(shard_key_locate(kind, copy, len, &at) == rc
           && (rc != SHARD_OK || at.position == position),
           "%s \"%.*s\" is at %016llx", shard_kind_name(kind), (int) len, key,
           (unsigned long long) at.position);

    free(copy);
}


static void
test_locate(void)
{
    size_t            i;
    shard_key_t       at, other;
    const char       *none[] = { "", " ", "-1", "+1", "1 ", " 1", "0x10",
                                 "1e3", "1.0", "18446744073709551616",
                                 "99999999999999999999", "12a",
                                 "184467440737095516150" };

    located(SHARD_KIND_HASH, "abc", 3, SHARD_OK, 0x78af5f94892f3950ULL);
    located(SHARD_KIND_LIST, "abc", 3, SHARD_OK, 0x78af5f94892f3950ULL);

    located(SHARD_KIND_RANGE_UINT64, "0", 1, SHARD_OK, 0);
    located(SHARD_KIND_RANGE_UINT64, "1000", 4, SHARD_OK, 1000);
    located(SHARD_KIND_RANGE_UINT64, "000000000000000000000000000042", 30,
            SHARD_OK, 42);
    located(SHARD_KIND_RANGE_UINT64, "18446744073709551615", 20, SHARD_OK,
            UINT64_MAX);
    located(SHARD_KIND_RANGE_UINT64, "1\0002", 3, SHARD_ERROR, 0);

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        located(SHARD_KIND_RANGE_UINT64, none[i], strlen(none[i]),
                SHARD_ERROR, 0);
    }

    located(SHARD_KIND_RANGE_BYTES, "", 0, SHARD_OK, 0);
    located(SHARD_KIND_RANGE_BYTES, "a", 1, SHARD_OK, 0x6100000000000000ULL);
    located(SHARD_KIND_RANGE_BYTES, "\xff\0b", 3, SHARD_OK,
            0xff00620000000000ULL);
    located(SHARD_KIND_RANGE_BYTES, "12345678abc", 11, SHARD_OK,
            0x3132333435363738ULL);

    shard_key_locate(SHARD_KIND_HASH, "abc", 3, &at);
    tap_ok(at.sticky == at.position, "a hash is sticky by its position");
    shard_key_locate(SHARD_KIND_RANGE_BYTES, "abc", 3, &other);
    tap_ok(other.sticky == at.sticky, "bytes by their hash");
    shard_key_locate(SHARD_KIND_RANGE_UINT64, "7", 1, &at);
    shard_key_locate(SHARD_KIND_RANGE_UINT64, "007", 3, &other);
    tap_ok(other.sticky == at.sticky && at.sticky != 7,
           "a number by its hash, however it is written");
}


/* a record's text is what its units point to */

static int
holds(shard_kind_e kind, const char *json, const char *key)
{
    char            err[SHARD_ERR_SIZE];
    shard_str_t     text;
    shard_key_t     at;
    shard_record_t  rec;

    text.data = json;
    text.len = strlen(json);

    if (shard_record_decode(kind, 1, text, &rec, err) != SHARD_OK
        || shard_key_locate(kind, key, strlen(key), &at) != SHARD_OK)
    {
        return -1;
    }

    return shard_record_holds(&rec, &at, key, strlen(key));
}


static void
test_holds(void)
{
    static const char  numbers[] = "{\"lo\":\"000000000000000a\","
        "\"hi\":\"0000000000000014\",\"primary\":\"n1\",\"epoch\":1}";
    static const char  bytes[] = "{\"lo\":\"2026-01\",\"hi\":\"2026-02\","
        "\"primary\":\"n1\",\"epoch\":1}";
    static const char  end[] = "{\"lo\":\"2026-02\",\"hi\":null,"
        "\"primary\":\"n1\",\"epoch\":1}";
    static const char  list[] = "{\"units\":[\"search\",\"a%25\"],"
        "\"default\":true,\"primary\":\"n1\",\"epoch\":1}";

    tap_is_int(holds(SHARD_KIND_RANGE_UINT64, numbers, "9"), 0, "9");
    tap_is_int(holds(SHARD_KIND_RANGE_UINT64, numbers, "10"), 1, "10");
    tap_is_int(holds(SHARD_KIND_RANGE_UINT64, numbers, "0019"), 1, "0019");
    tap_is_int(holds(SHARD_KIND_RANGE_UINT64, numbers, "20"), 0, "20");

    tap_is_int(holds(SHARD_KIND_RANGE_BYTES, bytes, "2026-0"), 0, "2026-0");
    tap_is_int(holds(SHARD_KIND_RANGE_BYTES, bytes, "2026-01"), 1, "2026-01");
    tap_is_int(holds(SHARD_KIND_RANGE_BYTES, bytes, "2026-01-31T23:59"), 1,
               "longer");
    tap_is_int(holds(SHARD_KIND_RANGE_BYTES, bytes, "2026-02"), 0, "2026-02");
    tap_is_int(holds(SHARD_KIND_RANGE_BYTES, end, "2026-02"), 1, "the last");
    tap_is_int(holds(SHARD_KIND_RANGE_BYTES, end, "\xff\xff"), 1, "the end");

    tap_is_int(holds(SHARD_KIND_LIST, list, "search"), 1, "search");
    tap_is_int(holds(SHARD_KIND_LIST, list, "a%"), 1, "a%%");
    tap_is_int(holds(SHARD_KIND_LIST, list, "a%25"), 0, "a%%25");
    tap_is_int(holds(SHARD_KIND_LIST, list, "other"), 0, "not by default");
}


static void
test_decision(void)
{
    char      from[SHARD_NAME_SIZE], to[SHARD_NAME_SIZE];
    uint64_t  id;

    id = shard_decision_id(42, 7, "n1", "n2");

    tap_ok(id == shard_key_position("42|7|n1|n2", 10), "text of a decision");
    tap_ok(id == shard_decision_id(42, 7, "n1", "n2"), "the same wish");
    tap_ok(id != shard_decision_id(42, 8, "n1", "n2"), "another epoch");
    tap_ok(id != shard_decision_id(43, 7, "n1", "n2"), "another shard");
    tap_ok(id != shard_decision_id(42, 7, "n2", "n1"), "the way back");

    memset(from, 'a', sizeof(from) - 1);
    memset(to, 'b', sizeof(to) - 1);
    from[sizeof(from) - 1] = '\0';
    to[sizeof(to) - 1] = '\0';

    id = shard_decision_id(4294967294U, 4294967295U, from, to);
    to[sizeof(to) - 2] = 'c';
    tap_ok(id != shard_decision_id(4294967294U, 4294967295U, from, to),
           "the last byte of the longest names counts");
}


/* chi-square of 100 cells of 100 points each; 99 degrees of freedom have a
 * mean of 99 and a deviation of 14.07: 6 deviations do not happen */

static double
chi_square(const uint64_t *positions, uint64_t migration)
{
    double    expected, sum;
    unsigned  i, cells[100];

    memset(cells, 0, sizeof(cells));

    for (i = 0; i < KEYS; i++) {
        cells[shard_shift_point(positions[i], migration) / 100]++;
    }

    expected = KEYS / 100.0;
    sum = 0;

    for (i = 0; i < 100; i++) {
        sum += (cells[i] - expected) * (cells[i] - expected) / expected;
    }

    return sum;
}


static void
test_uniform(uint64_t *positions, uint64_t *seed)
{
    double    worst[4], chi;
    unsigned  i, m, beyond;
    uint64_t  migration;

    memset(worst, 0, sizeof(worst));
    beyond = 0;

    for (m = 0; m < MIGRATIONS; m++) {
        migration = m % 2 ? tap_random(seed) : m + 1;

        for (i = 0; i < KEYS; i++) {
            positions[i] = tap_random(seed);
        }

        chi = chi_square(positions, migration);
        worst[0] = chi > worst[0] ? chi : worst[0];

        /* one shard of a million: 44 bits vary */

        for (i = 0; i < KEYS; i++) {
            positions[i] = positions[i] >> 20 | 0xabcde00000000000ULL;
        }

        chi = chi_square(positions, migration);
        worst[1] = chi > worst[1] ? chi : worst[1];

        /* positions that only count, up from below and from above */

        for (i = 0; i < KEYS; i++) {
            positions[i] = i;
        }

        chi = chi_square(positions, migration);
        worst[2] = chi > worst[2] ? chi : worst[2];

        for (i = 0; i < KEYS; i++) {
            positions[i] = (uint64_t) i << 46;
        }

        chi = chi_square(positions, migration);
        worst[3] = chi > worst[3] ? chi : worst[3];

        for (i = 0; i < KEYS; i++) {
            beyond += shard_shift_point(positions[i], migration)
                      >= SHARD_BP_ALL;
        }
    }

    tap_is_int(beyond, 0, "points are below %d", SHARD_BP_ALL);
    tap_ok(worst[0] < 99 + 6 * 14.07, "random keys: chi-square %.1f",
           worst[0]);
    tap_ok(worst[1] < 99 + 6 * 14.07, "keys of one shard: chi-square %.1f",
           worst[1]);
    tap_ok(worst[2] < 99 + 6 * 14.07, "counted keys: chi-square %.1f",
           worst[2]);
    tap_ok(worst[3] < 99 + 6 * 14.07, "keys that differ above: %.1f",
           worst[3]);
}


/* two migrations of the same keys must not move the same ones first */

static void
test_independent(const uint64_t *positions, uint64_t *seed)
{
    double    deviation;
    unsigned  i, k, both, wrong;
    uint64_t  a, b;

    wrong = 0;

    for (k = 0; k < MIGRATIONS; k++) {
        a = tap_random(seed);
        b = k % 2 ? a + 1 : tap_random(seed);
        both = 0;

        for (i = 0; i < KEYS; i++) {
            both += shard_shift_point(positions[i], a) < SHARD_BP_ALL / 2
                    && shard_shift_point(positions[i], b) < SHARD_BP_ALL / 2;
        }

        deviation = sqrt(KEYS * 0.25 * 0.75);
        wrong += fabs(both - KEYS * 0.25) > 6 * deviation;
    }

    tap_is_int(wrong, 0, "migrations are independent of each other");
}


/*
 * Against a model: a naive list of keys in the order of their points.  The
 * shift walks at random; each time exactly the list's head has crossed, so
 * that keys cross once on the way up and return in reverse on the way down.
 */

static void
test_walk(const uint64_t *positions, uint64_t *seed)
{
    int          step;
    uint32_t     shift, next, i, head, wrong, moved, crossed;
    uint64_t     migration;
    uint8_t     *at_target;
    crossing_t  *model;

    model = malloc(KEYS * sizeof(crossing_t));
    at_target = calloc(1, KEYS);
    migration = tap_random(seed);
    wrong = 0;
    moved = 0;

    for (i = 0; i < KEYS; i++) {
        model[i].key = i;
        model[i].point = shard_shift_point(positions[i], migration);
    }

    qsort(model, KEYS, sizeof(crossing_t), compare);

    shift = 0;
    head = 0;

    for (step = 0; step < 300; step++) {
        next = step == 299 ? 0 : (uint32_t) (tap_random(seed)
                                             % (SHARD_BP_ALL + 1));

        for (i = 0; i < KEYS; i++) {
            crossed = shard_shift_point(positions[i], migration) < next;

            /* up: nobody returns; down: nobody crosses */

            wrong += next >= shift && at_target[i] && !crossed;
            wrong += next <= shift && !at_target[i] && crossed;
            moved += at_target[i] != crossed;
            at_target[i] = (uint8_t) crossed;
        }

        while (head < KEYS && model[head].point < next) {
            wrong += !at_target[model[head++].key];
        }

        while (head > 0 && model[head - 1].point >= next) {
            wrong += at_target[model[--head].key];
        }

        shift = next;
    }

    for (i = 0; i < KEYS; i++) {
        wrong += shard_shift_point(positions[i], migration) >= SHARD_BP_ALL;
        wrong += at_target[i];
    }

    tap_diag("%u crossings in 300 steps", moved);
    tap_is_int(wrong, 0, "crossing is sticky, monotone and taken back");
    tap_ok(moved > KEYS, "keys did cross");

    free(model);
    free(at_target);
}


int
main(void)
{
    unsigned   i;
    uint64_t   seed, *positions;

    positions = malloc(KEYS * sizeof(uint64_t));

    test_position();
    test_locate();
    test_holds();
    test_decision();

    seed = tap_seed(20261122);
    test_uniform(positions, &seed);

    for (i = 0; i < KEYS; i++) {
        positions[i] = tap_random(&seed);
    }

    test_independent(positions, &seed);
    test_walk(positions, &seed);

    free(positions);

    return tap_done();
}
