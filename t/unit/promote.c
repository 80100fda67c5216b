
/*
 * A promotion in the world of migrator_world.h: n1 is dead and has ten writes
 * that its standby n2 never got.  Undisturbed, killed at every call, at
 * random, and what is refused.
 */


#include <time.h>

#include "../lib/migrator_run.h"


#define RANDOM_WORLDS  300


static const char  trail_promote[] =
    "planned claimed check final-sync commit release done";


static world_t *
world_dead(uint64_t seed)
{
    world_t  *w;

    w = world_new(seed);

    w->stored.verb = MIGRATOR_PROMOTE;
    w->rec.nstandbys = 2;
    strcpy(w->rec.standbys[0], "n2");
    strcpy(w->rec.standbys[1], "n3");
    w->view = w->rec;

    w->node[1].role = MIGRATOR_ROLE_STANDBY;
    w->node[1].n = w->node[0].n - 10;
    memcpy(w->node[1].data, w->node[0].data, w->node[1].n * sizeof(uint32_t));
    w->node[0].down = 1;

    return w;
}


static uint64_t
test_plain(void)
{
    uint64_t  calls;
    world_t  *w;

    w = world_dead(1);
    world_run(w);

    tap_is_str(w->bad, "", "all rules hold");
    tap_is_str(world_trail(w), trail_promote, "the short way, each phase once");
    tap_is_int(w->rec.epoch, WORLD_BASE + 1, "a new epoch");
    tap_is_str(w->rec.primary, "n2", "the standby is the owner");
    tap_is_int(w->rec.nstandbys, 1, "the dead one is no standby");
    tap_is_str(w->rec.standbys[0], "n3", "the other one stays");
    tap_is_int((long long) w->stored.position, 40, "where it stood is kept");
    tap_ok(w->nacked > 40, "it takes writes (%llu)",
           (unsigned long long) w->nacked);

    calls = w->actors[0]->calls;
    world_free(w);

    return calls;
}


static void
test_crashes(uint64_t calls)
{
    uint64_t       i;
    world_tally_t  n;

    memset(&n, 0, sizeof(n));

    for (i = 1; i <= calls; i++) {
        world_count_crash(world_dead(i), &n, "killed at call", i);
    }

    /* a hold that lasted while nobody carried it out is over: tried again */

    tap_ok(n.done > calls / 2, "killed at each of %llu calls: %u arrive",
           (unsigned long long) calls, n.done);
}


static void
test_random(uint64_t seed)
{
    int            i;
    world_t       *w;
    world_tally_t  n;

    memset(&n, 0, sizeof(n));

    for (i = 0; i < RANDOM_WORLDS; i++) {
        w = world_dead(seed + (uint64_t) i);
        world_disturb(w);
        w->commit_bad = world_rand(w, 4) == 0;

        world_count(w, &n, "random world", seed + (uint64_t) i);
    }

    tap_is_int(n.done + n.back, RANDOM_WORLDS, "random worlds: all end");
    tap_ok(n.done && n.back, "random worlds: %u arrive, %u are given up",
           n.done, n.back);
}


static void
test_refused(const char *name, void (*make)(world_t *w), const char *why)
{
    world_t  *w;

    w = world_dead(5);
    make(w);
    world_run(w);

    tap_is_str(w->bad, "", "%s: all rules hold", name);
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "%s: refused", name);
    tap_ok(strstr(w->stored.error, why) != NULL, "%s: says why (%s)", name,
           w->stored.error);
    tap_is_int((long long) w->version, 10, "%s: the table is as it was",
               name);
    world_free(w);
}


static void refuse_alive(world_t *w) { w->node[0].down = 0; }
static void refuse_stranger(world_t *w) { w->rec.nstandbys = 0; }
static void refuse_empty(world_t *w)
{
    w->node[1].role = MIGRATOR_ROLE_NONE;
    w->node[1].n = 0;
}
static void refuse_other(world_t *w) { w->node[1].epoch = 9; }
static void refuse_frozen(world_t *w) { strcpy(w->override, "freeze"); }
static void refuse_drain(world_t *w) { w->target_state = SHARD_NODE_DRAINING; }
static void refuse_mute(world_t *w) { w->node[1].down = 1; }


/* a third node's replica is lost, n2 gets one from n1 */

static world_t *
world_replica(uint64_t seed)
{
    world_t  *w;

    w = world_new(seed);
    w->stored.verb = MIGRATOR_REPLICATE;
    w->rec.nstandbys = 2;
    strcpy(w->rec.standbys[0], "n3");
    strcpy(w->rec.standbys[1], "n4");
    strcpy(w->stored.replaces, "n3");
    w->view = w->rec;

    return w;
}


/* the table names who has the data, and nobody else */

static int
replica_bad(const world_t *w)
{
    int  named;

    named = strcmp(w->rec.standbys[1], "n2") == 0;

    return w->bad[0] || w->rec.epoch != WORLD_BASE || w->rec.nstandbys != 2
           || strcmp(w->rec.standbys[0], named ? "n4" : "n3") != 0
           || (named && w->node[1].role != MIGRATOR_ROLE_STANDBY)
           || (w->stored.phase == MIGRATOR_DONE && !named);
}


static void
test_replica(uint64_t seed)
{
    int       i, bad;
    unsigned  done, back;
    world_t  *w;

    w = world_replica(1);
    world_run(w);
    tap_is_str(w->bad, "", "replica: all rules hold");
    tap_is_str(world_trail(w), "planned claimed check copy catch-up commit "
               "standby done", "replica: its way");
    tap_ok(!replica_bad(w), "replica: in place of the lost one");
    tap_ok(w->stored.level_ms > 0, "replica: it was level");
    world_free(w);

    bad = 0;
    done = back = 0;

    for (i = 0; i < RANDOM_WORLDS; i++) {
        w = world_replica(seed + (uint64_t) i);
        world_disturb(w);
        w->commit_bad = world_rand(w, 4) == 0;
        w->wish_at = world_rand(w, 4) ? -1 : MIGRATOR_CATCH_UP;
        world_run(w);

        if (replica_bad(w)) {
            tap_diag("replica, world %llu: %s", (unsigned long long)
                     (seed + (uint64_t) i), w->bad);
            bad++;
        }

        done += w->stored.phase == MIGRATOR_DONE;
        back += w->stored.phase == MIGRATOR_ROLLED_BACK;
        world_free(w);
    }

    tap_is_int(bad, 0, "replica, random worlds: %u arrive, %u are given up",
               done, back);
}


int
main(void)
{
    uint64_t  seed, calls;

    seed = tap_seed((uint64_t) time(NULL));

    calls = test_plain();
    test_crashes(calls);
    test_random(seed);
    test_replica(seed);

    test_refused("a primary that answers", refuse_alive, "is not dead");
    test_refused("no standby", refuse_stranger, "no standby of the shard");
    test_refused("an empty standby", refuse_empty, "does not hold the shard");
    test_refused("of a later epoch", refuse_other, "epoch 9");
    test_refused("frozen", refuse_frozen, "freeze");
    test_refused("a standby that drains", refuse_drain, "draining");
    test_refused("a standby that is dead, too", refuse_mute, "check: not");

    return tap_done();
}
