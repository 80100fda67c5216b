
/*
 * The phase table: which ways there are, and which never.
 */


#include "../lib/tap.h"
#include "../../migrator/phases.h"
#include "shard_codec.h"


static migrator_phase_e
phase_of(const char *name)
{
    shard_str_t  text;

    text.data = name;
    text.len = strlen(name);

    return migrator_phase_by_name(text);
}


static void
test_names(void)
{
    int  i;

    static const char *const  names[] = {
        "planned", "claimed", "check", "copy", "catch-up", "warm-up", "shift",
        "consume", "freeze", "settle", "switch", "fill", "hold", "drain", "final-sync", "verify", "commit", "release",
        "standby", "done", "rolling-back", "rolled-back"
    };

    tap_is_int(MIGRATOR_PHASES, sizeof(names) / sizeof(names[0]),
               "so many phases");

    for (i = 0; i < MIGRATOR_PHASES; i++) {
        tap_is_str(migrator_phase((migrator_phase_e) i)->name, names[i],
                   "phase %d has its documented name", i);
        tap_is_int(phase_of(names[i]), i, "%s is found", names[i]);
    }

    tap_is_int(phase_of("shifting"), MIGRATOR_PHASE_NONE, "no such phase");
    tap_is_int(phase_of(""), MIGRATOR_PHASE_NONE, "an empty name is none");
}


/* from each phase to each other one: only what is written here */

static void
test_ways(migrator_verb_e verb, shard_strategy_e strategy, const char *way)
{
    int               from, to, want, wrong;
    char              ways[MIGRATOR_PHASES][MIGRATOR_PHASES], names[512];
    char             *name;
    migrator_state_t  state;

    memset(ways, 0, sizeof(ways));

    snprintf(names, sizeof(names), "%s", way);
    from = MIGRATOR_PHASE_NONE;

    for (name = strtok(names, " "); name; name = strtok(NULL, " ")) {
        to = phase_of(name);

        if (from != MIGRATOR_PHASE_NONE) {
            ways[from][to] = 1;
        }

        from = to;
    }

    for (from = MIGRATOR_PLANNED; from < MIGRATOR_COMMIT; from++) {
        ways[from][MIGRATOR_ROLLING_BACK] = 1;
    }

    ways[MIGRATOR_COMMIT][MIGRATOR_ROLLING_BACK] = 1;
    ways[MIGRATOR_ROLLING_BACK][MIGRATOR_ROLLED_BACK] = 1;
    ways[MIGRATOR_ROLLING_BACK][MIGRATOR_RELEASE] = 1;
    ways[MIGRATOR_CATCH_UP][MIGRATOR_COPY] = 1;
    ways[MIGRATOR_WARM_UP][MIGRATOR_COPY] = 1;
    wrong = 0;

    for (from = 0; from < MIGRATOR_PHASES; from++) {
        for (to = 0; to < MIGRATOR_PHASES; to++) {
            memset(&state, 0, sizeof(state));
            state.verb = verb;
            state.strategy = strategy;
            state.phase = (migrator_phase_e) from;

            want = ways[from][to] ? SHARD_OK : SHARD_ERROR;

            if (migrator_phase_set(&state, (migrator_phase_e) to, 5) != want
                || (int) state.phase != (want == SHARD_OK ? to : from)
                || (want == SHARD_ERROR && state.trail[0]))
            {
                wrong++;
                tap_diag("from %d to %d", from, to);
            }
        }
    }

    tap_is_int(wrong, 0, "%s, %s: all ways are open or closed as they must be",
               migrator_verb_name(verb), shard_strategy_name(strategy));
}


static void
test_flags(void)
{
    int                      i, bad;
    const migrator_phase_t  *row;

    bad = 0;

    for (i = 0; i < MIGRATOR_PHASES; i++) {
        row = migrator_phase((migrator_phase_e) i);

        if (i > MIGRATOR_COMMIT && (row->flags & MIGRATOR_ABORTS)) {
            bad++;
        }

        /* what may be left or paused keeps nobody waiting */

        if ((row->flags & (MIGRATOR_PAUSES|MIGRATOR_LEAVES))
            && (row->flags & MIGRATOR_CUTOVER))
        {
            bad++;
        }

        if ((row->flags & MIGRATOR_EXPIRES)
            && !(row->flags & MIGRATOR_IN_HOLD) && row->timeout_ms == 0)
        {
            bad++;
        }
    }

    tap_is_int(bad, 0, "flags agree with each other");
    tap_ok(!(migrator_phase(MIGRATOR_COMMIT)->flags & MIGRATOR_EXPIRES),
           "commit is not given up for lack of time");
}


static void
test_stateless(void)
{
    int               n;
    migrator_state_t  state;

    memset(&state, 0, sizeof(state));
    state.strategy = SHARD_STATELESS;
    migrator_phase_begin(&state, 1);

    for (n = 0; state.phase != MIGRATOR_DONE && n < 20; n++) {
        tap_is_int(migrator_phase_set(&state, migrator_phase_next(&state), 2),
                   SHARD_OK, "stateless: on to %s",
                   migrator_phase(migrator_phase_next(&state))->name);
    }

    tap_is_str(state.trail, "planned@1 claimed@2 check@2 warm-up@2 shift@2 "
               "commit@2 standby@2 done@2", "stateless: its trail");
    tap_is_int((long long) state.finished_ms, 2, "the end has its time");
    tap_ok(!migrator_phase_seen(&state, MIGRATOR_HOLD), "never held");
    tap_ok(migrator_phase_seen(&state, MIGRATOR_SHIFT), "shifted");
    tap_ok(migrator_phase_seen(&state, MIGRATOR_PLANNED), "first is seen");
    tap_ok(migrator_phase_seen(&state, MIGRATOR_DONE), "last is seen");
}


static void
test_promote(void)
{
    int               n, odd;
    shard_str_t       name;
    migrator_state_t  state;

    memset(&state, 0, sizeof(state));
    state.strategy = SHARD_LOG_SHIPPING;
    state.verb = MIGRATOR_PROMOTE;
    migrator_phase_begin(&state, 1);

    for (n = 0; state.phase != MIGRATOR_DONE && n < 20; n++) {
        migrator_phase_set(&state, migrator_phase_next(&state), 2);
    }

    tap_is_str(state.trail, "planned@1 claimed@2 check@2 final-sync@2 "
               "commit@2 release@2 done@2", "promote: its trail");
    tap_is_int((long long) state.hold_at_ms, 2, "promote: requests wait since");

    odd = 0;

    for (n = MIGRATOR_COPY; n <= MIGRATOR_DRAIN; n++) {
        state.phase = MIGRATOR_CHECK;
        odd += migrator_phase_set(&state, (migrator_phase_e) n, 3)
               == SHARD_OK;
    }

    tap_is_int(odd, 0, "promote: there is nothing to copy or to hold");

    name.data = "promote";
    name.len = 7;
    tap_is_int(migrator_verb_by_name(name), MIGRATOR_PROMOTE, "a verb's name");
    name.len = 4;
    tap_is_int(migrator_verb_by_name(name), MIGRATOR_VERB_NONE, "and no verb");
}


/* a trail that is full forgets its beginning, whole entries of it */

static void
test_trail(void)
{
    int               i, bad;
    size_t            longest;
    migrator_state_t  state;

    memset(&state, 0, sizeof(state));
    state.strategy = SHARD_LOG_SHIPPING;
    bad = 0;
    longest = 0;

    for (i = 0; i < 1000; i++) {
        state.phase = MIGRATOR_CATCH_UP;
        bad += migrator_phase_set(&state, MIGRATOR_COPY, UINT64_MAX)
               != SHARD_OK;
        bad += strncmp(state.trail, "copy@18446744073709551615", 25) != 0;

        if (strlen(state.trail) > longest) {
            longest = strlen(state.trail);
        }
    }

    tap_is_int(bad, 0, "a thousand entries: begins with a whole one");
    tap_ok(longest < MIGRATOR_TRAIL_SIZE, "a thousand entries: %zu bytes",
           longest);
    tap_ok(!migrator_phase_seen(&state, MIGRATOR_CATCH_UP),
           "an entry that is not there is not seen");
}


#define CUT  "planned claimed check copy catch-up hold drain final-sync "     \
             "verify commit release standby done"


int
main(void)
{
    int  verb;

    test_names();
    test_ways(MIGRATOR_MOVE, SHARD_LOG_SHIPPING, "planned claimed check copy "
              "catch-up warm-up shift hold drain final-sync verify commit "
              "release standby done");
    test_ways(MIGRATOR_MOVE, SHARD_QUEUE, "planned claimed check copy "
              "catch-up warm-up consume hold drain final-sync verify commit "
              "release standby done");
    test_ways(MIGRATOR_MOVE, SHARD_COPY_ON_WRITE, "planned claimed check "
              "warm-up freeze settle switch fill hold drain final-sync verify "
              "commit release standby done");
    test_ways(MIGRATOR_MOVE, SHARD_STATELESS, "planned claimed check warm-up "
              "shift commit standby done");

    for (verb = MIGRATOR_SPLIT; verb <= MIGRATOR_MERGE; verb++) {
        test_ways((migrator_verb_e) verb, SHARD_LOG_SHIPPING, CUT);
        test_ways((migrator_verb_e) verb, SHARD_COPY_ON_WRITE, CUT);
        test_ways((migrator_verb_e) verb, SHARD_QUEUE, "planned claimed check "
                  "copy catch-up consume hold drain final-sync verify commit "
                  "release standby done");
        test_ways((migrator_verb_e) verb, SHARD_STATELESS, "planned claimed "
                  "check commit release standby done");
    }

    test_flags();
    test_stateless();
    test_promote();
    test_trail();

    return tap_done();
}
