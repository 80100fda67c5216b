
/*
 * The scheduler of migrator_world.h: makes a world, runs migrators in it
 * until the migration has ended and the last of them too, then judges.
 */


#ifndef _MIGRATOR_RUN_H_INCLUDED_
#define _MIGRATOR_RUN_H_INCLUDED_


#include "migrator_nodes.h"


static world_actor_t  *world_entering;


TAP_UNUSED static world_t *
world_new(uint64_t seed)
{
    int       i;
    world_t  *w;

    w = calloc(1, sizeof(world_t));

    w->seed = seed;
    w->now = w->wrote_ms = 1000000;
    w->router_lag = 5;
    w->write_every = 3;
    w->wish_at = w->down_at = -1;
    w->version = w->view_version = 10;

    w->rec.id = 7;
    w->rec.epoch = WORLD_BASE;
    w->rec.strategy = SHARD_LOG_SHIPPING;
    strcpy(w->rec.primary, "n1");
    w->view = w->rec;

    w->node[0].role = MIGRATOR_ROLE_PRIMARY;
    w->node[0].epoch = WORLD_BASE;

    for (i = 0; i < 50; i++) {
        w->acked[w->nacked++] = ++w->values;
        w->node[0].data[w->node[0].n++] = w->values;
    }

    migrator_policy_defaults(&w->policy);
    w->policy.probes = 3;
    w->policy.probe_interval_ms = 1;
    w->policy.shift_step_bp = 2000;
    w->policy.shift_interval_ms = 10;
    w->policy.shift_back_ms = 1;
    w->policy.batch = 20;
    w->policy.catch_up_lag = 4;

    w->stored.id = 0x1234;
    w->stored.shard = 7;
    w->stored.epoch = WORLD_BASE;
    w->stored.strategy = SHARD_LOG_SHIPPING;
    w->stored.attempt = 1;
    w->stored.created_ms = w->now;
    strcpy(w->stored.from, "n1");
    strcpy(w->stored.to, "n2");
    migrator_phase_begin(&w->stored, w->now);

    return w;
}


/* migrators killed, stopped and gone on with, calls lost: each world its own */

TAP_UNUSED static void
world_disturb(world_t *w)
{
    w->crash_pm = (unsigned) world_rand(w, 8);
    w->frozen_pm = (unsigned) world_rand(w, 12);
    w->lost_pm = world_rand(w, 2) ? (unsigned) world_rand(w, 40) : 0;
}


static void
world_enter(void)
{
    world_actor_t  *a = world_entering;

    (void) migrator_run(&a->m);
    a->alive = 0;

    for ( ;; ) {
        swapcontext(&a->context, &a->world->scheduler);
    }
}


/* another migrator takes the migration, as adopt.c does */

static world_actor_t *
world_spawn(world_t *w)
{
    world_actor_t  *a;

    a = calloc(1, sizeof(world_actor_t));

    a->world = w;
    a->alive = 1;
    snprintf(a->holder, sizeof(a->holder), "m%u", w->nactors);

    a->io = w->kind ? *w->kind->io : world_io;
    a->io.data = a;
    a->m.io = &a->io;
    a->m.driver = w->kind ? w->kind->driver : &world_driver;
    a->m.driver_data = a;
    a->m.policy = &w->policy;
    a->m.state = w->stored;

    w->token = a->m.token = ++w->token_issued;
    strcpy(w->holder, a->holder);
    w->claim_until = w->now + (uint64_t) w->policy.claim_ttl_ms;

    a->stack = malloc(WORLD_STACK);
    getcontext(&a->context);
    a->context.uc_stack.ss_sp = a->stack;
    a->context.uc_stack.ss_size = WORLD_STACK;
    makecontext(&a->context, world_enter, 0);

    w->actors[w->nactors++] = a;

    return a;
}


/* one turn of one that is awake, or the clock goes to the next one's hour */

static void
world_turn(world_t *w)
{
    uint32_t        i, k, n;
    uint64_t        next;
    world_actor_t  *a, *awake[WORLD_ACTORS];

    n = 0;
    next = UINT64_MAX;

    for (i = 0; i < w->nactors; i++) {
        a = w->actors[i];

        if (a->alive && a->until_ms <= w->now) {
            awake[n++] = a;

        } else if (a->alive && a->until_ms < next) {
            next = a->until_ms;
        }
    }

    if (n == 0) {
        if (w->holder[0] && w->claim_until > w->now
            && w->claim_until < next)
        {
            next = w->claim_until;
        }

        world_clock(w, next == UINT64_MAX ? w->now + 1 : next);
        return;
    }

    k = (uint32_t) world_rand(w, n);
    a = awake[k];
    world_entering = a;
    swapcontext(&w->scheduler, &a->context);

    if (a->alive && ((a->crash_at && a->calls >= a->crash_at)
                     || (w->crash_pm
                         && world_rand(w, 1000) < w->crash_pm)))
    {
        a->alive = 0;
    }

    if (w->frozen_pm && world_rand(w, 1000) < w->frozen_pm) {
        a->until_ms = w->now + world_rand(w, 12000);
    }

    if (world_rand(w, 3) == 0) {
        world_clock(w, w->now + 1);
    }
}


/* what must be true of any world whose migration has ended */

static void
world_judge(world_t *w)
{
    int            at_target;
    uint64_t       i;
    world_node_t  *owner;

    if (w->hold_late && w->stored.source_held
        && w->node[0].epoch == WORLD_BASE)
    {
        w->node[0].held = 1;
    }

    world_clock(w, w->now + 100);

    at_target = strcmp(w->rec.primary, "n2") == 0;
    owner = &w->node[at_target];

    if (w->commits != at_target) {
        world_bad(w, "%d commits, owner %s", w->commits, w->rec.primary);
    }

    if (w->stored.verb != MIGRATOR_REPLICATE
        && w->stored.phase != (at_target ? MIGRATOR_DONE : MIGRATOR_ROLLED_BACK))
    {
        world_bad(w, "ends %s, owner %s",
                  migrator_phase(w->stored.phase)->name, w->rec.primary);
    }

    if (w->rec.phase != SHARD_STEADY || w->rec.migration || w->rec.target[0]
        || w->rec.shift_bp)
    {
        world_bad(w, "the record is left in phase %d", w->rec.phase);
    }

    if (w->rec.strategy == SHARD_STATELESS) {
        return;
    }

    if (owner->role != MIGRATOR_ROLE_PRIMARY || owner->epoch != w->rec.epoch) {
        world_bad(w, "owner %s has role %d at epoch %u, the table says %u",
                  w->rec.primary, owner->role, owner->epoch, w->rec.epoch);
    }

    /* a piece that was begun too late, at an epoch no router ever sent */

    if (w->node[!at_target].mode == MIGRATOR_MODE_FILLING && !w->switched
        && w->node[!at_target].epoch < w->rec.epoch)
    {
        w->node[!at_target].role = MIGRATOR_ROLE_NONE;
    }

    if (w->node[!at_target].role == MIGRATOR_ROLE_PRIMARY
        && w->stored.verb == MIGRATOR_MOVE)
    {
        world_bad(w, "two primaries");
    }

    if (owner->held) {
        world_bad(w, "the owner's queue is left held");
    }

    if (owner->n != w->nacked) {
        world_bad(w, "%llu of %llu acknowledged writes are there",
                  (unsigned long long) owner->n,
                  (unsigned long long) w->nacked);
        return;
    }

    for (i = 0; i < owner->n; i++) {
        if (owner->data[i] != w->acked[i]) {
            world_bad(w, "write %llu is out of order",
                      (unsigned long long) i);
            return;
        }
    }
}


TAP_UNUSED static void
world_run(world_t *w)
{
    uint32_t  i, alive;
    long      steps;

    for (steps = 0; steps < WORLD_STEPS && w->bad[0] == '\0'; steps++) {
        alive = 0;

        for (i = 0; i < w->nactors; i++) {
            alive += (uint32_t) w->actors[i]->alive;
        }

        if (migrator_phase(w->stored.phase)->kind == MIGRATOR_TERMINAL) {

            if (alive == 0) {
                (w->kind ? w->kind->judge : world_judge)(w);
                return;
            }

        } else if ((w->holder[0] == '\0' || w->claim_until <= w->now)
                   && w->nactors < WORLD_ACTORS)
        {
            (void) world_spawn(w);

            /* the last one must be able to end it */

            if (w->nactors == WORLD_ACTORS) {
                w->crash_pm = w->frozen_pm = w->lost_pm = 0;
            }
        }

        world_turn(w);
    }

    world_bad(w, "no end in phase %s", migrator_phase(w->stored.phase)->name);
}


/* the phases it went through, without times; good until the next call */

TAP_UNUSED static const char *
world_trail(const world_t *w)
{
    size_t       n;
    const char  *p;

    static char  names[MIGRATOR_TRAIL_SIZE];

    n = 0;

    for (p = w->stored.trail; *p; p++) {
        if (*p == '@') {
            p += strcspn(p, " ");

            if (*p == '\0') {
                break;
            }
        }

        names[n++] = *p;
    }

    names[n] = '\0';

    return names;
}


TAP_UNUSED static void
world_free(world_t *w)
{
    uint32_t  i;

    for (i = 0; i < w->nactors; i++) {
        free(w->actors[i]->stack);
        free(w->actors[i]);
    }

    free(w->more);
    free(w);
}


/* one of many worlds: a rule that is broken is told with the world's number */

typedef struct {
    unsigned  done;
    unsigned  back;
    unsigned  migrators;
} world_tally_t;


TAP_UNUSED static void
world_count(world_t *w, world_tally_t *tally, const char *name,
    uint64_t number)
{
    world_run(w);

    if (w->bad[0]) {
        tap_ok(0, "%s %llu: %s", name, (unsigned long long) number, w->bad);

    } else {
        tally->done += w->stored.phase == MIGRATOR_DONE;
        tally->back += w->stored.phase == MIGRATOR_ROLLED_BACK;
    }

    tally->migrators += w->nactors;
    world_free(w);
}


/* the same of one whose first migrator is killed at that call */

TAP_UNUSED static void
world_count_crash(world_t *w, world_tally_t *tally, const char *name,
    uint64_t call)
{
    world_spawn(w)->crash_at = call;
    world_count(w, tally, name, call);
}


#endif /* _MIGRATOR_RUN_H_INCLUDED_ */
