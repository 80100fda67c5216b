
#include <math.h>
#include <string.h>

#include "budget.h"


#define PREDICTOR_BUDGET_PLACES  5      /* that one move counts at */


typedef struct {
    predictor_budget_scope_e       scope;
    uint32_t                       number;
} predictor_budget_place_t;


size_t
predictor_budget_size(uint32_t nnodes, uint32_t nzones, uint32_t max)
{
    return max * sizeof(predictor_budget_move_t)
           + ((size_t) nnodes + nzones) * sizeof(predictor_budget_sum_t)
           + nnodes * sizeof(uint32_t);
}


void
predictor_budget_place(predictor_budget_t *b, void *memory, uint32_t nnodes,
    uint32_t nzones, uint32_t max)
{
    memset(memory, 0, predictor_budget_size(nnodes, nzones, max));

    b->nnodes = nnodes;
    b->nzones = nzones;
    b->max = max;
    b->nmoves = 0;
    b->moves = memory;
    b->nodes = (predictor_budget_sum_t *) (b->moves + max);
    b->zones = b->nodes + nnodes;
    b->zone = (uint32_t *) (b->zones + nzones);
    memset(&b->fleet, 0, sizeof(predictor_budget_sum_t));
}


static predictor_budget_sum_t *
predictor_budget_sum(const predictor_budget_t *b, predictor_budget_place_t p)
{
    switch (p.scope) {

    case PREDICTOR_BUDGET_NODE:
        return &b->nodes[p.number];

    case PREDICTOR_BUDGET_ZONE:
        return &b->zones[p.number];

    default: /* PREDICTOR_BUDGET_FLEET */
        return (predictor_budget_sum_t *) &b->fleet;
    }
}


/* where a move counts: each place once; returns how many.  Of a node that is
 * gone nothing is left but the fleet's share */

static uint32_t
predictor_budget_places(const predictor_budget_t *b, uint32_t from,
    uint32_t to, predictor_budget_place_t places[PREDICTOR_BUDGET_PLACES])
{
    uint32_t  n;

    n = 0;
    places[n++] = (predictor_budget_place_t) { PREDICTOR_BUDGET_FLEET, 0 };

    if (from < b->nnodes) {
        places[n++] = (predictor_budget_place_t) { PREDICTOR_BUDGET_NODE,
                                                   from };
        places[n++] = (predictor_budget_place_t) { PREDICTOR_BUDGET_ZONE,
                                                   b->zone[from] };
    }

    if (to < b->nnodes && to != from) {
        places[n++] = (predictor_budget_place_t) { PREDICTOR_BUDGET_NODE, to };
    }

    if (to < b->nnodes
        && (from >= b->nnodes || b->zone[to] != b->zone[from]))
    {
        places[n++] = (predictor_budget_place_t) { PREDICTOR_BUDGET_ZONE,
                                                   b->zone[to] };
    }

    return n;
}


/* 1: with "left" counting there, a move of so many bytes fits */

static int
predictor_budget_fits(const predictor_budget_limit_t *limit,
    const predictor_budget_sum_t *left, double bytes)
{
    if (limit->moves && left->moves >= limit->moves) {
        return 0;
    }

    return limit->bytes <= 0 || left->moves == 0
           || left->bytes + bytes <= limit->bytes;
}


int
predictor_budget_may(const predictor_budget_t *b, uint32_t from, uint32_t to,
    double bytes)
{
    uint32_t                  i, n;
    predictor_budget_place_t  places[PREDICTOR_BUDGET_PLACES];

    n = predictor_budget_places(b, from, to, places);

    for (i = 0; i < n; i++) {

        if (!predictor_budget_fits(&b->limit[places[i].scope],
                                   predictor_budget_sum(b, places[i]), bytes))
        {
            return 0;
        }
    }

    return 1;
}


/* sign 1 counts a move, -1 counts it no more */

static void
predictor_budget_count(predictor_budget_t *b, const predictor_budget_move_t *m,
    int sign)
{
    uint32_t                   i, n;
    predictor_budget_sum_t    *sum;
    predictor_budget_place_t   places[PREDICTOR_BUDGET_PLACES];

    n = predictor_budget_places(b, m->from, m->to, places);

    for (i = 0; i < n; i++) {
        sum = predictor_budget_sum(b, places[i]);
        sum->moves = (uint32_t) ((int) sum->moves + sign);
        sum->bytes = sum->moves ? sum->bytes + sign * m->bytes : 0;
    }
}


int
predictor_budget_may_both(predictor_budget_t *b,
    const predictor_budget_move_t *first,
    const predictor_budget_move_t *second)
{
    int  may;

    if (!predictor_budget_may(b, first->from, first->to, first->bytes)) {
        return 0;
    }

    predictor_budget_count(b, first, 1);
    may = predictor_budget_may(b, second->from, second->to, second->bytes);
    predictor_budget_count(b, first, -1);

    return may;
}


int
predictor_budget_add(predictor_budget_t *b, double start_s, double end_s,
    uint32_t from, uint32_t to, double bytes)
{
    double                    leaves;
    predictor_budget_move_t  *m;

    leaves = fmax(start_s + b->window_s, end_s);

    if (leaves <= b->now_s) {
        return 1;
    }

    if (b->nmoves == b->max) {
        return 0;
    }

    m = &b->moves[b->nmoves++];
    m->leaves_s = leaves;
    m->bytes = bytes > 0 ? bytes : 0;
    m->from = from;
    m->to = to;
    predictor_budget_count(b, m, 1);

    return 1;
}


void
predictor_budget_now(predictor_budget_t *b, double now_s)
{
    uint32_t  i, n;

    b->now_s = now_s;
    n = 0;

    for (i = 0; i < b->nmoves; i++) {

        if (b->moves[i].leaves_s <= now_s) {
            predictor_budget_count(b, &b->moves[i], -1);

        } else {
            b->moves[n++] = b->moves[i];
        }
    }

    b->nmoves = n;
}


/* 1: a move that counts does so at this place */

static int
predictor_budget_at(const predictor_budget_t *b,
    const predictor_budget_move_t *m, predictor_budget_place_t p)
{
    uint32_t                  i, n;
    predictor_budget_place_t  places[PREDICTOR_BUDGET_PLACES];

    n = predictor_budget_places(b, m->from, m->to, places);

    for (i = 0; i < n; i++) {

        if (places[i].scope == p.scope && places[i].number == p.number) {
            return 1;
        }
    }

    return 0;
}


/* the first moment at which enough has left one place */

static double
predictor_budget_next_at(const predictor_budget_t *b,
    predictor_budget_place_t p, double bytes)
{
    double                   at, next;
    uint32_t                 i;
    predictor_budget_sum_t   left;

    at = b->now_s;
    left = *predictor_budget_sum(b, p);

    while (!predictor_budget_fits(&b->limit[p.scope], &left, bytes)) {
        next = HUGE_VAL;

        for (i = 0; i < b->nmoves; i++) {

            if (b->moves[i].leaves_s > at
                && predictor_budget_at(b, &b->moves[i], p))
            {
                next = fmin(next, b->moves[i].leaves_s);
            }
        }

        for (i = 0; i < b->nmoves; i++) {

            if (b->moves[i].leaves_s == next
                && predictor_budget_at(b, &b->moves[i], p))
            {
                left.moves--;
                left.bytes -= b->moves[i].bytes;
            }
        }

        at = next;
    }

    return at;
}


double
predictor_budget_next(const predictor_budget_t *b, uint32_t from, uint32_t to,
    double bytes)
{
    double                    next;
    uint32_t                  i, n;
    predictor_budget_place_t  places[PREDICTOR_BUDGET_PLACES];

    n = predictor_budget_places(b, from, to, places);
    next = b->now_s;

    for (i = 0; i < n; i++) {
        next = fmax(next, predictor_budget_next_at(b, places[i], bytes));
    }

    return next;
}


uint32_t
predictor_budget_left(const predictor_budget_t *b)
{
    const predictor_budget_limit_t  *limit;

    limit = &b->limit[PREDICTOR_BUDGET_FLEET];

    if (limit->bytes > 0 && b->fleet.moves && b->fleet.bytes >= limit->bytes) {
        return 0;
    }

    if (limit->moves == 0) {
        return UINT32_MAX;
    }

    return limit->moves > b->fleet.moves ? limit->moves - b->fleet.moves : 0;
}
