
/* Weights as they are stored and shown, and back from what is stored. */


#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights.h"


static json_t *
predictor_weights_pack(const double weight[SHARD_METRICS])
{
    int                 i;
    json_t             *out;
    const char *const  *words;

    words = shard_metric_words();
    out = json_object();

    for (i = 0; i < SHARD_METRICS; i++) {

        if (weight[i] > 0) {
            json_object_set_new(out, words[i], json_real(weight[i]));
        }
    }

    return out;
}


static char *
predictor_weights_dump(json_t *json, int digits)
{
    char  *text;

    text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(digits));
    json_decref(json);

    return text;
}


char *
predictor_weights_json(const predictor_weights_t *w)
{
    json_t  *out;

    out = json_pack("{ss so}", "from", w->policy.learned && w->adopted >= 0
                    ? "learned" : w->policy.given && !w->policy.learned
                    ? "policy" : "requests",
                    "weights", predictor_weights_pack(w->weight));

    if (w->policy.learned && isfinite(w->r2)) {
        json_object_set_new(out, "r2", json_real(w->r2));
        json_object_set_new(out, "base", json_real(w->base));
        json_object_set_new(out, "learned",
                            predictor_weights_pack(w->learned));
    }

    if (w->policy.learned) {
        json_object_set_new(out, "observations", json_real(w->regress.n));
    }

    if (w->why[0]) {
        json_object_set_new(out, "why", json_string(w->why));
    }

    if (w->policy_err[0]) {
        json_object_set_new(out, "error", json_string(w->policy_err));
    }

    return predictor_weights_dump(out, 4);
}


char *
predictor_weights_loads_json(const predictor_weights_t *w)
{
    json_t    *out;
    uint32_t   i;

    out = json_array();

    for (i = 0; i < w->nloads; i++) {
        json_array_append_new(out, json_pack("{sI so}",
                              "since", (json_int_t) w->loads[i].since,
                              "weights",
                              predictor_weights_pack(w->loads[i].weight)));
    }

    return predictor_weights_dump(out, 17);
}


static json_t *
predictor_weights_numbers(const double *v, uint32_t n)
{
    json_t    *out;
    uint32_t   i;

    out = json_array();

    for (i = 0; i < n; i++) {
        json_array_append_new(out, json_real(v[i]));
    }

    return out;
}


char *
predictor_weights_learned_json(const predictor_weights_t *w)
{
    const predictor_regress_t  *r;

    r = &w->regress;

    return predictor_weights_dump(json_pack("{sI sI sI sf sf sf so so}",
               "adopted", (json_int_t) w->adopted,
               "nx", (json_int_t) r->nx, "seen", (json_int_t) r->seen,
               "n", r->n, "y", r->y, "yy", r->yy,
               "xy", predictor_weights_numbers(r->xy, PREDICTOR_REGRESS_MAX),
               "xx", predictor_weights_numbers(r->xx, PREDICTOR_REGRESS_MAX
                                                      * PREDICTOR_REGRESS_MAX)),
               17);
}


static int
predictor_weights_unpack(const json_t *json, double weight[SHARD_METRICS])
{
    int                 i, some;
    const json_t       *v;
    const char *const  *words;

    words = shard_metric_words();
    some = 0;

    for (i = 0; i < SHARD_METRICS; i++) {
        v = json_object_get(json, words[i]);
        weight[i] = json_is_number(v) ? json_number_value(v) : 0;

        if (!(weight[i] >= 0 && isfinite(weight[i]))) {
            return SHARD_ERROR;
        }

        some |= weight[i] > 0;
    }

    return some ? SHARD_OK : SHARD_ERROR;
}


static void
predictor_weights_restore_loads(predictor_weights_t *w, const char *text)
{
    size_t              i;
    json_t             *json, *item;
    predictor_loads_t  *l;

    json = json_loads(text, 0, NULL);

    json_array_foreach(json, i, item) {

        if (w->nloads == PREDICTOR_LOADS_MAX) {
            break;
        }

        l = &w->loads[w->nloads];
        l->since = (long) json_integer_value(json_object_get(item, "since"));

        if (predictor_weights_unpack(json_object_get(item, "weights"),
                                     l->weight)
            == SHARD_OK
            && (w->nloads == 0 || l->since > l[-1].since))
        {
            w->nloads++;
        }
    }

    if (w->nloads) {
        memcpy(w->weight, w->loads[w->nloads - 1].weight, sizeof(w->weight));
    }

    json_decref(json);
}


/* SHARD_ERROR unless it is an array of n finite numbers */

static int
predictor_weights_read(const json_t *json, double *v, uint32_t n)
{
    uint32_t  i;

    if (json_array_size(json) != n) {
        return SHARD_ERROR;
    }

    for (i = 0; i < n; i++) {
        v[i] = json_number_value(json_array_get(json, i));

        if (!isfinite(v[i])) {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


static void
predictor_weights_restore_sums(predictor_weights_t *w, const char *text)
{
    json_t               *json;
    predictor_regress_t   r;

    json = json_loads(text, 0, NULL);
    predictor_regress_init(&r, PREDICTOR_LEARN_FROM + 1);

    r.n = json_number_value(json_object_get(json, "n"));
    r.y = json_number_value(json_object_get(json, "y"));
    r.yy = json_number_value(json_object_get(json, "yy"));
    r.seen = (uint32_t) json_integer_value(json_object_get(json, "seen"));

    if (json_integer_value(json_object_get(json, "nx")) == r.nx
        && r.n >= 0 && r.yy >= 0 && isfinite(r.n) && isfinite(r.y)
        && isfinite(r.yy)
        && predictor_weights_read(json_object_get(json, "xy"), r.xy,
                                  PREDICTOR_REGRESS_MAX)
           == SHARD_OK
        && predictor_weights_read(json_object_get(json, "xx"), r.xx,
                                  PREDICTOR_REGRESS_MAX
                                  * PREDICTOR_REGRESS_MAX)
           == SHARD_OK)
    {
        w->regress = r;
        w->adopted = (long) json_integer_value(json_object_get(json,
                                                               "adopted"));
        predictor_weights_slot(w, 0);
    }

    json_decref(json);
}


void
predictor_weights_restore(predictor_weights_t *w, const shardd_entry_t *saved)
{
    const char  *text;

    text = shardd_entry_field(saved, "loads");

    if (text) {
        predictor_weights_restore_loads(w, text);
    }

    text = shardd_entry_field(saved, "learned");

    if (text) {
        predictor_weights_restore_sums(w, text);
    }
}
