
/*
 * The nodes of migrator_cuts.h as a driver, by the rules of
 * docs/backend-contract.md, "Ranges of keys".
 */


#ifndef _MIGRATOR_CUT_NODES_H_INCLUDED_
#define _MIGRATOR_CUT_NODES_H_INCLUDED_


#include "migrator_cut_store.h"


static cut_replica_t *
cut_reach(world_actor_t *a, const shard_node_t *node, shard_id_t shard)
{
    if (world_reach(a, node) == NULL) {
        return NULL;
    }

    return &cut_of(a->world)->at[cut_node(node->name)][cut_which(shard)];
}


static migrator_cut_t *
cut_known(world_actor_t *a)
{
    return &cut_of(a->world)->cut[atoi(a->holder + 1)];
}


static void
cut_set(void *data, const migrator_cut_t *cut)
{
    *cut_known(data) = *cut;
}


static int
cut_stats(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, migrator_stats_t *stats)
{
    cut_replica_t  *r;

    (void) limit;

    r = cut_reach(data, node, shard);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    memset(stats, 0, sizeof(migrator_stats_t));
    stats->role = r->role;
    stats->epoch = r->epoch;
    stats->position = r->n;
    stats->free_bytes = 1000000;
    stats->ranges = 1;

    return MIGRATOR_OK;
}


static void
cut_rule_role(world_t *w, const shard_node_t *node, shard_id_t shard,
    migrator_role_e role, const cut_replica_t *r)
{
    cut_world_t  *c;

    c = cut_of(w);

    if (w->commits) {
        if (role == MIGRATOR_ROLE_PRIMARY && shard == CUT_FIRST
            && w->stored.verb == MIGRATOR_MERGE)
        {
            world_bad(w, "the merged shard is opened after the commit");
        }

        return;
    }

    if (role == MIGRATOR_ROLE_PRIMARY && shard == CUT_OTHER) {
        world_bad(w, "%s opened before the commit", node->name);
    }

    if (role == MIGRATOR_ROLE_STANDBY && r->role == MIGRATOR_ROLE_PRIMARY
        && (!cut_parked(c, 0) || (c->exists[1] && !cut_parked(c, 1))))
    {
        world_bad(w, "sealed before it was drained");
    }
}


static int
cut_role(void *data, const shard_node_t *node, shard_id_t shard,
    migrator_role_e role, uint32_t epoch, const migrator_limit_t *limit,
    uint64_t *position)
{
    cut_replica_t  *r;

    (void) limit;

    r = cut_reach(data, node, shard);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    if (epoch < r->epoch
        || (epoch == r->epoch && r->role == MIGRATOR_ROLE_PRIMARY
            && role != MIGRATOR_ROLE_PRIMARY))
    {
        return MIGRATOR_REFUSED;
    }

    cut_rule_role(((world_actor_t *) data)->world, node, shard, role, r);

    r->role = role;
    r->epoch = epoch;

    if (role == MIGRATOR_ROLE_NONE) {
        r->n = 0;
        memset(r->has, 0, sizeof(r->has));
    }

    *position = r->n;

    return world_back(data);
}


/* a call that changes what a primary has: of its epoch, and of no claim that
 * another one has by now */

static int
cut_owned(cut_replica_t *r, uint32_t epoch, uint64_t token)
{
    if (r->role != MIGRATOR_ROLE_PRIMARY || r->epoch != epoch) {
        return 0;
    }

    if (r->token_epoch != epoch) {
        r->token_epoch = epoch;
        r->token = 0;
    }

    if (token && token < r->token) {
        return 0;
    }

    r->token = token > r->token ? token : r->token;

    return 1;
}


static int
cut_takes(world_actor_t *a, cut_replica_t *r, const migrator_limit_t *limit)
{
    const migrator_cut_t  *cut;

    cut = cut_known(a);

    if (cut->epoch) {
        return cut_owned(r, cut->epoch, limit->token);
    }

    return r->role != MIGRATOR_ROLE_PRIMARY;
}


static int
cut_copy(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, const migrator_limit_t *limit, uint64_t *position,
    uint64_t *bytes)
{
    uint32_t        key, imports, has[CUT_KEYS];
    uint64_t        n;
    cut_replica_t  *r;

    const migrator_cut_t  *cut;

    cut = cut_known(data);
    r = cut_reach(data, from, shard);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    n = r->n;
    memcpy(has, r->has, sizeof(has));

    if (limit->tick && limit->tick(limit->data)) {
        return MIGRATOR_INTERRUPTED;
    }

    r = cut_reach(data, to, cut->into);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    if (!cut_takes(data, r, limit) || (cut->epoch == 0 && r->n > n)) {
        return MIGRATOR_REFUSED;
    }

    imports = ++r->imports;
    r->imported = 0;

    for (key = 0; key < CUT_KEYS; key++) {

        /* an import is no one step */

        if (key == CUT_AT + 8 && cut->epoch) {
            world_yield(data);

            if (!cut_takes(data, r, limit) || imports != r->imports) {
                return MIGRATOR_REFUSED;
            }
        }

        if (key < cut->range.lo || (cut->range.hi && key >= cut->range.hi)) {
            continue;
        }

        if (cut->epoch == 0) {
            r->has[key] = has[key];

        } else if (has[key]) {
            cut_write(r, key, has[key]);
        }
    }

    if (cut->epoch == 0) {
        r->n = n;
    }

    r->imported = 1;
    r->import_n = n;
    *position = n;
    *bytes += CUT_KEYS;

    return world_back(data);
}


static int
cut_ship(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, uint64_t entries, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes)
{
    uint64_t        i, end, at;
    cut_entry_t     log[64];
    cut_replica_t  *r;

    const migrator_cut_t  *cut;

    cut = cut_known(data);
    r = cut_reach(data, from, shard);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    entries = entries < 64 ? entries : 64;
    end = r->n < *position + entries ? r->n : *position + entries;

    if (end <= *position) {
        return MIGRATOR_OK;
    }

    memcpy(log, r->log + *position, (end - *position) * sizeof(log[0]));
    r = cut_reach(data, to, cut->into);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    at = cut->epoch ? r->import_n : r->n;

    if (!cut_takes(data, r, limit) || *position > at
        || (cut->epoch ? !r->imported : limit->epoch < r->epoch))
    {
        return MIGRATOR_REFUSED;
    }

    for (i = at; i < end; i++) {
        const cut_entry_t  *e = &log[i - *position];

        if (e->key < cut->range.lo || e->key == CUT_SKIP
            || (cut->range.hi && e->key >= cut->range.hi))
        {
            if (cut->epoch == 0) {
                cut_write(r, CUT_SKIP, 0);
            }

        } else {
            cut_write(r, e->key, e->value);
        }

        r->import_n = i + 1;
    }

    *bytes += end - *position;
    *position = end > at ? end : at;

    return world_back(data);
}


static int
cut_digest(void *data, const shard_node_t *node, shard_id_t shard,
    const uint64_t *at, const migrator_limit_t *limit,
    migrator_digest_t *digest)
{
    uint32_t        key;
    cut_replica_t  *r;

    (void) limit;

    r = cut_reach(data, node, shard);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    if (at && *at != r->n) {
        return MIGRATOR_REFUSED;
    }

    memset(digest, 0, sizeof(migrator_digest_t));
    digest->position = r->n;

    for (key = CUT_AT; key < CUT_KEYS; key++) {
        digest->items += r->has[key] != 0;
        digest->part[0].hash = digest->part[0].hash * 31 + r->has[key];
    }

    return world_back(data);
}


static int
cut_imported(void *data, const shard_node_t *node,
    const migrator_limit_t *limit, uint64_t *position)
{
    cut_replica_t  *r;

    (void) limit;

    r = cut_reach(data, node, cut_known(data)->into);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    *position = r->import_n;

    return r->imported ? MIGRATOR_OK : MIGRATOR_GONE;
}


static int
cut_end(void *data, const shard_node_t *node, uint32_t epoch,
    const migrator_limit_t *limit)
{
    cut_replica_t  *r;

    r = cut_reach(data, node, cut_known(data)->into);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    if (!cut_owned(r, epoch, limit->token)) {
        return MIGRATOR_REFUSED;
    }

    r->imported = 0;
    r->imports++;

    return world_back(data);
}


/* sixteen keys a call; "next" is where the next one begins */

static int
cut_drop(void *data, const shard_node_t *node, shard_id_t shard,
    uint32_t epoch, const migrator_limit_t *limit,
    char next[MIGRATOR_NEXT_SIZE], uint64_t *dropped)
{
    uint32_t        key, end;
    cut_replica_t  *r;

    r = cut_reach(data, node, shard);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    if (!cut_owned(r, epoch, limit->token)) {
        return MIGRATOR_REFUSED;
    }

    key = next[0] ? (uint32_t) atoi(next) : CUT_AT;

    for (end = key + 16; key < end && key < CUT_KEYS; key++) {
        if (r->has[key]) {
            cut_write(r, key, 0);
            (*dropped)++;
        }
    }

    next[0] = '\0';

    if (key < CUT_KEYS) {
        snprintf(next, MIGRATOR_NEXT_SIZE, "%u", key);
    }

    return world_back(data);
}


static int
cut_keep(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit)
{
    cut_world_t    *c;
    cut_replica_t  *r;

    (void) limit;

    c = cut_of(((world_actor_t *) data)->world);
    r = cut_reach(data, node, shard);

    if (r == NULL) {
        return MIGRATOR_DOWN;
    }

    if (c->no_keep || r->role != MIGRATOR_ROLE_PRIMARY) {
        return MIGRATOR_REFUSED;
    }

    c->kept++;

    return world_back(data);
}


static const migrator_cuts_t  cut_cuts = {
    .set = cut_set,
    .imported = cut_imported,
    .end = cut_end,
    .drop = cut_drop,
    .keep = cut_keep
};

static const migrator_driver_t  cut_driver = {
    .name = "world",
    .can = MIGRATOR_CAN_DATA|MIGRATOR_CAN_CUT,
    .stats = cut_stats,
    .role = cut_role,
    .copy = cut_copy,
    .ship = cut_ship,
    .digest = cut_digest,
    .probe = world_probe,
    .err = world_error,
    .cuts = &cut_cuts
};


#endif /* _MIGRATOR_CUT_NODES_H_INCLUDED_ */
