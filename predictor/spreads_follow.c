
/* Distributions over a change of the table: bounds that moved. */


#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_bytes.h"
#include "../src/core/shard_key.h"
#include "../src/daemon/shardd_log.h"
#include "spread_units.h"
#include "spreads.h"


static int predictor_spreads_same(const shard_record_t *a,
    const shard_record_t *b);
static int predictor_spreads_meet(const shard_record_t *a,
    const shard_record_t *b);
static void predictor_spreads_part(shard_spread_t *s,
    const shard_record_t *from, const shard_record_t *to);
static void predictor_spreads_gather(predictor_spreads_t *sp,
    const shardd_table_t *old, const predictor_units_t *units,
    const shard_record_t *rec, predictor_spreads_one_t **out);
static int predictor_spreads_moved(shardd_table_t *old,
    const shardd_table_t *new);


static int
predictor_spreads_same(const shard_record_t *a, const shard_record_t *b)
{
    if (a->kind == SHARD_KIND_LIST && b->kind == SHARD_KIND_LIST) {
        return a->is_default == b->is_default && a->units.len == b->units.len
               && (a->units.len == 0
                   || memcmp(a->units.data, b->units.data, a->units.len) == 0);
    }

    return a->kind == b->kind && a->lo == b->lo && a->hi == b->hi
           && shard_bytes_compare(a->lo_text.data, a->lo_text.len,
                                  b->lo_text.data, b->lo_text.len) == 0
           && shard_bytes_compare(a->hi_text.data, a->hi_text.len,
                                  b->hi_text.data, b->hi_text.len) == 0;
}


/* have they keys in common?  Of a list they may: units are picked one by one */

static int
predictor_spreads_meet(const shard_record_t *a, const shard_record_t *b)
{
    if (a->kind != b->kind || a->kind == SHARD_KIND_LIST) {
        return a->kind == b->kind;
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
    const predictor_units_t *units, const shard_record_t *rec,
    predictor_spreads_one_t **out)
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

        if (units->list) {
            predictor_units_pick(units, rec->id, &s);

        } else {
            predictor_spreads_part(&s, &old->shards[i], rec);
        }

        /* its own is told of though nothing is left: it is stored */

        if (units->list && s.mass <= 0 && old->shards[i].id != rec->id) {
            continue;
        }

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


/* 1: a unit has another shard, so that the default's are others, too */

static int
predictor_spreads_moved(shardd_table_t *old, const shardd_table_t *new)
{
    size_t           i;
    shard_record_t  *before;

    for (i = 0; i < new->nshards; i++) {
        before = shardd_table_shard(old, new->shards[i].id);

        if (before == NULL || !predictor_spreads_same(before, &new->shards[i]))
        {
            return 1;
        }
    }

    return old->nshards != new->nshards;
}


/* all parts are taken before any is let go: a child may keep its parent's id */

void
predictor_spreads_follow(predictor_spreads_t *sp, shardd_table_t *old,
    const shardd_table_t *new)
{
    int                        moved;
    size_t                     i;
    uint32_t                   id;
    shard_record_t            *before;
    predictor_units_t          units;
    predictor_spreads_one_t  **by_id;

    by_id = calloc(sp->n ? sp->n : 1, sizeof(predictor_spreads_one_t *));

    if (by_id == NULL || predictor_units_init(&units, new) != SHARD_OK) {
        free(by_id);
        shardd_log(SHARDD_LOG_ERROR, "no memory: distributions of shards "
                   "that were split or joined begin anew");
        return;
    }

    moved = units.list && predictor_spreads_moved(old, new);

    for (i = 0; i < new->nshards; i++) {
        id = new->shards[i].id;

        if (id >= sp->n) {
            continue;
        }

        before = shardd_table_shard(old, id);

        if (before && predictor_spreads_same(before, &new->shards[i])
            && !(moved && before->is_default))
        {
            by_id[id] = sp->by_id[id];

        } else {
            predictor_spreads_gather(sp, old, &units, &new->shards[i],
                                     &by_id[id]);
        }
    }

    predictor_units_done(&units);

    for (id = 0; id < sp->n; id++) {

        if (sp->by_id[id] != by_id[id]) {
            free(sp->by_id[id]);
        }
    }

    free(sp->by_id);
    sp->by_id = by_id;
}
