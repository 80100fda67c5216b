
/*
 * What the predictor says, in the words of docs/redis-keys.md: forecasts,
 * zone scores, decisions with their reason, and one log line for a human.
 */


#ifndef _PREDICTOR_REPORT_H_INCLUDED_
#define _PREDICTOR_REPORT_H_INCLUDED_


#include "cold.h"
#include "signals.h"
#include "fleet.h"
#include "spreads.h"


/* all return shardd_rc_e; "at" is the start of the forecast's first step */

int predictor_report_forecasts(const predictor_io_t *io,
    const predictor_fleet_t *fleet, const predictor_outlook_t *outlook,
    const predictor_cold_t *cold, const predictor_history_t *h,
    const predictor_spreads_t *spreads,
    const predictor_signals_t *signals, double at);

int predictor_report_zones(const predictor_io_t *io,
    const predictor_fleet_t *fleet, double at);

/* fields of "old" that are not in "new" any more are deleted */

int predictor_report_forget(const predictor_io_t *io,
    const predictor_fleet_t *old, const predictor_fleet_t *new);

#define PREDICTOR_REPORT_MORE  2

/* report_entry.c: a decision; SHARDD_CONFLICT: this wish was made before */

typedef struct {
    const char            *id;
    const char            *verb;
    const shard_record_t  *rec;         /* of the shard */
    const char            *from;
    const char            *to;          /* "": it goes nowhere */
    int                    mode;        /* predictor_mode_e */
    const char            *reason;      /* JSON */
    const shardd_field_t  *more;        /* of its verb alone */
    size_t                 nmore;       /* PREDICTOR_REPORT_MORE at most */
} predictor_report_entry_t;

int predictor_report_entry(const predictor_io_t *io,
    const predictor_report_entry_t *e);

/* report_move.c: the same of a move that was planned, and its line */

int predictor_report_decision(const predictor_io_t *io,
    const predictor_fleet_t *fleet, const predictor_conf_t *conf,
    const predictor_plan_move_t *move, double now_s);

void predictor_report_log(const predictor_fleet_t *fleet,
    const predictor_conf_t *conf, const predictor_plan_move_t *move,
    double now_s);

/* "2026-11-21T18:00Z"; buf takes 32 bytes */

const char *predictor_report_time(double epoch_s, char *buf);


#endif /* _PREDICTOR_REPORT_H_INCLUDED_ */
