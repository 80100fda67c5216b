
/*
 * Slots of the leaky bucket, see capacity.h.
 *
 * Invariant: next_ns is one interval after the last slot given, so slots
 * only grow and two of them are never nearer than the interval.
 */


#include "capacity.h"


void
shardkv_capacity_init(shardkv_capacity_t *c, double per_s, uint64_t queue_ns)
{
    double  interval;

    c->next_ns = 0;
    c->queue_ns = queue_ns;
    c->interval_ns = 0;

    if (per_s > 0) {

        /* rounded up: a little less than the capacity, never more */

        interval = 1e9 / per_s;
        c->interval_ns = (uint64_t) interval;

        if ((double) c->interval_ns < interval) {
            c->interval_ns++;
        }
    }
}


int
shardkv_capacity_take(shardkv_capacity_t *c, uint64_t now_ns,
    uint64_t *start_ns)
{
    if (c->interval_ns == 0 || c->next_ns <= now_ns) {
        *start_ns = now_ns;
        c->next_ns = now_ns + c->interval_ns;
        return SHARD_OK;
    }

    if (c->next_ns - now_ns > c->queue_ns) {
        *start_ns = c->next_ns - c->queue_ns;
        return SHARD_AGAIN;
    }

    *start_ns = c->next_ns;
    c->next_ns += c->interval_ns;

    return SHARD_OK;
}
