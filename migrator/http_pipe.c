
/*
 * The pipe of http.h: its ring, its pauses and its throttle.
 */


#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../src/daemon/shardd_loop.h"
#include "http.h"
#include "watch.h"


static size_t migrator_http_into_pipe(char *data, size_t size, size_t n,
    void *ctx);
static uint64_t migrator_http_lines(const char *data, size_t n);
static size_t migrator_http_from_pipe(char *data, size_t size, size_t n,
    void *ctx);
static uint64_t migrator_http_now_us(void);
static uint64_t migrator_http_throttled(migrator_http_t *h);
static int migrator_http_in_goes_on(migrator_http_t *h);
static int migrator_http_out_goes_on(migrator_http_t *h);
static void migrator_http_watched(migrator_http_t *h);
static int migrator_http_open_out(migrator_http_t *h,
    const shard_node_t *node, const char *method, const char *path,
    const migrator_limit_t *limit);


static size_t
migrator_http_into_pipe(char *data, size_t size, size_t n, void *ctx)
{
    migrator_http_t  *h = ctx;

    size_t  at, first;

    n *= size;

    curl_easy_getinfo(h->in.easy, CURLINFO_RESPONSE_CODE, &h->in.status);

    if (h->in.status != 200) {
        return migrator_http_answer(data, 1, n, &h->in);
    }

    if (n > MIGRATOR_PIPE_SIZE - h->pipe_len || migrator_http_throttled(h)) {
        h->in_paused = 1;
        return CURL_WRITEFUNC_PAUSE;
    }

    at = (h->pipe_start + h->pipe_len) % MIGRATOR_PIPE_SIZE;
    first = n < MIGRATOR_PIPE_SIZE - at ? n : MIGRATOR_PIPE_SIZE - at;

    memcpy(h->pipe + at, data, first);
    memcpy(h->pipe, data + first, n - first);
    h->pipe_len += n;
    h->piped += n;
    h->moved_ms = shardd_monotonic_ms();

    if (h->throttle) {
        migrator_throttle_moved(h->throttle, n, migrator_http_lines(data, n),
                                migrator_http_now_us());
    }

    return n;
}


static uint64_t
migrator_http_lines(const char *data, size_t n)
{
    uint64_t     lines;
    const char  *end;

    end = data + n;

    for (lines = 0; data < end; lines++) {
        data = memchr(data, '\n', (size_t) (end - data));

        if (data == NULL) {
            break;
        }

        data++;
    }

    return lines;
}


static uint64_t
migrator_http_now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


/* microseconds until the source may go on */

static uint64_t
migrator_http_throttled(migrator_http_t *h)
{
    return h->throttle
           ? migrator_throttle_wait(h->throttle, migrator_http_now_us()) : 0;
}


/* 1: the source is paused and need not be */

static int
migrator_http_in_goes_on(migrator_http_t *h)
{
    return h->in_paused
           && h->pipe_len < MIGRATOR_PIPE_SIZE / 2
           && migrator_http_throttled(h) == 0;
}


static int
migrator_http_out_goes_on(migrator_http_t *h)
{
    return h->out_paused && (h->pipe_len || h->in.done);
}


void
migrator_http_pipe_resume(migrator_http_t *h)
{
    if (migrator_http_in_goes_on(h)) {
        h->in_paused = 0;
        curl_easy_pause(h->in.easy, CURLPAUSE_CONT);
    }

    if (migrator_http_out_goes_on(h)) {
        h->out_paused = 0;
        curl_easy_pause(h->out.easy, CURLPAUSE_CONT);
    }
}


long
migrator_http_pipe_wait(migrator_http_t *h, long most_ms)
{
    uint64_t  throttled;

    migrator_http_watched(h);

    if (migrator_http_out_goes_on(h) || migrator_http_in_goes_on(h)) {
        return 0;
    }

    throttled = h->in_paused ? migrator_http_throttled(h) : 0;

    return throttled && (long) (throttled / 1000) < most_ms
           ? (long) (throttled / 1000) + 1 : most_ms;
}


static void
migrator_http_watched(migrator_http_t *h)
{
    uint32_t            i, n;
    migrator_latency_t  got[MIGRATOR_WATCH_RING];

    if (h->throttle == NULL || h->watch == NULL) {
        return;
    }

    n = migrator_watch_take(h->watch, got);

    for (i = 0; i < n; i++) {
        migrator_throttle_probe(h->throttle, got[i].node, got[i].us);
    }
}


static size_t
migrator_http_from_pipe(char *data, size_t size, size_t n, void *ctx)
{
    migrator_http_t  *h = ctx;

    size_t  have;

    n *= size;
    have = h->pipe_len;

    if (have == 0) {

        if (!h->in.done) {
            h->out_paused = 1;
            return CURL_READFUNC_PAUSE;
        }

        return h->in.result == CURLE_OK ? 0 : CURL_READFUNC_ABORT;
    }

    if (n > have) {
        n = have;
    }

    if (n > MIGRATOR_PIPE_SIZE - h->pipe_start) {
        n = MIGRATOR_PIPE_SIZE - h->pipe_start;
    }

    memcpy(data, h->pipe + h->pipe_start, n);
    h->pipe_start = (h->pipe_start + n) % MIGRATOR_PIPE_SIZE;
    h->pipe_len -= n;

    h->moved_ms = shardd_monotonic_ms();

    return n;
}


int
migrator_http_pipe(migrator_http_t *h, const shard_node_t *from,
    const char *from_path, const shard_node_t *to, const char *method,
    const char *to_path, const uint64_t *skip, const migrator_limit_t *limit)
{
    int       rc;
    uint64_t  start, ticked;

    migrator_http_clear(h);
    h->piping = 1;
    h->throttle = limit->throttle;

    if (migrator_http_begin(h, &h->in, from, "GET", from_path) != 0) {
        snprintf(h->err, sizeof(h->err), "%s: no memory", from->name);
        return MIGRATOR_DOWN;
    }

    curl_easy_setopt(h->in.easy, CURLOPT_WRITEFUNCTION,
                     migrator_http_into_pipe);
    curl_easy_setopt(h->in.easy, CURLOPT_WRITEDATA, h);

    start = ticked = shardd_monotonic_ms();

    for ( ;; ) {
        rc = migrator_http_turn(h);

        if (rc == MIGRATOR_OK && h->in.done
            && (h->in.result != CURLE_OK || h->in.status != 200
                || !h->out_started))
        {
            rc = migrator_http_outcome(h, &h->in);

            if (rc == MIGRATOR_OK && !h->in.has_position) {
                snprintf(h->err, sizeof(h->err), "%s: no X-Shard-Position in "
                         "the answer to GET %s", from->name, from_path);
                rc = MIGRATOR_DOWN;
            }

            if (rc == MIGRATOR_OK && skip && h->in.position == *skip) {
                return MIGRATOR_OK;
            }
        }

        if (rc == MIGRATOR_OK && !h->out_started && h->in.has_position
            && (h->pipe_len || h->in.done))
        {
            rc = migrator_http_open_out(h, to, method, to_path, limit);
            continue;
        }

        if (rc == MIGRATOR_OK && h->out.done) {
            rc = migrator_http_outcome(h, &h->out);

            if (rc == MIGRATOR_OK && h->in.done) {
                return rc;
            }

            if (rc == MIGRATOR_OK) {
                snprintf(h->err, sizeof(h->err), "%s: answered before it had "
                         "everything", to->name);
                rc = MIGRATOR_DOWN;
            }
        }

        if (rc == MIGRATOR_OK) {
            rc = migrator_http_wait(h, limit, start, &ticked);
        }

        if (rc != MIGRATOR_OK) {
            migrator_http_clear(h);
            return rc;
        }
    }
}


static int
migrator_http_open_out(migrator_http_t *h, const shard_node_t *node,
    const char *method, const char *path, const migrator_limit_t *limit)
{
    char                text[64];
    struct curl_slist  *headers;

    snprintf(text, sizeof(text), "X-Shard-Position: %llu",
             (unsigned long long) h->in.position);

    headers = curl_slist_append(NULL, text);

    if (headers) {
        h->out.headers = headers;
        headers = curl_slist_append(headers,
                                    "Content-Type: application/x-ndjson");
    }

    if (headers && limit->epoch) {
        snprintf(text, sizeof(text), "X-Shard-Epoch: %u", limit->epoch);
        headers = curl_slist_append(headers, text);
    }

    if (headers && limit->token) {
        snprintf(text, sizeof(text), "X-Shard-Token: %llu",
                 (unsigned long long) limit->token);
        headers = curl_slist_append(headers, text);
    }

    curl_easy_setopt(h->out.easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h->out.easy, CURLOPT_READFUNCTION,
                     migrator_http_from_pipe);
    curl_easy_setopt(h->out.easy, CURLOPT_READDATA, h);

    h->out_started = 1;

    if (headers == NULL
        || migrator_http_begin(h, &h->out, node, method, path) != 0)
    {
        snprintf(h->err, sizeof(h->err), "%s: no memory", node->name);
        return MIGRATOR_DOWN;
    }

    return MIGRATOR_OK;
}
