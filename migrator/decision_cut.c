
/*
 * Decisions of splits and merges as migrations:
 *
 *    split    cut          the shard's keys from there on are a new shard's
 *    isolate  cut, end     a split at end, and behind it one at cut
 *    merge    with, with_epoch   the other one's keys become the shard's; the
 *                          migration is of the other one, which goes
 */


#include <stdio.h>
#include <string.h>

#include "shard_codec.h"
#include "crew.h"
#include "cut.h"


static int migrator_decision_isolate(const shard_record_t *rec,
    migrator_state_t *state, const char **cut, const char *end, char *err);


int
migrator_decision_other(const shardd_entry_t *entry, migrator_state_t *state)
{
    uint64_t     number;
    const char  *with, *epoch;
    shard_str_t  text;

    if (state->verb != MIGRATOR_MERGE) {
        return SHARD_OK;
    }

    with = shardd_entry_field(entry, "with");
    epoch = shardd_entry_field(entry, "with_epoch");

    state->into = state->shard;
    state->into_epoch = state->epoch;

    text.data = with ? with : "";
    text.len = strlen(text.data);

    if (shard_id_decode(text, &state->shard) != SHARD_OK
        || state->shard == state->into)
    {
        return SHARD_ERROR;
    }

    text.data = epoch ? epoch : "";
    text.len = strlen(text.data);

    if (shard_uint64_decode(text, &number) != SHARD_OK
        || number >= UINT32_MAX)
    {
        return SHARD_ERROR;
    }

    state->epoch = (uint32_t) number;

    return SHARD_OK;
}


/*
 * A merge takes an id, too: the next one is above all of the table then, the
 * shard's that goes among them, and that one is never given again.  One that
 * is planned in vain costs an id; there are enough.
 */

int
migrator_decision_cut(migrator_crew_t *crew, const shardd_entry_t *entry,
    migrator_state_t *state, const shard_record_t *rec, char *err)
{
    char         next[sizeof(state->next_cut)];
    shard_id_t   unused;
    const char  *cut, *end;

    err[0] = '\0';

    if (state->verb == MIGRATOR_MERGE) {
        return migrator_cut_plan(state, rec, NULL, "", err) == SHARD_OK
               ? shardd_shard_id_new(&crew->store, &unused) : SHARDD_BAD;
    }

    cut = shardd_entry_field(entry, "cut");
    end = shardd_entry_field(entry, "end");

    if (cut == NULL || cut[0] == '\0') {
        snprintf(err, SHARD_ERR_SIZE, "field \"cut\" is missing");
        return SHARDD_BAD;
    }

    state->next_cut[0] = '\0';

    if (state->verb == MIGRATOR_ISOLATE
        && migrator_decision_isolate(rec, state, &cut, end ? end : "", err)
           != SHARD_OK)
    {
        return SHARDD_BAD;
    }

    memcpy(next, state->next_cut, sizeof(next));

    if (migrator_cut_plan(state, rec, cut, next, err) != SHARD_OK) {
        return SHARDD_BAD;
    }

    return shardd_shard_id_new(&crew->store, &state->into);
}


/*
 * With nothing above the key one split does it, and with nothing below it,
 * too: then the key's shard is the old one.
 */

static int
migrator_decision_isolate(const shard_record_t *rec, migrator_state_t *state,
    const char **cut, const char *end, char *err)
{
    char              below[SHARD_ERR_SIZE];
    migrator_state_t  probe;

    if (end[0] == '\0') {
        state->verb = MIGRATOR_SPLIT;
        return SHARD_OK;
    }

    memset(&probe, 0, sizeof(probe));

    if (migrator_cut_plan(&probe, rec, end, "", err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    memcpy(state->next_to, state->to, sizeof(state->next_to));
    memset(state->to, 0, sizeof(state->to));
    memcpy(state->to, rec->primary, sizeof(state->to));

    memset(&probe, 0, sizeof(probe));

    if (migrator_cut_plan(&probe, rec, *cut, "", below) != SHARD_OK) {
        state->verb = MIGRATOR_SPLIT;
        state->next_to[0] = '\0';

    } else {
        snprintf(state->next_cut, sizeof(state->next_cut), "%s", *cut);
    }

    *cut = end;

    return SHARD_OK;
}
