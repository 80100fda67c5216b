
/*
 * The two nodes of migrator_world.h as a driver, by the rules of
 * docs/backend-contract.md, and what must be true whenever a role changes.
 */


#ifndef _MIGRATOR_NODES_H_INCLUDED_
#define _MIGRATOR_NODES_H_INCLUDED_


#include "migrator_store.h"


static world_node_t *
world_find(world_actor_t *a, const shard_node_t *node)
{
    return &a->world->node[strcmp(node->name, "n2") == 0];
}


/* NULL: it does not answer */

static world_node_t *
world_reach(world_actor_t *a, const shard_node_t *node)
{
    world_node_t  *n;

    world_yield(a);
    n = world_find(a, node);

    return n->down || world_lost(a) ? NULL : n;
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

    n = world_reach(a, node);

    if (n == NULL) {
        return MIGRATOR_DOWN;
    }

    memset(stats, 0, sizeof(migrator_stats_t));
    stats->role = n->role;
    stats->mode = n->mode;
    stats->epoch = n->epoch;
    stats->position = n->n;
    stats->items = n->n;
    stats->bytes = n->n * 4;
    stats->free_bytes = 1000000;
    stats->queue_depth = a->world->rec.strategy == SHARD_QUEUE
                         ? world_depth(n) : 0;
    stats->write_rate = a->world->write_rate;
    stats->log_first = a->world->log_first;

    return MIGRATOR_OK;
}


static void
world_role_rules(world_t *w, const shard_node_t *node, migrator_role_e role,
    uint32_t epoch)
{
    world_node_t  *n;

    n = &w->node[0];

    if (strcmp(node->name, "n2") == 0) {
        if (role == MIGRATOR_ROLE_PRIMARY && w->node[1].base) {
            world_bad(w, "target opened before it was filled");
        }

        if (role == MIGRATOR_ROLE_PRIMARY && w->commits == 0) {
            world_bad(w, "target opened before the commit");
        }

        return;
    }

    if (role == MIGRATOR_ROLE_PRIMARY && w->switched
        && w->rec.phase == SHARD_SHIFTING)
    {
        world_bad(w, "source opened while writes go to the target");
    }

    if (role == MIGRATOR_ROLE_PRIMARY && w->commits) {
        world_bad(w, "source unsealed after the commit");
    }

    if (role == MIGRATOR_ROLE_STANDBY && w->commits == 0
        && n->role == MIGRATOR_ROLE_PRIMARY && epoch != WORLD_BASE + 1)
    {
        world_bad(w, "source sealed at its own epoch");
    }

    if (role == MIGRATOR_ROLE_STANDBY && w->commits == 0
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

    n = world_reach(a, node);

    if (n == NULL) {
        return MIGRATOR_DOWN;
    }

    if (epoch < n->epoch
        || (epoch == n->epoch && n->role == MIGRATOR_ROLE_PRIMARY
            && role != MIGRATOR_ROLE_PRIMARY))
    {
        return MIGRATOR_REFUSED;
    }

    world_role_rules(a->world, node, role, epoch);

    if (epoch > n->epoch) {
        n->held = 0;
    }

    n->role = role;
    n->epoch = epoch;
    n->mode = MIGRATOR_MODE_WHOLE;

    if (role == MIGRATOR_ROLE_NONE) {
        n->n = n->base = 0;
    }

    *position = n->n;

    if (n == &a->world->node[0] ? role == MIGRATOR_ROLE_PRIMARY
                                : role == MIGRATOR_ROLE_NONE)
    {
        world_late_commit(a->world);
    }

    return world_back(a);
}


/*
 * A download into a->snapshot, and the node it goes to: the upload may come
 * to its end long after it.
 */

static int
world_carry(world_actor_t *a, const shard_node_t *from,
    const shard_node_t *to, const migrator_limit_t *limit, world_node_t **n)
{
    *n = world_reach(a, from);

    if (*n == NULL) {
        return MIGRATOR_DOWN;
    }

    a->snapshot = **n;

    if (limit->tick && limit->tick(limit->data)) {
        return MIGRATOR_INTERRUPTED;
    }

    *n = world_reach(a, to);

    return *n ? MIGRATOR_OK : MIGRATOR_DOWN;
}


static int
world_copy(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, const migrator_limit_t *limit, uint64_t *position,
    uint64_t *bytes)
{
    world_actor_t  *a = data;

    int            rc;
    world_node_t  *n;

    (void) shard;

    rc = world_carry(a, from, to, limit, &n);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (a->snapshot.base) {
        world_bad(a->world, "half a shard is copied");
    }

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

    n = world_reach(a, from);

    if (n == NULL) {
        return MIGRATOR_DOWN;
    }

    if (*position < n->trimmed) {
        return MIGRATOR_GONE;
    }

    end = n->n < *position + entries ? n->n : *position + entries;
    a->snapshot = *n;

    if (end <= *position) {
        return MIGRATOR_OK;
    }

    n = world_reach(a, to);

    if (n == NULL) {
        return MIGRATOR_DOWN;
    }

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


/* who keeps the target level ships what is written just now */

static void
world_keeper(world_t *w, world_node_t *target)
{
    world_request_t  r = { 0, WORLD_BASE, 1, 0 };

    if (w->keeps && w->stored.phase == MIGRATOR_WARM_UP) {
        r.value = ++w->values;
        world_arrive(w, &r);

        if (w->node[0].n > target->n) {
            target->data[target->n] = w->node[0].data[target->n];
            target->n++;
            w->keeps--;
        }
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

    n = world_reach(a, node);

    if (n == NULL) {
        return MIGRATOR_DOWN;
    }

    if (at) {
        world_keeper(a->world, n);
    }

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
world_mode(void *data, const shard_node_t *node, shard_id_t shard,
    migrator_role_e role, migrator_mode_e mode, uint32_t epoch,
    const migrator_limit_t *limit, uint64_t *position)
{
    world_actor_t  *a = data;
    world_t        *w = a->world;

    world_node_t  *n;

    (void) shard;
    (void) limit;

    n = world_reach(a, node);

    if (n == NULL) {
        return MIGRATOR_DOWN;
    }

    if (epoch < n->epoch) {
        return MIGRATOR_REFUSED;
    }

    if (mode == MIGRATOR_MODE_FALLBACK && n->role == MIGRATOR_ROLE_PRIMARY
        && (w->rec.phase != SHARD_HELD || w->view.phase != SHARD_HELD
            || world_in_flight(w)))
    {
        world_bad(w, "source frozen before it was drained");
    }

    if (mode == MIGRATOR_MODE_FILLING
        && (n->mode != mode || n->epoch != epoch))
    {
        if (n->role == MIGRATOR_ROLE_PRIMARY
            && n->mode != MIGRATOR_MODE_FILLING)
        {
            return MIGRATOR_REFUSED;
        }

        memset(n->data, 0, sizeof(n->data));
        n->n = n->base = n->trimmed = *position;
    }

    n->role = role;
    n->mode = mode;
    n->epoch = epoch;
    *position = n->n;

    return world_back(a);
}


/* what the target has of its own is not touched */

static int
world_fill(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, const migrator_limit_t *limit, uint64_t *bytes)
{
    world_actor_t  *a = data;

    int            rc;
    world_node_t  *n;

    (void) shard;

    rc = world_carry(a, from, to, limit, &n);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (n->mode != MIGRATOR_MODE_FILLING || n->role != MIGRATOR_ROLE_PRIMARY
        || n->epoch != limit->epoch)
    {
        return MIGRATOR_REFUSED;
    }

    if (a->snapshot.n < n->base) {
        world_bad(a->world, "filled from a source that is behind");
    }

    memcpy(n->data, a->snapshot.data, n->base * sizeof(n->data[0]));
    *bytes += n->base * 4;
    n->base = 0;

    return world_back(a);
}


/* of an epoch that is over it is refused, whenever it comes */

static int
world_hold(void *data, const shard_node_t *node, shard_id_t shard, int held,
    uint32_t epoch, const migrator_limit_t *limit)
{
    world_actor_t  *a = data;

    world_node_t  *n;

    (void) shard;
    (void) limit;

    n = world_reach(a, node);

    if (n == NULL) {
        return MIGRATOR_DOWN;
    }

    if (epoch != n->epoch) {
        return MIGRATOR_REFUSED;
    }

    n->held = held;

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

    if (a->world->mute && a->world->stored.phase == MIGRATOR_WARM_UP
        && world_find(a, node) == &a->world->node[1])
    {
        return MIGRATOR_DOWN;
    }

    return world_reach(a, node) ? MIGRATOR_OK : MIGRATOR_DOWN;
}


static const migrator_io_t  world_io = {
    NULL, world_now, world_sleep, world_stopping, world_point, world_note,
    world_error, world_claim, world_release, world_put, world_get, world_wish,
    world_shard, world_commit, world_node, world_override, world_routers,
    world_mirror, world_mirrors, world_views, world_others, world_hook,
    world_audit, NULL, NULL
};

static const migrator_driver_t  world_driver = {
    .name = "world",
    .can = MIGRATOR_CAN_DATA,
    .stats = world_stats,
    .role = world_role,
    .copy = world_copy,
    .ship = world_ship,
    .digest = world_digest,
    .mode = world_mode,
    .fill = world_fill,
    .hold = world_hold,
    .probe = world_probe,
    .err = world_error
};


#endif /* _MIGRATOR_NODES_H_INCLUDED_ */
