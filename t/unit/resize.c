
/*
 * How many shards: known situations, then a fleet that lives for months with
 * its decisions carried out, with a printed seed.
 */

#include "../lib/tap.h"
#include "../../predictor/resize.h"


#define SHARDS  512
#define OUT     64
#define DAY     96
#define SEASON  (7 * DAY)
#define DAYS    70


static predictor_resize_shard_t  s[SHARDS];
static predictor_resize_t        out[OUT];
static predictor_resizing_t      r;
static uint8_t                   taken[SHARDS];


static double
uniform(uint64_t *seed)
{
    return (double) (tap_random(seed) >> 11) / 9007199254740992.0;
}


static void
shard(uint32_t i, double peak)
{
    memset(&s[i], 0, sizeof(s[i]));
    s[i].peak = peak;
    s[i].most = peak;
    s[i].age_s = INFINITY;
    s[i].next = i + 1 < r.nshards ? i + 1 : PREDICTOR_RESIZE_NONE_NEXT;
    s[i].range.lo = i * 1000;
    s[i].range.last = i * 1000 + 999;
    s[i].known = 1;
    s[i].cut.position = i * 1000 + 500;
    s[i].cut.left = 0.5;
    s[i].cut.error = 0.05;
    s[i].cut.hot = -1;
}


/* of 100 requests a second on the smallest node: split above 25, merged
 * below 3 */

static void
fleet(uint32_t n, double peak)
{
    uint32_t  i;

    memset(&r, 0, sizeof(r));
    r.limits.capacity = 100;
    r.limits.hi = 0.25;
    r.limits.lo = 0.03;
    r.limits.min = 1;
    r.limits.max = SHARDS;
    r.limits.season_s = 604800;
    r.nshards = n;
    r.shards = s;
    r.taken = taken;

    for (i = 0; i < n; i++) {
        shard(i, peak);
    }
}


static uint32_t
resize(void)
{
    return predictor_resize(&r, out, OUT);
}


static void
key(uint32_t i, double share, double error, double writes, uint64_t at)
{
    s[i].key.share = share;
    s[i].key.error = error;
    s[i].key.writes = writes;
    s[i].key_at = at;
    s[i].cut.left = share > 0.5 ? 1 - share : s[i].cut.left;
    s[i].cut.error = 0.1;
    s[i].cut.hot = share - error > 0.5 ? 0 : -1;
}


static void
is(predictor_resize_e verb, predictor_resize_why_e why, const char *what)
{
    uint32_t  n;

    n = resize();
    tap_ok(n == 1 && out[0].verb == verb && out[0].why == why,
           "%s: %s, %s", what, n ? predictor_resize_verbs[out[0].verb] : "-",
           n ? predictor_resize_whys[out[0].why] : "-");
}


static int
descending(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return x < y ? 1 : x > y ? -1 : 0;
}


static void
test_peak(uint64_t seed)
{
    double    y[200], sorted[200];
    uint32_t  i, k, n, bad;

    for (k = 0, bad = 0; k < 500; k++) {
        n = 1 + (uint32_t) (tap_random(&seed) % 200);

        for (i = 0; i < n; i++) {
            y[i] = sorted[i] = floor(20 * uniform(&seed));
        }

        qsort(sorted, n, sizeof(double), descending);
        i = 1 + (uint32_t) (tap_random(&seed) % n);
        bad += predictor_resize_peak(y, n, i) != sorted[i - 1];
        bad += predictor_resize_peak(y, n, n + 1) != 0;
    }

    tap_is_int(bad, 0, "the peak is the last of the highest ones");

    y[0] = NAN;
    y[1] = 7;
    y[2] = INFINITY;
    tap_is_dbl(predictor_resize_peak(y, 3, 1), 7, 0, "what is no number does "
               "not count");
    tap_is_dbl(predictor_resize_peak(y, 3, 2), 0, 0, "and one is not two");
}


static void
test_split(void)
{
    fleet(4, 20);
    tap_is_int(resize(), 0, "nobody is above hi or below lo");
    tap_is_int(r.wanted, 4, "so many are wanted");

    shard(1, 60);
    is(PREDICTOR_RESIZE_SPLIT, PREDICTOR_RESIZE_HIGH, "above hi");
    tap_is_int((long) out[0].cut, 1500, "where the cut is");
    tap_is_dbl(out[0].after, 33, 1e-9, "the larger part, at worst");
    tap_is_int(out[0].parts, 4, "four parts in the end");
    tap_is_int(r.wanted, 7, "and seven shards");

    s[1].cut.left = 0.3;
    s[1].cut.error = 0.1;
    is(PREDICTOR_RESIZE_NOTHING, PREDICTOR_RESIZE_UNEVEN, "0.7 and 0.1");
    s[1].cut.error = NAN;
    is(PREDICTOR_RESIZE_NOTHING, PREDICTOR_RESIZE_UNEVEN, "an odd error");

    s[1].known = 0;
    is(PREDICTOR_RESIZE_NOTHING, PREDICTOR_RESIZE_UNKNOWN, "no samples");
    s[1].whole = 1;
    is(PREDICTOR_RESIZE_NOTHING, PREDICTOR_RESIZE_WHOLE, "one unit");

    shard(1, 60);
    s[1].fixed = 1;
    tap_is_int(resize(), 0, "fixed: not looked at");

    shard(1, 60);
    r.limits.max = 4;
    is(PREDICTOR_RESIZE_NOTHING, PREDICTOR_RESIZE_FULL, "shards_max");
    tap_is_int(r.wanted, 4, "no more are wanted either");

    /* the highest first, as far as there is room */

    r.limits.max = 5;
    shard(2, 70);
    tap_is_int(resize(), 2, "two above hi");
    tap_ok(out[0].shard == 2 && out[0].verb == PREDICTOR_RESIZE_SPLIT
           && out[1].shard == 1 && out[1].why == PREDICTOR_RESIZE_FULL,
           "room for one: the higher one");
}


static void
test_key(void)
{
    fleet(4, 20);
    shard(1, 60);
    key(1, 0.6, 0.05, 0.5, 1200);
    is(PREDICTOR_RESIZE_ISOLATE, PREDICTOR_RESIZE_HOT_KEY, "one hot key");
    tap_ok(out[0].cut == 1200 && out[0].end == 1201, "cut around it");
    tap_is_dbl(out[0].left, 0.6, 1e-9, "its share");
    tap_is_dbl(out[0].after, 39, 1e-9, "the larger part, at worst");

    key(1, 0.6, 0.05, 0.5, 1000);
    (void) resize();
    tap_ok(out[0].cut == 0 && out[0].end == 1001, "the first position");
    key(1, 0.6, 0.05, 0.5, 1999);
    (void) resize();
    tap_ok(out[0].cut == 1999 && out[0].end == 0, "the last one");

    /* two of them: nothing is said of which is which */

    key(1, 0.45, 0.2, 0, 1200);
    s[1].cut.left = 0.45;
    s[1].cut.error = 0.2;
    is(PREDICTOR_RESIZE_NOTHING, PREDICTOR_RESIZE_UNEVEN, "an uncertain key");

    key(1, 0.45, 0.05, 0, 1200);
    s[1].cut.left = 0.45;
    s[1].cut.error = 0.05;
    is(PREDICTOR_RESIZE_SPLIT, PREDICTOR_RESIZE_HIGH, "a heavy key beside the "
       "cut");

    key(1, 0.9, 0.03, 0.1, 1200);
    is(PREDICTOR_RESIZE_REPLICAS, PREDICTOR_RESIZE_READS, "next to nothing "
       "beside it");
    key(1, 0.9, 0.03, 0.3, 1200);
    is(PREDICTOR_RESIZE_NOTHING, PREDICTOR_RESIZE_WRITES, "and it writes");

    key(1, 1, 0, 0, 1000);
    s[1].whole = 1;
    is(PREDICTOR_RESIZE_REPLICAS, PREDICTOR_RESIZE_READS, "isolated already");

    r.limits.max = 5;
    s[1].whole = 0;
    key(1, 0.6, 0.05, 0.5, 1200);
    is(PREDICTOR_RESIZE_NOTHING, PREDICTOR_RESIZE_FULL, "room for one part, "
       "not two");
}


static void
test_merge(void)
{
    fleet(6, 20);
    shard(2, 1);
    shard(3, 1.5);
    shard(4, 0.4);
    is(PREDICTOR_RESIZE_MERGE, PREDICTOR_RESIZE_COLD, "cold neighbours");
    tap_ok(out[0].shard == 3 && out[0].with == 4, "the coldest pair");
    tap_is_dbl(out[0].after, 1.9, 1e-9, "their load together");
    tap_is_int(r.wanted, 5, "so many are wanted");

    r.limits.min = 6;
    tap_is_int(resize(), 0, "not below shards_min");
    r.limits.min = 1;
}


static void
test_rest(void)
{
    fleet(6, 20);
    shard(2, 1);
    shard(3, 1);
    s[3].most = 2.7;
    tap_is_int(resize(), 0, "an hour above lo in a season");
    s[3].most = NAN;
    tap_is_int(resize(), 0, "no whole season");
    s[3].most = 1;
    s[3].fixed = 1;
    tap_is_int(resize(), 0, "fixed");
    s[3].fixed = 0;
    s[2].next = 5;
    tap_is_int(resize(), 0, "no neighbour that is cold");
    s[2].next = 3;

    s[3].born = PREDICTOR_RESIZE_BY_SPLIT;
    s[3].age_s = 604799;
    tap_is_int(resize(), 0, "split within a season");
    s[3].age_s = 604800;
    tap_is_int(resize(), 1, "then it may be merged");

    shard(3, 60);
    s[3].born = PREDICTOR_RESIZE_BY_MERGE;
    s[3].age_s = 86400;
    is(PREDICTOR_RESIZE_NOTHING, PREDICTOR_RESIZE_RESTS, "merged within a "
       "season");
    shard(3, 101);
    s[3].born = PREDICTOR_RESIZE_BY_MERGE;
    s[3].age_s = 86400;
    is(PREDICTOR_RESIZE_SPLIT, PREDICTOR_RESIZE_HIGH, "but no node could "
       "bear it");
    s[3].born = PREDICTOR_RESIZE_BY_SPLIT;
    is(PREDICTOR_RESIZE_SPLIT, PREDICTOR_RESIZE_HIGH, "halves of halves at "
       "once");

    r.limits.capacity = 0;
    tap_is_int(resize(), 0, "no node is up");
    r.nshards = 0;
    tap_is_int(resize(), 0, "no shards");
}


/*
 * A fleet that lives: a piece of the keys has a load with a day in it, noise
 * and a weekend; shards are pieces next to each other.
 */

#define PIECES  1024

static double    piece[PIECES], level[PIECES];
static uint32_t  begins[SHARDS];                /* pieces */
static double    since[SHARDS];                 /* days */
static predictor_resize_born_e  born[SHARDS];
static int       was[PIECES];                   /* day of the last change that
                                                   cut (+) or joined (-) here */
static float     record[PIECES][SEASON];


static uint32_t
ends(uint32_t i)
{
    return i + 1 < r.nshards ? begins[i + 1] : PIECES;
}


static void
live(uint64_t *seed, uint32_t day)
{
    double    hour, noise;
    uint32_t  k, t;

    for (t = 0; t < DAY; t++) {
        hour = 1.2 - cos(2 * M_PI * t / DAY);
        hour *= day % 7 > 4 ? 0.5 : 1;

        for (k = 0; k < PIECES; k++) {
            noise = 0.95 + 0.1 * uniform(seed);
            record[k][(day * DAY + t) % SEASON] =
                                         (float) (level[k] * hour * noise);
        }
    }
}


static void
see(uint32_t day)
{
    double           sum[SEASON], half;
    uint32_t         i, k, t;

    for (i = 0; i < r.nshards; i++) {
        shard(i, 0);
        memset(sum, 0, sizeof(sum));

        for (k = begins[i], half = 0; k < ends(i); k++) {
            piece[k] = 0;

            for (t = 0; t < SEASON; t++) {
                sum[t] += record[k][t];
                piece[k] += record[k][t];
            }

            half += piece[k];
        }

        s[i].peak = predictor_resize_peak(sum, SEASON, 2);
        s[i].most = predictor_resize_peak(sum, SEASON, 1);
        s[i].age_s = (day - since[i]) * 86400;
        s[i].born = born[i];
        s[i].range.lo = begins[i];
        s[i].range.last = ends(i) - 1;
        s[i].whole = ends(i) - begins[i] < 2;
        s[i].known = !s[i].whole;
        s[i].cut.left = 0;

        for (k = begins[i]; k + 1 < ends(i)
                            && s[i].cut.left + piece[k] / half / 2 < 0.5; k++)
        {
            s[i].cut.left += piece[k] / half;
        }

        s[i].cut.position = k > begins[i] ? k : begins[i] + 1;
    }
}


static void
put(uint32_t i, uint32_t at, uint32_t day)
{
    memmove(&begins[i + 2], &begins[i + 1],
            (r.nshards - i - 1) * sizeof(begins[0]));
    memmove(&since[i + 2], &since[i + 1],
            (r.nshards - i - 1) * sizeof(since[0]));
    memmove(&born[i + 2], &born[i + 1],
            (r.nshards - i - 1) * sizeof(born[0]));
    begins[i + 1] = at;
    r.nshards++;
    since[i] = since[i + 1] = day;
    born[i] = born[i + 1] = PREDICTOR_RESIZE_BY_SPLIT;
}


static void
join(uint32_t i, uint32_t day)
{
    r.nshards--;
    memmove(&begins[i + 1], &begins[i + 2],
            (r.nshards - i - 1) * sizeof(begins[0]));
    memmove(&since[i + 1], &since[i + 2],
            (r.nshards - i - 1) * sizeof(since[0]));
    memmove(&born[i + 1], &born[i + 2],
            (r.nshards - i - 1) * sizeof(born[0]));
    since[i] = day;
    born[i] = PREDICTOR_RESIZE_BY_MERGE;
}


/* one decision of the first of each kind a day; how many were back */

static uint32_t
act(uint32_t n, uint32_t day, uint32_t *splits, uint32_t *merges)
{
    int       at;
    uint32_t  i, back;

    for (i = 0, back = 0; i < n; i++) {

        if (out[i].verb == PREDICTOR_RESIZE_SPLIT) {
            at = (int) out[i].cut;
            back += was[at] < 0 && (int) day + was[at] < 7
                    && out[i].peak <= r.limits.capacity;
            was[at] = (int) day;
            put(out[i].shard, (uint32_t) at, day);
            (*splits)++;
            break;
        }

        if (out[i].verb == PREDICTOR_RESIZE_MERGE) {
            at = (int) begins[out[i].with];
            back += was[at] > 0 && (int) day - was[at] < 7;
            was[at] = -(int) day;
            join(out[i].shard, day);
            (*merges)++;
            break;
        }
    }

    return back;
}


static void
test_life(uint64_t seed, int wild)
{
    double    factor;
    uint32_t  i, day, n, splits, merges, back, late, bounds, first;

    factor = 0;
    fleet(48, 0);
    r.limits.min = 8;
    r.limits.max = 96;
    memset(was, 0, sizeof(was));
    splits = merges = back = late = bounds = 0;

    for (i = 0; i < PIECES; i++) {
        level[i] = 0.02 * exp(3 * uniform(&seed) * (i > PIECES / 2));
    }

    for (i = 0; i < r.nshards; i++) {
        begins[i] = i * PIECES / r.nshards;
        since[i] = -100;
        born[i] = PREDICTOR_RESIZE_OLD;
    }

    for (day = 0; day < 7; day++) {
        live(&seed, day);
    }

    first = 0;

    for ( ; day < DAYS; day++) {

        /* one part of the keys becomes much busier after a month; or parts of
         * them become anything, any day */

        for (i = 0; wild && i < PIECES; i++) {
            factor = i % 64 ? factor : tap_random(&seed) % 4 ? 0
                                       : exp(9 * uniform(&seed) - 5);
            level[i] = factor > 0 ? 0.02 * factor : level[i];
        }

        for (i = 0; !wild && day == 35 && i < PIECES / 16; i++) {
            level[i] *= 40;
        }

        live(&seed, day);

        do {
            see(day);
            n = resize();
            i = splits + merges;
            back += act(n, day, &splits, &merges);
            bounds += r.nshards < r.limits.min || r.nshards > r.limits.max;
            late += (splits + merges > i) && (day > 55
                                              || (day > 25 && day < 35));
        } while (splits + merges > i);

        first = day == 34 ? splits + merges : first;
    }

    see(day);

    for (i = 0, n = 0; i < r.nshards; i++) {
        n += s[i].peak > 25 && !s[i].whole;
    }

    tap_diag("%u splits, %u merges, %u of them in the first month, %u shards",
             splits, merges, first, r.nshards);
    tap_ok(splits > 0 && merges > 0, "there was something to be done");
    tap_is_int(back, 0, "nothing went back within a season");
    tap_is_int(bounds, 0, "shards_min, shards_max");

    if (wild) {
        return;
    }

    tap_is_int(late, 0, "it comes to rest");
    tap_is_int(n, 0, "with nobody above hi");
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261126);

    test_peak(seed);
    test_split();
    test_key();
    test_merge();
    test_rest();
    test_life(seed, 0);
    test_life(seed + 1, 1);

    return tap_done();
}
