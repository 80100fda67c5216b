
/*
 * Path, method and headers: what is wanted, of which shard, by whom.
 *
 * MHD is told not to unescape anything (main.c), so a key may hold any byte
 * that UTF-8 has, and a malformed escape is seen.
 */


#include <stdlib.h>
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
static int shardkv_route_sender(shardkv_request_t *r);
static int shardkv_route_epoch(shardkv_request_t *r);
static int shardkv_route_of(shardkv_request_t *r);
static int shardkv_route_arguments(shardkv_request_t *r);


static int
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
            || shardkv_route_sender(r) != SHARD_OK)
        {
            return SHARD_ERROR;
        }
    }

    r->route = route;

    if (shardkv_route_arguments(r) != SHARD_OK) {
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


static int
shardkv_header(shardkv_request_t *r, const char *name, shard_str_t *value)
{
    value->data = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
                                              name);

    if (value->data == NULL || value->data[0] == '\0') {
        return 0;
    }

    value->len = strlen(value->data);

    return 1;
}


static int
shardkv_route_sender(shardkv_request_t *r)
{
    shard_str_t  value;

    if (shardkv_header(r, "X-Shard-Id", &value)) {

        if (shard_id_decode(value, &r->shard) != SHARD_OK) {
            return shardkv_bad(r, "X-Shard-Id is not 0 to 4294967294");
        }

        r->sender.has_shard = 1;
    }

    if (shardkv_route_epoch(r) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (!shardkv_header(r, "X-Shard-Role", &value)) {
        return SHARD_OK;
    }

    if (strcmp(value.data, "primary") == 0) {
        r->sender.role = SHARDKV_PRIMARY;

    } else if (strcmp(value.data, "standby") == 0) {
        r->sender.role = SHARDKV_STANDBY;

    } else if (strcmp(value.data, "target") == 0) {
        r->sender.role = SHARDKV_TARGET;

    } else {
        return shardkv_bad(r, "X-Shard-Role is none of primary, standby, "
                           "target");
    }

    return SHARD_OK;
}


static int
shardkv_route_epoch(shardkv_request_t *r)
{
    uint64_t     n;
    shard_str_t  value;

    if (!shardkv_header(r, "X-Shard-Epoch", &value)) {
        return SHARD_OK;
    }

    if (shard_uint64_decode(value, &n) != SHARD_OK || n > UINT32_MAX) {
        return shardkv_bad(r, "X-Shard-Epoch is not 0 to 4294967295");
    }

    r->sender.epoch = (uint32_t) n;
    r->sender.has_epoch = 1;

    return SHARD_OK;
}


/* whose data are imported, and, but for reading, by whom */

static int
shardkv_route_of(shardkv_request_t *r)
{
    shard_str_t  value;

    value.data = MHD_lookup_connection_value(r->connection,
                                             MHD_GET_ARGUMENT_KIND, "of");
    value.len = value.data ? strlen(value.data) : 0;

    if (value.data == NULL || shard_id_decode(value, &r->of) != SHARD_OK) {
        return shardkv_bad(r, "of= is missing or no shard's ID");
    }

    if (r->route->write
        && (shardkv_route_epoch(r) != SHARD_OK || !r->sender.has_epoch))
    {
        return r->answer.code ? SHARD_ERROR
                              : shardkv_bad(r, "X-Shard-Epoch is missing");
    }

    return SHARD_OK;
}


/* a number of the query; "name" is also what the message begins with */

static int
shardkv_argument(shardkv_request_t *r, const char *name, uint64_t min,
    uint64_t max, unsigned *has, uint64_t *n)
{
    shard_str_t  value;

    value.data = MHD_lookup_connection_value(r->connection,
                                             MHD_GET_ARGUMENT_KIND, name);
    *has = (value.data != NULL);

    if (value.data == NULL) {
        return SHARD_OK;
    }

    value.len = strlen(value.data);

    if (shard_uint64_decode(value, n) != SHARD_OK || *n < min || *n > max) {
        shardkv_refuse(&r->answer, 400, "bad_request", "%s= is not %llu to "
                       "%llu", name, (unsigned long long) min,
                       (unsigned long long) max);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* a group's or consumer's name of the query */

static int
shardkv_argument_name(shardkv_request_t *r, const char *name,
    char buf[SHARDKV_GROUP_MAX + 1])
{
    shard_str_t  value;

    value.data = MHD_lookup_connection_value(r->connection,
                                             MHD_GET_ARGUMENT_KIND, name);
    value.len = value.data ? strlen(value.data) : 0;

    if (value.len == 0 || !shard_name_valid(value)
        || value.len > SHARDKV_GROUP_MAX)
    {
        shardkv_refuse(&r->answer, 400, "bad_request", "%s= is missing or no "
                       "name of 1 to %d of A-Z a-z 0-9 _ . -", name,
                       SHARDKV_GROUP_MAX);
        return SHARD_ERROR;
    }

    memcpy(buf, value.data, value.len + 1);

    return SHARD_OK;
}


static int
shardkv_argument_n(shardkv_request_t *r)
{
    unsigned  has;

    if (shardkv_argument(r, "n", 1, SHARDKV_NUMBER_MAX, &has, &r->position)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return has ? SHARD_OK : shardkv_bad(r, "n= is missing");
}


/* of consumers: who, and how many entries or up to which one */

static int
shardkv_argument_group(shardkv_request_t *r)
{
    unsigned  has;

    /* LMDB's queues have one reader, that has no name */

    if (r->route->call == SHARDKV_ACK && r->server->pool.engine == NULL
        && MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND,
                                       "group") == NULL)
    {
        return shardkv_argument_n(r);
    }

    if (shardkv_argument_name(r, "group", r->group) != SHARD_OK
        || shardkv_argument_name(r, "consumer", r->consumer) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (r->route->call == SHARDKV_TAKE) {
        r->limit = 1;
        return shardkv_argument(r, "limit", 1, SHARDKV_TAKE_MAX, &has,
                                &r->limit);
    }

    return shardkv_argument_n(r);
}


/* parts=64&part=K, both or none */

static int
shardkv_route_part(shardkv_request_t *r)
{
    unsigned  has;
    uint64_t  parts;

    parts = SHARDKV_PARTS;

    if (shardkv_argument(r, "parts", SHARDKV_PARTS, SHARDKV_PARTS, &has,
                         &parts) != SHARD_OK
        || shardkv_argument(r, "part", 0, SHARDKV_PARTS - 1, &r->has_part,
                            &r->part) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (has != r->has_part) {
        return shardkv_bad(r, "parts= and part= go together");
    }

    return (r->position || !r->has_part
            || r->route->call == SHARDKV_SNAPSHOT_GET)
           ? SHARD_OK : shardkv_bad(r, "a shard at position 0 has no parts; "
                                    "send it whole");
}


static int
shardkv_route_digest(shardkv_request_t *r)
{
    unsigned     has;
    const char  *scan;

    r->limit = 1;

    scan = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND,
                                       "scan");
    r->scan = (scan && strcmp(scan, "yes") == 0);

    if (shardkv_argument(r, "at", 0, SHARDKV_NUMBER_MAX, &r->has_at,
                         &r->position) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return shardkv_argument(r, "parts", 1, SHARDKV_PARTS_MAX, &has,
                            &r->limit);
}


static int
shardkv_route_arguments(shardkv_request_t *r)
{
    unsigned     has;
    uint64_t     fill;
    shard_str_t  value;

    if (r->route->range && shardkv_range_decode(r) != SHARD_OK) {
        return SHARD_ERROR;
    }

    switch (r->route->call) {

    case SHARDKV_KV_PUT:
        return shardkv_argument(r, "ttl_ms", 1, SHARDKV_TTL_MAX_MS, &has,
                                &r->ttl_ms);

    case SHARDKV_TAKE:
    case SHARDKV_ACK:
        return shardkv_argument_group(r);

    case SHARDKV_HOLD:
    case SHARDKV_RESUME:
        return shardkv_argument(r, "epoch", 0, UINT32_MAX, &r->has_at,
                                &r->position);

    case SHARDKV_LOG_GET:
    case SHARDKV_QUEUE_GET:
        r->limit = SHARDKV_LOG_LIMIT;

        if (shardkv_argument(r, "from", 0, SHARDKV_NUMBER_MAX, &has,
                             &r->position) != SHARD_OK
            || shardkv_argument(r, "limit", 1, SHARDKV_LOG_LIMIT_MAX,
                                &r->has_at, &r->limit) != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        if (!has && r->route->call == SHARDKV_LOG_GET) {
            return shardkv_bad(r, "from= is missing");
        }

        return SHARD_OK;

    case SHARDKV_DIGEST:
        return shardkv_route_digest(r);

    case SHARDKV_SNAPSHOT_GET:
        return shardkv_route_part(r);

    case SHARDKV_DROP:
        r->limit = SHARDKV_DROP_LIMIT;

        if (shardkv_route_epoch(r) != SHARD_OK) {
            return SHARD_ERROR;
        }

        if (!r->sender.has_epoch) {
            return shardkv_bad(r, "X-Shard-Epoch is missing");
        }

        return shardkv_argument(r, "limit", 1, SHARDKV_DROP_MAX, &has,
                                &r->limit);

    case SHARDKV_IMPORT_POST:
    case SHARDKV_IMPORT_GET:
    case SHARDKV_IMPORT_DELETE:
        return shardkv_route_of(r);

    case SHARDKV_IMPORT_PUT:

        if (shardkv_route_of(r) != SHARD_OK) {
            return SHARD_ERROR;
        }

        /* fall through */

    case SHARDKV_SNAPSHOT_PUT:

        if (!shardkv_header(r, "X-Shard-Position", &value)
            || shard_uint64_decode(value, &r->position) != SHARD_OK
            || r->position >= SHARDKV_NUMBER_MAX)
        {
            return shardkv_bad(r, "the header X-Shard-Position is missing or "
                               "not a number");
        }

        if (r->route->call == SHARDKV_IMPORT_PUT) {
            return SHARD_OK;
        }

        if (shardkv_route_epoch(r) != SHARD_OK
            || shardkv_argument(r, "fill", 1, 1, &r->fill, &fill)
               != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        return shardkv_route_part(r);

    case SHARDKV_LOG_POST:
        return shardkv_route_epoch(r);

    default:
        return SHARD_OK;
    }
}
