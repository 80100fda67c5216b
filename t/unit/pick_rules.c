
/*
 * Every combination of strategy, consistency, phase, request and nodes'
 * states against the rules that must hold for all of them.
 */

#include "../lib/pick_case.h"


/* of each node on the list; "misses": the source answers for the target */

static const char *
broken_candidate(const shard_pick_t *pick, unsigned i, int open, int misses)
{
    uint16_t  node;
    unsigned  k;

    node = pick->list[i].node;

    for (k = 0; k < i; k++) {
        if (pick->list[k].node == node) {
            return "each node once";
        }
    }

    if ((node_flags[node] & SHARD_FLAG_UNUSABLE)
        && !(misses && node == PRIMARY))
    {
        return "usable nodes only";
    }

    if (pick->list[i].role != (node == PRIMARY ? SHARD_ROLE_PRIMARY
                               : node == TARGET ? SHARD_ROLE_TARGET
                               : SHARD_ROLE_STANDBY))
    {
        return "roles as the table has them";
    }

    if (!open && pick->list[i].role == SHARD_ROLE_STANDBY) {
        return "no standby for what must be new";
    }

    return NULL;
}


/* everything that must be true whatever the nodes' states */

static const char *
broken_rule(const shard_route_t *route, const shard_wish_t *wish,
    const shard_pick_t *pick)
{
    int          read, fresh, open, copies, crossed, some;
    unsigned     i, first;
    const char  *broken;

    read = (wish->flags & SHARD_WISH_READ) != 0;
    fresh = (wish->flags & SHARD_WISH_FRESH)
            && !(route->flags & SHARD_ROUTE_EVENTUAL);
    open = (read && !fresh) || route->strategy == SHARD_STATELESS;
    copies = route->phase == SHARD_SHIFTING && route->target == TARGET
             && route->strategy == SHARD_COPY_ON_WRITE;
    crossed = route->phase == SHARD_SHIFTING && route->target == TARGET
              && (route->strategy == SHARD_STATELESS
                  || (route->strategy == SHARD_LOG_SHIPPING && read
                      && (route->flags & SHARD_ROUTE_EVENTUAL)))
              && shard_shift_point(wish->sticky, MIGRATION) < route->shift_bp;

    if ((pick->n == 0) != (pick->verdict != SHARD_PICK_GO)
        || pick->n > SHARD_CANDIDATES_MAX)
    {
        return "a list, or a verdict";
    }

    for (i = 0; i < pick->n; i++) {
        broken = broken_candidate(pick, i, open, copies && read);

        if (broken) {
            return broken;
        }
    }

    if (!read && route->strategy != SHARD_STATELESS && pick->n > 1) {
        return "a write has one owner";
    }

    first = crossed || copies ? TARGET : PRIMARY;
    some = 0;

    for (i = 1; i <= TARGET; i++) {
        some |= (i != TARGET || route->target == TARGET)
                && (node_flags[i] & SHARD_FLAG_UNUSABLE) == 0;
    }

    if (node_flags[first] == 0 && !(wish->flags & SHARD_WISH_NEAR)
        && (pick->n == 0 || pick->list[0].node != first
            || pick->list[0].failover))
    {
        return "a healthy owner is asked first";
    }

    if (pick->verdict == SHARD_PICK_WAIT && (open || !some)) {
        return "only what needs the owner waits, for another one";
    }

    if (pick->verdict == SHARD_PICK_NONE && !open && some) {
        return "what needs the owner waits while another may become it";
    }

    if (!open && !copies && pick->n && pick->list[0].node != PRIMARY) {
        return "writes are the primary's";
    }

    return NULL;
}


static void
test_all(uint64_t *seed)
{
    unsigned       bits, states, i, s, wrong, plain, runs;
    uint16_t       tried[1];
    const char    *rule;
    shard_pick_t   pick;
    shard_wish_t   wish;
    shard_route_t  route;

    static const uint8_t  state[] = { 0, SHARD_FLAG_DEAD, SHARD_FLAG_DRAINING,
                                      SHARD_FLAG_DOWN };

    wrong = 0;
    plain = 0;
    runs = 0;

    for (bits = 0; bits < 4 * 2 * 2 * 2 * 2 * 2 * 2; bits++) {
        for (states = 0; states < 1024; states++) {

            route_init(&route);
            wish_init(&wish, tried);

            route.strategy = bits & 3;
            route.flags = bits & 4 ? SHARD_ROUTE_EVENTUAL : 0;
            route.phase = bits & 8 ? SHARD_SHIFTING : SHARD_STEADY;
            route.target = bits & 8 ? TARGET : SHARD_NODE_NONE;
            route.shift_bp = bits & 16 ? 5000 : 0;
            wish.flags = (uint8_t) ((bits & 32 ? SHARD_WISH_READ : 0)
                                    | (bits & 64 ? SHARD_WISH_FRESH : 0)
                                    | (bits & 128 ? SHARD_WISH_NEAR : 0));
            wish.sticky = tap_random(seed);

            for (i = 0, s = states; i < 5; i++, s >>= 2) {
                node_flags[i + 1] = state[s & 3];
                wish.distance[i & 3] = (uint16_t) (tap_random(seed) % 3);
            }

            shard_pick(&route, &wish, &pick);
            rule = broken_rule(&route, &wish, &pick);
            runs++;

            if (rule && wrong++ < 5) {
                tap_diag("bits %x states %x: %s", bits, states, rule);
            }

            if (shard_pick_plain(&route, node_flags)
                && !((wish.flags & SHARD_WISH_NEAR)
                     && (wish.flags & SHARD_WISH_READ)
                     && (route.flags & SHARD_ROUTE_EVENTUAL)))
            {
                plain++;
                wrong += pick.n == 0 || pick.list[0].node != route.primary
                         || pick.list[0].role != SHARD_ROLE_PRIMARY
                         || pick.list[0].failover;
            }
        }
    }

    tap_is_int(wrong, 0, "rules hold in %u combinations", runs);
    tap_ok(plain > 1000, "%u of them on the short way", plain);
}


/* at equal distance the keys spread evenly, and stay when another dies */

static void
test_ties(uint64_t *seed)
{
    unsigned       i, moved, count[NODES];
    uint16_t       tried[1], before;
    shard_pick_t   pick;
    shard_wish_t   wish;
    shard_route_t  route;

    memset(count, 0, sizeof(count));
    moved = 0;

    for (i = 0; i < 40000; i++) {
        route_init(&route);
        wish_init(&wish, tried);
        route.flags = SHARD_ROUTE_EVENTUAL;
        route.strategy = SHARD_LOG_SHIPPING;
        wish.flags = SHARD_WISH_READ|SHARD_WISH_NEAR;
        wish.sticky = tap_random(seed);

        shard_pick(&route, &wish, &pick);
        before = pick.list[0].node;
        count[before]++;

        node_flags[3] = SHARD_FLAG_DEAD;
        shard_pick(&route, &wish, &pick);
        moved += before != 3 && pick.list[0].node != before;
    }

    for (i = 1; i <= 4; i++) {
        tap_ok(count[i] > 9400 && count[i] < 10600,
               "replica %u has %u of 40000 keys", i, count[i]);
    }

    tap_is_int(moved, 0, "keys of the living stay when one dies");
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261125);

    test_all(&seed);
    test_ties(&seed);

    return tap_done();
}
