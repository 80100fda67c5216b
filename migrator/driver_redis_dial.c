
/*
 * A connection of the driver "redis" from its first packet to the first call,
 * within the time of the call that needs it, with its ticks.
 *
 *   connect ▶ AUTH, SELECT, version of the library ▶ [FUNCTION LOAD] ▶ ready
 *             in one round trip                       once for a server
 */


#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "driver_redis.h"


#define WAIT_MS  100                    /* between two ticks */


static int migrator_redis_connected(migrator_redis_t *d,
    migrator_redis_conn_t *c);
static int migrator_redis_hello(migrator_redis_t *d,
    migrator_redis_conn_t *c);
static int migrator_redis_said(migrator_redis_t *d, migrator_redis_conn_t *c,
    const char *what);
static int migrator_redis_version(migrator_redis_t *d,
    migrator_redis_conn_t *c);
static int migrator_redis_load(migrator_redis_t *d,
    migrator_redis_conn_t *c);


int
migrator_redis_dial(migrator_redis_t *d, migrator_redis_conn_t *c)
{
    int  rc, one;

    c->redis.ctx = shardd_redis_begin(&c->conf);

    if (c->redis.ctx == NULL) {
        return migrator_redis_no_memory(d);
    }

    if (c->redis.ctx->err) {
        snprintf(d->err, sizeof(d->err), "%s: redis %s: %s", c->name,
                 c->conf.addr, c->redis.ctx->errstr);
        return MIGRATOR_DOWN;
    }

    rc = migrator_redis_connected(d, c);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    /* hiredis does so of blocking connections only; a socket of files has
     * no such option */

    one = 1;
    (void) setsockopt(c->redis.ctx->fd, IPPROTO_TCP, TCP_NODELAY, &one,
                      sizeof(one));

    rc = migrator_redis_hello(d, c);

    if (rc == MIGRATOR_OK) {
        rc = migrator_redis_version(d, c);
    }

    c->redis.ready = rc == MIGRATOR_OK;

    return rc;
}


static int
migrator_redis_connected(migrator_redis_t *d, migrator_redis_conn_t *c)
{
    int            error, n, rc;
    long           left;
    socklen_t      len;
    struct pollfd  p;

    do {
        rc = migrator_redis_left(d, c, &left);

        if (rc != MIGRATOR_OK) {
            return rc;
        }

        p.fd = c->redis.ctx->fd;
        p.events = POLLOUT;
        p.revents = 0;
        n = poll(&p, 1, left < WAIT_MS ? (int) left : WAIT_MS);

    } while (n <= 0);

    len = sizeof(error);

    if (getsockopt(c->redis.ctx->fd, SOL_SOCKET, SO_ERROR, &error, &len)
        == -1)
    {
        error = errno;
    }

    if (error) {
        snprintf(d->err, sizeof(d->err), "%s: redis %s: %s", c->name,
                 c->conf.addr, strerror(error));
        return MIGRATOR_DOWN;
    }

    return MIGRATOR_OK;
}


/* all is sent before the first answer is waited for */

static int
migrator_redis_hello(migrator_redis_t *d, migrator_redis_conn_t *c)
{
    int   rc;
    char  db[24];

    if (c->conf.password) {
        d->argc = 0;
        rc = migrator_redis_word(d, "AUTH")
             || (c->conf.user && migrator_redis_word(d, c->conf.user))
             || migrator_redis_word(d, c->conf.password);
        rc = rc ? migrator_redis_no_memory(d) : migrator_redis_send(d, c);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }

    if (c->conf.db) {
        d->argc = 0;
        rc = migrator_redis_word(d, "SELECT")
             || migrator_redis_number(d, db, (uint64_t) c->conf.db);
        rc = rc ? migrator_redis_no_memory(d) : migrator_redis_send(d, c);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }

    d->argc = 0;
    rc = migrator_redis_word(d, "FCALL_RO")
         || migrator_redis_word(d, "sharddata_version")
         || migrator_redis_word(d, "0");
    rc = rc ? migrator_redis_no_memory(d) : migrator_redis_send(d, c);

    if (rc == MIGRATOR_OK && c->conf.password) {
        rc = migrator_redis_said(d, c, "AUTH (user or password wrong?)");
    }

    if (rc == MIGRATOR_OK && c->conf.db) {
        rc = migrator_redis_said(d, c, "SELECT of the database");
    }

    return rc;
}


static int
migrator_redis_said(migrator_redis_t *d, migrator_redis_conn_t *c,
    const char *what)
{
    int          rc;
    redisReply  *reply;

    rc = migrator_redis_reply(d, c, &reply);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        snprintf(d->err, sizeof(d->err), "%s: redis %s: %s refused: %.200s",
                 c->name, c->conf.addr, what, reply->str);
        rc = MIGRATOR_DOWN;
    }

    freeReplyObject(reply);

    return rc;
}


static int
migrator_redis_version(migrator_redis_t *d, migrator_redis_conn_t *c)
{
    int          rc;
    redisReply  *reply;

    rc = migrator_redis_reply(d, c, &reply);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    if (reply->type == REDIS_REPLY_INTEGER
        && reply->integer >= shardd_data_version())
    {
        freeReplyObject(reply);
        return MIGRATOR_OK;
    }

    if (reply->type == REDIS_REPLY_ERROR
        && strstr(reply->str, "Function not found") == NULL)
    {
        snprintf(d->err, sizeof(d->err), "%s: redis %s: FCALL_RO of the "
                 "library sharddata: %.200s", c->name, c->conf.addr,
                 reply->str);
        freeReplyObject(reply);
        return MIGRATOR_DOWN;
    }

    freeReplyObject(reply);

    return migrator_redis_load(d, c);
}


static int
migrator_redis_load(migrator_redis_t *d, migrator_redis_conn_t *c)
{
    int  rc;

    d->argc = 0;
    rc = migrator_redis_word(d, "FUNCTION") || migrator_redis_word(d, "LOAD")
         || migrator_redis_word(d, "REPLACE")
         || migrator_redis_word(d, shardd_data_source());
    rc = rc ? migrator_redis_no_memory(d) : migrator_redis_send(d, c);

    return rc == MIGRATOR_OK
           ? migrator_redis_said(d, c, "FUNCTION LOAD of the library "
                                 "sharddata") : rc;
}
