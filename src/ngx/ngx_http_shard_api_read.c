
/*
 * shard_api: commands of reads.  Small scripts bound what Redis sends, since
 * its own commands bound neither bytes nor, for small hashes, elements.
 */


#include "ngx_http_shard_ask.h"


static ngx_int_t ngx_http_shard_ask_hash(ngx_http_shard_ask_t *ask,
    const char *cursor, size_t len, uint32_t limit);


/*
 * KEYS hash, ARGV cursor limit bytes: how many there are, where to go on
 * ("0": done), fields and values.  A hash that grows is scanned twice in
 * parts, which one page does not show.
 */

static const char  ngx_http_shard_page_script[] =
    "local cursor, out, seen, bytes, rounds = ARGV[1], {}, {}, 0, 0 "
    "local limit, max = tonumber(ARGV[2]), tonumber(ARGV[3]) "
    "repeat "
    "local got = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', 4) "
    "cursor = got[1] rounds = rounds + 1 "
    "for i = 1, #got[2], 2 do "
    "if not seen[got[2][i]] then "
    "seen[got[2][i]] = true "
    "out[#out + 1] = got[2][i] out[#out + 1] = got[2][i + 1] "
    "bytes = bytes + #got[2][i] + #got[2][i + 1] "
    "end end "
    "until cursor == '0' or #out >= 2 * limit or bytes >= max "
    "or rounds >= 1000 "
    "return { redis.call('HLEN', KEYS[1]), cursor, out }";


/* KEYS hash, ARGV field bytes: its value, or its length when that is more */

static const char  ngx_http_shard_field_script[] =
    "local n = redis.call('HSTRLEN', KEYS[1], ARGV[1]) "
    "if n > tonumber(ARGV[2]) then return n end "
    "return redis.call('HGET', KEYS[1], ARGV[1])";


/* KEYS hash, ARGV bytes id...: how many there are, ids looked at, those of
 * them that are there */

static const char  ngx_http_shard_ids_script[] =
    "local out, bytes, max, n = {}, 0, tonumber(ARGV[1]), 0 "
    "for i = 2, #ARGV do "
    "local size = redis.call('HSTRLEN', KEYS[1], ARGV[i]) "
    "if n > 0 and bytes + size > max then break end "
    "n = n + 1 bytes = bytes + size "
    "if size > 0 then "
    "out[#out + 1] = ARGV[i] "
    "out[#out + 1] = redis.call('HGET', KEYS[1], ARGV[i]) "
    "end end "
    "return { redis.call('HLEN', KEYS[1]), n, out }";


/* KEYS sorted set, ARGV first last: how many there are, the newest first */

static const char  ngx_http_shard_newest_script[] =
    "return { redis.call('ZCARD', KEYS[1]), "
    "redis.call('ZREVRANGE', KEYS[1], ARGV[1], ARGV[2]) }";


static ngx_int_t
ngx_http_shard_ask_hash(ngx_http_shard_ask_t *ask, const char *cursor,
    size_t len, uint32_t limit)
{
    ngx_http_shard_ask_add(ask, "EVAL_RO");
    ngx_http_shard_ask_add(ask, ngx_http_shard_page_script);
    ngx_http_shard_ask_add(ask, "1");
    ngx_http_shard_ask_add_key(ask, ask->resource->key);
    ngx_http_shard_ask_add_str(ask, cursor, len);
    ngx_http_shard_ask_add_fmt(ask, "%uD", limit);
    ngx_http_shard_ask_add(ask, NGX_HTTP_SHARD_ASK_BYTES);

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_shard_ask_page(ngx_http_shard_ask_t *ask)
{
    uint32_t     from, limit;
    uint64_t     number;
    ngx_str_t    cursor;
    shard_str_t  text;

    if (ngx_http_shard_api_page(&ask->api, &from, &limit,
                                NGX_HTTP_SHARD_PAGE_MAX)
        != NGX_OK)
    {
        return NGX_OK;
    }

    if (ngx_http_arg(ask->api.request, (u_char *) "cursor", 6, &cursor)
        != NGX_OK)
    {
        ngx_str_set(&cursor, "0");
    }

    text.data = (const char *) cursor.data;
    text.len = cursor.len;

    if (shard_uint64_decode(text, &number) != SHARD_OK) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_REQUEST,
                                        "bad_page", "\"cursor\" is %V, it "
                                        "must be \"next\" of the page before",
                                        &cursor);
    }

    return ngx_http_shard_ask_hash(ask, text.data, text.len, limit);
}


/* all of a small hash */

ngx_int_t
ngx_http_shard_ask_fields(ngx_http_shard_ask_t *ask)
{
    return ngx_http_shard_ask_hash(ask, "0", 1, NGX_HTTP_SHARD_PAGE_MAX);
}


ngx_int_t
ngx_http_shard_ask_field(ngx_http_shard_ask_t *ask)
{
    ngx_http_shard_ask_add(ask, "EVAL_RO");
    ngx_http_shard_ask_add(ask, ngx_http_shard_field_script);
    ngx_http_shard_ask_add(ask, "1");
    ngx_http_shard_ask_add_key(ask, ask->resource->key);
    ngx_http_shard_ask_add_str(ask, ask->id.data, ask->id.len);
    ngx_http_shard_ask_add(ask, NGX_HTTP_SHARD_ASK_VALUE);

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_shard_ask_policy(ngx_http_shard_ask_t *ask)
{
    ngx_str_set(&ask->id, "policy");

    return ngx_http_shard_ask_field(ask);
}


ngx_int_t
ngx_http_shard_ask_migrations(ngx_http_shard_ask_t *ask)
{
    uint32_t  limit;

    if (ngx_http_shard_api_page(&ask->api, &ask->from, &limit,
                                NGX_HTTP_SHARD_PAGE_MAX)
        != NGX_OK)
    {
        return NGX_OK;
    }

    ngx_http_shard_ask_add(ask, "EVAL_RO");
    ngx_http_shard_ask_add(ask, ngx_http_shard_newest_script);
    ngx_http_shard_ask_add(ask, "1");
    ngx_http_shard_ask_add_key(ask, ask->resource->key);
    ngx_http_shard_ask_add_fmt(ask, "%uD", ask->from);
    ngx_http_shard_ask_add_fmt(ask, "%uL", (uint64_t) ask->from + limit - 1);

    return NGX_AGAIN;
}


/* of the shards in order of position, as the page of shards is */

ngx_int_t
ngx_http_shard_ask_forecasts(ngx_http_shard_ask_t *ask)
{
    uint32_t                i, limit, slot;
    ngx_int_t               rc;
    shard_id_t              id;
    ngx_http_shard_view_t   view;

    if (ngx_http_shard_api_page(&ask->api, &ask->from, &limit,
                                NGX_HTTP_SHARD_ASK_IDS)
        != NGX_OK)
    {
        return NGX_OK;
    }

    do {
        ask->argc = 0;
        ngx_http_shard_view_open(&view, ask->api.keyspace);

        ngx_http_shard_ask_add(ask, "EVAL_RO");
        ngx_http_shard_ask_add(ask, ngx_http_shard_ids_script);
        ngx_http_shard_ask_add(ask, "1");
        ngx_http_shard_ask_add_key(ask, ask->resource->key);
        ngx_http_shard_ask_add(ask, NGX_HTTP_SHARD_ASK_BYTES);

        for (i = ask->from; i - ask->from < limit; i++) {
            rc = ngx_http_shard_view_shard(&view, i, &id, &slot);

            if (rc == NGX_DECLINED) {
                break;
            }

            if (rc == NGX_OK) {
                ngx_http_shard_ask_add_fmt(ask, "%uD", id);

            } else {
                /* asked for already, but a place of its own */
                ngx_http_shard_ask_add(ask, "");
            }
        }

        ask->total = view.nentries;

    } while (!ngx_http_shard_view_holds(&view));

    return NGX_AGAIN;
}
