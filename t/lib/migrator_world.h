
/*
 * A world in memory for migrations: a store, two nodes n1 and n2, a router
 * that writes all the time, and any number of migrators, each a coroutine
 * that may be interrupted before and behind the effect of every call it
 * makes, for ever (kill -9) or for a while (kill -STOP).  Virtual clock.
 *
 *   scheduler ──▶ migrator A ┐ calls, one at a time
 *             ──▶ migrator B ├──▶ store, nodes ──▶ rules that must hold
 *             ──▶ clock ──▶ router: writes, barriers ▲
 */


#ifndef _MIGRATOR_WORLD_H_INCLUDED_
#define _MIGRATOR_WORLD_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "../../src/daemon/shardd_store.h"
#include "../../migrator/conf.h"
#include "tap.h"


#define WORLD_LOG     8192
#define WORLD_ACTORS  12
#define WORLD_OPS     512
#define WORLD_FLYING  32
#define WORLD_STACK   (512 * 1024)
#define WORLD_STEPS   400000
#define WORLD_BASE    1


typedef struct {
    migrator_role_e    role;
    uint32_t           epoch;
    uint64_t           n;
    uint64_t           trimmed;
    int                down;
    uint64_t           slow_us;
    int                held;            /* delivers nothing */
    migrator_mode_e    mode;
    uint64_t           base;            /* filling: it lacks what is before */
    uint32_t           data[WORLD_LOG];
} world_node_t;

typedef struct {
    int                node;
    uint32_t           epoch;
    uint64_t           at_ms;           /* 0 = free */
    uint32_t           value;
} world_request_t;

typedef struct world_s  world_t;

typedef struct {
    world_t           *world;
    char               holder[16];
    ucontext_t         context;
    void              *stack;
    migrator_t         m;
    migrator_io_t      io;
    int                alive;
    uint64_t           until_ms;        /* asleep */
    uint64_t           calls;
    uint64_t           crash_at;
    uint64_t           ahead_ms;        /* its clock is */
    world_node_t       snapshot;
} world_actor_t;

/* a world of another kind: migrator_cuts.h */

typedef struct {
    const migrator_io_t      *io;
    const migrator_driver_t  *driver;
    void                    (*tick)(world_t *w);    /* router, each ms */
    void                    (*judge)(world_t *w);
} world_kind_t;

struct world_s {
    const world_kind_t *kind;           /* NULL: one shard, that moves */
    void               *more;           /* that kind's own */
    uint64_t           now;
    uint64_t           seed;
    ucontext_t         scheduler;
    world_actor_t     *actors[WORLD_ACTORS];
    uint32_t           nactors;

    shard_record_t     rec;
    uint64_t           version;
    uint64_t           nops;
    char               ops[WORLD_OPS][48];
    uint64_t           op_version[WORLD_OPS];
    migrator_state_t   stored;
    char               wish[16];
    char               override[32];
    uint64_t           token;
    uint64_t           token_issued;
    char               holder[16];
    uint64_t           claim_until;
    shard_node_state_e target_state;

    world_node_t       node[2];

    shard_record_t     view;            /* the router's */
    uint64_t           view_version;
    uint64_t           view_at;
    uint64_t           router_lag;
    int                router_stuck;    /* never drains */
    int                cut_off;         /* another router, without Redis */
    int                silent;          /* and yet its entry is a fresh one */
    int                keeps;           /* so often the keeper is faster */
    uint64_t           back_ms;         /* so old is the store, 0: very old */
    uint64_t           tells_ms;        /* when it is so old, edge-2 tells */
    uint32_t           mirror_bp;
    uint64_t           mirror_every;    /* ms, a read that is mirrored */
    uint64_t           mirror_wrong;    /* each so many-th differs, 0: none */
    uint64_t           mirror_ms;       /* what the target takes */
    uint64_t           mirrored_ms;
    migrator_mirrors_t mirrors;
    uint64_t           write_every;
    uint64_t           wrote_ms;
    world_request_t    flying[WORLD_FLYING];
    uint32_t           values;
    uint64_t           nacked;
    uint32_t           acked[WORLD_LOG];

    uint64_t           consume_every;   /* ms, 0: nobody consumes */
    int                consume_direct;  /* at the nodes, not by a router */
    uint64_t           consumed_ms;
    uint32_t           consumed;        /* messages, all told */
    uint32_t           ack;             /* under way, 0: none */
    int                hold_late;       /* an old hold comes after all */

    int                switched;        /* copy-on-write: known to routers */
    uint64_t           revive_ms;       /* n2 is down for so long */
    uint64_t           revive_at;

    unsigned           lost_pm;         /* per mille of calls */
    unsigned           frozen_pm;
    unsigned           crash_pm;
    int                commit_bad;      /* so many commits are refused */
    int                commit_late;     /* 1: to be delayed, 2: under way,
                                         * 3: the hold's write instead */
    shard_record_t     late;
    uint64_t           late_version;
    int                none_late;       /* an old request to forget the data */
    int                wish_at;         /* phase at which it is wished */
    int                down_at;         /* phase at which n2 goes down */
    int                mute;            /* n2 fails the probes of warm-up */
    int                commits;
    int                shift_max;
    uint64_t           view_hold_ms;    /* the router's shard_hold */
    int                view_dead;       /* it sees n2 dead */
    double             write_rate;      /* as n1 says */
    uint64_t           log_first;
    unsigned           hooks;           /* that ran */
    int                hook_bad;        /* they fail */
    unsigned           audits;
    migrator_others_t  others;
    uint64_t           others_until;    /* when they have ended, 0: never */
    migrator_policy_t  policy;
    char               bad[256];
};


static char  world_err[] = "injected";

static const char *const  world_names[] = { "n1", "n2" };


TAP_FORMAT(2, 3) static void
world_bad(world_t *w, const char *fmt, ...)
{
    va_list  args;

    if (w->bad[0]) {
        return;
    }

    va_start(args, fmt);
    vsnprintf(w->bad, sizeof(w->bad), fmt, args);
    va_end(args);
}


static uint64_t
world_rand(world_t *w, uint64_t n)
{
    return tap_random(&w->seed) % n;
}


/*
 * A queue's consumer takes the oldest message, then acknowledges it until
 * that is taken; an acknowledgement is an entry of the log like a message.
 */

#define WORLD_ACK  0x80000000u


/* messages that were taken: the acknowledged part of a node's queue */

static uint32_t
world_taken(const world_node_t *node)
{
    uint64_t  i;
    uint32_t  n;

    n = 0;

    for (i = 0; i < node->n; i++) {
        n += (node->data[i] & WORLD_ACK) != 0;
    }

    return n;
}


/* those of it that were not */

static uint64_t
world_depth(const world_node_t *node)
{
    return node->n - 2 * (uint64_t) world_taken(node);
}


static int
world_delivers(const world_node_t *node)
{
    return node->role == MIGRATOR_ROLE_PRIMARY && !node->held && !node->down;
}


static void
world_deliver(world_t *w, world_node_t *node)
{
    if (world_delivers(&w->node[0]) && world_delivers(&w->node[1])) {
        world_bad(w, "two nodes deliver");
    }

    if (world_taken(node) != w->consumed) {
        world_bad(w, "message %u is delivered, number %u was the last",
                  world_taken(node) + 1, w->consumed);
    }

    w->ack = WORLD_ACK | ++w->consumed;
}


static void
world_consume(world_t *w)
{
    int            i;
    world_node_t  *node;

    if (w->consume_every == 0 || w->now - w->consumed_ms < w->consume_every) {
        return;
    }

    w->consumed_ms = w->now;
    i = strcmp(w->view.primary, "n2") == 0;

    if (w->consume_direct) {
        i = world_delivers(&w->node[1]);

    } else if (w->view.phase == SHARD_HELD) {
        return;
    }

    node = &w->node[i];

    if (node->role != MIGRATOR_ROLE_PRIMARY || node->down
        || (!w->consume_direct && node->epoch != w->view.epoch)
        || node->n == WORLD_LOG)
    {
        return;
    }

    if (w->ack == 0 && world_delivers(node) && world_depth(node)) {
        world_deliver(w, node);
        return;
    }

    if (w->ack) {
        node->data[node->n++] = w->ack;
        w->acked[w->nacked++] = w->ack;
        w->ack = 0;
    }
}


/* router */

static void
world_arrive(world_t *w, world_request_t *r)
{
    world_node_t  *node;

    node = &w->node[r->node];
    r->at_ms = 0;

    if (node->down || node->role != MIGRATOR_ROLE_PRIMARY
        || node->epoch != r->epoch || node->n == WORLD_LOG)
    {
        return;
    }

    node->data[node->n++] = r->value;
    w->acked[w->nacked++] = r->value;
}


static int
world_in_flight(const world_t *w)
{
    int  i;

    for (i = 0; i < WORLD_FLYING; i++) {
        if (w->flying[i].at_ms) {
            return 1;
        }
    }

    return 0;
}


static void
world_write(world_t *w, int node, uint32_t epoch, uint64_t delay)
{
    int  i;

    for (i = 0; i < WORLD_FLYING; i++) {
        if (w->flying[i].at_ms == 0) {
            w->flying[i].at_ms = w->now + delay;
            w->flying[i].node = node;
            w->flying[i].epoch = epoch;
            w->flying[i].value = ++w->values;
            return;
        }
    }
}


/* reads go to the source all the time; some of them to the target, too */

static void
world_mirror_one(world_t *w)
{
    if (w->mirror_bp == 0 || w->mirror_every == 0
        || w->now - w->mirrored_ms < w->mirror_every)
    {
        return;
    }

    w->mirrored_ms = w->now;

    if (w->view.target[0] == '\0' || w->view.migration == 0
        || w->view.phase == SHARD_HELD)
    {
        return;
    }

    if (w->view.phase == SHARD_STEADY && w->view_version == w->version
        && w->rec.strategy != SHARD_STATELESS
        && w->node[1].role != MIGRATOR_ROLE_STANDBY)
    {
        world_bad(w, "mirrored to a target that is no standby");
    }

    w->mirrors.sent++;

    if (w->mirror_wrong && w->mirrors.sent % w->mirror_wrong == 0) {
        w->mirrors.body++;

    } else {
        w->mirrors.same++;
    }

    w->mirrors.source_ms += 2;
    w->mirrors.target_ms += 2 + w->mirror_ms;
}


/* copy-on-write: everything acknowledged can be read, here or there */

static void
world_read(world_t *w)
{
    uint64_t       i;
    world_node_t  *n1, *n2;

    n1 = &w->node[0];
    n2 = &w->node[1];

    if (w->rec.strategy != SHARD_COPY_ON_WRITE || w->nacked == 0
        || w->view_version != w->version || w->view.phase != SHARD_SHIFTING
        || n2->down)
    {
        return;
    }

    i = world_rand(w, w->nacked);

    if (i >= n2->base) {

        if (i >= n2->n || n2->data[i] != w->acked[i]) {
            world_bad(w, "the target lacks write %llu", (unsigned long long) i);
        }

        return;
    }

    if (n1->role != MIGRATOR_ROLE_STANDBY
        || n1->mode != MIGRATOR_MODE_FALLBACK || n1->epoch != w->view.epoch
        || i >= n1->n || n1->data[i] != w->acked[i])
    {
        world_bad(w, "write %llu can be read nowhere", (unsigned long long) i);
    }
}


/* the node that takes writes, as the router sees it */

static int
world_writer(const world_t *w)
{
    return strcmp(w->view.primary, "n2") == 0
           || (w->view.strategy == SHARD_COPY_ON_WRITE
               && w->view.phase == SHARD_SHIFTING);
}


static void
world_clock(world_t *w, uint64_t to)
{
    int  i;

    while (w->now < to) {
        w->now++;

        if (w->kind) {
            w->kind->tick(w);
            continue;
        }

        if (w->view_version != w->version && w->now >= w->view_at) {
            w->view = w->rec;
            w->view_version = w->version;
        }

        for (i = 0; i < WORLD_FLYING; i++) {
            if (w->flying[i].at_ms && w->flying[i].at_ms <= w->now) {
                world_arrive(w, &w->flying[i]);
            }
        }

        world_mirror_one(w);
        world_consume(w);
        world_read(w);

        if (w->revive_ms && w->node[1].down) {
            w->revive_at = w->revive_at ? w->revive_at
                                        : w->now + w->revive_ms;

            if (w->now >= w->revive_at) {
                w->node[1].down = 0;
                w->down_at = -1;
                w->revive_ms = 0;
            }
        }

        if (w->now - w->wrote_ms < w->write_every) {
            continue;
        }

        w->wrote_ms = w->now;

        if (w->view.phase != SHARD_HELD) {
            world_write(w, world_writer(w), w->view.epoch,
                        1 + world_rand(w, 3));
        }

        if (w->cut_off) {
            world_request_t  r = { 0, WORLD_BASE, 1, ++w->values };
            world_arrive(w, &r);

            if (w->switched) {
                r.node = 1;
                r.epoch = WORLD_BASE + 1;
                r.value = ++w->values;
                world_arrive(w, &r);
            }
        }
    }
}


#endif /* _MIGRATOR_WORLD_H_INCLUDED_ */
