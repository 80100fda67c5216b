
/*
 * How long a migration will take, how much it copies, how long requests
 * wait, and how fast its log arrives.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "preconditions.h"


/* of a first migration that nothing is known of; bytes per second, seconds */

#define GUESS_COPY_RATE  50e6
#define GUESS_HOLD_S     0.05
#define GUESS_REST_S     2


static double migrator_expect_shift_s(const migrator_facts_t *facts);
static double migrator_median(double *values, size_t n);
static int migrator_double_cmp(const void *one, const void *two);
static int migrator_trail_ms(const char *trail, const char *name,
    uint64_t *ms);


void
migrator_expect(const migrator_facts_t *facts, migrator_expect_t *out)
{
    size_t                    i, n, nrates, ncopies;
    double                    bytes, rate;
    double                    rest[MIGRATOR_PAST_MAX];
    double                    holds[MIGRATOR_PAST_MAX];
    double                    ships[MIGRATOR_PAST_MAX];
    double                    copies[MIGRATOR_PAST_MAX];
    const migrator_others_t  *o;

    memset(out, 0, sizeof(migrator_expect_t));
    o = &facts->others;
    bytes = facts->data ? (double) facts->stats[0].bytes : 0;
    ncopies = nrates = 0;
    n = o->npast;

    for (i = 0; i < n; i++) {
        rest[i] = o->past[i].total_s - o->past[i].copy_s;
        holds[i] = o->past[i].hold_s;

        if (o->past[i].ship_rate > 0) {
            ships[nrates++] = o->past[i].ship_rate;
        }

        if (o->past[i].bytes > 0 && o->past[i].copy_s > 0) {
            copies[ncopies++] = o->past[i].bytes / o->past[i].copy_s;
        }
    }

    rate = ncopies ? migrator_median(copies, ncopies) : GUESS_COPY_RATE;

    out->bytes = bytes;
    out->change_rate = facts->stats[0].write_rate;
    out->ship_rate = nrates ? migrator_median(ships, nrates) : 0;

    if (o->learnt.seen) {
        out->from = MIGRATOR_FROM_LEARNT;
        out->seen = o->learnt.seen;
        out->copy_s = bytes * o->learnt.byte_s;
        out->total_s = o->learnt.fixed_s + out->copy_s;
        out->hold_s = o->learnt.hold_s;
        return;
    }

    out->copy_s = bytes / rate;

    if (n) {
        out->from = MIGRATOR_FROM_PAST;
        out->seen = n;
        out->total_s = migrator_median(rest, n) + out->copy_s;
        out->hold_s = migrator_median(holds, n);
        return;
    }

    out->from = MIGRATOR_FROM_GUESS;
    out->total_s = out->copy_s + GUESS_REST_S
                   + migrator_expect_shift_s(facts);
    out->hold_s = facts->data ? GUESS_HOLD_S : 0;
}


/* of a strong shard nothing shifts before the cutover */

static double
migrator_expect_shift_s(const migrator_facts_t *facts)
{
    const migrator_policy_t  *p;

    p = facts->policy;

    if (facts->data && facts->rec.consistency == SHARD_STRONG) {
        return 0;
    }

    return ceil((double) SHARD_BP_ALL / (double) p->shift_step_bp)
           * (double) p->shift_interval_ms / 1000;
}


/* sorts */

static double
migrator_median(double *values, size_t n)
{
    qsort(values, n, sizeof(double), migrator_double_cmp);

    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}


static int
migrator_double_cmp(const void *one, const void *two)
{
    double  a, b;

    a = *(const double *) one;
    b = *(const double *) two;

    return (a > b) - (a < b);
}


/* when it was last entered */

static int
migrator_trail_ms(const char *trail, const char *name, uint64_t *ms)
{
    int           found;
    size_t        len;
    const char   *p;
    shard_str_t   text;

    len = strlen(name);
    found = SHARD_ERROR;

    for (p = trail; p && *p; p = strchr(p, ' ')) {
        p += *p == ' ';

        if (strncmp(p, name, len) == 0 && p[len] == '@') {
            text.data = p + len + 1;
            text.len = strcspn(text.data, " ");
            found = shard_uint64_decode(text, ms);
        }
    }

    return found;
}


int
migrator_past(const migrator_state_t *state, migrator_past_t *out)
{
    uint64_t  from, to, copy, copied;

    memset(out, 0, sizeof(migrator_past_t));

    if (state->phase != MIGRATOR_DONE || state->verb != MIGRATOR_MOVE
        || migrator_trail_ms(state->trail, "claimed", &from) != SHARD_OK
        || (migrator_trail_ms(state->trail, "standby", &to) != SHARD_OK
            && migrator_trail_ms(state->trail, "done", &to) != SHARD_OK)
        || to < from)
    {
        return SHARD_ERROR;
    }

    out->total_s = (double) (to - from) / 1000;
    out->hold_s = (double) state->hold_ms / 1000;
    out->ship_rate = state->ship_rate;

    if (state->copies
        && migrator_trail_ms(state->trail, "copy", &copy) == SHARD_OK
        && migrator_trail_ms(state->trail, "catch-up", &copied) == SHARD_OK
        && copied >= copy)
    {
        out->copy_s = (double) (copied - copy) / 1000;
        out->bytes = (double) state->bytes;
    }

    return SHARD_OK;
}
