
/*
 * A primary that was given up for dead and comes back is told that it is
 * none any more.  Routers shut it out by its epoch in any case; this is for
 * those that are cut off from the table, and it tells what was lost.
 *
 *    promotions done, not fenced ──▶ their former primary answers?
 *        ──▶ role standby, epoch + 1 ──▶ fenced
 */


#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "record.h"
#include "crew.h"


#define FENCE_MS       1000             /* while there are new ones */
#define FENCE_IDLE_MS  10000
#define FENCE_NEW_MS   600000
#define FENCE_NEWEST   2000
#define FENCE_SILENT   2                /* nodes that do not answer, a round */
#define ANSWER_MS      250


typedef struct {
    unsigned   n;
    char       node[FENCE_SILENT][SHARD_NAME_SIZE];
} migrator_silent_t;


static int migrator_fence_due(const shardd_entry_t *entry,
    migrator_state_t *state);
static int migrator_fence(migrator_crew_t *crew,
    const migrator_state_t *seen, migrator_silent_t *silent);
static int migrator_fence_node(migrator_crew_t *crew, migrator_state_t *state,
    migrator_silent_t *silent);
static int migrator_fence_known(const migrator_silent_t *silent,
    const char *node);
static void migrator_fence_say(const migrator_state_t *state,
    uint64_t position);


/* who waits for silent nodes does nothing else: few a round, in turns */

void
migrator_crew_fence(migrator_crew_t *crew)
{
    size_t             i, k, next;
    uint64_t           now;
    shardd_entries_t   list;
    migrator_state_t   state;
    migrator_silent_t  silent;

    now = shardd_monotonic_ms();

    if (crew->fenced_ms && now - crew->fenced_ms
                           < (crew->unfenced ? FENCE_MS : FENCE_IDLE_MS))
    {
        return;
    }

    crew->fenced_ms = now;

    if (shardd_migrations(&crew->store, FENCE_NEWEST, &list) != SHARDD_OK) {
        return;
    }

    silent.n = 0;
    crew->unfenced = 0;
    next = 0;

    for (i = 0; i < list.n; i++) {
        k = (i + crew->fence_next) % list.n;

        if (!migrator_fence_due(&list.entries[k], &state)) {
            continue;
        }

        if (silent.n == FENCE_SILENT
            || migrator_fence(crew, &state, &silent) != SHARDD_OK)
        {
            crew->unfenced += state.finished_ms + FENCE_NEW_MS
                              > shardd_now_ms();
        }

        if (silent.n < FENCE_SILENT) {
            next = k + 1;
        }
    }

    crew->fence_next = next;

    shardd_entries_free(&list);
}


/* by its words first: most are moves */

static int
migrator_fence_due(const shardd_entry_t *entry, migrator_state_t *state)
{
    char         err[SHARD_ERR_SIZE];
    const char  *verb;

    verb = shardd_entry_field(entry, "verb");

    return verb && strcmp(verb, migrator_verb_name(MIGRATOR_PROMOTE)) == 0
           && migrator_record_read(entry, state, err) == SHARD_OK
           && state->phase == MIGRATOR_DONE && !state->fenced
           && state->strategy != SHARD_STATELESS;
}


/* SHARDD_OK: nothing is left to do */

static int
migrator_fence(migrator_crew_t *crew, const migrator_state_t *seen,
    migrator_silent_t *silent)
{
    int               rc;
    char              id[MIGRATOR_ID_SIZE];
    shardd_claim_t    claim;
    shardd_entry_t    entry;
    migrator_state_t  state;

    if (migrator_fence_known(silent, seen->from)
        || migrator_crew_has(crew, seen->shard))
    {
        return SHARDD_DOWN;
    }

    migrator_claim_of(crew->holder, seen->shard, 0, &claim);
    rc = shardd_claim(&crew->store, claim.scope, crew->holder,
                      crew->conf->policy.claim_ttl_ms, &claim);

    if (rc != SHARDD_OK) {
        return rc;
    }

    shard_hex_encode(seen->id, id);
    rc = shardd_migration_get(&crew->store, id, &entry);

    if (rc == SHARDD_OK) {

        if (migrator_fence_due(&entry, &state)) {
            rc = migrator_fence_node(crew, &state, silent);

            if (rc == SHARDD_OK) {
                state.fenced = 1;
                rc = migrator_record_put(&crew->store, &claim, &state, NULL,
                                         0);
            }
        }

        shardd_entry_free(&entry);
    }

    (void) shardd_release(&crew->store, &claim);

    return rc;
}


/*
 * Epoch + 1 has one owner for ever, so this may come at any time: who was
 * made owner later has a higher one and refuses.
 */

static int
migrator_fence_node(migrator_crew_t *crew, migrator_state_t *state,
    migrator_silent_t *silent)
{
    int               rc;
    uint64_t          position;
    shard_node_t      node;
    migrator_limit_t  limit;

    rc = shardd_node_load(&crew->store, state->from, &node);

    if (rc != SHARDD_OK) {
        return rc == SHARDD_NONE ? SHARDD_OK : rc;
    }

    memset(&limit, 0, sizeof(limit));
    limit.timeout_ms = ANSWER_MS;

    rc = crew->driver->role(crew->driver_data, &node, state->shard,
                            MIGRATOR_ROLE_STANDBY, state->epoch + 1, &limit,
                            &position);

    if (rc == MIGRATOR_OK) {
        migrator_fence_say(state, position);
    }

    if (rc == MIGRATOR_OK || rc == MIGRATOR_REFUSED) {
        return SHARDD_OK;
    }

    if (silent->n < FENCE_SILENT) {
        memcpy(silent->node[silent->n++], state->from, SHARD_NAME_SIZE);
    }

    return SHARDD_DOWN;
}


static int
migrator_fence_known(const migrator_silent_t *silent, const char *node)
{
    unsigned  i;

    for (i = 0; i < silent->n; i++) {
        if (strcmp(silent->node[i], node) == 0) {
            return 1;
        }
    }

    return 0;
}


static void
migrator_fence_say(const migrator_state_t *state, uint64_t position)
{
    if (position <= state->position) {
        shardd_log(SHARDD_LOG_INFO, "shard=%u migration=%016llx %s is back "
                   "and no primary any more: nothing was lost, it stands at "
                   "%llu like %s then", (unsigned) state->shard,
                   (unsigned long long) state->id, state->from,
                   (unsigned long long) position, state->to);
        return;
    }

    shardd_log(SHARDD_LOG_WARN, "shard=%u migration=%016llx %s is back and "
               "no primary any more: it has %llu writes that %s never got, "
               "GET /_shard/%u/log?from=%llu of it tells them",
               (unsigned) state->shard, (unsigned long long) state->id,
               state->from,
               (unsigned long long) (position - state->position), state->to,
               (unsigned) state->shard,
               (unsigned long long) state->position);
}
