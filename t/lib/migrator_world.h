
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
    int                ended;
    migrator_end_e     end;
    uint64_t           until_ms;        /* asleep */
    uint64_t           calls;
    uint64_t           crash_at;
    world_node_t       snapshot;
} world_actor_t;

struct world_s {
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
    uint64_t           write_every;
    uint64_t           wrote_ms;
    world_request_t    flying[WORLD_FLYING];
    uint32_t           values;
    uint64_t           nacked;
    uint32_t           acked[WORLD_LOG];

    unsigned           lost_pm;         /* per mille of calls */
    unsigned           frozen_pm;
    unsigned           crash_pm;
    int                commit_bad;      /* so many commits are refused */
    int                commit_late;     /* 1: to be delayed, 2: under way */
    shard_record_t     late;
    uint64_t           late_version;
    int                none_late;       /* an old request to forget the data */
    int                wish_at;         /* phase at which it is wished */
    int                down_at;         /* phase at which n2 goes down */
    int                commits;
    int                shift_max;
    int                shift_backwards;
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


static void
world_clock(world_t *w, uint64_t to)
{
    int  i;

    while (w->now < to) {
        w->now++;

        if (w->view_version != w->version && w->now >= w->view_at) {
            w->view = w->rec;
            w->view_version = w->version;
        }

        for (i = 0; i < WORLD_FLYING; i++) {
            if (w->flying[i].at_ms && w->flying[i].at_ms <= w->now) {
                world_arrive(w, &w->flying[i]);
            }
        }

        if (w->now - w->wrote_ms < w->write_every) {
            continue;
        }

        w->wrote_ms = w->now;

        if (w->view.phase != SHARD_HELD) {
            world_write(w, strcmp(w->view.primary, "n2") == 0, w->view.epoch,
                        1 + world_rand(w, 3));
        }

        if (w->cut_off) {
            world_request_t  r = { 0, WORLD_BASE, 1, ++w->values };
            world_arrive(w, &r);
        }
    }
}


/* every call: interrupted before and behind its effect; 1: it gets lost */

static void
world_yield(world_actor_t *a)
{
    a->calls++;
    swapcontext(&a->context, &a->world->scheduler);
}


static int
world_lost(world_actor_t *a)
{
    return a->world->lost_pm
           && world_rand(a->world, 1000) < a->world->lost_pm;
}


static uint64_t
world_now(void *data)
{
    return ((world_actor_t *) data)->world->now;
}


static void
world_sleep(void *data, long ms)
{
    world_actor_t  *a = data;

    a->until_ms = a->world->now + (uint64_t) ms;
    world_yield(a);
}


static int
world_stopping(void *data)
{
    (void) data;
    return 0;
}


static void
world_point(void *data, migrator_phase_e phase, int after)
{
    world_actor_t  *a = data;

    if (!after && (int) phase == a->world->wish_at) {
        strcpy(a->world->wish, "rollback");
        a->m.wish_ms = 0;
    }

    if (!after && (int) phase == a->world->down_at) {
        a->world->node[1].down = 1;
    }

    world_yield(a);
}


static void
world_note(void *data, int level, const migrator_state_t *state,
    const char *text)
{
    world_actor_t  *a = data;

    if (getenv("WORLD_TRACE")) {
        printf("# %6llu %s %d %s: %s\n", (unsigned long long) a->world->now,
               a->holder, level, migrator_phase(state->phase)->name, text);
    }
}


static const char *
world_error(void *data)
{
    (void) data;
    return world_err;
}


static int
world_claim(void *data, shard_id_t shard, long ttl_ms, uint64_t *token)
{
    world_actor_t  *a = data;
    world_t        *w = a->world;

    (void) shard;

    world_yield(a);

    if (w->holder[0] && strcmp(w->holder, a->holder) != 0
        && w->claim_until > w->now)
    {
        return SHARDD_FENCED;
    }

    if (strcmp(w->holder, a->holder) != 0) {

        if (*token) {
            return SHARDD_FENCED;
        }

        w->token = ++w->token_issued;
        strcpy(w->holder, a->holder);
    }

    w->claim_until = w->now + (uint64_t) ttl_ms;
    *token = w->token;

    return SHARDD_OK;
}


static int
world_release(void *data, shard_id_t shard, uint64_t token)
{
    world_actor_t  *a = data;

    (void) shard;

    world_yield(a);

    if (a->world->token == token) {
        a->world->holder[0] = '\0';
    }

    return SHARDD_OK;
}


static int
world_fenced(world_actor_t *a, uint64_t token)
{
    return a->world->token != token
           || strcmp(a->world->holder, a->holder) != 0;
}


static int
world_put(void *data, uint64_t token, migrator_state_t *state)
{
    world_actor_t  *a = data;
    world_t        *w = a->world;

    world_yield(a);

    if (world_fenced(a, token)) {
        return SHARDD_FENCED;
    }

    if (state->seq != w->stored.seq) {
        return SHARDD_CONFLICT;
    }

    if (world_lost(a)) {
        return SHARDD_DOWN;
    }

    w->stored = *state;
    w->stored.seq++;
    world_yield(a);

    if (world_lost(a)) {
        return SHARDD_DOWN;
    }

    state->seq++;

    return SHARDD_OK;
}


static int
world_get(void *data, uint64_t id, migrator_state_t *state)
{
    world_actor_t  *a = data;

    (void) id;

    world_yield(a);
    *state = a->world->stored;

    return SHARDD_OK;
}


static int
world_wish(void *data, uint64_t id, char *buf, size_t size)
{
    world_actor_t  *a = data;

    (void) id;

    world_yield(a);
    snprintf(buf, size, "%s", a->world->wish);

    return SHARDD_OK;
}


static int
world_shard(void *data, shard_id_t id, shard_record_t *rec,
    uint64_t *version)
{
    world_actor_t  *a = data;

    (void) id;

    world_yield(a);
    *rec = a->world->rec;
    *version = a->world->version;

    return SHARDD_OK;
}


/*
 * A commit whose answer was given up arrives when it hurts most, unless its
 * operation or its version is used up by then.
 */

static void
world_late_commit(world_t *w)
{
    if (w->commit_late != 2) {
        return;
    }

    w->commit_late = 0;

    if (w->late_version == w->version
        && strstr(w->ops[w->nops - 1], "commit") == NULL)
    {
        w->rec = w->late;
        w->version++;
        w->commits++;
    }
}


/* the rules of the cutover's order, at each change of the table */

static void
world_rules(world_t *w, const shard_record_t *rec)
{
    world_node_t  *n1, *n2;

    n1 = &w->node[0];
    n2 = &w->node[1];

    if (rec->shift_bp > w->shift_max) {
        w->shift_max = rec->shift_bp;
    }

    if (rec->strategy == SHARD_STATELESS) {
        w->commits += rec->epoch != w->rec.epoch;
        return;
    }

    if (strcmp(rec->primary, w->rec.primary) != 0) {
        w->commits++;

        if (w->rec.phase != SHARD_HELD || rec->phase != SHARD_HELD) {
            world_bad(w, "committed without a hold");
        }

        if (n1->role == MIGRATOR_ROLE_PRIMARY) {
            world_bad(w, "committed before the source was sealed");
        }

        if (n1->n != n2->n
            || memcmp(n1->data, n2->data, n1->n * sizeof(uint32_t)) != 0)
        {
            world_bad(w, "committed with %llu entries at the source, %llu "
                      "at the target", (unsigned long long) n1->n,
                      (unsigned long long) n2->n);
        }
    }

    if (w->rec.phase == SHARD_HELD && rec->phase != SHARD_HELD) {
        n2 = strcmp(rec->primary, "n2") == 0 ? n2 : n1;

        if (!n2->down && !w->lost_pm
            && (n2->role != MIGRATOR_ROLE_PRIMARY || n2->epoch != rec->epoch))
        {
            world_bad(w, "released before %s was opened", rec->primary);
        }
    }
}


static int
world_commit(void *data, shard_id_t shard, uint64_t token, uint64_t *version,
    const char *operation, const shard_record_t *rec)
{
    world_actor_t  *a = data;
    world_t        *w = a->world;

    uint64_t  i;

    (void) shard;

    world_yield(a);

    if (world_fenced(a, token)) {
        return SHARDD_FENCED;
    }

    for (i = 0; i < w->nops; i++) {
        if (strcmp(w->ops[i], operation) == 0) {
            *version = w->op_version[i];
            return SHARDD_OK;
        }
    }

    if (*version != w->version) {
        *version = w->version;
        return SHARDD_CONFLICT;
    }

    if (w->commit_late == 1 && strstr(operation, "commit")) {
        w->commit_late = 2;
        w->late = *rec;
        w->late_version = w->version;
        return SHARDD_DOWN;
    }

    if (rec->epoch < w->rec.epoch || (w->commit_bad
        && strstr(operation, "commit") && w->commit_bad--))
    {
        return SHARDD_BAD;
    }

    if (world_lost(a)) {
        return SHARDD_DOWN;
    }

    world_rules(w, rec);

    w->rec = *rec;
    w->version++;
    w->view_at = w->now + 1 + world_rand(w, w->router_lag);
    snprintf(w->ops[w->nops], sizeof(w->ops[0]), "%s", operation);
    w->op_version[w->nops++] = w->version;
    *version = w->version;
    world_yield(a);

    return world_lost(a) ? SHARDD_DOWN : SHARDD_OK;
}


static int
world_node(void *data, const char *name, shard_node_t *node)
{
    world_actor_t  *a = data;

    world_yield(a);
    memset(node, 0, sizeof(shard_node_t));
    snprintf(node->name, sizeof(node->name), "%s", name);

    if (strcmp(name, "n2") == 0) {
        node->state = a->world->target_state;
    }

    return SHARDD_OK;
}


static int
world_override(void *data, shard_id_t id, char *buf, size_t size)
{
    world_actor_t  *a = data;

    (void) id;

    world_yield(a);

    if (a->world->override[0] == '\0') {
        return SHARDD_NONE;
    }

    snprintf(buf, size, "%s", a->world->override);

    return SHARDD_OK;
}


static int
world_routers(void *data, shard_id_t id, migrator_routers_t *out)
{
    world_actor_t  *a = data;
    world_t        *w = a->world;

    (void) id;

    world_yield(a);
    memset(out, 0, sizeof(migrator_routers_t));
    out->n = w->cut_off ? 2 : 1;
    strcpy(out->router[0].name, "edge-1");
    strcpy(out->router[1].name, "edge-2");
    out->router[1].age_ms = 60000;

    if (w->view.phase == SHARD_HELD) {
        out->router[0].version = w->view_version;
        out->router[0].drained = !w->router_stuck && !world_in_flight(w);
    }

    return SHARDD_OK;
}


/* nodes */

static world_node_t *
world_find(world_actor_t *a, const shard_node_t *node)
{
    return &a->world->node[strcmp(node->name, "n2") == 0];
}


static int
world_reach(world_actor_t *a, const shard_node_t *node)
{
    world_yield(a);

    return world_find(a, node)->down || world_lost(a) ? MIGRATOR_DOWN
                                                      : MIGRATOR_OK;
}


static int
world_back(world_actor_t *a)
{
    world_yield(a);

    return world_lost(a) ? MIGRATOR_DOWN : MIGRATOR_OK;
}


static int
world_stats(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, migrator_stats_t *stats)
{
    world_actor_t  *a = data;

    world_node_t  *n;

    (void) shard;
    (void) limit;

    if (world_reach(a, node) != MIGRATOR_OK) {
        return MIGRATOR_DOWN;
    }

    n = world_find(a, node);
    memset(stats, 0, sizeof(migrator_stats_t));
    stats->role = n->role;
    stats->epoch = n->epoch;
    stats->position = n->n;
    stats->items = n->n;
    stats->bytes = n->n * 4;
    stats->free_bytes = 1000000;

    return MIGRATOR_OK;
}


static void
world_role_rules(world_t *w, const shard_node_t *node, migrator_role_e role,
    uint32_t epoch)
{
    world_node_t  *n;

    n = &w->node[0];

    if (strcmp(node->name, "n2") == 0) {
        if (role == MIGRATOR_ROLE_PRIMARY && w->commits == 0) {
            world_bad(w, "target opened before the commit");
        }

        return;
    }

    if (role == MIGRATOR_ROLE_PRIMARY && w->commits) {
        world_bad(w, "source unsealed after the commit");
    }

    if (role == MIGRATOR_ROLE_STANDBY && epoch == WORLD_BASE
        && n->role == MIGRATOR_ROLE_PRIMARY
        && (w->rec.phase != SHARD_HELD || w->view.phase != SHARD_HELD
            || world_in_flight(w)))
    {
        world_bad(w, "source sealed before it was drained");
    }
}


static int
world_role(void *data, const shard_node_t *node, shard_id_t shard,
    migrator_role_e role, uint32_t epoch, const migrator_limit_t *limit,
    uint64_t *position)
{
    world_actor_t  *a = data;

    world_node_t  *n;

    (void) shard;
    (void) limit;

    if (world_reach(a, node) != MIGRATOR_OK) {
        return MIGRATOR_DOWN;
    }

    n = world_find(a, node);

    if (epoch < n->epoch) {
        return MIGRATOR_REFUSED;
    }

    world_role_rules(a->world, node, role, epoch);

    n->role = role;
    n->epoch = epoch;

    if (role == MIGRATOR_ROLE_NONE) {
        n->n = 0;
    }

    *position = n->n;

    if (n == &a->world->node[0] && role == MIGRATOR_ROLE_PRIMARY) {
        world_late_commit(a->world);
    }

    return world_back(a);
}


/* the upload may come to its end long after the download */

static int
world_copy(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, const migrator_limit_t *limit, uint64_t *position,
    uint64_t *bytes)
{
    world_actor_t  *a = data;

    world_node_t  *n;

    (void) shard;

    if (world_reach(a, from) != MIGRATOR_OK) {
        return MIGRATOR_DOWN;
    }

    a->snapshot = *world_find(a, from);

    if (limit->tick && limit->tick(limit->data)) {
        return MIGRATOR_INTERRUPTED;
    }

    if (world_reach(a, to) != MIGRATOR_OK) {
        return MIGRATOR_DOWN;
    }

    n = world_find(a, to);

    if (n->role == MIGRATOR_ROLE_PRIMARY || n->n > a->snapshot.n) {
        return MIGRATOR_REFUSED;
    }

    memcpy(n->data, a->snapshot.data, sizeof(n->data));
    n->n = a->snapshot.n;
    *position = n->n;
    *bytes += n->n * 4;

    return world_back(a);
}


static int
world_ship(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, uint64_t entries, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes)
{
    world_actor_t  *a = data;

    uint64_t       i, end;
    world_node_t  *n;

    (void) shard;
    (void) limit;

    if (world_reach(a, from) != MIGRATOR_OK) {
        return MIGRATOR_DOWN;
    }

    n = world_find(a, from);

    if (*position < n->trimmed) {
        return MIGRATOR_GONE;
    }

    end = n->n < *position + entries ? n->n : *position + entries;
    a->snapshot = *n;

    if (end <= *position) {
        return MIGRATOR_OK;
    }

    if (world_reach(a, to) != MIGRATOR_OK) {
        return MIGRATOR_DOWN;
    }

    n = world_find(a, to);

    if (n->role != MIGRATOR_ROLE_STANDBY || *position > n->n) {
        return MIGRATOR_REFUSED;
    }

    for (i = n->n; i < end; i++) {
        n->data[n->n++] = a->snapshot.data[i];
    }

    *bytes += (end - *position) * 4;
    *position = end;

    return world_back(a);
}


/* sent before the migration began, refused by its epoch or carried out */

static void
world_late_none(world_t *w, world_node_t *n)
{
    w->none_late = 2;

    if (WORLD_BASE >= n->epoch) {
        n->role = MIGRATOR_ROLE_NONE;
        n->n = 0;
        w->none_late = 3;
    }
}


static int
world_digest(void *data, const shard_node_t *node, shard_id_t shard,
    const uint64_t *at, const migrator_limit_t *limit,
    migrator_digest_t *digest)
{
    world_actor_t  *a = data;

    uint64_t       i;
    world_node_t  *n;

    (void) shard;
    (void) limit;

    if (world_reach(a, node) != MIGRATOR_OK) {
        return MIGRATOR_DOWN;
    }

    n = world_find(a, node);

    if (at && *at != n->n) {
        return MIGRATOR_REFUSED;
    }


    memset(digest, 0, sizeof(migrator_digest_t));
    digest->position = digest->items = n->n;
    digest->part[0].hash = 1;

    for (i = 0; i < n->n; i++) {
        digest->part[0].hash = digest->part[0].hash * 31 + n->data[i];
    }

    if (at && a->world->none_late
        && a->world->stored.phase == MIGRATOR_VERIFY)
    {
        world_late_none(a->world, n);
    }

    return world_back(a);
}


static int
world_probe(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, uint64_t *latency_us)
{
    world_actor_t  *a = data;

    (void) shard;
    (void) limit;

    *latency_us = 100 + world_find(a, node)->slow_us;

    return world_reach(a, node);
}


static const migrator_io_t  world_io = {
    NULL, world_now, world_sleep, world_stopping, world_point, world_note,
    world_error, world_claim, world_release, world_put, world_get, world_wish,
    world_shard, world_commit, world_node, world_override, world_routers
};

static const migrator_driver_t  world_driver = {
    "world", world_stats, world_role, world_copy, world_ship, world_digest,
    world_probe, world_error
};


#endif /* _MIGRATOR_WORLD_H_INCLUDED_ */
