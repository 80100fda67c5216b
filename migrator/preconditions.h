
/*
 * What must be true before a migration touches anything, and what it will
 * take.  Pure: facts in, a verdict on each point out, all of them and not
 * the first bad one alone.
 *
 *    step_check.c, gathers ──▶ facts ──▶ verdicts ──▶ phase check: refuses,
 *         ▲                                  │        waits, goes on
 *         └── checks.c, for --dry-run ◀──────┘ as JSON, nothing else happens
 */


#ifndef _MIGRATOR_PRECONDITIONS_H_INCLUDED_
#define _MIGRATOR_PRECONDITIONS_H_INCLUDED_


#include "machine.h"


#define MIGRATOR_CHECKS_MAX      16
#define MIGRATOR_CHECK_SIZE      256


typedef enum {
    MIGRATOR_CHECK_OK = 0,
    MIGRATOR_CHECK_UNKNOWN,             /* cannot be told: goes on */
    MIGRATOR_CHECK_WAITS,               /* not now */
    MIGRATOR_CHECK_SILENT,              /* a node does not answer */
    MIGRATOR_CHECK_REFUSED
} migrator_verdict_e;

typedef struct {
    const char              *name;
    migrator_verdict_e       verdict;
    char                     text[MIGRATOR_CHECK_SIZE];
} migrator_check_t;


/* where a figure is from */

typedef enum {
    MIGRATOR_FROM_LEARNT = 0,           /* the predictor's */
    MIGRATOR_FROM_PAST,                 /* the last migrations */
    MIGRATOR_FROM_GUESS
} migrator_from_e;

typedef struct {
    migrator_from_e          from;      /* of the duration and the hold */
    uint64_t                 seen;      /* migrations it is of */
    double                   total_s;
    double                   copy_s;
    double                   hold_s;
    double                   bytes;
    double                   ship_rate; /* entries per second, 0: unknown */
    double                   change_rate;
} migrator_expect_t;

typedef struct {
    uint32_t                 n;
    migrator_check_t         check[MIGRATOR_CHECKS_MAX];
    migrator_expect_t        expect;
} migrator_checks_t;


/* what was found out; an rc other than OK has its words in "err" */

typedef enum {
    MIGRATOR_FACT_SOURCE = 0,           /* nodes of the table */
    MIGRATOR_FACT_TARGET,
    MIGRATOR_FACT_SOURCE_STATS,
    MIGRATOR_FACT_TARGET_STATS,
    MIGRATOR_FACT_PROBE,
    MIGRATOR_FACT_DRIVER,               /* its own check, if it has one */
    MIGRATOR_FACTS
} migrator_fact_e;

#define MIGRATOR_FACT_NOT_ASKED  -1

typedef struct {
    const migrator_state_t  *state;
    const migrator_policy_t *policy;
    unsigned                 data:1;    /* there are some to move */
    unsigned                 dry:1;     /* nothing of it runs */
    int                      rc[MIGRATOR_FACTS];
    char                     err[MIGRATOR_FACTS][MIGRATOR_CHECK_SIZE];
    const char              *driver;
    char                     decision[MIGRATOR_CHECK_SIZE];  /* why not */
    shard_record_t           rec;
    char                     override[MIGRATOR_CHECK_SIZE];  /* in force */
    shard_node_t             source;
    shard_node_t             target;
    migrator_stats_t         stats[2];
    uint64_t                 probe_us;
    migrator_views_t         views;
    migrator_others_t        others;
} migrator_facts_t;


void migrator_preconditions(const migrator_facts_t *facts,
    migrator_checks_t *out);

/* step_check.c: result NEXT: all verdicts are there; else the store's */

migrator_result_e migrator_check(migrator_t *m, migrator_checks_t *out);

/* checks.c: as JSON, to be freed; NULL: no memory */

char *migrator_checks_json(const migrator_state_t *state,
    const migrator_checks_t *checks);

/* the gravest of them */

migrator_verdict_e migrator_checks_worst(const migrator_checks_t *checks);

/* all texts of one verdict, "; " between them, cut to size */

void migrator_checks_text(const migrator_checks_t *checks,
    migrator_verdict_e verdict, char *buf, size_t size);

const char *migrator_verdict_name(migrator_verdict_e verdict);
const char *migrator_from_name(migrator_from_e from);


/* for the files of preconditions */

migrator_printf(4, 5)
void migrator_check_say(migrator_checks_t *out, const char *name,
    migrator_verdict_e verdict, const char *fmt, ...);

/* preconditions_fleet.c */

void migrator_check_health(const migrator_facts_t *f, migrator_checks_t *out);
void migrator_check_budget(const migrator_facts_t *f, migrator_checks_t *out);
void migrator_check_routers(const migrator_facts_t *f,
    migrator_checks_t *out);
void migrator_check_hold(const migrator_facts_t *f, migrator_checks_t *out);


/* expect.c: from what is learnt, else from the past, else from the policy */

void migrator_expect(const migrator_facts_t *facts, migrator_expect_t *out);

/* what a finished migration took; SHARD_ERROR: nothing can be learnt of it */

int migrator_past(const migrator_state_t *state, migrator_past_t *out);


/* budget.c: 1: "one" would be too many, "why" says of what */

int migrator_budget_full(const migrator_policy_t *policy,
    const migrator_running_t *running, uint32_t n,
    const migrator_running_t *one, char *why, size_t size);


#endif /* _MIGRATOR_PRECONDITIONS_H_INCLUDED_ */
