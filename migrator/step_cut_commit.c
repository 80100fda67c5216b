
/*
 * What splits and merges write to the table: of two shards in one step.
 */


#include "../src/daemon/shardd_store.h"
#include "cut.h"


/* between looks for a commit that may have come after all */

#define LOOK_MS  5


static migrator_result_e migrator_cut_into(migrator_t *m,
    shard_record_t *into, uint64_t version);
static migrator_result_e migrator_cut_pair(migrator_t *m,
    const char *operation, uint64_t *version, const shard_record_t *rec,
    const shard_record_t *other, shard_id_t gone);


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


/* one commit of both; *version: as migrator_commit() */

static migrator_result_e
migrator_cut_pair(migrator_t *m, const char *operation, uint64_t *version,
    const shard_record_t *rec, const shard_record_t *other, shard_id_t gone)
{
    int   rc;
    char  name[96];

    migrator_operation(&m->state, operation, name, sizeof(name));

    rc = m->io->commit_pair(m->io->data, m->state.shard, m->token, version,
                            name, rec, other, gone);

    return migrator_store_rc(m, rc, operation);
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

    return migrator_cut_pair(m, "hold", version, rec, &into, SHARD_ID_NONE);
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

        result = migrator_cut_pair(m, "commit", &version, &other, NULL,
                                   m->state.shard);

    } else {
        migrator_cut_parts(&m->state, &rec, &other);

        result = migrator_cut_pair(m, "commit", &version, &rec, &other,
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
        result = migrator_cut_pair(m, "release", &version, rec, NULL,
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
                 ? migrator_cut_pair(m, "release", &version, rec, &child,
                                     SHARD_ID_NONE)
                 : migrator_cut_pair(m, "release.child", &version, &child,
                                     NULL, SHARD_ID_NONE);

    } else if (rc == MIGRATOR_OK) {
        result = migrator_cut_pair(m, "release", &version, rec, NULL,
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

    return migrator_cut_pair(m, "free", &version, rec, &into, SHARD_ID_NONE);
}


/*
 * The shard of a merge was deleted by another hand.  The other one is not
 * left held; what it imported stays there, nobody else may have it any more.
 */

migrator_result_e
migrator_cut_desert(migrator_t *m)
{
    int             rc;
    uint64_t        version;
    shard_record_t  into;

    if (m->state.verb != MIGRATOR_MERGE) {
        return MIGRATOR_NEXT;
    }

    rc = m->io->shard(m->io->data, m->state.into, &into, &version);

    if (rc == SHARDD_NONE) {
        return MIGRATOR_NEXT;
    }

    if (rc != SHARDD_OK) {
        return migrator_store_rc(m, rc, "shard");
    }

    if (into.migration != m->state.id) {
        return MIGRATOR_NEXT;
    }

    /* a commit whose answer was given up came after all: looked at again */

    if (into.epoch != m->state.into_epoch) {
        return migrator_wait(m, LOOK_MS);
    }

    into.phase = SHARD_STEADY;
    into.migration = 0;

    return migrator_cut_pair(m, "free", &version, &into, NULL,
                             SHARD_ID_NONE);
}
