
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


#define NGX_HTTP_SHARD_RELEASE_BATCH  64         /* then others have a turn */


static ngx_int_t ngx_http_shard_take_ticket(ngx_http_shard_ctx_t *ctx,
    ngx_uint_t must_wait);
static void ngx_http_shard_wait_here(ngx_http_shard_ctx_t *ctx,
    ngx_msec_t patience);
static void ngx_http_shard_drop_ticket(ngx_http_shard_keyspace_t *ks,
    uint32_t ticket);
static void ngx_http_shard_parked_cleanup(void *data);
static ngx_int_t ngx_http_shard_may_go(ngx_http_shard_ctx_t *ctx);
static void ngx_http_shard_go(ngx_http_shard_ctx_t *ctx, uint32_t ticket);
static ngx_uint_t ngx_http_shard_is_late(ngx_http_shard_ctx_t *ctx);
static ngx_uint_t ngx_http_shard_release(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t *batch);
static void ngx_http_shard_expire(ngx_http_shard_ctx_t *ctx);
static ngx_int_t ngx_http_shard_too_late(ngx_http_shard_ctx_t *ctx);


/* NGX_DECLINED: it need not wait, and nobody is before it; else NGX_OK, or
 * what shard_ticket_e says, or NGX_ABORT when this worker has too many */

static ngx_int_t
ngx_http_shard_take_ticket(ngx_http_shard_ctx_t *ctx, ngx_uint_t must_wait)
{
    off_t                       bytes;
    ngx_int_t                   rc;
    shard_tickets_t            *tickets;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);
    tickets = &ks->sh->tickets;
    bytes = ngx_min(ctx->request->request_length, (off_t) UINT32_MAX);

    ngx_shmtx_lock(&ks->shpool->mutex);

    if (!must_wait && shard_tickets_waiting(tickets, ctx->slot, NULL) == 0) {
        rc = NGX_DECLINED;

    } else if (ngx_http_shard_crowded()) {
        rc = NGX_ABORT;

    } else {
        rc = shard_tickets_take(tickets, ctx->slot, (uint16_t) ks->worker,
                                (uint32_t) bytes,
                                (uint32_t) ctx->conf->hold_max,
                                ctx->conf->hold_bytes, &ctx->wait->ticket);
    }

    ngx_shmtx_unlock(&ks->shpool->mutex);

    return rc;
}


static void
ngx_http_shard_drop_ticket(ngx_http_shard_keyspace_t *ks, uint32_t ticket)
{
    if (ticket == SHARD_TICKET_NONE) {
        return;
    }

    ngx_shmtx_lock(&ks->shpool->mutex);
    shard_tickets_drop(&ks->sh->tickets, (uint16_t) ks->worker, ticket);
    ngx_shmtx_unlock(&ks->shpool->mutex);
}


/*
 * NGX_AGAIN when parked, NGX_DECLINED when it may pass after all, or a
 * status.  The route is the one that said "wait".
 */

ngx_int_t
ngx_http_shard_park(ngx_http_shard_ctx_t *ctx)
{
    uint32_t                    slot;
    ngx_int_t                   rc;
    ngx_msec_t                  patience;
    ngx_http_cleanup_t         *cln;
    ngx_http_request_t         *r;
    ngx_http_shard_keyspace_t  *ks;

    r = ctx->request;
    ks = ngx_http_shard_keyspace(ctx);

    if (ngx_http_shard_wait(ctx) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    patience = ngx_http_shard_patience(ctx);

    for ( ;; ) {
        rc = ngx_http_shard_take_ticket(ctx, ngx_http_shard_must_wait(ctx));

        if (rc != NGX_DECLINED) {
            break;
        }

        /* nobody waits, or not any more: look again */

        slot = ctx->slot;
        ngx_http_shard_enter(ctx);

        if (!ngx_http_shard_must_wait(ctx) && ctx->slot == slot) {
            ctx->gated = 1;
            return NGX_DECLINED;
        }

        ngx_http_shard_leave(ctx);
    }

    if (rc != NGX_OK) {
        return ngx_http_shard_overflow(ctx, rc);
    }

    /* the ticket is counted, for the next flush or the one after it */

    ngx_http_shard_touch(ks->sh, ctx->slot);

    if (patience == 0) {
        ngx_http_shard_drop_ticket(ks, ctx->wait->ticket);
        return ngx_http_shard_too_late(ctx);
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        ngx_http_shard_drop_ticket(ks, ctx->wait->ticket);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_shard_parked_cleanup;
    cln->data = ctx;

    ngx_http_shard_wait_here(ctx, patience);

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "shard %uD held, ticket %uD, at most %M ms", ctx->id,
                   ctx->wait->ticket, patience);

    return NGX_AGAIN;
}


static void
ngx_http_shard_wait_here(ngx_http_shard_ctx_t *ctx, ngx_msec_t patience)
{
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);

    ctx->parked = 1;
    ctx->was_held = 1;
    ctx->wait->parked_at = ngx_current_msec;
    ctx->wait->parked_until = ngx_current_msec + patience;

    ngx_queue_insert_tail(&ks->parked, &ctx->wait->queue);
    ngx_http_shard_nwaiting++;
    ks->nparked++;
    ks->sh->waiting[ks->worker] = ks->nparked;

    if (!ks->poll.timer_set) {
        ngx_add_timer(&ks->poll, NGX_HTTP_SHARD_POLL);
    }
}


void
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
    ngx_http_shard_nwaiting--;
    ks->nparked--;
    ks->sh->waiting[ks->worker] = ks->nparked;

    ngx_http_shard_drop_ticket(ks, ctx->wait->ticket);
    ctx->wait->ticket = SHARD_TICKET_NONE;
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
    ngx_uint_t                  first;
    shard_tickets_t            *tickets;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);
    tickets = &ks->sh->tickets;

    if (!shard_tickets_seems_first(tickets, ctx->wait->ticket)) {
        return NGX_AGAIN;
    }

    ngx_http_shard_enter(ctx);

    if (ngx_http_shard_must_wait(ctx)) {
        ngx_http_shard_leave(ctx);
        return NGX_AGAIN;
    }

    ngx_shmtx_lock(&ks->shpool->mutex);
    first = shard_tickets_is_first(tickets, ctx->wait->ticket);
    ngx_shmtx_unlock(&ks->shpool->mutex);

    if (!first) {
        ngx_http_shard_leave(ctx);
        return NGX_AGAIN;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_shard_is_late(ngx_http_shard_ctx_t *ctx)
{
    return (ngx_msec_int_t) (ngx_current_msec - ctx->wait->parked_until) >= 0;
}


static void
ngx_http_shard_go(ngx_http_shard_ctx_t *ctx, uint32_t ticket)
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
                  ticket, ctx->held_ms);

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

    ngx_http_finalize_request(r, ngx_http_shard_too_late(ctx));
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_shard_too_late(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);

    ngx_http_shard_add(ks->sh->totals.hold_timeouts, 1);

    if (ctx->route.phase == SHARD_HELD) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                      "keyspace \"%V\" shard %uD: held for %uD ms and not "
                      "released", &ks->name, ctx->id, ctx->held_ms);

    } else {
        ngx_http_shard_log_owner(ctx, "waited for an owner in vain");
    }

    return ngx_http_shard_retry_after(ctx->request);
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


/*
 * One look at each that is parked, oldest first, until a batch has ended its
 * wait; returns how many went.  Those that run may end others, or park new
 * ones: what was not looked at yet is kept apart, and the next one is always
 * the first of it.  A ticket is dropped when its request is on its way, so
 * that the next one cannot overtake it in another worker.
 */

static ngx_uint_t
ngx_http_shard_release(ngx_http_shard_keyspace_t *ks, ngx_uint_t *batch)
{
    uint32_t                ticket;
    ngx_uint_t              went;
    ngx_queue_t            *q, todo;
    ngx_http_shard_ctx_t   *ctx;
    ngx_http_shard_wait_t  *wait;

    went = 0;

    ngx_queue_init(&todo);

    if (!ngx_queue_empty(&ks->parked)) {
        ngx_queue_add(&todo, &ks->parked);
        ngx_queue_init(&ks->parked);
    }

    while (!ngx_queue_empty(&todo) && *batch) {
        q = ngx_queue_head(&todo);
        wait = ngx_queue_data(q, ngx_http_shard_wait_t, queue);
        ctx = wait->ctx;

        if (ngx_http_shard_room() && ngx_http_shard_may_go(ctx) == NGX_OK) {
            ticket = wait->ticket;
            wait->ticket = SHARD_TICKET_NONE;

            ngx_http_shard_unpark(ctx);
            ngx_http_shard_go(ctx, ticket);

            ngx_http_shard_drop_ticket(ks, ticket);
            went++;
            (*batch)--;

        } else if (ngx_http_shard_is_late(ctx)) {
            ngx_http_shard_unpark(ctx);
            ngx_http_shard_expire(ctx);
            (*batch)--;

        } else {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&ks->parked, q);
        }
    }

    if (!ngx_queue_empty(&todo)) {
        ngx_queue_add(&ks->parked, &todo);
    }

    return went;
}


/* with very many parked, looking at them takes no more than some of the time */

void
ngx_http_shard_poll_handler(ngx_event_t *ev)
{
    ngx_msec_t                  next;
    ngx_uint_t                  went, batch;
    ngx_shm_zone_t             *zone;
    ngx_http_shard_keyspace_t  *ks;

    zone = ev->data;
    ks = zone->data;
    went = 0;
    batch = NGX_HTTP_SHARD_RELEASE_BATCH;

    while (ngx_http_shard_release(ks, &batch)) {
        went = 1;
    }

    if (went && ngx_http_shard_waiting(ks)) {
        ngx_http_shard_wake_all(ks);
    }

    if (ks->nparked && !ks->poll.timer_set) {
        next = NGX_HTTP_SHARD_POLL + ks->nparked / NGX_HTTP_SHARD_POLL_PARKED;
        ngx_add_timer(&ks->poll, batch ? next : 0);
    }
}
