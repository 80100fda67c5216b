
/* What moves would save if they were made, now or a little later. */

#include "plan_parts.h"


/* a promotion's share of a move's price: nothing is copied */

#define PREDICTOR_PLAN_PROMOTE  0.25

/* a standby more that has to follow, in shares of a move's price */

#define PREDICTOR_PLAN_FOLLOW   0.1

/* what waiting may lose, in shares of the price, and steps it is asked for */

#define PREDICTOR_PLAN_LOSS     0.15
#define PREDICTOR_PLAN_LATER    2


double
predictor_plan_duration(const predictor_plan_t *plan, uint32_t shard,
    int promote)
{
    float                          own;
    const predictor_plan_shard_t  *s;

    s = &plan->shards[shard];
    own = promote ? s->promote_hi_s : s->move_hi_s;

    if (own > 0) {
        return (double) own + plan->limits.margin_s;
    }

    return plan->limits.move_s * (1 + plan->limits.move_spread)
           + plan->limits.margin_s;
}


double
predictor_plan_price(const predictor_plan_t *plan, uint32_t shard,
    int promote)
{
    double                         price;
    const predictor_plan_shard_t  *s;

    s = &plan->shards[shard];
    price = plan->limits.price_s;

    if (promote) {
        return price * PREDICTOR_PLAN_PROMOTE + (double) s->promote_cost;
    }

    return price * (1 + PREDICTOR_PLAN_FOLLOW * s->nstandbys)
           + (double) s->move_cost;
}


void
predictor_plan_trial(const predictor_plan_t *plan, uint32_t shard,
    uint32_t to, predictor_plan_trial_t *t)
{
    int  promote;

    promote = predictor_plan_promotes(plan, shard, to);

    t->shard = shard;
    t->from = plan->shards[shard].to;
    t->to = to;
    t->commit = predictor_plan_ahead(plan, predictor_plan_duration(plan,
                                                             shard, promote));
    t->extra = promote ? 0 : plan->limits.extra;
}


/* the load of a node at a step, were the moves made */

static int
predictor_plan_tried(const predictor_plan_t *plan, uint32_t node,
    const predictor_plan_trial_t *trial, uint32_t n, uint32_t step,
    uint32_t delay, predictor_plan_load_t *load)
{
    int                            changed;
    uint32_t                       i;
    predictor_plan_load_t          v;
    const predictor_plan_trial_t  *t;

    changed = 0;

    for (i = 0; i < n; i++) {
        t = &trial[i];

        if (step < delay || (t->from != node && t->to != node)) {
            continue;
        }

        predictor_plan_shard_load(plan, t->shard, step, &v);
        changed = 1;

        if (step - delay < t->commit) {
            load->mean += t->extra * v.mean;

        } else {
            predictor_plan_load_add(load, &v, t->to == node ? 1 : -1);
        }
    }

    return changed;
}


double
predictor_plan_relief(const predictor_plan_t *plan, uint32_t node,
    const predictor_plan_trial_t *trial, uint32_t n, uint32_t delay,
    double floor)
{
    int                           falls;
    double                        relief, *weight;
    uint32_t                      h;
    predictor_plan_sum_t         *sums;
    predictor_plan_load_t         load;
    const predictor_plan_node_t  *host;

    host = &plan->nodes[node];
    sums = predictor_plan_sums(plan, node);
    weight = predictor_plan_weights(plan);
    falls = n == 1 && trial->to == node;
    relief = 0;

    for (h = delay; h <= plan->nsteps; h++) {
        load = sums[h].load;

        if (n == 1 && trial->from == node && sums[h].cost == 0
            && h - delay >= trial->commit)
        {
            continue;                   /* nothing to gain there */
        }

        if (predictor_plan_tried(plan, node, trial, n, h, delay, &load)) {
            relief += sums[h].cost
                      - weight[h] * predictor_plan_value(plan, host, &load);
        }

        if (falls && relief < floor) {
            break;
        }
    }

    return relief;
}


/* of the standard deviation over nodes' use, were some of it moved */

static double
predictor_plan_spread(const predictor_plan_t *plan, uint32_t from,
    uint32_t to, double load)
{
    double                        before, after, x, y, n, mean, square;
    uint32_t                      i;
    const predictor_plan_node_t  *nodes;

    nodes = plan->nodes;
    mean = square = 0;
    n = plan->nnodes;

    for (i = 0; i < plan->nnodes; i++) {
        mean += nodes[i].use / n;
        square += nodes[i].use * nodes[i].use / n;
    }

    before = sqrt(fmax(square - mean * mean, 0));
    x = nodes[from].use - load / nodes[from].capacity;
    y = nodes[to].use + load / nodes[to].capacity;

    mean += (x - nodes[from].use + y - nodes[to].use) / n;
    square += (x * x - nodes[from].use * nodes[from].use
               + y * y - nodes[to].use * nodes[to].use) / n;
    after = sqrt(fmax(square - mean * mean, 0));

    return before - after;
}


double
predictor_plan_taste(const predictor_plan_t *plan,
    const predictor_plan_trial_t *t)
{
    double                        taste, seconds, load, *weight;
    uint32_t                      h;
    predictor_plan_load_t         v;
    const predictor_plan_node_t  *from, *to;

    from = &plan->nodes[t->from];
    to = &plan->nodes[t->to];

    if (plan->place == NULL && from->price == to->price
        && plan->limits.spread_price == 0)
    {
        return 0;
    }

    weight = predictor_plan_weights(plan);
    seconds = load = 0;

    for (h = t->commit; h <= plan->nsteps; h++) {
        predictor_plan_shard_load(plan, t->shard, h, &v);
        seconds += weight[h];
        load += weight[h] * v.mean;
    }

    if (seconds == 0) {
        return 0;
    }

    load /= seconds;
    taste = predictor_plan_place(plan, t->shard, t->from, load)
            - predictor_plan_place(plan, t->shard, t->to, load);

    if (plan->limits.spread_price > 0) {
        taste += plan->limits.spread_price
                 * predictor_plan_spread(plan, t->from, t->to, load);
    }

    return taste * seconds;
}


double
predictor_plan_rounds(const predictor_plan_t *plan,
    const predictor_plan_trial_t *t)
{
    double                        limit, moves, most;
    uint32_t                      h;
    predictor_plan_sum_t         *sums;
    predictor_plan_load_t         v;
    const predictor_plan_node_t  *n;

    n = &plan->nodes[t->from];
    sums = predictor_plan_sums(plan, t->from);
    limit = plan->limits.threshold * n->capacity;
    most = 1;

    /* by the point forecast: what only may come needs no second move yet */

    for (h = t->commit; h <= plan->nsteps; h++) {

        if (sums[h].load.mean <= limit) {
            continue;
        }

        predictor_plan_shard_load(plan, t->shard, h, &v);
        moves = v.mean > 0 ? (sums[h].load.mean - limit) / v.mean : 0;
        most = fmax(most, ceil(moves - 1e-9));
    }

    moves = fmin(most, n->shards);

    return ceil(moves / plan->limits.moves_per_node);
}


/* all rounds but the last would be late by as much */

static uint32_t
predictor_plan_delay(const predictor_plan_t *plan,
    const predictor_plan_trial_t *t)
{
    return PREDICTOR_PLAN_LATER
           + (uint32_t) ((predictor_plan_rounds(plan, t) - 1) * t->commit);
}


int
predictor_plan_source_waits(const predictor_plan_t *plan,
    const predictor_plan_choice_t *c, double relief)
{
    const predictor_plan_trial_t  *t;

    t = &c->trial[0];

    return relief - predictor_plan_relief(plan, t->from, t, 1,
                                          predictor_plan_delay(plan, t),
                                          -HUGE_VAL)
           < PREDICTOR_PLAN_LOSS * c->price;
}


int
predictor_plan_waits(const predictor_plan_t *plan,
    const predictor_plan_choice_t *c)
{
    double    later;
    uint32_t  i, j, delay, node[4];

    delay = predictor_plan_delay(plan, &c->trial[0]);
    later = 0;

    for (i = 0; i < c->n; i++) {
        node[2 * i] = c->trial[i].from;
        node[2 * i + 1] = c->trial[i].to;
        later += predictor_plan_taste(plan, &c->trial[i]);
    }

    /* no later forecast changes policy */

    if (later > c->price) {
        return 0;
    }

    for (i = 0; i < 2 * c->n; i++) {

        for (j = 0; j < i && node[j] != node[i]; j++) {
            /* void */
        }

        if (j == i) {
            later += predictor_plan_relief(plan, node[i], c->trial, c->n,
                                           delay, -HUGE_VAL);
        }
    }

    return c->gain - later < PREDICTOR_PLAN_LOSS * c->price;
}
