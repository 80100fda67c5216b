
/* an operator's split: shares, roles, and keys that stay */

#include "../lib/pick_case.h"


static void
test_split(uint64_t *seed)
{
    unsigned       i, n, k, off, wrong, count[NODES];
    uint16_t       tried[1], before;
    shard_pick_t   pick;
    shard_wish_t   wish;
    shard_route_t  route, less;

    static const uint16_t  node[] = { 2, PRIMARY, 6, 7 };
    static const uint16_t  bp[3][4] = { { 7000, 3000, 0, 0 },
                                        { 5000, 3000, 2000, 0 },
                                        { 4000, 3000, 2000, 1000 } };

    for (n = 2; n <= 4; n++) {
        memset(count, 0, sizeof(count));
        wrong = 0;

        for (i = 0; i < 100000; i++) {
            route_init(&route);
            wish_init(&wish, tried);
            route.strategy = SHARD_LOG_SHIPPING;
            less = route;
            wish.sticky = tap_random(seed);
            shard_route_split(&route, node, bp[n - 2], n);
            shard_pick(&route, &wish, &pick);
            before = pick.list[0].node;
            count[before]++;
            wrong += pick.n != 1
                     || pick.list[0].role != (before == PRIMARY
                                              ? SHARD_ROLE_PRIMARY
                                              : before == 2
                                              ? SHARD_ROLE_STANDBY
                                              : SHARD_ROLE_TARGET);

            /* who is not of the added node's share stays */

            if (n > 2) {
                shard_route_split(&less, node, bp[n - 3], n - 1);
                shard_pick(&less, &wish, &pick);
                wrong += before != node[n - 1]
                         && pick.list[0].node != before;
            }
        }

        for (k = 0, off = 0; k < n; k++) {
            off += fabs(count[node[k]] - bp[n - 2][k] * 10.0) > 900;
        }

        tap_is_int(off, 0, "shares of %u nodes are as asked for", n);
        tap_is_int(wrong, 0, "roles, and nobody moves without need");
    }
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261125);

    test_split(&seed);

    return tap_done();
}
