
/*
 * Decisions become planned migrations.  A decision is acknowledged when its
 * migration exists, or when it never can; until then it stays pending, and
 * another migrator takes it over if this one dies.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "record.h"
#include "crew.h"
#include "next.h"


#define READ_LIMIT        64
#define RECLAIM_EVERY_MS  2000
#define RECLAIM_IDLE_MS   "5000"


static void migrator_reclaim(migrator_crew_t *crew);
static int migrator_decide(migrator_crew_t *crew,
    const shardd_entry_t *entry);
static int migrator_known(migrator_crew_t *crew, const shardd_entry_t *entry,
    migrator_state_t *state);
static int migrator_plan(migrator_crew_t *crew, const shardd_entry_t *entry,
    migrator_state_t *state);
static uint64_t migrator_entry_ms(const char *stream_id);
static int migrator_decision_fields(const shardd_entry_t *entry,
    migrator_state_t *state, const char **why);
static int migrator_decision_others(const shardd_entry_t *entry,
    migrator_state_t *state);


void
migrator_crew_decisions(migrator_crew_t *crew)
{
    int               rc;
    size_t            i;
    shardd_entries_t  list;

    migrator_reclaim(crew);

    rc = shardd_decisions_read(&crew->store, crew->conf->name, READ_LIMIT, 0,
                               &list);

    if (rc != SHARDD_OK) {

        if (!crew->down) {
            shardd_log(SHARDD_LOG_WARN, "%s: trying again", crew->store.err);
            crew->down = 1;
        }

        return;
    }

    if (crew->down) {
        shardd_log(SHARDD_LOG_INFO, "the store answers again");
        crew->down = 0;
    }

    for (i = 0; i < list.n; i++) {
        if (migrator_decide(crew, &list.entries[i])) {
            (void) shardd_decision_ack(&crew->store, list.entries[i].id);
        }
    }

    shardd_entries_free(&list);
}


/* entries of consumers that died with them unacknowledged become ours */

static void
migrator_reclaim(migrator_crew_t *crew)
{
    char         key[SHARD_NAME_SIZE + 32];
    uint64_t     now;
    redisReply  *reply;

    now = shardd_monotonic_ms();

    if (now - crew->reclaimed_ms < RECLAIM_EVERY_MS) {
        return;
    }

    crew->reclaimed_ms = now;
    snprintf(key, sizeof(key), "shard:{%s}:decisions", crew->conf->keyspace);

    reply = shardd_redis_command(&crew->store.redis,
                                 "XAUTOCLAIM %s migrators %s "
                                 RECLAIM_IDLE_MS " 0 COUNT 64 JUSTID", key,
                                 crew->conf->name);

    /* no group yet: the first read makes it */

    if (reply) {
        freeReplyObject(reply);
    }
}


/* 1: acknowledge */

static int
migrator_decide(migrator_crew_t *crew, const shardd_entry_t *entry)
{
    int                rc;
    const char        *mode, *why;
    migrator_state_t   state;

    mode = shardd_entry_field(entry, "mode");

    if (mode == NULL || strcmp(mode, "act") != 0) {
        return 1;
    }

    if (migrator_decision_read(entry, &state, &why) != SHARD_OK) {
        shardd_log(SHARDD_LOG_WARN, "decision %s is not carried out: bad %s",
                   entry->id, why);
        return 1;
    }

    rc = migrator_known(crew, entry, &state);

    if (rc != SHARDD_NONE) {
        return rc == SHARDD_OK;
    }

    if (!migrator_crew_has(crew, state.shard)) {
        rc = migrator_plan(crew, entry, &state);

        if (rc == SHARDD_DOWN) {
            return 0;
        }

        if (rc != SHARDD_FENCED) {
            return 1;
        }
    }

    if (shardd_now_ms() < migrator_entry_ms(entry->id)
                          + (uint64_t) crew->conf->decision_ttl_ms)
    {
        return 0;
    }

    shardd_log(SHARDD_LOG_WARN, "shard=%u migration=%016llx is let go: the "
               "shard was busy for too long", (unsigned) state.shard,
               (unsigned long long) state.id);

    return 1;
}


static uint64_t
migrator_entry_ms(const char *stream_id)
{
    return strtoull(stream_id, NULL, 10);
}


int
migrator_decision_read(const shardd_entry_t *entry, migrator_state_t *state,
    const char **why)
{
    const char  *by;

    memset(state, 0, sizeof(migrator_state_t));

    if (migrator_decision_fields(entry, state, why) != SHARD_OK) {
        return SHARD_ERROR;
    }

    *why = "with or with_epoch";

    if (migrator_decision_other(entry, state) != SHARD_OK) {
        return SHARD_ERROR;
    }

    *why = "others";

    if (migrator_decision_others(entry, state) != SHARD_OK) {
        return SHARD_ERROR;
    }

    by = shardd_entry_field(entry, "by");
    snprintf(state->by, sizeof(state->by), "%s", by ? by : "");
    snprintf(state->decision, sizeof(state->decision), "%s", entry->id);

    return SHARD_OK;
}


/* those of every verb */

static int
migrator_decision_fields(const shardd_entry_t *entry, migrator_state_t *state,
    const char **why)
{
    size_t        i;
    uint64_t      number;
    shard_str_t   text[6];
    const char   *value;

    static const char *const  names[] = {
        "id", "verb", "shard", "from", "to", "epoch"
    };

    for (i = 0; i < 6; i++) {
        value = shardd_entry_field(entry, names[i]);
        text[i].data = value ? value : "";
        text[i].len = strlen(text[i].data);
    }

    *why = "id";

    if (shard_hex_decode(text[0], &state->id) != SHARD_OK || state->id == 0) {
        return SHARD_ERROR;
    }

    *why = "verb: only move, promote, replicate, split, isolate and merge "
           "are served";
    state->verb = migrator_verb_by_name(text[1]);

    if (state->verb == MIGRATOR_VERB_NONE) {
        return SHARD_ERROR;
    }

    *why = "shard";

    if (shard_id_decode(text[2], &state->shard) != SHARD_OK) {
        return SHARD_ERROR;
    }

    *why = "from or to";

    if (!shard_name_valid(text[3]) || !shard_name_valid(text[4])) {
        return SHARD_ERROR;
    }

    *why = "epoch";

    if (shard_uint64_decode(text[5], &number) != SHARD_OK
        || number >= UINT32_MAX)
    {
        return SHARD_ERROR;
    }

    state->epoch = (uint32_t) number;
    memcpy(state->from, text[3].data, text[3].len);
    memcpy(state->to, text[4].data, text[4].len);

    return SHARD_OK;
}


/* a move's: standbys that the shard gets when it has arrived */

static int
migrator_decision_others(const shardd_entry_t *entry, migrator_state_t *state)
{
    const char  *value;

    value = shardd_entry_field(entry, "others");

    if (state->verb != MIGRATOR_MOVE || value == NULL) {
        return SHARD_OK;
    }

    if (strlen(value) >= sizeof(state->others)
        || !migrator_others_valid(value))
    {
        return SHARD_ERROR;
    }

    snprintf(state->others, sizeof(state->others), "%s", value);

    return SHARD_OK;
}


/*
 * SHARDD_OK: this wish is a migration already.  SHARDD_NONE: it may become
 * one, "state" has the number of the attempt and the seq to write over.  One
 * that rolled back is tried again only for a wish made after its end.
 */

static int
migrator_known(migrator_crew_t *crew, const shardd_entry_t *entry,
    migrator_state_t *state)
{
    int               rc;
    char              id[MIGRATOR_ID_SIZE], err[SHARD_ERR_SIZE];
    shardd_entry_t    hash;
    migrator_state_t  old;

    shard_hex_encode(state->id, id);
    rc = shardd_migration_get(&crew->store, id, &hash);

    if (rc == SHARDD_NONE) {
        state->attempt = 1;
        return rc;
    }

    if (rc != SHARDD_OK) {
        return rc;
    }

    rc = migrator_record_read(&hash, &old, err);
    shardd_entry_free(&hash);

    if (rc != SHARD_OK) {
        shardd_log(SHARDD_LOG_ERROR, "migration:%s is damaged: %s", id, err);
        return SHARDD_OK;
    }

    if (old.phase != MIGRATOR_ROLLED_BACK
        || strcmp(old.decision, entry->id) == 0
        || migrator_entry_ms(entry->id) <= old.finished_ms)
    {
        return SHARDD_OK;
    }

    state->attempt = old.attempt + 1;
    state->seq = old.seq;

    return SHARDD_NONE;
}


/*
 * Under the shard's claim, which goes straight back: whether there is room
 * for one more is the index's reader's business (adopt.c).
 */

static int
migrator_plan(migrator_crew_t *crew, const shardd_entry_t *entry,
    migrator_state_t *state)
{
    int                       rc;
    uint64_t                  version;
    char                      err[SHARD_ERR_SIZE];
    const char               *reason;
    shard_record_t            rec;
    shardd_claim_t            claim;
    shardd_field_t            more[2];
    const migrator_driver_t  *driver;

    rc = shardd_shard_load(&crew->store, state->shard, &rec, &version);

    if (rc != SHARDD_OK) {
        shardd_log(SHARDD_LOG_WARN, "decision %s: shard %u: %s", entry->id,
                   (unsigned) state->shard, crew->store.err);
        return rc;
    }

    if (migrator_cuts(state)) {
        rc = migrator_decision_cut(crew, entry, state, &rec, err);

        if (rc != SHARDD_OK) {
            shardd_log(SHARDD_LOG_WARN, "decision %s: shard %u: %s",
                       entry->id, (unsigned) state->shard,
                       rc == SHARDD_BAD && err[0] ? err : crew->store.err);
            return rc;
        }
    }

    migrator_claim_of(crew->holder, state->shard, 0, &claim);
    rc = shardd_claim(&crew->store, claim.scope, crew->holder,
                      crew->conf->policy.claim_ttl_ms, &claim);

    if (rc != SHARDD_OK) {
        return rc;
    }

    /* it is copied from the primary, whoever was lost */

    if (state->verb == MIGRATOR_REPLICATE) {

        if (strcmp(state->from, state->to) != 0) {
            memcpy(state->replaces, state->from, sizeof(state->replaces));
        }

        memcpy(state->from, rec.primary, sizeof(state->from));
    }

    state->strategy = rec.strategy;
    driver = migrator_driver_of(crew->conf, rec.strategy);
    migrator_next_plan(state, rec.strategy == SHARD_COPY_ON_WRITE
                              || (driver->can & MIGRATOR_CUTS_IN_PLACE));
    snprintf(state->driver, sizeof(state->driver), "%s", driver->name);
    state->created_ms = shardd_now_ms();
    migrator_phase_begin(state, state->created_ms);

    reason = shardd_entry_field(entry, "reason");

    more[0].name = (char *) "reason";
    more[0].value = (char *) (reason ? reason : "");
    more[1].name = (char *) "wish";
    more[1].value = (char *) "";

    rc = migrator_record_put(&crew->store, &claim, state, more, 2);

    if (rc == SHARDD_OK) {
        shardd_log(SHARDD_LOG_INFO, "shard=%u migration=%016llx from=%s to=%s "
                   "verb=%s by=%s planned", (unsigned) state->shard,
                   (unsigned long long) state->id, state->from, state->to,
                   migrator_verb_name(state->verb), state->by);
    }

    (void) shardd_release(&crew->store, &claim);

    return rc;
}
