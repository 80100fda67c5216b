
/*
 * Signals beside the load: rows of metrics, ratios, client groups, figures of
 * nodes.
 */

#include <jansson.h>

#include "signals_world.h"


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


int
main(void)
{
    shardd_log_init("predictor", "orders", SHARDD_LOG_ERROR);

    test_signals();
    test_node_left();

    return tap_done();
}
