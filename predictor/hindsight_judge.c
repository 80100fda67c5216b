
/* One decision, scored from what happened on its two nodes. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_moves.h"
#include "hindsight_store.h"


/* slots that must be known, of a hundred */

#define PREDICTOR_JUDGE_KNOWN  50


static int
predictor_judge_unknown(predictor_judged_t *j, const char *why)
{
    j->verdict = PREDICTOR_UNKNOWN;
    j->why = why;

    return SHARDD_OK;
}


/*
 * What the shard did since: when it came to the target, and when it went on
 * to another node, which ends what this decision can be held for.
 */

static void
predictor_judge_places(const predictor_pending_t *p, uint32_t to,
    const predictor_change_t *changes, uint32_t n, predictor_hindsight_t *h,
    predictor_judged_t *j)
{
    double    at;
    uint32_t  i;

    for (i = 0; i < n; i++) {
        at = changes[i].when.commit_s;

        if (changes[i].shard == p->shard && changes[i].to == to
            && at >= p->decided_s && at < h->happened.commit_s)
        {
            h->happened.commit_s = at;
        }
    }

    j->carried = h->happened.commit_s < j->until_s;

    for (i = 0; i < n; i++) {
        at = changes[i].when.commit_s;

        if (changes[i].shard == p->shard && changes[i].to != to
            && at >= p->decided_s && at < j->until_s)
        {
            j->until_s = at;
        }
    }
}


static uint32_t
predictor_judge_slots(const predictor_hindsight_t *h, double until_s)
{
    double  n;

    n = floor((until_s - h->first_s) / h->res_s + 0.5);

    return n < 1 ? 1 : (uint32_t) n;
}


/* loads into "memory", three times h->n; returns a verdict's reason or NULL */

static void
predictor_judge_loads(const predictor_hindsight_world_t *world,
    const predictor_pending_t *p, const predictor_past_t *past, uint32_t from,
    uint32_t to, predictor_hindsight_t *h, double *memory)
{
    long                          slot;
    const predictor_plan_node_t  *nodes;

    slot = lround(h->first_s / h->res_s);
    nodes = world->fleet->plan.nodes;

    h->from = memory;
    h->to = memory + h->n;
    h->shard = memory + 2 * h->n;

    predictor_past_node(past, from, p->shard, nodes[from].base, slot, h->n,
                        memory);
    predictor_past_node(past, to, p->shard, nodes[to].base, slot, h->n,
                        memory + h->n);
    predictor_past_shard(past, p->shard, slot, h->n, memory + 2 * h->n);
}


static void
predictor_judge_verdict(const predictor_pending_t *p, predictor_judged_t *j)
{
    const predictor_hindsight_score_t  *s;

    s = &j->score;

    if (s->slots == 0) {
        (void) predictor_judge_unknown(j, "the shard was moved on at once");
        return;
    }

    if (s->known * 100 < s->slots * PREDICTOR_JUDGE_KNOWN) {
        (void) predictor_judge_unknown(j, "less than half of the loads are "
                                       "known");
        return;
    }

    j->verdict = p->drain ? PREDICTOR_DRAINED
                 : s->saved_nothing_s > 0 ? PREDICTOR_HELPED
                 : s->saved_nothing_s < 0 ? PREDICTOR_HARMED
                 : PREDICTOR_NEITHER;
}


static int
predictor_judge_nodes(const predictor_hindsight_world_t *world,
    uint32_t **nodes)
{
    uint32_t                  i;
    const predictor_plan_t   *plan;

    plan = &world->fleet->plan;
    *nodes = malloc((plan->nshards + 1) * sizeof(uint32_t));

    for (i = 0; *nodes && i < plan->nshards; i++) {
        (*nodes)[i] = plan->shards[i].from;
    }

    return *nodes ? SHARDD_OK : SHARDD_BAD;
}


static int
predictor_judge_score(const predictor_hindsight_world_t *world,
    const predictor_pending_t *p, const predictor_change_t *changes,
    uint32_t nchanges, uint32_t from, uint32_t to, predictor_hindsight_t *h,
    predictor_judged_t *j)
{
    int                rc;
    double            *memory;
    uint32_t          *nodes;
    predictor_past_t   past;

    memory = malloc(3 * h->n * sizeof(double));
    rc = predictor_judge_nodes(world, &nodes);

    if (rc == SHARDD_OK && memory) {
        past.history = world->history;
        past.res_s = world->res_s;
        past.extra = p->extra;
        past.nshards = world->fleet->plan.nshards;
        past.ids = world->fleet->ids;
        past.nodes = nodes;
        past.nchanges = nchanges;
        past.changes = changes;

        predictor_judge_loads(world, p, &past, from, to, h, memory);
        predictor_hindsight_score(h, &j->score);
    }

    rc = memory ? rc : SHARDD_BAD;
    free(memory);
    free(nodes);

    return rc;
}


int
predictor_judge(const predictor_hindsight_world_t *world,
    const predictor_pending_t *p, const shardd_entries_t *migrations,
    const predictor_change_t *changes, uint32_t nchanges,
    predictor_judged_t *j)
{
    int                    rc;
    uint32_t               from, to;
    predictor_hindsight_t  h;

    memset(j, 0, sizeof(predictor_judged_t));
    memset(&h, 0, sizeof(predictor_hindsight_t));

    from = predictor_fleet_node(world->fleet, p->from);
    to = predictor_fleet_node(world->fleet, p->to);
    j->at_s = world->now_s;
    j->until_s = p->due_s;
    j->res_s = world->res_s;
    j->move_s = p->move_s;

    if (from == SHARD_ID_NONE || to == SHARD_ID_NONE) {
        return predictor_judge_unknown(j, "one of its nodes is gone");
    }

    h.res_s = world->res_s;
    h.first_s = (floor(p->decided_s / h.res_s) - 1) * h.res_s;
    h.from_capacity = world->fleet->plan.nodes[from].capacity;
    h.to_capacity = world->fleet->plan.nodes[to].capacity;
    h.threshold = p->threshold;
    h.extra = p->extra;
    h.decided_s = p->decided_s;
    h.advice = p->advice;

    (void) predictor_passage_read(world, migrations, p->id, &h.happened);
    predictor_judge_places(p, to, changes, nchanges, &h, j);

    /* who reacts would have been no faster than the migrator was */

    if (isfinite(h.happened.commit_s) && isfinite(h.happened.start_s)) {
        j->move_s = h.happened.commit_s - h.happened.start_s;
    }

    h.move_s = j->move_s;
    h.n = predictor_judge_slots(&h, j->until_s);

    if (h.n > world->history->window + 1) {
        return predictor_judge_unknown(j, "its horizon is longer than the "
                                       "history");
    }

    rc = predictor_judge_score(world, p, changes, nchanges, from, to, &h, j);

    if (rc == SHARDD_OK) {
        predictor_judge_verdict(p, j);
    }

    return rc;
}
