
/*
 * Strategy queue in worlds that fail: each message is delivered once and in
 * order, by one node at a time, however often migrators die.
 */


#include <time.h>

#include "../lib/tap.h"
#include "../lib/migrator_run.h"


#define RANDOM_WORLDS  300


static const char  trail_queue[] =
    "planned claimed check copy catch-up warm-up consume hold drain "
    "final-sync verify commit release standby done";


static world_t *
queue_new(uint64_t seed, int hold)
{
    world_t  *w;

    w = world_new(seed);

    w->rec.strategy = w->stored.strategy = SHARD_QUEUE;
    w->view = w->rec;
    w->consume_every = 2;
    w->hold_late = 1;
    w->policy.queue_hold = hold;
    w->policy.queue_drain_ms = 300;

    return w;
}


static uint64_t
test_plain(const char *name, int hold)
{
    uint64_t  calls;
    world_t  *w;

    w = queue_new(1, hold);
    world_run(w);

    tap_is_str(w->bad, "", "%s: all rules hold", name);
    tap_is_str(world_trail(w), trail_queue, "%s: every phase, once", name);
    tap_is_int(w->rec.epoch, WORLD_BASE + 1, "%s: a new epoch", name);
    tap_ok(w->consumed > 10, "%s: %u messages were consumed", name,
           w->consumed);
    tap_is_int(w->stored.source_held, hold, "%s: held at the backend", name);
    tap_ok(w->stored.hold_ms < 200, "%s: held %llu ms", name,
           (unsigned long long) w->stored.hold_ms);

    calls = w->actors[0]->calls;
    world_free(w);

    return calls;
}


/* consumers that keep up, that do not, that are not there, or are direct */

static void
test_drain(void)
{
    uint64_t  slow;
    world_t  *w;

    w = queue_new(2, MIGRATOR_HOLD_ROUTER);
    w->write_every = 50;
    w->policy.queue_drain_ms = 60000;
    world_run(w);

    tap_is_str(w->bad, "", "taken empty: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "taken empty: arrives");
    tap_is_int((long long) w->stored.depth, 0, "taken empty: nothing was left");
    tap_ok(w->now < 1000000 + 10000, "taken empty: at once");
    world_free(w);

    w = queue_new(3, MIGRATOR_HOLD_ROUTER);
    w->consume_every = 0;
    w->policy.queue_drain_ms = 2000;
    world_run(w);

    slow = w->now - 1000000;
    tap_is_str(w->bad, "", "nobody consumes: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "nobody consumes: arrives");
    tap_ok(slow > 2000 && slow < 5000, "nobody consumes: waited %llu ms",
           (unsigned long long) slow);
    tap_ok(w->stored.depth > 50, "nobody consumes: %llu were shipped",
           (unsigned long long) w->stored.depth);
    world_free(w);

    w = queue_new(4, MIGRATOR_HOLD_ROUTER);
    w->consume_direct = w->consume_every = 1;
    w->write_every = 2;
    w->policy.queue_held_drain_ms = 500;
    world_run(w);

    tap_is_str(w->bad, "", "direct consumers: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "direct consumers: arrives");
    tap_is_int((long long) w->stored.depth, 0,
               "direct consumers: took all within the hold");
    world_free(w);
}


/* killed at every call */

static void
test_crashes(const char *name, int hold, int direct, uint64_t calls)
{
    char           what[64];
    uint64_t       i;
    world_t       *w;
    world_tally_t  n;

    memset(&n, 0, sizeof(n));
    snprintf(what, sizeof(what), "%s: killed at call", name);

    for (i = 1; i <= calls; i++) {
        w = queue_new(i, hold);
        w->consume_direct = direct;
        w->policy.queue_drain_ms = 50;
        w->policy.queue_held_drain_ms = direct ? 50 : 0;

        world_count_crash(w, &n, what, i);
    }

    tap_is_int((long long) (n.done + n.back), (long long) calls,
               "%s: killed at each of %llu calls: all end", name,
               (unsigned long long) calls);
    tap_ok(n.done > calls / 2 && n.back, "%s: killed: %u arrive, %u go back",
           name, n.done, n.back);
}


/* an operator's wish, or a dead target, in each phase */

static void
test_back(int hold, int *of, int phase, const char *why)
{
    world_t  *w;

    w = queue_new(5 + (uint64_t) phase, hold);

    if (of == NULL) {
        w->down_at = phase;
    } else {
        w->wish_at = phase;
    }

    world_run(w);

    tap_is_str(w->bad, "", "%s in %s, hold %d: all rules hold", why,
               migrator_phase((migrator_phase_e) phase)->name, hold);
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "%s in %s: rolled back",
               why, migrator_phase((migrator_phase_e) phase)->name);
    world_free(w);
}


static void
test_rollbacks(void)
{
    int  i, hold, wish;

    static const int  phases[] = {
        MIGRATOR_COPY, MIGRATOR_CATCH_UP, MIGRATOR_WARM_UP, MIGRATOR_CONSUME,
        MIGRATOR_HOLD, MIGRATOR_DRAIN, MIGRATOR_FINAL_SYNC, MIGRATOR_VERIFY
    };

    for (i = 0; i < (int) (sizeof(phases) / sizeof(phases[0])); i++) {
        for (hold = 0; hold < 2; hold++) {
            test_back(hold, NULL, phases[i], "target dead");

            /* nobody looks for a wish between verify and commit */

            if (phases[i] != MIGRATOR_VERIFY) {
                test_back(hold, &wish, phases[i], "a wish");
            }
        }
    }
}


static void
test_refused(void)
{
    world_t            *w;
    world_actor_t      *a;
    migrator_driver_t   driver;

    driver = world_driver;
    driver.hold = NULL;

    w = queue_new(6, MIGRATOR_HOLD_BACKEND);
    a = world_spawn(w);
    a->m.driver = &driver;
    world_run(w);

    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "a driver that cannot "
               "hold is refused");
    tap_ok(strstr(w->stored.error, "queue.hold must be router") != NULL,
           "%s", w->stored.error);
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
        w = queue_new(seed + (uint64_t) i, i % 2);
        world_disturb(w);
        w->cut_off = (int) world_rand(w, 2);
        w->consume_direct = (int) world_rand(w, 2);
        w->consume_every = world_rand(w, 8);
        w->policy.queue_held_drain_ms = (long) world_rand(w, 100);

        world_count(w, &n, "random world", seed + (uint64_t) i);
    }

    tap_is_int(n.done + n.back, RANDOM_WORLDS, "random worlds: all end");
    tap_ok(n.done && n.back, "random worlds: %u arrive, %u roll back", n.done,
           n.back);
}


/* whoever takes it over waits no longer because of the clock of the dead */

static void
test_clock(uint64_t calls)
{
    uint64_t        i;
    unsigned        bad, late;
    world_t        *w;
    world_actor_t  *a;

    bad = late = 0;

    for (i = 1; i <= calls; i++) {
        w = queue_new(i, MIGRATOR_HOLD_ROUTER);
        w->consume_every = 0;

        a = world_spawn(w);
        a->crash_at = i;
        a->ahead_ms = 3600000;

        world_run(w);

        bad += w->bad[0] != '\0';
        late += w->now > 1000000 + 120000;
        world_free(w);
    }

    tap_is_int(bad, 0, "killed, its clock an hour ahead: all rules hold");
    tap_is_int(late, 0, "killed, its clock an hour ahead: none waits for it");
}


int
main(void)
{
    uint64_t  seed, router, backend;

    seed = tap_seed((uint64_t) time(NULL));

    router = test_plain("router", MIGRATOR_HOLD_ROUTER);
    backend = test_plain("backend", MIGRATOR_HOLD_BACKEND);

    test_drain();
    test_crashes("router", MIGRATOR_HOLD_ROUTER, 0, router);
    test_crashes("direct", MIGRATOR_HOLD_ROUTER, 1, router);
    test_crashes("backend", MIGRATOR_HOLD_BACKEND, 0, backend);
    test_clock(router);
    test_rollbacks();
    test_refused();
    test_random(seed);

    return tap_done();
}
