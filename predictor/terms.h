
/*
 * What policy says of shards on nodes, as the planner tests it: masks for
 * what must be, one currency for what should be.  Pure.
 *
 *   who asks from where ──┐
 *   zones' distances ─────┼─▶ place: violation-seconds a second, by zone
 *   bytes, durations ─────┼─▶ cost of a move, of a promotion
 *   standbys' zones ──────┘─▶ barred: zones, as bits
 *
 * Requests go to the primary; of a shard of eventual consistency reads go to
 * the nearest copy, so that only its writes care where the primary is.
 */


#ifndef _PREDICTOR_TERMS_H_INCLUDED_
#define _PREDICTOR_TERMS_H_INCLUDED_


#include "../src/core/shard_terms.h"
#include "duration.h"


#define PREDICTOR_TERMS_CLIENTS  8          /* zones that ask */
#define PREDICTOR_TERMS_COLUMNS  65         /* zones of nodes, and the rest */


/* by zone that asks, per second */

typedef struct {
    float                   requests;
    float                   writes;
    float                   bytes;
} predictor_asked_t;

typedef struct {
    double                  weight[SHARD_TERMS];
    uint32_t                strong_within;      /* or SHARD_TERMS_ANYWHERE */
    unsigned                zones_apart:1;      /* replicas */

    uint32_t                nclients;
    uint32_t                ncolumns;
    uint32_t                between[PREDICTOR_TERMS_COLUMNS]
                                   [PREDICTOR_TERMS_COLUMNS];

    /* of zones that ask: distances, and the column that is theirs or none */
    uint32_t                distance[PREDICTOR_TERMS_CLIENTS]
                                    [PREDICTOR_TERMS_COLUMNS];
    uint32_t                column[PREDICTOR_TERMS_CLIENTS];
} predictor_terms_t;

/* a shard: columns of its copies */

typedef struct {
    uint32_t                primary;
    uint32_t                nstandbys;
    uint32_t                standbys[SHARD_STANDBYS_MAX];
    shard_consistency_e     consistency;
} predictor_terms_shard_t;


/* zones that it must not move to; never the one it is in, nor any when its
 * copies are no further apart for it */

uint64_t predictor_terms_barred(const predictor_terms_t *t,
    const predictor_terms_shard_t *s);

/* 1: where a shard is matters */

int predictor_terms_placed(const predictor_terms_t *t);

/* fills a row of t->ncolumns */

void predictor_terms_place(const predictor_terms_t *t,
    const predictor_terms_shard_t *s,
    const predictor_asked_t asked[PREDICTOR_TERMS_CLIENTS], float *row);

/* violation-seconds a second that a unit of load costs on a node */

double predictor_terms_price(const predictor_terms_t *t, double node_cost,
    double capacity);

/* violation-seconds of one move of so many bytes, of so long a duration and
 * hold, at so many requests per second */

double predictor_terms_move(const predictor_terms_t *t, double bytes,
    double move_s, double hold_s, double requests);


#endif /* _PREDICTOR_TERMS_H_INCLUDED_ */
