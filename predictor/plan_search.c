
/* The best move off a node: which shard, to which other one. */

#include "plan_parts.h"


/* least used nodes that are looked at, beside a shard's standbys: beyond them
 * nothing better is found */

#define PREDICTOR_PLAN_TARGETS  32


int
predictor_plan_movable(const predictor_plan_t *plan, uint32_t shard)
{
    const predictor_plan_shard_t  *s;

    s = &plan->shards[shard];

    return !s->fixed && s->from == s->to;
}


int
predictor_plan_takes(const predictor_plan_t *plan, uint32_t shard,
    uint32_t from, uint32_t node, uint32_t slots)
{
    const predictor_plan_node_t  *n;

    n = &plan->nodes[node];

    return node != from && n->state == SHARD_NODE_UP && !n->closing
           && n->moves + slots <= plan->limits.moves_per_node
           && predictor_plan_allows(plan, shard, node)
           && (plan->budget == NULL
               || predictor_budget_may(plan->budget, from, node,
                                       predictor_plan_copied(plan, shard,
                                                             node)));
}


int
predictor_plan_affords(const predictor_plan_t *plan,
    const predictor_plan_choice_t *c)
{
    uint32_t                  i;
    predictor_budget_move_t   move[2];

    if (plan->budget == NULL || c->n == 0) {
        return 1;
    }

    for (i = 0; i < c->n; i++) {
        move[i].leaves_s = 0;
        move[i].from = c->trial[i].from;
        move[i].to = c->trial[i].to;
        move[i].bytes = predictor_plan_copied(plan, c->trial[i].shard,
                                              c->trial[i].to);
    }

    return c->n == 1 ? predictor_budget_may(plan->budget, move[0].from,
                                            move[0].to, move[0].bytes)
                     : predictor_budget_may_both(plan->budget, &move[0],
                                                 &move[1]);
}


/* shell sort: by use, then by number */

void
predictor_plan_rank(predictor_plan_t *plan)
{
    uint32_t                i, j, gap, node;
    predictor_plan_node_t  *n;

    n = plan->nodes;

    for (i = 0; i < plan->nnodes; i++) {
        n[i].order = i;
    }

    for (gap = plan->nnodes / 2; gap > 0; gap /= 2) {

        for (i = gap; i < plan->nnodes; i++) {
            node = n[i].order;

            for (j = i; j >= gap && (n[n[j - gap].order].use > n[node].use
                                     || (n[n[j - gap].order].use == n[node].use
                                         && n[j - gap].order > node));
                 j -= gap)
            {
                n[j].order = n[j - gap].order;
            }

            n[j].order = node;
        }
    }
}


/* policy may want shards elsewhere though no node is too hot */

static int
predictor_plan_soft(const predictor_plan_t *plan)
{
    uint32_t  i;

    if (plan->place != NULL || plan->limits.spread_price > 0) {
        return 1;
    }

    for (i = 1; i < plan->nnodes; i++) {

        if (plan->nodes[i].price != plan->nodes[0].price) {
            return 1;
        }
    }

    return 0;
}


/*
 * By point forecast a target stays below the threshold, and where the source
 * would exceed its very capacity below its own: a fleet at its peak has no
 * room below the threshold, and overload there is worse than a full node.
 */

static int
predictor_plan_fits(const predictor_plan_t *plan,
    const predictor_plan_trial_t *t)
{
    double                        limit;
    uint32_t                      h;
    predictor_plan_sum_t         *from, *to;
    predictor_plan_load_t         v;
    const predictor_plan_node_t  *a, *b;

    a = &plan->nodes[t->from];
    b = &plan->nodes[t->to];
    from = predictor_plan_sums(plan, t->from);
    to = predictor_plan_sums(plan, t->to);

    for (h = t->commit; h <= plan->nsteps; h++) {
        predictor_plan_shard_load(plan, t->shard, h, &v);

        limit = b->capacity;

        if (plan->limits.threshold < 1 && from[h].load.mean <= a->capacity) {
            limit *= plan->limits.threshold;
        }

        if (to[h].load.mean + v.mean > limit && to[h].load.mean <= limit
            && to[h].load.mean + v.mean > from[h].load.mean - v.mean)
        {
            return 0;
        }
    }

    return 1;
}


/* one shard, one target: taken as the best, or noted as one that waits */

static void
predictor_plan_consider(predictor_plan_t *plan, predictor_plan_choice_t *c,
    double relief, int waits, predictor_plan_choice_t *best)
{
    double                   score, rest;
    predictor_plan_node_t   *n;
    predictor_plan_trial_t  *t;

    t = &c->trial[0];
    n = &plan->nodes[t->from];
    score = waits ? (n->waits ? n->wait_gain - n->wait_price : 0)
                  : best->gain - best->price;
    rest = relief - c->price + predictor_plan_taste(plan, t);

    if (rest <= score) {
        return;
    }

    plan->work++;
    c->gain = rest + c->price
              + predictor_plan_relief(plan, t->to, t, 1, 0, score - rest);

    if (c->gain - c->price <= score || !predictor_plan_fits(plan, t)) {
        return;
    }

    if (!waits && !predictor_plan_waits(plan, c)) {
        *best = *c;

    } else if (!n->waits
               || c->gain - c->price > n->wait_gain - n->wait_price)
    {
        n->waits = 1;
        n->wait_shard = t->shard;
        n->wait_to = t->to;
        n->wait_gain = c->gain;
        n->wait_price = c->price;
    }
}


/* the i-th place for a shard to go: its standbys, then by use */

static uint32_t
predictor_plan_target(const predictor_plan_t *plan, uint32_t shard,
    uint32_t i)
{
    uint32_t                       node;
    const predictor_plan_shard_t  *s;

    s = &plan->shards[shard];

    if (i < s->nstandbys) {
        return s->standbys[i] < plan->nnodes ? s->standbys[i] : SHARD_ID_NONE;
    }

    i -= s->nstandbys;

    if (i >= plan->nnodes || i >= PREDICTOR_PLAN_TARGETS) {
        return SHARD_ID_NONE - 1;
    }

    node = plan->nodes[i].order;

    return predictor_plan_promotes(plan, shard, node) ? SHARD_ID_NONE : node;
}


/* what the source gains and whether that can wait, of copying and promoting */

typedef struct {
    double  relief;
    int     waits;
} predictor_plan_leave_t;


static void
predictor_plan_leave(predictor_plan_t *plan, const predictor_plan_choice_t *c,
    int soft, predictor_plan_leave_t *leave)
{
    plan->work += 2;

    leave->relief = predictor_plan_relief(plan, c->trial[0].from, c->trial, 1,
                                          0, -HUGE_VAL);
    leave->waits = !soft && leave->relief > c->price
                   && predictor_plan_source_waits(plan, c, leave->relief);
}


static void
predictor_plan_choose_target(predictor_plan_t *plan, uint32_t shard, int soft,
    predictor_plan_choice_t *best)
{
    int                      kind;
    uint32_t                 i, src, to;
    predictor_plan_leave_t   leave[2];
    predictor_plan_choice_t  c;

    src = plan->shards[shard].to;
    leave[0].relief = leave[1].relief = NAN;
    c.n = 1;

    for (i = 0; ; i++) {
        to = predictor_plan_target(plan, shard, i);

        if (to == SHARD_ID_NONE - 1) {
            break;
        }

        if (to == SHARD_ID_NONE
            || !predictor_plan_takes(plan, shard, src, to, 1))
        {
            continue;
        }

        kind = i < plan->shards[shard].nstandbys;
        predictor_plan_trial(plan, shard, to, &c.trial[0]);
        c.price = predictor_plan_price(plan, shard, kind);

        if (isnan(leave[kind].relief)) {
            predictor_plan_leave(plan, &c, soft, &leave[kind]);
        }

        predictor_plan_consider(plan, &c, leave[kind].relief,
                                leave[kind].waits, best);
    }
}


/* shards that relieve the node most come first: most others need no look at
 * targets then */

static void
predictor_plan_sort(predictor_plan_t *plan, uint32_t src)
{
    uint32_t                 j, next, *at;
    predictor_plan_node_t   *n;
    predictor_plan_shard_t  *s;
    predictor_plan_trial_t   t;

    n = &plan->nodes[src];
    j = n->first;
    n->first = SHARD_ID_NONE;

    for ( ; j != SHARD_ID_NONE; j = next) {
        s = &plan->shards[j];
        next = s->next;
        s->relief = -HUGE_VAL;

        if (predictor_plan_movable(plan, j)) {
            plan->work++;
            predictor_plan_trial(plan, j, SHARD_ID_NONE, &t);
            s->relief = predictor_plan_relief(plan, src, &t, 1, 0, -HUGE_VAL);
        }

        for (at = &n->first; *at != SHARD_ID_NONE
                             && (plan->shards[*at].relief > s->relief
                                 || (plan->shards[*at].relief == s->relief
                                     && *at < j)); )
        {
            at = &plan->shards[*at].next;
        }

        s->next = *at;
        *at = j;
    }
}


int
predictor_plan_choose(predictor_plan_t *plan, uint32_t src,
    predictor_plan_choice_t *best)
{
    int       soft;
    double    before;
    uint32_t  j;

    soft = predictor_plan_soft(plan);
    before = best->gain - best->price;
    predictor_plan_sort(plan, src);

    for (j = plan->nodes[src].first;
         j != SHARD_ID_NONE && !predictor_plan_tired(plan);
         j = plan->shards[j].next)
    {
        if (predictor_plan_movable(plan, j)) {
            predictor_plan_choose_target(plan, j, soft, best);
        }
    }

    return best->gain - best->price > before;
}


/* a draining node's largest shard that fits somewhere, where it fits best */

int
predictor_plan_choose_drain(const predictor_plan_t *plan, uint32_t src,
    predictor_plan_choice_t *best)
{
    double                  size, largest, after, least;
    uint32_t                i, j, to, at;
    predictor_plan_load_t   v;
    predictor_plan_trial_t  t;

    largest = -1;

    for (j = plan->nodes[src].first; j != SHARD_ID_NONE;
         j = plan->shards[j].next)
    {
        predictor_plan_shard_load(plan, j, 1, &v);
        size = v.mean + predictor_plan_number(plan->now[j]);

        if (!predictor_plan_movable(plan, j) || size <= largest) {
            continue;
        }

        least = plan->limits.threshold;

        for (i = 0; (to = predictor_plan_target(plan, j, i))
                    != SHARD_ID_NONE - 1; i++)
        {
            if (to == SHARD_ID_NONE
                || !predictor_plan_takes(plan, j, src, to, 1))
            {
                continue;
            }

            predictor_plan_trial(plan, j, to, &t);
            at = 0;
            after = predictor_plan_peak(plan, to, t.commit, &at);
            predictor_plan_shard_load(plan, j, at, &v);
            after = (after + v.mean + v.deviation) / plan->nodes[to].capacity;

            if (after < least && predictor_plan_fits(plan, &t)) {
                least = after;
                largest = size;
                best->trial[0] = t;
            }
        }
    }

    best->n = 1;
    best->gain = 0;
    best->price = 0;

    return largest >= 0;
}
