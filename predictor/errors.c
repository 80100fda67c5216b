
#include <math.h>
#include <string.h>

#include "errors.h"


static void predictor_errors_came(const predictor_errors_plan_t *plan,
    predictor_errors_t *e, uint32_t c, int64_t slot, double value);


void
predictor_errors_plan(predictor_errors_plan_t *plan, uint32_t interval_s,
    uint32_t horizon)
{
    uint32_t  c;

    memset(plan, 0, sizeof(predictor_errors_plan_t));
    plan->interval_s = interval_s;
    predictor_merit_leads(interval_s, horizon, plan->lead);

    for (c = 0; c < PREDICTOR_CLASSES; c++) {
        plan->stride[c] = (plan->lead[c] + PREDICTOR_ERRORS_RING - 1)
                          / PREDICTOR_ERRORS_RING;

        if (plan->lead[c] > plan->longest) {
            plan->longest = plan->lead[c];
        }
    }
}


static uint32_t
predictor_errors_place(const predictor_errors_plan_t *plan, uint32_t c,
    int64_t said)
{
    return (uint32_t) (said / plan->stride[c] % PREDICTOR_ERRORS_RING);
}


void
predictor_errors_observe(const predictor_errors_plan_t *plan,
    predictor_errors_t *e, const double *y, uint32_t n, int64_t last)
{
    int64_t   slot, end;
    uint32_t  c;

    if (last <= 0) {
        return;
    }

    /* nothing was said for slots further ahead than the longest lead */

    end = e->slot + plan->longest < last ? e->slot + plan->longest : last;

    for (slot = e->slot + 1; e->slot && slot <= end; slot++) {

        if (last - slot >= n) {
            continue;
        }

        for (c = 0; c < PREDICTOR_CLASSES; c++) {
            predictor_errors_came(plan, e, c, slot, y[n - 1 - (last - slot)]);
        }
    }

    e->slot = last > e->slot ? last : e->slot;
}


void
predictor_errors_again(const predictor_errors_plan_t *plan,
    predictor_errors_t *e, const predictor_errors_t *log, const double *y,
    uint32_t n, int64_t last)
{
    uint32_t  c, i;

    if (e->slot == 0 || log->slot <= e->slot || log->slot > last
        || last - log->slot >= n)
    {
        return;
    }

    predictor_errors_observe(plan, e, y, n - (uint32_t) (last - log->slot),
                             log->slot);

    for (c = 0; c < PREDICTOR_CLASSES; c++) {

        for (i = 0; i < PREDICTOR_ERRORS_RING; i++) {

            if (log->target[c][i]) {
                e->target[c][i] = log->target[c][i];
                e->said[c][i] = log->said[c][i];
            }
        }
    }
}


static void
predictor_errors_came(const predictor_errors_plan_t *plan,
    predictor_errors_t *e, uint32_t c, int64_t slot, double value)
{
    double    span;
    int64_t   said;
    uint32_t  i;

    said = slot - plan->lead[c];

    if (plan->lead[c] == 0 || said < 0 || said % plan->stride[c]) {
        return;
    }

    i = predictor_errors_place(plan, c, said);

    if (e->target[c][i] != slot) {
        return;
    }

    e->target[c][i] = 0;

    if (!isfinite(value)) {
        return;
    }

    if (e->merit.version == 0) {
        predictor_merit_init(&e->merit);
    }

    span = (double) (e->seen[c] ? slot - e->seen[c] : plan->stride[c]);
    e->seen[c] = slot;

    predictor_merit_observe(&e->merit, c, &e->said[c][i], value,
                            span * plan->interval_s);
}


void
predictor_errors_record(const predictor_errors_plan_t *plan,
    predictor_errors_t *e, const predictor_said_t *said, int64_t last)
{
    uint32_t  c, i;

    if (last <= 0) {
        return;
    }

    for (c = 0; c < PREDICTOR_CLASSES; c++) {

        if (plan->lead[c] == 0 || last % plan->stride[c]) {
            continue;
        }

        i = predictor_errors_place(plan, c, last);

        e->target[c][i] = last + plan->lead[c];
        e->said[c][i] = said[c];
    }

    e->slot = last > e->slot ? last : e->slot;
}
