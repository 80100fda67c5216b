
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"


typedef struct {
    FILE        *out;
    const char  *keyspace;
} migrator_exposition_t;


static const unsigned  migrator_hold_ms[MIGRATOR_HOLD_BUCKETS] = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000
};


void
migrator_figures_init(migrator_figures_t *f)
{
    memset(f, 0, sizeof(migrator_figures_t));
    pthread_mutex_init(&f->lock, NULL);
}


static migrator_phase_e
migrator_figures_phase(const char *name, size_t len)
{
    shard_str_t  text;

    text.data = name;
    text.len = len;

    return migrator_phase_by_name(text);
}


static void
migrator_figures_hold(migrator_figures_t *f, uint64_t ms)
{
    int  i;

    for (i = 0; i < MIGRATOR_HOLD_BUCKETS && ms > migrator_hold_ms[i]; i++) {
        /* void */
    }

    f->holds[i]++;
    f->hold.n++;
    f->hold.ms += ms;
}


/* an error begins with the phase that failed */

static void
migrator_figures_back(migrator_figures_t *f, const migrator_state_t *state)
{
    migrator_phase_e  phase;

    if (strstr(state->error, MIGRATOR_WISHED)) {
        f->wished++;
        return;
    }

    phase = migrator_figures_phase(state->error, strcspn(state->error, ":"));

    f->back[phase == MIGRATOR_PHASE_NONE ? MIGRATOR_PLANNED : phase]++;
}


void
migrator_figures_add(migrator_figures_t *f, const migrator_state_t *state,
    const char *was, uint64_t took_ms)
{
    migrator_phase_e  phase;

    phase = migrator_figures_phase(was, strlen(was));

    pthread_mutex_lock(&f->lock);

    if (phase != MIGRATOR_PHASE_NONE) {
        f->phases[phase].n++;
        f->phases[phase].ms += took_ms;
    }

    if (state->phase == MIGRATOR_DONE || state->phase == MIGRATOR_ROLLED_BACK)
    {
        f->bytes += state->bytes;
        f->shipped += state->shipped;
        f->mirrored += state->mirrored;
        f->mirror_bad += state->mirror_bad;

        if (state->hold_ms) {
            migrator_figures_hold(f, state->hold_ms);
        }
    }

    if (state->phase == MIGRATOR_DONE) {
        f->done[state->verb]++;
    }

    if (state->phase == MIGRATOR_ROLLED_BACK) {
        migrator_figures_back(f, state);
    }

    pthread_mutex_unlock(&f->lock);
}


/* names of keyspaces, phases and verbs are such that none needs an escape */

static void
migrator_figures_head(const migrator_exposition_t *e, const char *name,
    const char *type, const char *help)
{
    fprintf(e->out, "# HELP shard_migrator_%s %s\n"
            "# TYPE shard_migrator_%s %s\n", name, help, name, type);
}


static void
migrator_figures_line(const migrator_exposition_t *e, const char *name,
    const char *label, const char *value, double v)
{
    fprintf(e->out, "shard_migrator_%s{keyspace=\"%s\"%s%s%s%s%s} %.15g\n",
            name, e->keyspace, label ? "," : "", label ? label : "",
            label ? "=\"" : "", label ? value : "", label ? "\"" : "", v);
}


static void
migrator_figures_one(const migrator_exposition_t *e, const char *name,
    const char *help, uint64_t v)
{
    migrator_figures_head(e, name, "counter", help);
    migrator_figures_line(e, name, NULL, NULL, (double) v);
}


/* phases that end a migration take no time */

static void
migrator_figures_phases(const migrator_exposition_t *e,
    const migrator_figures_t *f, const uint32_t *running)
{
    int                      i;
    const migrator_phase_t  *phase;

    migrator_figures_head(e, "running", "gauge", "Migrations in hands of this "
                          "process, by phase.");

    for (i = 0; i < MIGRATOR_PHASES; i++) {
        phase = migrator_phase((migrator_phase_e) i);

        if (phase->kind != MIGRATOR_TERMINAL) {
            migrator_figures_line(e, "running", "phase", phase->name,
                                  running[i]);
        }
    }

    migrator_figures_head(e, "phase_seconds", "summary", "How long phases "
                          "took that are over.");

    for (i = 0; i < MIGRATOR_PHASES; i++) {
        phase = migrator_phase((migrator_phase_e) i);

        if (phase->kind != MIGRATOR_TERMINAL) {
            migrator_figures_line(e, "phase_seconds_sum", "phase",
                                  phase->name,
                                  (double) f->phases[i].ms / 1000);
            migrator_figures_line(e, "phase_seconds_count", "phase",
                                  phase->name, (double) f->phases[i].n);
        }
    }
}


static void
migrator_figures_ends(const migrator_exposition_t *e,
    const migrator_figures_t *f)
{
    int  i;

    migrator_figures_head(e, "done_total", "counter", "Migrations that "
                          "arrived, by verb.");

    for (i = 0; i < MIGRATOR_VERB_NONE; i++) {
        migrator_figures_line(e, "done_total", "verb",
                              migrator_verb_name((migrator_verb_e) i),
                              (double) f->done[i]);
    }

    migrator_figures_head(e, "rolled_back_total", "counter", "Migrations that "
                          "rolled back, by the phase that failed; "
                          "wish: an operator's.");

    for (i = 0; i < MIGRATOR_PHASES; i++) {

        if (migrator_phase((migrator_phase_e) i)->kind == MIGRATOR_FORWARD) {
            migrator_figures_line(e, "rolled_back_total", "reason",
                               migrator_phase((migrator_phase_e) i)->name,
                               (double) f->back[i]);
        }
    }

    migrator_figures_line(e, "rolled_back_total", "reason", "wish",
                          (double) f->wished);
}


static void
migrator_figures_holds(const migrator_exposition_t *e,
    const migrator_figures_t *f)
{
    int       i;
    char      le[16];
    uint64_t  sum;

    migrator_figures_head(e, "hold_seconds", "histogram", "How long requests "
                          "of a shard waited, of migrations that held them.");

    for (i = 0, sum = 0; i <= MIGRATOR_HOLD_BUCKETS; i++) {
        sum += f->holds[i];

        if (i < MIGRATOR_HOLD_BUCKETS) {
            snprintf(le, sizeof(le), "%g", migrator_hold_ms[i] / 1000.0);
        }

        migrator_figures_line(e, "hold_seconds_bucket", "le",
                              i < MIGRATOR_HOLD_BUCKETS ? le : "+Inf",
                              (double) sum);
    }

    migrator_figures_line(e, "hold_seconds_sum", NULL, NULL,
                          (double) f->hold.ms / 1000);
    migrator_figures_line(e, "hold_seconds_count", NULL, NULL,
                          (double) f->hold.n);
}


char *
migrator_figures_text(migrator_figures_t *f, const char *keyspace,
    const uint32_t running[MIGRATOR_PHASES])
{
    char                   *text;
    size_t                  len;
    migrator_exposition_t   e;

    text = NULL;
    e.out = open_memstream(&text, &len);
    e.keyspace = keyspace;

    if (e.out == NULL) {
        return NULL;
    }

    pthread_mutex_lock(&f->lock);

    migrator_figures_phases(&e, f, running);
    migrator_figures_ends(&e, f);
    migrator_figures_holds(&e, f);

    migrator_figures_one(&e, "bytes_total", "Bytes of snapshots and logs that "
                         "were sent by migrations that ended.", f->bytes);
    migrator_figures_one(&e, "shipped_entries_total", "Log entries, of the "
                         "same.", f->shipped);
    migrator_figures_one(&e, "mirrored_reads_total", "Reads that targets got, "
                         "too.", f->mirrored);
    migrator_figures_one(&e, "mirrored_bad_total", "Those of them that "
                         "differed or failed.", f->mirror_bad);

    pthread_mutex_unlock(&f->lock);

    if (fclose(e.out) != 0) {
        free(text);
        return NULL;
    }

    return text;
}
