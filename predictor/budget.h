
/*
 * The churn budget: how many moves may start, and how many bytes may be
 * copied, within a window that slides; of a node, of a zone, of the fleet.
 * Pure, memory is the caller's.
 *
 *   past moves ──add()──▶ sums of the window ──may()──▶ candidates
 *                               ▲                          │
 *                               └────────── add() ◀────────┘ chosen
 *
 * A move counts from its start until the window has passed it and it has
 * ended, whichever is later: at both nodes, at both zones (once where they
 * are the same), at the fleet.  One of more bytes than the budget has may
 * start where nothing else counts: else it never could.
 */


#ifndef _PREDICTOR_BUDGET_H_INCLUDED_
#define _PREDICTOR_BUDGET_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


typedef enum {
    PREDICTOR_BUDGET_NODE = 0,
    PREDICTOR_BUDGET_ZONE,
    PREDICTOR_BUDGET_FLEET,
    PREDICTOR_BUDGET_SCOPES
} predictor_budget_scope_e;

typedef struct {
    uint32_t                   moves;       /* 0: no limit */
    double                     bytes;       /* 0: no limit */
} predictor_budget_limit_t;

typedef struct {
    uint32_t                   moves;
    double                     bytes;
} predictor_budget_sum_t;

typedef struct {
    double                     leaves_s;    /* counts until then */
    double                     bytes;
    uint32_t                   from;        /* nodes; >= nnodes: gone */
    uint32_t                   to;
} predictor_budget_move_t;

typedef struct {
    double                     window_s;
    predictor_budget_limit_t   limit[PREDICTOR_BUDGET_SCOPES];
    double                     now_s;

    uint32_t                   nnodes;
    uint32_t                   nzones;
    uint32_t                  *zone;        /* of each node, < nzones */
    predictor_budget_sum_t    *nodes;
    predictor_budget_sum_t    *zones;
    predictor_budget_sum_t     fleet;

    uint32_t                   nmoves;      /* that count now */
    uint32_t                   max;
    predictor_budget_move_t   *moves;
} predictor_budget_t;


/* bytes of memory for them, and laying it out: nothing has moved yet, all
 * nodes are in zone 0; limits are not touched */

size_t predictor_budget_size(uint32_t nnodes, uint32_t nzones, uint32_t max);
void predictor_budget_place(predictor_budget_t *b, void *memory,
    uint32_t nnodes, uint32_t nzones, uint32_t max);

/* a move that began at start_s and ends, or will, at end_s (in flight: as
 * expected, at least now).  0: there is no room to remember it */

int predictor_budget_add(predictor_budget_t *b, double start_s, double end_s,
    uint32_t from, uint32_t to, double bytes);

/* time goes on: what the window has passed counts no more */

void predictor_budget_now(predictor_budget_t *b, double now_s);

/* 1: a move of so many bytes (0: unknown) may start now */

int predictor_budget_may(const predictor_budget_t *b, uint32_t from,
    uint32_t to, double bytes);

/* 1: two moves may start together; of both, leaves_s is no matter */

int predictor_budget_may_both(predictor_budget_t *b,
    const predictor_budget_move_t *first,
    const predictor_budget_move_t *second);

/* when it may at the earliest, if nothing else starts: now_s or later */

double predictor_budget_next(const predictor_budget_t *b, uint32_t from,
    uint32_t to, double bytes);

/* moves that may start now between any nodes, of no bytes */

uint32_t predictor_budget_left(const predictor_budget_t *b);


#endif /* _PREDICTOR_BUDGET_H_INCLUDED_ */
