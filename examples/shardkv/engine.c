
/*
 * The pool of threads in front of a database: see engine.h.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_postgres.h"
#include "engine_redis.h"


#define SHARDKV_IDLE_MS  1000


static const shardkv_engine_t *const  shardkv_engines[] = {
    &shardkv_engine_postgres,
    &shardkv_engine_redis,
    NULL
};


static void *shardkv_pool_main(void *data);
static void shardkv_pool_run(shardkv_server_t *srv, void **conn,
    shardkv_request_t *r);
static void shardkv_pool_idle(shardkv_server_t *srv, void **conn);
static void shardkv_pool_say(shardkv_server_t *srv, const char *err);


const shardkv_engine_t *
shardkv_engine_find(const char *url, char err[SHARD_ERR_SIZE])
{
    size_t                          len;
    const char                     *end;
    const shardkv_engine_t *const  *e;

    end = strstr(url, "://");
    len = end ? (size_t) (end - url) : 0;

    for (e = shardkv_engines; *e; e++) {
        if (strlen((*e)->scheme) == len
            && strncmp((*e)->scheme, url, len) == 0)
        {
            return *e;
        }
    }

    len = (size_t) snprintf(err, SHARD_ERR_SIZE, "its scheme is none of");

    for (e = shardkv_engines; *e && len < SHARD_ERR_SIZE; e++) {
        len += (size_t) snprintf(err + len, SHARD_ERR_SIZE - len, " %s://",
                                 (*e)->scheme);
    }

    return NULL;
}


/* the first connection is made here, so that a wrong URL is told at once */

int
shardkv_pool_start(shardkv_server_t *srv, char err[SHARD_ERR_SIZE])
{
    void            *conn;
    unsigned         i;
    shardkv_pool_t  *pool;

    pool = &srv->pool;

    if (pool->engine->open(&conn, pool->url, pool->password_file, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    pool->engine->close(conn);
    pool->idle = (pool->engine->idle != NULL);

    if (shardkv_queue_start(&pool->queue, shardkv_pool_main, srv)
        != SHARD_OK)
    {
        snprintf(err, SHARD_ERR_SIZE, "no thread: %s", strerror(errno));
        return SHARD_ERROR;
    }

    /* the queue's own thread is the first of them */

    for (i = 1; i < pool->n; i++) {
        if (pthread_create(&pool->threads[i], NULL, shardkv_pool_main, srv)
            != 0)
        {
            pool->n = i;
        }
    }

    return SHARD_OK;
}


void
shardkv_pool_stop(shardkv_server_t *srv)
{
    unsigned         i, started;
    shardkv_pool_t  *pool;

    pool = &srv->pool;
    started = pool->queue.started;

    shardkv_queue_stop(&pool->queue);

    for (i = 1; started && i < pool->n; i++) {
        pthread_join(pool->threads[i], NULL);
    }
}


static void *
shardkv_pool_main(void *data)
{
    void               *conn;
    shardkv_server_t   *srv;
    shardkv_request_t  *r;

    srv = data;
    conn = NULL;

    for ( ;; ) {
        r = shardkv_queue_take_one(&srv->pool.queue,
                                   srv->pool.idle ? 0 : SHARDKV_IDLE_MS);

        if (r) {
            shardkv_pool_run(srv, &conn, r);
            shardkv_resume(r, SHARDKV_ANSWER);

        } else if (srv->pool.queue.stop) {
            break;

        } else {
            shardkv_pool_idle(srv, &conn);
        }
    }

    if (conn) {
        srv->pool.engine->close(conn);
    }

    return NULL;
}


/* whoever moves shards leaves work in the database without telling us: one
 * thread looks for it from time to time */

static void
shardkv_pool_idle(shardkv_server_t *srv, void **conn)
{
    char             err[SHARD_ERR_SIZE];
    uint64_t         now_ns, last_ns;
    shardkv_pool_t  *pool;

    pool = &srv->pool;

    if (pool->engine->idle == NULL) {
        return;
    }

    now_ns = shardkv_monotonic_ns();
    last_ns = pool->idle_ns;

    if (atomic_exchange(&pool->idle, 0) == 0
        && (now_ns - last_ns < SHARDKV_IDLE_MS * 1000000ull
            || !atomic_compare_exchange_strong(&pool->idle_ns, &last_ns,
                                               now_ns)))
    {
        return;
    }

    if (*conn == NULL
        && pool->engine->open(conn, pool->url, pool->password_file, err)
           != SHARD_OK)
    {
        *conn = NULL;
        return;
    }

    if (pool->engine->idle(*conn)) {
        pool->idle = 1;
    }
}


static void
shardkv_pool_run(shardkv_server_t *srv, void **conn, shardkv_request_t *r)
{
    char                     err[SHARD_ERR_SIZE];
    const shardkv_engine_t  *engine;

    engine = srv->pool.engine;

    if (*conn == NULL
        && engine->open(conn, srv->pool.url, srv->pool.password_file, err)
           != SHARD_OK)
    {
        *conn = NULL;
        shardkv_refuse(&r->answer, 503, "store", "%s", err);
        shardkv_pool_say(srv, err);
        return;
    }

    if (engine->run(*conn, r) == SHARD_OK) {
        srv->pool.down = 0;

        if (r->route->call == SHARDKV_ROLE && engine->idle) {
            srv->pool.idle = 1;
        }

        return;
    }

    engine->close(*conn);
    *conn = NULL;
    shardkv_pool_say(srv, r->answer.code ? r->answer.message
                                         : "the connection broke");
}


/* one line until it works again, however many requests see it */

static void
shardkv_pool_say(shardkv_server_t *srv, const char *err)
{
    if (atomic_exchange(&srv->pool.down, 1) == 0) {
        fprintf(stderr, "shardkv %s: %s\n", srv->name, err);
    }
}


int
shardkv_password_read(const char *path, char *buf, size_t size,
    char err[SHARD_ERR_SIZE])
{
    FILE    *f;
    size_t   len;

    f = fopen(path, "re");

    if (f == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "%s: %s", path, strerror(errno));
        return SHARD_ERROR;
    }

    if (fgets(buf, (int) size, f) == NULL) {
        buf[0] = '\0';
    }

    len = strcspn(buf, "\r\n");

    if (buf[0] == '\0' || len == 0 || (buf[len] == '\0' && !feof(f))) {
        snprintf(err, SHARD_ERR_SIZE, "%s: its first line is no password of "
                 "1 to %zu bytes", path, size - 2);
        fclose(f);
        return SHARD_ERROR;
    }

    buf[len] = '\0';
    fclose(f);

    return SHARD_OK;
}
