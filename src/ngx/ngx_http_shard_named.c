
/*
 * Addresses of nodes that have a host name, in shared memory.
 *
 *     leader: resolver ─▶ set: the half that does not count, then "turn"
 *     worker: get: "turn", that half, "turn" again
 *
 * Beside the structure, which a changed address leaves alone: it would be
 * written whole, and needs the table, which a router without Redis has not.
 * A writer that is killed in the middle leaves the other half as it was.
 */


#include "ngx_http_shard.h"
#include "ngx_http_shard_health.h"


static ngx_uint_t ngx_http_shard_named_is(ngx_http_shard_node_t *node,
    ngx_str_t *addr);
static void ngx_http_shard_named_write(ngx_http_shard_node_t *node,
    struct sockaddr *sockaddr, socklen_t socklen);


/* 0: none; there is room for an IPv6 address at least */

socklen_t
ngx_http_shard_named_get(ngx_http_shard_node_t *node,
    struct sockaddr *sockaddr)
{
    uint32_t                 turn;
    socklen_t                socklen;
    ngx_http_shard_named_t  *named;

    named = &node->named;

    do {
        turn = __atomic_load_n(&named->turn, __ATOMIC_ACQUIRE);

        socklen = ngx_min(named->v[turn & 1].len,
                          sizeof(named->v[0].addr));
        ngx_memcpy(sockaddr, &named->v[turn & 1].addr, socklen);

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (turn != __atomic_load_n(&named->turn, __ATOMIC_RELAXED));

    return socklen;
}


/* as ngx_http_shard_choose(), for the picked node's name */

ngx_int_t
ngx_http_shard_named_choose(ngx_http_shard_ctx_t *ctx)
{
    size_t                   len, room;
    uint64_t                 structure;
    socklen_t                socklen;
    ngx_uint_t               there;
    struct sockaddr         *sockaddr;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_node_t   *node;
    ngx_http_shard_arena_t  *arena;

    sh = ngx_http_shard_keyspace(ctx)->sh;
    room = sizeof(ngx_str_t) + sizeof(((ngx_http_shard_named_t *) 0)->v[0].addr)
           + SHARD_ADDR_SIZE;

    /* zeroed: keepalive compares addresses byte by byte */

    ctx->name = ngx_pcalloc(ctx->request->pool, room);
    if (ctx->name == NULL) {
        return NGX_ERROR;
    }

    ctx->room = (uint16_t) room;
    sockaddr = ngx_http_shard_sockaddr(ctx);

    do {
        structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
        arena = &sh->arenas[structure & 1];

        node = &arena->nodes[ngx_min(ctx->node, sh->nnodes_max - 1)];
        there = ctx->node < arena->nnodes && node->named_port;
        socklen = ngx_http_shard_named_get(node, sockaddr);
        len = ngx_min(node->addr_len, SHARD_ADDR_SIZE);

        ctx->name->len = len;
        ctx->name->data = (u_char *) sockaddr + socklen;
        ngx_memcpy(ctx->name->data, node->addr, len);

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));

    ctx->socklen = socklen;

    return there && socklen ? NGX_OK : NGX_DECLINED;
}


/* a node that is published anew has the address it had under this name */

void
ngx_http_shard_named_keep(ngx_http_shard_node_t *from,
    ngx_http_shard_node_t *to)
{
    ngx_str_t  addr;

    addr.data = to->addr;
    addr.len = to->addr_len;

    if (to->named_port && ngx_http_shard_named_is(from, &addr)) {
        to->named = from->named;
    }
}


static ngx_uint_t
ngx_http_shard_named_is(ngx_http_shard_node_t *node, ngx_str_t *addr)
{
    return node->named_port && node->addr_len == addr->len
           && ngx_memcmp(node->addr, addr->data, addr->len) == 0;
}


static void
ngx_http_shard_named_write(ngx_http_shard_node_t *node,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    uint32_t                 turn;
    ngx_http_shard_named_t  *named;

    named = &node->named;
    turn = named->turn + 1;

    ngx_memzero(&named->v[turn & 1], sizeof(named->v[0]));
    ngx_memcpy(&named->v[turn & 1].addr, sockaddr, socklen);
    named->v[turn & 1].len = socklen;

    __atomic_store_n(&named->turn, turn, __ATOMIC_RELEASE);
}


/*
 * Of node n, if it still has this address text.  In both arenas: one of them
 * may be on its way to become the live one.  1: it is another than before.
 */

ngx_uint_t
ngx_http_shard_named_set(ngx_http_shard_keyspace_t *ks, ngx_uint_t n,
    ngx_str_t *addr, struct sockaddr *sockaddr, socklen_t socklen)
{
    ngx_uint_t               i, changed;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_node_t   *node;
    ngx_http_shard_named_t   was;

    sh = ks->sh;
    changed = 0;

    ngx_shmtx_lock(&ks->shpool->mutex);

    for (i = 0; ngx_http_shard_leading(ks) && i < 2; i++) {
        node = &sh->arenas[(sh->structure + i) & 1].nodes[n];

        if (n >= sh->nnodes_max || !ngx_http_shard_named_is(node, addr)) {
            continue;
        }

        was = node->named;

        if (was.v[was.turn & 1].len == socklen
            && ngx_memcmp(&was.v[was.turn & 1].addr, sockaddr, socklen) == 0)
        {
            continue;
        }

        ngx_http_shard_named_write(node, sockaddr, socklen);

        /* of the live one: the old address' death is not the new one's */

        if (i == 0) {
            changed = 1;
            ngx_http_shard_health_forget(sh, n);
            ngx_http_shard_node_clear(sh, n, NGX_HTTP_SHARD_NODE_UNRESOLVED
                                             |NGX_HTTP_SHARD_NODE_DEAD
                                             |NGX_HTTP_SHARD_NODE_SLOW);
        }
    }

    ngx_shmtx_unlock(&ks->shpool->mutex);

    return changed;
}
