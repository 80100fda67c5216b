
/*
 * shard_api, the part that Redis answers: one short-lived connection for each
 * request, whichever worker has it.
 *
 *     GET    routers zones events policy forecasts/ID migrations[/ID]
 *     PUT    override/ID   {"verb":"pin n3"}          with write=on
 *     DELETE override/ID
 *     POST   migrations    {"shard":42,"to":"n3"}     202 with the id
 *     DELETE migrations/ID                            asks for the roll-back
 *
 *   request ─▶ command ─▶ connect ─▶ ready: send ─▶ reply: render
 *                                                        │ posted event
 *                                  closed, answered ◀────┘
 */


#include "ngx_http_shard_ask.h"


static ngx_int_t ngx_http_shard_ask_prepare(ngx_http_shard_ask_t *ask);
static void ngx_http_shard_ask_body_handler(ngx_http_request_t *r);
static void ngx_http_shard_ask_start(ngx_http_shard_ask_t *ask);
static void ngx_http_shard_ask_ready(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_ask_closed(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_ask_reply(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_ask_done(ngx_event_t *ev);
static void ngx_http_shard_ask_cleanup(void *data);


static const char  ngx_http_shard_wish_script[] =
    "local phase = redis.call('HGET', KEYS[1], 'phase') "
    "if not phase then return 0 end "
    "if phase == 'release' or phase == 'standby' or phase == 'done' "
    "or phase == 'rolled-back' then return 2 end "
    "redis.call('HSET', KEYS[1], 'wish', 'rollback') return 1";


static const ngx_http_shard_resource_t  ngx_http_shard_resources[] = {
    { "GET", "routers", 0, 0, NGX_HTTP_SHARD_ASK_HASH, "HGETALL", "routers" },
    { "GET", "zones", 0, 0, NGX_HTTP_SHARD_ASK_HASH, "HGETALL", "zones" },
    { "GET", "events", 0, 0, NGX_HTTP_SHARD_ASK_HASH, "HGETALL", "events" },
    { "GET", "policy", 0, 0, NGX_HTTP_SHARD_ASK_JSON, "HGET", "meta" },
    { "GET", "forecasts", 1, 0, NGX_HTTP_SHARD_ASK_JSON, "HGET", "forecast" },
    { "GET", "migrations", 0, 0, NGX_HTTP_SHARD_ASK_LIST, "ZREVRANGE",
      "migrations" },
    { "GET", "migrations", 1, 0, NGX_HTTP_SHARD_ASK_FIELDS, "HGETALL",
      "migration:%" },
    { "PUT", "override", 1, 1, NGX_HTTP_SHARD_ASK_DONE, "HSET", "override" },
    { "DELETE", "override", 1, 1, NGX_HTTP_SHARD_ASK_DONE, "HDEL",
      "override" },
    { "POST", "migrations", 0, 1, NGX_HTTP_SHARD_ASK_DECISION, "FCALL", "" },
    { "DELETE", "migrations", 1, 1, NGX_HTTP_SHARD_ASK_DONE, "EVAL",
      "migration:%" },
    { NULL, NULL, 0, 0, 0, NULL, NULL }
};


static ngx_uint_t
ngx_http_shard_ask_is(ngx_str_t *text, const char *word)
{
    return text->len == ngx_strlen(word)
           && ngx_strncmp(text->data, word, text->len) == 0;
}


ngx_int_t
ngx_http_shard_api_redis(ngx_http_shard_api_t *api, ngx_str_t *what,
    ngx_str_t *id)
{
    ngx_int_t                         rc;
    ngx_str_t                         method;
    ngx_uint_t                        known;
    ngx_http_request_t               *r;
    ngx_http_shard_ask_t             *ask;
    ngx_http_shard_ctx_t             *ctx;
    ngx_http_shard_loc_conf_t        *slcf;
    const ngx_http_shard_resource_t  *res;

    r = api->request;
    known = 0;
    method = r->method_name;

    if (r->method == NGX_HTTP_HEAD) {
        ngx_str_set(&method, "GET");
    }

    for (res = ngx_http_shard_resources; res->method; res++) {
        if (ngx_http_shard_ask_is(what, res->what)
            && (id->len != 0) == res->has_id)
        {
            known = 1;

            if (ngx_http_shard_ask_is(&method, res->method)) {
                break;
            }
        }
    }

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_shard_module);

    if (res->method && res->write && !slcf->api_write) {
        return ngx_http_shard_api_error(api, NGX_HTTP_FORBIDDEN, "read_only",
                                        "writes need \\\"shard_api "
                                        "write=on\\\"");
    }

    if (res->method == NULL && (known || !ngx_http_shard_read_only(r))) {
        return ngx_http_shard_api_error(api, NGX_HTTP_NOT_ALLOWED,
                                        "method_not_allowed",
                                        "not with this method here");
    }

    if (res->method == NULL) {
        return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                        "no_such_resource",
                                        "there are: shards[/ID] nodes routers "
                                        "zones events policy forecasts/ID "
                                        "migrations[/ID] override/ID");
    }

    ask = ngx_pcalloc(r->pool, sizeof(ngx_http_shard_ask_t));
    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_shard_ctx_t));

    if (ask == NULL || ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ask->api = *api;
    ask->resource = res;
    ask->id = *id;

    ctx->request = r;

    if (ngx_http_shard_wait(ctx) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->wait->ask = ask;
    ngx_http_set_ctx(r, ctx, ngx_http_shard_module);

    rc = ngx_http_read_client_request_body(r, ngx_http_shard_ask_body_handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
ngx_http_shard_ask_body_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_shard_ask_t  *ask;

    ask = ngx_http_shard_get_ctx(r)->wait->ask;

    rc = ngx_http_shard_ask_prepare(ask);

    if (rc == NGX_AGAIN) {
        ngx_http_shard_ask_start(ask);
        return;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_shard_api_send(r, ask->api.b, ask->api.status);
    }

    ngx_http_finalize_request(r, rc);
}


/* NGX_AGAIN: the command is ready; NGX_OK: answered without Redis */

static ngx_int_t
ngx_http_shard_ask_prepare(ngx_http_shard_ask_t *ask)
{
    ngx_uint_t   i;
    shard_id_t   number;
    shard_str_t  id;

    id.data = (const char *) ask->id.data;
    id.len = ask->id.len;

    if (ask->resource->shape == NGX_HTTP_SHARD_ASK_DECISION) {
        return ngx_http_shard_ask_migration(ask);
    }

    if (ask->resource->has_id && ask->resource->what[0] != 'm'
        && shard_id_decode(id, &number) != SHARD_OK)
    {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_REQUEST,
                                        "bad_id", "a shard id is a number");
    }

    for (i = 0; ask->resource->what[0] == 'm' && i < id.len; i++) {
        if (!((id.data[i] >= '0' && id.data[i] <= '9')
              || (id.data[i] >= 'a' && id.data[i] <= 'f')) || i == 16)
        {
            return ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_REQUEST,
                                            "bad_id", "a migration's id is 16 "
                                            "hex digits");
        }
    }

    ngx_http_shard_ask_add(ask, ask->resource->command);

    if (ngx_strcmp(ask->resource->command, "EVAL") == 0) {
        ngx_http_shard_ask_add(ask, ngx_http_shard_wish_script);
        ngx_http_shard_ask_add(ask, "1");
    }

    ngx_http_shard_ask_add_key(ask, ask->resource->key, &ask->id);

    if (ask->resource->shape == NGX_HTTP_SHARD_ASK_LIST) {
        ngx_http_shard_ask_add(ask, "0");
        ngx_http_shard_ask_add(ask, "99");

    } else if (ngx_strcmp(ask->resource->what, "policy") == 0) {
        ngx_http_shard_ask_add(ask, "policy");

    } else if (ask->resource->has_id && ask->resource->what[0] != 'm') {
        ngx_http_shard_ask_add(ask, ngx_http_shard_ask_text(ask, &ask->id));
    }

    if (ngx_strcmp(ask->resource->command, "HSET") == 0) {
        return ngx_http_shard_ask_override(ask);
    }

    return NGX_AGAIN;
}


static void
ngx_http_shard_ask_start(ngx_http_shard_ask_t *ask)
{
    ngx_http_cleanup_t          *cln;
    ngx_http_request_t          *r;
    ngx_http_shard_main_conf_t  *smcf;

    r = ask->api.request;
    smcf = ngx_http_get_module_main_conf(r, ngx_http_shard_module);

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    cln->handler = ngx_http_shard_ask_cleanup;
    cln->data = ask;

    ask->redis.conf = &smcf->redis;
    ask->redis.data = ask;
    ask->redis.log = r->connection->log;
    ask->redis.ready = ngx_http_shard_ask_ready;
    ask->redis.closed = ngx_http_shard_ask_closed;

    ask->done.handler = ngx_http_shard_ask_done;
    ask->done.data = ask;
    ask->done.log = r->connection->log;

    if (ngx_http_shard_redis_connect(&ask->redis) != NGX_OK) {
        ngx_http_shard_ask_closed(&ask->redis);
    }
}


static void
ngx_http_shard_ask_ready(ngx_http_shard_redis_t *redis)
{
    ngx_http_shard_ask_t  *ask;

    ask = redis->data;

    (void) ngx_http_shard_redis_send_argv(redis, ngx_http_shard_ask_reply,
                                          ask->argc, ask->argv, ask->lens);
}


static void
ngx_http_shard_ask_closed(ngx_http_shard_redis_t *redis)
{
    ngx_http_shard_ask_t  *ask;

    ask = redis->data;

    if (ask->finishing) {
        return;
    }

    ask->api.b = NULL;
    ngx_post_event(&ask->done, &ngx_posted_events);
}


static void
ngx_http_shard_ask_reply(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    ngx_http_shard_ask_t  *ask;

    ask = redis->data;

    if (reply == NULL) {
        return;
    }

    ask->finishing = 1;

    if (ngx_http_shard_ask_render(ask, reply) != NGX_OK) {
        ask->api.b = NULL;
    }

    ngx_post_event(&ask->done, &ngx_posted_events);
}


/* outside hiredis' callbacks: the connection ends before the request does */

static void
ngx_http_shard_ask_done(ngx_event_t *ev)
{
    ngx_int_t              rc;
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_shard_ask_t  *ask;

    ask = ev->data;
    r = ask->api.request;
    c = r->connection;
    rc = NGX_OK;

    ask->finishing = 1;
    ngx_http_shard_redis_close(&ask->redis, NULL);

    if (ask->api.b == NULL) {
        rc = ngx_http_shard_api_error(&ask->api, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "redis_unavailable",
                                      "Redis did not answer");
    }

    if (rc == NGX_OK) {
        rc = ngx_http_shard_api_send(r, ask->api.b, ask->api.status);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_shard_ask_cleanup(void *data)
{
    ngx_http_shard_ask_t *ask = data;

    ask->finishing = 1;

    if (ask->done.posted) {
        ngx_delete_posted_event(&ask->done);
    }

    ngx_http_shard_redis_close(&ask->redis, NULL);
}
