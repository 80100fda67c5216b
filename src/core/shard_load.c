
#include <string.h>

#include "shard_load.h"
#include "shard_text.h"


static int shard_load_set(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_load_weight(const shard_json_t *json, int name,
    shard_load_t *load, char *err);


static const char *const  shard_metric_names[] = {
    "requests", "completed", "errors", "writes", "bytes", "latency", NULL
};


static const shard_json_field_t  shard_load_fields[] = {

    { "load", 0, shard_load_set, 0, 0, NULL },

    { NULL, 0, NULL, 0, 0, NULL }
};


const char *const *
shard_metric_words(void)
{
    return shard_metric_names;
}


double
shard_metric_of(const shard_metrics_shard_t *shard, shard_metric_e metric)
{
    switch (metric) {

    case SHARD_METRIC_REQUESTS:
        return shard->offered;

    case SHARD_METRIC_COMPLETED:
        return shard->completed;

    case SHARD_METRIC_ERRORS:
        return shard->errors;

    case SHARD_METRIC_WRITES:
        return shard->writes;

    case SHARD_METRIC_BYTES:
        return (double) shard->bytes;

    case SHARD_METRIC_LATENCY:
        return (double) shard->latency_us / 1e6;

    default: /* SHARD_METRICS */
        return 0;
    }
}


void
shard_load_init(shard_load_t *load)
{
    memset(load, 0, sizeof(shard_load_t));

    load->weight[SHARD_METRIC_REQUESTS] = 1;
}


int
shard_load_decode(shard_str_t policy, shard_policy_work_t *work,
    shard_load_t *out, char *err)
{
    shard_load_t  load;

    shard_load_init(&load);

    if (policy.len
        && (shard_json_parse_large(&work->json, policy, SHARD_POLICY_MAX,
                                   work->token, SHARD_POLICY_TOKENS, err)
            != SHARD_OK
            || shard_json_bind(&work->json, shard_load_fields, &load, err)
               != SHARD_OK))
    {
        return SHARD_ERROR;
    }

    *out = load;

    return SHARD_OK;
}


static int
shard_load_set(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    int            i, last, some;
    shard_str_t    text;
    shard_load_t  *load = dst;

    load->given = 1;
    text = shard_json_text(json, value);

    if (json->token[value].type == JSMN_STRING
        && shard_text_equal(text, "learned"))
    {
        load->learned = 1;
        return SHARD_OK;
    }

    if (json->token[value].type != JSMN_OBJECT) {
        return shard_refuse(err, "field \"%s\" is neither \"learned\" nor "
                            "weights, as {\"requests\":1,\"writes\":2}: %q",
                            field->name, &text);
    }

    memset(load->weight, 0, sizeof(load->weight));
    last = shard_json_next(json, value);

    for (i = value + 1; i < last; i = shard_json_next(json, i + 1)) {

        if (shard_load_weight(json, i, load, err) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    some = 0;

    for (i = 0; i < SHARD_METRICS; i++) {
        some |= load->weight[i] > 0;
    }

    return some ? SHARD_OK
                : shard_refuse(err, "field \"%s\" has no weight above 0",
                               field->name);
}


static int
shard_load_weight(const shard_json_t *json, int name, shard_load_t *load,
    char *err)
{
    double       weight;
    unsigned     metric;
    shard_str_t  text, value;

    text = shard_json_text(json, name);
    value = shard_json_text(json, name + 1);

    if (shard_text_word(text, shard_metric_names, "weight of \"load\"",
                        &metric, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    weight = json->token[name + 1].type == JSMN_PRIMITIVE
             ? shard_json_double(value) : -1;

    if (!(weight >= 0 && weight <= SHARD_LOAD_MAX)) {
        return shard_refuse(err, "weight of %q in \"load\" is not a number "
                            "from 0 to 1e9: %q", &text, &value);
    }

    load->weight[metric] = weight;

    return SHARD_OK;
}
