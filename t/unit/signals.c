
/*
 * Signals in a world of its own: rows of metrics, ratios, client groups,
 * figures of nodes, and a load that is weighed or learned from CPU.
 */

#include <jansson.h>

#include "predictor_world.h"


#define TICK_S    60
#define CAPACITY  130.0
#define BASE      0.1            /* CPU without any load */
#define PER_READ  0.4            /* of capacity, by request and by write */
#define PER_WRITE 2.0


/* a store of hashes that remembers, before that of the world */

static struct {
    char   key[32];
    char   field[32];
    char  *value;
} cells[512];

static size_t           ncells;
static predictor_io_t   seam;
static double           busy[2], idle[2], queue;
static int              silent = -1;         /* node that does not answer */


static char **
cell(const char *key, const char *field)
{
    size_t  i;

    for (i = 0; i < ncells; i++) {

        if (strcmp(cells[i].key, key) == 0
            && strcmp(cells[i].field, field) == 0)
        {
            return &cells[i].value;
        }
    }

    if (ncells == sizeof(cells) / sizeof(cells[0])) {
        tap_diag("the world's hashes are full");
        exit(1);
    }

    snprintf(cells[ncells].key, sizeof(cells[0].key), "%s", key);
    snprintf(cells[ncells].field, sizeof(cells[0].field), "%s", field);

    return &cells[ncells++].value;
}


static int
put(void *data, const char *key, const shardd_field_t *f, size_t n)
{
    int     rc;
    char  **value;
    size_t  i;

    rc = w_hash_put(data, key, f, n);

    for (i = 0; rc == SHARDD_OK && i < n; i++) {
        value = cell(key, f[i].name);
        free(*value);
        *value = f[i].value ? strdup(f[i].value) : NULL;
    }

    return rc;
}


static int
load(void *data, const char *key, shardd_entry_t *out)
{
    int             rc;
    size_t          i, n;
    shardd_field_t  fields[512];

    rc = w_hash_load(data, key, out);
    n = 0;

    for (i = 0; rc == SHARDD_OK && out->nfields == 0 && i < ncells; i++) {

        if (strcmp(cells[i].key, key) == 0 && cells[i].value) {
            fields[n].name = cells[i].field;
            fields[n++].value = cells[i].value;
        }
    }

    /* the daemon's own hash has fields of both stores */

    if (strcmp(key, "predictor") == 0) {

        for (i = 0; i < ncells; i++) {

            if (strcmp(cells[i].key, key) == 0 && cells[i].value) {
                fields[n].name = cells[i].field;
                fields[n++].value = cells[i].value;
            }
        }

        shardd_entry_free(out);
        memset(out, 0, sizeof(*out));
    }

    if (n) {
        w_fields(out, fields, n);
    }

    return rc;
}


/* the share of writes of a shard: of its own, and of the time */

static double
share(uint32_t shard, double s)
{
    return 0.1 + 0.05 * shard + 0.1 * sin(s / 5000 + shard);
}


static uint32_t
requests(uint32_t shard, double s)
{
    return offered(shard, s) * (TICK_S * 1000 / TICK_MS);
}


static const char *
text(const char *url)
{
    int          node;
    static char  buf[1024];

    node = strstr(url, "n2") != NULL;

    if (node == silent) {
        return NULL;
    }

    snprintf(buf, sizeof(buf),
             "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} %.6f\n"
             "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} %.6f\n"
             "node_memory_MemTotal_bytes 1000\n"
             "node_memory_MemAvailable_bytes 400\n"
             "queue_depth{queue=\"x\"} %.3f\n", idle[node], busy[node],
             queue);

    return buf;
}


static void
clients(shard_metrics_writer_t *writer, const uint32_t *n)
{
    int                     g;
    uint32_t                i;
    shard_metrics_client_t  c;

    static const shard_str_t  names[] = {
        { 5, "small" }, { 3, "big" }, { 6, "medium" }
    };
    static const double  part[] = { 0.1, 0.6, 0.3 };

    shard_metrics_add_names(writer, names, 3);
    memset(&c, 0, sizeof(c));

    for (i = 0; i < SHARDS; i++) {

        for (g = 0; g < 3; g++) {
            c.id = i;
            c.client = (uint16_t) g;
            c.offered = (uint32_t) (n[i] * part[g]);
            shard_metrics_add_client(writer, &c);
        }
    }
}


/* a tick of the routers' and of the nodes' work */

static void
tick(void)
{
    double                  s, sum[2];
    uint32_t                i, n[SHARDS];
    entry_t                *e;
    shard_metrics_head_t    head;
    shard_metrics_shard_t   shard;
    shard_metrics_writer_t  writer;

    static uint64_t  sequence;

    w.now_ms += TICK_S * 1000;
    s = (double) w.now_ms / 1000;
    e = &w.entries[w.nentries++];
    memset(&head, 0, sizeof(head));
    head.router.data = "a";
    head.router.len = 1;
    head.instance = 7;
    head.sequence = ++sequence;
    head.end_ms = w.now_ms;
    head.interval_ms = TICK_S * 1000;
    shard_metrics_begin(&writer, e->bytes, sizeof(e->bytes), &head);
    memset(&shard, 0, sizeof(shard));
    sum[0] = sum[1] = 0;

    for (i = 0; i < SHARDS; i++) {
        n[i] = requests(i, s);
        shard.id = i;
        shard.offered = shard.completed = n[i];
        shard.writes = (uint32_t) (n[i] * share(i, s));
        shard.bytes = 1000 * n[i];
        shard.latency_us = 10000 * n[i];
        shard_metrics_add_shard(&writer, &shard);
        sum[i % 2] += PER_READ * shard.offered + PER_WRITE * shard.writes;
    }

    clients(&writer, n);
    e->len = (size_t) shard_metrics_end(&writer);

    for (i = 0; i < 2; i++) {
        busy[i] += BASE * TICK_S + sum[i] / CAPACITY / 4;
        idle[i] += TICK_S - (BASE * TICK_S + sum[i] / CAPACITY / 4);
    }

    queue = 5 + 2 * sin(s / 3000);
}


static void
run(predictor_daemon_t *d, int hours)
{
    int  i;

    for (i = 0; i < hours * 3600 / TICK_S; i++) {
        tick();
        steps(d, 60);
    }
}


/* as the predictor waits for threads, steps may be many */

static void
settle(predictor_daemon_t *d)
{
    int  i;

    for (i = 0; i < 4000 && (d->state != PREDICTOR_RUNNING || d->due
                             || d->learning); i++)
    {
        (void) predictor_daemon_step(d);
    }
}


/* a number of a JSON text, by a path of names and places; NaN: not there */

static double
number(const char *json, const char *a, const char *b, const char *c, int i)
{
    double   v;
    json_t  *root, *at;

    root = json ? json_loads(json, 0, NULL) : NULL;
    at = json_object_get(root, a);
    at = b ? json_object_get(at, b) : at;
    at = c ? json_object_get(at, c) : at;
    at = i >= 0 ? json_array_get(at, (size_t) i) : at;
    v = json_is_number(at) ? json_number_value(at) : NAN;
    json_decref(root);

    return v;
}


static int
near(double got, double want, double part, const char *what)
{
    return tap_ok(fabs(got - want) <= part * fabs(want), "%s: %g, is %g", what,
                  got, want);
}


static void
begin(predictor_conf_t *conf, predictor_daemon_t *d, const char *policy)
{
    static char        *metrics[] = { "writes", "bytes", "latency", NULL };
    static char        *gauges[] = { "queue_depth", NULL };
    static char         url[] = "http://{host}:9100/{name}";
    int                 i;

    world(5);
    configure(conf, PREDICTOR_OBSERVE);
    conf->signal_metrics = metrics;
    conf->signal_history_ms = 86400 * 1000;
    conf->signal_series = 40;
    conf->signal_clients = 2;
    conf->scrape_url = url;
    conf->scrape_interval_ms = TICK_S * 1000;
    conf->scrape_timeout_ms = 1000;
    conf->gauges = gauges;
    conf->threads = 1;
    w.table.policy = policy ? (char *) policy : NULL;
    exporter = text;
    seam = io;
    seam.hash_put = put;
    seam.hash_load = load;
    memset(busy, 0, sizeof(busy));
    memset(idle, 0, sizeof(idle));
    silent = -1;

    for (i = 0; i < (int) ncells; i++) {
        free(cells[i].value);
    }

    memset(cells, 0, sizeof(cells));
    ncells = 0;

    for (i = 0; i < 2; i++) {
        snprintf(w.table.nodes[i].addr, SHARD_ADDR_SIZE, "10.0.0.%d:80", i);
        w.table.nodes[i].capacity = CAPACITY;
    }

    predictor_daemon_init(d, conf, &seam);
}


static long
series(const predictor_daemon_t *d, predictor_named_e of, const char *owner,
    const char *name)
{
    uint32_t  n;

    n = predictor_names_find(d->signals->names, of, owner, name);

    return n == PREDICTOR_NAMED_NONE ? -1 : (long) n;
}


/* in the slot that was closed last, whose middle is at s */

static void
of_shards(long slot, double s)
{
    float       *row;
    const char  *f;

    row = w_named("writes", slot);
    tap_ok(row != NULL, "a row of writes");
    near(row ? row[2] : NAN, requests(2, s) * share(2, s) / TICK_S, 0.03,
         "writes of a shard");
    tap_ok(w_named("completed", slot) && w_named("latency", slot),
           "latency needs what was answered");
    tap_ok(w_named("requests", slot) == NULL, "the load is the requests");

    f = *cell("forecast", "2");
    near(number(f, "signals", "write_share", "q0.5", 0), share(2, s + RES),
         0.15, "share of writes forecast");
    near(number(f, "signals", "latency", "q0.9", 0), 0.01, 0.05, "latency");
    near(number(f, "signals", "bytes", "mean", 0),
         1000 * number(f, "signals", "requests", "mean", 0), 0.02, "bytes");
    tap_is_int((long) number(f, "signals", "step", NULL, 1), 12,
               "an hour's step");
    tap_ok(number(f, "signals", "write_share", "q0.1", 0)
           <= number(f, "signals", "write_share", "q0.9", 0),
           "quantiles in order");
}


static void
of_clients(const predictor_daemon_t *d, long slot, double s)
{
    long         n;
    float       *row;
    const char  *f;

    f = *cell("forecast", "2");
    n = series(d, PREDICTOR_NAMED_CLIENT, "3", "big");
    tap_ok(n >= 0, "the largest group has a series");
    tap_ok(series(d, PREDICTOR_NAMED_CLIENT, "3", "medium") >= 0,
           "and the next one");
    tap_is_int(series(d, PREDICTOR_NAMED_CLIENT, "3", "small"), -1,
               "not the third");
    row = w_named("series", slot);
    near(row && n >= 0 ? row[n] : NAN, 0.6 * requests(3, s) / TICK_S, 0.03,
         "its requests");
    n = series(d, PREDICTOR_NAMED_CLIENT, "3", "");
    near(row && n >= 0 ? row[n] : NAN, 0.1 * requests(3, s) / TICK_S, 0.15,
         "and the rest's");
    tap_is_int((long) number(f, "clients", "series", NULL, -1), 3,
               "said with the forecast");
    tap_ok(number(f, "clients", "error_sum", NULL, 0) > 0, "and its errors");
}


static void
of_nodes(void)
{
    const char  *f;

    f = *cell("node_forecast", "n1");
    tap_ok(number(f, "cpu", "now", NULL, -1) > 0.1, "CPU of a node");
    tap_ok(number(f, "cpu", "mean", NULL, 23) > 0.1, "and its forecast");
    near(number(f, "memory", "now", NULL, -1), 0.6, 0.01, "memory");
    near(number(f, "gauges", "queue_depth", "mean", 0), queue, 0.35,
         "a gauge");
    tap_ok(isnan(number(f, "network", "now", NULL, -1)),
           "what it does not say is not there");
}


static void
test_signals(void)
{
    long                 slot, n;
    float               *row;
    double               s;
    const char          *f;
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    d = malloc(sizeof(*d));
    begin(&conf, d, NULL);
    run(d, 6);
    settle(d);
    slot = d->closed;
    s = (double) slot * RES + RES / 2;

    of_shards(slot, s);
    of_clients(d, slot, s);
    of_nodes();

    silent = 1;
    run(d, 1);
    settle(d);
    n = series(d, PREDICTOR_NAMED_NODE, "n2", "cpu");
    row = w_named("series", d->closed);
    tap_ok(row && n >= 0 && isnan(row[n]), "a silent node is unknown");
    f = *cell("node_forecast", "n2");
    tap_ok(strstr(f, "\"state\":\"unknown\"") && strstr(f, "refused"),
           "and said so");

    /* numbers outlive the daemon */

    predictor_daemon_done(d);
    predictor_daemon_init(d, &conf, &seam);
    silent = -1;
    run(d, 1);
    settle(d);
    tap_is_int(series(d, PREDICTOR_NAMED_NODE, "n2", "cpu"), n,
               "the same number after a restart");
    tap_ok(isfinite(predictor_history_value(&d->history,
                                            d->signals->base + (uint32_t) n,
                                            slot)),
           "and what was known before it");
    f = *cell("forecast", "2");
    tap_ok(number(f, "signals", "write_share", "q0.5", 0) > 0,
           "ratios are learnt again from rows");

    predictor_daemon_done(d);
    free(d);
}


/* one node takes another's place in the table: what was said of the one that
 * left goes, too */

static void
test_node_left(void)
{
    uint32_t             i;
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    d = malloc(sizeof(*d));
    begin(&conf, d, NULL);
    run(d, 1);
    settle(d);
    tap_ok(*cell("node_forecast", "n2") != NULL, "a node is told of");

    snprintf(w.table.nodes[1].name, SHARD_NAME_SIZE, "n3");
    w.table.version++;

    for (i = 1; i < SHARDS; i += 2) {
        snprintf(w.table.shards[i].primary, SHARD_NAME_SIZE, "n3");
    }

    run(d, 1);
    settle(d);
    tap_ok(*cell("node_forecast", "n3") != NULL, "another one in its place");
    tap_ok(*cell("node_forecast", "n2") == NULL, "of the first nothing is "
           "left");

    predictor_daemon_done(d);
    free(d);
}


static void
test_policy(void)
{
    long                 slot;
    double               s, want;
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    static char  weighted[] = "{\"load\":{\"requests\":1,\"writes\":2}}";
    static char  bad[] = "{\"load\":{\"request\":1}}";

    d = malloc(sizeof(*d));
    begin(&conf, d, NULL);
    run(d, 3);
    settle(d);
    slot = d->closed - 6;
    s = (double) slot * RES + RES / 2;
    near(predictor_history_value(&d->history, 4, slot),
         requests(4, s) / TICK_S, 0.03, "load is requests");

    w.table.policy = weighted;
    run(d, 1);
    settle(d);
    want = (double) requests(4, s) * (1 + 2 * share(4, s)) / TICK_S;
    near(predictor_history_value(&d->history, 4, slot), want, 0.03,
         "a weighted load: the history in its unit");

    s = (double) d->closed * RES + RES / 2;
    near(w.rows[d->closed - SLOT0][4],
         (double) requests(4, s) * (1 + 2 * share(4, s)) / TICK_S, 0.03,
         "rows are written in it");
    tap_ok(w_named("requests", d->closed), "requests have rows of their own");

    /* two days before there were no rows of metrics: by the shard's means */

    s = (double) (T0 - 86400) + RES / 2;
    want = (double) offered(4, s) / 10 * (1 + 2 * 0.32);
    near(predictor_history_value(&d->history, 4, (T0 - 86400) / RES), want,
         0.3, "history without metrics is scaled");
    tap_ok(strstr(*cell("predictor", "load"), "\"from\":\"policy\""),
           "the load in force is said: %s", *cell("predictor", "load"));

    w.table.policy = bad;
    run(d, 1);
    settle(d);
    near(w.rows[d->closed - SLOT0][4], want, 3, "a bad policy changes "
         "nothing");
    tap_ok(d->signals->weights.weight[SHARD_METRIC_WRITES] == 2,
           "the weights stay");

    predictor_daemon_done(d);
    predictor_daemon_init(d, &conf, &seam);
    w.table.policy = weighted;
    run(d, 1);
    settle(d);
    s = (double) slot * RES + RES / 2;
    near(predictor_history_value(&d->history, 4, slot),
         (double) requests(4, s) * (1 + 2 * share(4, s)) / TICK_S, 0.03,
         "the same after a restart");

    w.table.policy = NULL;
    run(d, 1);
    settle(d);
    near(predictor_history_value(&d->history, 4, slot),
         (double) requests(4, s) / TICK_S, 0.03, "and back to requests");

    predictor_daemon_done(d);
    free(d);
}


/* the highest of a node's forecast loads without its base, as independent of
 * plan.c as can be: at the planned quantile, half correlated */

static double
peak_of(const predictor_daemon_t *d, uint32_t node)
{
    double                   mean, sum, squares, one, peak;
    uint32_t                 i, h;
    size_t                   at;
    const predictor_plan_t  *p;

    p = &d->fleet.plan;
    peak = 0;

    for (h = 0; h < p->nsteps; h++) {
        mean = sum = squares = 0;

        for (i = node; i < p->nshards; i += 2) {
            at = (size_t) i * p->nsteps + h;
            one = fmax(p->quantile[at] - p->mean[at], 0);
            mean += p->mean[at];
            sum += one;
            squares += one * one;
        }

        peak = fmax(peak, mean + sqrt(0.5 * sum * sum + 0.5 * squares));
    }

    return peak;
}


static void
test_learned(void)
{
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    static char  learned[] = "{\"load\":\"learned\"}";

    d = malloc(sizeof(*d));
    begin(&conf, d, learned);
    run(d, 3);
    settle(d);
    tap_ok(strstr(*cell("predictor", "load"), "are needed"),
           "too little was seen: %s", *cell("predictor", "load"));
    tap_is_dbl(d->fleet.plan.nodes[0].base, 0, 0, "requests have no base");
    run(d, 9);
    settle(d);

    tap_ok(d->signals->weights.r2 > 0.9, "R^2 %.3f",
           d->signals->weights.r2);
    near(d->signals->weights.weight[SHARD_METRIC_WRITES], PER_WRITE / 4, 0.15,
         "what a write costs");
    near(d->signals->weights.base, BASE, 0.3, "CPU without load");
    near(d->fleet.plan.nodes[1].base, BASE * CAPACITY, 0.3,
         "is planned with");
    near(d->fleet.plan.nodes[1].peak - d->fleet.plan.nodes[1].base,
         peak_of(d, 1), 0.01, "beside what its shards bring");
    tap_ok(strstr(*cell("predictor", "load"), "\"from\":\"learned\""),
           "learned weights are in force: %s", *cell("predictor", "load"));

    /* sums are kept */

    predictor_daemon_done(d);
    predictor_daemon_init(d, &conf, &seam);
    run(d, 1);
    settle(d);
    tap_ok(d->signals->weights.r2 > 0.9 && d->signals->weights.adopted >= 0,
           "and after a restart");

    predictor_daemon_done(d);
    free(d);
}


int
main(void)
{
    shardd_log_init("predictor", "orders", SHARDD_LOG_ERROR);

    test_signals();
    test_node_left();
    test_policy();
    test_learned();

    return tap_done();
}
