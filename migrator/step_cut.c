
/*
 * What splits and merges do in the steps of a move (cut.h says what becomes
 * of the records).
 *
 *    copy       split: the range as a standby of the new shard; merge: the
 *               other shard writes what the merged one has, as its primary
 *    hold       split: the shard; merge: both
 *    commit     both records in one step, and still held
 *    release    the primaries of what there is now are opened first
 *    standby    what a shard does not hold any more is dropped
 *
 * The other shard is claimed as well, from check on: nobody else moves it,
 * and a split's new one belongs to nobody before it is released.
 */


#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "shard_codec.h"
#include "cut.h"


/* between calls that dropped something: others write there, too */

#define DROP_PAUSE_MS  5


static migrator_result_e migrator_cut_into(migrator_t *m,
    shard_record_t *into, uint64_t version);
static migrator_result_e migrator_cut_pair(migrator_t *m,
    const char *operation, uint64_t version, const shard_record_t *rec,
    const shard_record_t *other, shard_id_t gone);


/* for a driver's calls: in every run anew, the driver keeps it */

void
migrator_cut_begin(migrator_t *m)
{
    migrator_cut_t  cut;

    memset(&cut, 0, sizeof(cut));

    if (!migrator_cuts(&m->state) || m->driver->cuts == NULL
        || migrator_cut_range(&m->state, &cut.range) != SHARD_OK)
    {
        return;
    }

    cut.shard = m->state.shard;
    cut.into = m->state.into;
    cut.epoch = m->state.verb == MIGRATOR_MERGE ? m->state.into_epoch : 0;

    m->driver->cuts->set(m->driver_data, &cut);
}


/*
 * The second claim: taken by check, kept with the first one, and taken over
 * like it; whoever held it for this migration may have been killed a little
 * later than it renewed the first.
 */

migrator_result_e
migrator_cut_claim(migrator_t *m, long ttl_ms)
{
    int       rc;
    uint64_t  token;

    if (!migrator_cuts(&m->state)) {
        return MIGRATOR_NEXT;
    }

    /* what follows the release is the first shard's affair */

    if (m->state.phase == MIGRATOR_STANDBY) {
        migrator_cut_release(m);
        return MIGRATOR_NEXT;
    }

    if (m->into_token == 0
        && !migrator_phase_seen(&m->state, MIGRATOR_COPY)
        && !migrator_phase_seen(&m->state, MIGRATOR_COMMIT))
    {
        return MIGRATOR_NEXT;
    }

    token = m->into_token;
    rc = m->io->claim(m->io->data, m->state.into, ttl_ms, &token);

    if (rc == SHARDD_OK) {
        m->into_token = token;
        return MIGRATOR_NEXT;
    }

    if (rc == SHARDD_FENCED && m->into_token == 0) {
        return migrator_say(m, MIGRATOR_RETRY, "claim of shard %u: %s",
                            (unsigned) m->state.into,
                            m->io->err(m->io->data));
    }

    return migrator_store_rc(m, rc, "claim");
}


void
migrator_cut_release(migrator_t *m)
{
    if (m->into_token) {
        (void) m->io->release(m->io->data, m->state.into, m->into_token);
        m->into_token = 0;
    }
}


/* the version must be that of the first record: both are of one moment */

static migrator_result_e
migrator_cut_into(migrator_t *m, shard_record_t *into, uint64_t version)
{
    int       rc;
    uint64_t  now;

    rc = m->io->shard(m->io->data, m->state.into, into, &now);

    if (rc == SHARDD_NONE) {
        return migrator_say(m, MIGRATOR_FAIL, "shard %u does not exist any "
                            "more", (unsigned) m->state.into);
    }

    if (rc == SHARDD_OK && now != version) {
        return migrator_wait(m, 0);
    }

    return migrator_store_rc(m, rc, "shard");
}


static migrator_result_e
migrator_cut_pair(migrator_t *m, const char *operation, uint64_t version,
    const shard_record_t *rec, const shard_record_t *other, shard_id_t gone)
{
    int   rc;
    char  name[96];

    migrator_operation(&m->state, operation, name, sizeof(name));

    rc = m->io->commit_pair(m->io->data, m->state.shard, m->token, &version,
                            name, rec, other, gone);

    if (rc == SHARDD_OK) {
        m->version = version;
    }

    return migrator_store_rc(m, rc, operation);
}


/* of a merge's shard, when it is gone, the one that has its keys */

int
migrator_cut_look(migrator_t *m, shard_record_t *rec, uint64_t *version)
{
    int  rc;

    rc = m->io->shard(m->io->data, m->state.into, rec, version);

    if (rc == SHARDD_OK && (rec->epoch != m->state.into_epoch + 1
                            || strcmp(rec->primary, m->state.to) != 0))
    {
        /* moved on since, or somebody else's doing: not ours any more */

        rec->migration = 0;
    }

    return rc;
}


migrator_result_e
migrator_cut_check(migrator_t *m, const shard_record_t *rec)
{
    char               err[SHARD_ERR_SIZE];
    uint64_t           version;
    shard_record_t     into;
    migrator_result_e  result;

    if (m->state.strategy != SHARD_STATELESS
        && m->state.strategy != SHARD_LOG_SHIPPING)
    {
        return migrator_say(m, MIGRATOR_FAIL, "shards of strategy %s are not "
                            "split or merged",
                            shard_strategy_name(m->state.strategy));
    }

    if (m->state.strategy != SHARD_STATELESS && m->driver->cuts == NULL) {
        return migrator_say(m, MIGRATOR_FAIL, "driver %s cannot split or "
                            "merge shards", m->driver->name);
    }

    if (m->into_token == 0 && !m->dry
        && m->io->claim(m->io->data, m->state.into, m->policy->claim_ttl_ms,
                        &m->into_token) != SHARDD_OK)
    {
        return migrator_say(m, MIGRATOR_FAIL, "shard %u: %s",
                            (unsigned) m->state.into,
                            m->io->err(m->io->data));
    }

    if (m->state.verb != MIGRATOR_MERGE) {
        return migrator_cut_splits(&m->state, rec, err) == SHARD_OK
               ? MIGRATOR_NEXT : migrator_say(m, MIGRATOR_FAIL, "%s", err);
    }

    if (m->io->shard(m->io->data, m->state.into, &into, &version)
        != SHARDD_OK)
    {
        return migrator_say(m, MIGRATOR_FAIL, "shard %u: %s",
                            (unsigned) m->state.into,
                            m->io->err(m->io->data));
    }

    result = migrator_check_override_of(m, m->state.into);

    if (result == MIGRATOR_NEXT
        && migrator_cut_joins(&m->state, rec, &into, err) != SHARD_OK)
    {
        return migrator_say(m, MIGRATOR_FAIL, "%s", err);
    }

    return result;
}


/* one call of many: between them the claim is kept and wishes are read */

migrator_result_e
migrator_cut_drop(migrator_t *m, const shard_node_t *node, shard_id_t shard,
    uint32_t epoch)
{
    int               rc;
    uint64_t          dropped;
    migrator_limit_t  limit;

    dropped = 0;
    rc = m->driver->cuts->drop(m->driver_data, node, shard, epoch,
                               migrator_limit(m, &limit), m->next, &dropped);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "drop");
    }

    m->down_ms = 0;

    return m->next[0] ? migrator_wait(m, dropped ? DROP_PAUSE_MS : 0)
                      : MIGRATOR_NEXT;
}


/* what an import that broke has brought goes first */

migrator_result_e
migrator_cut_import(migrator_t *m)
{
    int                rc;
    uint64_t           version;
    shard_record_t     rec;
    migrator_limit_t   limit;
    migrator_result_e  result;

    result = migrator_own_record(m, &rec, &version);

    if (result == MIGRATOR_NEXT) {
        result = migrator_nodes(m);
    }

    if (result == MIGRATOR_NEXT && !m->dropped) {
        result = migrator_cut_drop(m, &m->target, m->state.into,
                                   m->state.into_epoch);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    m->dropped = 1;

    rc = m->driver->copy(m->driver_data, &m->source, &m->target,
                         m->state.shard, migrator_long_limit(m, &limit),
                         &m->state.position, &m->state.bytes);

    if (rc != MIGRATOR_OK) {
        m->dropped = 0;
        return migrator_driver_rc(m, rc, "import");
    }

    m->state.copies++;
    m->dirty = 1;

    return MIGRATOR_NEXT;
}


migrator_result_e
migrator_cut_hold(migrator_t *m, uint64_t *version, shard_record_t *rec)
{
    shard_record_t     into;
    migrator_result_e  result;

    rec->phase = SHARD_HELD;
    rec->migration = m->state.id;

    if (m->state.verb != MIGRATOR_MERGE) {
        return migrator_commit(m, "hold", version, rec);
    }

    result = migrator_cut_into(m, &into, *version);

    if (result == MIGRATOR_NEXT && into.epoch != m->state.into_epoch) {
        return migrator_say(m, MIGRATOR_FAIL, "shard %u was changed "
                            "meanwhile", (unsigned) into.id);
    }

    if (result == MIGRATOR_NEXT) {
        result = migrator_check_override_of(m, m->state.into);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    into.phase = SHARD_HELD;
    into.migration = m->state.id;

    result = migrator_cut_pair(m, "hold", *version, rec, &into,
                               SHARD_ID_NONE);
    *version = m->version;

    return result;
}


migrator_result_e
migrator_cut_commit(migrator_t *m)
{
    int                held;
    uint64_t           version;
    shard_record_t     rec, other;
    migrator_result_e  result;

    result = migrator_record(m, &rec, &version);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (migrator_owner(&m->state, &rec) == MIGRATOR_COMMITTED) {
        return MIGRATOR_NEXT;
    }

    held = m->state.strategy != SHARD_STATELESS;

    if (migrator_owner(&m->state, &rec) != MIGRATOR_OURS
        || (held && rec.phase != SHARD_HELD))
    {
        return migrator_say(m, MIGRATOR_FAIL, "the shard's record was "
                            "changed meanwhile");
    }

    if (m->state.verb == MIGRATOR_MERGE) {
        result = migrator_cut_into(m, &other, version);

        if (result == MIGRATOR_NEXT
            && (other.epoch != m->state.into_epoch
                || (held && other.migration != m->state.id)))
        {
            return migrator_say(m, MIGRATOR_FAIL, "shard %u was changed "
                                "meanwhile", (unsigned) other.id);
        }

        if (result != MIGRATOR_NEXT) {
            return result;
        }

        migrator_cut_joined(&m->state, &other);

        result = migrator_cut_pair(m, "commit", version, &other, NULL,
                                   m->state.shard);

    } else {
        migrator_cut_parts(&m->state, &rec, &other);

        result = migrator_cut_pair(m, "commit", version, &rec, &other,
                                   SHARD_ID_NONE);
    }

    return result == MIGRATOR_NEXT ? migrator_wait(m, 0) : result;
}


/*
 * A split's new shard does not wait for the old one's node, should that have
 * died: its own has all it needs.
 */

migrator_result_e
migrator_cut_open(migrator_t *m, shard_record_t *rec, uint64_t version)
{
    int                rc;
    uint64_t           position;
    shard_record_t     child;
    migrator_limit_t   limit;
    migrator_result_e  result;

    result = migrator_nodes(m);

    if (result == MIGRATOR_NEXT && m->state.verb != MIGRATOR_MERGE) {
        result = migrator_cut_into(m, &child, version);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->role(m->driver_data, &m->target, m->state.into,
                         MIGRATOR_ROLE_PRIMARY,
                         (m->state.verb == MIGRATOR_MERGE
                          ? m->state.into_epoch : m->state.epoch) + 1,
                         migrator_limit(m, &limit), &position);

    if (rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "open");
    }

    rec->phase = SHARD_STEADY;
    rec->migration = 0;

    if (m->state.verb == MIGRATOR_MERGE) {
        result = migrator_cut_pair(m, "release", version, rec, NULL,
                                   SHARD_ID_NONE);
        return result == MIGRATOR_NEXT ? migrator_wait(m, 0) : result;
    }

    rc = m->driver->role(m->driver_data, &m->source, m->state.shard,
                         MIGRATOR_ROLE_PRIMARY, m->state.epoch + 1,
                         migrator_limit(m, &limit), &position);

    if (child.migration == m->state.id) {
        child.phase = SHARD_STEADY;
        child.migration = 0;

        result = rc == MIGRATOR_OK
                 ? migrator_cut_pair(m, "release", version, rec, &child,
                                     SHARD_ID_NONE)
                 : migrator_cut_pair(m, "release.child", version, &child,
                                     NULL, SHARD_ID_NONE);

    } else if (rc == MIGRATOR_OK) {
        result = migrator_cut_pair(m, "release", version, rec, NULL,
                                   SHARD_ID_NONE);
    }

    if (result == MIGRATOR_NEXT && rc != MIGRATOR_OK) {
        return migrator_driver_rc(m, rc, "open");
    }

    return result == MIGRATOR_NEXT ? migrator_wait(m, 0) : result;
}


/* requests go where they went before: of a merge to both */

migrator_result_e
migrator_cut_free(migrator_t *m, uint64_t version, const shard_record_t *rec)
{
    shard_record_t     into;
    migrator_result_e  result;

    if (m->state.verb != MIGRATOR_MERGE) {
        return migrator_commit(m, "free", &version, rec);
    }

    result = migrator_cut_into(m, &into, version);

    if (result == MIGRATOR_FAIL
        || (result == MIGRATOR_NEXT && into.migration != m->state.id))
    {
        return migrator_commit(m, "free", &version, rec);
    }

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    into.phase = SHARD_STEADY;
    into.migration = 0;

    return migrator_cut_pair(m, "free", version, rec, &into, SHARD_ID_NONE);
}


/* a courtesy: what was copied in vain frees its room again */

migrator_result_e
migrator_cut_forget(migrator_t *m, uint32_t epoch)
{
    uint64_t           position;
    migrator_limit_t   limit;
    migrator_result_e  result;

    if (m->state.strategy == SHARD_STATELESS || m->driver->cuts == NULL
        || !migrator_phase_seen(&m->state, MIGRATOR_COPY))
    {
        return MIGRATOR_NEXT;
    }

    if (m->state.verb != MIGRATOR_MERGE) {
        (void) m->driver->role(m->driver_data, &m->target, m->state.into,
                               MIGRATOR_ROLE_NONE, epoch,
                               migrator_limit(m, &limit), &position);
        return MIGRATOR_NEXT;
    }

    (void) m->driver->cuts->end(m->driver_data, &m->target,
                                m->state.into_epoch,
                                migrator_limit(m, &limit));

    result = migrator_cut_drop(m, &m->target, m->state.into,
                               m->state.into_epoch);

    return result == MIGRATOR_WAIT || result == MIGRATOR_LOST
           ? result : MIGRATOR_NEXT;
}
