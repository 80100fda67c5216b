
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_text.h"
#include "next.h"
#include "preconditions.h"


/* the log must outlast the copy by this much */

#define LOG_MARGIN  1.5


static void migrator_check_decision(const migrator_facts_t *f,
    migrator_checks_t *out);
static void migrator_check_node(const migrator_facts_t *f,
    migrator_checks_t *out);
static void migrator_check_answer(const migrator_facts_t *f,
    migrator_checks_t *out);
static void migrator_check_source(const migrator_facts_t *f,
    migrator_checks_t *out);
static int migrator_check_cuts(const migrator_facts_t *f,
    migrator_checks_t *out);
static void migrator_check_data(const migrator_facts_t *f,
    migrator_checks_t *out);
static void migrator_check_room(const migrator_facts_t *f,
    migrator_checks_t *out);
static void migrator_check_log(const migrator_facts_t *f,
    migrator_checks_t *out);
static void migrator_check_driver(const migrator_facts_t *f,
    migrator_checks_t *out);
static void migrator_check_converges(const migrator_facts_t *f,
    migrator_checks_t *out);


static const char *const  migrator_verdicts[] = {
    "ok", "unknown", "waits", "silent", "refused"
};

static const char *const  migrator_froms[] = {
    "learnt", "past", "guess"
};


void
migrator_check_say(migrator_checks_t *out, const char *name,
    migrator_verdict_e verdict, const char *fmt, ...)
{
    va_list            args;
    migrator_check_t  *c;

    if (out->n == MIGRATOR_CHECKS_MAX) {
        return;
    }

    c = &out->check[out->n++];
    c->name = name;
    c->verdict = verdict;

    va_start(args, fmt);
    vsnprintf(c->text, sizeof(c->text), fmt, args);
    va_end(args);

    /* what nodes and operators wrote may be anything, JSON may not */

    shard_text_printable(c->text);
}


void
migrator_preconditions(const migrator_facts_t *f, migrator_checks_t *out)
{
    int  source;

    memset(out, 0, sizeof(migrator_checks_t));

    /* the source of a promotion is dead */

    source = f->data && f->state->verb != MIGRATOR_PROMOTE;

    if (f->rc[MIGRATOR_FACT_SOURCE_STATS] == MIGRATOR_OK) {
        migrator_expect(f, &out->expect);
    }

    migrator_check_decision(f, out);
    migrator_check_say(out, "override", f->override[0]
                       ? MIGRATOR_CHECK_REFUSED : MIGRATOR_CHECK_OK,
                       f->override[0] ? "an operator's override is in "
                       "force: %.200s" : "none is in force%s", f->override);
    migrator_check_node(f, out);
    migrator_check_answer(f, out);
    migrator_check_health(f, out);

    if (source) {
        migrator_check_source(f, out);
        migrator_check_data(f, out);
        migrator_check_room(f, out);
        migrator_check_log(f, out);
        migrator_check_converges(f, out);
        migrator_check_driver(f, out);
    }

    migrator_check_budget(f, out);
    migrator_check_routers(f, out);

    if (source && f->state->verb == MIGRATOR_MOVE) {
        migrator_check_hold(f, out);
    }
}


migrator_verdict_e
migrator_checks_worst(const migrator_checks_t *checks)
{
    uint32_t            i;
    migrator_verdict_e  worst;

    worst = MIGRATOR_CHECK_OK;

    for (i = 0; i < checks->n; i++) {
        if (checks->check[i].verdict > worst) {
            worst = checks->check[i].verdict;
        }
    }

    return worst;
}


void
migrator_checks_text(const migrator_checks_t *checks,
    migrator_verdict_e verdict, char *buf, size_t size)
{
    size_t    len;
    uint32_t  i;

    buf[0] = '\0';
    len = 0;

    for (i = 0; i < checks->n; i++) {
        if (checks->check[i].verdict == verdict && len < size) {
            snprintf(buf + len, size - len, "%s%s", len ? "; " : "",
                     checks->check[i].text);
            len = strlen(buf);
        }
    }
}


const char *
migrator_verdict_name(migrator_verdict_e verdict)
{
    return migrator_verdicts[verdict];
}


const char *
migrator_from_name(migrator_from_e from)
{
    return migrator_froms[from];
}


static void
migrator_check_decision(const migrator_facts_t *f, migrator_checks_t *out)
{
    if (f->decision[0]) {
        migrator_check_say(out, "decision", MIGRATOR_CHECK_REFUSED, "%s",
                           f->decision);
        return;
    }

    migrator_check_say(out, "decision", MIGRATOR_CHECK_OK, "the shard is on "
                       "%s at epoch %u, strategy %s, driver %s",
                       f->rec.primary, f->rec.epoch,
                       shard_strategy_name(f->rec.strategy), f->driver);
}


static void
migrator_check_node(const migrator_facts_t *f, migrator_checks_t *out)
{
    int                 i;
    const char         *name;
    migrator_verdict_e  verdict;

    for (i = MIGRATOR_FACT_SOURCE; i <= MIGRATOR_FACT_TARGET; i++) {
        if (f->rc[i] != 0) {
            migrator_check_say(out, "nodes", MIGRATOR_CHECK_REFUSED, "%s",
                               f->err[i]);
            return;
        }
    }

    name = f->state->to;
    verdict = MIGRATOR_CHECK_REFUSED;

    if (strcmp(f->state->from, name) == 0 && !migrator_cuts(f->state)) {
        migrator_check_say(out, "nodes", verdict, "source and target are "
                           "both %s", name);

    } else if (f->target.state != SHARD_NODE_UP) {
        migrator_check_say(out, "nodes", verdict, "target %s is %s", name,
                           shard_node_state_name(f->target.state));

    } else {
        migrator_check_say(out, "nodes", MIGRATOR_CHECK_OK, "target %s is "
                           "up, source %s is %s", name, f->state->from,
                           shard_node_state_name(f->source.state));
    }
}


static void
migrator_check_answer(const migrator_facts_t *f, migrator_checks_t *out)
{
    int  rc;

    rc = f->rc[MIGRATOR_FACT_PROBE];

    if (rc == MIGRATOR_FACT_NOT_ASKED) {
        return;
    }

    if (rc == MIGRATOR_OK) {
        migrator_check_say(out, "probe", MIGRATOR_CHECK_OK, "target %s "
                           "answers in %.1f ms", f->state->to,
                           (double) f->probe_us / 1000);
        return;
    }

    migrator_check_say(out, "probe", rc == MIGRATOR_DOWN
                       ? MIGRATOR_CHECK_SILENT : MIGRATOR_CHECK_REFUSED,
                       "target: %s", f->err[MIGRATOR_FACT_PROBE]);
}


static void
migrator_check_source(const migrator_facts_t *f, migrator_checks_t *out)
{
    int                      rc;
    const migrator_stats_t  *source;

    rc = f->rc[MIGRATOR_FACT_SOURCE_STATS];
    source = &f->stats[0];

    if (rc == MIGRATOR_FACT_NOT_ASKED) {
        return;
    }

    if (rc != MIGRATOR_OK) {
        migrator_check_say(out, "source", rc == MIGRATOR_DOWN
                           ? MIGRATOR_CHECK_SILENT : MIGRATOR_CHECK_REFUSED,
                           "source: %s", f->err[MIGRATOR_FACT_SOURCE_STATS]);
        return;
    }

    if (source->role != MIGRATOR_ROLE_PRIMARY
        || source->epoch != f->state->epoch)
    {
        migrator_check_say(out, "source", MIGRATOR_CHECK_REFUSED, "source %s "
                           "is not the shard's primary at epoch %u but has "
                           "role %d at epoch %u", f->state->from,
                           f->state->epoch, source->role, source->epoch);
        return;
    }

    /* what is appended needs the index before it, which a target that fills
     * does not know */

    if (f->state->strategy == SHARD_COPY_ON_WRITE && source->queue_depth
        && (f->state->verb == MIGRATOR_MOVE || migrator_next_moves(f->state)))
    {
        migrator_check_say(out, "source", MIGRATOR_CHECK_REFUSED, "source %s "
                           "has %llu entries in queues, which do not move "
                           "copy-on-write: strategy queue or log-shipping "
                           "moves them", f->state->from,
                           (unsigned long long) source->queue_depth);
        return;
    }

    migrator_check_say(out, "source", MIGRATOR_CHECK_OK, "source %s is "
                       "primary at epoch %u: %llu items, %llu bytes",
                       f->state->from, source->epoch,
                       (unsigned long long) source->items,
                       (unsigned long long) source->bytes);
}


/* 1: all is said; a merge's target is primary of the other shard */

static int
migrator_check_cuts(const migrator_facts_t *f, migrator_checks_t *out)
{
    const migrator_state_t  *state;
    const migrator_stats_t  *target;

    state = f->state;
    target = &f->stats[1];

    if (!f->stats[0].ranges || !target->ranges) {
        migrator_check_say(out, "target", MIGRATOR_CHECK_REFUSED, "the "
                           "backend of %s does not say that it knows ranges "
                           "of keys (docs/backend-contract.md)",
                           target->ranges ? state->from : state->to);
        return 1;
    }

    if (state->verb != MIGRATOR_MERGE) {
        return 0;
    }

    if (target->role != MIGRATOR_ROLE_PRIMARY
        || target->epoch != state->into_epoch)
    {
        migrator_check_say(out, "target", MIGRATOR_CHECK_REFUSED, "target %s "
                           "is not the primary of shard %u at epoch %u but "
                           "has role %d at epoch %u", state->to,
                           (unsigned) state->into, state->into_epoch,
                           target->role, target->epoch);
        return 1;
    }

    migrator_check_say(out, "target", MIGRATOR_CHECK_OK, "target %s is the "
                       "primary of shard %u", state->to,
                       (unsigned) state->into);
    return 1;
}


static void
migrator_check_data(const migrator_facts_t *f, migrator_checks_t *out)
{
    int                      rc;
    const migrator_stats_t  *target;

    rc = f->rc[MIGRATOR_FACT_TARGET_STATS];
    target = &f->stats[1];

    if (rc == MIGRATOR_FACT_NOT_ASKED) {
        return;
    }

    if (rc != MIGRATOR_OK) {
        migrator_check_say(out, "target", rc == MIGRATOR_DOWN
                           ? MIGRATOR_CHECK_SILENT : MIGRATOR_CHECK_REFUSED,
                           "target: %s", f->err[MIGRATOR_FACT_TARGET_STATS]);
        return;
    }

    if ((migrator_cuts(f->state) || migrator_next_merges(f->state))
        && migrator_check_cuts(f, out))
    {
        return;
    }

    /* a piece that nobody took back is of no use any more: step_write.c */

    if ((target->role == MIGRATOR_ROLE_PRIMARY
         && target->mode != MIGRATOR_MODE_FILLING)
        || target->epoch > f->state->epoch)
    {
        migrator_check_say(out, "target", MIGRATOR_CHECK_REFUSED, "target %s "
                           "takes part in the shard already: role %d at "
                           "epoch %u", f->state->to, target->role,
                           target->epoch);
        return;
    }

    migrator_check_say(out, "target", MIGRATOR_CHECK_OK,
                       target->role == MIGRATOR_ROLE_STANDBY
                       ? "target %s is a standby at position %llu"
                       : "target %s has nothing of the shard, its position "
                         "is %llu", f->state->to,
                       (unsigned long long) target->position);
}


static int
migrator_has_stats(const migrator_facts_t *f)
{
    return f->rc[MIGRATOR_FACT_SOURCE_STATS] == MIGRATOR_OK
           && f->rc[MIGRATOR_FACT_TARGET_STATS] == MIGRATOR_OK;
}


static void
migrator_check_room(const migrator_facts_t *f, migrator_checks_t *out)
{
    double  need;

    if (!migrator_has_stats(f)) {
        return;
    }

    need = (double) f->stats[0].bytes * f->policy->room;

    migrator_check_say(out, "room", (double) f->stats[1].free_bytes < need
                       ? MIGRATOR_CHECK_REFUSED : MIGRATOR_CHECK_OK,
                       "target %s has %llu bytes free, %.0f are needed",
                       f->state->to,
                       (unsigned long long) f->stats[1].free_bytes, need);
}


/*
 * How long a log is kept shows only where something of it is trimmed; a log
 * that is whole may be of any length.
 */

static void
migrator_check_log(const migrator_facts_t *f, migrator_checks_t *out)
{
    double                   kept, need;
    const migrator_stats_t  *s;

    if (!migrator_has_stats(f)) {
        return;
    }

    s = &f->stats[0];

    if (s->log_first == 0) {
        migrator_check_say(out, "log", MIGRATOR_CHECK_UNKNOWN, "source %s "
                           "does not say how much of its log it keeps",
                           f->state->from);
        return;
    }

    if (s->log_first == 1 || s->log_first > s->position) {
        migrator_check_say(out, "log", MIGRATOR_CHECK_OK, "nothing of the "
                           "log of %s is trimmed yet, %llu entries",
                           f->state->from, (unsigned long long) s->position);
        return;
    }

    kept = (double) (s->position - s->log_first + 1);
    need = out->expect.copy_s * s->write_rate * LOG_MARGIN;

    migrator_check_say(out, "log", need > kept ? MIGRATOR_CHECK_REFUSED
                                               : MIGRATOR_CHECK_OK,
                       "source %s keeps %.0f entries of its log, the copy of "
                       "about %.0f s needs %.0f", f->state->from, kept,
                       out->expect.copy_s, need);
}


static void
migrator_check_converges(const migrator_facts_t *f, migrator_checks_t *out)
{
    const migrator_expect_t  *e;

    e = &out->expect;

    if (!migrator_has_stats(f)) {
        return;
    }

    if (e->ship_rate <= 0) {
        migrator_check_say(out, "convergence", MIGRATOR_CHECK_UNKNOWN,
                           "the source changes %.0f entries/s; how many "
                           "arrive per second no migration has measured yet",
                           e->change_rate);
        return;
    }

    migrator_check_say(out, "convergence", e->change_rate >= e->ship_rate
                       ? MIGRATOR_CHECK_REFUSED : MIGRATOR_CHECK_OK,
                       "the source changes %.0f entries/s, %.0f/s arrived in "
                       "the last migrations", e->change_rate, e->ship_rate);
}


/* without words: it has no check, or was not asked */

static void
migrator_check_driver(const migrator_facts_t *f, migrator_checks_t *out)
{
    int          rc;
    const char  *err;

    rc = f->rc[MIGRATOR_FACT_DRIVER];
    err = f->err[MIGRATOR_FACT_DRIVER];

    if (rc != MIGRATOR_FACT_NOT_ASKED && err[0]) {
        migrator_check_say(out, "driver", rc == MIGRATOR_OK
                           ? MIGRATOR_CHECK_OK : rc == MIGRATOR_DOWN
                           ? MIGRATOR_CHECK_SILENT : MIGRATOR_CHECK_REFUSED,
                           "%s", err);
    }
}
