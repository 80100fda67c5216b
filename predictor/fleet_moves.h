
/*
 * What migrations and decisions tell the planner: shards in flight, shards
 * at rest, and how long a move takes.  Part of fleet.c.
 */


#ifndef _PREDICTOR_FLEET_MOVES_H_INCLUDED_
#define _PREDICTOR_FLEET_MOVES_H_INCLUDED_


#include "fleet.h"


/* newest migrations and decisions that are looked at */

#define PREDICTOR_FLEET_RECENT  256


typedef struct {
    predictor_fleet_t       *fleet;
    const predictor_conf_t  *conf;
    predictor_clock_t        clock;
    double                   now_ms;
    double                   moves[PREDICTOR_FLEET_RECENT];   /* seconds */
} predictor_fleet_read_t;


void predictor_fleet_migrations(predictor_fleet_read_t *r,
    const shardd_entries_t *entries);

void predictor_fleet_decisions(predictor_fleet_read_t *r,
    const shardd_entries_t *decisions, const shardd_entries_t *migrations);

/* the planner's limits; durations are those of the migrations seen before */

void predictor_fleet_limits(predictor_fleet_read_t *r);


/* numbers in the table, SHARD_ID_NONE when there is none; "text" may be
 * NULL */

uint32_t predictor_fleet_node(const predictor_fleet_t *f, const char *name);
uint32_t predictor_fleet_shard(const predictor_fleet_t *f, const char *text);

shard_str_t predictor_fleet_text(const char *text);


#endif /* _PREDICTOR_FLEET_MOVES_H_INCLUDED_ */
