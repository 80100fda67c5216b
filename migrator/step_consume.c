
/*
 * consume: the moment for a queue's cutover is when it is empty.  Until its
 * consumers have taken it, or the time for that is over, nothing is held;
 * what is left is shipped like any other data.
 *
 *    depth 0, or queue.drain over ──▶ queue.hold router: go on
 *                                 └─▶ queue.hold backend: the source stops
 *                                     delivering, keeps accepting ──▶ go on
 *
 * A hold at a backend belongs to its epoch: a later one ends it, and refuses
 * one that was sent before (step_rollback.c).
 */


#include "machine.h"


#define POLL_MS   10
#define STILL_MS  20                    /* nobody takes any more */


static migrator_result_e migrator_consume_hold(migrator_t *m);


migrator_result_e
migrator_step_consume(migrator_t *m)
{
    int                rc;
    uint64_t           version, end;
    shard_record_t     rec;
    migrator_limit_t   limit;
    migrator_stats_t   stats;
    migrator_result_e  result;

    result = migrator_own_record(m, &rec, &version);

    if (result == MIGRATOR_NEXT) {
        result = migrator_check_override(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_ship(m, (uint64_t) m->policy->batch);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->stats(m->driver_data, &m->source, m->state.shard,
                          migrator_limit(m, &limit), &stats);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "source");
    }

    m->state.depth = stats.queue_depth;
    m->dirty = 1;

    end = m->state.phase_ms + (uint64_t) m->policy->queue_drain_ms;

    if (stats.queue_depth && m->io->now_ms(m->io->data) < end) {
        return migrator_wait(m, POLL_MS);
    }

    return m->policy->queue_hold == MIGRATOR_HOLD_BACKEND
           ? migrator_consume_hold(m) : MIGRATOR_NEXT;
}


/* stored first: whoever rolls back must know that it may have been sent */

static migrator_result_e
migrator_consume_hold(migrator_t *m)
{
    int                rc;
    migrator_limit_t   limit;
    migrator_result_e  result;

    if (!m->state.source_held) {
        m->state.source_held = 1;
        result = migrator_save(m);

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        /* what was stored may be another's: look again */

        return migrator_wait(m, 0);
    }

    rc = m->driver->hold(m->driver_data, &m->source, m->state.shard, 1,
                         m->state.epoch, migrator_limit(m, &limit));

    return migrator_driver_rc(m, rc, "hold");
}


/*
 * Routers are drained: consumers that are not behind one may take the rest
 * while the depth sinks.  MIGRATOR_NEXT: no longer worth waiting for.
 */

migrator_result_e
migrator_consume_rest(migrator_t *m)
{
    int               rc;
    uint64_t          now;
    migrator_limit_t  limit;
    migrator_stats_t  stats;

    if (m->state.strategy != SHARD_QUEUE || m->state.source_held
        || m->policy->queue_held_drain_ms == 0)
    {
        return MIGRATOR_NEXT;
    }

    now = m->io->now_ms(m->io->data);

    rc = m->driver->stats(m->driver_data, &m->source, m->state.shard,
                          migrator_limit(m, &limit), &stats);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "source");
    }

    if (m->window_ms == 0) {
        m->window_ms = m->stepped_ms = now;

    } else if (stats.queue_depth < m->state.depth) {
        m->stepped_ms = now;
    }

    m->state.depth = stats.queue_depth;
    m->dirty = 1;

    if (stats.queue_depth == 0 || now - m->stepped_ms > STILL_MS
        || now - m->window_ms >= (uint64_t) m->policy->queue_held_drain_ms)
    {
        return MIGRATOR_NEXT;
    }

    return migrator_wait(m, 1);
}
