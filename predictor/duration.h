
/*
 * How long a move takes, learnt from finished ones.  Pure.
 *
 *   duration = fixed + bytes x s per byte
 *
 * by medians, which one move that was paused does not move: the slope of the
 * copy phase over pairs of moves of different sizes (Theil-Sen; with sizes
 * that are all alike, the median of seconds per byte), then the median of
 * what else the copies took, and of all other phases up to the release.
 *
 *   move_time (conf) ──▶ all moves ──▶ moves of the shard's strategy
 *                             └──────▶ promotions, which copy no snapshot
 *
 * Each is shrunk, in logarithms, to the one before it by how few moves it is
 * of: the first move counts 4 times what was configured, the tenth's word is
 * nearly the last.  "hi" is what nine of ten do not exceed.
 */


#ifndef _PREDICTOR_DURATION_H_INCLUDED_
#define _PREDICTOR_DURATION_H_INCLUDED_


#include "../src/core/shard_types.h"


#define PREDICTOR_DURATION_MOVES       64      /* the newest, at most */
#define PREDICTOR_DURATION_STRATEGIES  4        /* of shard_strategy_e */


typedef struct {
    double                     total_s;     /* until the target serves */
    double                     copy_s;      /* of it, copying a snapshot */
    double                     bytes;       /* copied, 0: unknown or none */
    double                     hold_s;
    shard_strategy_e           strategy;
    unsigned                   promoted:1;  /* to a standby: no snapshot */
} predictor_duration_move_t;

typedef struct {
    uint32_t                   n;           /* moves it is of */
    double                     fixed_s;
    double                     byte_s;
    double                     log_hi;      /* of actual to expected */
    double                     weight;      /* 0 .. 1: the rest is the prior */
} predictor_duration_fit_t;

typedef struct {
    double                     prior_s;
    double                     prior_log_hi;
    double                     bytes;       /* of a shard of unknown size */
    double                     hold_s;
    predictor_duration_fit_t   all;
    predictor_duration_fit_t   promoted;
    predictor_duration_fit_t   strategy[PREDICTOR_DURATION_STRATEGIES];
} predictor_duration_t;

typedef struct {
    double                     s;
    double                     hi_s;
} predictor_duration_s_t;

/* memory of one _learn() */

typedef struct {
    const predictor_duration_move_t  *of[PREDICTOR_DURATION_MOVES];
    double                            values[PREDICTOR_DURATION_MOVES
                                             * PREDICTOR_DURATION_MOVES / 2];
} predictor_duration_work_t;


/* nothing is known but the configured time and its relative spread */

void predictor_duration_init(predictor_duration_t *d, double prior_s,
    double prior_spread);

/* the newest first; those beyond PREDICTOR_DURATION_MOVES are not looked at */

void predictor_duration_learn(predictor_duration_t *d,
    const predictor_duration_move_t *moves, uint32_t n,
    predictor_duration_work_t *work);

/* of a shard of so many bytes (0: unknown) to a new node, to a standby */

predictor_duration_s_t predictor_duration_move(const predictor_duration_t *d,
    shard_strategy_e strategy, double bytes);
predictor_duration_s_t predictor_duration_promote(
    const predictor_duration_t *d, shard_strategy_e strategy);


#endif /* _PREDICTOR_DURATION_H_INCLUDED_ */
