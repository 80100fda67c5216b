
/*
 * TLS sessions with nodes, kept by each worker for each upstream under the
 * node's number, as round robin keeps them with its peers.
 *
 * A number may go to another node, or the node to another address: a server
 * that does not know the session makes a new one, which replaces it.
 */


#include "ngx_http_shard.h"


#if (NGX_HTTP_SSL)

ngx_int_t
ngx_http_shard_set_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_shard_ctx_t *ctx = data;

    ngx_http_shard_srv_conf_t  *sscf;

    sscf = ctx->conf;

    if (sscf->sessions == NULL || ctx->node == SHARD_NODE_NONE) {
        return NGX_OK;
    }

    return ngx_ssl_set_session(pc->connection, sscf->sessions[ctx->node]);
}


void
ngx_http_shard_save_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_http_shard_ctx_t *ctx = data;

    ngx_ssl_session_t          *session, *old;
    ngx_http_shard_srv_conf_t  *sscf;
    ngx_http_shard_keyspace_t  *ks;

    if (ctx->node == SHARD_NODE_NONE) {
        return;
    }

    sscf = ctx->conf;
    ks = ngx_http_shard_keyspace(ctx);

    if (sscf->sessions == NULL) {
        sscf->sessions = ngx_pcalloc(ks->cycle->pool,
                                     ks->sh->nnodes_max * sizeof(void *));
        if (sscf->sessions == NULL) {
            return;
        }
    }

    session = ngx_ssl_get_session(pc->connection);

    if (session == NULL) {
        return;
    }

    old = sscf->sessions[ctx->node];
    sscf->sessions[ctx->node] = session;

    if (old) {
        ngx_ssl_free_session(old);
    }
}

#endif
