
#include "ngx_http_shard_keepalive.h"


static ngx_int_t ngx_http_shard_keepalive_nodes(
    ngx_http_shard_keepalive_t *keepalive, ngx_http_shard_keyspace_t *ks)
    ngx_http_shard_cold;
static ngx_http_shard_kept_t *ngx_http_shard_keepalive_room(
    ngx_http_shard_keepalive_t *keepalive);
static ngx_chain_t *ngx_http_shard_keepalive_send(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit) ngx_http_shard_hot;
static void ngx_http_shard_keepalive_idle(ngx_event_t *ev);
static void ngx_http_shard_keepalive_dummy(ngx_event_t *ev);
static void ngx_http_shard_keepalive_sweep(ngx_event_t *ev);
static void ngx_http_shard_keepalive_drop(ngx_http_shard_kept_t *kept);
static void ngx_http_shard_keepalive_close(ngx_connection_t *c);


ngx_int_t
ngx_http_shard_keepalive_init(ngx_conf_t *cf,
    ngx_http_shard_keepalive_t *keepalive)
{
    ngx_uint_t              i;
    ngx_http_shard_kept_t  *kept;

    kept = ngx_pcalloc(cf->pool,
                       keepalive->connections * sizeof(ngx_http_shard_kept_t));
    if (kept == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&keepalive->idle);
    ngx_queue_init(&keepalive->spare);

    for (i = 0; i < keepalive->connections; i++) {
        kept[i].keepalive = keepalive;
        ngx_queue_insert_tail(&keepalive->spare, &kept[i].queue);
    }

    keepalive->sweep.handler = ngx_http_shard_keepalive_sweep;
    keepalive->sweep.data = keepalive;
    keepalive->sweep.log = &cf->cycle->new_log;
    keepalive->sweep.cancelable = 1;

    return NGX_OK;
}


/* as many as the zone has numbers for: known when the worker runs */

static ngx_int_t
ngx_http_shard_keepalive_nodes(ngx_http_shard_keepalive_t *keepalive,
    ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t  i;

    keepalive->node = ngx_palloc(ks->cycle->pool,
                                 ks->sh->nnodes_max * sizeof(ngx_queue_t));
    if (keepalive->node == NULL) {
        return NGX_ERROR;
    }

    keepalive->nnodes = ks->sh->nnodes_max;

    for (i = 0; i < keepalive->nnodes; i++) {
        ngx_queue_init(&keepalive->node[i]);
    }

    return NGX_OK;
}


/*
 * The timer is that of the request before, for the answer.  This one's is set
 * when it is sent, and by ngx_add_timer() the one that is there stays if they
 * differ by little.  Little is to be so for a short time, too.  Until then it
 * must do no harm: what goes in one go is sent by then, anything else may take
 * as long as it likes.
 */

static ngx_inline ngx_uint_t
ngx_http_shard_keepalive_timer_stays(ngx_event_t *rev, ngx_http_request_t *r)
{
    ngx_msec_t       timeout;
    ngx_chain_t     *request;
    ngx_msec_int_t   diff;

    request = r->upstream->request_bufs;

    if (r->request_body_no_buffering || request == NULL || request->next
        || request->buf->last - request->buf->pos > NGX_HTTP_SHARD_KEPT_ONE_GO)
    {
        return 0;
    }

    timeout = r->upstream->conf->read_timeout;
    diff = (ngx_msec_int_t) (ngx_current_msec + timeout - rev->timer.key);

    return ngx_abs(diff) < (ngx_msec_int_t) ngx_min(timeout / 16,
                                                    NGX_TIMER_LAZY_DELAY);
}


static ngx_inline ngx_uint_t
ngx_http_shard_keepalive_is_to(ngx_http_shard_kept_t *kept,
    ngx_peer_connection_t *pc)
{
    return kept->socklen == pc->socklen
           && ngx_memcmp(&kept->sockaddr, pc->sockaddr, pc->socklen) == 0;
}


ngx_int_t
ngx_http_shard_keepalive_get(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx)
{
    ngx_queue_t                 *q, *node;
    ngx_connection_t            *c;
    ngx_http_shard_kept_t       *kept;
    ngx_http_shard_keepalive_t  *keepalive;

    keepalive = ctx->conf->keepalive;

    if (ctx->node >= keepalive->nnodes) {
        return NGX_OK;
    }

    node = &keepalive->node[ctx->node];

    for (q = ngx_queue_head(node);
         q != ngx_queue_sentinel(node);
         q = ngx_queue_next(q))
    {
        kept = ngx_queue_data(q, ngx_http_shard_kept_t, of_node);

        if (ngx_http_shard_keepalive_is_to(kept, pc)) {
            goto found;
        }
    }

    return NGX_OK;

found:

    ngx_queue_remove(&kept->of_node);
    ngx_queue_remove(&kept->queue);
    ngx_queue_insert_head(&keepalive->spare, &kept->queue);

    c = kept->connection;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, pc->log, 0,
                   "shard keepalive: using connection %p", c);

    c->idle = 0;
    c->sent = 0;
    c->data = NULL;
    c->log = pc->log;
    c->read->log = pc->log;
    c->write->log = pc->log;
    c->pool->log = pc->log;

    if (c->read->timer_set
        && !ngx_http_shard_keepalive_timer_stays(c->read, ctx->request))
    {
        ngx_del_timer(c->read);
    }

    pc->connection = c;
    pc->cached = 1;

    return NGX_DONE;
}


/* the conditions are those of nginx's "keepalive" */

static ngx_inline ngx_uint_t
ngx_http_shard_keepalive_good(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx, ngx_uint_t state)
{
    ngx_connection_t            *c;
    ngx_http_upstream_t         *u;
    ngx_http_shard_keepalive_t  *keepalive;

    c = pc->connection;
    u = ctx->request->upstream;
    keepalive = ctx->conf->keepalive;

    return c != NULL
           && !(state & NGX_PEER_FAILED)
           && !c->read->eof && !c->read->error && !c->read->timedout
           && !c->write->error && !c->write->timedout
           && u->keepalive && u->request_body_sent
           && c->requests < keepalive->requests
           && ngx_current_msec - c->start_time <= keepalive->time
           && !ngx_terminate && !ngx_exiting;
}


/* a free one, or that of the connection that is longest unused */

static ngx_http_shard_kept_t *
ngx_http_shard_keepalive_room(ngx_http_shard_keepalive_t *keepalive)
{
    ngx_queue_t            *q;
    ngx_http_shard_kept_t  *kept;

    if (ngx_http_shard_unlikely(ngx_queue_empty(&keepalive->spare))) {
        q = ngx_queue_last(&keepalive->idle);
        kept = ngx_queue_data(q, ngx_http_shard_kept_t, queue);
        ngx_http_shard_keepalive_drop(kept);
    }

    q = ngx_queue_head(&keepalive->spare);
    ngx_queue_remove(q);

    return ngx_queue_data(q, ngx_http_shard_kept_t, queue);
}


void
ngx_http_shard_keepalive_put(ngx_peer_connection_t *pc,
    ngx_http_shard_ctx_t *ctx, ngx_uint_t state)
{
    ngx_connection_t            *c;
    ngx_http_shard_kept_t       *kept;
    ngx_http_shard_keepalive_t  *keepalive;

    c = pc->connection;
    keepalive = ctx->conf->keepalive;

    if (!ngx_http_shard_keepalive_good(pc, ctx, state)
        || ngx_handle_read_event(c->read, 0) != NGX_OK
        || (keepalive->node == NULL
            && ngx_http_shard_keepalive_nodes(keepalive,
                                              ngx_http_shard_keyspace(ctx))
               != NGX_OK)
        || ctx->node >= keepalive->nnodes)
    {
        return;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, pc->log, 0,
                   "shard keepalive: keeping connection %p", c);

    kept = ngx_http_shard_keepalive_room(keepalive);

    ngx_queue_insert_head(&keepalive->idle, &kept->queue);
    ngx_queue_insert_head(&keepalive->node[ctx->node], &kept->of_node);

    kept->connection = c;
    kept->since = ngx_current_msec;
    kept->socklen = pc->socklen;
    ngx_memcpy(&kept->sockaddr, pc->sockaddr, pc->socklen);

    pc->connection = NULL;

    if (c->send_chain == ngx_send_chain) {
        c->send_chain = ngx_http_shard_keepalive_send;
    }

    c->read->delayed = 0;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->write->handler = ngx_http_shard_keepalive_dummy;
    c->read->handler = ngx_http_shard_keepalive_idle;

    c->data = kept;
    c->idle = 1;
    c->log = ngx_cycle->log;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;
    c->pool->log = ngx_cycle->log;

    if (!keepalive->sweep.timer_set) {
        ngx_add_timer(&keepalive->sweep,
                      ngx_min(keepalive->timeout, NGX_HTTP_SHARD_KEPT_MS));
    }

    if (c->read->ready) {
        ngx_http_shard_keepalive_idle(c->read);
    }
}


/* a request without a body is one buffer in memory: send() makes less of it
 * than writev() and what makes a vector */

static ngx_chain_t *
ngx_http_shard_keepalive_send(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    off_t       size;
    ssize_t     n;
    ngx_buf_t  *b;

    b = in->buf;
    size = b->last - b->pos;

    if (in->next || !ngx_buf_in_memory(b) || b->in_file || size == 0
        || (limit && size > limit))
    {
        return ngx_send_chain(c, in, limit);
    }

    if (!c->write->ready) {
        return in;
    }

    n = c->send(c, b->pos, (size_t) size);

    if (n == NGX_ERROR) {
        return NGX_CHAIN_ERROR;
    }

    if (n > 0) {
        b->pos += n;
    }

    return b->pos == b->last ? NULL : in;
}


static void
ngx_http_shard_keepalive_dummy(ngx_event_t *ev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ev->log, 0,
                   "shard keepalive dummy handler");
}


/* closed by the node, or by the worker that ends; what a node says that was
 * not asked is not to be trusted */

static void
ngx_http_shard_keepalive_idle(ngx_event_t *ev)
{
    int                n;
    char               buf[1];
    ngx_connection_t  *c;

    c = ev->data;

    if (!c->close) {

        if (ev->timedout) {

            /* the last request's time: what is unused too long, sweep knows */

            ev->timedout = 0;
            return;
        }

        n = recv(c->fd, buf, 1, MSG_PEEK);

        if (n == -1 && ngx_socket_errno == NGX_EAGAIN) {
            ev->ready = 0;

            if (ngx_handle_read_event(c->read, 0) == NGX_OK) {
                return;
            }
        }
    }

    ngx_http_shard_keepalive_drop(c->data);
}


static void
ngx_http_shard_keepalive_sweep(ngx_event_t *ev)
{
    ngx_msec_t                   unused;
    ngx_queue_t                 *q;
    ngx_http_shard_kept_t       *kept;
    ngx_http_shard_keepalive_t  *keepalive;

    keepalive = ev->data;

    while (!ngx_queue_empty(&keepalive->idle)) {
        q = ngx_queue_last(&keepalive->idle);
        kept = ngx_queue_data(q, ngx_http_shard_kept_t, queue);

        unused = ngx_current_msec - kept->since;

        if (unused < keepalive->timeout) {
            ngx_add_timer(ev, ngx_min(keepalive->timeout - unused,
                                      NGX_HTTP_SHARD_KEPT_MS));
            return;
        }

        ngx_http_shard_keepalive_drop(kept);
    }
}


static void
ngx_http_shard_keepalive_drop(ngx_http_shard_kept_t *kept)
{
    ngx_queue_remove(&kept->of_node);
    ngx_queue_remove(&kept->queue);
    ngx_queue_insert_head(&kept->keepalive->spare, &kept->queue);

    ngx_http_shard_keepalive_close(kept->connection);
}


static void
ngx_http_shard_keepalive_close(ngx_connection_t *c)
{
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "shard keepalive: closing connection %p", c);

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN) {
            c->ssl->handler = ngx_http_shard_keepalive_close;
            return;
        }
    }

#endif

    ngx_destroy_pool(c->pool);
    ngx_close_connection(c);
}
