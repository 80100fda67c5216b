
/*
 * Begins the parts of a scatter, as many at a time as it may, and ends them
 * when the time is over.  The client's request waits without a handler of
 * its own; the last part to end posts it.
 */


#include "ngx_http_shard_scatter.h"


static ngx_http_shard_scatter_t *ngx_http_shard_scatter_create(
    ngx_http_request_t *r, ngx_http_shard_scatter_conf_t *conf);
static ngx_int_t ngx_http_shard_scatter_headers(ngx_http_shard_scatter_t *s);
static ngx_uint_t ngx_http_shard_scatter_passes(ngx_str_t *name);
static ngx_uint_t ngx_http_shard_scatter_gate(ngx_http_request_t *r);
static ngx_int_t ngx_http_shard_scatter_begin(ngx_http_shard_scatter_t *s);
static void ngx_http_shard_scatter_event(ngx_event_t *ev);
static void ngx_http_shard_scatter_finish(ngx_http_request_t *r);
static void ngx_http_shard_scatter_cleanup(void *data);


/*
 * What concerns the client's own copy, or this connection, is not passed on:
 * a part must be whole, and must be read here.
 */

static ngx_str_t  ngx_http_shard_scatter_dropped[] = {
    ngx_string("Range"),
    ngx_string("If-Range"),
    ngx_string("If-Match"),
    ngx_string("If-None-Match"),
    ngx_string("If-Modified-Since"),
    ngx_string("If-Unmodified-Since"),
    ngx_string("Accept-Encoding"),
    ngx_string("Content-Length"),
    ngx_string("Content-Type"),
    ngx_string("Transfer-Encoding"),
    ngx_string("TE"),
    ngx_string("Expect"),
    ngx_string("Upgrade"),
    ngx_null_string
};


ngx_int_t
ngx_http_shard_scatter_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_str_t                   refusal;
    ngx_http_shard_scatter_t   *s;
    ngx_http_shard_loc_conf_t  *slcf;

    slcf = ngx_http_get_module_loc_conf(r, ngx_http_shard_module);

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    if (ngx_http_shard_part(r)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "a node redirected its part of \"shard_scatter\" to "
                      "\"shard_scatter\"");
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    s = ngx_http_shard_scatter_create(r, slcf->scatter);
    if (s == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_null(&refusal);
    rc = ngx_http_shard_scatter_shards(s, &refusal);

    if (refusal.len) {
        return ngx_http_shard_scatter_refuse(r, rc, &refusal);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_shard_scatter_begin(s);
}


static ngx_http_shard_scatter_t *
ngx_http_shard_scatter_create(ngx_http_request_t *r,
    ngx_http_shard_scatter_conf_t *conf)
{
    ngx_http_cleanup_t        *cln;
    ngx_http_shard_scatter_t  *s;

    s = ngx_pcalloc(r->pool, sizeof(ngx_http_shard_scatter_t));
    if (s == NULL) {
        return NULL;
    }

    s->request = r;
    s->conf = conf;
    s->gate = ngx_http_shard_scatter_gate(r);

    s->event.handler = ngx_http_shard_scatter_event;
    s->event.data = s;
    s->event.log = r->connection->log;

    ngx_queue_init(&s->running);

    if (ngx_http_shard_scatter_headers(s) != NGX_OK) {
        return NULL;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_shard_scatter_cleanup;
    cln->data = s;

    ngx_http_set_ctx(r, s, ngx_http_shard_filter_module);

    return s;
}


static ngx_uint_t
ngx_http_shard_scatter_passes(ngx_str_t *name)
{
    ngx_str_t  *dropped;

    for (dropped = ngx_http_shard_scatter_dropped; dropped->len; dropped++) {
        if (name->len == dropped->len
            && ngx_strncasecmp(name->data, dropped->data, name->len) == 0)
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_shard_scatter_headers(ngx_http_shard_scatter_t *s)
{
    ngx_uint_t              i;
    ngx_list_part_t        *part;
    ngx_table_elt_t        *h, *copy;
    ngx_http_headers_in_t  *in;

    in = &s->headers_in;
    *in = s->request->headers_in;

    if (ngx_list_init(&in->headers, s->request->pool, 16,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (part = &s->request->headers_in.headers.part; part; part = part->next)
    {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_shard_scatter_passes(&h[i].key)) {
                continue;
            }

            copy = ngx_list_push(&in->headers);
            if (copy == NULL) {
                return NGX_ERROR;
            }

            *copy = h[i];
        }
    }

    in->range = NULL;
    in->if_range = NULL;
    in->if_match = NULL;
    in->if_none_match = NULL;
    in->if_modified_since = NULL;
    in->if_unmodified_since = NULL;
#if (NGX_HTTP_GZIP)
    in->accept_encoding = NULL;
#endif
    in->content_length = NULL;
    in->content_type = NULL;
    in->transfer_encoding = NULL;
    in->te = NULL;
    in->expect = NULL;
    in->upgrade = NULL;
    in->content_length_n = -1;
    in->chunked = 0;

    return NGX_OK;
}


/* parts start there: the phases before it were the client's request's */

static ngx_uint_t
ngx_http_shard_scatter_gate(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    ngx_http_phase_handler_t   *ph;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);
    ph = cmcf->phase_engine.handlers;

    for (i = 0; ph[i].checker; i++) {
        if (ph[i].handler == ngx_http_shard_gate_handler) {
            return i;
        }
    }

    return r->phase_handler;
}


static ngx_int_t
ngx_http_shard_scatter_begin(ngx_http_shard_scatter_t *s)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = s->request;
    c = r->connection;

    r->main->count++;

    /* a client that leaves is noticed; its body, if any, is being read */

    if (r == c->data && !r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;

        if (c->read->ready) {
            ngx_post_event(c->read, &ngx_posted_events);

        } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
            r->main->count--;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ngx_add_timer(&s->event, s->conf->timeout);
    ngx_http_shard_scatter_go_on(s);

    return NGX_DONE;
}


/* after the begin, and whenever a part has ended */

void
ngx_http_shard_scatter_go_on(ngx_http_shard_scatter_t *s)
{
    ngx_http_request_t     *r;
    ngx_http_shard_part_t  *part;

    r = s->request;

    if (s->done) {
        return;
    }

    while (s->next < s->n && s->nrunning < s->conf->concurrency) {
        part = &s->parts[s->next++];

        if (ngx_http_shard_part_start(part) != NGX_OK) {
            part->fault = NGX_HTTP_SHARD_PART_BROKEN;
            part->ended = 1;
        }
    }

    if (s->nrunning) {
        return;
    }

    s->done = 1;
    r->write_event_handler = ngx_http_shard_scatter_finish;

    if (ngx_http_post_request(r, NULL) != NGX_OK) {
        r->connection->error = 1;
    }
}


/* cuts what came to be useless, or everything when the time is over */

static void
ngx_http_shard_scatter_event(ngx_event_t *ev)
{
    ngx_queue_t               *q, *next;
    ngx_connection_t          *c;
    ngx_http_shard_part_t     *part;
    ngx_http_shard_scatter_t  *s;

    s = ev->data;
    c = s->request->connection;

    ngx_http_set_log_request(c->log, s->request);

    for (q = ngx_queue_head(&s->running);
         q != ngx_queue_sentinel(&s->running);
         q = next)
    {
        next = ngx_queue_next(q);
        part = ngx_queue_data(q, ngx_http_shard_part_t, queue);

        if (part->cut) {
            ngx_http_shard_part_kill(part, part->fault);

        } else if (ev->timedout) {
            ngx_http_shard_part_kill(part, NGX_HTTP_SHARD_PART_LATE);
        }
    }

    if (ev->timedout) {
        for ( /* void */ ; s->next < s->n; s->next++) {
            s->parts[s->next].fault = NGX_HTTP_SHARD_PART_LATE;
            s->parts[s->next].ended = 1;
        }
    }

    ngx_http_shard_scatter_go_on(s);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_shard_scatter_finish(ngx_http_request_t *r)
{
    ngx_http_shard_scatter_t  *s;

    s = ngx_http_get_module_ctx(r, ngx_http_shard_filter_module);

    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_shard_scatter_cleanup(s);
    ngx_http_finalize_request(r, ngx_http_shard_scatter_answer(s));
}


static void
ngx_http_shard_scatter_cleanup(void *data)
{
    ngx_queue_t               *q;
    ngx_http_shard_part_t     *part;
    ngx_http_shard_scatter_t  *s = data;

    s->done = 1;

    if (s->event.timer_set) {
        ngx_del_timer(&s->event);
    }

    if (s->event.posted) {
        ngx_delete_posted_event(&s->event);
    }

    /* the client left: nginx ends the parts, which are counted here */

    for (q = ngx_queue_head(&s->running);
         q != ngx_queue_sentinel(&s->running);
         q = ngx_queue_next(q))
    {
        part = ngx_queue_data(q, ngx_http_shard_part_t, queue);
        part->ended = 1;

        ngx_http_shard_count(part->ctx, NGX_HTTP_CLIENT_CLOSED_REQUEST,
                             part->received);
    }

    ngx_queue_init(&s->running);
}
