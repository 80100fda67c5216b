
/*
 * shard_metrics: families and their rows, as far as one slice goes.
 */


#include "ngx_http_shard_scrape.h"


static ngx_int_t ngx_http_shard_scrape_family(ngx_http_shard_scrape_t *scrape,
    const ngx_http_shard_family_t *family, ngx_uint_t *steps);
static ngx_int_t ngx_http_shard_scrape_node(ngx_http_shard_scrape_t *scrape,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static ngx_int_t ngx_http_shard_scrape_client(ngx_http_shard_scrape_t *scrape,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);
static ngx_int_t ngx_http_shard_scrape_shard(ngx_http_shard_scrape_t *scrape,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family);


void
ngx_http_shard_scrape_print(ngx_buf_t *b, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    b->last = ngx_vslprintf(b->last, b->end, fmt, args);
    va_end(args);
}


/*
 * One family after the other, each with its head once and its rows of all
 * keyspaces behind it, as far as the slice goes.
 */

void
ngx_http_shard_scrape_fill(ngx_http_shard_scrape_t *scrape)
{
    ngx_uint_t                      steps;
    const ngx_http_shard_family_t  *family;

    steps = 0;

    while (ngx_http_shard_families[scrape->family].name) {
        family = &ngx_http_shard_families[scrape->family];

        if (family->rows == NGX_HTTP_SHARD_ROWS_SHARDS && !scrape->shards) {
            scrape->family++;
            continue;
        }

        if (!scrape->begun) {
            ngx_http_shard_scrape_print(scrape->b,
                                         "# HELP nginx_shard_%s %s\n"
                                         "# TYPE nginx_shard_%s %s\n",
                                         family->name, family->help,
                                         family->name, family->type);
            scrape->begun = 1;
        }

        if (ngx_http_shard_scrape_family(scrape, family, &steps) != NGX_OK) {
            scrape->b->flush = 1;
            return;
        }

        scrape->family++;
        scrape->keyspace = 0;
        scrape->begun = 0;
    }

    scrape->b->last_buf = scrape->request == scrape->request->main;
    scrape->b->last_in_chain = 1;
    scrape->done = 1;
}


/* NGX_AGAIN: the slice is full */

static ngx_int_t
ngx_http_shard_scrape_family(ngx_http_shard_scrape_t *scrape,
    const ngx_http_shard_family_t *family, ngx_uint_t *steps)
{
    ngx_int_t                    rc;
    ngx_buf_t                   *b;
    ngx_http_shard_keyspace_t  **ks;

    b = scrape->b;
    ks = scrape->keyspaces->elts;

    while (scrape->keyspace < scrape->keyspaces->nelts) {

        if (b->end - b->last < NGX_HTTP_SHARD_SLICE_ROW
            || (*steps)++ == NGX_HTTP_SHARD_SLICE_ROWS)
        {
            return NGX_AGAIN;
        }

        if (family->rows == NGX_HTTP_SHARD_ROWS_ONE) {
            family->print(b, ks[scrape->keyspace], family);
            rc = NGX_DONE;

        } else if (family->rows == NGX_HTTP_SHARD_ROWS_NODES) {
            rc = ngx_http_shard_scrape_node(scrape, ks[scrape->keyspace],
                                            family);

        } else if (family->rows == NGX_HTTP_SHARD_ROWS_CLIENTS) {
            rc = ngx_http_shard_scrape_client(scrape, ks[scrape->keyspace],
                                              family);

        } else {
            rc = ngx_http_shard_scrape_shard(scrape, ks[scrape->keyspace],
                                             family);
        }

        if (rc == NGX_DONE) {
            scrape->keyspace++;
            scrape->row = 0;
            scrape->nrows = 0;
        }
    }

    return NGX_OK;
}


/* row n is node n's, the one behind them counts what went to no node */

static ngx_int_t
ngx_http_shard_scrape_node(ngx_http_shard_scrape_t *scrape,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family)
{
    u_char                 *last;
    ngx_str_t               name;
    ngx_uint_t              last_row;
    ngx_http_shard_row_t    row;
    ngx_http_shard_view_t   view;

    last = scrape->b->last;

    do {
        scrape->b->last = last;
        ngx_http_shard_view_open(&view, ks);
        last_row = scrape->row >= view.nnodes;
        ngx_http_shard_view_name(&view, scrape->row, &name);

        row.keyspace = ks;
        row.number = last_row ? ks->sh->nnodes_max : scrape->row;
        row.node = &name;

        if (name.len || (last_row)) {
            family->row(scrape->b, &row, family);
        }

    } while (!ngx_http_shard_view_holds(&view));

    scrape->row++;

    return last_row ? NGX_DONE : NGX_OK;
}


static ngx_int_t
ngx_http_shard_scrape_client(ngx_http_shard_scrape_t *scrape,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family)
{
    ngx_str_t              name;
    shard_str_t            text;
    ngx_http_shard_row_t   row;

    text = shard_clients_name_at(&ks->sh->clients, scrape->row);

    if (text.len) {
        name.data = (u_char *) text.data;
        name.len = text.len;
        row.keyspace = ks;
        row.number = scrape->row;
        row.node = &name;
        family->row(scrape->b, &row, family);
    }

    return ++scrape->row == SHARD_CLIENT_PLACES ? NGX_DONE : NGX_OK;
}


/*
 * Boundaries may have changed since the last slice: the next shard is the
 * one behind the last one's start, wherever that is now.
 */

static ngx_int_t
ngx_http_shard_scrape_shard(ngx_http_shard_scrape_t *scrape,
    ngx_http_shard_keyspace_t *ks, const ngx_http_shard_family_t *family)
{
    u_char                 *last;
    uint32_t                i;
    uint64_t                lo;
    ngx_int_t               rc;
    ngx_str_t               name;
    shard_bytes_t           bound;
    ngx_http_shard_row_t    row;
    ngx_http_shard_view_t   view;

    if (scrape->nrows == scrape->limit) {
        return NGX_DONE;
    }

    last = scrape->b->last;
    lo = 0;
    ngx_memzero(&bound, sizeof(shard_bytes_t));

    do {
        scrape->b->last = last;
        ngx_http_shard_view_open(&view, ks);

        i = scrape->nrows == 0 ? scrape->from
            : scrape->structure == view.structure
              ? scrape->row : ngx_http_shard_view_after(&view, scrape->lo,
                                                         &scrape->bound);

        rc = ngx_http_shard_view_shard(&view, i, &row.id, &row.slot);

        if (rc != NGX_DECLINED) {
            lo = ngx_http_shard_view_lo(&view, i);
            ngx_http_shard_view_bytes(&view, i, &bound);
        }

        if (rc == NGX_OK) {
            shard_latch_read(&ks->sh->latches[row.slot], &row.route);
            ngx_http_shard_view_name(&view, row.route.primary, &name);

            row.keyspace = ks;
            row.node = &name;
            family->row(scrape->b, &row, family);
        }

    } while (!ngx_http_shard_view_holds(&view));

    scrape->row = i + 1;
    scrape->nrows++;
    scrape->lo = lo;
    scrape->bound = bound;
    scrape->structure = view.structure;

    return rc == NGX_DECLINED ? NGX_DONE : NGX_OK;
}
