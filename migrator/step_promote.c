
/*
 * A standby becomes the owner because the owner is dead:
 *
 *    check       the standby answers and holds the shard; the primary does
 *              not answer, or the table says that its node is down
 *    final-sync  what a primary that is down by the table alone still gives
 *              is shipped
 *    commit    epoch + 1, held: the point of no return
 *    release   when the routers have heard of it the standby is opened, and
 *              the table says steady
 *
 * Nobody can seal a dead primary.  What it acknowledged and did not ship is
 * not at the standby: docs/planning.md "Failures".  Its epoch shuts it out
 * when it comes back, and fence.c tells it so.
 */


#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "machine.h"


#define POLL_MS      2
#define PROBE_MS     500                /* for a dead node's answer */
#define AGAIN_MS     100
#define SILENT_MANY  3
#define OTHERS_MS    250                /* requests wait meanwhile */


static migrator_result_e migrator_promote_standby(migrator_t *m,
    const shard_record_t *rec);
static migrator_result_e migrator_promote_dead(migrator_t *m, int many);
static void migrator_promote_tail(migrator_t *m);


migrator_result_e
migrator_promote_check(migrator_t *m, const shard_record_t *rec)
{
    migrator_result_e  result;

    if (m->state.strategy != SHARD_STATELESS) {
        result = migrator_promote_standby(m, rec);

        if (result != MIGRATOR_NEXT) {
            return result;
        }
    }

    return migrator_promote_dead(m, SILENT_MANY);
}


/* one that was never filled would serve an empty shard */

static migrator_result_e
migrator_promote_standby(migrator_t *m, const shard_record_t *rec)
{
    int               rc;
    migrator_limit_t  limit;
    migrator_stats_t  stats;

    if (!migrator_to_standby(&m->state, rec)) {
        return migrator_say(m, MIGRATOR_FAIL, "%s is no standby of the "
                            "shard: it has none of its data", m->state.to);
    }

    rc = m->driver->stats(m->driver_data, &m->target, m->state.shard,
                          migrator_limit(m, &limit), &stats);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "standby");
    }

    if (stats.role != MIGRATOR_ROLE_STANDBY
        || stats.epoch > m->state.epoch)
    {
        return migrator_say(m, MIGRATOR_FAIL, "%s does not hold the shard as "
                            "a standby: role %d at epoch %u", m->state.to,
                            stats.role, stats.epoch);
    }

    m->state.position = stats.position;
    m->state.items = stats.items;
    m->dirty = 1;

    return MIGRATOR_NEXT;
}


/* a primary that answers loses nothing when it is moved */

static migrator_result_e
migrator_promote_dead(migrator_t *m, int many)
{
    int               rc;
    uint64_t          us;
    migrator_limit_t  limit;

    if (m->source.state == SHARD_NODE_DOWN) {
        return MIGRATOR_NEXT;
    }

    migrator_limit(m, &limit);

    if (limit.timeout_ms > PROBE_MS) {
        limit.timeout_ms = PROBE_MS;
    }

    rc = m->driver->probe(m->driver_data, &m->source, m->state.shard, &limit,
                          &us);

    if (rc != MIGRATOR_DOWN) {
        return migrator_say(m, MIGRATOR_FAIL, "primary %s answers, it is not "
                            "dead: a move takes the shard off it and loses "
                            "nothing", m->state.from);
    }

    if (++m->silent < (uint32_t) many) {
        return migrator_wait(m, AGAIN_MS);
    }

    return MIGRATOR_NEXT;
}


/*
 * The standby's role stays what it is until the commit is done: an attempt
 * that is given up leaves the shard at its epoch, and the next one would have
 * its standby demoted by what a migrator that slept still sends.
 */

migrator_result_e
migrator_promote_sync(migrator_t *m)
{
    uint64_t           version;
    shard_record_t     rec;
    migrator_result_e  result;

    if (m->state.strategy == SHARD_STATELESS) {
        return MIGRATOR_NEXT;
    }

    result = migrator_own_record(m, &rec, &version);

    if (result == MIGRATOR_NEXT) {
        result = migrator_check_override(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_promote_dead(m, 1);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (m->source.state == SHARD_NODE_DOWN) {
        migrator_promote_tail(m);
    }

    return migrator_promote_standby(m, &rec);
}


/*
 * A node that an operator said is down may still run.  What it does not give
 * within half of the hold is gone like all that a dead one has.
 */

static void
migrator_promote_tail(migrator_t *m)
{
    int               rc;
    uint64_t          until, before;
    migrator_limit_t  limit;

    until = m->state.hold_at_ms + (uint64_t) m->policy->hold_timeout_ms / 2;

    do {
        migrator_limit(m, &limit);
        limit.timeout_ms = limit.timeout_ms / 2 + 1;
        before = m->state.position;

        rc = m->driver->ship(m->driver_data, &m->source, &m->target,
                             m->state.shard, (uint64_t) m->policy->batch,
                             &limit, &m->state.position, &m->state.bytes);

        m->state.shipped += m->state.position - before;

    } while (rc == MIGRATOR_OK && m->state.position > before
             && m->io->now_ms(m->io->data) < until);
}


/*
 * No write is let through while a router that lives still believes in the
 * dead primary, for it may be dead to others only; but not for ever.
 */

migrator_result_e
migrator_promote_known(migrator_t *m, uint64_t version)
{
    int                       rc;
    uint32_t                  i;
    uint64_t                  now;
    const migrator_router_t  *router;

    now = m->io->now_ms(m->io->data);

    if (m->stepped_ms == 0) {
        m->stepped_ms = now;
        m->state.hold_version = version;
    }

    rc = m->io->routers(m->io->data, m->state.shard, &m->routers);

    if (rc) {
        return migrator_store_rc(m, rc, "routers");
    }

    for (i = 0; i < m->routers.n; i++) {
        router = &m->routers.router[i];

        if (router->age_ms < (uint64_t) m->policy->router_live_ms
            && router->version < m->state.hold_version)
        {
            break;
        }
    }

    if (i == m->routers.n) {
        return MIGRATOR_NEXT;
    }

    if (now - m->stepped_ms < (uint64_t) m->policy->hold_timeout_ms) {
        return migrator_wait(m, POLL_MS);
    }

    migrator_say(m, MIGRATOR_NEXT, "router %s has not heard of the new "
                 "primary: released all the same", m->routers.router[i].name);
    m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, m->err);

    return MIGRATOR_NEXT;
}


/*
 * Before the new primary is opened its position is the end of what is kept of
 * the dead one.  Another standby that was shipped more would take what comes
 * for what it has: it gives the shard up, and keep.c copies it anew.  With
 * the next epoch nothing of the dead one reaches either of them any more.
 */

static void
migrator_promote_other(migrator_t *m, const char *name,
    const migrator_limit_t *limit)
{
    uint64_t      position;
    shard_node_t  node;

    if (m->io->node(m->io->data, name, &node) != SHARDD_OK
        || node.state == SHARD_NODE_DOWN
        || m->driver->role(m->driver_data, &node, m->state.shard,
                           MIGRATOR_ROLE_STANDBY, m->state.epoch + 1, limit,
                           &position) != MIGRATOR_OK
        || position <= m->state.position)
    {
        return;
    }

    migrator_say(m, MIGRATOR_NEXT, "standby %s is %llu writes of the dead "
                 "primary further than %s: it is copied anew", name,
                 (unsigned long long) (position - m->state.position),
                 m->state.to);
    m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, m->err);

    (void) m->driver->role(m->driver_data, &node, m->state.shard,
                           MIGRATOR_ROLE_NONE, m->state.epoch + 1, limit,
                           &position);
}


void
migrator_promote_others(migrator_t *m, const shard_record_t *rec)
{
    uint8_t           i;
    migrator_limit_t  limit;
    migrator_stats_t  stats;

    if (m->state.strategy == SHARD_STATELESS || rec->nstandbys == 0) {
        return;
    }

    migrator_limit(m, &limit);

    if (limit.timeout_ms > OTHERS_MS) {
        limit.timeout_ms = OTHERS_MS;
    }

    /* where one is open already, the others have been told */

    if (m->driver->stats(m->driver_data, &m->target, m->state.shard, &limit,
                         &stats) != MIGRATOR_OK
        || stats.role != MIGRATOR_ROLE_STANDBY)
    {
        return;
    }

    m->state.position = stats.position;
    m->dirty = 1;

    for (i = 0; i < rec->nstandbys; i++) {
        migrator_promote_other(m, rec->standbys[i], &limit);
    }
}
