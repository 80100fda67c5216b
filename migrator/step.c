
/*
 * What several steps need: outcomes of calls as results of steps, the
 * shard's record and its two nodes.
 */


#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_store.h"
#include "cut.h"


static migrator_result_e migrator_no_answer(migrator_t *m, const char *what,
    const char *err);


migrator_result_e
migrator_store_rc(migrator_t *m, int rc, const char *what)
{
    const char  *err;

    err = m->io->err(m->io->data);

    switch (rc) {

    case SHARDD_OK:
        return MIGRATOR_NEXT;

    case SHARDD_DOWN:
        return migrator_say(m, MIGRATOR_RETRY, "%s: %s", what, err);

    case SHARDD_CONFLICT:
        return migrator_wait(m, 0);

    case SHARDD_FENCED:
        m->lost = 1;
        return migrator_say(m, MIGRATOR_LOST, "%s: %s", what, err);

    default:
        return migrator_say(m, MIGRATOR_FAIL, "%s: %s", what, err);
    }
}


migrator_result_e
migrator_driver_rc(migrator_t *m, int rc, const char *what)
{
    const char  *err;

    err = m->driver->err(m->driver_data);

    switch (rc) {

    case MIGRATOR_OK:
        return MIGRATOR_NEXT;

    case MIGRATOR_REFUSED:
    case MIGRATOR_GONE:
        return migrator_say(m, MIGRATOR_FAIL, "%s: %s", what, err);

    case MIGRATOR_INTERRUPTED:

        if (m->lost) {
            return MIGRATOR_LOST;
        }

        /* a wish, or the program is to end: the loop finds out which */
        return migrator_wait(m, 0);

    default:
        return migrator_no_answer(m, what, err);
    }
}


/*
 * The phases before the hold have time for a large shard, far more than a
 * dead node should take.  A step that came further sets the clock back.
 */

static migrator_result_e
migrator_no_answer(migrator_t *m, const char *what, const char *err)
{
    uint64_t  now;

    now = m->io->now_ms(m->io->data);

    if (m->down_ms == 0) {
        m->down_ms = now;
    }

    if (!(migrator_phase(m->state.phase)->flags & MIGRATOR_GATED)
        || now - m->down_ms < (uint64_t) m->policy->down_after_ms)
    {
        return migrator_say(m, MIGRATOR_RETRY, "%s: %s", what, err);
    }

    return migrator_say(m, MIGRATOR_FAIL, "gate: no answer for %llu ms: %s: "
                        "%s", (unsigned long long) (now - m->down_ms), what,
                        err);
}


/* while requests wait those of the hold's beginning are good enough */

migrator_result_e
migrator_nodes(migrator_t *m)
{
    int  rc;

    if (m->noded && (migrator_phase(m->state.phase)->flags
                     & MIGRATOR_CUTOVER))
    {
        return MIGRATOR_NEXT;
    }

    rc = m->io->node(m->io->data, m->state.from, &m->source);

    if (rc == SHARDD_OK) {
        rc = m->io->node(m->io->data, m->state.to, &m->target);
    }

    m->noded = rc == SHARDD_OK
               && (migrator_phase(m->state.phase)->flags & MIGRATOR_IN_HOLD);

    return migrator_store_rc(m, rc, "node");
}


migrator_owner_e
migrator_owner(const migrator_state_t *state, const shard_record_t *rec)
{
    if (migrator_cuts(state)) {
        return migrator_cut_owner(state, rec);
    }

    if (rec->migration != 0 && rec->migration != state->id) {
        return MIGRATOR_FOREIGN;
    }

    if (rec->epoch == state->epoch) {

        if (strcmp(rec->primary, state->from) != 0) {
            return MIGRATOR_FOREIGN;
        }

        return rec->phase != SHARD_STEADY && rec->migration != state->id
               ? MIGRATOR_FOREIGN : MIGRATOR_OURS;
    }

    if (rec->epoch + 1 == migrator_last_epoch(state)) {
        return strcmp(rec->primary, state->from) == 0
               && rec->migration == state->id && rec->phase != SHARD_STEADY
               ? MIGRATOR_SWITCHED : MIGRATOR_FOREIGN;
    }

    if (rec->epoch != migrator_last_epoch(state)) {
        return MIGRATOR_FOREIGN;
    }

    if (strcmp(rec->primary, state->to) == 0) {
        return MIGRATOR_COMMITTED;
    }

    return strcmp(rec->primary, state->from) == 0 ? MIGRATOR_RETURNED
                                                  : MIGRATOR_FOREIGN;
}


migrator_result_e
migrator_record(migrator_t *m, shard_record_t *rec, uint64_t *version)
{
    return migrator_store_rc(m, migrator_look(m, rec, version), "shard");
}


int
migrator_look(migrator_t *m, shard_record_t *rec, uint64_t *version)
{
    int  rc;

    rc = m->io->shard(m->io->data, m->state.shard, rec, version);

    if (rc == SHARDD_NONE && m->state.verb == MIGRATOR_MERGE
        && migrator_phase_seen(&m->state, MIGRATOR_COMMIT))
    {
        return migrator_cut_look(m, rec, version);
    }

    return rc;
}


migrator_result_e
migrator_own_record(migrator_t *m, shard_record_t *rec, uint64_t *version)
{
    migrator_result_e  result;

    result = migrator_record(m, rec, version);

    if (result == MIGRATOR_NEXT
        && migrator_owner(&m->state, rec) > MIGRATOR_SWITCHED)
    {
        return migrator_say(m, MIGRATOR_FAIL, "the shard's record was "
                            "changed meanwhile");
    }

    return result;
}


int
migrator_to_standby(const migrator_state_t *state, const shard_record_t *rec)
{
    int  i;

    for (i = 0; i < rec->nstandbys; i++) {
        if (strcmp(rec->standbys[i], state->to) == 0) {
            return 1;
        }
    }

    return 0;
}


/*
 * The version that was read goes with the write, so that a write under way
 * when its answer was given up cannot overwrite what came later.
 */

migrator_result_e
migrator_commit(migrator_t *m, const char *operation, uint64_t *version,
    const shard_record_t *rec)
{
    int   rc;
    char  name[96];

    migrator_operation(&m->state, operation, name, sizeof(name));

    rc = m->io->commit(m->io->data, m->state.shard, m->token, version, name,
                       rec);

    return migrator_store_rc(m, rc, operation);
}


void
migrator_operation(const migrator_state_t *state, const char *operation,
    char *name, size_t size)
{
    int  n;

    n = snprintf(name, size, "%016llx.%s", (unsigned long long) state->id,
                 operation);

    if (state->attempt > 1 && n > 0 && (size_t) n < size) {
        snprintf(name + n, size - (size_t) n, ".%u", state->attempt);
    }
}


/* where the target stands, by its own word */

static migrator_result_e
migrator_where(migrator_t *m)
{
    int               rc;
    migrator_limit_t  limit;
    migrator_stats_t  stats;

    if (m->state.verb == MIGRATOR_MERGE) {
        rc = m->driver->cuts->imported(m->driver_data, &m->target,
                                       migrator_limit(m, &limit),
                                       &m->state.position);

        if (rc == MIGRATOR_GONE) {
            return migrator_say(m, MIGRATOR_OTHER, "nothing was imported");
        }

    } else {
        rc = m->driver->stats(m->driver_data, &m->target,
                              migrator_at_target(&m->state),
                              migrator_limit(m, &limit), &stats);

        if (rc == MIGRATOR_OK) {
            m->state.position = stats.position;
        }
    }

    return migrator_driver_rc(m, rc, "target");
}


/* the target's own word is the position to ship from */

migrator_result_e
migrator_ship(migrator_t *m, uint64_t entries)
{
    int                rc;
    uint64_t           before;
    migrator_limit_t   limit;
    migrator_result_e  result;

    if (!m->positioned) {
        result = migrator_nodes(m);

        if (result == MIGRATOR_NEXT) {
            result = migrator_where(m);
        }

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        m->positioned = 1;
    }

    before = m->state.position;

    rc = m->driver->ship(m->driver_data, &m->source, &m->target,
                         m->state.shard, entries,
                         migrator_long_limit(m, &limit), &m->state.position,
                         &m->state.bytes);

    if (rc != MIGRATOR_OK) {
        m->positioned = 0;

        if (rc == MIGRATOR_GONE) {
            return migrator_say(m, MIGRATOR_OTHER, "log trimmed at %llu",
                                (unsigned long long) before);
        }

        /* once: the target may stand elsewhere than was thought */

        if (rc == MIGRATOR_REFUSED && !m->refused) {
            m->refused = 1;
            return migrator_driver_rc(m, MIGRATOR_DOWN, "ship");
        }

        return migrator_driver_rc(m, rc, "ship");
    }

    m->refused = 0;
    m->state.shipped += m->state.position - before;
    m->dirty = 1;

    return MIGRATOR_NEXT;
}
