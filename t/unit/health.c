
/* up, dead, slow, and back: by hand, and against a plain model */

#include "shard_health.h"
#include "shard_key.h"

#include "../lib/tap.h"


static shard_health_rule_t  rule = { 3, 2, 1000, 0, 1 };


static void
test_checks(void)
{
    shard_health_t  h;

    memset(&h, 0, sizeof(h));

    tap_is_str(shard_health_name(h.state), "up", "a new node is up");
    tap_ok(!h.checked, "and was not checked");
    tap_ok(!shard_health_failed(&h, &rule, 0, 100)
           && !shard_health_failed(&h, &rule, 0, 200)
           && !shard_health_passed(&h, &rule, 300)
           && !shard_health_failed(&h, &rule, 0, 400)
           && !shard_health_failed(&h, &rule, 0, 500)
           && h.state == SHARD_HEALTH_UP, "two failures in a row: still up");
    tap_ok(h.checked, "it was checked");

    tap_ok(shard_health_failed(&h, &rule, 0, 600), "the third one kills it");
    tap_is_str(shard_health_name(h.state), "dead", "dead");
    tap_is_int((long long) h.since_ms, 600, "since then");
    tap_is_int((long long) h.try_ms, 600, "checks go on at once");
    tap_ok(!shard_health_failed(&h, &rule, 9, 700), "and only once");

    tap_ok(!shard_health_passed(&h, &rule, 800)
           && !shard_health_failed(&h, &rule, 0, 900)
           && !shard_health_passed(&h, &rule, 1000)
           && h.state == SHARD_HEALTH_DEAD, "one check is not two in a row");
    tap_ok(shard_health_passed(&h, &rule, 1100)
           && h.state == SHARD_HEALTH_UP && h.since_ms == 1100,
           "two in a row bring it back");
    tap_ok(!shard_health_failed(&h, &rule, 0, 1200)
           && !shard_health_failed(&h, &rule, 0, 1300)
           && shard_health_failed(&h, &rule, 0, 1400),
           "it takes three again to kill it");
}


static void
test_requests(void)
{
    shard_health_t       h;
    shard_health_rule_t  passive;

    memset(&h, 0, sizeof(h));

    tap_ok(!shard_health_requests(&h, &rule, 2, 10)
           && !shard_health_requests(&h, &rule, 0, 20), "two requests fail");
    tap_ok(!shard_health_failed(&h, &rule, 1, 30), "a check and a request");
    tap_ok(shard_health_requests(&h, &rule, 2, 40)
           && h.state == SHARD_HEALTH_DEAD, "a check and two requests");
    tap_ok(!shard_health_requests(&h, &rule, 0, 50),
           "with checks, an answer does not bring it back");

    memset(&h, 0, sizeof(h));
    passive = rule;
    passive.active = 0;

    tap_ok(shard_health_requests(&h, &passive, 3, 10000)
           && h.try_ms == 11000, "without checks: tried an interval later");
    tap_ok(!shard_health_passed(&h, &passive, 11000)
           && shard_health_passed(&h, &passive, 12000), "and back");
    tap_ok(shard_health_requests(&h, &passive, 3, 20000)
           && h.try_ms == 22000, "dies soon again: two intervals later");
    tap_ok(shard_health_requests(&h, &passive, 0, 20500)
           && h.state == SHARD_HEALTH_UP, "an answer brings it back at once");
    tap_ok(shard_health_requests(&h, &passive, 4, 30000)
           && h.try_ms == 34000, "four");
    (void) shard_health_requests(&h, &passive, 0, 40000);
    tap_ok(shard_health_requests(&h, &passive, 3, 200000)
           && h.try_ms == 201000, "one that lived long begins anew");
}


static void
test_pause(void)
{
    int                  i;
    uint64_t             now;
    shard_health_t       h;
    shard_health_rule_t  passive;

    passive = rule;
    passive.active = 0;
    now = 1;
    memset(&h, 0, sizeof(h));

    for (i = 0; i < 100; i++) {
        (void) shard_health_requests(&h, &passive, 3, now);
        now = h.try_ms;
        (void) shard_health_requests(&h, &passive, 0, now);
        now += 100;
    }

    tap_is_int(h.pause_ms, SHARD_HEALTH_PAUSE_MS, "pauses are bounded");

    passive.interval_ms = 300000;
    memset(&h, 0, sizeof(h));

    for (i = 0; i < 9; i++) {
        (void) shard_health_requests(&h, &passive, 3, now += 1000);
        (void) shard_health_requests(&h, &passive, 0, now += 1000);
    }

    tap_is_int(h.pause_ms, 300000, "and not shorter than the interval");
}


/* keys come one after another, and none goes again */

static void
test_slow(void)
{
    uint64_t             now, key, seed;
    unsigned             here, before, wrong, i;
    shard_health_t       h;
    shard_health_rule_t  slow;
    uint8_t              came[2000];

    seed = tap_seed(20261125);
    slow = rule;
    slow.slow_ms = 10000;
    slow.passes = 1;
    memset(&h, 0, sizeof(h));
    memset(came, 0, sizeof(came));

    for (i = 0; i < 3; i++) {
        (void) shard_health_failed(&h, &slow, 0, 1000 + i);
    }

    tap_ok(shard_health_passed(&h, &slow, 5000)
           && h.state == SHARD_HEALTH_SLOW, "it comes back slowly");
    tap_is_str(shard_health_name(h.state), "slow", "slow");

    key = tap_random(&seed);
    before = 0;
    wrong = 0;

    for (now = 4900; now <= 15000; now += 100) {
        here = 0;

        for (i = 0; i < 2000; i++) {
            if (!shard_health_avoids(&h, slow.slow_ms,
                                     shard_key_position(&key, 8) ^ i, now))
            {
                here++;
                came[i] = 1;

            } else {
                wrong += came[i];
            }
        }

        wrong += here < before
                 || fabs(here - (now > 5000 ? (now - 5000) / 5.0 : 0)) > 150;
        before = here;
    }

    tap_is_int(wrong, 0, "its share of keys grows evenly, and keys stay");
    tap_is_int(before, 2000, "all of them in the end");
    tap_ok(!shard_health_tick(&h, &slow, 14999) && h.since_ms == 5000
           && shard_health_tick(&h, &slow, 15000)
           && h.state == SHARD_HEALTH_UP, "up when the time is over");

    for (i = 0; i < 3; i++) {
        (void) shard_health_failed(&h, &slow, 0, 20000 + i);
    }

    (void) shard_health_passed(&h, &slow, 30000);
    tap_ok(!shard_health_failed(&h, &slow, 0, 30001)
           && !shard_health_failed(&h, &slow, 0, 30002)
           && shard_health_failed(&h, &slow, 0, 30003)
           && h.state == SHARD_HEALTH_DEAD, "a slow one can die, too");

    (void) shard_health_passed(&h, &slow, 40000);
    slow.slow_ms = 0;
    tap_ok(shard_health_tick(&h, &slow, 40000), "no slow start any more");
}


/* any sequence: dead exactly as often as counted by hand */

static void
test_model(void)
{
    int                  up, changed;
    uint64_t             seed, now;
    unsigned             i, fails, passes, requests, wrong, deaths;
    shard_health_t       h;
    shard_health_rule_t  r;

    seed = tap_seed(20261126);
    now = 1;
    wrong = 0;
    deaths = 0;

    for (r.fails = 1; r.fails < 5; r.fails++) {
        r.passes = (uint32_t) (1 + tap_random(&seed) % 4);
        r.interval_ms = 10;
        r.slow_ms = r.fails & 1 ? 30 : 0;
        r.active = 1;
        memset(&h, 0, sizeof(h));
        up = 1;
        fails = 0;
        passes = 0;

        for (i = 0; i < 20000; i++) {
            now += tap_random(&seed) % 20;
            requests = (unsigned) (tap_random(&seed) % 3);

            switch (tap_random(&seed) % 4) {

            case 0:
                changed = shard_health_passed(&h, &r, now);
                fails = 0;
                passes++;
                wrong += changed != (!up && passes >= r.passes);
                break;

            case 1:
                changed = shard_health_failed(&h, &r, requests, now);
                fails++;
                passes = 0;
                wrong += changed != (up && fails + requests >= r.fails);
                break;

            case 2:
                changed = shard_health_requests(&h, &r, requests, now);
                wrong += changed != (up && requests
                                     && fails + requests >= r.fails);
                break;

            default:
                (void) shard_health_tick(&h, &r, now);
                changed = 0;
            }

            if (changed) {
                deaths += up;
                fails = up ? fails : 0;
                up = !up;
                passes = 0;
            }

            wrong += up != (h.state != SHARD_HEALTH_DEAD);
        }
    }

    tap_is_int(wrong, 0, "as a plain model has it");
    tap_ok(deaths > 1000, "%u deaths", deaths);
}


int
main(void)
{
    test_checks();
    test_requests();
    test_pause();
    test_slow();
    test_model();

    return tap_done();
}
