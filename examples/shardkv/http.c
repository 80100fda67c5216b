
/*
 * The access handler: MHD calls it at a request's head, for every piece of
 * its body, at the end of the body, and again after each resume.  What it
 * does depends on r->state only; the picture is in shardkv.h.
 *
 * MHD stops with a panic when a connection is suspended, so nothing is
 * suspended any more once srv->stopping is set (see main.c).
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"


static shardkv_request_t *shardkv_begin(shardkv_server_t *srv,
    struct MHD_Connection *connection, const char *url, const char *method);
static int shardkv_offered(shardkv_request_t *r);
static void shardkv_body_check(shardkv_request_t *r);
static enum MHD_Result shardkv_body(shardkv_request_t *r, const char *data,
    size_t *size);
static int shardkv_received(shardkv_request_t *r);
static void shardkv_run(shardkv_request_t *r);


/* the one setter; bit b of an entry: b may follow */

void
shardkv_state(shardkv_request_t *r, shardkv_state_e state)
{
    static const unsigned  next[] = {
        /* RECEIVING */  1 << SHARDKV_STORING | 1 << SHARDKV_PACED
                         | 1 << SHARDKV_WORKING | 1 << SHARDKV_RUNNING
                         | 1 << SHARDKV_ANSWER,
        /* STORING */    1 << SHARDKV_RECEIVING,
        /* PACED */      1 << SHARDKV_WORKING | 1 << SHARDKV_RUNNING
                         | 1 << SHARDKV_ANSWER,
        /* WORKING */    1 << SHARDKV_ANSWER,
        /* RUNNING */    1 << SHARDKV_ANSWER,
        /* ANSWER */     0
    };

    if ((next[r->state] >> state & 1) == 0) {
        fprintf(stderr, "shardkv: a request went from state %d to %d\n",
                (int) r->state, (int) state);
        abort();
    }

    r->state = state;
}


int
shardkv_hand(shardkv_request_t *r, shardkv_state_e state, shardkv_queue_t *q)
{
    shardkv_server_t  *srv;

    srv = r->server;

    /* counted before looking: see shardkv_stop() in main.c */

    atomic_fetch_add(&srv->suspended, 1);

    if (srv->stopping) {
        atomic_fetch_sub(&srv->suspended, 1);
        shardkv_refuse(&r->answer, 503, "stopping", "this node is stopping");
        return SHARD_OK;
    }

    r->handed_ns = shardkv_monotonic_ns();
    shardkv_state(r, state);
    MHD_suspend_connection(r->connection);
    shardkv_queue_push(q, r);

    return SHARD_AGAIN;
}


/* the request may be gone when MHD_resume_connection() returns */

void
shardkv_resume(shardkv_request_t *r, shardkv_state_e state)
{
    shardkv_server_t       *srv;
    struct MHD_Connection  *connection;

    srv = r->server;
    connection = r->connection;

    shardkv_state(r, state);
    MHD_resume_connection(connection);

    atomic_fetch_sub(&srv->suspended, 1);
}


enum MHD_Result
shardkv_access(void *cls, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size,
    void **ctx)
{
    shardkv_request_t               *r;
    const union MHD_ConnectionInfo  *info;

    (void) version;

    r = *ctx;

    if (r == NULL) {
        r = shardkv_begin(cls, connection, url, method);
        *ctx = r;
        return r ? MHD_YES : MHD_NO;
    }

    /* suspended just now, and MHD goes on in the same buffer */

    info = MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_CONNECTION_SUSPENDED);

    if (info == NULL || info->suspended == MHD_YES) {
        return MHD_YES;
    }

    if (r->state == SHARDKV_RECEIVING && *size) {
        return shardkv_body(r, data, size);
    }

    if (r->state == SHARDKV_RECEIVING) {

        if (shardkv_received(r) == SHARD_AGAIN) {
            return MHD_YES;
        }

        shardkv_state(r, SHARDKV_ANSWER);

    } else if (r->state == SHARDKV_RUNNING) {
        shardkv_run(r);
        shardkv_state(r, SHARDKV_ANSWER);
    }

    return shardkv_send(r);
}


static shardkv_request_t *
shardkv_begin(shardkv_server_t *srv, struct MHD_Connection *connection,
    const char *url, const char *method)
{
    shardkv_request_t  *r;

    r = calloc(1, sizeof(shardkv_request_t));

    if (r == NULL) {
        return NULL;
    }

    r->server = srv;
    r->connection = connection;

    atomic_fetch_add(&srv->requests, 1);

    if (shardkv_route(r, url, method) != SHARD_OK
        || shardkv_offered(r) != SHARD_OK)
    {
        return r;
    }

    shardkv_body_check(r);

    if (r->answer.code == NULL && r->route->lines) {
        (void) shardkv_upload_begin(r);
    }

    return r;
}


/* not every store can do everything */

static int
shardkv_offered(shardkv_request_t *r)
{
    const shardkv_engine_t  *engine;

    engine = r->server->pool.engine;

    if (engine == NULL) {

        if (r->route->call == SHARDKV_TAKE || r->group[0] || r->ttl_ms) {
            shardkv_refuse(&r->answer, 501, "not_offered", "consumer groups "
                           "and ttl_ms= need --store redis://");
            return SHARD_ERROR;
        }

        return SHARD_OK;
    }

    if ((engine->calls & shardkv_bit(r->route->call)) == 0) {
        shardkv_refuse(&r->answer, 501, "not_offered", "data in %s:// are "
                       "not offered by this call%s%s%s", engine->scheme,
                       r->route->data ? "; the migrator's driver \"" : "",
                       r->route->data ? engine->driver : "",
                       r->route->data ? "\" moves them" : "");
        return SHARD_ERROR;
    }

    if (r->ttl_ms && !engine->ttl) {
        shardkv_refuse(&r->answer, 501, "not_offered", "values in %s:// have "
                       "no ttl_ms=", engine->scheme);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* what is too long by its own account is not read in */

static void
shardkv_body_check(shardkv_request_t *r)
{
    uint64_t     len;
    shard_str_t  value;

    value.data = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
                                             "Content-Length");

    if (value.data == NULL || r->route->lines) {
        return;
    }

    value.len = strlen(value.data);

    if (shard_uint64_decode(value, &len) == SHARD_OK
        && len > r->route->body_max)
    {
        shardkv_refuse(&r->answer, 413, "too_large", "the body is larger than "
                       "%zu bytes", r->route->body_max);
    }
}


static enum MHD_Result
shardkv_body(shardkv_request_t *r, const char *data, size_t *size)
{
    size_t  len;

    len = *size;
    *size = 0;

    if (r->answer.code) {
        r->discarded += len;
        return (r->discarded > SHARDKV_DISCARD_MAX) ? MHD_NO : MHD_YES;
    }

    if (r->upload) {
        (void) shardkv_upload_read(r, data, len);
        return MHD_YES;
    }

    if (r->body.len + len > r->route->body_max) {
        shardkv_refuse(&r->answer, 413, "too_large", "the body is larger than "
                       "%zu bytes", r->route->body_max);

    } else if (shardkv_buf_reserve(&r->body, len) != SHARD_OK) {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");

    } else {
        memcpy(r->body.data + r->body.len, data, len);
        r->body.len += len;
    }

    return MHD_YES;
}


/* the request is complete.  SHARD_OK: its answer is there; SHARD_AGAIN: it
 * is another thread's now and must not be looked at */

static int
shardkv_received(shardkv_request_t *r)
{
    shardkv_queue_t  *worker;

    if (r->answer.code) {
        return SHARD_OK;
    }

    if (r->upload) {
        return shardkv_upload_finish(r);
    }

    if (!r->route->data && r->route->call != SHARDKV_HEALTH) {

        switch (shardkv_pace(r)) {

        case SHARD_AGAIN:
            return SHARD_AGAIN;

        case SHARD_ERROR:
            return SHARD_OK;
        }
    }

    if (r->route->call == SHARDKV_ROLE && shardkv_role_decode(r) != SHARD_OK)
    {
        return SHARD_OK;
    }

    worker = shardkv_worker(r);

    if (worker == NULL) {
        shardkv_run(r);
        return SHARD_OK;
    }

    if (worker == &r->server->writer && !r->route->data
        && !r->sender.has_shard && shardkv_owner_precheck(r) != SHARD_OK)
    {
        return SHARD_OK;
    }

    return shardkv_hand(r, SHARDKV_WORKING, worker);
}


shardkv_queue_t *
shardkv_worker(const shardkv_request_t *r)
{
    shardkv_server_t  *srv;

    srv = r->server;

    if (srv->pool.engine) {
        return &srv->pool.queue;
    }

    if (r->route->call == SHARDKV_DIGEST) {
        return &srv->scanner;
    }

    return r->route->write ? &srv->writer : NULL;
}


static void
shardkv_run(shardkv_request_t *r)
{
    switch (r->route->call) {

    case SHARDKV_KV_GET:
        shardkv_kv_get(r);
        break;

    case SHARDKV_QUEUE_GET:
        shardkv_queue_get(r);
        break;

    case SHARDKV_SNAPSHOT_GET:
        shardkv_snapshot_get(r);
        break;

    case SHARDKV_LOG_GET:
        shardkv_log_get(r);
        break;

    case SHARDKV_STATS:
        shardkv_stats(r);
        break;

    case SHARDKV_IMPORT_GET:
        shardkv_import_get(r);
        break;

    default:
        shardkv_json(&r->answer, "{\"status\":\"ok\"}\n");
        break;
    }
}


void
shardkv_completed(void *cls, struct MHD_Connection *connection, void **ctx,
    enum MHD_RequestTerminationCode code)
{
    shardkv_server_t   *srv;
    shardkv_request_t  *r;

    (void) connection;
    (void) code;

    srv = cls;
    r = *ctx;

    if (r == NULL) {
        return;
    }

    *ctx = NULL;

    shardkv_upload_end(r);

    if (r->response) {
        MHD_destroy_response(r->response);
    }

    free(r->answer.body);
    free(r->body.data);
    free(r);

    atomic_fetch_sub(&srv->requests, 1);
}
