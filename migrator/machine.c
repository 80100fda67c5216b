
/*
 * Runs one migration: a look around (machine_attend.c), step, next phase.
 */


#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "machine.h"


#define COMPLAIN_MS      10000
#define BACKOFF_MIN_MS   5
#define BACKOFF_MAX_MS   500


static migrator_result_e migrator_phase_run(migrator_t *m,
    migrator_step_e step);
static migrator_result_e migrator_may_hold(migrator_t *m);
static migrator_result_e migrator_take(migrator_t *m,
    migrator_result_e result);
static migrator_result_e migrator_move(migrator_t *m, migrator_phase_e to);
static migrator_result_e migrator_store(migrator_t *m,
    migrator_state_t *state);
static void migrator_not_later(uint64_t *ms, uint64_t now);
static void migrator_fresh_phase(migrator_t *m);
static void migrator_retry(migrator_t *m);
static void migrator_backoff(migrator_t *m);
static uint64_t migrator_now(migrator_t *m);


static const migrator_step_pt  migrator_steps[MIGRATOR_STEPS] = {
    [MIGRATOR_STEP_NONE] = NULL,
    [MIGRATOR_STEP_CHECK] = migrator_step_check,
    [MIGRATOR_STEP_COPY] = migrator_step_copy,
    [MIGRATOR_STEP_CATCH_UP] = migrator_step_catch_up,
    [MIGRATOR_STEP_WARM_UP] = migrator_step_warm_up,
    [MIGRATOR_STEP_SHIFT] = migrator_step_shift,
    [MIGRATOR_STEP_CONSUME] = migrator_step_consume,
    [MIGRATOR_STEP_SWITCH] = migrator_step_switch,
    [MIGRATOR_STEP_FILL] = migrator_step_fill,
    [MIGRATOR_STEP_HOLD] = migrator_step_hold,
    [MIGRATOR_STEP_DRAIN] = migrator_step_drain,
    [MIGRATOR_STEP_FINAL_SYNC] = migrator_step_final_sync,
    [MIGRATOR_STEP_VERIFY] = migrator_step_verify,
    [MIGRATOR_STEP_COMMIT] = migrator_step_commit,
    [MIGRATOR_STEP_RELEASE] = migrator_step_release,
    [MIGRATOR_STEP_STANDBY] = migrator_step_standby,
    [MIGRATOR_STEP_ROLLBACK] = migrator_step_rollback,
};


/* a moment of a migrator whose clock is ahead of ours */

static void
migrator_not_later(uint64_t *ms, uint64_t now)
{
    if (*ms > now) {
        *ms = now;
    }
}


/*
 * A migration taken over begins with a write of its own: it carries the new
 * claim's token, so that the former migrator's next write is refused.
 */

migrator_end_e
migrator_run(migrator_t *m)
{
    migrator_result_e        result;
    const migrator_phase_t  *row;

    migrator_fresh_phase(m);
    migrator_not_later(&m->state.phase_ms, m->started_ms);
    migrator_not_later(&m->state.hold_at_ms, m->started_ms);
    migrator_cut_begin(m);
    result = migrator_save(m);

    for ( ;; ) {
        row = migrator_phase(m->state.phase);

        if (m->lost || result == MIGRATOR_LOST) {
            m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state,
                        "let go: another migrator has the shard's claim");
            return MIGRATOR_LET_GO;
        }

        if (row->kind == MIGRATOR_TERMINAL) {
            (void) migrator_hooks(m, MIGRATOR_BEFORE);
            (void) migrator_hooks(m, MIGRATOR_AFTER);
            migrator_cut_release(m);
            (void) m->io->release(m->io->data, m->state.shard, m->token);
            return MIGRATOR_ENDED;
        }

        if ((row->flags & MIGRATOR_LEAVES) && m->io->stopping(m->io->data)) {
            migrator_cut_release(m);
            (void) m->io->release(m->io->data, m->state.shard, m->token);
            return MIGRATOR_LEFT;
        }

        result = migrator_attend(m);

        if (result == MIGRATOR_NEXT) {

            if (!m->entered) {
                m->io->point(m->io->data, m->state.phase, 0);
            }

            m->entered = 1;
            result = migrator_phase_run(m, row->step);
        }

        result = migrator_take(m, result);
    }
}


/* hooks, work, hooks; each is over when it says NEXT */

static migrator_result_e
migrator_phase_run(migrator_t *m, migrator_step_e step)
{
    migrator_result_e  result;

    if (!m->begun) {
        result = migrator_hooks(m, MIGRATOR_BEFORE);

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        m->begun = 1;
    }

    if (!m->worked) {
        result = step == MIGRATOR_STEP_NONE ? MIGRATOR_NEXT
                                            : migrator_steps[step](m);

        if (result == MIGRATOR_NEXT) {
            result = migrator_may_hold(m);
        }

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        m->worked = 1;
    }

    return migrator_hooks(m, MIGRATOR_AFTER);
}


/* the phase's work goes on until requests may wait, if that is what is next */

static migrator_result_e
migrator_may_hold(migrator_t *m)
{
    unsigned  now, next;

    now = migrator_phase(m->state.phase)->flags;
    next = migrator_phase(migrator_phase_next(&m->state))->flags;

    return (next & MIGRATOR_IN_HOLD) && !(now & MIGRATOR_IN_HOLD)
           ? migrator_routers_back(m) : MIGRATOR_NEXT;
}


/* acts on what a step, or the look around before it, came to */

static migrator_result_e
migrator_take(migrator_t *m, migrator_result_e result)
{
    const migrator_phase_t  *row;

    row = migrator_phase(m->state.phase);

    if (m->lost) {
        return MIGRATOR_LOST;
    }

    switch (result) {

    case MIGRATOR_NEXT:
        m->io->point(m->io->data, m->state.phase, 1);
        return migrator_move(m, migrator_phase_next(&m->state));

    case MIGRATOR_OTHER:
        m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, m->err);
        return migrator_move(m, row->other == MIGRATOR_PHASE_NONE
                                ? MIGRATOR_ROLLING_BACK : row->other);

    case MIGRATOR_WAIT:
        m->backoff_ms = 0;
        m->down_ms = 0;

        if (m->wait_ms) {
            m->io->sleep_ms(m->io->data, m->wait_ms);
        }

        return MIGRATOR_NEXT;

    case MIGRATOR_RETRY:
        migrator_retry(m);
        return MIGRATOR_NEXT;

    case MIGRATOR_FAIL:

        if (!(row->flags & MIGRATOR_ABORTS)) {
            migrator_retry(m);
            return MIGRATOR_NEXT;
        }

        return migrator_move(m, MIGRATOR_ROLLING_BACK);

    case MIGRATOR_LOST:
        break;
    }

    return MIGRATOR_LOST;
}


/* the first failure in a row, and each that follows a long wait */

static void
migrator_retry(migrator_t *m)
{
    uint64_t  now;
    char      text[MIGRATOR_ERR_SIZE + 32];

    now = migrator_now(m);
    m->noded = 0;

    if (m->backoff_ms == 0 || now - m->complained_ms >= COMPLAIN_MS) {
        snprintf(text, sizeof(text), "trying again: %s", m->err);
        m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, text);
        m->complained_ms = now;
    }

    migrator_backoff(m);
}


static void
migrator_backoff(migrator_t *m)
{
    long  most;

    most = (migrator_phase(m->state.phase)->flags & MIGRATOR_IN_HOLD)
           ? 20 : BACKOFF_MAX_MS;

    m->backoff_ms = m->backoff_ms ? m->backoff_ms * 2 : BACKOFF_MIN_MS;

    if (m->backoff_ms > most) {
        m->backoff_ms = most;
    }

    m->io->sleep_ms(m->io->data, m->backoff_ms);
}


static uint64_t
migrator_now(migrator_t *m)
{
    return m->io->now_ms(m->io->data);
}


/* what a phase's run keeps is found out again */

static void
migrator_fresh_phase(migrator_t *m)
{
    m->started_ms = migrator_now(m);
    m->entered = 0;
    m->begun = 0;
    m->worked = 0;
    m->hooked = 0;
    m->positioned = 0;
    m->backoff_ms = 0;
    m->stepped_ms = 0;
    m->window_ms = 0;
    m->windows_bad = 0;
    m->back_bp = 0;
    m->nrequired = 0;
    m->down_ms = 0;
    m->probed = 0;
    m->mirrors = 0;
    m->silent = 0;
    m->returns = 0;
    m->flows = 0;
    m->parted = 0;
    m->repairs = 0;
    m->repair = 0;
    m->dropped = 0;
    m->next[0] = '\0';

    m->strain = 0;

    memset(&m->pace, 0, sizeof(m->pace));
    memset(m->samples, 0, sizeof(m->samples));
}


/* the phase is stored before its work begins */

static migrator_result_e
migrator_move(migrator_t *m, migrator_phase_e to)
{
    int                error;
    char               text[MIGRATOR_ERR_SIZE];
    uint64_t           took_ms;
    migrator_phase_e   was;
    migrator_state_t   next;
    migrator_result_e  result;

    next = m->state;
    was = m->state.phase;
    took_ms = migrator_now(m) - m->started_ms;
    error = to == MIGRATOR_ROLLING_BACK;

    if (error && next.error[0] == '\0') {
        snprintf(next.error, sizeof(next.error), "%s: %.*s",
                 migrator_phase(next.phase)->name, 480, m->err);
    }

    if (migrator_phase_set(&next, to, migrator_now(m)) != SHARD_OK) {
        snprintf(text, sizeof(text), "phase table has no way to phase %d",
                 (int) to);
        m->io->note(m->io->data, SHARDD_LOG_ERROR, &m->state, text);
        m->lost = 1;
        return MIGRATOR_LOST;
    }

    result = migrator_store(m, &next);

    if (result == MIGRATOR_NEXT) {
        m->err[0] = '\0';
        m->io->audit(m->io->data, &m->state, migrator_phase(was)->name,
                     took_ms, 0);
        m->io->note(m->io->data, error ? SHARDD_LOG_WARN : SHARDD_LOG_INFO,
                    &m->state, m->state.error);
    }

    return result;
}


migrator_result_e
migrator_save(migrator_t *m)
{
    migrator_state_t  same;

    same = m->state;

    return migrator_store(m, &same);
}


/*
 * Compare-and-set.  When it is not known whether a write happened, what the
 * store has is the truth, and the machine goes on from there.
 */

static migrator_result_e
migrator_store(migrator_t *m, migrator_state_t *state)
{
    int               rc;
    migrator_phase_e  phase;

    phase = m->state.phase;
    rc = m->io->put(m->io->data, m->token, state);

    if (rc == 0) {
        m->state = *state;
        m->dirty = 0;
        m->saved_ms = migrator_now(m);

        if (m->state.phase != phase) {
            migrator_fresh_phase(m);
        }

        return MIGRATOR_NEXT;
    }

    while (rc) {

        if (migrator_store_rc(m, rc, "put") == MIGRATOR_LOST) {
            return MIGRATOR_LOST;
        }

        migrator_backoff(m);

        if (migrator_renew(m) == MIGRATOR_LOST) {
            return MIGRATOR_LOST;
        }

        if ((migrator_phase(phase)->flags & MIGRATOR_LEAVES)
            && m->io->stopping(m->io->data))
        {
            return MIGRATOR_WAIT;
        }

        rc = m->io->get(m->io->data, m->state.id, state);

        if (rc == SHARDD_NONE) {
            m->lost = 1;
            return MIGRATOR_LOST;
        }
    }

    m->state = *state;
    m->dirty = 0;
    migrator_fresh_phase(m);

    return MIGRATOR_NEXT;
}


migrator_result_e
migrator_say(migrator_t *m, migrator_result_e result, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    vsnprintf(m->err, sizeof(m->err), fmt, args);
    va_end(args);

    return result;
}


migrator_result_e
migrator_wait(migrator_t *m, long ms)
{
    m->wait_ms = ms;
    return MIGRATOR_WAIT;
}
