
/*
 * After a split or merge: nothing here can undo it, and nobody waits for it.
 *
 *    split    the shard drops the keys that are the new one's; the new one
 *             gets standbys where the shard has them
 *    merge    the merged shard is given up by every node that had it
 *
 * First of all what is to follow is decided (next.h).  The steps are found
 * out again by whoever goes on with it: decisions have deterministic ids, and
 * what is dropped already is not there any more.
 */


#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "next.h"


static migrator_result_e migrator_after_split(migrator_t *m);
static migrator_result_e migrator_after_merge(migrator_t *m);


migrator_result_e
migrator_cut_after(migrator_t *m)
{
    migrator_result_e  result;

    result = migrator_next_decide(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    result = migrator_nodes(m);

    if (result == MIGRATOR_NEXT) {
        result = migrator_settle(m, MIGRATOR_MOVED);
    }

    if (result == MIGRATOR_NEXT) {
        result = m->state.verb == MIGRATOR_MERGE ? migrator_after_merge(m)
                                                 : migrator_after_split(m);
    }

    if (result == MIGRATOR_RETRY
        && m->io->now_ms(m->io->data)
           >= m->state.phase_ms
              + (uint64_t) m->policy->timeout_ms[MIGRATOR_STANDBY])
    {
        result = MIGRATOR_FAIL;
    }

    if (result == MIGRATOR_FAIL) {
        m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, m->err);
        return MIGRATOR_NEXT;
    }

    return result;
}


static migrator_result_e
migrator_after_split(migrator_t *m)
{
    migrator_result_e  result;

    if (m->state.strategy == SHARD_STATELESS) {
        return MIGRATOR_NEXT;
    }

    /* one that moves on gets them where it will be */

    result = m->state.verb == MIGRATOR_SPLIT && migrator_next_moves(&m->state)
             ? MIGRATOR_NEXT
             : migrator_next_standbys(m, m->state.into, m->state.epoch + 1);

    if (result == MIGRATOR_NEXT) {
        result = migrator_cut_drop(m, &m->source, m->state.shard,
                                   m->state.epoch + 1);
    }

    return result;
}


/* a node that does not answer keeps what it had, and refuses to serve it */

static migrator_result_e
migrator_after_merge(migrator_t *m)
{
    int               rc;
    char              name[SHARD_NAME_SIZE];
    uint64_t          position;
    const char       *left;
    shard_node_t      node;
    migrator_limit_t  limit;

    if (m->state.strategy == SHARD_STATELESS) {
        return MIGRATOR_NEXT;
    }

    (void) m->driver->cuts->end(m->driver_data, &m->target,
                                m->state.into_epoch + 1,
                                migrator_limit(m, &limit));

    for (left = m->state.others;
         (left = migrator_others_next(left, name)) != NULL; )
    {
        if (m->io->node(m->io->data, name, &node) == SHARDD_OK) {
            (void) m->driver->role(m->driver_data, &node, m->state.shard,
                                   MIGRATOR_ROLE_NONE, m->state.epoch + 1,
                                   migrator_limit(m, &limit), &position);
        }
    }

    rc = m->driver->role(m->driver_data, &m->source, m->state.shard,
                         MIGRATOR_ROLE_STANDBY, m->state.epoch + 1,
                         migrator_limit(m, &limit), &position);

    if (rc == MIGRATOR_OK) {
        rc = m->driver->role(m->driver_data, &m->source, m->state.shard,
                             MIGRATOR_ROLE_NONE, m->state.epoch + 1,
                             migrator_limit(m, &limit), &position);
    }

    return migrator_driver_rc(m, rc, "give up");
}
