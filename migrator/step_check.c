
/*
 * check: is the decision still true, and can the target take the shard?
 * What is refused here has touched nothing.
 */


#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "shard_codec.h"
#include "shard_override.h"
#include "next.h"
#include "preconditions.h"


/* between two looks at the budgets */

#define WAIT_MS  500


static migrator_result_e migrator_override(migrator_t *m, shard_id_t shard,
    char *buf, size_t size);
static migrator_result_e migrator_check_cut(migrator_t *m,
    migrator_facts_t *f);
static migrator_result_e migrator_check_record(migrator_t *m,
    const shard_record_t *rec);
static migrator_result_e migrator_check_store(migrator_t *m,
    migrator_facts_t *f);
static void migrator_check_ask(migrator_t *m, migrator_facts_t *f);
static void migrator_check_err(migrator_facts_t *f, int fact,
    const char *err);
static const migrator_limit_t *migrator_check_limit(migrator_t *m,
    migrator_limit_t *buf);


/* an operator's hand on the shard keeps ours off it */

migrator_result_e
migrator_check_override(migrator_t *m)
{
    return migrator_check_override_of(m, m->state.shard);
}


migrator_result_e
migrator_check_override_of(migrator_t *m, shard_id_t shard)
{
    char               buf[SHARD_OVERRIDE_MAX + 1];
    migrator_result_e  result;

    result = migrator_override(m, shard, buf, sizeof(buf));

    if (result == MIGRATOR_NEXT && buf[0]) {
        return migrator_say(m, MIGRATOR_FAIL, "an operator's override is in "
                            "force: %s", buf);
    }

    return result;
}


/* the one in force, or "" */

static migrator_result_e
migrator_override(migrator_t *m, shard_id_t shard, char *buf, size_t size)
{
    int               rc;
    char              err[SHARD_ERR_SIZE];
    shard_str_t       text;
    shard_override_t  override;

    rc = m->io->override(m->io->data, shard, buf, size);

    if (rc == SHARDD_NONE) {
        buf[0] = '\0';
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
        buf[0] = '\0';
    }

    return MIGRATOR_NEXT;
}


/*
 * All that is refused is told, not the first of it.  A node that does not
 * answer is asked again until the phase's time is over; room in the budgets
 * is waited for without an end.
 */

migrator_result_e
migrator_step_check(migrator_t *m)
{
    char               text[MIGRATOR_ERR_SIZE];
    uint64_t           version;
    shard_record_t     rec;
    migrator_checks_t  checks;
    migrator_result_e  result;

    result = migrator_check(m, &checks);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    migrator_checks_text(&checks, migrator_checks_worst(&checks), text,
                         sizeof(text));

    switch (migrator_checks_worst(&checks)) {

    case MIGRATOR_CHECK_REFUSED:
        return migrator_say(m, MIGRATOR_FAIL, "%s", text);

    case MIGRATOR_CHECK_SILENT:
        return migrator_say(m, MIGRATOR_RETRY, "%s", text);

    case MIGRATOR_CHECK_WAITS:
        m->started_ms = m->io->now_ms(m->io->data);
        (void) migrator_say(m, MIGRATOR_WAIT, "waits: %s", text);
        return migrator_wait(m, WAIT_MS);

    case MIGRATOR_CHECK_UNKNOWN:
        m->io->note(m->io->data, SHARDD_LOG_INFO, &m->state, text);
        break;

    case MIGRATOR_CHECK_OK:
        break;
    }

    m->state.size = (uint64_t) checks.expect.bytes;
    m->dirty = 1;

    if (m->state.verb != MIGRATOR_PROMOTE) {
        return MIGRATOR_NEXT;
    }

    result = migrator_record(m, &rec, &version);

    return result == MIGRATOR_NEXT ? migrator_promote_check(m, &rec) : result;
}


/* facts for a verdict on each point, whatever the others are */

migrator_result_e
migrator_check(migrator_t *m, migrator_checks_t *out)
{
    uint64_t           version;
    migrator_facts_t   f;
    migrator_result_e  result;

    memset(&f, 0, sizeof(f));

    f.state = &m->state;
    f.policy = m->policy;
    f.driver = m->driver->name;
    f.data = m->state.strategy != SHARD_STATELESS;
    f.dry = m->dry;

    result = migrator_record(m, &f.rec, &version);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (migrator_check_record(m, &f.rec) == MIGRATOR_FAIL) {
        snprintf(f.decision, sizeof(f.decision), "%.*s",
                 MIGRATOR_CHECK_SIZE - 1, m->err);
    }

    result = migrator_check_cut(m, &f);

    if (result == MIGRATOR_NEXT) {
        result = migrator_check_store(m, &f);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    migrator_check_ask(m, &f);

    if (m->lost) {
        return MIGRATOR_LOST;
    }

    migrator_preconditions(&f, out);
    m->state.items = f.stats[0].items;

    return MIGRATOR_NEXT;
}


/* a split's bounds, a merge's neighbour */

static migrator_result_e
migrator_check_cut(migrator_t *m, migrator_facts_t *f)
{
    migrator_result_e  result;

    if ((!migrator_cuts(&m->state) && !migrator_next_merges(&m->state))
        || f->decision[0])
    {
        return MIGRATOR_NEXT;
    }

    result = migrator_cut_check(m, &f->rec);

    if (result != MIGRATOR_FAIL) {
        return result;
    }

    snprintf(f->decision, sizeof(f->decision), "%.*s",
             MIGRATOR_CHECK_SIZE - 1, m->err);

    return MIGRATOR_NEXT;
}


/* what the store knows; a node that is not there is a fact, too */

static migrator_result_e
migrator_check_store(migrator_t *m, migrator_facts_t *f)
{
    int                i, rc;
    const char        *name;
    migrator_result_e  result;

    result = migrator_override(m, m->state.shard, f->override,
                               sizeof(f->override));

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    for (i = MIGRATOR_FACT_SOURCE; i <= MIGRATOR_FACT_TARGET; i++) {
        name = i == MIGRATOR_FACT_SOURCE ? m->state.from : m->state.to;
        rc = m->io->node(m->io->data, name,
                         i == MIGRATOR_FACT_SOURCE ? &f->source
                                                   : &f->target);

        if (rc == SHARDD_DOWN) {
            return migrator_store_rc(m, rc, "node");
        }

        f->rc[i] = rc;
        migrator_check_err(f, i, m->io->err(m->io->data));
    }

    rc = m->io->views(m->io->data, m->state.to, &f->views);

    if (rc == SHARDD_OK) {
        rc = m->io->others(m->io->data, m->state.id, &f->others);
    }

    return migrator_store_rc(m, rc, "check");
}


/* what the nodes say; one that is silent is not asked twice */

static void
migrator_check_ask(migrator_t *m, migrator_facts_t *f)
{
    int               i, rc;
    uint64_t          us;
    migrator_limit_t  limit;

    for (i = MIGRATOR_FACT_SOURCE_STATS; i < MIGRATOR_FACTS; i++) {
        f->rc[i] = MIGRATOR_FACT_NOT_ASKED;
    }

    m->source = f->source;
    m->target = f->target;

    if (f->rc[MIGRATOR_FACT_TARGET] == 0) {
        rc = m->driver->probe(m->driver_data, &f->target,
                              migrator_at_target(&m->state),
                              migrator_check_limit(m, &limit), &us);
        f->rc[MIGRATOR_FACT_PROBE] = rc;
        f->probe_us = us;
        migrator_check_err(f, MIGRATOR_FACT_PROBE,
                           m->driver->err(m->driver_data));
    }

    if (!f->data || m->state.verb == MIGRATOR_PROMOTE) {
        return;
    }

    for (i = 0; i < 2; i++) {

        if (f->rc[MIGRATOR_FACT_SOURCE + i] != 0
            || (i == 1 && f->rc[MIGRATOR_FACT_PROBE] != MIGRATOR_OK))
        {
            continue;
        }

        rc = m->driver->stats(m->driver_data, i ? &f->target : &f->source,
                              i ? migrator_at_target(&m->state)
                                : m->state.shard,
                              migrator_check_limit(m, &limit), &f->stats[i]);
        f->rc[MIGRATOR_FACT_SOURCE_STATS + i] = rc;
        migrator_check_err(f, MIGRATOR_FACT_SOURCE_STATS + i,
                           m->driver->err(m->driver_data));
    }

    if (m->driver->check && f->rc[MIGRATOR_FACT_SOURCE_STATS] == MIGRATOR_OK
        && f->rc[MIGRATOR_FACT_TARGET_STATS] == MIGRATOR_OK)
    {
        rc = m->driver->check(m->driver_data, &f->source, &f->target,
                              m->state.shard,
                              migrator_check_limit(m, &limit));
        f->rc[MIGRATOR_FACT_DRIVER] = rc;
        migrator_check_err(f, MIGRATOR_FACT_DRIVER, rc == MIGRATOR_OK
                           ? "both servers can replicate"
                           : m->driver->err(m->driver_data));
    }
}


static void
migrator_check_err(migrator_facts_t *f, int fact, const char *err)
{
    snprintf(f->err[fact], sizeof(f->err[fact]), "%.*s",
             MIGRATOR_CHECK_SIZE - 1, err);
}


/* several silent nodes take longer than a lease: it is kept meanwhile */

static const migrator_limit_t *
migrator_check_limit(migrator_t *m, migrator_limit_t *buf)
{
    long  timeout_ms;

    (void) migrator_limit(m, buf);
    timeout_ms = buf->timeout_ms;

    if (!m->dry) {
        (void) migrator_long_limit(m, buf);
        buf->timeout_ms = timeout_ms;
    }

    return buf;
}


static migrator_result_e
migrator_check_record(migrator_t *m, const shard_record_t *rec)
{
    if (rec->strategy == SHARD_COPY_ON_WRITE
        && (m->state.verb == MIGRATOR_MOVE || migrator_next_moves(&m->state))
        && (m->driver->mode == NULL || m->driver->fill == NULL))
    {
        return migrator_say(m, MIGRATOR_FAIL, "driver %s has no "
                            "copy-on-write: give the shard another strategy",
                            m->driver->name);
    }

    if ((m->state.verb == MIGRATOR_MOVE || migrator_cuts(&m->state))
        && rec->strategy == SHARD_QUEUE
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

    m->state.standbys = rec->nstandbys + 1U;
    m->dirty = 1;

    return MIGRATOR_NEXT;
}
