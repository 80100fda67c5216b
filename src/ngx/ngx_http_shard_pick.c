
/*
 * The node of a request: core/shard_pick.h asked with what this worker
 * knows.  Its address is copied out of the arena by _choose.
 *
 *   pick ──▶ ctx->node ──▶ choose ──▶ connect ──▶ failed, or missed
 *    ▲                                                 │ tried[]
 *    └───────────────── next attempt ◀─────────────────┘
 *
 * What was picked stays until the attempt is over, whatever nodes' flags do
 * meanwhile: the request's headers have named it.
 */


#include "ngx_http_shard.h"


static void ngx_http_shard_pick_list(ngx_http_shard_ctx_t *ctx,
    shard_pick_t *pick);
static void ngx_http_shard_pick_slow(ngx_http_shard_ctx_t *ctx,
    shard_wish_t *wish);
static void ngx_http_shard_pick_near(ngx_http_shard_ctx_t *ctx,
    shard_wish_t *wish);
static void ngx_http_shard_pick_distances(ngx_http_shard_ctx_t *ctx,
    shard_wish_t *wish, ngx_str_t *from);


/* what ngx_http_shard_pick() has no short way for */

ngx_int_t
ngx_http_shard_pick_among(ngx_http_shard_ctx_t *ctx)
{
    shard_pick_t  pick;

    ngx_http_shard_pick_list(ctx, &pick);

    if (pick.n == 0) {
        return pick.verdict == SHARD_PICK_WAIT ? NGX_AGAIN : NGX_DECLINED;
    }

    ctx->node = pick.list[0].node;
    ctx->role = pick.list[0].role;
    ctx->failover = pick.list[0].failover;
    ctx->misses = (pick.flags & SHARD_PICK_MISS) != 0;
    ctx->others = pick.n > 1 && (pick.flags & SHARD_PICK_UNSENT) == 0;
    ctx->picked = 1;

    return NGX_OK;
}


/*
 * May somebody else be asked after an answer that nginx takes for a failure?
 * Only then it must think of another try: its peer would not be passed on.
 */

ngx_uint_t
ngx_http_shard_pick_others(ngx_http_shard_ctx_t *ctx)
{
    uint16_t              n;
    ngx_uint_t            i;
    ngx_http_shard_sh_t  *sh;

    sh = ngx_http_shard_keyspace(ctx)->sh;

    if (ctx->route.strategy != SHARD_STATELESS
        && !((ctx->route.flags & SHARD_ROUTE_EVENTUAL)
             && ngx_http_shard_read_only(ctx->request)))
    {
        return 0;
    }

    for (i = 0; i < SHARD_STANDBYS_MAX; i++) {
        n = ctx->route.standbys[i];

        if (n < sh->nnodes_max && ngx_http_shard_node_usable(sh, n)) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_shard_pick_list(ngx_http_shard_ctx_t *ctx, shard_pick_t *pick)
{
    shard_wish_t          wish;
    ngx_http_shard_sh_t  *sh;

    sh = ngx_http_shard_keyspace(ctx)->sh;

    ngx_memzero(&wish, sizeof(shard_wish_t));

    wish.sticky = ctx->sticky;
    wish.node_flags = sh->node_flags;
    wish.nnodes = sh->nnodes_max;

    if (ctx->attempt) {
        wish.tried = ctx->wait->tried;
        wish.ntried = ctx->attempt;
    }

    if (ngx_http_shard_read_only(ctx->request)) {
        wish.flags |= SHARD_WISH_READ;
    }

    if (ctx->conf->fresh) {
        wish.flags |= SHARD_WISH_FRESH;
    }

    if (ctx->missed) {
        wish.flags |= SHARD_WISH_MISSED;
    }

    if (ngx_http_shard_pick_is_near(ctx)) {
        ngx_http_shard_pick_near(ctx, &wish);
    }

    ngx_http_shard_pick_slow(ctx, &wish);

    shard_pick(&ctx->route, &wish, pick);
}


/* who has just come back gets a growing part of the keys */

static void
ngx_http_shard_pick_slow(ngx_http_shard_ctx_t *ctx, shard_wish_t *wish)
{
    uint16_t                    n;
    ngx_uint_t                  i;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);

    for (i = 0; i < SHARD_REPLICAS_MAX; i++) {
        n = i ? ctx->route.standbys[i - 1] : ctx->route.primary;

        if (n < ks->sh->nnodes_max
            && ngx_http_shard_node_slow(ks, n, ctx->sticky))
        {
            wish->shy |= (uint8_t) (1 << i);
        }
    }
}


/* a value that is no zone's name is as far from every node as can be */

static void
ngx_http_shard_pick_near(ngx_http_shard_ctx_t *ctx, shard_wish_t *wish)
{
    ngx_str_t                    from;
    ngx_http_shard_main_conf_t  *smcf;

    if (ngx_http_complex_value(ctx->request, ctx->conf->from, &from)
        != NGX_OK)
    {
        return;
    }

    if (from.len == 0) {
        smcf = ngx_http_get_module_main_conf(ctx->request,
                                             ngx_http_shard_module);
        from = smcf->router_zone;
    }

    ngx_http_shard_pick_distances(ctx, wish, &from);
    wish->flags |= SHARD_WISH_NEAR;
}


static void
ngx_http_shard_pick_distances(ngx_http_shard_ctx_t *ctx, shard_wish_t *wish,
    ngx_str_t *from)
{
    uint16_t                 n;
    uint64_t                 structure;
    ngx_uint_t               i, here, there;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_node_t   *node;
    ngx_http_shard_arena_t  *arena;

    sh = ngx_http_shard_keyspace(ctx)->sh;
    here = ngx_http_shard_zone_number(sh, from);

    do {
        structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
        arena = &sh->arenas[structure & 1];

        for (i = 0; i < SHARD_REPLICAS_MAX; i++) {
            n = i ? ctx->route.standbys[i - 1] : ctx->route.primary;

            if (n >= sh->nnodes_max) {
                continue;
            }

            node = &arena->nodes[n];
            there = node->zone_number;

            /* zones without a number, there being too many, have names */

            if (here == SHARD_ZONE_NONE && there == SHARD_ZONE_NONE
                && node->zone_len == from->len
                && ngx_memcmp(node->zone, from->data,
                              ngx_min(from->len, SHARD_NAME_SIZE)) == 0)
            {
                wish->distance[i] = 0;
                continue;
            }

            wish->distance[i] = (uint16_t) ngx_http_shard_distance(sh, here,
                                                                   there);
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));
}


/* after ngx_http_shard_enter(): may it not go yet? */

ngx_uint_t
ngx_http_shard_must_wait(ngx_http_shard_ctx_t *ctx)
{
    return ctx->route.phase == SHARD_HELD || ngx_http_shard_pick(ctx) != NGX_OK;
}


/*
 * Others of the shard wait, perhaps for an owner: what a stand-in answers, and
 * reads that need not be of the newest, have no place in that order.
 */

ngx_uint_t
ngx_http_shard_overtakes(ngx_http_shard_ctx_t *ctx)
{
    return ngx_http_shard_read_only(ctx->request)
           && (ctx->failover || (ctx->route.flags & SHARD_ROUTE_EVENTUAL));
}


/* the route was read anew, or the whole request begins anew */

void
ngx_http_shard_forget_pick(ngx_http_shard_ctx_t *ctx)
{
    ctx->plain = 0;
    ctx->picked = 0;
    ctx->chosen = 0;
    ctx->again = 0;
    ctx->role = SHARD_ROLE_PRIMARY;
    ctx->failover = 0;
    ctx->misses = 0;
    ctx->missed = 0;
    ctx->attempt = 0;
}


/*
 * This attempt is over without an answer.  NGX_OK when there is another node
 * to go to; the pick stays as it is, for logs, until the peer is asked for.
 */

ngx_int_t
ngx_http_shard_next_pick(ngx_http_shard_ctx_t *ctx)
{
    shard_pick_t          pick;
    ngx_uint_t            tries, missed;
    ngx_http_upstream_t  *u;

    u = ctx->request->upstream;
    missed = ctx->misses && ctx->missed;

    if (ngx_http_shard_wait(ctx) == NULL
        || ctx->attempt == SHARD_CANDIDATES_MAX)
    {
        return NGX_DECLINED;
    }

    tries = u->conf->next_upstream_tries;

    if (!ctx->misses && tries && ctx->attempt + 1u >= tries) {
        return NGX_DECLINED;
    }

    ctx->plain = 0;
    ctx->wait->tried[ctx->attempt++] = ctx->node;

    ngx_http_shard_pick_list(ctx, &pick);

    if (pick.n == 0
        || (!missed && u->request_sent && (pick.flags & SHARD_PICK_UNSENT)))
    {
        return NGX_DECLINED;
    }

    /* the source answers for a target out of reach, asked for or not */

    if (ctx->misses && !missed
        && ngx_http_shard_allow_next(ctx, NGX_HTTP_UPSTREAM_FT_ERROR
                                          |NGX_HTTP_UPSTREAM_FT_TIMEOUT)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ctx->again = 1;

    return NGX_OK;
}


/* its name, or its zone, into the request's pool; numbers of nodes stay */

ngx_int_t
ngx_http_shard_node_text(ngx_http_shard_ctx_t *ctx, ngx_uint_t zone,
    ngx_str_t *text)
{
    size_t                   len;
    uint64_t                 structure;
    ngx_uint_t               there;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_node_t   *node;
    ngx_http_shard_arena_t  *arena;

    sh = ngx_http_shard_keyspace(ctx)->sh;

    text->data = ngx_pnalloc(ctx->request->pool, SHARD_NAME_SIZE);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    do {
        structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
        arena = &sh->arenas[structure & 1];

        node = &arena->nodes[ngx_min(ctx->node, sh->nnodes_max - 1)];
        there = ctx->node < arena->nnodes;
        len = zone ? node->zone_len : node->name_len;
        text->len = ngx_min(len, SHARD_NAME_SIZE);
        ngx_memcpy(text->data, zone ? node->zone : node->name, text->len);

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));

    return there ? NGX_OK : NGX_DECLINED;
}


/* 503, and the client may try again */

ngx_int_t
ngx_http_shard_nobody(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_log_owner(ctx, "nobody can answer");

    return ngx_http_shard_retry_after(ctx->request);
}


/* what is wrong with whom */

void
ngx_http_shard_log_owner(ngx_http_shard_ctx_t *ctx, const char *what)
{
    uint8_t               flags;
    const char           *why;
    ngx_str_t             name;
    ngx_http_shard_sh_t  *sh;

    sh = ngx_http_shard_keyspace(ctx)->sh;

    ctx->node = ctx->route.primary;

    if (ctx->route.strategy == SHARD_COPY_ON_WRITE
        && ctx->route.phase == SHARD_SHIFTING)
    {
        ctx->node = ctx->route.target;
    }

    flags = sh->node_flags[ngx_min(ctx->node, sh->nnodes_max - 1)];

    why = (flags & SHARD_FLAG_DOWN) ? "down (table)"
          : (flags & SHARD_FLAG_DEAD) ? "dead (health checks)"
          : (flags & SHARD_FLAG_UNRESOLVED) ? "a host name without an address"
          : "usable again";

    if (ngx_http_shard_node_text(ctx, 0, &name) != NGX_OK) {
        ngx_str_set(&name, "?");
    }

    ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                  "keyspace \"%V\" shard %uD: %s: its node \"%V\" is %s, and "
                  "there is no other for this request",
                  &ngx_http_shard_keyspace(ctx)->name, ctx->id, what, &name,
                  why);
}
