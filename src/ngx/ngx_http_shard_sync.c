
#include "ngx_http_shard_notes.h"
#include "ngx_http_shard_sync.h"


static void ngx_http_shard_sync_init(ngx_http_shard_sync_t *sync);
static ngx_int_t ngx_http_shard_sync_start(ngx_http_shard_keyspace_t *ks);
static void ngx_http_shard_sync_tick(ngx_http_shard_sync_t *sync);
static void ngx_http_shard_sync_ready(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_sync_closed(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_sync_tell(ngx_http_shard_sync_t *sync,
    const char *reason);
static void ngx_http_shard_sync_followed(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_sync_unfollowed(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_sync_connect(ngx_http_shard_sync_t *sync);
static ngx_msec_t ngx_http_shard_sync_backoff(ngx_http_shard_sync_t *sync);


/* every worker's, all the time: whoever holds the lease does the work */

void
ngx_http_shard_tick_handler(ngx_event_t *ev)
{
    ngx_msec_t                  next;
    ngx_shm_zone_t             *zone;
    ngx_http_shard_keyspace_t  *ks;

    zone = ev->data;
    ks = zone->data;
    next = NGX_HTTP_SHARD_TICK;

    ngx_http_shard_notes_tick(ks);
    ngx_http_shard_sample_tick(ks);

    /* parked requests of an old worker need somebody who sees their release:
     * after a reload with another size there are only old workers for that */

    if (ngx_terminate || (ngx_exiting && ks->nparked == 0)) {
        ngx_http_shard_sync_stop(ks);
        return;
    }

    if (ngx_exiting && !ks->leaving && !ks->sh->replaced) {
        ks->leaving = 1;
        ngx_http_shard_sync_stop(ks);
    }

    if (ks->sync && !ngx_http_shard_leading(ks)) {
        ngx_log_error(NGX_LOG_WARN, ev->log, 0,
                      "keyspace \"%V\": lost the lead to worker %uA",
                      &ks->name, ks->sh->leader);
        ngx_http_shard_sync_stop(ks);
    }

    if (ks->sync && ks->sync->out_of_memory) {
        ngx_http_shard_sync_stop(ks);
    }

    if (ngx_http_shard_lead(ks) == NGX_OK) {

        if (ks->sync == NULL && ngx_http_shard_sync_start(ks) != NGX_OK) {
            ngx_http_shard_abdicate(ks);
        }

        if (ks->sync) {
            next = ngx_min(next, ks->sync->conf->interval);
            ngx_http_shard_sync_tick(ks->sync);
        }
    }

    ngx_add_timer(ev, next);
}


/* its connections and events */

static void
ngx_http_shard_sync_init(ngx_http_shard_sync_t *sync)
{
    ngx_uint_t  i;

    struct {
        ngx_event_t             *ev;
        ngx_event_handler_pt     handler;
    } events[] = {
        { &sync->work, ngx_http_shard_work_handler },
        { &sync->dismantle, ngx_http_shard_work_dismantle_handler },
        { &sync->take, ngx_http_shard_take_handler },
        { &sync->state_work, ngx_http_shard_work_state_handler }
    };

    sync->command.conf = &sync->conf->redis;
    sync->command.data = sync;
    sync->command.log = sync->log;
    sync->command.ready = ngx_http_shard_sync_ready;
    sync->command.closed = ngx_http_shard_sync_closed;

    sync->follow.conf = &sync->conf->redis;
    sync->follow.data = sync;
    sync->follow.log = sync->log;
    sync->follow.ready = ngx_http_shard_sync_followed;
    sync->follow.closed = ngx_http_shard_sync_unfollowed;

    sync->barrier.handler = ngx_http_shard_barrier_handler;
    sync->barrier.data = sync->keyspace->zone;
    sync->barrier.log = sync->log;
    sync->barrier.cancelable = 1;

    for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        events[i].ev->handler = events[i].handler;
        events[i].ev->data = sync;
        events[i].ev->log = sync->log;
        events[i].ev->cancelable = 1;
    }
}


static ngx_int_t
ngx_http_shard_sync_start(ngx_http_shard_keyspace_t *ks)
{
    ngx_log_t               *log;
    ngx_http_shard_sync_t   *sync;
    ngx_http_shard_arena_t  *arena;

    log = ngx_cycle->log;

    sync = ngx_calloc(sizeof(ngx_http_shard_sync_t), log);
    if (sync == NULL) {
        return NGX_ERROR;
    }

    arena = &ks->sh->arenas[ks->sh->structure & 1];

    sync->model = ngx_http_shard_model_create(ks, NULL, arena->index.kind,
                                              arena->index.n, log);
    if (sync->model == NULL) {
        ngx_free(sync);
        return NGX_ERROR;
    }

    sync->keyspace = ks;
    sync->log = log;
    sync->conf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                                     ngx_http_shard_module);

    ngx_http_shard_sync_init(sync);

    sync->command_retry_at = ngx_current_msec;
    sync->follow_retry_at = ngx_current_msec;
    sync->load_at = ngx_current_msec;
    sync->flush_at = ngx_current_msec + sync->conf->interval;
    sync->flushed_at = ngx_current_msec;
    sync->state_at = ngx_current_msec;

    sync->names = ngx_http_shard_names_create(ks, log);

    if (sync->names == NULL || ngx_http_shard_health_start(sync) != NGX_OK) {
        ngx_http_shard_names_destroy(sync->names);
        ngx_http_shard_model_destroy(sync->model);
        ngx_free(sync);
        return NGX_ERROR;
    }

    ks->sync = sync;
    ngx_http_shard_barrier_begin(ks);
    ngx_http_shard_sync_work(sync);

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "keyspace \"%V\": this worker keeps the table", &ks->name);

    return NGX_OK;
}


void
ngx_http_shard_sync_stop(ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_sync_t  *sync;

    sync = ks->sync;

    if (sync == NULL) {
        return;
    }

    ks->sync = NULL;

    ngx_http_shard_health_stop(sync);

    if (sync->barrier.timer_set) {
        ngx_del_timer(&sync->barrier);
    }

    if (sync->work.posted) {
        ngx_delete_posted_event(&sync->work);
    }

    if (sync->take.posted) {
        ngx_delete_posted_event(&sync->take);
    }

    ngx_http_shard_work_state_stop(sync);
    ngx_http_shard_work_dismantle_stop(sync);

    ngx_http_shard_redis_close(&sync->follow, NULL);
    ngx_http_shard_redis_close(&sync->command, NULL);
    ngx_http_shard_names_destroy(sync->names);
    ngx_http_shard_model_destroy(sync->loading);
    ngx_http_shard_model_destroy(sync->model);
    ngx_free(sync->policy);
    ngx_free(sync->router.start);
    ngx_free(sync->tally.counts);
    ngx_free(sync->held.counts);
    ngx_free(sync->entry);
    ngx_free(sync);

    ngx_free(ks->held);
    ks->held = NULL;
    ks->held_size = 0;
    ks->nheld = 0;

    ngx_http_shard_abdicate(ks);
}


static void
ngx_http_shard_sync_tick(ngx_http_shard_sync_t *sync)
{
    ngx_msec_t  now;

    now = ngx_current_msec;

    ngx_http_shard_bury(sync->keyspace);
    ngx_http_shard_names_run(sync->names);
    ngx_http_shard_override_expire(sync);
    ngx_http_shard_handover_settle(sync->keyspace);
    ngx_http_shard_barrier(sync);

    if (sync->command.ac == NULL) {
        if ((ngx_msec_int_t) (now - sync->command_retry_at) >= 0) {
            ngx_http_shard_sync_connect(sync);
        }

        return;
    }

    if (!sync->command.is_ready) {
        return;
    }

    if (sync->state == NGX_HTTP_SHARD_SYNC_IDLE
        && (ngx_msec_int_t) (now - sync->load_at) >= 0)
    {
        ngx_http_shard_load(sync);
    }

    if (sync->state == NGX_HTTP_SHARD_SYNC_FOLLOW && sync->follow.ac == NULL
        && (ngx_msec_int_t) (now - sync->follow_retry_at) >= 0
        && ngx_http_shard_redis_connect(&sync->follow) != NGX_OK)
    {
        sync->follow_retry_at = now + ngx_http_shard_sync_backoff(sync);
    }

    ngx_http_shard_sync_poll(sync);

    if ((ngx_msec_int_t) (now - sync->flush_at) >= 0) {
        sync->flush_at = now + sync->conf->interval;
        ngx_http_shard_flush(sync);
    }

    if (sync->state == NGX_HTTP_SHARD_SYNC_FOLLOW
        && (ngx_msec_int_t) (now - sync->state_at) >= 0)
    {
        ngx_http_shard_work_state(sync);
    }

    ngx_http_shard_sync_poke(sync->keyspace);
}


char *
ngx_http_shard_sync_key(ngx_http_shard_sync_t *sync, const char *suffix,
    char *buf)
{
    ngx_sprintf((u_char *) buf, "shard:{%V}:%s%Z", &sync->keyspace->name,
                suffix);

    return buf;
}


/* what is not sent is asked again: the connection is closed, or soon is */

ngx_int_t
ngx_http_shard_sync_command(ngx_http_shard_sync_t *sync,
    ngx_http_shard_reply_pt handler, const char *fmt, ...)
{
    va_list    args;
    ngx_int_t  rc;

    if (!sync->command.is_ready) {
        return NGX_ERROR;
    }

    va_start(args, fmt);
    rc = ngx_http_shard_redis_vsend(&sync->command, handler, 0, fmt, args);
    va_end(args);

    return rc;
}


void
ngx_http_shard_sync_contact(ngx_http_shard_sync_t *sync)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();
    sync->keyspace->sh->contact_ms = (ngx_atomic_uint_t) tp->sec * 1000
                                     + tp->msec;
}


static void
ngx_http_shard_sync_connect(ngx_http_shard_sync_t *sync)
{
    if (ngx_http_shard_redis_connect(&sync->command) != NGX_OK) {
        ngx_http_shard_sync_closed(&sync->command);
    }
}


static void
ngx_http_shard_sync_ready(ngx_http_shard_redis_t *redis)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (sync->told) {
        ngx_log_error(NGX_LOG_NOTICE, sync->log, 0,
                      "keyspace \"%V\": Redis %V is back",
                      &sync->keyspace->name, &redis->conf->text);
    }

    sync->failures = 0;
    sync->told = 0;
    sync->keyspace->sh->connected = 1;

    /* a failover that the other connection has not seen */

    if (sync->follow.ac && sync->follow.found
        && (ngx_strcmp(sync->follow.master, redis->master) != 0
            || sync->follow.master_port != redis->master_port))
    {
        ngx_http_shard_redis_close(&sync->follow, "the master moved");
    }

    if (sync->state == NGX_HTTP_SHARD_SYNC_IDLE) {
        ngx_http_shard_load(sync);
    }
}


static void
ngx_http_shard_sync_closed(ngx_http_shard_redis_t *redis)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;

    if (sync->keyspace->sync == NULL) {
        return;
    }

    sync->keyspace->sh->connected = 0;
    sync->polling = 0;
    sync->refreshing = 0;
    sync->entry_out = 0;
    sync->router_out = 0;

    ngx_http_shard_load_lost(sync);

    sync->command_retry_at = ngx_current_msec
                             + ngx_http_shard_sync_backoff(sync);

    ngx_http_shard_sync_tell(sync, redis->reason ? redis->reason : "closed");
}


/* of one outage, another reason than the last and not for ever */

static void
ngx_http_shard_sync_tell(ngx_http_shard_sync_t *sync, const char *reason)
{
    uint64_t  sum;

    sum = shard_key_position(reason, ngx_strlen(reason));

    if (sync->told && (sum == sync->told_reason || sync->told >= 4)) {
        return;
    }

    sync->told++;
    sync->told_reason = sum;

    ngx_log_error(NGX_LOG_ERR, sync->log, 0,
                  "keyspace \"%V\": Redis %V: %s; serving the table of "
                  "version %uA, trying again",
                  &sync->keyspace->name, &sync->command.conf->text, reason,
                  sync->keyspace->sh->table_version);
}


/* 100 ms to 2 s, doubling, with a random half */

static ngx_msec_t
ngx_http_shard_sync_backoff(ngx_http_shard_sync_t *sync)
{
    ngx_msec_t  ms;

    ms = 100 << ngx_min(sync->failures, 4);
    sync->failures++;

    return ms / 2 + ngx_random() % ms;
}


static void
ngx_http_shard_sync_followed(ngx_http_shard_redis_t *redis)
{
    ngx_http_shard_follow_anew(redis->data);
}


static void
ngx_http_shard_sync_unfollowed(ngx_http_shard_redis_t *redis)
{
    ngx_http_shard_sync_t  *sync;

    sync = redis->data;
    sync->reading = 0;

    if (sync->unpublished) {

        /* applied, and nobody knows on top of what: forces a whole load */

        sync->unpublished = 0;
        sync->applied = 0;
    }

    sync->follow_retry_at = ngx_current_msec + 100 + ngx_random() % 100;
}
