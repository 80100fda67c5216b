
/*
 * Mirrored reads in warm-up and shift: while the policy has routers mirror
 * some, the shard's record names the target from warm-up on, and what the
 * routers count decides with the probes.
 *
 *   warm-up: record names the target ─▶ routers mirror, compare, count
 *                                             │ "mirrors" of their entries
 *   gate:    too many differ ─▶ rolling-back ◀┤
 *            too few yet ─▶ wait, for a time ◀┤
 *                                             └─▶ enough: go on
 */


#include <math.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "gate.h"
#include "machine.h"


#define LOOK_MS  100
#define SHIP_MS  20       /* reads of what was written want it there soon */


static migrator_result_e migrator_mirror_announce(migrator_t *m);
static migrator_result_e migrator_mirror_look(migrator_t *m);
static migrator_result_e migrator_mirror_differ(migrator_t *m,
    uint64_t total, int all);
static migrator_result_e migrator_mirror_latency(migrator_t *m);


/* counts from here on: an earlier attempt's are in the routers' still */

migrator_result_e
migrator_mirror_begin(migrator_t *m)
{
    int                rc;
    uint32_t           bp;
    migrator_result_e  result;

    if (m->mirrors) {
        return MIGRATOR_NEXT;
    }

    rc = m->io->mirror(m->io->data, &bp);

    if (rc != SHARDD_OK) {
        return migrator_store_rc(m, rc, "policy");
    }

    if (bp == 0) {
        return MIGRATOR_NEXT;
    }

    result = migrator_mirror_announce(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->io->mirrors(m->io->data, m->state.id, &m->mirror_base);

    if (rc != SHARDD_OK) {
        return migrator_store_rc(m, rc, "routers");
    }

    memset(&m->mirrored, 0, sizeof(m->mirrored));
    m->mirror_ms = m->io->now_ms(m->io->data);
    m->looked_ms = 0;
    m->mirrors = 1;

    return MIGRATOR_NEXT;
}


static migrator_result_e
migrator_mirror_announce(migrator_t *m)
{
    uint64_t           version;
    shard_record_t     rec;
    migrator_result_e  result;

    result = migrator_own_record(m, &rec, &version);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (rec.migration == m->state.id && rec.target[0]) {
        return MIGRATOR_NEXT;
    }

    rec.migration = m->state.id;
    memcpy(rec.target, m->state.to, sizeof(rec.target));

    return migrator_commit(m, "warm-up", &version, &rec);
}


/* "wait": for enough of them, as long as the policy says */

migrator_result_e
migrator_mirror_gate(migrator_t *m, int wait)
{
    int                        over;
    uint64_t                   total, sample;
    migrator_result_e          result;
    const migrator_mirrors_t  *got;

    if (!m->mirrors) {
        return MIGRATOR_NEXT;
    }

    result = migrator_mirror_look(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    got = &m->mirrored;
    total = got->same + got->status + got->body + got->failed;
    sample = (uint64_t) m->policy->mirror_sample;
    over = m->io->now_ms(m->io->data) - m->mirror_ms
           >= (uint64_t) m->policy->mirror_wait_ms;

    result = migrator_mirror_differ(m, total, wait && over);

    /* in the shift each step looks again */

    if (!wait) {
        return result == MIGRATOR_WAIT ? MIGRATOR_NEXT : result;
    }

    if (result == MIGRATOR_WAIT) {
        migrator_say(m, MIGRATOR_WAIT, "gate: %llu mirrored reads of %llu, "
                     "%llu of them bad", (unsigned long long) total,
                     (unsigned long long) sample,
                     (unsigned long long) (total - got->same));
        return migrator_wait(m, SHIP_MS);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (total < sample) {
        (void) migrator_say(m, MIGRATOR_NEXT, "gate: %llu mirrored reads in "
                            "%ld ms, %llu were wanted: judged by these and "
                            "by probes", (unsigned long long) total,
                            m->policy->mirror_wait_ms,
                            (unsigned long long) sample);
        m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, m->err);

        return MIGRATOR_NEXT;
    }

    return migrator_mirror_latency(m);
}


/* routers tell once a second or so: no need to ask more often */

static migrator_result_e
migrator_mirror_look(migrator_t *m)
{
    int                  rc;
    size_t               i;
    uint64_t             now, *base, *sum, *got;
    migrator_mirrors_t   all;

    now = m->io->now_ms(m->io->data);

    if (m->looked_ms && now - m->looked_ms < LOOK_MS) {
        return MIGRATOR_NEXT;
    }

    rc = m->io->mirrors(m->io->data, m->state.id, &all);

    if (rc != SHARDD_OK) {
        return migrator_store_rc(m, rc, "routers");
    }

    /* a router that began anew counts from nothing: so does the sum */

    if (all.sent < m->mirror_base.sent) {
        memset(&m->mirror_base, 0, sizeof(m->mirror_base));
    }

    base = (uint64_t *) &m->mirror_base;
    sum = (uint64_t *) &all;
    got = (uint64_t *) &m->mirrored;

    for (i = 0; i < sizeof(all) / sizeof(uint64_t); i++) {
        got[i] = sum[i] > base[i] ? sum[i] - base[i] : 0;
    }

    m->state.mirrored = m->mirrored.same + m->mirrored.status
                        + m->mirrored.body + m->mirrored.failed;
    m->state.mirror_bad = m->state.mirrored - m->mirrored.same;
    m->looked_ms = now;
    m->dirty = 1;

    return MIGRATOR_NEXT;
}


/*
 * What may differ is rounded up to whole reads: data is written meanwhile.
 * More are a breach when they are surely too many (gate.h), or when all that
 * there will be is there and the estimate says so.
 */

static migrator_result_e
migrator_mirror_differ(migrator_t *m, uint64_t total, int all)
{
    uint64_t                   n, bad, sample;
    migrator_gate_t            gate;
    migrator_share_t           share;
    migrator_figures_t         f;
    const migrator_mirrors_t  *got;

    got = &m->mirrored;
    bad = got->status + got->body + got->failed;
    sample = (uint64_t) m->policy->mirror_sample;

    if (all && total < sample) {
        sample = total;
    }

    n = total > sample ? total : sample ? sample : 1;

    memset(&gate, 0, sizeof(gate));
    gate.confidence = m->policy->gate_confidence;
    gate.sample = sample;
    gate.full = all ? 0 : UINT64_MAX;
    gate.share = (double) ((n * (uint64_t) m->policy->mirror_bad_bp
                            + SHARD_BP_ALL - 1) / SHARD_BP_ALL) / (double) n;

    share.bad = bad;
    share.n = total;

    switch (migrator_gate_share(&gate, &share, NULL, &f)) {

    case MIGRATOR_GATE_PASS:
        m->strain = fmax(m->strain, f.strain);
        return MIGRATOR_NEXT;

    case MIGRATOR_GATE_UNSURE:
        return MIGRATOR_WAIT;

    case MIGRATOR_GATE_BREACH:
        break;
    }

    return migrator_say(m, MIGRATOR_FAIL, "gate: of %llu mirrored reads %s "
                        "answered %llu with another status, %llu with another "
                        "body, %llu not at all",
                        (unsigned long long) (got->same + bad), m->state.to,
                        (unsigned long long) got->status,
                        (unsigned long long) got->body,
                        (unsigned long long) got->failed);
}


/* means, since routers tell sums */

static migrator_result_e
migrator_mirror_latency(migrator_t *m)
{
    double                     n, source, target, allowed;
    const migrator_mirrors_t  *got;

    got = &m->mirrored;
    n = (double) (got->same + got->status + got->body);

    if (n < 1) {
        return MIGRATOR_NEXT;
    }

    source = (double) got->source_ms / n;
    target = (double) got->target_ms / n;
    allowed = source * m->policy->max_latency_ratio;

    if (allowed < (double) m->policy->latency_floor_ms) {
        allowed = (double) m->policy->latency_floor_ms;
    }

    if (target > allowed) {
        return migrator_say(m, MIGRATOR_FAIL, "gate: %s answers mirrored "
                            "reads in %.1f ms (mean of %.0f), at most %.1f ms "
                            "are allowed, %s takes %.1f ms", m->state.to,
                            target, n, allowed, m->state.from, source);
    }

    return MIGRATOR_NEXT;
}
