
/*
 * The store of migrator_cuts.h as a migration sees it: two claims and two
 * records, and the rules of each change of these.
 */


#ifndef _MIGRATOR_CUT_STORE_H_INCLUDED_
#define _MIGRATOR_CUT_STORE_H_INCLUDED_


#include "migrator_cuts.h"


static int
cut_claim(void *data, shard_id_t shard, long ttl_ms, uint64_t *token)
{
    world_actor_t  *a = data;

    cut_world_t  *c;

    if (shard == CUT_FIRST) {
        return world_claim(data, shard, ttl_ms, token);
    }

    c = cut_of(a->world);
    world_yield(a);

    if (strcmp(c->holder, a->holder) != 0) {

        if (*token || (c->holder[0] && c->claim_until > a->world->now)) {
            return SHARDD_FENCED;
        }

        c->token = ++a->world->token_issued;
        strcpy(c->holder, a->holder);
    }

    c->claim_until = a->world->now + (uint64_t) ttl_ms;
    *token = c->token;

    return world_lost(a) ? SHARDD_DOWN : SHARDD_OK;
}


static int
cut_release(void *data, shard_id_t shard, uint64_t token)
{
    world_actor_t  *a = data;

    cut_world_t  *c;

    if (shard == CUT_FIRST) {
        return world_release(data, shard, token);
    }

    c = cut_of(a->world);
    world_yield(a);

    if (c->token == token) {
        c->holder[0] = '\0';
        c->claim_until = 0;
    }

    return SHARDD_OK;
}


static int
cut_shard(void *data, shard_id_t id, shard_record_t *rec, uint64_t *version)
{
    world_actor_t  *a = data;

    cut_world_t  *c;

    world_yield(a);
    c = cut_of(a->world);

    if (!c->exists[cut_which(id)]) {
        return SHARDD_NONE;
    }

    *rec = c->rec[cut_which(id)];
    *version = a->world->version;

    return SHARDD_OK;
}


/* the commit itself: what changes its shard is there, and nobody writes */

static void
cut_rule_commit(world_t *w)
{
    int             i;
    cut_world_t    *c;
    cut_replica_t  *source, *target;

    c = cut_of(w);
    source = &c->at[0][0];
    target = &c->at[cut_node(w->stored.to)][1];
    w->commits++;

    for (i = 0; i < 2; i++) {
        if (c->exists[i] && (c->rec[i].phase != SHARD_HELD
                             || c->rec[i].migration != w->stored.id))
        {
            world_bad(w, "committed with shard %u not held",
                      (unsigned) c->rec[i].id);
        }
    }

    if (source->role == MIGRATOR_ROLE_PRIMARY) {
        world_bad(w, "committed before the source was sealed");
    }

    if (!cut_equal(source, target, CUT_AT)) {
        world_bad(w, "committed with data that differ");
    }
}


/* a held record that is steady again: its primary is open */

static void
cut_rule_released(world_t *w, const shard_record_t *rec)
{
    cut_replica_t  *r;

    r = &cut_of(w)->at[cut_node(rec->primary)][cut_which(rec->id)];

    if (!w->lost_pm && !w->node[cut_node(rec->primary)].down
        && (r->role != MIGRATOR_ROLE_PRIMARY || r->epoch != rec->epoch))
    {
        world_bad(w, "shard %u released before it was opened",
                  (unsigned) rec->id);
    }
}


static void
cut_put(world_t *w, const shard_record_t *rec)
{
    int           i;
    cut_world_t  *c;

    if (rec == NULL) {
        return;
    }

    c = cut_of(w);
    i = cut_which(rec->id);

    if (c->exists[i] && c->rec[i].phase == SHARD_HELD
        && rec->phase == SHARD_STEADY)
    {
        cut_rule_released(w, rec);
    }

    if (rec->phase == SHARD_HELD && c->rec[i].phase != SHARD_HELD
        && w->claim_until > w->now + (uint64_t) w->policy.cutover_ttl_ms)
    {
        world_bad(w, "held with a long lease");
    }

    c->rec[i] = *rec;
    c->exists[i] = 1;
}


/* as the store's function: -1 is none, else what the operation came to */

static int
cut_repeated(world_t *w, const char *operation, uint64_t *version)
{
    uint64_t  i;

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

    return -1;
}


static int
cut_commit_pair(void *data, shard_id_t shard, uint64_t token,
    uint64_t *version, const char *operation, const shard_record_t *rec,
    const shard_record_t *other, shard_id_t gone)
{
    world_actor_t  *a = data;
    world_t        *w = a->world;

    int           rc, back;
    cut_world_t  *c;

    (void) shard;

    world_yield(a);
    c = cut_of(w);

    if (world_fenced(a, token)) {
        return SHARDD_FENCED;
    }

    rc = cut_repeated(w, operation, version);

    if (rc != -1) {
        return rc;
    }

    /* under the commit's own name a way back writes what is there */

    back = gone == SHARD_ID_NONE
           && rec->epoch == c->rec[cut_which(rec->id)].epoch;

    if (w->commit_bad && strstr(operation, "commit") && !back) {
        w->commit_bad--;
        return SHARDD_BAD;
    }

    if (world_lost(a)) {
        return SHARDD_DOWN;
    }

    if (strstr(operation, "commit") && !back) {
        cut_rule_commit(w);
    }

    cut_put(w, rec);
    cut_put(w, other);

    if (gone != SHARD_ID_NONE) {
        c->exists[cut_which(gone)] = 0;
    }

    w->rec = c->rec[0];
    w->version++;
    w->view_at = w->now + 1 + world_rand(w, w->router_lag);
    snprintf(w->ops[w->nops], sizeof(w->ops[0]), "%s", operation);
    w->op_version[w->nops++] = w->version;
    *version = w->version;
    world_yield(a);

    return world_lost(a) ? SHARDD_DOWN : SHARDD_OK;
}


static int
cut_commit(void *data, shard_id_t shard, uint64_t token, uint64_t *version,
    const char *operation, const shard_record_t *rec)
{
    return cut_commit_pair(data, shard, token, version, operation, rec, NULL,
                           SHARD_ID_NONE);
}


static int
cut_decide(void *data, const migrator_state_t *wish)
{
    world_actor_t  *a = data;

    cut_world_t  *c;

    world_yield(a);
    c = cut_of(a->world);

    if (c->decision == wish->id) {
        return SHARDD_CONFLICT;
    }

    if (world_lost(a)) {
        return SHARDD_DOWN;
    }

    c->decision = wish->id;
    c->decided++;

    return SHARDD_OK;
}


static int
cut_routers(void *data, shard_id_t id, migrator_routers_t *out)
{
    world_actor_t  *a = data;
    world_t        *w = a->world;

    world_yield(a);
    memset(out, 0, sizeof(migrator_routers_t));
    out->n = 1;
    out->there_ms = UINT64_MAX;
    strcpy(out->router[0].name, "edge-1");
    out->router[0].version = w->view_version;
    out->router[0].drained = !w->router_stuck
                             && cut_parked(cut_of(w), cut_which(id));

    return SHARDD_OK;
}


/* what happens in a phase, once: a rival has the other shard's claim, or an
 * operator deletes one of the two */

static void
cut_point(void *data, migrator_phase_e phase, int after)
{
    world_actor_t  *a = data;

    world_t      *w;
    cut_world_t  *c;

    w = a->world;
    c = cut_of(w);

    if (!after && (int) phase == c->rival_at) {
        c->rival_at = -1;
        strcpy(c->holder, "rival");
        c->token = ++w->token_issued;
        c->claim_until = w->now + c->rival_ms;
    }

    if (!after && (int) phase == c->gone_at) {
        c->gone_at = CUT_GONE;
        c->exists[c->gone] = 0;
        w->version++;
        w->view_at = w->now + 1;
    }

    world_point(data, phase, after);
}


#endif /* _MIGRATOR_CUT_STORE_H_INCLUDED_ */
