
/*
 * How long a move takes: few moves and many, outliers, sizes alike, and a
 * random world with a printed seed.
 */

#include <time.h>

#include "../lib/tap.h"
#include "../../predictor/duration.h"


#define GB  1e9


static predictor_duration_t       d;
static predictor_duration_work_t  work;
static predictor_duration_move_t  moves[256];
static uint32_t                   n;


static void
begin(void)
{
    predictor_duration_init(&d, 1800, 0.25);
    memset(moves, 0, sizeof(moves));
    n = 0;
}


static void
move(double bytes, double copy_s, double rest_s)
{
    moves[n].bytes = bytes;
    moves[n].copy_s = copy_s;
    moves[n].total_s = copy_s + rest_s;
    moves[n].hold_s = 0.1;
    moves[n].strategy = SHARD_LOG_SHIPPING;
    n++;
}


static predictor_duration_s_t
takes(double bytes)
{
    predictor_duration_learn(&d, moves, n, &work);

    return predictor_duration_move(&d, SHARD_LOG_SHIPPING, bytes);
}


static void
test_few(void)
{
    predictor_duration_s_t  s;

    begin();
    s = takes(5 * GB);
    tap_is_dbl(s.s, 1800, 1e-6, "nothing seen: as configured");
    tap_is_dbl(s.hi_s, 2250, 1e-6, "and its spread");
    s = predictor_duration_promote(&d, SHARD_QUEUE);
    tap_is_dbl(s.s, 1800, 1e-6, "a promotion, too");

    move(GB, 10, 110);
    s = takes(GB);
    tap_ok(s.s > 120 && s.s < 250, "one move of 120 s: %.0f s", s.s);
    tap_is_dbl(s.hi_s / s.s, 1.25, 1e-6, "one has no spread of its own");

    while (n < 20) {
        move(GB, 10, 110);
    }

    s = takes(GB);
    tap_ok(s.s > 119 && s.s < 126, "20 of them: %.1f s", s.s);
    tap_ok(s.hi_s < 127, "that were all alike: at most %.1f s", s.hi_s);
    s = takes(10 * GB);
    tap_ok(s.s > 209 && s.s < 219, "ten times the bytes: %.1f s", s.s);
    s = takes(0);
    tap_ok(s.s > 119 && s.s < 126, "of unknown size: as most, %.1f s", s.s);
    tap_is_dbl(d.hold_s, 0.1, 1e-9, "the hold");
}


static void
test_sizes(void)
{
    uint32_t                i;
    predictor_duration_s_t  s;

    begin();

    for (i = 1; i <= 16; i++) {
        move(i * GB, 5 + 20 * i, 60);
    }

    s = takes(100 * GB);
    tap_ok(fabs(s.s / 2065 - 1) < 0.02, "far from what was seen: %.0f s of "
           "2065", s.s);

    /* one that was paused for a day */

    move(8 * GB, 165, 86400);
    move(8 * GB, 86400, 60);
    s = takes(8 * GB);
    tap_ok(fabs(s.s / 225 - 1) < 0.03, "a pause is no matter: %.0f s of 225",
           s.s);

    s = predictor_duration_promote(&d, SHARD_LOG_SHIPPING);
    tap_ok(fabs(s.s / 65 - 1) < 0.1, "a promotion copies nothing: %.0f s",
           s.s);
    tap_ok(predictor_duration_promote(&d, SHARD_LOG_SHIPPING).hi_s >= s.s,
           "and may take longer");
}


static void
test_strategies(void)
{
    uint32_t                i;
    predictor_duration_s_t  s;

    begin();

    for (i = 1; i <= 10; i++) {
        move(i * GB, 100 * i, 60);
        move(0, 0, 101);
        moves[n - 1].strategy = SHARD_STATELESS;
        move(0, 0, 30);
        moves[n - 1].promoted = 1;
    }

    s = takes(10 * GB);
    tap_ok(fabs(s.s / 1060 - 1) < 0.1, "log shipping of 10 GB: %.0f s", s.s);
    s = predictor_duration_move(&d, SHARD_STATELESS, 10 * GB);
    tap_ok(fabs(s.s / 101 - 1) < 0.1, "stateless: %.0f s", s.s);
    s = predictor_duration_promote(&d, SHARD_LOG_SHIPPING);
    tap_ok(fabs(s.s / 30 - 1) < 0.1, "promotions: %.0f s", s.s);
}


/* the truth is known: medians come near it, and nine of ten below "hi" */

static void
test_random(uint64_t seed)
{
    int                     round, below, total;
    double                  rate, fixed, bytes, noise, truth;
    uint32_t                i;
    predictor_duration_s_t  s;

    below = total = 0;

    for (round = 0; round < 40; round++) {
        begin();
        rate = 1 + (double) (tap_random(&seed) % 100);
        fixed = 20 + (double) (tap_random(&seed) % 200);

        for (i = 0; i < 60; i++) {
            bytes = 0.1 + (double) (tap_random(&seed) % 1000) / 100;
            noise = 0.8 + (double) (tap_random(&seed) % 401) / 1000;
            move(bytes * GB, bytes * rate * noise, fixed * noise);

            if (tap_random(&seed) % 12 == 0) {
                moves[n - 1].total_s += 50000;
            }
        }

        bytes = 0.1 + (double) (tap_random(&seed) % 1000) / 100;
        truth = fixed + bytes * rate;
        s = takes(bytes * GB);
        total += fabs(s.s / truth - 1) < 0.12;

        for (i = 0; i < 50; i++) {
            noise = 0.8 + (double) (tap_random(&seed) % 401) / 1000;
            below += truth * noise <= s.hi_s;
        }
    }

    tap_ok(total >= 38, "within 12 %% of the truth in %d of 40 worlds", total);
    tap_ok(below >= 0.84 * 2000, "%d of 2000 moves took at most \"hi\"",
           below);
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed((uint64_t) time(NULL));

    test_few();
    test_sizes();
    test_strategies();
    test_random(seed);

    return tap_done();
}
