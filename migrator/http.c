
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "http.h"


#define STALL_MS  60000
#define TICK_MS   250


static size_t migrator_http_header(char *data, size_t size, size_t n,
    void *ctx);
static int migrator_http_send(migrator_http_t *h, migrator_exchange_t *x,
    const shard_node_t *node, const char *method, const char *path,
    const char *body);
static int migrator_http_answers(migrator_http_t *h,
    const migrator_limit_t *limit);


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

void
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


int
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

    if (h->token[0]) {
        headers = curl_slist_append(x->headers, h->token);
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


size_t
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


int
migrator_http_call(migrator_http_t *h, const shard_node_t *node,
    const char *method, const char *path, const char *body,
    const migrator_limit_t *limit)
{
    int  rc;

    migrator_http_clear(h);
    h->out.done = 1;

    rc = migrator_http_send(h, &h->in, node, method, path, body);

    if (rc == MIGRATOR_OK) {
        rc = migrator_http_answers(h, limit);
    }

    return rc == MIGRATOR_OK ? migrator_http_outcome(h, &h->in) : rc;
}


int
migrator_http_both(migrator_http_t *h, const shard_node_t *const node[2],
    const char *method, const char *const path[2], const char *body,
    const migrator_limit_t *limit)
{
    int  rc;

    migrator_http_clear(h);

    rc = migrator_http_send(h, &h->in, node[0], method, path[0], body);

    if (rc == MIGRATOR_OK) {
        h->out_started = 1;
        rc = migrator_http_send(h, &h->out, node[1], method, path[1], body);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_http_answers(h, limit);
    }

    if (rc == MIGRATOR_OK) {
        rc = migrator_http_outcome(h, &h->in);
    }

    return rc == MIGRATOR_OK ? migrator_http_outcome(h, &h->out) : rc;
}


/* "body" must stay where it is until the answer is there */

static int
migrator_http_send(migrator_http_t *h, migrator_exchange_t *x,
    const shard_node_t *node, const char *method, const char *path,
    const char *body)
{
    struct curl_slist  *headers;

    if (body) {
        headers = curl_slist_append(NULL, "Content-Type: application/json");
        if (headers == NULL) {
            snprintf(h->err, sizeof(h->err), "no memory");
            return MIGRATOR_DOWN;
        }

        x->headers = headers;
        curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, body);
    }

    if (migrator_http_begin(h, x, node, method, path) != 0) {
        snprintf(h->err, sizeof(h->err), "%s: no memory", node->name);
        return MIGRATOR_DOWN;
    }

    return MIGRATOR_OK;
}


/* of all that was sent */

static int
migrator_http_answers(migrator_http_t *h, const migrator_limit_t *limit)
{
    int       rc;
    uint64_t  start, ticked;

    start = ticked = shardd_monotonic_ms();

    do {
        rc = migrator_http_turn(h);

        if (rc == MIGRATOR_OK && !(h->in.done && h->out.done)) {
            rc = migrator_http_wait(h, limit, start, &ticked);
        }

        if (rc != MIGRATOR_OK) {
            migrator_http_clear(h);
            return rc;
        }

    } while (!(h->in.done && h->out.done));

    return MIGRATOR_OK;
}


/* what can be done without waiting */

int
migrator_http_turn(migrator_http_t *h)
{
    int                   running, left;
    CURLMsg              *msg;
    migrator_exchange_t  *x;

    migrator_http_pipe_resume(h);

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


int
migrator_http_wait(migrator_http_t *h, const migrator_limit_t *limit,
    uint64_t start_ms, uint64_t *tick_ms)
{
    long         left;
    uint64_t     now;
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

    if (left > TICK_MS / 2) {
        left = TICK_MS / 2;
    }

    left = migrator_http_pipe_wait(h, left);

    if (left == 0) {
        return MIGRATOR_OK;
    }

    curl_multi_poll(h->multi, NULL, 0, (int) left, NULL);

    return MIGRATOR_OK;
}


int
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
