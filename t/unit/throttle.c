
/* a copy's rate on a clock of the test's own */

#include <string.h>

#include "../../migrator/throttle.h"
#include "../lib/tap.h"


#define START_US  1000000


static void
base(migrator_throttle_t *t, uint32_t us)
{
    int  i;

    for (i = 0; i < 2 * MIGRATOR_THROTTLE_BASE; i++) {
        migrator_throttle_probe(t, i % 2, us);
    }
}


static void
window(migrator_throttle_t *t, int node, uint32_t us)
{
    int  i;

    for (i = 0; i < MIGRATOR_THROTTLE_WINDOW; i++) {
        migrator_throttle_probe(t, node, us);
    }
}


/* bytes that go through in so many microseconds, in blocks of 16 KB that
 * have so many keys */

static uint64_t
through_keys(migrator_throttle_t *t, uint64_t *now, uint64_t us,
    uint64_t keys)
{
    uint64_t  wait, end, bytes;

    end = *now + us;
    bytes = 0;

    while (*now < end) {
        wait = migrator_throttle_wait(t, *now);

        if (wait) {
            *now += wait;
            continue;
        }

        migrator_throttle_moved(t, 16384, keys, *now);
        bytes += 16384;
        *now += 10;
    }

    return bytes;
}


static uint64_t
through(migrator_throttle_t *t, uint64_t *now, uint64_t us)
{
    return through_keys(t, now, us, 0);
}


static void
bounds(uint64_t now)
{
    uint64_t             bytes;
    migrator_throttle_t  t;

    memset(&t, 0, sizeof(t));
    migrator_throttle_init(&t, now);
    bytes = through(&t, &now, 1000000);
    tap_ok(bytes > 1000000000, "no bound: as fast as it goes");

    memset(&t, 0, sizeof(t));
    t.most = 1000000;
    t.least = 5000000;
    migrator_throttle_init(&t, now);
    tap_ok(t.least == t.most, "the floor is not above the bound");
    bytes = through(&t, &now, 10000000);
    tap_ok(bytes > 9900000 && bytes < 10150000, "the bound is kept: %llu",
       (unsigned long long) bytes);

    now += 60000000;
    bytes = through(&t, &now, 1000000);
    tap_ok(bytes < 1050000, "a pause gathers no more than a burst: %llu",
       (unsigned long long) bytes);
}


/* 16384 bytes and 16 keys of 1024 are 32768 */

static void
keys_count(uint64_t now)
{
    uint64_t             bytes;
    migrator_throttle_t  t;

    memset(&t, 0, sizeof(t));
    t.most = 10000000;
    t.item_bytes = 1024;
    migrator_throttle_init(&t, now);
    bytes = through_keys(&t, &now, 10000000, 16);
    tap_ok(bytes > 49000000 && bytes < 51000000,
       "keys count beside their bytes: %llu", (unsigned long long) bytes);
    tap_ok(t.speed > 4500000 && t.speed < 5500000,
       "the speed is that of bytes: %llu", (unsigned long long) t.speed);

    base(&t, 300);
    t.ratio = 2;
    window(&t, 0, 5000);
    tap_ok(t.rate > 6000000 && t.rate < 8000000,
       "giving way begins from what was counted: %llu",
       (unsigned long long) t.rate);
}


static void
gives_way(uint64_t now)
{
    int                  i;
    uint64_t             bytes;
    migrator_throttle_t  t;

    memset(&t, 0, sizeof(t));
    t.least = 1000000;
    t.ratio = 2;
    t.slack_us = 500;
    migrator_throttle_init(&t, now);
    tap_ok(!migrator_throttle_based(&t), "nothing is known before");
    base(&t, 300);
    tap_ok(migrator_throttle_based(&t), "then it is");

    (void) through(&t, &now, 1000000);
    window(&t, 0, 790);
    tap_ok(t.rate == 0, "a rise within the slack is none");
    window(&t, 0, 900);
    tap_ok(t.rate > 0 && t.backoffs == 1, "one beyond it slows down");
    tap_ok(t.rate < t.speed, "below what moved");

    bytes = t.rate;
    window(&t, 1, 900);
    tap_ok(t.rate < bytes, "the target's counts, too");

    for (i = 0; i < 50; i++) {
        window(&t, 1, 5000);
    }

    tap_ok(t.rate == t.least, "down to the floor");
    bytes = through(&t, &now, 2000000);
    tap_ok(bytes < 2200000, "which is kept");

    for (i = 0; i < 100; i++) {
        window(&t, 0, 310);
        (void) through(&t, &now, 300000);
    }

    tap_ok(t.rate == 0 || t.rate > 100000000, "and up again when all is quiet");
}


static void
never_gives_way(uint64_t now)
{
    migrator_throttle_t  t;

    memset(&t, 0, sizeof(t));
    migrator_throttle_init(&t, now);
    base(&t, 100);
    (void) through(&t, &now, 1000000);
    window(&t, 0, 1000000);
    tap_ok(t.rate == 0, "ratio 0: it never gives way");
}


int
main(void)
{
    bounds(START_US);
    keys_count(START_US);
    gives_way(START_US);
    never_gives_way(START_US);

    return tap_done();
}
