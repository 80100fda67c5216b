
/*
 * Dead nodes and what follows.  Pure: figures in, choices out.
 *
 *   routers' entries ──▶ votes per node ──▶ dead: a majority of those that
 *   nodes of the table ────────▲            live, for long enough, or "down"
 *                                               │
 *   shards, their standbys, loads ──────────────┴▶ promotions, heaviest first,
 *                                                  each to the standby that is
 *                                                  least behind, then least
 *                                                  used; new replicas
 *
 * A router votes by what its own health checks say for so long without a
 * break, so that a node that comes and goes is not dead; one whose entry is
 * old has no vote, and neither has one that sees nothing: without a majority
 * of all that live nobody is dead.
 */


#ifndef _PREDICTOR_FAILURE_H_INCLUDED_
#define _PREDICTOR_FAILURE_H_INCLUDED_


#include "../src/core/shard_types.h"


#define PREDICTOR_FAILURE_EVEN_S  1.0   /* standbys are as good as each other */


typedef struct {
    uint64_t            after_ms;       /* a vote counts from then on */
    uint64_t            live_ms;        /* older entries are of the dead */
    double              behind_s;       /* of strong shards; < 0: any */
    double              copy_load;      /* of a shard's load, at a replica */
} predictor_failure_limits_t;

typedef struct {
    /* in */
    double              capacity;
    double              load;           /* predicted, worst; grows by choices */
    uint32_t            zone;
    shard_node_state_e  state;
    unsigned            closing:1;      /* no target: it will drain soon */
    unsigned            gone:1;         /* dead for so long that it is lost */
    unsigned            spent:1;        /* no rebuilding from or to it now */
    uint32_t            votes;

    /* out */
    unsigned            dead:1;
} predictor_failure_node_t;

typedef enum {
    PREDICTOR_FAILURE_NONE = 0,         /* its primary lives */
    PREDICTOR_FAILURE_PROMOTED,
    PREDICTOR_FAILURE_LATER,            /* more than there may be at once */
    PREDICTOR_FAILURE_FIXED,            /* an operator's override */
    PREDICTOR_FAILURE_BUSY,             /* in other hands */
    PREDICTOR_FAILURE_ALONE,            /* no standby that could serve */
    PREDICTOR_FAILURE_BEHIND            /* none that has enough of it */
} predictor_failure_why_e;

typedef struct {
    /* in */
    uint32_t            primary;        /* nodes; SHARD_ID_NONE: unknown */
    uint32_t            nstandbys;
    uint32_t            standbys[SHARD_STANDBYS_MAX];
    double              behind_s[SHARD_STANDBYS_MAX];   /* < 0: unknown */
    uint8_t             failed;         /* bit by standby: tried in vain */
    double              load;           /* predicted, worst */
    unsigned            fixed:1;
    unsigned            busy:1;
    unsigned            strong:1;
    unsigned            stateless:1;    /* any node will do */
    unsigned            missing:1;      /* a replica, it was on "lost" */
    uint32_t            lost;

    /* out */
    predictor_failure_why_e  why;
} predictor_failure_shard_t;

typedef struct {
    uint32_t            shard;
    uint32_t            from;           /* the dead node */
    uint32_t            to;
    double              behind_s;
    double              to_before;      /* utilisations of the target */
    double              to_after;
} predictor_failure_choice_t;

typedef struct {
    predictor_failure_limits_t   limits;
    uint32_t                     nnodes;
    uint32_t                     nshards;
    uint32_t                     live;  /* routers */
    predictor_failure_node_t    *nodes;
    predictor_failure_shard_t   *shards;
} predictor_failure_t;


/* 1: a router whose entry is so old has a vote and is one of the "live" */

int predictor_failure_lives(const predictor_failure_limits_t *limits,
    uint64_t age_ms);

/* adds a live router's vote on a node that it has seen dead for so long */

void predictor_failure_vote(predictor_failure_t *f, uint32_t node,
    uint64_t dead_ms);

/* after all votes: fills "dead"; how many are */

uint32_t predictor_failure_count(predictor_failure_t *f);

/* up to "max" promotions, and each shard's "why" */

uint32_t predictor_failure_promote(predictor_failure_t *f,
    predictor_failure_choice_t *choices, uint32_t max);

/*
 * Up to "max" replicas in place of those on dead nodes, of shards whose
 * primary lives: elsewhere, in another zone where there is one.  At a node
 * one at a time.
 */

uint32_t predictor_failure_rebuild(predictor_failure_t *f,
    predictor_failure_choice_t *choices, uint32_t max);


#endif /* _PREDICTOR_FAILURE_H_INCLUDED_ */
