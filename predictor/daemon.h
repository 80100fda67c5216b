
/*
 * The predictor's work, one step at a time.
 *
 *   WAITING ──claim──▶ LOADING ──▶ RUNNING ──▶ slots closed? ──▶ FORECASTING
 *      ▲                  ▲          ▲   │                            │
 *      │                  │          │   └─ else whose turn is it?    │
 *      │                  │          │              ▼                 │
 *      │                  │          ├────────── FITTING              │
 *      │                  └─more shards┼──────────────────────────────┤
 *      │                             └── forecasts, zones, decisions ─┘
 *      └────────────── claim lost, from anywhere
 *
 * Forecasting and fitting are done by threads (outlook.h), while steps do
 * nothing but wait for them a little and renew the lease.  A slice of fits
 * is a few for each thread: a slot that closes meanwhile waits no longer.
 *
 * A step does a bounded piece of work and says how long to pause; the lease
 * is renewed between steps.  What the store does not take is tried again
 * with the next step: nothing is dropped before it was written, and all
 * writes may be repeated.
 */


#ifndef _PREDICTOR_DAEMON_H_INCLUDED_
#define _PREDICTOR_DAEMON_H_INCLUDED_


#include "cold.h"
#include "fleet.h"
#include "hindsight_store.h"
#include "policy.h"
#include "signals.h"
#include "spreads.h"
#include "resizes.h"
#include "watch.h"


typedef enum {
    PREDICTOR_WAITING = 0,
    PREDICTOR_LOADING,
    PREDICTOR_RUNNING,
    PREDICTOR_FORECASTING,
    PREDICTOR_FITTING
} predictor_state_e;


/* real ms of the last pieces of work, for those who watch */

typedef struct {
    uint64_t              begun;        /* the one under way */
    uint64_t              tick;         /* forecast of all shards */
    uint64_t              fits;         /* sum of nfits of them */
    uint64_t              nfits;
} predictor_times_t;

/* entries read and not counted yet */

typedef struct {
    size_t                n;
    size_t                next;
    shard_str_t          *entries;
    char                  before[PREDICTOR_CURSOR_SIZE];  /* cursor then */
    int                   broken;                         /* no memory */
} predictor_batch_t;

typedef struct {
    const predictor_conf_t *conf;
    const predictor_io_t   *io;
    predictor_clock_t       clock;
    long                    res_s;

    predictor_state_e       state;
    predictor_slots_t      *slots;
    predictor_history_t     history;
    predictor_cold_t        cold;
    predictor_resizes_t     resizes;
    predictor_pool_t       *pool;
    predictor_outlook_t     outlook;
    predictor_calendar_t    calendar;
    predictor_fleet_t       fleet;
    predictor_policy_t      policy;
    predictor_signals_t    *signals;
    predictor_nodes_t       nodes;
    predictor_spreads_t     spreads;
    predictor_watch_t       watch;
    predictor_following_t   following;
    predictor_batch_t       batch;
    float                  *row;

    char                    cursor[PREDICTOR_CURSOR_SIZE];
    long                    closed;     /* last slot closed, -1 */
    long                    known;      /* last slot with figures, -1 */
    predictor_schedule_t    turns;      /* as they were last looked at */
    predictor_times_t       times;
    double                  claimed_ms;
    double                  said_ms;    /* "predictor" hash written */

    uint64_t                bad_events; /* sum of what is malformed */

    unsigned                drained:1;  /* all entries there are were read */
    unsigned                unsaved:1;  /* cursor */
    unsigned                due:1;      /* slots were closed, or first time */
    unsigned                busy:1;     /* threads work on a list */
    unsigned                learning:1; /* first fits of what was loaded */
    unsigned                down:1;     /* store, said so */
    unsigned                held:1;     /* claim is another's, said so */
    char                    said[256];  /* last state written */

    /* counts for logs and tests */
    uint64_t                decisions;
    uint32_t                recommended;    /* in the list now */
    uint64_t                refused;
    uint64_t                broken;     /* shards without memory, said */

    /* errors of past forecasts */
    long                    hour;       /* that they were kept in */
    uint32_t                remembered; /* blocks kept since */
    long                    told;       /* slot of the log, -1: another one
                                           was said since */
    uint32_t                logged;     /* blocks in it */
    uint32_t                forgotten;  /* blocks not understood */
} predictor_daemon_t;


void predictor_daemon_init(predictor_daemon_t *d, const predictor_conf_t *conf,
    const predictor_io_t *io);
void predictor_daemon_done(predictor_daemon_t *d);

/* returns ms to pause before the next step */

long predictor_daemon_step(predictor_daemon_t *d);


/* parts of it, see intake.c, load.c, remember.c and decide.c: all return shardd_rc_e */

/* reads metrics, closes slots, writes rows and the cursor */

int predictor_intake(predictor_daemon_t *d);
void predictor_intake_forget(predictor_daemon_t *d);

/* cursor, history and room for the table's shards, from the store */

int predictor_load(predictor_daemon_t *d);
void predictor_unload(predictor_daemon_t *d);

/* errors of past forecasts: some blocks when their hour has come, what was
 * said after each slot, all of them at the end, and back */

int predictor_remember(predictor_daemon_t *d);
int predictor_remember_all(predictor_daemon_t *d);
int predictor_recall(predictor_daemon_t *d);
int predictor_recall_logs(predictor_daemon_t *d);

/* zones, forecasts and decisions after all shards were forecast */

int predictor_decide(predictor_daemon_t *d);

/* writes the "predictor" hash when there is news or the last one is old */

int predictor_say(predictor_daemon_t *d);

/* watch.c: promotions off dead nodes, beside all else; what the planner must
 * know of those nodes; loads, once they are forecast */

int predictor_watch_step(predictor_daemon_t *d);
void predictor_watch_mark(predictor_daemon_t *d);
int predictor_watch_peaks(predictor_daemon_t *d);

/* 1 while planning pauses for want of metrics */

int predictor_paused(const predictor_daemon_t *d);

double predictor_now_s(const predictor_daemon_t *d);


#endif /* _PREDICTOR_DAEMON_H_INCLUDED_ */
