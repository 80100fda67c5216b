
/*
 * A blocking Redis connection of a daemon or of shardctl: address, secret,
 * time limit, reconnection.  One thread.  Replies are hiredis' and the
 * caller frees them.  A command that fails returns NULL and r->err says why
 * ("redis 127.0.0.1:6379: Connection refused"); the next command connects
 * again, at most once per backoff.
 */


#ifndef _SHARDD_REDIS_H_INCLUDED_
#define _SHARDD_REDIS_H_INCLUDED_


#include <stdarg.h>
#include <stdint.h>
#include <hiredis/hiredis.h>

#include "shardd_conf.h"


typedef struct {
    char          *addr;              /* host:port or unix:/path */
    char          *user;              /* NULL: default */
    char          *password;          /* NULL: none */
    long           db;
    long           timeout_ms;
} shardd_redis_conf_t;

typedef struct {
    shardd_redis_conf_t   conf;
    redisContext         *ctx;        /* NULL: not connected */
    int                   ready;      /* function library checked */
    unsigned              posted;     /* replies that nobody waits for */
    unsigned              connections;    /* made so far */
    long                  backoff_ms;
    uint64_t              retry_at_ms;    /* monotonic; no attempt before */
    char                  err[SHARDD_ERR_SIZE];
} shardd_redis_t;


/* "redis://[user:password@]host:port[/db]", "host:port", "unix:/path" */

int shardd_redis_url(const char *url, shardd_redis_conf_t *conf, char *err);

void shardd_redis_init(shardd_redis_t *r, const shardd_redis_conf_t *conf);
void shardd_redis_close(shardd_redis_t *r);

/* a connection that is under way, for who waits by himself: when it can be
 * written, SO_ERROR says what became of it; AUTH and SELECT are his */

redisContext *shardd_redis_begin(const shardd_redis_conf_t *conf);

/* an error reply is returned as it is (type REDIS_REPLY_ERROR) */

redisReply *shardd_redis_command(shardd_redis_t *r, const char *fmt, ...);
redisReply *shardd_redis_argv(shardd_redis_t *r, int argc, const char **argv,
    const size_t *lens);

/* a command whose outcome nobody asks for: nothing waits for the reply, which
 * is dropped before that of the next command; nothing is done while there is
 * no connection */

void shardd_redis_post(shardd_redis_t *r, int argc, const char **argv);

/* a command that Redis may hold back for block_ms; a signal does not end the
 * wait, so block_ms is how late a program may notice that it is to stop */

redisReply *shardd_redis_block(shardd_redis_t *r, long block_ms, int argc,
    const char **argv);

/* MULTI, commands, EXEC in one round trip; the reply is EXEC's, or that of the
 * first command that was not queued: EXEC then says only that one was not */

typedef struct {
    int           argc;
    const char  **argv;
} shardd_redis_cmd_t;

redisReply *shardd_redis_multi(shardd_redis_t *r,
    const shardd_redis_cmd_t *cmds, size_t n);


#endif /* _SHARDD_REDIS_H_INCLUDED_ */
