
/*
 * Path and method: what is wanted, and of which shard or key.  What headers
 * and query say of it is read in arguments.c.
 *
 * MHD is told not to unescape anything (main.c), so a key may hold any byte
 * that UTF-8 has, and a malformed escape is seen.
 */


#include <string.h>

#include "shardkv.h"


static const shardkv_route_t  shardkv_routes[] = {
    { "/health", "GET", SHARDKV_HEALTH, 0, 0, 0, 0, 0, 0 },
    { "/kv/", "GET", SHARDKV_KV_GET, 0, 0, 0, 0, 0, 0 },
    { "/kv/", "PUT", SHARDKV_KV_PUT, 0, 1, SHARDKV_VALUE_MAX, 0, 0, 0 },
    { "/kv/", "DELETE", SHARDKV_KV_DELETE, 0, 1, 0, 0, 0, 0 },
    { "/queue/", "GET", SHARDKV_QUEUE_GET, 0, 0, 0, 0, 0, 0 },
    { "/queue/", "POST", SHARDKV_QUEUE_APPEND, 0, 1, SHARDKV_VALUE_MAX, 0,
      0, 0 },
    { "/take/", "POST", SHARDKV_TAKE, 0, 1, 0, 0, 0, 0 },
    { "/ack/", "POST", SHARDKV_ACK, 0, 1, 0, 0, 0, 0 },
    { "snapshot", "GET", SHARDKV_SNAPSHOT_GET, 1, 0, 0, 0, 0, 1 },
    { "snapshot", "PUT", SHARDKV_SNAPSHOT_PUT, 1, 1, SIZE_MAX, 1, 1, 0 },
    { "log", "GET", SHARDKV_LOG_GET, 1, 0, 0, 0, 0, 1 },
    { "log", "POST", SHARDKV_LOG_POST, 1, 1, SHARDKV_LOG_BODY_MAX, 1, 0, 0 },
    { "digest", "GET", SHARDKV_DIGEST, 1, 0, 0, 0, 0, 1 },
    { "digest", "PUT", SHARDKV_DIGEST_PUT, 1, 1, 0, 0, 0, 1 },
    { "digest", "DELETE", SHARDKV_DIGEST_DELETE, 1, 1, 0, 0, 0, 0 },
    { "drop", "POST", SHARDKV_DROP, 1, 1, 0, 0, 0, 1 },
    { "import", "PUT", SHARDKV_IMPORT_PUT, 1, 1, SIZE_MAX, 1, 1, 0 },
    { "import", "POST", SHARDKV_IMPORT_POST, 1, 1, SHARDKV_LOG_BODY_MAX, 1,
      0, 0 },
    { "import", "GET", SHARDKV_IMPORT_GET, 1, 0, 0, 0, 0, 0 },
    { "import", "DELETE", SHARDKV_IMPORT_DELETE, 1, 1, 0, 0, 0, 0 },
    { "role", "PUT", SHARDKV_ROLE, 1, 1, SHARDKV_ROLE_MAX, 0, 0, 0 },
    { "hold", "POST", SHARDKV_HOLD, 1, 1, 0, 0, 0, 0 },
    { "resume", "POST", SHARDKV_RESUME, 1, 1, 0, 0, 0, 0 },
    { "stats", "GET", SHARDKV_STATS, 1, 0, 0, 0, 0, 0 },
    { NULL, NULL, 0, 0, 0, 0, 0, 0, 0 }
};


static const char *shardkv_route_data(shardkv_request_t *r, const char *url);
static int shardkv_route_key(shardkv_request_t *r, const char *text);


int
shardkv_bad(shardkv_request_t *r, const char *message)
{
    shardkv_refuse(&r->answer, 400, "bad_request", "%s", message);
    return SHARD_ERROR;
}


int
shardkv_route(shardkv_request_t *r, const char *url, const char *method)
{
    size_t                  len;
    unsigned                known, data;
    const char             *path;
    const shardkv_route_t  *route;

    path = url;
    data = (strncmp(url, "/_shard/", 8) == 0);

    if (data) {
        path = shardkv_route_data(r, url + 8);

        if (path == NULL) {
            return shardkv_bad(r, "the path is not /_shard/ID/CALL with an "
                               "ID of 0 to 4294967294");
        }
    }

    if (strcmp(method, "HEAD") == 0) {
        method = "GET";
    }

    known = 0;

    for (route = shardkv_routes; route->path; route++) {
        len = strlen(route->path);

        if (route->data != data || strncmp(path, route->path, len) != 0
            || (route->path[len - 1] != '/' && path[len] != '\0'))
        {
            continue;
        }

        known = 1;

        if (strcmp(method, route->method) == 0) {
            break;
        }
    }

    if (route->path == NULL) {
        shardkv_refuse(&r->answer, known ? 405 : 404,
                       known ? "method" : "not_found", known
                       ? "this path does not take this method"
                       : "there is /kv/KEY, /queue/KEY, /take/KEY, "
                       "/ack/KEY, /health and /_shard/ID/CALL");
        return SHARD_ERROR;
    }

    if (route->path[strlen(route->path) - 1] == '/') {

        if (shardkv_route_key(r, path + strlen(route->path)) != SHARD_OK
            || shardkv_sender(r) != SHARD_OK)
        {
            return SHARD_ERROR;
        }
    }

    r->route = route;

    if (shardkv_arguments(r) != SHARD_OK) {
        r->route = NULL;
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* "ID/CALL": the call's name, r->shard is set */

static const char *
shardkv_route_data(shardkv_request_t *r, const char *url)
{
    shard_str_t  id;
    const char  *slash;

    slash = strchr(url, '/');

    if (slash == NULL) {
        return NULL;
    }

    id.data = url;
    id.len = slash - url;

    if (shard_id_decode(id, &r->shard) != SHARD_OK) {
        return NULL;
    }

    return slash + 1;
}


static int
shardkv_hex(char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


static int
shardkv_route_key(shardkv_request_t *r, const char *text)
{
    int          hi, lo;
    const char  *p;

    for (p = text; *p; p++) {

        if (r->klen == SHARDKV_KEY_MAX) {
            return shardkv_bad(r, "the key is longer than 255 bytes");
        }

        if (*p != '%') {
            r->key[r->klen++] = *p;
            continue;
        }

        hi = shardkv_hex(p[1]);
        lo = (hi < 0) ? -1 : shardkv_hex(p[2]);

        if (lo < 0) {
            return shardkv_bad(r, "the key has a \"%\" without two hex "
                               "digits");
        }

        r->key[r->klen++] = (char) (hi << 4 | lo);
        p += 2;
    }

    if (!shardkv_key_valid(r->key, r->klen)) {
        return shardkv_bad(r, "the key is empty or not UTF-8");
    }

    return SHARD_OK;
}
