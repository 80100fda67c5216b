
/*
 * warm-up: the target holds the same data as the source, and answers as
 * fast and as surely as it must: by probes, and by mirrored reads where the
 * policy has them (step_mirror.c).  The gate guards each step of shift too.
 */


#include <string.h>

#include "gate.h"
#include "machine.h"


/* between looks at a target that is ahead of the digest it is asked for */

#define PASSED_MS  5


static migrator_result_e migrator_warm_digests(migrator_t *m);
static int migrator_warm_passed(migrator_t *m, uint64_t position,
    const migrator_limit_t *limit);
static migrator_result_e migrator_warm_reach(migrator_t *m,
    uint64_t position, const migrator_limit_t *limit);
static migrator_result_e migrator_warm_differ(migrator_t *m);
static migrator_result_e migrator_probe(migrator_t *m, int which);
static void migrator_gate_of(const migrator_t *m, migrator_gate_t *gate);
static migrator_result_e migrator_gate_errors(migrator_t *m,
    const migrator_gate_t *gate);
static migrator_result_e migrator_gate_p90(migrator_t *m,
    const migrator_gate_t *gate);


migrator_result_e
migrator_step_warm_up(migrator_t *m)
{
    migrator_result_e  result;

    if (m->state.strategy == SHARD_COPY_ON_WRITE) {

        /* it has nothing yet that could be compared */

        result = migrator_nodes(m);

        return result == MIGRATOR_NEXT ? migrator_gate(m) : result;
    }

    if (m->state.strategy != SHARD_STATELESS && m->window_ms == 0) {
        result = m->driver->prepare ? migrator_prepare(m)
                                    : migrator_warm_digests(m);

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        m->window_ms = m->io->now_ms(m->io->data);
    }

    result = migrator_mirror_begin(m);

    if (result == MIGRATOR_NEXT && m->mirrors
        && m->state.strategy != SHARD_STATELESS)
    {
        /* reads are compared: the target stays level with the source */

        result = migrator_ship(m, (uint64_t) m->policy->batch);
    }

    if (result == MIGRATOR_NEXT && !m->probed) {
        result = migrator_nodes(m);

        if (result == MIGRATOR_NEXT) {
            result = migrator_gate(m);
        }

        m->probed = (result == MIGRATOR_NEXT);
    }

    return result == MIGRATOR_NEXT ? migrator_mirror_gate(m, 1) : result;
}


/* a driver's own way; a target that was no copy of ours is copied over */

static migrator_result_e
migrator_warm_verify(migrator_t *m)
{
    int               rc;
    migrator_limit_t  limit;

    rc = m->driver->verify(m->driver_data, &m->source, &m->target,
                           m->state.shard, 0, migrator_long_limit(m, &limit),
                           &m->state.position, &m->state.items);

    if (rc == MIGRATOR_OK) {
        m->dirty = 1;
    }

    if (rc == MIGRATOR_REFUSED && m->state.copies == 0) {
        return migrator_say(m, MIGRATOR_OTHER, "data differ: %s",
                            m->driver->err(m->driver_data));
    }

    return migrator_driver_rc(m, rc, "verify");
}


/*
 * The source is being written: its digest is of some position P, so the
 * target is brought to P exactly and compared there.
 */

static migrator_result_e
migrator_warm_digests(migrator_t *m)
{
    int                 rc;
    migrator_limit_t    limit;
    migrator_result_e   result;
    migrator_digest_t  *source, *target;

    if (m->repair) {
        return migrator_repair_next(m);
    }

    source = &m->digest[0];
    target = &m->digest[1];

    result = migrator_ship(m, (uint64_t) m->policy->batch);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (m->driver->verify) {
        return migrator_warm_verify(m);
    }

    (void) migrator_long_limit(m, &limit);
    limit.deep = 1;

    rc = m->driver->digest(m->driver_data, &m->source, m->state.shard, NULL,
                           &limit, source);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "source's digest");
    }

    result = migrator_warm_reach(m, source->position, &limit);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->digest(m->driver_data, &m->target, m->state.shard,
                           &source->position, &limit, target);

    if (rc != MIGRATOR_OK) {
        m->positioned = 0;
        result = migrator_driver_rc(m, rc, "target's digest");

        return result == MIGRATOR_FAIL
               && migrator_warm_passed(m, source->position, &limit)
               ? migrator_wait(m, PASSED_MS) : result;
    }

    if (memcmp(source, target, sizeof(migrator_digest_t)) == 0) {
        m->state.items = source->items;
        m->dirty = 1;
        return MIGRATOR_NEXT;
    }

    return migrator_warm_differ(m);
}


/* who keeps it level, a standby until now, may have sent it something more */

static int
migrator_warm_passed(migrator_t *m, uint64_t position,
    const migrator_limit_t *limit)
{
    migrator_stats_t  stats;

    return m->driver->stats(m->driver_data, &m->target, m->state.shard, limit,
                            &stats) == MIGRATOR_OK
           && stats.position > position;
}


/* by the source's log; "limit" is that of the digest, which has a tick */

static migrator_result_e
migrator_warm_reach(migrator_t *m, uint64_t position,
    const migrator_limit_t *limit)
{
    uint64_t           before;
    migrator_result_e  result;

    while (m->state.position < position) {
        before = m->state.position;
        result = migrator_ship(m, position - before);

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        if (m->state.position == before) {
            return migrator_say(m, MIGRATOR_RETRY, "the log of %s ends at "
                                "%llu, its digest is of %llu", m->state.from,
                                (unsigned long long) before,
                                (unsigned long long) position);
        }

        /* many short calls take as long as one that is long */

        if (limit->tick(limit->data)) {
            return migrator_driver_rc(m, MIGRATOR_INTERRUPTED, "ship");
        }
    }

    return m->state.position == position ? MIGRATOR_NEXT
           : migrator_say(m, MIGRATOR_OTHER, "target is ahead of source");
}


/* the parts that differ are sent again, where that can help; else it fails,
 * or with no copy made yet all is copied */

static migrator_result_e
migrator_warm_differ(migrator_t *m)
{
    migrator_result_e         result;
    const migrator_digest_t  *source, *target;

    result = migrator_repair_begin(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    source = &m->digest[0];
    target = &m->digest[1];

    return migrator_say(m, m->state.copies ? MIGRATOR_FAIL : MIGRATOR_OTHER,
                        "data differ at position %llu: %llu items at %s, "
                        "%llu at %s", (unsigned long long) source->position,
                        (unsigned long long) source->items, m->state.from,
                        (unsigned long long) target->items, m->state.to);
}


/*
 * One probe of each node, a judgement when there are enough of them: surely
 * worse rolls back, worse but not surely takes more probes (gate.h).  A gate
 * without data is closed: the phase's time runs out over it.
 */

migrator_result_e
migrator_gate(migrator_t *m)
{
    migrator_gate_t     gate;
    migrator_result_e   result;

    result = migrator_probe(m, 0);

    if (result == MIGRATOR_NEXT) {
        result = migrator_probe(m, 1);
    }

    if (result == MIGRATOR_NEXT) {
        migrator_gate_of(m, &gate);
        result = migrator_gate_errors(m, &gate);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_gate_p90(m, &gate);
    }

    if (result == MIGRATOR_NEXT) {
        memset(m->samples, 0, sizeof(m->samples));
    }

    return result;
}


static void
migrator_gate_of(const migrator_t *m, migrator_gate_t *gate)
{
    gate->confidence = m->policy->gate_confidence;
    gate->sample = (uint64_t) m->policy->probes;
    gate->full = MIGRATOR_PROBES_MAX;
    gate->share = (double) m->policy->max_errors_bp / SHARD_BP_ALL;
    gate->ratio = m->policy->max_error_ratio;
    gate->floor_us = (double) m->policy->latency_floor_ms * 1000;
}


static migrator_result_e
migrator_gate_errors(migrator_t *m, const migrator_gate_t *gate)
{
    int                  i;
    migrator_gate_e      verdict;
    migrator_share_t     share[2];
    migrator_sample_t   *sample;
    migrator_figures_t   f;

    sample = m->samples;

    for (i = 0; i < 2; i++) {
        share[i].bad = sample[i].errors;
        share[i].n = sample[i].errors + sample[i].n;
    }

    verdict = migrator_gate_share(gate, &share[1], &share[0], &f);
    m->strain = f.strain;

    if (verdict == MIGRATOR_GATE_PASS) {
        return MIGRATOR_NEXT;
    }

    if (verdict == MIGRATOR_GATE_BREACH) {
        return migrator_say(m, MIGRATOR_FAIL, "gate: %llu of %llu probes of "
                            "%s failed, surely %.1f%% or more (%.1f%% may): "
                            "%s", (unsigned long long) share[1].bad,
                            (unsigned long long) share[1].n, m->state.to,
                            100 * f.bound, 100 * f.allowed,
                            m->driver->err(m->driver_data));
    }

    (void) migrator_say(m, MIGRATOR_WAIT, "gate: %u and %u good probes of "
                        "%ld, %u of %s failed", sample[0].n, sample[1].n,
                        m->policy->probes, sample[1].errors, m->state.to);

    return migrator_wait(m, m->policy->probe_interval_ms);
}


static migrator_result_e
migrator_gate_p90(migrator_t *m, const migrator_gate_t *gate)
{
    int                  i;
    migrator_gate_t      latency;
    migrator_gate_e      verdict;
    migrator_figures_t   f;
    migrator_latency_t   us[2];

    latency = *gate;
    latency.ratio = m->policy->max_latency_ratio;

    for (i = 0; i < 2; i++) {
        us[i].us = m->samples[i].us;
        us[i].n = m->samples[i].n;
    }

    verdict = migrator_gate_latency(&latency, &us[1], &us[0], &f);

    if (f.strain > m->strain) {
        m->strain = f.strain;
    }

    if (verdict == MIGRATOR_GATE_PASS) {
        return MIGRATOR_NEXT;
    }

    (void) migrator_say(m, MIGRATOR_WAIT, "gate: %s answers in %.0f us (p90 "
                        "of %u, surely %.0f or more), at most %.0f us are "
                        "allowed, %s takes %.0f us", m->state.to, f.target,
                        us[1].n, f.bound, f.allowed, m->state.from,
                        f.source);

    return verdict == MIGRATOR_GATE_BREACH
           ? MIGRATOR_FAIL : migrator_wait(m, m->policy->probe_interval_ms);
}


static migrator_result_e
migrator_probe(migrator_t *m, int which)
{
    int                  rc;
    uint64_t             us, now;
    migrator_limit_t     limit;
    migrator_sample_t   *sample;
    const shard_node_t  *node;

    sample = &m->samples[which];
    node = which ? &m->target : &m->source;

    if (sample->n == MIGRATOR_PROBES_MAX) {
        return MIGRATOR_NEXT;
    }

    rc = m->driver->probe(m->driver_data, node, m->state.shard,
                          migrator_limit(m, &limit), &us);

    if (rc == MIGRATOR_INTERRUPTED) {
        return migrator_driver_rc(m, rc, "probe");
    }

    if (rc != MIGRATOR_OK) {
        now = m->io->now_ms(m->io->data);
        sample->errors++;

        if (sample->down_ms == 0) {
            sample->down_ms = now;
        }

        return now - sample->down_ms < (uint64_t) m->policy->down_after_ms
               ? MIGRATOR_NEXT
               : migrator_say(m, MIGRATOR_FAIL, "gate: no probe of %s "
                              "answered for %llu ms: %s", node->name,
                              (unsigned long long) (now - sample->down_ms),
                              m->driver->err(m->driver_data));
    }

    sample->down_ms = 0;
    sample->us[sample->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t) us;

    return MIGRATOR_NEXT;
}
