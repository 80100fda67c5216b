
/*
 * What is known of nodes: by the leader's looks and checks, by all workers'
 * requests; and the flags, the log and the entry that come of it.
 */


#include "ngx_http_shard_sync.h"


static ngx_uint_t ngx_http_shard_health_failing(
    ngx_http_shard_keyspace_t *ks);
static void ngx_http_shard_health_settle(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n);
static void ngx_http_shard_health_tell(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n, ngx_http_shard_node_health_t *before, const char *last);
static u_char *ngx_http_shard_health_count(u_char *p, u_char *end, uint32_t n,
    const char *what);
static u_char *ngx_http_shard_health_came(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n, ngx_http_shard_node_health_t *before, u_char *p,
    u_char *end);


/* "shard_health" was taken out of the configuration: nobody would bring dead
 * nodes back */

void
ngx_http_shard_health_forgive(ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t            i;
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;

    for (i = 0; i < sh->nnodes_max; i++) {
        ngx_http_shard_node_clear(sh, i, SHARD_FLAG_DEAD|SHARD_FLAG_SLOW);
        ngx_memzero(&sh->node_health[i].health, sizeof(shard_health_t));
        sh->node_health[i].requests = 0;
    }

    ngx_http_shard_health_calm(ks);
}


/*
 * Several write flags of one node, each its own bits.  Notes say "plain" of
 * what a node without flags owns: "routes" is counted up behind a change, and
 * by whoever buries a worker that died between the two.
 */

void
ngx_http_shard_node_mark(ngx_http_shard_sh_t *sh, ngx_uint_t n, uint8_t clear,
    uint8_t set)
{
    uint8_t  old, new;

    old = __atomic_load_n(&sh->node_flags[n], __ATOMIC_RELAXED);

    do {
        new = (uint8_t) ((old & ~clear) | set);

        if (new == old) {
            return;
        }

    } while (!__atomic_compare_exchange_n(&sh->node_flags[n], &old, new, 0,
                                          __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));

    (void) __atomic_add_fetch(&sh->routes, 1, __ATOMIC_SEQ_CST);
}


/* number n is another node, or at another address: nothing is known of it */

void
ngx_http_shard_health_forget(ngx_http_shard_sh_t *sh, ngx_uint_t n)
{
    ngx_memzero(&sh->node_health[n].health, sizeof(shard_health_t));
    sh->node_health[n].requests = 0;
    sh->node_health[n].address++;
}


/* what failed late at a node that is gone is forgotten when its number is
 * given again; no answer would end it */

static ngx_uint_t
ngx_http_shard_health_failing(ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t               i;
    ngx_http_shard_arena_t  *arena;

    arena = ngx_http_shard_health_arena(ks);

    for (i = 0; i < arena->nnodes; i++) {
        if (__atomic_load_n(&ks->sh->node_health[i].requests,
                            __ATOMIC_SEQ_CST)
            && arena->nodes[i].name_len)
        {
            return 1;
        }
    }

    return 0;
}


/* looked at once more behind the word: a failure is counted before it says
 * so, and either is seen by the other */

void
ngx_http_shard_health_calm(ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;

    if (!sh->failing || ngx_http_shard_health_failing(ks)) {
        return;
    }

    __atomic_store_n(&sh->failing, 0, __ATOMIC_SEQ_CST);

    if (ngx_http_shard_health_failing(ks)) {
        __atomic_store_n(&sh->failing, 1, __ATOMIC_SEQ_CST);
    }
}


/* what requests and time changed */

void
ngx_http_shard_health_look(ngx_http_shard_keyspace_t *ks, ngx_uint_t n)
{
    uint32_t                       requests;
    ngx_http_shard_sh_t           *sh;
    ngx_http_shard_node_health_t  *nh, before;

    sh = ks->sh;
    nh = &sh->node_health[n];
    before = *nh;

    requests = ks->health->passive ? before.requests : 0;

    if (before.health.state != SHARD_HEALTH_DEAD
        && (sh->node_flags[n] & SHARD_FLAG_DEAD))
    {
        /* a worker counted to the end, and somebody was answered since */

        requests = ngx_max(requests, ks->health->rule.fails);
    }

    before.requests = requests;

    /* most are well: its record in the arena, a long one, is looked at last */

    if ((before.health.state == SHARD_HEALTH_UP && requests == 0)
        || ngx_http_shard_health_arena(ks)->nodes[n].name_len == 0)
    {
        return;
    }

    if (shard_health_requests(&nh->health, &ks->health->rule, requests,
                              ngx_current_msec))
    {
        ngx_http_shard_health_settle(ks, n);
        ngx_http_shard_health_tell(ks, n, &before, NULL);

    } else if (shard_health_tick(&nh->health, &ks->health->rule,
                                 ngx_current_msec))
    {
        ngx_http_shard_health_settle(ks, n);
    }
}


void
ngx_http_shard_health_result(ngx_http_shard_keyspace_t *ks, ngx_uint_t n,
    ngx_http_shard_exchange_t *x)
{
    u_char                         text[32];
    ngx_uint_t                     changed;
    const char                    *reason;
    ngx_http_shard_node_health_t  *nh, before;

    nh = &ks->sh->node_health[n];
    before = *nh;
    reason = x->reason;

    if (x->outcome == NGX_HTTP_SHARD_EXCHANGE_OK && ks->health->rule.active
        && !ngx_http_shard_health_status(ks->health, x->status))
    {
        (void) ngx_sprintf(text, "status %ui%Z", x->status);
        reason = (const char *) text;
    }

    if (reason == NULL) {

        /* those of a dead node are kept: none would mean an answer */

        if (nh->requests && nh->health.state != SHARD_HEALTH_DEAD) {
            nh->requests = 0;
        }

        changed = shard_health_passed(&nh->health, &ks->health->rule,
                                      ngx_current_msec);

    } else {
        before.requests = ks->health->passive ? nh->requests : 0;
        changed = shard_health_failed(&nh->health, &ks->health->rule,
                                      before.requests, ngx_current_msec);
        before.health.fails = nh->health.fails;
    }

    if (changed) {
        ngx_http_shard_health_settle(ks, n);
        ngx_http_shard_health_tell(ks, n, &before, reason);
    }
}


/* flags are what workers see; a node is never without one in between */

static void
ngx_http_shard_health_settle(ngx_http_shard_keyspace_t *ks, ngx_uint_t n)
{
    ngx_uint_t                     dead;
    ngx_http_shard_sh_t           *sh;
    ngx_http_shard_node_health_t  *nh;

    sh = ks->sh;
    nh = &sh->node_health[n];
    dead = sh->node_flags[n] & SHARD_FLAG_DEAD;

    if (nh->health.state == SHARD_HEALTH_DEAD) {
        ngx_http_shard_node_set(sh, n, SHARD_FLAG_DEAD);
        ngx_http_shard_node_clear(sh, n, SHARD_FLAG_SLOW);
        return;
    }

    if (nh->health.state == SHARD_HEALTH_SLOW) {
        ngx_http_shard_node_set(sh, n, SHARD_FLAG_SLOW);

    } else {
        ngx_http_shard_node_clear(sh, n, SHARD_FLAG_SLOW);
    }

    if (dead) {
        nh->requests = 0;
        ngx_http_shard_node_clear(sh, n, SHARD_FLAG_DEAD);

        if (ngx_http_shard_waiting(ks)) {
            ngx_http_shard_wake_all(ks);
        }
    }
}


static void
ngx_http_shard_health_tell(ngx_http_shard_keyspace_t *ks, ngx_uint_t n,
    ngx_http_shard_node_health_t *before, const char *last)
{
    u_char                  text[128], *p, *end;
    ngx_str_t               name;
    ngx_http_shard_node_t  *node;

    node = &ngx_http_shard_health_arena(ks)->nodes[n];
    name.data = node->name;
    name.len = node->name_len;
    p = text;
    end = text + sizeof(text) - 1;

    if (ks->sh->node_health[n].health.state == SHARD_HEALTH_DEAD) {
        p = ngx_http_shard_health_count(p, end, before->health.fails, "check");

        if (before->health.fails && before->requests) {
            p = ngx_slprintf(p, end, " and ");
        }

        p = ngx_http_shard_health_count(p, end, before->requests, "request");
        *p = '\0';

        ngx_log_error(NGX_LOG_ERR, ks->sync->log, 0,
                      "keyspace \"%V\": node \"%V\" is dead: %s failed in a "
                      "row%s%s", &ks->name, &name, text,
                      last ? ", last: " : "", last ? last : "");

    } else {
        p = ngx_http_shard_health_came(ks, n, before, p, end);
        *p = '\0';

        ngx_log_error(NGX_LOG_NOTICE, ks->sync->log, 0,
                      "keyspace \"%V\": node \"%V\" is back %s", &ks->name,
                      &name, text);
    }

    ngx_http_shard_flush_router(ks->sync);
}


/* "3 checks", nothing for none */

static u_char *
ngx_http_shard_health_count(u_char *p, u_char *end, uint32_t n,
    const char *what)
{
    if (n == 0) {
        return p;
    }

    return ngx_slprintf(p, end, "%uD %s%s", n, what, n == 1 ? "" : "s");
}


static u_char *
ngx_http_shard_health_came(ngx_http_shard_keyspace_t *ks, ngx_uint_t n,
    ngx_http_shard_node_health_t *before, u_char *p, u_char *end)
{
    shard_health_t       *health;
    shard_health_rule_t  *rule;

    rule = &ks->health->rule;
    health = &ks->sh->node_health[n].health;

    p = ngx_slprintf(p, end, "after %uL ms: ",
                     health->since_ms - before->health.since_ms);

    if (before->requests == 0 && !rule->active) {
        p = ngx_slprintf(p, end, "a request was answered");

    } else {
        p = ngx_http_shard_health_count(p, end, rule->passes,
                                        rule->active ? "check" : "connection");
        p = ngx_slprintf(p, end, rule->active ? " passed" : " made");
    }

    if (health->state == SHARD_HEALTH_SLOW) {
        p = ngx_slprintf(p, end, ", slow start of %uD ms", rule->slow_ms);
    }

    return p;
}


/* by any worker: a request to a node failed, of the node's own doing */

void
ngx_http_shard_node_failure(ngx_http_shard_keyspace_t *ks, ngx_uint_t n)
{
    uint32_t  requests;

    if (ks->health == NULL || !ks->health->passive
        || (ks->sh->node_flags[n] & SHARD_FLAG_DEAD))
    {
        return;
    }

    requests = __atomic_add_fetch(&ks->sh->node_health[n].requests, 1,
                                  __ATOMIC_SEQ_CST);
    __atomic_store_n(&ks->sh->failing, 1, __ATOMIC_SEQ_CST);

    /* the others shall know at once; the leader notes it at its next look */

    if (requests >= ks->health->rule.fails) {
        ngx_http_shard_node_set(ks->sh, n, SHARD_FLAG_DEAD);
    }
}


ngx_uint_t
ngx_http_shard_node_avoids(ngx_http_shard_keyspace_t *ks, ngx_uint_t n,
    uint64_t sticky)
{
    return ks->health
           && shard_health_avoids(&ks->sh->node_health[n].health,
                                  ks->health->rule.slow_ms, sticky,
                                  ngx_current_msec);
}


/* as workers see it now: "up", "dead", "slow" */

const char *
ngx_http_shard_node_seen(ngx_http_shard_keyspace_t *ks, ngx_uint_t n)
{
    ngx_uint_t  flags;

    flags = ks->sh->node_flags[n];

    return shard_health_name(flags & SHARD_FLAG_DEAD ? SHARD_HEALTH_DEAD
                             : flags & SHARD_FLAG_SLOW ? SHARD_HEALTH_SLOW
                             : SHARD_HEALTH_UP);
}
