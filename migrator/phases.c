
/*
 * The phase table, the ways through it, and its setter.
 */


#include <string.h>

#include "phases.h"


static const migrator_phase_e *migrator_phase_way(
    const migrator_state_t *state);
static const migrator_phase_e *migrator_phase_cut(
    const migrator_state_t *state);
static int migrator_phase_legal(const migrator_state_t *state,
    migrator_phase_e to);
static size_t migrator_digits(char *buf, uint64_t value);
static void migrator_trail_add(migrator_state_t *state, const char *name,
    uint64_t now_ms);


#define NONE  MIGRATOR_PHASE_NONE
#define BEFORE_HOLD                                                          \
    (MIGRATOR_ABORTS|MIGRATOR_PAUSES|MIGRATOR_LEAVES|MIGRATOR_EXPIRES)
#define GATED  (BEFORE_HOLD|MIGRATOR_GATED)
#define IN_HOLD                                                              \
    (MIGRATOR_ABORTS|MIGRATOR_IN_HOLD|MIGRATOR_CUTOVER|MIGRATOR_EXPIRES)

/*
 * commit does not expire: whether it happened is in the table alone, so it
 * is tried until the store answers.  It aborts only after its operation id
 * has been used up by the abandonment (step_rollback.c).  release does not
 * expire because the target is the owner by then: there is no way but on.
 */

static const migrator_phase_t  migrator_phases[MIGRATOR_PHASES] = {

    [MIGRATOR_PLANNED] =
        { "planned", MIGRATOR_FORWARD, MIGRATOR_STEP_NONE, 60000,
          NONE, BEFORE_HOLD },

    [MIGRATOR_CLAIMED] =
        { "claimed", MIGRATOR_FORWARD, MIGRATOR_STEP_NONE, 60000,
          NONE, BEFORE_HOLD },

    [MIGRATOR_CHECK] =
        { "check", MIGRATOR_FORWARD, MIGRATOR_STEP_CHECK, 10000,
          NONE, BEFORE_HOLD },

    [MIGRATOR_COPY] =
        { "copy", MIGRATOR_FORWARD, MIGRATOR_STEP_COPY, 3600000,
          NONE, GATED },

    [MIGRATOR_CATCH_UP] =
        { "catch-up", MIGRATOR_FORWARD, MIGRATOR_STEP_CATCH_UP, 900000,
          MIGRATOR_COPY, GATED },

    [MIGRATOR_WARM_UP] =
        { "warm-up", MIGRATOR_FORWARD, MIGRATOR_STEP_WARM_UP, 60000,
          MIGRATOR_COPY, GATED },

    [MIGRATOR_SHIFT] =
        { "shift", MIGRATOR_FORWARD, MIGRATOR_STEP_SHIFT, 3600000,
          NONE, GATED },

    [MIGRATOR_CONSUME] =
        { "consume", MIGRATOR_FORWARD, MIGRATOR_STEP_CONSUME, 3600000,
          NONE, GATED },

    [MIGRATOR_FREEZE] =
        { "freeze", MIGRATOR_FORWARD, MIGRATOR_STEP_HOLD, 0,
          NONE, IN_HOLD },

    [MIGRATOR_SETTLE] =
        { "settle", MIGRATOR_FORWARD, MIGRATOR_STEP_DRAIN, 0,
          NONE, IN_HOLD },

    [MIGRATOR_SWITCH] =
        { "switch", MIGRATOR_FORWARD, MIGRATOR_STEP_SWITCH, 0,
          NONE, IN_HOLD },

    [MIGRATOR_FILL] =
        { "fill", MIGRATOR_FORWARD, MIGRATOR_STEP_FILL, 3600000,
          NONE, GATED },

    [MIGRATOR_HOLD] =
        { "hold", MIGRATOR_FORWARD, MIGRATOR_STEP_HOLD, 0,
          NONE, IN_HOLD },

    [MIGRATOR_DRAIN] =
        { "drain", MIGRATOR_FORWARD, MIGRATOR_STEP_DRAIN, 0,
          NONE, IN_HOLD },

    [MIGRATOR_FINAL_SYNC] =
        { "final-sync", MIGRATOR_FORWARD, MIGRATOR_STEP_FINAL_SYNC, 0,
          NONE, IN_HOLD },

    [MIGRATOR_VERIFY] =
        { "verify", MIGRATOR_FORWARD, MIGRATOR_STEP_VERIFY, 0,
          NONE, IN_HOLD },

    [MIGRATOR_COMMIT] =
        { "commit", MIGRATOR_FORWARD, MIGRATOR_STEP_COMMIT, 0,
          NONE, MIGRATOR_ABORTS|MIGRATOR_CUTOVER },

    [MIGRATOR_RELEASE] =
        { "release", MIGRATOR_FORWARD, MIGRATOR_STEP_RELEASE, 0,
          NONE, MIGRATOR_CUTOVER },

    [MIGRATOR_STANDBY] =
        { "standby", MIGRATOR_FORWARD, MIGRATOR_STEP_STANDBY, 30000,
          NONE, MIGRATOR_LEAVES },

    [MIGRATOR_DONE] =
        { "done", MIGRATOR_TERMINAL, MIGRATOR_STEP_NONE, 0,
          NONE, 0 },

    [MIGRATOR_ROLLING_BACK] =
        { "rolling-back", MIGRATOR_BACKWARD, MIGRATOR_STEP_ROLLBACK, 0,
          MIGRATOR_RELEASE, MIGRATOR_CUTOVER },

    [MIGRATOR_ROLLED_BACK] =
        { "rolled-back", MIGRATOR_TERMINAL, MIGRATOR_STEP_NONE, 0,
          NONE, 0 },
};


/* what follows what, by verb and strategy */

#define BEGINS  MIGRATOR_PLANNED, MIGRATOR_CLAIMED, MIGRATOR_CHECK
#define COPIES  MIGRATOR_COPY, MIGRATOR_CATCH_UP
#define CUTOVER                                                              \
    MIGRATOR_HOLD, MIGRATOR_DRAIN, MIGRATOR_FINAL_SYNC, MIGRATOR_VERIFY,     \
    MIGRATOR_COMMIT, MIGRATOR_RELEASE
#define ENDS    MIGRATOR_STANDBY, MIGRATOR_DONE, NONE

static const migrator_phase_e  migrator_way_log[] = {
    BEGINS, COPIES, MIGRATOR_WARM_UP, MIGRATOR_SHIFT, CUTOVER, ENDS
};

static const migrator_phase_e  migrator_way_queue[] = {
    BEGINS, COPIES, MIGRATOR_WARM_UP, MIGRATOR_CONSUME, CUTOVER, ENDS
};

static const migrator_phase_e  migrator_way_write[] = {
    BEGINS, MIGRATOR_WARM_UP, MIGRATOR_FREEZE, MIGRATOR_SETTLE,
    MIGRATOR_SWITCH, MIGRATOR_FILL, CUTOVER, ENDS
};

static const migrator_phase_e  migrator_way_stateless[] = {
    BEGINS, MIGRATOR_WARM_UP, MIGRATOR_SHIFT, MIGRATOR_COMMIT, ENDS
};

static const migrator_phase_e  migrator_way_promote[] = {
    BEGINS, MIGRATOR_FINAL_SYNC, MIGRATOR_COMMIT, MIGRATOR_RELEASE,
    MIGRATOR_DONE, NONE
};

static const migrator_phase_e  migrator_way_replicate[] = {
    BEGINS, COPIES, MIGRATOR_COMMIT, ENDS
};

static const migrator_phase_e  migrator_way_back[] = {
    MIGRATOR_ROLLING_BACK, MIGRATOR_ROLLED_BACK, NONE
};


/* splits and merges: no key can be in two shards, so there is no shift */

static const migrator_phase_e  migrator_way_cut[] = {
    BEGINS, COPIES, CUTOVER, ENDS
};

static const migrator_phase_e  migrator_way_cut_queue[] = {
    BEGINS, COPIES, MIGRATOR_CONSUME, CUTOVER, ENDS
};

static const migrator_phase_e  migrator_way_cut_stateless[] = {
    BEGINS, MIGRATOR_COMMIT, MIGRATOR_RELEASE, ENDS
};


static const char *const  migrator_verbs[] = {
    "move", "promote", "replicate", "split", "isolate", "merge"
};


int
migrator_cuts(const migrator_state_t *state)
{
    return state->verb == MIGRATOR_SPLIT || state->verb == MIGRATOR_ISOLATE
           || state->verb == MIGRATOR_MERGE;
}


int
migrator_writes(const migrator_state_t *state)
{
    return state->strategy == SHARD_COPY_ON_WRITE
           && state->verb == MIGRATOR_MOVE;
}


shard_id_t
migrator_at_target(const migrator_state_t *state)
{
    return migrator_cuts(state) ? state->into : state->shard;
}


const char *
migrator_verb_name(migrator_verb_e verb)
{
    return migrator_verbs[verb];
}


migrator_verb_e
migrator_verb_by_name(shard_str_t name)
{
    int  i;

    for (i = 0; i < MIGRATOR_VERB_NONE; i++) {
        if (strlen(migrator_verbs[i]) == name.len
            && memcmp(migrator_verbs[i], name.data, name.len) == 0)
        {
            break;
        }
    }

    return (migrator_verb_e) i;
}


const migrator_phase_t *
migrator_phase(migrator_phase_e phase)
{
    return &migrator_phases[phase];
}


migrator_phase_e
migrator_phase_by_name(shard_str_t name)
{
    int  i;

    for (i = 0; i < MIGRATOR_PHASES; i++) {
        if (strlen(migrator_phases[i].name) == name.len
            && memcmp(migrator_phases[i].name, name.data, name.len) == 0)
        {
            return (migrator_phase_e) i;
        }
    }

    return MIGRATOR_PHASE_NONE;
}


static const migrator_phase_e *
migrator_phase_way(const migrator_state_t *state)
{
    if (migrator_phases[state->phase].kind == MIGRATOR_BACKWARD) {
        return migrator_way_back;
    }

    if (state->verb == MIGRATOR_PROMOTE) {
        return migrator_way_promote;
    }

    if (state->verb == MIGRATOR_REPLICATE) {
        return migrator_way_replicate;
    }

    if (migrator_cuts(state)) {
        return migrator_phase_cut(state);
    }

    switch (state->strategy) {

    case SHARD_STATELESS:
        return migrator_way_stateless;

    case SHARD_QUEUE:
        return migrator_way_queue;

    case SHARD_COPY_ON_WRITE:
        return migrator_way_write;

    default:
        return migrator_way_log;
    }
}


/* copy-on-write has no way of its own: nothing leaves the node by a cut */

static const migrator_phase_e *
migrator_phase_cut(const migrator_state_t *state)
{
    switch (state->strategy) {

    case SHARD_STATELESS:
        return migrator_way_cut_stateless;

    case SHARD_QUEUE:
        return migrator_way_cut_queue;

    default:
        return migrator_way_cut;
    }
}


uint32_t
migrator_last_epoch(const migrator_state_t *state)
{
    return migrator_writes(state) ? state->epoch + 2 : state->epoch + 1;
}


migrator_phase_e
migrator_phase_next(const migrator_state_t *state)
{
    const migrator_phase_e  *way;

    for (way = migrator_phase_way(state); *way != NONE; way++) {
        if (*way == state->phase) {
            return way[1];
        }
    }

    return NONE;
}


static int
migrator_phase_legal(const migrator_state_t *state, migrator_phase_e to)
{
    const migrator_phase_t  *row;

    row = &migrator_phases[state->phase];

    if (to >= MIGRATOR_PHASES) {
        return 0;
    }

    if (to == migrator_phase_next(state)) {
        return 1;
    }

    if (to == MIGRATOR_ROLLING_BACK) {
        return (row->flags & MIGRATOR_ABORTS) != 0;
    }

    return to == row->other;
}


void
migrator_phase_begin(migrator_state_t *state, uint64_t now_ms)
{
    state->phase = MIGRATOR_PLANNED;
    state->phase_ms = now_ms;
    state->finished_ms = 0;
    state->steps = 0;
    state->trail[0] = '\0';

    migrator_trail_add(state, migrator_phases[MIGRATOR_PLANNED].name, now_ms);
}


int
migrator_phase_set(migrator_state_t *state, migrator_phase_e to,
    uint64_t now_ms)
{
    if (!migrator_phase_legal(state, to)) {
        return SHARD_ERROR;
    }

    state->phase = to;
    state->phase_ms = now_ms;
    state->steps++;

    /* a promotion holds nothing before its commit, but requests wait for it */

    if (to == MIGRATOR_HOLD || to == MIGRATOR_FREEZE
        || (to == MIGRATOR_FINAL_SYNC && state->verb == MIGRATOR_PROMOTE))
    {
        state->hold_at_ms = now_ms;
    }

    if (migrator_phases[to].kind == MIGRATOR_TERMINAL) {
        state->finished_ms = now_ms;
    }

    migrator_trail_add(state, migrator_phases[to].name, now_ms);

    return SHARD_OK;
}


static size_t
migrator_digits(char *buf, uint64_t value)
{
    char    text[20];
    size_t  n, i;

    n = 0;

    do {
        text[n++] = (char) ('0' + value % 10);
        value /= 10;
    } while (value);

    for (i = 0; i < n; i++) {
        buf[i] = text[n - 1 - i];
    }

    return n;
}


/*
 * A trail that would not fit loses its oldest entries, up to half of it:
 * what matters of it (was the source sealed, was the commit tried) is always
 * among the latest.
 */

static void
migrator_trail_add(migrator_state_t *state, const char *name, uint64_t now_ms)
{
    char    text[48], *p;
    size_t  n, len;

    len = strlen(state->trail);
    n = 0;

    if (len) {
        text[n++] = ' ';
    }

    memcpy(text + n, name, strlen(name));
    n += strlen(name);
    text[n++] = '@';
    n += migrator_digits(text + n, now_ms);

    if (len + n >= MIGRATOR_TRAIL_SIZE) {
        p = strchr(state->trail + len / 2, ' ');
        p = p ? p + 1 : state->trail + len;
        len -= (size_t) (p - state->trail);
        memmove(state->trail, p, len);
    }

    memcpy(state->trail + len, text, n);
    state->trail[len + n] = '\0';
}


int
migrator_phase_seen(const migrator_state_t *state, migrator_phase_e phase)
{
    size_t       len;
    const char  *p, *name;

    name = migrator_phases[phase].name;
    len = strlen(name);

    for (p = state->trail; p && *p; p = strchr(p, ' ')) {

        if (*p == ' ') {
            p++;
        }

        if (strncmp(p, name, len) == 0 && p[len] == '@') {
            return 1;
        }
    }

    return 0;
}
