
/*
 * This router's entry in the hash "routers", as JSON: each interval, and at
 * once when a barrier is reached or an override is ignored.
 *
 *   {"zone","instance","time_ms","workers","version","interval_ms","rejected",
 *    "barriers":{SHARD:...}, "ignored":{SHARD:...},
 *    "mirrors":{MIGRATION:...}, "nodes":{NAME:...}}
 *
 * Thousands of nodes or barriers do not fit a buffer of one size: the text
 * grows, and is kept for the next entry.
 */


#include "ngx_http_shard_sync.h"


#define NGX_HTTP_SHARD_BESIDE  ".upgrade"


static ngx_int_t ngx_http_shard_print_room(ngx_http_shard_text_t *t);
static void ngx_http_shard_print_escaped(ngx_http_shard_text_t *t,
    const char *s);
static void ngx_http_shard_print_head(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t);
static void ngx_http_shard_print_ignored(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t);
static void ngx_http_shard_print_nodes(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t);
static void ngx_http_shard_print_health(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t n, ngx_http_shard_text_t *t);
static void ngx_http_shard_print_sums(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t);
static void ngx_http_shard_router_name(ngx_http_shard_sync_t *sync,
    ngx_str_t *name);
static void ngx_http_shard_on_beside(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_on_router(ngx_http_shard_redis_t *redis,
    redisReply *reply);


static ngx_int_t
ngx_http_shard_print_room(ngx_http_shard_text_t *t)
{
    size_t   size, len;
    u_char  *p;

    len = t->pos - t->start;
    size = ngx_max(2 * (size_t) (t->end - t->start), 4096);

    p = ngx_alloc(size, t->log);
    if (p == NULL) {
        t->failed = 1;
        return NGX_ERROR;
    }

    if (len) {
        ngx_memcpy(p, t->start, len);
    }

    ngx_free(t->start);

    t->start = p;
    t->pos = p + len;
    t->end = p + size;

    return NGX_OK;
}


void
ngx_http_shard_print(ngx_http_shard_text_t *t, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    while (!t->failed) {
        va_start(args, fmt);
        p = ngx_vslprintf(t->pos, t->end, fmt, args);
        va_end(args);

        /* what fills it to the end may have been cut there */

        if (p < t->end) {
            t->pos = p;
            return;
        }

        (void) ngx_http_shard_print_room(t);
    }
}


static void
ngx_http_shard_print_escaped(ngx_http_shard_text_t *t, const char *s)
{
    for ( /* void */ ; *s; s++) {
        if (*s == '"' || *s == '\\') {
            ngx_http_shard_print(t, "\\%c", *s);

        } else if ((u_char) *s >= 0x20 && (u_char) *s < 0x7f) {
            ngx_http_shard_print(t, "%c", *s);
        }
    }
}


static void
ngx_http_shard_print_ignored(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t)
{
    ngx_uint_t  i;

    for (i = 0; i < sync->nignored; i++) {
        ngx_http_shard_print(t, "%s\"%uD\":\"", i ? "," : "",
                             sync->ignored[i].id);
        ngx_http_shard_print_escaped(t, sync->ignored[i].reason);
        ngx_http_shard_print(t, "\"");
    }
}


/* of thousands of nodes most are idle and well: they are not listed */

static void
ngx_http_shard_print_nodes(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t)
{
    uint32_t              i, inflight, failed;
    const char           *comma;
    ngx_http_shard_sh_t  *sh;

    sh = sync->keyspace->sh;
    comma = "";

    for (i = 0; i < sync->model->nnodes; i++) {
        if (sync->model->nodes[i].name[0] == '\0') {
            continue;
        }

        inflight = ngx_http_shard_node_inflight(sync->keyspace, i);
        failed = sh->node_failed[i];

        if (inflight || failed || sh->node_health[i].health.since_ms
            || (sh->node_flags[i] & (SHARD_FLAG_DEAD|SHARD_FLAG_SLOW)))
        {
            ngx_http_shard_print(t, "%s\"%s\":{\"inflight\":%uD,"
                                 "\"failed\":%uD", comma,
                                 sync->model->nodes[i].name, inflight, failed);
            ngx_http_shard_print_health(sync->keyspace, i, t);
            ngx_http_shard_print(t, "}");
            comma = ",";
        }
    }
}


/* since when it is dead or back, by the clock of the entry's time_ms */

static void
ngx_http_shard_print_health(ngx_http_shard_keyspace_t *ks, ngx_uint_t n,
    ngx_http_shard_text_t *t)
{
    ngx_uint_t            flags;
    ngx_time_t           *tp;
    shard_health_t       *health;
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;
    health = &sh->node_health[n].health;
    flags = sh->node_flags[n];

    ngx_http_shard_print(t, ",\"state\":\"%s\",\"checked\":%s",
                         flags & SHARD_FLAG_DEAD ? "down" : "up",
                         ks->health && ks->health->rule.active
                         && health->checked ? "true" : "false");

    if (flags & SHARD_FLAG_SLOW) {
        ngx_http_shard_print(t, ",\"slow\":true");
    }

    if (health->since_ms) {
        tp = ngx_timeofday();
        ngx_http_shard_print(t, ",\"since_ms\":%uL",
                             (uint64_t) tp->sec * 1000 + tp->msec
                             - (ngx_current_msec - health->since_ms));
    }
}


/* of all nodes, as this router sees them */

static void
ngx_http_shard_print_sums(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t)
{
    uint32_t              i, up, down, checked;
    ngx_http_shard_sh_t  *sh;

    if (sync->keyspace->health == NULL) {
        return;
    }

    sh = sync->keyspace->sh;
    up = 0;
    down = 0;
    checked = 0;

    for (i = 0; i < sync->model->nnodes; i++) {
        if (sync->model->nodes[i].name[0] == '\0') {
            continue;
        }

        if (sh->node_flags[i] & SHARD_FLAG_DEAD) {
            down++;

        } else {
            up++;
        }

        checked += sync->keyspace->health->rule.active
                   && sh->node_health[i].health.checked;
    }

    ngx_http_shard_print(t, ",\"health\":{\"up\":%uD,\"down\":%uD,"
                         "\"checked\":%uD}", up, down, checked);
}


static void
ngx_http_shard_print_head(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t)
{
    ngx_uint_t            i, workers;
    ngx_time_t           *tp;
    ngx_http_shard_sh_t  *sh;

    sh = sync->keyspace->sh;
    tp = ngx_timeofday();

    for (i = 0, workers = 0; i < NGX_HTTP_SHARD_WORKERS_MAX; i++) {
        workers += sh->workers[i] != 0;
    }

    ngx_http_shard_print(t, "\"zone\":\"%V\",\"instance\":\"%016xL\","
                         "\"time_ms\":%uL,\"workers\":%ui,\"version\":%uL,"
                         "\"interval_ms\":%M,\"rejected\":%uA,"
                         "\"hold_ms\":%M",
                         &sync->conf->router_zone, sh->instance,
                         (uint64_t) tp->sec * 1000 + tp->msec, workers,
                         (uint64_t) sh->table_version, sync->conf->interval,
                         sh->totals.rejected_updates,
                         sync->keyspace->hold_shortest
                         ? sync->keyspace->hold_shortest
                         : sync->keyspace->hold_timeout);
}


/* its name, or one beside it while another binary's router has that */

static void
ngx_http_shard_router_name(ngx_http_shard_sync_t *sync, ngx_str_t *name)
{
    char       key[NGX_HTTP_SHARD_KEY_SIZE];
    u_char     beside[SHARD_NAME_SIZE];
    ngx_str_t  router;

    router = sync->conf->router;
    router.len = ngx_min(router.len,
                         SHARD_NAME_SIZE - sizeof(NGX_HTTP_SHARD_BESIDE));

    name->len = ngx_sprintf(beside, "%V" NGX_HTTP_SHARD_BESIDE, &router)
                - beside;

    if (ngx_http_shard_upgrade_workers(sync->conf)) {
        ngx_memcpy(name->data, beside, name->len);
        sync->router_beside = 1;
        return;
    }

    if (sync->router_beside) {
        sync->router_beside = 0;
        (void) ngx_http_shard_sync_command(sync, ngx_http_shard_on_beside,
                   "HDEL %s %b", ngx_http_shard_sync_key(sync, "routers", key),
                   beside, name->len);
    }

    *name = sync->conf->router;
}


static void
ngx_http_shard_on_beside(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    /* what is not deleted is too old to count in 3 s */
}


void
ngx_http_shard_flush_router(ngx_http_shard_sync_t *sync)
{
    char                    key[NGX_HTTP_SHARD_KEY_SIZE];
    u_char                  beside[SHARD_NAME_SIZE];
    ngx_str_t               name;
    ngx_http_shard_text_t  *t;

    if (sync->router_out) {
        sync->router_again = 1;
        return;
    }

    /* the entry is the leader's, and of the workers that stay */

    if (ngx_exiting || !ngx_http_shard_leading(sync->keyspace)) {
        return;
    }

    name.data = beside;
    ngx_http_shard_router_name(sync, &name);

    t = &sync->router;
    t->pos = t->start;
    t->failed = 0;
    t->log = sync->log;

    ngx_http_shard_print(t, "{");
    ngx_http_shard_print_head(sync, t);
    ngx_http_shard_print_sums(sync, t);
    ngx_http_shard_print(t, ",\"barriers\":{");
    ngx_http_shard_barrier_print(sync, t);
    ngx_http_shard_print(t, "},\"ignored\":{");
    ngx_http_shard_print_ignored(sync, t);
    ngx_http_shard_print(t, "},\"mirrors\":{");
    ngx_http_shard_print_mirrors(sync, t);
    ngx_http_shard_print(t, "},\"nodes\":{");
    ngx_http_shard_print_nodes(sync, t);
    ngx_http_shard_print(t, "}}");

    if (!t->failed
        && ngx_http_shard_sync_command(sync, ngx_http_shard_on_router,
            "HSET %s %b %b", ngx_http_shard_sync_key(sync, "routers", key),
            name.data, name.len, t->start, (size_t) (t->pos - t->start))
           == NGX_OK)
    {
        sync->router_out = 1;
    }
}


static void
ngx_http_shard_on_router(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;
    sync->router_out = 0;

    if (reply && sync->router_again) {
        sync->router_again = 0;
        ngx_http_shard_flush_router(sync);
    }
}
