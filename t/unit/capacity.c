
/* examples/shardkv/capacity.c against time that is only a number */


#include "../lib/tap.h"

#include "../../examples/shardkv/capacity.c"


#define SECOND  1000000000ull


static void
test_unlimited(void)
{
    uint64_t            start;
    shardkv_capacity_t  c;

    shardkv_capacity_init(&c, 0, SECOND);

    tap_is_int(shardkv_capacity_take(&c, 5, &start), SHARD_OK, "no limit");
    tap_is_int(start, 5, "no limit: starts at once");
    shardkv_capacity_take(&c, 5, &start);
    tap_is_int(start, 5, "no limit: the next one too");
}


static void
test_slots(void)
{
    uint64_t            start;
    shardkv_capacity_t  c;

    shardkv_capacity_init(&c, 10, SECOND);

    shardkv_capacity_take(&c, 7 * SECOND, &start);
    tap_is_int(start, 7 * SECOND, "idle: starts at once");
    shardkv_capacity_take(&c, 7 * SECOND, &start);
    tap_is_int(start, 7 * SECOND + SECOND / 10, "the second waits");
    shardkv_capacity_take(&c, 7 * SECOND + 1, &start);
    tap_is_int(start, 7 * SECOND + SECOND / 5, "the third waits longer");
    shardkv_capacity_take(&c, 9 * SECOND, &start);
    tap_is_int(start, 9 * SECOND, "idleness saves nothing up");
    shardkv_capacity_take(&c, 9 * SECOND, &start);
    tap_is_int(start, 9 * SECOND + SECOND / 10, "not even one slot");
}


static void
test_full(void)
{
    int                 i, rc;
    uint64_t            start, at;
    shardkv_capacity_t  c;

    shardkv_capacity_init(&c, 10, SECOND);

    rc = SHARD_OK;

    for (i = 0; i < 100 && rc == SHARD_OK; i++) {
        rc = shardkv_capacity_take(&c, SECOND, &start);
    }

    tap_is_int(i, 12, "one served, ten wait a second, the twelfth is refused");
    tap_is_int(rc, SHARD_AGAIN, "refused");

    at = start;
    tap_is_int(shardkv_capacity_take(&c, at - 1, &start), SHARD_AGAIN,
               "just before the time it named: refused");
    tap_is_int(shardkv_capacity_take(&c, at, &start), SHARD_OK,
               "at that time: taken");
    tap_is_int(start, at + SECOND, "and waits as long as one may");
}


/* any window of a second holds at most "capacity" starts, in order */

static void
test_rate(void)
{
    int                 i, n, late, much;
    double              rate;
    uint64_t            seed, now, start;
    shardkv_capacity_t  c;
    static uint64_t     starts[20000];

    seed = tap_seed(20);
    now = 1;
    n = 0;
    late = 0;
    rate = 47.3;

    shardkv_capacity_init(&c, rate, 10 * SECOND);

    for (i = 0; i < 20000; i++) {
        now += tap_random(&seed) % (SECOND / 40);

        if (shardkv_capacity_take(&c, now, &start) == SHARD_OK) {
            late += (start < now || start > now + 10 * SECOND);
            starts[n++] = start;
        }
    }

    much = 0;

    for (i = 48; i < n; i++) {
        much += (starts[i] - starts[i - 48] < SECOND);
        late += (starts[i] <= starts[i - 1]);
    }

    tap_ok(n > 9000, "random load: most are taken (%d)", n);
    tap_is_int(late, 0, "random load: none early, too late or out of order");
    tap_is_int(much, 0, "random load: never more than the capacity");
}


int
main(void)
{
    test_unlimited();
    test_slots();
    test_full();
    test_rate();

    return tap_done();
}
