
/*
 * Headers and query: who asks, and what a call is told of what it is to do.
 */


#include <string.h>

#include "shardkv.h"


static int shardkv_sender_epoch(shardkv_request_t *r);


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


const char *
shardkv_query(shardkv_request_t *r, const char *name, shard_str_t *value)
{
    value->data = MHD_lookup_connection_value(r->connection,
                                              MHD_GET_ARGUMENT_KIND, name);
    value->len = value->data ? strlen(value->data) : 0;

    return value->data;
}


int
shardkv_sender(shardkv_request_t *r)
{
    shard_str_t  value;

    if (shardkv_header(r, "X-Shard-Id", &value)) {

        if (shard_id_decode(value, &r->shard) != SHARD_OK) {
            return shardkv_bad(r, "X-Shard-Id is not 0 to 4294967294");
        }

        r->sender.has_shard = 1;
    }

    if (shardkv_sender_epoch(r) != SHARD_OK) {
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
shardkv_sender_epoch(shardkv_request_t *r)
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


/* where a primary's data change: only for who says that it knows it */

static int
shardkv_sender_must(shardkv_request_t *r)
{
    shard_str_t  value;

    if (shardkv_sender_epoch(r) != SHARD_OK) {
        return SHARD_ERROR;
    }

    r->sender.has_token = shardkv_header(r, "X-Shard-Token", &value);

    if (r->sender.has_token
        && shard_uint64_decode(value, &r->sender.token) != SHARD_OK)
    {
        return shardkv_bad(r, "X-Shard-Token is not a number");
    }

    return r->sender.has_epoch ? SHARD_OK
                               : shardkv_bad(r, "X-Shard-Epoch is missing");
}


/* what a snapshot that is sent here was read at */

static int
shardkv_argument_position(shardkv_request_t *r)
{
    shard_str_t  value;

    if (!shardkv_header(r, "X-Shard-Position", &value)
        || shard_uint64_decode(value, &r->position) != SHARD_OK
        || r->position >= SHARDKV_NUMBER_MAX)
    {
        return shardkv_bad(r, "the header X-Shard-Position is missing or not "
                           "a number");
    }

    return SHARD_OK;
}


/* a number of the query; "name" is also what the message begins with */

static int
shardkv_argument(shardkv_request_t *r, const char *name, uint64_t min,
    uint64_t max, unsigned *has, uint64_t *n)
{
    shard_str_t  value;

    *has = (shardkv_query(r, name, &value) != NULL);

    if (!*has) {
        return SHARD_OK;
    }

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

    shardkv_query(r, name, &value);

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
    unsigned     has;
    shard_str_t  group;

    /* LMDB's queues have one reader, that has no name */

    if (r->route->call == SHARDKV_ACK && r->server->pool.engine == NULL
        && shardkv_query(r, "group", &group) == NULL)
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
shardkv_argument_part(shardkv_request_t *r)
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
shardkv_argument_digest(shardkv_request_t *r)
{
    unsigned     has;
    shard_str_t  scan;

    r->limit = 1;
    r->scan = (shardkv_query(r, "scan", &scan)
               && strcmp(scan.data, "yes") == 0);

    if (shardkv_argument(r, "at", 0, SHARDKV_NUMBER_MAX, &r->has_at,
                         &r->position) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return shardkv_argument(r, "parts", 1, SHARDKV_PARTS_MAX, &has,
                            &r->limit);
}


/* limit=, and the position behind which what is listed begins */

static int
shardkv_argument_log(shardkv_request_t *r)
{
    unsigned  has, limited;

    r->limit = SHARDKV_LOG_LIMIT;

    if (shardkv_argument(r, "from", 0, SHARDKV_NUMBER_MAX, &has, &r->position)
        != SHARD_OK
        || shardkv_argument(r, "limit", 1, SHARDKV_LOG_LIMIT_MAX, &limited,
                            &r->limit) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (!has && r->route->call == SHARDKV_LOG_GET) {
        return shardkv_bad(r, "from= is missing");
    }

    return SHARD_OK;
}


static int
shardkv_argument_drop(shardkv_request_t *r)
{
    unsigned  has;

    r->limit = SHARDKV_DROP_LIMIT;

    if (shardkv_sender_must(r) != SHARD_OK) {
        return SHARD_ERROR;
    }

    return shardkv_argument(r, "limit", 1, SHARDKV_DROP_MAX, &has, &r->limit);
}


/* whose data are imported, and, but for reading, by whom */

static int
shardkv_argument_import(shardkv_request_t *r)
{
    shard_str_t  value;

    if (shardkv_query(r, "of", &value) == NULL
        || shard_id_decode(value, &r->of) != SHARD_OK)
    {
        return shardkv_bad(r, "of= is missing or no shard's ID");
    }

    if (r->route->write && shardkv_sender_must(r) != SHARD_OK) {
        return SHARD_ERROR;
    }

    return (r->route->call == SHARDKV_IMPORT_PUT)
           ? shardkv_argument_position(r) : SHARD_OK;
}


static int
shardkv_argument_snapshot(shardkv_request_t *r)
{
    uint64_t  fill;

    if (shardkv_argument_position(r) != SHARD_OK
        || shardkv_sender_epoch(r) != SHARD_OK
        || shardkv_argument(r, "fill", 1, 1, &r->fill, &fill) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return shardkv_argument_part(r);
}


int
shardkv_arguments(shardkv_request_t *r)
{
    unsigned  has;

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
        return shardkv_argument_log(r);

    case SHARDKV_DIGEST:
        return shardkv_argument_digest(r);

    case SHARDKV_DIGEST_PUT:
        r->limit = SHARDKV_PARTS;
        return SHARD_OK;

    case SHARDKV_SNAPSHOT_GET:
        return shardkv_argument_part(r);

    case SHARDKV_SNAPSHOT_PUT:
        return shardkv_argument_snapshot(r);

    case SHARDKV_DROP:
        return shardkv_argument_drop(r);

    case SHARDKV_IMPORT_PUT:
    case SHARDKV_IMPORT_POST:
    case SHARDKV_IMPORT_GET:
    case SHARDKV_IMPORT_DELETE:
        return shardkv_argument_import(r);

    case SHARDKV_LOG_POST:
        return shardkv_sender_epoch(r);

    default:
        return SHARD_OK;
    }
}
