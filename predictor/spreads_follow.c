
/* Distributions over a change of the table: bounds that moved. */


#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_bytes.h"
#include "../src/core/shard_key.h"
#include "../src/daemon/shardd_log.h"
#include "spreads.h"


static int predictor_spreads_same(const shard_record_t *a,
    const shard_record_t *b);
static int predictor_spreads_meet(const shard_record_t *a,
    const shard_record_t *b);
static void predictor_spreads_part(shard_spread_t *s,
    const shard_record_t *from, const shard_record_t *to);
static void predictor_spreads_gather(predictor_spreads_t *sp,
    const shardd_table_t *old, const shard_record_t *rec,
    predictor_spreads_one_t **out);


static int
predictor_spreads_same(const shard_record_t *a, const shard_record_t *b)
{
    return a->kind == b->kind && a->lo == b->lo && a->hi == b->hi
           && shard_bytes_compare(a->lo_text.data, a->lo_text.len,
                                  b->lo_text.data, b->lo_text.len) == 0
           && shard_bytes_compare(a->hi_text.data, a->hi_text.len,
                                  b->hi_text.data, b->hi_text.len) == 0;
}


/* have they keys in common?  Of a list it is not told: units have no order */

static int
predictor_spreads_meet(const shard_record_t *a, const shard_record_t *b)
{
    if (a->kind != b->kind || a->kind == SHARD_KIND_LIST) {
        return 0;
    }

    if (a->kind != SHARD_KIND_RANGE_BYTES) {
        return a->lo <= b->hi - 1 && b->lo <= a->hi - 1;
    }

    return (b->hi_text.len == 0
            || shard_bytes_compare(a->lo_text.data, a->lo_text.len,
                                   b->hi_text.data, b->hi_text.len) < 0)
           && (a->hi_text.len == 0
               || shard_bytes_compare(b->lo_text.data, b->lo_text.len,
                                      a->hi_text.data, a->hi_text.len) < 0);
}


/* of "s", a distribution of "from", what goes to "to" */

static void
predictor_spreads_part(shard_spread_t *s, const shard_record_t *from,
    const shard_record_t *to)
{
    unsigned              skip;
    shard_str_t           text;
    const shard_record_t *deeper;
    predictor_range_t     range;

    range = predictor_spread_range(to, &skip);
    deeper = skip > s->skip ? to : from;

    text.data = deeper->lo_text.data;
    text.len = deeper->lo_text.len;

    shard_spread_frame(s, skip, text);
    shard_spread_clip(s, range.lo, range.last);
}


/* what the old shards knew of the keys of "rec"; NULL: nothing, no memory */

static void
predictor_spreads_gather(predictor_spreads_t *sp, const shardd_table_t *old,
    const shard_record_t *rec, predictor_spreads_one_t **out)
{
    size_t                    i;
    shard_spread_t            s;
    predictor_spreads_one_t  *one;

    *out = NULL;

    for (i = 0; i < old->nshards; i++) {

        if (old->shards[i].id >= sp->n || sp->by_id[old->shards[i].id] == NULL
            || !predictor_spreads_meet(&old->shards[i], rec))
        {
            continue;
        }

        s = sp->by_id[old->shards[i].id]->spread;
        predictor_spreads_part(&s, &old->shards[i], rec);

        if (*out) {
            shard_spread_join(&(*out)->spread, &s);
            continue;
        }

        one = calloc(1, sizeof(predictor_spreads_one_t));

        if (one == NULL) {
            return;
        }

        one->spread = s;
        one->dirty = 1;
        *out = one;
    }
}


/* all parts are taken before any is let go: a child may keep its parent's id */

void
predictor_spreads_follow(predictor_spreads_t *sp, shardd_table_t *old,
    const shardd_table_t *new)
{
    size_t                     i;
    uint32_t                   id;
    shard_record_t            *before;
    predictor_spreads_one_t  **by_id;

    by_id = calloc(sp->n ? sp->n : 1, sizeof(predictor_spreads_one_t *));

    if (by_id == NULL) {
        shardd_log(SHARDD_LOG_ERROR, "no memory: distributions of shards "
                   "that were split or joined begin anew");
        return;
    }

    for (i = 0; i < new->nshards; i++) {
        id = new->shards[i].id;

        if (id >= sp->n) {
            continue;
        }

        before = shardd_table_shard(old, id);

        if (before && (before->kind == SHARD_KIND_LIST
                       || predictor_spreads_same(before, &new->shards[i])))
        {
            by_id[id] = sp->by_id[id];

        } else {
            predictor_spreads_gather(sp, old, &new->shards[i], &by_id[id]);
        }
    }

    for (id = 0; id < sp->n; id++) {

        if (sp->by_id[id] != by_id[id]) {
            free(sp->by_id[id]);
        }
    }

    free(sp->by_id);
    sp->by_id = by_id;
}
