
/*
 * event add, event remove: one field of "events".  What the HTTP API would
 * refuse is refused here by the same code.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_text.h"
#include "shard_wish.h"
#include "shardd_ical.h"
#include "shardd_loop.h"
#include "event.h"


int
event_shards(shardctl_t *ctl, json_t **list)
{
    char         word[16];
    size_t       len;
    shard_id_t   id;
    const char  *text;

    *list = NULL;
    text = shardctl_option(ctl, "shards");

    if (text == NULL) {
        return SHARDCTL_OK;
    }

    *list = json_array();

    for ( ;; ) {
        len = strcspn(text, ",");
        snprintf(word, sizeof(word), "%.*s", (int) (len < 15 ? len : 15),
                 text);

        if (shardctl_shard_arg(ctl, word, &id) != SHARDCTL_OK) {
            return SHARDCTL_USAGE;
        }

        json_array_append_new(*list, json_integer(id));

        if (text[len] == '\0') {
            return SHARDCTL_OK;
        }

        text += len + 1;
    }
}


int
event_nodes(shardctl_t *ctl, json_t **list)
{
    size_t       len;
    shard_str_t  name;
    const char  *text;

    *list = NULL;
    text = shardctl_option(ctl, "nodes");

    if (text == NULL) {
        return SHARDCTL_OK;
    }

    *list = json_array();

    for ( ;; ) {
        len = strcspn(text, ",");
        name.data = text;
        name.len = len;

        if (!shard_name_valid(name)) {
            return shardctl_usage(ctl, "--nodes: \"%.*s\" is no node's name",
                                  (int) (len < 64 ? len : 64), text);
        }

        json_array_append_new(*list, json_stringn(text, len));

        if (text[len] == '\0') {
            return SHARDCTL_OK;
        }

        text += len + 1;
    }
}


int
event_known(shardctl_t *ctl, shardd_table_t *table, const char *id,
    const shard_event_t *event)
{
    unsigned  i;

    for (i = 0; i < event->nshards; i++) {

        if (shardd_table_shard(table, event->shards[i]) == NULL) {
            return shardctl_fail(ctl, "event \"%s\": keyspace \"%s\" has no "
                                 "shard %u: \"shardctl shards\" lists them",
                                 id, ctl->keyspace, event->shards[i]);
        }
    }

    for (i = 0; i < event->nnodes; i++) {

        if (shardd_table_node(table, event->nodes[i]) == NULL) {
            return shardctl_no_node(ctl, table, event->nodes[i]);
        }
    }

    return SHARDCTL_OK;
}


/* a time of the option, as it is or by the clock of --zone */

static int
event_time(shardctl_t *ctl, const char *name, json_t *json, int64_t *s)
{
    char          utc[SHARD_TIME_SIZE];
    uint64_t      ms;
    const char   *text, *zone;

    text = shardctl_option(ctl, name);
    zone = shardctl_option(ctl, "zone");

    if (text == NULL) {
        return shardctl_usage(ctl, "--start and --end are needed, as "
                              "2026-12-01T08:00Z");
    }

    if (shard_time_decode(shard_text_str(text), &ms) == SHARD_OK
        && (zone == NULL || (int64_t) (ms / 1000) < SHARDD_ICAL_END_S))
    {
        *s = (int64_t) (ms / 1000);
        json_object_set_new(json, name, json_string(text));

        return SHARDCTL_OK;
    }

    if (zone && shardd_ical_time(zone, text, s) == 0) {
        shard_time_encode(*s, utc);
        json_object_set_new(json, name, json_string(utc));

        return SHARDCTL_OK;
    }

    return shardctl_usage(ctl, "\"--%s %s\" is not a time as 2026-12-01T08:00Z"
                          " (UTC), or as 2026-12-01T08:00 with --zone, and "
                          "then of a year up to %d", name, text,
                          SHARDD_ICAL_YEAR_MAX);
}


/* the event of the options, as JSON */

static int
event_options(shardctl_t *ctl, json_t *json)
{
    int          rc;
    json_t      *list;
    int64_t      start, end;
    unsigned     i;
    const char  *text;

    static const char *const  texts[] = { "repeat", "effect", "name", NULL };

    rc = event_time(ctl, "start", json, &start);
    rc = rc == SHARDCTL_OK ? event_time(ctl, "end", json, &end) : rc;

    for (i = 0; texts[i] && rc == SHARDCTL_OK; i++) {
        text = shardctl_option(ctl, texts[i]);

        if (text && json_object_set_new(json, texts[i], json_string(text))
                    != 0)
        {
            rc = shardctl_usage(ctl, "--%s is no UTF-8 text", texts[i]);
        }
    }

    if (rc == SHARDCTL_OK && (rc = event_shards(ctl, &list)) == SHARDCTL_OK
        && list)
    {
        json_object_set(json, "shards", list);
        json_decref(list);
    }

    if (rc == SHARDCTL_OK && (rc = event_nodes(ctl, &list)) == SHARDCTL_OK
        && list)
    {
        json_object_set(json, "nodes", list);
        json_decref(list);
    }

    text = shardctl_option(ctl, "zone");

    if (rc != SHARDCTL_OK || text == NULL) {
        return rc;
    }

    list = shardd_ical_offsets(text, start,
                               (int64_t) (shardd_now_ms() / 1000));

    if (list == NULL) {
        return shardctl_usage(ctl, "\"--zone %s\": no such time zone is known "
                              "here, as Europe/Berlin", text);
    }

    return json_object_set_new(json, "offsets", list) == 0
           ? SHARDCTL_OK : shardctl_fail(ctl, "no memory");
}


static int
event_write(shardctl_t *ctl, const char *id, shard_event_t *event)
{
    int              rc;
    char            *old, json[SHARD_EVENT_SIZE];
    shardd_field_t   field;

    if (shard_event_encode(event, json, sizeof(json)) < 0) {
        return shardctl_usage(ctl, "the event is longer than %d bytes of JSON",
                              SHARD_EVENT_SIZE);
    }

    old = NULL;
    rc = shardd_hash_get(&ctl->store, "events", id, &old);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return shardctl_store_fail(ctl, rc, "cannot read the events");
    }

    if (rc == SHARDD_OK && old && !shardctl_option(ctl, "replace")) {
        free(old);
        return shardctl_fail(ctl, "there is an event \"%s\": --replace writes "
                             "this one in its place", id);
    }

    field.name = (char *) id;
    field.value = json;
    rc = shardd_hash_put(&ctl->store, "events", &field, 1);

    if (rc != SHARDD_OK) {
        free(old);
        return shardctl_store_fail(ctl, rc, "cannot write the event");
    }

    if (ctl->json) {
        rc = shardctl_show(ctl, json_pack("{s:s, s:s, s:o}", "id", id,
                                          "outcome", old ? "replaced"
                                                         : "added",
                                          "event", shardctl_json(json)));
    } else {
        printf("event %s: %s\n", id, old ? "replaced" : "added");
    }

    free(old);

    return rc;
}


int
shardctl_cmd_event_add(shardctl_t *ctl)
{
    int              rc;
    char            *text, err[SHARD_ERR_SIZE];
    json_t          *json;
    const char      *id;
    shard_event_t    event;
    shardd_table_t   table;

    id = ctl->args[0];

    if (!shard_name_valid(shard_text_str(id))) {
        return shardctl_usage(ctl, "\"%s\" is no event's id: 1 to 63 of A-Z "
                              "a-z 0-9 _ . - are needed", id);
    }

    json = json_object();
    rc = event_options(ctl, json);
    text = rc == SHARDCTL_OK ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (text == NULL) {
        return shardctl_fail(ctl, "no memory");
    }

    if (shard_wish_event(shard_text_str(text), &event, err) != SHARD_OK) {
        free(text);
        return shardctl_usage(ctl, "%s", err);
    }

    rc = shardctl_load(ctl, &table);

    if (rc == SHARDCTL_OK) {
        rc = event_known(ctl, &table, id, &event);
        shardd_table_free(&table);
    }

    if (rc == SHARDCTL_OK) {
        rc = event_write(ctl, id, &event);
    }

    free(text);

    return rc;
}


int
shardctl_cmd_event_remove(shardctl_t *ctl)
{
    int              rc;
    char            *old;
    shardd_field_t   field;

    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    old = NULL;
    rc = shardd_hash_get(&ctl->store, "events", ctl->args[0], &old);

    if (rc == SHARDD_NONE || (rc == SHARDD_OK && old == NULL)) {
        return shardctl_fail(ctl, "there is no event \"%s\": \"shardctl event "
                             "list\" lists them", ctl->args[0]);
    }

    field.name = (char *) ctl->args[0];
    field.value = NULL;

    if (rc == SHARDD_OK) {
        rc = shardd_hash_put(&ctl->store, "events", &field, 1);
    }

    free(old);

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot remove the event");
    }

    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:s, s:s}", "id", ctl->args[0],
                                            "outcome", "removed"));
    }

    printf("event %s: removed\n", ctl->args[0]);

    return SHARDCTL_OK;
}
