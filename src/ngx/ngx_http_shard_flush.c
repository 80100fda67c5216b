
/*
 * Back to Redis: counters, each interval.
 *
 * A metrics entry that was not acknowledged is sent again as it is, with its
 * sequence; meanwhile the counters go on in shared memory.
 */


#include "ngx_http_shard_sync.h"


static ngx_int_t ngx_http_shard_take(ngx_http_shard_sync_t *sync);
static void ngx_http_shard_take_shard(ngx_http_shard_sync_t *sync,
    ngx_http_shard_entry_t *e, shard_tally_t *tally,
    shard_metrics_shard_t *shard);
static void ngx_http_shard_take_latency(ngx_http_shard_sh_t *sh,
    uint32_t *to);
static void ngx_http_shard_take_position(ngx_http_shard_sh_t *sh,
    uint32_t *to);
static void ngx_http_shard_send_entry(ngx_http_shard_sync_t *sync);
static void ngx_http_shard_on_entry(ngx_http_shard_redis_t *redis,
    redisReply *reply);


void
ngx_http_shard_flush(ngx_http_shard_sync_t *sync)
{
    ngx_http_shard_flush_router(sync);

    if (sync->entry_out) {
        return;
    }

    if (sync->entry_len == 0 && ngx_http_shard_take(sync) != NGX_OK) {
        return;
    }

    ngx_http_shard_send_entry(sync);
}


static void
ngx_http_shard_take_shard(ngx_http_shard_sync_t *sync,
    ngx_http_shard_entry_t *e, shard_tally_t *tally,
    shard_metrics_shard_t *shard)
{
    ngx_http_shard_counters_t  *c;

    c = &sync->keyspace->sh->counters[e->slot];

#define ngx_http_shard_take_one(member)                                       \
    __atomic_exchange_n(&c->member, 0, __ATOMIC_RELAXED)

    shard->id = e->id;
    shard->offered = ngx_http_shard_take_one(offered);
    shard->completed = ngx_http_shard_take_one(completed);
    shard->errors = ngx_http_shard_take_one(errors);
    shard->reads = ngx_http_shard_take_one(reads);
    shard->writes = ngx_http_shard_take_one(writes);
    shard->held = ngx_http_shard_take_one(held);
    shard->bytes = ngx_http_shard_take_one(bytes);
    shard->latency_us = ngx_http_shard_take_one(latency_us);
    shard->inflight = shard_tally_get(tally, e->slot);

#undef ngx_http_shard_take_one
}


/* cumulative for shard_metrics, so what is new is a difference */

static void
ngx_http_shard_take_latency(ngx_http_shard_sh_t *sh, uint32_t *to)
{
    uint64_t    n;
    ngx_uint_t  i;

    for (i = 0; i < SHARD_METRICS_LATENCY_BUCKETS; i++) {
        n = __atomic_load_n(&sh->latency[i], __ATOMIC_RELAXED);
        to[i] = (uint32_t) (n - sh->latency_taken[i]);
        sh->latency_taken[i] = n;
    }
}


static void
ngx_http_shard_take_position(ngx_http_shard_sh_t *sh, uint32_t *to)
{
    ngx_uint_t  i;

    for (i = 0; i < SHARD_METRICS_POSITION_BUCKETS; i++) {
        to[i] = __atomic_exchange_n(&sh->position[i], 0, __ATOMIC_RELAXED);
    }
}


/* an entry of what was counted since the last one; empty ones are sent too,
 * silence must not look like idleness */

static ngx_int_t
ngx_http_shard_take(ngx_http_shard_sync_t *sync)
{
    long                     len;
    size_t                   size;
    uint32_t                 i, n, latency[SHARD_METRICS_LATENCY_BUCKETS],
                             position[SHARD_METRICS_POSITION_BUCKETS];
    ngx_time_t              *tp;
    shard_tally_t            tally;
    ngx_http_shard_sh_t     *sh;
    shard_metrics_head_t     head;
    shard_metrics_shard_t    shard;
    shard_metrics_writer_t   w;
    ngx_http_shard_entry_t  *e;

    sh = sync->keyspace->sh;
    n = 0;

    for (i = 0; i < sync->model->nentries; i++) {
        e = &sync->model->entries[i];
        n += e->live && sh->counters[e->slot].offered;
    }

    /* some more may be counted between here and there */

    size = shard_metrics_entry_size(n);

    if (size > sync->entry_size) {
        ngx_free(sync->entry);
        sync->entry = ngx_alloc(2 * size, sync->log);
        sync->entry_size = sync->entry ? 2 * size : 0;

        if (sync->entry == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_shard_tally(sync->keyspace, &tally) != NGX_OK) {
        return NGX_ERROR;
    }

    tp = ngx_timeofday();

    head.router.data = (const char *) sync->conf->router.data;
    head.router.len = sync->conf->router.len;
    head.instance = sh->instance;
    head.sequence = ngx_atomic_fetch_add(&sh->flush_sequence, 1) + 1;
    head.end_ms = (uint64_t) tp->sec * 1000 + tp->msec;
    head.interval_ms = (uint32_t) ngx_max(ngx_current_msec - sync->flushed_at,
                                          1);
    sync->flushed_at = ngx_current_msec;

    (void) shard_metrics_begin(&w, sync->entry, sync->entry_size, &head);

    for (i = 0; i < sync->model->nentries && n; i++) {
        e = &sync->model->entries[i];

        if (e->live && sh->counters[e->slot].offered) {
            ngx_http_shard_take_shard(sync, e, &tally, &shard);
            (void) shard_metrics_add_shard(&w, &shard);
            n--;
        }
    }

    ngx_free(tally.counts);

    ngx_http_shard_take_latency(sh, latency);
    ngx_http_shard_take_position(sh, position);

    (void) shard_metrics_add_histogram(&w, 2, latency,
                                       SHARD_METRICS_LATENCY_BUCKETS);
    (void) shard_metrics_add_histogram(&w, 3, position,
                                       SHARD_METRICS_POSITION_BUCKETS);

    len = shard_metrics_end(&w);

    if (len < 0) {
        ngx_log_error(NGX_LOG_ALERT, sync->log, 0,
                      "keyspace \"%V\": metrics entry does not fit %uz bytes",
                      &sync->keyspace->name, sync->entry_size);
        return NGX_ERROR;
    }

    sync->entry_len = len;

    return NGX_OK;
}


static void
ngx_http_shard_send_entry(ngx_http_shard_sync_t *sync)
{
    char  key[NGX_HTTP_SHARD_KEY_SIZE];

    if (ngx_http_shard_sync_command(sync, ngx_http_shard_on_entry,
            "XADD %s MAXLEN ~ 20000 * m %b",
            ngx_http_shard_sync_key(sync, "metrics", key),
            sync->entry, sync->entry_len)
        == NGX_OK)
    {
        sync->entry_out = 1;
    }
}


static void
ngx_http_shard_on_entry(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;
    sync->entry_out = 0;

    if (reply && reply->type == REDIS_REPLY_STRING) {
        sync->entry_len = 0;
        sync->entry_refused = 0;
        return;
    }

    /* a Redis that is full refuses each of them: told of once */

    if (reply && reply->type == REDIS_REPLY_ERROR && !sync->entry_refused) {
        sync->entry_refused = 1;
        ngx_log_error(NGX_LOG_WARN, sync->log, 0,
                      "keyspace \"%V\": metrics not taken: %s",
                      &sync->keyspace->name, reply->str);
    }
}
