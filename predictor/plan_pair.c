
/*
 * Two moves at once, where none alone helps: a swap with the target, or a
 * chain that makes room there.
 *
 *     swap    a ──j──▶ b        chain   a ──j──▶ b ──k──▶ c
 *               ◀──k──
 */


#include "plan_parts.h"


/* looked at: shards of the source that relieve it most, targets, shards of
 * each that might give way */

#define PREDICTOR_PLAN_FIRST    3
#define PREDICTOR_PLAN_MIDDLE   4
#define PREDICTOR_PLAN_SECOND   8
#define PREDICTOR_PLAN_LAST     2


typedef struct {
    uint32_t  shard;
    double    relief;
} predictor_plan_first_t;


/* the source's shards by what it gains without them, best first */

static uint32_t
predictor_plan_firsts(predictor_plan_t *plan, uint32_t src,
    predictor_plan_first_t first[PREDICTOR_PLAN_FIRST])
{
    double                  relief;
    uint32_t                i, j, n;
    predictor_plan_trial_t  t;

    n = 0;

    for (j = plan->nodes[src].first; j != SHARD_ID_NONE;
         j = plan->shards[j].next)
    {
        if (!predictor_plan_movable(plan, j)) {
            continue;
        }

        plan->work++;
        predictor_plan_trial(plan, j, SHARD_ID_NONE, &t);
        relief = predictor_plan_relief(plan, src, &t, 1, 0, -HUGE_VAL);

        if (relief <= 0 || (n == PREDICTOR_PLAN_FIRST
                            && relief <= first[n - 1].relief))
        {
            continue;
        }

        i = n < PREDICTOR_PLAN_FIRST ? n++ : n - 1;

        for ( ; i > 0 && first[i - 1].relief < relief; i--) {
            first[i] = first[i - 1];
        }

        first[i].shard = j;
        first[i].relief = relief;
    }

    return n;
}


/* both are in c->trial[]; better than the best: it is the best */

static void
predictor_plan_pair(predictor_plan_t *plan, predictor_plan_choice_t *c,
    predictor_plan_choice_t *best)
{
    double                   left, score;
    uint32_t                 i, node[3], n;
    predictor_plan_trial_t  *t;

    t = c->trial;
    node[0] = t[0].from;
    node[1] = t[0].to;
    node[2] = t[1].to;
    n = t[1].to == t[0].from ? 2 : 3;

    c->n = 2;
    c->gain = 0;
    c->price = 0;

    for (i = 0; i < 2; i++) {
        c->gain += predictor_plan_taste(plan, &t[i]);
        c->price += predictor_plan_price(plan, t[i].shard,
                        predictor_plan_promotes(plan, t[i].shard, t[i].to));
    }

    /* a node gains no more than it costs */

    left = plan->nodes[node[0]].cost + plan->nodes[node[1]].cost
           + (n > 2 ? plan->nodes[node[2]].cost : 0);
    score = best->gain - best->price;

    for (i = 0; i < n && c->gain + left - c->price > score; i++) {
        plan->work++;
        left -= plan->nodes[node[i]].cost;
        c->gain += predictor_plan_relief(plan, node[i], t, 2, 0, -HUGE_VAL);
    }

    if (i == n && c->gain - c->price > score
        && predictor_plan_affords(plan, c) && !predictor_plan_waits(plan, c))
    {
        *best = *c;
    }
}


/* the shard that gives way goes to the source, or to a third node */

static void
predictor_plan_give_way(predictor_plan_t *plan, predictor_plan_choice_t *c,
    uint32_t k, predictor_plan_choice_t *best)
{
    uint32_t  i, last, src, to;

    src = c->trial[0].from;
    to = c->trial[0].to;

    if (predictor_plan_takes(plan, k, to, src, 2)) {
        predictor_plan_trial(plan, k, src, &c->trial[1]);
        predictor_plan_pair(plan, c, best);
    }

    for (i = 0; i < PREDICTOR_PLAN_LAST && i < plan->nnodes; i++) {
        last = plan->nodes[i].order;

        if (last != src && predictor_plan_takes(plan, k, to, last, 1)) {
            predictor_plan_trial(plan, k, last, &c->trial[1]);
            predictor_plan_pair(plan, c, best);
        }
    }
}


int
predictor_plan_choose_pair(predictor_plan_t *plan, uint32_t src,
    predictor_plan_choice_t *best)
{
    double                   before;
    uint32_t                 i, j, k, n, nfirst, to;
    predictor_plan_choice_t  c;
    predictor_plan_first_t   first[PREDICTOR_PLAN_FIRST];

    before = best->gain - best->price;
    nfirst = predictor_plan_firsts(plan, src, first);

    for (i = 0; i < nfirst && !predictor_plan_tired(plan); i++) {

        for (j = 0; j < PREDICTOR_PLAN_MIDDLE && j < plan->nnodes; j++) {
            to = plan->nodes[j].order;

            if (!predictor_plan_takes(plan, first[i].shard, src, to, 2)) {
                continue;
            }

            predictor_plan_trial(plan, first[i].shard, to, &c.trial[0]);
            n = 0;

            for (k = plan->nodes[to].first;
                 k != SHARD_ID_NONE && n < PREDICTOR_PLAN_SECOND;
                 k = plan->shards[k].next)
            {
                if (predictor_plan_movable(plan, k)) {
                    predictor_plan_give_way(plan, &c, k, best);
                    n++;
                }
            }
        }
    }

    return best->gain - best->price > before;
}
