
/*
 * After a split or merge: nothing here can undo it, and nobody waits for it.
 *
 *    split    the shard drops the keys that are the new one's; the new one
 *             gets standbys where the shard has them; an isolation goes on
 *             with its second split
 *    merge    the merged shard is given up by every node that had it
 *
 * The steps are found out again by whoever goes on with it: decisions have
 * deterministic ids, and what is dropped already is not there any more.
 */


#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "shard_codec.h"
#include "shard_key.h"
#include "cut.h"


static migrator_result_e migrator_after_split(migrator_t *m);
static migrator_result_e migrator_after_merge(migrator_t *m);
static migrator_result_e migrator_after_standbys(migrator_t *m);
static migrator_result_e migrator_after_isolate(migrator_t *m);
static const char *migrator_after_other(const char *left,
    char name[SHARD_NAME_SIZE]);


migrator_result_e
migrator_cut_after(migrator_t *m)
{
    migrator_result_e  result;

    result = migrator_nodes(m);

    if (result == MIGRATOR_NEXT) {
        result = migrator_settle(m, MIGRATOR_MOVED);
    }

    if (result == MIGRATOR_NEXT) {
        result = m->state.verb == MIGRATOR_MERGE ? migrator_after_merge(m)
                                                 : migrator_after_split(m);
    }

    if (result == MIGRATOR_RETRY
        && m->io->now_ms(m->io->data)
           >= m->state.phase_ms
              + (uint64_t) m->policy->timeout_ms[MIGRATOR_STANDBY])
    {
        result = MIGRATOR_FAIL;
    }

    if (result == MIGRATOR_FAIL) {
        m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, m->err);
        return MIGRATOR_NEXT;
    }

    return result;
}


static migrator_result_e
migrator_after_split(migrator_t *m)
{
    migrator_result_e  result;

    /* first what others wait for */

    result = migrator_after_isolate(m);

    if (result == MIGRATOR_NEXT && m->state.strategy != SHARD_STATELESS) {
        result = migrator_after_standbys(m);
    }

    if (result == MIGRATOR_NEXT && m->state.strategy != SHARD_STATELESS) {
        result = migrator_cut_drop(m, &m->source, m->state.shard,
                                   m->state.epoch + 1);
    }

    return result;
}


/* "a b c": the next name into "name", NULL behind the last one */

static const char *
migrator_after_other(const char *left, char name[SHARD_NAME_SIZE])
{
    size_t  n;

    left += strspn(left, " ");
    n = strcspn(left, " ");

    if (n == 0 || n >= SHARD_NAME_SIZE) {
        return NULL;
    }

    memset(name, 0, SHARD_NAME_SIZE);
    memcpy(name, left, n);

    return left + n;
}


static migrator_result_e
migrator_after_standbys(migrator_t *m)
{
    int               rc;
    const char       *left;
    migrator_state_t  wish;

    memset(&wish, 0, sizeof(wish));
    wish.verb = MIGRATOR_REPLICATE;
    wish.shard = m->state.into;
    wish.epoch = m->state.epoch + 1;
    left = m->state.others;

    while ((left = migrator_after_other(left, wish.to)) != NULL) {

        if (strcmp(wish.to, m->state.to) == 0) {
            continue;
        }

        memcpy(wish.from, wish.to, sizeof(wish.from));
        wish.id = shard_decision_id(wish.shard, wish.epoch, wish.from,
                                    wish.to);

        rc = m->io->decide(m->io->data, &wish, NULL);

        if (rc != SHARDD_OK && rc != SHARDD_CONFLICT) {
            return migrator_store_rc(m, rc, "decision");
        }
    }

    return MIGRATOR_NEXT;
}


static migrator_result_e
migrator_after_isolate(migrator_t *m)
{
    int               rc;
    migrator_state_t  wish;

    if (m->state.verb != MIGRATOR_ISOLATE) {
        return MIGRATOR_NEXT;
    }

    memset(&wish, 0, sizeof(wish));
    wish.verb = MIGRATOR_SPLIT;
    wish.shard = m->state.shard;
    wish.epoch = m->state.epoch + 1;
    memcpy(wish.from, m->state.from, sizeof(wish.from));
    memcpy(wish.to, m->state.next_to, sizeof(wish.to));
    wish.id = shard_cut_id(wish.shard, wish.epoch, "split",
                           m->state.next_cut, wish.to);

    rc = m->io->decide(m->io->data, &wish, m->state.next_cut);

    return rc == SHARDD_CONFLICT ? MIGRATOR_NEXT
                                 : migrator_store_rc(m, rc, "decision");
}


/* a node that does not answer keeps what it had, and refuses to serve it */

static migrator_result_e
migrator_after_merge(migrator_t *m)
{
    int               rc;
    char              name[SHARD_NAME_SIZE];
    uint64_t          position;
    const char       *left;
    shard_node_t      node;
    migrator_limit_t  limit;

    if (m->state.strategy == SHARD_STATELESS) {
        return MIGRATOR_NEXT;
    }

    (void) m->driver->cuts->end(m->driver_data, &m->target,
                                m->state.into_epoch + 1,
                                migrator_limit(m, &limit));

    for (left = m->state.others;
         (left = migrator_after_other(left, name)) != NULL; )
    {
        if (m->io->node(m->io->data, name, &node) == SHARDD_OK) {
            (void) m->driver->role(m->driver_data, &node, m->state.shard,
                                   MIGRATOR_ROLE_NONE, m->state.epoch + 1,
                                   migrator_limit(m, &limit), &position);
        }
    }

    rc = m->driver->role(m->driver_data, &m->source, m->state.shard,
                         MIGRATOR_ROLE_STANDBY, m->state.epoch + 1,
                         migrator_limit(m, &limit), &position);

    if (rc == MIGRATOR_OK) {
        rc = m->driver->role(m->driver_data, &m->source, m->state.shard,
                             MIGRATOR_ROLE_NONE, m->state.epoch + 1,
                             migrator_limit(m, &limit), &position);
    }

    return migrator_driver_rc(m, rc, "give up");
}
