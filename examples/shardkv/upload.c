
/*
 * NDJSON bodies: PUT snapshot and POST log, and the same of imports.  Lines
 * are decoded as they come.  A log is kept until its end and applied whole or
 * not at all; a snapshot goes to the writer chunk by chunk (staging.c).
 * Either way what is held in memory is bounded, per upload and by their
 * number.
 *
 * After an error the rest of the body is read and thrown away, up to a
 * limit: MHD can answer only when the body is through.
 */


#include <stdlib.h>
#include <string.h>

#include "shardkv.h"


static int shardkv_upload_line(shardkv_request_t *r, const char *line,
    size_t len);
static int shardkv_upload_keep(shardkv_request_t *r, const char *data,
    size_t len);


/*
 * Other requests wait for the processor that a chunk takes, so it is short: of
 * 4 MB a copy is faster (225 MB/s, not 150), and everybody on the machine feels
 * it.  Other writes wait for its commit, too, which takes long by its items.
 */

static unsigned
shardkv_upload_chunk_full(const shardkv_request_t *r)
{
    const shardkv_upload_t  *up;

    up = r->upload;

    return up->items.len >= SHARDKV_CHUNK
           || (up->lines - up->handed >= SHARDKV_CHUNK_ITEMS
               && shardkv_writer_busy(r->server));
}


int
shardkv_upload_begin(shardkv_request_t *r)
{
    int                rc;
    shardkv_upload_t  *up;
    shardkv_server_t  *srv;

    srv = r->server;

    up = calloc(1, sizeof(shardkv_upload_t));

    if (up == NULL) {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        return SHARD_ERROR;
    }

    rc = SHARD_ERROR;

    pthread_mutex_lock(&srv->uploads_mutex);

    if (srv->nuploads < SHARDKV_UPLOADS_MAX) {
        srv->nuploads++;
        up->next = srv->uploads;
        srv->uploads = up;
        rc = SHARD_OK;
    }

    pthread_mutex_unlock(&srv->uploads_mutex);

    if (rc != SHARD_OK) {
        shardkv_refuse(&r->answer, 503, "busy", "%d snapshots and logs are "
                       "being received already", SHARDKV_UPLOADS_MAX);
        free(up);
        return SHARD_ERROR;
    }

    r->upload = up;

    return SHARD_OK;
}


/* whatever became of it; what it staged and did not switch to is garbage */

void
shardkv_upload_end(shardkv_request_t *r)
{
    shardkv_upload_t   *up, **p;
    shardkv_server_t   *srv;

    up = r->upload;
    srv = r->server;

    if (up == NULL) {
        return;
    }

    pthread_mutex_lock(&srv->uploads_mutex);

    for (p = &srv->uploads; *p != up; p = &(*p)->next) {
        /* void */
    }

    *p = up->next;
    srv->nuploads--;

    pthread_mutex_unlock(&srv->uploads_mutex);

    if (up->generation) {
        srv->garbage = 1;
        shardkv_queue_nudge(&srv->writer);
    }

    free(up->items.data);
    free(up->line.data);
    free(up);

    r->upload = NULL;
}


/* a piece of the body: SHARD_AGAIN when a full chunk went to the writer and
 * the request with it; r->answer.code is set when the body is bad */

int
shardkv_upload_read(shardkv_request_t *r, const char *data, size_t len)
{
    size_t       n;
    const char  *end, *nl;

    end = data + len;

    while (data < end && r->answer.code == NULL) {
        nl = memchr(data, '\n', end - data);
        n = (nl ? nl : end) - data;

        if (nl == NULL || r->upload->line.len) {

            if (shardkv_upload_keep(r, data, n) != SHARD_OK) {
                return SHARD_OK;
            }
        }

        if (nl == NULL) {
            break;
        }

        if (r->upload->line.len) {
            (void) shardkv_upload_line(r, r->upload->line.data,
                                       r->upload->line.len);
            r->upload->line.len = 0;

        } else {
            (void) shardkv_upload_line(r, data, n);
        }

        data = nl + 1;
    }

    if (r->answer.code == NULL && r->route->chunks
        && shardkv_upload_chunk_full(r))
    {
        r->upload->handed = r->upload->lines;

        return shardkv_hand(r, SHARDKV_STORING, &r->server->writer);
    }

    return SHARD_OK;
}


static int
shardkv_upload_keep(shardkv_request_t *r, const char *data, size_t len)
{
    shardkv_buf_t  *line;

    line = &r->upload->line;

    if (line->len + len > SHARDKV_LINE_MAX) {
        shardkv_refuse(&r->answer, 400, "bad_line", "line %llu is longer than "
                       "%d bytes", (unsigned long long) r->upload->lines + 1,
                       SHARDKV_LINE_MAX);
        return SHARD_ERROR;
    }

    if (shardkv_buf_reserve(line, len) != SHARD_OK) {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
        return SHARD_ERROR;
    }

    memcpy(line->data + line->len, data, len);
    line->len += len;

    return SHARD_OK;
}


static int
shardkv_upload_line(shardkv_request_t *r, const char *line, size_t len)
{
    int                rc;
    char               err[SHARD_ERR_SIZE];
    shardkv_upload_t  *up;

    up = r->upload;
    up->lines++;

    if (len > SHARDKV_LINE_MAX) {
        shardkv_refuse(&r->answer, 400, "bad_line", "line %llu is longer than "
                       "%d bytes", (unsigned long long) up->lines,
                       SHARDKV_LINE_MAX);
        return SHARD_ERROR;
    }

    if (r->route->chunks) {
        rc = shardkv_line_decode_snapshot(line, len, &up->items, err);

    } else {
        rc = shardkv_line_decode_log(line, len, &up->items, err);
    }

    if (rc != SHARD_OK) {
        shardkv_refuse(&r->answer, 400, "bad_line", "line %llu: %.200s",
                       (unsigned long long) up->lines, err);
        return SHARD_ERROR;
    }

    if (up->items.len > SHARDKV_LOG_BODY_MAX) {
        shardkv_refuse(&r->answer, 413, "too_large", "more than %d bytes of "
                       "entries; send fewer at a time", SHARDKV_LOG_BODY_MAX);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* the body is through: the last chunk, or the log */

int
shardkv_upload_finish(shardkv_request_t *r)
{
    if (r->upload->line.len) {

        /* a line without its newline: the sender was cut off */

        shardkv_refuse(&r->answer, 400, "bad_line", "line %llu does not end "
                       "with a newline",
                       (unsigned long long) r->upload->lines + 1);
        return SHARD_OK;
    }

    r->upload->last = 1;

    return shardkv_hand(r, SHARDKV_WORKING, &r->server->writer);
}
