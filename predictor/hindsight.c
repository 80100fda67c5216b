
#include <math.h>
#include <string.h>

#include "hindsight.h"


const char *const  predictor_course_words[] = {
    "decided", "nothing", "reacting", "happened"
};


/* the part of a slot that lies in [from_s, to_s) */

static double
predictor_hindsight_part(double slot_s, double res_s, double from_s,
    double to_s)
{
    double  part;

    part = fmin(slot_s + res_s, to_s) - fmax(slot_s, from_s);

    return part > 0 ? part / res_s : 0;
}


static void
predictor_hindsight_toll(predictor_toll_t *toll, double load, double capacity,
    double res_s)
{
    if (load > capacity) {
        toll->violation_s += res_s;
        toll->excess_s += (load - capacity) / capacity * res_s;
    }
}


static int
predictor_hindsight_known(const predictor_hindsight_t *h, uint32_t slot)
{
    return isfinite(h->from[slot]) && isfinite(h->to[slot])
           && isfinite(h->shard[slot]);
}


/* slot 0 was before the decision: no course differs there */

static void
predictor_hindsight_course(const predictor_hindsight_t *h,
    const predictor_passage_t *move, double extra, predictor_toll_t *toll)
{
    double    start_s, moved, copying;
    uint32_t  i;

    memset(toll, 0, sizeof(predictor_toll_t));

    for (i = 1; i < h->n; i++) {

        if (!predictor_hindsight_known(h, i)) {
            continue;
        }

        start_s = h->first_s + i * h->res_s;
        moved = predictor_hindsight_part(start_s, h->res_s, move->commit_s,
                                         INFINITY);
        copying = extra * predictor_hindsight_part(start_s, h->res_s,
                                                   move->start_s,
                                                   move->end_s);

        predictor_hindsight_toll(toll, h->from[i]
                                 + h->shard[i] * (1 - moved + copying),
                                 h->from_capacity, h->res_s);
        predictor_hindsight_toll(toll, h->to[i]
                                 + h->shard[i] * (moved + copying),
                                 h->to_capacity, h->res_s);
    }
}


static double
predictor_hindsight_copied(const predictor_hindsight_t *h,
    const predictor_passage_t *move)
{
    double    sum;
    uint32_t  i;

    sum = 0;

    for (i = 1; i < h->n; i++) {

        if (predictor_hindsight_known(h, i)) {
            sum += 2 * h->extra * h->shard[i] * h->res_s
                   * predictor_hindsight_part(h->first_s + i * h->res_s,
                                              h->res_s, move->start_s,
                                              move->end_s);
        }
    }

    return sum;
}


/* a slot's load is known when it is over: nobody reacts before, nor before
 * the decision itself was made */

static double
predictor_hindsight_reaction(const predictor_hindsight_t *h)
{
    uint32_t  i;

    for (i = 0; i < h->n; i++) {

        if (predictor_hindsight_known(h, i)
            && h->from[i] + h->shard[i] > h->threshold * h->from_capacity)
        {
            return fmax(h->first_s + (i + 1) * h->res_s, h->decided_s);
        }
    }

    return INFINITY;
}


static predictor_passage_t
predictor_hindsight_passage(double start_s, double move_s)
{
    predictor_passage_t  p;

    p.start_s = start_s;
    p.commit_s = start_s + move_s;
    p.end_s = p.commit_s;

    return p;
}


void
predictor_hindsight_score(const predictor_hindsight_t *h,
    predictor_hindsight_score_t *score)
{
    uint32_t             i;
    predictor_toll_t     bare, *toll;
    predictor_passage_t  move[PREDICTOR_COURSES];

    memset(score, 0, sizeof(predictor_hindsight_score_t));

    for (i = 1; i < h->n; i++) {
        score->known += predictor_hindsight_known(h, i);
        score->slots++;
    }

    score->reacting_s = predictor_hindsight_reaction(h);
    toll = score->toll;

    move[PREDICTOR_HAPPENED] = h->happened;
    move[PREDICTOR_DECIDED] = h->advice
                              ? predictor_hindsight_passage(h->decided_s,
                                                            h->move_s)
                              : h->happened;
    move[PREDICTOR_NOTHING] = predictor_hindsight_passage(INFINITY, 0);
    move[PREDICTOR_REACTING] = predictor_hindsight_passage(score->reacting_s,
                                                           h->move_s);

    for (i = 0; i < PREDICTOR_COURSES; i++) {
        predictor_hindsight_course(h, &move[i], h->extra, &toll[i]);
    }

    predictor_hindsight_course(h, &move[PREDICTOR_DECIDED], 0, &bare);
    score->cost_s = toll[PREDICTOR_DECIDED].violation_s - bare.violation_s;
    score->extra_load = predictor_hindsight_copied(h,
                                                   &move[PREDICTOR_DECIDED]);

    score->saved_nothing_s = toll[PREDICTOR_NOTHING].violation_s
                             - toll[PREDICTOR_DECIDED].violation_s;
    score->saved_reacting_s = toll[PREDICTOR_REACTING].violation_s
                              - toll[PREDICTOR_DECIDED].violation_s;
    score->regret_s = fmax(0, fmax(-score->saved_nothing_s,
                                   -score->saved_reacting_s));
}


void
predictor_past_shard(const predictor_past_t *past, shard_id_t shard,
    long slot, uint32_t n, double *loads)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        loads[i] = predictor_history_value(past->history, shard,
                                           slot + (long) i);
    }
}


/* what a change means to a node: until its commit the shard was on "from",
 * and both ends bore the copying */

static void
predictor_past_change(const predictor_past_t *past,
    const predictor_change_t *c, uint32_t node, long slot, uint32_t n,
    double *loads)
{
    int       sign;
    float     v;
    double    start_s, before, copying;
    uint32_t  i;

    sign = (c->from == node) - (c->to == node);

    for (i = 0; i < n; i++) {
        v = predictor_history_value(past->history, c->shard, slot + (long) i);

        if (!(v > 0)) {
            continue;
        }

        start_s = (double) (slot + (long) i) * past->res_s;
        copying = predictor_hindsight_part(start_s, past->res_s,
                                           c->when.start_s, c->when.end_s);
        before = isfinite(c->when.commit_s)
                 ? predictor_hindsight_part(start_s, past->res_s, -INFINITY,
                                            c->when.commit_s)
                 : 0;

        loads[i] += v * (sign * before + past->extra * copying);
    }
}


void
predictor_past_node(const predictor_past_t *past, uint32_t node,
    shard_id_t except, double base, long slot, uint32_t n, double *loads)
{
    float                      v;
    uint32_t                   i, j;
    const predictor_change_t  *c;

    for (i = 0; i < n; i++) {
        loads[i] = base;
    }

    for (j = 0; j < past->nshards; j++) {

        if (past->nodes[j] != node || past->ids[j] == except) {
            continue;
        }

        for (i = 0; i < n; i++) {
            v = predictor_history_value(past->history, past->ids[j],
                                        slot + (long) i);
            loads[i] += v > 0 ? v : 0;
        }
    }

    for (j = 0; j < past->nchanges; j++) {
        c = &past->changes[j];

        if (c->shard != except && (c->from == node || c->to == node)) {
            predictor_past_change(past, c, node, slot, n, loads);
        }
    }
}
