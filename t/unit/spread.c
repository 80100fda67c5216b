
/* the distribution of a shard against exact counts of the same stream */

#include "shard_spread.h"

#include "../lib/tap.h"


#define KEYS     4000
#define STREAM   120000
#define SLACK    1e-6            /* of the mass: sums in another order */


typedef struct {
    uint64_t  position;
    uint64_t  key;
    double    mass;
} truth_t;

static truth_t         truth[KEYS];
static shard_spread_t  s;


static double
uniform(uint64_t *seed)
{
    return (double) (tap_random(seed) >> 11) / 9007199254740992.0;
}


/* a number of 0 to n - 1, i with a probability as 1 / (i + 1) */

static unsigned
zipf(uint64_t *seed, unsigned n)
{
    unsigned  i;

    i = (unsigned) (pow((double) n + 1, uniform(seed)) - 1);

    return i < n ? i : n - 1;
}


/* positions within "width", 0: all there are */

static void
stream(uint64_t *seed, uint64_t width, int decayed)
{
    double    w, total;
    unsigned  i, k;

    for (i = 0; i < KEYS; i++) {
        truth[i].key = tap_random(seed);
        truth[i].position = width ? tap_random(seed) % width : truth[i].key;
        truth[i].mass = 0;
    }

    shard_spread_init(&s, 0, 0);
    total = 0;

    for (i = 0; i < STREAM; i++) {
        k = zipf(seed, KEYS);
        w = (double) (1 + tap_random(seed) % 31);

        shard_spread_add(&s, truth[k].position, truth[k].key, w, 0);
        truth[k].mass += w;
        total += w;

        if (decayed && i % 97 == 96) {
            shard_spread_decay(&s, 0.995);
            total *= 0.995;

            for (k = 0; k < KEYS; k++) {
                truth[k].mass *= 0.995;
            }
        }
    }

    tap_ok(fabs(s.mass - total) <= SLACK * total, "mass %.1f, is %.1f",
           s.mass, total);
}


static void
check_keys(const char *what)
{
    double    most, error;
    unsigned  i, j, wrong, heaviest;

    wrong = 0;
    most = 0;
    error = 0;
    heaviest = 0;

    for (i = 0; i < KEYS; i++) {

        for (j = 0; j < s.nkeys && s.keys[j].key != truth[i].key; j++) {
            /* void */
        }

        if (truth[i].mass > truth[heaviest].mass) {
            heaviest = i;
        }

        if (j == s.nkeys) {
            most = fmax(most, truth[i].mass);
            continue;
        }

        wrong += truth[i].mass > s.keys[j].count + SLACK * s.mass
                 || truth[i].mass < s.keys[j].count - s.keys[j].error
                                    - SLACK * s.mass
                 || s.keys[j].position != truth[i].position;
        error = fmax(error, s.keys[j].error);
    }

    for (j = 0; j < s.nkeys; j++) {

        if (s.keys[j].key == truth[heaviest].key) {
            break;
        }
    }

    tap_is_int(wrong, 0, "%s: keys' loads are within their bounds", what);
    tap_ok(most <= s.floor + SLACK * s.mass, "%s: a key left out has %.0f, "
           "at most %.0f", what, most, s.floor);
    tap_ok(error <= s.mass / SHARD_SPREAD_KEYS * (1 + SLACK),
           "%s: the worst error is %.4f of all, at most 1/32", what,
           error / s.mass);
    tap_ok(j < s.nkeys, "%s: the heaviest key is there", what);
}


static double
true_below(uint64_t position)
{
    double    sum;
    unsigned  i;

    for (i = 0, sum = 0; i < KEYS; i++) {
        sum += truth[i].position < position ? truth[i].mass : 0;
    }

    return sum;
}


static void
check_below(uint64_t *seed, double slack, const char *what)
{
    double                below, worst, doubt;
    unsigned              i, wrong;
    uint64_t              x;
    shard_spread_below_t  got;

    wrong = 0;
    worst = 0;
    doubt = 0;

    for (i = 0; i < 1000; i++) {
        x = truth[tap_random(seed) % KEYS].position + tap_random(seed) % 3;
        below = true_below(x);
        shard_spread_below(&s, x, &got);

        wrong += below < got.least - slack * s.mass
                 || below > got.most + slack * s.mass;
        worst = fmax(worst, fabs(below - got.load) / s.mass);
        doubt = fmax(doubt, (got.most - got.least) / s.mass);
    }

    tap_is_int(wrong, 0, "%s: load below a position is within its bounds",
               what);
    tap_ok(worst < 0.02, "%s: and said with an error of %.4f at most", what,
           worst);
    tap_ok(doubt < 0.1, "%s: where the bounds leave %.4f open", what, doubt);

    shard_spread_settle(&s);
    tap_ok(s.n <= SHARD_SPREAD_MERGED, "%s: %u pieces", what, s.n);
}


static void
test_stream(uint64_t *seed, uint64_t width, int decayed, const char *what)
{
    stream(seed, width, decayed);
    check_keys(what);
    check_below(seed, SLACK, what);
}


static unsigned
total_differs(const shard_spread_t *a, double mass)
{
    return fabs(a->mass - mass) > SLACK * mass;
}


/* split at a position, join again */

static void
test_parts(uint64_t *seed)
{
    double                 mass, part;
    unsigned               i, wrong;
    uint64_t               cut;
    shard_spread_t         left, right;
    shard_spread_below_t   got;

    stream(seed, 0, 0);
    mass = s.mass;
    cut = 0x5555555555555555ULL;
    part = true_below(cut);

    left = s;
    right = s;
    shard_spread_clip(&left, 0, cut - 1);
    shard_spread_clip(&right, cut, UINT64_MAX);

    tap_ok(!total_differs(&s, mass) && fabs(left.mass + right.mass - mass)
           <= SLACK * mass, "two parts are the whole");
    tap_ok(fabs(left.mass - part) < 0.02 * mass, "the left has %.4f, is %.4f",
           left.mass / mass, part / mass);

    wrong = 0;

    for (i = 0; i < left.n; i++) {
        wrong += left.clusters[i].hi >= cut;
    }

    for (i = 0; i < left.nkeys; i++) {
        wrong += left.keys[i].position >= cut;
    }

    for (i = 0; i < right.nkeys; i++) {
        wrong += right.keys[i].position < cut;
    }

    tap_is_int(wrong, 0, "nothing is on the wrong side");

    shard_spread_join(&left, &right);
    s = left;

    tap_ok(fabs(s.mass - mass) <= SLACK * mass, "joined, it is all there");
    check_keys("joined");
    check_below(seed, 1.0 / SHARD_SPREAD_PARTS, "joined");

    shard_spread_clip(&s, cut, cut);
    shard_spread_below(&s, UINT64_MAX, &got);
    tap_ok(s.n == 0 || got.most <= 0.02 * mass, "a part of one position");
}


static void
test_decay(void)
{
    unsigned  i;

    shard_spread_init(&s, 3, 17);

    for (i = 0; i < 1000; i++) {
        shard_spread_add(&s, i, i, 16, i % 2);
    }

    shard_spread_decay(&s, 0.5);
    tap_is_dbl(s.mass, 8000, 1e-6, "half of it");
    tap_is_dbl(s.squares, 1000 * 16 * 16 / 4.0, 1e-6, "a quarter of squares");

    for (i = 0; i < 200; i++) {
        shard_spread_decay(&s, 0.5);
    }

    tap_ok(s.mass <= 0 && s.n == 0 && s.nkeys == 0, "next to nothing is none");
    tap_ok(s.skip == 3 && s.at_s >= 17, "of the same frame and time");
}


/* "2026-01" to "2026-02" becomes "2026-01-1" to "2026-01-2", and back */

static void
test_frame(void)
{
    unsigned               i;
    shard_str_t            text = shard_string("2026-01-1");
    shard_spread_t         was;
    shard_spread_below_t   got;

    shard_spread_init(&s, 6, 0);

    for (i = 0; i < 100; i++) {

        /* "1-15" and 4 more bytes; "1-25" is not of the part */

        shard_spread_add(&s, 0x312d313530303030ULL + i, i, 10, 0);
        shard_spread_add(&s, 0x312d323530303030ULL + i, 1000 + i, 10, 0);
    }

    was = s;
    shard_spread_frame(&s, 8, text);
    shard_spread_below(&s, UINT64_MAX, &got);

    tap_is_dbl(got.load, 2000, 1, "two bytes deeper: both begin with them");

    shard_spread_frame(&s, 9, text);
    tap_is_dbl(s.mass, 1000, 1, "one deeper: half of it does not");
    shard_spread_below(&s, 0x3530303030000000ULL, &got);
    tap_is_dbl(got.load, 0, 1, "all of it behind the bytes left");
    shard_spread_below(&s, 0x3530303100000000ULL, &got);
    tap_is_dbl(got.load, 1000, 1, "and in front of the next");

    shard_spread_frame(&s, 6, text);
    shard_spread_below(&s, 0x312d313530303000ULL, &got);
    tap_is_dbl(got.load, 0, 1, "back again: where it was");
    shard_spread_below(&s, 0x312d313530303100ULL, &got);
    tap_is_dbl(got.load, 1000, 1, "as far as it was known");

    s = was;
    shard_spread_frame(&s, 20, text);
    tap_ok(s.n == 0, "behind what no key begins with: nothing");

    shard_spread_init(&s, 6, 0);
    shard_spread_add(&s, 0x312d310000000000ULL, 1, 10, 0);
    shard_spread_frame(&s, 15, text);
    shard_spread_below(&s, UINT64_MAX, &got);
    tap_ok(got.least <= 0 && got.most >= 9.9, "behind all that is known: "
           "anywhere");
    shard_spread_frame(&s, 0, text);
    shard_spread_below(&s, 0x323032362d30312eULL, &got);
    tap_is_dbl(got.least, 10, 0.1, "8 bytes in front: one position");
}


static void
test_codec(uint64_t *seed)
{
    int                   i, taken, wrong;
    char                  err[SHARD_ERR_SIZE], buf[SHARD_SPREAD_STORED],
                          again[SHARD_SPREAD_STORED];
    size_t                len, n;
    unsigned              j;
    shard_str_t           text;
    shard_spread_t        got;

    stream(seed, 0, 1);
    s.skip = 7;
    s.at_s = 1780272000.5;

    len = shard_spread_encode(&s, buf);
    tap_ok(len <= SHARD_SPREAD_STORED, "%zu bytes stored", len);

    text.data = buf;
    text.len = len;

    if (!tap_is_int(shard_spread_decode(text, &got, err), SHARD_OK, "read"))
    {
        tap_diag("%s", err);
        return;
    }

    wrong = got.n != s.n || got.nkeys != s.nkeys || got.skip != 7
            || fabs(got.at_s - s.at_s) > 0
            || fabs(got.mass - s.mass) > 1e-5 * s.mass
            || fabs(got.squares - s.squares) > 1e-5 * s.squares;

    for (j = 0; j < s.n; j++) {
        wrong += got.clusters[j].lo != s.clusters[j].lo
                 || got.clusters[j].hi != s.clusters[j].hi
                 || fabs(got.clusters[j].mass - s.clusters[j].mass)
                    > 1e-6 * s.clusters[j].mass;
    }

    for (j = 0; j < s.nkeys; j++) {
        wrong += got.keys[j].key != s.keys[j].key
                 || got.keys[j].position != s.keys[j].position;
    }

    tap_is_int(wrong, 0, "as it was");
    tap_ok(shard_spread_encode(&got, again) == len
           && memcmp(buf, again, len) == 0, "and the same bytes again");

    taken = 0;

    for (n = 0; n < len; n++) {
        text.len = n;
        taken += shard_spread_decode(text, &got, err) == SHARD_OK;
    }

    tap_is_int(taken, 0, "none of %zu truncations is taken", len);
    text.len = len;

    for (i = 0, wrong = 0; i < 50000; i++) {
        memcpy(again, buf, len);
        again[tap_random(seed) % (i % 2 ? len : 64)]
            ^= (char) (1 << tap_random(seed) % 8);
        text.data = again;
        err[0] = '\0';

        if (shard_spread_decode(text, &got, err) == SHARD_OK) {
            shard_spread_settle(&got);
            taken++;

        } else {
            wrong += err[0] == '\0';
        }
    }

    tap_diag("%d of 50000 damaged ones were still good", taken);
    tap_is_int(wrong, 0, "the others were refused with a reason");
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261126);

    test_stream(&seed, 0, 0, "hash");
    test_stream(&seed, 0, 1, "hash, decayed");
    test_stream(&seed, 1000000, 1, "small numbers");
    test_stream(&seed, 40, 1, "40 positions");
    test_parts(&seed);
    test_decay();
    test_frame();
    test_codec(&seed);

    return tap_done();
}
