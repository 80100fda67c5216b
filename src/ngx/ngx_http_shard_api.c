
/*
 * shard_api: what this router knows, as JSON, from shared memory.
 *
 *     GET LOCATION/                             keyspaces
 *     GET LOCATION/KEYSPACE                     version, age, counts
 *     GET LOCATION/KEYSPACE/shards?from=&limit= page of shards by position
 *     GET LOCATION/KEYSPACE/shards/ID
 *     GET LOCATION/KEYSPACE/nodes
 *
 * The rest of the resources live in Redis: _api_redis.
 *
 * Answers are paged, so that none keeps the worker from its requests.
 */


#include "ngx_http_shard_api.h"


#define NGX_HTTP_SHARD_PAGE      100
#define NGX_HTTP_SHARD_PAGE_MAX  1000
#define NGX_HTTP_SHARD_ROW       1024             /* bytes of one JSON row */


static ngx_int_t ngx_http_shard_api_route(ngx_http_shard_api_t *api,
    ngx_str_t *path);
static ngx_int_t ngx_http_shard_api_keyspaces(ngx_http_shard_api_t *api);
static ngx_int_t ngx_http_shard_api_keyspace(ngx_http_shard_api_t *api);
static ngx_int_t ngx_http_shard_api_shards(ngx_http_shard_api_t *api);
static ngx_int_t ngx_http_shard_api_shard(ngx_http_shard_api_t *api,
    ngx_str_t *id);
static ngx_int_t ngx_http_shard_api_nodes(ngx_http_shard_api_t *api);
static void ngx_http_shard_api_print_shard(ngx_http_shard_api_t *api,
    uint32_t i);
static ngx_str_t *ngx_http_shard_api_node_name(ngx_http_shard_api_t *api,
    uint16_t n, ngx_str_t *name);
static ngx_uint_t ngx_http_shard_api_word(ngx_str_t *path, ngx_str_t *word);


static const char  *ngx_http_shard_phases[] = {
    "steady", "shifting", "held"
};


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

    return ngx_http_shard_api_send(r, api.b, api.status);
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


static ngx_int_t
ngx_http_shard_api_route(ngx_http_shard_api_t *api, ngx_str_t *path)
{
    ngx_uint_t                    i;
    ngx_str_t                     name, what, id;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    smcf = ngx_http_get_module_main_conf(api->request, ngx_http_shard_module);
    ks = smcf->keyspaces.elts;

    if (!ngx_http_shard_api_word(path, &name)) {
        return ngx_http_shard_api_keyspaces(api);
    }

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        if (ks[i]->name.len == name.len
            && ngx_strncmp(ks[i]->name.data, name.data, name.len) == 0)
        {
            api->keyspace = ks[i];
            api->arena = &ks[i]->sh->arenas[ks[i]->sh->structure & 1];
        }
    }

    if (api->keyspace == NULL) {
        return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                        "no_such_keyspace", "no shard_table "
                                        "of this name in nginx.conf");
    }

    (void) ngx_http_shard_api_word(path, &what);
    (void) ngx_http_shard_api_word(path, &id);

    if (!ngx_http_shard_read_only(api->request)) {
        return ngx_http_shard_api_redis(api, &what, &id);
    }

    if (what.len == 0) {
        return ngx_http_shard_api_keyspace(api);
    }

    if (what.len == 6 && ngx_strncmp(what.data, "shards", 6) == 0) {
        return id.len ? ngx_http_shard_api_shard(api, &id)
                      : ngx_http_shard_api_shards(api);
    }

    if (what.len == 5 && ngx_strncmp(what.data, "nodes", 5) == 0) {
        return ngx_http_shard_api_nodes(api);
    }

    return ngx_http_shard_api_redis(api, &what, &id);
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


static ngx_int_t
ngx_http_shard_api_keyspace(ngx_http_shard_api_t *api)
{
    uint64_t              now;
    ngx_time_t           *tp;
    ngx_http_shard_sh_t  *sh;

    if (ngx_http_shard_api_buf(api, NGX_HTTP_SHARD_ROW) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    sh = api->keyspace->sh;
    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    ngx_http_shard_api_print(api, "{\"keyspace\":\"%V\",\"kind\":\"hash\","
                             "\"version\":%uL,\"age_ms\":%L,\"connected\":%s,"
                             "\"shards\":%uD,\"nodes\":%ui,"
                             "\"shards_max\":%uD,\"waiting\":%ui,"
                             "\"rejected_updates\":%uA,\"worker\":%P}\n",
                             &api->keyspace->name,
                             (uint64_t) sh->table_version,
                             sh->contact_ms
                             ? (int64_t) (now - sh->contact_ms) : -1,
                             sh->connected ? "true" : "false",
                             api->arena->index.n, api->arena->nnodes,
                             sh->nslots, ngx_http_shard_waiting(api->keyspace),
                             sh->totals.rejected_updates, ngx_pid);

    return NGX_OK;
}


static ngx_str_t *
ngx_http_shard_api_node_name(ngx_http_shard_api_t *api, uint16_t n,
    ngx_str_t *name)
{
    name->len = 0;
    name->data = (u_char *) "";

    if (n < api->arena->nnodes) {
        name->len = api->arena->nodes[n].name_len;
        name->data = api->arena->nodes[n].name;
    }

    return name;
}


static void
ngx_http_shard_api_print_shard(ngx_http_shard_api_t *api, uint32_t i)
{
    uint32_t                    slot;
    ngx_str_t                   name;
    ngx_uint_t                  k;
    shard_index_t              *index;
    shard_route_t               route;
    ngx_http_shard_counters_t  *c;

    index = &api->arena->index;
    slot = shard_index_slot(index, i);
    c = &api->keyspace->sh->counters[slot];

    shard_latch_read(&api->keyspace->sh->latches[slot], &route);

    ngx_http_shard_api_print(api, "{\"id\":%uD,\"lo\":\"%016xL\",",
                             index->entries[i].id, index->entries[i].lo);

    if (i + 1 < index->n) {
        ngx_http_shard_api_print(api, "\"hi\":\"%016xL\",", index->entries[i + 1].lo);

    } else {
        ngx_http_shard_api_print(api, "\"hi\":null,");
    }

    ngx_http_shard_api_print(api, "\"primary\":\"%V\",\"standbys\":[",
                             ngx_http_shard_api_node_name(api, route.primary,
                                                          &name));

    for (k = 0; k < SHARD_STANDBYS_MAX; k++) {
        if (route.standbys[k] != SHARD_NODE_NONE) {
            ngx_http_shard_api_print(api, "%s\"%V\"", k ? "," : "",
                                     ngx_http_shard_api_node_name(api,
                                         route.standbys[k], &name));
        }
    }

    ngx_http_shard_api_print(api, "],\"epoch\":%uD,\"phase\":\"%s\","
                             "\"override\":%s,", route.epoch,
                             ngx_http_shard_phases[ngx_min(route.phase, 2)],
                             (route.flags & SHARD_ROUTE_OVERRIDE) ? "true"
                                                                  : "false");

    if (route.target != SHARD_NODE_NONE) {
        ngx_http_shard_api_print(api, "\"target\":\"%V\",\"shift\":%ud,",
                                 ngx_http_shard_api_node_name(api,
                                     route.target, &name),
                                 (unsigned) route.shift_bp);
    }

    ngx_http_shard_api_print(api, "\"inflight\":%uD,\"offered\":%uD}",
                             ngx_http_shard_inflight(api->keyspace, slot),
                             c->offered);
}


static ngx_int_t
ngx_http_shard_api_shards(ngx_http_shard_api_t *api)
{
    uint32_t    i, n;
    ngx_int_t   from, limit;
    ngx_str_t   value;

    from = 0;
    limit = NGX_HTTP_SHARD_PAGE;

    if (ngx_http_arg(api->request, (u_char *) "from", 4, &value) == NGX_OK) {
        from = ngx_atoi(value.data, value.len);
    }

    if (ngx_http_arg(api->request, (u_char *) "limit", 5, &value) == NGX_OK) {
        limit = ngx_atoi(value.data, value.len);
    }

    if (from == NGX_ERROR || limit == NGX_ERROR || limit == 0
        || limit > NGX_HTTP_SHARD_PAGE_MAX)
    {
        return ngx_http_shard_api_error(api, NGX_HTTP_BAD_REQUEST, "bad_page",
                                        "from is a number of a shard in order "
                                        "of position, limit 1 to 1000");
    }

    n = api->arena->index.n;

    if (ngx_http_shard_api_buf(api, NGX_HTTP_SHARD_ROW * (limit + 1))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_api_print(api, "{\"version\":%uL,\"total\":%uD,"
                             "\"from\":%i,\"shards\":[",
                             (uint64_t) api->keyspace->sh->table_version, n,
                             from);

    for (i = (uint32_t) from; i < n && i < (uint32_t) (from + limit); i++) {
        ngx_http_shard_api_print(api, i == (uint32_t) from ? "\n" : ",\n");
        ngx_http_shard_api_print_shard(api, i);
    }

    ngx_http_shard_api_print(api, "]}\n");

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_api_shard(ngx_http_shard_api_t *api, ngx_str_t *id)
{
    uint32_t     i;
    shard_id_t   number;
    shard_str_t  text;

    text.data = (const char *) id->data;
    text.len = id->len;

    if (shard_id_decode(text, &number) != SHARD_OK) {
        return ngx_http_shard_api_error(api, NGX_HTTP_BAD_REQUEST, "bad_id",
                                        "a shard id is a number");
    }

    i = shard_index_by_id(&api->arena->index, number);

    if (i == SHARD_SLOT_NONE) {
        return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                        "no_such_shard",
                                        "the table has no shard of this id");
    }

    if (ngx_http_shard_api_buf(api, NGX_HTTP_SHARD_ROW) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_api_print_shard(api, i);
    ngx_http_shard_api_print(api, "\n");

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_api_nodes(ngx_http_shard_api_t *api)
{
    ngx_str_t               name, zone, addr;
    ngx_uint_t              i, n;
    const char             *comma;
    ngx_http_shard_node_t  *node;

    n = api->arena->nnodes;
    comma = "";

    if (ngx_http_shard_api_buf(api, (n + 1) * 512) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_api_print(api, "{\"nodes\":[");

    for (i = 0; i < n; i++) {
        node = &api->arena->nodes[i];

        if (node->name_len == 0) {
            continue;
        }

        name.data = node->name;
        name.len = node->name_len;
        zone.data = node->zone;
        zone.len = node->zone_len;
        addr.data = node->addr;
        addr.len = node->addr_len;

        ngx_http_shard_api_print(api, "%s\n{\"name\":\"%V\",\"zone\":\"%V\","
                                 "\"addr\":\"%V\",\"capacity\":%.1f,"
                                 "\"state\":\"%s\",\"health\":\"%s\","
                                 "\"inflight\":%uD,\"failed\":%uD}", comma,
                                 &name, &zone, &addr, node->capacity,
                                 shard_node_state_name(node->state),
                                 ngx_http_shard_node_seen(api->keyspace, i),
                                 ngx_http_shard_node_inflight(api->keyspace, i),
                                 api->keyspace->sh->node_failed[i]);
        comma = ",";
    }

    ngx_http_shard_api_print(api, "]}\n");

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_api_error(ngx_http_shard_api_t *api, ngx_int_t status,
    const char *code, const char *message)
{
    if (ngx_http_shard_api_buf(api, 512) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_api_print(api, "{\"error\":{\"code\":\"%s\","
                             "\"message\":\"%s\"}}\n", code, message);

    api->status = status;

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_api_send(ngx_http_request_t *r, ngx_buf_t *b, ngx_int_t status)
{
    ngx_int_t    rc;
    ngx_chain_t  out;

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

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
