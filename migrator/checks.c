
/*
 * Checks alone, for "shardctl migrate --dry-run": the list "checks" names
 * requests check:ID, hashes with the fields of a decision.  One migrator takes
 * each, runs what phase check runs, in a thread of its own, and puts the
 * verdicts into field "answer".  A request that gets lost is asked again.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "preconditions.h"
#include "crew.h"


#define TELL_MS     1000
#define DEAD_MS     120000
#define CHECKS_MAX  8                   /* taken in one scan */


static void migrator_tell(migrator_crew_t *crew);
static void migrator_tell_dead(migrator_crew_t *crew);
static int migrator_check_take(migrator_crew_t *crew, char id[20]);
static void migrator_check_begin(migrator_crew_t *crew, const char *id);
static void migrator_check_put(shardd_store_t *store, const char *request,
    const char *answer);
static void migrator_check_error(shardd_store_t *store, const char *request,
    const char *text);


void
migrator_crew_checks(migrator_crew_t *crew)
{
    int   i;
    char  id[20];

    migrator_tell(crew);

    for (i = 0; i < CHECKS_MAX && migrator_check_take(crew, id); i++) {
        migrator_check_begin(crew, id);
    }
}


/* whoever waits for a migrator wants to know that there is one */

static void
migrator_tell(migrator_crew_t *crew)
{
    char             text[96];
    uint64_t         now;
    shardd_field_t   field;

    now = shardd_monotonic_ms();

    if (crew->told_ms && now - crew->told_ms < TELL_MS) {
        return;
    }

    if (crew->told_ms == 0) {
        migrator_tell_dead(crew);
    }

    crew->told_ms = now;
    snprintf(text, sizeof(text), "{\"time_ms\":%llu,\"running\":%u}",
             (unsigned long long) shardd_now_ms(), crew->n);

    field.name = crew->holder;
    field.value = text;

    (void) shardd_hash_put(&crew->store, "migrators", &field, 1);
}


/* those that were killed; two minutes old is dead enough */

static void
migrator_tell_dead(migrator_crew_t *crew)
{
    size_t           i;
    json_t          *root;
    json_int_t       then;
    shardd_entry_t   list;
    shardd_field_t   field;

    if (shardd_hash_load(&crew->store, "migrators", &list) != SHARDD_OK) {
        return;
    }

    for (i = 0; i < list.nfields; i++) {
        root = json_loads(list.fields[i].value, 0, NULL);
        then = json_integer_value(json_object_get(root, "time_ms"));
        json_decref(root);

        if (then + DEAD_MS < (json_int_t) shardd_now_ms()) {
            field.name = list.fields[i].name;
            field.value = NULL;
            (void) shardd_hash_put(&crew->store, "migrators", &field, 1);
        }
    }

    shardd_entry_free(&list);
}


void
migrator_crew_untell(migrator_crew_t *crew)
{
    shardd_field_t  field;

    field.name = crew->holder;
    field.value = NULL;

    (void) shardd_hash_put(&crew->store, "migrators", &field, 1);
}


/* 1: there was one */

static int
migrator_check_take(migrator_crew_t *crew, char id[20])
{
    int           found;
    uint64_t      value;
    redisReply   *reply;
    shard_str_t   text;

    reply = shardd_redis_command(&crew->store.redis, "RPOP shard:{%s}:checks",
                                 crew->conf->keyspace);

    if (reply == NULL) {
        return 0;
    }

    found = 0;

    if (reply->type == REDIS_REPLY_STRING) {
        text.data = reply->str;
        text.len = reply->len;
        found = shard_hex_decode(text, &value) == SHARD_OK;

        if (found) {
            snprintf(id, 20, "%016llx", (unsigned long long) value);
        }
    }

    freeReplyObject(reply);

    return found;
}


static void
migrator_check_begin(migrator_crew_t *crew, const char *id)
{
    int                rc;
    char               key[32];
    uint64_t           version;
    const char        *why;
    shard_record_t     rec;
    shardd_entry_t     entry;
    migrator_state_t   state;

    snprintf(key, sizeof(key), "check:%s", id);

    if (shardd_hash_load(&crew->store, key, &entry) != SHARDD_OK) {
        return;
    }

    rc = migrator_decision_read(&entry, &state, &why);
    shardd_entry_free(&entry);

    if (rc != SHARD_OK) {
        migrator_check_error(&crew->store, id, why);
        return;
    }

    if (shardd_shard_load(&crew->store, state.shard, &rec, &version)
        != SHARDD_OK)
    {
        migrator_check_error(&crew->store, id, crew->store.err);
        return;
    }

    if (state.verb == MIGRATOR_REPLICATE) {
        memcpy(state.from, rec.primary, sizeof(state.from));
    }

    state.strategy = rec.strategy;
    state.phase = MIGRATOR_CHECK;
    state.created_ms = shardd_now_ms();

    if (migrator_crew_check(crew, &state, id) != 0) {
        migrator_check_error(&crew->store, id, "too many migrations run");
    }
}


/* a thread's */

void
migrator_check_answer(migrator_worker_t *w)
{
    char               *json;
    migrator_checks_t   checks;

    if (migrator_check(&w->m, &checks) != MIGRATOR_NEXT) {
        migrator_check_error(&w->store.store, w->request, w->m.err);
        return;
    }

    json = migrator_checks_json(&w->m.state, &checks);

    if (json) {
        migrator_check_put(&w->store.store, w->request, json);
    }

    free(json);
}


static void
migrator_check_error(shardd_store_t *store, const char *request,
    const char *text)
{
    char    *json;
    json_t  *root;

    root = json_pack("{s:s%}", "error", text, strlen(text));
    json = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);

    migrator_check_put(store, request,
                       json ? json : "{\"error\":\"unreadable\"}");
    free(json);
}


/* an asker that is gone leaves it to its end */

static void
migrator_check_put(shardd_store_t *store, const char *request,
    const char *answer)
{
    char             key[32];
    redisReply      *reply;
    shardd_field_t   field;

    snprintf(key, sizeof(key), "check:%s", request);
    field.name = (char *) "answer";
    field.value = (char *) answer;

    if (shardd_hash_put(store, key, &field, 1) != SHARDD_OK) {
        shardd_log(SHARDD_LOG_WARN, "check %s: %s", request, store->err);
        return;
    }

    reply = shardd_redis_command(&store->redis, "EXPIRE shard:{%s}:%s 60",
                                 store->keyspace, key);

    if (reply) {
        freeReplyObject(reply);
    }
}


char *
migrator_checks_json(const migrator_state_t *state,
    const migrator_checks_t *checks)
{
    char                     *json;
    json_t                   *root, *list;
    uint32_t                  i;
    const migrator_check_t   *c;
    const migrator_expect_t  *e;

    e = &checks->expect;
    list = json_array();

    for (i = 0; i < checks->n; i++) {
        c = &checks->check[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name",
                              c->name, "verdict",
                              migrator_verdict_name(c->verdict), "text",
                              c->text));
    }

    root = json_pack("{s:s, s:s, s:o, s:{s:s, s:I, s:f, s:f, s:f, s:f, s:f, "
                     "s:f}}",
                     "verdict",
                     migrator_verdict_name(migrator_checks_worst(checks)),
                     "from", state->from,
                     "checks", list,
                     "expect",
                     "from", migrator_from_name(e->from),
                     "seen", (json_int_t) e->seen,
                     "duration_s", e->total_s,
                     "copy_s", e->copy_s,
                     "hold_s", e->hold_s,
                     "bytes", e->bytes,
                     "ship_rate", e->ship_rate,
                     "change_rate", e->change_rate);

    json = root ? json_dumps(root, JSON_COMPACT|JSON_REAL_PRECISION(6))
                : NULL;
    json_decref(root);

    return json;
}
