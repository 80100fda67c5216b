
/*
 * A world for predictor_daemon.c: a store in memory (predictor_world_store.h)
 * with nodes and routers around it.  One world per process.
 *
 *   send() ──▶ entries ──▶ daemon ──▶ rows, state, decision[]
 */


#ifndef _PREDICTOR_WORLD_H_INCLUDED_
#define _PREDICTOR_WORLD_H_INCLUDED_


#include "predictor_world_store.h"


/* nodes answer at once what exporter() says, NULL: not at all */

#define ASKED  64

static struct {
    uint64_t  id;
    char      url[128];
} asked[ASKED];

static size_t  nasked;

static const char *(*exporter)(const char *url);


static int
w_scrape_ask(void *data, const char *url, long timeout_ms, uint64_t id)
{
    (void) data;
    (void) timeout_ms;

    if (nasked == ASKED) {
        return SHARD_ERROR;
    }

    asked[nasked].id = id;
    snprintf(asked[nasked++].url, sizeof(asked[0].url), "%s", url);

    return SHARD_OK;
}


static void
w_scrape_step(void *data, predictor_scrape_pt each, void *ctx)
{
    size_t       i, n;
    shard_str_t  text;

    (void) data;
    n = nasked;
    nasked = 0;

    for (i = 0; i < n; i++) {
        text.data = exporter ? exporter(asked[i].url) : NULL;
        text.len = text.data ? strlen(text.data) : 0;
        each(ctx, asked[i].id, text, "connection refused");
    }
}


/* and backends what size_of() says of a shard */

static struct {
    uint64_t  id;
    char      url[128];
} sized[ASKED];

static size_t  nsized;

static const char *(*size_of)(const char *url);


static int
w_size_ask(void *data, const char *url, long timeout_ms, uint64_t id)
{
    (void) data;
    (void) timeout_ms;

    if (nsized == ASKED) {
        return SHARD_ERROR;
    }

    sized[nsized].id = id;
    snprintf(sized[nsized++].url, sizeof(sized[0].url), "%s", url);

    return SHARD_OK;
}


static void
w_size_step(void *data, predictor_scrape_pt each, void *ctx)
{
    size_t       i, n;
    shard_str_t  text;

    (void) data;
    n = nsized;
    nsized = 0;

    for (i = 0; i < n; i++) {
        text.data = size_of ? size_of(sized[i].url) : NULL;
        text.len = text.data ? strlen(text.data) : 0;
        each(ctx, sized[i].id, text, "connection refused");
    }
}


static const predictor_io_t  io = {
    NULL, w_now_ms, w_err, w_claim, w_release, w_table, w_none, w_none,
    w_decision_add, w_hash_load, w_hash_put, w_metrics, w_rows_put,
    w_rows_range, w_named_put, w_named_range, w_bytes_put, w_bytes_get,
    w_spread_put, w_spread_load, w_scrape_ask, w_scrape_step,
    w_size_ask, w_size_step
};


/* requests of a shard in a tick that ends at "s": n1's grow with the day */

static uint32_t
offered(uint32_t shard, double s)
{
    double  phase;

    phase = fmod(s, 86400) / 86400;

    return (uint32_t) (TICK_MS / 1000 * (shard % 2 ? 10 : 20)
                       * (1 + 0.6 * sin(6.283185307 * phase)));
}


/* what one of two routers says at the tick's end; half of all each */

TAP_UNUSED static void
send(const char *router, uint64_t instance, uint64_t sequence)
{
    uint32_t                i, n;
    entry_t                *e;
    shard_metrics_head_t    head;
    shard_metrics_shard_t   shard;
    shard_metrics_sample_t  sample;
    shard_metrics_writer_t  writer;

    if (w.nentries == ENTRIES) {
        tap_diag("the world's stream is full");
        exit(1);
    }

    e = &w.entries[w.nentries++];
    head.router.data = router;
    head.router.len = strlen(router);
    head.instance = instance;
    head.sequence = sequence;
    head.end_ms = w.now_ms;
    head.interval_ms = TICK_MS;
    shard_metrics_begin(&writer, e->bytes, sizeof(e->bytes), &head);
    memset(&shard, 0, sizeof(shard));

    for (i = 0; i < SHARDS; i++) {
        n = offered(i, (double) w.now_ms / 1000);
        shard.id = i;
        shard.offered = router[0] == 'a' ? n / 2 : n - n / 2;
        shard_metrics_add_shard(&writer, &shard);
    }

    memset(&sample, 0, sizeof(sample));
    sample.id = (shard_id_t) (sequence % SHARDS);
    sample.position = sequence;
    sample.key = sequence % 3;
    sample.weight = 16;
    shard_metrics_add_sample(&writer, &sample);

    e->len = (size_t) shard_metrics_end(&writer);
}


static void
world(uint64_t seed)
{
    uint32_t  i, c;
    size_t    j;

    for (j = 0; j < w.nstate; j++) {
        free(w.state[j].name);
        free(w.state[j].value);
    }

    for (i = 0; i < SPREADS; i++) {
        free(w.spread[i].text);
    }

    free(w.table.shards);
    free(w.table.nodes);
    memset(&w, 0, sizeof(w));
    memset(logs, 0, sizeof(logs));
    nlogs = 0;
    nnamed = 0;
    nasked = 0;
    nsized = 0;
    exporter = NULL;
    size_of = NULL;

    w.seed = seed;
    w.asks = "one";
    w.table.version = 1;
    w.table.nshards = SHARDS;
    w.table.nnodes = 2;
    w.table.shards = calloc(SHARDS, sizeof(shard_record_t));
    w.table.nodes = calloc(2, sizeof(shard_node_t));

    for (i = 0; i < 2; i++) {
        snprintf(w.table.nodes[i].name, SHARD_NAME_SIZE, "n%u", i + 1);
        snprintf(w.table.nodes[i].zone, SHARD_NAME_SIZE, "z%u", i + 1);
        w.table.nodes[i].capacity = 130;
    }

    for (i = 0; i < SHARDS; i++) {
        w.table.shards[i].id = i;
        w.table.shards[i].epoch = 1;
        snprintf(w.table.shards[i].primary, SHARD_NAME_SIZE, "n%u",
                 1 + i % 2);
    }

    for (i = 0; i < SLOTS; i++) {

        for (c = 0; c < COLS; c++) {
            w.rows[i][c] = i < 2 * 288 && c < SHARDS
                           ? (float) offered(c, (SLOT0 + i) * (double) RES)
                             / (TICK_MS / 1000) : NAN;
        }
    }

    w.now_ms = (uint64_t) T0 * 1000;
}


static void
configure(predictor_conf_t *c, predictor_mode_e mode)
{
    memset(c, 0, sizeof(*c));
    c->mode = mode;
    c->interval_ms = RES * 1000;
    c->history_ms = 2 * 86400 * 1000L;
    c->history_mb = 64;
    c->horizon_ms = 2 * 3600 * 1000;
    c->refit_ms = 86400 * 1000;
    c->now_slots = 1;
    c->grace_real_ms = 3000;
    c->lease_real_ms = 30000;
    c->quantile = 0.9;
    c->threshold = 0.9;
    c->correlation = 0.3;
    c->caution = 1.6;
    c->move_price_ms = 60 * 1000;
    c->move_extra = 0.25;
    c->move_time_ms = 30 * 60 * 1000;
    c->move_spread = 0.25;
    c->lead_margin_ms = 300 * 1000;
    c->cooldown_ms = 2 * 3600 * 1000;
    c->max_moves_per_node = 2;
    c->max_moves = 8;
    c->keyspace = (char *) "orders";
    c->clock_speed = 1;
    predictor_resize_policy_init(&c->shards);
}


TAP_UNUSED static int
steps(predictor_daemon_t *d, int most)
{
    int  i;

    for (i = 0; i < most; i++) {

        if (predictor_daemon_step(d) > 0) {
            break;
        }
    }

    return i;
}


/* as the predictor waits for threads, steps may be many */

TAP_UNUSED static void
settle(predictor_daemon_t *d)
{
    int  i;

    for (i = 0; i < 4000 && (d->state != PREDICTOR_RUNNING || d->due
                             || d->learning); i++)
    {
        (void) predictor_daemon_step(d);
    }
}


#endif /* _PREDICTOR_WORLD_H_INCLUDED_ */
