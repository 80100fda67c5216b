
/*
 * How long a call of a step may take, and what is done meanwhile.
 */


#include <string.h>

#include "../src/daemon/shardd_store.h"
#include "machine.h"


/* between two looks during a long request */

#define TICK_WISH_MS  500

/* and between two writes of figures */

#define TICK_SAVE_MS  1000


static int migrator_tick(void *data);
static int migrator_tick_save(migrator_t *m, uint64_t now);
static int migrator_tick_wish(migrator_t *m, uint64_t now);


/*
 * Called during long requests: keeps the claim, and ends the request when
 * it was lost, when an operator wants it to pause or to end, or when nobody
 * waits for its end any more.
 */

static int
migrator_tick(void *data)
{
    migrator_t  *m = data;

    int       rc;
    uint64_t  now, token;

    now = m->io->now_ms(m->io->data);

    if (now - m->renewed_ms >= (uint64_t) m->policy->claim_ttl_ms / 5) {
        token = m->token;
        rc = m->io->claim(m->io->data, m->state.shard,
                          m->policy->claim_ttl_ms, &token);

        if (rc == SHARDD_FENCED) {
            m->lost = 1;
            return 1;
        }

        if (rc == SHARDD_OK) {
            m->renewed_ms = now;

            if (migrator_cut_claim(m, m->policy->claim_ttl_ms)
                == MIGRATOR_LOST)
            {
                return 1;
            }
        }
    }

    if (now - m->saved_ms >= TICK_SAVE_MS && migrator_tick_save(m, now)) {
        return 1;
    }

    return migrator_tick_wish(m, now) || m->io->stopping(m->io->data);
}


/*
 * Figures for those who watch.  Where it is not known whether the write
 * happened the next one is a conflict, and the machine reads it again.
 */

static int
migrator_tick_save(migrator_t *m, uint64_t now)
{
    int               rc;
    migrator_state_t  same;

    same = m->state;
    rc = m->io->put(m->io->data, m->token, &same);
    m->saved_ms = now;

    if (rc == SHARDD_OK) {
        m->state.seq = same.seq;
    }

    m->lost |= rc == SHARDD_FENCED;

    return m->lost;
}


/* 1: it is to pause or to end, and may do so in this phase */

static int
migrator_tick_wish(migrator_t *m, uint64_t now)
{
    int       rc;
    char      wish[16];
    unsigned  flags;

    flags = migrator_phase(m->state.phase)->flags;

    if (!(flags & (MIGRATOR_ABORTS|MIGRATOR_PAUSES))
        || now - m->wish_ms < TICK_WISH_MS)
    {
        return 0;
    }

    rc = m->io->wish(m->io->data, m->state.id, wish, sizeof(wish));
    m->wish_ms = now;

    if (rc != SHARDD_OK
        || !(((flags & MIGRATOR_ABORTS) && strcmp(wish, "rollback") == 0)
             || ((flags & MIGRATOR_PAUSES) && strcmp(wish, "pause") == 0)))
    {
        return 0;
    }

    /* the loop looks at once */

    m->wish_ms = 0;

    return 1;
}


/* what the target was told last: final-sync begins with its next epoch */

static uint32_t
migrator_target_epoch(const migrator_t *m)
{
    if (migrator_write_moves(&m->state)) {
        return m->state.epoch + 1;
    }

    return m->state.phase >= MIGRATOR_FINAL_SYNC
           ? migrator_last_epoch(&m->state) : m->state.epoch;
}


/* of the primary that a split or merge writes to */

static uint64_t
migrator_cut_token(const migrator_t *m)
{
    if (!migrator_cuts(&m->state)) {
        return 0;
    }

    return m->state.verb == MIGRATOR_MERGE ? m->into_token : m->token;
}


const migrator_limit_t *
migrator_limit(migrator_t *m, migrator_limit_t *buf)
{
    uint64_t  now, end;

    memset(buf, 0, sizeof(migrator_limit_t));
    buf->timeout_ms = m->policy->request_timeout_ms;
    buf->epoch = migrator_target_epoch(m);
    buf->token = migrator_cut_token(m);

    if (migrator_phase(m->state.phase)->flags & MIGRATOR_IN_HOLD) {
        now = m->io->now_ms(m->io->data);
        end = m->state.hold_at_ms + (uint64_t) m->policy->hold_timeout_ms;

        if (end < now + (uint64_t) buf->timeout_ms) {
            buf->timeout_ms = end > now ? (long) (end - now) : 1;
        }

    } else if (m->state.phase == MIGRATOR_ROLLING_BACK && m->flows) {

        /* what is left to do has the time that a slow node needs */

        buf->tick = migrator_tick;
        buf->data = m;

    } else if (migrator_phase(m->state.phase)->flags & MIGRATOR_CUTOVER) {

        /* the lease must outlive a request */

        if (buf->timeout_ms > m->policy->cutover_ttl_ms / 2) {
            buf->timeout_ms = m->policy->cutover_ttl_ms / 2;
        }
    }

    return buf;
}


const migrator_limit_t *
migrator_settle_limit(migrator_t *m, migrator_limit_t *buf)
{
    (void) migrator_limit(m, buf);

    if (m->flows || !(migrator_phase(m->state.phase)->flags
                      & MIGRATOR_CUTOVER))
    {
        buf->timeout_ms = MIGRATOR_SETTLE_MS;
        buf->tick = migrator_tick;
        buf->data = m;
    }

    return buf;
}


const migrator_limit_t *
migrator_fill_limit(migrator_t *m, migrator_limit_t *buf)
{
    memset(buf, 0, sizeof(migrator_limit_t));
    buf->timeout_ms = m->policy->timeout_ms[MIGRATOR_FILL];
    buf->epoch = migrator_target_epoch(m);
    buf->tick = migrator_tick;
    buf->data = m;

    return buf;
}


const migrator_limit_t *
migrator_long_limit(migrator_t *m, migrator_limit_t *buf)
{
    if (migrator_phase(m->state.phase)->flags & MIGRATOR_CUTOVER) {
        return migrator_limit(m, buf);
    }

    memset(buf, 0, sizeof(migrator_limit_t));
    buf->timeout_ms = m->policy->timeout_ms[m->state.phase];
    buf->epoch = migrator_target_epoch(m);
    buf->token = migrator_cut_token(m);
    buf->tick = migrator_tick;
    buf->data = m;

    return buf;
}
