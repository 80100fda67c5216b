
/*
 * warm-up: the target holds the same data as the source, and answers as
 * fast and as surely as it must: by probes, and by mirrored reads where the
 * policy has them (step_mirror.c).  The gate guards each step of shift too.
 */


#include <stdlib.h>
#include <string.h>

#include "machine.h"


static migrator_result_e migrator_warm_digests(migrator_t *m);
static migrator_result_e migrator_probe(migrator_t *m, int which);
static uint32_t migrator_p90(const migrator_sample_t *sample);
static int migrator_p90_cmp(const void *one, const void *two);


migrator_result_e
migrator_step_warm_up(migrator_t *m)
{
    migrator_result_e  result;

    if (m->state.strategy != SHARD_STATELESS && m->window_ms == 0) {
        result = migrator_warm_digests(m);

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

    source = &m->digest[0];
    target = &m->digest[1];

    result = migrator_ship(m, (uint64_t) m->policy->batch);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->digest(m->driver_data, &m->source, m->state.shard, NULL,
                           migrator_long_limit(m, &limit), source);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "source's digest");
    }

    while (m->state.position < source->position) {
        result = migrator_ship(m, source->position - m->state.position);

        if (result != MIGRATOR_NEXT) {
            return result;
        }
    }

    if (m->state.position > source->position) {
        return migrator_say(m, MIGRATOR_OTHER, "target is ahead of source");
    }

    rc = m->driver->digest(m->driver_data, &m->target, m->state.shard,
                           &source->position,
                           migrator_long_limit(m, &limit), target);

    if (rc != MIGRATOR_OK) {
        m->positioned = 0;
        return migrator_driver_rc(m, rc, "target's digest");
    }

    if (memcmp(source, target, sizeof(migrator_digest_t)) == 0) {
        m->state.items = source->items;
        m->dirty = 1;
        return MIGRATOR_NEXT;
    }

    return migrator_say(m, m->state.copies ? MIGRATOR_FAIL : MIGRATOR_OTHER,
                        "data differ at position %llu: %llu items at %s, "
                        "%llu at %s", (unsigned long long) source->position,
                        (unsigned long long) source->items, m->state.from,
                        (unsigned long long) target->items, m->state.to);
}


/*
 * One probe of each node, a judgement when there are enough of them.  A gate
 * without data is closed: the phase's time runs out over it.
 */

migrator_result_e
migrator_gate(migrator_t *m)
{
    uint32_t            source_us, target_us;
    uint64_t            allowed_us;
    migrator_result_e   result;
    migrator_sample_t  *sample;

    sample = m->samples;
    result = migrator_probe(m, 0);

    if (result == MIGRATOR_NEXT) {
        result = migrator_probe(m, 1);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if ((uint64_t) sample[1].errors * SHARD_BP_ALL
        > (uint64_t) m->policy->max_errors_bp * (uint64_t) m->policy->probes)
    {
        return migrator_say(m, MIGRATOR_FAIL, "gate: %u of %u probes of %s "
                            "failed: %s", sample[1].errors,
                            sample[1].errors + sample[1].n, m->state.to,
                            m->driver->err(m->driver_data));
    }

    if (sample[0].n < (uint32_t) m->policy->probes
        || sample[1].n < (uint32_t) m->policy->probes)
    {
        migrator_say(m, MIGRATOR_WAIT, "gate: %u and %u good probes of %ld",
                     sample[0].n, sample[1].n, m->policy->probes);
        return migrator_wait(m, m->policy->probe_interval_ms);
    }

    source_us = migrator_p90(&sample[0]);
    target_us = migrator_p90(&sample[1]);
    allowed_us = (uint64_t) (source_us * m->policy->max_latency_ratio);

    if (allowed_us < (uint64_t) m->policy->latency_floor_ms * 1000) {
        allowed_us = (uint64_t) m->policy->latency_floor_ms * 1000;
    }

    if (target_us > allowed_us) {
        return migrator_say(m, MIGRATOR_FAIL, "gate: %s answers in %u us "
                            "(p90 of %u), at most %llu us are allowed, %s "
                            "takes %u us", m->state.to, target_us,
                            sample[1].n, (unsigned long long) allowed_us,
                            m->state.from, source_us);
    }

    memset(sample, 0, sizeof(m->samples));

    return MIGRATOR_NEXT;
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

    if (sample->n == MIGRATOR_PROBES_MAX
        || sample->n >= (uint32_t) m->policy->probes)
    {
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


static uint32_t
migrator_p90(const migrator_sample_t *sample)
{
    uint32_t  sorted[MIGRATOR_PROBES_MAX];

    memcpy(sorted, sample->us, sample->n * sizeof(uint32_t));
    qsort(sorted, sample->n, sizeof(uint32_t), migrator_p90_cmp);

    return sorted[(sample->n * 9 - 1) / 10];
}


static int
migrator_p90_cmp(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return (a > b) - (a < b);
}
