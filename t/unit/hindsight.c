
/*
 * Scores of decisions against figures computed by hand.
 *
 *   slot        0    1    2    3    4    5    6      of 300 s
 *   rest       60   60   80   80   80   80   60      of the source, of 100
 *   shard      30   30   30   30   30   30   30
 */

#include "../lib/tap.h"
#include "../../predictor/hindsight.h"


#define RES    300.0
#define FIRST  3000.0
#define SLOTS  7


static double  rest[SLOTS], target[SLOTS], shard[SLOTS];

static predictor_hindsight_t        h;
static predictor_hindsight_score_t  s;


static void
world(double on_target)
{
    int  i;

    for (i = 0; i < SLOTS; i++) {
        rest[i] = i < 2 || i == 6 ? 60 : 80;
        target[i] = on_target;
        shard[i] = 30;
    }

    memset(&h, 0, sizeof(h));
    h.res_s = RES;
    h.first_s = FIRST;
    h.n = SLOTS;
    h.from = rest;
    h.to = target;
    h.shard = shard;
    h.from_capacity = 100;
    h.to_capacity = 100;
    h.threshold = 0.9;
    h.extra = 0.25;
    h.decided_s = FIRST + RES;
    h.move_s = RES;
    h.happened.start_s = h.decided_s;
    h.happened.commit_s = h.decided_s + RES;
    h.happened.end_s = h.happened.commit_s;
}


/* without it slots 2 to 5 are at 110; who reacts sees that at the end of 2,
 * copies in 3 (117.5) and is rid of it from 4 on */

static void
test_helps(void)
{
    world(50);
    predictor_hindsight_score(&h, &s);

    tap_is_int(s.slots, 6, "slots since the decision");
    tap_is_int(s.known, 6, "all known");
    tap_is_dbl(s.toll[PREDICTOR_DECIDED].violation_s, 0, 0, "moved in time");
    tap_is_dbl(s.toll[PREDICTOR_HAPPENED].violation_s, 0, 0, "as happened");
    tap_is_dbl(s.toll[PREDICTOR_NOTHING].violation_s, 1200, 0, "without it");
    tap_is_dbl(s.toll[PREDICTOR_NOTHING].excess_s, 120, 1e-9,
               "a tenth of a node for 1200 s");
    tap_is_dbl(s.reacting_s, FIRST + 3 * RES, 0, "one reacts after slot 2");
    tap_is_dbl(s.toll[PREDICTOR_REACTING].violation_s, 600, 0, "reacting");
    tap_is_dbl(s.toll[PREDICTOR_REACTING].excess_s, 300 * (0.1 + 0.175), 1e-9,
               "its excess, with its copying");
    tap_is_dbl(s.saved_nothing_s, 1200, 0, "saved against nothing");
    tap_is_dbl(s.saved_reacting_s, 600, 0, "saved against reacting");
    tap_is_dbl(s.regret_s, 0, 0, "no regret");
    tap_is_dbl(s.cost_s, 0, 0, "copying violated nothing");
    tap_is_dbl(s.extra_load, 2 * 0.25 * 30 * 300, 1e-9, "what it copied");
}


/* 75 + 30 on the target for 5 slots, 4 on the source spared */

static void
test_harms(void)
{
    world(75);
    predictor_hindsight_score(&h, &s);

    tap_is_dbl(s.toll[PREDICTOR_DECIDED].violation_s, 1500, 0,
               "the target is too full");
    tap_is_dbl(s.saved_nothing_s, -300, 0, "harm against nothing");
    tap_is_dbl(s.toll[PREDICTOR_REACTING].violation_s, 600 + 900, 0,
               "so is it for who reacts");
    tap_is_dbl(s.saved_reacting_s, 0, 0, "and the same late");
    tap_is_dbl(s.regret_s, 300, 0, "regret is what nothing had less");
}


static void
test_rolled_back(void)
{
    world(50);
    h.happened.commit_s = INFINITY;
    h.happened.start_s = FIRST + RES;
    h.happened.end_s = FIRST + 3 * RES;
    rest[1] = 65;
    predictor_hindsight_score(&h, &s);

    /* slot 1: 65 + 30 + 7.5 by copying alone, 2 to 5 anyway */

    tap_is_dbl(s.toll[PREDICTOR_DECIDED].violation_s, 1500, 0,
               "copied for nothing");
    tap_is_dbl(s.cost_s, 300, 0, "which is what it cost");
    tap_is_dbl(s.saved_nothing_s, -300, 0, "against nothing");
    tap_is_dbl(s.toll[PREDICTOR_REACTING].violation_s, 300, 0,
               "95 is above the line: one reacts after slot 1, copies in 2");
    tap_is_dbl(s.reacting_s, FIRST + 2 * RES, 0, "at its end");
    tap_is_dbl(s.regret_s, 1200, 0, "the best of the three is reacting");
}


static void
test_advice(void)
{
    world(50);
    h.advice = 1;
    h.happened.start_s = h.happened.commit_s = h.happened.end_s = INFINITY;
    predictor_hindsight_score(&h, &s);

    tap_is_dbl(s.toll[PREDICTOR_HAPPENED].violation_s, 1200, 0,
               "advice: nothing happened");
    tap_is_dbl(s.toll[PREDICTOR_DECIDED].violation_s, 0, 0,
               "advice: as if it was taken");
    tap_is_dbl(s.saved_nothing_s, 1200, 0, "advice: would have saved");
}


/* a commit in the middle of slot 2: 80 + 15 there, and 50 + 15 */

static void
test_part_of_a_slot(void)
{
    world(50);
    h.happened.commit_s = FIRST + 2.5 * RES;
    h.happened.end_s = h.happened.commit_s;
    h.extra = 0;
    predictor_hindsight_score(&h, &s);
    tap_is_dbl(s.toll[PREDICTOR_DECIDED].violation_s, 0, 0,
               "half a slot counts half");

    h.happened.commit_s = FIRST + 2.8 * RES;
    predictor_hindsight_score(&h, &s);
    tap_is_dbl(s.toll[PREDICTOR_DECIDED].violation_s, 300, 0, "104 is more");
    tap_is_dbl(s.toll[PREDICTOR_DECIDED].excess_s, 0.04 * 300, 1e-9,
               "by a twenty-fifth");
}


static void
test_never_and_unknown(void)
{
    int  i;

    world(50);

    for (i = 0; i < SLOTS; i++) {
        rest[i] = 60;
    }

    predictor_hindsight_score(&h, &s);
    tap_ok(isinf(s.reacting_s), "at 90 of 90 nobody reacts");
    tap_is_dbl(s.toll[PREDICTOR_REACTING].violation_s, 0, 0, "nothing to win");
    tap_is_dbl(s.saved_nothing_s, 0, 0, "a move for nothing saves nothing");

    /* before the decision it was above already: one reacts at once */

    world(50);
    rest[0] = 70;
    predictor_hindsight_score(&h, &s);
    tap_is_dbl(s.reacting_s, h.decided_s, 0, "above before: reacts at once");
    tap_is_dbl(s.saved_reacting_s, 0, 0, "as the decision did");

    world(50);
    shard[3] = NAN;
    rest[4] = NAN;
    predictor_hindsight_score(&h, &s);
    tap_is_int(s.known, 4, "slots of which something is unknown");
    tap_is_dbl(s.toll[PREDICTOR_NOTHING].violation_s, 600, 0,
               "count for nobody");
}


/*
 * Three shards of 10, 20 and 40 at slots 0 to 3; 1 came from node 0 to node 1
 * in the middle of slot 2, 2 is being copied from node 1 to 0 since slot 3.
 */

static void
test_past(void)
{
    float                row[3] = { 10, 20, 40 };
    double               loads[4];
    uint32_t             i;
    predictor_past_t     past;
    predictor_history_t  history;

    static const shard_id_t          ids[3] = { 0, 1, 2 };
    static const uint32_t            nodes[3] = { 0, 1, 1 };
    static const predictor_change_t  changes[2] = {
        { 1, 0, 1, { 300, 750, 750 } },
        { 2, 1, 0, { 900, INFINITY, INFINITY } }
    };

    tap_is_int(predictor_history_init(&history, 8, 3), SHARD_OK, "history");

    for (i = 0; i < 4; i++) {
        predictor_history_push(&history, i, row);
    }

    memset(&past, 0, sizeof(past));
    past.history = &history;
    past.res_s = 300;
    past.extra = 0.5;
    past.nshards = 3;
    past.ids = ids;
    past.nodes = nodes;
    past.nchanges = 2;
    past.changes = changes;

    predictor_past_node(&past, 0, SHARD_ID_NONE, 5, 0, 4, loads);
    tap_is_dbl(loads[0], 5 + 10 + 20, 1e-9, "node 0, slot 0: it was there");
    tap_is_dbl(loads[1], 5 + 10 + 20 * 1.5, 1e-9, "slot 1: being copied");
    tap_is_dbl(loads[2], 5 + 10 + 10 + 5, 1e-9, "slot 2: half of both");
    tap_is_dbl(loads[3], 5 + 10 + 20, 1e-9, "slot 3: another one's copy");

    predictor_past_node(&past, 1, SHARD_ID_NONE, 0, 0, 4, loads);
    tap_is_dbl(loads[0], 40, 1e-9, "node 1, slot 0");
    tap_is_dbl(loads[1], 40 + 10, 1e-9, "slot 1: a copy arrives");
    tap_is_dbl(loads[2], 40 + 10 + 5, 1e-9, "slot 2");
    tap_is_dbl(loads[3], 40 * 1.5 + 20, 1e-9, "slot 3");

    predictor_past_node(&past, 1, 1, 0, 0, 4, loads);
    tap_is_dbl(loads[1], 40, 1e-9, "without shard 1 nothing of it");
    tap_is_dbl(loads[2], 40, 1e-9, "nor of its move");

    predictor_past_shard(&past, 2, 2, 4, loads);
    tap_is_dbl(loads[1], 40, 1e-9, "a shard's own load");
    tap_ok(isnan(loads[2]), "unknown after the last slot");
    predictor_history_done(&history);
}


/* whatever the world: the three courses of a move that takes no time agree
 * with one another as they must */

static void
test_random(uint64_t seed)
{
    int       round, i, bad;
    uint64_t  state;

    state = seed;
    bad = 0;

    for (round = 0; round < 2000; round++) {
        world((double) (tap_random(&state) % 120));

        for (i = 0; i < SLOTS; i++) {
            rest[i] = (double) (tap_random(&state) % 120);
            shard[i] = (double) (tap_random(&state) % 60);
        }

        h.happened.start_s = FIRST + (double) (tap_random(&state) % 1800);
        h.happened.commit_s = h.happened.start_s
                              + (double) (tap_random(&state) % 900);
        h.happened.end_s = h.happened.commit_s;
        predictor_hindsight_score(&h, &s);

        bad += s.regret_s < 0 || s.cost_s < 0
               || fabs(s.toll[PREDICTOR_NOTHING].violation_s
                       - s.toll[PREDICTOR_DECIDED].violation_s
                       - s.saved_nothing_s) > 1e-9
               || s.toll[PREDICTOR_DECIDED].violation_s - s.regret_s
                  > s.toll[PREDICTOR_NOTHING].violation_s + 1e-9
               || s.toll[PREDICTOR_DECIDED].violation_s - s.regret_s
                  > s.toll[PREDICTOR_REACTING].violation_s + 1e-9
               || s.toll[PREDICTOR_HAPPENED].violation_s
                  != s.toll[PREDICTOR_DECIDED].violation_s;
    }

    tap_is_int(bad, 0, "2000 random worlds: the figures fit one another");
}


int
main(void)
{
    test_helps();
    test_harms();
    test_rolled_back();
    test_advice();
    test_part_of_a_slot();
    test_never_and_unknown();
    test_past();
    test_random(tap_seed(5));

    return tap_done();
}
