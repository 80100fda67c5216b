
/* Scores and their sums as text. */

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "hindsight_store.h"


#define PREDICTOR_HINDSIGHT_DIGITS  8


const char *const  predictor_verdict_words[] = {
    "helped", "harmed", "neither", "drained", "unknown"
};

const char *const  predictor_regret_words[] = {
    "act", "recommend"
};


static json_t *
predictor_score_number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}


static json_t *
predictor_score_tolls(const predictor_hindsight_score_t *s, int excess)
{
    int      i;
    json_t  *tolls;

    tolls = json_object();

    for (i = 0; i < PREDICTOR_COURSES; i++) {
        json_object_set_new(tolls, predictor_course_words[i],
            predictor_score_number(excess ? s->toll[i].excess_s
                                          : s->toll[i].violation_s));
    }

    return tolls;
}


static char *
predictor_score_text(json_t *json)
{
    char  *text;

    text = json ? json_dumps(json, JSON_COMPACT
                             | JSON_REAL_PRECISION(PREDICTOR_HINDSIGHT_DIGITS))
                : NULL;
    json_decref(json);

    return text;
}


char *
predictor_score_json(const predictor_pending_t *p,
    const predictor_judged_t *j)
{
    json_t                             *out;
    const predictor_hindsight_score_t  *s;

    s = &j->score;

    out = json_pack("{sI sI sI sI ss}",
                    "decided_ms", (json_int_t) p->decided_ms,
                    "at", (json_int_t) llround(j->at_s),
                    "from", (json_int_t) llround(p->decided_s),
                    "until", (json_int_t) llround(j->until_s),
                    "verdict", predictor_verdict_words[j->verdict]);

    if (out == NULL) {
        return NULL;
    }

    if (j->verdict == PREDICTOR_UNKNOWN) {
        json_object_set_new(out, "why", json_string(j->why));
        return predictor_score_text(out);
    }

    json_object_set_new(out, "step_s", json_real(j->res_s));
    json_object_set_new(out, "known",
                        json_real((double) s->known / s->slots));
    json_object_set_new(out, "carried_out", json_boolean(j->carried));
    json_object_set_new(out, "move_s", predictor_score_number(j->move_s));
    json_object_set_new(out, "reacting_at", isfinite(s->reacting_s)
                        ? json_integer(llround(s->reacting_s)) : json_null());
    json_object_set_new(out, "violation_s", predictor_score_tolls(s, 0));
    json_object_set_new(out, "excess_s", predictor_score_tolls(s, 1));
    json_object_set_new(out, "saved_vs_nothing_s",
                        json_real(s->saved_nothing_s));
    json_object_set_new(out, "saved_vs_reacting_s",
                        json_real(s->saved_reacting_s));
    json_object_set_new(out, "regret_s", json_real(s->regret_s));
    json_object_set_new(out, "cost_s", json_real(s->cost_s));
    json_object_set_new(out, "extra_load", json_real(s->extra_load));

    return predictor_score_text(out);
}


uint64_t
predictor_score_decided_ms(const char *text)
{
    json_t    *json;
    uint64_t   ms;

    json = text ? json_loads(text, 0, NULL) : NULL;
    ms = (uint64_t) json_integer_value(json_object_get(json, "decided_ms"));
    json_decref(json);

    return ms;
}


/* the places of a sum's figures, by name */

static const struct {
    const char  *name;
    size_t       offset;
} predictor_regret_fields[] = {
    { "violation_s", offsetof(predictor_regret_t, toll[PREDICTOR_DECIDED]) },
    { "violation_nothing_s",
      offsetof(predictor_regret_t, toll[PREDICTOR_NOTHING]) },
    { "violation_reacting_s",
      offsetof(predictor_regret_t, toll[PREDICTOR_REACTING]) },
    { "violation_happened_s",
      offsetof(predictor_regret_t, toll[PREDICTOR_HAPPENED]) },
    { "saved_vs_nothing_s", offsetof(predictor_regret_t, saved_nothing_s) },
    { "saved_vs_reacting_s", offsetof(predictor_regret_t, saved_reacting_s) },
    { "regret_s", offsetof(predictor_regret_t, regret_s) },
    { "cost_s", offsetof(predictor_regret_t, cost_s) }
};

#define PREDICTOR_REGRET_FIELDS                                               \
    (sizeof(predictor_regret_fields) / sizeof(predictor_regret_fields[0]))


static double *
predictor_regret_field(const predictor_regret_t *r, size_t i)
{
    return (double *) ((char *) r + predictor_regret_fields[i].offset);
}


char *
predictor_regret_json(const predictor_regret_t *r)
{
    char      *text;
    json_t    *out;
    size_t     i;
    uint64_t   scored;

    scored = r->verdicts[PREDICTOR_HELPED] + r->verdicts[PREDICTOR_HARMED]
             + r->verdicts[PREDICTOR_NEITHER];

    out = json_pack("{sI}", "scored", (json_int_t) scored);

    if (out == NULL) {
        return NULL;
    }

    for (i = 0; i < PREDICTOR_VERDICTS; i++) {
        json_object_set_new(out, predictor_verdict_words[i],
                            json_integer((json_int_t) r->verdicts[i]));
    }

    for (i = 0; i < PREDICTOR_REGRET_FIELDS; i++) {
        json_object_set_new(out, predictor_regret_fields[i].name,
                            json_real(*predictor_regret_field(r, i)));
    }

    /* sums are read back: all of their digits are kept */

    text = json_dumps(out, JSON_COMPACT);
    json_decref(out);

    return text;
}


void
predictor_regret_read(predictor_regret_t *r, const char *text)
{
    json_t      *json;
    size_t       i;
    json_int_t   n;

    json = text ? json_loads(text, 0, NULL) : NULL;

    for (i = 0; i < PREDICTOR_VERDICTS; i++) {
        n = json_integer_value(json_object_get(json,
                                               predictor_verdict_words[i]));
        r->verdicts[i] = n > 0 ? (uint64_t) n : 0;
    }

    for (i = 0; i < PREDICTOR_REGRET_FIELDS; i++) {
        *predictor_regret_field(r, i) = json_number_value(
                      json_object_get(json, predictor_regret_fields[i].name));
    }

    json_decref(json);
}


/* a drain is for another purpose: it is counted, its seconds are not */

void
predictor_regret_add(predictor_regret_t *r, const predictor_judged_t *j)
{
    int  i;

    r->verdicts[j->verdict]++;

    if (j->verdict == PREDICTOR_UNKNOWN || j->verdict == PREDICTOR_DRAINED) {
        return;
    }

    for (i = 0; i < PREDICTOR_COURSES; i++) {
        r->toll[i] += j->score.toll[i].violation_s;
    }

    r->saved_nothing_s += j->score.saved_nothing_s;
    r->saved_reacting_s += j->score.saved_reacting_s;
    r->regret_s += j->score.regret_s;
    r->cost_s += j->score.cost_s;
}
