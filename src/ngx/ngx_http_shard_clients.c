
/*
 * Client groups: "shard ... client=$http_x_app".  What each of them asked of
 * each shard goes into the metrics entry, one flush later than the shards'
 * own counts.
 */


#include "ngx_http_shard_sync.h"


#define NGX_HTTP_SHARD_CLIENTS_MIN  256          /* counts in a table */
#define NGX_HTTP_SHARD_CLIENTS_MAX  32768


/* of each of two tables: less than five thousandths of the zone */

uint32_t
ngx_http_shard_clients_capacity(size_t size)
{
    uint32_t  n;

    n = NGX_HTTP_SHARD_CLIENTS_MIN;

    while (n < NGX_HTTP_SHARD_CLIENTS_MAX && n * 2 <= size / 32768) {
        n *= 2;
    }

    return n;
}


void
ngx_http_shard_count_client(ngx_http_shard_ctx_t *ctx, ngx_uint_t error,
    off_t bytes)
{
    ngx_str_t         value;
    shard_str_t       name;
    shard_clients_t  *clients;

    clients = &ngx_http_shard_keyspace(ctx)->sh->clients;

    if (ngx_http_complex_value(ctx->request, ctx->conf->client, &value)
        != NGX_OK)
    {
        return;
    }

    name.data = (const char *) value.data;
    name.len = value.len;

    shard_clients_count(clients, shard_clients_name(clients, name), ctx->id,
                        error, (uint64_t) bytes);
}


size_t
ngx_http_shard_clients_size(ngx_http_shard_sh_t *sh)
{
    uint32_t  n;

    n = shard_clients_taken_most(&sh->clients);

    return n ? shard_metrics_clients_size(SHARD_METRICS_NAMES_MAX, n) : 0;
}


void
ngx_http_shard_take_clients(ngx_http_shard_sync_t *sync)
{
    uint16_t                 number[SHARD_CLIENT_PLACES];
    uint32_t                 i, n, place;
    shard_str_t              names[SHARD_METRICS_NAMES_MAX];
    shard_clients_t         *clients;
    shard_client_count_t     count;
    shard_metrics_client_t   client;

    clients = &sync->keyspace->sh->clients;

    if (shard_clients_taken_most(clients)) {

        for (i = 0, n = 0; i < SHARD_CLIENT_PLACES; i++) {
            number[i] = SHARD_METRICS_NAMES_MAX;

            if (n < SHARD_METRICS_NAMES_MAX) {
                names[n] = shard_clients_name_at(clients, i);

                if (names[n].len) {
                    number[i] = (uint16_t) n++;
                }
            }
        }

        (void) shard_metrics_add_names(&sync->writer, names, n);

        for (i = 0; i < clients->capacity; i++) {
            if (shard_clients_take(clients, i, &client.id, &place, &count)
                && count.offered && number[place] < SHARD_METRICS_NAMES_MAX)
            {
                client.client = number[place];
                client.offered = count.offered;
                client.errors = count.errors;
                client.bytes = count.bytes;

                (void) shard_metrics_add_client(&sync->writer, &client);
            }
        }
    }

    shard_clients_swap(clients);
}
