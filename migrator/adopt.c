
/*
 * Which migrations of the index this process carries out: those left behind
 * and promotions, for whose end requests wait, at once; planned moves when
 * the budget has room.
 */


#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "record.h"
#include "crew.h"


#define SCAN_NEWEST  64
#define SCAN_ALL     5000
#define SCAN_ALL_MS  10000


static void migrator_adopt(migrator_crew_t *crew,
    const migrator_state_t *state);
static int migrator_waits(migrator_crew_t *crew, const shardd_entry_t *entry,
    const migrator_state_t *state);
static int migrator_crowd(migrator_crew_t *crew,
    const shardd_entries_t *list);
static int migrator_read(migrator_crew_t *crew, const shardd_entry_t *entry,
    migrator_state_t *state);


void
migrator_crew_adopt(migrator_crew_t *crew)
{
    int               started;
    size_t            i, limit;
    uint64_t          now;
    shardd_entries_t  list;
    migrator_state_t  state;

    now = shardd_monotonic_ms();
    limit = SCAN_NEWEST;

    if (crew->scanned_all_ms == 0 || now - crew->scanned_all_ms >= SCAN_ALL_MS)
    {
        crew->scanned_all_ms = now;
        limit = SCAN_ALL;
    }

    if (shardd_migrations(&crew->store, limit, &list) != SHARDD_OK) {
        return;
    }

    if (migrator_crowd(crew, &list) != 0) {
        shardd_entries_free(&list);
        return;
    }

    started = 0;

    /* oldest first */

    for (i = list.n; i-- > 0; /* void */ ) {

        if (migrator_read(crew, &list.entries[i], &state) != SHARD_OK
            || migrator_phase(state.phase)->kind == MIGRATOR_TERMINAL
            || migrator_crew_busy(crew, &state))
        {
            continue;
        }

        /* the list tells no more how busy nodes are: one start per scan */

        if (state.phase == MIGRATOR_PLANNED
            && state.verb != MIGRATOR_PROMOTE
            && (started || migrator_waits(crew, &list.entries[i], &state)))
        {
            continue;
        }

        started |= state.phase == MIGRATOR_PLANNED
                   && state.verb != MIGRATOR_PROMOTE;
        migrator_adopt(crew, &state);
    }

    shardd_entry_free(&crew->table_nodes);
    shardd_entries_free(&list);
}


/* a damaged hash is nobody's migration; said once */

static int
migrator_read(migrator_crew_t *crew, const shardd_entry_t *entry,
    migrator_state_t *state)
{
    char  err[SHARD_ERR_SIZE];

    if (migrator_record_read(entry, state, err) == SHARD_OK) {
        return SHARD_OK;
    }

    if (strcmp(crew->damaged, entry->id) != 0) {
        snprintf(crew->damaged, sizeof(crew->damaged), "%s", entry->id);
        shardd_log(SHARDD_LOG_ERROR, "migration:%s is damaged: %s",
                   entry->id, err);
    }

    return SHARD_ERROR;
}


/*
 * A planned one waits for room in the budgets, unless it is to end before it
 * began; one that pauses would only take the room of others.
 */

static int
migrator_waits(migrator_crew_t *crew, const shardd_entry_t *entry,
    const migrator_state_t *state)
{
    char                why[MIGRATOR_CHECK_SIZE];
    const char         *wish;
    migrator_running_t  one;

    wish = shardd_entry_field(entry, "wish");

    if (wish && strcmp(wish, "rollback") == 0) {
        return 0;
    }

    if (crew->n >= (uint32_t) crew->conf->max_migrations
        || (wish && strcmp(wish, "pause") == 0))
    {
        return 1;
    }

    migrator_running_of(state, &crew->table_nodes, &one);

    return migrator_budget_full(&crew->conf->policy, crew->others.running,
                                crew->others.nrunning, &one, why,
                                sizeof(why));
}


/* zones only where a budget is of zones */

static int
migrator_crowd(migrator_crew_t *crew, const shardd_entries_t *list)
{
    int               rc;
    char              err[SHARD_ERR_SIZE];
    size_t            i;
    migrator_state_t  state;

    memset(&crew->table_nodes, 0, sizeof(crew->table_nodes));
    crew->others.nrunning = crew->others.npast = 0;

    if (crew->conf->policy.max_per_zone) {
        rc = shardd_hash_load(&crew->store, "nodes", &crew->table_nodes);

        if (rc != SHARDD_OK && rc != SHARDD_NONE) {
            return -1;
        }
    }

    for (i = 0; i < list->n; i++) {
        if (migrator_record_read(&list->entries[i], &state, err) == SHARD_OK
            && migrator_phase(state.phase)->kind != MIGRATOR_TERMINAL)
        {
            migrator_others_add(&crew->others, &state, &crew->table_nodes);
        }
    }

    return 0;
}


/* what it was before the claim may not be what it is under the claim */

static void
migrator_adopt(migrator_crew_t *crew, const migrator_state_t *seen)
{
    char              id[MIGRATOR_ID_SIZE], err[SHARD_ERR_SIZE];
    shardd_claim_t    claim;
    shardd_entry_t    entry;
    migrator_state_t  state;

    migrator_claim_of(crew->holder, seen->shard, 0, &claim);

    if (shardd_claim(&crew->store, claim.scope, crew->holder,
                     crew->conf->policy.claim_ttl_ms, &claim) != SHARDD_OK)
    {
        return;
    }

    shard_hex_encode(seen->id, id);

    if (shardd_migration_get(&crew->store, id, &entry) == SHARDD_OK) {

        if (migrator_record_read(&entry, &state, err) == SHARD_OK
            && state.shard == seen->shard
            && migrator_phase(state.phase)->kind != MIGRATOR_TERMINAL
            && migrator_crew_start(crew, &state, claim.token) == 0)
        {
            shardd_log(SHARDD_LOG_INFO, "shard=%u migration=%s taken in "
                       "phase %s", (unsigned) state.shard, id,
                       migrator_phase(state.phase)->name);
            shardd_entry_free(&entry);
            return;
        }

        shardd_entry_free(&entry);
    }

    (void) shardd_release(&crew->store, &claim);
}
