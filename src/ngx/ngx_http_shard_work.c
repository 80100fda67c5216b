
/*
 * What the leader does in slices beside the requests of its worker: taking
 * over the zone, settling a load, publishing, writing the state file.
 */


#include "ngx_http_shard_sync.h"


/* shards whose state file is written at once when a worker ends */
#define NGX_HTTP_SHARD_STATE_SMALL  20000


static void ngx_http_shard_work_take(ngx_http_shard_sync_t *sync,
    ngx_http_shard_slice_t *slice);
static void ngx_http_shard_work_publish(ngx_http_shard_sync_t *sync,
    ngx_http_shard_slice_t *slice);
static void ngx_http_shard_work_published(ngx_http_shard_sync_t *sync);
static void ngx_http_shard_work_state_done(ngx_http_shard_sync_t *sync,
    ngx_int_t rc);


void
ngx_http_shard_sync_work(ngx_http_shard_sync_t *sync)
{
    ngx_post_event(&sync->work, &ngx_posted_next_events);
}


void
ngx_http_shard_work_handler(ngx_event_t *ev)
{
    ngx_http_shard_sync_t  *sync;
    ngx_http_shard_slice_t  slice;

    sync = ev->data;

    ngx_http_shard_slice_begin(&slice);

    switch (sync->state) {

    case NGX_HTTP_SHARD_SYNC_TAKE:
        ngx_http_shard_work_take(sync, &slice);
        break;

    case NGX_HTTP_SHARD_SYNC_SETTLE:
        ngx_http_shard_load_settle(sync, &slice);
        break;

    case NGX_HTTP_SHARD_SYNC_PUBLISH:
        ngx_http_shard_work_publish(sync, &slice);
        break;

    default: /* the connection it was for is gone */
        break;
    }
}


static void
ngx_http_shard_work_take(ngx_http_shard_sync_t *sync,
    ngx_http_shard_slice_t *slice)
{
    ngx_int_t  rc;

    rc = ngx_http_shard_model_take_over(sync->model, slice);

    if (rc == NGX_AGAIN) {
        ngx_http_shard_sync_work(sync);
        return;
    }

    if (rc == NGX_ERROR) {

        /* no memory: the tick lets the lead go, and another try */

        sync->out_of_memory = 1;
        return;
    }

    sync->state = NGX_HTTP_SHARD_SYNC_IDLE;

    if (sync->command.is_ready) {
        ngx_http_shard_load(sync);
    }
}


void
ngx_http_shard_sync_publish(ngx_http_shard_sync_t *sync)
{
    ngx_http_shard_slice_t  slice;

    /* what the log brought is being checked: that publishes it all */

    if (sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW || sync->unpublished) {
        return;
    }

    sync->state = NGX_HTTP_SHARD_SYNC_PUBLISH;

    ngx_http_shard_slice_begin(&slice);
    ngx_http_shard_work_publish(sync, &slice);
}


static void
ngx_http_shard_work_publish(ngx_http_shard_sync_t *sync,
    ngx_http_shard_slice_t *slice)
{
    ngx_int_t  rc;

    sync->structure |= sync->model->structure;

    rc = ngx_http_shard_publish(sync->model, slice, 1);

    if (rc == NGX_AGAIN) {
        ngx_http_shard_sync_work(sync);
        return;
    }

    if (rc != NGX_OK) {

        /* slept through the lease: the tick notices and stops this */

        return;
    }

    sync->state = NGX_HTTP_SHARD_SYNC_FOLLOW;
    ngx_http_shard_work_published(sync);

    if (sync->loaded) {
        sync->loaded = 0;
        ngx_http_shard_load_done(sync);

    } else if (sync->follow.is_ready) {
        ngx_http_shard_follow(sync);
    }
}


static void
ngx_http_shard_work_published(ngx_http_shard_sync_t *sync)
{
    ngx_http_shard_policy_publish(sync);

    /* verbs that named what was not there, or is not there any more */

    if (sync->structure) {
        sync->structure = 0;
        sync->override_hash = 0;
        ngx_http_shard_names_run(sync->names);
    }

    ngx_http_shard_sync_contact(sync);

    if (sync->refreshing && sync->model->version >= sync->refresh_version) {
        sync->refreshing = 0;
        sync->keyspace->sh->refresh_done = sync->refresh_asked;
    }

    ngx_http_shard_barrier(sync);
}


/* a model nobody uses any more; "base" links those that wait for it */

void
ngx_http_shard_work_dismantle(ngx_http_shard_sync_t *sync,
    ngx_http_shard_model_t *m)
{
    m->base = sync->junk;
    sync->junk = m;

    ngx_post_event(&sync->dismantle, &ngx_posted_next_events);
}


void
ngx_http_shard_work_dismantle_handler(ngx_event_t *ev)
{
    ngx_http_shard_model_t  *next;
    ngx_http_shard_sync_t   *sync;

    sync = ev->data;
    next = sync->junk->base;

    if (ngx_http_shard_model_dismantle(sync->junk) == NGX_OK) {
        sync->junk = next;
    }

    if (sync->junk) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


void
ngx_http_shard_work_dismantle_stop(ngx_http_shard_sync_t *sync)
{
    ngx_http_shard_model_t  *m;

    if (sync->dismantle.posted) {
        ngx_delete_posted_event(&sync->dismantle);
    }

    while (sync->junk) {
        m = sync->junk;
        sync->junk = m->base;
        ngx_http_shard_model_destroy(m);
    }
}


/* at most a fiftieth of the time goes into it: this worker serves, too */

void
ngx_http_shard_work_state(ngx_http_shard_sync_t *sync)
{
    ngx_http_shard_keyspace_t  *ks;

    ks = sync->keyspace;

    if (ks->state_file.len == 0 || sync->state_file
        || sync->state_version == sync->model->version)
    {
        return;
    }

    /* a directory that is not writable is told of once */

    sync->state_us = 0;
    sync->state_file = ngx_http_shard_state_begin(ks, sync->model,
                                                  sync->state_failed
                                                  ? NULL : sync->log);
    if (sync->state_file == NULL) {
        sync->state_failed = 1;
        sync->state_version = sync->model->version;
        sync->state_at = ngx_current_msec + 1000;
        return;
    }

    ngx_post_event(&sync->state_work, &ngx_posted_next_events);
}


void
ngx_http_shard_work_state_handler(ngx_event_t *ev)
{
    ngx_int_t               rc;
    ngx_http_shard_sync_t  *sync;
    ngx_http_shard_slice_t  slice;

    sync = ev->data;

    ngx_http_shard_slice_begin(&slice);

    rc = ngx_http_shard_state_work(sync->state_file, sync->model, &slice);

    sync->state_us += ngx_http_shard_slice_spent(&slice);

    if (rc != NGX_AGAIN) {
        ngx_http_shard_work_state_done(sync, rc);

    } else if (ngx_http_shard_state_syncing(sync->state_file)) {
        ngx_add_timer(ev, 20);

    } else {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


static void
ngx_http_shard_work_state_done(ngx_http_shard_sync_t *sync, ngx_int_t rc)
{
    /* NGX_DECLINED: another table since; it is due at the next tick */

    if (rc != NGX_DECLINED) {
        sync->state_version = ngx_http_shard_state_version(sync->state_file);
    }

    ngx_http_shard_state_free(sync->state_file,
                              sync->state_failed ? NULL : sync->log);

    sync->state_file = NULL;
    sync->state_failed = rc == NGX_ERROR;
    sync->state_at = ngx_current_msec + 1000 + 50 * (sync->state_us / 1000);
}


/*
 * A worker that ends leaves the newest version on disk, unless that takes
 * so long that requests still with it would wait.
 */

void
ngx_http_shard_work_state_stop(ngx_http_shard_sync_t *sync)
{
    if (sync->state_work.posted) {
        ngx_delete_posted_event(&sync->state_work);
    }

    if (sync->state_work.timer_set) {
        ngx_del_timer(&sync->state_work);
    }

    if (sync->state_file) {
        ngx_http_shard_state_free(sync->state_file, NULL);
        sync->state_file = NULL;
    }

    if (sync->keyspace->state_file.len == 0
        || sync->state != NGX_HTTP_SHARD_SYNC_FOLLOW
        || sync->state_version == sync->model->version
        || sync->model->nlive > NGX_HTTP_SHARD_STATE_SMALL
        || !ngx_http_shard_leading(sync->keyspace))
    {
        return;
    }

    sync->state_file = ngx_http_shard_state_begin(sync->keyspace, sync->model,
                                                  NULL);

    if (sync->state_file) {
        (void) ngx_http_shard_state_work(sync->state_file, sync->model, NULL);
        ngx_http_shard_state_free(sync->state_file, NULL);
        sync->state_file = NULL;
    }
}
