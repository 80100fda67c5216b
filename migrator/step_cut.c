
/*
 * What splits and merges do in the steps of a move (cut.h says what becomes
 * of the records, step_cut_commit.c writes them).
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


#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "shard_codec.h"
#include "next.h"


/* between calls that dropped something: others write there, too */

#define DROP_PAUSE_MS  5


static migrator_result_e migrator_cut_take(migrator_t *m, long ttl_ms);


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

    return migrator_cut_take(m, ttl_ms);
}


/* one that is not ours yet is waited for, as long as the phase has time */

static migrator_result_e
migrator_cut_take(migrator_t *m, long ttl_ms)
{
    int       rc;
    uint64_t  token;

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


/* of a merge's shard, when it is gone, the one that has its keys */

int
migrator_cut_look(migrator_t *m, shard_record_t *rec, uint64_t *version)
{
    int  rc;

    rc = m->io->shard(m->io->data, m->state.into, rec, version);

    /* no commit of ours: the shard was deleted by another hand */

    if (rc == SHARDD_OK && rec->epoch <= m->state.into_epoch) {
        return SHARDD_NONE;
    }

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

    if (m->state.strategy != SHARD_STATELESS && m->driver->cuts == NULL) {
        return migrator_say(m, MIGRATOR_FAIL, "driver %s cannot split or "
                            "merge shards", m->driver->name);
    }

    /* the other shard of a merge that waits for its move is nobody's yet */

    if (migrator_cuts(&m->state) && m->into_token == 0 && !m->dry) {
        result = migrator_cut_take(m, m->policy->claim_ttl_ms);

        if (result != MIGRATOR_NEXT) {
            return result;
        }
    }

    if (m->state.verb != MIGRATOR_MERGE && !migrator_next_merges(&m->state)) {
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
                         m->state.shard, migrator_copy_limit(m, &limit),
                         &m->state.position, &m->state.bytes);

    if (rc != MIGRATOR_OK) {
        m->dropped = 0;
        return migrator_driver_rc(m, rc, "import");
    }

    m->state.copies++;
    m->state.copy_speed = m->throttle.speed;
    m->dirty = 1;

    return MIGRATOR_NEXT;
}


/*
 * Digests of what changes its shard, made ready while it is still written:
 * verify reads them then, and requests do not wait for a scan.  A node that
 * cannot do that is scanned in verify.
 */

migrator_result_e
migrator_cut_keep(migrator_t *m)
{
    int                rc;
    migrator_limit_t   limit;
    migrator_result_e  result;

    if (m->kept || !migrator_cuts(&m->state) || m->driver->cuts == NULL
        || m->driver->cuts->keep == NULL)
    {
        return MIGRATOR_NEXT;
    }

    result = migrator_nodes(m);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    rc = m->driver->cuts->keep(m->driver_data, &m->source, m->state.shard,
                               migrator_long_limit(m, &limit));

    if (rc == MIGRATOR_OK && m->state.verb == MIGRATOR_MERGE) {
        rc = m->driver->cuts->keep(m->driver_data, &m->target, m->state.into,
                                   migrator_long_limit(m, &limit));
    }

    if (rc == MIGRATOR_REFUSED) {
        m->io->note(m->io->data, SHARDD_LOG_INFO, &m->state,
                    m->driver->err(m->driver_data));
        rc = MIGRATOR_OK;
    }

    m->kept = rc == MIGRATOR_OK;

    return migrator_driver_rc(m, rc, "digest");
}


/*
 * What was copied in vain frees its room again.  A silent target is not
 * waited for: a new shard's is told later, as that of a move is.
 */

migrator_result_e
migrator_cut_forget(migrator_t *m, uint32_t epoch)
{
    int                rc;
    uint64_t           position;
    migrator_limit_t   limit;
    migrator_result_e  result;

    if (m->state.strategy == SHARD_STATELESS || m->driver->cuts == NULL
        || !migrator_phase_seen(&m->state, MIGRATOR_COPY))
    {
        return MIGRATOR_NEXT;
    }

    if (m->state.verb != MIGRATOR_MERGE) {
        rc = m->driver->role(m->driver_data, &m->target, m->state.into,
                             MIGRATOR_ROLE_NONE, epoch,
                             migrator_limit(m, &limit), &position);
        migrator_left(m, rc);

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
