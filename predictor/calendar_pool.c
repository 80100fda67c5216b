
#include <math.h>
#include <string.h>

#include "calendar.h"


/* of factors' logarithms, and of differences relative to a shard's share */

#define PREDICTOR_AMONG_MIN    0.05
#define PREDICTOR_AMONG_ADDED  0.5

/* what the shards' noise has in common */

#define PREDICTOR_POOL_SHARED  0.5


static int predictor_calendar_sum(const predictor_calendar_t *c,
    const predictor_planned_t *p, uint32_t cell, predictor_came_t *came);
static double predictor_calendar_among(const predictor_calendar_t *c,
    const predictor_planned_t *p);


void
predictor_calendar_pool(predictor_calendar_t *c)
{
    uint32_t              i, k;
    predictor_came_t      came;
    predictor_planned_t  *p;

    for (i = 0; i < c->nactive; i++) {
        p = c->active[i];

        if (!p->dirty) {
            continue;
        }

        p->dirty = 0;

        for (k = 0; p->cells && k < PREDICTOR_CALENDAR_CELLS; k++) {

            if (p->round[k] && predictor_calendar_sum(c, p, k, &came)) {
                predictor_calendar_keep(p, &came);
                p->news = 1;
            }
        }

        predictor_calendar_learn(p);

        if (p->learned.n && p->nshards > 1) {
            p->learned.among = predictor_calendar_among(c, p);
        }
    }
}


void
predictor_calendar_learn(predictor_planned_t *p)
{
    int                  added;
    double               work[PREDICTOR_CALENDAR_CAME];
    uint32_t             i;
    predictor_learned_t  none;
    predictor_measure_t  m[PREDICTOR_CALENDAR_CAME];

    for (i = 0; i < p->ncame; i++) {
        m[i] = p->came[i].sum;
    }

    memset(&none, 0, sizeof(none));
    added = predictor_effect_added(m, p->ncame, work);
    predictor_effect_learn(m, p->ncame, added, &none, work, &p->learned);

    p->learned.among = added ? PREDICTOR_AMONG_ADDED : PREDICTOR_AMONG_MIN;
}


static int
predictor_calendar_sum(const predictor_calendar_t *c,
    const predictor_planned_t *p, uint32_t i, predictor_came_t *came)
{
    double                   actual, expected, noise;
    shard_id_t               id;
    const predictor_cell_t  *cell;

    memset(came, 0, sizeof(predictor_came_t));
    came->span = p->latest[i];
    actual = 0;
    expected = 0;
    noise = 0;

    for (id = 0; id < c->nshards; id++) {
        cell = &p->cells[(size_t) id * PREDICTOR_CALENDAR_CELLS + i];

        if (cell->round && isfinite(cell->measure.expected)) {
            actual += cell->measure.actual;
            expected += cell->measure.expected;
            noise += cell->measure.noise * cell->measure.expected;
            came->shards++;
        }
    }

    if (came->shards == 0 || !(expected > 0)) {
        return 0;
    }

    came->sum.actual = (float) actual;
    came->sum.expected = (float) expected;
    came->sum.noise = (float) (noise / expected
                               * sqrt(PREDICTOR_POOL_SHARED
                                      + (1 - PREDICTOR_POOL_SHARED)
                                        / came->shards));

    return 1;
}


/* in their order; the oldest gives way */

void
predictor_calendar_keep(predictor_planned_t *p, const predictor_came_t *came)
{
    uint32_t  i;

    for (i = 0; i < p->ncame; i++) {

        if (p->came[i].span.start_s == came->span.start_s) {
            p->came[i] = *came;
            return;
        }
    }

    if (p->ncame == PREDICTOR_CALENDAR_CAME) {

        if (came->span.start_s < p->came[0].span.start_s) {
            return;
        }

        memmove(p->came, p->came + 1, --p->ncame * sizeof(predictor_came_t));
    }

    for (i = p->ncame++; i; i--) {

        if (p->came[i - 1].span.start_s < came->span.start_s) {
            break;
        }

        p->came[i] = p->came[i - 1];
    }

    p->came[i] = *came;
}


/*
 * How far the shards' own sizes lie apart, beyond what their noise makes of
 * it: relative to a shard's share where the size is a difference.
 */

static double
predictor_calendar_among(const predictor_calendar_t *c,
    const predictor_planned_t *p)
{
    double                   sum, noise, d, own, var, part;
    uint32_t                 k, n, shards;
    shard_id_t               id;
    const predictor_cell_t  *cell;

    if (p->learned.added) {
        return PREDICTOR_AMONG_ADDED;
    }

    var = 0;
    noise = 0;
    shards = 0;

    for (id = 0; id < c->nshards; id++) {
        sum = 0;
        part = 0;
        n = 0;

        for (k = 0; p->cells && k < PREDICTOR_CALENDAR_CELLS; k++) {
            cell = &p->cells[(size_t) id * PREDICTOR_CALENDAR_CELLS + k];

            if (cell->round && cell->measure.expected > 0
                && cell->measure.actual > 0)
            {
                own = log(cell->measure.actual / cell->measure.expected);
                d = cell->measure.noise;
                sum += own;
                part += d * d;
                n++;
            }
        }

        if (n) {
            d = sum / n - p->learned.size;
            var += d * d;
            noise += part / n / n;
            shards++;
        }
    }

    if (shards < 3) {
        return PREDICTOR_AMONG_MIN;
    }

    var = var / shards - noise / shards;

    return var > PREDICTOR_AMONG_MIN * PREDICTOR_AMONG_MIN ? sqrt(var)
                                                           : PREDICTOR_AMONG_MIN;
}
