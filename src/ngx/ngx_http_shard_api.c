
/*
 * shard_api: paths, pages, answers.
 *
 *     GET LOCATION/                             keyspaces
 *     GET LOCATION/KEYSPACE                     version, age, counts
 *     GET LOCATION/KEYSPACE/shards?from=&limit= page of shards by position
 *     GET LOCATION/KEYSPACE/shards/ID
 *     GET LOCATION/KEYSPACE/nodes[/NAME]
 *
 * The rest of the resources live in Redis: _api_redis.
 */


#include "ngx_http_shard_api.h"
#include "../core/shard_wish.h"


static ngx_int_t ngx_http_shard_api_route(ngx_http_shard_api_t *api,
    ngx_str_t *path);
static ngx_int_t ngx_http_shard_api_resource(ngx_http_shard_api_t *api,
    ngx_str_t *path);
static ngx_int_t ngx_http_shard_api_read_only(ngx_http_shard_api_t *api);
static ngx_int_t ngx_http_shard_api_keyspaces(ngx_http_shard_api_t *api);
static ngx_uint_t ngx_http_shard_api_word(ngx_str_t *path, ngx_str_t *word);
static ngx_uint_t ngx_http_shard_api_is(ngx_str_t *text, const char *word);
static ngx_int_t ngx_http_shard_api_number(ngx_http_shard_api_t *api,
    const char *name, uint32_t min, uint32_t max, uint32_t *number);
static ngx_uint_t ngx_http_shard_api_matches(ngx_http_shard_api_t *api);
static ngx_int_t ngx_http_shard_api_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value, ngx_table_elt_t **header);


ngx_int_t
ngx_http_shard_api_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_str_t                  path;
    ngx_http_shard_api_t       api;
    ngx_http_core_loc_conf_t  *clcf;

    ngx_memzero(&api, sizeof(api));
    api.request = r;
    api.status = NGX_HTTP_OK;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    path = r->uri;

    if (path.len >= clcf->name.len) {
        path.data += clcf->name.len;
        path.len -= clcf->name.len;
    }

    rc = ngx_http_shard_api_route(&api, &path);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_shard_api_send(&api);
}


/* the next word between slashes; 0 when there is none */

static ngx_uint_t
ngx_http_shard_api_word(ngx_str_t *path, ngx_str_t *word)
{
    while (path->len && *path->data == '/') {
        path->data++;
        path->len--;
    }

    word->data = path->data;
    word->len = 0;

    while (path->len && *path->data != '/') {
        path->data++;
        path->len--;
        word->len++;
    }

    return word->len != 0;
}


static ngx_uint_t
ngx_http_shard_api_is(ngx_str_t *text, const char *word)
{
    return text->len == ngx_strlen(word)
           && ngx_strncmp(text->data, word, text->len) == 0;
}


static ngx_int_t
ngx_http_shard_api_route(ngx_http_shard_api_t *api, ngx_str_t *path)
{
    ngx_uint_t                    i;
    ngx_str_t                     name;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    smcf = ngx_http_get_module_main_conf(api->request, ngx_http_shard_module);
    ks = smcf->keyspaces.elts;

    if (!ngx_http_shard_api_word(path, &name)) {
        return ngx_http_shard_read_only(api->request)
               ? ngx_http_shard_api_keyspaces(api)
               : ngx_http_shard_api_read_only(api);
    }

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        if (ks[i]->name.len == name.len
            && ngx_strncmp(ks[i]->name.data, name.data, name.len) == 0)
        {
            api->keyspace = ks[i];
            return ngx_http_shard_api_resource(api, path);
        }
    }

    return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                    "no_such_keyspace", "there is no "
                                    "\"shard_table %V\" in nginx.conf", &name);
}


static ngx_int_t
ngx_http_shard_api_resource(ngx_http_shard_api_t *api, ngx_str_t *path)
{
    ngx_str_t   what, id, more;
    ngx_uint_t  read;

    (void) ngx_http_shard_api_word(path, &what);
    (void) ngx_http_shard_api_word(path, &id);

    if (ngx_http_shard_api_word(path, &more)) {
        return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                        "no_such_resource", "nothing is below "
                                        "%V/%V", &what, &id);
    }

    read = ngx_http_shard_read_only(api->request);

    if (what.len == 0) {
        return read ? ngx_http_shard_api_keyspace(api)
                    : ngx_http_shard_api_read_only(api);
    }

    if (ngx_http_shard_api_is(&what, "shards")) {
        return !read ? ngx_http_shard_api_read_only(api)
               : id.len ? ngx_http_shard_api_shard(api, &id)
                        : ngx_http_shard_api_shards(api);
    }

    if (ngx_http_shard_api_is(&what, "nodes")) {
        return !read ? ngx_http_shard_api_read_only(api)
               : id.len ? ngx_http_shard_api_node(api, &id)
                        : ngx_http_shard_api_nodes(api);
    }

    return ngx_http_shard_api_redis(api, &what, &id);
}


static ngx_int_t
ngx_http_shard_api_read_only(ngx_http_shard_api_t *api)
{
    ngx_str_set(&api->allow, "GET, HEAD");

    return ngx_http_shard_api_error(api, NGX_HTTP_NOT_ALLOWED,
                                    "method_not_allowed", "%V is not for this, "
                                    "%V are", &api->request->method_name,
                                    &api->allow);
}


ngx_int_t
ngx_http_shard_api_buf(ngx_http_shard_api_t *api, size_t size)
{
    api->b = ngx_create_temp_buf(api->request->pool, size);

    return api->b ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


void
ngx_http_shard_api_print(ngx_http_shard_api_t *api, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    api->b->last = ngx_vslprintf(api->b->last, api->b->end, fmt, args);
    va_end(args);
}


void
ngx_http_shard_api_print_text(ngx_http_shard_api_t *api, const void *data,
    size_t len)
{
    len = ngx_min(len, (size_t) (api->b->end - api->b->last));
    api->b->last = ngx_cpymem(api->b->last, data, len);
}


void
ngx_http_shard_api_quote(ngx_http_shard_api_t *api, const void *data,
    size_t len)
{
    char         *last;
    shard_str_t   text;

    text.data = data;
    text.len = len;

    last = shard_json_quote((char *) api->b->last, (char *) api->b->end, text);

    if (last) {
        api->b->last = (u_char *) last;
    }
}


static ngx_int_t
ngx_http_shard_api_keyspaces(ngx_http_shard_api_t *api)
{
    ngx_uint_t                    i;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    smcf = ngx_http_get_module_main_conf(api->request, ngx_http_shard_module);
    ks = smcf->keyspaces.elts;

    if (ngx_http_shard_api_buf(api, 256 + smcf->keyspaces.nelts * 80)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_api_print(api, "{\"router\":\"%V\",\"keyspaces\":[",
                             &smcf->router);

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        ngx_http_shard_api_print(api, "%s\"%V\"", i ? "," : "", &ks[i]->name);
    }

    ngx_http_shard_api_print(api, "]}\n");

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_api_page(ngx_http_shard_api_t *api, uint32_t *from,
    uint32_t *limit, uint32_t max)
{
    *from = 0;
    *limit = NGX_HTTP_SHARD_PAGE;

    if (ngx_http_shard_api_number(api, "from", 0, 0x7fffffff, from) != NGX_OK
        || ngx_http_shard_api_number(api, "limit", 1, max, limit) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_api_number(ngx_http_shard_api_t *api, const char *name,
    uint32_t min, uint32_t max, uint32_t *number)
{
    ngx_int_t  n;
    ngx_str_t  value;

    if (ngx_http_arg(api->request, (u_char *) name, ngx_strlen(name), &value)
        != NGX_OK)
    {
        return NGX_OK;
    }

    n = ngx_atoi(value.data, value.len);

    if (n < (ngx_int_t) min || n > (ngx_int_t) max) {
        (void) ngx_http_shard_api_error(api, NGX_HTTP_BAD_REQUEST, "bad_page",
                                        "\"%s\" is %V, it must be a number "
                                        "from %uD to %uD", name, &value, min,
                                        max);
        return NGX_DECLINED;
    }

    *number = (uint32_t) n;

    return NGX_OK;
}


void
ngx_http_shard_api_table_etag(ngx_http_shard_api_t *api)
{
    uint64_t              overrides;
    ngx_http_shard_sh_t  *sh;

    sh = api->keyspace->sh;

    api->etag.data = ngx_pnalloc(api->request->pool, NGX_HTTP_SHARD_ETAG_SIZE);

    if (api->etag.data == NULL) {
        return;
    }

    /* overrides change what is served, not the version */

    overrides = sh->overrides;

    api->etag.len = (overrides
                     ? ngx_sprintf(api->etag.data, "\"%uL-%xL\"",
                                   (uint64_t) sh->table_version, overrides)
                     : ngx_sprintf(api->etag.data, "\"%uL\"",
                                   (uint64_t) sh->table_version))
                    - api->etag.data;
}


ngx_int_t
ngx_http_shard_api_error(ngx_http_shard_api_t *api, ngx_int_t status,
    const char *code, const char *fmt, ...)
{
    u_char   text[512], *last;
    va_list  args;

    va_start(args, fmt);
    last = ngx_vslprintf(text, text + sizeof(text), fmt, args);
    va_end(args);

    if (ngx_http_shard_api_buf(api, 128 + 6 * sizeof(text)) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_api_print(api, "{\"error\":{\"code\":\"%s\",\"message\":",
                             code);
    ngx_http_shard_api_quote(api, text, last - text);
    ngx_http_shard_api_print(api, "}}\n");

    api->status = status;
    api->etag.len = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_api_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value, ngx_table_elt_t **header)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    if (header) {
        *header = h;
    }

    return NGX_OK;
}


/* reads with an entity tag become 304 in nginx's own filter */

/* 1: If-Match names the tag of what was read */

static ngx_uint_t
ngx_http_shard_api_matches(ngx_http_shard_api_t *api)
{
    shard_str_t  list, tag;

    list.data = (const char *) api->request->headers_in.if_match->value.data;
    list.len = api->request->headers_in.if_match->value.len;

    while (shard_etag_next(&list, &tag) == SHARD_OK) {

        if (tag.len == 1 && tag.data[0] == '*') {
            return 1;
        }

        if (api->etag.len == tag.len + 2
            && ngx_memcmp(api->etag.data + 1, tag.data, tag.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_shard_api_send(ngx_http_shard_api_t *api)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = api->request;

    if (api->status == NGX_HTTP_OK && ngx_http_shard_read_only(r)
        && r->headers_in.if_match && !ngx_http_shard_api_matches(api))
    {
        rc = ngx_http_shard_api_error(api, NGX_HTTP_PRECONDITION_FAILED,
                                      "moved_on", "If-Match is %V, the entity "
                                      "tag is %V",
                                      &r->headers_in.if_match->value,
                                      &api->etag);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    /* what is left to nginx ends as 304, its 412 would close the connection */

    r->headers_in.if_match = NULL;
    r->headers_in.if_unmodified_since = NULL;

    b = api->b;

    r->headers_out.status = api->status;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    /* what If-Match asks of a write was seen to before it was carried out */

    r->disable_not_modified = !ngx_http_shard_read_only(r);

    if (api->etag.len
        && ngx_http_shard_api_header(r, "ETag", &api->etag,
                                     &r->headers_out.etag)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (api->allow.len
        && ngx_http_shard_api_header(r, "Allow", &api->allow, NULL) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->last_buf = r == r->main;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
