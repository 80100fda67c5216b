
/*
 * The address of the node that was picked, out of the arena into the request:
 * the arena is filled anew while that is on its way, and logs name it at the
 * end.  The worker notes it for its next requests to that node.
 */


#include "ngx_http_shard_notes.h"


/* its text and sockaddr, into the context where they are short */

static ngx_int_t
ngx_http_shard_copy_addr(ngx_http_shard_ctx_t *ctx,
    ngx_http_shard_node_t *node)
{
    size_t            len, room;
    socklen_t         socklen;
    struct sockaddr  *sockaddr;

    if (node->socklen == sizeof(struct sockaddr_in)
        && node->addr_len <= NGX_HTTP_SHARD_SHORT_ADDR
        && ctx->name == NULL)
    {
        ngx_http_shard_copy_short_addr(ctx, node->addr_len,
                                       &node->sockaddr.sockaddr_in, node->addr);
        return NGX_OK;
    }

    socklen = ngx_min(node->socklen, sizeof(ngx_sockaddr_t));
    len = ngx_min(node->addr_len, SHARD_ADDR_SIZE);
    room = sizeof(ngx_str_t) + socklen + len;

    if (room > ctx->room) {

        /* the first attempt's place is in the context itself */

        ctx->name = (ctx->name == NULL && room <= sizeof(ctx->place))
                    ? (ngx_str_t *) ctx->place
                    : ngx_palloc(ctx->request->pool, room);

        if (ctx->name == NULL) {
            return NGX_ERROR;
        }

        ctx->room = (uint16_t) room;
    }

    sockaddr = ngx_http_shard_sockaddr(ctx);

    ctx->name->len = len;
    ctx->name->data = (u_char *) sockaddr + socklen;
    ctx->socklen = socklen;

    ngx_memcpy(sockaddr, &node->sockaddr, socklen);
    ngx_memcpy(ctx->name->data, node->addr, len);

    return NGX_OK;
}


/* for the next requests to this node, if it is short */

static void
ngx_http_shard_note_near(ngx_http_shard_ctx_t *ctx, uint32_t structure)
{
    ngx_http_shard_near_t  *near;

    if (ctx->socklen != sizeof(struct sockaddr_in)
        || ctx->name->len > NGX_HTTP_SHARD_SHORT_ADDR)
    {
        return;
    }

    near = &ngx_http_shard_keyspace(ctx)->near[ctx->node];

    near->structure = structure;
    near->len = (uint32_t) ctx->name->len;
    ngx_memcpy(&near->sin, ngx_http_shard_sockaddr(ctx),
               sizeof(struct sockaddr_in));
    ngx_memcpy(near->addr, ctx->name->data, NGX_HTTP_SHARD_SHORT_ADDR);
}


/* copies the picked node's address out of the arena; NGX_DECLINED: none */

ngx_int_t
ngx_http_shard_choose(ngx_http_shard_ctx_t *ctx)
{
    uint64_t                 structure;
    uint16_t                 n;
    ngx_int_t                rc;
    ngx_uint_t               there;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_node_t   *node;
    ngx_http_shard_arena_t  *arena;

    if (ctx->chosen) {
        return NGX_OK;
    }

    rc = ngx_http_shard_pick(ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    sh = ngx_http_shard_keyspace(ctx)->sh;
    n = ctx->node;

    do {
        structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
        arena = &sh->arenas[structure & 1];

        /* no such number in this arena: an empty record says so below */

        node = &arena->nodes[ngx_min(n, sh->nnodes_max - 1)];
        there = n < arena->nnodes;

        if (ngx_http_shard_copy_addr(ctx, node) != NGX_OK) {
            return NGX_ERROR;
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));

    if (there && ctx->socklen == 0) {
        rc = ngx_http_shard_named_choose(ctx);

        if (rc != NGX_OK) {
            return rc;
        }

    } else if (!there) {
        return NGX_DECLINED;

    } else if (ctx->plain && ctx->name == (ngx_str_t *) ctx->place) {
        ngx_http_shard_note_near(ctx, (uint32_t) structure);
    }

    ctx->chosen = 1;

    return NGX_OK;
}
