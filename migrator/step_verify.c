
/*
 * Between the last shipment and the commit: both nodes have the same.
 */


#include <string.h>

#include "machine.h"


static migrator_result_e migrator_digests(migrator_t *m);


migrator_result_e
migrator_step_verify(migrator_t *m)
{
    int                 rc;
    migrator_limit_t    limit;
    migrator_result_e   result;
    migrator_digest_t  *source, *target;

    source = &m->digest[0];
    target = &m->digest[1];

    result = migrator_nodes(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (m->driver->verify) {
        rc = m->driver->verify(m->driver_data, &m->source, &m->target,
                               m->state.shard, 1, migrator_limit(m, &limit),
                               &m->state.position, &m->state.items);

        return migrator_driver_rc(m, rc, "verify");
    }

    result = migrator_digests(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (memcmp(source, target, sizeof(migrator_digest_t)) != 0) {
        return migrator_say(m, MIGRATOR_FAIL, "data differ at position %llu: "
                            "%llu items at %s, %llu at %s",
                            (unsigned long long) source->position,
                            (unsigned long long) source->items,
                            m->state.from,
                            (unsigned long long) target->items, m->state.to);
    }

    m->state.position = source->position;

    if (m->driver->prepare == NULL) {
        m->state.items = source->items;
    }

    return MIGRATOR_NEXT;
}


/* of the source as it stands, and of the target there */

static migrator_result_e
migrator_digests(migrator_t *m)
{
    int                  rc;
    migrator_limit_t     limit;
    const shard_id_t     shards[2] = {
        m->state.shard, migrator_at_target(&m->state)
    };
    const shard_node_t  *nodes[2] = { &m->source, &m->target };

    if (m->driver->digests && m->state.verb != MIGRATOR_MERGE) {
        rc = m->driver->digests(m->driver_data, nodes, shards,
                                m->state.position, migrator_limit(m, &limit),
                                m->digest);

        return migrator_driver_rc(m, rc, "digests");
    }

    rc = m->driver->digest(m->driver_data, nodes[0], shards[0], NULL,
                           migrator_limit(m, &limit), &m->digest[0]);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "source's digest");
    }

    rc = m->driver->digest(m->driver_data, nodes[1], shards[1],
                           m->state.verb == MIGRATOR_MERGE
                           ? NULL : &m->digest[0].position,
                           migrator_limit(m, &limit), &m->digest[1]);

    /* who imports has positions of its own */

    if (m->state.verb == MIGRATOR_MERGE) {
        m->digest[1].position = m->digest[0].position;
    }

    return migrator_driver_rc(m, rc, "target's digest");
}
