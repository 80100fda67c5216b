
/*
 * shard_api: what this router knows, from shared memory.
 */


#include "ngx_http_shard_api.h"


#define NGX_HTTP_SHARD_ROW_TRIES  100            /* boundaries changed amid it */


static ngx_int_t ngx_http_shard_api_row(ngx_http_shard_api_t *api,
    uint32_t i, const char *before, shard_tally_t *tally);
static void ngx_http_shard_api_print_shard(ngx_http_shard_api_t *api,
    ngx_http_shard_view_t *view, uint32_t i, shard_tally_t *tally);
static void ngx_http_shard_api_print_bound(ngx_http_shard_api_t *api,
    ngx_http_shard_view_t *view, uint32_t i, const char *name);
static void ngx_http_shard_api_print_route(ngx_http_shard_api_t *api,
    ngx_http_shard_view_t *view, shard_route_t *route);
static ngx_int_t ngx_http_shard_api_node_row(ngx_http_shard_api_t *api,
    ngx_uint_t i, const char *before);
static ngx_int_t ngx_http_shard_api_busy(ngx_http_shard_api_t *api);


static const char  *ngx_http_shard_phases[] = {
    "steady", "shifting", "held"
};


ngx_int_t
ngx_http_shard_api_keyspace(ngx_http_shard_api_t *api)
{
    uint64_t                now;
    ngx_time_t             *tp;
    ngx_http_shard_sh_t    *sh;
    ngx_http_shard_view_t   view;

    if (ngx_http_shard_api_buf(api, NGX_HTTP_SHARD_ROW) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_view_open(&view, api->keyspace);

    sh = api->keyspace->sh;
    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    ngx_http_shard_api_print(api, "{\"keyspace\":\"%V\",\"kind\":\"%s\","
                             "\"version\":%uL,\"age_ms\":%L,\"connected\":%s,"
                             "\"shards\":%uD,\"nodes\":%uD,"
                             "\"shards_max\":%uD,\"waiting\":%ui,"
                             "\"rejected_updates\":%uA,\"worker\":%P}\n",
                             &api->keyspace->name,
                             shard_kind_name(ngx_min(view.arena->index.kind,
                                                     SHARD_KIND_LIST)),
                             (uint64_t) sh->table_version,
                             sh->contact_ms
                             ? (int64_t) (now - sh->contact_ms) : -1,
                             sh->connected ? "true" : "false",
                             view.nshards, view.nnodes, sh->nslots,
                             ngx_http_shard_waiting(api->keyspace),
                             sh->totals.rejected_updates, ngx_pid);

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_api_shards(ngx_http_shard_api_t *api)
{
    uint32_t                i, from, limit;
    ngx_int_t               rc;
    const char             *before;
    shard_tally_t           tally;
    ngx_http_shard_view_t   view;

    if (ngx_http_shard_api_page(api, &from, &limit, NGX_HTTP_SHARD_PAGE_MAX)
        != NGX_OK)
    {
        return NGX_OK;
    }

    if (ngx_http_shard_api_buf(api, ngx_min(NGX_HTTP_SHARD_ROW * (limit + 1),
                                            NGX_HTTP_SHARD_PAGE_BYTES))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_shard_tally(api->keyspace, &tally) != NGX_OK) {
        return ngx_http_shard_api_busy(api);
    }

    ngx_http_shard_api_table_etag(api);
    ngx_http_shard_view_open(&view, api->keyspace);

    ngx_http_shard_api_print(api, "{\"version\":%uL,\"total\":%uD,"
                             "\"from\":%uD,\"shards\":[",
                             (uint64_t) api->keyspace->sh->table_version,
                             view.nshards, from);

    rc = NGX_OK;

    before = "\n";

    for (i = from; i - from < limit; i++) {

        if (api->b->end - api->b->last < NGX_HTTP_SHARD_ROW) {
            break;
        }

        rc = ngx_http_shard_api_row(api, i, before, &tally);

        if (rc == NGX_ERROR || rc == NGX_DECLINED) {
            break;
        }

        before = rc == NGX_OK ? ",\n" : before;
    }

    ngx_free(tally.counts);

    if (rc == NGX_ERROR) {
        return ngx_http_shard_api_busy(api);
    }

    if (rc == NGX_DECLINED || i >= view.nentries) {
        ngx_http_shard_api_print(api, "],\"next\":null}\n");

    } else {
        ngx_http_shard_api_print(api, "],\"next\":%uD}\n", i);
    }

    return NGX_OK;
}


/* as view_shard(), or NGX_ERROR: it never stayed as it was */

static ngx_int_t
ngx_http_shard_api_row(ngx_http_shard_api_t *api, uint32_t i,
    const char *before, shard_tally_t *tally)
{
    u_char                 *last;
    uint32_t                slot;
    ngx_int_t               rc;
    ngx_uint_t              n;
    shard_id_t              id;
    ngx_http_shard_view_t   view;

    last = api->b->last;

    for (n = 0; n < NGX_HTTP_SHARD_ROW_TRIES; n++) {
        api->b->last = last;
        ngx_http_shard_view_open(&view, api->keyspace);

        rc = ngx_http_shard_view_shard(&view, i, &id, &slot);

        if (rc == NGX_OK) {
            ngx_http_shard_api_print(api, before);
            ngx_http_shard_api_print_shard(api, &view, i, tally);
        }

        if (ngx_http_shard_view_holds(&view)) {
            return rc;
        }
    }

    return NGX_ERROR;
}


static void
ngx_http_shard_api_print_shard(ngx_http_shard_api_t *api,
    ngx_http_shard_view_t *view, uint32_t i, shard_tally_t *tally)
{
    uint32_t       slot;
    shard_id_t     id;
    shard_route_t  route;

    (void) ngx_http_shard_view_shard(view, i, &id, &slot);
    shard_latch_read(&view->sh->latches[slot], &route);

    ngx_http_shard_api_print(api, "{\"id\":%uD,", id);

    if (view->arena->index.kind != SHARD_KIND_LIST) {
        ngx_http_shard_api_print_bound(api, view, i, "lo");
        ngx_http_shard_api_print_bound(api, view, i + 1, "hi");
    }

    ngx_http_shard_api_print_route(api, view, &route);

    ngx_http_shard_api_print(api, "\"inflight\":%uD,\"offered\":%uD}",
                             tally ? shard_tally_get(tally, slot)
                                   : ngx_http_shard_inflight(api->keyspace,
                                                             slot),
                             view->sh->counters[slot].offered);
}


/* where entry i begins, as records have it */

static void
ngx_http_shard_api_print_bound(ngx_http_shard_api_t *api,
    ngx_http_shard_view_t *view, uint32_t i, const char *name)
{
    char  text[SHARD_BYTES_TEXT];

    if (i >= view->nentries) {
        ngx_http_shard_api_print(api, "\"%s\":null,", name);

    } else if (view->arena->index.kind == SHARD_KIND_RANGE_BYTES) {
        (void) ngx_http_shard_view_bound(view, i, text);
        ngx_http_shard_api_print(api, "\"%s\":\"%s\",", name, text);

    } else {
        ngx_http_shard_api_print(api, "\"%s\":\"%016xL\",", name,
                                 ngx_http_shard_view_lo(view, i));
    }
}


static void
ngx_http_shard_api_print_route(ngx_http_shard_api_t *api,
    ngx_http_shard_view_t *view, shard_route_t *route)
{
    ngx_str_t   name;
    ngx_uint_t  k;

    ngx_http_shard_view_name(view, route->primary, &name);
    ngx_http_shard_api_print(api, "\"primary\":\"%V\",\"standbys\":[", &name);

    for (k = 0; k < SHARD_STANDBYS_MAX; k++) {
        if (route->standbys[k] != SHARD_NODE_NONE) {
            ngx_http_shard_view_name(view, route->standbys[k], &name);
            ngx_http_shard_api_print(api, "%s\"%V\"", k ? "," : "", &name);
        }
    }

    ngx_http_shard_api_print(api, "],\"epoch\":%uD,\"phase\":\"%s\","
                             "\"override\":%s,", route->epoch,
                             ngx_http_shard_phases[ngx_min(route->phase, 2)],
                             (route->flags & SHARD_ROUTE_OVERRIDE) ? "true"
                                                                   : "false");

    if (route->target != SHARD_NODE_NONE) {
        ngx_http_shard_view_name(view, route->target, &name);
        ngx_http_shard_api_print(api, "\"target\":\"%V\",\"shift\":%ud,",
                                 &name, (unsigned) route->shift_bp);
    }
}


ngx_int_t
ngx_http_shard_api_shard(ngx_http_shard_api_t *api, ngx_str_t *id)
{
    uint32_t                i;
    ngx_uint_t              n;
    shard_id_t              number;
    shard_str_t             text;
    ngx_http_shard_view_t   view;

    text.data = (const char *) id->data;
    text.len = id->len;

    if (shard_id_decode(text, &number) != SHARD_OK) {
        return ngx_http_shard_api_error(api, NGX_HTTP_BAD_REQUEST, "bad_id",
                                        "\"%V\" is no shard id, that is a "
                                        "number below 4294967295", id);
    }

    if (ngx_http_shard_api_buf(api, NGX_HTTP_SHARD_ROW) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_api_table_etag(api);

    for (n = 0; n < NGX_HTTP_SHARD_ROW_TRIES; n++) {
        api->b->last = api->b->pos;
        ngx_http_shard_view_open(&view, api->keyspace);

        i = shard_index_by_id(&view.arena->index, number);

        if (i < view.nentries) {
            ngx_http_shard_api_print_shard(api, &view, i, NULL);
            ngx_http_shard_api_print(api, "\n");
        }

        if (ngx_http_shard_view_holds(&view)) {
            return i < view.nentries ? NGX_OK
                   : ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                              "no_such_shard", "the table has "
                                              "no shard %uD", number);
        }
    }

    return ngx_http_shard_api_busy(api);
}


static ngx_int_t
ngx_http_shard_api_busy(ngx_http_shard_api_t *api)
{
    return ngx_http_shard_api_error(api, NGX_HTTP_SERVICE_UNAVAILABLE,
                                    "table_changes", "the table changes "
                                    "faster than it can be read: ask again");
}


/* by number; those of removed nodes are left out */

ngx_int_t
ngx_http_shard_api_nodes(ngx_http_shard_api_t *api)
{
    uint32_t                from, limit, i, total, rows;
    ngx_int_t               rc;
    ngx_str_t               name;
    ngx_http_shard_view_t   view;

    if (ngx_http_shard_api_page(api, &from, &limit, NGX_HTTP_SHARD_PAGE_MAX)
        != NGX_OK)
    {
        return NGX_OK;
    }

    if (ngx_http_shard_api_buf(api, ngx_min(NGX_HTTP_SHARD_ROW * (limit + 1),
                                            NGX_HTTP_SHARD_PAGE_BYTES))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_api_table_etag(api);
    ngx_http_shard_view_open(&view, api->keyspace);

    for (i = 0, total = 0; i < view.nnodes; i++) {
        ngx_http_shard_view_name(&view, i, &name);
        total += name.len != 0;
    }

    ngx_http_shard_api_print(api, "{\"version\":%uL,\"total\":%uD,"
                             "\"from\":%uD,\"nodes\":[",
                             (uint64_t) api->keyspace->sh->table_version,
                             total, from);

    for (i = from, rows = 0; i < view.nnodes && rows < limit; i++) {

        if (api->b->end - api->b->last < NGX_HTTP_SHARD_ROW) {
            break;
        }

        rc = ngx_http_shard_api_node_row(api, i, rows ? ",\n" : "\n");

        if (rc == NGX_ERROR) {
            return ngx_http_shard_api_busy(api);
        }

        rows += rc == NGX_OK;
    }

    if (i >= view.nnodes) {
        ngx_http_shard_api_print(api, "],\"next\":null}\n");

    } else {
        ngx_http_shard_api_print(api, "],\"next\":%uD}\n", i);
    }

    return NGX_OK;
}


/* NGX_DECLINED: there is none of this number */

static ngx_int_t
ngx_http_shard_api_node_row(ngx_http_shard_api_t *api, ngx_uint_t i,
    const char *before)
{
    u_char                 *last;
    ngx_str_t               name, zone, addr;
    ngx_uint_t              n;
    ngx_http_shard_view_t   view;
    ngx_http_shard_node_t  *node;

    last = api->b->last;

    for (n = 0; n < NGX_HTTP_SHARD_ROW_TRIES; n++) {
        api->b->last = last;
        ngx_http_shard_view_open(&view, api->keyspace);
        ngx_http_shard_view_name(&view, i, &name);

        if (name.len) {
            node = &view.arena->nodes[i];
            zone.data = node->zone;
            zone.len = ngx_min(node->zone_len, SHARD_NAME_SIZE);
            addr.data = node->addr;
            addr.len = ngx_min(node->addr_len, SHARD_ADDR_SIZE);

            ngx_http_shard_api_print(api, "%s{\"name\":\"%V\",\"zone\":\"%V\","
                                     "\"addr\":\"%V\",\"capacity\":%.1f,"
                                     "\"state\":\"%s\",\"health\":\"%s\","
                                     "\"inflight\":%uD,"
                                     "\"failed\":%uD}", before, &name, &zone,
                                     &addr, node->capacity,
                                     shard_node_state_name(
                                         ngx_min(node->state,
                                                 SHARD_NODE_DOWN)),
                                     ngx_http_shard_node_seen(api->keyspace,
                                                              i),
                                     ngx_http_shard_node_inflight(
                                         api->keyspace, i),
                                     view.sh->node_failed[i]);
        }

        if (ngx_http_shard_view_holds(&view)) {
            return name.len ? NGX_OK : NGX_DECLINED;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_http_shard_api_find_node(ngx_http_shard_view_t *view, const char *name,
    size_t len)
{
    ngx_str_t   known;
    ngx_uint_t  i;

    for (i = 0; len && i < view->nnodes; i++) {
        ngx_http_shard_view_name(view, i, &known);

        if (known.len == len && ngx_strncmp(known.data, name, len) == 0) {
            return i;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_shard_api_node(ngx_http_shard_api_t *api, ngx_str_t *name)
{
    ngx_int_t               i, rc;
    ngx_http_shard_view_t   view;

    if (ngx_http_shard_api_buf(api, NGX_HTTP_SHARD_ROW) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_shard_api_table_etag(api);
    ngx_http_shard_view_open(&view, api->keyspace);

    i = ngx_http_shard_api_find_node(&view, (char *) name->data, name->len);
    rc = i >= 0 ? ngx_http_shard_api_node_row(api, i, "") : NGX_DECLINED;

    if (rc == NGX_ERROR) {
        return ngx_http_shard_api_busy(api);
    }

    if (rc == NGX_DECLINED) {
        return ngx_http_shard_api_error(api, NGX_HTTP_NOT_FOUND,
                                        "no_such_node", "the table has no "
                                        "node \"%V\"", name);
    }

    ngx_http_shard_api_print(api, "\n");

    return NGX_OK;
}
