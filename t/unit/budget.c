
/*
 * The churn budget: known windows, then random moves with a printed seed
 * against a count from scratch.
 */

#include <time.h>

#include "../lib/tap.h"
#include "../../predictor/budget.h"


#define NODES  6
#define ZONES  3
#define MOVES  64

#define SHARD_GONE  0xffffffff


static predictor_budget_t  b;
static double              memory[1024];


static void
budget(double window_s)
{
    uint32_t  i;

    memset(&b, 0, sizeof(predictor_budget_t));
    tap_ok(predictor_budget_size(NODES, ZONES, MOVES) <= sizeof(memory),
           "memory");
    predictor_budget_place(&b, memory, NODES, ZONES, MOVES);
    b.window_s = window_s;

    for (i = 0; i < NODES; i++) {
        b.zone[i] = i % ZONES;
    }
}


static void
test_fleet(void)
{
    budget(3600);
    predictor_budget_now(&b, 10000);
    tap_ok(predictor_budget_left(&b) == UINT32_MAX, "no limit");
    tap_ok(predictor_budget_may(&b, 0, 1, 1e15), "anything may move");

    b.limit[PREDICTOR_BUDGET_FLEET].moves = 2;
    tap_is_int(predictor_budget_left(&b), 2, "two an hour");
    tap_ok(predictor_budget_add(&b, 9000, 9600, 0, 1, 0), "one that is over");
    tap_is_int(predictor_budget_left(&b), 1, "counts an hour from its start");
    tap_ok(predictor_budget_add(&b, 2000, 3000, 0, 1, 0), "an old one");
    tap_is_int(predictor_budget_left(&b), 1, "counts no more");
    tap_ok(predictor_budget_add(&b, 2000, 13000, 2, 1, 0), "one in flight");
    tap_is_int(predictor_budget_left(&b), 0, "counts until its end");
    tap_ok(!predictor_budget_may(&b, 3, 4, 0), "nothing more may start");
    tap_is_dbl(predictor_budget_next(&b, 3, 4, 0), 12600, 1e-9,
               "until the first has been passed");

    predictor_budget_now(&b, 12600);
    tap_ok(predictor_budget_may(&b, 3, 4, 0), "then it may");
    tap_is_dbl(predictor_budget_next(&b, 3, 4, 0), 12600, 1e-9, "at once");
    predictor_budget_now(&b, 13000);
    tap_is_int(predictor_budget_left(&b), 2, "then all of it is there");
}


static void
test_places(void)
{
    budget(3600);
    predictor_budget_now(&b, 0);
    b.limit[PREDICTOR_BUDGET_NODE].moves = 1;
    (void) predictor_budget_add(&b, 0, 60, 0, 1, 0);

    tap_ok(!predictor_budget_may(&b, 0, 4, 0), "the source has had its move");
    tap_ok(!predictor_budget_may(&b, 4, 1, 0), "so has the target");
    tap_ok(!predictor_budget_may(&b, 1, 4, 0), "either way round");
    tap_ok(predictor_budget_may(&b, 2, 4, 0), "others have not");

    budget(3600);
    b.limit[PREDICTOR_BUDGET_ZONE].moves = 2;
    (void) predictor_budget_add(&b, 0, 60, 0, 3, 0);
    tap_ok(predictor_budget_may(&b, 0, 1, 0), "within a zone it counts once");
    (void) predictor_budget_add(&b, 0, 60, 0, 1, 0);
    tap_ok(!predictor_budget_may(&b, 3, 2, 0), "zone 0 has had its two");
    tap_ok(predictor_budget_may(&b, 1, 2, 0), "zone 1 has one left");

    budget(3600);
    b.limit[PREDICTOR_BUDGET_FLEET].moves = 4;
    b.limit[PREDICTOR_BUDGET_NODE].moves = 1;
    (void) predictor_budget_add(&b, 0, 60, NODES, 1, 0);
    (void) predictor_budget_add(&b, 0, 60, SHARD_GONE, SHARD_GONE, 0);
    tap_is_int(predictor_budget_left(&b), 2, "nodes that are gone: the fleet's "
               "moves all the same");
    tap_ok(!predictor_budget_may(&b, 0, 1, 0), "and the other end's");
    tap_ok(predictor_budget_may(&b, 0, 2, 0), "nobody else's");
}


static void
test_bytes(void)
{
    budget(3600);
    b.limit[PREDICTOR_BUDGET_FLEET].bytes = 100;
    predictor_budget_now(&b, 0);
    tap_ok(predictor_budget_may(&b, 0, 1, 1000),
           "more than there is may start alone");
    (void) predictor_budget_add(&b, 0, 60, 0, 1, 60);
    tap_ok(predictor_budget_may(&b, 2, 4, 40), "40 beside 60 of 100");
    tap_ok(!predictor_budget_may(&b, 2, 4, 41), "41 do not fit");
    tap_is_dbl(predictor_budget_next(&b, 2, 4, 41), 3600, 1e-9,
               "until the 60 are passed");
    (void) predictor_budget_add(&b, 10, 60, 2, 4, 40);
    tap_is_int(predictor_budget_left(&b), 0, "all used");
    tap_ok(!predictor_budget_may(&b, 2, 4, 1000), "nor what is too large");
    tap_is_dbl(predictor_budget_next(&b, 2, 4, 1000), 3610, 1e-9,
               "which waits for all to be passed");
    tap_is_dbl(predictor_budget_next(&b, 2, 4, 60), 3600, 1e-9,
               "60 wait for the first");
}


/* moves that count at a place, from scratch */

static predictor_budget_sum_t
count(predictor_budget_scope_e scope, uint32_t number, double now)
{
    uint32_t                  i;
    predictor_budget_sum_t    sum;
    predictor_budget_move_t  *m;

    memset(&sum, 0, sizeof(predictor_budget_sum_t));

    for (i = 0; i < b.nmoves; i++) {
        m = &b.moves[i];

        if (m->leaves_s > now
            && (scope == PREDICTOR_BUDGET_FLEET
                || (scope == PREDICTOR_BUDGET_NODE
                    && (m->from == number || m->to == number))
                || (scope == PREDICTOR_BUDGET_ZONE
                    && (b.zone[m->from] == number
                        || b.zone[m->to] == number))))
        {
            sum.moves++;
            sum.bytes += m->bytes;
        }
    }

    return sum;
}


static int
may(uint32_t from, uint32_t to, double bytes, double now)
{
    uint32_t                  i, k;
    predictor_budget_sum_t    sum;
    predictor_budget_limit_t  limit;

    const uint32_t  number[3][2] = {
        { from, to }, { b.zone[from], b.zone[to] }, { 0, 0 }
    };

    for (i = 0; i < PREDICTOR_BUDGET_SCOPES; i++) {

        for (k = 0; k < 2; k++) {
            sum = count(i, number[i][k], now);
            limit = b.limit[i];

            if ((limit.moves && sum.moves >= limit.moves)
                || (limit.bytes > 0 && sum.moves
                    && sum.bytes + bytes > limit.bytes + 1e-9))
            {
                return 0;
            }
        }
    }

    return 1;
}


static void
test_random(uint64_t seed)
{
    int       wrong, late, refused;
    double    now, end, bytes, next;
    uint32_t  i, from, to;

    budget(600);
    now = 0;
    wrong = late = refused = 0;

    for (i = 0; i < PREDICTOR_BUDGET_SCOPES; i++) {
        b.limit[i].moves = (i + 1) * (uint32_t) (1 + tap_random(&seed) % 3);
        b.limit[i].bytes = (double) ((i + 1) * (50 + tap_random(&seed) % 100));
    }

    for (i = 0; i < 3000; i++) {
        now += (double) (tap_random(&seed) % 100);
        predictor_budget_now(&b, now);
        from = (uint32_t) (tap_random(&seed) % NODES);
        to = (uint32_t) (from + 1 + tap_random(&seed) % (NODES - 1)) % NODES;
        bytes = (double) (tap_random(&seed) % 120);

        wrong += predictor_budget_may(&b, from, to, bytes)
                 != may(from, to, bytes, now);
        next = predictor_budget_next(&b, from, to, bytes);
        late += !may(from, to, bytes, next);
        late += next > now && may(from, to, bytes, next - 0.25);

        if (predictor_budget_may(&b, from, to, bytes)) {
            end = now + (double) (tap_random(&seed) % 900);
            (void) predictor_budget_add(&b, now, end, from, to, bytes);

        } else {
            refused++;
        }
    }

    tap_is_int(wrong, 0, "may, as counted from scratch");
    tap_is_int(late, 0, "next is the first moment at which it may");
    tap_ok(refused > 100 && refused < 2900, "both ways: %d of 3000 refused",
           refused);
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed((uint64_t) time(NULL));

    test_fleet();
    test_places();
    test_bytes();
    test_random(seed);

    return tap_done();
}
