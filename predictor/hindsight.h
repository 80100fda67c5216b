
/*
 * Hindsight: what a decision was worth, once its horizon is over.  Pure.
 *
 *   history, places of shards ──▶ loads of the two nodes without the shard,
 *   (who was where, and when)     and the shard's own, slot by slot
 *                                      │
 *          ┌───────────────┬───────────┴───┬────────────────┐
 *       decided         nothing         reacting         happened
 *     moved as it     stays on the    moved as late as  (of advice that
 *     was, or would   source          the source's load  was not taken)
 *     have been                       crossed the line
 *          └───────────────┴───────┬───────┴────────────────┘
 *                     seconds above capacity, by course
 *
 * All else is taken as it happened: of several decisions on the same nodes
 * each is scored as if it alone had been made otherwise.
 *
 * A slot's load is a mean; a move that begins or ends within a slot counts
 * by its part of it.  A slot violates when its load exceeds the capacity.
 */


#ifndef _PREDICTOR_HINDSIGHT_H_INCLUDED_
#define _PREDICTOR_HINDSIGHT_H_INCLUDED_


#include "history.h"


typedef enum {
    PREDICTOR_DECIDED = 0,
    PREDICTOR_NOTHING,
    PREDICTOR_REACTING,
    PREDICTOR_HAPPENED,
    PREDICTOR_COURSES
} predictor_course_e;

extern const char *const predictor_course_words[];


/* copying from "start_s" to "end_s", the load is on the target from
 * "commit_s" on; INFINITY: never */

typedef struct {
    double              start_s;
    double              commit_s;
    double              end_s;
} predictor_passage_t;


typedef struct {
    double              res_s;
    double              first_s;        /* slot 0, the one before deciding */
    uint32_t            n;              /* slots, with it */

    /* loads by slot; NaN: unknown */
    const double       *from;           /* of the source without the shard */
    const double       *to;
    const double       *shard;

    double              from_capacity;
    double              to_capacity;
    double              threshold;      /* of capacity: where one reacts */
    double              extra;          /* share of the load, while copying */
    double              decided_s;
    double              move_s;         /* of a move that did not take place */
    predictor_passage_t happened;
    unsigned            advice:1;       /* nobody was to carry it out */
} predictor_hindsight_t;

typedef struct {
    double              violation_s;    /* seconds above capacity */
    double              excess_s;       /* node-seconds of capacity missing */
} predictor_toll_t;

typedef struct {
    predictor_toll_t    toll[PREDICTOR_COURSES];
    double              reacting_s;     /* when one would, INFINITY: never */
    double              extra_load;     /* requests' worth of copying */
    double              cost_s;         /* violation that copying alone made */
    double              saved_nothing_s;
    double              saved_reacting_s;
    double              regret_s;       /* against the best of the three */
    uint32_t            known;          /* slots */
    uint32_t            slots;
} predictor_hindsight_score_t;


void predictor_hindsight_score(const predictor_hindsight_t *h,
    predictor_hindsight_score_t *score);


/*
 * Who was where: the shards' nodes now, and what changed them.  Going back
 * in time past a change puts its shard back on its source.
 */

typedef struct {
    shard_id_t          shard;
    uint32_t            from;           /* numbers; SHARD_ID_NONE: gone */
    uint32_t            to;
    predictor_passage_t when;           /* commit_s INFINITY: not (yet) */
} predictor_change_t;

typedef struct {
    const predictor_history_t  *history;
    double                      res_s;
    double                      extra;
    uint32_t                    nshards;
    const shard_id_t           *ids;
    const uint32_t             *nodes;      /* of the shards, now */
    uint32_t                    nchanges;
    const predictor_change_t   *changes;
} predictor_past_t;


/* loads of a node but for shard "except" in n slots from "slot" on, with the
 * extra load of moves at it; an unknown load of another shard counts as 0 */

void predictor_past_node(const predictor_past_t *past, uint32_t node,
    shard_id_t except, double base, long slot, uint32_t n, double *loads);

/* a shard's own; NaN where it is unknown */

void predictor_past_shard(const predictor_past_t *past, shard_id_t shard,
    long slot, uint32_t n, double *loads);


#endif /* _PREDICTOR_HINDSIGHT_H_INCLUDED_ */
