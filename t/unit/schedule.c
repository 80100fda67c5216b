
/*
 * Turns of shards to learn anew: first fits first, doubled histories, then
 * those whose time has come; spread over the slots, nobody forgotten.
 */

#include <stdlib.h>

#include "../lib/tap.h"
#include "../../predictor/schedule.h"


#define N      1000
#define REFIT  288


static predictor_turn_t  turns[N];
static shard_id_t        ids[N];


static void
begin(void)
{
    uint32_t  i;

    memset(turns, 0, sizeof(turns));

    for (i = 0; i < N; i++) {
        ids[i] = i;
    }
}


static void
test_order(void)
{
    shard_id_t            list[4];
    predictor_schedule_t  r;

    begin();
    predictor_schedule(turns, ids, N, 100, REFIT, list, 4, &r);
    tap_is_int(r.due, 0, "no history, nothing to learn");

    turns[5].now = 600;                                 /* its time has come */
    turns[5].n = 500;
    turns[5].full = 1;
    turns[5].fitted = 1000 - REFIT;
    turns[6] = turns[5];                                /* and has long gone */
    turns[6].fitted -= 10;
    turns[7] = turns[5];                                /* not yet */
    turns[7].fitted += 1;
    turns[8].now = 20;                                  /* doubled */
    turns[8].n = 10;
    turns[8].full = 1;
    turns[8].fitted = 1000;
    turns[9].now = 30;                                  /* never learnt */
    turns[10].now = 40;

    predictor_schedule(turns, ids, N, 1000, REFIT, list, 4, &r);
    tap_is_int(r.due, 5, "five are due");
    tap_is_int(r.first, 2, "two for the first time");
    tap_is_int(r.n, 4, "four fit in the list");
    tap_is_int(list[0], 10, "first fits first, the longest history");
    tap_is_int(list[1], 9, "then the other");
    tap_is_int(list[2], 8, "then the one that has doubled");
    tap_is_int(list[3], 6, "then the one that waits longest");

    predictor_schedule(turns, ids, N, 1000, REFIT, list, 0, &r);
    tap_is_int(r.n, 0, "no room: an empty list");
    tap_is_int(r.due, 5, "but counted");
}


/* a year of slots: every shard learns once in REFIT slots, in even shares */

static void
test_spread(void)
{
    int                   slot, most, late;
    uint32_t              i, n;
    shard_id_t            list[16];
    predictor_schedule_t  r;

    begin();
    most = late = 0;

    for (i = 0; i < N; i++) {
        turns[i].now = 8640;
    }

    for (slot = 0; slot < 10 * REFIT; slot++) {
        n = 0;

        do {
            predictor_schedule(turns, ids, N, slot, REFIT, list, 16, &r);
            n += r.n;

            for (i = 0; i < r.n; i++) {
                late += turns[list[i]].full
                        && slot - turns[list[i]].fitted > REFIT;
                predictor_schedule_done(&turns[list[i]], list[i], slot,
                                        REFIT);
            }
        } while (r.n);

        most = slot && (int) n > most ? (int) n : most;
        late += slot == 0 && n != N;
    }

    tap_ok(most <= N / REFIT + 1, "then at most %d in a slot", most);
    tap_is_int(late, 0, "all at first, and nobody waits longer than that");
}


/* the list is the head of what a sort would give */

static void
test_random(uint64_t seed)
{
    int                   round, wrong;
    uint32_t              i, max;
    shard_id_t            list[N], all[N];
    predictor_schedule_t  r, whole;

    wrong = 0;

    for (round = 0; round < 300; round++) {
        begin();

        for (i = 0; i < N; i++) {
            turns[i].now = (uint32_t) (tap_random(&seed) % 40);
            turns[i].n = 1 + (uint32_t) (tap_random(&seed) % 40);
            turns[i].full = tap_random(&seed) % 3 != 0;
            turns[i].fitted = (long) (tap_random(&seed) % 600);
        }

        max = (uint32_t) (tap_random(&seed) % 20);
        predictor_schedule(turns, ids, N, 600, REFIT, list, max, &r);
        predictor_schedule(turns, ids, N, 600, REFIT, all, N, &whole);

        wrong += whole.n != whole.due || r.due != whole.due;
        wrong += r.n != (whole.n < max ? whole.n : max);
        wrong += r.n && memcmp(list, all, r.n * sizeof(shard_id_t)) != 0;
    }

    tap_is_int(wrong, 0, "a short list is the head of the whole one");
}


int
main(void)
{
    test_order();
    test_spread();
    test_random(tap_seed(3));

    return tap_done();
}
