
/*
 * shard_api: Redis' replies as JSON.  What is stored there is not trusted to
 * be JSON: text that is none is given as a string.
 */


#include "ngx_http_shard_ask.h"


static ngx_int_t ngx_http_shard_ask_bad(ngx_http_shard_ask_t *ask,
    redisReply *reply);
static ngx_int_t ngx_http_shard_ask_missing(ngx_http_shard_ask_t *ask);
static ngx_int_t ngx_http_shard_ask_too_big(ngx_http_shard_ask_t *ask);
static ngx_int_t ngx_http_shard_ask_pairs(ngx_http_shard_ask_t *ask,
    redisReply *pairs, ngx_uint_t as_json);
static size_t ngx_http_shard_ask_size(redisReply *list);
static void ngx_http_shard_ask_value(ngx_http_shard_ask_t *ask,
    redisReply *value, ngx_uint_t as_json);
static ngx_uint_t ngx_http_shard_ask_is_page(redisReply *reply);
static ngx_int_t ngx_http_shard_ask_id_answer(ngx_http_shard_ask_t *ask,
    ngx_int_t status);


ngx_int_t
ngx_http_shard_ask_render(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        return ngx_http_shard_ask_refused(ask, reply);
    }

    return ask->resource->render(ask, reply);
}


ngx_int_t
ngx_http_shard_ask_refused(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (ngx_strstr(reply->str, "Function not found")) {
        return ngx_http_shard_api_error(&ask->api,
                                        NGX_HTTP_SERVICE_UNAVAILABLE,
                                        "no_functions", "Redis lacks the "
                                        "function library \"shard\": run "
                                        "\"shardctl status\" once");
    }

    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_GATEWAY,
                                    "redis_refused", "Redis refused the "
                                    "command: %*s", ngx_min(reply->len, 200),
                                    reply->str);
}


/* the first word of a function's answer, which has a second one */

ngx_uint_t
ngx_http_shard_ask_outcome(redisReply *reply, const char *word)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements > 1
           && reply->element[0]->type == REDIS_REPLY_STRING
           && reply->element[1]->type == REDIS_REPLY_STRING
           && ngx_strcmp(reply->element[0]->str, word) == 0;
}


static ngx_int_t
ngx_http_shard_ask_bad(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_GATEWAY,
                                    "redis_refused", "%*s",
                                    ngx_min(reply->element[1]->len, 200),
                                    reply->element[1]->str);
}


static ngx_int_t
ngx_http_shard_ask_missing(ngx_http_shard_ask_t *ask)
{
    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_NOT_FOUND, "not_there",
                                    "Redis has no \"%V\" in %s", &ask->id,
                                    ask->resource->what);
}


static ngx_int_t
ngx_http_shard_ask_too_big(ngx_http_shard_ask_t *ask)
{
    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_GATEWAY, "too_big",
                                    "\"%V\" in %s of Redis is longer than %s "
                                    "bytes", &ask->id, ask->resource->what,
                                    NGX_HTTP_SHARD_ASK_VALUE);
}


static void
ngx_http_shard_ask_value(ngx_http_shard_ask_t *ask, redisReply *value,
    ngx_uint_t as_json)
{
    shard_str_t  text;

    text.data = value->str;
    text.len = value->len;

    if (value->type != REDIS_REPLY_STRING) {
        ngx_http_shard_api_print(&ask->api, "null");

    } else if (as_json && shard_json_is_object(text)) {
        ngx_http_shard_api_print_text(&ask->api, text.data, text.len);

    } else {
        ngx_http_shard_api_quote(&ask->api, text.data, text.len);
    }
}


/* at most: a control character takes six */

static size_t
ngx_http_shard_ask_size(redisReply *list)
{
    size_t  i, size;

    for (i = 0, size = 0; i < list->elements; i++) {
        size += 8;

        if (list->element[i]->type == REDIS_REPLY_STRING) {
            size += 6 * list->element[i]->len;
        }
    }

    return size;
}


static ngx_int_t
ngx_http_shard_ask_pairs(ngx_http_shard_ask_t *ask, redisReply *pairs,
    ngx_uint_t as_json)
{
    size_t  i;

    ngx_http_shard_api_print(&ask->api, "{");

    for (i = 0; i + 1 < pairs->elements; i += 2) {
        if (pairs->element[i]->type != REDIS_REPLY_STRING) {
            return NGX_ERROR;
        }

        ngx_http_shard_api_print(&ask->api, i ? ",\n" : "\n");
        ngx_http_shard_ask_value(ask, pairs->element[i], 0);
        ngx_http_shard_api_print(&ask->api, ":");
        ngx_http_shard_ask_value(ask, pairs->element[i + 1], as_json);
    }

    ngx_http_shard_api_print(&ask->api, "}");

    return NGX_OK;
}


/* [how many, cursor, [field, value, ...]] */

static ngx_uint_t
ngx_http_shard_ask_is_page(redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3
           && reply->element[0]->type == REDIS_REPLY_INTEGER
           && reply->element[2]->type == REDIS_REPLY_ARRAY;
}


ngx_int_t
ngx_http_shard_ask_render_page(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    redisReply  *cursor, *pairs;

    if (!ngx_http_shard_ask_is_page(reply)
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    cursor = reply->element[1];
    pairs = reply->element[2];

    if (ngx_http_shard_api_buf(&ask->api, 256 + 6 * cursor->len
                                          + ngx_http_shard_ask_size(pairs))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(&ask->api, "{\"total\":%L,\"next\":",
                             (int64_t) reply->element[0]->integer);

    if (cursor->len == 1 && cursor->str[0] == '0') {
        ngx_http_shard_api_print(&ask->api, "null");

    } else {
        ngx_http_shard_ask_value(ask, cursor, 0);
    }

    ngx_http_shard_api_print(&ask->api, ",\"%s\":", ask->resource->what);

    if (ngx_http_shard_ask_pairs(ask, pairs, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(&ask->api, "}\n");

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_ask_render_fields(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    redisReply  *pairs;

    if (!ngx_http_shard_ask_is_page(reply)) {
        return NGX_ERROR;
    }

    pairs = reply->element[2];

    if (pairs->elements == 0) {
        return ngx_http_shard_ask_missing(ask);
    }

    if (pairs->elements < 2 * (uint64_t) reply->element[0]->integer) {
        return ngx_http_shard_ask_too_big(ask);
    }

    if (ngx_http_shard_api_buf(&ask->api, 16 + ngx_http_shard_ask_size(pairs))
        != NGX_OK
        || ngx_http_shard_ask_pairs(ask, pairs, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(&ask->api, "\n");

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_ask_render_field(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER) {
        return ngx_http_shard_ask_too_big(ask);
    }

    if (reply->type != REDIS_REPLY_STRING) {
        return ngx_http_shard_ask_missing(ask);
    }

    if (ngx_http_shard_api_buf(&ask->api, 6 * reply->len + 16) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_shard_ask_value(ask, reply, 1);
    ngx_http_shard_api_print(&ask->api, "\n");

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_ask_render_policy(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    u_char     *etag;
    ngx_int_t   rc;

    rc = ngx_http_shard_ask_render_field(ask, reply);

    etag = ngx_pnalloc(ask->api.request->pool, NGX_HTTP_SHARD_ETAG_SIZE);

    if (rc == NGX_OK && etag && ask->api.status == NGX_HTTP_OK) {
        ask->api.etag.data = etag;
        ask->api.etag.len = ngx_http_shard_ask_policy_etag(etag, reply->str,
                                                           reply->len);
    }

    return rc;
}


/* [how many, [id, ...]] */

ngx_int_t
ngx_http_shard_ask_render_migrations(ngx_http_shard_ask_t *ask,
    redisReply *reply)
{
    size_t       i;
    int64_t      total;
    redisReply  *ids;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_INTEGER
        || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return NGX_ERROR;
    }

    total = reply->element[0]->integer;
    ids = reply->element[1];

    if (ngx_http_shard_api_buf(&ask->api, 256 + ngx_http_shard_ask_size(ids))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(&ask->api, "{\"total\":%L,\"from\":%uD,"
                             "\"next\":", total, ask->from);

    if (ids->elements && ask->from + (int64_t) ids->elements < total) {
        ngx_http_shard_api_print(&ask->api, "%uz", ask->from + ids->elements);

    } else {
        ngx_http_shard_api_print(&ask->api, "null");
    }

    ngx_http_shard_api_print(&ask->api, ",\"migrations\":[");

    for (i = 0; i < ids->elements; i++) {
        ngx_http_shard_api_print(&ask->api, i ? ",\n" : "\n");
        ngx_http_shard_ask_value(ask, ids->element[i], 0);
    }

    ngx_http_shard_api_print(&ask->api, "]}\n");

    return NGX_OK;
}


/* [how many, ids looked at, [id, forecast, ...]] */

ngx_int_t
ngx_http_shard_ask_render_forecasts(ngx_http_shard_ask_t *ask,
    redisReply *reply)
{
    uint64_t     next;
    redisReply  *pairs;

    if (!ngx_http_shard_ask_is_page(reply)
        || reply->element[1]->type != REDIS_REPLY_INTEGER)
    {
        return NGX_ERROR;
    }

    pairs = reply->element[2];
    next = ask->from + (uint64_t) reply->element[1]->integer;

    if (ngx_http_shard_api_buf(&ask->api, 256 + ngx_http_shard_ask_size(pairs))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(&ask->api, "{\"total\":%L,\"from\":%uD,"
                             "\"next\":",
                             (int64_t) reply->element[0]->integer, ask->from);

    if (reply->element[1]->integer > 0 && next < ask->total) {
        ngx_http_shard_api_print(&ask->api, "%uL", next);

    } else {
        ngx_http_shard_api_print(&ask->api, "null");
    }

    ngx_http_shard_api_print(&ask->api, ",\"forecasts\":");

    if (ngx_http_shard_ask_pairs(ask, pairs, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(&ask->api, "}\n");

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_ask_id_answer(ngx_http_shard_ask_t *ask, ngx_int_t status)
{
    if (ngx_http_shard_api_buf(&ask->api, 128) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(&ask->api, "{\"id\":\"%V\"}\n", &ask->id);
    ask->api.status = status;

    return NGX_OK;
}


/* HSET says how many are new, HDEL how many there were */

ngx_int_t
ngx_http_shard_ask_render_done(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER) {
        return NGX_ERROR;
    }

    if (reply->integer == 0
        && ask->api.request->method == NGX_HTTP_DELETE)
    {
        return ngx_http_shard_ask_missing(ask);
    }

    return ngx_http_shard_ask_id_answer(ask, NGX_HTTP_OK);
}


ngx_int_t
ngx_http_shard_ask_render_wish(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    const char  *verdict, *phase;

    if (ngx_http_shard_ask_outcome(reply, "bad")) {
        return ngx_http_shard_ask_bad(ask, reply);
    }

    if (!ngx_http_shard_ask_outcome(reply, "ok") || reply->elements != 3
        || reply->element[2]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    verdict = reply->element[1]->str;
    phase = reply->element[2]->str;

    if (ngx_strcmp(verdict, "none") == 0) {
        return ngx_http_shard_ask_missing(ask);
    }

    if (ngx_strcmp(verdict, "idle") == 0) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT,
                                        "not_paused", "migration %V does not "
                                        "pause", &ask->id);
    }

    if (ngx_strcmp(verdict, "wished") != 0) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT,
                                        "too_late", "migration %V is in phase "
                                        "\"%*s\": only one before its commit "
                                        "can pause or roll back, a move back "
                                        "is a migration of its own", &ask->id,
                                        ngx_min(reply->element[2]->len, 32),
                                        phase);
    }

    return ngx_http_shard_ask_id_answer(ask, NGX_HTTP_OK);
}


ngx_int_t
ngx_http_shard_ask_render_event(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER) {
        return NGX_ERROR;
    }

    if (reply->integer == 0) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT, "exists",
                                        "there is an event \"%V\", delete it "
                                        "first", &ask->id);
    }

    return ngx_http_shard_ask_id_answer(ask, NGX_HTTP_CREATED);
}


ngx_int_t
ngx_http_shard_ask_render_decision(ngx_http_shard_ask_t *ask,
    redisReply *reply)
{
    if (ngx_http_shard_ask_outcome(reply, "bad")) {
        return ngx_http_shard_ask_bad(ask, reply);
    }

    if (!ngx_http_shard_ask_outcome(reply, "ok")) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT,
                                        "already_decided", "this move is "
                                        "decided or under way: %V", &ask->id);
    }

    return ngx_http_shard_ask_id_answer(ask, NGX_HTTP_ACCEPTED);
}
