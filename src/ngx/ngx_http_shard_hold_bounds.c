
/*
 * What bounds a hold:
 *
 *   count, bytes    of one shard, over all workers      (shard_hold)
 *   tickets         of the zone, whatever the shard
 *   connections     half of a worker's, over all keyspaces, those that wait
 *                   after a 421 included: the other half goes on serving
 *   time            shard_hold's, or what the client has left
 *
 * Beyond any of them a request gets 503 and Retry-After.  Each that is released
 * takes a connection to its node: they go as far as there are any to spare.
 */


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_WAY_BACK  20              /* ms kept for the 503 */


/* requests of this worker that wait, in whichever keyspace */

ngx_uint_t  ngx_http_shard_nwaiting;


ngx_uint_t
ngx_http_shard_crowded(void)
{
    return ngx_http_shard_nwaiting >= ngx_cycle->connection_n / 2;
}


/* connections that are free, or idle ones that nginx closes when it needs them,
 * are enough for one more and for everybody else */

ngx_uint_t
ngx_http_shard_room(void)
{
    return ngx_cycle->free_connection_n + ngx_cycle->reusable_connections_n
           > ngx_cycle->connection_n / 8;
}


/* what the ticket office said: shard_ticket_e, or NGX_ABORT */

ngx_int_t
ngx_http_shard_overflow(ngx_http_shard_ctx_t *ctx, ngx_int_t rc)
{
    ngx_log_t                  *log;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);
    log = ctx->request->connection->log;

    ngx_http_shard_add(ks->sh->totals.hold_overflows, 1);

    switch (rc) {

    case SHARD_TICKET_COUNT:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "keyspace \"%V\" shard %uD: more than %ui requests held",
                      &ks->name, ctx->id, ctx->conf->hold_max);
        break;

    case SHARD_TICKET_BYTES:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "keyspace \"%V\" shard %uD: more than %uz bytes held",
                      &ks->name, ctx->id, ctx->conf->hold_bytes);
        break;

    case SHARD_TICKET_POOL:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "keyspace \"%V\": more than %uD requests held, its zone "
                      "has no more room for them", &ks->name,
                      ks->sh->tickets.n);
        break;

    default: /* NGX_ABORT */
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "keyspace \"%V\" shard %uD: half of worker_connections "
                      "are requests that wait, no more of them", &ks->name,
                      ctx->id);
    }

    return ngx_http_shard_retry_after(ctx->request);
}


/*
 * How long the request may wait: not longer than its client, less what its
 * answer takes for the way back.
 */

ngx_msec_t
ngx_http_shard_patience(ngx_http_shard_ctx_t *ctx)
{
    uint64_t             left;
    ngx_str_t            value;
    ngx_time_t          *tp;
    shard_str_t          text;
    ngx_msec_int_t       passed;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ctx->conf->hold_deadline == NULL
        || ngx_http_complex_value(r, ctx->conf->hold_deadline, &value)
           != NGX_OK)
    {
        return ctx->conf->hold_timeout;
    }

    text.data = (const char *) value.data;
    text.len = value.len;

    if (shard_deadline_decode(text, &left) != SHARD_OK) {
        return ctx->conf->hold_timeout;
    }

    tp = ngx_timeofday();
    passed = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                               + (tp->msec - r->start_msec));
    passed = ngx_max(passed, 0)
             + (ngx_msec_int_t) ngx_min(left / 10, NGX_HTTP_SHARD_WAY_BACK);

    left -= ngx_min(left, (uint64_t) passed);

    return (ngx_msec_t) ngx_min(left, ctx->conf->hold_timeout);
}


/* requests parked since the last call, by slot; to be freed by
 * ngx_free(tally->counts) */

ngx_int_t
ngx_http_shard_held_take(ngx_http_shard_keyspace_t *ks, shard_tally_t *tally)
{
    void  *memory;

    memory = ngx_alloc(shard_tally_size(SHARD_TICKETS_HELD), ngx_cycle->log);
    if (memory == NULL) {
        return NGX_ERROR;
    }

    ngx_shmtx_lock(&ks->shpool->mutex);
    shard_tickets_held(&ks->sh->tickets, tally, memory);
    ngx_shmtx_unlock(&ks->shpool->mutex);

    return NGX_OK;
}
