
#include "schedule.h"


#define PREDICTOR_URGENT_REFIT    1
#define PREDICTOR_URGENT_DOUBLED  (UINT64_C(1) << 40)
#define PREDICTOR_URGENT_FIRST    (UINT64_C(2) << 40)


/* 0: not due; more is more urgent */

static uint64_t
predictor_schedule_urgency(const predictor_turn_t *t, long slot, long refit)
{
    if (t->now == 0) {
        return 0;
    }

    if (!t->full) {
        return PREDICTOR_URGENT_FIRST + t->now;
    }

    if (t->now / 2 >= t->n) {
        return PREDICTOR_URGENT_DOUBLED + t->now;
    }

    if (slot - t->fitted >= refit) {
        return PREDICTOR_URGENT_REFIT + (uint64_t) (slot - t->fitted - refit);
    }

    return 0;
}


void
predictor_schedule(const predictor_turn_t *turns, const shard_id_t *ids,
    uint32_t nids, long slot, long refit, shard_id_t *list, uint32_t max,
    predictor_schedule_t *result)
{
    uint32_t  i, j, n;
    uint64_t  urgency, last;

    n = 0;
    last = 0;
    result->first = 0;
    result->due = 0;

    for (i = 0; i < nids; i++) {
        urgency = predictor_schedule_urgency(&turns[ids[i]], slot, refit);

        if (urgency == 0) {
            continue;
        }

        result->due++;
        result->first += urgency >= PREDICTOR_URGENT_FIRST;

        if (n == max && urgency <= last) {
            continue;
        }

        /* the list is short and in order: the new one finds its place */

        n += n < max;

        for (j = n; j > 1; j--) {

            if (predictor_schedule_urgency(&turns[list[j - 2]], slot, refit)
                >= urgency)
            {
                break;
            }

            list[j - 1] = list[j - 2];
        }

        if (n) {
            list[j - 1] = ids[i];
            last = predictor_schedule_urgency(&turns[list[n - 1]], slot,
                                              refit);
        }
    }

    result->n = n;
}


void
predictor_schedule_done(predictor_turn_t *turn, shard_id_t id, long slot,
    long refit)
{
    turn->fitted = slot;

    if (!turn->full && refit > 0) {
        turn->fitted -= (long) (id % (unsigned long) refit);
    }

    turn->n = turn->now;
    turn->full = 1;
}
