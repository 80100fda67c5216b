/*
 * What follows a migration: planned, and found again from its state alone.
 */


#include <string.h>

#include "../lib/tap.h"
#include "../../migrator/next.h"
#include "shard_codec.h"
#include "shard_key.h"


static migrator_state_t
state_of(migrator_verb_e verb, shard_strategy_e strategy, const char *from,
    const char *to)
{
    migrator_state_t  state;

    memset(&state, 0, sizeof(state));
    state.verb = verb;
    state.strategy = strategy;
    state.shard = 7;
    state.epoch = 4;
    state.into = 9;
    state.into_epoch = verb == MIGRATOR_MERGE ? 11 : 0;
    strcpy(state.from, from);
    strcpy(state.to, to);
    strcpy(state.others, "n4 n5");

    return state;
}


static void
is_next(const migrator_state_t *state, uint64_t id, const char *what)
{
    char  text[17];

    shard_hex_encode(id, text);
    tap_is_str(state->next, text, "%s: its id is known", what);
}


static void
test_split(void)
{
    migrator_state_t  state, wish;

    state = state_of(MIGRATOR_SPLIT, SHARD_COPY_ON_WRITE, "n1", "n2");
    migrator_next_plan(&state, 1);
    tap_is_str(state.to, "n1", "split: it lies where it was");
    tap_ok(migrator_next_moves(&state), "split: then it moves");
    tap_is_int(migrator_next_wish(&state, &wish), 1, "split: a wish");
    tap_is_int(wish.verb, MIGRATOR_MOVE, "split: a move");
    tap_ok(wish.shard == 9 && wish.epoch == 5, "split: of the new shard");
    tap_ok(strcmp(wish.from, "n1") == 0 && strcmp(wish.to, "n2") == 0,
           "split: to the node that was meant");
    tap_is_str(wish.others, "n4 n5", "split: standbys go with it");
    is_next(&state, shard_decision_id(9, 5, "n1", "n2"), "split");

    state = state_of(MIGRATOR_SPLIT, SHARD_COPY_ON_WRITE, "n1", "n1");
    migrator_next_plan(&state, 1);
    tap_ok(!migrator_next_wish(&state, &wish) && state.next[0] == '\0',
           "split in place: nothing follows");

    state = state_of(MIGRATOR_SPLIT, SHARD_LOG_SHIPPING, "n1", "n2");
    migrator_next_plan(&state, 0);
    tap_is_str(state.to, "n2", "not in place: at once to the other node");
    tap_ok(!migrator_next_wish(&state, &wish), "not in place: that is all");
}


static void
test_merge(void)
{
    migrator_state_t  state, wish;

    state = state_of(MIGRATOR_MERGE, SHARD_COPY_ON_WRITE, "n2", "n1");
    migrator_next_plan(&state, 1);
    tap_is_int(state.verb, MIGRATOR_MOVE, "merge: a move first");
    tap_is_str(state.others, "", "merge: whose standbys stay its own");
    tap_ok(migrator_next_merges(&state), "merge: then they are joined");
    tap_is_int(migrator_next_wish(&state, &wish), 1, "merge: a wish");
    tap_ok(wish.verb == MIGRATOR_MERGE && wish.shard == 7 && wish.into == 9
           && wish.into_epoch == 11, "merge: of the same two");
    tap_is_int(wish.epoch, 6, "merge: behind a move copy-on-write");
    is_next(&state, shard_cut_id(9, 11, "merge", "7.6", "n1"), "merge");

    state = state_of(MIGRATOR_MERGE, SHARD_LOG_SHIPPING, "n2", "n1");
    migrator_next_plan(&state, 1);
    (void) migrator_next_wish(&state, &wish);
    tap_is_int(wish.epoch, 5, "merge: behind a move by log");

    state = state_of(MIGRATOR_MERGE, SHARD_COPY_ON_WRITE, "n1", "n1");
    migrator_next_plan(&state, 1);
    tap_ok(state.verb == MIGRATOR_MERGE && state.next[0] == '\0',
           "merge on one node: at once");
}


static void
test_isolate(void)
{
    migrator_state_t  state, wish;

    state = state_of(MIGRATOR_ISOLATE, SHARD_COPY_ON_WRITE, "n1", "n1");
    strcpy(state.next_cut, "4000000000000000");
    strcpy(state.next_to, "n2");
    migrator_next_plan(&state, 1);
    tap_ok(migrator_next_moves(&state), "isolate: it ends in a move");
    tap_is_int(migrator_next_wish(&state, &wish), 1, "isolate: a wish");
    tap_ok(wish.verb == MIGRATOR_SPLIT && wish.shard == 7 && wish.epoch == 5,
           "isolate: a second split");
    tap_is_str(wish.next_cut, "4000000000000000", "isolate: where it is cut");
    is_next(&state, shard_cut_id(7, 5, "split", "4000000000000000", "n2"),
            "isolate");

    state = state_of(MIGRATOR_MOVE, SHARD_COPY_ON_WRITE, "n1", "n2");
    migrator_next_plan(&state, 1);
    tap_ok(!migrator_next_wish(&state, &wish) && strcmp(state.to, "n2") == 0,
           "a move is a move");
}


static void
test_others(void)
{
    tap_ok(migrator_others_valid(""), "no names");
    tap_ok(migrator_others_valid("n1"), "one");
    tap_ok(migrator_others_valid("n1 n2 n3"), "three");
    tap_ok(!migrator_others_valid("n1 n2 n3 n4"), "more than standbys");
    tap_ok(!migrator_others_valid("n1 a\"b"), "what is no name");
    tap_ok(!migrator_others_valid("n1 nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
                                  "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"),
           "a name that is too long");
}


int
main(void)
{
    test_split();
    test_merge();
    test_isolate();
    test_others();

    return tap_done();
}
