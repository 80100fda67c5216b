
/*
 * The state file: a slice of lines at a time, then a thread that waits for
 * the disk, which may take as long as it likes.
 *
 *   WRITING ─▶ SYNCING ─▶ DONE or FAILED
 *   slices     thread: fsync, rename
 *                 └─▶ ABANDONED: nobody waits any more, the thread frees it
 *
 * Lines may be newer than the version in the head: what comes with the log
 * from that version on is then there already.  When boundaries move while it
 * is written it begins anew.
 */


#include "ngx_http_shard_sync.h"

#include <pthread.h>
#include <signal.h>

#include "../core/shard_digest.h"


#define NGX_HTTP_SHARD_STATE_BUF  65536


struct ngx_http_shard_state_s {
    ngx_http_shard_model_t  *model;
    ngx_uint_t               serial;              /* of it */
    ngx_uint_t               moves;               /* of its boundaries */
    ngx_uint_t               status;              /* the thread's, at last */
    ngx_err_t                err;
    ngx_fd_t                 fd;
    uint32_t                 at;
    uint64_t                 version;
    shard_digest_t           digest;
    size_t                   len;
    u_char                   temp[NGX_MAX_PATH];
    u_char                   name[NGX_MAX_PATH];
    u_char                   buf[NGX_HTTP_SHARD_STATE_BUF];
};


typedef enum {
    NGX_HTTP_SHARD_STATE_WRITING = 0,
    NGX_HTTP_SHARD_STATE_SYNCING,
    NGX_HTTP_SHARD_STATE_ABANDONED,               /* the thread frees it */
    NGX_HTTP_SHARD_STATE_DONE,
    NGX_HTTP_SHARD_STATE_FAILED
} ngx_http_shard_state_status_e;


static ngx_int_t ngx_http_shard_state_put(ngx_http_shard_state_t *st,
    size_t len);
static ngx_int_t ngx_http_shard_state_flush(ngx_http_shard_state_t *st);
static ngx_int_t ngx_http_shard_state_next(ngx_http_shard_state_t *st);
static ngx_int_t ngx_http_shard_state_end(ngx_http_shard_state_t *st);
static void *ngx_http_shard_state_thread(void *data);
static ngx_uint_t ngx_http_shard_state_install(ngx_http_shard_state_t *st);
static void ngx_http_shard_state_release(ngx_http_shard_state_t *st);
static ngx_int_t ngx_http_shard_state_slices(ngx_http_shard_state_t *st,
    ngx_http_shard_slice_t *slice);


/* opened beside its place; NULL: it cannot be, which is logged unless log is
 * NULL */

ngx_http_shard_state_t *
ngx_http_shard_state_begin(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_model_t *m, ngx_log_t *log)
{
    u_char                  *p;
    ngx_http_shard_state_t  *st;

    st = ngx_memalign(64, sizeof(ngx_http_shard_state_t), ngx_cycle->log);
    if (st == NULL) {
        return NULL;
    }

    ngx_memzero(st, offsetof(ngx_http_shard_state_t, buf));

    st->model = m;
    st->serial = m->serial;
    st->moves = m->moves;
    st->version = m->version;
    shard_digest_init(&st->digest);

    (void) ngx_snprintf(st->temp, NGX_MAX_PATH - 1, "%V.%P%Z",
                        &ks->state_file, ngx_pid);
    (void) ngx_snprintf(st->name, NGX_MAX_PATH - 1, "%V%Z", &ks->state_file);

    st->fd = ngx_open_file(st->temp, NGX_FILE_WRONLY, NGX_FILE_TRUNCATE, 0600);

    if (st->fd == NGX_INVALID_FILE) {
        if (log) {
            ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                          ngx_open_file_n " \"%s\" failed, the table is not "
                          "kept on disk: the folder of \"state=\" must be "
                          "writable for the workers' user", st->temp);
        }

        ngx_free(st);
        return NULL;
    }

    p = ngx_sprintf(st->buf, "nginx-shard-state 2 %V %uL %s\n", &ks->name,
                    st->version, shard_kind_name(m->kind));
    (void) ngx_http_shard_state_put(st, p - st->buf);

    return st;
}


/* len bytes stand behind the last ones */

static ngx_int_t
ngx_http_shard_state_put(ngx_http_shard_state_t *st, size_t len)
{
    shard_digest_add(&st->digest, st->buf + st->len, len);
    st->len += len;

    if (st->len < NGX_HTTP_SHARD_STATE_BUF - 2 * SHARD_JSON_MAX) {
        return NGX_OK;
    }

    return ngx_http_shard_state_flush(st);
}


static ngx_int_t
ngx_http_shard_state_flush(ngx_http_shard_state_t *st)
{
    ssize_t  n;

    n = ngx_write_fd(st->fd, st->buf, st->len);

    if (n != (ssize_t) st->len) {
        st->err = n == -1 ? ngx_errno : NGX_ENOSPC;
        return NGX_ERROR;
    }

    st->len = 0;

    return NGX_OK;
}


/* a node or a shard */

static ngx_int_t
ngx_http_shard_state_next(ngx_http_shard_state_t *st)
{
    int                      n;
    u_char                  *p, *line;
    shard_record_t           rec;
    ngx_http_shard_model_t  *m;
    ngx_http_shard_entry_t  *e;

    m = st->model;
    line = st->buf + st->len;

    if (st->at < m->nnodes) {

        if (m->nodes[st->at].name[0] == '\0') {
            return NGX_OK;
        }

        p = ngx_sprintf(line, "node %s ", m->nodes[st->at].name);
        n = shard_node_encode(&m->nodes[st->at], (char *) p, SHARD_JSON_MAX);

    } else {
        e = &m->entries[st->at - m->nnodes];

        if (!e->live) {
            return NGX_OK;
        }

        ngx_http_shard_model_record(m, e, &rec);
        p = ngx_sprintf(line, "shard %uD ", rec.id);
        n = shard_record_encode(&rec, (char *) p, SHARD_JSON_MAX);
    }

    if (n < 0) {
        st->err = NGX_EINVAL;
        return NGX_ERROR;
    }

    p[n] = '\n';

    return ngx_http_shard_state_put(st, p + n + 1 - line);
}


static ngx_int_t
ngx_http_shard_state_end(ngx_http_shard_state_t *st)
{
    char  sum[17];

    shard_hex_encode(shard_digest_value(&st->digest), sum);
    st->len = ngx_sprintf(st->buf + st->len, "sum %s\n", sum) - st->buf;

    return ngx_http_shard_state_flush(st);
}


static ngx_uint_t
ngx_http_shard_state_install(ngx_http_shard_state_t *st)
{
    ngx_uint_t  status;

    status = NGX_HTTP_SHARD_STATE_DONE;

    if (fsync(st->fd) == -1
        || ngx_rename_file(st->temp, st->name) == NGX_FILE_ERROR)
    {
        st->err = ngx_errno;
        status = NGX_HTTP_SHARD_STATE_FAILED;
    }

    return __atomic_exchange_n(&st->status, status, __ATOMIC_ACQ_REL);
}


/* touches nothing of nginx but "st" */

static void *
ngx_http_shard_state_thread(void *data)
{
    ngx_http_shard_state_t *st = data;

    if (ngx_http_shard_state_install(st) == NGX_HTTP_SHARD_STATE_ABANDONED) {
        ngx_http_shard_state_release(st);
    }

    return NULL;
}


static void
ngx_http_shard_state_release(ngx_http_shard_state_t *st)
{
    if (st->status != NGX_HTTP_SHARD_STATE_DONE) {
        (void) ngx_delete_file(st->temp);
    }

    (void) ngx_close_file(st->fd);
    ngx_free(st);
}


static ngx_int_t
ngx_http_shard_state_slices(ngx_http_shard_state_t *st,
    ngx_http_shard_slice_t *slice)
{
    ngx_http_shard_model_t  *m;

    m = st->model;

    for ( /* void */ ; st->at < m->nnodes + m->nentries; st->at++) {

        if (ngx_http_shard_slice_over(slice)) {
            return NGX_AGAIN;
        }

        if (ngx_http_shard_state_next(st) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_shard_state_end(st);
}


/* NGX_AGAIN: call again, after other events; NGX_OK: on disk; NGX_DECLINED:
 * the table is another one since, begin anew */

ngx_int_t
ngx_http_shard_state_work(ngx_http_shard_state_t *st,
    ngx_http_shard_model_t *m, ngx_http_shard_slice_t *slice)
{
    int         rc;
    sigset_t    all, old;
    pthread_t   thread;
    ngx_int_t   written;
    ngx_uint_t  status;

    status = __atomic_load_n(&st->status, __ATOMIC_ACQUIRE);

    if (status != NGX_HTTP_SHARD_STATE_WRITING) {
        return status == NGX_HTTP_SHARD_STATE_SYNCING ? NGX_AGAIN
               : status == NGX_HTTP_SHARD_STATE_DONE ? NGX_OK : NGX_ERROR;
    }

    if (st->serial != m->serial || st->moves != m->moves) {
        return NGX_DECLINED;
    }

    written = ngx_http_shard_state_slices(st, slice);

    if (written != NGX_OK) {
        return written;
    }

    st->status = NGX_HTTP_SHARD_STATE_SYNCING;

    if (slice == NULL) {
        (void) ngx_http_shard_state_install(st);
        return st->status == NGX_HTTP_SHARD_STATE_DONE ? NGX_OK : NGX_ERROR;
    }

    /* signals are for the worker's own thread */

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&thread, NULL, ngx_http_shard_state_thread, st);
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    if (rc != 0) {
        st->err = rc;
        st->status = NGX_HTTP_SHARD_STATE_FAILED;
        return NGX_ERROR;
    }

    (void) pthread_detach(thread);

    return NGX_AGAIN;
}


uint64_t
ngx_http_shard_state_version(ngx_http_shard_state_t *st)
{
    return st->version;
}


ngx_uint_t
ngx_http_shard_state_syncing(ngx_http_shard_state_t *st)
{
    return __atomic_load_n(&st->status, __ATOMIC_ACQUIRE)
           == NGX_HTTP_SHARD_STATE_SYNCING;
}


/* log NULL: silent */

void
ngx_http_shard_state_free(ngx_http_shard_state_t *st, ngx_log_t *log)
{
    ngx_uint_t  status;

    status = NGX_HTTP_SHARD_STATE_SYNCING;

    if (__atomic_compare_exchange_n(&st->status, &status,
                                    NGX_HTTP_SHARD_STATE_ABANDONED, 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    {
        return;
    }

    if (st->err && log) {
        ngx_log_error(NGX_LOG_ERR, log, st->err,
                      "writing state file \"%s\" failed", st->temp);
    }

    ngx_http_shard_state_release(st);
}
