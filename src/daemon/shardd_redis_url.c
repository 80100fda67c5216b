
/* where Redis is: "redis://[user:password@]host:port[/db]", and shorter */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shardd_redis.h"


#define SHARDD_REDIS_URL_MAX  1024


static int shardd_redis_url_unix(const char *url, shardd_redis_conf_t *conf,
    char *err);
static int shardd_redis_url_tcp(const char *url, const char *p,
    shardd_redis_conf_t *conf, char *err);
static int shardd_redis_url_bad(char *err, const char *url, const char *why);
static char *shardd_redis_url_decode(const char *text, size_t len);
static int shardd_redis_url_number(const char *text, long max, long *value);
static char *shardd_redis_url_addr(const char *text, size_t len);
static int shardd_redis_url_secret(const char *text, size_t len,
    shardd_redis_conf_t *conf);


/* fills addr, and of user, password, db what the URL has; the rest stays */

int
shardd_redis_url(const char *url, shardd_redis_conf_t *conf, char *err)
{
    const char  *p;

    if (strlen(url) > SHARDD_REDIS_URL_MAX) {
        return shardd_redis_url_bad(err, "of more than 1024 bytes",
                                    "is too long");
    }

    if (strncmp(url, "unix:", 5) == 0) {
        return shardd_redis_url_unix(url, conf, err);
    }

    p = url;

    if (strncmp(p, "redis://", 8) == 0) {
        p += 8;

    } else if (strstr(p, "://")) {
        return shardd_redis_url_bad(err, url,
                                    "has an unknown scheme, redis:// or "
                                    "unix:/path is right");
    }

    return shardd_redis_url_tcp(url, p, conf, err);
}


static int
shardd_redis_url_unix(const char *url, shardd_redis_conf_t *conf, char *err)
{
    char        *addr;
    const char  *p;

    p = strncmp(url, "unix://", 7) == 0 ? url + 7 : url + 5;

    if (p[0] != '/' || p[1] == '\0') {
        return shardd_redis_url_bad(err, url, "needs unix:/path");
    }

    if (strlen(p) >= 108) {
        return shardd_redis_url_bad(err, url, "has a path of over 107 bytes");
    }

    addr = malloc(strlen(p) + sizeof("unix:"));
    if (addr == NULL) {
        return shardd_redis_url_bad(err, url, "finds no memory");
    }

    sprintf(addr, "unix:%s", p);
    conf->addr = addr;

    return 0;
}


/* [user:password@]host:port[/db]; a secret is kept out of every message */

static int
shardd_redis_url_tcp(const char *url, const char *p,
    shardd_redis_conf_t *conf, char *err)
{
    const char           *at, *end, *shown, *why;
    shardd_redis_conf_t   c;

    c = *conf;
    shown = url;
    end = p + strlen(p);

    /* a password may hold an "@" of its own, a host does not */

    at = strrchr(p, '@');

    if (at) {
        shown = "(with a secret)";

        if (shardd_redis_url_secret(p, (size_t) (at - p), &c) != 0) {
            return shardd_redis_url_bad(err, shown, "needs user:password@ "
                                        "with %XX for special characters");
        }

        p = at + 1;
    }

    why = NULL;
    at = strchr(p, '/');

    if (at) {
        end = at;

        if (at[1] != '\0'
            && shardd_redis_url_number(at + 1, 1000000, &c.db) != 0)
        {
            why = "has a bad database number";
        }
    }

    if (why == NULL) {
        c.addr = shardd_redis_url_addr(p, (size_t) (end - p));

        if (c.addr == NULL) {
            why = "needs host:port, port 1 to 65535";
        }
    }

    if (why == NULL) {
        *conf = c;
        return 0;
    }

    if (c.user != conf->user) {
        free(c.user);
    }

    if (c.password != conf->password) {
        free(c.password);
    }

    return shardd_redis_url_bad(err, shown, why);
}


static int
shardd_redis_url_bad(char *err, const char *url, const char *why)
{
    snprintf(err, SHARDD_ERR_SIZE, "redis address \"%.200s\" %s", url, why);

    return -1;
}


static int
shardd_redis_url_number(const char *text, long max, long *value)
{
    long  n;

    if (*text == '\0') {
        return -1;
    }

    for (n = 0; *text; text++) {
        if (*text < '0' || *text > '9') {
            return -1;
        }

        n = n * 10 + (*text - '0');

        if (n > max) {
            return -1;
        }
    }

    *value = n;

    return 0;
}


/* host:port, [IPv6]:port; a port left out is 6379 */

static char *
shardd_redis_url_addr(const char *text, size_t len)
{
    char    *addr, *colon, *bracket;
    long     port;
    size_t   i;

    if (len == 0 || len > 250) {
        return NULL;
    }

    for (i = 0; i < len; i++) {
        if ((unsigned char) text[i] <= 0x20 || text[i] == 0x7f) {
            return NULL;
        }
    }

    addr = malloc(len + sizeof(":6379"));
    if (addr == NULL) {
        return NULL;
    }

    memcpy(addr, text, len);
    addr[len] = '\0';

    bracket = addr[0] == '[' ? strchr(addr, ']') : addr;
    colon = bracket ? strchr(bracket, ':') : NULL;

    if (colon == NULL && bracket) {
        strcat(addr, ":6379");
        return addr;
    }

    if (bracket == NULL || colon == addr
        || (addr[0] == '[' && (colon != bracket + 1 || bracket == addr + 1))
        || shardd_redis_url_number(colon + 1, 65535, &port) != 0
        || port == 0)
    {
        free(addr);
        return NULL;
    }

    return addr;
}


static int
shardd_redis_url_secret(const char *text, size_t len,
    shardd_redis_conf_t *conf)
{
    char        *user, *password;
    const char  *colon;

    colon = memchr(text, ':', len);
    user = NULL;

    if (colon == NULL) {
        return -1;
    }

    if (colon != text) {
        user = shardd_redis_url_decode(text, (size_t) (colon - text));

        if (user == NULL) {
            return -1;
        }
    }

    password = shardd_redis_url_decode(colon + 1,
                                       len - (size_t) (colon + 1 - text));
    if (password == NULL) {
        free(user);
        return -1;
    }

    conf->user = user;
    conf->password = password;

    return 0;
}


static int
shardd_redis_url_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


static char *
shardd_redis_url_decode(const char *text, size_t len)
{
    int      hi, lo;
    char    *out;
    size_t   i, n;

    out = malloc(len + 1);
    if (out == NULL) {
        return NULL;
    }

    for (i = 0, n = 0; i < len; i++) {
        if (text[i] != '%') {
            out[n++] = text[i];
            continue;
        }

        hi = i + 2 < len ? shardd_redis_url_hex(text[i + 1]) : -1;
        lo = i + 2 < len ? shardd_redis_url_hex(text[i + 2]) : -1;

        if (hi < 0 || lo < 0 || hi + lo == 0) {
            free(out);
            return NULL;
        }

        out[n++] = (char) (hi * 16 + lo);
        i += 2;
    }

    out[n] = '\0';

    return out;
}
