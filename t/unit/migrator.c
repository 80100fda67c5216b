
/*
 * The machine in worlds that fail: each call may be the last one, or be
 * answered late, or not at all.
 */


#include <time.h>

#include "../lib/tap.h"
#include "../lib/migrator_run.h"


#define RANDOM_WORLDS  400


static const char  trail_log[] =
    "planned claimed check copy catch-up warm-up shift hold drain final-sync "
    "verify commit release standby done";

static const char  trail_stateless[] =
    "planned claimed check warm-up shift commit standby done";


static uint64_t
test_plain(void)
{
    uint64_t  calls;
    world_t  *w;

    w = world_new(1);
    world_run(w);

    tap_is_str(w->bad, "", "undisturbed: all rules hold");
    tap_is_str(world_trail(w), trail_log, "undisturbed: every phase, once");
    tap_is_int(w->rec.epoch, WORLD_BASE + 1, "undisturbed: a new epoch");
    tap_is_str(w->rec.standbys[0], "n1", "undisturbed: the old primary is "
               "the first standby");
    tap_ok(w->stored.hold_ms < 200, "undisturbed: held %llu ms",
           (unsigned long long) w->stored.hold_ms);
    tap_is_int(w->nactors, 1, "undisturbed: by one migrator");

    calls = w->actors[0]->calls;
    world_free(w);

    return calls;
}


/* killed at every call; "strategy" and consistency as given */

static void
test_crashes(const char *name, shard_strategy_e strategy,
    shard_consistency_e consistency, uint32_t mirror_bp, uint64_t calls)
{
    char           what[64];
    uint64_t       i;
    world_t       *w;
    world_tally_t  n;

    memset(&n, 0, sizeof(n));
    snprintf(what, sizeof(what), "%s: killed at call", name);

    for (i = 1; i <= calls; i++) {
        w = world_new(i);
        w->rec.strategy = w->stored.strategy = strategy;
        w->rec.consistency = consistency;
        w->view = w->rec;
        w->mirror_bp = mirror_bp;
        w->mirror_every = 2;
        w->policy.mirror_sample = 20;

        world_count_crash(w, &n, what, i);
    }

    tap_is_int((long long) (n.done + n.back), (long long) calls,
               "%s: killed at each of %llu calls: all end", name,
               (unsigned long long) calls);
    tap_ok(n.done > calls / 2, "%s: killed: most arrive (%u)", name, n.done);
    tap_ok(n.back > 0 || strategy == SHARD_STATELESS,
           "%s: killed while requests waited: rolled back (%u)", name,
           n.back);
}


/* migrators killed, stopped and gone on with, calls lost, all at random */

static void
test_random(uint64_t seed)
{
    int            i;
    world_t       *w;
    world_tally_t  n;

    memset(&n, 0, sizeof(n));

    for (i = 0; i < RANDOM_WORLDS; i++) {
        w = world_new(seed + (uint64_t) i);
        world_disturb(w);
        w->cut_off = (int) world_rand(w, 2);
        w->rec.consistency = world_rand(w, 3) ? SHARD_STRONG : SHARD_EVENTUAL;
        w->mirror_bp = (uint32_t) world_rand(w, 2) * 100;
        w->mirror_every = 1 + world_rand(w, 50);
        w->mirror_wrong = world_rand(w, 3) ? 0 : 1 + world_rand(w, 200);
        w->view = w->rec;

        world_count(w, &n, "random world", seed + (uint64_t) i);
    }

    tap_is_int(n.done + n.back, RANDOM_WORLDS, "random worlds: all end");
    tap_ok(n.done && n.back && n.migrators > RANDOM_WORLDS, "random worlds: "
           "%u arrive, %u roll back, %u migrators", n.done, n.back,
           n.migrators);
}


/* enough of them, few of them, none at all */

static void
test_mirrored(void)
{
    world_t  *w;

    w = world_new(10);
    w->mirror_bp = 100;
    w->mirror_every = 1;
    world_run(w);

    tap_is_str(w->bad, "", "mirrored: all rules hold");
    tap_is_str(world_trail(w), trail_log, "mirrored: every phase, once");
    tap_ok(w->stored.mirrored >= 50 && w->stored.mirror_bad == 0,
           "mirrored: %llu reads compared",
           (unsigned long long) w->stored.mirrored);
    tap_ok(w->now < 1000000 + 5000, "mirrored: in %llu ms",
           (unsigned long long) (w->now - 1000000));
    world_free(w);

    w = world_new(11);
    w->mirror_bp = 100;
    w->mirror_every = 3000;
    w->mirror_wrong = 6;
    world_run(w);

    tap_is_int(w->stored.phase, MIGRATOR_DONE, "few mirrored reads, one of "
               "them another: it arrives");
    tap_ok(w->now > 1000000 + 20000 && w->now < 1000000 + 90000,
           "few mirrored reads: it waited for more of them");
    tap_is_int((long long) w->stored.mirror_bad, 1, "few: what differed");
    world_free(w);

    w = world_new(12);
    w->mirror_bp = 100;
    world_run(w);

    tap_is_int(w->stored.phase, MIGRATOR_DONE, "no read at all: probes "
               "decide");
    tap_is_int((long long) w->stored.mirrored, 0, "nothing was mirrored");
    world_free(w);

    w = world_new(13);
    w->mirror_every = 1;
    w->mirror_wrong = 1;
    world_run(w);

    tap_is_int(w->stored.phase, MIGRATOR_DONE, "no share in the policy: it "
               "arrives");
    tap_is_int((long long) w->mirrors.sent, 0, "and the record names no "
               "target before the hold");
    world_free(w);
}


static void
test_stateless(void)
{
    world_t  *w;

    w = world_new(2);
    w->rec.strategy = w->stored.strategy = SHARD_STATELESS;
    world_run(w);

    tap_is_str(w->bad, "", "stateless: all rules hold");
    tap_is_str(world_trail(w), trail_stateless, "stateless: nothing is held");
    tap_is_int(w->shift_max, SHARD_BP_ALL, "stateless: all has shifted first");
    world_free(w);

    w = world_new(3);
    w->rec.strategy = w->stored.strategy = SHARD_STATELESS;
    w->down_at = MIGRATOR_SHIFT;
    world_run(w);

    tap_is_str(w->bad, "", "stateless, target dies: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK,
               "stateless, target dies: rolled back");
    tap_ok(strstr(w->stored.error, "shift: gate: ") != NULL,
           "stateless, target dies: %s", w->stored.error);
    world_free(w);
}


/* by policy a live router that is cut off is left to the epochs */

static void
test_silent(void)
{
    world_t  *w;

    w = world_new(14);
    w->cut_off = w->silent = 1;
    w->policy.silent_routers = MIGRATOR_SILENT_FENCE;
    world_run(w);

    tap_is_str(w->bad, "", "a silent router, fenced: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "it arrives");
    tap_is_int(w->stored.silent_routers, 1, "one router was left out");
    tap_ok(w->stored.hold_ms >= 300 && w->stored.hold_ms < 600,
           "after the time the policy gives it: held %llu ms",
           (unsigned long long) w->stored.hold_ms);
    world_free(w);

    w = world_new(15);
    w->router_stuck = 1;
    w->policy.silent_routers = MIGRATOR_SILENT_FENCE;
    world_run(w);

    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK,
               "one with requests in flight is never left out");
    world_free(w);
}


/* the target was a standby: its keeper has sent it more than was compared */

static void
test_keeper(void)
{
    world_t  *w;

    w = world_new(19);
    w->write_every = 1;
    w->keeps = 3;
    world_run(w);

    tap_is_int(w->keeps, 0, "a target that is ahead, three times");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "is compared again");
    tap_is_str(w->bad, "", "all rules hold");
    world_free(w);
}


/* the store came back a moment ago: so will a router that lives */

static void
test_store_back(void)
{
    uint64_t  began;
    world_t  *w;

    w = world_new(16);
    w->cut_off = 1;
    w->back_ms = began = w->now;
    world_run(w);

    tap_is_int(w->stored.phase, MIGRATOR_DONE, "a router that stays away: it "
               "arrives");
    tap_ok(w->stored.hold_at_ms >= began + 3500, "it had %llu ms to return",
           (unsigned long long) (w->stored.hold_at_ms - began));
    tap_ok(w->stored.hold_ms < 200, "for which nobody waited");
    world_free(w);

    w = world_new(17);
    w->cut_off = 1;
    w->back_ms = began = w->now;
    w->tells_ms = 2000;
    world_run(w);

    tap_is_int(w->stored.phase, MIGRATOR_DONE, "one that returns: it "
               "arrives");
    tap_ok(w->stored.hold_at_ms >= began + 2000
           && w->stored.hold_at_ms < began + 3500, "as soon as it tells");
    tap_is_str(w->bad, "", "all rules hold");
    world_free(w);
}


/* before and behind a phase; one that fails ends what may end */

static void
hook(world_t *w, int i, migrator_phase_e phase, migrator_when_e when)
{
    w->policy.hooks[i].phase = phase;
    w->policy.hooks[i].phase_name = (char *) migrator_phase(phase)->name;
    w->policy.hooks[i].when = (int) when;
    w->policy.hooks[i].timeout_ms = 1000;
}


static void
test_hooks(void)
{
    world_t  *w;

    w = world_new(18);
    hook(w, 0, MIGRATOR_COPY, MIGRATOR_BEFORE);
    hook(w, 1, MIGRATOR_COPY, MIGRATOR_AFTER);
    hook(w, 2, MIGRATOR_COMMIT, MIGRATOR_BEFORE);
    hook(w, 3, MIGRATOR_DONE, MIGRATOR_AFTER);
    world_run(w);

    tap_is_str(w->bad, "", "hooks: all rules hold");
    tap_is_str(world_trail(w), trail_log, "hooks: every phase, once");
    tap_is_int(w->hooks, 4, "hooks: each is run once");
    tap_ok(w->audits >= 14, "every phase is audited (%u)", w->audits);
    world_free(w);

    w = world_new(19);
    hook(w, 0, MIGRATOR_WARM_UP, MIGRATOR_BEFORE);
    w->hook_bad = 1;
    world_run(w);

    tap_is_str(w->bad, "", "a hook that fails: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "rolled back");
    tap_is_str(w->stored.error, "warm-up: hook before it: exit status 3",
               "and why");
    world_free(w);

    w = world_new(20);
    hook(w, 0, MIGRATOR_WARM_UP, MIGRATOR_AFTER);
    hook(w, 1, MIGRATOR_COMMIT, MIGRATOR_AFTER);
    hook(w, 2, MIGRATOR_RELEASE, MIGRATOR_BEFORE);
    w->policy.hooks[0].on_failure = MIGRATOR_HOOK_IGNORE;
    w->hook_bad = 1;
    world_run(w);

    tap_is_str(w->bad, "", "ignored, and behind the commit: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "nothing is undone");
    tap_is_int(w->hooks, 3, "all were run");
    world_free(w);
}


/* an older one has the node's budget: it is waited for, however long */

static void
test_waits(void)
{
    world_t  *w;

    w = world_new(17);
    w->policy.max_per_node = 1;
    w->others.nrunning = 1;
    w->others.running[0].id = 1;
    w->others.running[0].shard = 8;
    w->others.running[0].created_ms = 1;
    strcpy(w->others.running[0].to, "n2");
    w->others_until = w->now + 60000;
    world_run(w);

    tap_is_str(w->bad, "", "no room in the budget: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "it arrives");
    tap_ok(w->now > 1060000, "when the other one has ended");
    world_free(w);
}


/* the log is trimmed while the snapshot travels */

static void
test_trimmed(void)
{
    world_t  *w;

    w = world_new(6);
    w->node[0].trimmed = 40;
    w->node[1].role = MIGRATOR_ROLE_STANDBY;
    w->node[1].epoch = WORLD_BASE;
    w->node[1].n = 10;
    memcpy(w->node[1].data, w->node[0].data, 40);
    strcpy(w->rec.standbys[0], "n2");
    w->rec.nstandbys = 1;
    world_run(w);

    tap_is_str(w->bad, "", "a standby that missed too much: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "it arrives");
    tap_is_int(w->stored.copies, 1, "it was copied after all");
    world_free(w);

    w = world_new(7);
    w->node[1].role = MIGRATOR_ROLE_STANDBY;
    w->node[1].epoch = WORLD_BASE;
    w->node[1].n = 10;
    memcpy(w->node[1].data, w->node[0].data, 40);
    strcpy(w->rec.standbys[0], "n2");
    w->rec.nstandbys = 1;
    world_run(w);

    tap_is_int(w->stored.copies, 0, "a warm standby is not copied");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "it arrives");
    world_free(w);

    w = world_new(8);
    w->node[1].role = MIGRATOR_ROLE_STANDBY;
    w->node[1].epoch = WORLD_BASE;
    w->node[1].n = 10;
    strcpy(w->rec.standbys[0], "n2");
    w->rec.nstandbys = 1;
    world_run(w);

    tap_is_str(w->bad, "", "a standby with other data: all rules hold");
    tap_is_int(w->stored.copies, 1, "it is copied");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "it arrives");
    world_free(w);
}


/* what an earlier attempt left on its way to the target */

static void
test_late_none(void)
{
    world_t  *w;

    w = world_new(9);
    w->none_late = 1;
    world_run(w);

    tap_is_str(w->bad, "", "an old request to forget: all rules hold");
    tap_is_int(w->none_late, 2, "it came between verify and commit and was "
               "refused");
    tap_is_int(w->stored.phase, MIGRATOR_DONE, "the migration arrives");
    world_free(w);
}


int
main(void)
{
    uint64_t  seed, calls;

    seed = tap_seed((uint64_t) time(NULL));

    calls = test_plain();

    test_crashes("strong", SHARD_LOG_SHIPPING, SHARD_STRONG, 0, calls);
    test_crashes("eventual", SHARD_LOG_SHIPPING, SHARD_EVENTUAL, 0, calls * 3);
    test_crashes("stateless", SHARD_STATELESS, SHARD_STRONG, 0, calls * 2);
    test_crashes("mirrored", SHARD_LOG_SHIPPING, SHARD_STRONG, 100, calls * 2);
    test_crashes("mirrored stateless", SHARD_STATELESS, SHARD_STRONG, 100,
                 calls * 2);
    test_mirrored();
    test_stateless();

    test_waits();
    test_silent();
    test_store_back();
    test_keeper();
    test_hooks();
    test_trimmed();
    test_late_none();

    test_random(seed);

    return tap_done();
}
