
/*
 * The store and the clock of migrator_world.h as a migration sees them.
 */


#ifndef _MIGRATOR_STORE_H_INCLUDED_
#define _MIGRATOR_STORE_H_INCLUDED_


#include "migrator_rules.h"


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
    const world_actor_t  *a = data;

    return a->world->now + a->ahead_ms;
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
        && (w->nops == 0
            || strstr(w->ops[w->nops - 1], "commit") == NULL))
    {
        w->rec = w->late;
        w->version++;
        w->commits++;
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

    if (w->commit_late == 3 && strstr(operation, "hold")) {
        w->commit_late = 2;
        w->commit_bad = 2;
        w->late = *rec;
        w->late_version = w->version;
        return SHARDD_DOWN;
    }

    if (w->commit_bad == 2 && strstr(operation, "hold")) {
        w->commit_bad = 0;
        return SHARDD_BAD;
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
    out->router[1].age_ms = w->silent ? 100 : 60000;
    out->there_ms = w->back_ms ? w->now - w->back_ms : UINT64_MAX;

    if (w->view.phase == SHARD_HELD) {
        out->router[0].version = w->view_version;
        out->router[0].drained = !w->router_stuck && !world_in_flight(w);
    }

    if (w->tells_ms && out->there_ms >= w->tells_ms) {
        out->router[1] = out->router[0];
        strcpy(out->router[1].name, "edge-2");
    }

    return SHARDD_OK;
}


static int
world_mirror(void *data, uint32_t *bp)
{
    world_actor_t  *a = data;

    world_yield(a);
    *bp = a->world->mirror_bp;

    return world_lost(a) ? SHARDD_DOWN : SHARDD_OK;
}


static int
world_mirrors(void *data, uint64_t migration, migrator_mirrors_t *out)
{
    world_actor_t  *a = data;

    world_yield(a);
    memset(out, 0, sizeof(migrator_mirrors_t));

    if (migration == a->world->stored.id) {
        *out = a->world->mirrors;
    }

    return world_lost(a) ? SHARDD_DOWN : SHARDD_OK;
}


static int
world_views(void *data, const char *node, migrator_views_t *out)
{
    world_actor_t  *a = data;
    world_t        *w = a->world;

    (void) node;

    world_yield(a);
    memset(out, 0, sizeof(migrator_views_t));
    out->n = 1;
    strcpy(out->view[0].name, "edge-1");
    out->view[0].hold_ms = w->view_hold_ms;
    out->view[0].dead = w->view_dead;

    return world_lost(a) ? SHARDD_DOWN : SHARDD_OK;
}


static int
world_others(void *data, uint64_t self, migrator_others_t *out)
{
    world_actor_t  *a = data;

    (void) self;

    world_yield(a);
    *out = a->world->others;

    if (a->world->others_until && a->world->now > a->world->others_until) {
        out->nrunning = 0;
    }

    return world_lost(a) ? SHARDD_DOWN : SHARDD_OK;
}


static int
world_hook(void *data, const migrator_hook_t *hook,
    const migrator_state_t *state, long timeout_ms, int (*tick)(void *data),
    void *tick_data, char *err, size_t size)
{
    world_actor_t  *a = data;

    (void) hook;
    (void) state;
    (void) timeout_ms;

    world_yield(a);
    a->world->hooks++;

    if (tick && tick(tick_data)) {
        return 1;
    }

    if (a->world->hook_bad) {
        snprintf(err, size, "exit status 3");
        return -1;
    }

    return 0;
}


static void
world_audit(void *data, const migrator_state_t *state, const char *was,
    uint64_t took_ms, int wish)
{
    world_actor_t  *a = data;

    (void) state;
    (void) was;
    (void) took_ms;
    (void) wish;

    a->world->audits++;
    world_yield(a);
}


#endif /* _MIGRATOR_STORE_H_INCLUDED_ */
