
/*
 * shard_api: Redis' replies as JSON.  What is stored there is not trusted to
 * be JSON: text that does not parse is given as a string.
 */


#include "ngx_http_shard_ask.h"

#define JSMN_STATIC
#define JSMN_STRICT
#include <jsmn.h>


static ngx_int_t ngx_http_shard_ask_pairs(ngx_http_shard_ask_t *ask,
    redisReply *reply);
static ngx_int_t ngx_http_shard_ask_list(ngx_http_shard_ask_t *ask,
    redisReply *reply);
static void ngx_http_shard_ask_quoted(ngx_http_shard_ask_t *ask,
    redisReply *text);
static ngx_uint_t ngx_http_shard_ask_is_json(redisReply *text);


ngx_int_t
ngx_http_shard_ask_render(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    ngx_http_shard_api_t  *api;

    api = &ask->api;

    if (reply->type == REDIS_REPLY_ERROR) {
        return ngx_http_shard_api_error(api, NGX_HTTP_BAD_GATEWAY,
                                        "redis_refused",
                                        "Redis refused the command");
    }

    switch (ask->resource->shape) {

    case NGX_HTTP_SHARD_ASK_HASH:
    case NGX_HTTP_SHARD_ASK_FIELDS:
        return ngx_http_shard_ask_pairs(ask, reply);

    case NGX_HTTP_SHARD_ASK_LIST:
        return ngx_http_shard_ask_list(ask, reply);

    case NGX_HTTP_SHARD_ASK_JSON:
        if (!ngx_http_shard_ask_is_json(reply)) {
            return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                            "not_there", "Redis has none");
        }

        if (ngx_http_shard_api_buf(api, reply->len + 2) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_shard_api_print(api, "%*s\n", (size_t) reply->len,
                                 reply->str);
        return NGX_OK;

    case NGX_HTTP_SHARD_ASK_DECISION:
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0
            || reply->element[0]->type != REDIS_REPLY_STRING
            || ngx_strcmp(reply->element[0]->str, "ok") != 0)
        {
            return ngx_http_shard_api_error(api, NGX_HTTP_CONFLICT,
                                            "already_decided", "this move is "
                                            "decided or under way");
        }

        api->status = NGX_HTTP_ACCEPTED;
        break;

    default: /* NGX_HTTP_SHARD_ASK_DONE */
        if (reply->type != REDIS_REPLY_INTEGER
            || (reply->integer == 0
                && ngx_strcmp(ask->resource->command, "HSET") != 0))
        {
            return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                            "not_there", "there is none");
        }

        if (reply->integer == 2) {
            return ngx_http_shard_api_error(api, NGX_HTTP_CONFLICT, "too_late",
                                            "it has ended or committed: a move "
                                            "back is a migration of its own");
        }
    }

    if (ngx_http_shard_api_buf(api, 128) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(api, "{\"id\":\"%V\"}\n", &ask->id);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_shard_ask_is_json(redisReply *text)
{
    jsmn_parser  parser;

    if (text->type != REDIS_REPLY_STRING || text->len < 2
        || text->str[0] != '{')
    {
        return 0;
    }

    jsmn_init(&parser);

    return jsmn_parse(&parser, text->str, text->len, NULL, 0) > 0;
}


static void
ngx_http_shard_ask_quoted(ngx_http_shard_ask_t *ask, redisReply *text)
{
    size_t  i;
    u_char  c;

    ngx_http_shard_api_print(&ask->api, "\"");

    for (i = 0; i < (size_t) text->len; i++) {
        c = (u_char) text->str[i];

        if (c == '"' || c == '\\') {
            ngx_http_shard_api_print(&ask->api, "\\%c", c);

        } else if (c >= ' ') {
            ngx_http_shard_api_print(&ask->api, "%c", c);
        }
    }

    ngx_http_shard_api_print(&ask->api, "\"");
}


static ngx_int_t
ngx_http_shard_ask_pairs(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    size_t       i, size;
    redisReply  *field, *value;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return NGX_ERROR;
    }

    if (reply->elements == 0
        && ask->resource->shape == NGX_HTTP_SHARD_ASK_FIELDS)
    {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_NOT_FOUND,
                                        "not_there", "there is none");
    }

    for (i = 0, size = 16; i < reply->elements; i++) {
        size += 2 * (size_t) reply->element[i]->len + 8;
    }

    if (ngx_http_shard_api_buf(&ask->api, size) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(&ask->api, "{");

    for (i = 0; i + 1 < reply->elements; i += 2) {
        field = reply->element[i];
        value = reply->element[i + 1];

        ngx_http_shard_api_print(&ask->api, i ? ",\n" : "\n");
        ngx_http_shard_ask_quoted(ask, field);
        ngx_http_shard_api_print(&ask->api, ":");

        if (ngx_http_shard_ask_is_json(value)) {
            ngx_http_shard_api_print(&ask->api, "%*s", (size_t) value->len,
                                     value->str);

        } else {
            ngx_http_shard_ask_quoted(ask, value);
        }
    }

    ngx_http_shard_api_print(&ask->api, "}\n");

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_ask_list(ngx_http_shard_ask_t *ask, redisReply *reply)
{
    size_t  i;

    if (reply->type != REDIS_REPLY_ARRAY
        || ngx_http_shard_api_buf(&ask->api, 64 + reply->elements * 64)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_shard_api_print(&ask->api, "{\"migrations\":[");

    for (i = 0; i < reply->elements; i++) {
        ngx_http_shard_api_print(&ask->api, i ? "," : "");
        ngx_http_shard_ask_quoted(ask, reply->element[i]);
    }

    ngx_http_shard_api_print(&ask->api, "]}\n");

    return NGX_OK;
}
