
/*
 * Before every step: is the migration still ours, wanted, in time?
 */


#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "machine.h"


#define WISH_MS  100
#define SAVE_MS  1000


static migrator_result_e migrator_wishes(migrator_t *m);
static migrator_result_e migrator_expired(migrator_t *m);


migrator_result_e
migrator_attend(migrator_t *m)
{
    migrator_result_e  result;

    result = migrator_renew(m);

    if (result == MIGRATOR_NEXT) {
        result = migrator_wishes(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_expired(m);
    }

    if (result == MIGRATOR_NEXT && m->dirty
        && m->io->now_ms(m->io->data) - m->saved_ms >= SAVE_MS)
    {
        result = migrator_save(m);
    }

    return result;
}


/*
 * While requests wait the lease is short, so that another migrator is there
 * before the routers' own patience ends.
 */

migrator_result_e
migrator_renew(migrator_t *m)
{
    int       rc;
    long      ttl, every;
    uint64_t  now, token;

    ttl = m->policy->claim_ttl_ms;

    if (migrator_phase(m->state.phase)->flags & MIGRATOR_CUTOVER) {
        ttl = m->policy->cutover_ttl_ms;
    }

    now = m->io->now_ms(m->io->data);
    every = ttl / 5;

    /* another length of the lease counts at once: before the hold begins */

    if (m->lease_ms == ttl && now - m->renewed_ms < (uint64_t) every) {
        return MIGRATOR_NEXT;
    }

    token = m->token;
    rc = m->io->claim(m->io->data, m->state.shard, ttl, &token);

    if (rc == 0) {
        m->renewed_ms = now;
        m->lease_ms = ttl;

        /* not renewed while the other one's is not: it is tried again */

        if (migrator_cut_claim(m, ttl) != MIGRATOR_NEXT) {
            m->lease_ms = 0;
            return m->lost ? MIGRATOR_LOST : MIGRATOR_RETRY;
        }

        return MIGRATOR_NEXT;
    }

    return migrator_store_rc(m, rc, "claim");
}


static migrator_result_e
migrator_wishes(migrator_t *m)
{
    int                      rc;
    char                     wish[16];
    uint64_t                 now;
    const migrator_phase_t  *row;

    row = migrator_phase(m->state.phase);
    now = m->io->now_ms(m->io->data);

    if (!(row->flags & (MIGRATOR_PAUSES|MIGRATOR_ABORTS))
        || m->state.phase == MIGRATOR_COMMIT)
    {
        return MIGRATOR_NEXT;
    }

    if (m->wish_ms == 0 || now - m->wish_ms >= WISH_MS) {
        rc = m->io->wish(m->io->data, m->state.id, wish, sizeof(wish));

        if (rc) {
            return migrator_store_rc(m, rc, "wish");
        }

        m->wish_ms = now;

        if (strcmp(wish, "rollback") == 0) {
            m->io->audit(m->io->data, &m->state, wish, 0, 1);
            return migrator_say(m, MIGRATOR_FAIL, MIGRATOR_WISHED);
        }

        if (m->paused && strcmp(wish, "pause") != 0) {
            m->paused = 0;
            m->started_ms = now;
            m->down_ms = 0;
            m->windows_bad = 0;
            memset(m->samples, 0, sizeof(m->samples));
            m->io->audit(m->io->data, &m->state, "resume", 0, 1);
            m->io->note(m->io->data, SHARDD_LOG_INFO, &m->state, "goes on");

        } else if (!m->paused && strcmp(wish, "pause") == 0) {
            m->paused = 1;
            m->io->audit(m->io->data, &m->state, wish, 0, 1);
            m->io->note(m->io->data, SHARDD_LOG_INFO, &m->state, "paused");
        }
    }

    if (m->paused && (row->flags & MIGRATOR_PAUSES)) {
        return migrator_wait(m, WISH_MS);
    }

    return MIGRATOR_NEXT;
}


static migrator_result_e
migrator_expired(migrator_t *m)
{
    long                     timeout;
    char                     err[MIGRATOR_ERR_SIZE];
    uint64_t                 since;
    const migrator_phase_t  *row;

    row = migrator_phase(m->state.phase);

    if (!(row->flags & MIGRATOR_EXPIRES)) {
        return MIGRATOR_NEXT;
    }

    if (row->flags & MIGRATOR_IN_HOLD) {
        timeout = m->policy->hold_timeout_ms;
        since = m->state.hold_at_ms;

    } else {
        timeout = m->policy->timeout_ms[m->state.phase];
        since = m->started_ms;
    }

    if (m->io->now_ms(m->io->data) < since + (uint64_t) timeout) {
        return MIGRATOR_NEXT;
    }

    memcpy(err, m->err, sizeof(err));

    return migrator_say(m, MIGRATOR_FAIL, "not within %ld ms%s%s",
                        timeout, err[0] ? ": " : "", err);
}
