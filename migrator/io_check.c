
/*
 * The seam's part of the check: the other migrations of the index, those that
 * run and those that have ended.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "shard_codec.h"
#include "io_store.h"
#include "record.h"
#include "preconditions.h"


static void migrator_zone_of(const shardd_entry_t *nodes, const char *name,
    char zone[SHARD_NAME_SIZE]);
static void migrator_learnt(migrator_store_t *s, migrator_learnt_t *out);


/* the newest MIGRATOR_RUNNING_MAX of the index */

int
migrator_store_others(void *data, uint64_t self, migrator_others_t *out)
{
    migrator_store_t  *s = data;

    int               rc;
    char              err[SHARD_ERR_SIZE];
    size_t            i;
    shardd_entry_t    nodes;
    shardd_entries_t  list;
    migrator_state_t  state;

    memset(out, 0, sizeof(migrator_others_t));
    rc = shardd_hash_load(&s->store, "nodes", &nodes);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return migrator_store_say(s, rc, s->store.err);
    }

    rc = shardd_migrations(&s->store, MIGRATOR_RUNNING_MAX, &list);

    if (rc != SHARDD_OK) {
        shardd_entry_free(&nodes);
        return migrator_store_say(s, rc, s->store.err);
    }

    for (i = 0; i < list.n; i++) {
        if (migrator_record_read(&list.entries[i], &state, err) == SHARD_OK
            && state.id != self)
        {
            migrator_others_add(out, &state, &nodes);
        }
    }

    shardd_entries_free(&list);
    shardd_entry_free(&nodes);
    migrator_learnt(s, &out->learnt);

    return SHARDD_OK;
}


void
migrator_others_add(migrator_others_t *out, const migrator_state_t *state,
    const shardd_entry_t *nodes)
{
    if (migrator_phase(state->phase)->kind == MIGRATOR_TERMINAL) {

        if (out->npast < MIGRATOR_PAST_MAX
            && migrator_past(state, &out->past[out->npast]) == SHARD_OK)
        {
            out->npast++;
        }

        return;
    }

    if (state->phase == MIGRATOR_PLANNED
        || out->nrunning == MIGRATOR_RUNNING_MAX)
    {
        return;
    }

    migrator_running_of(state, nodes, &out->running[out->nrunning++]);
}


void
migrator_running_of(const migrator_state_t *state,
    const shardd_entry_t *nodes, migrator_running_t *r)
{
    r->id = state->id;
    r->created_ms = state->created_ms;
    r->shard = state->shard;
    memcpy(r->from, state->from, sizeof(r->from));
    memcpy(r->to, state->to, sizeof(r->to));
    migrator_zone_of(nodes, r->from, r->zones[0]);
    migrator_zone_of(nodes, r->to, r->zones[1]);
}


static void
migrator_zone_of(const shardd_entry_t *nodes, const char *name,
    char zone[SHARD_NAME_SIZE])
{
    char          err[SHARD_ERR_SIZE];
    const char   *text;
    shard_str_t   key, json;
    shard_node_t  node;

    zone[0] = '\0';
    text = shardd_entry_field(nodes, name);

    if (text == NULL) {
        return;
    }

    key.data = name;
    key.len = strlen(name);
    json.data = text;
    json.len = strlen(text);

    if (shard_node_decode(key, json, &node, err) == SHARD_OK) {
        memcpy(zone, node.zone, SHARD_NAME_SIZE);
    }
}


static double
migrator_learnt_number(const json_t *object, const char *name)
{
    double  v;

    v = json_number_value(json_object_get(object, name));

    return v >= 0 && v < 1e12 ? v : 0;
}


/* of the predictor, if there is one; its absence is no fault */

static void
migrator_learnt(migrator_store_t *s, migrator_learnt_t *out)
{
    char          *text;
    json_t        *root;
    const json_t  *d;

    if (shardd_hash_get(&s->store, "predictor", "moves", &text)
        != SHARDD_OK)
    {
        return;
    }

    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    d = json_object_get(root, "duration");

    out->seen = (uint64_t) migrator_learnt_number(d, "seen");
    out->fixed_s = migrator_learnt_number(d, "fixed_s");
    out->byte_s = migrator_learnt_number(d, "gb_s") / 1e9;
    out->hold_s = migrator_learnt_number(d, "hold_s");

    json_decref(root);
    free(text);
}
