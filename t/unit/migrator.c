
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
    unsigned        done, back;
    uint64_t        i;
    world_t        *w;
    world_actor_t  *a;

    done = back = 0;

    for (i = 1; i <= calls; i++) {
        w = world_new(i);
        w->rec.strategy = w->stored.strategy = strategy;
        w->rec.consistency = consistency;
        w->view = w->rec;
        w->mirror_bp = mirror_bp;
        w->mirror_every = 2;
        w->policy.mirror_sample = 20;

        a = world_spawn(w);
        a->crash_at = i;
        world_run(w);

        if (w->bad[0]) {
            tap_ok(0, "%s: killed at call %llu: %s", name,
                   (unsigned long long) i, w->bad);
        }

        done += w->stored.phase == MIGRATOR_DONE;
        back += w->stored.phase == MIGRATOR_ROLLED_BACK;
        world_free(w);
    }

    tap_is_int((long long) (done + back), (long long) calls,
               "%s: killed at each of %llu calls: all end", name,
               (unsigned long long) calls);
    tap_ok(done > calls / 2, "%s: killed: most arrive (%u)", name, done);
    tap_ok(back > 0 || strategy == SHARD_STATELESS,
           "%s: killed while requests waited: rolled back (%u)", name, back);
}


/* migrators killed, stopped and gone on with, calls lost, all at random */

static void
test_random(uint64_t seed)
{
    int       i;
    unsigned  done, back, migrators;
    world_t  *w;

    done = back = migrators = 0;

    for (i = 0; i < RANDOM_WORLDS; i++) {
        w = world_new(seed + (uint64_t) i);
        world_disturb(w);
        w->cut_off = (int) world_rand(w, 2);
        w->rec.consistency = world_rand(w, 3) ? SHARD_STRONG : SHARD_EVENTUAL;
        w->mirror_bp = (uint32_t) world_rand(w, 2) * 100;
        w->mirror_every = 1 + world_rand(w, 50);
        w->mirror_wrong = world_rand(w, 3) ? 0 : 1 + world_rand(w, 200);
        w->view = w->rec;
        world_run(w);

        if (w->bad[0]) {
            tap_ok(0, "random world %llu: %s",
                   (unsigned long long) (seed + (uint64_t) i), w->bad);
        }

        done += w->stored.phase == MIGRATOR_DONE;
        back += w->stored.phase == MIGRATOR_ROLLED_BACK;
        migrators += w->nactors;
        world_free(w);
    }

    tap_is_int(done + back, RANDOM_WORLDS, "random worlds: all end");
    tap_ok(done && back && migrators > RANDOM_WORLDS, "random worlds: %u "
           "arrive, %u roll back, %u migrators", done, back, migrators);
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


/* what is refused has touched nothing */

static void
test_refused(const char *name, void (*make)(world_t *w), const char *why)
{
    uint64_t  version;
    world_t  *w;

    w = world_new(4);
    version = w->version;
    make(w);
    world_run(w);

    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "%s: refused", name);
    tap_ok(strstr(w->stored.error, why) != NULL, "%s: %s", name,
           w->stored.error);
    tap_is_int((long long) w->version, (long long) version,
               "%s: the table was not touched", name);
    world_free(w);
}


static void refuse_epoch(world_t *w) { w->rec.epoch = w->node[0].epoch = 5; }
static void refuse_override(world_t *w) { strcpy(w->override, "freeze"); }
static void refuse_drain(world_t *w) { w->target_state = SHARD_NODE_DRAINING; }
static void refuse_room(world_t *w) { w->policy.room = 1e9; }
static void refuse_same(world_t *w) { strcpy(w->stored.to, "n1"); }
static void refuse_other(world_t *w)
{
    w->rec.migration = 99;
    w->rec.phase = SHARD_SHIFTING;
}


/* one thing goes wrong in a phase: back to the source, and why */

static void
test_rollback(const char *name, void (*make)(world_t *w), const char *why,
    uint32_t epoch)
{
    world_t  *w;

    w = world_new(5);
    make(w);
    world_run(w);

    tap_is_str(w->bad, "", "%s: all rules hold", name);
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "%s: rolled back",
               name);
    tap_ok(strstr(w->stored.error, why) != NULL, "%s: %s", name,
           w->stored.error);
    tap_is_int(w->rec.epoch, epoch, "%s: epoch", name);
    tap_ok(w->stored.hold_ms <= 1200, "%s: held %llu ms", name,
           (unsigned long long) w->stored.hold_ms);
    world_free(w);
}


static void back_stuck(world_t *w) { w->router_stuck = 1; }
static void back_slow(world_t *w) { w->node[1].slow_us = 900000; }
static void back_down_copy(world_t *w) { w->down_at = MIGRATOR_COPY; }
static void back_down_warm(world_t *w) { w->down_at = MIGRATOR_WARM_UP; }
static void back_down_probes(world_t *w)
{
    w->mute = 1;
    w->policy.max_errors_bp = SHARD_BP_ALL;
    w->policy.probes = MIGRATOR_PROBES_MAX;
    w->policy.probe_interval_ms = 100;
}
static void back_down_sync(world_t *w) { w->down_at = MIGRATOR_FINAL_SYNC; }
static void back_wish(world_t *w) { w->wish_at = MIGRATOR_CATCH_UP; }
static void back_commit(world_t *w) { w->commit_bad = 1; }
static void back_late_commit(world_t *w)
{
    w->commit_late = w->commit_bad = 1;
}
static void back_late_hold(world_t *w) { w->commit_late = 3; }
static void back_mirror(world_t *w)
{
    w->mirror_bp = 100;
    w->mirror_every = 1;
    w->mirror_wrong = 10;
}
static void back_mirror_few(world_t *w)
{
    back_mirror(w);
    w->mirror_every = 4000;
    w->mirror_wrong = 2;
}
static void back_mirror_slow(world_t *w)
{
    back_mirror(w);
    w->mirror_wrong = 0;
    w->mirror_ms = 900;
}
static void back_mirror_shift(world_t *w)
{
    back_mirror(w);
    w->rec.consistency = SHARD_EVENTUAL;
    w->policy.mirror_wait_ms = 0;
    w->policy.shift_interval_ms = 400;
}
static void back_mirror_wish(world_t *w)
{
    back_mirror(w);
    w->mirror_wrong = 0;
    w->mirror_every = 100;
    w->wish_at = MIGRATOR_WARM_UP;
}
static void back_routers(world_t *w) { w->policy.require_routers = 2; }
static void back_rate(world_t *w)
{
    w->policy.batch = 1;
    w->policy.catch_up_window_ms = 100;
    w->policy.catch_up_lag = 0;
    w->write_every = 1;
}


static void back_silent(world_t *w) { w->cut_off = w->silent = 1; }


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


/* several things are wrong: all of them are told */

static void
test_refused_all(void)
{
    world_t  *w;

    w = world_new(16);
    strcpy(w->override, "freeze");
    w->target_state = SHARD_NODE_DRAINING;
    w->view_dead = 1;
    w->view_hold_ms = 500;
    world_run(w);

    tap_ok(strstr(w->stored.error, "freeze; target n2 is draining; 1 of 1 "
                  "live routers see n2 dead; router edge-1 lets requests "
                  "wait for 500 ms") != NULL, "%s", w->stored.error);
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

    test_refused("another epoch", refuse_epoch, "epoch 5");
    test_refused("override", refuse_override, "freeze");
    test_refused("target drains", refuse_drain, "draining");
    test_refused("no room", refuse_room, "bytes free");
    test_refused("onto itself", refuse_same, "both n1");
    test_refused("another migration", refuse_other, "0000000000000063");

    test_refused_all();
    test_waits();
    test_silent();
    test_hooks();
    test_rollback("silent router", back_silent, "router edge-2 has not heard",
                  1);
    test_rollback("undrained router", back_stuck, "requests in flight", 1);
    test_rollback("slow target", back_slow, "gate: n2 answers in", 1);
    test_rollback("target dies in copy", back_down_copy,
                  "copy: gate: no answer for 5", 1);
    test_rollback("target dies in warm-up", back_down_warm,
                  "warm-up: gate: no answer for 5", 1);
    test_rollback("no probe answers", back_down_probes,
                  "warm-up: gate: no probe of n2 answered for 5", 1);
    test_rollback("target dies in final-sync", back_down_sync,
                  "final-sync: not within", 2);
    test_rollback("an operator's wish", back_wish, "an operator wished", 1);
    test_rollback("commit refused", back_commit, "commit: commit:", 2);
    test_rollback("commit refused, an earlier one under way",
                  back_late_commit, "commit: commit:", 2);
    test_rollback("hold refused, an earlier one under way", back_late_hold,
                  "hold: hold:", 1);
    test_rollback("mirrored reads differ", back_mirror,
                  "warm-up: gate: of ", 1);
    test_rollback("half of few mirrored reads differ", back_mirror_few,
                  "another body, 0 not at all", 1);
    test_rollback("mirrored reads take long", back_mirror_slow,
                  "answers mirrored reads in 902.0 ms", 1);
    test_rollback("mirrored reads differ in the shift", back_mirror_shift,
                  "shift: gate: of ", 1);
    test_rollback("a wish while reads are mirrored", back_mirror_wish,
                  "an operator wished", 1);
    test_rollback("too few routers", back_routers, "2 are required", 1);
    test_rollback("source too fast", back_rate, "does not converge", 1);
    test_trimmed();
    test_late_none();

    test_random(seed);

    return tap_done();
}
