
/*
 * What a router says of a shard that is held, and of mirrored reads.  An
 * entry that cannot be read counts as one of a live router that has not
 * answered: better no cutover than one behind a router's back.
 */


#include <stdio.h>
#include <string.h>
#include <jansson.h>

#include "shard_codec.h"
#include "io_store.h"


#define ENTRY_MAX  (16 * 1024 * 1024)


int
migrator_router_decode(const char *name, const char *json, shard_id_t shard,
    uint64_t now_ms, migrator_router_t *out)
{
    char          id[16];
    json_t       *root, *time_ms, *barrier, *version;
    shard_str_t   text;

    text.data = name;
    text.len = strlen(name);

    if (!shard_name_valid(text)) {
        return SHARD_ERROR;
    }

    memset(out, 0, sizeof(migrator_router_t));
    memcpy(out->name, name, text.len);

    root = strlen(json) <= ENTRY_MAX
           ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;
    time_ms = json_object_get(root, "time_ms");

    if (!json_is_integer(time_ms) || json_integer_value(time_ms) < 0) {
        json_decref(root);
        return SHARD_OK;
    }

    if (now_ms > (uint64_t) json_integer_value(time_ms)) {
        out->age_ms = now_ms - (uint64_t) json_integer_value(time_ms);
    }

    snprintf(id, sizeof(id), "%u", (unsigned) shard);

    barrier = json_object_get(json_object_get(root, "barriers"), id);
    version = json_object_get(barrier, "version");

    if (json_is_integer(version) && json_integer_value(version) >= 0) {
        out->version = (uint64_t) json_integer_value(version);
        out->drained = json_is_true(json_object_get(barrier, "drained"));
    }

    json_decref(root);

    return SHARD_OK;
}


int
migrator_router_view(const char *name, const char *json, const char *node,
    uint64_t now_ms, migrator_view_t *out)
{
    json_t             *root, *value;
    const char         *state;
    migrator_router_t   router;

    /* its name and age, by the rules of the barrier */

    if (migrator_router_decode(name, json, 0, now_ms, &router) != SHARD_OK) {
        return SHARD_ERROR;
    }

    memset(out, 0, sizeof(migrator_view_t));
    memcpy(out->name, router.name, sizeof(out->name));
    out->age_ms = router.age_ms;

    root = strlen(json) <= ENTRY_MAX
           ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;

    value = json_object_get(root, "hold_ms");

    if (json_is_integer(value) && json_integer_value(value) > 0) {
        out->hold_ms = (uint64_t) json_integer_value(value);
    }

    value = json_object_get(json_object_get(root, "nodes"), node);
    state = json_string_value(json_object_get(value, "state"));
    out->dead = state && strcmp(state, "down") == 0;

    json_decref(root);

    return SHARD_OK;
}


void
migrator_router_mirrors(const char *json, uint64_t migration,
    migrator_mirrors_t *sum)
{
    char       id[24];
    size_t     i;
    json_t    *root, *mirrors, *value;
    uint64_t  *count;

    static const struct {
        const char  *name;
        size_t       offset;
    } fields[] = {
        { "sent", offsetof(migrator_mirrors_t, sent) },
        { "same", offsetof(migrator_mirrors_t, same) },
        { "status", offsetof(migrator_mirrors_t, status) },
        { "body", offsetof(migrator_mirrors_t, body) },
        { "failed", offsetof(migrator_mirrors_t, failed) },
        { "source_ms", offsetof(migrator_mirrors_t, source_ms) },
        { "target_ms", offsetof(migrator_mirrors_t, target_ms) },
    };

    root = strlen(json) <= ENTRY_MAX
           ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;

    snprintf(id, sizeof(id), "%016llx", (unsigned long long) migration);
    mirrors = json_object_get(json_object_get(root, "mirrors"), id);

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        value = json_object_get(mirrors, fields[i].name);

        if (json_is_integer(value) && json_integer_value(value) > 0
            && json_integer_value(value) <= UINT32_MAX)
        {
            count = (uint64_t *) (void *) ((char *) sum + fields[i].offset);
            *count += (uint64_t) json_integer_value(value);
        }
    }

    json_decref(root);
}
