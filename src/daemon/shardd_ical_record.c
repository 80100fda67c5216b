
/* From what a file says to records of "events". */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "../core/shard_key.h"
#include "../core/shard_text.h"
#include "../core/shard_wish.h"
#include "shardd_ical_parts.h"


static void shardd_ical_id(const shardd_ical_vevent_t *e, char *id);


/* an occurrence that takes place at another time is none of the whole's */

int
shardd_ical_moved(shardd_ical_file_t *f, shardd_ical_vevent_t *list, size_t n)
{
    size_t                 i, k;
    shardd_ical_vevent_t  *e, *whole;

    for (i = 0; i < n; i++) {
        e = &list[i];
        whole = NULL;

        for (k = 0; k < n && e->uid; k++) {

            if (k == i || list[k].uid == NULL
                || strcmp(list[k].uid, e->uid) != 0)
            {
                continue;
            }

            if (list[k].moved_s == e->moved_s) {
                return shardd_ical_refuse(f->err, e->line > list[k].line
                                                  ? e->line : list[k].line,
                                          "UID \"%.60s\" is that of the event "
                                          "of line %u, too", e->uid,
                                          e->line > list[k].line
                                          ? list[k].line : e->line);
            }

            if (list[k].moved_s == 0) {
                whole = &list[k];
            }
        }

        if (e->moved_s && whole) {
            json_array_append_new(whole->except,
                                  shardd_ical_json_time(e->moved_s));
            e->effect = e->effect ? e->effect : whole->effect;
        }
    }

    return 0;
}


/* strict as for an operator's wish, by the same code */

int
shardd_ical_record(shardd_ical_file_t *f, const shardd_ical_vevent_t *e,
    shardd_ical_t *out)
{
    int                   len;
    char                 *text, err[SHARD_ERR_SIZE];
    json_t               *json;
    shard_event_t         event;
    shardd_ical_event_t  *record;

    json = json_pack("{s:o, s:o}", "start", shardd_ical_json_time(e->start_s),
                     "end", shardd_ical_json_time(e->end_s));

    if (e->rule) {
        json_object_set_new(json, "repeat", json_string(e->rule));
    }

    if (e->rule && e->zone) {
        json_object_set_new(json, "offsets",
                            shardd_ical_zone_offsets(e->zone, e->start_s,
                                                     f->ask->now_s));
    }

    if (json_array_size(e->except)) {
        json_object_set(json, "except", e->except);
    }

    json_object_set(json, "shards", e->shards ? e->shards : f->ask->shards);
    json_object_set(json, "nodes", e->nodes ? e->nodes : f->ask->nodes);
    json_object_set_new(json, "effect",
                        json_string_nocheck(e->effect ? e->effect
                                            : f->ask->effect ? f->ask->effect
                                            : "learned"));

    if (e->name[0]) {
        json_object_set_new(json, "name", json_string(e->name));
    }

    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);

    if (text == NULL) {
        return shardd_ical_refuse(f->err, e->line, "the event is no UTF-8 "
                                  "text");
    }

    record = &out->events[out->n];
    record->line = e->line;
    shardd_ical_id(e, record->id);

    if (shard_wish_event(shard_text_str(text), &event, err) != SHARD_OK) {
        free(text);
        return shardd_ical_refuse(f->err, e->line, "%s", err);
    }

    record->json = malloc(SHARD_EVENT_SIZE);
    len = record->json ? shard_event_encode(&event, record->json,
                                            SHARD_EVENT_SIZE) : -1;
    free(text);

    if (len < 0) {
        free(record->json);
        return shardd_ical_refuse(f->err, e->line, "the event is longer than "
                                  "%d bytes of JSON", SHARD_EVENT_SIZE);
    }

    out->n++;

    return 0;
}


/* the UID where it is a name nearly, else one by its hash */

static void
shardd_ical_id(const shardd_ical_vevent_t *e, char *id)
{
    char         hash[17], moved[24], text[SHARD_NAME_SIZE + 32];
    size_t       i, len, room;
    const char  *uid;

    moved[0] = '\0';

    if (e->moved_s) {
        snprintf(moved, sizeof(moved), ".%lld", (long long) e->moved_s);
    }

    uid = e->uid;

    if (uid == NULL) {
        snprintf(text, sizeof(text), "%s %lld", e->name,
                 (long long) e->start_s);
        uid = text;
    }

    shard_hex_encode(shard_key_position(uid, strlen(uid)), hash);
    room = SHARD_NAME_SIZE - 1 - strlen(moved);
    len = strlen(uid);

    if (e->uid == NULL || len > room) {
        len = snprintf(id, SHARD_NAME_SIZE, "%.*s-%s", (int) (room - 17),
                       e->uid ? uid : "event", hash) < 0 ? 0 : strlen(id);

    } else {
        memcpy(id, uid, len + 1);
    }

    for (i = 0; i < len; i++) {

        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                   "0123456789_.-", id[i]) == NULL)
        {
            id[i] = '_';
        }
    }

    memcpy(id + len, moved, strlen(moved) + 1);
}
