
/*
 * Which splits and merges are carried out, and when:
 *
 *   mode act, keys in an order? ──no──▶ advice, once in a season
 *        │ yes
 *        ▼
 *   free, few enough, within the budget? ──no──▶ later: the next tick asks
 *        │ yes                                   again
 *        ▼
 *      now
 *
 * A shard is cut where it lies and only neighbours on one node are joined:
 * nothing leaves its node but by the planner.
 */


#include "resizes.h"


#define PREDICTOR_RESIZE_ACTS  2        /* in flight at a time */


/* of any strategy: a cut in place sends nothing to another node */

static int
predictor_resize_served(const shard_record_t *rec)
{
    return rec->kind != SHARD_KIND_LIST;
}


/* nobody has it in hand, nor had in vain a while ago */

static int
predictor_resize_free(const predictor_fleet_t *f, uint32_t i)
{
    const shard_record_t          *rec;
    const predictor_plan_node_t   *node;
    const predictor_plan_shard_t  *s;

    s = &f->plan.shards[i];
    rec = &f->table.shards[i];
    node = &f->plan.nodes[s->from];

    return !s->fixed && !s->uncut && s->from == s->to && rec->migration == 0
           && rec->phase == SHARD_STEADY && rec->target[0] == '\0'
           && node->state == SHARD_NODE_UP && !node->closing;
}


/* with all that is in flight there are neither too many nor too few; a split
 * makes two shards more at most */

static int
predictor_resize_bounded(const predictor_fleet_t *f,
    const predictor_resizing_t *r, const predictor_resize_t *a)
{
    if (a->verb == PREDICTOR_RESIZE_MERGE) {
        return r->nshards > r->limits.min + f->cuts;
    }

    return r->nshards + 2 * f->cuts + (a->cut && a->end ? 2 : 1)
           <= r->limits.max;
}


/* as moves are; all of those in flight may be at this node */

static int
predictor_resize_affords(const predictor_fleet_t *f, uint32_t i)
{
    uint32_t                      n, moves;
    const predictor_plan_t       *plan;
    const predictor_plan_shard_t *s;

    plan = &f->plan;
    s = &plan->shards[i];

    for (n = 0, moves = 0; n < plan->nnodes; n++) {
        moves += plan->nodes[n].moves;
    }

    /* a move is one of both its nodes */

    return f->cuts < PREDICTOR_RESIZE_ACTS
           && moves / 2 + f->cuts < plan->limits.moves
           && plan->nodes[s->from].moves + f->cuts
              < plan->limits.moves_per_node
           && (plan->budget == NULL
               || predictor_budget_may(plan->budget, s->from, s->from,
                                       (double) s->bytes));
}


predictor_resize_act_e
predictor_resize_act(const predictor_resizes_view_t *view,
    const predictor_resizing_t *r, const predictor_resize_t *a)
{
    const shard_record_t     *recs;
    const predictor_fleet_t  *f;

    f = view->fleet;
    recs = f->table.shards;

    if (view->conf->mode != PREDICTOR_ACT
        || !predictor_resize_served(&recs[a->shard]))
    {
        return PREDICTOR_RESIZE_ADVICE;
    }

    if (a->verb == PREDICTOR_RESIZE_MERGE) {

        if (!predictor_resize_served(&recs[a->with])
            || f->plan.shards[a->shard].from != f->plan.shards[a->with].from)
        {
            return PREDICTOR_RESIZE_ADVICE;
        }

        if (!predictor_resize_free(f, a->with)) {
            return PREDICTOR_RESIZE_LATER;
        }
    }

    return predictor_resize_free(f, a->shard)
           && predictor_resize_bounded(f, r, a)
           && predictor_resize_affords(f, a->shard)
           ? PREDICTOR_RESIZE_NOW : PREDICTOR_RESIZE_LATER;
}


/* the moves of this tick are planned with it */

void
predictor_resize_begin(const predictor_resizes_view_t *view,
    const predictor_resize_t *a)
{
    predictor_plan_t        *plan;
    predictor_plan_shard_t  *s;

    plan = &view->fleet->plan;
    s = &plan->shards[a->shard];
    s->fixed = 1;

    if (a->verb == PREDICTOR_RESIZE_MERGE) {
        plan->shards[a->with].fixed = 1;
    }

    view->fleet->cuts++;

    if (plan->budget) {
        (void) predictor_budget_add(plan->budget, plan->budget->now_s,
                                    plan->budget->now_s, s->from, s->from,
                                    (double) s->bytes);
    }
}
