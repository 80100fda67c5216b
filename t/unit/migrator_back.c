
/*
 * What a migration is refused for, and what turns it back: each thing once,
 * with its reason.
 */


#include "../lib/tap.h"
#include "../lib/migrator_run.h"


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


int
main(void)
{
    test_refused("another epoch", refuse_epoch, "epoch 5");
    test_refused("override", refuse_override, "freeze");
    test_refused("target drains", refuse_drain, "draining");
    test_refused("no room", refuse_room, "bytes free");
    test_refused("onto itself", refuse_same, "both n1");
    test_refused("another migration", refuse_other, "0000000000000063");
    test_refused_all();

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

    return tap_done();
}
