
/* addresses of Redis, as users write them */


#include <stdlib.h>
#include <string.h>

#include "../lib/tap.h"
#include "shardd_redis.h"


static void
good(const char *url, const char *addr, const char *user,
    const char *password, long db)
{
    char                 err[SHARDD_ERR_SIZE];
    shardd_redis_conf_t  conf;

    memset(&conf, 0, sizeof(conf));
    err[0] = '\0';

    if (!tap_is_int(shardd_redis_url(url, &conf, err), 0, "%s", url)) {
        tap_diag("%s", err);
        return;
    }

    tap_is_str(conf.addr, addr, "address");
    tap_is_str(conf.user, user, "user");
    tap_is_str(conf.password, password, "password");
    tap_is_int(conf.db, db, "database");

    free(conf.addr);
    free(conf.user);
    free(conf.password);
}


static void
bad(const char *url, const char *why)
{
    char                 err[SHARDD_ERR_SIZE];
    shardd_redis_conf_t  conf, before;

    memset(&conf, 0, sizeof(conf));
    conf.db = 9;
    before = conf;
    err[0] = '\0';

    tap_is_int(shardd_redis_url(url, &conf, err), -1, "refused \"%.40s\"",
               url);
    tap_ok(strstr(err, why) != NULL, "%s", err);
    tap_ok(strstr(err, "s3cret") == NULL, "no secret in it");
    tap_ok(memcmp(&conf, &before, sizeof(conf)) == 0, "nothing is changed");
}


/* nothing listens there: the message names address and cause, and the next
 * attempt waits for its time */

static void
unreachable(void)
{
    shardd_redis_t       r;
    shardd_redis_conf_t  conf;

    memset(&conf, 0, sizeof(conf));
    conf.addr = (char *) "unix:/nonexistent/redis.sock";

    shardd_redis_init(&r, &conf);

    tap_ok(shardd_redis_command(&r, "PING") == NULL, "unreachable");
    tap_is_str(r.err, "redis unix:/nonexistent/redis.sock: No such file or "
               "directory", "is told with its address");
    tap_ok(r.retry_at_ms > 0, "the next attempt is put off");

    r.err[0] = '\0';
    tap_ok(shardd_redis_command(&r, "PING") == NULL, "at once again");
    tap_is_str(r.err, "", "nothing was tried");

    shardd_redis_close(&r);

    conf.addr = (char *) "127.0.0.1:1";
    shardd_redis_init(&r, &conf);

    tap_ok(shardd_redis_command(&r, "PING") == NULL, "a closed port");
    tap_is_str(r.err, "redis 127.0.0.1:1: Connection refused", "is told");

    shardd_redis_close(&r);
}


int
main(void)
{
    char  path[1200];

    good("127.0.0.1:6379", "127.0.0.1:6379", NULL, NULL, 0);
    good("redis.local", "redis.local:6379", NULL, NULL, 0);
    good("redis://h:7000", "h:7000", NULL, NULL, 0);
    good("redis://h:7000/", "h:7000", NULL, NULL, 0);
    good("redis://h:7000/3", "h:7000", NULL, NULL, 3);
    good("redis://u:s3cret@h/2", "h:6379", "u", "s3cret", 2);
    good("redis://:s3cret@h:1", "h:1", NULL, "s3cret", 0);
    good("redis://u:p%40%3a@h:65535", "h:65535", "u", "p@:", 0);
    good("redis://u:p@q@h:1", "h:1", "u", "p@q", 0);
    good("redis://u:p/q@h:1/4", "h:1", "u", "p/q", 4);
    good("redis://u:a:b@h:1", "h:1", "u", "a:b", 0);
    good("[::1]:6380", "[::1]:6380", NULL, NULL, 0);
    good("redis://[::1]/1", "[::1]:6379", NULL, NULL, 1);
    good("unix:/run/redis.sock", "unix:/run/redis.sock", NULL, NULL, 0);
    good("unix:///run/redis.sock", "unix:/run/redis.sock", NULL, NULL, 0);

    bad("", "needs host:port");
    bad(":6379", "needs host:port");
    bad("h:0", "needs host:port");
    bad("h:65536", "needs host:port");
    bad("h:1x", "needs host:port");
    bad("h:", "needs host:port");
    bad("h o:1", "needs host:port");
    bad("h:1:2", "needs host:port");
    bad("[::1:6379", "needs host:port");
    bad("[]:6379", "needs host:port");
    bad("[::1]x:6379", "needs host:port");
    bad("redis://", "address \"redis://\" needs host:port");
    bad("redis://h:1/x", "bad database");
    bad("redis://h:1/1/2", "bad database");
    bad("redis://h:1/99999999999999999999", "bad database");
    bad("http://h:1", "unknown scheme");
    bad("rediss://h:1", "unknown scheme");
    bad("unix:", "needs unix:/path");
    bad("unix:relative", "needs unix:/path");
    bad("unix:/", "needs unix:/path");
    bad("redis://s3cret@h:1", "needs user:password@");
    bad("redis://u:s3cret%zz@h:1", "needs user:password@");
    bad("redis://u:s3cret%0@h:1", "needs user:password@");
    bad("redis://u:s3cret%00@h:1", "needs user:password@");
    bad("redis://u:s3cret@h:0", "needs host:port");

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    bad(path, "too long");

    memcpy(path, "unix:/", 6);
    path[130] = '\0';
    bad(path, "107 bytes");

    unreachable();

    return tap_done();
}
