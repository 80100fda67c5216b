
/*
 * Splits and merges on the virtual clock: whole, killed at each call, back
 * from each phase, without the other shard's claim, and with a shard that an
 * operator deletes.
 */


#include <time.h>

#include "../lib/tap.h"
#include "../lib/migrator_cut_run.h"


#define RANDOM_WORLDS  200

static const char  trail_cut[] =
    "planned claimed check copy catch-up hold drain final-sync verify commit "
    "release standby done";


typedef struct {
    const char       *name;
    migrator_verb_e   verb;
    const char       *to;
    unsigned          kept;             /* digests that it asks for */
} cut_case_t;

static const cut_case_t  cases[] = {
    { "split", MIGRATOR_SPLIT, "n2", 1 },
    { "split in place", MIGRATOR_SPLIT, "n1", 1 },
    { "isolation", MIGRATOR_ISOLATE, "n2", 1 },
    { "merge", MIGRATOR_MERGE, "n2", 2 },
    { "merge in place", MIGRATOR_MERGE, "n1", 2 }
};

#define CASES  (sizeof(cases) / sizeof(cases[0]))


static uint64_t
test_plain(const cut_case_t *t, unsigned no_keep)
{
    uint64_t      calls;
    world_t      *w;
    cut_world_t  *c;

    w = cut_new(1, t->verb, t->to);
    c = cut_of(w);
    c->no_keep = no_keep;
    world_run(w);

    tap_is_str(w->bad, "", "%s: all rules hold", t->name);
    tap_is_str(world_trail(w), trail_cut, "%s: every phase, once", t->name);
    tap_is_int(w->commits, 1, "%s: one commit", t->name);
    tap_is_int(c->kept, no_keep ? 0 : t->kept, "%s: digests are kept where "
               "they can be", t->name);
    tap_ok(w->stored.hold_ms < 200, "%s: held %llu ms", t->name,
           (unsigned long long) w->stored.hold_ms);

    calls = w->actors[0]->calls;
    world_free(w);

    return calls;
}


/* in each phase, before and behind each effect: another one takes it over */

static void
test_crashes(const cut_case_t *t, uint64_t calls)
{
    char           what[64];
    uint64_t       i;
    world_tally_t  n;

    memset(&n, 0, sizeof(n));
    snprintf(what, sizeof(what), "%s: killed at call", t->name);

    for (i = 1; i <= calls; i++) {
        world_count_crash(cut_new(i, t->verb, t->to), &n, what, i);
    }

    tap_is_int((long long) (n.done + n.back), (long long) calls,
               "%s: killed at each of %llu calls: all end", t->name,
               (unsigned long long) calls);
    tap_ok(n.done > calls / 2, "%s: killed: most arrive (%u)", t->name,
           n.done);
}


static void
test_random(const cut_case_t *t, uint64_t seed)
{
    int            i;
    world_t       *w;
    cut_world_t   *c;
    world_tally_t  n;

    memset(&n, 0, sizeof(n));

    for (i = 0; i < RANDOM_WORLDS; i++) {
        w = cut_new(seed + (uint64_t) i, t->verb, t->to);
        world_disturb(w);
        c = cut_of(w);
        c->lossy = w->lost_pm;

        if (world_rand(w, 4) == 0) {
            w->wish_at = (int) (MIGRATOR_COPY + world_rand(w, 12));
        }

        world_count(w, &n, t->name, seed + (uint64_t) i);
    }

    tap_is_int(n.done + n.back, RANDOM_WORLDS, "%s: random worlds: all end",
               t->name);
    tap_ok(n.done && n.back && n.migrators > RANDOM_WORLDS, "%s: random "
           "worlds: %u arrive, %u roll back, %u migrators", t->name, n.done,
           n.back, n.migrators);
}


/* one thing goes wrong: both shards are as they were, and why */

static void
test_back(const cut_case_t *t, const char *name, void (*make)(world_t *w),
    const char *why, uint32_t epoch)
{
    world_t      *w;
    cut_world_t  *c;

    w = cut_new(5, t->verb, t->to);
    c = cut_of(w);
    make(w);
    world_run(w);

    tap_is_str(w->bad, "", "%s, %s: all rules hold", t->name, name);
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "%s, %s: rolled back",
               t->name, name);
    tap_ok(strstr(w->stored.error, why) != NULL, "%s, %s: %s", t->name, name,
           w->stored.error);
    tap_is_int(c->rec[0].epoch, epoch, "%s, %s: epoch", t->name, name);
    tap_ok(c->at[cut_node(t->to)][1].has[CUT_KEYS - 1] == 0
           || w->node[1].down, "%s, %s: what was copied is dropped", t->name,
           name);
    world_free(w);
}


static void back_wish_copy(world_t *w) { w->wish_at = MIGRATOR_COPY; }
static void back_wish_catch_up(world_t *w) { w->wish_at = MIGRATOR_CATCH_UP; }
static void back_wish_sync(world_t *w) { w->wish_at = MIGRATOR_FINAL_SYNC; }
static void back_stuck(world_t *w) { w->router_stuck = 1; }
static void back_commit(world_t *w) { w->commit_bad = 1; }
static void back_down(world_t *w) { w->down_at = MIGRATOR_COPY; }
static void back_down_sync(world_t *w) { w->down_at = MIGRATOR_FINAL_SYNC; }
static void back_rival(world_t *w)
{
    cut_of(w)->rival_at = MIGRATOR_CHECK;
    cut_of(w)->rival_ms = 1000000000;
}


static void
test_backs(const cut_case_t *t)
{
    test_back(t, "wish in copy", back_wish_copy, "an operator wished", 1);
    test_back(t, "wish in catch-up", back_wish_catch_up,
              "an operator wished", 1);
    test_back(t, "wish in final-sync", back_wish_sync, "an operator wished", 2);
    test_back(t, "undrained router", back_stuck, "requests in flight", 1);
    test_back(t, "commit refused", back_commit, "commit: commit:", 2);
    test_back(t, "other claim is held", back_rival, "claim of shard 8", 1);

    if (strcmp(t->to, "n2") == 0) {
        test_back(t, "target dies in copy", back_down, "no answer for 5", 1);
        test_back(t, "target dies in final-sync", back_down_sync,
                  "final-sync: not within", 2);
    }
}


/* somebody else has the other shard's claim for a while: it is waited for, or
 * while requests wait, the way back is taken */

static void
test_rival(const cut_case_t *t, migrator_phase_e phase)
{
    world_t      *w;
    cut_world_t  *c;

    w = cut_new(9, t->verb, t->to);
    c = cut_of(w);
    c->rival_at = phase;
    c->rival_ms = 3000;
    world_run(w);

    tap_is_str(w->bad, "", "%s, claim lost in %s: all rules hold", t->name,
               migrator_phase(phase)->name);
    tap_ok(w->stored.phase == MIGRATOR_DONE
           || (phase != MIGRATOR_CHECK && phase != MIGRATOR_RELEASE
               && strstr(w->stored.error, "claim of shard 8")),
           "%s, claim lost in %s: ends %s %s", t->name,
           migrator_phase(phase)->name,
           migrator_phase(w->stored.phase)->name, w->stored.error);
    world_free(w);
}


/* an operator's hand deletes one of the two while both are held */

static void
test_gone(int gone, migrator_phase_e phase)
{
    world_t      *w;
    cut_world_t  *c;

    w = cut_new(11, MIGRATOR_MERGE, "n2");
    c = cut_of(w);
    c->gone = gone;
    c->gone_at = phase;
    world_run(w);

    tap_is_str(w->bad, "", "shard %d deleted in %s: all rules hold",
               gone ? CUT_OTHER : CUT_FIRST, migrator_phase(phase)->name);
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "and it rolls back");
    tap_is_int(c->rec[!gone].phase, SHARD_STEADY, "the other one goes on");
    tap_is_int(c->rec[!gone].migration != 0, 0, "and is nobody's");
    tap_is_int(w->commits, 0, "nothing was committed");
    world_free(w);
}


int
main(void)
{
    size_t        i;
    uint64_t      seed, calls;

    static const migrator_phase_e  phases[] = {
        MIGRATOR_CHECK, MIGRATOR_COPY, MIGRATOR_CATCH_UP, MIGRATOR_HOLD,
        MIGRATOR_FINAL_SYNC, MIGRATOR_COMMIT, MIGRATOR_RELEASE
    };

    static const migrator_phase_e  held[] = {
        MIGRATOR_DRAIN, MIGRATOR_FINAL_SYNC, MIGRATOR_VERIFY, MIGRATOR_COMMIT
    };

    seed = tap_seed((uint64_t) time(NULL));

    for (i = 0; i < CASES; i++) {
        calls = test_plain(&cases[i], 0);
        test_plain(&cases[i], 1);
        test_crashes(&cases[i], calls);
        test_random(&cases[i], seed);
        test_backs(&cases[i]);
    }

    for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        test_rival(&cases[0], phases[i]);
        test_rival(&cases[3], phases[i]);
    }

    for (i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
        test_gone(0, held[i]);
        test_gone(1, held[i]);
    }

    return tap_done();
}
