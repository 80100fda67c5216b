
/*
 * Which splits and merges are carried out: only in mode act, only what
 * migrators serve, of shards that nobody has in hand, few at a time.
 */

#include <string.h>

#include "../lib/tap.h"
#include "../../predictor/resizes.h"


#define SHARDS  4


static shard_record_t            recs[SHARDS];
static shard_node_t              tnodes[2];
static predictor_plan_shard_t    shards[SHARDS];
static predictor_plan_node_t     nodes[2];
static predictor_fleet_t         f;
static predictor_conf_t          conf;
static predictor_resizing_t      r;
static predictor_resizes_view_t  view;
static predictor_resize_t        split, merge, isolate;
static double                    memory[512];


static void
begin(void)
{
    memset(recs, 0, sizeof(recs));
    memset(shards, 0, sizeof(shards));
    memset(nodes, 0, sizeof(nodes));
    memset(&f, 0, sizeof(f));
    memset(&conf, 0, sizeof(conf));
    memset(&r, 0, sizeof(r));

    f.table.shards = recs;
    f.table.nodes = tnodes;
    f.table.nshards = SHARDS;
    f.table.nnodes = 2;
    f.plan.shards = shards;
    f.plan.nodes = nodes;
    f.plan.nshards = SHARDS;
    f.plan.nnodes = 2;
    f.plan.limits.moves = 8;
    f.plan.limits.moves_per_node = 2;
    shards[3].from = shards[3].to = 1;

    predictor_budget_place(&f.budget, memory, 2, 1, 8);
    f.budget.window_s = 3600;
    f.budget.now_s = 100000;
    f.plan.budget = &f.budget;

    conf.mode = PREDICTOR_ACT;
    r.nshards = SHARDS;
    r.limits.min = 1;
    r.limits.max = 100;
    view.conf = &conf;
    view.fleet = &f;

    memset(&split, 0, sizeof(split));
    split.verb = PREDICTOR_RESIZE_SPLIT;
    split.cut = 100;

    isolate = split;
    isolate.verb = PREDICTOR_RESIZE_ISOLATE;
    isolate.end = 101;

    merge = split;
    merge.verb = PREDICTOR_RESIZE_MERGE;
    merge.shard = 1;
    merge.with = 2;
}


static void
is(const predictor_resize_t *a, predictor_resize_act_e want, const char *what)
{
    tap_is_int(predictor_resize_act(&view, &r, a), want, "%s", what);
    begin();
}


static void
test_served(void)
{
    begin();
    is(&split, PREDICTOR_RESIZE_NOW, "a split");
    is(&isolate, PREDICTOR_RESIZE_NOW, "an isolation");
    is(&merge, PREDICTOR_RESIZE_NOW, "a merge");

    conf.mode = PREDICTOR_RECOMMEND;
    is(&split, PREDICTOR_RESIZE_ADVICE, "recommended only");
    recs[0].kind = SHARD_KIND_LIST;
    is(&split, PREDICTOR_RESIZE_ADVICE, "a list");
    recs[0].strategy = SHARD_STATELESS;
    is(&split, PREDICTOR_RESIZE_NOW, "stateless");
    recs[0].strategy = SHARD_QUEUE;
    is(&split, PREDICTOR_RESIZE_NOW, "a queue");
    recs[0].strategy = SHARD_COPY_ON_WRITE;
    is(&split, PREDICTOR_RESIZE_NOW, "copy-on-write");
    recs[2].kind = SHARD_KIND_LIST;
    is(&merge, PREDICTOR_RESIZE_ADVICE, "nor the other one of a list");
    merge.with = 3;
    is(&merge, PREDICTOR_RESIZE_ADVICE, "a merge of two nodes' shards");
}


static void
test_free(void)
{
    begin();
    shards[0].fixed = 1;
    is(&split, PREDICTOR_RESIZE_LATER, "overridden, at rest or in flight");
    shards[0].uncut = 1;
    is(&split, PREDICTOR_RESIZE_LATER, "it failed a while ago");
    shards[0].to = 1;
    is(&split, PREDICTOR_RESIZE_LATER, "it moves");
    recs[0].migration = 7;
    is(&split, PREDICTOR_RESIZE_LATER, "a migration has it");
    recs[0].phase = SHARD_HELD;
    is(&split, PREDICTOR_RESIZE_LATER, "it is held");
    nodes[0].state = SHARD_NODE_DRAINING;
    is(&split, PREDICTOR_RESIZE_LATER, "its node is to be empty");
    nodes[0].closing = 1;
    is(&split, PREDICTOR_RESIZE_LATER, "or will be");
    shards[2].uncut = 1;
    is(&merge, PREDICTOR_RESIZE_LATER, "the other one of a merge failed");
    recs[2].migration = 7;
    is(&merge, PREDICTOR_RESIZE_LATER, "or is in somebody's hands");
}


static void
test_few(void)
{
    begin();
    f.cuts = 1;
    is(&split, PREDICTOR_RESIZE_NOW, "one is in flight");
    f.cuts = 2;
    is(&split, PREDICTOR_RESIZE_LATER, "two are");
    nodes[0].moves = 2;
    is(&split, PREDICTOR_RESIZE_LATER, "as many moves as a node may have");
    f.plan.limits.moves = 1;
    nodes[0].moves = nodes[1].moves = 1;
    is(&split, PREDICTOR_RESIZE_LATER, "and as all may have");
    f.budget.limit[PREDICTOR_BUDGET_NODE].moves = 1;
    predictor_budget_add(&f.budget, 99000, 99500, 1, 0, 0);
    is(&split, PREDICTOR_RESIZE_LATER, "the churn budget is used up");

    r.limits.max = 5;
    is(&split, PREDICTOR_RESIZE_NOW, "one more is allowed");
    r.limits.max = 5;
    is(&isolate, PREDICTOR_RESIZE_LATER, "two more are not");
    r.limits.max = 6;
    f.cuts = 1;
    is(&split, PREDICTOR_RESIZE_LATER, "nor one with those in flight");
    r.limits.min = 3;
    f.cuts = 1;
    is(&merge, PREDICTOR_RESIZE_LATER, "nor one less than there must be");
}


static void
test_begun(void)
{
    begin();
    predictor_resize_begin(&view, &merge);
    tap_ok(shards[1].fixed && shards[2].fixed, "both are in flight");
    tap_is_int(f.cuts, 1, "one more");
    tap_is_int(f.budget.nodes[0].moves, 1, "the budget counts it");
    tap_is_int(predictor_resize_act(&view, &r, &merge), PREDICTOR_RESIZE_LATER,
               "not twice");
}


int
main(void)
{
    test_served();
    test_free();
    test_few();
    test_begun();

    return tap_done();
}
