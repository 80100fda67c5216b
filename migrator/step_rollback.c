
/*
 * The way back.  The phase is stored first, so nobody commits any more; then
 *
 *    the commit's operation id is used up, if any write may have been sent
 *      ▶ held, if the source is to take a new epoch
 *      ▶ the source is unsealed, if it may have been sealed
 *      ▶ requests go to the source again ▶ keys return in reverse order
 *      ▶ the target forgets the shard ▶ rolled-back
 *
 * A source that may have been sealed, or told to hold its queue, is unsealed
 * with epoch + 1, as it was sealed, and the table gets that epoch: a seal that
 * arrives late, of a migrator that slept or from a slow network, is then
 * refused, because a primary is made standby by a greater epoch only.  The
 * shard keeps its owner.
 */


#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "next.h"


/* requests wait no longer than this for a source that does not answer */

#define UNSEAL_MS  2000

#define STEPS_BACK  10


static migrator_result_e migrator_back_to_source(migrator_t *m,
    shard_record_t *rec, uint64_t version);
static int migrator_may_write(const migrator_state_t *state);
static migrator_result_e migrator_abandon(migrator_t *m,
    const char *operation, const shard_record_t *rec, uint64_t version);
static migrator_result_e migrator_park(migrator_t *m, shard_record_t *rec,
    uint64_t version);
static migrator_result_e migrator_unseal(migrator_t *m);
static migrator_result_e migrator_free(migrator_t *m, shard_record_t *rec,
    uint64_t version, int sealed);
static migrator_result_e migrator_unname(migrator_t *m,
    shard_record_t *rec, uint64_t version);
static migrator_result_e migrator_shift_back(migrator_t *m,
    shard_record_t *rec, uint64_t version);
static void migrator_forget(migrator_t *m, const shard_record_t *rec);


migrator_result_e
migrator_step_rollback(migrator_t *m)
{
    int             rc;
    uint64_t        version;
    shard_record_t  rec;

    rc = migrator_look(m, &rec, &version);

    if (rc == SHARDD_NONE) {
        m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state,
                    "the shard does not exist any more");
        return migrator_cut_desert(m);
    }

    if (rc != SHARDD_OK) {
        return migrator_store_rc(m, rc, "shard");
    }

    m->flows = rec.phase != SHARD_HELD;

    switch (migrator_owner(&m->state, &rec)) {

    case MIGRATOR_COMMITTED:

        if (migrator_phase_seen(&m->state, MIGRATOR_COMMIT)) {
            m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state,
                        "was committed all the same: goes on");
            return MIGRATOR_OTHER;
        }

        break;

    case MIGRATOR_OURS:
    case MIGRATOR_SWITCHED:
    case MIGRATOR_RETURNED:
        return migrator_back_to_source(m, &rec, version);

    case MIGRATOR_FOREIGN:
        break;
    }

    m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state,
                "the shard's record is somebody else's: left as it is");

    return MIGRATOR_NEXT;
}


static migrator_result_e
migrator_back_to_source(migrator_t *m, shard_record_t *rec, uint64_t version)
{
    int                sealed, waited;
    migrator_result_e  result, unsealed;

    if (migrator_phase_seen(&m->state, MIGRATOR_COMMIT) && !m->abandoned
        && rec->epoch != migrator_last_epoch(&m->state))
    {
        return migrator_abandon(m, "commit", rec, version);
    }

    if (migrator_may_write(&m->state) && !m->abandoned
        && rec->epoch == m->state.epoch)
    {
        return migrator_abandon(m,
                                migrator_writes(&m->state)
                                ? "switch" : "commit", rec, version);
    }

    if (migrator_owner(&m->state, rec) == MIGRATOR_SWITCHED) {
        result = migrator_write_back(m, rec, version);

        return result == MIGRATOR_NEXT ? migrator_free(m, rec, version, 1)
                                       : result;
    }

    /* a promotion touches its source no sooner than it is committed */

    sealed = m->state.strategy != SHARD_STATELESS
             && (m->state.verb == MIGRATOR_MOVE || migrator_cuts(&m->state))
             && (m->state.source_held
                 || migrator_phase_seen(&m->state, MIGRATOR_SWITCH)
                 || migrator_phase_seen(&m->state, MIGRATOR_FINAL_SYNC));

    if (sealed && rec->phase != SHARD_HELD && rec->epoch == m->state.epoch) {
        return migrator_park(m, rec, version);
    }

    unsealed = sealed ? migrator_unseal(m) : MIGRATOR_NEXT;
    waited = m->io->now_ms(m->io->data) >= m->state.phase_ms + UNSEAL_MS;

    if (unsealed == MIGRATOR_LOST || (unsealed != MIGRATOR_NEXT && !waited)) {
        return unsealed;
    }

    if (rec->phase == SHARD_HELD
        || (sealed && rec->epoch == m->state.epoch))
    {
        return migrator_free(m, rec, version, sealed);
    }

    if (rec->phase == SHARD_SHIFTING) {
        return migrator_shift_back(m, rec, version);
    }

    if (rec->migration == m->state.id) {
        return migrator_unname(m, rec, version);
    }

    if (unsealed != MIGRATOR_NEXT) {
        return unsealed;
    }

    result = migrator_settle(m, MIGRATOR_BACK);

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result == MIGRATOR_NEXT && migrator_cuts(&m->state)) {
        return migrator_cut_forget(m, rec->epoch);
    }

    if (result == MIGRATOR_NEXT) {
        migrator_forget(m, rec);
        result = migrator_next_standbys(m, m->state.shard, rec->epoch);
    }

    return result == MIGRATOR_FAIL ? MIGRATOR_NEXT : result;
}


/* a write of the record whose answer was given up may still be on its way */

static int
migrator_may_write(const migrator_state_t *state)
{
    return migrator_phase_seen(state, MIGRATOR_WARM_UP)
           || migrator_phase_seen(state, MIGRATOR_SHIFT)
           || migrator_phase_seen(state, MIGRATOR_FREEZE)
           || migrator_phase_seen(state, MIGRATOR_HOLD)
           || migrator_phase_seen(state, MIGRATOR_COMMIT);
}


/*
 * Under the commit's own operation id: whichever of the two the store saw
 * first is the only one that happened.  And it changes the table's version,
 * which makes a hold or a step of the shift that comes later a conflict:
 * otherwise one could hold the shard when nobody is there to release it.
 */

static migrator_result_e
migrator_abandon(migrator_t *m, const char *operation,
    const shard_record_t *rec, uint64_t version)
{
    migrator_result_e  result;

    result = migrator_commit(m, operation, &version, rec);

    if (result == MIGRATOR_NEXT) {
        m->abandoned = 1;
        return migrator_wait(m, 0);
    }

    return result;
}


/*
 * An epoch changes while the shard is held: who still sends the old one is
 * refused, finds the shard held in the table, and waits for the new one.
 */

static migrator_result_e
migrator_park(migrator_t *m, shard_record_t *rec, uint64_t version)
{
    migrator_result_e  result;

    rec->phase = SHARD_HELD;
    rec->migration = m->state.id;

    if (!migrator_cuts(&m->state)) {
        memcpy(rec->target, m->state.to, sizeof(rec->target));
    }

    result = migrator_commit(m, "park", &version, rec);

    if (result == MIGRATOR_NEXT) {
        m->published_ms = m->io->now_ms(m->io->data);
        return migrator_wait(m, 0);
    }

    return result;
}


static migrator_result_e
migrator_unseal(migrator_t *m)
{
    int                rc;
    uint64_t           position;
    migrator_limit_t   limit;
    migrator_result_e  result;

    if (m->unsealed) {
        return MIGRATOR_NEXT;
    }

    result = migrator_nodes(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->role(m->driver_data, &m->source, m->state.shard,
                         MIGRATOR_ROLE_PRIMARY, migrator_last_epoch(&m->state),
                         migrator_limit(m, &limit), &position);

    if (rc == MIGRATOR_OK) {
        m->unsealed = 1;
    }

    return migrator_driver_rc(m, rc, "unseal");
}


/* requests go again: all to the source, or as far as they had shifted */

static migrator_result_e
migrator_free(migrator_t *m, shard_record_t *rec, uint64_t version,
    int sealed)
{
    migrator_result_e  result;

    rec->epoch = sealed ? migrator_last_epoch(&m->state) : m->state.epoch;

    if (rec->shift_bp) {
        rec->phase = SHARD_SHIFTING;

    } else {
        rec->phase = SHARD_STEADY;
        rec->migration = 0;
        memset(rec->target, 0, SHARD_NAME_SIZE);
    }

    result = migrator_cuts(&m->state)
             ? migrator_cut_free(m, version, rec)
             : migrator_commit(m, "free", &version, rec);

    if (result == MIGRATOR_NEXT) {

        if (m->published_ms) {
            m->state.hold_ms = m->io->now_ms(m->io->data) - m->published_ms;
        }

        return migrator_wait(m, 0);
    }

    return result;
}


/* it was only mirrored to the target */

static migrator_result_e
migrator_unname(migrator_t *m, shard_record_t *rec, uint64_t version)
{
    migrator_result_e  result;

    rec->migration = 0;
    memset(rec->target, 0, SHARD_NAME_SIZE);

    result = migrator_commit(m, "unname", &version, rec);

    return result == MIGRATOR_NEXT ? migrator_wait(m, 0) : result;
}


static migrator_result_e
migrator_shift_back(migrator_t *m, shard_record_t *rec, uint64_t version)
{
    char               operation[32];
    migrator_result_e  result;

    if (m->back_bp == 0) {
        m->back_bp = (rec->shift_bp + STEPS_BACK - 1) / STEPS_BACK;
    }

    if (rec->shift_bp > m->back_bp) {
        rec->shift_bp = (uint16_t) (rec->shift_bp - m->back_bp);

    } else {
        rec->shift_bp = 0;
        rec->phase = SHARD_STEADY;
        rec->migration = 0;
        memset(rec->target, 0, SHARD_NAME_SIZE);
    }

    snprintf(operation, sizeof(operation), "back.%u", rec->shift_bp);
    result = migrator_commit(m, operation, &version, rec);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    m->state.shift_bp = rec->shift_bp;
    m->dirty = 1;

    return migrator_wait(m, m->policy->shift_back_ms);
}


/*
 * A target that was no standby before frees the room.  One that is silent is
 * not waited for: it is told later, by whoever retires former primaries.
 */

static void
migrator_forget(migrator_t *m, const shard_record_t *rec)
{
    int               rc;
    uint64_t          position;
    migrator_limit_t  limit;

    if (m->state.strategy == SHARD_STATELESS
        || (!migrator_phase_seen(&m->state, MIGRATOR_COPY)
            && !migrator_phase_seen(&m->state, MIGRATOR_SWITCH))
        || migrator_to_standby(&m->state, rec))
    {
        return;
    }

    rc = m->driver->role(m->driver_data, &m->target, m->state.shard,
                         MIGRATOR_ROLE_NONE, rec->epoch,
                         migrator_limit(m, &limit), &position);

    migrator_left(m, rc);
}


void
migrator_left(migrator_t *m, int rc)
{
    if (rc != MIGRATOR_OK && rc != MIGRATOR_REFUSED) {
        m->state.left = 1;
        m->dirty = 1;
    }
}
