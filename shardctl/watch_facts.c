
/*
 * A look of watch is turned into facts, "migration 5f0c..." -> "shard 42
 * n1 -> n2 copy"; a change is a fact that is new, other or gone.
 */


#include <math.h>
#include <string.h>

#include "shardctl.h"


static void
watch_fact(json_t *facts, const char *what, const char *id, const char *text)
{
    char  key[256];

    snprintf(key, sizeof(key), "%s%s%.200s", what, id[0] ? " " : "", id);

    json_object_set_new(facts, key, shardctl_text(text));
}


static void
watch_way(const json_t *row, char *buf, size_t size)
{
    const char  *to;

    to = shardctl_row_target(row);

    snprintf(buf, size, "%s%.63s%s%.63s", to[0] ? "" : "on ",
             shardctl_get_text(row, "from"), to[0] ? " -> " : "", to);
}


static void
watch_facts_moves(json_t *facts, const json_t *look)
{
    char           text[512], where[192];
    size_t         i;
    const char    *verb;
    const json_t  *row;

    json_array_foreach(json_object_get(look, "decisions"), i, row) {
        verb = shardctl_get_text(row, "verb");
        watch_way(row, where, sizeof(where));
        snprintf(text, sizeof(text), "%.20s%sshard %.0f %s, mode %.20s, "
                 "by %.60s", verb, verb[0] ? " " : "",
                 shardctl_get_number(row, "shard"), where,
                 shardctl_get_text(row, "mode"), shardctl_get_text(row, "by"));

        if (isfinite(shardctl_get_number(row, "utilisation"))) {
            snprintf(text + strlen(text), sizeof(text) - strlen(text),
                     ", forecast %.0f%% used in %.0f s",
                     100 * shardctl_get_number(row, "utilisation"),
                     shardctl_get_number(row, "breach_in_ms") / 1000);
        }

        watch_fact(facts, "decision", shardctl_get_text(row, "id"), text);
    }

    json_array_foreach(json_object_get(look, "newest"), i, row) {
        watch_way(row, where, sizeof(where));
        snprintf(text, sizeof(text), "shard %.0f %s, %.20s%s%.200s",
                 shardctl_get_number(row, "shard"), where,
                 shardctl_get_text(row, "phase"),
                 shardctl_get_text(row, "error")[0] ? ": " : "",
                 shardctl_get_text(row, "error"));

        if (isfinite(shardctl_get_number(row, "hold_ms"))
            && shardctl_phase_committed(shardctl_get_text(row, "phase")))
        {
            snprintf(text + strlen(text), sizeof(text) - strlen(text),
                     ", held %.0f ms", shardctl_get_number(row, "hold_ms"));
        }

        watch_fact(facts, "migration", shardctl_get_text(row, "id"), text);
    }
}


json_t *
shardctl_watch_facts(const json_t *look)
{
    char           text[512], at[40];
    size_t         i;
    json_t        *facts;
    const json_t  *row;

    facts = json_object();
    row = json_object_get(look, "predictor");

    if (json_is_object(row)) {
        snprintf(text, sizeof(text), "mode %.20s, %.200s",
                 shardctl_get_text(row, "mode"),
                 shardctl_get_text(row, "state"));
        watch_fact(facts, "predictor", "", text);
    }

    json_array_foreach(json_object_get(look, "zones"), i, row) {
        shardctl_time(shardctl_get_number(row, "peak_at"), at, sizeof(at));
        snprintf(text, sizeof(text), "forecast peak %.0f%% used, node %.63s, "
                 "%s", 100 * shardctl_get_number(row, "score"),
                 shardctl_get_text(row, "node"), at);
        watch_fact(facts, "zone", shardctl_get_text(row, "zone"), text);
    }

    json_array_foreach(json_object_get(look, "routers"), i, row) {
        watch_fact(facts, "router", shardctl_get_text(row, "name"),
                   shardctl_get_text(row, "state"));
    }

    json_array_foreach(json_object_get(look, "nodes"), i, row) {
        watch_fact(facts, "node", shardctl_get_text(row, "name"),
                   shardctl_get_text(row, "state"));
    }

    json_array_foreach(json_object_get(look, "overrides"), i, row) {
        snprintf(text, sizeof(text), "%.200s, %.20s%s%.200s",
                 shardctl_get_text(row, "verb"),
                 shardctl_get_text(row, "state"),
                 shardctl_get_text(row, "reason")[0] ? ": " : "",
                 shardctl_get_text(row, "reason"));
        watch_fact(facts, "override", shardctl_get_text(row, "shard"), text);
    }

    watch_facts_moves(facts, look);

    return facts;
}
