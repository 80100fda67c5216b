
#include "../src/daemon/shardd_loop.h"
#include "io.h"


#define PREDICTOR_CLAIM  "predictor"


static uint64_t
predictor_io_now_ms(void *data)
{
    (void) data;

    return shardd_now_ms();
}


static const char *
predictor_io_err(void *data)
{
    predictor_io_store_t  *w = data;

    return w->store.err;
}


static int
predictor_io_claim(void *data, long ttl_ms)
{
    predictor_io_store_t  *w = data;

    return shardd_claim(&w->store, PREDICTOR_CLAIM, w->holder, ttl_ms,
                        &w->claim);
}


static int
predictor_io_release(void *data)
{
    predictor_io_store_t  *w = data;

    return shardd_release(&w->store, &w->claim);
}


static int
predictor_io_table(void *data, shardd_table_t *table)
{
    predictor_io_store_t  *w = data;

    return shardd_table_load(&w->store, table);
}


static int
predictor_io_migrations(void *data, size_t limit, shardd_entries_t *out)
{
    predictor_io_store_t  *w = data;

    return shardd_migrations(&w->store, limit, out);
}


static int
predictor_io_decisions(void *data, size_t limit, shardd_entries_t *out)
{
    predictor_io_store_t  *w = data;

    return shardd_decisions(&w->store, limit, out);
}


static int
predictor_io_decision_add(void *data, const char *id,
    const shardd_field_t *fields, size_t n)
{
    predictor_io_store_t  *w = data;

    return shardd_decision_add(&w->store, id, fields, n);
}


static int
predictor_io_hash_load(void *data, const char *key, shardd_entry_t *out)
{
    predictor_io_store_t  *w = data;

    return shardd_hash_load(&w->store, key, out);
}


static int
predictor_io_hash_put(void *data, const char *key,
    const shardd_field_t *fields, size_t n)
{
    predictor_io_store_t  *w = data;

    return shardd_hash_put(&w->store, key, fields, n);
}


static int
predictor_io_metrics(void *data, char *cursor, size_t limit,
    shardd_metrics_pt each, void *ctx)
{
    predictor_io_store_t  *w = data;

    return shardd_metrics_read(&w->store, cursor, limit, 0, each, ctx);
}


static int
predictor_io_rows_put(void *data, long res_s, long slot, const float *values,
    size_t n)
{
    predictor_io_store_t  *w = data;

    return shardd_rows_put(&w->store, res_s, slot, values, n);
}


static int
predictor_io_rows_range(void *data, long res_s, long first, size_t nslots,
    float *values, size_t n)
{
    predictor_io_store_t  *w = data;

    return shardd_rows_range(&w->store, res_s, first, nslots, values, n);
}


static int
predictor_io_scrape_ask(void *data, const char *url, long timeout_ms,
    uint64_t id)
{
    predictor_io_store_t  *w = data;

    if (w->scrape == NULL) {
        w->scrape = predictor_scrape_create();
    }

    return w->scrape ? predictor_scrape_ask(w->scrape, url, timeout_ms, id)
                     : SHARD_ERROR;
}


static void
predictor_io_scrape_step(void *data, predictor_scrape_pt each, void *ctx)
{
    predictor_io_store_t  *w = data;

    if (w->scrape) {
        predictor_scrape_step(w->scrape, each, ctx);
    }
}


static int
predictor_io_size_ask(void *data, const char *url, long timeout_ms,
    uint64_t id)
{
    predictor_io_store_t  *w = data;

    if (w->sizes == NULL) {
        w->sizes = predictor_scrape_create();
    }

    return w->sizes ? predictor_scrape_ask(w->sizes, url, timeout_ms, id)
                    : SHARD_ERROR;
}


static void
predictor_io_size_step(void *data, predictor_scrape_pt each, void *ctx)
{
    predictor_io_store_t  *w = data;

    if (w->sizes) {
        predictor_scrape_step(w->sizes, each, ctx);
    }
}


static int
predictor_io_named_put(void *data, const char *name, long live_s, long res_s,
    long slot, const float *values, size_t n)
{
    predictor_io_store_t  *w = data;

    return shardd_named_rows_put(&w->store, name, live_s, res_s, slot, values,
                                 n);
}


static int
predictor_io_named_range(void *data, const char *name, long res_s, long first,
    size_t nslots, float *values, size_t n)
{
    predictor_io_store_t  *w = data;

    return shardd_named_rows_range(&w->store, name, res_s, first, nslots,
                                   values, n);
}


static int
predictor_io_bytes_put(void *data, const char *key, const void *bytes,
    size_t len, long live_s)
{
    predictor_io_store_t  *w = data;

    return shardd_bytes_put(&w->store, key, bytes, len, live_s);
}


static int
predictor_io_bytes_get(void *data, const char *key, size_t most,
    void **bytes, size_t *len)
{
    predictor_io_store_t  *w = data;

    return shardd_bytes_get(&w->store, key, most, bytes, len);
}


static int
predictor_io_spread_put(void *data, const shard_id_t *ids,
    const shard_str_t *texts, size_t n)
{
    predictor_io_store_t  *w = data;

    return shardd_spread_put(&w->store, ids, texts, n);
}


static int
predictor_io_spread_load(void *data, shardd_spread_pt each, void *ctx)
{
    predictor_io_store_t  *w = data;

    return shardd_spread_load(&w->store, each, ctx);
}


void
predictor_io_store(predictor_io_t *io, predictor_io_store_t *world)
{
    io->data = world;
    io->now_ms = predictor_io_now_ms;
    io->err = predictor_io_err;
    io->claim = predictor_io_claim;
    io->release = predictor_io_release;
    io->table = predictor_io_table;
    io->migrations = predictor_io_migrations;
    io->decisions = predictor_io_decisions;
    io->decision_add = predictor_io_decision_add;
    io->hash_load = predictor_io_hash_load;
    io->hash_put = predictor_io_hash_put;
    io->metrics = predictor_io_metrics;
    io->rows_put = predictor_io_rows_put;
    io->rows_range = predictor_io_rows_range;
    io->bytes_put = predictor_io_bytes_put;
    io->bytes_get = predictor_io_bytes_get;
    io->scrape_ask = predictor_io_scrape_ask;
    io->scrape_step = predictor_io_scrape_step;
    io->size_ask = predictor_io_size_ask;
    io->size_step = predictor_io_size_step;
    io->named_put = predictor_io_named_put;
    io->named_range = predictor_io_named_range;
    io->spread_put = predictor_io_spread_put;
    io->spread_load = predictor_io_spread_load;
}
