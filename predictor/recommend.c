
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_key.h"
#include "fleet_moves.h"
#include "number.h"
#include "recommend.h"


/* fields of the hash, names and values are ours to free */

typedef struct {
    size_t           n;
    size_t           put;           /* of them with a value */
    shardd_field_t  *fields;
} predictor_recommend_fields_t;


static char *
predictor_recommend_json(const predictor_fleet_t *f,
    const predictor_conf_t *conf, const predictor_recommendation_t *r,
    double now_s)
{
    json_t                *out;
    const char            *state;
    const shard_record_t  *rec;

    rec = &f->table.shards[r->shard];
    state = r->waits ? "waits"
            : conf->mode == PREDICTOR_OBSERVE ? "now" : "decided";

    out = json_pack("{sI sI ss ss ss ss sI sI ss sf sf sf}",
                    "shard", (json_int_t) rec->id,
                    "epoch", (json_int_t) rec->epoch,
                    "from", f->table.nodes[r->from].name,
                    "to", f->table.nodes[r->to].name,
                    "state", state,
                    "mode", predictor_mode_words[conf->mode],
                    "at", (json_int_t) llround(now_s),
                    "start", (json_int_t) llround(now_s + r->start_in_s),
                    "why", r->drain ? "drain"
                           : r->breach_in_s < 0 ? "risk" : "overload",
                    "gain_s", r->gain_s,
                    "cost_s", r->cost_s,
                    "move_s", r->move_s);

    if (out == NULL) {
        return NULL;
    }

    json_object_set_new(out, "breach_at", r->breach_in_s < 0 ? json_null()
                        : json_integer(llround(now_s + r->breach_in_s)));

    if (r->drain && f->plan.nodes[r->from].event) {
        json_object_set_new(out, "event",
                            json_string(f->plan.nodes[r->from].event));
    }

    return predictor_number_text(out);
}


/* 1: a field of that name has a value; takes "value" */

static int
predictor_recommend_field(predictor_recommend_fields_t *all, const char *name,
    char *value)
{
    size_t  i;

    for (i = 0; i < all->n; i++) {

        if (strcmp(all->fields[i].name, name) == 0) {
            free(value);
            return 1;
        }
    }

    all->fields[all->n].name = strdup(name);
    all->fields[all->n].value = value;

    if (all->fields[all->n].name == NULL) {
        free(value);
        return 0;
    }

    all->put += value != NULL;
    all->n++;

    return 0;
}


/* the move of before is under way, or its advice is as good as ever */

static int
predictor_recommend_stands(const predictor_fleet_t *f, const char *text)
{
    json_t                        *old;
    uint32_t                       shard, to;
    json_int_t                     id;
    const char                    *name;
    const predictor_plan_shard_t  *s;

    old = json_loads(text, 0, NULL);
    id = json_integer_value(json_object_get(old, "shard"));
    name = json_string_value(json_object_get(old, "to"));
    shard = json_is_integer(json_object_get(old, "shard")) && id >= 0
            && id < (json_int_t) f->ncols ? f->by_id[id] : SHARD_ID_NONE;
    to = name ? predictor_fleet_node(f, name) : SHARD_ID_NONE;
    json_decref(old);

    if (shard == SHARD_ID_NONE || to == SHARD_ID_NONE) {
        return 0;
    }

    s = &f->plan.shards[shard];

    return s->to == to && s->from != to;
}


static void
predictor_recommend_new(predictor_recommend_fields_t *all,
    const predictor_fleet_t *f, const predictor_conf_t *conf,
    const predictor_recommendation_t *r, double now_s)
{
    char                   id[17], *text;
    const shard_record_t  *rec;

    rec = &f->table.shards[r->shard];
    shard_hex_encode(shard_decision_id(rec->id, rec->epoch,
                                       f->table.nodes[r->from].name,
                                       f->table.nodes[r->to].name), id);
    text = predictor_recommend_json(f, conf, r, now_s);

    if (text) {
        (void) predictor_recommend_field(all, id, text);
    }
}


/* of what was there before: kept as it is, or deleted; where nothing is
 * recommended at all, what is under way is not shown either */

static void
predictor_recommend_old(predictor_recommend_fields_t *all,
    const predictor_fleet_t *f, const predictor_conf_t *conf,
    const shardd_entry_t *old, int any)
{
    size_t       i;
    const char  *value;

    for (i = 0; i < old->nfields; i++) {
        value = old->fields[i].value;

        (void) predictor_recommend_field(all, old->fields[i].name,
                   any && conf->mode != PREDICTOR_OBSERVE
                   && predictor_recommend_stands(f, value)
                   ? strdup(value) : NULL);
    }
}


int
predictor_recommend(const predictor_io_t *io, const predictor_fleet_t *fleet,
    const predictor_conf_t *conf, const predictor_recommendations_t *r,
    double now_s, uint32_t *n)
{
    int                            rc;
    size_t                         i;
    shardd_entry_t                 old;
    predictor_recommend_fields_t   all;

    memset(&old, 0, sizeof(shardd_entry_t));
    memset(&all, 0, sizeof(predictor_recommend_fields_t));
    rc = io->hash_load(io->data, "recommendations", &old);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    all.fields = calloc(old.nfields + PREDICTOR_RECOMMEND_MAX + 1,
                        sizeof(shardd_field_t));
    rc = all.fields ? SHARDD_OK : SHARDD_BAD;

    for (i = 0; rc == SHARDD_OK && r && i < r->n; i++) {
        predictor_recommend_new(&all, fleet, conf, &r->all[i], now_s);
    }

    if (rc == SHARDD_OK) {
        predictor_recommend_old(&all, fleet, conf, &old, r != NULL);
        rc = all.n ? io->hash_put(io->data, "recommendations", all.fields,
                                  all.n)
                   : SHARDD_OK;
    }

    for (i = 0; i < all.n; i++) {
        free(all.fields[i].name);
        free(all.fields[i].value);
    }

    *n = (uint32_t) all.put;
    free(all.fields);
    shardd_entry_free(&old);

    return rc;
}
