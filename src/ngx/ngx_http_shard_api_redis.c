
/*
 * shard_api, the part that Redis answers: one short-lived connection for each
 * request, whichever worker has it.
 *
 *     GET    routers[/NAME] zones[/NAME] events[/ID] override[/ID] policy
 *            forecasts[/ID] node_forecasts[/NAME] migrations[/ID]
 *     PUT    override/ID   {"verb":"pin n3"}          with write=on
 *     DELETE override/ID
 *     POST   migrations    {"shard":42,"to":"n3"}     202 with the id
 *     DELETE migrations/ID                            asks for the roll-back
 *     POST   events        {"start":..,"effect":..}   201 with the id
 *     DELETE events/ID
 *     PUT    policy        {...}                      a commit
 *
 *   request ─▶ body ─▶ prepare ─▶ connect ─▶ ready: send ─▶ reply: render
 *                                             ▲    flow ┘        │ posted
 *                                             └─ next command    │ event
 *                                  closed, answered ◀────────────┘
 */


#include "ngx_http_shard_ask.h"


static const ngx_http_shard_resource_t *ngx_http_shard_ask_find(
    ngx_http_shard_api_t *api, ngx_str_t *what, ngx_str_t *id);
static ngx_int_t ngx_http_shard_ask_unknown(ngx_http_shard_api_t *api,
    ngx_str_t *what, ngx_str_t *id);
static ngx_int_t ngx_http_shard_ask_create(ngx_http_shard_api_t *api,
    const ngx_http_shard_resource_t *res, ngx_str_t *id);
static void ngx_http_shard_ask_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_shard_ask_prepare(ngx_http_shard_ask_t *ask);
static ngx_uint_t ngx_http_shard_ask_tags(ngx_http_shard_ask_t *ask);
static ngx_int_t ngx_http_shard_ask_bad_id(ngx_http_shard_ask_t *ask);
static ngx_int_t ngx_http_shard_ask_body(ngx_http_shard_ask_t *ask);
static void ngx_http_shard_ask_start(ngx_http_shard_ask_t *ask);
static void ngx_http_shard_ask_ready(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_ask_closed(ngx_http_shard_redis_t *redis);
static void ngx_http_shard_ask_reply(ngx_http_shard_redis_t *redis,
    redisReply *reply);
static void ngx_http_shard_ask_done(ngx_event_t *ev);
static void ngx_http_shard_ask_cleanup(void *data);


static const ngx_http_shard_resource_t  ngx_http_shard_resources[] = {

    { "GET", "routers", NGX_HTTP_SHARD_ID_NONE, 0, "routers",
      ngx_http_shard_ask_page, ngx_http_shard_ask_render_page },
    { "GET", "routers", NGX_HTTP_SHARD_ID_NAME, 0, "routers",
      ngx_http_shard_ask_field, ngx_http_shard_ask_render_field },

    { "GET", "zones", NGX_HTTP_SHARD_ID_NONE, 0, "zones",
      ngx_http_shard_ask_page, ngx_http_shard_ask_render_page },
    { "GET", "zones", NGX_HTTP_SHARD_ID_NAME, 0, "zones",
      ngx_http_shard_ask_field, ngx_http_shard_ask_render_field },

    { "GET", "events", NGX_HTTP_SHARD_ID_NONE, 0, "events",
      ngx_http_shard_ask_page, ngx_http_shard_ask_render_page },
    { "POST", "events", NGX_HTTP_SHARD_ID_NONE, 1, "events",
      ngx_http_shard_ask_add_event, ngx_http_shard_ask_render_event },
    { "GET", "events", NGX_HTTP_SHARD_ID_NAME, 0, "events",
      ngx_http_shard_ask_field, ngx_http_shard_ask_render_field },
    { "DELETE", "events", NGX_HTTP_SHARD_ID_NAME, 1, "events",
      ngx_http_shard_ask_delete, ngx_http_shard_ask_render_done },

    { "GET", "override", NGX_HTTP_SHARD_ID_NONE, 0, "override",
      ngx_http_shard_ask_page, ngx_http_shard_ask_render_page },
    { "GET", "override", NGX_HTTP_SHARD_ID_SHARD, 0, "override",
      ngx_http_shard_ask_field, ngx_http_shard_ask_render_field },
    { "PUT", "override", NGX_HTTP_SHARD_ID_SHARD, 1, "override",
      ngx_http_shard_ask_set_override, ngx_http_shard_ask_render_done },
    { "DELETE", "override", NGX_HTTP_SHARD_ID_SHARD, 1, "override",
      ngx_http_shard_ask_delete, ngx_http_shard_ask_render_done },

    { "GET", "policy", NGX_HTTP_SHARD_ID_NONE, 0, "meta",
      ngx_http_shard_ask_policy, ngx_http_shard_ask_render_policy },
    { "PUT", "policy", NGX_HTTP_SHARD_ID_NONE, 1, "meta",
      ngx_http_shard_ask_set_policy, NULL },

    { "GET", "forecasts", NGX_HTTP_SHARD_ID_NONE, 0, "forecast",
      ngx_http_shard_ask_forecasts, ngx_http_shard_ask_render_forecasts },
    { "GET", "forecasts", NGX_HTTP_SHARD_ID_SHARD, 0, "forecast",
      ngx_http_shard_ask_field, ngx_http_shard_ask_render_field },

    { "GET", "node_forecasts", NGX_HTTP_SHARD_ID_NONE, 0, "node_forecast",
      ngx_http_shard_ask_page, ngx_http_shard_ask_render_page },
    { "GET", "node_forecasts", NGX_HTTP_SHARD_ID_NAME, 0, "node_forecast",
      ngx_http_shard_ask_field, ngx_http_shard_ask_render_field },

    { "GET", "migrations", NGX_HTTP_SHARD_ID_NONE, 0, "migrations",
      ngx_http_shard_ask_migrations, ngx_http_shard_ask_render_migrations },
    { "POST", "migrations", NGX_HTTP_SHARD_ID_NONE, 1, "decisions",
      ngx_http_shard_ask_migrate, ngx_http_shard_ask_render_decision },
    { "GET", "migrations", NGX_HTTP_SHARD_ID_MIGRATION, 0, "migration:%",
      ngx_http_shard_ask_fields, ngx_http_shard_ask_render_fields },
    { "DELETE", "migrations", NGX_HTTP_SHARD_ID_MIGRATION, 1, "migration:%",
      ngx_http_shard_ask_roll_back, ngx_http_shard_ask_render_rollback },

    { NULL, NULL, 0, 0, NULL, NULL, NULL }
};


static ngx_uint_t
ngx_http_shard_ask_is(ngx_str_t *text, const char *word)
{
    return text->len == ngx_strlen(word)
           && ngx_strncmp(text->data, word, text->len) == 0;
}


/* NULL, and in api->allow what methods there are */

static const ngx_http_shard_resource_t *
ngx_http_shard_ask_find(ngx_http_shard_api_t *api, ngx_str_t *what,
    ngx_str_t *id)
{
    ngx_str_t                         method;
    const ngx_http_shard_resource_t  *res;

    static u_char  allow[64];

    method = api->request->method_name;

    if (api->request->method == NGX_HTTP_HEAD) {
        ngx_str_set(&method, "GET");
    }

    api->allow.data = allow;
    api->allow.len = 0;

    for (res = ngx_http_shard_resources; res->method; res++) {

        if (!ngx_http_shard_ask_is(what, res->what)
            || (id->len != 0) != (res->id != NGX_HTTP_SHARD_ID_NONE))
        {
            continue;
        }

        if (ngx_http_shard_ask_is(&method, res->method)) {
            api->allow.len = 0;
            return res;
        }

        api->allow.len = ngx_sprintf(allow + api->allow.len, "%s%s%s",
                                     api->allow.len ? ", " : "", res->method,
                                     res->write ? "" : ", HEAD")
                         - allow;
    }

    return NULL;
}


ngx_int_t
ngx_http_shard_api_redis(ngx_http_shard_api_t *api, ngx_str_t *what,
    ngx_str_t *id)
{
    ngx_int_t                         rc;
    ngx_http_request_t               *r;
    ngx_http_shard_loc_conf_t        *slcf;
    const ngx_http_shard_resource_t  *res;

    r = api->request;
    slcf = ngx_http_get_module_loc_conf(r, ngx_http_shard_module);

    res = ngx_http_shard_ask_find(api, what, id);

    if (res == NULL) {
        return ngx_http_shard_ask_unknown(api, what, id);
    }

    if (res->write && !slcf->api_write) {
        return ngx_http_shard_api_error(api, NGX_HTTP_FORBIDDEN, "read_only",
                                        "writes need \"shard_api write=on\"");
    }

    if (r->headers_in.content_length_n > SHARD_POLICY_MAX) {
        return ngx_http_shard_api_error(api,
                                        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                        "too_large", "the body is longer than "
                                        "%d bytes", SHARD_POLICY_MAX);
    }

    if (ngx_http_shard_ask_create(api, res, id) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_shard_ask_body_handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static ngx_int_t
ngx_http_shard_ask_unknown(ngx_http_shard_api_t *api, ngx_str_t *what,
    ngx_str_t *id)
{
    if (api->allow.len) {
        return ngx_http_shard_api_error(api, NGX_HTTP_NOT_ALLOWED,
                                        "method_not_allowed", "%V is not for "
                                        "this, %V are",
                                        &api->request->method_name,
                                        &api->allow);
    }

    if (id->len == 0 && ngx_http_shard_ask_is(what, "policy") == 0) {
        return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                        "no_such_resource", "\"%V\" is none "
                                        "of shards nodes routers zones events "
                                        "override policy forecasts "
                                        "node_forecasts migrations", what);
    }

    return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                    "no_such_resource", "there is no "
                                    "\"%V/%V\"", what, id);
}


static ngx_int_t
ngx_http_shard_ask_create(ngx_http_shard_api_t *api,
    const ngx_http_shard_resource_t *res, ngx_str_t *id)
{
    ngx_http_request_t    *r;
    ngx_http_shard_ask_t  *ask;
    ngx_http_shard_ctx_t  *ctx;

    r = api->request;

    ask = ngx_pcalloc(r->pool, sizeof(ngx_http_shard_ask_t));
    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_shard_ctx_t));

    if (ask == NULL || ctx == NULL) {
        return NGX_ERROR;
    }

    ask->api = *api;
    ask->resource = res;
    ask->id = *id;

    if (res->write && r->headers_in.if_match) {
        ask->if_match = r->headers_in.if_match->value;
        ask->flow = ngx_http_shard_ask_guard;
    }

    ctx->request = r;

    if (ngx_http_shard_wait(ctx) == NULL) {
        return NGX_ERROR;
    }

    ctx->wait->ask = ask;
    ngx_http_set_ctx(r, ctx, ngx_http_shard_module);

    return NGX_OK;
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
        rc = ngx_http_shard_api_send(&ask->api);
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_shard_ask_prepare(ngx_http_shard_ask_t *ask)
{
    ngx_int_t  rc;

    if (ngx_http_shard_ask_bad_id(ask)) {
        return NGX_OK;
    }

    if (ask->if_match.len && !ngx_http_shard_ask_tags(ask)) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_REQUEST,
                                        "bad_if_match", "If-Match is %V, no "
                                        "list of entity tags as \"17\"",
                                        &ask->if_match);
    }

    if (ask->resource->write) {
        rc = ngx_http_shard_ask_body(ask);

        if (rc != NGX_AGAIN) {
            return rc;
        }
    }

    return ask->resource->prepare(ask);
}


static ngx_uint_t
ngx_http_shard_ask_tags(ngx_http_shard_ask_t *ask)
{
    int          rc;
    shard_str_t  list, tag;

    list.data = (const char *) ask->if_match.data;
    list.len = ask->if_match.len;

    do {
        rc = shard_etag_next(&list, &tag);
    } while (rc == SHARD_OK);

    return rc == SHARD_AGAIN;
}


/* 1: refused */

static ngx_int_t
ngx_http_shard_ask_bad_id(ngx_http_shard_ask_t *ask)
{
    uint64_t      migration;
    shard_id_t    number;
    shard_str_t   id;
    const char   *must;

    id.data = (const char *) ask->id.data;
    id.len = ask->id.len;

    switch (ask->resource->id) {

    case NGX_HTTP_SHARD_ID_SHARD:
        must = shard_id_decode(id, &number) == SHARD_OK
               ? NULL : "no shard id, that is a number below 4294967295";
        break;

    case NGX_HTTP_SHARD_ID_MIGRATION:
        must = shard_hex_decode(id, &migration) == SHARD_OK
               ? NULL : "no migration's id, that is 16 lower-case hex digits";
        break;

    case NGX_HTTP_SHARD_ID_NAME:
        must = shard_name_valid(id)
               ? NULL : "no name of 1 to 63 letters, digits, _ . -";
        break;

    default:
        must = NULL;
    }

    if (must == NULL) {
        return 0;
    }

    (void) ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_REQUEST, "bad_id",
                                    "\"%V\" is %s", &ask->id, must);

    return 1;
}


/* the whole body in one piece, wherever nginx put it; NGX_AGAIN: it is */

static ngx_int_t
ngx_http_shard_ask_body(ngx_http_shard_ask_t *ask)
{
    off_t                     size;
    u_char                   *p;
    ngx_buf_t                *b;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    ask->body.data = "";
    rb = ask->api.request->request_body;

    if (rb == NULL || rb->bufs == NULL) {
        return NGX_AGAIN;
    }

    for (cl = rb->bufs, size = 0; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size > SHARD_POLICY_MAX) {
        return ngx_http_shard_api_error(&ask->api,
                                        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                        "too_large", "the body is longer than "
                                        "%d bytes", SHARD_POLICY_MAX);
    }

    p = ngx_pnalloc(ask->api.request->pool, (size_t) size + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ask->body.data = (const char *) p;
    ask->body.len = (size_t) size;

    for (cl = rb->bufs; cl; cl = cl->next) {
        b = cl->buf;
        size = ngx_buf_size(b);

        if (size == 0) {
            continue;
        }

        if (ngx_buf_in_memory(b)) {
            ngx_memcpy(p, b->pos, (size_t) size);

        } else if (ngx_read_file(b->file, p, (size_t) size, b->file_pos)
                   != (ssize_t) size)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p += size;
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


ngx_int_t
ngx_http_shard_ask_send(ngx_http_shard_ask_t *ask)
{
    if (ngx_http_shard_redis_send_argv(&ask->redis, ngx_http_shard_ask_reply,
                                       ask->argc, ask->argv, ask->lens)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_shard_ask_command(ngx_http_shard_ask_t *ask, const char *fmt, ...)
{
    va_list    args;
    ngx_int_t  rc;

    va_start(args, fmt);
    rc = ngx_http_shard_redis_vsend(&ask->redis, ngx_http_shard_ask_reply, 0,
                                    fmt, args);
    va_end(args);

    return rc == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_http_shard_ask_ready(ngx_http_shard_redis_t *redis)
{
    ngx_int_t              rc;
    ngx_http_shard_ask_t  *ask;

    ask = redis->data;

    rc = ask->flow ? ask->flow(ask, NULL) : ngx_http_shard_ask_send(ask);

    if (rc != NGX_AGAIN) {
        ngx_http_shard_ask_closed(redis);
    }
}


static void
ngx_http_shard_ask_closed(ngx_http_shard_redis_t *redis)
{
    ngx_http_shard_ask_t  *ask;

    ask = redis->data;

    if (ask->finishing) {
        return;
    }

    if (!ask->answered) {
        ask->api.b = NULL;
    }

    ask->finishing = 1;
    ngx_post_event(&ask->done, &ngx_posted_events);
}


static void
ngx_http_shard_ask_reply(ngx_http_shard_redis_t *redis, redisReply *reply)
{
    ngx_int_t              rc;
    ngx_http_shard_ask_t  *ask;

    ask = redis->data;

    if (reply == NULL || ask->finishing) {
        return;
    }

    rc = ask->flow ? ask->flow(ask, reply)
                   : ngx_http_shard_ask_render(ask, reply);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc != NGX_OK) {
        ask->api.b = NULL;
    }

    ask->finishing = 1;
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

    ngx_http_set_log_request(c->log, r);

    ngx_http_shard_redis_close(&ask->redis, NULL);

    if (ask->api.b == NULL) {
        rc = ngx_http_shard_api_error(&ask->api, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "redis_unavailable",
                                      "Redis did not answer%s%s",
                                      ask->redis.reason ? ": " : "",
                                      ask->redis.reason ? ask->redis.reason
                                                        : "");
    }

    if (rc == NGX_OK) {
        rc = ngx_http_shard_api_send(&ask->api);
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
