
/* Which hooks a phase has, and what becomes of one that fails. */


#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "machine.h"


static migrator_result_e migrator_hook(migrator_t *m,
    const migrator_hook_t *hook);


migrator_result_e
migrator_hooks(migrator_t *m, migrator_when_e when)
{
    uint32_t                i;
    migrator_result_e       result;
    const migrator_hook_t  *hook;

    for (i = m->hooked; i < MIGRATOR_HOOKS_MAX; i++) {
        hook = &m->policy->hooks[i];

        if (hook->phase_name == NULL) {
            break;
        }

        if (hook->phase == m->state.phase && hook->when == (int) when) {
            result = migrator_hook(m, hook);

            if (result != MIGRATOR_NEXT) {
                return result;
            }
        }

        /* one that was interrupted is run again, those before it are not */

        m->hooked = i + 1;
    }

    m->hooked = 0;

    return MIGRATOR_NEXT;
}


/*
 * While requests wait no hook may take longer than the cutover may, or than
 * the lease; before that it is interrupted as a long request is.
 */

static migrator_result_e
migrator_hook(migrator_t *m, const migrator_hook_t *hook)
{
    int                      rc;
    long                     timeout_ms;
    char                     err[MIGRATOR_ERR_SIZE];
    migrator_limit_t         limit;
    const migrator_phase_t  *row;

    row = migrator_phase(m->state.phase);
    timeout_ms = hook->timeout_ms;

    if (row->flags & MIGRATOR_CUTOVER) {
        (void) migrator_limit(m, &limit);

        if (timeout_ms > limit.timeout_ms) {
            timeout_ms = limit.timeout_ms;
        }

    } else {
        (void) migrator_long_limit(m, &limit);
    }

    rc = m->io->hook(m->io->data, hook, &m->state, timeout_ms, limit.tick,
                     limit.data, err, sizeof(err));

    if (rc == 0) {
        return MIGRATOR_NEXT;
    }

    if (m->lost) {
        return MIGRATOR_LOST;
    }

    if (rc > 0) {
        return migrator_wait(m, 0);
    }

    (void) migrator_say(m, MIGRATOR_FAIL, "hook %s it: %.400s",
                        hook->when == MIGRATOR_BEFORE ? "before" : "after",
                        err);

    if (hook->on_failure == MIGRATOR_HOOK_ROLLBACK
        && (row->flags & MIGRATOR_ABORTS)
        && m->state.phase != MIGRATOR_COMMIT)
    {
        return MIGRATOR_FAIL;
    }

    m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, m->err);

    return MIGRATOR_NEXT;
}
