
/*
 * shard_metrics: Prometheus text of this router, from shared memory.
 */


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_TEXT  (32 * 1024)          /* of one keyspace */


typedef struct ngx_http_shard_family_s  ngx_http_shard_family_t;

struct ngx_http_shard_family_s {
    const char  *name;                            /* after nginx_shard_ */
    const char  *type;
    void       (*print)(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
                        const ngx_http_shard_family_t *family);
    size_t       offset;                          /* in ..._totals_t */
    const char  *help;
};


static void ngx_http_shard_metrics_families(ngx_buf_t *b,
    ngx_array_t *keyspaces);
static void ngx_http_shard_metrics_total(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_version(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_age(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_connected(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_waiting(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_requests(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_hold(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_nodes(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_print(ngx_buf_t *b, const char *fmt, ...);


#define ngx_http_shard_total(name, member, help)                              \
    { name, "counter", ngx_http_shard_metrics_total,                          \
      offsetof(ngx_http_shard_totals_t, member), help }

static const ngx_http_shard_family_t  ngx_http_shard_families[] = {
    { "table_version", "gauge", ngx_http_shard_metrics_version, 0,
      "Version of the table in use." },
    { "table_age_seconds", "gauge", ngx_http_shard_metrics_age, 0,
      "Since Redis was last heard." },
    { "redis_connected", "gauge", ngx_http_shard_metrics_connected, 0,
      "1 while it is." },
    { "requests_total", "counter", ngx_http_shard_metrics_requests, 0,
      "Requests by class of answer." },
    { "held_requests", "gauge", ngx_http_shard_metrics_waiting, 0,
      "Requests parked now." },
    ngx_http_shard_total("held_requests_total", held,
                         "Requests that were parked and released."),
    ngx_http_shard_total("hold_timeouts_total", hold_timeouts,
                         "Requests answered 503 because a hold lasted."),
    ngx_http_shard_total("hold_overflows_total", hold_overflows,
                         "Requests answered 503 because too many waited."),
    ngx_http_shard_total("misdirected_total", misdirected,
                         "Answers 421 from backends."),
    ngx_http_shard_total("retried_total", retried,
                         "Requests sent again after 421."),
    ngx_http_shard_total("rejected_updates_total", rejected_updates,
                         "Changes and overrides refused."),
    { "hold_seconds", "histogram", ngx_http_shard_metrics_hold, 0,
      "How long parked requests waited." },
    { "inflight", "gauge", ngx_http_shard_metrics_nodes, 0,
      "Requests on their way, by node." },
    { "node_failures_total", "counter", ngx_http_shard_metrics_nodes, 1,
      "Attempts that failed, by node." },
    { NULL, NULL, NULL, 0, NULL }
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

    ngx_http_shard_metrics_families(b, &smcf->keyspaces);

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


/* one family after the other: its type may be told only once */

static void
ngx_http_shard_metrics_families(ngx_buf_t *b, ngx_array_t *keyspaces)
{
    ngx_uint_t                      i, f;
    ngx_http_shard_keyspace_t     **ks;
    const ngx_http_shard_family_t  *family;

    ks = keyspaces->elts;

    for (f = 0; ngx_http_shard_families[f].name; f++) {
        family = &ngx_http_shard_families[f];

        ngx_http_shard_metrics_print(b, "# HELP nginx_shard_%s %s\n"
                                     "# TYPE nginx_shard_%s %s\n",
                                     family->name, family->help,
                                     family->name, family->type);

        for (i = 0; i < keyspaces->nelts; i++) {
            family->print(b, ks[i], family);
        }
    }
}


static void
ngx_http_shard_metrics_total(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    u_char  *totals;

    totals = (u_char *) &ks->sh->totals;

    ngx_http_shard_metrics_print(b, "nginx_shard_%s{keyspace=\"%V\"} %uA\n",
                                 family->name, &ks->name,
                                 *(ngx_atomic_t *) (totals + family->offset));
}


static void
ngx_http_shard_metrics_version(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_metrics_print(b, "nginx_shard_%s{keyspace=\"%V\"} %uA\n",
                                 family->name, &ks->name,
                                 ks->sh->table_version);
}


static void
ngx_http_shard_metrics_age(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    double       age;
    uint64_t     now;
    ngx_time_t  *tp;

    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    age = ks->sh->contact_ms
          ? (double) (int64_t) (now - ks->sh->contact_ms) / 1000 : -1.0;

    ngx_http_shard_metrics_print(b, "nginx_shard_%s{keyspace=\"%V\"} %.3f\n",
                                 family->name, &ks->name, age);
}


static void
ngx_http_shard_metrics_connected(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_metrics_print(b, "nginx_shard_%s{keyspace=\"%V\"} %uA\n",
                                 family->name, &ks->name, ks->sh->connected);
}


static void
ngx_http_shard_metrics_waiting(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_metrics_print(b, "nginx_shard_%s{keyspace=\"%V\"} %ui\n",
                                 family->name, &ks->name,
                                 ngx_http_shard_waiting(ks));
}


static void
ngx_http_shard_metrics_requests(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_uint_t  class;

    for (class = 0; class < 6; class++) {
        ngx_http_shard_metrics_print(b,
            "nginx_shard_%s{keyspace=\"%V\",class=\"%uixx\"} %uA\n",
            family->name, &ks->name, class, ks->sh->totals.requests[class]);
    }
}


static void
ngx_http_shard_metrics_hold(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    uint64_t              n;
    ngx_uint_t            i;
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;
    n = 0;

    for (i = 0; i < SHARD_METRICS_LATENCY_BUCKETS - 1; i++) {
        n += sh->hold_latency[i];
        ngx_http_shard_metrics_print(b,
            "nginx_shard_%s_bucket{keyspace=\"%V\",le=\"%.6f\"} %uL\n",
            family->name, &ks->name,
            (double) shard_metrics_latency_us(i) / 1000000, n);
    }

    n += sh->hold_latency[i];

    ngx_http_shard_metrics_print(b,
        "nginx_shard_%s_bucket{keyspace=\"%V\",le=\"+Inf\"} %uL\n"
        "nginx_shard_%s_sum{keyspace=\"%V\"} %.3f\n"
        "nginx_shard_%s_count{keyspace=\"%V\"} %uL\n",
        family->name, &ks->name, n,
        family->name, &ks->name, (double) sh->totals.hold_ms / 1000,
        family->name, &ks->name, n);
}


static void
ngx_http_shard_metrics_nodes(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_str_t                name;
    ngx_uint_t               i;
    ngx_http_shard_arena_t  *arena;

    arena = &ks->sh->arenas[ks->sh->structure & 1];

    for (i = 0; i < arena->nnodes; i++) {
        name.len = arena->nodes[i].name_len;
        name.data = arena->nodes[i].name;

        if (name.len == 0) {
            continue;
        }

        ngx_http_shard_metrics_print(b,
            "nginx_shard_%s{keyspace=\"%V\",node=\"%V\"} %uD\n",
            family->name, &ks->name, &name,
            family->offset ? ks->sh->node_failed[i]
                           : ngx_http_shard_node_inflight(ks, i));
    }
}
