
/* a policy: refused with a reason, or sound */

#include "shard_load.h"
#include "shard_terms.h"
#include "../predictor/resize_policy.h"

#include "fuzz.h"


static shard_policy_work_t  work;


static void  sound(const shard_policy_t *p);


static void
sound(const shard_policy_t *p)
{
    unsigned     i, k;
    shard_str_t  name;

    fuzz_must(p->mirror_bp <= SHARD_BP_ALL, "mirrors more than all");
    fuzz_must(p->nzones <= SHARD_ZONES_MAX, "too many zones");

    for (i = 0; i < SHARD_ZONES_MAX; i++) {
        fuzz_must(memchr(p->zone[i], '\0', SHARD_NAME_SIZE) != NULL,
                  "unended name");
        fuzz_must(p->distance[i][i] == 0, "far from itself");

        for (k = 0; k < i; k++) {
            fuzz_must(p->distance[i][k] == p->distance[k][i],
                      "shorter the other way round");
        }

        name.data = p->zone[i];
        name.len = strlen(p->zone[i]);

        fuzz_must(name.len == 0 || shard_name_valid(name), "odd name");
        fuzz_must(name.len == 0 || shard_policy_zone(p, name) == i,
                  "another zone of this name");
    }
}


static void
load(shard_str_t text)
{
    int           i, some;
    char          err[SHARD_ERR_SIZE];
    shard_load_t  out, before;

    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    out = before;

    if (shard_load_decode(text, &work, &out, err) != SHARD_OK) {
        fuzz_refused(err, &out, &before);
        return;
    }

    some = 0;

    for (i = 0; i < SHARD_METRICS; i++) {
        fuzz_must(out.weight[i] >= 0 && out.weight[i] <= SHARD_LOAD_MAX,
                  "odd weight");
        some |= out.weight[i] > 0;
    }

    fuzz_must(some, "no load at all");
}


static void
shards(shard_str_t text)
{
    char                       err[SHARD_ERR_SIZE];
    predictor_resize_policy_t  out, before;

    memset(&before, 0, sizeof(before));
    memset(err, 0, sizeof(err));
    predictor_resize_policy_init(&before);
    out = before;

    if (predictor_resize_policy_decode(text, &work, &out, err) != SHARD_OK) {
        fuzz_refused(err, &out, &before);
        return;
    }

    fuzz_must(out.min >= 1 && out.min <= out.max
              && out.max <= PREDICTOR_RESIZE_MOST, "odd bounds");
    fuzz_must(predictor_resize_policy_check(&out, err) == SHARD_OK,
              "it would not be taken again");
}


static void
need(void *data, shard_id_t first, shard_id_t last, uint64_t labels)
{
    const shard_terms_t  *out = data;

    fuzz_must(first <= last && last < SHARD_ID_NONE, "odd range");
    fuzz_must(out->nlabels == SHARD_LABELS_MAX
              || labels >> out->nlabels == 0, "label without a name");
}


static void
terms(shard_str_t text)
{
    int    i;
    char   err[SHARD_ERR_SIZE];

    static shard_terms_t  out, before;

    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    out = before;

    if (shard_terms_decode(text, &work, &out, err) != SHARD_OK) {
        fuzz_refused(err, &out, &before);
        return;
    }

    for (i = 0; i < SHARD_TERMS; i++) {
        fuzz_must(out.weight[i] >= 0 && out.weight[i] <= SHARD_WEIGHT_MAX,
                  "odd weight");
    }

    fuzz_must(out.nlabels <= SHARD_LABELS_MAX, "too many labels");
    need(&out, 0, 0, shard_terms_labels(&out, &work, "n1", "z1"));
    fuzz_must(shard_terms_node_cost(&out, &work, "n1") >= 0, "odd cost");
    shard_terms_required(&out, &work, need, &out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char             err[SHARD_ERR_SIZE];
    shard_str_t      text;

    static shard_policy_t  out, before, live;

    text.data = (const char *) data;
    text.len = size;
    load(text);
    shards(text);
    terms(text);
    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    out = before;

    if (shard_policy_decode(text, &work, &out, err) != SHARD_OK) {
        fuzz_refused(err, &out, &before);
        return 0;
    }

    sound(&out);

    /* the one before lives on, as in a router */

    if (live.nzones == 0) {
        shard_policy_init(&live);
    }

    shard_policy_replace(&live, &out, size & 0xff);
    sound(&live);

    return 0;
}
