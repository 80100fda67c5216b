
/*
 * What is forecast of a shard beside its load, and whether its client groups
 * add up to a better forecast than it has as one.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shardctl.h"


#define SIGNALS_LEADS  4


static const shardctl_column_t  signals_columns[] = {
    { "ahead_ms", "AHEAD", SHARDCTL_SPAN_MS },
    { "requests", "req/s", SHARDCTL_RATE },
    { "bytes", "BYTES/s", SHARDCTL_BYTES },
    { "bytes_high", "9 OF 10 BELOW", SHARDCTL_BYTES },
    { "write_share", "WRITES", SHARDCTL_PERCENT },
    { "write_share_high", "9 OF 10 BELOW", SHARDCTL_PERCENT },
    { "latency_ms", "LATENCY", SHARDCTL_SPAN_MS },
    { "latency_high_ms", "9 OF 10 BELOW", SHARDCTL_SPAN_MS },
    { NULL, NULL, SHARDCTL_TEXT }
};


/* NaN: not there */

static double
signals_at(const json_t *signals, const char *name, const char *quantile,
    size_t i)
{
    const json_t  *v;

    v = json_array_get(json_object_get(json_object_get(signals, name),
                                       quantile), i);

    return json_is_number(v) ? json_number_value(v) : NAN;
}


static json_t *
signals_row(const json_t *signals, size_t i, double step_s)
{
    double  step;

    step = json_number_value(json_array_get(json_object_get(signals, "step"),
                                            i));

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "ahead_ms", shardctl_number(1000 * step * step_s),
        "requests", shardctl_number(signals_at(signals, "requests", "mean",
                                               i)),
        "bytes", shardctl_number(signals_at(signals, "bytes", "mean", i)),
        "bytes_high", shardctl_number(signals_at(signals, "bytes", "q0.9",
                                                 i)),
        "write_share", shardctl_number(signals_at(signals, "write_share",
                                                  "q0.5", i)),
        "write_share_high", shardctl_number(signals_at(signals,
                                                "write_share", "q0.9", i)),
        "latency_ms", shardctl_number(1000 * signals_at(signals, "latency",
                                                        "q0.5", i)),
        "latency_high_ms", shardctl_number(1000 * signals_at(signals,
                                                "latency", "q0.9", i)));
}


/* a part that is malformed is as if it were not there: it is only shown */

json_t *
shardctl_signals(const char *text)
{
    size_t   i, n;
    json_t  *whole, *signals, *rows, *clients;
    double   step_s;

    whole = shardctl_json(text);
    signals = json_object_get(whole, "signals");
    clients = json_object_get(whole, "clients");
    step_s = shardctl_get_number(whole, "step_s");
    n = json_array_size(json_object_get(signals, "step"));
    rows = json_array();

    for (i = 0; i < n && i < SIGNALS_LEADS; i++) {
        json_array_append_new(rows, signals_row(signals, i, step_s));
    }

    signals = json_pack("{s:o, s:O}", "ahead", rows, "clients",
                        json_is_object(clients) ? clients : json_null());
    json_decref(whole);

    return signals;
}


static void
signals_clients(shardctl_t *ctl, const json_t *clients)
{
    char           text[384];
    double         own, sum;
    const json_t  *first;

    first = json_array_get(json_object_get(clients, "error_own"), 0);
    own = json_is_number(first) ? json_number_value(first) : NAN;
    first = json_array_get(json_object_get(clients, "error_sum"), 0);
    sum = json_is_number(first) ? json_number_value(first) : NAN;

    snprintf(text, sizeof(text), "%.0f series of client groups; the forecast "
             "is %s: the next step's mean error was %.4g by their sum, %.4g "
             "of the shard as one\n", shardctl_get_number(clients, "series"),
             json_is_true(json_object_get(clients, "sum"))
             ? "their sum where that was better" : "the shard's own",
             sum, own);
    shardctl_put(ctl, SHARDCTL_PLAIN, text);
}


void
shardctl_signals_show(shardctl_t *ctl, const json_t *signals)
{
    if (json_array_size(json_object_get(signals, "ahead"))) {
        printf("\n");
        shardctl_table(ctl, json_object_get(signals, "ahead"),
                       signals_columns);
    }

    if (json_is_object(json_object_get(signals, "clients"))) {
        printf("\n");
        signals_clients(ctl, json_object_get(signals, "clients"));
    }
}
