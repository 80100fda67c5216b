
/*
 * A former primary is kept level, so that the way back is short.  After
 * standby_time, or when keep_standby newer ones of its shard are kept, it is
 * one copy too many: the table names it no more, and it gives its data up.
 *
 *    moves done, not retired, newest first
 *      ▶ in the table, and the shard has more standbys than before the move?
 *          ▶ without it: committed under the shard's claim
 *      ▶ not in the table ▶ role none, by the shard's epoch ▶ retired
 *
 * A standby that the shard had before a move, it has after: where the target
 * had been one, the former primary takes its place for good.
 *
 * The target of a move that was rolled back while it was silent is told here
 * as well, when it is back: what was copied to it is of nobody.  So is that of
 * a split, whose new shard has come to nothing.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "record.h"
#include "crew.h"


#define RETIRE_MS      10000
#define RETIRE_NEWEST  2000
#define RETIRE_MANY    32               /* looked at closely, a round */
#define RETIRE_SILENT  2                /* nodes that do not answer, a round */
#define RETIRED_NEVER  1
#define ANSWER_MS      250


/* of one migration of the index, newest first */

typedef struct {
    shard_id_t   shard;
    shard_id_t   data;                  /* whose they are: a split's new one */
    unsigned     done:1;                /* a move that has data to give up */
    unsigned     left:1;                /* its target has, and no move is */
    unsigned     ended:1;
    uint64_t     finished_ms;
    uint64_t     retired_ms;
    const char  *node;                  /* that has them, the entry's */
} migrator_old_t;

typedef struct {
    int          old;                   /* it may leave the table */
    uint32_t     had;                   /* standbys the shard is to have */
} migrator_retire_t;


static void migrator_retire_look(const shardd_entry_t *entry,
    migrator_old_t *old);
static const char *migrator_retire_node(const migrator_state_t *state);
static int migrator_retire_due(const migrator_policy_t *policy,
    const migrator_old_t *all, size_t n, size_t i, migrator_retire_t *how);
static int migrator_retire(migrator_crew_t *crew,
    const shardd_entry_t *seen, migrator_retire_t *how);
static int migrator_retire_one(migrator_crew_t *crew,
    const shardd_claim_t *claim, migrator_state_t *state,
    const migrator_retire_t *how);
static int migrator_retire_cut(migrator_crew_t *crew,
    migrator_state_t *state);
static int migrator_retire_tell(migrator_crew_t *crew,
    migrator_state_t *state, const char *name, shard_id_t shard,
    uint32_t epoch);


static long
migrator_retire_every(const migrator_policy_t *policy)
{
    long  ms;

    ms = policy->standby_time_ms / 4;

    return ms == 0 || ms > RETIRE_MS ? RETIRE_MS : ms;
}


/* few a round, in turns: who is not retired may stay so for long */

void
migrator_crew_retire(migrator_crew_t *crew)
{
    size_t              i, k, n, silent;
    uint64_t            now;
    migrator_old_t     *all;
    shardd_entries_t    list;
    migrator_retire_t   how;

    now = shardd_monotonic_ms();

    if (crew->retired_ms && now - crew->retired_ms
                    < (uint64_t) migrator_retire_every(&crew->conf->policy))
    {
        return;
    }

    crew->retired_ms = now;

    if (shardd_migrations(&crew->store, RETIRE_NEWEST, &list) != SHARDD_OK) {
        return;
    }

    all = calloc(list.n + 1, sizeof(migrator_old_t));

    for (i = 0; all && i < list.n; i++) {
        migrator_retire_look(&list.entries[i], &all[i]);
    }

    for (i = n = silent = 0; all && i < list.n && n < RETIRE_MANY
         && silent < RETIRE_SILENT; i++)
    {
        k = (i + crew->retire_next) % list.n;

        if (!migrator_retire_due(&crew->conf->policy, all, list.n, k, &how)) {
            continue;
        }

        silent += migrator_retire(crew, &list.entries[k], &how)
                  == SHARDD_DOWN;
        n++;
    }

    crew->retire_next = list.n ? (i + crew->retire_next) % list.n : 0;

    free(all);
    shardd_entries_free(&list);
}


static uint64_t
migrator_retire_number(const shardd_entry_t *entry, const char *name)
{
    uint64_t      n;
    shard_str_t   text;

    text.data = shardd_entry_field(entry, name);

    if (text.data == NULL) {
        return 0;
    }

    text.len = strlen(text.data);

    return shard_uint64_decode(text, &n) == SHARD_OK ? n : 0;
}


static void
migrator_retire_look(const shardd_entry_t *entry, migrator_old_t *old)
{
    const char        *verb;
    shard_str_t        name;
    migrator_phase_e   phase;

    old->shard = SHARD_ID_NONE;
    name.data = shardd_entry_field(entry, "phase");
    verb = shardd_entry_field(entry, "verb");
    old->node = shardd_entry_field(entry, "from");

    if (name.data == NULL || verb == NULL) {
        return;
    }

    name.len = strlen(name.data);
    phase = migrator_phase_by_name(name);

    old->shard = (shard_id_t) migrator_retire_number(entry, "shard");
    old->ended = phase != MIGRATOR_PHASE_NONE
                 && migrator_phase(phase)->kind == MIGRATOR_TERMINAL;
    old->done = phase == MIGRATOR_DONE && strcmp(verb, "move") == 0
                && migrator_retire_number(entry, "standbys");
    old->left = phase == MIGRATOR_ROLLED_BACK
                && migrator_retire_number(entry, "left");

    old->data = old->shard;

    if (old->left) {
        old->node = shardd_entry_field(entry, "to");
    }

    if (old->left && (strcmp(verb, "split") == 0
                      || strcmp(verb, "isolate") == 0))
    {
        old->data = (shard_id_t) migrator_retire_number(entry, "into");
    }

    old->finished_ms = migrator_retire_number(entry, "finished_ms");
    old->retired_ms = migrator_retire_number(entry, "retired_ms");
}


/*
 * A shard that a migration has in hands is left to it.  Former primaries that
 * left the table since this move had been counted by it.
 */

static int
migrator_retire_due(const migrator_policy_t *policy,
    const migrator_old_t *all, size_t n, size_t i, migrator_retire_t *how)
{
    long    newer;
    size_t  k;

    if ((!all[i].done && !all[i].left) || all[i].retired_ms) {
        return 0;
    }

    newer = 0;
    how->had = 0;

    for (k = 0; k < n; k++) {

        if (all[k].shard != all[i].shard) {
            continue;
        }

        if (!all[k].ended) {
            return 0;
        }

        /* it left that node later once more: the later move's matter */

        if (k < i && (all[k].done || all[k].left) && all[k].node
            && all[k].data == all[i].data && all[i].node
            && strcmp(all[k].node, all[i].node) == 0)
        {
            return 0;
        }

        newer += k < i && all[k].done;
        how->had += k > i && all[k].retired_ms > all[i].finished_ms;
    }

    how->old = all[i].left || newer >= policy->keep_standby
               || (policy->standby_time_ms
                   && all[i].finished_ms + (uint64_t) policy->standby_time_ms
                      <= shardd_now_ms());

    return how->old || newer;
}


/* SHARDD_DOWN: the node does not answer */

static int
migrator_retire(migrator_crew_t *crew, const shardd_entry_t *seen,
    migrator_retire_t *how)
{
    int               rc;
    char              err[SHARD_ERR_SIZE];
    uint32_t          left;
    shardd_claim_t    claim;
    shardd_entry_t    entry;
    migrator_state_t  state;

    if (migrator_record_read(seen, &state, err) != SHARD_OK
        || state.strategy == SHARD_STATELESS
        || migrator_crew_has(crew, state.shard))
    {
        return SHARDD_CONFLICT;
    }

    /* one that is a standby by now is to stay one */

    left = how->had;
    how->had = state.phase != MIGRATOR_DONE ? SHARD_STANDBYS_MAX
               : state.standbys - 1 > left ? state.standbys - 1 - left : 0;

    migrator_claim_of(crew->holder, state.shard, 0, &claim);
    rc = shardd_claim(&crew->store, claim.scope, crew->holder,
                      crew->conf->policy.claim_ttl_ms, &claim);

    if (rc != SHARDD_OK) {
        return SHARDD_CONFLICT;
    }

    rc = shardd_migration_get(&crew->store, seen->id, &entry);

    if (rc != SHARDD_OK) {
        (void) shardd_release(&crew->store, &claim);
        return SHARDD_CONFLICT;
    }

    rc = SHARDD_CONFLICT;

    if (migrator_record_read(&entry, &state, err) == SHARD_OK
        && (state.phase == MIGRATOR_DONE || state.left)
        && state.retired_ms == 0)
    {
        rc = migrator_retire_one(crew, &claim, &state, how);

        if (state.retired_ms) {
            (void) migrator_record_put(&crew->store, &claim, &state, NULL, 0);
        }
    }

    shardd_entry_free(&entry);
    (void) shardd_release(&crew->store, &claim);

    return rc;
}


static const char *
migrator_retire_node(const migrator_state_t *state)
{
    return state->phase == MIGRATOR_DONE ? state->from : state->to;
}


static int
migrator_retire_unname(migrator_crew_t *crew, const shardd_claim_t *claim,
    const migrator_state_t *state, shard_record_t *rec, uint64_t version)
{
    char     operation[64], by[SHARD_NAME_SIZE + 16];
    uint8_t  i, n;

    for (i = 0, n = 0; i < rec->nstandbys; i++) {
        if (strcmp(rec->standbys[i], state->from) != 0) {
            memmove(rec->standbys[n++], rec->standbys[i], SHARD_NAME_SIZE);
        }
    }

    for (i = n; i < SHARD_STANDBYS_MAX; i++) {
        memset(rec->standbys[i], 0, SHARD_NAME_SIZE);
    }

    rec->nstandbys = n;

    snprintf(operation, sizeof(operation), "%016llx.retire.%u.%u",
             (unsigned long long) state->id, state->attempt, rec->epoch);
    snprintf(by, sizeof(by), "migrator:%s", crew->holder);

    return shardd_commit_shard(&crew->store, claim, &version, operation, by,
                               rec);
}


/* state->retired_ms is set when nothing is left to do */

static int
migrator_retire_one(migrator_crew_t *crew, const shardd_claim_t *claim,
    migrator_state_t *state, const migrator_retire_t *how)
{
    int               rc, named;
    const char       *name;
    uint8_t           i;
    uint64_t          version;
    shard_record_t    rec;

    if (migrator_cuts(state)) {
        return migrator_retire_cut(crew, state);
    }

    name = migrator_retire_node(state);
    rc = shardd_shard_load(&crew->store, state->shard, &rec, &version);

    if (rc == SHARDD_OK && (rec.migration || rec.phase != SHARD_STEADY)) {
        return SHARDD_CONFLICT;
    }

    for (i = 0, named = 0; rc == SHARDD_OK && i < rec.nstandbys; i++) {
        named |= strcmp(rec.standbys[i], name) == 0;
    }

    if (named && !how->old) {
        return SHARDD_CONFLICT;
    }

    /* in a standby's place, the primary again, or of a shard that is gone */

    if (rc == SHARDD_NONE
        || (rc == SHARDD_OK && (strcmp(rec.primary, name) == 0
                                || (named && rec.nstandbys <= how->had))))
    {
        state->retired_ms = RETIRED_NEVER;
        return SHARDD_OK;
    }

    if (rc == SHARDD_OK && named) {
        rc = migrator_retire_unname(crew, claim, state, &rec, version);
    }

    return rc == SHARDD_OK ? migrator_retire_tell(crew, state, name,
                                                  state->shard, rec.epoch)
                           : SHARDD_CONFLICT;
}


/* a new shard's epoch is that of the one it was to be cut from */

static int
migrator_retire_cut(migrator_crew_t *crew, migrator_state_t *state)
{
    int             rc;
    uint32_t        epoch;
    uint64_t        version;
    shard_record_t  rec;

    rc = shardd_shard_load(&crew->store, state->into, &rec, &version);

    if (rc == SHARDD_OK) {
        state->retired_ms = RETIRED_NEVER;
        return SHARDD_OK;
    }

    if (rc != SHARDD_NONE) {
        return SHARDD_CONFLICT;
    }

    rc = shardd_shard_load(&crew->store, state->shard, &rec, &version);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return SHARDD_CONFLICT;
    }

    epoch = rc == SHARDD_OK ? rec.epoch : state->epoch + 1;

    return migrator_retire_tell(crew, state, state->to, state->into, epoch);
}


static int
migrator_retire_tell(migrator_crew_t *crew, migrator_state_t *state,
    const char *name, shard_id_t shard, uint32_t epoch)
{
    int               rc;
    uint64_t          position;
    shard_node_t      node;
    migrator_limit_t  limit;

    rc = shardd_node_load(&crew->store, name, &node);

    if (rc == SHARDD_NONE) {
        state->retired_ms = shardd_now_ms();
        return SHARDD_OK;
    }

    if (rc != SHARDD_OK) {
        return SHARDD_CONFLICT;
    }

    memset(&limit, 0, sizeof(limit));
    limit.timeout_ms = ANSWER_MS;

    rc = crew->driver->role(crew->driver_data, &node, shard,
                            MIGRATOR_ROLE_NONE, epoch, &limit, &position);

    if (rc != MIGRATOR_OK && rc != MIGRATOR_REFUSED) {
        return SHARDD_DOWN;
    }

    state->retired_ms = shardd_now_ms();
    shardd_log(SHARDD_LOG_INFO, "shard=%u migration=%016llx %s %s has given "
               "the shard up", (unsigned) shard,
               (unsigned long long) state->id,
               state->phase == MIGRATOR_DONE ? "former primary" : "target",
               name);

    return SHARDD_OK;
}
