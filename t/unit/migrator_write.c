
/*
 * Strategy copy-on-write in worlds that fail: each acknowledged write can be
 * read all the time and is there in the end, forward and back.
 */


#include <time.h>

#include "../lib/tap.h"
#include "../lib/migrator_run.h"


#define RANDOM_WORLDS  400


static const char  trail_write[] =
    "planned claimed check warm-up freeze settle switch fill hold drain "
    "final-sync verify commit release standby done";

static const int  phases[] = {
    MIGRATOR_WARM_UP, MIGRATOR_FREEZE, MIGRATOR_SETTLE, MIGRATOR_SWITCH,
    MIGRATOR_FILL, MIGRATOR_HOLD, MIGRATOR_DRAIN, MIGRATOR_FINAL_SYNC,
    MIGRATOR_VERIFY
};

#define PHASES  (sizeof(phases) / sizeof(phases[0]))


static world_t *
write_new(uint64_t seed)
{
    world_t  *w;

    w = world_new(seed);

    w->rec.strategy = w->stored.strategy = SHARD_COPY_ON_WRITE;
    w->view = w->rec;
    w->revive_ms = 8000;

    return w;
}


static uint64_t
test_plain(void)
{
    uint64_t  calls;
    world_t  *w;

    w = write_new(1);
    world_run(w);

    tap_is_str(w->bad, "", "undisturbed: all rules hold");
    tap_is_str(world_trail(w), trail_write, "undisturbed: every phase, once");
    tap_is_int(w->rec.epoch, WORLD_BASE + 2, "undisturbed: two epochs on");
    tap_is_str(w->rec.standbys[0], "n1", "the source is a standby");
    tap_is_int(w->stored.copies, 1, "it was filled once");
    tap_ok(w->stored.hold_ms < 200, "held %llu ms, twice together",
           (unsigned long long) w->stored.hold_ms);

    calls = w->actors[0]->calls;
    world_free(w);

    return calls;
}


static void
test_crashes(int cut_off, uint64_t calls)
{
    uint64_t       i;
    world_t       *w;
    world_tally_t  n;

    memset(&n, 0, sizeof(n));

    for (i = 1; i <= calls; i++) {
        w = write_new(i);
        w->cut_off = cut_off;
        world_count_crash(w, &n, "killed at call", i);
    }

    tap_is_int((long long) (n.done + n.back), (long long) calls,
               "killed at each of %llu calls: all end",
               (unsigned long long) calls);
    tap_ok(n.done && n.back, "killed: %u arrive, %u go back", n.done, n.back);
}


static void
test_back(int phase, int wish, int cut_off)
{
    world_t  *w;

    w = write_new(50 + (uint64_t) phase);
    w->cut_off = cut_off;

    if (wish) {
        w->wish_at = phase;
    } else {
        w->down_at = phase;
    }

    world_run(w);

    tap_is_str(w->bad, "", "%s in %s: all rules hold",
               wish ? "a wish" : "target dead",
               migrator_phase((migrator_phase_e) phase)->name);
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "... rolled back: %s",
               w->stored.error);

    if (w->switched) {
        tap_is_int(w->rec.epoch, WORLD_BASE + 2, "... to a new epoch");
    }

    world_free(w);
}


/* and at every call of the way back, too */

static void
test_back_crashes(int phase)
{
    char           what[64];
    uint64_t       i, calls;
    world_t       *w;
    world_tally_t  n;

    w = write_new(70);
    w->wish_at = phase;
    world_run(w);
    calls = w->actors[0]->calls;
    world_free(w);

    memset(&n, 0, sizeof(n));
    snprintf(what, sizeof(what), "back from %s, killed at call",
             migrator_phase((migrator_phase_e) phase)->name);

    for (i = 1; i <= calls; i++) {
        w = write_new(70 + i);
        w->wish_at = phase;
        w->cut_off = (int) (i % 2);
        world_count_crash(w, &n, what, i);
    }

    tap_is_int((long long) (n.done + n.back), (long long) calls,
               "back from %s, killed at each of %llu calls: all end",
               migrator_phase((migrator_phase_e) phase)->name,
               (unsigned long long) calls);
}


static void
test_refused(void)
{
    world_t            *w;
    world_actor_t      *a;
    migrator_driver_t   driver;

    driver = world_driver;
    driver.fill = NULL;

    w = write_new(6);
    a = world_spawn(w);
    a->m.driver = &driver;
    world_run(w);

    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "a driver that cannot "
               "is refused");
    tap_ok(strstr(w->stored.error, "has no copy-on-write") != NULL, "%s",
           w->stored.error);
    world_free(w);
}


static void
test_random(uint64_t seed)
{
    int            i;
    world_t       *w;
    world_tally_t  n;

    memset(&n, 0, sizeof(n));

    for (i = 0; i < RANDOM_WORLDS; i++) {
        w = write_new(seed + (uint64_t) i);
        world_disturb(w);
        w->cut_off = (int) world_rand(w, 2);

        if (world_rand(w, 2)) {
            w->wish_at = phases[world_rand(w, PHASES)];
        }

        if (world_rand(w, 3) == 0) {
            w->down_at = phases[world_rand(w, PHASES)];
        }


        world_count(w, &n, "random world", seed + (uint64_t) i);
    }

    tap_is_int(n.done + n.back, RANDOM_WORLDS, "random worlds: all end");
    tap_ok(n.done && n.back, "random worlds: %u arrive, %u roll back", n.done,
           n.back);
}


int
main(void)
{
    size_t    i;
    uint64_t  seed, calls;

    seed = tap_seed((uint64_t) time(NULL));

    calls = test_plain();
    test_crashes(0, calls);
    test_crashes(1, calls);

    for (i = 0; i < PHASES; i++) {
        test_back(phases[i], 0, (int) i % 2);

        /* nobody looks for a wish between verify and commit */

        if (phases[i] != MIGRATOR_VERIFY) {
            test_back(phases[i], 1, (int) i % 2);
        }
    }

    test_back_crashes(MIGRATOR_SETTLE);
    test_back_crashes(MIGRATOR_FILL);
    test_back_crashes(MIGRATOR_DRAIN);
    test_refused();
    test_random(seed);

    return tap_done();
}
