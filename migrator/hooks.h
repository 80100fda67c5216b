
/*
 * Programs of operators before and after phases.
 *
 *   machine: a phase begins ─▶ "before" hooks ─▶ its work ─▶ "after" hooks
 *                                   │ fails, on_failure: rollback
 *                                   ▼
 *                     rolling-back, in phases that abort; else it is said
 *
 * No shell; the environment has SHARD_*; what it writes goes to the log, so
 * much of it; beyond its time its process group is killed.  A migrator that
 * dies runs a phase again, and its hooks: they are run at least once.
 */


#ifndef _MIGRATOR_HOOKS_H_INCLUDED_
#define _MIGRATOR_HOOKS_H_INCLUDED_


#include "phases.h"


#define MIGRATOR_HOOKS_MAX      16
#define MIGRATOR_HOOK_ARGS_MAX  32
#define MIGRATOR_HOOK_OUTPUT    4096        /* bytes that are logged */


typedef enum {
    MIGRATOR_BEFORE = 0,
    MIGRATOR_AFTER
} migrator_when_e;

typedef enum {
    MIGRATOR_HOOK_ROLLBACK = 0,
    MIGRATOR_HOOK_IGNORE
} migrator_hook_failure_e;

typedef struct {
    char              *phase_name;      /* NULL: no more hooks */
    migrator_phase_e   phase;
    int                when;            /* migrator_when_e */
    char             **exec;            /* program and arguments */
    long               timeout_ms;
    int                on_failure;      /* migrator_hook_failure_e */
} migrator_hook_t;


/*
 * Runs it to its end: 0 and nothing, or -1 and why (size of err).  tick is
 * called each 50 ms and ends it when it is not 0: then 1.
 */

int migrator_hook_exec(const migrator_hook_t *hook,
    const migrator_state_t *state, const char *keyspace, long timeout_ms,
    int (*tick)(void *data), void *data, char *err, size_t size);


#endif /* _MIGRATOR_HOOKS_H_INCLUDED_ */
