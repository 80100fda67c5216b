
/* The keys of a scenario, what they are without one, and where they stand. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "simulate.h"


#define DAY_MS  86400000.0
#define AT(m)   offsetof(predictor_scenario_t, m)
#define END     { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }

#define PREDICTOR_SCENARIO_MAX    262144    /* bytes, as shardd_conf.c has */
#define PREDICTOR_SCENARIO_LEAST_MS  (3L * 3600 * 1000)     /* of a horizon */
#define PREDICTOR_SCENARIO_MOVES  3         /* that a horizon is long */


const char *const  predictor_sim_words[] = {
    "static", "reactive", "predictive", "oracle", NULL
};

static const char *const  predictor_scenario_shapes[] = {
    "rhythm", "walk", "stationary", NULL
};


static const shardd_conf_key_t  predictor_scenario_generate[] = {
    { "shape", SHARDD_CONF_ENUM, AT(shape), 0, 0, 0,
      predictor_scenario_shapes, NULL,
      "rhythm: days and weeks; walk: random; stationary: noise only" },
    { "shards", SHARDD_CONF_INT, AT(shards), 1, 100000, 0, NULL, NULL,
      "how many" },
    { "days", SHARDD_CONF_INT, AT(days), 1, 400, 0, NULL, NULL,
      "history and what is judged" },
    { "rate", SHARDD_CONF_NUMBER, AT(rate), 1e-3, 1e12, 0, NULL, NULL,
      "mean of the whole fleet, requests per second" },
    { "zipf", SHARDD_CONF_NUMBER, AT(zipf), 0, 4, 0, NULL, NULL,
      "exponent of the law that the shards' means follow" },
    { "noise", SHARDD_CONF_NUMBER, AT(noise), 0, 10, 0, NULL, NULL,
      "relative, of each value" },
    END
};

static const shardd_conf_key_t  predictor_scenario_nodes[] = {
    { "list", SHARDD_CONF_LIST, AT(nodes), 0, 10000, 0, NULL, NULL,
      "\"name zone capacity\", or \"name zone capacity cost\", of each" },
    { "count", SHARDD_CONF_INT, AT(count), 1, PREDICTOR_SIM_NODES_MAX, 0,
      NULL, NULL, "so many equal ones, where there is no list" },
    { "zones", SHARDD_CONF_INT, AT(zones), 1, 1000, 0, NULL, NULL,
      "among which those are shared out" },
    { "capacity", SHARDD_CONF_NUMBER, AT(capacity), 1e-9, 1e15, 0, NULL, NULL,
      "of each of those, requests per second; or \"peak\"" },
    { "peak", SHARDD_CONF_NUMBER, AT(peak), 0.01, 10, 0, NULL, NULL,
      "share of all capacity that the fleet needs at its peak" },
    { "cost", SHARDD_CONF_NUMBER, AT(cost), 0, 1e9, 0, NULL, NULL,
      "of one of those for an hour" },
    END
};

static const shardd_conf_key_t  predictor_scenario_bytes[] = {
    { "gb", SHARDD_CONF_NUMBER, AT(gb), 0, 1e9, 0, NULL, NULL,
      "of each shard" },
    { "gb_per_load", SHARDD_CONF_NUMBER, AT(gb_per_load), 0, 1e9, 0, NULL,
      NULL, "and for each request per second of its mean" },
    { "file", SHARDD_CONF_STRING, AT(bytes), 0, 0, 0, NULL, NULL,
      "or lines \"shard,bytes\"" },
    END
};

static const shardd_conf_key_t  predictor_scenario_moves[] = {
    { "time", SHARDD_CONF_MS, AT(move_ms), 1000, 7 * DAY_MS, 0, NULL, NULL,
      "of any move, and ..." },
    { "time_per_gb", SHARDD_CONF_MS, AT(move_gb_ms), 0, DAY_MS, 0, NULL, NULL,
      "... for each GB of the shard" },
    { "spread", SHARDD_CONF_NUMBER, AT(move_spread), 0, 0.9, 0, NULL, NULL,
      "durations differ by so much either way, relative" },
    { "extra", SHARDD_CONF_NUMBER, AT(move_extra), 0, 10, 0, NULL, NULL,
      "of a moving shard's load that copying adds at both ends" },
    { "per_node", SHARDD_CONF_INT, AT(per_node), 1, 64, 0, NULL, NULL,
      "at once, as source or target" },
    { "in_all", SHARDD_CONF_INT, AT(in_all), 1, 10000, 0, NULL, NULL,
      "at once in the fleet" },
    { "rest", SHARDD_CONF_MS, AT(rest_ms), 0, 30 * DAY_MS, 0, NULL, NULL,
      "of a shard from the start of its move" },
    END
};

static const shardd_conf_key_t  predictor_scenario_splits[] = {
    { "allowed", SHARDD_CONF_BOOL, AT(splits), 0, 0, 0, NULL, NULL,
      "shards may be cut in two" },
    { "share", SHARDD_CONF_NUMBER, AT(split_share), 0.5, 0.65, 0, NULL, NULL,
      "of the parent's load that the larger child gets" },
    { "time", SHARDD_CONF_MS, AT(split_ms), 1000, 7 * DAY_MS, 0, NULL, NULL,
      "that it takes" },
    { "above", SHARDD_CONF_NUMBER, AT(split_above), 0.01, 1, 0, NULL, NULL,
      "of the smallest node's capacity: what has a higher peak is cut" },
    END
};

static const shardd_conf_key_t  predictor_scenario_planner[] = {
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
    { "horizon", SHARDD_CONF_MS, AT(horizon_ms), 0, 7 * DAY_MS, 0, NULL,
      NULL, "how far ahead to forecast and to plan; 0s: three moves, or "
      "three hours" },
    { "margin", SHARDD_CONF_MS, AT(margin_ms), 0, 7 * DAY_MS, 0, NULL, NULL,
      "moves end at least this long before the breach" },
    { "refit", SHARDD_CONF_MS, AT(refit_ms), 1000, 30 * DAY_MS, 0, NULL, NULL,
      "a shard's models learn anew so often" },
    END
};

static const shardd_conf_key_t  predictor_scenario_keys[] = {
    { "fleet", SHARDD_CONF_STRING, AT(fleet), 0, 0, 0, NULL, NULL,
      "lines \"epoch,shard,shard,...\", the file seen from this one" },
    { "generate", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL,
      predictor_scenario_generate, "a fleet made up, where there is no file" },
    { "tile", SHARDD_CONF_INT, AT(tile), 0, PREDICTOR_SIM_SHARDS_MAX, 0, NULL,
      NULL, "so many shards of the fleet's, with phase and scale" },
    { "history", SHARDD_CONF_MS, AT(history_ms), DAY_MS / 24, 400 * DAY_MS, 0,
      NULL, NULL, "what comes before the part that is judged" },
    { "tune", SHARDD_CONF_MS, AT(tune_ms), 0, 400 * DAY_MS, 0, NULL, NULL,
      "the end of the history that policies are tuned on; 0s: untuned" },
    { "seed", SHARDD_CONF_INT, AT(seed), 0, 1L << 53, 0, NULL, NULL,
      "of what is made up, and of what differs from move to move" },
    { "known_after", SHARDD_CONF_INT, AT(known_after), 0, 1, 0, NULL, NULL,
      "steps after which a step's load is known to the policies" },
    { "plan_once", SHARDD_CONF_BOOL, AT(plan_once), 0, 0, 0, NULL, NULL,
      "one plan of the first step, its time, memory and worst node" },
    { "nodes", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL,
      predictor_scenario_nodes, "what shards lie on" },
    { "bytes", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL,
      predictor_scenario_bytes, "of the shards' data" },
    { "moves", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL,
      predictor_scenario_moves, "how long they take, and how many may be" },
    { "failures", SHARDD_CONF_LIST, AT(failures), 0, 1000, 0, NULL, NULL,
      "\"n0 at 24d12h for 2h\": time from the fleet's start, or \"peak\"" },
    { "events", SHARDD_CONF_LIST, AT(events), 0, 100, 0, NULL, NULL,
      "\"x2.5 at 24d12h for 2h\", then \"shards a,b\" and \"unknown\"" },
    { "splits", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL,
      predictor_scenario_splits, "of shards in two" },
    { "planner", SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL,
      predictor_scenario_planner, "as in the daemon's configuration" },
    END
};


static void
predictor_scenario_defaults(predictor_scenario_t *c)
{
    memset(c, 0, sizeof(predictor_scenario_t));

    c->shards = 128;
    c->days = 28;
    c->rate = 1000;
    c->zipf = 0.75;
    c->noise = 0.05;

    c->history_ms = 21L * 86400 * 1000;
    c->tune_ms = 7L * 86400 * 1000;
    c->seed = 1;

    c->count = 8;
    c->zones = 1;
    c->peak = 0.85;
    c->cost = 1;

    c->gb = 1;

    c->move_ms = 60L * 60 * 1000;
    c->move_extra = 0.25;
    c->per_node = 2;
    c->in_all = 8;
    c->rest_ms = 2L * 3600 * 1000;

    c->split_share = 0.5;
    c->split_ms = 30L * 60 * 1000;
    c->split_above = 0.25;

    c->quantile = 0.9;
    c->threshold = 1;
    c->correlation = 0.3;
    c->caution = 1.6;
    c->move_price_ms = 150L * 1000;
    c->refit_ms = 24L * 3600 * 1000;
}


int
predictor_scenario_load(const char *path, predictor_scenario_t *c)
{
    char  err[SHARDD_ERR_SIZE];

    predictor_scenario_defaults(c);
    c->path = path;

    if (shardd_conf_load(path, predictor_scenario_keys, c, err) != 0) {
        fprintf(stderr, "shard-predictor: %s\n", err);
        return 2;
    }

    if (c->horizon_ms == 0) {
        c->horizon_ms = PREDICTOR_SCENARIO_MOVES * c->move_ms;

        if (c->horizon_ms < PREDICTOR_SCENARIO_LEAST_MS) {
            c->horizon_ms = PREDICTOR_SCENARIO_LEAST_MS;
        }
    }

    return 0;
}


const char *
predictor_scenario_where(const predictor_scenario_t *c, const char *key,
    const char *item, char *buf, size_t size)
{
    char        *text;
    FILE        *f;
    size_t       n, line, column;
    const char  *p, *at;

    snprintf(buf, size, "%.200s: \"%s\"", c->path, key);

    f = fopen(c->path, "r");
    text = f ? malloc(PREDICTOR_SCENARIO_MAX + 1) : NULL;
    n = text ? fread(text, 1, PREDICTOR_SCENARIO_MAX, f) : 0;

    if (f) {
        fclose(f);
    }

    if (text == NULL) {
        return buf;
    }

    text[n] = '\0';
    at = strstr(text, key);
    at = at ? strstr(at, item) : NULL;
    line = 1;
    column = 1;

    for (p = text; at && p < at; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }

    if (at) {
        snprintf(buf, size, "%.200s:%zu:%zu: \"%s\"", c->path, line, column,
                 key);
    }

    free(text);

    return buf;
}


char *
predictor_scenario_file(const predictor_scenario_t *c, const char *path)
{
    char        *whole;
    size_t       folder;
    const char  *slash;

    slash = strrchr(c->path, '/');
    folder = slash && path[0] != '/' ? (size_t) (slash + 1 - c->path) : 0;

    whole = malloc(folder + strlen(path) + 1);

    if (whole) {
        memcpy(whole, c->path, folder);
        strcpy(whole + folder, path);
    }

    return whole;
}
