
/* cuts and shares of keys, with their errors, against what they are of */

#include "../lib/tap.h"
#include "../../predictor/spread_cut.h"


#define KEYS    3000
#define ROUNDS  200


static uint64_t        position[KEYS];
static double          share[KEYS];
static shard_spread_t  s;

static const predictor_range_t  all = { 0, UINT64_MAX };


static double
uniform(uint64_t *seed)
{
    return (double) (tap_random(seed) >> 11) / 9007199254740992.0;
}


/* keys with shares as 1 / i^a, anywhere in the range */

static void
keys(uint64_t *seed, double a)
{
    double    sum;
    unsigned  i;

    for (i = 0, sum = 0; i < KEYS; i++) {
        position[i] = tap_random(seed);
        share[i] = 1 / pow(i + 1, a);
        sum += share[i];
    }

    for (i = 0; i < KEYS; i++) {
        share[i] /= sum;
    }
}


/* n samples of them, for 16 requests each more or less */

static void
sample(uint64_t *seed, unsigned n)
{
    double    u;
    unsigned  i, k;

    shard_spread_init(&s, 0, 0);

    for (i = 0; i < n; i++) {

        for (u = uniform(seed), k = 0; k < KEYS - 1 && u > share[k]; k++) {
            u -= share[k];
        }

        shard_spread_add(&s, position[k], position[k],
                         (double) (1 + tap_random(seed) % 31), k % 2);
    }

    shard_spread_settle(&s);
}


static double
true_left(uint64_t x)
{
    double    sum;
    unsigned  k;

    for (k = 0, sum = 0; k < KEYS; k++) {
        sum += position[k] < x ? share[k] : 0;
    }

    return sum;
}


/* how often the truth is within what is said, in ROUNDS of them */

static void
test_errors(uint64_t *seed, double a, unsigned n)
{
    int                 in_cut, in_key, known, best;
    double              off, said;
    unsigned            i, j, order[SHARD_SPREAD_KEYS];
    predictor_cut_t     cut;
    predictor_share_t   key;

    in_cut = 0;
    in_key = 0;
    known = 0;
    best = 0;
    off = 0;
    said = 0;

    for (i = 0; i < ROUNDS; i++) {
        keys(seed, a);
        sample(seed, n);

        if (predictor_spread_cut(&s, &all, &cut) != SHARD_OK) {
            continue;
        }

        off += fabs(cut.left - true_left(cut.position)) / ROUNDS;
        said += cut.error / ROUNDS;
        in_cut += fabs(cut.left - true_left(cut.position)) <= cut.error;

        predictor_spread_rank(&s, order);
        best += s.keys[order[0]].key == position[0];

        for (j = 0; j < s.nkeys && s.keys[j].key != position[0]; j++) {
            /* void */
        }

        if (j < s.nkeys) {
            known++;
            key = predictor_spread_share(&s, j);
            in_key += fabs(key.share - share[0]) <= key.error;
        }
    }

    tap_diag("Zipf %.1f, %u samples: the cut is off by %.4f, said are %.4f",
             a, n, off, said);
    tap_ok(in_cut >= ROUNDS * 90 / 100, "Zipf %.1f, %u samples: %d of %d cuts "
           "within their error", a, n, in_cut, ROUNDS);
    tap_ok(in_key >= known * 90 / 100, "the heaviest key's share: %d of %d "
           "within its error", in_key, known);

    /* one of less than 1/32 may be left out: nothing is said of it */

    tap_ok(share[0] < 1.0 / SHARD_SPREAD_KEYS || best >= ROUNDS * 90 / 100,
           "it is the first of them: %d", best);
    tap_ok(said < 0.6 / sqrt(n) * 3 + 0.05, "errors say something");
}


static void
test_hot(uint64_t *seed)
{
    unsigned         i;
    predictor_cut_t  cut;

    shard_spread_init(&s, 0, 0);

    for (i = 0; i < 2000; i++) {
        shard_spread_add(&s, i % 10 < 7 ? 1ULL << 62 : tap_random(seed),
                         i % 10 < 7 ? 1 : i, 16, 0);
    }

    tap_is_int(predictor_spread_cut(&s, &all, &cut), SHARD_OK, "70 %% a key");
    tap_ok(cut.hot >= 0 && s.keys[cut.hot].key == 1, "it is told");
    tap_ok(cut.position == 1ULL << 62 || cut.position == (1ULL << 62) + 1,
           "the cut is beside it");
    tap_ok(fabs(cut.left - 0.5) > 0.2, "and halves nothing: %.3f", cut.left);

    shard_spread_init(&s, 0, 0);

    for (i = 0; i < 2000; i++) {
        shard_spread_add(&s, 1000 + i % 2, i % 2, 16, 0);
    }

    tap_is_int(predictor_spread_cut(&s, &all, &cut), SHARD_OK, "two keys");
    tap_is_dbl(cut.left, 0.5, 1e-9, "half each");
    tap_ok(cut.position == 1001 && cut.hot < 0, "cut between them");
}


static void
test_none(void)
{
    int                       i;
    char                      buf[PREDICTOR_SPREAD_JSON];
    predictor_cut_t           cut;
    const predictor_range_t   point = { 5, 5 };

    shard_spread_init(&s, 0, 0);
    tap_is_int(predictor_spread_cut(&s, &all, &cut), SHARD_AGAIN,
               "no samples, no cut");
    tap_is_int((int) predictor_spread_json(&s, NULL, buf), 0, "nor a word");

    shard_spread_add(&s, 5, 5, 16, 1);
    tap_is_int(predictor_spread_cut(&s, &point, &cut), SHARD_AGAIN,
               "one position cannot be cut");
    tap_ok(predictor_spread_json(&s, NULL, buf) > 0
           && strstr(buf, "\"cut\"") == NULL
           && strstr(buf, "\"heavy_keys\":0,\"keys\":[]") != NULL, "%s", buf);

    for (i = 0; i < 99; i++) {
        shard_spread_add(&s, 5, 5, 16, 1);
    }

    tap_ok(predictor_spread_json(&s, NULL, buf) > 0
           && strstr(buf, "\"heavy_keys\":1,") != NULL
           && strstr(buf, "\"writes\":1.000") != NULL, "%s", buf);
}


/* five keys heavier than a thousand others: these are not named */

static void
test_heavy(void)
{
    char      buf[PREDICTOR_SPREAD_JSON];
    unsigned  i, n, order[SHARD_SPREAD_KEYS];

    shard_spread_init(&s, 0, 0);

    for (i = 0; i < 4000; i++) {
        shard_spread_add(&s, i % 5, i % 5, 16, 0);
        shard_spread_add(&s, 100 + i % 1000, 100 + i % 1000, 16, 0);
    }

    n = predictor_spread_heavy(&s, order);
    tap_is_int(n, 5, "heavy ones");

    for (i = 0; i < n; i++) {
        n = s.keys[order[i]].position < 5 ? n : 0;
    }

    tap_is_int(n, 5, "and no other");
    tap_ok(predictor_spread_json(&s, NULL, buf) < sizeof(buf)
           && strstr(buf, "\"heavy_keys\":5,") != NULL, "said: %.80s", buf);

    shard_spread_init(&s, 0, 0);

    for (i = 0; i < 8000; i++) {
        shard_spread_add(&s, i, i, 16, 0);
    }

    tap_is_int(predictor_spread_heavy(&s, order), 0, "none of many alike");
}


static void
test_bars(uint64_t *seed)
{
    double             bars[PREDICTOR_SPREAD_BARS], sum;
    unsigned           i, wrong;
    predictor_range_t  range;

    shard_spread_init(&s, 0, 0);

    for (i = 0; i < 6400; i++) {
        shard_spread_add(&s, tap_random(seed), i, 16, 0);
    }

    range = all;
    predictor_spread_bars(&s, &range, bars, PREDICTOR_SPREAD_BARS);

    for (i = 0, sum = 0, wrong = 0; i < PREDICTOR_SPREAD_BARS; i++) {
        sum += bars[i];
        wrong += bars[i] < 0.5 / 64 || bars[i] > 2.0 / 64;
    }

    tap_is_dbl(sum, 1, 1e-6, "bars are all of it");
    tap_is_int(wrong, 0, "even ones of an even load");
    tap_ok(range.lo == 0 && range.last == UINT64_MAX, "of all the range");

    shard_spread_init(&s, 0, 0);

    for (i = 0; i < 6400; i++) {
        shard_spread_add(&s, 1000 + tap_random(seed) % 1000, i, 16, 0);
    }

    predictor_spread_bars(&s, &range, bars, PREDICTOR_SPREAD_BARS);

    for (i = 0, wrong = 0; i < PREDICTOR_SPREAD_BARS - 2; i++) {
        wrong += bars[i] < 0.4 / 64 || bars[i] > 2.5 / 64;
    }

    tap_is_int(wrong, 0, "of a small part of the range: nearer");
    tap_ok(range.lo >= 1000 && range.last < 2000, "as it says");
}


static void
test_range(void)
{
    unsigned           skip;
    shard_record_t     rec;
    predictor_range_t  r;

    memset(&rec, 0, sizeof(rec));
    rec.lo = 0x4000000000000000ULL;
    r = predictor_spread_range(&rec, &skip);
    tap_ok(r.lo == rec.lo && r.last == UINT64_MAX && skip == 0,
           "to the end of the keyspace");

    rec.kind = SHARD_KIND_RANGE_BYTES;
    rec.lo_text.len = 7;
    memcpy(rec.lo_text.data, "2026-01", 7);
    rec.hi_text.len = 7;
    memcpy(rec.hi_text.data, "2026-02", 7);
    r = predictor_spread_range(&rec, &skip);
    tap_ok(skip == 6 && r.lo == 0x31ULL << 56 && r.last == (0x32ULL << 56) - 1,
           "a month");

    rec.hi_text.len = 0;
    r = predictor_spread_range(&rec, &skip);
    tap_ok(skip == 0 && r.lo == 0x323032362d303100ULL && r.last == UINT64_MAX,
           "to the end of all names");

    rec.lo_text.len = 1;
    rec.hi_text.len = 2;
    memcpy(rec.lo_text.data, "a", 1);
    memcpy(rec.hi_text.data, "a\0", 2);
    r = predictor_spread_range(&rec, &skip);
    tap_ok(skip == 1 && r.lo == 0 && r.last == 0, "a shard of one key");
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261126);

    test_errors(&seed, 1.1, 300);
    test_errors(&seed, 1.1, 5000);
    test_errors(&seed, 0.6, 2000);
    test_errors(&seed, 1.6, 2000);
    test_hot(&seed);
    test_none();
    test_heavy();
    test_bars(&seed);
    test_range();

    return tap_done();
}
