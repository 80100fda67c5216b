
/*
 * check: is the decision still true, and can the target take the shard?
 * What is refused here has touched nothing.
 */


#include <string.h>

#include "../src/daemon/shardd_store.h"
#include "shard_codec.h"
#include "shard_override.h"
#include "machine.h"


static migrator_result_e migrator_check_record(migrator_t *m,
    const shard_record_t *rec);
static migrator_result_e migrator_check_target(migrator_t *m);
static migrator_result_e migrator_check_data(migrator_t *m);


/* an operator's hand on the shard keeps ours off it */

migrator_result_e
migrator_check_override(migrator_t *m)
{
    int               rc;
    char              buf[SHARD_OVERRIDE_MAX + 1], err[SHARD_ERR_SIZE];
    shard_str_t       text;
    shard_override_t  override;

    rc = m->io->override(m->io->data, m->state.shard, buf, sizeof(buf));

    if (rc == SHARDD_NONE) {
        return MIGRATOR_NEXT;
    }

    if (rc != SHARDD_OK) {
        return migrator_store_rc(m, rc, "override");
    }

    text.data = buf;
    text.len = strlen(buf);

    /* routers ignore a malformed one as well */

    if (shard_override_decode(text, &override, err) != SHARD_OK
        || override.verb == SHARD_OVERRIDE_NONE
        || (override.until_ms
            && override.until_ms <= m->io->now_ms(m->io->data)))
    {
        return MIGRATOR_NEXT;
    }

    return migrator_say(m, MIGRATOR_FAIL, "an operator's override is in "
                        "force: %s", buf);
}


migrator_result_e
migrator_step_check(migrator_t *m)
{
    uint64_t           version;
    shard_record_t     rec;
    migrator_result_e  result;

    result = migrator_record(m, &rec, &version);

    if (result == MIGRATOR_NEXT) {
        result = migrator_check_record(m, &rec);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_check_override(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_check_target(m);
    }

    if (result == MIGRATOR_NEXT && m->state.verb == MIGRATOR_PROMOTE) {
        return migrator_promote_check(m, &rec);
    }

    if (result == MIGRATOR_NEXT && m->state.strategy != SHARD_STATELESS) {
        result = migrator_check_data(m);
    }

    return result;
}


static migrator_result_e
migrator_check_record(migrator_t *m, const shard_record_t *rec)
{
    if (m->state.verb != MIGRATOR_PROMOTE
        && rec->strategy == SHARD_COPY_ON_WRITE)
    {
        return migrator_say(m, MIGRATOR_FAIL, "strategy %s is not served "
                            "yet: shards of it stay where they are",
                            shard_strategy_name(rec->strategy));
    }

    if (m->state.verb == MIGRATOR_MOVE && rec->strategy == SHARD_QUEUE
        && m->policy->queue_hold == MIGRATOR_HOLD_BACKEND
        && m->driver->hold == NULL)
    {
        return migrator_say(m, MIGRATOR_FAIL, "driver %s cannot hold a queue "
                            "at its backend: queue.hold must be router",
                            m->driver->name);
    }

    if (m->state.verb == MIGRATOR_REPLICATE
        && rec->strategy == SHARD_STATELESS)
    {
        return migrator_say(m, MIGRATOR_FAIL, "a stateless shard needs no "
                            "standby");
    }

    if (rec->strategy != m->state.strategy) {
        return migrator_say(m, MIGRATOR_FAIL, "the shard's strategy is %s "
                            "now, it was %s when this was planned",
                            shard_strategy_name(rec->strategy),
                            shard_strategy_name(m->state.strategy));
    }

    if (rec->epoch != m->state.epoch
        || strcmp(rec->primary, m->state.from) != 0)
    {
        return migrator_say(m, MIGRATOR_FAIL, "the shard is on %s at epoch "
                            "%u, decided for %s at epoch %u", rec->primary,
                            rec->epoch, m->state.from, m->state.epoch);
    }

    if (migrator_owner(&m->state, rec) != MIGRATOR_OURS) {
        return migrator_say(m, MIGRATOR_FAIL, "migration %016llx moves the "
                            "shard", (unsigned long long) rec->migration);
    }

    return MIGRATOR_NEXT;
}


static migrator_result_e
migrator_check_target(migrator_t *m)
{
    int               rc;
    uint64_t          us;
    migrator_limit_t  limit;

    if (strcmp(m->state.from, m->state.to) == 0) {
        return migrator_say(m, MIGRATOR_FAIL, "source and target are both "
                            "%s", m->state.to);
    }

    if (m->target.state != SHARD_NODE_UP) {
        return migrator_say(m, MIGRATOR_FAIL, "target %s is %s", m->state.to,
                            shard_node_state_name(m->target.state));
    }

    rc = m->driver->probe(m->driver_data, &m->target, m->state.shard,
                          migrator_limit(m, &limit), &us);

    return migrator_driver_rc(m, rc, "target");
}


static migrator_result_e
migrator_check_data(migrator_t *m)
{
    int               rc;
    double            need;
    migrator_limit_t  limit;
    migrator_stats_t  source, target;

    rc = m->driver->stats(m->driver_data, &m->source, m->state.shard,
                          migrator_limit(m, &limit), &source);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "source");
    }

    rc = m->driver->stats(m->driver_data, &m->target, m->state.shard,
                          migrator_limit(m, &limit), &target);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "target");
    }

    if (source.role != MIGRATOR_ROLE_PRIMARY
        || source.epoch != m->state.epoch)
    {
        return migrator_say(m, MIGRATOR_FAIL, "source %s is not the shard's "
                            "primary at epoch %u but has role %d at epoch %u",
                            m->state.from, m->state.epoch, source.role,
                            source.epoch);
    }

    if (target.role == MIGRATOR_ROLE_PRIMARY
        || target.epoch > m->state.epoch)
    {
        return migrator_say(m, MIGRATOR_FAIL, "target %s takes part in the "
                            "shard already: role %d at epoch %u",
                            m->state.to, target.role, target.epoch);
    }

    need = (double) source.bytes * m->policy->room;

    if ((double) target.free_bytes < need) {
        return migrator_say(m, MIGRATOR_FAIL, "target %s has %llu bytes free, "
                            "%.0f are needed", m->state.to,
                            (unsigned long long) target.free_bytes, need);
    }

    m->state.items = source.items;
    m->dirty = 1;

    return MIGRATOR_NEXT;
}
