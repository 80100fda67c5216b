
/*
 * Copy-on-write: writes go to the target before its copy is there.
 *
 *             source n1                   table                target n2
 *   freeze    primary E                   held    E            -
 *   settle    nothing in flight           held    E            -
 *   switch    fallback E+1, at P          held    E            filling E+1, at P
 *             fallback E+1                SHIFTING E+1, to n2  filling E+1
 *   fill      snapshot ──────────────────────────────────────▶ what is missing
 *             ◀────────────────────────── log from P on ────── writes, deletions
 *   hold ..   fallback E+1                held    E+1          filling E+1
 *   final-sync  has all up to Q ◀──────────────────────────── sealed at Q
 *   verify    digest at Q        =        =       =            digest at Q
 *   commit    standby E+2                 held    E+2, n2      primary E+2
 *
 * From the switch on writes are acknowledged by the target alone, until its
 * log brings them back; so neither node is the whole shard, and there are
 * two ways out, which end alike: hold, drain, seal the target, ship what is
 * left of its log, and then commit (forward), or open the source (back).
 * Both give the owner epoch E+2, and what was sent for E or E+1 is refused.
 * A write is never lost: the way back waits for a target that is silent,
 * and holds requests no longer than hold_timeout at a time.
 *
 * Before the switch's write to the table no router sends the target a
 * write, so there it is undone by the source's own epoch E+2 alone; whether
 * that write happened is settled by its operation id (step_rollback.c);
 * the way back from behind it is step_write_back.c.
 */


#include <string.h>

#include "machine.h"


static migrator_result_e migrator_write_publish(migrator_t *m,
    shard_record_t *rec, uint64_t version);
static migrator_result_e migrator_write_fill(migrator_t *m);
static migrator_result_e migrator_write_again(migrator_t *m);


int
migrator_write_moves(const migrator_state_t *state)
{
    if (!migrator_writes(state)) {
        return 0;
    }

    return (state->phase >= MIGRATOR_SWITCH
            && state->phase <= MIGRATOR_VERIFY)
           || (state->phase == MIGRATOR_ROLLING_BACK
               && migrator_phase_seen(state, MIGRATOR_SWITCH));
}


migrator_result_e
migrator_step_switch(migrator_t *m)
{
    int                rc;
    uint64_t           version, position, now, since;
    shard_record_t     rec;
    migrator_owner_e   owner;
    migrator_limit_t   limit;
    migrator_result_e  result;

    result = migrator_record(m, &rec, &version);

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    owner = migrator_owner(&m->state, &rec);

    if (owner == MIGRATOR_SWITCHED && rec.phase == SHARD_SHIFTING) {
        now = m->io->now_ms(m->io->data);
        since = m->published_ms ? m->published_ms : m->state.hold_at_ms;
        m->state.hold_ms = now > since ? now - since : 0;

        return MIGRATOR_NEXT;
    }

    if (owner != MIGRATOR_OURS || rec.phase != SHARD_HELD) {
        return migrator_say(m, MIGRATOR_FAIL, "the shard's record was "
                            "changed while it was held");
    }

    position = 0;
    rc = m->driver->mode(m->driver_data, &m->source, m->state.shard,
                         MIGRATOR_ROLE_STANDBY, MIGRATOR_MODE_FALLBACK,
                         m->state.epoch + 1, migrator_limit(m, &limit),
                         &position);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "seal");
    }

    m->state.position = position;
    result = migrator_write_part(m, MIGRATOR_ROLE_PRIMARY, &position);

    return result == MIGRATOR_NEXT ? migrator_write_publish(m, &rec, version)
                                   : result;
}


/* a target that was a standby has given up what it had as one */

static migrator_result_e
migrator_write_publish(migrator_t *m, shard_record_t *rec, uint64_t version)
{
    unsigned           i, n;
    migrator_result_e  result;

    for (i = 0, n = 0; i < rec->nstandbys; i++) {
        if (strcmp(rec->standbys[i], m->state.to) != 0) {
            memmove(rec->standbys[n++], rec->standbys[i], SHARD_NAME_SIZE);
        }
    }

    memset(rec->standbys[n], 0, (SHARD_STANDBYS_MAX - n) * SHARD_NAME_SIZE);
    rec->nstandbys = (uint8_t) n;

    rec->phase = SHARD_SHIFTING;
    rec->epoch = m->state.epoch + 1;
    rec->shift_bp = 0;

    result = migrator_commit(m, "switch", &version, rec);

    return result == MIGRATOR_NEXT ? migrator_wait(m, 0) : result;
}


migrator_result_e
migrator_step_fill(migrator_t *m)
{
    uint64_t           version, lag;
    shard_record_t     rec;
    migrator_result_e  result;

    result = migrator_own_record(m, &rec, &version);

    if (result == MIGRATOR_NEXT) {
        result = migrator_check_override(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result == MIGRATOR_NEXT && m->state.copies == 0) {
        result = migrator_write_fill(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_write_level(m, &lag);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    return lag <= (uint64_t) m->policy->catch_up_lag ? MIGRATOR_NEXT
                                                     : migrator_wait(m, 0);
}


static migrator_result_e
migrator_write_fill(migrator_t *m)
{
    int               rc;
    migrator_limit_t  limit;

    rc = m->driver->fill(m->driver_data, &m->source, &m->target,
                         m->state.shard,
                         m->state.phase == MIGRATOR_FILL
                         ? migrator_copy_limit(m, &limit)
                         : migrator_fill_limit(m, &limit),
                         &m->state.bytes);

    if (rc == MIGRATOR_OK) {
        m->state.copies = 1;
        m->dirty = 1;
    }

    return migrator_driver_rc(m, rc, "fill");
}


/* a batch of the target's log to the source; lag: what is left of it */

migrator_result_e
migrator_write_level(migrator_t *m, uint64_t *lag)
{
    int                rc;
    uint64_t           position;
    migrator_limit_t   limit;
    migrator_stats_t   stats;
    migrator_result_e  result;

    result = migrator_write_ship(m, &position);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->stats(m->driver_data, &m->target, m->state.shard,
                          migrator_limit(m, &limit), &stats);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "target");
    }

    *lag = stats.position > position ? stats.position - position : 0;

    return MIGRATOR_NEXT;
}


/* the source's own word is the position to ship from */

migrator_result_e
migrator_write_ship(migrator_t *m, uint64_t *position)
{
    int               rc;
    uint64_t          before;
    migrator_limit_t  limit;
    migrator_stats_t  stats;

    rc = m->driver->stats(m->driver_data, &m->source, m->state.shard,
                          migrator_limit(m, &limit), &stats);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "source");
    }

    before = *position = stats.position;

    rc = m->driver->ship(m->driver_data, &m->target, &m->source,
                         m->state.shard, (uint64_t) m->policy->batch,
                         migrator_long_limit(m, &limit), position,
                         &m->state.bytes);

    if (rc == MIGRATOR_GONE) {
        return migrator_write_again(m);
    }

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "ship back");
    }

    m->state.shipped += *position - before;
    m->dirty = 1;

    return MIGRATOR_NEXT;
}


/*
 * The target's log does not go back that far any more: it is made whole
 * first, then the source gets all of it anew.
 */

static migrator_result_e
migrator_write_again(migrator_t *m)
{
    int                rc;
    uint64_t           position;
    migrator_limit_t   limit;
    migrator_result_e  result;

    if ((migrator_phase(m->state.phase)->flags & MIGRATOR_IN_HOLD)
        || (m->state.phase == MIGRATOR_ROLLING_BACK && m->published_ms))
    {
        return migrator_say(m, MIGRATOR_FAIL, "the log of %s was trimmed",
                            m->state.to);
    }

    if (m->state.copies == 0) {
        result = migrator_write_fill(m);

        if (result != MIGRATOR_NEXT) {
            return result;
        }
    }

    rc = m->driver->copy(m->driver_data, &m->target, &m->source,
                         m->state.shard, migrator_fill_limit(m, &limit),
                         &position, &m->state.bytes);

    return rc == MIGRATOR_OK ? migrator_wait(m, 0)
                             : migrator_driver_rc(m, rc, "copy back");
}


/* sealed and open again it keeps what it has */

migrator_result_e
migrator_write_part(migrator_t *m, migrator_role_e role, uint64_t *position)
{
    int               rc;
    migrator_limit_t  limit;

    rc = m->driver->mode(m->driver_data, &m->target, m->state.shard, role,
                         MIGRATOR_MODE_FILLING, m->state.epoch + 1,
                         migrator_limit(m, &limit), position);

    return migrator_driver_rc(m, rc, role == MIGRATOR_ROLE_PRIMARY
                                     ? "target" : "seal the target");
}


/* sealed at Q, and all up to Q at the source */

migrator_result_e
migrator_write_sync(migrator_t *m)
{
    uint64_t           last, position;
    migrator_result_e  result;

    last = 0;
    result = migrator_write_part(m, MIGRATOR_ROLE_STANDBY, &last);

    if (result == MIGRATOR_NEXT) {
        result = migrator_write_ship(m, &position);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (position < last) {
        return migrator_wait(m, 0);
    }

    if (position > last) {
        return migrator_say(m, MIGRATOR_FAIL, "source is at %llu, the sealed "
                            "target at %llu", (unsigned long long) position,
                            (unsigned long long) last);
    }

    m->state.position = last;

    return MIGRATOR_NEXT;
}
