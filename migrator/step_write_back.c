
/*
 * Copy-on-write, the way back from behind the switch: step_write.c has the
 * picture.
 */


#include <stdio.h>

#include "machine.h"


#define POLL_MS   2
#define APART_MS  2000                  /* between two holds */


static migrator_result_e migrator_write_hold(migrator_t *m,
    shard_record_t *rec, uint64_t version, shard_phase_e phase);
static migrator_result_e migrator_write_settle(migrator_t *m);
static migrator_result_e migrator_write_shut(migrator_t *m, int *shut);
static migrator_result_e migrator_write_open(migrator_t *m);


/* MIGRATOR_NEXT: the source has all of it and is open, at its last epoch */

migrator_result_e
migrator_write_back(migrator_t *m, shard_record_t *rec, uint64_t version)
{
    int                shut;
    uint64_t           now, lag, position;
    migrator_result_e  result;

    result = migrator_nodes(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    now = m->io->now_ms(m->io->data);

    if (rec->phase == SHARD_SHIFTING) {
        m->published_ms = 0;
        position = 0;
        result = migrator_write_part(m, MIGRATOR_ROLE_PRIMARY, &position);

        if (result == MIGRATOR_NEXT) {
            result = migrator_write_level(m, &lag);
        }

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        if (lag > (uint64_t) m->policy->catch_up_lag
            || (m->stepped_ms && now - m->stepped_ms < APART_MS))
        {
            return migrator_wait(m, POLL_MS);
        }

        return migrator_write_hold(m, rec, version, SHARD_HELD);
    }

    if (m->stepped_ms == 0 || m->state.hold_version == 0) {
        m->state.hold_version = version;
        m->stepped_ms = m->published_ms = now;
    }

    result = migrator_write_shut(m, &shut);

    if (result == MIGRATOR_NEXT && shut) {
        return migrator_write_open(m);
    }

    if (now - m->stepped_ms >= (uint64_t) m->policy->hold_timeout_ms) {
        position = 0;
        (void) migrator_write_part(m, MIGRATOR_ROLE_PRIMARY, &position);

        return migrator_write_hold(m, rec, version, SHARD_SHIFTING);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_write_settle(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_write_sync(m);
    }

    return result == MIGRATOR_NEXT ? migrator_write_open(m) : result;
}


/* the way back was as far as that before */

static migrator_result_e
migrator_write_shut(migrator_t *m, int *shut)
{
    int               rc;
    migrator_limit_t  limit;
    migrator_stats_t  stats;

    rc = m->driver->stats(m->driver_data, &m->target, m->state.shard,
                          migrator_limit(m, &limit), &stats);

    *shut = rc == MIGRATOR_OK
            && stats.epoch >= migrator_last_epoch(&m->state);

    return migrator_driver_rc(m, rc, "target");
}


/*
 * A request to open the target at its epoch, which some attempt left on its
 * way, must find a later one there before the source is opened; what it may
 * have let in before is shipped, too.
 */

static migrator_result_e
migrator_write_open(migrator_t *m)
{
    int                rc;
    uint64_t           last, position;
    migrator_limit_t   limit;
    migrator_result_e  result;

    rc = m->driver->role(m->driver_data, &m->target, m->state.shard,
                         MIGRATOR_ROLE_STANDBY,
                         migrator_last_epoch(&m->state),
                         migrator_limit(m, &limit), &last);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "shut");
    }

    result = migrator_write_ship(m, &position);

    if (result == MIGRATOR_NEXT && position < last) {
        return migrator_wait(m, 0);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->role(m->driver_data, &m->source, m->state.shard,
                         MIGRATOR_ROLE_PRIMARY,
                         migrator_last_epoch(&m->state),
                         migrator_limit(m, &limit), &position);

    m->unsealed = (rc == MIGRATOR_OK);

    return migrator_driver_rc(m, rc, "unseal");
}


/* to and fro as often as need be, so each time is an operation of its own */

static migrator_result_e
migrator_write_hold(migrator_t *m, shard_record_t *rec, uint64_t version,
    shard_phase_e phase)
{
    char               operation[40];
    migrator_result_e  result;

    snprintf(operation, sizeof(operation), "%s.%llu",
             phase == SHARD_HELD ? "park" : "unpark",
             (unsigned long long) version);

    rec->phase = phase;
    result = migrator_commit(m, operation, &version, rec);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    m->stepped_ms = m->io->now_ms(m->io->data);
    m->published_ms = phase == SHARD_HELD ? m->stepped_ms : 0;
    m->state.hold_version = version;
    m->nrequired = 0;

    return migrator_wait(m, 0);
}


static migrator_result_e
migrator_write_settle(migrator_t *m)
{
    int                rc;
    migrator_result_e  result;

    rc = m->io->routers(m->io->data, m->state.shard, &m->routers);

    if (rc) {
        return migrator_store_rc(m, rc, "routers");
    }

    result = migrator_drained(m);

    return result == MIGRATOR_WAIT ? migrator_wait(m, POLL_MS) : result;
}
