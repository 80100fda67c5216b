
/*
 * Signals in a world of their own: each tick the routers' metrics, with client
 * groups, and what nodes use for them; a store of hashes that remembers.
 *
 *   tick() ──▶ entries, exporter() ──▶ daemon ──▶ cell(key, field), w_named()
 */


#ifndef _SIGNALS_WORLD_H_INCLUDED_
#define _SIGNALS_WORLD_H_INCLUDED_


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


#endif /* _SIGNALS_WORLD_H_INCLUDED_ */
