
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
    char                  err[SHARDD_ERR_SIZE];
} shardd_redis_t;


/* "redis://[user:password@]host:port[/db]", "host:port", "unix:/path" */

int shardd_redis_url(const char *url, shardd_redis_conf_t *conf, char *err);

void shardd_redis_init(shardd_redis_t *r, const shardd_redis_conf_t *conf);
void shardd_redis_close(shardd_redis_t *r);

/* an error reply is returned as it is (type REDIS_REPLY_ERROR) */

redisReply *shardd_redis_command(shardd_redis_t *r, const char *fmt, ...);
redisReply *shardd_redis_argv(shardd_redis_t *r, int argc, const char **argv,
    const size_t *lens);


#endif /* _SHARDD_REDIS_H_INCLUDED_ */
