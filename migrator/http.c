
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "http.h"
#include "watch.h"


#define STALL_MS  60000
#define TICK_MS   250


static void migrator_http_clear(migrator_http_t *h);
static int migrator_http_begin(migrator_http_t *h, migrator_exchange_t *x,
    const shard_node_t *node, const char *method, const char *path);
static size_t migrator_http_header(char *data, size_t size, size_t n,
    void *ctx);
static size_t migrator_http_answer(char *data, size_t size, size_t n,
    void *ctx);
static size_t migrator_http_into_pipe(char *data, size_t size, size_t n,
    void *ctx);
static size_t migrator_http_from_pipe(char *data, size_t size, size_t n,
    void *ctx);
static uint64_t migrator_http_now_us(void);
static uint64_t migrator_http_throttled(migrator_http_t *h);
static int migrator_http_in_goes_on(migrator_http_t *h);
static void migrator_http_watched(migrator_http_t *h);
static int migrator_http_open_out(migrator_http_t *h,
    const shard_node_t *node, const char *method, const char *path,
    uint32_t epoch);
static int migrator_http_turn(migrator_http_t *h);
static int migrator_http_wait(migrator_http_t *h,
    const migrator_limit_t *limit, uint64_t start_ms, uint64_t *tick_ms);
static int migrator_http_outcome(migrator_http_t *h, migrator_exchange_t *x);


int
migrator_http_init(migrator_http_t *h)
{
    memset(h, 0, sizeof(migrator_http_t));

    h->multi = curl_multi_init();
    h->in.easy = curl_easy_init();
    h->out.easy = curl_easy_init();
    h->in.answer = malloc(MIGRATOR_ANSWER_MAX + 1);
    h->out.answer = malloc(MIGRATOR_ANSWER_MAX + 1);
    h->pipe = malloc(MIGRATOR_PIPE_SIZE);

    if (h->multi == NULL || h->in.easy == NULL || h->out.easy == NULL
        || h->in.answer == NULL || h->out.answer == NULL || h->pipe == NULL)
    {
        migrator_http_close(h);
        return -1;
    }

    return 0;
}


void
migrator_http_close(migrator_http_t *h)
{
    if (h->multi && h->in.easy && h->out.easy) {
        migrator_http_clear(h);
    }

    curl_easy_cleanup(h->in.easy);
    curl_easy_cleanup(h->out.easy);
    curl_multi_cleanup(h->multi);

    free(h->in.answer);
    free(h->out.answer);
    free(h->pipe);

    memset(h, 0, sizeof(migrator_http_t));
}


/* an exchange that is under way is broken off */

static void
migrator_http_clear(migrator_http_t *h)
{
    int                   i;
    migrator_exchange_t  *x;

    for (i = 0; i < 2; i++) {
        x = i ? &h->out : &h->in;

        curl_multi_remove_handle(h->multi, x->easy);
        curl_easy_reset(x->easy);
        curl_slist_free_all(x->headers);

        x->headers = NULL;
        x->status = 0;
        x->done = 0;
        x->result = CURLE_OK;
        x->has_position = 0;
        x->length = 0;
        x->answer[0] = '\0';
        x->error[0] = '\0';
    }

    h->pipe_start = h->pipe_len = 0;
    h->piped = 0;
    h->piping = 0;
    h->throttle = NULL;
    h->in_paused = h->out_paused = h->out_started = 0;
    h->moved_ms = shardd_monotonic_ms();
}


static int
migrator_http_begin(migrator_http_t *h, migrator_exchange_t *x,
    const shard_node_t *node, const char *method, const char *path)
{
    char                url[2048];
    struct curl_slist  *headers;

    x->host = node->name;

    if (strncmp(node->addr, "unix:", 5) == 0) {
        snprintf(url, sizeof(url), "http://localhost%s", path);
        curl_easy_setopt(x->easy, CURLOPT_UNIX_SOCKET_PATH, node->addr + 5);

    } else {
        snprintf(url, sizeof(url), "http://%s%s", node->addr, path);
    }

    /* no waiting for "100 Continue" */

    headers = curl_slist_append(x->headers, "Expect:");
    if (headers == NULL) {
        return -1;
    }

    x->headers = headers;

    if (h->epoch[0]) {
        headers = curl_slist_append(x->headers, h->epoch);
        if (headers == NULL) {
            return -1;
        }
    }

    curl_easy_setopt(x->easy, CURLOPT_URL, url);
    curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
    curl_easy_setopt(x->easy, CURLOPT_ERRORBUFFER, x->error);
    curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, migrator_http_header);
    curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, migrator_http_answer);
    curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
    curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(x->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(x->easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(x->easy, CURLOPT_BUFFERSIZE, 128 * 1024L);
    curl_easy_setopt(x->easy, CURLOPT_UPLOAD_BUFFERSIZE, 128 * 1024L);

    h->moved_ms = shardd_monotonic_ms();

    return curl_multi_add_handle(h->multi, x->easy) == CURLM_OK ? 0 : -1;
}


static size_t
migrator_http_header(char *data, size_t size, size_t n, void *ctx)
{
    migrator_exchange_t  *x = ctx;

    shard_str_t  value;

    static const char  name[] = "x-shard-position:";

    n *= size;

    if (n > 5 && strncmp(data, "HTTP/", 5) == 0) {
        x->has_position = 0;
    }

    if (n < sizeof(name) - 1
        || strncasecmp(data, name, sizeof(name) - 1) != 0)
    {
        return n;
    }

    value.data = data + sizeof(name) - 1;
    value.len = n - (sizeof(name) - 1);

    while (value.len && (*value.data == ' ' || *value.data == '\t')) {
        value.data++;
        value.len--;
    }

    while (value.len && strchr(" \t\r\n", value.data[value.len - 1])) {
        value.len--;
    }

    x->has_position = shard_uint64_decode(value, &x->position) == SHARD_OK;

    return n;
}


static size_t
migrator_http_answer(char *data, size_t size, size_t n, void *ctx)
{
    migrator_exchange_t  *x = ctx;

    n *= size;

    if (n > MIGRATOR_ANSWER_MAX - x->length) {
        return 0;
    }

    memcpy(x->answer + x->length, data, n);
    x->length += n;
    x->answer[x->length] = '\0';

    return n;
}


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
        migrator_throttle_moved(h->throttle, n, migrator_http_now_us());
    }

    return n;
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
migrator_http_call(migrator_http_t *h, const shard_node_t *node,
    const char *method, const char *path, const char *body,
    const migrator_limit_t *limit)
{
    int                 rc;
    uint64_t            start, ticked;
    struct curl_slist  *headers;

    migrator_http_clear(h);

    if (body) {
        headers = curl_slist_append(NULL, "Content-Type: application/json");
        if (headers == NULL) {
            snprintf(h->err, sizeof(h->err), "no memory");
            return MIGRATOR_DOWN;
        }

        h->in.headers = headers;
        curl_easy_setopt(h->in.easy, CURLOPT_POSTFIELDS, body);
    }

    if (migrator_http_begin(h, &h->in, node, method, path) != 0) {
        snprintf(h->err, sizeof(h->err), "%s: no memory", node->name);
        return MIGRATOR_DOWN;
    }

    start = ticked = shardd_monotonic_ms();

    do {
        rc = migrator_http_turn(h);

        if (rc == MIGRATOR_OK && !h->in.done) {
            rc = migrator_http_wait(h, limit, start, &ticked);
        }

        if (rc != MIGRATOR_OK) {
            migrator_http_clear(h);
            return rc;
        }

    } while (!h->in.done);

    return migrator_http_outcome(h, &h->in);
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
            rc = migrator_http_open_out(h, to, method, to_path,
                                        limit->epoch);
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
    const char *method, const char *path, uint32_t epoch)
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

    if (headers && epoch) {
        snprintf(text, sizeof(text), "X-Shard-Epoch: %u", epoch);
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


/* what can be done without waiting; pauses end where there is room or data */

static int
migrator_http_turn(migrator_http_t *h)
{
    int                   running, left;
    CURLMsg              *msg;
    migrator_exchange_t  *x;

    if (migrator_http_in_goes_on(h)) {
        h->in_paused = 0;
        curl_easy_pause(h->in.easy, CURLPAUSE_CONT);
    }

    if (h->out_paused && (h->pipe_len || h->in.done)) {
        h->out_paused = 0;
        curl_easy_pause(h->out.easy, CURLPAUSE_CONT);
    }

    if (curl_multi_perform(h->multi, &running) != CURLM_OK) {
        snprintf(h->err, sizeof(h->err), "curl_multi_perform() failed");
        return MIGRATOR_DOWN;
    }

    while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {

        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        x = msg->easy_handle == h->in.easy ? &h->in : &h->out;
        x->done = 1;
        x->result = msg->data.result;
        h->moved_ms = shardd_monotonic_ms();
        curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->status);
    }

    return MIGRATOR_OK;
}


static int
migrator_http_wait(migrator_http_t *h, const migrator_limit_t *limit,
    uint64_t start_ms, uint64_t *tick_ms)
{
    long         left;
    uint64_t     now, throttled;
    const char  *host;

    now = shardd_monotonic_ms();
    host = h->out_started && h->in.done ? h->out.host : h->in.host;

    if (limit->tick && now - *tick_ms >= TICK_MS) {
        *tick_ms = now;

        if (limit->tick(limit->data)) {
            snprintf(h->err, sizeof(h->err), "%s: interrupted", host);
            return MIGRATOR_INTERRUPTED;
        }
    }

    left = limit->timeout_ms - (long) (now - start_ms);

    if (left <= 0) {
        snprintf(h->err, sizeof(h->err), "%s: no answer within %ld ms", host,
                 limit->timeout_ms);
        return MIGRATOR_DOWN;
    }

    if (now - h->moved_ms >= STALL_MS) {
        snprintf(h->err, sizeof(h->err), "%s: nothing moved for %d ms", host,
                 STALL_MS);
        return MIGRATOR_DOWN;
    }

    migrator_http_watched(h);

    if ((h->out_paused && (h->pipe_len || h->in.done))
        || migrator_http_in_goes_on(h))
    {
        return MIGRATOR_OK;
    }

    if (left > TICK_MS / 2) {
        left = TICK_MS / 2;
    }

    throttled = h->in_paused ? migrator_http_throttled(h) : 0;

    if (throttled && (long) (throttled / 1000) < left) {
        left = (long) (throttled / 1000) + 1;
    }

    curl_multi_poll(h->multi, NULL, 0, (int) left, NULL);

    return MIGRATOR_OK;
}


static int
migrator_http_outcome(migrator_http_t *h, migrator_exchange_t *x)
{
    int  rc;

    if (x->result != CURLE_OK && x->result != CURLE_WRITE_ERROR
        && !(x->status >= 400 && x->status < 500))
    {
        snprintf(h->err, sizeof(h->err), "%s: %.200s", x->host,
                 x->error[0] ? x->error : curl_easy_strerror(x->result));
        return MIGRATOR_DOWN;
    }

    if (x->result == CURLE_WRITE_ERROR) {
        snprintf(h->err, sizeof(h->err), "%s: answer of more than %d bytes",
                 x->host, MIGRATOR_ANSWER_MAX);
        return MIGRATOR_DOWN;
    }

    if (x->status >= 200 && x->status < 300) {
        return MIGRATOR_OK;
    }

    if (x->status == 410) {
        rc = MIGRATOR_GONE;

    } else {
        rc = x->status >= 400 && x->status < 500 && x->status != 408
             && x->status != 429 ? MIGRATOR_REFUSED : MIGRATOR_DOWN;
    }

    snprintf(h->err, sizeof(h->err), "%s: status %ld: %.200s", x->host,
             x->status, x->answer);

    return rc;
}
