
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
static int migrator_busy(const shardd_entries_t *list, const char *node);
static int migrator_runs(const shardd_entry_t *entry, const char *node);
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

    started = 0;

    /* oldest first */

    for (i = list.n; i-- > 0; /* void */ ) {

        if (migrator_read(crew, &list.entries[i], &state) != SHARD_OK
            || migrator_phase(state.phase)->kind == MIGRATOR_TERMINAL
            || migrator_crew_has(crew, state.shard))
        {
            continue;
        }

        /* the list tells no more how busy nodes are: one start per scan */

        if (state.phase == MIGRATOR_PLANNED
            && state.verb != MIGRATOR_PROMOTE
            && (started || crew->n >= (uint32_t) crew->conf->max_migrations
                || migrator_busy(&list, state.from)
                   >= crew->conf->max_per_node
                || migrator_busy(&list, state.to)
                   >= crew->conf->max_per_node))
        {
            continue;
        }

        started |= state.phase == MIGRATOR_PLANNED
                   && state.verb != MIGRATOR_PROMOTE;
        migrator_adopt(crew, &state);
    }

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


static int
migrator_busy(const shardd_entries_t *list, const char *node)
{
    int     n;
    size_t  i;

    n = 0;

    for (i = 0; i < list->n; i++) {
        n += migrator_runs(&list->entries[i], node);
    }

    return n;
}


static int
migrator_runs(const shardd_entry_t *entry, const char *node)
{
    const char        *from, *to;
    shard_str_t        name;
    migrator_phase_e   phase;

    name.data = shardd_entry_field(entry, "phase");

    if (name.data == NULL) {
        return 0;
    }

    name.len = strlen(name.data);
    phase = migrator_phase_by_name(name);

    if (phase == MIGRATOR_PHASE_NONE || phase == MIGRATOR_PLANNED
        || migrator_phase(phase)->kind == MIGRATOR_TERMINAL)
    {
        return 0;
    }

    from = shardd_entry_field(entry, "from");
    to = shardd_entry_field(entry, "to");

    return (from && strcmp(from, node) == 0) || (to && strcmp(to, node) == 0);
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
