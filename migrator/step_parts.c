
/*
 * A copy by parts, and the repair of those that differ.
 *
 *   copy:     part 0 ▶ log ▶ part 1 ▶ log ▶ ... ▶ part 63 ▶ catch-up
 *   stored:   copy_parts, a bit for each that has arrived, and copy_settled,
 *             the largest position of them
 *
 * Each part is read at the source's position of that moment, and the log
 * behind the first of them is shipped in between, so that it is not trimmed
 * before the last one has come.  The target applies an entry to a part that
 * it has from an earlier position, and to no other: what a part holds
 * already is not done twice, and what an awaited one will hold is not done
 * at all.  Until the target's position has reached copy_settled its parts
 * are of different positions, and catch-up does not end before that.
 *
 * Whoever finds the migration in copy goes on with the first part that is
 * missing; a part that broke off is sent again from its beginning.  So no
 * more than one of 64 is ever sent twice.
 */


#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../src/daemon/shardd_log.h"
#include "machine.h"


#define COPIES_MAX   5
#define REPAIRS_MAX  3


static migrator_result_e migrator_parts_begin(migrator_t *m,
    const migrator_stats_t *target);
static migrator_result_e migrator_parts_next(migrator_t *m);
static migrator_result_e migrator_parts_restart(migrator_t *m,
    const char *why);
static void migrator_parts_figures(migrator_t *m);


/* both nodes have them; who imports writes a log of its own */

int
migrator_parts_offered(const migrator_t *m, const migrator_stats_t *source,
    const migrator_stats_t *target)
{
    return m->driver->copy_part != NULL
           && source->parts == MIGRATOR_PARTS
           && target->parts == MIGRATOR_PARTS
           && source->position > 0
           && m->state.verb != MIGRATOR_MERGE
           && m->state.verb != MIGRATOR_PROMOTE;
}


/* what migrator_limit() gives, with the policy's bounds of speed */

const migrator_limit_t *
migrator_copy_limit(migrator_t *m, migrator_limit_t *buf)
{
    struct timespec  ts;

    (void) migrator_long_limit(m, buf);

    if (!m->throttled) {
        memset(&m->throttle, 0, sizeof(m->throttle));

        m->throttle.most = (uint64_t) m->policy->copy_rate;
        m->throttle.least = (uint64_t) m->policy->copy_min_rate;
        m->throttle.item_bytes = (uint32_t) m->policy->copy_item_bytes;
        m->throttle.ratio = m->policy->copy_latency_ratio;
        m->throttle.slack_us = (uint32_t) m->policy->copy_latency_slack_ms
                               * 1000;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        migrator_throttle_init(&m->throttle, (uint64_t) ts.tv_sec * 1000000
                                             + (uint64_t) ts.tv_nsec / 1000);
        m->throttled = 1;
    }

    buf->throttle = &m->throttle;

    return buf;
}


/* the phase's work for a shard that goes by parts; one part at a time */

migrator_result_e
migrator_copy_parts(migrator_t *m, const migrator_stats_t *target)
{
    migrator_result_e  result;

    if (!m->parted) {
        result = migrator_parts_begin(m, target);

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        m->parted = 1;
    }

    return migrator_parts_next(m);
}


/* a target that has nothing, or the parts that were sent so far */

static migrator_result_e
migrator_parts_begin(migrator_t *m, const migrator_stats_t *target)
{
    char  text[128];

    if (m->state.copy_parts && target->position) {
        m->state.copy_resumed++;
        m->dirty = 1;

        snprintf(text, sizeof(text), "copy goes on: %d of %d parts are there",
                 __builtin_popcountll(m->state.copy_parts), MIGRATOR_PARTS);
        m->io->note(m->io->data, SHARDD_LOG_INFO, &m->state, text);

        return MIGRATOR_NEXT;
    }

    m->state.copy_parts = 0;
    m->state.copy_settled = 0;

    return target->position ? migrator_reset(m) : MIGRATOR_NEXT;
}


static migrator_result_e
migrator_parts_next(migrator_t *m)
{
    int                rc;
    unsigned           part;
    uint64_t           position;
    migrator_limit_t   limit;
    migrator_result_e  result;

    part = (unsigned) __builtin_ctzll(~m->state.copy_parts);

    rc = m->driver->copy_part(m->driver_data, &m->source, &m->target,
                              m->state.shard, part,
                              migrator_copy_limit(m, &limit), &position,
                              &m->state.bytes);

    if (rc != MIGRATOR_OK) {

        /* a target that comes back may have nothing any more */

        m->parted = 0;
        return migrator_driver_rc(m, rc, "snapshot");
    }

    if (m->state.copy_parts == 0) {
        m->positioned = 0;
    }

    m->state.copy_parts |= 1ull << part;
    m->state.copy_sent++;

    if (position > m->state.copy_settled) {
        m->state.copy_settled = position;
    }

    migrator_parts_figures(m);

    result = migrator_ship(m, (uint64_t) m->policy->batch);

    if (result == MIGRATOR_OTHER) {
        return migrator_parts_restart(m, m->err);
    }

    if (result != MIGRATOR_NEXT && result != MIGRATOR_RETRY) {
        return result;
    }

    if (m->state.copy_parts == UINT64_MAX) {

        /* the next copy, if there is one, begins anew */

        m->state.copy_parts = 0;
        m->state.copies++;
        m->dirty = 1;

        return MIGRATOR_NEXT;
    }

    result = migrator_save(m);

    return result == MIGRATOR_NEXT ? migrator_wait(m, 0) : result;
}


/* parts that are there are of no use without the log behind the first */

static migrator_result_e
migrator_parts_restart(migrator_t *m, const char *why)
{
    char  text[MIGRATOR_ERR_SIZE];

    snprintf(text, sizeof(text), "%.200s", why);

    if (++m->state.copies >= COPIES_MAX) {
        return migrator_say(m, MIGRATOR_FAIL, "%d copies were left behind by "
                            "the source's log: %.200s", COPIES_MAX, text);
    }

    m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, text);

    m->state.copy_parts = 0;
    m->parted = 0;
    m->dirty = 1;

    return migrator_wait(m, 0);
}


static void
migrator_parts_figures(migrator_t *m)
{
    char      text[160];
    uint32_t  backoffs;

    backoffs = m->throttle.backoffs - m->backoffs_seen;

    m->state.copy_speed = m->throttle.speed;
    m->state.copy_backoffs += backoffs;
    m->dirty = 1;

    if (backoffs && m->backoffs_seen == 0) {
        snprintf(text, sizeof(text), "copy gives way: source answers in %u "
                 "us, target in %u us, before it %u and %u us; %llu bytes/s",
                 m->throttle.node[0].last_us, m->throttle.node[1].last_us,
                 m->throttle.node[0].base_us, m->throttle.node[1].base_us,
                 (unsigned long long) m->throttle.rate);
        m->io->note(m->io->data, SHARDD_LOG_INFO, &m->state, text);
    }

    m->backoffs_seen = m->throttle.backoffs;
}


/*
 * warm-up found both at one position with parts that differ.  MIGRATOR_WAIT:
 * they are being sent again, and compared again then; MIGRATOR_NEXT: that is
 * not the way.
 */

migrator_result_e
migrator_repair_begin(migrator_t *m)
{
    int                i, rc;
    char               text[128];
    uint64_t           parts;
    migrator_limit_t   limit;
    migrator_stats_t   stats[2];

    parts = 0;

    for (i = 0; i < MIGRATOR_PARTS; i++) {
        if (memcmp(&m->digest[0].part[i], &m->digest[1].part[i],
                   sizeof(m->digest[0].part[0])) != 0)
        {
            parts |= 1ull << i;
        }
    }

    if (parts == 0 || m->repairs >= REPAIRS_MAX
        || (m->state.copies == 0 && __builtin_popcountll(parts) > 32))
    {
        return MIGRATOR_NEXT;
    }

    for (i = 0; i < 2; i++) {
        rc = m->driver->stats(m->driver_data, i ? &m->target : &m->source,
                              m->state.shard, migrator_limit(m, &limit),
                              &stats[i]);

        if (rc != MIGRATOR_OK) {
            return migrator_driver_rc(m, rc, i ? "target" : "source");
        }
    }

    if (!migrator_parts_offered(m, &stats[0], &stats[1])) {
        return MIGRATOR_NEXT;
    }

    snprintf(text, sizeof(text), "data differ at position %llu in %d of %d "
             "parts: those are sent again",
             (unsigned long long) m->digest[0].position,
             __builtin_popcountll(parts), MIGRATOR_PARTS);
    m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, text);

    m->repair = parts;
    m->repairs++;

    return migrator_wait(m, 0);
}


/* one part of those; the log brings the target to its position then */

migrator_result_e
migrator_repair_next(migrator_t *m)
{
    int               rc;
    unsigned          part;
    uint64_t          position;
    migrator_limit_t  limit;

    part = (unsigned) __builtin_ctzll(m->repair);

    rc = m->driver->copy_part(m->driver_data, &m->source, &m->target,
                              m->state.shard, part,
                              migrator_copy_limit(m, &limit), &position,
                              &m->state.bytes);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "repair");
    }

    m->repair &= ~(1ull << part);
    m->state.repaired++;
    m->dirty = 1;

    return migrator_wait(m, 0);
}
