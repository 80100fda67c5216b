
/* Strings of bytes that only their writer understands. */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shardd_store_redis.h"


int
shardd_bytes_put(shardd_store_t *s, const char *key, const void *bytes,
    size_t len, long live_s)
{
    int          rc;
    char         full[SHARDD_KEY_SIZE], live[24];
    size_t       lens[5];
    redisReply  *reply;
    const char  *argv[5];

    snprintf(live, sizeof(live), "%ld", live_s);

    argv[0] = "SET";
    argv[1] = shardd_store_key(s, full, "%.128s", key);
    argv[2] = bytes;
    argv[3] = "EX";
    argv[4] = live;

    lens[0] = 3;
    lens[1] = strlen(full);
    lens[2] = len;
    lens[3] = 2;
    lens[4] = strlen(live);

    rc = SHARDD_OK;
    reply = shardd_store_argv(s, &rc, 5, argv, lens);

    if (reply) {
        freeReplyObject(reply);
    }

    return rc;
}


int
shardd_bytes_get(shardd_store_t *s, const char *key, size_t most,
    void **bytes, size_t *len)
{
    int          rc;
    char         full[SHARDD_KEY_SIZE];
    size_t       lens[2];
    redisReply  *reply;
    const char  *argv[2];

    argv[0] = "GET";
    argv[1] = shardd_store_key(s, full, "%.128s", key);
    lens[0] = 3;
    lens[1] = strlen(full);

    rc = SHARDD_OK;
    reply = shardd_store_argv(s, &rc, 2, argv, lens);

    if (reply == NULL) {
        return rc;
    }

    if (!shardd_store_is_string(reply)) {
        rc = shardd_store_fail(s, SHARDD_NONE, "there is no %s", full);

    } else if ((size_t) reply->len > most) {
        rc = shardd_store_fail(s, SHARDD_BAD, "%s has %zu bytes, %zu are "
                               "possible", full, (size_t) reply->len, most);
    } else {
        *len = (size_t) reply->len;
        *bytes = malloc(*len + 1);

        if (*bytes) {
            memcpy(*bytes, reply->str, *len);

        } else {
            rc = shardd_store_fail(s, SHARDD_BAD, "no memory");
        }
    }

    freeReplyObject(reply);

    return rc;
}
