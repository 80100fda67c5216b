
#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store.h"
#include "shard_codec.h"
#include "shard_key.h"
#include "next.h"


static void migrator_next_split(const migrator_state_t *state,
    migrator_state_t *wish);
static void migrator_next_move(const migrator_state_t *state,
    migrator_state_t *wish);
static void migrator_next_merge(const migrator_state_t *state,
    migrator_state_t *wish);


void
migrator_next_plan(migrator_state_t *state, int in_place)
{
    migrator_state_t  wish;

    if (in_place
        && (state->verb == MIGRATOR_SPLIT || state->verb == MIGRATOR_MERGE)
        && strcmp(state->from, state->to) != 0)
    {
        memcpy(state->next_to, state->to, SHARD_NAME_SIZE);

        if (state->verb == MIGRATOR_MERGE) {
            state->verb = MIGRATOR_MOVE;
            state->others[0] = '\0';

        } else {
            memcpy(state->to, state->from, SHARD_NAME_SIZE);
        }
    }

    state->next[0] = '\0';

    if (migrator_next_wish(state, &wish)) {
        shard_hex_encode(wish.id, state->next);
    }
}


int
migrator_next_moves(const migrator_state_t *state)
{
    return migrator_cuts(state) && state->next_to[0]
           && strcmp(state->next_to, state->from) != 0;
}


int
migrator_next_merges(const migrator_state_t *state)
{
    return state->verb == MIGRATOR_MOVE && state->next_to[0];
}


int
migrator_next_wish(const migrator_state_t *state, migrator_state_t *wish)
{
    memset(wish, 0, sizeof(migrator_state_t));

    if (state->verb == MIGRATOR_ISOLATE) {
        migrator_next_split(state, wish);

    } else if (state->verb == MIGRATOR_SPLIT && migrator_next_moves(state)) {
        migrator_next_move(state, wish);

    } else if (migrator_next_merges(state)) {
        migrator_next_merge(state, wish);

    } else {
        return 0;
    }

    return 1;
}


static void
migrator_next_split(const migrator_state_t *state, migrator_state_t *wish)
{
    wish->verb = MIGRATOR_SPLIT;
    wish->shard = state->shard;
    wish->epoch = state->epoch + 1;
    memcpy(wish->from, state->from, SHARD_NAME_SIZE);
    memcpy(wish->to, state->next_to, SHARD_NAME_SIZE);
    memcpy(wish->next_cut, state->next_cut, sizeof(wish->next_cut));
    wish->id = shard_cut_id(wish->shard, wish->epoch, "split",
                            wish->next_cut, wish->to);
}


static void
migrator_next_move(const migrator_state_t *state, migrator_state_t *wish)
{
    wish->verb = MIGRATOR_MOVE;
    wish->shard = state->into;
    wish->epoch = state->epoch + 1;
    memcpy(wish->from, state->from, SHARD_NAME_SIZE);
    memcpy(wish->to, state->next_to, SHARD_NAME_SIZE);
    memcpy(wish->others, state->others, sizeof(wish->others));
    wish->id = shard_decision_id(wish->shard, wish->epoch, wish->from,
                                 wish->to);
}


static void
migrator_next_merge(const migrator_state_t *state, migrator_state_t *wish)
{
    char  with[32];

    wish->verb = MIGRATOR_MERGE;
    wish->shard = state->shard;
    wish->epoch = migrator_last_epoch(state);
    wish->into = state->into;
    wish->into_epoch = state->into_epoch;
    memcpy(wish->from, state->to, SHARD_NAME_SIZE);
    memcpy(wish->to, state->next_to, SHARD_NAME_SIZE);

    snprintf(with, sizeof(with), "%u.%u", (unsigned) wish->shard,
             wish->epoch);
    wish->id = shard_cut_id(wish->into, wish->into_epoch, "merge", with,
                            wish->to);
}


const char *
migrator_others_next(const char *left, char name[SHARD_NAME_SIZE])
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


int
migrator_others_valid(const char *others)
{
    int          n;
    char         name[SHARD_NAME_SIZE];
    const char  *left, *end;
    shard_str_t  text;

    left = others;

    for (n = 0; (end = migrator_others_next(left, name)) != NULL; n++) {
        text.data = name;
        text.len = strlen(name);

        if (!shard_name_valid(text)) {
            return 0;
        }

        left = end;
    }

    return left[strspn(left, " ")] == '\0' && n <= SHARD_STANDBYS_MAX;
}


migrator_result_e
migrator_next_decide(migrator_t *m)
{
    int                rc;
    migrator_state_t   wish;
    migrator_result_e  result;

    if (!migrator_next_wish(&m->state, &wish)) {
        return MIGRATOR_NEXT;
    }

    rc = m->io->decide(m->io->data, &wish);

    if (rc == SHARDD_CONFLICT) {
        return MIGRATOR_NEXT;
    }

    result = migrator_store_rc(m, rc, "decision");

    if (result == MIGRATOR_FAIL) {
        m->io->note(m->io->data, SHARDD_LOG_ERROR, &m->state, m->err);
        return MIGRATOR_NEXT;
    }

    return result;
}


migrator_result_e
migrator_next_standbys(migrator_t *m, shard_id_t shard, uint32_t epoch)
{
    int               rc;
    uint64_t          version;
    const char       *left;
    shard_record_t    rec;
    migrator_state_t  wish;

    left = m->state.others;

    if (left[0] == '\0') {
        return MIGRATOR_NEXT;
    }

    rc = m->io->shard(m->io->data, shard, &rec, &version);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return migrator_store_rc(m, rc, "shard");
    }

    /* in other hands by now */

    if (rc == SHARDD_NONE || rec.epoch != epoch) {
        return MIGRATOR_NEXT;
    }

    memset(&wish, 0, sizeof(wish));
    wish.verb = MIGRATOR_REPLICATE;
    wish.shard = shard;
    wish.epoch = epoch;

    while ((left = migrator_others_next(left, wish.to)) != NULL) {

        if (strcmp(wish.to, rec.primary) == 0
            || migrator_to_standby(&wish, &rec))
        {
            continue;
        }

        memcpy(wish.from, wish.to, sizeof(wish.from));
        wish.id = shard_decision_id(wish.shard, wish.epoch, wish.from,
                                    wish.to);

        rc = m->io->decide(m->io->data, &wish);

        if (rc != SHARDD_OK && rc != SHARDD_CONFLICT) {
            return migrator_store_rc(m, rc, "decision");
        }
    }

    return MIGRATOR_NEXT;
}
