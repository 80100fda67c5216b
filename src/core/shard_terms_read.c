
/* What was decoded, asked of for a node, for shards. */

#include <string.h>

#include "shard_terms_parts.h"
#include "shard_text.h"


/* 1 + what of a node's name a pattern says, 0: it is of other nodes */

static size_t
shard_terms_fits(shard_str_t pattern, const char *node)
{
    size_t  len;

    len = strlen(node);

    if (pattern.len && pattern.data[pattern.len - 1] == '*') {
        pattern.len--;

        return len >= pattern.len
               && memcmp(pattern.data, node, pattern.len) == 0
               ? pattern.len + 1 : 0;
    }

    return len == pattern.len && memcmp(pattern.data, node, len) == 0
           ? SHARD_NAME_SIZE + 1 : 0;
}


static uint64_t
shard_terms_mask(const shard_terms_t *terms, const shard_json_t *json,
    int array)
{
    int          i, k, last;
    uint64_t     mask;
    shard_str_t  label;

    mask = 0;
    last = shard_json_next(json, array);

    for (i = array + 1; i < last; i = shard_json_next(json, i)) {
        label = shard_json_text(json, i);

        for (k = 0; k < terms->nlabels; k++) {

            if (shard_terms_same(terms->label[k], label)) {
                mask |= (uint64_t) 1 << k;
            }
        }
    }

    return mask;
}


uint64_t
shard_terms_labels(const shard_terms_t *terms,
    const shard_policy_work_t *work, const char *node, const char *zone)
{
    int                  i, last;
    uint64_t             mask;
    shard_str_t          label;
    const shard_json_t  *json;

    json = &work->json;
    mask = 0;
    last = terms->labels ? shard_json_next(json, terms->labels) : 0;

    for (i = terms->labels + 1; i < last; i = shard_json_next(json, i + 1)) {

        if (shard_terms_fits(shard_json_text(json, i), node)) {
            mask |= shard_terms_mask(terms, json, i + 1);
        }
    }

    for (i = 0; i < terms->nlabels; i++) {
        label = terms->label[i];

        if (shard_terms_zone(label)
            && label.len - SHARD_TERMS_ZONE_LEN == strlen(zone)
            && memcmp(label.data + SHARD_TERMS_ZONE_LEN, zone,
                      label.len - SHARD_TERMS_ZONE_LEN) == 0)
        {
            mask |= (uint64_t) 1 << i;
        }
    }

    return mask;
}


double
shard_terms_node_cost(const shard_terms_t *terms,
    const shard_policy_work_t *work, const char *node)
{
    int                  i, last;
    double               cost;
    size_t               fits, best;
    const shard_json_t  *json;

    json = &work->json;
    cost = 1;
    best = 0;
    last = terms->node_cost ? shard_json_next(json, terms->node_cost) : 0;

    for (i = terms->node_cost + 1; i < last;
         i = shard_json_next(json, i + 1))
    {
        fits = shard_terms_fits(shard_json_text(json, i), node);

        if (fits > best) {
            best = fits;
            cost = shard_json_double(shard_json_text(json, i + 1));
        }
    }

    return cost;
}


void
shard_terms_required(const shard_terms_t *terms,
    const shard_policy_work_t *work, shard_terms_require_pt each, void *data)
{
    int                  i, last;
    shard_id_t           from, to;
    const shard_json_t  *json;

    json = &work->json;
    last = terms->require ? shard_json_next(json, terms->require) : 0;

    for (i = terms->require + 1; i < last; i = shard_json_next(json, i + 1)) {

        if (shard_terms_ids(shard_json_text(json, i), &from, &to) == SHARD_OK)
        {
            each(data, from, to, shard_terms_mask(terms, json, i + 1));
        }
    }
}
