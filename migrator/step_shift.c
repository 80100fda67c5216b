
/*
 * shift: requests cross to the target by and by, each step through the gate.
 * Stateless shards shift all requests, eventually consistent ones their
 * reads; of a strong shard nothing may cross before the cutover.
 */


#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "machine.h"


static migrator_result_e migrator_shift_on(migrator_t *m,
    shard_record_t *rec, uint64_t version);
static uint32_t migrator_shift_step(const migrator_t *m,
    migrator_pace_t *pace);


migrator_result_e
migrator_step_shift(migrator_t *m)
{
    uint64_t           version;
    shard_record_t     rec;
    migrator_result_e  result;

    result = migrator_own_record(m, &rec, &version);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (rec.strategy == SHARD_LOG_SHIPPING && rec.consistency == SHARD_STRONG)
    {
        m->io->note(m->io->data, SHARDD_LOG_INFO, &m->state,
                    "strong consistency: nothing shifts before the cutover");
        return MIGRATOR_NEXT;
    }

    m->state.shift_bp = rec.phase == SHARD_SHIFTING ? rec.shift_bp : 0;

    result = migrator_check_override(m);

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (m->target.state != SHARD_NODE_UP) {
        return migrator_say(m, MIGRATOR_FAIL, "target %s is no longer up",
                            m->state.to);
    }

    if (rec.strategy == SHARD_LOG_SHIPPING) {
        result = migrator_ship(m, (uint64_t) m->policy->batch);

        if (result != MIGRATOR_NEXT) {
            return result;
        }
    }

    return migrator_shift_on(m, &rec, version);
}


static migrator_result_e
migrator_shift_on(migrator_t *m, shard_record_t *rec, uint64_t version)
{
    char               operation[32];
    uint32_t           bp;
    uint64_t           now;
    migrator_pace_t    pace;
    migrator_result_e  result;

    result = migrator_mirror_begin(m);

    if (result == MIGRATOR_NEXT) {
        result = migrator_mirror_gate(m, 0);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_gate(m);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    now = m->io->now_ms(m->io->data);

    if (m->stepped_ms
        && now - m->stepped_ms < (uint64_t) m->policy->shift_interval_ms)
    {
        return migrator_wait(m, m->policy->probe_interval_ms);
    }

    if (m->state.shift_bp == SHARD_BP_ALL) {
        return rec->strategy == SHARD_STATELESS ? MIGRATOR_NEXT
                                                : migrator_prepare(m);
    }

    pace = m->pace;
    bp = m->state.shift_bp + migrator_shift_step(m, &pace);

    if (bp > SHARD_BP_ALL) {
        bp = SHARD_BP_ALL;
    }

    rec->phase = SHARD_SHIFTING;
    rec->migration = m->state.id;
    rec->shift_bp = (uint16_t) bp;
    memcpy(rec->target, m->state.to, sizeof(rec->target));

    snprintf(operation, sizeof(operation), "shift.%u", bp);
    result = migrator_commit(m, operation, &version, rec);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    m->pace = pace;
    m->state.shift_bp = bp;
    m->stepped_ms = now;
    m->dirty = 1;

    return migrator_wait(m, 0);
}


/* by how hard the gate found the target to have it */

static uint32_t
migrator_shift_step(const migrator_t *m, migrator_pace_t *pace)
{
    migrator_paces_t  bounds;

    bounds.first_bp = (uint32_t) m->policy->shift_step_bp;
    bounds.max_bp = m->policy->shift_max_bp
                    ? (uint32_t) m->policy->shift_max_bp : bounds.first_bp;
    bounds.min_bp = (uint32_t) m->policy->shift_min_bp;

    if (bounds.min_bp > bounds.first_bp) {
        bounds.min_bp = bounds.first_bp;
    }

    return migrator_pace(pace, &bounds, m->strain);
}
