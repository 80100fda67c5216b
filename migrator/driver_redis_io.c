
/*
 * Calls of the driver "redis": sent, waited for, judged.
 */


#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_loop.h"
#include "driver_redis.h"


#define TICK_MS     100
#define ARGS_START  64


static int migrator_redis_wait(migrator_redis_t *d,
    migrator_redis_conn_t *c);
static int migrator_redis_poll(migrator_redis_t *d, migrator_redis_conn_t *c,
    int ms);
static int migrator_redis_refused(migrator_redis_t *d,
    migrator_redis_conn_t *c, redisReply *reply);


void
migrator_redis_start(migrator_redis_t *d, const migrator_limit_t *limit)
{
    d->limit = limit;
    d->start_ms = shardd_monotonic_ms();
    d->tick_ms = d->start_ms;
}


/* answers that nobody took would be taken for those of the next call */

int
migrator_redis_end(migrator_redis_t *d, int rc)
{
    unsigned  i;

    for (i = 0; i < MIGRATOR_REDIS_CONNS; i++) {
        if (d->conns[i].owed) {
            migrator_redis_close(&d->conns[i]);
        }
    }

    return rc;
}


int
migrator_redis_no_memory(migrator_redis_t *d)
{
    snprintf(d->err, sizeof(d->err), "no memory");

    return MIGRATOR_DOWN;
}


int
migrator_redis_nonsense(migrator_redis_t *d, migrator_redis_conn_t *c,
    redisReply *reply, const char *what)
{
    freeReplyObject(reply);

    snprintf(d->err, sizeof(d->err), "%s: redis %s: an answer without good "
             "%s", c->name, c->conf.addr, what);

    return MIGRATOR_DOWN;
}


int
migrator_redis_args(migrator_redis_t *d, const char *function,
    const char *prefix)
{
    d->argc = 0;

    return migrator_redis_word(d, "FCALL") || migrator_redis_word(d, function)
           || migrator_redis_word(d, "1") || migrator_redis_word(d, prefix)
           ? -1 : 0;
}


int
migrator_redis_add(migrator_redis_t *d, const char *text, size_t len)
{
    int           size;
    size_t       *lens;
    const char  **argv;

    if (d->argc == d->args_size) {
        size = d->args_size ? d->args_size * 2 : ARGS_START;

        argv = realloc(d->argv, (size_t) size * sizeof(char *));
        d->argv = argv ? argv : d->argv;

        lens = realloc(d->lens, (size_t) size * sizeof(size_t));
        d->lens = lens ? lens : d->lens;

        if (argv == NULL || lens == NULL) {
            return -1;
        }

        d->args_size = size;
    }

    d->argv[d->argc] = text;
    d->lens[d->argc] = len;
    d->argc++;

    return 0;
}


int
migrator_redis_word(migrator_redis_t *d, const char *text)
{
    return migrator_redis_add(d, text, strlen(text));
}


int
migrator_redis_number(migrator_redis_t *d, char buf[24], uint64_t n)
{
    snprintf(buf, 24, "%llu", (unsigned long long) n);

    return migrator_redis_word(d, buf);
}


/* into the connection's buffer, and as much as it takes on the way */

int
migrator_redis_send(migrator_redis_t *d, migrator_redis_conn_t *c)
{
    int  done;

    if (c->redis.ctx == NULL
        || redisAppendCommandArgv(c->redis.ctx, d->argc, d->argv, d->lens)
           != REDIS_OK)
    {
        return migrator_redis_no_memory(d);
    }

    c->owed++;

    /* what goes wrong here is seen by the wait */
    (void) redisBufferWrite(c->redis.ctx, &done);

    return MIGRATOR_OK;
}


int
migrator_redis_take(migrator_redis_t *d, migrator_redis_conn_t *c,
    redisReply **reply)
{
    int  rc;

    rc = migrator_redis_reply(d, c, reply);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    return shardd_data_word(*reply, 0, "ok") ? MIGRATOR_OK
           : migrator_redis_refused(d, c, *reply);
}


int
migrator_redis_reply(migrator_redis_t *d, migrator_redis_conn_t *c,
    redisReply **reply)
{
    int  rc;

    *reply = NULL;

    for ( ;; ) {
        if (redisGetReplyFromReader(c->redis.ctx, (void **) reply)
            != REDIS_OK)
        {
            break;
        }

        if (*reply) {
            c->owed--;

            return MIGRATOR_OK;
        }

        rc = migrator_redis_wait(d, c);

        if (rc == MIGRATOR_INTERRUPTED) {
            return rc;
        }

        if (rc != MIGRATOR_OK) {
            break;
        }
    }

    if (c->redis.ctx->err) {
        snprintf(d->err, sizeof(d->err), "%s: redis %s: %s", c->name,
                 c->conf.addr, c->redis.ctx->errstr);
    }

    return MIGRATOR_DOWN;
}


int
migrator_redis_ask(migrator_redis_t *d, migrator_redis_conn_t *c,
    redisReply **reply)
{
    int  rc;

    rc = migrator_redis_send(d, c);

    return rc == MIGRATOR_OK ? migrator_redis_take(d, c, reply) : rc;
}


int
migrator_redis_call(migrator_redis_t *d, migrator_redis_conn_t *c, int bad,
    redisReply **reply)
{
    return bad ? migrator_redis_no_memory(d)
               : migrator_redis_ask(d, c, reply);
}


int
migrator_redis_told(migrator_redis_t *d, migrator_redis_conn_t *c, int bad)
{
    int          rc;
    redisReply  *reply;

    rc = migrator_redis_call(d, c, bad, &reply);

    if (rc == MIGRATOR_OK) {
        freeReplyObject(reply);
    }

    return rc;
}


int
migrator_redis_uint(migrator_redis_t *d, migrator_redis_conn_t *c, int bad,
    const char *what, uint64_t *value)
{
    int          rc;
    redisReply  *reply;

    rc = migrator_redis_call(d, c, bad, &reply);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (!shardd_data_uint(reply, 1, value)) {
        return migrator_redis_nonsense(d, c, reply, what);
    }

    freeReplyObject(reply);

    return MIGRATOR_OK;
}


int
migrator_redis_left(migrator_redis_t *d, migrator_redis_conn_t *c, long *ms)
{
    uint64_t  now;

    now = shardd_monotonic_ms();
    *ms = d->limit->timeout_ms - (long) (now - d->start_ms);

    if (*ms <= 0) {
        snprintf(d->err, sizeof(d->err), "not within %ld ms: %s: redis %s",
                 d->limit->timeout_ms, c->name, c->conf.addr);
        return MIGRATOR_DOWN;
    }

    if (d->limit->tick && now - d->tick_ms >= TICK_MS) {
        d->tick_ms = now;

        if (d->limit->tick(d->limit->data)) {
            snprintf(d->err, sizeof(d->err), "interrupted");
            return MIGRATOR_INTERRUPTED;
        }
    }

    return MIGRATOR_OK;
}


/* for a piece of an answer, while other connections send what they have */

static int
migrator_redis_wait(migrator_redis_t *d, migrator_redis_conn_t *c)
{
    int   rc;
    long  left;

    for ( ;; ) {
        rc = migrator_redis_left(d, c, &left);

        if (rc != MIGRATOR_OK) {
            return rc;
        }

        rc = migrator_redis_poll(d, c, left < TICK_MS ? (int) left : TICK_MS);

        if (rc != 0) {
            return rc > 0 ? MIGRATOR_OK : MIGRATOR_DOWN;
        }
    }
}


/* 1: something of c was read, 0: not yet, -1: c is broken */

static int
migrator_redis_poll(migrator_redis_t *d, migrator_redis_conn_t *c, int ms)
{
    int                     done;
    nfds_t                  i, n;
    redisContext           *ctx;
    struct pollfd           fds[MIGRATOR_REDIS_CONNS];
    migrator_redis_conn_t  *of[MIGRATOR_REDIS_CONNS];

    for (n = 0, i = 0; i < MIGRATOR_REDIS_CONNS; i++) {
        ctx = d->conns[i].redis.ctx;

        if (ctx == NULL || (&d->conns[i] != c && sdslen(ctx->obuf) == 0)) {
            continue;
        }

        of[n] = &d->conns[i];
        fds[n].fd = ctx->fd;
        fds[n].events = (short) ((&d->conns[i] == c ? POLLIN : 0)
                                 | (sdslen(ctx->obuf) ? POLLOUT : 0));
        fds[n++].revents = 0;
    }

    if (poll(fds, n, ms) <= 0) {
        return 0;
    }

    for (i = 0; i < n; i++) {

        /* another one's error is seen when its answer is wanted */

        if ((fds[i].revents & POLLOUT)
            && redisBufferWrite(of[i]->redis.ctx, &done) != REDIS_OK
            && of[i] == c)
        {
            return -1;
        }
    }

    for (i = 0; i < n; i++) {
        if (of[i] == c && (fds[i].revents & (POLLIN|POLLHUP|POLLERR))) {
            return redisBufferRead(c->redis.ctx) == REDIS_OK ? 1 : -1;
        }
    }

    return 0;
}


static int
migrator_redis_refused(migrator_redis_t *d, migrator_redis_conn_t *c,
    redisReply *reply)
{
    int          rc;
    unsigned     i;
    const char  *text;

    static const struct {
        const char  *word;
        const char  *text;
        int          rc;
    } words[] = {
        { "primary", "it is the shard's primary", MIGRATOR_REFUSED },
        { "stale", "somebody else wrote the shard meanwhile",
          MIGRATOR_REFUSED },
        { "ahead", "it stands at another position", MIGRATOR_REFUSED },
        { "epoch", "its epoch is larger", MIGRATOR_REFUSED },
        { "other", "it is not the primary of that epoch", MIGRATOR_REFUSED },
        { "claimed", "somebody else has the shard's claim",
          MIGRATOR_REFUSED },
        { "gone", "the change stream is trimmed", MIGRATOR_GONE },
        { NULL, "an answer that nobody understands", MIGRATOR_DOWN }
    };

    if (reply->type == REDIS_REPLY_ERROR) {
        text = reply->str;
        rc = strstr(text, "OOM ") ? MIGRATOR_REFUSED : MIGRATOR_DOWN;

        /* the next call connects again and loads what is missing */
        c->owed += (strstr(text, "Function not found") != NULL);

    } else {

        for (i = 0; words[i].word; i++) {
            if (shardd_data_word(reply, 0, words[i].word)) {
                break;
            }
        }

        text = words[i].text;
        rc = words[i].rc;
    }

    snprintf(d->err, sizeof(d->err), "%s: redis %s: %.200s%s%.20s", c->name,
             c->conf.addr, text, shardd_data_text(reply, 1) ? ", at " : "",
             shardd_data_text(reply, 1) ? shardd_data_text(reply, 1) : "");
    freeReplyObject(reply);

    return rc;
}
