
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calendar.h"
#include "number.h"


#define PREDICTOR_CALENDAR_TEXT  65536
#define PREDICTOR_SECONDS_MAX    253402300800.0      /* year 10000 */


/* as a factor or as requests per second, with its deviation and from what */

static void
predictor_calendar_put_size(json_t *out, const predictor_learned_t *size)
{
    double  v;

    v = size->added ? size->size : exp(size->size);

    (void) json_object_set_new(out, size->added ? "add" : "factor",
                               json_real(v));
    (void) json_object_set_new(out, "spread",
                               json_real(size->added ? size->spread
                                                     : v * size->spread));
    (void) json_object_set_new(out, "n", json_integer(size->n));
}


static json_t *
predictor_calendar_text(shard_str_t text, const char *empty)
{
    return text.len ? json_stringn(text.data, text.len) : json_string(empty);
}


static json_t *
predictor_calendar_event(const predictor_calendar_t *c,
    const predictor_planned_t *p, shard_id_t id)
{
    double               share;
    json_t              *out;
    predictor_learned_t  size;

    out = json_pack("{s:s, s:o}", "id", p->event.id, "effect",
                    predictor_calendar_text(p->event.effect, "learned"));

    if (p->event.name.len) {
        (void) json_object_set_new(out, "name",
                               predictor_calendar_text(p->event.name, ""));
    }

    if (p->event.kind == SHARD_EFFECT_FACTOR) {
        (void) json_object_set_new(out, "factor", json_real(p->event.size));

    } else if (p->event.kind == SHARD_EFFECT_ADD) {
        share = p->load > 0 ? fmax(c->load[id], 0) / p->load
                            : 1.0 / (p->nshards ? p->nshards : 1);
        (void) json_object_set_new(out, "add",
                                   json_real(p->event.size * share));

    } else {
        predictor_calendar_size(c, p, id, &size);

        if (size.n) {
            predictor_calendar_put_size(out, &size);

        } else {
            (void) json_object_set_new(out, "n", json_integer(0));
        }
    }

    (void) json_object_set_new(out, "from",
                               json_integer(p->spans[p->nended].start_s));
    (void) json_object_set_new(out, "to",
                               json_integer(p->spans[p->nended].end_s));

    return out;
}


json_t *
predictor_calendar_events(const predictor_calendar_t *c, shard_id_t id)
{
    size_t                i;
    json_t               *list;
    predictor_planned_t  *p;

    list = NULL;

    for (i = 0; i < c->nactive; i++) {
        p = c->active[i];

        if (p->nended == p->nspans || !predictor_calendar_touches(p, id)) {
            continue;
        }

        list = list ? list : json_array();
        (void) json_array_append_new(list, predictor_calendar_event(c, p, id));
    }

    return list;
}


char *
predictor_calendar_save(const predictor_calendar_t *c,
    const predictor_planned_t *p)
{
    json_t                  *out, *list;
    uint32_t                 i;
    const predictor_came_t  *came;

    out = json_pack("{s:I, s:s}", "at", (json_int_t) c->until_s, "event",
                    p->json);
    list = json_array();

    if (p->learned.n) {
        predictor_calendar_put_size(out, &p->learned);
    }

    for (i = 0; i < p->ncame; i++) {
        came = &p->came[i];

        (void) json_array_append_new(list,
                   json_pack("{s:I, s:I, s:f, s:f, s:f, s:I}",
                             "from", (json_int_t) came->span.start_s,
                             "to", (json_int_t) came->span.end_s,
                             "actual", came->sum.actual,
                             "expected", came->sum.expected,
                             "noise", came->sum.noise,
                             "shards", (json_int_t) came->shards));
    }

    (void) json_object_set_new(out, "came", list);

    return predictor_number_text(out);
}


static int
predictor_calendar_number(const json_t *object, const char *name, double max,
    double *v)
{
    json_t  *number;

    number = json_object_get(object, name);
    *v = json_is_number(number) ? json_number_value(number) : NAN;

    return *v >= 0 && *v <= max;
}


void
predictor_calendar_restore(predictor_calendar_t *c, const char *id,
    const char *json)
{
    size_t                i;
    json_t               *root, *list, *one;
    double                from, to, actual, expected, noise, shards;
    const char           *event;
    predictor_came_t      came;
    predictor_planned_t  *p;

    p = predictor_calendar_find(c, id);

    if (p == NULL || strlen(json) > PREDICTOR_CALENDAR_TEXT) {
        return;
    }

    root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    event = json_string_value(json_object_get(root, "event"));

    /* what was learnt of another one with this id is nothing for this */

    list = event && strcmp(event, p->json) == 0
           ? json_object_get(root, "came") : NULL;

    json_array_foreach(list, i, one) {

        if (predictor_calendar_number(one, "from", PREDICTOR_SECONDS_MAX,
                                      &from)
            && predictor_calendar_number(one, "to", PREDICTOR_SECONDS_MAX,
                                         &to)
            && predictor_calendar_number(one, "actual", 1e15, &actual)
            && predictor_calendar_number(one, "expected", 1e15, &expected)
            && predictor_calendar_number(one, "noise", 10, &noise)
            && predictor_calendar_number(one, "shards", 4e9, &shards)
            && from < to && expected > 0)
        {
            came.span.start_s = (int64_t) from;
            came.span.end_s = (int64_t) to;
            came.sum.actual = (float) actual;
            came.sum.expected = (float) expected;
            came.sum.noise = (float) noise;
            came.shards = (uint32_t) shards;
            predictor_calendar_keep(p, &came);
        }
    }

    json_decref(root);
    predictor_calendar_learn(p);
}
