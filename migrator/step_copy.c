
/*
 * copy: a snapshot of the source at the target, which is a standby from
 * then on.  catch-up: the source's log behind it, until the target is close
 * and comes closer.
 */


#include <math.h>
#include <string.h>

#include "../src/daemon/shardd_store.h"
#include "machine.h"


#define COPIES_MAX       5
#define WINDOWS_BAD_MAX  3


static int migrator_copied(migrator_t *m, const shard_record_t *rec,
    const migrator_stats_t *stats);
static migrator_result_e migrator_copy(migrator_t *m,
    const migrator_stats_t *target);
static migrator_result_e migrator_converges(migrator_t *m, uint64_t lag);


/*
 * A standby of the shard needs no snapshot, only what it has missed.
 * Whether that is still to be had, catch-up finds out, and whether it is the
 * same data, warm-up: both come back here, and then it is copied.
 */

static int
migrator_copied(migrator_t *m, const shard_record_t *rec,
    const migrator_stats_t *stats)
{
    return !migrator_phase_seen(&m->state, MIGRATOR_CATCH_UP)
           && !migrator_cuts(&m->state) && stats->position > 0
           && stats->role == MIGRATOR_ROLE_STANDBY
           && migrator_to_standby(&m->state, rec);
}


migrator_result_e
migrator_reset(migrator_t *m)
{
    int               rc;
    uint64_t          position;
    migrator_limit_t  limit;

    rc = m->driver->role(m->driver_data, &m->target,
                         migrator_at_target(&m->state),
                         MIGRATOR_ROLE_NONE, m->state.epoch,
                         migrator_limit(m, &limit), &position);

    if (rc == MIGRATOR_OK) {
        rc = m->driver->role(m->driver_data, &m->target,
                             migrator_at_target(&m->state),
                             MIGRATOR_ROLE_STANDBY, m->state.epoch,
                             migrator_limit(m, &limit), &position);
    }

    return migrator_driver_rc(m, rc, "target");
}


migrator_result_e
migrator_step_copy(migrator_t *m)
{
    int                rc;
    uint64_t           version, position;
    shard_record_t     rec;
    migrator_limit_t   limit;
    migrator_stats_t   stats;
    migrator_result_e  result;

    if (m->state.verb == MIGRATOR_MERGE) {
        return migrator_cut_import(m);
    }

    result = migrator_own_record(m, &rec, &version);

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (m->parted) {
        return migrator_copy_parts(m, NULL);
    }

    rc = m->driver->stats(m->driver_data, &m->target,
                          migrator_at_target(&m->state),
                          migrator_limit(m, &limit), &stats);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "target");
    }

    rc = m->driver->role(m->driver_data, &m->target,
                         migrator_at_target(&m->state),
                         MIGRATOR_ROLE_STANDBY, m->state.epoch,
                         migrator_limit(m, &limit), &position);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "target");
    }

    return migrator_copied(m, &rec, &stats) ? MIGRATOR_NEXT
                                            : migrator_copy(m, &stats);
}


/* "target": what it had before it became a standby */

static migrator_result_e
migrator_copy(migrator_t *m, const migrator_stats_t *target)
{
    int                rc;
    migrator_limit_t   limit;
    migrator_stats_t   source;
    migrator_result_e  result;

    if (m->state.copies >= COPIES_MAX) {
        return migrator_say(m, MIGRATOR_FAIL, "%d snapshots were too old "
                            "when they had arrived: the log of %s is kept "
                            "for too short a time", COPIES_MAX,
                            m->state.from);
    }

    rc = m->driver->stats(m->driver_data, &m->source, m->state.shard,
                          migrator_limit(m, &limit), &source);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "source");
    }

    if (migrator_parts_offered(m, &source, target)
        && source.bytes >= (uint64_t) m->policy->parts_from)
    {
        return migrator_copy_parts(m, target);
    }

    /*
     * A backend may refuse a snapshot that is older than what it has; a
     * target that is ahead has another history and gives it up first.
     */

    if (target->position > source.position) {
        result = migrator_reset(m);

        if (result != MIGRATOR_NEXT) {
            return result;
        }
    }

    rc = m->driver->copy(m->driver_data, &m->source, &m->target,
                         m->state.shard, migrator_copy_limit(m, &limit),
                         &m->state.position, &m->state.bytes);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "snapshot");
    }

    m->state.copies++;
    m->state.copy_speed = m->throttle.speed;
    m->dirty = 1;

    return MIGRATOR_NEXT;
}


migrator_result_e
migrator_step_catch_up(migrator_t *m)
{
    int                rc;
    uint64_t           lag;
    migrator_limit_t   limit;
    migrator_stats_t   stats;
    migrator_result_e  result;

    result = migrator_cut_keep(m);

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

    if (stats.position < m->state.position) {
        return migrator_say(m, MIGRATOR_OTHER, "target is at %llu, source at "
                            "%llu: another history",
                            (unsigned long long) m->state.position,
                            (unsigned long long) stats.position);
    }

    lag = stats.position - m->state.position;
    m->state.lag = lag;
    m->dirty = 1;

    if (lag <= (uint64_t) m->policy->catch_up_lag) {

        /* parts of different positions are no shard yet: step_parts.c */

        return m->state.position >= m->state.copy_settled
               ? MIGRATOR_NEXT : migrator_wait(m, 0);
    }

    return migrator_converges(m, lag);
}


/* ships must outrun changes; each window is judged by itself */

static migrator_result_e
migrator_converges(migrator_t *m, uint64_t lag)
{
    double    span_s, ships, changes;
    uint64_t  now, shipped;

    now = m->io->now_ms(m->io->data);

    if (m->window_ms == 0) {
        m->window_ms = now;
        m->window_lag = lag;
        m->window_shipped = m->state.shipped;
        return migrator_wait(m, 0);
    }

    if (now - m->window_ms < (uint64_t) m->policy->catch_up_window_ms) {
        return migrator_wait(m, 0);
    }

    span_s = (double) (now - m->window_ms) / 1000;
    shipped = m->state.shipped - m->window_shipped;
    ships = (double) shipped / span_s;
    changes = ((double) shipped + (double) lag - (double) m->window_lag)
              / span_s;

    m->state.ship_rate = (uint32_t) fmin(ships, UINT32_MAX);
    m->state.change_rate = (uint32_t) fmin(fmax(changes, 0), UINT32_MAX);
    m->windows_bad = ships > changes ? 0 : m->windows_bad + 1;
    m->window_ms = now;
    m->window_lag = lag;
    m->window_shipped = m->state.shipped;

    if (m->windows_bad < WINDOWS_BAD_MAX) {
        return migrator_wait(m, 0);
    }

    return migrator_say(m, MIGRATOR_FAIL, "does not converge: the source "
                        "changes %.0f entries/s, %.0f/s arrive, %llu behind",
                        changes, ships, (unsigned long long) lag);
}
