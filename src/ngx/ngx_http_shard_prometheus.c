
/*
 * shard_metrics: Prometheus text of this router, from shared memory: which
 * series there are, and what a row of each says.
 */


#include "ngx_http_shard_scrape.h"


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
static void ngx_http_shard_metrics_seconds(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_hold(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_mirror(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_requests(ngx_buf_t *b,
    ngx_http_shard_row_t *row, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_node(ngx_buf_t *b,
    ngx_http_shard_row_t *row, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_client(ngx_buf_t *b,
    ngx_http_shard_row_t *row, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_overflows(ngx_buf_t *b,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static void ngx_http_shard_metrics_shard(ngx_buf_t *b,
    ngx_http_shard_row_t *row, const ngx_http_shard_family_t *family);
static uint32_t ngx_http_shard_inflight_of(ngx_http_shard_row_t *row);
static uint32_t ngx_http_shard_failures_of(ngx_http_shard_row_t *row);
static uint32_t ngx_http_shard_epoch_of(ngx_http_shard_row_t *row);
static uint32_t ngx_http_shard_phase_of(ngx_http_shard_row_t *row);
static uint32_t ngx_http_shard_shift_of(ngx_http_shard_row_t *row);
static uint32_t ngx_http_shard_offered_of(ngx_http_shard_row_t *row);


#define ngx_http_shard_total(name, member, help)                              \
    { name, "counter", ngx_http_shard_metrics_total,                          \
      offsetof(ngx_http_shard_totals_t, member), help, 0, NULL, NULL }

#define ngx_http_shard_nodes(name, type, value, help)                         \
    { name, type, NULL, 0, help, NGX_HTTP_SHARD_ROWS_NODES,                   \
      ngx_http_shard_metrics_node, value }

#define ngx_http_shard_shards(name, value, help)                              \
    { name, "gauge", NULL, 0, help, NGX_HTTP_SHARD_ROWS_SHARDS,               \
      ngx_http_shard_metrics_shard, value }

const ngx_http_shard_family_t  ngx_http_shard_families[] = {
    { "table_version", "gauge", ngx_http_shard_metrics_version, 0,
      "Version of the table in use.", 0, NULL, NULL },
    { "table_age_seconds", "gauge", ngx_http_shard_metrics_age, 0,
      "Since Redis was last heard.", 0, NULL, NULL },
    { "redis_connected", "gauge", ngx_http_shard_metrics_connected, 0,
      "1 while it is.", 0, NULL, NULL },
    { "requests_total", "counter", NULL, 0,
      "Requests by node, class of answer and what became of them.",
      NGX_HTTP_SHARD_ROWS_NODES, ngx_http_shard_metrics_requests, NULL },
    { "request_seconds", "histogram", ngx_http_shard_metrics_seconds, 0,
      "How long requests took, holds included.", 0, NULL, NULL },
    { "held_requests", "gauge", ngx_http_shard_metrics_waiting, 0,
      "Requests parked now.", 0, NULL, NULL },
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
      "How long parked requests waited.", 0, NULL, NULL },
    { "mirror_total", "counter", ngx_http_shard_metrics_mirror, 0,
      "Mirrored reads, and what comparing them came to.", 0, NULL, NULL },
    ngx_http_shard_nodes("inflight", "gauge", ngx_http_shard_inflight_of,
                         "Requests on their way, by node."),
    ngx_http_shard_nodes("node_failures_total", "counter",
                         ngx_http_shard_failures_of,
                         "Attempts that failed, by node."),
    { "client_requests_total", "counter", NULL, 0,
      "Requests by client group.", NGX_HTTP_SHARD_ROWS_CLIENTS,
      ngx_http_shard_metrics_client, NULL },
    { "client_overflows_total", "counter", ngx_http_shard_metrics_overflows, 0,
      "Requests of client groups that were not counted by shard.",
      0, NULL, NULL },
    ngx_http_shard_shards("shard_epoch", ngx_http_shard_epoch_of,
                          "Epoch of each shard."),
    ngx_http_shard_shards("shard_phase", ngx_http_shard_phase_of,
                          "0 steady, 1 shifting, 2 held."),
    ngx_http_shard_shards("shard_shift_bp", ngx_http_shard_shift_of,
                          "Share of keys that has crossed."),
    ngx_http_shard_shards("shard_interval_requests", ngx_http_shard_offered_of,
                          "Requests in the interval being counted."),
    { NULL, NULL, NULL, 0, NULL, 0, NULL, NULL }
};


static void
ngx_http_shard_metrics_total(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    u_char  *totals;

    totals = (u_char *) &ks->sh->totals;

    ngx_http_shard_scrape_print(b, "nginx_shard_%s{keyspace=\"%V\"} %uA\n",
                                 family->name, &ks->name,
                                 *(ngx_atomic_t *) (totals + family->offset));
}


static void
ngx_http_shard_metrics_version(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_scrape_print(b, "nginx_shard_%s{keyspace=\"%V\"} %uA\n",
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

    ngx_http_shard_scrape_print(b, "nginx_shard_%s{keyspace=\"%V\"} %.3f\n",
                                 family->name, &ks->name, age);
}


static void
ngx_http_shard_metrics_connected(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_scrape_print(b, "nginx_shard_%s{keyspace=\"%V\"} %uA\n",
                                 family->name, &ks->name, ks->sh->connected);
}


static void
ngx_http_shard_metrics_waiting(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_scrape_print(b, "nginx_shard_%s{keyspace=\"%V\"} %ui\n",
                                 family->name, &ks->name,
                                 ngx_http_shard_waiting(ks));
}


static void
ngx_http_shard_metrics_requests(ngx_buf_t *b, ngx_http_shard_row_t *row,
    const ngx_http_shard_family_t *family)
{
    ngx_uint_t                  class, i, n;
    ngx_http_shard_requests_t  *requests;

    static const char  *outcomes[NGX_HTTP_SHARD_OUTCOMES] = {
        "direct", "held", "failover", "retried", "failed", "refused"
    };

    requests = &row->keyspace->sh->requests[row->number];

    for (class = 0; class < NGX_HTTP_SHARD_CLASSES; class++) {
        for (i = 0; i < NGX_HTTP_SHARD_OUTCOMES; i++) {
            n = requests->n[class][i];

            if (n) {
                ngx_http_shard_scrape_print(b,
                    "nginx_shard_%s{keyspace=\"%V\",node=\"%V\","
                    "class=\"%uixx\",outcome=\"%s\"} %ui\n",
                    family->name, &row->keyspace->name, row->node, class,
                    outcomes[i], n);
            }
        }
    }
}


/* buckets, sum and count: "sum" is in ms */

static void
ngx_http_shard_metrics_histogram(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family, ngx_atomic_t *buckets, double sum)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    for (i = 0; i < SHARD_METRICS_LATENCY_BUCKETS - 1; i++) {
        n += buckets[i];
        ngx_http_shard_scrape_print(b,
            "nginx_shard_%s_bucket{keyspace=\"%V\",le=\"%.6f\"} %uL\n",
            family->name, &ks->name,
            (double) shard_metrics_latency_us(i) / 1000000, n);
    }

    n += buckets[i];

    ngx_http_shard_scrape_print(b,
        "nginx_shard_%s_bucket{keyspace=\"%V\",le=\"+Inf\"} %uL\n"
        "nginx_shard_%s_sum{keyspace=\"%V\"} %.3f\n"
        "nginx_shard_%s_count{keyspace=\"%V\"} %uL\n",
        family->name, &ks->name, n,
        family->name, &ks->name, sum / 1000,
        family->name, &ks->name, n);
}


static void
ngx_http_shard_metrics_seconds(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_metrics_histogram(b, ks, family, ks->sh->latency,
                                     (double) ks->sh->totals.latency_us
                                     / 1000);
}


static void
ngx_http_shard_metrics_hold(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_metrics_histogram(b, ks, family, ks->sh->hold_latency,
                                     (double) ks->sh->totals.hold_ms);
}


static void
ngx_http_shard_metrics_mirror(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_SHARD_MIRROR_RESULTS; i++) {
        ngx_http_shard_scrape_print(b,
            "nginx_shard_%s{keyspace=\"%V\",result=\"%s\"} %uA\n",
            family->name, &ks->name, ngx_http_shard_mirror_results[i],
            ks->sh->totals.mirror[i]);
    }
}


static void
ngx_http_shard_metrics_node(ngx_buf_t *b, ngx_http_shard_row_t *row,
    const ngx_http_shard_family_t *family)
{
    if (row->node->len) {
        ngx_http_shard_scrape_print(b,
            "nginx_shard_%s{keyspace=\"%V\",node=\"%V\"} %uD\n",
            family->name, &row->keyspace->name, row->node, family->value(row));
    }
}


static uint32_t
ngx_http_shard_inflight_of(ngx_http_shard_row_t *row)
{
    return ngx_http_shard_node_inflight(row->keyspace, row->number);
}


static uint32_t
ngx_http_shard_failures_of(ngx_http_shard_row_t *row)
{
    return row->keyspace->sh->node_failed[row->number];
}


/* names are clean: nothing to be escaped */

static void
ngx_http_shard_metrics_client(ngx_buf_t *b, ngx_http_shard_row_t *row,
    const ngx_http_shard_family_t *family)
{
    uint64_t  n;

    n = row->keyspace->sh->clients.names[row->number].requests;

    if (n) {
        ngx_http_shard_scrape_print(b,
            "nginx_shard_%s{keyspace=\"%V\",client=\"%V\"} %uL\n",
            family->name, &row->keyspace->name, row->node, n);
    }
}


static void
ngx_http_shard_metrics_overflows(ngx_buf_t *b, ngx_http_shard_keyspace_t *ks,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_scrape_print(b, "nginx_shard_%s{keyspace=\"%V\"} %uL\n",
                                family->name, &ks->name,
                                ks->sh->clients.overflows);
}


/* "node": the primary */

static void
ngx_http_shard_metrics_shard(ngx_buf_t *b, ngx_http_shard_row_t *row,
    const ngx_http_shard_family_t *family)
{
    ngx_http_shard_scrape_print(b,
        "nginx_shard_%s{keyspace=\"%V\",shard=\"%uD\",node=\"%V\"} %uD\n",
        family->name, &row->keyspace->name, row->id, row->node,
        family->value(row));
}


static uint32_t
ngx_http_shard_epoch_of(ngx_http_shard_row_t *row)
{
    return row->route.epoch;
}


static uint32_t
ngx_http_shard_phase_of(ngx_http_shard_row_t *row)
{
    return row->route.phase;
}


static uint32_t
ngx_http_shard_shift_of(ngx_http_shard_row_t *row)
{
    return row->route.phase == SHARD_SHIFTING ? row->route.shift_bp : 0;
}


static uint32_t
ngx_http_shard_offered_of(ngx_http_shard_row_t *row)
{
    return row->keyspace->sh->counters[row->slot].offered;
}
