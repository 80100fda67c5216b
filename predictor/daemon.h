
/*
 * The predictor's work, one step at a time.
 *
 *   WAITING ──claim──▶ LOADING ──▶ RUNNING ──▶ slots closed? ──▶ FORECASTING
 *      ▲                  ▲            ▲                              │
 *      │                  └─more shards┼──────────────────────────────┤
 *      │                               └── forecasts, zones, decisions┘
 *      └────────────── claim lost, from anywhere
 *
 * A step does a bounded piece of work and says how long to pause; the lease
 * is renewed between steps.  What the store does not take is tried again
 * with the next step: nothing is dropped before it was written, and all
 * writes may be repeated.
 */


#ifndef _PREDICTOR_DAEMON_H_INCLUDED_
#define _PREDICTOR_DAEMON_H_INCLUDED_


#include "fleet.h"


typedef enum {
    PREDICTOR_WAITING = 0,
    PREDICTOR_LOADING,
    PREDICTOR_RUNNING,
    PREDICTOR_FORECASTING
} predictor_state_e;


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
    predictor_outlook_t     outlook;
    predictor_fleet_t       fleet;
    predictor_batch_t       batch;
    float                  *row;

    char                    cursor[PREDICTOR_CURSOR_SIZE];
    long                    closed;     /* last slot closed, -1 */
    long                    known;      /* last slot with figures, -1 */
    uint32_t                next;       /* shard to be forecast */
    double                  claimed_ms;
    double                  said_ms;    /* "predictor" hash written */

    unsigned                drained:1;  /* all entries there are were read */
    unsigned                unsaved:1;  /* cursor */
    unsigned                due:1;      /* slots were closed, or first time */
    unsigned                down:1;     /* store, said so */
    unsigned                held:1;     /* claim is another's, said so */
    char                    said[256];  /* last state written */

    /* counts for logs and tests */
    uint64_t                decisions;
    uint64_t                refused;
} predictor_daemon_t;


void predictor_daemon_init(predictor_daemon_t *d, const predictor_conf_t *conf,
    const predictor_io_t *io);
void predictor_daemon_done(predictor_daemon_t *d);

/* returns ms to pause before the next step */

long predictor_daemon_step(predictor_daemon_t *d);


/* parts of it, see intake.c, load.c and decide.c: all return shardd_rc_e */

/* reads metrics, closes slots, writes rows and the cursor */

int predictor_intake(predictor_daemon_t *d);
void predictor_intake_forget(predictor_daemon_t *d);

/* cursor, history and room for the table's shards, from the store */

int predictor_load(predictor_daemon_t *d);
void predictor_unload(predictor_daemon_t *d);

/* zones, forecasts and decisions after all shards were forecast */

int predictor_decide(predictor_daemon_t *d);

/* writes the "predictor" hash when there is news or the last one is old */

int predictor_say(predictor_daemon_t *d);

/* 1 while planning pauses for want of metrics */

int predictor_paused(const predictor_daemon_t *d);

double predictor_now_s(const predictor_daemon_t *d);


#endif /* _PREDICTOR_DAEMON_H_INCLUDED_ */
