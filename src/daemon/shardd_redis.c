
/*
 *   command ──▶ connected? ──no──▶ backoff over? ──yes──▶ connect, AUTH,
 *                  │ yes               │ no: NULL           SELECT
 *                  ▼                   ▼                      │
 *               reply, or NULL and disconnected ◀─────────────┘
 *
 * A command that fails is not repeated here: whether Redis carried it out is
 * unknown.  Commits have an operation id for that.
 */


#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shardd_loop.h"
#include "shardd_redis.h"


#define SHARDD_REDIS_BACKOFF_MIN_MS  50
#define SHARDD_REDIS_BACKOFF_MAX_MS  2000
#define SHARDD_REDIS_TIMEOUT_MS      5000
#define SHARDD_REDIS_POSTED          64


static int shardd_redis_connect(shardd_redis_t *r);
static int shardd_redis_host(const char *addr, char host[256]);
static int shardd_redis_hello(shardd_redis_t *r);
static redisReply *shardd_redis_reply(shardd_redis_t *r, int appended);
static void shardd_redis_failed(shardd_redis_t *r);
static void shardd_redis_limit(shardd_redis_t *r, long ms);


void
shardd_redis_init(shardd_redis_t *r, const shardd_redis_conf_t *conf)
{
    memset(r, 0, sizeof(shardd_redis_t));

    r->conf = *conf;

    if (r->conf.timeout_ms <= 0) {
        r->conf.timeout_ms = SHARDD_REDIS_TIMEOUT_MS;
    }

    /* hiredis writes without MSG_NOSIGNAL: a closed peer would kill us */
    signal(SIGPIPE, SIG_IGN);
}


void
shardd_redis_close(shardd_redis_t *r)
{
    if (r->ctx) {
        redisFree(r->ctx);
        r->ctx = NULL;
    }

    r->ready = 0;
    r->posted = 0;
}


redisReply *
shardd_redis_command(shardd_redis_t *r, const char *fmt, ...)
{
    int      appended;
    va_list  args;

    if (shardd_redis_connect(r) != 0) {
        return NULL;
    }

    va_start(args, fmt);
    appended = redisvAppendCommand(r->ctx, fmt, args);
    va_end(args);

    return shardd_redis_reply(r, appended);
}


redisReply *
shardd_redis_argv(shardd_redis_t *r, int argc, const char **argv,
    const size_t *lens)
{
    if (shardd_redis_connect(r) != 0) {
        return NULL;
    }

    return shardd_redis_reply(r, redisAppendCommandArgv(r->ctx, argc, argv,
                                                        lens));
}


/* the reply to what was appended last; those of posted ones come before it */

static redisReply *
shardd_redis_reply(shardd_redis_t *r, int appended)
{
    redisReply  *reply;

    if (appended != REDIS_OK) {
        shardd_redis_failed(r);
        return NULL;
    }

    for ( ;; ) {
        if (redisGetReply(r->ctx, (void **) &reply) != REDIS_OK) {
            shardd_redis_failed(r);
            return NULL;
        }

        if (r->posted == 0) {
            return reply;
        }

        r->posted--;
        freeReplyObject(reply);
    }
}


void
shardd_redis_post(shardd_redis_t *r, int argc, const char **argv)
{
    int          done;
    redisReply  *reply;

    if (r->posted == SHARDD_REDIS_POSTED) {
        reply = shardd_redis_argv(r, argc, argv, NULL);
        freeReplyObject(reply);
        return;
    }

    if (shardd_redis_connect(r) != 0) {
        return;
    }

    if (redisAppendCommandArgv(r->ctx, argc, argv, NULL) != REDIS_OK) {
        shardd_redis_failed(r);
        return;
    }

    r->posted++;

    do {
        if (redisBufferWrite(r->ctx, &done) != REDIS_OK) {
            shardd_redis_failed(r);
            return;
        }
    } while (!done);
}


redisReply *
shardd_redis_block(shardd_redis_t *r, long block_ms, int argc,
    const char **argv)
{
    redisReply  *reply;

    if (shardd_redis_connect(r) != 0) {
        return NULL;
    }

    shardd_redis_limit(r, r->conf.timeout_ms + block_ms);

    reply = shardd_redis_argv(r, argc, argv, NULL);

    if (reply) {
        shardd_redis_limit(r, r->conf.timeout_ms);
    }

    return reply;
}


/* replies of MULTI and of each queued command come before EXEC's */

redisReply *
shardd_redis_multi(shardd_redis_t *r, const shardd_redis_cmd_t *cmds,
    size_t n)
{
    size_t       i;
    redisReply  *reply, *refused;

    if (shardd_redis_connect(r) != 0) {
        return NULL;
    }

    reply = NULL;
    refused = NULL;
    redisAppendCommand(r->ctx, "MULTI");

    for (i = 0; i < n; i++) {
        redisAppendCommandArgv(r->ctx, cmds[i].argc, cmds[i].argv, NULL);
    }

    redisAppendCommand(r->ctx, "EXEC");

    for (i = 0; i < n + 2; i++) {
        reply = shardd_redis_reply(r, REDIS_OK);

        if (reply == NULL) {
            freeReplyObject(refused);
            return NULL;
        }

        if (i < n + 1 && reply->type == REDIS_REPLY_ERROR && !refused) {
            refused = reply;

        } else if (i < n + 1) {
            freeReplyObject(reply);
        }
    }

    if (refused) {
        freeReplyObject(reply);
        return refused;
    }

    return reply;
}


static void
shardd_redis_limit(shardd_redis_t *r, long ms)
{
    struct timeval  tv;

    tv.tv_sec = ms / 1000;
    tv.tv_usec = ms % 1000 * 1000;

    redisSetTimeout(r->ctx, tv);
}


/* the port of "host:port", "[address]:port" or "host" */

static int
shardd_redis_host(const char *addr, char host[256])
{
    int    port;
    char  *colon;

    snprintf(host, 256, "%s", addr);
    colon = strrchr(host, ':');
    port = colon ? atoi(colon + 1) : 6379;

    if (colon) {
        *colon = '\0';
    }

    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        memmove(host, host + 1, strlen(host));
    }

    return port;
}


redisContext *
shardd_redis_begin(const shardd_redis_conf_t *conf)
{
    int   port;
    char  host[256];

    if (strncmp(conf->addr, "unix:", 5) == 0) {
        return redisConnectUnixNonBlock(conf->addr + 5);
    }

    port = shardd_redis_host(conf->addr, host);

    return redisConnectNonBlock(host, port);
}


static int
shardd_redis_connect(shardd_redis_t *r)
{
    int             port;
    char            host[256];
    uint64_t        now;
    struct timeval  tv;

    if (r->ctx) {
        return 0;
    }

    now = shardd_monotonic_ms();

    if (now < r->retry_at_ms) {
        return -1;                    /* r->err still says why */
    }

    r->ready = 0;
    tv.tv_sec = r->conf.timeout_ms / 1000;
    tv.tv_usec = r->conf.timeout_ms % 1000 * 1000;

    if (strncmp(r->conf.addr, "unix:", 5) == 0) {
        r->ctx = redisConnectUnixWithTimeout(r->conf.addr + 5, tv);

    } else {
        port = shardd_redis_host(r->conf.addr, host);
        r->ctx = redisConnectWithTimeout(host, port, tv);
    }

    if (r->ctx == NULL || r->ctx->err) {
        shardd_redis_failed(r);
        return -1;
    }

    shardd_redis_limit(r, r->conf.timeout_ms);

    if (shardd_redis_hello(r) != 0) {
        shardd_redis_failed(r);
        return -1;
    }

    r->backoff_ms = 0;
    r->connections++;

    return 0;
}


/* 0, or -1: an I/O error, or r->err set and the context without one */

static int
shardd_redis_ask(shardd_redis_t *r, redisReply *reply, const char *what)
{
    if (reply == NULL) {
        return -1;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        snprintf(r->err, SHARDD_ERR_SIZE, "redis %s: %s refused: %.200s",
                 r->conf.addr, what, reply->str);
        freeReplyObject(reply);
        return -1;
    }

    freeReplyObject(reply);

    return 0;
}


static int
shardd_redis_hello(shardd_redis_t *r)
{
    redisReply  *reply;

    if (r->conf.password) {
        if (r->conf.user) {
            reply = redisCommand(r->ctx, "AUTH %s %s", r->conf.user,
                                 r->conf.password);
        } else {
            reply = redisCommand(r->ctx, "AUTH %s", r->conf.password);
        }

        if (shardd_redis_ask(r, reply, "AUTH (user or password wrong?)")
            != 0)
        {
            return -1;
        }
    }

    if (r->conf.db != 0) {
        reply = redisCommand(r->ctx, "SELECT %ld", r->conf.db);

        return shardd_redis_ask(r, reply, "SELECT of the database");
    }

    return 0;
}


/* says why, disconnects, and puts off the next attempt */

static void
shardd_redis_failed(shardd_redis_t *r)
{
    const char  *why;

    if (r->ctx == NULL) {
        snprintf(r->err, SHARDD_ERR_SIZE, "redis %s: no memory",
                 r->conf.addr);

    } else if (r->ctx->err) {
        why = r->ctx->errstr;

        if (r->ctx->err == REDIS_ERR_IO
            && (errno == EAGAIN || errno == EWOULDBLOCK))
        {
            snprintf(r->err, SHARDD_ERR_SIZE,
                     "redis %s: no answer within %ld ms", r->conf.addr,
                     r->conf.timeout_ms);
        } else {
            snprintf(r->err, SHARDD_ERR_SIZE, "redis %s: %s", r->conf.addr,
                     why[0] ? why : strerror(errno));
        }
    }

    shardd_redis_close(r);

    r->backoff_ms = r->backoff_ms == 0 ? SHARDD_REDIS_BACKOFF_MIN_MS
                                       : r->backoff_ms * 2;

    if (r->backoff_ms > SHARDD_REDIS_BACKOFF_MAX_MS) {
        r->backoff_ms = SHARDD_REDIS_BACKOFF_MAX_MS;
    }

    r->retry_at_ms = shardd_monotonic_ms() + (uint64_t) r->backoff_ms;
}
