
/*
 * The one answer of a scatter: the parts' own buffers between pieces of
 * frame, or what went wrong.
 */


#include "ngx_http_shard_scatter.h"


#define NGX_HTTP_SHARD_SCATTER_LIST  1024        /* bytes of missing ids */


static ngx_uint_t ngx_http_shard_scatter_missing(ngx_http_shard_scatter_t *s,
    ngx_str_t *list);
static void ngx_http_shard_scatter_log(ngx_http_shard_scatter_t *s,
    ngx_http_shard_part_t *part, ngx_uint_t missing);
static ngx_int_t ngx_http_shard_scatter_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_http_shard_scatter_mark(ngx_http_request_t *r,
    ngx_uint_t missing, ngx_str_t *list);
static ngx_int_t ngx_http_shard_scatter_fail(ngx_http_shard_scatter_t *s,
    ngx_uint_t missing, ngx_str_t *list);
static ngx_int_t ngx_http_shard_scatter_merge(ngx_http_shard_scatter_t *s,
    ngx_chain_t **out, off_t *size);
static ngx_int_t ngx_http_shard_scatter_frame(ngx_http_shard_scatter_t *s,
    ngx_chain_t ***last, char *frame, size_t len);
static ngx_str_t ngx_http_shard_scatter_type(ngx_http_shard_scatter_t *s);
static ngx_int_t ngx_http_shard_scatter_send(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *type, ngx_chain_t *out, off_t size);


ngx_int_t
ngx_http_shard_scatter_answer(ngx_http_shard_scatter_t *s)
{
    off_t                size;
    ngx_str_t            list, type;
    ngx_uint_t           missing;
    ngx_chain_t         *out;
    ngx_http_request_t  *r;

    r = s->request;

    ngx_str_null(&list);
    missing = ngx_http_shard_scatter_missing(s, &list);

    if (missing && (list.len == 0
                    || ngx_http_shard_scatter_mark(r, missing, &list)
                       != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (missing && (missing == s->n
                    || s->conf->partial == NGX_HTTP_BAD_GATEWAY))
    {
        return ngx_http_shard_scatter_fail(s, missing, &list);
    }

    if (ngx_http_shard_scatter_merge(s, &out, &size) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    type = ngx_http_shard_scatter_type(s);

    return ngx_http_shard_scatter_send(r, missing ? s->conf->partial
                                                  : NGX_HTTP_OK,
                                       &type, out, size);
}


/* how many did not come, and a bounded list of them in the pool */

static ngx_uint_t
ngx_http_shard_scatter_missing(ngx_http_shard_scatter_t *s, ngx_str_t *list)
{
    ngx_uint_t              i, missing;
    shard_id_t             *ids;
    ngx_http_shard_part_t  *first;

    missing = 0;
    first = NULL;

    for (i = 0; i < s->n; i++) {
        if (s->parts[i].fault != NGX_HTTP_SHARD_PART_OK) {
            first = missing++ ? first : &s->parts[i];
        }
    }

    if (missing == 0) {
        return 0;
    }

    ngx_http_shard_scatter_log(s, first, missing);

    ids = ngx_palloc(s->request->pool, missing * sizeof(shard_id_t));
    list->data = ngx_pnalloc(s->request->pool, NGX_HTTP_SHARD_SCATTER_LIST);

    if (ids == NULL || list->data == NULL) {
        return missing;
    }

    missing = 0;

    for (i = 0; i < s->n; i++) {
        if (s->parts[i].fault != NGX_HTTP_SHARD_PART_OK) {
            ids[missing++] = s->parts[i].id;
        }
    }

    list->len = shard_merge_ids(ids, missing, (char *) list->data,
                                NGX_HTTP_SHARD_SCATTER_LIST);

    return missing;
}


/* one line a scatter, whatever the number: the first says what to look for */

static void
ngx_http_shard_scatter_log(ngx_http_shard_scatter_t *s,
    ngx_http_shard_part_t *part, ngx_uint_t missing)
{
    ngx_str_t  why;

    static ngx_str_t  faults[] = {
        ngx_null_string,
        ngx_string("answered with status"),
        ngx_string("could not be read, status"),
        ngx_string("came not within \"timeout\", status"),
        ngx_string("is beyond \"bytes\", status"),
        ngx_string("is no JSON, status"),
        ngx_string("has a Content-Encoding, status"),
        ngx_string("is no longer in the table, status")
    };

    why = faults[part->fault];

    ngx_log_error(NGX_LOG_WARN, s->request->connection->log, 0,
                  "shard_scatter: %ui of %ui shards missing, the first: "
                  "shard %uD %V %ui", missing, s->n, part->id, &why,
                  part->status);
}


static ngx_int_t
ngx_http_shard_scatter_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_scatter_mark(ngx_http_request_t *r, ngx_uint_t missing,
    ngx_str_t *list)
{
    ngx_str_t  count;

    count.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (count.data == NULL) {
        return NGX_ERROR;
    }

    count.len = ngx_sprintf(count.data, "%ui", missing) - count.data;

    if (ngx_http_shard_scatter_header(r, "X-Shard-Missing", list) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_shard_scatter_header(r, "X-Shard-Missing-Count", &count);
}


/* "list" may end with ",...", which is no number of JSON */

static ngx_int_t
ngx_http_shard_scatter_fail(ngx_http_shard_scatter_t *s, ngx_uint_t missing,
    ngx_str_t *list)
{
    u_char     *p;
    ngx_str_t   text, ids;

    ids = *list;

    if (ids.len > 4 && ids.data[ids.len - 1] == '.') {
        ids.len -= 4;
    }

    p = ngx_pnalloc(s->request->pool, ids.len + 256);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.data = p;
    text.len = ngx_sprintf(p, "{\"error\":{\"code\":\"shards_missing\","
                           "\"message\":\"%ui of %ui shards did not answer\","
                           "\"missing_count\":%ui,\"missing\":[%V]}}\n",
                           missing, s->n, missing, &ids)
               - p;

    return ngx_http_shard_scatter_refuse(s->request, NGX_HTTP_BAD_GATEWAY,
                                         &text);
}


ngx_int_t
ngx_http_shard_scatter_refuse(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *text)
{
    ngx_buf_t    *b;
    ngx_chain_t  *out;

    static ngx_str_t  type = ngx_string("application/json");

    b = ngx_calloc_buf(r->pool);
    out = ngx_alloc_chain_link(r->pool);

    if (b == NULL || out == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->start = text->data;
    b->pos = text->data;
    b->last = text->data + text->len;
    b->end = b->last;
    b->memory = 1;

    out->buf = b;
    out->next = NULL;

    return ngx_http_shard_scatter_send(r, status, &type, out, text->len);
}


static ngx_int_t
ngx_http_shard_scatter_merge(ngx_http_shard_scatter_t *s, ngx_chain_t **out,
    off_t *size)
{
    char                    frame[SHARD_MERGE_FRAME_SIZE];
    size_t                  len;
    ngx_uint_t              i, first;
    ngx_chain_t            *cl, **last;
    ngx_http_shard_part_t  *part;

    *out = NULL;
    last = out;
    first = 1;

    for (i = 0; i < s->n; i++) {
        part = &s->parts[i];

        if (part->fault != NGX_HTTP_SHARD_PART_OK) {
            continue;
        }

        len = shard_merge_before(s->conf->merge, first, part->id, frame);
        first = 0;

        if (ngx_http_shard_scatter_frame(s, &last, frame, len) != NGX_OK) {
            return NGX_ERROR;
        }

        /* nginx alerts about buffers without bytes */

        for (cl = part->body; cl; cl = cl->next) {
            if (cl->buf->last != cl->buf->pos) {
                *last = cl;
                last = &cl->next;
            }
        }

        *last = NULL;

        len = shard_merge_behind(&part->merge, frame);

        if (ngx_http_shard_scatter_frame(s, &last, frame, len) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    len = shard_merge_close(s->conf->merge, first, frame);

    if (ngx_http_shard_scatter_frame(s, &last, frame, len) != NGX_OK) {
        return NGX_ERROR;
    }

    *size = 0;

    for (cl = *out; cl; cl = cl->next) {
        *size += cl->buf->last - cl->buf->pos;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_scatter_frame(ngx_http_shard_scatter_t *s, ngx_chain_t ***last,
    char *frame, size_t len)
{
    ngx_chain_t  *cl;

    if (len == 0) {
        return NGX_OK;
    }

    cl = ngx_alloc_chain_link(s->request->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = ngx_create_temp_buf(s->request->pool, len);
    cl->next = NULL;

    if (cl->buf == NULL) {
        return NGX_ERROR;
    }

    cl->buf->last = ngx_cpymem(cl->buf->last, frame, len);

    **last = cl;
    *last = &cl->next;

    return NGX_OK;
}


/* bytes are of the type that all of them have */

static ngx_str_t
ngx_http_shard_scatter_type(ngx_http_shard_scatter_t *s)
{
    ngx_str_t               type;
    ngx_uint_t              i;
    ngx_http_shard_part_t  *part;

    static ngx_str_t  json = ngx_string("application/json");
    static ngx_str_t  ndjson = ngx_string("application/x-ndjson");
    static ngx_str_t  bytes = ngx_string("application/octet-stream");

    if (s->conf->merge == SHARD_MERGE_NDJSON) {
        return ndjson;
    }

    if (s->conf->merge != SHARD_MERGE_CONCAT) {
        return json;
    }

    ngx_str_null(&type);

    for (i = 0; i < s->n; i++) {
        part = &s->parts[i];

        if (part->fault != NGX_HTTP_SHARD_PART_OK) {
            continue;
        }

        if (type.len == 0) {
            type = part->type;
        }

        if (part->type.len == 0 || part->type.len != type.len
            || ngx_strncmp(part->type.data, type.data, type.len) != 0)
        {
            return bytes;
        }
    }

    return type;
}


static ngx_int_t
ngx_http_shard_scatter_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, ngx_chain_t *out, off_t size)
{
    ngx_int_t      rc;
    ngx_buf_t     *b;
    ngx_chain_t  **last, end;

    r->headers_out.status = status;
    r->headers_out.content_length_n = size;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    if (status == 207) {
        ngx_str_set(&r->headers_out.status_line, "207 Multi-Status");
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last_buf = r == r->main;
    b->sync = r != r->main;
    b->last_in_chain = 1;

    for (last = &out; *last; last = &(*last)->next) { /* void */ }

    end.buf = b;
    end.next = NULL;
    *last = &end;

    return ngx_http_output_filter(r, out);
}
