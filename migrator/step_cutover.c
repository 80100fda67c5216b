
/*
 * The cutover, in this order and never another:
 *
 *    hold      the table says held: routers park what comes
 *    drain     every live router parks it and has nothing of it in flight:
 *              step_drain.c
 *    final-sync  the source is sealed, its answer is the last position P;
 *              the log up to P arrives at the target
 *    verify    digests of both are equal at P: step_verify.c
 *    commit    epoch + 1, the target is primary: the point of no return
 *    release   the target is opened, the table says steady
 *
 * A position taken before the drain would lose what was in flight.  All of
 * it up to verify is bounded by hold_timeout; beyond that it rolls back.
 */


#include <string.h>

#include "machine.h"


static migrator_result_e migrator_hold_begin(migrator_t *m,
    shard_record_t *rec, uint64_t *version);
static migrator_result_e migrator_held(migrator_t *m,
    const shard_record_t *rec);
static migrator_result_e migrator_seal(migrator_t *m, uint64_t *position);
static void migrator_new_owner(const migrator_state_t *state,
    shard_record_t *rec);
static migrator_result_e migrator_open(migrator_t *m, shard_record_t *rec,
    uint64_t version);
static void migrator_demote(migrator_t *m);


migrator_result_e
migrator_step_hold(migrator_t *m)
{
    uint64_t           version;
    shard_record_t     rec;
    migrator_result_e  result;

    result = migrator_own_record(m, &rec, &version);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (rec.phase != SHARD_HELD) {
        result = migrator_hold_begin(m, &rec, &version);

        if (result != MIGRATOR_NEXT) {
            return result;
        }
    }

    m->published_ms = m->io->now_ms(m->io->data);
    m->state.hold_version = version;

    return MIGRATOR_NEXT;
}


/* what the source has by now is shipped while nobody waits for it */

static migrator_result_e
migrator_hold_begin(migrator_t *m, shard_record_t *rec, uint64_t *version)
{
    migrator_result_e  result;

    result = migrator_check_override(m);

    if (result == MIGRATOR_NEXT && !migrator_writes(&m->state)) {
        result = migrator_ship(m, (uint64_t) m->policy->batch);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (migrator_cuts(&m->state)) {
        return migrator_cut_hold(m, version, rec);
    }

    rec->phase = SHARD_HELD;
    rec->migration = m->state.id;
    memcpy(rec->target, m->state.to, sizeof(rec->target));

    return migrator_commit(m, migrator_phase(m->state.phase)->name, version,
                           rec);
}


/* the record is as it must be between hold and commit */

static migrator_result_e
migrator_held(migrator_t *m, const shard_record_t *rec)
{
    if (migrator_owner(&m->state, rec) > MIGRATOR_SWITCHED
        || rec->phase != SHARD_HELD)
    {
        return migrator_say(m, MIGRATOR_FAIL, "the shard's record was "
                            "changed while it was held");
    }

    return MIGRATOR_NEXT;
}


migrator_result_e
migrator_step_final_sync(migrator_t *m)
{
    uint64_t           version, position;
    shard_record_t     rec;
    migrator_result_e  result;

    if (m->state.verb == MIGRATOR_PROMOTE) {
        return migrator_promote_sync(m);
    }

    result = migrator_record(m, &rec, &version);

    if (result == MIGRATOR_NEXT) {
        result = migrator_held(m, &rec);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result == MIGRATOR_NEXT && migrator_writes(&m->state)) {
        return migrator_write_sync(m);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    result = migrator_seal(m, &position);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    while (!m->positioned || m->state.position < position) {
        result = migrator_ship(m, (uint64_t) m->policy->batch);

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        if (m->io->now_ms(m->io->data) > m->state.hold_at_ms
                                   + (uint64_t) m->policy->hold_timeout_ms)
        {
            return migrator_wait(m, 0);
        }
    }

    if (m->state.position > position) {
        return migrator_say(m, MIGRATOR_FAIL, "target is at %llu, the sealed "
                            "source at %llu",
                            (unsigned long long) m->state.position,
                            (unsigned long long) position);
    }

    return MIGRATOR_NEXT;
}


/*
 * Before anything else is shipped the target takes its next epoch as a
 * standby: a request that some earlier attempt left on its way can then not
 * take its data away any more.  The source is sealed with the next epoch, not
 * its own: the request that once opened it, arriving late, would open it again
 * behind its position, which is *position.
 */

static migrator_result_e
migrator_seal(migrator_t *m, uint64_t *position)
{
    int                  rc;
    uint64_t             at[2];
    migrator_limit_t     limit;
    const shard_id_t     shards[2] = {
        m->state.shard, migrator_at_target(&m->state)
    };
    const shard_node_t  *nodes[2] = { &m->source, &m->target };

    at[0] = at[1] = 0;

    if (m->driver->seal && m->state.verb != MIGRATOR_MERGE) {
        rc = m->driver->seal(m->driver_data, nodes, shards,
                             m->state.epoch + 1, migrator_limit(m, &limit),
                             at);

    } else {
        rc = MIGRATOR_OK;

        if (m->state.verb != MIGRATOR_MERGE) {
            rc = m->driver->role(m->driver_data, nodes[1], shards[1],
                                 MIGRATOR_ROLE_STANDBY, m->state.epoch + 1,
                                 migrator_limit(m, &limit), &at[1]);
        }

        if (rc == MIGRATOR_OK) {
            rc = m->driver->role(m->driver_data, nodes[0], shards[0],
                                 MIGRATOR_ROLE_STANDBY, m->state.epoch + 1,
                                 migrator_limit(m, &limit), &at[0]);
        }
    }

    if (rc == MIGRATOR_OK && m->state.verb != MIGRATOR_MERGE) {
        m->state.position = at[1];
        m->positioned = 1;
    }

    *position = at[0];

    return migrator_driver_rc(m, rc, "seal");
}


/*
 * The target is no standby any more, the source becomes the first one; but a
 * dead one may have writes that nobody else has, and is none.
 */

static void
migrator_new_owner(const migrator_state_t *state, shard_record_t *rec)
{
    unsigned  i, n;
    char      standbys[SHARD_STANDBYS_MAX][SHARD_NAME_SIZE];

    memset(standbys, 0, sizeof(standbys));
    n = 0;

    if (state->strategy != SHARD_STATELESS && state->verb == MIGRATOR_MOVE) {
        memcpy(standbys[n++], state->from, SHARD_NAME_SIZE);
    }

    for (i = 0; i < rec->nstandbys && n < SHARD_STANDBYS_MAX; i++) {
        if (strcmp(rec->standbys[i], state->to) != 0
            && strcmp(rec->standbys[i], state->from) != 0)
        {
            memcpy(standbys[n++], rec->standbys[i], SHARD_NAME_SIZE);
        }
    }

    memcpy(rec->standbys, standbys, sizeof(standbys));
    rec->nstandbys = (uint8_t) n;

    rec->epoch = migrator_last_epoch(state);
    rec->shift_bp = 0;
    memcpy(rec->primary, state->to, SHARD_NAME_SIZE);
    memset(rec->target, 0, SHARD_NAME_SIZE);
}


/* whether it happened is read from the table, never concluded */

migrator_result_e
migrator_step_commit(migrator_t *m)
{
    uint64_t           version;
    shard_record_t     rec;
    migrator_result_e  result;

    if (m->state.verb == MIGRATOR_REPLICATE) {
        return migrator_replicate_commit(m);
    }

    if (migrator_cuts(&m->state)) {
        return migrator_cut_commit(m);
    }

    result = migrator_record(m, &rec, &version);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (migrator_owner(&m->state, &rec) == MIGRATOR_COMMITTED) {
        m->committed = rec;
        m->committed_version = version;
        return MIGRATOR_NEXT;
    }

    if (m->state.strategy == SHARD_STATELESS
        || m->state.verb == MIGRATOR_PROMOTE)
    {
        if (migrator_owner(&m->state, &rec) != MIGRATOR_OURS) {
            return migrator_say(m, MIGRATOR_FAIL, "the shard's record was "
                                "changed meanwhile");
        }

        rec.phase = SHARD_STEADY;
        rec.migration = 0;

        if (m->state.strategy != SHARD_STATELESS) {
            rec.phase = SHARD_HELD;
            rec.migration = m->state.id;
        }

    } else {
        result = migrator_held(m, &rec);

        if (result != MIGRATOR_NEXT) {
            return result;
        }
    }

    migrator_new_owner(&m->state, &rec);

    result = migrator_commit(m, "commit", &version, &rec);

    return result == MIGRATOR_NEXT ? migrator_wait(m, 0) : result;
}


migrator_result_e
migrator_step_release(migrator_t *m)
{
    uint64_t           version, now, since;
    shard_record_t     rec;
    migrator_result_e  result;

    /* as the commit saw it, once: the version tells when it is so no more */

    rec = m->committed;
    version = m->committed_version;
    m->committed_version = 0;

    if (version == 0) {
        result = migrator_record(m, &rec, &version);

        if (result != MIGRATOR_NEXT) {
            return result;
        }
    }

    if (migrator_owner(&m->state, &rec) == MIGRATOR_COMMITTED
        && rec.migration == m->state.id)
    {
        return migrator_cuts(&m->state) ? migrator_cut_open(m, &rec, version)
                                        : migrator_open(m, &rec, version);
    }

    /* released, or in other hands already */

    if ((m->state.hold_ms == 0 || migrator_writes(&m->state))
        && m->state.hold_at_ms)
    {
        now = m->released_ms ? m->released_ms : m->io->now_ms(m->io->data);
        since = m->published_ms ? m->published_ms : m->state.hold_at_ms;
        m->state.hold_ms += now > since ? now - since : 0;
    }

    migrator_demote(m);

    return m->state.verb == MIGRATOR_PROMOTE
           ? migrator_settle(m, MIGRATOR_MOVED) : MIGRATOR_NEXT;
}


static migrator_result_e
migrator_open(migrator_t *m, shard_record_t *rec, uint64_t version)
{
    int                rc;
    uint64_t           position;
    migrator_limit_t   limit;
    migrator_result_e  result;

    result = migrator_nodes(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (m->state.verb == MIGRATOR_PROMOTE) {
        result = migrator_promote_known(m, version);

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        migrator_promote_others(m, rec);
    }

    if (m->state.strategy != SHARD_STATELESS) {
        rc = m->driver->role(m->driver_data, &m->target, m->state.shard,
                             MIGRATOR_ROLE_PRIMARY,
                             migrator_last_epoch(&m->state),
                             migrator_limit(m, &limit), &position);

        if (rc != MIGRATOR_OK) {
            return migrator_driver_rc(m, rc, "open");
        }
    }

    rec->phase = SHARD_STEADY;
    rec->migration = 0;

    result = migrator_commit(m, "release", &version, rec);

    if (result == MIGRATOR_NEXT) {
        m->released_ms = m->io->now_ms(m->io->data);
        return migrator_wait(m, 0);
    }

    return result;
}


/*
 * The former primary's new epoch shuts out whoever still believes in the old
 * one; it is sealed already, so that it need not be reachable now, and nobody
 * waits for it.  A dead one is told by fence.c.
 */

static void
migrator_demote(migrator_t *m)
{
    uint64_t          position;
    migrator_limit_t  limit;

    if (m->state.strategy != SHARD_STATELESS
        && m->state.verb == MIGRATOR_MOVE
        && migrator_nodes(m) == MIGRATOR_NEXT)
    {
        (void) m->driver->role(m->driver_data, &m->source, m->state.shard,
                               MIGRATOR_ROLE_STANDBY,
                               migrator_last_epoch(&m->state),
                               migrator_limit(m, &limit), &position);
    }
}
