
#include <string.h>

#include "plan_parts.h"


/* costliest nodes that are looked at, and how many others in turns when
 * policy has wishes beside the load */

#define PREDICTOR_PLAN_SOURCES  64
#define PREDICTOR_PLAN_TURNS    32

#define PREDICTOR_PLAN_ALL      (PREDICTOR_PLAN_SOURCES + PREDICTOR_PLAN_TURNS)


typedef struct {
    uint32_t                 n;
    uint32_t                 node[PREDICTOR_PLAN_ALL];
    uint8_t                  known[PREDICTOR_PLAN_ALL];
    predictor_plan_choice_t  choice[PREDICTOR_PLAN_ALL];
} predictor_plan_sources_t;


/* of the moves under way and those of this plan */

static uint32_t
predictor_plan_left(const predictor_plan_t *plan, uint32_t max)
{
    uint32_t  i, left;

    left = plan->limits.moves;

    for (i = 0; i < plan->nshards && left; i++) {
        left -= plan->shards[i].to != plan->shards[i].from
                && !plan->shards[i].idle;
    }

    return left < max ? left : max;
}


static int
predictor_plan_source(const predictor_plan_t *plan, uint32_t node)
{
    const predictor_plan_node_t  *n;

    n = &plan->nodes[node];

    return n->state == SHARD_NODE_UP && !n->stuck && n->shards
           && n->moves < plan->limits.moves_per_node;
}


/* nodes that cost something, costliest first, then some whose turn it is */

static void
predictor_plan_sources(const predictor_plan_t *plan,
    predictor_plan_sources_t *s)
{
    double    cost;
    uint32_t  i, j, turn;

    memset(s, 0, sizeof(predictor_plan_sources_t));

    for (i = 0; i < plan->nnodes; i++) {
        cost = plan->nodes[i].cost;

        if (!predictor_plan_source(plan, i) || cost <= 0
            || (s->n == PREDICTOR_PLAN_SOURCES
                && cost <= plan->nodes[s->node[s->n - 1]].cost))
        {
            continue;
        }

        j = s->n < PREDICTOR_PLAN_SOURCES ? s->n++ : s->n - 1;

        for ( ; j > 0 && plan->nodes[s->node[j - 1]].cost < cost; j--) {
            s->node[j] = s->node[j - 1];
        }

        s->node[j] = i;
    }

    for (i = 0; i < PREDICTOR_PLAN_TURNS && i < plan->nnodes; i++) {
        turn = (uint32_t) (((uint64_t) plan->limits.seed
                            * PREDICTOR_PLAN_TURNS + i) % plan->nnodes);

        if (plan->nodes[turn].cost <= 0 && predictor_plan_source(plan, turn)) {
            s->node[s->n++] = turn;
        }
    }
}


/* one of a choice's moves, as it is told; then it is under way */

static void
predictor_plan_make(predictor_plan_t *plan, const predictor_plan_choice_t *c,
    uint32_t i, int drain, predictor_plan_move_t *m)
{
    uint32_t                       worst;
    predictor_plan_load_t          v;
    predictor_plan_node_t         *from, *to;
    const predictor_plan_trial_t  *t;

    t = &c->trial[i];
    from = &plan->nodes[t->from];
    to = &plan->nodes[t->to];
    worst = 0;

    memset(m, 0, sizeof(predictor_plan_move_t));

    m->shard = t->shard;
    m->from = t->from;
    m->to = t->to;
    m->drain = drain;
    m->promote = predictor_plan_promotes(plan, t->shard, t->to);
    m->with = c->n > 1 ? c->trial[1 - i].shard : SHARD_ID_NONE;
    m->gain_s = c->gain;
    m->price_s = c->price;

    m->to_before = predictor_plan_peak(plan, t->to, t->commit, &worst)
                   / to->capacity;
    m->load = predictor_plan_peak(plan, t->from, t->commit, &worst);
    predictor_plan_shard_load(plan, t->shard, worst, &v);
    m->load_moved = v.mean + v.deviation;
    m->from_before = m->load / from->capacity;
    m->breach_in_s = from->breach_step == PREDICTOR_PLAN_STEP_NONE ? -1
                     : fmax(from->breach_step * plan->limits.step_s
                            - plan->limits.age_s, 0);
    m->lead_s = predictor_plan_rounds(plan, t)
                * (predictor_plan_duration(plan, t->shard, (int) m->promote)
                   - plan->limits.margin_s)
                + plan->limits.margin_s + plan->limits.step_s;

    predictor_plan_begin(plan, t);

    m->from_after = predictor_plan_peak(plan, t->from, t->commit, &worst)
                    / from->capacity;
    m->to_after = predictor_plan_peak(plan, t->to, t->commit, &worst)
                  / to->capacity;

    if (plan->budget) {
        predictor_budget_add(plan->budget, plan->budget->now_s,
                             plan->budget->now_s + t->commit
                                                   * plan->limits.step_s,
                             t->from, t->to,
                             predictor_plan_copied(plan, t->shard, t->to));
    }
}


/* each source's best move is kept until a move touches one of its ends, or
 * has used up what it needs of the budget */

static uint32_t
predictor_plan_best(predictor_plan_t *plan, predictor_plan_sources_t *s)
{
    double                    score, best;
    uint32_t                  i, at;
    predictor_plan_choice_t  *c;

    at = s->n;
    best = 0;
    predictor_plan_rank(plan);

    for (i = 0; i < s->n; i++) {
        c = &s->choice[i];

        if (!s->known[i] || !predictor_plan_affords(plan, c)) {
            memset(c, 0, sizeof(predictor_plan_choice_t));
            plan->nodes[s->node[i]].waits = 0;
            s->known[i] = 1;

            if (predictor_plan_source(plan, s->node[i])) {
                predictor_plan_choose(plan, s->node[i], c);
            }
        }

        score = c->gain - c->price;

        if (score > best) {
            best = score;
            at = i;
        }
    }

    return at;
}


static void
predictor_plan_touch(predictor_plan_sources_t *s, uint32_t node)
{
    uint32_t                  i;
    predictor_plan_choice_t  *c;

    for (i = 0; i < s->n; i++) {
        c = &s->choice[i];

        if (s->node[i] == node || (c->n && c->trial[0].to == node)) {
            s->known[i] = 0;
        }
    }
}


/* pairs are looked at where no single move helps, nor will soon */

static uint32_t
predictor_plan_pairs(predictor_plan_t *plan, predictor_plan_sources_t *s)
{
    uint32_t                i;
    predictor_plan_node_t  *n;

    for (i = 0; i < s->n; i++) {
        n = &plan->nodes[s->node[i]];

        if (predictor_plan_source(plan, s->node[i]) && !n->waits
            && n->cost > 2 * plan->limits.price_s
            && predictor_plan_choose_pair(plan, s->node[i], &s->choice[i]))
        {
            return i;
        }
    }

    return s->n;
}


static void
predictor_plan_stuck(predictor_plan_t *plan,
    const predictor_plan_sources_t *s)
{
    uint32_t                i;
    predictor_plan_node_t  *n;

    for (i = 0; i < s->n; i++) {
        n = &plan->nodes[s->node[i]];
        n->stuck = !n->waits && n->cost > plan->limits.price_s;
    }
}


static uint32_t
predictor_plan_relieve(predictor_plan_t *plan, predictor_plan_move_t *moves,
    uint32_t left)
{
    int                       fresh;
    uint32_t                  i, j, n;
    predictor_plan_sources_t  s;

    predictor_plan_sources(plan, &s);
    fresh = 1;
    n = 0;

    while (n < left) {
        i = predictor_plan_best(plan, &s);

        if (i == s.n && !fresh) {
            predictor_plan_sources(plan, &s);     /* targets may cost now */
            fresh = 1;
            continue;
        }

        if (i == s.n && left - n > 1) {
            i = predictor_plan_pairs(plan, &s);
        }

        if (i == s.n) {
            predictor_plan_stuck(plan, &s);
            break;
        }

        fresh = 0;

        for (j = 0; j < s.choice[i].n; j++) {
            predictor_plan_make(plan, &s.choice[i], j, 0, &moves[n++]);
        }

        for (j = s.choice[i].n; j-- > 0; ) {
            predictor_plan_touch(&s, s.choice[i].trial[j].to);
            predictor_plan_touch(&s, s.choice[i].trial[j].from);
        }
    }

    return n;
}


static uint32_t
predictor_plan_drain(predictor_plan_t *plan, uint32_t src,
    predictor_plan_move_t *moves, uint32_t left)
{
    uint32_t                 n;
    predictor_plan_node_t   *node;
    predictor_plan_choice_t  choice;

    node = &plan->nodes[src];

    for (n = 0; n < left && node->moves < plan->limits.moves_per_node
                && node->shards; n++)
    {
        predictor_plan_rank(plan);

        if (!predictor_plan_choose_drain(plan, src, &choice)) {
            node->stuck = 1;
            break;
        }

        predictor_plan_make(plan, &choice, 0, 1, &moves[n]);
    }

    return n;
}


uint32_t
predictor_plan(predictor_plan_t *plan, predictor_plan_move_t *moves,
    uint32_t max)
{
    uint32_t  i, n, left;

    predictor_plan_view(plan);

    plan->work = 0;
    left = predictor_plan_left(plan, max);
    n = predictor_plan_relieve(plan, moves, left);

    for (i = 0; i < plan->nnodes && n < left; i++) {

        if (plan->nodes[i].state == SHARD_NODE_DRAINING) {
            n += predictor_plan_drain(plan, i, &moves[n], left - n);
        }
    }

    return n;
}
