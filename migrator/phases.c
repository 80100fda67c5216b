
/*
 * The phase table and its setter.
 */


#include <string.h>

#include "phases.h"


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
          MIGRATOR_CLAIMED, MIGRATOR_CLAIMED, MIGRATOR_CLAIMED,
          MIGRATOR_CLAIMED, NONE, BEFORE_HOLD },

    [MIGRATOR_CLAIMED] =
        { "claimed", MIGRATOR_FORWARD, MIGRATOR_STEP_NONE, 60000,
          MIGRATOR_CHECK, MIGRATOR_CHECK, MIGRATOR_CHECK,
          MIGRATOR_CHECK, NONE, BEFORE_HOLD },

    [MIGRATOR_CHECK] =
        { "check", MIGRATOR_FORWARD, MIGRATOR_STEP_CHECK, 10000,
          MIGRATOR_COPY, MIGRATOR_WARM_UP, MIGRATOR_FINAL_SYNC,
          MIGRATOR_COPY, NONE, BEFORE_HOLD },

    [MIGRATOR_COPY] =
        { "copy", MIGRATOR_FORWARD, MIGRATOR_STEP_COPY, 3600000,
          MIGRATOR_CATCH_UP, NONE, NONE,
          MIGRATOR_CATCH_UP, NONE, GATED },

    [MIGRATOR_CATCH_UP] =
        { "catch-up", MIGRATOR_FORWARD, MIGRATOR_STEP_CATCH_UP, 900000,
          MIGRATOR_WARM_UP, NONE, NONE,
          MIGRATOR_COMMIT, MIGRATOR_COPY, GATED },

    [MIGRATOR_WARM_UP] =
        { "warm-up", MIGRATOR_FORWARD, MIGRATOR_STEP_WARM_UP, 60000,
          MIGRATOR_SHIFT, MIGRATOR_SHIFT, NONE,
          NONE, MIGRATOR_COPY, GATED },

    [MIGRATOR_SHIFT] =
        { "shift", MIGRATOR_FORWARD, MIGRATOR_STEP_SHIFT, 3600000,
          MIGRATOR_HOLD, MIGRATOR_COMMIT, NONE,
          NONE, NONE, GATED },

    [MIGRATOR_HOLD] =
        { "hold", MIGRATOR_FORWARD, MIGRATOR_STEP_HOLD, 0,
          MIGRATOR_DRAIN, NONE, NONE,
          NONE, NONE, IN_HOLD },

    [MIGRATOR_DRAIN] =
        { "drain", MIGRATOR_FORWARD, MIGRATOR_STEP_DRAIN, 0,
          MIGRATOR_FINAL_SYNC, NONE, NONE,
          NONE, NONE, IN_HOLD },

    [MIGRATOR_FINAL_SYNC] =
        { "final-sync", MIGRATOR_FORWARD, MIGRATOR_STEP_FINAL_SYNC, 0,
          MIGRATOR_VERIFY, NONE, MIGRATOR_COMMIT,
          NONE, NONE, IN_HOLD },

    [MIGRATOR_VERIFY] =
        { "verify", MIGRATOR_FORWARD, MIGRATOR_STEP_VERIFY, 0,
          MIGRATOR_COMMIT, NONE, NONE,
          NONE, NONE, IN_HOLD },

    [MIGRATOR_COMMIT] =
        { "commit", MIGRATOR_FORWARD, MIGRATOR_STEP_COMMIT, 0,
          MIGRATOR_RELEASE, MIGRATOR_STANDBY, MIGRATOR_RELEASE,
          MIGRATOR_STANDBY, NONE, MIGRATOR_ABORTS|MIGRATOR_CUTOVER },

    [MIGRATOR_RELEASE] =
        { "release", MIGRATOR_FORWARD, MIGRATOR_STEP_RELEASE, 0,
          MIGRATOR_STANDBY, MIGRATOR_STANDBY, MIGRATOR_DONE,
          NONE, NONE, MIGRATOR_CUTOVER },

    [MIGRATOR_STANDBY] =
        { "standby", MIGRATOR_FORWARD, MIGRATOR_STEP_STANDBY, 30000,
          MIGRATOR_DONE, MIGRATOR_DONE, NONE,
          MIGRATOR_DONE, NONE, MIGRATOR_LEAVES },

    [MIGRATOR_DONE] =
        { "done", MIGRATOR_TERMINAL, MIGRATOR_STEP_NONE, 0,
          NONE, NONE, NONE,
          NONE, NONE, 0 },

    [MIGRATOR_ROLLING_BACK] =
        { "rolling-back", MIGRATOR_BACKWARD, MIGRATOR_STEP_ROLLBACK, 0,
          MIGRATOR_ROLLED_BACK, MIGRATOR_ROLLED_BACK, MIGRATOR_ROLLED_BACK,
          MIGRATOR_ROLLED_BACK, MIGRATOR_RELEASE, MIGRATOR_CUTOVER },

    [MIGRATOR_ROLLED_BACK] =
        { "rolled-back", MIGRATOR_TERMINAL, MIGRATOR_STEP_NONE, 0,
          NONE, NONE, NONE,
          NONE, NONE, 0 },
};


static const char *const  migrator_verbs[] = {
    "move", "promote", "replicate"
};


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


migrator_phase_e
migrator_phase_next(const migrator_state_t *state)
{
    const migrator_phase_t  *row;

    row = &migrator_phases[state->phase];

    if (state->verb == MIGRATOR_PROMOTE) {
        return row->next_promote;
    }

    if (state->verb == MIGRATOR_REPLICATE) {
        return row->next_replicate;
    }

    return state->strategy == SHARD_STATELESS ? row->next_stateless
                                              : row->next;
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

    if (to == MIGRATOR_HOLD
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
