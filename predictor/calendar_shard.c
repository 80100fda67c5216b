
/* One shard's part of the calendar: in threads, each shard in one of them. */


#include <math.h>
#include <string.h>

#include "calendar.h"


#define PREDICTOR_ACTS_MAX       64
#define PREDICTOR_FACTOR_LIMIT   1000.0


typedef struct {
    const predictor_calendar_t  *calendar;
    const predictor_planned_t   *planned;
    shard_id_t                   id;
    double                       share;     /* of what is added */
    predictor_learned_t          size;
} predictor_actor_t;


static void predictor_calendar_measure(const predictor_calendar_t *c,
    shard_id_t id, int64_t from_s, const double *y, uint32_t n,
    uint8_t *busy);
static void predictor_calendar_busy(const predictor_calendar_t *c,
    shard_id_t id, int64_t from_s, uint32_t n, uint8_t *busy);
static void predictor_calendar_actor(const predictor_calendar_t *c,
    const predictor_planned_t *p, shard_id_t id, predictor_actor_t *actor);
static const predictor_measure_t *predictor_calendar_was(
    const predictor_actor_t *a, const shard_span_t *span);
static int predictor_calendar_act(const predictor_actor_t *a,
    const shard_span_t *span, int ended, predictor_act_t *act);


static predictor_cell_t *
predictor_calendar_cell(const predictor_planned_t *p, shard_id_t id,
    uint32_t i)
{
    return &p->cells[(size_t) id * PREDICTOR_CALENDAR_CELLS + i];
}


/* additions are taken off before factors are, so that both are of the whole */

void
predictor_calendar_clean(const predictor_calendar_t *c, shard_id_t id,
    int64_t end_s, double *y, uint32_t n, uint8_t *busy)
{
    int64_t                     from_s;
    uint32_t                    i, k, nacts, round;
    predictor_act_t             acts[PREDICTOR_ACTS_MAX];
    predictor_actor_t           actor;
    const predictor_planned_t  *p;

    if (c->nactive == 0 || n == 0) {
        return;
    }

    from_s = end_s - (int64_t) n * c->interval_s;
    predictor_calendar_measure(c, id, from_s, y, n, busy);

    for (round = 0; round < 2; round++) {

        for (i = 0; i < c->nactive; i++) {
            p = c->active[i];

            if (!predictor_calendar_touches(p, id)) {
                continue;
            }

            predictor_calendar_actor(c, p, id, &actor);
            nacts = 0;

            for (k = 0; k < p->nspans && p->spans[k].start_s < end_s; k++)
            {
                if (p->spans[k].end_s <= from_s
                    || !predictor_calendar_act(&actor, &p->spans[k],
                                               k < p->nended, &acts[nacts])
                    || round != (acts[nacts].factor != 1))
                {
                    continue;
                }

                if (++nacts == PREDICTOR_ACTS_MAX) {
                    predictor_effect_remove(y, n, from_s, c->interval_s, acts,
                                            nacts);
                    nacts = 0;
                }
            }

            predictor_effect_remove(y, n, from_s, c->interval_s, acts, nacts);
        }
    }
}


void
predictor_calendar_return(const predictor_calendar_t *c, shard_id_t id,
    const predictor_ask_t *ask, double *out)
{
    uint32_t                    i, k, round, nacts;
    predictor_act_t             acts[PREDICTOR_ACTS_MAX];
    predictor_actor_t           actor;
    const predictor_planned_t  *p;

    for (round = 0; round < 2; round++) {

        for (i = 0; i < c->nactive; i++) {
            p = c->active[i];

            if (p->nended == p->nspans || !predictor_calendar_touches(p, id))
            {
                continue;
            }

            predictor_calendar_actor(c, p, id, &actor);
            nacts = 0;

            for (k = p->nended; k < p->nspans; k++) {

                if (!predictor_calendar_act(&actor, &p->spans[k], 0,
                                            &acts[nacts])
                    || round != (acts[nacts].factor == 1))
                {
                    continue;
                }

                if (++nacts == PREDICTOR_ACTS_MAX) {
                    predictor_effect_put(out, ask, c->until_s, c->interval_s,
                                         acts, nacts);
                    nacts = 0;
                }
            }

            predictor_effect_put(out, ask, c->until_s, c->interval_s, acts,
                                 nacts);
        }
    }
}


/* the whole steps of what ended, where that is still to be done */

static void
predictor_calendar_measure(const predictor_calendar_t *c, shard_id_t id,
    int64_t from_s, const double *y, uint32_t n, uint8_t *busy)
{
    int                         marked;
    int64_t                     first, last;
    uint32_t                    i, k;
    predictor_cell_t           *cell;
    predictor_series_t          series;
    predictor_weighted_t        work[2 * PREDICTOR_EFFECT_DAYS];
    const predictor_planned_t  *p;

    memset(&series, 0, sizeof(predictor_series_t));
    series.y = y;
    series.n = n;
    series.interval_s = c->interval_s;
    series.day = c->day;
    series.week = c->week;

    marked = 0;

    for (i = 0; i < c->nactive; i++) {
        p = c->active[i];

        if (p->cells == NULL || !predictor_calendar_touches(p, id)) {
            continue;
        }

        for (k = 0; k < PREDICTOR_CALENDAR_CELLS; k++) {
            cell = predictor_calendar_cell(p, id, k);

            if (cell->round == p->round[k]) {
                continue;
            }

            if (!marked) {
                predictor_calendar_busy(c, id, from_s, n, busy);
                marked = 1;
            }

            /* an event shorter than a step is the step it begins in */

            first = p->latest[k].start_s - from_s + c->interval_s - 1;
            first = first < 0 ? -1 : first / c->interval_s;
            last = (p->latest[k].end_s - from_s) / c->interval_s;

            if (last <= first) {
                first = (p->latest[k].start_s - from_s) / c->interval_s;
                last = first + 1;
            }

            cell->round = p->round[k];
            cell->measure.expected = NAN;
            cell->measure.actual = NAN;

            if (first >= 0 && last <= n) {
                (void) predictor_effect_measure(&series, busy,
                                                (uint32_t) first,
                                                (uint32_t) last, work,
                                                &cell->measure);
            }
        }
    }
}


static void
predictor_calendar_busy(const predictor_calendar_t *c, shard_id_t id,
    int64_t from_s, uint32_t n, uint8_t *busy)
{
    int64_t                     at, end;
    uint32_t                    i, k;
    const predictor_planned_t  *p;

    memset(busy, 0, n);

    for (i = 0; i < c->nactive; i++) {
        p = c->active[i];

        if (!predictor_calendar_touches(p, id)) {
            continue;
        }

        for (k = 0; k < p->nspans; k++) {
            at = p->spans[k].start_s - from_s;
            at = at < 0 ? 0 : at / c->interval_s;
            end = (p->spans[k].end_s - from_s + c->interval_s - 1)
                  / c->interval_s;
            end = end > n ? n : end;

            for ( /* void */ ; at < end; at++) {
                busy[at] = (uint8_t) (busy[at] < UINT8_MAX ? busy[at] + 1
                                                           : UINT8_MAX);
            }
        }
    }
}


void
predictor_calendar_size(const predictor_calendar_t *c,
    const predictor_planned_t *p, shard_id_t id, predictor_learned_t *size)
{
    double               work[PREDICTOR_CALENDAR_CELLS];
    uint32_t             k, n;
    predictor_learned_t  prior;
    predictor_measure_t  own[PREDICTOR_CALENDAR_CELLS];

    n = 0;

    for (k = 0; p->cells && k < PREDICTOR_CALENDAR_CELLS; k++) {
        own[n] = predictor_calendar_cell(p, id, k)->measure;

        if (predictor_calendar_cell(p, id, k)->round
            && isfinite(own[n].expected))
        {
            n++;
        }
    }

    /* one shard alone is all of them, of more occurrences */

    if (p->nshards == 1 && p->learned.n) {
        *size = p->learned;
        return;
    }

    prior = p->learned;

    if (prior.added && prior.n) {
        prior.size *= p->load > 0 ? c->load[id] / p->load
                                  : 1.0 / p->nshards;
        prior.among *= fabs(prior.size);
        prior.spread *= p->load > 0 ? c->load[id] / p->load
                                    : 1.0 / p->nshards;
    }

    predictor_effect_learn(own, n, (int) prior.added, &prior, work, size);
}


static void
predictor_calendar_actor(const predictor_calendar_t *c,
    const predictor_planned_t *p, shard_id_t id, predictor_actor_t *actor)
{
    actor->calendar = c;
    actor->planned = p;
    actor->id = id;
    actor->share = p->load > 0 ? fmax(c->load[id], 0) / p->load
                               : 1.0 / (p->nshards ? p->nshards : 1);

    memset(&actor->size, 0, sizeof(predictor_learned_t));

    if (p->event.kind == SHARD_EFFECT_LEARNED) {
        predictor_calendar_size(c, p, id, &actor->size);
    }
}


/* as it was measured, or NULL */

static const predictor_measure_t *
predictor_calendar_was(const predictor_actor_t *a, const shard_span_t *span)
{
    uint32_t                 k;
    const predictor_cell_t  *cell;

    for (k = 0; a->planned->cells && k < PREDICTOR_CALENDAR_CELLS; k++) {
        cell = predictor_calendar_cell(a->planned, a->id, k);

        if (cell->round && a->planned->latest[k].start_s == span->start_s
            && isfinite(cell->measure.expected))
        {
            return &cell->measure;
        }
    }

    return NULL;
}


/* one that ended is taken as it was, whatever was said of it */

static int
predictor_calendar_act(const predictor_actor_t *a, const shard_span_t *span,
    int ended, predictor_act_t *act)
{
    const shard_event_t        *event;
    const predictor_measure_t  *was;

    event = &a->planned->event;
    memset(act, 0, sizeof(predictor_act_t));
    act->span = *span;
    act->factor = 1;

    /* what is no effect in the end is not taken off either */

    was = ended && !(event->kind == SHARD_EFFECT_LEARNED && a->size.n
                     && a->size.size == 0)
          ? predictor_calendar_was(a, span) : NULL;

    if (was && was->expected > 0) {
        act->factor = fmin(was->actual / was->expected,
                           PREDICTOR_FACTOR_LIMIT);

    } else if (event->kind == SHARD_EFFECT_FACTOR) {
        act->factor = event->size;

    } else if (event->kind == SHARD_EFFECT_ADD) {
        act->add = event->size * a->share;

    } else if (a->size.n && a->size.added) {
        act->add = a->size.size;
        act->spread_add = a->size.spread;

    } else if (a->size.n) {
        act->factor = exp(a->size.size);
        act->spread = a->size.spread;
    }

    return act->factor != 1 || act->add != 0 || act->spread != 0
           || act->spread_add != 0;
}
