
/*
 * shard_api, the part that Redis answers: one short-lived connection for each
 * request, whichever worker has it (_connect).
 *
 *     GET    routers[/NAME] zones[/NAME] events[/ID] override[/ID] policy
 *            forecasts[/ID] node_forecasts[/NAME] migrations[/ID]
 *            recommendations[/ID] decisions/ID
 *     PUT    override/ID   {"verb":"pin n3"}          with write=on
 *     DELETE override/ID
 *     POST   migrations    {"shard":42,"to":"n3"}     202 with the id
 *     PUT    migrations/ID {"wish":"pause"}           or resume, rollback
 *     DELETE migrations/ID                            asks for the roll-back
 *     POST   events        {"start":..,"effect":..}   201 with the id
 *     DELETE events/ID
 *     PUT    policy        {...}                      a commit
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

    { "GET", "recommendations", NGX_HTTP_SHARD_ID_NONE, 0, "recommendations",
      ngx_http_shard_ask_page, ngx_http_shard_ask_render_page },
    { "GET", "recommendations", NGX_HTTP_SHARD_ID_MIGRATION, 0,
      "recommendations",
      ngx_http_shard_ask_field, ngx_http_shard_ask_render_field },
    { "GET", "decisions", NGX_HTTP_SHARD_ID_MIGRATION, 0, "decision:%",
      ngx_http_shard_ask_fields, ngx_http_shard_ask_render_fields },

    { "GET", "migrations", NGX_HTTP_SHARD_ID_NONE, 0, "migrations",
      ngx_http_shard_ask_migrations, ngx_http_shard_ask_render_migrations },
    { "POST", "migrations", NGX_HTTP_SHARD_ID_NONE, 1, "decisions",
      ngx_http_shard_ask_migrate, ngx_http_shard_ask_render_decision },
    { "GET", "migrations", NGX_HTTP_SHARD_ID_MIGRATION, 0, "migration:%",
      ngx_http_shard_ask_fields, ngx_http_shard_ask_render_fields },
    { "PUT", "migrations", NGX_HTTP_SHARD_ID_MIGRATION, 1, "migration:%",
      ngx_http_shard_ask_wish, ngx_http_shard_ask_render_wish },
    { "DELETE", "migrations", NGX_HTTP_SHARD_ID_MIGRATION, 1, "migration:%",
      ngx_http_shard_ask_roll_back, ngx_http_shard_ask_render_wish },

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
                                        "node_forecasts migrations "
                                        "recommendations", what);
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
