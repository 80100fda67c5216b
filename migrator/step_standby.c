
/*
 * standby: after the commit the log runs the other way, so that the former
 * primary stays warm and a way back is short.  Once it is level the migration
 * is done, and keep.c goes on, as with each standby that the table names.
 * Nothing here can undo the migration: what fails is noted and ends the phase.
 *
 * Of a replica that was made the log runs as before: from source to target.
 */


#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "next.h"


typedef struct {
    const shard_node_t  *primary;
    const shard_node_t  *standby;
    uint32_t             epoch;
    migrator_owner_e     owner;         /* as the record must be */
} migrator_pair_t;


static migrator_result_e migrator_standby_level(migrator_t *m);
static migrator_pair_t migrator_standby_pair(const migrator_t *m);
static migrator_result_e migrator_standby_end(migrator_t *m,
    const char *what, const char *err);
static int migrator_standby_alone(migrator_t *m, uint64_t now);
static migrator_result_e migrator_standby_ship(migrator_t *m, int *level);


/* what follows comes last: until then nobody else may have the shard */

migrator_result_e
migrator_step_standby(migrator_t *m)
{
    migrator_result_e  result;

    if (migrator_cuts(&m->state)) {
        return migrator_cut_after(m);
    }

    result = migrator_standby_level(m);

    if (result == MIGRATOR_NEXT && m->state.verb == MIGRATOR_MOVE) {
        result = migrator_next_standbys(m, m->state.shard,
                                        migrator_last_epoch(&m->state));
    }

    return result == MIGRATOR_NEXT ? migrator_next_decide(m) : result;
}


static migrator_result_e
migrator_standby_level(migrator_t *m)
{
    int                level;
    uint64_t           version, now, end;
    shard_record_t     rec;
    migrator_result_e  result;

    if (m->state.strategy == SHARD_STATELESS) {
        return MIGRATOR_NEXT;
    }

    result = migrator_record(m, &rec, &version);

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result == MIGRATOR_FAIL) {
        return migrator_standby_end(m, "record", m->err);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (migrator_owner(&m->state, &rec) != migrator_standby_pair(m).owner) {
        return migrator_standby_end(m, "record", "in other hands by now");
    }

    result = migrator_settle(m, m->state.verb == MIGRATOR_REPLICATE
                                ? MIGRATOR_REPLICATED : MIGRATOR_MOVED);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    level = 0;
    result = migrator_standby_ship(m, &level);
    now = m->io->now_ms(m->io->data);

    if (result == MIGRATOR_NEXT && level) {
        m->state.level_ms = now;
        m->dirty = 1;
    }

    if (result == MIGRATOR_RETRY && migrator_standby_alone(m, now)) {
        return migrator_standby_end(m, "the primary is gone", m->err);
    }

    if (result == MIGRATOR_RETRY) {
        end = m->state.phase_ms
              + (uint64_t) m->policy->timeout_ms[MIGRATOR_STANDBY];

        return now < end ? result
                         : migrator_standby_end(m, "gives up", m->err);
    }

    if (result == MIGRATOR_FAIL) {
        return migrator_standby_end(m, "gives up", m->err);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    return level ? MIGRATOR_NEXT : migrator_wait(m, 0);
}


static migrator_pair_t
migrator_standby_pair(const migrator_t *m)
{
    migrator_pair_t  pair;

    if (m->state.verb == MIGRATOR_REPLICATE) {
        pair.primary = &m->source;
        pair.standby = &m->target;
        pair.epoch = m->state.epoch;
        pair.owner = MIGRATOR_OURS;

    } else {
        pair.primary = &m->target;
        pair.standby = &m->source;
        pair.epoch = migrator_last_epoch(&m->state);
        pair.owner = MIGRATOR_COMMITTED;
    }

    return pair;
}


static migrator_result_e
migrator_standby_end(migrator_t *m, const char *what, const char *err)
{
    char  text[MIGRATOR_ERR_SIZE + 128];

    snprintf(text, sizeof(text), "%s is no warm standby: %s: %s",
             m->state.verb == MIGRATOR_REPLICATE ? m->state.to
                                                 : m->state.from,
             what, err);
    m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, text);

    return MIGRATOR_NEXT;
}


/* the new primary died: the standby will be wanted in its place */

static int
migrator_standby_alone(migrator_t *m, uint64_t now)
{
    int               rc;
    uint64_t          us;
    migrator_limit_t  limit;

    if (m->down_ms == 0
        || now - m->down_ms < (uint64_t) m->policy->down_after_ms)
    {
        return 0;
    }

    rc = m->driver->probe(m->driver_data, migrator_standby_pair(m).primary,
                          m->state.shard, migrator_limit(m, &limit), &us);

    return rc == MIGRATOR_DOWN;
}


/* one batch back; level: the former primary had everything before it */

static migrator_result_e
migrator_standby_ship(migrator_t *m, int *level)
{
    int               rc;
    uint64_t          position, before;
    migrator_pair_t   pair;
    migrator_limit_t  limit;

    pair = migrator_standby_pair(m);

    rc = m->driver->role(m->driver_data, pair.standby, m->state.shard,
                         MIGRATOR_ROLE_STANDBY, pair.epoch,
                         migrator_limit(m, &limit), &position);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "standby");
    }

    before = position;
    migrator_long_limit(m, &limit);
    limit.epoch = pair.epoch;

    rc = m->driver->ship(m->driver_data, pair.primary, pair.standby,
                         m->state.shard, (uint64_t) m->policy->batch,
                         &limit, &position, &m->state.bytes);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "ship back");
    }

    *level = position - before < (uint64_t) m->policy->batch;

    return MIGRATOR_NEXT;
}
