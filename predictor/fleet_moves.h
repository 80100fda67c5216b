
/*
 * What migrations and decisions tell the planner: shards in flight, shards
 * at rest (fleet_moves.c, of splits and merges fleet_cuts.c), how long a move
 * takes, and how many more may start (fleet_churn.c).  Parts of fleet.c.
 */


#ifndef _PREDICTOR_FLEET_MOVES_H_INCLUDED_
#define _PREDICTOR_FLEET_MOVES_H_INCLUDED_


#include "fleet.h"
#include "orders.h"


/* newest migrations and decisions that are looked at */

#define PREDICTOR_FLEET_RECENT  256


/* splits and merges of a shard that came to nothing, one after the other */

typedef struct {
    uint32_t                 shard;
    uint32_t                 n;
    double                   since_s;   /* the last one */
    double                   done_s;    /* one was done; INFINITY: none */
} predictor_fleet_failed_t;

typedef struct {
    predictor_fleet_t       *fleet;
    const predictor_conf_t  *conf;
    predictor_clock_t        clock;
    double                   now_ms;
    uint32_t                 waiting[PREDICTOR_FLEET_RECENT];   /* shards */

    /* finished moves, the newest first */
    uint32_t                    nmoves;
    predictor_duration_move_t   moves[PREDICTOR_DURATION_MOVES];

    /* of each migration two shards, of each decision one */
    uint32_t                    nfailed;
    predictor_fleet_failed_t    failed[3 * PREDICTOR_FLEET_RECENT];
} predictor_fleet_read_t;


void predictor_fleet_migrations(predictor_fleet_read_t *r,
    const shardd_entries_t *entries);

void predictor_fleet_decisions(predictor_fleet_read_t *r,
    const predictor_orders_t *orders);

/* the splits and merges of both; the newest first */

void predictor_fleet_cuts(predictor_fleet_read_t *r,
    const predictor_orders_t *orders);

/* one that has finished: what it took; its bytes are the shard's */

void predictor_fleet_learn(predictor_fleet_read_t *r, const shardd_entry_t *e);

/* the planner's limits and the churn budget, after both of the above;
 * SHARDD_BAD without memory */

int predictor_fleet_limits(predictor_fleet_read_t *r,
    const shardd_entries_t *migrations);

/* a field that is a number, or -1 */

double predictor_fleet_ms(const shardd_entry_t *entry, const char *name);

/* numbers in the table, SHARD_ID_NONE when there is none; "text" may be
 * NULL */

uint32_t predictor_fleet_node(const predictor_fleet_t *f, const char *name);
uint32_t predictor_fleet_shard(const predictor_fleet_t *f, const char *text);

/* real ms of the first "phase@ms" in "planned@1 claimed@2 ...", or -1; "trail"
 * may be NULL */

double predictor_fleet_phase_ms(const char *trail, const char *phase);


#endif /* _PREDICTOR_FLEET_MOVES_H_INCLUDED_ */
