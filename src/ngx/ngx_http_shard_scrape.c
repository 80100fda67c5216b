
#include "ngx_http_shard_notes.h"
#include "ngx_http_shard_scrape.h"


static ngx_int_t ngx_http_shard_scrape_args(ngx_http_shard_scrape_t *scrape);
static ngx_int_t ngx_http_shard_scrape_number(ngx_http_request_t *r,
    const char *name, uint32_t *number);
static ngx_http_shard_scrape_t *ngx_http_shard_scrape_create(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_shard_scrape_header(ngx_http_shard_scrape_t *scrape);
static void ngx_http_shard_scrape_write(ngx_http_request_t *r);
static void ngx_http_shard_scrape_wait(ngx_http_request_t *r);
static void ngx_http_shard_scrape_next(ngx_event_t *ev);
static void ngx_http_shard_scrape_cleanup(void *data);


ngx_int_t
ngx_http_shard_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_shard_scrape_t  *scrape;

    if (!ngx_http_shard_read_only(r)) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    scrape = ngx_http_shard_scrape_create(r);
    if (scrape == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_shard_scrape_args(scrape) != NGX_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    ngx_http_shard_scrape_fill(scrape);

    rc = ngx_http_shard_scrape_header(scrape);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (scrape->done) {
        return ngx_http_output_filter(r, &scrape->out);
    }

    r->main->count++;
    r->write_event_handler = ngx_http_shard_scrape_write;

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    ngx_http_shard_scrape_write(r);

    return NGX_DONE;
}


static ngx_http_shard_scrape_t *
ngx_http_shard_scrape_create(ngx_http_request_t *r)
{
    ngx_uint_t                    i;
    ngx_http_cleanup_t           *cln;
    ngx_http_shard_ctx_t         *ctx;
    ngx_http_shard_scrape_t      *scrape;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    smcf = ngx_http_get_module_main_conf(r, ngx_http_shard_module);

    scrape = ngx_pcalloc(r->pool, sizeof(ngx_http_shard_scrape_t));
    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_shard_ctx_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (scrape == NULL || ctx == NULL || cln == NULL) {
        return NULL;
    }

    ctx->request = r;
    scrape->b = ngx_create_temp_buf(r->pool, NGX_HTTP_SHARD_SLICE);

    if (scrape->b == NULL || ngx_http_shard_wait(ctx) == NULL) {
        return NULL;
    }

    scrape->request = r;
    scrape->keyspaces = &smcf->keyspaces;
    scrape->out.buf = scrape->b;
    scrape->limit = (uint32_t) -1;
    scrape->next.handler = ngx_http_shard_scrape_next;
    scrape->next.data = scrape;
    scrape->next.log = r->connection->log;

    cln->handler = ngx_http_shard_scrape_cleanup;
    cln->data = scrape;

    ctx->wait->ask = scrape;
    ngx_http_set_ctx(r, ctx, ngx_http_shard_module);

    /* other workers' counts are as of their last tick */

    ks = smcf->keyspaces.elts;

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        ngx_http_shard_notes_drain(ks[i]);
    }

    return scrape;
}


static ngx_int_t
ngx_http_shard_scrape_args(ngx_http_shard_scrape_t *scrape)
{
    uint32_t             shards;
    ngx_http_request_t  *r;

    r = scrape->request;
    shards = 0;

    if (ngx_http_shard_scrape_number(r, "shards", &shards) != NGX_OK
        || ngx_http_shard_scrape_number(r, "from", &scrape->from) != NGX_OK
        || ngx_http_shard_scrape_number(r, "limit", &scrape->limit) != NGX_OK
        || shards > 1)
    {
        return NGX_ERROR;
    }

    scrape->shards = shards;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_scrape_number(ngx_http_request_t *r, const char *name,
    uint32_t *number)
{
    ngx_int_t  n;
    ngx_str_t  value;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value) != NGX_OK) {
        return NGX_OK;
    }

    n = ngx_atoi(value.data, value.len);

    if (n < 0 || n > 0x7fffffff) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "shard_metrics: \"%s=%V\" is no number", name, &value);
        return NGX_ERROR;
    }

    *number = (uint32_t) n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_scrape_header(ngx_http_shard_scrape_t *scrape)
{
    ngx_http_request_t  *r;

    r = scrape->request;

    r->headers_out.status = NGX_HTTP_OK;
    ngx_str_set(&r->headers_out.content_type,
                "text/plain; version=0.0.4; charset=utf-8");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    if (scrape->done) {
        r->headers_out.content_length_n = ngx_buf_size(scrape->b);
    }

    return ngx_http_send_header(r);
}


static void
ngx_http_shard_scrape_write(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_connection_t         *c;
    ngx_http_shard_scrape_t  *scrape;

    c = r->connection;
    scrape = ngx_http_shard_get_ctx(r)->wait->ask;

    if (c->write->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (scrape->next.posted) {
        return;
    }

    if (!scrape->busy && scrape->b->last == scrape->b->start) {
        ngx_http_shard_scrape_fill(scrape);

        if (scrape->b->last == scrape->b->start) {

            /* rows without anything to say; nginx sends no empty memory */

            if (!scrape->done) {
                ngx_post_event(&scrape->next, &ngx_posted_next_events);
                return;
            }

            scrape->b->temporary = 0;
        }
    }

    rc = ngx_http_output_filter(r, scrape->busy ? NULL : &scrape->out);

    if (rc == NGX_ERROR || scrape->done) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    scrape->busy = ngx_buf_size(scrape->b) != 0;

    if (scrape->busy) {
        ngx_http_shard_scrape_wait(r);
        return;
    }

    scrape->b->pos = scrape->b->start;
    scrape->b->last = scrape->b->start;

    if (c->write->timer_set && !c->write->delayed) {
        ngx_del_timer(c->write);
    }

    ngx_post_event(&scrape->next, &ngx_posted_next_events);
}


static void
ngx_http_shard_scrape_wait(ngx_http_request_t *r)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = r->connection->write;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


static void
ngx_http_shard_scrape_next(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_shard_scrape_t  *scrape;

    scrape = ev->data;
    c = scrape->request->connection;

    ngx_http_set_log_request(c->log, scrape->request);

    ngx_http_shard_scrape_write(scrape->request);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_shard_scrape_cleanup(void *data)
{
    ngx_http_shard_scrape_t *scrape = data;

    if (scrape->next.posted) {
        ngx_delete_posted_event(&scrape->next);
    }
}
