
/*
 * What this process's migrations came to, for Prometheus.
 *
 *   each thread, at a transition ──▶ audit ──▶ add ─┐
 *                                                   ├─ figures (lock)
 *   main thread, once a second ◀── text ◀───────────┘
 *
 * Counters begin at 0 with the process.  Who resumes a migration counts what
 * it does of it, and its end.
 */


#ifndef _MIGRATOR_FIGURES_H_INCLUDED_
#define _MIGRATOR_FIGURES_H_INCLUDED_


#include <pthread.h>

#include "phases.h"


#define MIGRATOR_HOLD_BUCKETS  12


typedef struct {
    uint64_t         n;
    uint64_t         ms;
} migrator_spent_t;

typedef struct {
    pthread_mutex_t  lock;
    migrator_spent_t phases[MIGRATOR_PHASES];       /* that were left */
    uint64_t         done[MIGRATOR_VERB_NONE];      /* by verb */
    uint64_t         back[MIGRATOR_PHASES];         /* by where they failed */
    uint64_t         wished;                        /* back, by an operator */
    uint64_t         holds[MIGRATOR_HOLD_BUCKETS + 1];
    migrator_spent_t hold;
    uint64_t         bytes;                         /* of those that ended */
    uint64_t         shipped;
    uint64_t         mirrored;
    uint64_t         mirror_bad;
} migrator_figures_t;


void migrator_figures_init(migrator_figures_t *f);

/* the phase "was" is over, after took_ms; state is what it is since */

void migrator_figures_add(migrator_figures_t *f,
    const migrator_state_t *state, const char *was, uint64_t took_ms);

/*
 * A text of now, to be freed; NULL without memory.  running: migrations of
 * this process by phase
 */

char *migrator_figures_text(migrator_figures_t *f, const char *keyspace,
    const uint32_t running[MIGRATOR_PHASES]);


#endif /* _MIGRATOR_FIGURES_H_INCLUDED_ */
