
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "watch.h"


#define INTERVAL_MS  10
#define TIMEOUT_MS   1000
#define MOST_US      60000000


static int migrator_watch_start(migrator_watch_t *w);
static void *migrator_watch_main(void *data);
static void migrator_watch_probe(migrator_watch_t *w, int which);
static void migrator_watch_pause(migrator_watch_t *w);
static int migrator_watch_tick(void *data);


static int
migrator_watch_start(migrator_watch_t *w)
{
    pthread_condattr_t  attr;

    if (w->started) {
        return 0;
    }

    if (migrator_http_init(&w->http) != 0) {
        return -1;
    }

    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->cond, &attr);
    pthread_condattr_destroy(&attr);

    if (pthread_create(&w->thread, NULL, migrator_watch_main, w) != 0) {
        pthread_cond_destroy(&w->cond);
        pthread_mutex_destroy(&w->mutex);
        migrator_http_close(&w->http);
        return -1;
    }

    w->started = 1;

    return 0;
}


int
migrator_watch_on(migrator_watch_t *w, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard)
{
    if (migrator_watch_start(w) != 0) {
        return -1;
    }

    pthread_mutex_lock(&w->mutex);

    w->nodes[0] = *from;
    w->nodes[1] = *to;
    w->shard = shard;
    w->n = 0;
    w->active = 1;

    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);

    return 0;
}


void
migrator_watch_off(migrator_watch_t *w)
{
    if (!w->started) {
        return;
    }

    pthread_mutex_lock(&w->mutex);
    w->active = 0;
    pthread_mutex_unlock(&w->mutex);
}


uint32_t
migrator_watch_take(migrator_watch_t *w, migrator_latency_t *out)
{
    uint32_t  n;

    if (!w->started) {
        return 0;
    }

    pthread_mutex_lock(&w->mutex);

    n = w->n;
    memcpy(out, w->ring, n * sizeof(migrator_latency_t));
    w->n = 0;

    pthread_mutex_unlock(&w->mutex);

    return n;
}


void
migrator_watch_close(migrator_watch_t *w)
{
    if (!w->started) {
        return;
    }

    pthread_mutex_lock(&w->mutex);
    w->stop = 1;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);

    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->cond);
    pthread_mutex_destroy(&w->mutex);
    migrator_http_close(&w->http);
    w->started = 0;
}


static void *
migrator_watch_main(void *data)
{
    migrator_watch_t  *w = data;

    int  which;

    which = 0;

    pthread_mutex_lock(&w->mutex);

    while (!w->stop) {

        if (!w->active) {
            pthread_cond_wait(&w->cond, &w->mutex);
            continue;
        }

        migrator_watch_probe(w, which);
        which = !which;
        migrator_watch_pause(w);
    }

    pthread_mutex_unlock(&w->mutex);

    return NULL;
}


/* one that fails is a slow one; the mutex is held before and after */

static void
migrator_watch_probe(migrator_watch_t *w, int which)
{
    char              path[64];
    uint32_t          us;
    shard_node_t      node;
    migrator_limit_t  limit;

    memset(&limit, 0, sizeof(limit));
    limit.timeout_ms = TIMEOUT_MS;
    limit.tick = migrator_watch_tick;
    limit.data = w;

    node = w->nodes[which];
    snprintf(path, sizeof(path), "/_shard/%u/stats", (unsigned) w->shard);

    pthread_mutex_unlock(&w->mutex);

    us = TIMEOUT_MS * 1000;

    if (migrator_http_call(&w->http, &node, "GET", path, NULL, &limit)
        == MIGRATOR_OK)
    {
        us = migrator_watch_us(&w->http);
    }

    pthread_mutex_lock(&w->mutex);

    if (w->active && w->n < MIGRATOR_WATCH_RING) {
        w->ring[w->n].node = which;
        w->ring[w->n].us = us;
        w->n++;
    }
}


uint32_t
migrator_watch_us(migrator_http_t *h)
{
    json_t      *root, *writes;
    curl_off_t   us;

    us = 0;
    curl_easy_getinfo(h->in.easy, CURLINFO_TOTAL_TIME_T, &us);

    root = json_loads(h->in.answer, JSON_REJECT_DUPLICATES, NULL);
    writes = json_object_get(root, "write_us");

    if (json_is_integer(writes) && json_integer_value(writes) > 0) {
        us += json_integer_value(writes) < MOST_US
              ? json_integer_value(writes) : MOST_US;
    }

    json_decref(root);

    return us < 2 * MOST_US ? (uint32_t) us : 2 * MOST_US;
}


static void
migrator_watch_pause(migrator_watch_t *w)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += INTERVAL_MS * 1000000;

    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }

    while (!w->stop
           && pthread_cond_timedwait(&w->cond, &w->mutex, &ts) != ETIMEDOUT)
    {
        /* void */
    }
}


static int
migrator_watch_tick(void *data)
{
    migrator_watch_t  *w = data;

    int  stop;

    pthread_mutex_lock(&w->mutex);
    stop = w->stop;
    pthread_mutex_unlock(&w->mutex);

    return stop;
}
