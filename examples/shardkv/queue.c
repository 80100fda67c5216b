
/*
 * The queue in front of a thread: requests are taken all at once and in the
 * order of arrival, or, where several threads serve it, one by one.  Its
 * length is bounded by the number of connections.
 */


#include "shardkv.h"


int
shardkv_queue_start(shardkv_queue_t *q, void *(*main)(void *), void *data)
{
    pthread_condattr_t  attr;

    pthread_mutex_init(&q->mutex, NULL);

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->cond, &attr);
    pthread_condattr_destroy(&attr);

    if (pthread_create(&q->thread, NULL, main, data) != 0) {
        return SHARD_ERROR;
    }

    q->started = 1;

    return SHARD_OK;
}


void
shardkv_queue_push(shardkv_queue_t *q, shardkv_request_t *r)
{
    unsigned  empty;

    r->next = NULL;

    pthread_mutex_lock(&q->mutex);

    empty = (q->head == NULL);

    if (empty) {
        q->head = r;

    } else {
        q->tail->next = r;
    }

    q->tail = r;

    pthread_mutex_unlock(&q->mutex);

    if (empty) {
        pthread_cond_signal(&q->cond);
    }
}


void
shardkv_queue_nudge(shardkv_queue_t *q)
{
    pthread_mutex_lock(&q->mutex);
    q->nudged = 1;
    pthread_mutex_unlock(&q->mutex);

    pthread_cond_signal(&q->cond);
}


shardkv_request_t *
shardkv_queue_take(shardkv_queue_t *q, unsigned block)
{
    shardkv_request_t  *list;

    pthread_mutex_lock(&q->mutex);

    while (block && q->head == NULL && !q->nudged && !q->stop) {
        pthread_cond_wait(&q->cond, &q->mutex);
    }

    list = q->head;
    q->head = NULL;
    q->tail = NULL;
    q->nudged = 0;

    pthread_mutex_unlock(&q->mutex);

    return list;
}


/* several threads at one queue: who takes one wakes the next for the rest */

shardkv_request_t *
shardkv_queue_take_one(shardkv_queue_t *q, unsigned wait_ms)
{
    int                 rc;
    uint64_t            until_ns;
    unsigned            more;
    struct timespec     ts;
    shardkv_request_t  *r;

    until_ns = shardkv_monotonic_ns() + wait_ms * 1000000ull;

    ts.tv_sec = until_ns / 1000000000;
    ts.tv_nsec = until_ns % 1000000000;
    rc = 0;

    pthread_mutex_lock(&q->mutex);

    while (wait_ms && rc == 0 && q->head == NULL && !q->stop) {
        rc = pthread_cond_timedwait(&q->cond, &q->mutex, &ts);
    }

    r = q->head;

    if (r) {
        q->head = r->next;
    }

    more = (q->head != NULL);

    pthread_mutex_unlock(&q->mutex);

    if (more) {
        pthread_cond_signal(&q->cond);
    }

    return r;
}


/* the threads work off what waits and end */

void
shardkv_queue_stop(shardkv_queue_t *q)
{
    if (!q->started) {
        return;
    }

    pthread_mutex_lock(&q->mutex);
    q->stop = 1;
    pthread_mutex_unlock(&q->mutex);

    pthread_cond_broadcast(&q->cond);
    pthread_join(q->thread, NULL);

    q->started = 0;
}
