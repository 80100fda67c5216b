
#include <string.h>

#include "shard_terms_parts.h"
#include "shard_text.h"


/* what is bound first; tokens are looked into when all are known */

typedef struct {
    shard_terms_t  terms;
    int            weights;
} shard_terms_bind_t;


static int shard_terms_set_object(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_terms_number(const shard_json_t *json, int name,
    const char *what, double *number, char *err);
static int shard_terms_label(shard_terms_t *terms, shard_str_t label);
static int shard_terms_each_label(const shard_json_t *json, int name,
    shard_terms_t *terms, const char *what, int known, char *err);


static const char *const  shard_terms_names[] = {
    "latency", "bandwidth", "node", "spread", "move", "move_gb", "move_hour",
    "hold", NULL
};

static const char *const  shard_terms_replicas[] = {
    "nodes", "zones", NULL
};


static const shard_json_field_t  shard_terms_field[] = {
    { "plan", 0, shard_terms_set_object, 0, 0, NULL },
    { NULL, 0, NULL, 0, 0, NULL }
};


#define AT(m)  offsetof(shard_terms_bind_t, m)

static const shard_json_field_t  shard_terms_fields[] = {

    { "weights", 0, shard_terms_set_object, AT(weights), 0, NULL },

    { "labels", 0, shard_terms_set_object, AT(terms.labels), 0, NULL },

    { "require", 0, shard_terms_set_object, AT(terms.require), 0, NULL },

    { "node_cost", 0, shard_terms_set_object, AT(terms.node_cost), 0, NULL },

    { "replicas", 0, shard_json_set_word, AT(terms.replicas), 0,
      shard_terms_replicas },

    { "strong_within", 0, shard_json_set_uint32, AT(terms.strong_within),
      UINT16_MAX, NULL },

    { NULL, 0, NULL, 0, 0, NULL }
};


const char *const *
shard_terms_words(void)
{
    return shard_terms_names;
}


void
shard_terms_init(shard_terms_t *terms)
{
    memset(terms, 0, sizeof(shard_terms_t));

    terms->strong_within = SHARD_TERMS_ANYWHERE;
}


static int
shard_terms_set_object(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_str_t  text;

    if (json->token[value].type != JSMN_OBJECT) {
        text = shard_json_text(json, value);
        return shard_refuse(err, "field \"%s\" is not an object: %q",
                            field->name, &text);
    }

    *(int *) dst = value;

    return SHARD_OK;
}


/* the value of a member, a number that may be a weight */

static int
shard_terms_number(const shard_json_t *json, int name, const char *what,
    double *number, char *err)
{
    shard_str_t  text, value;

    text = shard_json_text(json, name);
    value = shard_json_text(json, name + 1);
    *number = json->token[name + 1].type == JSMN_PRIMITIVE
              ? shard_json_double(value) : -1;

    if (!(*number >= 0 && *number <= SHARD_WEIGHT_MAX)) {
        return shard_refuse(err, "%q in \"%s\" is not a number from 0 to "
                            "1e9: %q", &text, what, &value);
    }

    return SHARD_OK;
}


static int
shard_terms_weights(const shard_json_t *json, int object,
    shard_terms_t *terms, char *err)
{
    int       i, last;
    unsigned  term;

    last = object ? shard_json_next(json, object) : 0;

    for (i = object + 1; i < last; i = shard_json_next(json, i + 1)) {

        if (shard_text_word(shard_json_text(json, i), shard_terms_names,
                            "weight of \"plan\"", &term, err)
            != SHARD_OK
            || shard_terms_number(json, i, "weights", &terms->weight[term],
                                  err)
               != SHARD_OK)
        {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


/* 1: "n1", or "n*": names that begin so */

static int
shard_terms_pattern(shard_str_t name)
{
    if (name.len && name.data[name.len - 1] == '*') {
        name.len--;

        if (name.len == 0) {
            return 1;
        }
    }

    return shard_name_valid(name);
}


int
shard_terms_zone(shard_str_t label)
{
    shard_str_t  name;

    if (label.len <= SHARD_TERMS_ZONE_LEN
        || memcmp(label.data, SHARD_TERMS_ZONE, SHARD_TERMS_ZONE_LEN) != 0)
    {
        return 0;
    }

    name.data = label.data + SHARD_TERMS_ZONE_LEN;
    name.len = label.len - SHARD_TERMS_ZONE_LEN;

    return shard_name_valid(name);
}


int
shard_terms_same(shard_str_t a, shard_str_t b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}


/* its number, or -1 */

static int
shard_terms_label(shard_terms_t *terms, shard_str_t label)
{
    int  i;

    for (i = 0; i < terms->nlabels; i++) {

        if (shard_terms_same(terms->label[i], label)) {
            return i;
        }
    }

    return -1;
}


static int
shard_terms_learn(shard_terms_t *terms, shard_str_t label, char *err)
{
    if (shard_terms_label(terms, label) >= 0) {
        return SHARD_OK;
    }

    if (terms->nlabels == SHARD_LABELS_MAX) {
        return shard_refuse(err, "\"plan\" has more than %u labels at %q",
                            (unsigned) SHARD_LABELS_MAX, &label);
    }

    terms->label[terms->nlabels++] = label;

    return SHARD_OK;
}


/* the labels of one member; "known": of "require", so that nodes have them */

static int
shard_terms_each_label(const shard_json_t *json, int name,
    shard_terms_t *terms, const char *what, int known, char *err)
{
    int          i, last;
    shard_str_t  of, label;

    of = shard_json_text(json, name);

    if (json->token[name + 1].type != JSMN_ARRAY) {
        label = shard_json_text(json, name + 1);
        return shard_refuse(err, "%q in \"%s\" is not an array of labels: %q",
                            &of, what, &label);
    }

    last = shard_json_next(json, name + 1);

    for (i = name + 2; i < last; i = shard_json_next(json, i)) {
        label = shard_json_text(json, i);

        if (json->token[i].type != JSMN_STRING
            || !(shard_name_valid(label)
                 || (known && shard_terms_zone(label))))
        {
            return shard_refuse(err, "label of %q in \"%s\" is not a name of "
                                "1 to 63 letters, digits, \"_\", \".\", "
                                "\"-\": %q", &of, what, &label);
        }

        if (known && !shard_terms_zone(label)
            && shard_terms_label(terms, label) < 0)
        {
            return shard_refuse(err, "label %q that %q requires is in no "
                                "node's \"labels\"", &label, &of);
        }

        if (shard_terms_learn(terms, label, err) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


int
shard_terms_ids(shard_str_t text, shard_id_t *first, shard_id_t *last)
{
    const char   *dash;
    shard_str_t   part;

    if (shard_text_equal(text, "*")) {
        *first = 0;
        *last = SHARD_ID_NONE - 1;
        return SHARD_OK;
    }

    dash = memchr(text.data, '-', text.len);
    part = text;
    part.len = dash ? (size_t) (dash - text.data) : text.len;

    if (shard_id_decode(part, first) != SHARD_OK) {
        return SHARD_ERROR;
    }

    *last = *first;

    if (dash) {
        part.data = dash + 1;
        part.len = text.len - part.len - 1;

        if (shard_id_decode(part, last) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    return *first <= *last ? SHARD_OK : SHARD_ERROR;
}


static int
shard_terms_nodes(const shard_json_t *json, shard_terms_t *terms, char *err)
{
    int          i, last, object, costs;
    double       cost;
    shard_str_t  name;

    for (costs = 0; costs < 2; costs++) {
        object = costs ? terms->node_cost : terms->labels;
        last = object ? shard_json_next(json, object) : 0;

        for (i = object + 1; i < last; i = shard_json_next(json, i + 1)) {
            name = shard_json_text(json, i);

            if (!shard_terms_pattern(name)) {
                return shard_refuse(err, "%q in \"%s\" is not the name of a "
                                    "node, nor its beginning and \"*\"",
                                    &name, costs ? "node_cost" : "labels");
            }

            if ((costs ? shard_terms_number(json, i, "node_cost", &cost, err)
                       : shard_terms_each_label(json, i, terms, "labels", 0,
                                                err))
                != SHARD_OK)
            {
                return SHARD_ERROR;
            }
        }
    }

    return SHARD_OK;
}


static int
shard_terms_requires(const shard_json_t *json, shard_terms_t *terms,
    char *err)
{
    int          i, last;
    shard_id_t   from, to;
    shard_str_t  name;

    last = terms->require ? shard_json_next(json, terms->require) : 0;

    for (i = terms->require + 1; i < last; i = shard_json_next(json, i + 1)) {
        name = shard_json_text(json, i);

        if (shard_terms_ids(name, &from, &to) != SHARD_OK) {
            return shard_refuse(err, "%q in \"require\" is neither a shard's "
                                "id, nor two with \"-\" between, nor \"*\"",
                                &name);
        }

        if (shard_terms_each_label(json, i, terms, "require", 1, err)
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


/* the object as JSON of its own: its tokens follow one another */

static void
shard_terms_inner(const shard_json_t *json, int object, shard_json_t *inner)
{
    inner->text = json->text;
    inner->token = json->token + object;
    inner->n = shard_json_next(json, object) - object;
}


int
shard_terms_decode(shard_str_t policy, shard_policy_work_t *work,
    shard_terms_t *out, char *err)
{
    int                 plan;
    shard_json_t        json;
    shard_terms_bind_t  b;

    shard_terms_init(&b.terms);
    b.weights = 0;
    plan = 0;

    if (policy.len
        && (shard_json_parse_large(&work->json, policy, SHARD_POLICY_MAX,
                                   work->token, SHARD_POLICY_TOKENS, err)
            != SHARD_OK
            || shard_json_bind(&work->json, shard_terms_field, &plan, err)
               != SHARD_OK))
    {
        return SHARD_ERROR;
    }

    if (plan == 0) {
        *out = b.terms;
        return SHARD_OK;
    }

    shard_terms_inner(&work->json, plan, &json);
    b.terms.given = 1;

    if (shard_json_known(&json, shard_terms_fields, err) != SHARD_OK
        || shard_json_bind(&json, shard_terms_fields, &b, err) != SHARD_OK
        || shard_terms_weights(&json, b.weights, &b.terms, err) != SHARD_OK
        || shard_terms_nodes(&json, &b.terms, err) != SHARD_OK
        || shard_terms_requires(&json, &b.terms, err) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    /* from here on they are tokens of the whole policy */

    b.terms.labels += b.terms.labels ? plan : 0;
    b.terms.require += b.terms.require ? plan : 0;
    b.terms.node_cost += b.terms.node_cost ? plan : 0;

    *out = b.terms;

    return SHARD_OK;
}
