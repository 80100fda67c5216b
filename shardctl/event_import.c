
/* event import: all events of an iCalendar file, or none of them. */


#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shard_text.h"
#include "shardd_ical.h"
#include "shardd_loop.h"
#include "event.h"


/* the file's text, to be freed; NULL after a message */

static char *
event_file(shardctl_t *ctl, const char *path, size_t *len)
{
    int    rc;
    char  *text;
    FILE  *file;

    file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");

    if (file == NULL) {
        shardctl_fail(ctl, "cannot open \"%s\": %m", path);
        return NULL;
    }

    text = malloc(SHARDD_ICAL_BYTES + 1);
    *len = text ? fread(text, 1, SHARDD_ICAL_BYTES + 1, file) : 0;
    rc = ferror(file);

    if (file != stdin) {
        fclose(file);
    }

    if (text == NULL || rc) {
        shardctl_fail(ctl, "cannot read \"%s\": %s", path,
                      text ? strerror(errno) : "no memory");
        free(text);
        return NULL;
    }

    return text;
}


/* what is there already: how many would there be afterwards */

static int
event_room(shardctl_t *ctl, const shardd_ical_t *ical, json_t *rows)
{
    int              rc;
    size_t           i, n;
    shardd_entry_t   old;

    rc = shardctl_hash(ctl, "events", &old);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    n = old.nfields;

    for (i = 0; i < ical->n; i++) {

        if (shardd_entry_field(&old, ical->events[i].id)) {
            json_object_set_new(json_array_get(rows, i), "outcome",
                                json_string("replaced"));
        } else {
            n++;
        }
    }

    shardd_entry_free(&old);

    if (n > EVENTS_MAX) {
        return shardctl_fail(ctl, "there would be %zu events, %d are possible:"
                             " nothing was imported", n, EVENTS_MAX);
    }

    return SHARDCTL_OK;
}


/* rows for people; the exit status of what the table says to them */

static int
event_check(shardctl_t *ctl, const char *path, const shardd_ical_t *ical,
    json_t *rows)
{
    int              rc;
    char             err[SHARD_ERR_SIZE];
    size_t           i, k;
    shard_event_t    event;
    shardd_table_t   table;

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    for (i = 0; i < ical->n && rc == SHARDCTL_OK; i++) {

        if (shard_event_decode(shard_text_str(ical->events[i].json), &event,
                               err)
            != SHARD_OK)
        {
            rc = shardctl_fail(ctl, "%s: line %u: %s", path,
                               ical->events[i].line, err);
            break;
        }

        for (k = 0; k < i; k++) {

            if (strcmp(ical->events[k].id, ical->events[i].id) == 0) {
                rc = shardctl_fail(ctl, "%s: line %u: the event would have "
                                   "the id \"%s\" of that of line %u", path,
                                   ical->events[i].line, ical->events[i].id,
                                   ical->events[k].line);
                break;
            }
        }

        if (rc == SHARDCTL_OK) {
            rc = event_known(ctl, &table, ical->events[i].id, &event);
        }

        json_array_append_new(rows, json_pack("{s:s, s:I, s:s, s:o}", "id",
                             ical->events[i].id, "line",
                             (json_int_t) ical->events[i].line, "outcome",
                             "added", "event",
                             shardctl_json(ical->events[i].json)));
    }

    shardd_table_free(&table);

    return rc == SHARDCTL_OK ? event_room(ctl, ical, rows) : rc;
}


static int
event_put(shardctl_t *ctl, const shardd_ical_t *ical)
{
    int              rc;
    size_t           i;
    shardd_field_t  *fields;

    if (ical->n == 0) {
        return SHARDCTL_OK;
    }

    fields = malloc(ical->n * sizeof(shardd_field_t));

    if (fields == NULL) {
        return shardctl_fail(ctl, "no memory");
    }

    for (i = 0; i < ical->n; i++) {
        fields[i].name = ical->events[i].id;
        fields[i].value = ical->events[i].json;
    }

    rc = shardd_hash_put(&ctl->store, "events", fields, ical->n);
    free(fields);

    return rc == SHARDD_OK ? SHARDCTL_OK
           : shardctl_store_fail(ctl, rc, "cannot write the events");
}


static int
event_done(shardctl_t *ctl, json_t *rows, int dry)
{
    size_t   i, n, replaced;
    json_t  *row, *event;

    n = json_array_size(rows);
    replaced = 0;

    json_array_foreach(rows, i, row) {
        replaced += strcmp(shardctl_get_text(row, "outcome"), "replaced") == 0;
    }

    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:I, s:I, s:b, s:O}", "added",
                                            (json_int_t) (n - replaced),
                                            "replaced", (json_int_t) replaced,
                                            "dry_run", dry, "events", rows));
    }

    json_array_foreach(rows, i, row) {
        event = json_object_get(row, "event");

        printf("%s: %s, %s from %s to %s%s%s, effect %s\n",
               shardctl_get_text(row, "id"), shardctl_get_text(row, "outcome"),
               shardctl_get_text(event, "name"),
               shardctl_get_text(event, "start"),
               shardctl_get_text(event, "end"),
               json_object_get(event, "repeat") ? ", " : "",
               shardctl_get_text(event, "repeat"),
               shardctl_get_text(event, "effect"));
    }

    printf("%s%zu events added, %zu replaced%s\n", dry ? "dry run: " : "",
           n - replaced, replaced, dry ? ": nothing was written" : "");

    return SHARDCTL_OK;
}


int
shardctl_cmd_event_import(shardctl_t *ctl)
{
    int                 rc;
    char               *text, err[SHARD_ERR_SIZE];
    size_t              len;
    json_t             *rows;
    const char         *path;
    shardd_ical_t       ical;
    shardd_ical_ask_t   ask;

    path = ctl->args[0];
    memset(&ask, 0, sizeof(ask));
    memset(&ical, 0, sizeof(ical));
    ask.effect = shardctl_option(ctl, "effect");
    ask.zone = shardctl_option(ctl, "zone");
    ask.now_s = (int64_t) (shardd_now_ms() / 1000);
    rows = json_array();
    text = NULL;

    rc = event_shards(ctl, &ask.shards);
    rc = rc == SHARDCTL_OK ? event_nodes(ctl, &ask.nodes) : rc;

    if (rc == SHARDCTL_OK) {
        text = event_file(ctl, path, &len);
        rc = text ? SHARDCTL_OK : SHARDCTL_FAILED;
    }

    if (rc == SHARDCTL_OK
        && shardd_ical_read(text, len, &ask, &ical, err) != 0)
    {
        rc = shardctl_fail(ctl, "%s: %s: nothing was imported", path, err);
    }

    if (rc == SHARDCTL_OK) {
        rc = event_check(ctl, path, &ical, rows);
    }

    if (rc == SHARDCTL_OK && !shardctl_option(ctl, "dry-run")) {
        rc = event_put(ctl, &ical);
    }

    if (rc == SHARDCTL_OK) {
        rc = event_done(ctl, rows, shardctl_option(ctl, "dry-run") != NULL);
    }

    shardd_ical_free(&ical);
    json_decref(ask.shards);
    json_decref(ask.nodes);
    json_decref(rows);
    free(text);

    return rc;
}
