
/*
 * shard_metrics: Prometheus text of this router, from shared memory.
 */


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_TEXT  (32 * 1024)          /* of one keyspace */


typedef struct {
    const char  *name;
    const char  *type;
    const char  *help;
    size_t       offset;                          /* in ..._totals_t */
} ngx_http_shard_series_t;


static void ngx_http_shard_metrics_keyspace(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks);
static void ngx_http_shard_metrics_nodes(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks);
static void ngx_http_shard_metrics_hold(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks);
static void ngx_http_shard_metrics_print(ngx_buf_t *b, const char *fmt, ...);


#define ngx_http_shard_series(name, type, member, help)                       \
    { "nginx_shard_" name, type, help,                                        \
      offsetof(ngx_http_shard_totals_t, member) }

static const ngx_http_shard_series_t  ngx_http_shard_all_series[] = {
    ngx_http_shard_series("held_requests", "gauge", waiting,
                          "Requests parked now."),
    ngx_http_shard_series("held_requests_total", "counter", held,
                          "Requests that were parked and released."),
    ngx_http_shard_series("hold_timeouts_total", "counter", hold_timeouts,
                          "Requests answered 503 because a hold lasted."),
    ngx_http_shard_series("hold_overflows_total", "counter", hold_overflows,
                          "Requests answered 503 because too many waited."),
    ngx_http_shard_series("misdirected_total", "counter", misdirected,
                          "Answers 421 from backends."),
    ngx_http_shard_series("retried_total", "counter", retried,
                          "Requests sent again after 421."),
    ngx_http_shard_series("rejected_updates_total", "counter",
                          rejected_updates,
                          "Changes and overrides refused."),
    { NULL, NULL, NULL, 0 }
};


ngx_int_t
ngx_http_shard_metrics_handler(ngx_http_request_t *r)
{
    size_t                        size;
    ngx_int_t                     rc;
    ngx_buf_t                    *b;
    ngx_uint_t                    i;
    ngx_chain_t                   out;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    if (!ngx_http_shard_read_only(r)) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shard_module);
    ks = smcf->keyspaces.elts;
    size = 256;

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        size += NGX_HTTP_SHARD_TEXT + ks[i]->sh->nnodes_max * 320;
    }

    b = ngx_create_temp_buf(r->pool, size);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        ngx_http_shard_metrics_keyspace(b, ks[i]);
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type,
                "text/plain; version=0.0.4; charset=utf-8");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

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


static void
ngx_http_shard_metrics_print(ngx_buf_t *b, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    b->last = ngx_vslprintf(b->last, b->end, fmt, args);
    va_end(args);
}


static void
ngx_http_shard_metrics_keyspace(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks)
{
    u_char                         *totals;
    uint64_t                        now;
    ngx_uint_t                      class;
    ngx_time_t                     *tp;
    ngx_http_shard_sh_t            *sh;
    const ngx_http_shard_series_t  *series;

    sh = ks->sh;
    totals = (u_char *) &sh->totals;
    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    ngx_http_shard_metrics_print(b,
        "# TYPE nginx_shard_table_version gauge\n"
        "nginx_shard_table_version{keyspace=\"%V\"} %uA\n"
        "# TYPE nginx_shard_table_age_seconds gauge\n"
        "nginx_shard_table_age_seconds{keyspace=\"%V\"} %.3f\n"
        "# TYPE nginx_shard_redis_connected gauge\n"
        "nginx_shard_redis_connected{keyspace=\"%V\"} %uA\n",
        &ks->name, sh->table_version,
        &ks->name, sh->contact_ms ? (double) (int64_t) (now - sh->contact_ms)
                                    / 1000 : -1.0,
        &ks->name, sh->connected);

    ngx_http_shard_metrics_print(b,
        "# HELP nginx_shard_requests_total Requests by class of answer.\n"
        "# TYPE nginx_shard_requests_total counter\n");

    for (class = 0; class < 6; class++) {
        ngx_http_shard_metrics_print(b,
            "nginx_shard_requests_total{keyspace=\"%V\",class=\"%uixx\"} "
            "%uA\n", &ks->name, class, sh->totals.requests[class]);
    }

    for (series = ngx_http_shard_all_series; series->name; series++) {
        ngx_http_shard_metrics_print(b,
            "# HELP %s %s\n# TYPE %s %s\n%s{keyspace=\"%V\"} %uA\n",
            series->name, series->help, series->name, series->type,
            series->name, &ks->name,
            *(ngx_atomic_t *) (totals + series->offset));
    }

    ngx_http_shard_metrics_hold(b, ks);
    ngx_http_shard_metrics_nodes(b, ks);
}


static void
ngx_http_shard_metrics_hold(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks)
{
    uint64_t              n;
    ngx_uint_t            i;
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;
    n = 0;

    ngx_http_shard_metrics_print(b,
        "# HELP nginx_shard_hold_seconds How long parked requests waited.\n"
        "# TYPE nginx_shard_hold_seconds histogram\n");

    for (i = 0; i < SHARD_METRICS_LATENCY_BUCKETS - 1; i++) {
        n += sh->hold_latency[i];
        ngx_http_shard_metrics_print(b,
            "nginx_shard_hold_seconds_bucket{keyspace=\"%V\",le=\"%.6f\"} "
            "%uL\n", &ks->name,
            (double) shard_metrics_latency_us(i) / 1000000, n);
    }

    n += sh->hold_latency[i];

    ngx_http_shard_metrics_print(b,
        "nginx_shard_hold_seconds_bucket{keyspace=\"%V\",le=\"+Inf\"} %uL\n"
        "nginx_shard_hold_seconds_sum{keyspace=\"%V\"} %.3f\n"
        "nginx_shard_hold_seconds_count{keyspace=\"%V\"} %uL\n",
        &ks->name, n, &ks->name, (double) sh->totals.hold_ms / 1000,
        &ks->name, n);
}


static void
ngx_http_shard_metrics_nodes(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks)
{
    ngx_str_t                name;
    ngx_uint_t               i, failed;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_arena_t  *arena;

    sh = ks->sh;
    arena = &sh->arenas[sh->structure & 1];

    for (failed = 0; failed < 2; failed++) {
        ngx_http_shard_metrics_print(b, "# TYPE nginx_shard_%s %s\n",
                                     failed ? "node_failures_total"
                                            : "inflight",
                                     failed ? "counter" : "gauge");

        for (i = 0; i < arena->nnodes; i++) {
            name.len = arena->nodes[i].name_len;
            name.data = arena->nodes[i].name;

            if (name.len == 0) {
                continue;
            }

            ngx_http_shard_metrics_print(b,
                "nginx_shard_%s{keyspace=\"%V\",node=\"%V\"} %uD\n",
                failed ? "node_failures_total" : "inflight", &ks->name, &name,
                failed ? sh->node_failed[i] : sh->node_inflight[i]);
        }
    }
}
