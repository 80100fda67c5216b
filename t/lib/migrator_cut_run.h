
/*
 * Makes a world of migrator_cuts.h.
 */


#ifndef _MIGRATOR_CUT_RUN_H_INCLUDED_
#define _MIGRATOR_CUT_RUN_H_INCLUDED_


#include "migrator_cut_nodes.h"


static const migrator_io_t  cut_io = {
    NULL, world_now, world_sleep, world_stopping, cut_point, world_note,
    world_error, cut_claim, cut_release, world_put, world_get, world_wish,
    cut_shard, cut_commit, world_node, world_override, cut_routers,
    world_mirror, world_mirrors, world_views, world_others, world_hook,
    world_audit, cut_commit_pair, cut_decide
};

static const world_kind_t  cut_kind = {
    &cut_io, &cut_driver, cut_tick, cut_judge
};


static void
cut_record(cut_world_t *c, int i, const char *node, uint64_t lo, uint64_t hi)
{
    shard_record_t  *rec;

    rec = &c->rec[i];
    rec->id = i ? CUT_OTHER : CUT_FIRST;
    rec->kind = SHARD_KIND_RANGE_UINT64;
    rec->lo = lo;
    rec->hi = hi;
    rec->epoch = WORLD_BASE;
    rec->strategy = SHARD_LOG_SHIPPING;
    strcpy(rec->primary, node);

    c->exists[i] = 1;
    c->at[cut_node(node)][i].role = MIGRATOR_ROLE_PRIMARY;
    c->at[cut_node(node)][i].epoch = WORLD_BASE;
}


/* a split of 7 at 32 to a new shard on node "to", or a merge of 7, which is
 * [32, 64), into 8 there */

TAP_UNUSED static world_t *
cut_new(uint64_t seed, migrator_verb_e verb, const char *to)
{
    int           i;
    uint32_t      key;
    world_t      *w;
    cut_world_t  *c;

    w = world_new(seed);
    c = calloc(1, sizeof(cut_world_t));

    w->kind = &cut_kind;
    w->more = c;
    w->cut_off = 1;
    c->rival_at = c->gone_at = -1;

    cut_record(c, 0, "n1", verb == MIGRATOR_MERGE ? CUT_AT : 0, 0);

    if (verb == MIGRATOR_MERGE) {
        cut_record(c, 1, to, 0, CUT_AT);
        w->stored.into_epoch = WORLD_BASE;
    }

    memcpy(c->first, c->rec, sizeof(c->first));
    memcpy(c->firsts, c->exists, sizeof(c->firsts));
    memcpy(c->view, c->rec, sizeof(c->view));
    memcpy(c->viewed, c->exists, sizeof(c->viewed));

    w->rec = c->rec[0];
    w->stored.verb = verb;
    w->stored.into = CUT_OTHER;
    strcpy(w->stored.order, "uint64");
    snprintf(w->stored.lo, sizeof(w->stored.lo), "%016x", CUT_AT);
    strcpy(w->stored.to, to);

    if (verb == MIGRATOR_ISOLATE) {
        snprintf(w->stored.next_cut, sizeof(w->stored.next_cut), "%016x",
                 CUT_AT - 1);
        strcpy(w->stored.next_to, "n2");
    }

    for (key = 0; key < CUT_KEYS; key++) {
        i = cut_holds(c->rec, c->exists, key);
        c->acked[key] = ++w->values;
        cut_write(cut_primary(c, i), key, w->values);
    }

    migrator_phase_begin(&w->stored, w->now);

    return w;
}


#endif /* _MIGRATOR_CUT_RUN_H_INCLUDED_ */
