
/*
 * --capacity: a thread that lets ordinary requests start at their slots
 * (capacity.c).  A write goes from here to the writer, a read back to its
 * MHD thread, and with --store both to the pool.  Slots grow in the order of
 * the queue, so its head is next.
 */


#include <time.h>

#include "shardkv.h"


#define SHARDKV_TICK_NS  1000000ull     /* slots within one go at once */


static void *shardkv_pacer_main(void *data);
static int shardkv_pacer_wait(shardkv_server_t *srv);
static void shardkv_pacer_start_request(shardkv_server_t *srv,
    shardkv_request_t *r);


int
shardkv_pacer_start(shardkv_server_t *srv)
{
    shardkv_capacity_init(&srv->bucket, srv->capacity, SHARDKV_QUEUE_NS);

    return shardkv_queue_start(&srv->pacer, shardkv_pacer_main, srv);
}


int
shardkv_pace(shardkv_request_t *r)
{
    int                rc;
    uint64_t           now_ns;
    shardkv_server_t  *srv;

    srv = r->server;

    if (srv->capacity == 0) {
        return SHARD_OK;
    }

    /* what would be refused anyway takes nobody's slot; a database is not
     * asked twice for it */

    if (srv->pool.engine == NULL
        && shardkv_owner_precheck(r) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    now_ns = shardkv_monotonic_ns();

    pthread_mutex_lock(&srv->pacer.mutex);
    rc = shardkv_capacity_take(&srv->bucket, now_ns, &r->start_ns);
    pthread_mutex_unlock(&srv->pacer.mutex);

    if (rc != SHARD_OK) {
        shardkv_refuse(&r->answer, 503, "overloaded", "more than %llu s of "
                       "work wait; the capacity is %.6g requests per second",
                       SHARDKV_QUEUE_NS / 1000000000, srv->capacity);
        return SHARD_ERROR;
    }

    if (r->start_ns <= now_ns) {
        return SHARD_OK;
    }

    return (shardkv_hand(r, SHARDKV_PACED, &srv->pacer) == SHARD_AGAIN)
           ? SHARD_AGAIN : SHARD_ERROR;
}


static void *
shardkv_pacer_main(void *data)
{
    shardkv_queue_t    *q;
    shardkv_server_t   *srv;
    shardkv_request_t  *r;

    srv = data;
    q = &srv->pacer;

    pthread_mutex_lock(&q->mutex);

    while (q->head || !q->stop) {

        if (shardkv_pacer_wait(srv)) {
            continue;
        }

        r = q->head;
        q->head = r->next;

        pthread_mutex_unlock(&q->mutex);
        shardkv_pacer_start_request(srv, r);
        pthread_mutex_lock(&q->mutex);
    }

    pthread_mutex_unlock(&q->mutex);

    return NULL;
}


/* 0: the head is due; 1: it waited, look again */

static int
shardkv_pacer_wait(shardkv_server_t *srv)
{
    uint64_t          at_ns;
    struct timespec   ts;
    shardkv_queue_t  *q;

    q = &srv->pacer;

    if (q->head == NULL) {
        pthread_cond_wait(&q->cond, &q->mutex);
        return 1;
    }

    at_ns = q->head->start_ns;

    if (srv->stopping || at_ns <= shardkv_monotonic_ns()) {
        return 0;
    }

    at_ns = (at_ns + SHARDKV_TICK_NS - 1) / SHARDKV_TICK_NS * SHARDKV_TICK_NS;

    ts.tv_sec = at_ns / 1000000000;
    ts.tv_nsec = at_ns % 1000000000;

    pthread_cond_timedwait(&q->cond, &q->mutex, &ts);

    return 1;
}


static void
shardkv_pacer_start_request(shardkv_server_t *srv, shardkv_request_t *r)
{
    shardkv_queue_t  *worker;

    worker = shardkv_worker(r);

    if (srv->stopping) {
        shardkv_refuse(&r->answer, 503, "stopping", "this node is stopping");
        shardkv_resume(r, SHARDKV_ANSWER);

    } else if (worker) {
        shardkv_state(r, SHARDKV_WORKING);
        shardkv_queue_push(worker, r);

    } else {
        shardkv_resume(r, SHARDKV_RUNNING);
    }
}
