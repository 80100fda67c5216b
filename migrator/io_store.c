
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "record.h"
#include "io_store.h"


/*
 * The wall clock as the migration found it, and from then on as much later as
 * time has passed: an hour that somebody sets it back is no hour more to wait,
 * and one that it is set ahead ends no hold.
 */

void
migrator_store_begin(migrator_store_t *s)
{
    s->wall_ms = (int64_t) (shardd_now_ms() - shardd_monotonic_ms());
}


static uint64_t
migrator_store_now(void *data)
{
    migrator_store_t  *s = data;

    return shardd_monotonic_ms() + (uint64_t) s->wall_ms;
}


/* each thread sleeps by itself; a stop is seen at the next look */

static void
migrator_store_sleep(void *data, long ms)
{
    struct timespec  ts;

    (void) data;

    ts.tv_sec = ms / 1000;
    ts.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&ts, NULL);
}


static int
migrator_store_stopping(void *data)
{
    (void) data;
    return shardd_loop_stopping();
}


static int
migrator_store_here(const char *env, migrator_phase_e phase, int after)
{
    size_t       len;
    const char  *want, *name;

    want = getenv(env);

    if (want == NULL) {
        return 0;
    }

    name = migrator_phase(phase)->name;
    len = strlen(name);

    return strncmp(want, name, len) == 0
           && strcmp(want + len, after ? ":after" : "") == 0;
}


/*
 * For tests of what is left behind: SHARD_MIGRATOR_CRASH=PHASE ends the
 * process as kill -9 does when the phase is entered and stored,
 * PHASE:after when its work is done and the next one is not stored yet.
 * SHARD_MIGRATOR_STOP stops it there, once, until SIGCONT.
 */

static void
migrator_store_point(void *data, migrator_phase_e phase, int after)
{
    static int  stopped;

    (void) data;

    if (migrator_store_here(MIGRATOR_CRASH_ENV, phase, after)) {
        raise(SIGKILL);
    }

    if (migrator_store_here(MIGRATOR_STOP_ENV, phase, after)
        && !__atomic_exchange_n(&stopped, 1, __ATOMIC_RELAXED))
    {
        raise(SIGSTOP);
    }
}


static void
migrator_store_note(void *data, int level, const migrator_state_t *state,
    const char *text)
{
    (void) data;

    shardd_log(level, "shard=%u migration=%016llx from=%s to=%s phase=%s "
               "position=%llu shipped=%llu bytes=%llu shift_bp=%u "
               "hold_ms=%llu %s", (unsigned) state->shard,
               (unsigned long long) state->id, state->from, state->to,
               migrator_phase(state->phase)->name,
               (unsigned long long) state->position,
               (unsigned long long) state->shipped,
               (unsigned long long) state->bytes, state->shift_bp,
               (unsigned long long) state->hold_ms,
               text[0] ? text : "reached");
}


static const char *
migrator_store_err(void *data)
{
    return ((migrator_store_t *) data)->err;
}


int
migrator_store_say(migrator_store_t *s, int rc, const char *text)
{
    if (rc != SHARDD_OK) {
        snprintf(s->err, sizeof(s->err), "%s", text);
    }

    return rc;
}


void
migrator_claim_of(const char *holder, shard_id_t shard, uint64_t token,
    shardd_claim_t *claim)
{
    memset(claim, 0, sizeof(shardd_claim_t));
    snprintf(claim->scope, sizeof(claim->scope), "shard:%u",
             (unsigned) shard);
    snprintf(claim->holder, sizeof(claim->holder), "%s", holder);
    claim->token = token;
}


/* a claim with another token was somebody else's in between */

static int
migrator_store_claim(void *data, shard_id_t shard, long ttl_ms,
    uint64_t *token)
{
    migrator_store_t  *s = data;

    int             rc;
    shardd_claim_t  claim;

    migrator_claim_of(s->holder, shard, 0, &claim);

    rc = shardd_claim(&s->store, claim.scope, s->holder, ttl_ms, &claim);

    if (rc != SHARDD_OK) {
        return migrator_store_say(s, rc, s->store.err);
    }

    if (*token != 0 && *token != claim.token) {
        (void) shardd_release(&s->store, &claim);
        return migrator_store_say(s, SHARDD_FENCED, "the claim was somebody "
                                  "else's in between");
    }

    *token = claim.token;

    return SHARDD_OK;
}


static int
migrator_store_release(void *data, shard_id_t shard, uint64_t token)
{
    migrator_store_t  *s = data;

    shardd_claim_t  claim;

    migrator_claim_of(s->holder, shard, token, &claim);

    return migrator_store_say(s, shardd_release(&s->store, &claim),
                              s->store.err);
}


static int
migrator_store_put(void *data, uint64_t token, migrator_state_t *state)
{
    migrator_store_t  *s = data;

    int             rc;
    uint64_t        seq;
    shardd_claim_t  claim;

    migrator_claim_of(s->holder, state->shard, token, &claim);

    seq = state->seq;
    rc = migrator_record_put(&s->store, &claim, state, NULL, 0);

    if (rc != SHARDD_OK) {
        state->seq = seq;
    }

    return migrator_store_say(s, rc, s->store.err);
}


static int
migrator_store_get(void *data, uint64_t id, migrator_state_t *state)
{
    migrator_store_t  *s = data;

    int             rc;
    char            text[MIGRATOR_ID_SIZE], err[SHARD_ERR_SIZE];
    shardd_entry_t  entry;

    shard_hex_encode(id, text);
    rc = shardd_migration_get(&s->store, text, &entry);

    if (rc != SHARDD_OK) {
        return migrator_store_say(s, rc, s->store.err);
    }

    if (migrator_record_read(&entry, state, err) != SHARD_OK) {
        rc = migrator_store_say(s, SHARDD_BAD, err);
    }

    shardd_entry_free(&entry);

    return rc;
}


static int
migrator_store_text(migrator_store_t *s, const char *key, const char *field,
    char *buf, size_t size)
{
    int    rc;
    char  *value;

    value = NULL;
    rc = shardd_hash_get(&s->store, key, field, &value);

    if (rc == SHARDD_OK && strlen(value) >= size) {
        rc = SHARDD_BAD;
        snprintf(s->store.err, SHARDD_ERR_SIZE, "%s %s is too long", key,
                 field);
    }

    if (rc == SHARDD_OK) {
        memcpy(buf, value, strlen(value) + 1);
    }

    free(value);

    return migrator_store_say(s, rc, s->store.err);
}


/* an unknown wish is none; shardctl writes no others */

static int
migrator_store_wish(void *data, uint64_t id, char *buf, size_t size)
{
    migrator_store_t  *s = data;

    int   rc;
    char  key[48];

    buf[0] = '\0';
    snprintf(key, sizeof(key), "migration:%016llx", (unsigned long long) id);

    rc = migrator_store_text(s, key, "wish", buf, size);

    return rc == SHARDD_NONE || rc == SHARDD_BAD ? SHARDD_OK : rc;
}


static int
migrator_store_shard(void *data, shard_id_t id, shard_record_t *rec,
    uint64_t *version)
{
    migrator_store_t  *s = data;

    return migrator_store_say(s, shardd_shard_load(&s->store, id, rec,
                                                   version),
                              s->store.err);
}


static int
migrator_store_commit_pair(void *data, shard_id_t shard, uint64_t token,
    uint64_t *version, const char *operation, const shard_record_t *rec,
    const shard_record_t *other, shard_id_t gone)
{
    migrator_store_t  *s = data;

    char                   by[SHARD_NAME_SIZE + 16];
    shardd_claim_t         claim;
    const shard_record_t  *recs[SHARDD_COMMIT_MAX];

    migrator_claim_of(s->holder, shard, token, &claim);
    snprintf(by, sizeof(by), "migrator:%s", s->holder);

    recs[0] = rec;
    recs[1] = other;

    return migrator_store_say(s, shardd_commit_shards(&s->store, &claim,
                                                      version, operation, by,
                                                      recs, other ? 2 : 1,
                                                      gone),
                              s->store.err);
}


static int
migrator_store_commit(void *data, shard_id_t shard, uint64_t token,
    uint64_t *version, const char *operation, const shard_record_t *rec)
{
    return migrator_store_commit_pair(data, shard, token, version, operation,
                                      rec, NULL, SHARD_ID_NONE);
}


static int
migrator_store_decide(void *data, const migrator_state_t *wish)
{
    migrator_store_t  *s = data;

    int             merge;
    char            id[MIGRATOR_ID_SIZE], shard[16], epoch[16], now[24];
    char            by[SHARD_NAME_SIZE + 16], with[16], with_epoch[16];
    size_t          n;
    shardd_field_t  fields[12] = {
        { "id", id },
        { "verb", (char *) migrator_verb_name(wish->verb) },
        { "shard", shard },
        { "from", (char *) wish->from },
        { "to", (char *) wish->to },
        { "epoch", epoch },
        { "by", by },
        { "mode", "act" },
        { "decided_ms", now },
        { "reason", "{\"after\":\"split\"}" }
    };

    /* a decision to merge is of the shard that stays */

    merge = wish->verb == MIGRATOR_MERGE;
    n = 10;

    if (merge) {
        fields[9].value = (char *) "{\"after\":\"move\"}";
        fields[n++] = (shardd_field_t) { "with", with };
        fields[n++] = (shardd_field_t) { "with_epoch", with_epoch };

    } else if (wish->next_cut[0]) {
        fields[n++] = (shardd_field_t) { "cut", (char *) wish->next_cut };

    } else if (wish->others[0]) {
        fields[n++] = (shardd_field_t) { "others", (char *) wish->others };
    }

    shard_hex_encode(wish->id, id);
    snprintf(shard, sizeof(shard), "%u",
             (unsigned) (merge ? wish->into : wish->shard));
    snprintf(epoch, sizeof(epoch), "%u",
             merge ? wish->into_epoch : wish->epoch);
    snprintf(with, sizeof(with), "%u", (unsigned) wish->shard);
    snprintf(with_epoch, sizeof(with_epoch), "%u", wish->epoch);
    snprintf(now, sizeof(now), "%llu", (unsigned long long) shardd_now_ms());
    snprintf(by, sizeof(by), "migrator:%s", s->holder);

    return migrator_store_say(s, shardd_decision_add(&s->store, id, fields,
                                                     n),
                              s->store.err);
}


static int
migrator_store_node(void *data, const char *name, shard_node_t *node)
{
    migrator_store_t  *s = data;

    return migrator_store_say(s, shardd_node_load(&s->store, name, node),
                              s->store.err);
}


static int
migrator_store_override(void *data, shard_id_t id, char *buf, size_t size)
{
    migrator_store_t  *s = data;

    int   rc;
    char  field[16];

    snprintf(field, sizeof(field), "%u", (unsigned) id);
    rc = migrator_store_text(s, "override", field, buf, size);

    /* longer than any override may be: routers ignore it too */

    return rc == SHARDD_BAD ? SHARDD_NONE : rc;
}


const migrator_io_t  migrator_store_io = {
    .now_ms = migrator_store_now,
    .sleep_ms = migrator_store_sleep,
    .stopping = migrator_store_stopping,
    .point = migrator_store_point,
    .note = migrator_store_note,
    .err = migrator_store_err,
    .claim = migrator_store_claim,
    .release = migrator_store_release,
    .put = migrator_store_put,
    .get = migrator_store_get,
    .wish = migrator_store_wish,
    .shard = migrator_store_shard,
    .commit = migrator_store_commit,
    .commit_pair = migrator_store_commit_pair,
    .decide = migrator_store_decide,
    .node = migrator_store_node,
    .override = migrator_store_override,
    .routers = migrator_store_routers,
    .mirror = migrator_store_mirror,
    .mirrors = migrator_store_mirrors,
    .views = migrator_store_views,
    .others = migrator_store_others,
    .hook = migrator_store_hook,
    .audit = migrator_store_audit,
};
