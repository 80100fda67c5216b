
/*
 * Requests of a held shard wait here, each in its own worker, all in one
 * order:
 *
 *   arrives ─▶ ticket (shm, under the zone's lock) ─▶ parked (this worker)
 *                                                        │ every ms, or woken
 *              its ticket is the head, and not held ◀────┘
 *                      │ enter, drop the ticket
 *                      ▼
 *              goes on where it stopped; the next head may be elsewhere:
 *              wake the other workers
 *
 * A client that leaves, a deadline and a dead worker each drop their
 * tickets, so that nobody waits behind a request that will never go.
 */


#include "ngx_http_shard.h"

#include <sys/eventfd.h>


static ngx_int_t ngx_http_shard_take_ticket(ngx_http_shard_ctx_t *ctx);
static void ngx_http_shard_drop_ticket(ngx_http_shard_keyspace_t *ks,
    uint32_t slot, uint16_t queue, uint32_t ticket);
static void ngx_http_shard_unpark(ngx_http_shard_ctx_t *ctx);
static void ngx_http_shard_parked_cleanup(void *data);
static ngx_int_t ngx_http_shard_may_go(ngx_http_shard_ctx_t *ctx);
static void ngx_http_shard_go(ngx_http_shard_ctx_t *ctx);
static ngx_http_shard_ctx_t *ngx_http_shard_first(
    ngx_http_shard_keyspace_t *ks);
static ngx_http_shard_ctx_t *ngx_http_shard_overdue(
    ngx_http_shard_keyspace_t *ks);
static void ngx_http_shard_expire(ngx_http_shard_ctx_t *ctx);
static void ngx_http_shard_wake_handler(ngx_event_t *ev);
static void ngx_http_shard_wake_cleanup(void *data);


static ngx_int_t
ngx_http_shard_take_ticket(ngx_http_shard_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_http_shard_queue_t     *q;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);

    if (ctx->route.queue == 0 || ctx->route.queue > NGX_HTTP_SHARD_QUEUES) {
        return NGX_BUSY;
    }

    q = &ks->sh->queues[ctx->route.queue - 1];

    ngx_shmtx_lock(&ks->shpool->mutex);

    if (q->slot != ctx->slot) {
        rc = NGX_AGAIN;

    } else if (ctx->route.phase != SHARD_HELD
               && shard_tickets_waiting(&q->tickets) == 0)
    {
        rc = NGX_DECLINED;

    } else if (shard_tickets_take(&q->tickets, (uint16_t) ks->worker,
                                  (uint32_t) ctx->conf->hold_max,
                                  &ctx->wait->ticket)
               == SHARD_OK)
    {
        ctx->wait->ticket_queue = ctx->route.queue;
        ctx->wait->ticket_slot = ctx->slot;
        rc = NGX_OK;

    } else {
        rc = NGX_BUSY;
    }

    ngx_shmtx_unlock(&ks->shpool->mutex);

    return rc;
}


static void
ngx_http_shard_drop_ticket(ngx_http_shard_keyspace_t *ks, uint32_t slot,
    uint16_t queue, uint32_t ticket)
{
    ngx_http_shard_queue_t  *q;

    if (queue == 0) {
        return;
    }

    q = &ks->sh->queues[queue - 1];

    ngx_shmtx_lock(&ks->shpool->mutex);

    if (q->slot == slot) {
        shard_tickets_drop(&q->tickets, ticket);
    }

    ngx_shmtx_unlock(&ks->shpool->mutex);
}


/*
 * NGX_AGAIN when parked, NGX_DECLINED when it may pass after all, or a
 * status.  The route is the one that said "wait".
 */

ngx_int_t
ngx_http_shard_park(ngx_http_shard_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_uint_t                  tries;
    ngx_http_cleanup_t         *cln;
    ngx_http_request_t         *r;
    ngx_http_shard_keyspace_t  *ks;

    r = ctx->request;
    ks = ngx_http_shard_keyspace(ctx);

    if (ngx_http_shard_wait(ctx) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (tries = 0; tries < 8; tries++) {
        rc = ngx_http_shard_take_ticket(ctx);

        if (rc != NGX_AGAIN && rc != NGX_DECLINED) {
            break;
        }

        /* released, or the queue changed hands: look again */

        ngx_http_shard_enter(ctx);

        if (!ngx_http_shard_must_wait(ctx)
            && (ctx->route.queue == 0 || rc == NGX_DECLINED))
        {
            ctx->gated = 1;
            return NGX_DECLINED;
        }

        ngx_http_shard_leave(ctx);
    }

    if (rc != NGX_OK) {
        ngx_http_shard_add(ks->sh->totals.hold_overflows, 1);
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "keyspace \"%V\" shard %uD: more than %ui requests "
                      "held", &ks->name, ctx->id, ctx->conf->hold_max);
        return ngx_http_shard_retry_after(r);
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        ngx_http_shard_drop_ticket(ks, ctx->wait->ticket_slot,
                                   ctx->wait->ticket_queue,
                                   ctx->wait->ticket);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_shard_parked_cleanup;
    cln->data = ctx;

    ctx->parked = 1;
    ctx->was_held = 1;
    ctx->wait->parked_at = ngx_current_msec;

    ngx_queue_insert_tail(&ks->parked, &ctx->wait->queue);
    ks->nparked++;
    ks->sh->waiting[ks->worker] = ks->nparked;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ks->poll.timer_set) {
        ngx_add_timer(&ks->poll, NGX_HTTP_SHARD_POLL);
    }

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "shard %uD held, ticket %uD", ctx->id, ctx->wait->ticket);

    return NGX_AGAIN;
}


static void
ngx_http_shard_unpark(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_keyspace_t  *ks;

    if (!ctx->parked) {
        return;
    }

    ks = ngx_http_shard_keyspace(ctx);

    ctx->parked = 0;
    ctx->held_ms += ngx_current_msec - ctx->wait->parked_at;

    ngx_queue_remove(&ctx->wait->queue);
    ks->nparked--;
    ks->sh->waiting[ks->worker] = ks->nparked;

    ngx_http_shard_drop_ticket(ks, ctx->wait->ticket_slot,
                               ctx->wait->ticket_queue, ctx->wait->ticket);
    ctx->wait->ticket_queue = 0;
}


static void
ngx_http_shard_parked_cleanup(void *data)
{
    ngx_http_shard_unpark(data);
}


/* entered when NGX_OK */

static ngx_int_t
ngx_http_shard_may_go(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_queue_t  *q;

    q = &ngx_http_shard_keyspace(ctx)->sh->queues[ctx->wait->ticket_queue - 1];

    if (__atomic_load_n(&q->tickets.head, __ATOMIC_ACQUIRE)
        != ctx->wait->ticket)
    {
        return NGX_AGAIN;
    }

    ngx_http_shard_enter(ctx);

    if (ngx_http_shard_must_wait(ctx)) {
        ngx_http_shard_leave(ctx);
        return NGX_AGAIN;
    }

    return NGX_OK;
}


static void
ngx_http_shard_go(ngx_http_shard_ctx_t *ctx)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_shard_sh_t        *sh;

    r = ctx->request;
    c = r->connection;
    sh = ngx_http_shard_keyspace(ctx)->sh;

    ctx->gated = 1;

    ngx_http_shard_add(sh->totals.held, 1);
    ngx_http_shard_add(sh->totals.hold_ms, (ngx_atomic_uint_t) ctx->held_ms);
    ngx_http_shard_add(sh->hold_latency[shard_metrics_latency_bucket(
                                            (uint64_t) ctx->held_ms * 1000)],
                       1);

    ngx_http_set_log_request(c->log, r);

    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "shard %uD released ticket %uD after %uD ms", ctx->id,
                  ctx->wait->ticket, ctx->held_ms);

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_shard_expire(ngx_http_shard_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);
    ngx_http_shard_add(ngx_http_shard_keyspace(ctx)->sh->totals.hold_timeouts,
                       1);

    ngx_log_error(NGX_LOG_ERR, c->log, 0,
                  "keyspace \"%V\" shard %uD: held for %uD ms and not released",
                  &ngx_http_shard_keyspace(ctx)->name, ctx->id, ctx->held_ms);

    ngx_http_finalize_request(r, ngx_http_shard_retry_after(r));
    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_shard_retry_after(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));
    h->hash = 1;
    ngx_str_set(&h->key, "Retry-After");
    ngx_str_set(&h->value, "1");

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}


/* the first that may go, entered; NULL when none may */

static ngx_http_shard_ctx_t *
ngx_http_shard_first(ngx_http_shard_keyspace_t *ks)
{
    ngx_queue_t            *q;
    ngx_http_shard_ctx_t   *ctx;
    ngx_http_shard_wait_t  *wait;

    for (q = ngx_queue_head(&ks->parked);
         q != ngx_queue_sentinel(&ks->parked);
         q = ngx_queue_next(q))
    {
        wait = ngx_queue_data(q, ngx_http_shard_wait_t, queue);
        ctx = wait->ctx;

        if (ngx_http_shard_may_go(ctx) == NGX_OK) {
            return ctx;
        }
    }

    return NULL;
}


static ngx_http_shard_ctx_t *
ngx_http_shard_overdue(ngx_http_shard_keyspace_t *ks)
{
    ngx_queue_t            *q;
    ngx_http_shard_ctx_t   *ctx;
    ngx_http_shard_wait_t  *wait;

    for (q = ngx_queue_head(&ks->parked);
         q != ngx_queue_sentinel(&ks->parked);
         q = ngx_queue_next(q))
    {
        wait = ngx_queue_data(q, ngx_http_shard_wait_t, queue);
        ctx = wait->ctx;

        if (ngx_current_msec - ctx->wait->parked_at
            >= ctx->conf->hold_timeout)
        {
            return ctx;
        }
    }

    return NULL;
}


/*
 * One after the other: a ticket is dropped when its request is on its way, so
 * that the next one cannot overtake it in another worker.  A request that
 * runs may end others, so the list is looked at anew each time.
 */

void
ngx_http_shard_poll_handler(ngx_event_t *ev)
{
    uint32_t                    slot, ticket;
    uint16_t                    queue;
    ngx_uint_t                  went;
    ngx_shm_zone_t             *zone;
    ngx_http_shard_ctx_t       *ctx;
    ngx_http_shard_keyspace_t  *ks;

    zone = ev->data;
    ks = zone->data;
    went = 0;

    while ((ctx = ngx_http_shard_first(ks)) != NULL) {

        slot = ctx->wait->ticket_slot;
        ticket = ctx->wait->ticket;
        queue = ctx->wait->ticket_queue;

        /* unparked without its ticket */

        ctx->wait->ticket_queue = 0;
        ngx_http_shard_unpark(ctx);
        ngx_http_shard_go(ctx);

        ngx_http_shard_drop_ticket(ks, slot, queue, ticket);
        went = 1;
    }

    while ((ctx = ngx_http_shard_overdue(ks)) != NULL) {
        ngx_http_shard_unpark(ctx);
        ngx_http_shard_expire(ctx);
    }

    if (went && ngx_http_shard_waiting(ks)) {
        ngx_http_shard_wake_all(ks);
    }

    if (ks->nparked && !ks->poll.timer_set) {
        ngx_add_timer(&ks->poll, NGX_HTTP_SHARD_POLL);
    }
}


/* one eventfd per worker of this cycle, made by the master before it forks */

ngx_int_t
ngx_http_shard_wake_init(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i, n;
    ngx_core_conf_t             *ccf;
    ngx_pool_cleanup_t          *cln;
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shard_module);

    if (smcf == NULL || smcf->keyspaces.nelts == 0) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    n = ngx_max(ccf->worker_processes, 1);

    smcf->wake = ngx_palloc(cycle->pool, (n + 1) * sizeof(int));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (smcf->wake == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        smcf->wake[i] = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (smcf->wake[i] == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "eventfd() failed");
            return NGX_ERROR;
        }
    }

    smcf->wake[n] = -1;
    cln->handler = ngx_http_shard_wake_cleanup;
    cln->data = smcf->wake;

    return NGX_OK;
}


static void
ngx_http_shard_wake_cleanup(void *data)
{
    int  *fd = data;

    for ( /* void */ ; *fd != -1; fd++) {
        (void) close(*fd);
    }
}


ngx_int_t
ngx_http_shard_wake_listen(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_connection_t             *c;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shard_module);

    c = ngx_get_connection(smcf->wake[ngx_worker], cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = smcf;
    c->read->handler = ngx_http_shard_wake_handler;
    c->read->log = cycle->log;
    smcf->wake_connection = c;

    /* an idle connection does not keep an old worker alive */
    c->idle = 0;
    c->recv = ngx_recv;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        return NGX_ERROR;
    }

    ks = smcf->keyspaces.elts;

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        ks[i]->tick.data = ks[i]->zone;
        ngx_add_timer(&ks[i]->tick, 1);
    }

    return NGX_OK;
}


void
ngx_http_shard_wake_close(ngx_cycle_t *cycle)
{
    ngx_connection_t            *c;
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shard_module);
    c = smcf->wake_connection;

    if (c) {
        ngx_del_event(c->read, NGX_READ_EVENT, 0);
        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;
        smcf->wake_connection = NULL;
    }
}


static void
ngx_http_shard_wake_handler(ngx_event_t *ev)
{
    uint64_t                      n;
    ngx_uint_t                    i;
    ngx_connection_t             *c;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    c = ev->data;
    smcf = c->data;

    if (read(c->fd, &n, sizeof(n)) == -1) {
        return;
    }

    ks = smcf->keyspaces.elts;

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        if (ks[i]->nparked) {
            ngx_http_shard_poll_handler(&ks[i]->poll);
        }

        if (ks[i]->sync) {
            ngx_http_shard_sync_poke(ks[i]);
        }
    }
}


void
ngx_http_shard_wake_all(ngx_http_shard_keyspace_t *ks)
{
    int                         *fd;
    uint64_t                     one;
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_shard_module);
    one = 1;

    if (smcf == NULL || smcf->wake == NULL) {
        return;
    }

    for (fd = smcf->wake; *fd != -1; fd++) {
        if (write(*fd, &one, sizeof(one)) == -1 && ngx_errno != NGX_EAGAIN) {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                          "keyspace \"%V\": waking a worker failed",
                          &ks->name);
        }
    }
}
