
/*
 * What only some drivers need, between the steps that all of them have:
 *
 *    warm-up, shift ▶ prepare     both sides compared while one is written
 *    standby, back  ▶ settle      nothing that was made for it is left
 */


#include <stdio.h>

#include "../src/daemon/shardd_log.h"
#include "machine.h"


#define SETTLE_WAIT_MS  100


migrator_result_e
migrator_prepare(migrator_t *m)
{
    int                rc;
    migrator_limit_t   limit;
    migrator_result_e  result;

    if (m->driver->prepare == NULL) {
        return MIGRATOR_NEXT;
    }

    result = migrator_nodes(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->prepare(m->driver_data, &m->source, &m->target,
                            m->state.shard, migrator_long_limit(m, &limit));

    return migrator_driver_rc(m, rc, "compare");
}


/*
 * Tried for a while; the migration has ended, whatever becomes of it.  Of a
 * promotion only once: its source is dead.
 */

migrator_result_e
migrator_settle(migrator_t *m, migrator_outcome_e outcome)
{
    int                rc;
    char               text[MIGRATOR_ERR_SIZE + 64];
    uint64_t           now;
    migrator_limit_t   limit;
    migrator_result_e  result;

    if (m->driver->settle == NULL || m->settled) {
        return MIGRATOR_NEXT;
    }

    result = migrator_nodes(m);

    if (result == MIGRATOR_FAIL) {
        return MIGRATOR_NEXT;
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->settle(m->driver_data, &m->source, &m->target,
                           m->state.shard, outcome,
                           migrator_settle_limit(m, &limit));

    if (rc == MIGRATOR_OK) {
        m->settled = 1;
        return MIGRATOR_NEXT;
    }

    now = m->io->now_ms(m->io->data);

    if (rc == MIGRATOR_DOWN && m->state.verb != MIGRATOR_PROMOTE
        && now < m->state.phase_ms + MIGRATOR_SETTLE_MS)
    {
        return migrator_wait(m, SETTLE_WAIT_MS);
    }

    snprintf(text, sizeof(text), "something may be left behind: %s",
             m->driver->err(m->driver_data));
    m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, text);
    m->settled = 1;

    return MIGRATOR_NEXT;
}
