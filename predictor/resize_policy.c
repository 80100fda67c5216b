
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_text.h"
#include "resize_policy.h"


#define DAY_S  86400


static int predictor_resize_set(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int predictor_resize_value(const shard_json_t *json, int name,
    unsigned *seen, predictor_resize_policy_t *p, char *err);


static const shard_json_field_t  predictor_resize_fields[] = {

    { "shards", 0, predictor_resize_set, 0, 0, NULL },

    { NULL, 0, NULL, 0, 0, NULL }
};

static const char *const  predictor_resize_words[] = {
    "min", "max", "split_above", "merge_below", "hold_s", "season_s", NULL
};


void
predictor_resize_policy_init(predictor_resize_policy_t *p)
{
    p->min = 1;
    p->max = PREDICTOR_RESIZE_MOST;
    p->split_above = 0.25;
    p->merge_below = 0.03;
    p->hold_s = 1800;
    p->season_s = 7 * DAY_S;
}


int
predictor_resize_policy_check(const predictor_resize_policy_t *p, char *err)
{
    if (p->min > p->max) {
        return shard_refuse(err, "\"shards\": min is above max");
    }

    if (p->merge_below * PREDICTOR_RESIZE_APART > p->split_above) {
        return shard_refuse(err, "\"shards\": merge_below is more than a "
                            "quarter of split_above: shards would be joined "
                            "and split again");
    }

    if (p->hold_s > p->season_s) {
        return shard_refuse(err, "\"shards\": a hold is longer than a "
                            "season");
    }

    return SHARD_OK;
}


int
predictor_resize_policy_decode(shard_str_t policy, shard_policy_work_t *work,
    predictor_resize_policy_t *p, char *err)
{
    predictor_resize_policy_t  new;

    new = *p;

    if (policy.len
        && (shard_json_parse_large(&work->json, policy, SHARD_POLICY_MAX,
                                   work->token, SHARD_POLICY_TOKENS, err)
            != SHARD_OK
            || shard_json_bind(&work->json, predictor_resize_fields, &new,
                               err)
               != SHARD_OK))
    {
        return SHARD_ERROR;
    }

    if (predictor_resize_policy_check(&new, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    *p = new;

    return SHARD_OK;
}


static int
predictor_resize_set(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    int          i, last;
    unsigned     seen;
    shard_str_t  text;

    if (json->token[value].type != JSMN_OBJECT) {
        text = shard_json_text(json, value);
        return shard_refuse(err, "field \"%s\" is not an object, as "
                            "{\"min\":8,\"max\":512}: %q", field->name, &text);
    }

    seen = 0;
    last = shard_json_next(json, value);

    for (i = value + 1; i < last; i = shard_json_next(json, i + 1)) {

        if (predictor_resize_value(json, i, &seen, dst, err) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


/* the words' order is that of the fields */

static int
predictor_resize_value(const shard_json_t *json, int name, unsigned *seen,
    predictor_resize_policy_t *p, char *err)
{
    double       v;
    unsigned     n;
    shard_str_t  text, value;

    static const struct {
        double       least;
        double       most;
        const char  *range;
    } range[] = {
        { 1, PREDICTOR_RESIZE_MOST, "1 to 1000000" },
        { 1, PREDICTOR_RESIZE_MOST, "1 to 1000000" },
        { 0.01, 1, "0.01 to 1" },
        { 0, 0.25, "0 to 0.25" },
        { 0, DAY_S, "0 to 86400" },
        { 3600, 35 * DAY_S, "3600 to 3024000" }
    };

    text = shard_json_text(json, name);
    value = shard_json_text(json, name + 1);

    if (shard_text_word(text, predictor_resize_words, "field of \"shards\"",
                        &n, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (*seen >> n & 1) {
        return shard_refuse(err, "%q of \"shards\" is there twice", &text);
    }

    *seen |= 1U << n;

    v = json->token[name + 1].type == JSMN_PRIMITIVE
        ? shard_json_double(value) : -1;

    if (!(v >= range[n].least && v <= range[n].most)
        || (range[n].most > 1 && v != (double) (uint32_t) v))
    {
        return shard_refuse(err, "%q of \"shards\" is not a %s from %s: %q",
                            &text, range[n].most > 1 ? "whole number"
                            : "number", range[n].range, &value);
    }

    switch (n) {

    case 0:
        p->min = (uint32_t) v;
        break;

    case 1:
        p->max = (uint32_t) v;
        break;

    case 2:
        p->split_above = v;
        break;

    case 3:
        p->merge_below = v;
        break;

    case 4:
        p->hold_s = (uint32_t) v;
        break;

    default: /* season_s */
        p->season_s = (uint32_t) v;
    }

    return SHARD_OK;
}
