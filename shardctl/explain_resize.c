
/* Split and merge: what the predictor says of a shard that is too large or
 * too small, and why. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shardctl.h"


int
shardctl_resize_read(shardctl_t *ctl, shard_id_t id, json_t *out)
{
    int      rc;
    char     field[16], *text;
    json_t  *resize;

    snprintf(field, sizeof(field), "%u", id);
    text = NULL;
    rc = shardd_hash_get(&ctl->store, "resize", field, &text);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return shardctl_store_fail(ctl, rc, "cannot read what is said of its "
                                   "size");
    }

    resize = rc == SHARDD_OK ? shardctl_json(text) : NULL;
    free(text);

    json_object_set_new(out, "resize", json_is_object(resize)
                        ? json_incref(resize) : json_null());
    json_decref(resize);

    return SHARDCTL_OK;
}


/* of a list: "a, b" */

static void
resize_units(const json_t *r, char *buf, size_t size)
{
    size_t         i, len;
    const json_t  *unit;

    buf[0] = '\0';

    json_array_foreach(json_object_get(r, "units"), i, unit) {

        if (json_is_string(unit)) {
            len = strlen(buf);
            snprintf(buf + len, size - len, "%s%s", len ? ", " : "",
                     json_string_value(unit));
        }
    }
}


/* what it comes to */

static void
resize_what(const json_t *r, char *buf, size_t size)
{
    char         units[256];
    double       left, error;
    const char  *verb, *cut, *end;

    verb = shardctl_get_text(r, "verb");
    cut = shardctl_get_text(r, "cut");
    end = shardctl_get_text(r, "end");
    left = 100 * shardctl_get_number(r, "left");
    error = 100 * shardctl_get_number(r, "error");
    resize_units(r, units, sizeof(units));

    if (strcmp(verb, "split") == 0) {
        snprintf(buf, size, "%s%.300s, %.1f%% (+- %.1f%%) of the load %s",
                 cut[0] ? "at " : "by its units: ", cut[0] ? cut : units,
                 left, error, cut[0] ? "below it" : "in that part");

    } else if (strcmp(verb, "isolate") == 0) {
        snprintf(buf, size, "one key, %.1f%% (+- %.1f%%) of the load%s%.250s"
                 "%s%.250s%s%s", left, error, cut[0] ? ", from " : "", cut,
                 end[0] ? " to below " : "", end, units[0] ? ": " : "", units);

    } else if (strcmp(verb, "replicas") == 0) {
        snprintf(buf, size, "one key that is mostly read has %.1f%% (+- "
                 "%.1f%%) of the load: no split helps, read replicas do",
                 left, error);

    } else {
        buf[0] = '\0';
    }
}


static const char *
resize_why_not(const char *why)
{
    size_t  i;

    static const char *const  words[][2] = {
        { "writes of one key", "one key that writes has next to all of the "
                               "load" },
        { "uneven cut", "no cut halves the load for certain" },
        { "no samples", "there are no samples of its keys yet" },
        { "indivisible", "it cannot be cut: one position, or units that "
                         "nobody named" },
        { "rests", "it was merged within a season" },
        { "shards_max", "there are as many shards as the policy allows" },
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {

        if (strcmp(why, words[i][0]) == 0) {
            return words[i][1];
        }
    }

    return why;
}


static void
resize_show_merge(shardctl_t *ctl, const json_t *r, double share)
{
    char  text[256];

    snprintf(text, sizeof(text), "merge: with shard %.0f: together at most "
             "%.2f requests/s in a season, less than %g, %.0f%% of the "
             "smallest node's capacity\n", shardctl_get_number(r, "with"),
             shardctl_get_number(r, "peak"), shardctl_get_number(r, "limit"),
             share);
    shardctl_put(ctl, SHARDCTL_BOLD, text);
}


void
shardctl_resize_show(shardctl_t *ctl, const json_t *r)
{
    char         text[512], what[1536];
    double       peak, share;
    const char  *verb;

    verb = shardctl_get_text(r, "verb");
    peak = shardctl_get_number(r, "peak");
    share = 100 * shardctl_get_number(r, "limit")
            / shardctl_get_number(r, "capacity");

    if (strcmp(verb, "merge") == 0) {
        resize_show_merge(ctl, r, share);
        return;
    }

    if (strcmp(verb, "none") == 0) {
        snprintf(text, sizeof(text), "no split: %s\n",
                 resize_why_not(shardctl_get_text(r, "why")));
        shardctl_put(ctl, SHARDCTL_YELLOW, text);
        verb = "size";
    }

    snprintf(text, sizeof(text), "%.16s: its peak of %.1f requests/s is more "
             "than %g, %.0f%% of the smallest node's capacity\n", verb, peak,
             shardctl_get_number(r, "limit"), share);
    shardctl_put(ctl, SHARDCTL_BOLD, text);
    resize_what(r, what, sizeof(what));

    if (what[0]) {
        printf("%s\n", what);
    }

    if (shardctl_get_number(r, "after") < peak) {
        printf("its largest part would have %.1f requests/s at most; %.0f "
               "parts in the end\n", shardctl_get_number(r, "after"),
               shardctl_get_number(r, "parts"));
    }
}
