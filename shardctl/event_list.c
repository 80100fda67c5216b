
/* event list, and the events in a shard's forecast. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shard_text.h"
#include "shardd_loop.h"
#include "event.h"


#define EVENT_AHEAD_S  (11 * 366 * 86400LL)
#define EVENT_NEXT     3


/* "x2.41 +- 0.20", "+310 +- 25 req/s", "" when nothing is known */

static void
event_size(const json_t *size, char *buf, size_t len)
{
    double  v, spread;

    spread = shardctl_get_number(size, "spread");
    v = shardctl_get_number(size, "factor");
    buf[0] = '\0';

    if (isfinite(v)) {
        snprintf(buf, len, isfinite(spread) ? "x%.2f +- %.2f" : "x%.2f", v,
                 spread);
        return;
    }

    v = shardctl_get_number(size, "add");

    if (isfinite(v)) {
        snprintf(buf, len, isfinite(spread) ? "%+.1f +- %.1f req/s"
                                            : "%+.1f req/s", v, spread);
    }
}


static void
event_scope(const json_t *event, char *buf, size_t size)
{
    size_t         i, n;
    const json_t  *list, *one;

    n = 0;
    buf[0] = '\0';
    list = json_object_get(event, "shards");

    json_array_foreach(list, i, one) {
        n += (size_t) snprintf(buf + n, size - n, i ? ",%lld" : "shards %lld",
                               (long long) json_integer_value(one));

        if (n + 80 > size) {
            snprintf(buf + n, size - n, ",...");
            return;
        }
    }

    list = json_object_get(event, "nodes");

    json_array_foreach(list, i, one) {
        n += (size_t) snprintf(buf + n, size - n, "%s%s",
                               i ? "," : n ? ", nodes " : "nodes ",
                               json_string_value(one));

        if (n + 80 > size) {
            snprintf(buf + n, size - n, ",...");
            return;
        }
    }

    if (n == 0) {
        snprintf(buf, size, "all");
    }
}


static json_t *
event_next(const shard_event_t *event, int64_t from_s)
{
    json_t        *list;
    unsigned       i, n;
    shard_span_t   spans[EVENT_NEXT];

    list = json_array();
    n = shard_event_spans(event, from_s, from_s + EVENT_AHEAD_S, spans,
                          EVENT_NEXT);

    for (i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:I, s:I}", "from",
                              (json_int_t) spans[i].start_s, "to",
                              (json_int_t) spans[i].end_s));
    }

    return list;
}


/* what came of it: from "effects", where that is of the same event */

static void
event_learned(json_t *row, const char *event, const char *effect)
{
    char         text[64];
    json_t      *e, *list;

    e = shardctl_json(effect);
    list = json_object_get(e, "came");

    if (strcmp(shardctl_get_text(e, "event"), event) == 0
        && json_array_size(list))
    {
        json_object_set(row, "came", list);
        json_object_del(e, "came");
        json_object_del(e, "event");
        json_object_set(row, "learned", e);
        event_size(e, text, sizeof(text));
        json_object_set_new(row, "size", json_string(text));
    }

    json_decref(e);
}


static json_t *
event_row(const char *id, const char *text, const char *effect,
    int64_t from_s)
{
    char            err[SHARD_ERR_SIZE], scope[256];
    json_t         *row, *event, *next;
    shard_event_t   e;

    row = json_pack("{s:o}", "id", shardctl_text(id));

    if (shard_event_decode(shard_text_str(text), &e, err) != SHARD_OK) {
        json_object_set_new(row, "error", shardctl_text(err));
        return row;
    }

    event = shardctl_json(text);
    json_object_update(row, event);
    json_object_set_new(row, "id", shardctl_text(id));

    if (e.effect.len == 0) {
        json_object_set_new(row, "effect", json_string("learned"));
    }

    event_scope(event, scope, sizeof(scope));
    json_object_set_new(row, "scope", shardctl_text(scope));

    next = event_next(&e, from_s);
    json_object_set(row, "from",
                    json_object_get(json_array_get(next, 0), "from"));
    json_object_set_new(row, "for_ms",
                        json_integer((json_int_t) (e.end_ms - e.start_ms)));
    json_object_set_new(row, "next", next);
    event_learned(row, text, effect);

    json_decref(event);

    return row;
}


static int
event_rows(shardctl_t *ctl, int64_t from_s, json_t *rows)
{
    int              rc;
    size_t           i;
    shardd_entry_t   events, effects;

    rc = shardctl_hash(ctl, "events", &events);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = shardctl_hash(ctl, "effects", &effects);

    if (rc == SHARDCTL_OK) {

        for (i = 0; i < events.nfields; i++) {
            json_array_append_new(rows, event_row(events.fields[i].name,
                     events.fields[i].value,
                     shardd_entry_field(&effects, events.fields[i].name),
                     from_s));
        }

        shardd_entry_free(&effects);
    }

    shardd_entry_free(&events);

    return rc;
}


/* the next one first, then what is over, then what is malformed */

static int
event_order(const void *a, const void *b)
{
    double       x, y;
    json_t      *one, *two;

    one = *(json_t *const *) a;
    two = *(json_t *const *) b;
    x = shardctl_get_number(one, "from");
    y = shardctl_get_number(two, "from");
    x = json_object_get(one, "error") ? INFINITY : isnan(x) ? 1e15 : x;
    y = json_object_get(two, "error") ? INFINITY : isnan(y) ? 1e15 : y;

    return x < y ? -1 : x > y ? 1
           : strcmp(shardctl_get_text(one, "id"),
                    shardctl_get_text(two, "id"));
}


static json_t *
event_sorted(json_t *rows)
{
    size_t    i, n;
    json_t   *sorted, **list;

    n = json_array_size(rows);
    sorted = json_array();
    list = malloc((n + 1) * sizeof(json_t *));

    for (i = 0; list && i < n; i++) {
        list[i] = json_array_get(rows, i);
    }

    if (list) {
        qsort(list, n, sizeof(json_t *), event_order);
    }

    for (i = 0; list && i < n; i++) {
        json_array_append(sorted, list[i]);
    }

    free(list);
    json_decref(rows);

    return sorted;
}


static void
event_table(shardctl_t *ctl, const json_t *rows)
{
    size_t         i;
    json_t        *good, *row;

    static const shardctl_column_t  columns[] = {
        { "id", "EVENT", SHARDCTL_TEXT },
        { "name", "NAME", SHARDCTL_TEXT },
        { "effect", "EFFECT", SHARDCTL_TEXT },
        { "from", "NEXT", SHARDCTL_TIME_S },
        { "for_ms", "FOR", SHARDCTL_SPAN_MS },
        { "repeat", "REPEATS", SHARDCTL_TEXT },
        { "scope", "OF", SHARDCTL_TEXT },
        { "size", "CAME", SHARDCTL_TEXT },
        { "times", "TIMES", SHARDCTL_INT },
        { NULL, NULL, SHARDCTL_TEXT }
    };

    good = json_array();

    json_array_foreach(rows, i, row) {

        if (json_object_get(row, "error")) {
            continue;
        }

        if (json_object_get(row, "came")) {
            json_object_set_new(row, "times", json_integer((json_int_t)
                            json_array_size(json_object_get(row, "came"))));
        }

        json_array_append(good, row);
    }

    if (json_array_size(rows) == 0) {
        printf("no events\n");

    } else if (json_array_size(good)) {
        shardctl_table(ctl, good, columns);
    }

    json_array_foreach(rows, i, row) {

        if (json_object_get(row, "error")) {
            shardctl_put(ctl, SHARDCTL_RED, shardctl_get_text(row, "id"));
            shardctl_put(ctl, SHARDCTL_PLAIN, ": is ignored: ");
            shardctl_put(ctl, SHARDCTL_PLAIN,
                         shardctl_get_text(row, "error"));
            printf("\n");
        }
    }

    json_decref(good);
}


int
shardctl_cmd_event_list(shardctl_t *ctl)
{
    int          rc;
    json_t      *rows;
    int64_t      from_s;
    uint64_t     ms;
    const char  *from;

    from = shardctl_option(ctl, "from");
    ms = shardd_now_ms();

    if (from && shard_time_decode(shard_text_str(from), &ms) != SHARD_OK) {
        return shardctl_usage(ctl, "\"--from %s\" is not a time as "
                              "2026-12-01T08:00Z", from);
    }

    from_s = (int64_t) (ms / 1000);
    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rows = json_array();
    rc = event_rows(ctl, from_s, rows);

    if (rc != SHARDCTL_OK) {
        json_decref(rows);
        return rc;
    }

    rows = event_sorted(rows);

    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:s, s:I, s:o}", "keyspace",
                                            ctl->keyspace, "from",
                                            (json_int_t) from_s, "events",
                                            rows));
    }

    event_table(ctl, rows);
    json_decref(rows);

    return SHARDCTL_OK;
}


json_t *
shardctl_events(const char *forecast)
{
    json_t  *whole, *events;

    whole = shardctl_json(forecast);
    events = json_object_get(whole, "events");
    events = json_is_array(events) ? json_incref(events) : json_array();
    json_decref(whole);

    return events;
}


void
shardctl_events_show(shardctl_t *ctl, const json_t *events)
{
    char           text[512], size[64], from[40], to[40];
    size_t         i;
    double         n;
    const char    *effect;
    const json_t  *e;

    json_array_foreach(events, i, e) {
        effect = shardctl_get_text(e, "effect");
        n = shardctl_get_number(e, "n");
        event_size(e, size, sizeof(size));
        shardctl_time(shardctl_get_number(e, "from"), from, sizeof(from));
        shardctl_time(shardctl_get_number(e, "to"), to, sizeof(to));

        if (strcmp(effect, "learned") != 0) {
            snprintf(text, sizeof(text), "event %.63s: %s to %s, %.20s said, "
                     "%s of this shard", shardctl_get_text(e, "id"), from, to,
                     effect, size);

        } else if (n > 0) {
            snprintf(text, sizeof(text), "event %.63s: %s to %s, %s learned "
                     "from %.0f occurrences", shardctl_get_text(e, "id"),
                     from, to, size, n);

        } else {
            snprintf(text, sizeof(text), "event %.63s: %s to %s, its effect "
                     "is not known yet", shardctl_get_text(e, "id"), from,
                     to);
        }

        shardctl_put(ctl, SHARDCTL_PLAIN, text);
        printf("\n");
    }
}
