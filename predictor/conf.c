
#include <stdio.h>
#include <string.h>

#include "../src/core/shard_load.h"
#include "../src/core/shard_text.h"
#include "../src/daemon/shardd_log.h"
#include "model.h"
#include "conf.h"
#include "expose.h"
#include "nodes.h"
#include "pool.h"


#define DAY_MS   86400000.0
#define AT(m)    offsetof(predictor_conf_t, m)

/* so many newest migrations are looked at (fleet_moves.h), and some more */

#define PREDICTOR_BUDGET_MOVES_MAX  250


const char *const  predictor_mode_words[] = {
    "observe", "recommend", "act", NULL
};


static const shardd_conf_key_t  predictor_conf_log[] = {
    { "format", SHARDD_CONF_ENUM, AT(log_format), 0, 0, 0,
      shardd_log_formats, NULL, "text, or json: one object a line" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  predictor_conf_redis[] = {
    { "addr", SHARDD_CONF_STRING, AT(redis.addr), 0, 0, 0, NULL, NULL,
      "host:port or unix:/path" },
    { "user", SHARDD_CONF_STRING, AT(redis.user), 0, 0, 0, NULL, NULL,
      "user of Redis' ACL" },
    { "password_file", SHARDD_CONF_FILE, AT(redis.password), 0, 0, 0, NULL,
      NULL, "file whose first line is the password" },
    { "db", SHARDD_CONF_INT, AT(redis.db), 0, 1023, 0, NULL, NULL,
      "number of the database" },
    { "timeout", SHARDD_CONF_MS, AT(redis.timeout_ms), 10, 600000, 0, NULL,
      NULL, "for connecting and for an answer" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  predictor_conf_clock[] = {
    { "speed", SHARDD_CONF_NUMBER, AT(clock_speed), 0.001, 1e6, 0, NULL, NULL,
      "seconds of the predictor's clock in a real one" },
    { "real_ms", SHARDD_CONF_NUMBER, AT(clock_real_ms), 0, 1e15, 0, NULL,
      NULL, "real time, ms since 1970, ..." },
    { "epoch_s", SHARDD_CONF_NUMBER, AT(clock_epoch_s), 0, 1e11, 0, NULL,
      NULL, "... at which the predictor's clock says so many s since 1970" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  predictor_conf_signals[] = {
    { "metrics", SHARDD_CONF_LIST, AT(signal_metrics), 0, 8, 0, NULL, NULL,
      "forecast beside the load: writes, bytes, latency" },
    { "history", SHARDD_CONF_MS, AT(signal_history_ms), DAY_MS / 24,
      40 * DAY_MS, 0, NULL, NULL, "their rows are kept so long" },
    { "series", SHARDD_CONF_INT, AT(signal_series), 0, 100000, 0, NULL, NULL,
      "of nodes and client groups, at most" },
    { "clients", SHARDD_CONF_INT, AT(signal_clients), 0, 16, 0, NULL, NULL,
      "largest client groups of a shard with a series of their own" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  predictor_conf_budget[] = {
    { "window", SHARDD_CONF_MS, AT(budget_window_ms), 60000, 7 * DAY_MS, 0,
      NULL, NULL, "that slides; moves that began in it count, all that run do"
    },
    { "moves", SHARDD_CONF_INT, AT(budget_moves[PREDICTOR_BUDGET_FLEET]), 0,
      PREDICTOR_BUDGET_MOVES_MAX, 0, NULL, NULL, "that may begin in a window; "
      "0: no limit" },
    { "gb", SHARDD_CONF_NUMBER, AT(budget_gb[PREDICTOR_BUDGET_FLEET]), 0, 1e9,
      0, NULL, NULL, "that may be copied in a window, 1e9 bytes; 0: no limit"
    },
    { "zone_moves", SHARDD_CONF_INT, AT(budget_moves[PREDICTOR_BUDGET_ZONE]),
      0, PREDICTOR_BUDGET_MOVES_MAX, 0, NULL, NULL, "of each zone, from it or "
      "to it" },
    { "zone_gb", SHARDD_CONF_NUMBER, AT(budget_gb[PREDICTOR_BUDGET_ZONE]), 0,
      1e9, 0, NULL, NULL, "of each zone" },
    { "node_moves", SHARDD_CONF_INT, AT(budget_moves[PREDICTOR_BUDGET_NODE]),
      0, PREDICTOR_BUDGET_MOVES_MAX, 0, NULL, NULL, "of each node" },
    { "node_gb", SHARDD_CONF_NUMBER, AT(budget_gb[PREDICTOR_BUDGET_NODE]), 0,
      1e9, 0, NULL, NULL, "of each node" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const char *const  predictor_conf_promote[] = {
    "any", "caught-up", NULL
};

static const shardd_conf_key_t  predictor_conf_failure[] = {
    { "after", SHARDD_CONF_MS, AT(failure_after_ms), 0, 3600000, 0, NULL,
      NULL, "a router's word counts when it saw the node dead for so long" },
    { "promote", SHARDD_CONF_ENUM, AT(failure_promote), 0, 0, 0,
      predictor_conf_promote, NULL, "any: a strong shard's best standby; "
      "caught-up: one that had all of it, else nobody" },
    { "behind", SHARDD_CONF_MS, AT(failure_behind_ms), 0, DAY_MS, 0, NULL,
      NULL, "caught up is who had all of it so long before" },
    { "rebuild_after", SHARDD_CONF_MS, AT(failure_rebuild_ms), 0, 30 * DAY_MS,
      0, NULL, NULL, "replicas of a node that is dead for so long are lost" },
    { "rebuilds", SHARDD_CONF_INT, AT(failure_rebuilds), 0, 64, 0, NULL, NULL,
      "replicas to be made anew at once" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  predictor_conf_shards[] = {
    { "min", SHARDD_CONF_INT, AT(shards_min), 1, PREDICTOR_RESIZE_MOST, 0,
      NULL, NULL, "shards are not joined below so many" },
    { "max", SHARDD_CONF_INT, AT(shards_max), 1, PREDICTOR_RESIZE_MOST, 0,
      NULL, NULL, "nor split above so many" },
    { "split_above", SHARDD_CONF_NUMBER, AT(split_above), 0.01, 1, 0, NULL,
      NULL, "of the smallest node's capacity: a shard is too large" },
    { "merge_below", SHARDD_CONF_NUMBER, AT(merge_below), 0, 0.25, 0, NULL,
      NULL, "of it: two neighbours are small enough to be one" },
    { "hold", SHARDD_CONF_MS, AT(shards_hold_ms), 0, DAY_MS, 0, NULL, NULL,
      "a load must last so long in a season to count" },
    { "season", SHARDD_CONF_MS, AT(shards_season_ms), 3600000, 35 * DAY_MS, 0,
      NULL, NULL, "what is cold is so for a whole one" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  predictor_conf_scrape[] = {
    { "url", SHARDD_CONF_STRING, AT(scrape_url), 0, 0, 0, NULL, NULL,
      "of a node's node_exporter: {host} {port} {name} {zone} are the node's" },
    { "backend", SHARDD_CONF_STRING, AT(scrape_backend), 0, 0, 0, NULL, NULL,
      "of its own metrics, for gauges" },
    { "interval", SHARDD_CONF_MS, AT(scrape_interval_ms), 200, 3600000, 0,
      NULL, NULL, "in real time" },
    { "timeout", SHARDD_CONF_MS, AT(scrape_timeout_ms), 50, 600000, 0, NULL,
      NULL, "for a whole answer, in real time" },
    { "gauges", SHARDD_CONF_LIST, AT(gauges), 0, PREDICTOR_GAUGES_MAX, 0,
      NULL, NULL, "names, as queue_depth: kept and forecast by node" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  predictor_conf_sizes[] = {
    { "url", SHARDD_CONF_STRING, AT(sizes_url), 0, 0, 0, NULL, NULL,
      "of a node, in front of /_shard/ID/stats: {host} {port} {name} {zone}" },
    { "per_second", SHARDD_CONF_NUMBER, AT(sizes_per_second), 0.01, 100, 0,
      NULL, NULL, "shards that are asked for, at most, in real time" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};

static const shardd_conf_key_t  predictor_conf_keys[] = {
    { "redis", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL, predictor_conf_redis,
      "the metadata and metrics store" },
    { "keyspace", SHARDD_CONF_STRING, AT(keyspace), 0, 0, 1, NULL, NULL,
      "whose shards" },
    { "mode", SHARDD_CONF_ENUM, AT(mode), 0, 0, 0, predictor_mode_words, NULL,
      "observe: forecast only; recommend: say what to move; act: have it done"
    },
    { "interval", SHARDD_CONF_MS, AT(interval_ms), 1000, DAY_MS, 0, NULL, NULL,
      "length of a slot, whole seconds that divide a day" },
    { "history", SHARDD_CONF_MS, AT(history_ms), DAY_MS / 24, 400 * DAY_MS, 0,
      NULL, NULL, "slots older than this are not looked at" },
    { "history_mb", SHARDD_CONF_INT, AT(history_mb), 1, 1e6, 0, NULL, NULL,
      "memory for it in MB; shortened with a warning where it is too much" },
    { "horizon", SHARDD_CONF_MS, AT(horizon_ms), 1000, 7 * DAY_MS, 0, NULL,
      NULL, "how far ahead to forecast and to plan" },
    { "refit", SHARDD_CONF_MS, AT(refit_ms), 1000, DAY_MS, 0, NULL, NULL,
      "a shard's models learn anew so often" },
    { "threads", SHARDD_CONF_INT, AT(threads), 0, PREDICTOR_THREADS_MAX, 0,
      NULL, NULL, "that learn and forecast; 0: as many as there are cores" },
    { "now_slots", SHARDD_CONF_INT, AT(now_slots), 1, 100, 0, NULL, NULL,
      "the present load is the mean of so many slots" },
    { "grace_real", SHARDD_CONF_MS, AT(grace_real_ms), 0, 600000, 0, NULL,
      NULL, "metrics may be so late, in real time" },
    { "lease_real", SHARDD_CONF_MS, AT(lease_real_ms), 1000, 600000, 0, NULL,
      NULL, "another predictor takes over after, in real time" },
    { "spread_half_life", SHARDD_CONF_MS, AT(spread_half_life_ms), 60000,
      400 * DAY_MS, 0, NULL, NULL, "after which a request counts half in its "
      "shard's distribution" },
    { "quantile", SHARDD_CONF_NUMBER, AT(quantile), 0.5, 0.999, 0, NULL, NULL,
      "of a node's forecast load to plan on" },
    { "threshold", SHARDD_CONF_NUMBER, AT(threshold), 0.05, 10, 0, NULL, NULL,
      "of a node's capacity that must not be crossed" },
    { "correlation", SHARDD_CONF_NUMBER, AT(correlation), 0, 1, 0, NULL, NULL,
      "of the shards' deviations from their forecasts" },
    { "caution", SHARDD_CONF_NUMBER, AT(caution), 0, 10, 0, NULL, NULL,
      "forecasts' errors are taken for that many times as large" },
    { "move_price", SHARDD_CONF_MS, AT(move_price_ms), 0, 7 * DAY_MS, 0, NULL,
      NULL, "time above a node's limit that a move must save" },
    { "move_extra", SHARDD_CONF_NUMBER, AT(move_extra), 0, 10, 0, NULL, NULL,
      "of a moving shard's load that copying adds at both ends" },
    { "move_time", SHARDD_CONF_MS, AT(move_time_ms), 1, 7 * DAY_MS, 0, NULL,
      NULL, "a move's duration until some were seen" },
    { "move_spread", SHARDD_CONF_NUMBER, AT(move_spread), 0, 10, 0, NULL, NULL,
      "relative, until enough were seen" },
    { "lead_margin", SHARDD_CONF_MS, AT(lead_margin_ms), 0, 7 * DAY_MS, 0,
      NULL, NULL, "moves end at least this long before the breach" },
    { "cooldown", SHARDD_CONF_MS, AT(cooldown_ms), 0, 30 * DAY_MS, 0, NULL,
      NULL, "a shard that was moved rests" },
    { "max_moves_per_node", SHARDD_CONF_INT, AT(max_moves_per_node), 1, 64, 0,
      NULL, NULL, "at once, as source or target" },
    { "max_moves", SHARDD_CONF_INT, AT(max_moves), 1, 64, 0, NULL, NULL,
      "at once in all" },
    { "shards", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL, predictor_conf_shards,
      "how many there should be, where the policy does not say" },
    { "budget", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL, predictor_conf_budget,
      "moves and bytes within a window, also of those that are over" },
    { "failure", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL,
      predictor_conf_failure, "nodes that die, all in real time" },
    { "metrics", SHARDD_CONF_STRING, AT(metrics), 0, 0, 0, NULL, NULL,
      "address and port at which /metrics is answered, for Prometheus" },
    { "log_level", SHARDD_CONF_ENUM, AT(log_level), 0, 0, 0, shardd_log_words,
      NULL, "error, warn, info or debug" },
    { "log", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL, predictor_conf_log,
      "its lines, on stderr" },
    { "signals", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL,
      predictor_conf_signals, "what is forecast beside the load" },
    { "scrape", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL, predictor_conf_scrape,
      "what nodes say of themselves in Prometheus' text format" },
    { "sizes", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL, predictor_conf_sizes,
      "how large shards are, by their backends" },
    { "clock", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL, predictor_conf_clock,
      "for replays: another clock than the real one" },
    { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }
};


static const char *const  predictor_conf_metrics[] = {
    "writes", "bytes", "latency", NULL
};


static void
predictor_conf_defaults(predictor_conf_t *c)
{
    memset(c, 0, sizeof(predictor_conf_t));

    c->redis.addr = "127.0.0.1:6379";
    c->redis.timeout_ms = 2000;
    c->mode = PREDICTOR_OBSERVE;
    c->log_level = SHARDD_LOG_INFO;

    c->interval_ms = 5 * 60 * 1000;
    c->history_ms = 28L * 86400 * 1000;
    c->history_mb = 4096;
    c->horizon_ms = 2 * 3600 * 1000;
    c->refit_ms = 86400 * 1000;
    c->now_slots = 1;
    c->grace_real_ms = 3000;
    c->lease_real_ms = 10000;

    c->spread_half_life_ms = 6 * 3600 * 1000;

    c->quantile = 0.9;
    c->threshold = 0.9;
    c->correlation = 0.3;
    c->caution = 1.6;
    c->move_price_ms = 150 * 1000;
    c->move_extra = 0.25;
    c->move_time_ms = 30 * 60 * 1000;
    c->move_spread = 0.25;
    c->lead_margin_ms = 5 * 60 * 1000;
    c->cooldown_ms = 2 * 3600 * 1000;
    c->max_moves_per_node = 2;
    c->max_moves = 8;
    c->budget_window_ms = 3600 * 1000;

    c->failure_after_ms = 3000;
    c->failure_behind_ms = 5000;
    c->failure_rebuild_ms = 10 * 60 * 1000;
    c->failure_rebuilds = 2;

    predictor_resize_policy_init(&c->shards);
    c->shards_min = c->shards.min;
    c->shards_max = c->shards.max;
    c->split_above = c->shards.split_above;
    c->merge_below = c->shards.merge_below;
    c->shards_hold_ms = 1000L * c->shards.hold_s;
    c->shards_season_ms = 1000L * c->shards.season_s;

    c->signal_metrics = (char **) predictor_conf_metrics;
    c->signal_history_ms = 7L * 86400 * 1000;
    c->signal_series = 1000;
    c->signal_clients = 4;

    c->scrape_interval_ms = 15000;
    c->scrape_timeout_ms = 2000;

    c->sizes_per_second = 2;

    c->clock_speed = 1;
}


/* names of metrics and gauges, and what urls are made of */

static int
predictor_conf_names(const char *path, const predictor_conf_t *c, char *err)
{
    int                 i;
    char                url[PREDICTOR_URL_SIZE], why[SHARD_ERR_SIZE];
    unsigned            metric;
    shard_str_t         word;
    const char *const  *words;

    words = shard_metric_words();

    for (i = 0; c->signal_metrics && c->signal_metrics[i]; i++) {
        word.data = c->signal_metrics[i];
        word.len = strlen(word.data);

        if (shard_text_word(word, words, "metric", &metric, why) != SHARD_OK) {
            snprintf(err, SHARDD_ERR_SIZE, "%s: signals: metrics: %s", path,
                     why);
            return -1;
        }
    }

    for (i = 0; c->gauges && c->gauges[i]; i++) {

        if (!predictor_text_name_valid(c->gauges[i])
            || strlen(c->gauges[i]) >= PREDICTOR_NAMED_SIZE)
        {
            snprintf(err, SHARDD_ERR_SIZE, "%s: scrape: gauges: \"%.80s\" is "
                     "no metric's name of at most %d letters, digits, \"_\" "
                     "and \":\"", path, c->gauges[i],
                     PREDICTOR_NAMED_SIZE - 1);
            return -1;
        }
    }

    const struct {
        const char  *key;
        const char  *template;
    } urls[] = {
        { "scrape: url", c->scrape_url },
        { "scrape: backend", c->scrape_backend },
        { "sizes: url", c->sizes_url }
    };

    for (i = 0; i < 3; i++) {

        if (urls[i].template
            && predictor_nodes_url(urls[i].template, "n1", "127.0.0.1:80",
                                   "z1", url, why)
               != SHARD_OK)
        {
            snprintf(err, SHARDD_ERR_SIZE, "%s: %s: %s", path, urls[i].key,
                     why);
            return -1;
        }
    }

    return 0;
}


/* what the keys must be to each other */

static int
predictor_conf_check(const char *path, const predictor_conf_t *c, char *err)
{
    if (c->interval_ms % 1000 || 86400 % (c->interval_ms / 1000)) {
        snprintf(err, SHARDD_ERR_SIZE, "%s: \"interval\" is %ld ms, must be "
                 "whole seconds that divide a day, as 300s", path,
                 c->interval_ms);
        return -1;
    }

    if (c->horizon_ms < c->interval_ms
        || c->horizon_ms / c->interval_ms > PREDICTOR_HORIZON_MAX)
    {
        snprintf(err, SHARDD_ERR_SIZE, "%s: horizon is %ld intervals, 1 to %d "
                 "are possible", path, c->horizon_ms / c->interval_ms,
                 PREDICTOR_HORIZON_MAX);
        return -1;
    }

    if (c->history_ms / c->interval_ms > PREDICTOR_SERIES_MAX
        || c->history_ms < c->interval_ms)
    {
        snprintf(err, SHARDD_ERR_SIZE, "%s: history is %ld intervals, 1 to %d "
                 "are possible", path, c->history_ms / c->interval_ms,
                 PREDICTOR_SERIES_MAX);
        return -1;
    }

    if (c->metrics && !shardd_expose_valid(c->metrics)) {
        snprintf(err, SHARDD_ERR_SIZE, "%s: metrics: \"%.80s\" is no address "
                 "and port, as 127.0.0.1:9105 or [::1]:9105", path,
                 c->metrics);
        return -1;
    }

    if (c->clock_speed != 1 && c->clock_real_ms == 0) {
        snprintf(err, SHARDD_ERR_SIZE, "%s: clock: speed needs real_ms and "
                 "epoch_s, the moment both clocks meet", path);
        return -1;
    }

    return 0;
}


static int
predictor_conf_resize(const char *path, predictor_conf_t *c, char *err)
{
    char  why[SHARD_ERR_SIZE];

    c->shards.min = (uint32_t) c->shards_min;
    c->shards.max = (uint32_t) c->shards_max;
    c->shards.split_above = c->split_above;
    c->shards.merge_below = c->merge_below;
    c->shards.hold_s = (uint32_t) (c->shards_hold_ms / 1000);
    c->shards.season_s = (uint32_t) (c->shards_season_ms / 1000);

    if (predictor_resize_policy_check(&c->shards, why) != SHARD_OK) {
        snprintf(err, SHARDD_ERR_SIZE, "%s: %s", path, why);
        return -1;
    }

    return 0;
}


int
predictor_conf_load(const char *path, predictor_conf_t *conf, char *err)
{
    predictor_conf_defaults(conf);

    if (shardd_conf_load(path, predictor_conf_keys, conf, err) != 0) {
        return -1;
    }

    if (predictor_conf_check(path, conf, err) != 0) {
        return -1;
    }

    if (predictor_conf_resize(path, conf, err) != 0) {
        return -1;
    }

    return predictor_conf_names(path, conf, err);
}


void
predictor_conf_print(const predictor_conf_t *conf)
{
    shardd_conf_print(predictor_conf_keys, conf);
}
