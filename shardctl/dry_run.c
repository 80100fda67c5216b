
/*
 * --dry-run: a migrator checks the move as its phase check would and answers,
 * nothing else happens (migrator/checks.c).
 *
 *   check:ID, fields of a decision ──▶ list "checks" ──▶ a migrator
 *                  ▲                                        │
 *                  └────────────── "answer", JSON ◀─────────┘
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "shardd_loop.h"
#include "move.h"


#define ASK_LIVE_MS     10000       /* a migrator's word counts so long */
#define ASK_TIMEOUT_MS  20000       /* nodes that are silent take their time */
#define ASK_POLL_MS     20
#define ASK_KEEP_S      60


static const shardctl_column_t  dry_run_columns[] = {
    { "name", "CHECK", SHARDCTL_TEXT },
    { "verdict", "VERDICT", SHARDCTL_STATE },
    { "text", "WHY", SHARDCTL_TEXT },
    { NULL, NULL, SHARDCTL_TEXT }
};


static int ask_put(shardctl_t *ctl, const move_t *move, const char *request);
static int ask_wait(shardctl_t *ctl, const char *request, json_t **answer);


/* somebody is there to ask */

static int
ask_live(shardctl_t *ctl)
{
    int              live;
    size_t           i;
    json_t          *root;
    double           then;
    shardd_entry_t   list;

    if (shardctl_hash(ctl, "migrators", &list) != SHARDCTL_OK) {
        return 0;
    }

    live = 0;

    for (i = 0; i < list.nfields; i++) {
        root = shardctl_json(list.fields[i].value);
        then = json_number_value(json_object_get(root, "time_ms"));
        live |= then + ASK_LIVE_MS > (double) shardd_now_ms();
        json_decref(root);
    }

    shardd_entry_free(&list);

    return live;
}


int
move_ask(shardctl_t *ctl, const move_t *move, json_t **answer)
{
    int       rc;
    char      request[MOVE_ID_SIZE];
    uint64_t  id;

    *answer = NULL;

    if (!ask_live(ctl)) {
        return SHARDCTL_OK;
    }

    if (getrandom(&id, sizeof(id), 0) != sizeof(id)) {
        return shardctl_fail(ctl, "no random number: %m");
    }

    snprintf(request, sizeof(request), "%016llx", (unsigned long long) id);

    rc = ask_put(ctl, move, request);

    return rc == SHARDCTL_OK ? ask_wait(ctl, request, answer) : rc;
}


static int
ask_put(shardctl_t *ctl, const move_t *move, const char *request)
{
    int              rc;
    char             key[32], shard[16], epoch[16];
    redisReply      *reply;

    snprintf(key, sizeof(key), "check:%s", request);
    snprintf(shard, sizeof(shard), "%u", move->shard);
    snprintf(epoch, sizeof(epoch), "%u", move->epoch);

    const shardd_field_t  fields[] = {
        { (char *) "id", (char *) move->id },
        { (char *) "verb", (char *) move->decision },
        { (char *) "shard", shard },
        { (char *) "from", (char *) move->from },
        { (char *) "to", (char *) move->to },
        { (char *) "epoch", epoch },
        { (char *) "by", (char *) shardctl_by() },
    };

    rc = shardd_hash_put(&ctl->store, key, fields,
                         sizeof(fields) / sizeof(fields[0]));

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(ctl, rc, "cannot ask for a check");
    }

    reply = shardd_redis_command(&ctl->store.redis, "EXPIRE shard:{%s}:%s %d",
                                 ctl->keyspace, key, ASK_KEEP_S);
    if (reply) {
        freeReplyObject(reply);
    }

    reply = shardd_redis_command(&ctl->store.redis,
                                 "LPUSH shard:{%s}:checks %s", ctl->keyspace,
                                 request);
    if (reply == NULL) {
        return shardctl_fail(ctl, "cannot ask for a check: no answer of "
                             "Redis");
    }

    freeReplyObject(reply);

    return SHARDCTL_OK;
}


static int
ask_wait(shardctl_t *ctl, const char *request, json_t **answer)
{
    int       rc;
    char      key[32], *text;
    uint64_t  end;

    snprintf(key, sizeof(key), "check:%s", request);
    end = shardd_monotonic_ms() + ASK_TIMEOUT_MS;

    for ( ;; ) {
        rc = shardd_hash_get(&ctl->store, key, "answer", &text);

        if (rc == SHARDD_OK) {
            *answer = shardctl_json(text);
            free(text);

            return *answer ? SHARDCTL_OK
                           : shardctl_fail(ctl, "the migrator's answer is no "
                                           "JSON");
        }

        if (rc != SHARDD_NONE) {
            return shardctl_store_fail(ctl, rc, "cannot read the answer");
        }

        if (shardd_monotonic_ms() >= end) {
            return shardctl_fail(ctl, "no shard-migrator has answered within "
                                 "%d s: its log says why", ASK_TIMEOUT_MS
                                 / 1000);
        }

        shardd_loop_pause(ASK_POLL_MS);
    }
}


/* what it is expected to take, and how that is known */

static void
ask_show_expect(const json_t *answer)
{
    char           span[32];
    const char    *from;
    const json_t  *e;

    e = json_object_get(answer, "expect");
    from = shardctl_get_text(e, "from");

    shardctl_span(1000 * shardctl_get_number(e, "duration_s"), span,
                  sizeof(span));
    printf("expected: %s, %.1f MB copied, requests wait %.0f ms (%s", span,
           shardctl_get_number(e, "bytes") / 1e6,
           1000 * shardctl_get_number(e, "hold_s"),
           strcmp(from, "learnt") == 0 ? "learnt by the predictor"
           : strcmp(from, "past") == 0 ? "the last migrations"
           : "a guess: none has ended yet");

    if (shardctl_get_number(e, "seen") > 0) {
        printf(", %.0f of them", shardctl_get_number(e, "seen"));
    }

    printf(")\n");
}


int
move_answer_show(shardctl_t *ctl, const json_t *answer)
{
    if (answer == NULL) {
        printf("not checked: no shard-migrator is live that could\n");
        return SHARDCTL_OK;
    }

    if (json_object_get(answer, "error") == NULL) {
        shardctl_table(ctl, json_object_get(answer, "checks"),
                       dry_run_columns);
        ask_show_expect(answer);
    }

    return move_answer_rc(ctl, answer);
}


int
move_answer_rc(shardctl_t *ctl, const json_t *answer)
{
    size_t         i, n;
    const char    *verdict;
    const json_t  *row;

    if (answer == NULL) {
        return SHARDCTL_OK;
    }

    /* --json has it all on stdout already */

    if (json_object_get(answer, "error") && !ctl->json) {
        return shardctl_fail(ctl, "it cannot be checked: %s",
                             shardctl_get_text(answer, "error"));
    }

    n = json_object_get(answer, "error") != NULL;

    json_array_foreach(json_object_get(answer, "checks"), i, row) {
        verdict = shardctl_get_text(row, "verdict");
        n += strcmp(verdict, "refused") == 0 || strcmp(verdict, "silent") == 0;
    }

    if (ctl->json) {
        return n ? SHARDCTL_FAILED : SHARDCTL_OK;
    }

    return n == 0 ? SHARDCTL_OK
           : shardctl_fail(ctl, "a migrator would refuse it: %zu of %zu "
                           "checks", n, json_array_size(json_object_get(
                                                        answer, "checks")));
}
