
/*
 * Back to Redis: counters, each interval.
 *
 * A metrics entry that was not acknowledged is sent again as it is, with its
 * sequence; meanwhile the counters go on in shared memory.
 */


#include "ngx_http_shard_notes.h"
#include "ngx_http_shard_sync.h"


/* room before an entry for the command that sends it */

#define NGX_HTTP_SHARD_ENTRY_HEAD  (NGX_HTTP_SHARD_KEY_SIZE + 256)


static void ngx_http_shard_take_shard(ngx_http_shard_sync_t *sync,
    uint32_t slot);
static ngx_int_t ngx_http_shard_take_begin(ngx_http_shard_sync_t *sync);
static void ngx_http_shard_take_end(ngx_http_shard_sync_t *sync);
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

    if (sync->entry_out || sync->taking) {
        return;
    }

    if (sync->entry_len) {
        ngx_http_shard_send_entry(sync);
        return;
    }

    if (ngx_http_shard_take_begin(sync) == NGX_OK) {
        ngx_http_shard_take_handler(&sync->take);
    }
}


/* most shards have no errors, many no writes: a look is cheaper than a swap */

static ngx_inline uint32_t
ngx_http_shard_take_one(uint32_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED)
           ? __atomic_exchange_n(counter, 0, __ATOMIC_RELAXED) : 0;
}


static void
ngx_http_shard_take_shard(ngx_http_shard_sync_t *sync, uint32_t slot)
{
    uint32_t                    id, done, latency_ms;
    shard_metrics_shard_t       shard;
    ngx_http_shard_counters_t  *c;

    id = sync->model->ids[slot];

    /* one that is about to be published: its counts wait for the next time */

    if (id == 0) {
        ngx_http_shard_touch(sync->keyspace->sh, slot);
        return;
    }

    c = &sync->keyspace->sh->counters[slot];

    ngx_memzero(&shard, sizeof(shard_metrics_shard_t));

    shard.id = id - 1;
    shard.offered = ngx_http_shard_take_one(&c->offered);
    done = ngx_http_shard_take_one(&c->done);
    shard.errors = ngx_http_shard_take_one(&c->errors);
    shard.writes = ngx_http_shard_take_one(&c->writes);
    shard.bytes = (uint64_t) ngx_http_shard_take_one(&c->bytes_64)
                  * NGX_HTTP_SHARD_BYTES_UNIT;
    latency_ms = ngx_http_shard_take_one(&c->latency_ms);

    shard.completed = done - ngx_min(done, shard.errors);
    shard.reads = done - ngx_min(done, shard.writes);
    shard.latency_us = (uint64_t) latency_ms * 1000;
    shard.inflight = shard_tally_get(&sync->tally, slot);
    shard.held = shard_tally_get(&sync->held, slot);

    (void) shard_metrics_add_shard(&sync->writer, &shard);
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


/*
 * An entry of what was counted since the last one; empty ones are sent too,
 * silence must not look like idleness.  Touched shards are gone through in
 * slices.
 */

static ngx_int_t
ngx_http_shard_take_begin(ngx_http_shard_sync_t *sync)
{
    size_t                 size;
    uint32_t               i, n;
    ngx_time_t            *tp;
    ngx_http_shard_sh_t   *sh;
    shard_metrics_head_t   head;

    sh = sync->keyspace->sh;

    ngx_http_shard_notes_drain(sync->keyspace);

    for (i = 0, n = 0; i < (sh->nslots + 63) / 64; i++) {
        if (sh->touched[i]) {
            n += __builtin_popcountll(sh->touched[i]);
        }
    }

    /* some more may be counted between here and there */

    sync->take_most = n + n / 8 + 128;
    size = shard_metrics_entry_size(sync->take_most)
           + ngx_http_shard_clients_size(sh)
           + ngx_http_shard_samples_size(sh);

    if (size > sync->entry_size) {
        ngx_free(sync->entry);
        sync->entry = ngx_alloc(NGX_HTTP_SHARD_ENTRY_HEAD + 2 * size
                                + sizeof(CRLF) - 1, sync->log);
        sync->entry_size = sync->entry ? 2 * size : 0;

        if (sync->entry == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_shard_tally(sync->keyspace, &sync->tally) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_shard_held_take(sync->keyspace, &sync->held) != NGX_OK) {
        ngx_free(sync->tally.counts);
        sync->tally.counts = NULL;
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

    (void) shard_metrics_begin(&sync->writer,
                               sync->entry + NGX_HTTP_SHARD_ENTRY_HEAD,
                               sync->entry_size, &head);

    sync->taking = 1;
    sync->take_at = 0;

    return NGX_OK;
}


void
ngx_http_shard_take_handler(ngx_event_t *ev)
{
    uint32_t                i;
    uint64_t                bits;
    ngx_http_shard_sh_t    *sh;
    ngx_http_shard_sync_t  *sync;
    ngx_http_shard_slice_t  slice;

    sync = ev->data;
    sh = sync->keyspace->sh;

    ngx_http_shard_slice_begin(&slice);

    for (i = sync->take_at; i < (sh->nslots + 63) / 64; i++) {

        if (sh->touched[i] == 0) {
            continue;
        }

        if (sync->writer.nshards + 64 > sync->take_most) {
            break;
        }

        /* first, so that a count that comes after it sets its bit again */

        for (bits = __atomic_exchange_n(&sh->touched[i], 0, __ATOMIC_SEQ_CST);
             bits;
             bits &= bits - 1)
        {
            ngx_http_shard_take_shard(sync, i * 64 + __builtin_ctzll(bits));
        }

        if (ngx_http_shard_slice_over(&slice)) {
            sync->take_at = i + 1;
            ngx_post_event(ev, &ngx_posted_next_events);
            return;
        }
    }

    ngx_http_shard_take_end(sync);
}


static void
ngx_http_shard_take_end(ngx_http_shard_sync_t *sync)
{
    long                  len;
    uint32_t              latency[SHARD_METRICS_LATENCY_BUCKETS],
                          position[SHARD_METRICS_POSITION_BUCKETS];
    ngx_http_shard_sh_t  *sh;

    sh = sync->keyspace->sh;

    ngx_free(sync->tally.counts);
    ngx_free(sync->held.counts);
    sync->tally.counts = NULL;
    sync->held.counts = NULL;
    sync->taking = 0;

    ngx_http_shard_take_latency(sh, latency);
    ngx_http_shard_take_position(sh, position);

    (void) shard_metrics_add_histogram(&sync->writer, 2, latency,
                                       SHARD_METRICS_LATENCY_BUCKETS);
    (void) shard_metrics_add_histogram(&sync->writer, 3, position,
                                       SHARD_METRICS_POSITION_BUCKETS);

    ngx_http_shard_take_clients(sync);
    ngx_http_shard_take_samples(sync);

    len = shard_metrics_end(&sync->writer);

    if (len < 0) {
        ngx_log_error(NGX_LOG_ALERT, sync->log, 0,
                      "keyspace \"%V\": metrics entry does not fit %uz bytes",
                      &sync->keyspace->name, sync->entry_size);
        return;
    }

    sync->entry_len = len;
    ngx_http_shard_send_entry(sync);
}


/* in Redis' own format: ten thousand shards make half a megabyte, and hiredis
 * would copy it twice more */

static void
ngx_http_shard_send_entry(ngx_http_shard_sync_t *sync)
{
    char     key[NGX_HTTP_SHARD_KEY_SIZE];
    u_char  *entry, *end, head[NGX_HTTP_SHARD_ENTRY_HEAD];
    size_t   len;

    if (!sync->command.is_ready) {
        return;
    }

    (void) ngx_http_shard_sync_key(sync, "metrics", key);

    len = ngx_snprintf(head, sizeof(head),
                       "*8" CRLF "$4" CRLF "XADD" CRLF "$%uz" CRLF "%s" CRLF
                       "$6" CRLF "MAXLEN" CRLF "$1" CRLF "~" CRLF
                       "$5" CRLF "20000" CRLF "$1" CRLF "*" CRLF
                       "$1" CRLF "m" CRLF "$%uz" CRLF,
                       ngx_strlen(key), key, sync->entry_len)
          - head;

    entry = sync->entry + NGX_HTTP_SHARD_ENTRY_HEAD;
    end = ngx_cpymem(entry + sync->entry_len, CRLF, sizeof(CRLF) - 1);
    ngx_memcpy(entry - len, head, len);

    if (ngx_http_shard_redis_send_raw(&sync->command, ngx_http_shard_on_entry,
                                      entry - len, end - (entry - len))
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
